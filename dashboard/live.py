"""The live hub: one a process, between the streams and every open screen.

It loads the SQL snapshot, follows every partition from the snapshot's watermarks, and at most four times a
second serialises one frame a scope that is looked at, which all viewers of that scope share. State is touched by
one thread only, so the event loop is free whatever there is to fold or to serialise.
"""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dashboard.channels import Channel, Tally
from dashboard.geometry import name_revision
from dashboard.ring import Frame, FrameId, Ring
from geo.county import County
from ingest.answers import Snapshot
from ingest.history import load_reading_hours, load_snapshot
from ingest.migrations import DatabaseTooNew, upgrade_database
from ingest.records import decode_record
from ingest.rows.exercises import read_exercises
from ingest.rows.rounds import read_checks, read_entries
from ingest.rows.walls import read_newest_orders
from ingest.store import open_database
from ingest.stream import START, AsyncStreams, Message, StreamGap, StreamUnavailable, connect_async, order_id
from ingest.tables import as_ms
from layers.excerpt import COUNTY, Excerpt, Scope
from layers.exercise_book import KEPT
from layers.snapshot import find_newest, fold_exercises, fold_orders, fold_rounds, fold_snapshot
from layers.state import LiveState

TICK_S = 0.25  # screens are told what changed at most so often
UNWATCHED_S = 180.0  # after so long a channel that nobody watches or asks is dropped
BLOCK_MS = 1000
READ_AT_MOST = 1000  # messages a partition
PAUSE_S = 1.0  # after something was away
RELOAD_AT_MOST_EVERY_S = 60.0
REGISTER_EVERY_S = 60.0
ANSWER_WITHIN_S = 5.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class HubAway(RuntimeError):  # noqa: N818 - it says what is the case
    """The hub has no state: it is stopping, or SQL was away since it started."""


