"""What every door needs to know about the county to judge an event, and how it judges times and places."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from shapely.geometry.base import BaseGeometry

from geo.assets import list_former_ids
from geo.county import County
from geo.profile import Datastream
from ingest.guard.weight import MOST_MARKS_IN_EVENT, count_marks
from ingest.open311.services import Service, list_services

EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
FURTHEST_AHEAD: Final = timedelta(days=1)
"""Senders' clocks differ; what claims to be later than this is a wrong date, not a wrong clock."""
CLOCK_TOLERANCE: Final = timedelta(minutes=5)
"""How far ahead a moment may be and still be kept: longer, and a fast clock would hide true readings for hours."""
LARGEST_EVENT_BYTES: Final = 256 * 1024

Point = tuple[float, float]

_DEEPEST: Final = 16
_LARGEST_INTEGER: Final = 2**63
# A NUL, escaped as JSON does; an even number of backslashes before it would be text that only looks like one.
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


class FieldError(ValueError):
    """One field of an event that cannot be true or cannot be read; `field` is its path, `reason` says why."""

    def __init__(self, field: str, reason: str):
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


@dataclass(frozen=True, eq=False)
class Reception:
    """The county as the doors see it, made once a process.

    categories: the classes a case may have; empty where the pack names none, then every class is welcome.
    declared_feeds: unit by key of the feeds that only this pack knows.
    asset_points, cell_points: (lon, lat) by asset id and by cell code; a cell's is a point inside it.
    present_ids: the id of today by each id that an asset had before.
    asset_kinds: the kind of each asset by its id.
    datastreams: what SensorThings datastreams observe, by id.
    measure_names: by kind of asset, the attribute by the short name that devices give it.
    cell_shapes: the outline of each cell, lon and lat in degrees.
    services: the categories as Open311 offers them, with what each asks.
    secret: goes into identities that are made of personal data, so that nobody finds the data by trying.
    """

    county_code: str
    zone: ZoneInfo
    categories: frozenset[str]
    declared_feeds: dict[str, str | None]
    asset_points: dict[str, Point]
    cell_points: dict[str, Point]
    present_ids: Mapping[str, str] = field(default_factory=dict)
    asset_kinds: Mapping[str, str] = field(default_factory=dict)
    datastreams: Mapping[str, Datastream] = field(default_factory=dict)
    measure_names: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    services: Mapping[str, Service] = field(default_factory=dict)
    cell_shapes: Mapping[str, BaseGeometry] = field(default_factory=dict)
    secret: bytes = b""

    def settle_time(self, field: str, moment: datetime, received_at: datetime) -> datetime:
        """Return when something was, in UTC: `read_time`, but a moment ahead of now by `CLOCK_TOLERANCE` is now.

        A fast clock then changes the order of what is told as little as it can.
        """
        moment = self.read_time(field, moment, received_at)
        return received_at if moment > received_at + CLOCK_TOLERANCE else moment

    def read_time(self, field: str, moment: datetime, received_at: datetime) -> datetime:
        """Return a moment in UTC, as told; one without a zone is in the county's.

        Raises `FieldError` before 1970 and after tomorrow.
        """
        if moment.tzinfo is UTC and EARLIEST <= moment <= received_at:
            return moment  # the usual case at a glance
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        if moment < EARLIEST:
            raise FieldError(field, f"{moment.isoformat()} is before 1970")
        if moment > received_at + FURTHEST_AHEAD:
            raise FieldError(field, f"{moment.isoformat()} is more than a day ahead of now")
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)

    def settle_place(self, prefix: str, lon: float | None, lat: float | None, cell_code: str | None) -> Point:
        """Return the place that coordinates or else a cell's code give; raises `FieldError` where neither does.

        `prefix` is put before the names of fields.
        """
        if lon is not None and lat is not None:
            return lon, lat
        if lon is not None or lat is not None:
            raise FieldError(f"{prefix}{'lon' if lon is None else 'lat'}", "missing: lon and lat go together")
        if cell_code is None:
            raise FieldError(f"{prefix}lon", "missing: give lon and lat, or cell_code")
        point = self.cell_points.get(cell_code)
        if point is None:
            raise FieldError(f"{prefix}cell_code", f"the county has no cell {cell_code!r}")
        return point


def open_reception(county: County) -> Reception:
    """Return what the doors need to know about a county."""
    inside = county.cells.geometry.representative_point()
    lon, lat = county.assets["lon"].astype(float), county.assets["lat"].astype(float)
    return Reception(
        county_code=county.code,
        zone=county.time_zone,
        categories=frozenset(county.categories),
        declared_feeds={feed.key: feed.unit for feed in county.feeds.values() if feed.declared},
        asset_points={id: (x, y) for id, x, y in zip(county.assets.index, lon, lat, strict=True)},
        cell_points={code: (x, y) for code, x, y in zip(county.cells.index, inside.x, inside.y, strict=True)},
        present_ids=list_former_ids(county.assets),
        asset_kinds={str(id): str(kind) for id, kind in county.assets["kind"].items()},
        datastreams=county.profile.datastreams,
        measure_names=county.profile.measure_names,
        services=list_services(county),
        cell_shapes=dict(zip(map(str, county.cells.index), county.cells.geometry, strict=True)),
    )


def check_bytes(body: bytes) -> None:
    """Raise `FieldError` for one event's JSON that is too long or too full, or has a text that no database can hold."""
    if len(body) > LARGEST_EVENT_BYTES:
        raise FieldError("event", f"{len(body)} bytes are more than the {LARGEST_EVENT_BYTES} an event may have")
    if len(body) > MOST_MARKS_IN_EVENT and count_marks(body) > MOST_MARKS_IN_EVENT:
        raise FieldError("event", f"more than {MOST_MARKS_IN_EVENT} names and values")
    if b"\\u0000" in body and _NUL.search(body):
        raise FieldError("event", "a text contains the character NUL")


def read_number(text: str, field: str) -> float:
    """Return a number written as text; raises `FieldError` for anything else, infinity and NaN too."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise FieldError(field, f"{text[:80]!r} is no number")
    return number


def check_tree(value: object, field: str = "", depth: int = 0) -> None:
    """Raise `FieldError` for data that a later reader could choke on: deep nesting, integers beyond 64 bits."""
    if depth > _DEEPEST:
        raise FieldError(field, f"nested deeper than {_DEEPEST} levels")
    if isinstance(value, dict):
        for name, part in value.items():
            kind = type(part)
            if kind is not str and kind is not float:  # most values are: nothing to look at
                check_tree(part, field or name, depth + 1)
    elif isinstance(value, list):
        for part in value:
            kind = type(part)
            if kind is not str and kind is not float:
                check_tree(part, field, depth + 1)
    elif isinstance(value, int) and abs(value) >= _LARGEST_INTEGER:
        raise FieldError(field, "an integer beyond 64 bits")
