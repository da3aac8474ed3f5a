"""What each sender's feeds brought, to SQL: by the minute for rates and lags, and in all for the counters."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.formats.entities import DEVICE_TIME
from ingest.records import AlertIssued, AnyRecord, CaseReported, Reading, name_feed
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import MILLISECOND, as_ms, feed_minutes, feed_totals

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
TOTAL_COLUMNS = ("sender", "feed", "recorded", "late_duplicate", "received_at", "observed_at", "fast_clock")
ADD_TO_TOTAL = insert_sql(
    feed_totals,
    TOTAL_COLUMNS,
    """ON CONFLICT (sender, feed) DO UPDATE SET
    recorded = feed_totals.recorded + excluded.recorded,
    late_duplicate = feed_totals.late_duplicate + excluded.late_duplicate,
    received_at = CASE WHEN excluded.received_at > feed_totals.received_at
        THEN excluded.received_at ELSE feed_totals.received_at END,
    observed_at = CASE WHEN excluded.observed_at > feed_totals.observed_at
        THEN excluded.observed_at ELSE feed_totals.observed_at END,
    fast_clock = feed_totals.fast_clock + excluded.fast_clock
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
        minutes.extend((minute_at, sender, feed, *_sum_lags(part, at)) for minute_at, part in _by_minute(records))
        newest_at, observed_at = max(record.received_at for record in records), max(map(tell_when, records))
        fast = sum(isinstance(record, Reading) and DEVICE_TIME in record.attributes for record in records)
        totals.append((sender, feed, len(records), 0, as_ms(newest_at), as_ms(observed_at), fast))
    totals.extend((sender, feed, 0, len(records), 0, 0, 0) for (sender, feed), records in _by_feed(late))
    execute_rows(connection, ADD_TO_MINUTE, minutes)
    execute_rows(connection, ADD_TO_TOTAL, sorted(totals))  # two recorders at once lock rows in one order


def forget_feed_minutes(connection: Connection, before: datetime) -> int:
    """Remove the minutes before a moment and return how many rows went; the totals stay."""
    return execute_rows(connection, FORGET_MINUTES, [(as_ms(before),)])


def tell_when(record: AnyRecord) -> datetime:
    """Return when what a record tells of happened."""
    if isinstance(record, Reading):
        return record.observed_at
    if isinstance(record, AlertIssued):
        return record.sent
    return record.reported_at if isinstance(record, CaseReported) else record.at


def _by_feed(arrivals: Iterable[Arrival]) -> list[tuple[tuple[str, str], list[AnyRecord]]]:
    found: dict[tuple[str, str], list[AnyRecord]] = {}
    for arrival in arrivals:
        record = arrival.record
        found.setdefault((record.sender, name_feed(record)), []).append(record)
    return sorted(found.items())


def _by_minute(records: Sequence[AnyRecord]) -> Iterable[tuple[int, Sequence[AnyRecord]]]:
    """Return the records by the minute in which they came, in epoch ms; nearly always that is one."""
    received_at = [record.received_at for record in records]
    first, last = (as_ms(moment) // MINUTE_MS * MINUTE_MS for moment in (min(received_at), max(received_at)))
    if first == last:
        return [(first, records)]
    found: dict[int, list[AnyRecord]] = {}
    for record in records:
        found.setdefault(as_ms(record.received_at) // MINUTE_MS * MINUTE_MS, []).append(record)
    return sorted(found.items())


def _sum_lags(records: Sequence[AnyRecord], at: datetime) -> tuple[int, int, int, int]:
    """Return how many records there are, how many of them have a lag, and its sum and its highest in ms."""
    moments = [tell_when(record) for record in records if record.origin != "replayed"]
    if not moments:
        return len(records), 0, 0, 0
    if max(moments) > at:
        moments = [min(moment, at) for moment in moments]
    total = sum(map(at.__sub__, moments), NO_LAG)
    return len(records), len(moments), total // MILLISECOND, (at - min(moments)) // MILLISECOND
