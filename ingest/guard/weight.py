"""How heavy JSON is before it is parsed: a value of two bytes becomes a hundred in memory.

Measured with msgspec, untyped: 8 MB of `[[[[[]]]]],` become 350 MB, of `{"":0},` 250 MB, of `[],` 210 MB: about
80 bytes for each comma, colon and opening bracket. So those are counted first, which takes 1 ms a MB. A body of
ordinary events has one in 10 bytes; commas in texts count, too, and the limits leave room for them.
"""

from typing import Final

MOST_MARKS: Final = 1_000_000
"""In a body: 80 MB while it is parsed."""

MOST_MARKS_IN_EVENT: Final = 10_000
"""In one event: what comes in is kept, sent to screens and read again by people."""

MOST_EVENTS: Final = 100_000
"""In a body: each is answered for, and the answer must have an end, too."""

_OTHER_BYTES: Final = bytes(set(range(256)) - set(b",:[{"))


def count_marks(json: bytes) -> int:
    """Return how many commas, colons and opening brackets there are: about as many as values and names."""
    return len(json.translate(None, _OTHER_BYTES))