class Hub:
    """The live state of one county, and the channels that tell it, one a scope.

    `ready` is set once the state was first loaded; from then on there is always a state, however old.
    """

    def __init__(
        self,
        county: County,
        redis_url: str,
        database_url: str,
        partitions: int = 4,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ring: Ring | None = None,
        tick_s: float = TICK_S,
    ):
        self.county = county
        self.tally = Tally()
        self.ready = asyncio.Event()
        self.stopping = False
        self.stream_state = "away"
        self.redis_url = redis_url
        self._database_url = database_url
        self.partitions = partitions
        self._clock = clock
        self._ring = ring
        self._tick_s = tick_s
        self._thread = ThreadPoolExecutor(1, "live-state")
        self._tasks: list[asyncio.Task[None]] = []
        self._positions: dict[int, str] = {}
        self._reload_wanted = True
        self._loaded_s = float("-inf")
        self._register_read_s = float("-inf")
        self._channels: dict[Scope, Channel] = {}  # changed by the state thread alone
        self._engine: Engine | None = None

    # -- life ---------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to load and follow; returns at once."""
        self._tasks = [
            asyncio.create_task(self._follow(), name="follow"),
            asyncio.create_task(self._tick(), name="tick"),
        ]

    async def stop(self) -> None:
        """Let every viewer go and end the hub's own work."""
        self.release()
        pending = set(self._tasks)
        while pending:
            for task in pending:
                task.cancel()
            # redis-py 8.1 swallows a cancellation that meets it while it connects, so once may not be enough.
            _, pending = await asyncio.wait(pending, timeout=0.5)
        await asyncio.to_thread(self._thread.shutdown)
        if self._engine is not None:
            await asyncio.to_thread(self._engine.dispose)

    async def wait_for_fault(self) -> BaseException:
        """Return what a part of the hub ended with by a fault of ours; never, if there is none."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        faults = [fault for task in done if not task.cancelled() and (fault := task.exception())]
        if faults and not self.stopping:
            return faults[0]
        return await asyncio.Future()

    def release(self) -> None:
        """Tell every viewer that the end has come; the server can then stop without waiting for them."""
        self.stopping = True
        self.ready.set()
        for channel in self.channels():
            channel.wake()

    # -- asking -------------------------------------------------------------------------------------------

    async def ask(self, question: Callable[[LiveState], T], scope: Scope = COUNTY) -> T:
        """Return what a function makes of a scope's state, run where nothing changes meanwhile.

        Raises `HubAway` if there is no state soon.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self.ready.wait()
        except TimeoutError:
            raise HubAway("the live state is not loaded yet") from None
        return await self._in_state(lambda: question(self._look_up(scope).state))

    @contextlib.asynccontextmanager
    async def watch(self, scope: Scope = COUNTY) -> AsyncIterator[Channel]:
        """Yield the channel of a scope, kept as long as it is watched.

        Waits for the first state; raises `HubAway` when the hub stops.
        """
        await self.ready.wait()
        channel = await self._in_state(partial(self._look_up, scope))
        channel.viewers += 1
        try:
            if channel.viewers == 1 and scope != COUNTY:
                await self._tell(channel, partial(self._make_frame, channel))  # what came while nobody looked
            yield channel
        finally:
            channel.viewers -= 1
            channel.used_s = time.monotonic()

    async def wait(self) -> None:
        """Return after the county's next frame, or when the hub stops."""
        await self.ready.wait()
        if not self.stopping:
            await self._channels[COUNTY].wait()

    @property
    def newest(self) -> FrameId | None:
        """The id of the county's newest frame; None before the first state."""
        county = self._channels.get(COUNTY)
        return None if county is None else county.newest

    def channels(self) -> list[Channel]:
        """Return every channel there is, the county's first."""
        return list(self._channels.values())

    def ring_size(self) -> tuple[int, int]:
        """Return how many frames the rings hold, and how many bytes."""
        rings = [channel.ring for channel in self.channels()]
        return sum(map(len, rings)), sum(ring.bytes_held for ring in rings)

    # -- following ----------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        """Follow the streams for ever; whatever is away, the state stays and is taken up again."""
        while True:
            client = connect_async(self.redis_url)
            try:
                await self._follow_on(AsyncStreams(client, self.partitions))
            except StreamUnavailable as error:
                self._note_stream("away", str(error))
            except (SQLAlchemyError, DatabaseTooNew, OSError) as error:
                log.warning("no snapshot: %s", type(error).__name__)
            finally:
                await client.aclose()
            await asyncio.sleep(PAUSE_S)

    async def _follow_on(self, streams: AsyncStreams) -> None:
        await self._load_if_wanted()
        await self._catch_jumps(streams)
        while True:
            await self._load_if_wanted()
            await self._reread_register()
            try:
                messages = keep_abreast(await streams.read_after(self._positions, BLOCK_MS, READ_AT_MOST), READ_AT_MOST)
            except StreamGap as gap:
                log.warning("%s", gap)
                self.tally.gaps += 1
                await asyncio.sleep(PAUSE_S)  # the recorder may be just passing the gap as well
                await self._load()
                continue
            self._note_stream("ok")
            if messages:
                self._reload_wanted |= await self._in_state(partial(self._fold, messages))
                self._positions |= {message.partition: message.stream_id for message in messages}
                self._note_lag(messages[-1].stream_id)
            else:
                self.tally.lag_s = 0.0

    async def _load_if_wanted(self) -> None:
        """Load at first, and again (seldom) when the state says that it misses a case."""
        if not self._reload_wanted or time.monotonic() - self._loaded_s < RELOAD_AT_MOST_EVERY_S:
            return
        try:
            await self._load()
        except (SQLAlchemyError, OSError) as error:
            if not self.ready.is_set():
                raise
            log.warning("no fresh snapshot: %s", type(error).__name__)
            self._loaded_s = time.monotonic()

    async def _reread_register(self) -> None:
        """Take over, once a minute, whom visits are due to: an import writes SQL alone, and no stream tells of it."""
        if time.monotonic() - self._register_read_s < REGISTER_EVERY_S:
            return
        self._register_read_s = time.monotonic()
        assert self._engine is not None  # loaded before
        try:
            entries = await asyncio.to_thread(read_entries, self._engine)
        except (SQLAlchemyError, OSError) as error:
            log.warning("the register of care is not read: %s", type(error).__name__)
            return
        await self._in_state(lambda: self._channels[COUNTY].state.put_entries(entries))

    async def _catch_jumps(self, streams: AsyncStreams) -> None:
        """Begin again where a stream ends before our position: Redis came back without its memory.

        What is read twice changes nothing, because the state is a function of the set of records.
        """
        for partition, position in self._positions.items():
            if order_id((await streams.describe(partition)).last_id) < order_id(position):
                log.warning("partition %d jumped back; it is read again from its start", partition)
                self._positions[partition] = START

    def _note_stream(self, state: str, reason: str = "") -> None:
        if self.stream_state != state:
            log.info("streams: %s %s", state, reason)
        self.stream_state = state

    def _note_lag(self, stream_id: str) -> None:
        written_at = datetime.fromtimestamp(order_id(stream_id)[0] / 1000, UTC)
        self.tally.last_message_at = written_at
        self.tally.lag_s = max(0.0, (datetime.now(UTC) - written_at).total_seconds())

    async def _load(self) -> None:
        """Replace the state by a fresh one from SQL, in new epochs: every viewer gets a snapshot."""
        state, positions = await asyncio.to_thread(self._read_sql)
        await self._in_state(partial(self._begin, state))
        self._positions = positions
        self._reload_wanted, self._loaded_s = False, time.monotonic()
        self._register_read_s = self._loaded_s
        self.tally.loads += 1
        for channel in self.channels():
            channel.wake()
        self.ready.set()

    def _read_sql(self) -> tuple[LiveState, dict[int, str]]:
        if self._engine is None:
            upgrade_database(self._database_url)
            self._engine = open_database(self._database_url, read_only=True)
        state = LiveState(self.county)
        snapshot, since, until = self._read_snapshot(self._engine, state)
        hours = {feed: load_reading_hours(self._engine, feed, since, until) for feed in state.hours}
        fold_snapshot(state, snapshot, hours)
        state.advance(as_ms(self._clock()))
        fold_rounds(state, read_checks(self._engine, state.rounds.since), read_entries(self._engine))
        fold_orders(state, read_newest_orders(self._engine))
        fold_exercises(state, read_exercises(self._engine, self._clock() - KEPT))
        recorded = {partition: mark.stream_id for partition, mark in snapshot.watermarks.items()}
        positions = {partition: recorded.get(partition, START) for partition in range(self.partitions)}
        return state, positions

    def _read_snapshot(self, engine: Engine, state: LiveState) -> tuple[Snapshot, datetime, datetime]:
        """Return the snapshot and the time it goes back to; that counts from the county's own clock."""
        now, keep = self._clock(), timedelta(milliseconds=state.keep_ms)
        snapshot = load_snapshot(engine, now - keep)
        newest = find_newest(snapshot)
        if state.data_clock and newest is not None:
            now = newest
            snapshot = load_snapshot(engine, now - keep)
        return snapshot, now - keep, now + timedelta(hours=1)

    def _fold(self, messages: Sequence[Message]) -> bool:
        """Fold messages in; return whether the state says that it misses a case."""
        state = self._channels[COUNTY].state
        for message in messages:
            try:
                record = decode_record(message.record)
            except msgspec.DecodeError:
                self.tally.undecodable += 1  # the recorder refuses it and keeps the original
                continue
            milliseconds, sequence = order_id(message.stream_id)
            state.apply(record, order=milliseconds << 20 | sequence)
            self.tally.folded += 1
        missing, state.reopened_after_leaving = state.reopened_after_leaving, False
        return missing

    # -- telling ------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        await self.ready.wait()
        while not self.stopping:
            began_s = time.monotonic()
            county, *others = self.channels()
            await self._tell(county, self._make_county_frame)
            for channel in others:
                if channel.viewers:
                    await self._tell(channel, partial(self._make_frame, channel))
            await asyncio.sleep(max(0.0, began_s + self._tick_s - time.monotonic()))

    async def _tell(self, channel: Channel, make: Callable[[], Frame | None]) -> None:
        async with channel.telling:  # two frames made before either is published would bear one number
            frame = await self._in_state(make)
            if frame is not None:
                channel.publish(frame)

    # -- in the state thread ------------------------------------------------------------------------------

    def _begin(self, state: LiveState) -> None:
        """Put a fresh state in the place of the old one, and derive every channel anew."""
        if not self._channels:
            self._channels[COUNTY] = self._make_channel(state, COUNTY, self._ring)
            return
        for scope, channel in self._channels.items():
            channel.begin(state if scope == COUNTY else Excerpt(self.county, state, scope), self.stream_state)

    def _make_county_frame(self) -> Frame | None:
        """Move the clock, let the other channels follow what has changed, and return the county's frame."""
        county = self._channels[COUNTY]
        county.state.advance(as_ms(self._clock()))
        idle_since_s = time.monotonic() - UNWATCHED_S
        for scope, channel in list(self._channels.items()):
            if channel is not county and not channel.viewers and channel.used_s < idle_since_s:
                del self._channels[scope]
            elif channel is not county:
                self._catch_up(scope, channel)
        return county.make_frame(self.stream_state)

    def _make_frame(self, channel: Channel) -> Frame | None:
        channel.state.advance(self._channels[COUNTY].state.clock_ms)
        return channel.make_frame(self.stream_state)

    def _look_up(self, scope: Scope) -> Channel:
        """Return a scope's channel as of now, made where there is none."""
        whole = self._channels[COUNTY].state
        channel = self._channels.get(scope)
        if channel is None:
            channel = self._make_channel(Excerpt(self.county, whole, scope), scope)
            self._channels[scope] = channel
        elif scope != COUNTY:
            self._catch_up(scope, channel)
        if scope != COUNTY:
            channel.state.advance(whole.clock_ms)
        channel.used_s = time.monotonic()
        return channel

    def _catch_up(self, scope: Scope, channel: Channel) -> None:
        """Let a channel's excerpt mirror what has changed in the county since the county's last frame."""
        whole, excerpt = self._channels[COUNTY].state, channel.state
        if isinstance(excerpt, Excerpt) and not excerpt.follow(whole.changes):
            channel.begin(Excerpt(self.county, whole, scope), self.stream_state)

    def _make_channel(self, state: LiveState, scope: Scope, ring: Ring | None = None) -> Channel:
        revision = name_revision(self.county, scope.area)
        return Channel(state, revision, self.stream_state, self.tally, self._in_state, ring)

    async def _in_state(self, work: Callable[[], T]) -> T:
        """Run a piece of work in the one thread that touches the state."""
        if self.stopping:
            raise HubAway("the hub is stopping")
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._timed, work)

    def _timed(self, work: Callable[[], T]) -> T:
        began_s = time.thread_time()
        try:
            return work()
        finally:
            self.tally.work_seconds += time.thread_time() - began_s


def keep_abreast(messages: Sequence[Message], most: int) -> list[Message]:
    """Return the messages that are no newer than what the partition farthest behind has been read to.

    A case's report and what was done to it travel in different partitions: while a backlog is read, a partition that
    ran ahead would show as open for minutes what had long been closed. most: with so many a partition may have more.
    """
    counts = Counter(message.partition for message in messages)
    last = {message.partition: order_id(message.stream_id) for message in messages}
    behind = [last[partition] for partition, count in counts.items() if count >= most]
    if not behind:
        return list(messages)
    return [message for message in messages if order_id(message.stream_id) <= min(behind)]


@contextlib.asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Hub]:
    """Start a hub and stop it at the end."""
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()
