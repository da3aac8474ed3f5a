"""Until when open cases are to be ended, in SQL: what `cases` reckons and ingest itself cannot."""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, Engine, select

from ingest.statements import Insert, execute_rows, insert_rows
from ingest.tables import case_deadlines

UPSERT: Final = Insert(
    case_deadlines, ("case_id", "due_at"), "ON CONFLICT (case_id) DO UPDATE SET due_at = excluded.due_at"
)
DELETE: Final = "DELETE FROM case_deadlines WHERE case_id = ?"


def read_deadlines(engine: Engine) -> dict[str, int]:
    """Return every deadline that is known (epoch ms), by case."""
    query = select(case_deadlines.c.case_id, case_deadlines.c.due_at)
    with engine.connect() as connection:
        return {row.case_id: row.due_at for row in connection.execute(query)}


def write_deadlines(connection: Connection, due_ms: Mapping[str, int | None]) -> None:
    """Write the deadlines of some cases (epoch ms); None takes away what was written."""
    # In one order, so that two who write the same wait for each other and not both.
    rows = sorted(due_ms.items())
    execute_rows(connection, DELETE, [(case_id,) for case_id, due in rows if due is None])
    insert_rows(connection, UPSERT, [row for row in rows if row[1] is not None])
