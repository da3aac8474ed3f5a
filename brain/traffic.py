"""How freely traffic moves, by the speed limits of the class of road."""

from collections.abc import Sequence
from typing import Final

DEFAULT_CLASS: Final = "arterial"
"""What a road is where nobody says its class."""


def rate_speed(bounds_kmh: Sequence[float], speed_kmh: float) -> int:
    """Return the congestion level 1 (free) … 5 (jammed); the bounds are the lower ones of levels 1 to 4, falling."""
    return 1 + sum(speed_kmh <= bound for bound in bounds_kmh)
