"""On PostgreSQL the readings of each month of UTC are a table of their own, a partition of `readings`.

A query for some days looks into their months only, and an old month goes in one moment. A month's table is made when
its first reading comes, however late or early that is: the doors take no time before 1970 or after tomorrow, so there
are never more than some hundreds. SQLite keeps one table. Why: `docs/decisions/0009-partitions-and-retention.md`.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple, Self

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from ingest.tables import as_ms, as_time

log = logging.getLogger(__name__)

DAY_MS = 86_400_000
LONGEST_WAIT_MS = 200

# Any number that nothing else in the same PostgreSQL database locks.
MONTH_LOCK = 330_681_002

SELECT_ABSENT = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL"
SELECT_MONTHS = """SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
    WHERE inhparent = 'readings'::regclass ORDER BY relname"""


class Month(NamedTuple):
    """A calendar month of UTC."""

    year: int
    month: int

    @classmethod
    def of(cls, ms: int) -> Self:
        """Return the month of a moment in epoch ms."""
        at = as_time(ms)
        return cls(at.year, at.month)

    @classmethod
    def of_table(cls, name: str) -> Self:
        """Return the month whose table has a name."""
        _, year, month = name.split("_")
        return cls(int(year), int(month))

    @property
    def table(self) -> str:
        """The name of its table."""
        return f"readings_{self.year:04}_{self.month:02}"

    @property
    def start_ms(self) -> int:
        """Its first moment, in epoch ms."""
        return as_ms(datetime(self.year, self.month, 1, tzinfo=UTC))

    @property
    def end_ms(self) -> int:
        """The first moment after it, in epoch ms."""
        return Month(self.year + self.month // 12, self.month % 12 + 1).start_ms


def ensure_months(connection: Connection, times_ms: Iterable[int]) -> None:
    """Make the tables that readings of these moments need and that are not there yet; nothing on SQLite."""
    if connection.dialect.name != "postgresql":
        return
    # Whoever drops months waits for this transaction from here on.
    connection.exec_driver_sql("LOCK TABLE ONLY readings IN ROW EXCLUSIVE MODE")
    days = {ms // DAY_MS for ms in times_ms}
    names = sorted({Month.of(day * DAY_MS).table for day in days})
    if not _list_absent(connection, names):
        return
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MONTH_LOCK})")
    for name in _list_absent(connection, names):  # another recorder may have been faster
        _make_table(connection, Month.of_table(name))


def list_months(connection: Connection) -> list[Month]:
    """Return the months that have a table, the oldest first; PostgreSQL only."""
    return [Month.of_table(name) for (name,) in connection.exec_driver_sql(SELECT_MONTHS)]


def drop_oldest_month(connection: Connection, before_ms: int) -> int:
    """Drop the oldest month that is over, and of which nothing was received since `before_ms`; return how many: 0 or 1.

    Whoever reads or writes readings waits meanwhile, so it gives up, and 0 went, after a fifth of a second: a long
    query or a backup is under way.
    """
    for month in list_months(connection):
        if month.end_ms > before_ms:
            break
        try:
            if _drop_table(connection, month, before_ms):
                log.info("removed the readings of %04d-%02d", *month)
                return 1
        except DBAPIError as busy:
            if not isinstance(busy.orig, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
                raise
            log.warning("the readings of %04d-%02d are in use: they are removed another time", *month)
            break
    return 0


def _drop_table(connection: Connection, month: Month, before_ms: int) -> bool:
    lately = f"SELECT EXISTS (SELECT FROM {month.table} WHERE received_at >= {before_ms})"
    if connection.exec_driver_sql(lately).scalar():
        return False
    with connection.begin_nested():
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {LONGEST_WAIT_MS}")
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {LONGEST_WAIT_MS}")
        # Looked at again once it is locked: no recorder can put a reading into it any more.
        connection.exec_driver_sql("LOCK TABLE ONLY readings IN ACCESS EXCLUSIVE MODE")
        if connection.exec_driver_sql(lately).scalar():
            return False
        connection.exec_driver_sql(f"DROP TABLE {month.table}")
        return True


def _list_absent(connection: Connection, names: list[str]) -> list[str]:
    return [name for (name,) in connection.exec_driver_sql(SELECT_ABSENT, (names,))]


def _make_table(connection: Connection, month: Month) -> None:
    # Made first and attached then: unlike CREATE … PARTITION OF, this waits for no reader and no writer.
    connection.exec_driver_sql(f"CREATE TABLE {month.table} (LIKE readings INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
    connection.exec_driver_sql(
        f"ALTER TABLE readings ATTACH PARTITION {month.table} FOR VALUES FROM ({month.start_ms}) TO ({month.end_ms})"
    )
