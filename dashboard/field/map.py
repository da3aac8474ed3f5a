"""The county as a phone draws it: small enough for a bad connection, exact enough to tell one village from the next."""

import gzip
import hashlib
import math
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dashboard.geometry import PreparedPart, make_areas, make_lines
from geo.county import County

PARTS_OF_EXTENT: Final = 2_000
"""The demo county is 130 kB then, its borders some 20 m off: where that matters, the server is asked."""
LEVELS: Final = {"county": "county", "towns": "town", "villages": "village"}


def prepare_map(county: County) -> PreparedPart:
    """Return county, towns, villages, roads and rivers as GeoJSON, each under its name."""
    west, south, east, north = county.bbox
    tolerance = math.hypot(east - west, north - south) / PARTS_OF_EXTENT
    parts: dict[str, Sequence[Any]] = {name: make_areas(county, level, tolerance) for name, level in LEVELS.items()}
    parts |= {"roads": make_lines(county.roads, tolerance), "rivers": make_lines(county.rivers, tolerance)}
    plain = msgspec.json.encode(
        {name: {"type": "FeatureCollection", "features": features} for name, features in parts.items()}
    )
    digest = hashlib.sha256(plain).hexdigest()[:16]
    return PreparedPart(gzip.compress(plain, 6, mtime=0), plain, f'"{digest}"')
