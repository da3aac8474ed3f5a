"""A bounded run of serialised frames that any number of viewers read, each by a cursor of its own."""

from collections import deque
from dataclasses import dataclass
from typing import NamedTuple


class FrameId(NamedTuple):
    """Where a frame stands: the hub's epoch (one run of one hub) and the frame's number in it."""

    epoch: str
    seq: int

    def __str__(self) -> str:
        return f"{self.epoch}-{self.seq}"


def read_frame_id(text: str | None) -> FrameId | None:
    """Return the frame id that a viewer remembers, or None for one that says nothing."""
    epoch, dash, seq = (text or "").rpartition("-")
    # Nothing but ASCII digits: int() would also take "²" or a million of them.
    if not dash or not epoch or not (seq.isascii() and seq.isdigit()) or len(seq) > 15:
        return None
    return FrameId(epoch, int(seq))


@dataclass(frozen=True)
class Frame:
    """One event of `/live`, ready to send: as text, and as a deflate block for viewers who take gzip."""

    id: FrameId
    text: bytes
    deflated: bytes


class Ring:
    """The newest frames, at most so many and so many bytes."""

    def __init__(self, most_frames: int = 1200, most_bytes: int = 8 * 1024 * 1024):
        self._frames: deque[Frame] = deque()
        self._most_frames = most_frames
        self._most_bytes = most_bytes
        self.bytes_held = 0

    def __len__(self) -> int:
        return len(self._frames)

    def push(self, frame: Frame) -> None:
        """Add the next frame; the oldest leave when there is no room."""
        self._frames.append(frame)
        self.bytes_held += _weigh(frame)
        while len(self._frames) > self._most_frames or (self.bytes_held > self._most_bytes and len(self._frames) > 1):
            self.bytes_held -= _weigh(self._frames.popleft())

    def clear(self) -> None:
        """Drop every frame."""
        self._frames.clear()
        self.bytes_held = 0

    def after(self, cursor: FrameId, newest: FrameId) -> list[Frame] | None:
        """Return the frames after a cursor, oldest first; None if some of them have left or never were.

        newest: the id of the last frame made, which the ring may be too young or too small to hold.
        """
        missed = newest.seq - cursor.seq
        if cursor.epoch != newest.epoch or missed < 0 or missed > len(self._frames):
            return None
        # From the right end: a viewer is nearly always one or two frames behind.
        return [self._frames[position] for position in range(-missed, 0)]


def _weigh(frame: Frame) -> int:
    return len(frame.text) + len(frame.deflated)
