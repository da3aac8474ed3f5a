"""The event of a round: `task.checked`, somebody was there, where the plan says that somebody has to be."""

from datetime import datetime
from math import cos, hypot, radians
from typing import Annotated, Any, Final, Literal

import msgspec
import shapely
from msgspec import Meta

from geo.crs import to_wgs84
from ingest.reception import FieldError, Point, Reception
from ingest.records import TaskChecked

NEAR_M: Final = 200.0
"""So far outside of its cell a check-in still counts: what a phone between houses is wrong by, and a street's width."""

METRES_A_DEGREE: Final = 111_195.0  # of a great circle, on a sphere of 6,371 km

Person = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,39}$")]


class CheckedData(msgspec.Struct, kw_only=True):
    """The data of `task.checked`; `person` is a code of the county's register, so that no name can get in."""

    plan: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
    cell_code: Annotated[str, Meta(min_length=1, max_length=40)]
    worker: Annotated[str, Meta(min_length=1, max_length=200)]
    at: datetime
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    crs: Literal["wgs84", "cgcs2000", "gcj02", "bd09"] = "wgs84"
    person: Person | None = None
    note: Annotated[str, Meta(max_length=500)] | None = None


def read_check(data: CheckedData, common: Any, reception: Reception) -> TaskChecked:
    """Return a check-in as a record; raises `FieldError`, also where its place is too far from its cell."""
    reception.settle_place("", None, None, data.cell_code)  # the county must have the cell
    lon, lat = reception.settle_place("", data.lon, data.lat, data.cell_code)
    located = data.lon is not None
    if located:
        lon, lat = (float(part) for part in to_wgs84(lon, lat, data.crs))
        _check_near((lon, lat), data.cell_code, reception)
    return TaskChecked(
        **common,
        plan=data.plan,
        task_cell=data.cell_code,
        worker=data.worker,
        at=reception.settle_time("at", data.at, common["received_at"]),
        lon=lon,
        lat=lat,
        located=located,
        person=data.person,
        note=data.note,
    )


def _check_near(point: Point, cell_code: str, reception: Reception) -> None:
    shape = reception.cell_shapes.get(cell_code)
    distance_m = 0.0 if shape is None else measure_distance_m(point, shape)
    if distance_m > NEAR_M:
        raise FieldError("lon", f"{distance_m:.0f} m from cell {cell_code}; at most {NEAR_M:.0f} m count")


def measure_distance_m(point: Point, shape: shapely.Geometry) -> float:
    """Return how far a point (lon, lat) is outside of a shape, 0 inside; good to a percent over some kilometres."""
    lon, lat = point
    # In degrees of latitude in both directions, or what is nearest would be so only from north and south.
    narrow = cos(radians(lat))
    flat = shapely.transform(shape, lambda degrees: degrees * (narrow, 1.0))
    near = shapely.shortest_line(flat, shapely.Point(lon * narrow, lat))
    (x, y), (to_x, to_y) = shapely.get_coordinates(near)
    return hypot(x - to_x, y - to_y) * METRES_A_DEGREE
