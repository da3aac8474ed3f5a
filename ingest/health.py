"""How ingest is: the state of what it stands on, and the counters that must always add up."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Literal

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ingest.feeds import FeedFigures, FeedHistory, Owner, list_feed_metrics, list_rows, read_feed_history
from ingest.history import read_counters
from ingest.inquiry import ask_database
from ingest.signs import read_signs
from ingest.stream import AsyncStreams, PartitionState, Reason, StreamUnavailable, Tallies, order_id

Status = Literal["ok", "degraded", "down"]


class Counters(msgspec.Struct):
    """Counted since the data folder began: received = accepted + duplicate + rejected at every moment.

    `recorded` is None while the database is away; once the streams are drained it equals `accepted`.
    """

    received: int
    accepted: int
    duplicate: int
    rejected: int
    recorded: int | None


class Part(msgspec.Struct):
    """A part's state; `lag` counts messages that it has yet to take, `last_message_at` is its newest one."""

    state: Status
    lag: int | None = None
    last_message_at: datetime | None = None
    reason: str | None = None


class FeedHealth(msgspec.Struct):
    """What came of one feed, whoever sent it."""

    key: str
    received: int
    last_message_at: datetime | None


class Parts(msgspec.Struct):
    """The parts that ingest knows of; `processes` are those that leave signs of life, by name."""

    redis: Part
    database: Part
    processes: dict[str, Part]
    feeds: list[FeedHealth]


class Health(msgspec.Struct):
    """The answer of `/health`; while Redis, which counts, is away, `counters` is None and `senders` empty.

    `warnings` say why readings wait, and what is wrong with the file of senders: then the status is `degraded`.
    """

    status: Status
    now: datetime
    warnings: list[str]
    parts: Parts
    counters: Counters | None
    senders: list[FeedFigures]


async def read_health(
    streams: AsyncStreams,
    database: Engine,
    warnings: Sequence[str] = (),
    expected: Mapping[Owner, timedelta] = MappingProxyType({}),
) -> Health:
    """Return how ingest is; never raises, and answers within the client's time-out whatever is away.

    `expected` is of `ingest.feeds.list_expected`: who should be heard of, and how soon.
    """
    now = datetime.now(UTC)
    # SQL before Redis: what is recorded now was accepted before, so `recorded` never runs ahead of `accepted`.
    stored, database_part = await ask_counters(database)
    history = None if stored is None else await _ask_history(database, now)
    tallies, reasons, redis_part = await _ask_redis(streams)
    signs = await read_signs(streams.client)
    processes = {
        name: Part(sign.state, last_message_at=sign.last_message_at, reason=sign.reason) for name, sign in signs.items()
    }
    senders = [] if tallies is None else list_rows(tallies.by_feed, history, reasons, expected, now)
    counters = None
    if tallies is not None:
        counters = settle_counters(tallies, stored)
        if counters.recorded is not None:
            database_part.lag = counters.accepted - counters.recorded
    troubled = bool(warnings) or any(part.state != "ok" for part in (database_part, *processes.values()))
    status: Status = "degraded" if troubled else "ok"
    return Health(
        status="down" if redis_part.state == "down" else status,
        now=now,
        warnings=list(warnings),
        parts=Parts(redis=redis_part, database=database_part, processes=processes, feeds=_list_feeds(senders)),
        counters=counters,
        senders=senders,
    )


def _list_feeds(senders: Iterable[FeedFigures]) -> list[FeedHealth]:
    feeds: dict[str, FeedHealth] = {}
    for told in senders:
        if told.received:
            feed = feeds.setdefault(told.feed, FeedHealth(told.feed, 0, None))
            feed.received += told.received
            feed.last_message_at = max(filter(None, (feed.last_message_at, told.heard_at)), default=None)
    return [feed for key, feed in sorted(feeds.items()) if key]


def settle_counters(tallies: Tallies, stored: Mapping[str, int] | None) -> Counters:
    """Return the counters, with what only the recorder could tell moved to where it belongs.

    A repeat after more than two days is known as one only in SQL (`late_duplicate`); a message that no
    database can hold is found by the recorder (`refused`).
    """
    if stored is None:
        return Counters(tallies.received, tallies.accepted, tallies.duplicate, tallies.rejected, None)
    late, refused = stored.get("late_duplicate", 0), stored.get("refused", 0) - tallies.readmitted
    settled = replace(
        tallies,
        accepted=tallies.accepted - late - refused,
        duplicate=tallies.duplicate + late,
        rejected=tallies.rejected + refused,
    )
    recorded = stored.get("recorded", 0)
    return Counters(settled.received, settled.accepted, settled.duplicate, settled.rejected, recorded)


async def ask_counters(database: Engine) -> tuple[dict[str, int] | None, Part]:
    """Return the counters that SQL keeps and how it is; None where it does not answer in time."""
    try:
        return await ask_database(database, read_counters), Part("ok")
    except (SQLAlchemyError, TimeoutError) as error:
        return None, Part("down", reason=type(error).__name__)


async def _ask_history(database: Engine, now: datetime) -> dict[Owner, FeedHistory] | None:
    try:
        return await ask_database(database, partial(read_feed_history, now=now))
    except (SQLAlchemyError, TimeoutError):
        return None


async def _ask_redis(streams: AsyncStreams) -> tuple[Tallies | None, list[Reason], Part]:
    try:
        tallies, reasons = await streams.read_tallies(), await streams.read_reasons()
        states = [await streams.describe(partition) for partition in range(streams.partitions)]
    except StreamUnavailable as error:
        return None, [], Part("down", reason=str(error))
    newest: PartitionState = max(states, key=lambda state: order_id(state.last_id))
    return tallies, reasons, Part("ok", lag=sum(state.length for state in states), last_message_at=newest.last_at)


def render_metrics(health: Health, answers: Mapping[int, int]) -> str:
    """Return the figures in Prometheus' text format; what is not known is left out.

    `answers` counts what this process answered, by status.
    """
    return "\n".join(_list_metrics(health, answers)) + "\n"


def _list_metrics(health: Health, answers: Mapping[int, int]) -> Iterator[str]:
    yield "# TYPE county_ingest_up gauge"
    parts = {"redis": health.parts.redis, "database": health.parts.database, **health.parts.processes}
    for name, part in parts.items():
        yield f'county_ingest_up{{part="{name}"}} {int(part.state == "ok")}'
    yield "# TYPE county_ingest_warnings gauge"
    yield f"county_ingest_warnings {len(health.warnings)}"
    if health.counters is not None:
        yield "# TYPE county_ingest_events_total counter"
        for outcome, count in msgspec.structs.asdict(health.counters).items():
            if count is not None:
                yield f'county_ingest_events_total{{outcome="{outcome}"}} {count}'
    if health.parts.redis.lag is not None:
        yield "# TYPE county_ingest_stream_messages gauge"
        yield f"county_ingest_stream_messages {health.parts.redis.lag}"
    if health.parts.database.lag is not None:
        yield "# TYPE county_ingest_unrecorded gauge"
        yield f"county_ingest_unrecorded {health.parts.database.lag}"
    yield "# TYPE county_ingest_requests_total counter"
    for code, count in sorted(answers.items()):
        yield f'county_ingest_requests_total{{code="{code}"}} {count}'
    yield from list_feed_metrics(health.senders)
