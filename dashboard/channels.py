"""One channel a scope: its live state, and the frames that tell it to all who look at that scope.

The county's channel is always there; one of an area or a unit is an excerpt of it, made when somebody looks and
dropped when nobody has for a while. Each has its own ring and epoch, so a position in one means nothing in another.
"""

import asyncio
import secrets
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.frames import Screen, encode_frame
from dashboard.ring import Frame, FrameId, Ring
from layers.state import LiveState

BEAT_S = 5.0

Run = Callable[[Callable[[], Frame]], Coroutine[Any, Any, Frame]]


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


class Channel:
    """The live state of one scope, and its frames.

    `begin` and `make_frame` are for the hub's state thread, all else for the event loop; `run` runs work in that
    thread.
    """

    def __init__(self, state: LiveState, revision: str, stream: str, tally: Tally, run: Run, ring: Ring | None = None):
        self.revision = revision
        self.ring = Ring() if ring is None else ring
        self.viewers = 0
        self.used_s = time.monotonic()
        self.telling = asyncio.Lock()
        self._turning = threading.Lock()  # a new epoch begins in the state thread, while a frame may be published
        self._tally = tally
        self._run = run
        self._published = asyncio.Event()
        self._snapshot: Frame | None = None
        self._snapshot_work: asyncio.Task[Frame] | None = None
        self.begin(state, stream)

    # -- in the state thread ------------------------------------------------------------------------------

    def begin(self, state: LiveState, stream: str) -> None:
        """Tell a state from the beginning, in a new epoch: every viewer gets a snapshot."""
        screen = Screen(state, self.revision)
        screen.delta(stream)  # the snapshot tells it
        with self._turning:
            self.state, self.screen, self.stream = state, screen, stream
            self.newest = FrameId(secrets.token_hex(4), 0)
            self._last_frame_s = float("-inf")  # the next frame is due at once

    def make_frame(self, stream: str) -> Frame | None:
        """Return the next frame; None if there is nothing to say. stream: whether the hub hears the streams."""
        self.stream = stream
        message = self.screen.delta(stream)
        if not message and time.monotonic() - self._last_frame_s < BEAT_S:
            return None
        id = FrameId(self.newest.epoch, self.newest.seq + 1)
        event = "delta" if message else "beat"
        return encode_frame(id, event, {**self.screen.stamp(id), "stream": stream, **message})

    def _encode_snapshot(self) -> Frame:
        screen, id = self.screen, self.newest
        return encode_frame(id, "snapshot", {**screen.stamp(id), "stream": self.stream, **screen.snapshot()})

    # -- on the event loop --------------------------------------------------------------------------------

    def publish(self, frame: Frame) -> None:
        """Hand a frame to every viewer, unless a new epoch has begun since it was made."""
        with self._turning:
            if frame.id.epoch != self.newest.epoch:
                return
            if frame.id.seq == 1:
                self.ring.clear()  # of the epoch before
            self.ring.push(frame)
            self.newest = frame.id
            self._last_frame_s = time.monotonic()
        self._tally.frames += 1
        self._tally.frame_bytes += len(frame.deflated)
        self.wake()

    def frames_after(self, cursor: FrameId) -> list[Frame] | None:
        """Return the frames that a viewer has not seen; None if it needs a snapshot."""
        return self.ring.after(cursor, self.newest)

    async def snapshot(self) -> Frame:
        """Return the sum of all frames so far; made at most once a frame and shared by all who ask."""
        if self._snapshot is not None and self._snapshot.id == self.newest:
            return self._snapshot
        if self._snapshot_work is None or self._snapshot_work.done():
            self._snapshot_work = asyncio.create_task(self._make_snapshot())
        # One viewer that leaves must not take the snapshot from the others.
        return await asyncio.shield(self._snapshot_work)

    async def wait(self) -> None:
        """Return after the next frame or epoch, or when the hub stops."""
        await self._published.wait()

    def wake(self) -> None:
        """Let everybody look again who waits."""
        woken, self._published = self._published, asyncio.Event()
        woken.set()

    async def _make_snapshot(self) -> Frame:
        frame = await self._run(self._encode_snapshot)
        if frame.id == self.newest:
            self._snapshot = frame
        self._tally.snapshots += 1
        return frame
