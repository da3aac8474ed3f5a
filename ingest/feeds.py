"""The board of feeds: who is connected, what came of what they sent, how late it is, and why some was refused.

It joins three memories: Redis counts what came in, SQL what was recorded and when, and the county pack and the list
of senders know who should be heard. One row is one feed of one sender.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, Row, func, select
from sqlalchemy.exc import SQLAlchemyError

from geo.county import County
from ingest.inquiry import ask_database
from ingest.masking import mask_text
from ingest.records import EXERCISE
from ingest.rows.feeds import MINUTE_MS
from ingest.silence import FeedState, judge_silence
from ingest.stream import AsyncStreams, FeedTally, Reason, StreamUnavailable, Tallies
from ingest.tables import HOUR_MS, as_ms, as_time, feed_minutes, feed_totals

HOURS: Final = 24
RATE_OVER_MINUTES: Final = 5
LAG_OVER: Final = timedelta(minutes=15)
STALE_AFTER: Final = timedelta(hours=1)
NOT_EXPECTED: Final = timedelta(days=36_500)
"""Nobody waits for an exercise to speak again: its silence is no fault."""
"""For a feed whose limit the pack does not say."""
MOST_REASONS: Final = 5

# What needs a person comes first.
_URGENCY: Final[tuple[FeedState, ...]] = ("silent", "never", "late", "ok")


class RefusalReason(msgspec.Struct, frozen=True):
    """How many events were refused for one field, and the latest of them: its reason, without persons, and when."""

    field: str
    count: int
    example: str
    at: datetime


class Lag(msgspec.Struct, frozen=True):
    """From observed to recorded."""

    mean_s: float
    highest_s: float


class FeedFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What one sender's feed did since the data folder began: received = accepted + duplicate + rejected.

    Counters are None while Redis is away; `recorded` and all after it while the database is. `hours` counts what came
    in each of the last 24 hours, oldest first, the hour now running included; `per_minute` is over the last five whole
    minutes, `lag` over the last quarter of an hour; `fast_clock` counts the readings that a device said were of the
    future. `feed` is empty for what was refused before it could be told; `sender` for a feed that nobody has sent yet.
    """

    sender: str
    feed: str
    state: FeedState
    stale_after_s: float
    received: int | None = None
    accepted: int | None = None
    duplicate: int | None = None
    rejected: int | None = None
    heard_at: datetime | None = None
    recorded: int | None = None
    observed_at: datetime | None = None
    per_minute: float | None = None
    lag: Lag | None = None
    hours: list[int] | None = None
    fast_clock: int | None = None
    reasons: list[RefusalReason] = []


class FeedBoard(msgspec.Struct, frozen=True):
    """Every row, the most silent first, and what could not be asked (`redis`, `database`)."""

    now: datetime
    rows: list[FeedFigures]
    away: list[str]


class FeedHistory(msgspec.Struct, frozen=True):
    """What SQL knows of one feed of one sender."""

    recorded: int
    late_duplicate: int
    received_at: datetime | None
    observed_at: datetime | None
    hours: list[int]
    per_minute: float
    lag: Lag | None
    fast_clock: int = 0


NOTHING: Final = FeedHistory(0, 0, None, None, [0] * HOURS, 0.0, None)
"""What SQL knows of a feed that was never recorded."""

Owner = tuple[str, str]
"""A sender's name and a feed."""


async def read_board(
    streams: AsyncStreams, engine: Engine, county: County, senders: Mapping[str, Collection[str]]
) -> FeedBoard:
    """Return the board as it is now; never raises for Redis or a database that is away, and says which.

    `senders` has the feeds that each registered sender is bound to, by name; none for one that may send any.
    """
    now = datetime.now(UTC)
    away = []
    history: Mapping[Owner, FeedHistory] | None = None
    tallies: Tallies | None = None
    reasons: Sequence[Reason] = ()
    # SQL before Redis: what is recorded now was accepted before, so `recorded` never runs ahead of `accepted`.
    try:
        history = await ask_database(engine, partial(read_feed_history, now=now))
    except (SQLAlchemyError, TimeoutError):
        away.append("database")
    try:
        tallies, reasons = await streams.read_tallies(), await streams.read_reasons()
    except StreamUnavailable:
        away.append("redis")
    rows = list_rows(tallies.by_feed if tallies else None, history, reasons, list_expected(county, senders), now)
    return FeedBoard(now, rows, away)


