"""How ingest is: the state of what it stands on, and the counters that must always add up."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Literal

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from ingest.history import read_counters
from ingest.records import AnyRecord, name_feed
from ingest.stream import AsyncStreams, PartitionState, StreamUnavailable, Tallies, order_id

DATABASE_TIMEOUT_S = 3.0

Status = Literal["ok", "degraded", "down"]

# One thread: while a database hangs, questions about it wait in line here and nobody else is short of threads.
_database_thread = ThreadPoolExecutor(1, "health")


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
    """What came from one feed since this process started."""

    key: str
    received: int
    last_message_at: datetime


class Parts(msgspec.Struct):
    """The parts that ingest knows of."""

    redis: Part
    database: Part
    feeds: list[FeedHealth]


class Health(msgspec.Struct):
    """The answer of `/health`; `counters` is None while Redis, which keeps them, is away."""

    status: Status
    now: datetime
    parts: Parts
    counters: Counters | None


@dataclass
class Traffic:
    """What this process has seen since it started; the lasting counters are in Redis and SQL."""

    answers: Counter[int] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    heard_at: dict[str, datetime] = field(default_factory=dict)

    def note(self, records: Iterable[AnyRecord], at: datetime) -> None:
        """Count accepted records by feed."""
        counted = Counter(map(name_feed, records))
        self.events.update(counted)
        self.heard_at.update(dict.fromkeys(counted, at))

    def list_feeds(self) -> list[FeedHealth]:
        """Return every feed heard of."""
        return [FeedHealth(key, self.events[key], at) for key, at in sorted(self.heard_at.items())]


async def read_health(streams: AsyncStreams, database: Engine, traffic: Traffic) -> Health:
    """Return how ingest is; never raises, and answers within the client's time-out whatever is away."""
    # SQL before Redis: what is recorded now was accepted before, so `recorded` never runs ahead of `accepted`.
    stored, database_part = await _ask_database(database)
    tallies, redis_part = await _ask_redis(streams)
    counters = None
    if tallies is not None:
        counters = settle_counters(tallies, stored)
        if counters.recorded is not None:
            database_part.lag = counters.accepted - counters.recorded
    status: Status = "ok" if database_part.state == "ok" else "degraded"
    return Health(
        status="down" if redis_part.state == "down" else status,
        now=datetime.now(UTC),
        parts=Parts(redis=redis_part, database=database_part, feeds=traffic.list_feeds()),
        counters=counters,
    )


def settle_counters(tallies: Tallies, stored: Mapping[str, int] | None) -> Counters:
    """Return the counters, with what only the recorder could tell moved to where it belongs.

    A repeat after more than two days is known as one only in SQL (`late_duplicate`); a message that no
    database can hold is found by the recorder (`refused`).
    """
    if stored is None:
        return Counters(tallies.received, tallies.accepted, tallies.duplicate, tallies.rejected, None)
    late, refused = stored.get("late_duplicate", 0), stored.get("refused", 0)
    settled = replace(
        tallies,
        accepted=tallies.accepted - late - refused,
        duplicate=tallies.duplicate + late,
        rejected=tallies.rejected + refused,
    )
    recorded = stored.get("recorded", 0)
    return Counters(settled.received, settled.accepted, settled.duplicate, settled.rejected, recorded)


async def _ask_database(database: Engine) -> tuple[dict[str, int] | None, Part]:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(DATABASE_TIMEOUT_S):
            return await loop.run_in_executor(_database_thread, read_counters, database), Part("ok")
    except (SQLAlchemyError, TimeoutError) as error:
        return None, Part("down", reason=type(error).__name__)


async def _ask_redis(streams: AsyncStreams) -> tuple[Tallies | None, Part]:
    try:
        tallies = await streams.read_tallies()
        states = [await streams.describe(partition) for partition in range(streams.partitions)]
    except StreamUnavailable as error:
        return None, Part("down", reason=str(error))
    newest: PartitionState = max(states, key=lambda state: order_id(state.last_id))
    return tallies, Part("ok", lag=sum(state.length for state in states), last_message_at=newest.last_at)


def render_metrics(health: Health, traffic: Traffic) -> str:
    """Return the figures in Prometheus' text format; what is not known is left out."""
    return "\n".join(_list_metrics(health, traffic)) + "\n"


def _list_metrics(health: Health, traffic: Traffic) -> Iterator[str]:
    yield "# TYPE county_ingest_up gauge"
    for name, part in (("redis", health.parts.redis), ("database", health.parts.database)):
        yield f'county_ingest_up{{part="{name}"}} {int(part.state == "ok")}'
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
    for code, count in sorted(traffic.answers.items()):
        yield f'county_ingest_requests_total{{code="{code}"}} {count}'
    yield "# TYPE county_ingest_feed_events_total counter"
    for feed in traffic.list_feeds():
        yield f'county_ingest_feed_events_total{{feed="{feed.key}"}} {feed.received}'
    yield "# TYPE county_ingest_feed_heard_timestamp_seconds gauge"
    for feed in traffic.list_feeds():
        at = feed.last_message_at.timestamp()
        yield f'county_ingest_feed_heard_timestamp_seconds{{feed="{feed.key}"}} {at:.3f}'
