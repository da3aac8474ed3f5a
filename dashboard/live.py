"""The live hub: one a process, between the streams and every open screen.

It loads the SQL snapshot, follows every partition from the snapshot's watermarks, and at most four times a
second serialises one frame that all viewers share. State is touched by one thread only, so the event loop is
free whatever there is to fold or to serialise.
"""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from dashboard.frames import Screen, encode_frame
from dashboard.ring import Frame, FrameId, Ring
from geo.county import County
from ingest.answers import Snapshot
from ingest.history import load_reading_hours, load_snapshot
from ingest.migrations import DatabaseTooNew, upgrade_database
from ingest.records import decode_record
from ingest.store import open_database
from ingest.stream import START, AsyncStreams, Message, StreamGap, StreamUnavailable, connect_async, order_id
from ingest.tables import as_ms
from layers.snapshot import find_newest, fold_snapshot
from layers.state import LiveState

TICK_S = 0.25
BEAT_S = 5.0
BLOCK_MS = 1000
READ_AT_MOST = 1000  # messages a partition
PAUSE_S = 1.0  # after something was away
RELOAD_AT_MOST_EVERY_S = 60.0
ANSWER_WITHIN_S = 5.0

T = TypeVar("T")
log = logging.getLogger(__name__)


class HubAway(RuntimeError):  # noqa: N818 - it says what is the case
    """The hub has no state: it is stopping, or SQL was away since it started."""


@dataclass
class Tally:
    """What the hub has done since it started; for `/health` and `/metrics`."""

    folded: int = 0
    undecodable: int = 0
    frames: int = 0
    frame_bytes: int = 0
    snapshots: int = 0
    loads: int = 0
    gaps: int = 0
    viewers: int = 0
    skips: int = 0
    work_seconds: float = 0.0
    last_message_at: datetime | None = None
    lag_s: float | None = None


