"""How often strangers may ask: a bucket for each address, and one for all of them together."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

ADDRESSES_KEPT: Final = 20_000


@dataclass
class _Bucket:
    balance: float
    at: float


class Pace:
    """Lets each address do something so many times in an hour, and all together so many times in a minute.

    An address that was quiet has its `burst` at once: a village behind one address of its telephone company is many
    people.
    """

    def __init__(
        self, hourly: float, burst: float, all_by_minute: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate_s, self._burst = hourly / 3600, burst
        self._all_rate_s, self._all_burst = all_by_minute / 60, all_by_minute
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._all = _Bucket(self._all_burst, clock())

    def take(self, address: str) -> int:
        """Count one deed of an address and return 0; or, where it was too much, in how many seconds to come again."""
        now = self._clock()
        bucket = self._buckets.setdefault(address, _Bucket(self._burst, now))
        self._buckets.move_to_end(address)
        while len(self._buckets) > ADDRESSES_KEPT:
            self._buckets.popitem(last=False)
        own = _settle(bucket, now, self._rate_s, self._burst)
        everybody = _settle(self._all, now, self._all_rate_s, self._all_burst)
        if own < 1 or everybody < 1:
            return max(1, math.ceil(max((1 - own) / self._rate_s, (1 - everybody) / self._all_rate_s)))
        bucket.balance, self._all.balance = own - 1, everybody - 1
        return 0

    def give_back(self, address: str) -> None:
        """Take a deed back that shall not have counted."""
        for bucket in (self._buckets.get(address), self._all):
            if bucket is not None:
                bucket.balance += 1


def _settle(bucket: _Bucket, now: float, rate_s: float, burst: float) -> float:
    bucket.balance = min(burst, bucket.balance + (now - bucket.at) * rate_s)
    bucket.at = now
    return bucket.balance
