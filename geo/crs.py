"""Coordinate systems found in Chinese map data, and the way from each to WGS 84.

GCJ-02 ("Mars" coordinates of Amap, Tencent) is WGS 84 with a smooth shift of up to 700 m inside China; BD-09
(Baidu) is GCJ-02 with a second one. The formulas are the widely published ones (e.g. the PyPI packages `eviltransform`
and `coord-convert` carry them); no authority publishes them. CGCS2000 differs from WGS 84 by centimetres and is taken
as equal. Longitude comes first everywhere.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy
from numpy.typing import ArrayLike, NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError as ProjError

Coordinates = NDArray[numpy.float64]
Pair = tuple[Coordinates, Coordinates]

NAMES = ("wgs84", "cgcs2000", "gcj02", "bd09", "cgcs2000-gk", "cgcs2000-gk:MERIDIAN", "epsg:NUMBER")

# Krasovsky 1940, the ellipsoid of the GCJ-02 shift.
_AXIS = 6378245.0
_ECCENTRICITY_SQUARED = 0.00669342162296594323
_BD_PI = numpy.pi * 3000.0 / 180.0

# Box outside which GCJ-02 equals WGS 84, degrees: west, east, south, north.
_CHINA = (72.004, 137.8347, 0.8293, 55.8271)

# The inverse repeats until it moves less than this (about 0.1 mm).
_INVERSE_TOLERANCE = 1e-9
_INVERSE_ROUNDS = 50


class CrsError(ValueError):
    """A coordinate system that is not known or does not fit the numbers; the message says which."""


def to_wgs84(lon: ArrayLike, lat: ArrayLike, crs: str) -> Pair:
    """Return (lon, lat) in WGS 84 degrees, as arrays of the shape given (a number gives 0-d arrays).

    `crs` is one of `NAMES`, in any case. For projected systems `lon` is the easting and `lat` the northing, in metres;
    `cgcs2000-gk` reads the 3-degree zone from the easting's first two digits, `cgcs2000-gk:120` takes eastings without
    a zone on that central meridian. The inverses of GCJ-02 and BD-09 are exact to well below 0.5 m.
    Raises `CrsError` for an unknown name and for eastings that name no zone.
    """
    east = numpy.asarray(lon, dtype=numpy.float64)
    north = numpy.asarray(lat, dtype=numpy.float64)
    name = crs.strip().lower()
    if name in ("wgs84", "cgcs2000", "epsg:4326", "epsg:4490", "ogc:crs84"):
        return east, north
    if name == "gcj02":
        return gcj02_to_wgs84(east, north)
    if name == "bd09":
        return bd09_to_wgs84(east, north)
    if name == "cgcs2000-gk":
        return _unproject(east, north, _find_zone_epsg(east))
    if name.startswith("cgcs2000-gk:"):
        return _unproject(east, north, _find_meridian_epsg(name.removeprefix("cgcs2000-gk:")))
    if name.startswith("epsg:") and name[5:].isdecimal():
        return _unproject(east, north, int(name[5:]))
    raise CrsError(f"unknown coordinate system {crs!r}; known are {', '.join(NAMES)}")


def wgs84_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return GCJ-02 for WGS 84 degrees; points outside China stay as they are."""
    lon, lat = numpy.asarray(lon, dtype=numpy.float64), numpy.asarray(lat, dtype=numpy.float64)
    x, y = lon - 105.0, lat - 35.0
    sine_x, root_x = numpy.sin(numpy.pi * x), numpy.sqrt(numpy.abs(x))
    waves = (20.0 * numpy.sin(6.0 * numpy.pi * x) + 20.0 * numpy.sin(2.0 * numpy.pi * x)) * 2.0 / 3.0
    shift_y = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root_x + waves
    shift_y += (20.0 * numpy.sin(numpy.pi * y) + 40.0 * numpy.sin(numpy.pi * y / 3.0)) * 2.0 / 3.0
    shift_y += (160.0 * numpy.sin(numpy.pi * y / 12.0) + 320.0 * numpy.sin(numpy.pi * y / 30.0)) * 2.0 / 3.0
    shift_x = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root_x + waves
    shift_x += (20.0 * sine_x + 40.0 * numpy.sin(numpy.pi * x / 3.0)) * 2.0 / 3.0
    shift_x += (150.0 * numpy.sin(numpy.pi * x / 12.0) + 300.0 * numpy.sin(numpy.pi * x / 30.0)) * 2.0 / 3.0
    radians = numpy.radians(lat)
    magic = 1.0 - _ECCENTRICITY_SQUARED * numpy.sin(radians) ** 2
    meridian_radius = _AXIS * (1.0 - _ECCENTRICITY_SQUARED) / magic**1.5
    parallel_radius = _AXIS / numpy.sqrt(magic) * numpy.cos(radians)
    inside = _is_in_china(lon, lat)
    return (
        numpy.where(inside, lon + numpy.degrees(shift_x / parallel_radius), lon),
        numpy.where(inside, lat + numpy.degrees(shift_y / meridian_radius), lat),
    )


