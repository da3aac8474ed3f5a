"""SQL text at driver level: the one dialect that SQLite and PostgreSQL share, with tuples for rows.

Core builds a dictionary for every row; at tens of thousands of rows a second that is half of the time.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import Connection, Table

Row = tuple[Any, ...]
Key = tuple[Any, ...]

# SQLite takes 32,766 parameters in one statement, psycopg 65,535.
KEYS_IN_ONE_STATEMENT = 2000


def insert_sql(table: Table, columns: Sequence[str], on_conflict: str = "") -> str:
    """Return an INSERT of the named columns, with `?` for each value."""
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks}) {on_conflict}".rstrip()


def update_newer(table: Table, columns: Sequence[str], key: Sequence[str], time: str) -> str:
    """Return the ON CONFLICT clause that overwrites a row unless the stored one is newer by `time`."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} WHERE excluded.{time} >= {table.name}.{time}"


def select_of_keys(table: Table, columns: Sequence[str], key: Sequence[str]) -> str:
    """Return a SELECT of the rows whose key columns equal one of many tuples: `{values}` stands for these.

    A join, and CROSS, so that SQLite looks each tuple up; given `(a, b) IN (VALUES …)` it scans the table.
    """
    equal = " AND ".join(f"{table.name}.{column} = keys.column{place}" for place, column in enumerate(key, 1))
    selected = ", ".join(f"{table.name}.{column}" for column in columns)
    return f"SELECT {selected} FROM (VALUES {{values}}) AS keys CROSS JOIN {table.name} WHERE {equal}"


def execute_rows(connection: Connection, sql: str, rows: Iterable[Row]) -> int:
    """Execute `sql` once for each row and return how many rows of the table it changed."""
    parameters = list(rows)
    if not parameters:
        return 0
    return connection.exec_driver_sql(_in_dialect(connection, sql), parameters).rowcount


def select_by_keys(connection: Connection, sql: str, keys: Iterable[Key]) -> Iterator[Row]:
    """Yield what `select_of_keys` selects for key tuples, in as many statements as they need."""
    remaining = iter(keys)
    while piece := list(islice(remaining, KEYS_IN_ONE_STATEMENT)):
        marks = "(" + ", ".join("?" * len(piece[0])) + ")"
        text = sql.format(values=", ".join([marks] * len(piece)))
        parameters = tuple(value for key in piece for value in key)
        yield from (tuple(row) for row in connection.exec_driver_sql(_in_dialect(connection, text), parameters))


def _in_dialect(connection: Connection, sql: str) -> str:
    return sql if connection.dialect.name == "sqlite" else sql.replace("?", "%s")
