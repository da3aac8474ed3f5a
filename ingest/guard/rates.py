"""How fast each sender may send: one bucket of events a sender and process."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ingest.senders import Sender

BURST_S: Final = 10.0
"""A sender that was quiet may send what it could have sent in this time, at once."""


@dataclass
class _Bucket:
    balance: float
    at: float


class Rates:
    """Keeps the balance of every sender that has a rate.

    Who has any balance may hand in one body, whatever its size, and the balance goes below zero by what was too much:
    so a batch larger than the burst is taken, too, and paid off afterwards. In the long run nobody exceeds their rate
    by more than the bodies they have in flight.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._buckets: dict[str, _Bucket] = {}

    def find_wait(self, sender: Sender) -> int:
        """Return in how many whole seconds the sender may send; 0 is now."""
        if sender.events_per_s is None:
            return 0
        balance = self._settle(sender, sender.events_per_s).balance
        return 0 if balance > 0 else max(1, math.ceil((1 - balance) / sender.events_per_s))

    def charge(self, sender: Sender, events: int) -> None:
        """Take events off the sender's balance."""
        if sender.events_per_s is not None:
            self._settle(sender, sender.events_per_s).balance -= events

    def _settle(self, sender: Sender, rate: float) -> _Bucket:
        now = self._clock()
        burst = max(1.0, rate * BURST_S)
        bucket = self._buckets.setdefault(sender.name, _Bucket(burst, now))
        bucket.balance = min(burst, bucket.balance + (now - bucket.at) * rate)
        bucket.at = now
        return bucket
