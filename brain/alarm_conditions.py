"""When something abnormal is an alarm: delays, duration in a window, and how much a number has changed.

Pure: a signal is told when it turns, and holds between. What comes out depends on the signal alone, not on how often
anybody looks. Times are epoch ms.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple


class Timing(NamedTuple):
    """How long a signal must be abnormal without a break, and normal; or abnormal for lasts_ms of each within_ms."""

    on_ms: int = 0
    off_ms: int = 0
    lasts_ms: int = 0
    within_ms: int = 0


AT_ONCE = Timing()


@dataclass(slots=True)
class Condition:
    """One signal: whether it is abnormal, since when, and whether that makes an alarm now.

    stretches: earlier times in which it was abnormal, as far as the timing's window may still see them.
    """

    abnormal: bool = False
    since_ms: int = 0
    active: bool = False
    changed_ms: int = 0
    stretches: deque[tuple[int, int]] = field(default_factory=deque)

    def turn(self, abnormal: bool, at_ms: int, timing: Timing) -> None:
        """Take in that the signal is abnormal, or normal, from a moment on; settle up to that moment first."""
        if abnormal == self.abnormal:
            return
        at_ms = max(at_ms, self.since_ms)
        if self.abnormal and timing.within_ms:
            self.stretches.append((self.since_ms, at_ms))
        while self.stretches and self.stretches[0][1] + timing.within_ms <= at_ms:
            self.stretches.popleft()
        self.abnormal, self.since_ms = abnormal, at_ms

    def settle(self, now_ms: int, timing: Timing) -> bool:
        """Let the alarm begin or end by the clock; return whether it did, which `changed_ms` dates."""
        due_ms = self.find_due_ms(timing)
        if due_ms is None or due_ms > now_ms:
            return False
        self.active = not self.active
        self.changed_ms = max(due_ms, self.changed_ms)
        return True

    def find_due_ms(self, timing: Timing) -> int | None:
        """Return when the alarm begins or ends if the signal stays as it is; None if it then never does."""
        if self.active == self.abnormal:
            return None
        if not self.active:
            return self._reach_ms(timing) if timing.lasts_ms else self.since_ms + timing.on_ms
        ends_ms = self.since_ms + timing.off_ms
        return max(ends_ms, self._fade_ms(timing)) if timing.lasts_ms else ends_ms

    def _seen_ms(self, timing: Timing) -> int:
        """Return how long the signal had been abnormal within the window that ended when it last turned."""
        opens_ms = self.since_ms - timing.within_ms
        return sum(end_ms - max(begin_ms, opens_ms) for begin_ms, end_ms in self.stretches)

    def _reach_ms(self, timing: Timing) -> int:
        """Return when a signal that stays abnormal has been so for long enough.

        While an earlier stretch leaves the window, as much goes as comes.
        """
        missing_ms, at_ms = timing.lasts_ms - self._seen_ms(timing), self.since_ms
        for begin_ms, end_ms in self.stretches:
            leaves_ms = max(begin_ms + timing.within_ms, at_ms)
            if missing_ms <= leaves_ms - at_ms:
                break
            missing_ms -= leaves_ms - at_ms
            at_ms = end_ms + timing.within_ms
        return at_ms + max(missing_ms, 0)

    def _fade_ms(self, timing: Timing) -> int:
        """Return when a signal that stays normal has no longer been abnormal for long enough."""
        spare_ms, at_ms = self._seen_ms(timing) - timing.lasts_ms, self.since_ms
        for begin_ms, end_ms in self.stretches:
            leaves_ms, gone_ms = max(begin_ms + timing.within_ms, at_ms), end_ms + timing.within_ms
            if 0 <= spare_ms < gone_ms - leaves_ms:
                return leaves_ms + spare_ms + 1
            spare_ms -= gone_ms - leaves_ms
        return at_ms


@dataclass(slots=True)
class Extreme:
    """The lowest value of a window of time, or the highest (`sign` −1), kept as values come in order of time."""

    sign: int = 1
    kept: deque[tuple[int, float]] = field(default_factory=deque)

    def change(self, value: float, at_ms: int, window_ms: int) -> float:
        """Take a value in; return how far it lies above the lowest (below the highest) of the window."""
        kept, signed = self.kept, self.sign * value
        while kept and kept[-1][1] >= signed:
            kept.pop()
        kept.append((at_ms, signed))
        while kept[0][0] < at_ms - window_ms:
            kept.popleft()
        return value - self.sign * kept[0][1]
