"""When a feed that says nothing is late, and when it is silent: one rule for every screen."""

from datetime import timedelta
from typing import Literal, TypeVar

FeedState = Literal["ok", "late", "silent", "never"]
Span = TypeVar("Span", int, timedelta)


def judge_silence(silence: Span | None, stale_after: Span) -> FeedState:
    """Return whether a feed speaks, by how long it has been silent: late after its limit, silent after twice that.

    None is a feed that was never heard. Both are of one kind: milliseconds, or `timedelta`.
    """
    if silence is None:
        return "never"
    return "ok" if silence <= stale_after else "late" if silence <= 2 * stale_after else "silent"