def gcj02_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return WGS 84 for GCJ-02 degrees: the exact inverse of `wgs84_to_gcj02`, found by iteration."""
    return _invert(wgs84_to_gcj02, lon, lat)


def gcj02_to_bd09(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return BD-09 for GCJ-02 degrees; points outside China stay as they are."""
    x, y = numpy.asarray(lon, dtype=numpy.float64), numpy.asarray(lat, dtype=numpy.float64)
    radius = numpy.hypot(x, y) + 0.00002 * numpy.sin(y * _BD_PI)
    angle = numpy.arctan2(y, x) + 0.000003 * numpy.cos(x * _BD_PI)
    inside = _is_in_china(x, y)
    return (
        numpy.where(inside, radius * numpy.cos(angle) + 0.0065, x),
        numpy.where(inside, radius * numpy.sin(angle) + 0.006, y),
    )


def bd09_to_gcj02(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return GCJ-02 for BD-09 degrees: the exact inverse of `gcj02_to_bd09`, found by iteration."""
    return _invert(gcj02_to_bd09, lon, lat)


def wgs84_to_bd09(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return BD-09 for WGS 84 degrees; points outside China stay as they are."""
    return gcj02_to_bd09(*wgs84_to_gcj02(lon, lat))


def bd09_to_wgs84(lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return WGS 84 for BD-09 degrees."""
    return gcj02_to_wgs84(*bd09_to_gcj02(lon, lat))


def _is_in_china(lon: Coordinates, lat: Coordinates) -> NDArray[numpy.bool_]:
    west, east, south, north = _CHINA
    return (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)


def _invert(forward: Callable[[ArrayLike, ArrayLike], Pair], lon: ArrayLike, lat: ArrayLike) -> Pair:
    """Return the point that `forward` moves onto (lon, lat): a fixed point, since the shift changes slowly."""
    target_lon, target_lat = numpy.asarray(lon, dtype=numpy.float64), numpy.asarray(lat, dtype=numpy.float64)
    guess_lon, guess_lat = target_lon, target_lat
    for _ in range(_INVERSE_ROUNDS):
        moved_lon, moved_lat = forward(guess_lon, guess_lat)
        error_lon, error_lat = target_lon - moved_lon, target_lat - moved_lat
        guess_lon, guess_lat = guess_lon + error_lon, guess_lat + error_lat
        largest = max(_largest(error_lon), _largest(error_lat))
        if largest < _INVERSE_TOLERANCE:
            break
    return guess_lon, guess_lat


def _largest(errors: Coordinates) -> float:
    return float(numpy.max(numpy.abs(errors), initial=0.0, where=numpy.isfinite(errors)))


def _find_zone_epsg(eastings: Coordinates) -> int:
    """Return the EPSG number of the one zone that all eastings name: zone 25 is 4513, zone 45 is 4533."""
    known = eastings[numpy.isfinite(eastings)]
    zones = numpy.unique((known // 1_000_000).astype(int))
    if len(zones) != 1:
        raise CrsError(f"eastings name {len(zones)} zones of cgcs2000-gk ({zones.tolist()[:5]}), not one")
    if not 25 <= zones[0] <= 45:
        raise CrsError(f"easting {known.flat[0]:.0f} carries no 3-degree zone from 25 to 45; give cgcs2000-gk:MERIDIAN")
    return 4513 + int(zones[0]) - 25


def _find_meridian_epsg(meridian: str) -> int:
    """Return the EPSG number of a central meridian without zone prefix: 75° is 4534, 135° is 4554."""
    if not meridian.isdecimal() or int(meridian) not in range(75, 136, 3):
        raise CrsError(f"central meridian {meridian!r} of cgcs2000-gk must be one of 75, 78, … 135")
    return 4534 + (int(meridian) - 75) // 3


def _unproject(east: Coordinates, north: Coordinates, epsg: int) -> Pair:
    lon, lat = _transformer(epsg).transform(east, north)
    lon, lat = numpy.asarray(lon, dtype=numpy.float64), numpy.asarray(lat, dtype=numpy.float64)
    if not (numpy.isfinite(lon) | ~numpy.isfinite(east)).all():
        raise CrsError(f"coordinates such as ({east.flat[0]}, {north.flat[0]}) do not fit epsg:{epsg}")
    return lon, lat


@lru_cache(maxsize=32)
def _transformer(epsg: int) -> Any:
    try:
        return Transformer.from_crs(CRS.from_epsg(epsg), CRS.from_epsg(4326), always_xy=True)
    except ProjError:
        raise CrsError(f"unknown coordinate system epsg:{epsg}") from None
