"""What each sender's feeds brought, to SQL: by the minute for rates and lags, and in all for the counters."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.records import AnyRecord, CaseReported, Reading, name_feed
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import as_ms, feed_minutes, feed_totals

MINUTE_MS = 60_000
NO_LAG = timedelta(0)

MINUTE_COLUMNS = ("minute_at", "sender", "feed", "recorded", "lag_counted", "lag_total_ms", "lag_highest_ms")
ADD_TO_MINUTE = insert_sql(
    feed_minutes,
    MINUTE_COLUMNS,
    """ON CONFLICT (minute_at, sender, feed) DO UPDATE SET
    recorded = feed_minutes.recorded + excluded.recorded,
    lag_counted = feed_minutes.lag_counted + excluded.lag_counted,
    lag_total_ms = feed_minutes.lag_total_ms + excluded.lag_total_ms,
    lag_highest_ms = CASE WHEN excluded.lag_highest_ms > feed_minutes.lag_highest_ms
        THEN excluded.lag_highest_ms ELSE feed_minutes.lag_highest_ms END
    """,
)
TOTAL_COLUMNS = ("sender", "feed", "recorded", "late_duplicate", "received_at", "observed_at")
ADD_TO_TOTAL = insert_sql(
    feed_totals,
    TOTAL_COLUMNS,
    """ON CONFLICT (sender, feed) DO UPDATE SET
    recorded = feed_totals.recorded + excluded.recorded,
    late_duplicate = feed_totals.late_duplicate + excluded.late_duplicate,
    received_at = CASE WHEN excluded.received_at > feed_totals.received_at
        THEN excluded.received_at ELSE feed_totals.received_at END,
    observed_at = CASE WHEN excluded.observed_at > feed_totals.observed_at
        THEN excluded.observed_at ELSE feed_totals.observed_at END
    """,
)
FORGET_MINUTES = "DELETE FROM feed_minutes WHERE minute_at < ?"


def write_feeds(connection: Connection, recorded: Iterable[Arrival], late: Iterable[Arrival], at: datetime) -> None:
    """Add what a batch recorded, and the repeats that only SQL knew (`late`), to each sender's feeds.

    The lag is from observed to `at`. What is replayed has none, and a device's clock may be ahead: that is none too.
    """
    minutes: list[Row] = []
    totals: list[Row] = []
    for (sender, feed), records in _by_feed(recorded):
        minutes.extend(_sum_minutes(sender, feed, records, at))
        newest_at, observed_at = max(record.received_at for record in records), max(map(tell_when, records))
        totals.append((sender, feed, len(records), 0, as_ms(newest_at), as_ms(observed_at)))
    totals.extend((sender, feed, 0, len(records), 0, 0) for (sender, feed), records in _by_feed(late))
    execute_rows(connection, ADD_TO_MINUTE, minutes)
    execute_rows(connection, ADD_TO_TOTAL, totals)


def forget_feed_minutes(connection: Connection, before: datetime) -> int:
    """Remove the minutes before a moment and return how many rows went; the totals stay."""
    return execute_rows(connection, FORGET_MINUTES, [(as_ms(before),)])


def tell_when(record: AnyRecord) -> datetime:
    """Return when what a record tells of happened."""
    if isinstance(record, Reading):
        return record.observed_at
    return record.reported_at if isinstance(record, CaseReported) else record.at


def _by_feed(arrivals: Iterable[Arrival]) -> list[tuple[tuple[str, str], list[AnyRecord]]]:
    found: dict[tuple[str, str], list[AnyRecord]] = {}
    for arrival in arrivals:
        record = arrival.record
        found.setdefault((record.sender, name_feed(record)), []).append(record)
    return sorted(found.items())


def _sum_minutes(sender: str, feed: str, records: Sequence[AnyRecord], at: datetime) -> list[Row]:
    """Return one row a minute in which records came; all of one delivery have the same `received_at`."""
    sums: dict[int, list[int]] = {}
    for received_at, group in groupby(records, key=lambda record: record.received_at):
        together = list(group)
        lags_ms = [
            max(at - tell_when(record), NO_LAG) // timedelta(milliseconds=1)
            for record in together
            if record.origin != "replayed"
        ]
        received_ms = as_ms(received_at)
        row = sums.setdefault(received_ms - received_ms % MINUTE_MS, [0, 0, 0, 0])
        row[0] += len(together)
        row[1] += len(lags_ms)
        row[2] += sum(lags_ms)
        row[3] = max(row[3], *lags_ms, 0)
    return [(minute_at, sender, feed, *row) for minute_at, row in sums.items()]
