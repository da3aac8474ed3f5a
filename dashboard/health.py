"""How the web process is: `/health` and `/metrics`."""

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Engine

from dashboard.live import Hub
from ingest.feeds import FeedFigures
from ingest.health import Counters, Part, Status, read_health
from ingest.silence import FeedState
from ingest.stream import AsyncStreams
from ingest.tables import as_time
from layers.state import LiveState


class HubHealth(msgspec.Struct):
    """The hub: `down` before its first snapshot, `degraded` while it does not hear the streams.

    `lag_s` is how old the newest message was when it was folded in; 0 when there is nothing left to read.
    """

    state: Status
    stream: str
    lag_s: float | None
    last_message_at: datetime | None
    viewers: int
    frame: str


class FeedAge(msgspec.Struct):
    """One feed's age, as on every screen."""

    key: str
    state: FeedState
    newest_at: datetime | None
    last_message_at: datetime | None
    origin: str
    received: int


class Parts(msgspec.Struct):
    """The parts that the web process stands on."""

    redis: Part
    database: Part
    feeds: list[FeedAge]
    hub: HubHealth


class Health(msgspec.Struct):
    """The answer of `/health`; `counters` and `senders` are ingest's, None and empty while Redis is away."""

    status: Status
    now: datetime
    parts: Parts
    counters: Counters | None
    senders: list[FeedFigures]


async def check_health(hub: Hub, streams: AsyncStreams, engine: Engine) -> Health:
    """Return how everything is; answers within the clients' time-outs whatever is away.

    The pages are served, and the last known state with them, while Redis or SQL is away: that is `degraded`.
    `down` is only a hub that never had a state.
    """
    ingest = await read_health(streams, engine)
    loaded = hub.ready.is_set() and not hub.stopping
    feeds = await list_feed_ages(hub)
    heard = hub.stream_state == "ok"
    part = HubHealth(
        state="down" if not loaded else "ok" if heard else "degraded",
        stream=hub.stream_state,
        lag_s=hub.tally.lag_s,
        last_message_at=hub.tally.last_message_at,
        viewers=hub.tally.viewers,
        frame=str(hub.newest or ""),
    )
    parts = Parts(redis=ingest.parts.redis, database=ingest.parts.database, feeds=feeds, hub=part)
    well = ingest.status == "ok" and heard
    status: Status = "down" if not loaded else "ok" if well else "degraded"
    return Health(status=status, now=datetime.now(UTC), parts=parts, counters=ingest.counters, senders=ingest.senders)


def list_metrics(hub: Hub) -> Iterator[str]:
    """Yield the hub's figures in Prometheus' text format."""
    tally = hub.tally
    frames, held = hub.ring_size()
    for name, kind, value in (
        ("viewers", "gauge", tally.viewers),
        ("channels", "gauge", len(hub.channels())),
        ("stream_up", "gauge", int(hub.stream_state == "ok")),
        ("ring_frames", "gauge", frames),
        ("ring_bytes", "gauge", held),
        ("folded_total", "counter", tally.folded),
        ("undecodable_total", "counter", tally.undecodable),
        ("frames_total", "counter", tally.frames),
        ("frame_bytes_total", "counter", tally.frame_bytes),
        ("snapshots_total", "counter", tally.snapshots),
        ("loads_total", "counter", tally.loads),
        ("gaps_total", "counter", tally.gaps),
        ("viewer_skips_total", "counter", tally.skips),
        ("work_seconds_total", "counter", round(tally.work_seconds, 6)),
        ("lag_seconds", "gauge", tally.lag_s),
    ):
        if value is not None:
            yield f"# TYPE county_live_{name} {kind}"
            yield f"county_live_{name} {value}"


def list_age_metrics(feeds: list[FeedAge]) -> Iterator[str]:
    """Yield the feeds' last signs of life."""
    yield "# TYPE county_live_feed_heard_timestamp_seconds gauge"
    for feed in feeds:
        if feed.last_message_at is not None:
            at = feed.last_message_at.timestamp()
            yield f'county_live_feed_heard_timestamp_seconds{{feed="{feed.key}"}} {at:.3f}'


def _list_feeds(state: LiveState) -> list[FeedAge]:
    return [
        FeedAge(
            key=feed.key,
            state=feed.state(state.clock_ms),
            newest_at=None if feed.newest_ms is None else as_time(feed.newest_ms),
            last_message_at=None if feed.heard_ms is None else as_time(feed.heard_ms),
            origin=feed.origin(),
            received=feed.received,
        )
        for feed in state.feeds.values()
    ]


async def list_feed_ages(hub: Hub) -> list[FeedAge]:
    """Return every feed's age; none before the hub has loaded."""
    return await hub.ask(_list_feeds) if hub.ready.is_set() and not hub.stopping else []
