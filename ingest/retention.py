"""What is removed from SQL once it is old: each table's rows, after as many days as its setting says.

`keep_house` works beside the recorder, on a connection of its own and in small transactions with pauses between, so
that recording never waits for long. Why so: `docs/decisions/0009-partitions-and-retention.md`.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from ingest.rows.feeds import forget_feed_minutes
from ingest.rows.reading_months import drop_oldest_month
from ingest.statements import execute_rows
from ingest.tables import as_ms, as_time

log = logging.getLogger(__name__)

FIRST_AFTER_S = 60.0
EVERY_S = 3600.0
ROWS_AT_ONCE = 1_000
PAUSES_PER_WORK = 4  # so much longer than the work is the pause after it

FORGET_READINGS = """DELETE FROM readings WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM readings ORDER BY id LIMIT ?) AS oldest WHERE received_at < ?)"""
FIRST_HOUR = "SELECT min(hour_at) FROM reading_hours WHERE feed = {mark}"
FORGET_HOUR = "DELETE FROM reading_hours WHERE feed = ? AND hour_at = ?"
FORGET_ALARMS = """DELETE FROM alarms WHERE alarm_id IN (
    SELECT alarm_id FROM alarms WHERE cleared_at < ? AND changed_at < ? AND raised_at <= cleared_at LIMIT ?)"""
FORGET_ALARM_ACTIONS = """DELETE FROM alarm_actions WHERE id IN (SELECT id FROM alarm_actions WHERE at < ?
    AND NOT EXISTS (SELECT 1 FROM alarms WHERE alarms.alarm_id = alarm_actions.alarm_id) LIMIT ?)"""
FORGET_ALERTS = "DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE ends_at < ? AND received_at < ? LIMIT ?)"
FORGET_WORKERS = "DELETE FROM workers WHERE worker_id IN (SELECT worker_id FROM workers WHERE at < ? LIMIT ?)"
FORGET_REPORTERS = """DELETE FROM reporters WHERE case_id IN (
    SELECT case_id FROM cases JOIN reporters USING (case_id) WHERE closed_at < ? LIMIT ?)"""
OLD_CASES = "SELECT case_id FROM cases WHERE closed_at < {before} AND changed_at < {before} LIMIT {at_most}"

Forget = Callable[[Connection, int], int]
"""Removes a part of what is older than a moment in epoch ms, and returns how much went; 0 when nothing is left."""


def forget_old(
    engine: Engine, kept_days: Mapping[str, int], now: datetime, stop: threading.Event | None = None
) -> dict[str, int]:
    """Remove what is older than its table's `kept_days` (0: kept for ever), and return how many rows of which went.

    Goes on until nothing is left to remove, or `stop` is set. On PostgreSQL the months of `readings` are counted,
    not the rows. Raises a database error.
    """
    stop = stop or threading.Event()
    removed: dict[str, int] = {}
    for table, forget in FORGET.items():
        before_ms = as_ms(now - timedelta(days=kept_days[table]))
        while kept_days[table] and not stop.is_set():
            began = time.monotonic()
            with engine.begin() as connection:
                count = forget(connection, before_ms)
            if not count:
                break
            removed[table] = removed.get(table, 0) + count
            stop.wait(PAUSES_PER_WORK * (time.monotonic() - began))
        if table in removed:
            log.info("removed %d of %s, older than %d days", removed[table], table, kept_days[table])
    return removed


def keep_house(engine: Engine, kept_days: Mapping[str, int], stop: threading.Event) -> None:
    """Remove what is old every hour until `stop` is set; a database that is away is tried again then."""
    wait_s = FIRST_AFTER_S
    while not stop.wait(wait_s):
        wait_s = EVERY_S
        try:
            forget_old(engine, kept_days, datetime.now(UTC), stop)
        except DBAPIError as trouble:
            log.error("removing what is old: %s; next try in an hour", str(trouble.orig).partition("\n")[0])


def _forget_readings(connection: Connection, before_ms: int) -> int:
    """Remove the oldest rows by id, which is the order of recording; on PostgreSQL, a month as a whole."""
    if connection.dialect.name == "postgresql":
        return drop_oldest_month(connection, before_ms)
    return execute_rows(connection, FORGET_READINGS, [(ROWS_AT_ONCE, before_ms)])


def _forget_hours(connection: Connection, before_ms: int) -> int:
    """Remove one hour of one feed: a stretch of the primary key."""
    feeds = connection.exec_driver_sql("SELECT DISTINCT feed FROM latest_readings").scalars().all()
    first_hour = FIRST_HOUR.format(mark=_mark(connection))
    for feed in feeds:
        hour_at = connection.exec_driver_sql(first_hour, (feed,)).scalar()
        if hour_at is not None and hour_at < before_ms:
            return execute_rows(connection, FORGET_HOUR, [(feed, hour_at)])
    return 0


def _forget_cases(connection: Connection, before_ms: int) -> int:
    """Remove cases that are closed, and untouched, for so long; with their actions and reporters."""
    query = OLD_CASES.format(before=before_ms, at_most=ROWS_AT_ONCE)
    keys = [(case_id,) for case_id in connection.exec_driver_sql(query).scalars()]
    for table in ("reporters", "case_actions", "cases"):
        execute_rows(connection, f"DELETE FROM {table} WHERE case_id = ?", keys)
    return len(keys)


def _forget_reporters(connection: Connection, before_ms: int) -> int:
    return execute_rows(connection, FORGET_REPORTERS, [(before_ms, ROWS_AT_ONCE)])


def _forget_alarms(connection: Connection, before_ms: int) -> int:
    """Remove alarms that are back to normal, and untouched, for so long; then the actions of those that are gone.

    Of an alarm all actions go or none: the fold of some would be another alarm.
    """
    count = execute_rows(connection, FORGET_ALARMS, [(before_ms, before_ms, ROWS_AT_ONCE)])
    return count + execute_rows(connection, FORGET_ALARM_ACTIONS, [(before_ms, ROWS_AT_ONCE)])


def _forget_alerts(connection: Connection, before_ms: int) -> int:
    return execute_rows(connection, FORGET_ALERTS, [(before_ms, before_ms, ROWS_AT_ONCE)])


def _forget_workers(connection: Connection, before_ms: int) -> int:
    return execute_rows(connection, FORGET_WORKERS, [(before_ms, ROWS_AT_ONCE)])


def _forget_feed_minutes(connection: Connection, before_ms: int) -> int:
    return forget_feed_minutes(connection, as_time(before_ms))


def _mark(connection: Connection) -> str:
    return "?" if connection.dialect.name == "sqlite" else "%s"


FORGET: dict[str, Forget] = {
    "readings": _forget_readings,
    "reading_hours": _forget_hours,
    "workers": _forget_workers,
    "feed_minutes": _forget_feed_minutes,
    "alarms": _forget_alarms,
    "alerts": _forget_alerts,
    "reporters": _forget_reporters,
    "cases": _forget_cases,
}