def list_expected(county: County, senders: Mapping[str, Collection[str]]) -> dict[Owner, timedelta]:
    """Return the owners that should be heard of.

    A feed of the pack that no sender is bound to has the sender ""; a sender bound to none has the feed "".
    """
    limits = {feed.key: feed.stale_after for feed in county.feeds.values()}
    bound = {(name, feed): limits.get(feed, STALE_AFTER) for name, feeds in senders.items() for feed in feeds}
    spoken_for = {feed for _, feed in bound}
    anything = {(name, ""): STALE_AFTER for name, feeds in senders.items() if not feeds}
    return bound | anything | {("", feed): limit for feed, limit in limits.items() if feed not in spoken_for}


def list_rows(
    tallies: Mapping[Owner, FeedTally] | None,
    history: Mapping[Owner, FeedHistory] | None,
    reasons: Iterable[Reason],
    expected: Mapping[Owner, timedelta],
    now: datetime,
) -> list[FeedFigures]:
    """Return the rows of the board, those that need a person first; a source that is away is None."""
    heard = (tallies or {}).keys() | (history or {}).keys()
    heard_senders, heard_feeds = {sender for sender, _ in heard}, {feed for _, feed in heard}
    owners = heard | {
        (sender, feed)
        for sender, feed in expected
        if (sender and feed) or (sender or feed) not in (heard_senders if sender else heard_feeds)
    }
    limits = {feed: limit for (_, feed), limit in expected.items()} | {EXERCISE: NOT_EXPECTED}
    why: dict[Owner, list[RefusalReason]] = {}
    for reason in reasons:
        row = RefusalReason(mask_text(reason.field), reason.count, mask_text(reason.example), reason.at)
        why.setdefault((reason.sender, reason.feed), []).append(row)
    rows = [
        _make_row(
            owner,
            None if tallies is None else tallies.get(owner, FeedTally()),
            None if history is None else history.get(owner, NOTHING),
            why.get(owner, [])[:MOST_REASONS],
            limits.get(owner[1], STALE_AFTER),
            now,
        )
        for owner in owners
    ]
    return sorted(rows, key=lambda row: (_URGENCY.index(row.state), row.sender, row.feed))


def read_feed_history(engine: Engine, now: datetime) -> dict[Owner, FeedHistory]:
    """Return what SQL knows of every feed of every sender."""
    with engine.connect() as connection:
        totals = connection.execute(select(feed_totals)).all()
        hours = _count_hours(connection, now)
        minutes = _read_newest(connection, now)
    return {
        (row.sender, row.feed): FeedHistory(
            recorded=row.recorded,
            late_duplicate=row.late_duplicate,
            received_at=as_time(row.received_at) if row.received_at else None,
            observed_at=as_time(row.observed_at) if row.observed_at else None,
            hours=hours.get((row.sender, row.feed), [0] * HOURS),
            per_minute=_find_rate(minutes.get((row.sender, row.feed), ()), now),
            lag=_find_lag(minutes.get((row.sender, row.feed), ())),
            fast_clock=row.fast_clock,
        )
        for row in totals
    }


def list_feed_metrics(rows: Sequence[FeedFigures]) -> Iterator[str]:
    """Yield the rows in Prometheus' text format; what is not known is left out."""
    yield "# TYPE county_ingest_sender_events_total counter"
    for row in rows:
        for outcome in ("accepted", "duplicate", "rejected", "recorded"):
            count = getattr(row, outcome)
            if count is not None:
                yield f'county_ingest_sender_events_total{{{_label(row)},outcome="{outcome}"}} {count}'
    yield "# TYPE county_ingest_sender_refused_total counter"
    for row in rows:
        for reason in row.reasons:
            field = reason.field.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
            yield f'county_ingest_sender_refused_total{{{_label(row)},field="{field}"}} {reason.count}'
    gauges: dict[str, Callable[[FeedFigures], float | None]] = {
        "heard_timestamp_seconds": lambda row: row.heard_at.timestamp() if row.heard_at else None,
        "stale_after_seconds": lambda row: row.stale_after_s,
        "events_per_minute": lambda row: row.per_minute,
        "lag_seconds": lambda row: row.lag.mean_s if row.lag else None,
        "lag_highest_seconds": lambda row: row.lag.highest_s if row.lag else None,
    }
    for name, read in gauges.items():
        yield f"# TYPE county_ingest_sender_{name} gauge"
        for row in rows:
            value = read(row)
            if value is not None:
                yield f"county_ingest_sender_{name}{{{_label(row)}}} {value:.3f}"


