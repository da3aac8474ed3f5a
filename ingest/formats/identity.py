"""Observations that came without an event's id, as readings whose identity is made of what they say.

So a broker that tries again and two gateways that tell the same count once.
"""

from datetime import datetime
from hashlib import blake2b
from typing import Final

import msgspec
import numpy

from geo.crs import to_wgs84
from ingest.formats.entities import DEVICE_TIME, Observation
from ingest.reception import Point
from ingest.records import Reading

# What describes a thing and measures nothing; brokers send it along or not.
_DESCRIPTIVE: Final = frozenset(
    {
        *("name", "alternateName", "description", "source", "dataProvider", "owner", "seeAlso"),
        *("address", "areaServed", "color", "image", "annotations"),
    }
)
_sorted: Final = msgspec.json.Encoder(order="sorted")


def identify_reading(seen: Observation, source: str, received_at: datetime) -> Reading:
    """Return an observation as a reading in WGS 84; its id is the asset, the time told and a digest of the values."""
    told_at = seen.attributes.get(DEVICE_TIME) or seen.observed_at.isoformat()
    id = f"{seen.asset_id}@{told_at}#{_digest(seen)}"
    return seen.as_reading(source, id, received_at, _convert(seen.point, seen.crs))


def _digest(seen: Observation) -> str:
    told = {
        name: value
        for name, value in {"value": seen.value, **seen.attributes}.items()
        if name not in _DESCRIPTIVE and not name.startswith("ref")
    }
    # 5 and 5.0 are one number, which brokers and gateways write as they please.
    told = {name: float(value) if type(value) is int else value for name, value in told.items()}
    return blake2b(_sorted.encode(told), digest_size=8).hexdigest()


def _convert(point: Point, crs: str) -> Point:
    if crs == "wgs84":
        return point
    lon, lat = to_wgs84(numpy.array([point[0]]), numpy.array([point[1]]), crs)
    return float(lon[0]), float(lat[0])
