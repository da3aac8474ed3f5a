"""How often an address may try to log in."""

import ipaddress
from collections import OrderedDict, deque
from collections.abc import Callable
from time import monotonic
from typing import Final

MOST_FAILURES: Final = 30
WITHIN_S: Final = 600.0
MOST_ADDRESSES: Final = 10_000


class Attempts:
    """Counts failed attempts by address in memory: at most `MOST_FAILURES` in `WITHIN_S`.

    An office behind one address shares them, so there are more than an account has; each account is locked besides.
    """

    def __init__(self, now_s: Callable[[], float] = monotonic):
        self._now_s = now_s
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()

    def admit(self, address: str) -> bool:
        """Return whether an address may try now. It counts as failed until `forgive`, so many at once count too."""
        network = name_network(address)
        failures = self._failures.setdefault(network, deque())
        self._failures.move_to_end(network)
        if len(self._failures) > MOST_ADDRESSES:
            self._failures.popitem(last=False)
        now_s = self._now_s()
        while failures and failures[0] <= now_s - WITHIN_S:
            failures.popleft()
        if len(failures) >= MOST_FAILURES:
            return False
        failures.append(now_s)
        return True

    def forgive(self, address: str) -> None:
        """Take back the last attempt: it succeeded."""
        failures = self._failures.get(name_network(address))
        if failures:
            failures.pop()


def name_network(address: str) -> str:
    """Return by what somebody is counted: the address, of IPv6 the network that one customer has."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if known.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))