def _label(row: FeedFigures) -> str:
    return f'sender="{row.sender}",feed="{row.feed}"'


def _make_row(
    owner: Owner,
    tally: FeedTally | None,
    history: FeedHistory | None,
    reasons: list[RefusalReason],
    stale_after: timedelta,
    now: datetime,
) -> FeedFigures:
    heard = [at for at in (tally and tally.heard_at, history and history.received_at) if at]
    heard_at = max(heard, default=None)
    row = FeedFigures(
        sender=owner[0],
        feed=owner[1],
        state=judge_silence(None if heard_at is None else now - heard_at, stale_after),
        stale_after_s=stale_after.total_seconds(),
        heard_at=heard_at,
        reasons=reasons,
    )
    if tally is not None:
        # What SQL alone knew as a repeat was accepted at the door.
        late = history.late_duplicate if history else 0
        row = msgspec.structs.replace(
            row,
            received=tally.received,
            accepted=tally.accepted - late,
            duplicate=tally.duplicate + late,
            rejected=tally.rejected,
        )
    if history is not None:
        row = msgspec.structs.replace(
            row,
            recorded=history.recorded,
            observed_at=history.observed_at,
            per_minute=history.per_minute,
            lag=history.lag,
            hours=history.hours,
            fast_clock=history.fast_clock,
        )
    return row


def _count_hours(connection: Connection, now: datetime) -> dict[Owner, list[int]]:
    this_hour = as_ms(now) // HOUR_MS
    table = feed_minutes.c
    hour_at = (table.minute_at - table.minute_at % HOUR_MS).label("hour_at")
    query = (
        select(table.sender, table.feed, hour_at, func.sum(table.recorded).label("recorded"))
        .where(table.minute_at >= (this_hour - HOURS + 1) * HOUR_MS)
        .group_by(table.sender, table.feed, hour_at)
    )
    hours: dict[Owner, list[int]] = {}
    for row in connection.execute(query):
        place = row.hour_at // HOUR_MS - this_hour + HOURS - 1
        if place < HOURS:  # a clock set back leaves minutes that are yet to come
            hours.setdefault((row.sender, row.feed), [0] * HOURS)[place] = int(row.recorded)
    return hours


def _read_newest(connection: Connection, now: datetime) -> dict[Owner, list[Row[Any]]]:
    minutes: dict[Owner, list[Row[Any]]] = {}
    query = select(feed_minutes).where(feed_minutes.c.minute_at >= as_ms(now - LAG_OVER))
    for row in connection.execute(query):
        minutes.setdefault((row.sender, row.feed), []).append(row)
    return minutes


def _find_rate(minutes: Iterable[Row[Any]], now: datetime) -> float:
    """Return events a minute over the last whole minutes; the one that runs now would make it too low."""
    end = as_ms(now) - as_ms(now) % MINUTE_MS
    whole = range(end - RATE_OVER_MINUTES * MINUTE_MS, end)
    return float(sum(row.recorded for row in minutes if row.minute_at in whole)) / RATE_OVER_MINUTES


def _find_lag(minutes: Sequence[Row[Any]]) -> Lag | None:
    counted = sum(row.lag_counted for row in minutes)
    if not counted:
        return None
    total_ms, highest_ms = sum(row.lag_total_ms for row in minutes), max(row.lag_highest_ms for row in minutes)
    return Lag(total_ms / counted / 1000, highest_ms / 1000)
