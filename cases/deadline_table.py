"""The deadlines of open cases as `ingest` may tell them: reckoned here, where the rules are, and kept in SQL.

The table `case_deadlines` is derived, and may be emptied at any time that no steward runs.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from sqlalchemy import Engine

from cases.open_cases import Held
from cases.rulebook import Rulebook
from ingest.rows.deadlines import read_deadlines, write_deadlines
from ingest.tables import as_ms

MOST_ROWS: Final = 500
"""Written at once: so short a time nobody waits for, and a county's first look is done within a minute."""


class DeadlineTable:
    """Keeps the table of one county as its open cases are; writer: an engine that may write, it stays the caller's."""

    def __init__(self, rulebook: Rulebook, writer: Engine) -> None:
        self._rulebook, self._writer = rulebook, writer
        self._written: dict[str, int] | None = None
        self._unsure: set[str] = set()

    def keep(self, held: Mapping[str, Held], changed: Iterable[str]) -> None:
        """Write what differs of the cases that changed, and of those held no more; raises `SQLAlchemyError`.

        What does not fit in, or could not be written, has its turn at the next call.
        """
        self._unsure.update(changed)
        if self._written is None:
            self._written = read_deadlines(self._writer)
        self._unsure |= self._written.keys() - held.keys()
        sure: list[str] = []
        rows: dict[str, int | None] = {}
        for case_id in self._unsure:
            if len(rows) == MOST_ROWS:
                break
            sure.append(case_id)
            due_ms = self._reckon(held.get(case_id))
            if due_ms != self._written.get(case_id):
                rows[case_id] = due_ms
        if rows:
            with self._writer.begin() as connection:
                write_deadlines(connection, rows)
        self._unsure.difference_update(sure)
        for case_id, due_ms in rows.items():
            if due_ms is None:
                del self._written[case_id]
            else:
                self._written[case_id] = due_ms

    def _reckon(self, held: Held | None) -> int | None:
        """Return when a whole case is due; None without a limit, while its clock stands still, or once it has ended."""
        if held is None or not held.state.is_open:
            return None
        case = held.case
        clock = self._rulebook.run_clock(case.category, case.severity, as_ms(case.reported_at), held.state)
        return clock.due_ms if clock else None
