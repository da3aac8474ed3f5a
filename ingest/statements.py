"""SQL text at driver level: the one dialect that SQLite and PostgreSQL share, with tuples for rows.

Core builds a dictionary for every row; at tens of thousands of rows a second that is half of the time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from typing import Any

import psycopg
from sqlalchemy import Connection, Table
from sqlalchemy.exc import DBAPIError

Row = tuple[Any, ...]
Key = tuple[Any, ...]

# Fewer rows than this go faster one by one: COPY needs three statements, whatever it carries.
COPY_FROM = 100

# What SQLite spends on a statement, and the driver on calling it, is shared by so many rows; more gain nothing.
ROWS_IN_ONE_STATEMENT = 50

# SQLite takes 32,766 parameters in one statement, psycopg 65,535.
KEYS_IN_ONE_STATEMENT = 2000


@dataclass(frozen=True)
class Insert:
    """An INSERT of many rows at once: the named columns of a table, and what happens where a row is there already."""

    table: Table
    columns: tuple[str, ...]
    on_conflict: str = ""

    @cached_property
    def sql(self) -> str:
        """The statement for one row, with `?` for each value."""
        return insert_sql(self.table, self.columns, self.on_conflict)

    @cached_property
    def sql_of_many(self) -> str:
        """The statement for `ROWS_IN_ONE_STATEMENT` rows, whose values come one after the other."""
        return insert_sql(self.table, self.columns, self.on_conflict, ROWS_IN_ONE_STATEMENT)


def insert_sql(table: Table, columns: Sequence[str], on_conflict: str = "", rows: int = 1) -> str:
    """Return an INSERT of so many rows of the named columns, with `?` for each value."""
    marks = f"({', '.join('?' * len(columns))})"
    values = ", ".join([marks] * rows)
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES {values} {on_conflict}".rstrip()


def update_newer(table: Table, columns: Sequence[str], key: Sequence[str], *rank: str) -> str:
    """Return the ON CONFLICT clause that overwrites a row unless the stored one ranks higher.

    `rank` are expressions in which `{row}` stands for the row; the first that differs decides.
    """
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in key)
    new, stored = (", ".join(rank).format(row=row) for row in ("excluded", table.name))
    return f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes} WHERE ({new}) >= ({stored})"


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


def insert_rows(connection: Connection, insert: Insert, rows: Sequence[Row]) -> int:
    """Insert rows, no two with the same key, in their order; return how many rows of the table that changed.

    On PostgreSQL many rows go by COPY into a temporary table and on from there, which is three times as fast; on
    SQLite, many in one statement.
    """
    if connection.dialect.name == "sqlite":
        return _insert_together(connection, insert, rows)
    if len(rows) < COPY_FROM:
        return execute_rows(connection, insert.sql, rows)
    table, staging, columns = insert.table.name, f"staging_{insert.table.name}", ", ".join(insert.columns)
    connection.exec_driver_sql(
        f"""CREATE TEMPORARY TABLE IF NOT EXISTS {staging} ON COMMIT DELETE ROWS
        AS SELECT {columns} FROM {table} WITH NO DATA"""
    )
    connection.exec_driver_sql(f"DELETE FROM {staging}")  # of an earlier call in this transaction
    copy_rows(connection, staging, insert.columns, rows)
    move = f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {staging} {insert.on_conflict}"
    return connection.exec_driver_sql(move).rowcount


def _insert_together(connection: Connection, insert: Insert, rows: Sequence[Row]) -> int:
    whole = len(rows) - len(rows) % ROWS_IN_ONE_STATEMENT
    pieces = (rows[start : start + ROWS_IN_ONE_STATEMENT] for start in range(0, whole, ROWS_IN_ONE_STATEMENT))
    changed = execute_rows(connection, insert.sql_of_many, (tuple(chain.from_iterable(piece)) for piece in pieces))
    return changed + execute_rows(connection, insert.sql, rows[whole:])


def copy_rows(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows straight into a PostgreSQL table by COPY; raises what SQLAlchemy would for any other statement."""
    sql = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    driver: Any = connection.connection.dbapi_connection
    try:
        with driver.cursor() as cursor, cursor.copy(sql) as copy:
            for row in rows:
                copy.write_row(row)
    except psycopg.Error as error:
        hidden = connection.engine.hide_parameters
        raise DBAPIError.instance(sql, None, error, psycopg.Error, hidden, dialect=connection.dialect) from error


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
