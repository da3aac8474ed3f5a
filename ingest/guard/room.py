"""Bounds on what is in flight: bytes of bodies in memory, and batches on their way into the streams."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Final

SMALL_BODY_BYTES: Final = 64 * 1024
"""Cases and alarms come in small bodies; the last eighth of the room is kept for those."""


class NoRoom(RuntimeError):  # noqa: N818 - it says what is the case
    """There is no memory, or no turn, for this one now; the sender is to come again."""


class BodyRoom:
    """Counts the bytes of bodies that are in memory, so that they never are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._taken = 0

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """Yield what counts one body; it is given back when the block ends."""
        share = Share(self)
        try:
            yield share
        finally:
            self._taken -= share.size

    def take(self, size: int, whole: int) -> None:
        """Count `size` bytes more of a body that has `whole` by now; raises `NoRoom`, counting none."""
        limit = self._limit if whole <= SMALL_BODY_BYTES else self._limit * 7 // 8
        if self._taken + size > limit:
            raise NoRoom(f"{self._taken >> 20} MB of bodies are in work")
        self._taken += size


class Share:
    """What one body takes of the room."""

    def __init__(self, room: BodyRoom) -> None:
        self._room = room
        self.size = 0

    def grow(self, size: int) -> None:
        """Take `size` bytes more; raises `NoRoom`."""
        self._room.take(size, self.size + size)
        self.size += size


class Gate:
    """Lets `places` pass at a time; of those that wait, what is urgent goes first, then in order of arrival."""

    def __init__(self, places: int, longest_wait_s: float) -> None:
        self._free = places
        self._longest_wait_s = longest_wait_s
        self._urgent: deque[asyncio.Future[None]] = deque()
        self._others: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def pass_through(self, urgent: bool) -> AsyncIterator[None]:
        """Hold a place while the block runs; raises `NoRoom` if none came free in time."""
        await self._enter(self._urgent if urgent else self._others)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, line: deque[asyncio.Future[None]]) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            async with asyncio.timeout(self._longest_wait_s):
                await turn
        except (TimeoutError, asyncio.CancelledError) as error:
            # The turn may have come at the same moment: then it is the next one's.
            if turn.done() and not turn.cancelled():
                self._leave()
            if isinstance(error, TimeoutError):
                raise NoRoom(f"no turn within {self._longest_wait_s:.0f} s") from None
            raise
        finally:
            if turn in line:
                line.remove(turn)

    def _leave(self) -> None:
        for line in (self._urgent, self._others):
            while line:
                turn = line.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self._free += 1