class Hub:
    """The live state of one county, and the frames that tell it.

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
    ):
        self.county = county
        self.tally = Tally()
        self.ready = asyncio.Event()
        self.stopping = False
        self.stream_state = "away"
        self.newest = FrameId(secrets.token_hex(4), 0)
        self.redis_url = redis_url
        self._database_url = database_url
        self.partitions = partitions
        self._clock = clock
        self._ring = Ring() if ring is None else ring
        self._thread = ThreadPoolExecutor(1, "live-state")
        self._tasks: list[asyncio.Task[None]] = []
        self._published = asyncio.Event()
        self._last_frame_s = 0.0
        self._snapshot: Frame | None = None
        self._snapshot_work: asyncio.Task[Frame] | None = None
        self._positions: dict[int, str] = {}
        self._reload_wanted = True
        self._loaded_s = float("-inf")
        self._state: LiveState | None = None
        self._screen: Screen | None = None
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
        self._wake()

    # -- asking -------------------------------------------------------------------------------------------

    async def ask(self, question: Callable[[LiveState], T]) -> T:
        """Return what a function makes of the state, run where nothing changes meanwhile.

        Raises `HubAway` if there is no state soon.
        """
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await self.ready.wait()
        except TimeoutError:
            raise HubAway("the live state is not loaded yet") from None
        return await self._in_state(lambda: question(self._need_state()))

    def frames_after(self, cursor: FrameId) -> list[Frame] | None:
        """Return the frames that a viewer has not seen; None if it needs a snapshot."""
        return self._ring.after(cursor, self.newest)

    async def snapshot(self) -> Frame:
        """Return the sum of all frames so far; made at most once a frame and shared by all who ask.

        Waits for the first state; raises `HubAway` when the hub stops.
        """
        await self.ready.wait()
        if self._snapshot is not None and self._snapshot.id == self.newest:
            return self._snapshot
        if self._snapshot_work is None or self._snapshot_work.done():
            self._snapshot_work = asyncio.create_task(self._make_snapshot())
        # One viewer that leaves must not take the snapshot from the others.
        return await asyncio.shield(self._snapshot_work)

    async def wait(self) -> None:
        """Return after the next frame, or when the hub stops."""
        await self._published.wait()

    def ring_size(self) -> tuple[int, int]:
        """Return how many frames the ring holds, and how many bytes."""
        return len(self._ring), self._ring.bytes_held

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
            try:
                messages = await streams.read_after(self._positions, BLOCK_MS, READ_AT_MOST)
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
            if self._state is None:
                raise
            log.warning("no fresh snapshot: %s", type(error).__name__)
            self._loaded_s = time.monotonic()

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
        """Replace the state by a fresh one from SQL, in a new epoch: every viewer gets a snapshot."""
        state, screen, positions = await asyncio.to_thread(self._read_sql)
        epoch = FrameId(secrets.token_hex(4), 0)

        def replace() -> None:
            self._state, self._screen, self.newest = state, screen, epoch
            screen.delta(self.stream_state)  # the snapshot tells it

        await self._in_state(replace)
        self._positions = positions
        self._ring.clear()
        self._snapshot = None
        self._reload_wanted, self._loaded_s = False, time.monotonic()
        self.tally.loads += 1
        self._wake()
        self.ready.set()

    def _read_sql(self) -> tuple[LiveState, Screen, dict[int, str]]:
        if self._engine is None:
            upgrade_database(self._database_url)
            self._engine = open_database(self._database_url, read_only=True)
        state = LiveState(self.county)
        snapshot, since, until = self._read_snapshot(self._engine, state)
        hours = {feed: load_reading_hours(self._engine, feed, since, until) for feed in state.hours}
        fold_snapshot(state, snapshot, hours)
        state.advance(as_ms(self._clock()))
        recorded = {partition: mark.stream_id for partition, mark in snapshot.watermarks.items()}
        positions = {partition: recorded.get(partition, START) for partition in range(self.partitions)}
        return state, Screen(state, self.county.revision), positions

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
        state = self._need_state()
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
            frame = await self._in_state(self._make_frame)
            # A reload meanwhile began a new epoch: what was told of the old state is of no use any more.
            if frame is not None and frame.id.epoch == self.newest.epoch:
                self._publish(frame)
            await asyncio.sleep(max(0.0, began_s + TICK_S - time.monotonic()))

    def _make_frame(self) -> Frame | None:
        state, screen = self._need_state(), self._need_screen()
        state.advance(as_ms(self._clock()))
        message = screen.delta(self.stream_state)
        if not message and time.monotonic() - self._last_frame_s < BEAT_S:
            return None
        id = FrameId(self.newest.epoch, self.newest.seq + 1)
        event = "delta" if message else "beat"
        return encode_frame(id, event, {**screen.stamp(id), "stream": self.stream_state, **message})

    def _publish(self, frame: Frame) -> None:
        self._ring.push(frame)
        self.newest = frame.id
        self._last_frame_s = time.monotonic()
        self.tally.frames += 1
        self.tally.frame_bytes += len(frame.deflated)
        self._wake()

    async def _make_snapshot(self) -> Frame:
        frame = await self._in_state(self._encode_snapshot)
        if frame.id == self.newest:
            self._snapshot = frame
        self.tally.snapshots += 1
        return frame

    def _encode_snapshot(self) -> Frame:
        screen, id = self._need_screen(), self.newest
        return encode_frame(id, "snapshot", {**screen.stamp(id), "stream": self.stream_state, **screen.snapshot()})

    def _wake(self) -> None:
        woken, self._published = self._published, asyncio.Event()
        woken.set()

    # -- inside -------------------------------------------------------------------------------------------

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

    def _need_state(self) -> LiveState:
        if self._state is None:
            raise HubAway("the live state is not loaded yet")
        return self._state

    def _need_screen(self) -> Screen:
        if self._screen is None:
            raise HubAway("the live state is not loaded yet")
        return self._screen


@contextlib.asynccontextmanager
async def running(hub: Hub) -> AsyncIterator[Hub]:
    """Start a hub and stop it at the end."""
    await hub.start()
    try:
        yield hub
    finally:
        await hub.stop()
