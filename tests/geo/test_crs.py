"""Coordinate systems: published vectors, round trips, and the real county that exists in two of them."""

from pathlib import Path

import geopandas
import numpy
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from pyproj import Geod, Transformer

from geo.crs import (
    CrsError,
    bd09_to_wgs84,
    gcj02_to_bd09,
    gcj02_to_wgs84,
    to_wgs84,
    wgs84_to_bd09,
    wgs84_to_gcj02,
)

GEOD = Geod(ellps="WGS84")

# (lat, lon) in WGS 84 and GCJ-02, from reference/standards.md 3.12.
GCJ02_VECTORS = [
    ((31.1774276, 121.5272106), (31.17530398364597, 121.531541859215)),
    ((22.543847, 113.912316), (22.540796131694766, 113.9171764808363)),
    ((39.911954, 116.377817), (39.91334545536069, 116.38404722455657)),
]
# (lat, lon) in BD-09 and WGS 84, from the same place.
BD09_VECTORS = [
    ((29.199786, 120.019809), (29.196131605295484, 120.00877901149691)),
    ((29.210504, 120.036455), (29.206795749156136, 120.0253853970846)),
]
# (lon, lat) in WGS 84, GCJ-02 and BD-09 of six Chinese cities as Baidu's and Amap's own services give them, from the
# fixtures of the npm package gcoord (MIT).
CITY_VECTORS = [
    ((114.0164322, 33.0133556), (114.022306, 33.0115324), (114.0287781, 33.0176697)),
    ((111.4622119, 27.242124), (111.4677938, 27.2388981), (111.4742271, 27.2451662)),
    ((92.0499619, 31.4784436), (92.0512438, 31.4762063), (92.0576832, 31.4824421)),
    ((123.2312099, 41.2651725), (123.2369518, 41.2672464), (123.2433178, 41.2736074)),
    ((119.6427465, 29.0820414), (119.6474509, 29.0790641), (119.6538875, 29.0854003)),
    ((98.4937175, 39.7319946), (98.4943595, 39.7328234), (98.5008441, 39.7388949)),
]

in_china = st.tuples(st.floats(73, 135), st.floats(3.9, 53.5))


def measure(a: tuple[object, object], b: tuple[object, object]) -> float:
    """Return the distance in metres of two (lon, lat)."""
    return float(GEOD.inv(float(a[0]), float(a[1]), float(b[0]), float(b[1]))[2])  # type: ignore[arg-type]


@pytest.mark.parametrize(("wgs84", "gcj02"), GCJ02_VECTORS)
def test_gcj02_vectors(wgs84: tuple[float, float], gcj02: tuple[float, float]) -> None:
    assert measure(wgs84_to_gcj02(*wgs84[::-1]), gcj02[::-1]) < 0.001
    assert measure(to_wgs84(*gcj02[::-1], "gcj02"), wgs84[::-1]) < 0.001


@pytest.mark.parametrize(("bd09", "wgs84"), BD09_VECTORS)
def test_bd09_vectors_hold_to_the_error_they_were_made_with(
    bd09: tuple[float, float], wgs84: tuple[float, float]
) -> None:
    """These two come from the package eviltransform, which writes π where Baidu's formula has 3000 π / 180 and inverts
    GCJ-02 in one step. Baidu's own answers (below) say that this is up to 70 m off."""
    assert measure(to_wgs84(*bd09[::-1], "bd09"), wgs84[::-1]) < 45
    lat, lon = bd09
    x, y = lon - 0.0065, lat - 0.006
    radius = numpy.hypot(x, y) - 0.00002 * numpy.sin(y * numpy.pi)
    angle = numpy.arctan2(y, x) - 0.000003 * numpy.cos(x * numpy.pi)
    theirs = gcj02_to_wgs84(radius * numpy.cos(angle), radius * numpy.sin(angle))
    assert measure(theirs, wgs84[::-1]) < 5


@pytest.mark.parametrize(("wgs84", "gcj02", "bd09"), CITY_VECTORS)
def test_cities_as_the_map_services_give_them(
    wgs84: tuple[float, float], gcj02: tuple[float, float], bd09: tuple[float, float]
) -> None:
    assert measure(gcj02_to_bd09(*gcj02), bd09) < 0.02
    assert measure(wgs84_to_gcj02(*wgs84), gcj02) < 1
    assert measure(to_wgs84(*gcj02, "gcj02"), wgs84) < 1
    assert measure(to_wgs84(*bd09, "bd09"), wgs84) < 1


@given(in_china)
def test_gcj02_and_back_is_the_same_place(point: tuple[float, float]) -> None:
    moved = wgs84_to_gcj02(*point)
    assert 5 < measure(moved, point) < 1200
    assert measure(gcj02_to_wgs84(*moved), point) < 0.001


@given(in_china)
def test_bd09_and_back_is_the_same_place(point: tuple[float, float]) -> None:
    assert measure(bd09_to_wgs84(*wgs84_to_bd09(*point)), point) < 0.001


@given(
    st.one_of(st.tuples(st.floats(-180, 71), st.floats(-90, 90)), st.tuples(st.floats(139, 180), st.floats(-90, 90)))
)
def test_outside_china_nothing_moves(point: tuple[float, float]) -> None:
    for crs in ("gcj02", "bd09"):
        lon, lat = to_wgs84(*point, crs)
        assert (float(lon), float(lat)) == point


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_cgcs2000_is_wgs84(lon: float, lat: float) -> None:
    for crs in ("cgcs2000", "CGCS2000", "epsg:4490", "wgs84"):
        assert [float(value) for value in to_wgs84(lon, lat, crs)] == [lon, lat]


@given(st.integers(0, 20), st.floats(-1.4, 1.4), st.floats(5, 52))
def test_gauss_krueger_by_number_by_zone_and_by_meridian(zone: int, off: float, lat: float) -> None:
    meridian = 75 + 3 * zone
    lon = meridian + off
    with_zone = Transformer.from_crs(4490, 4513 + zone, always_xy=True).transform(lon, lat)
    without = Transformer.from_crs(4490, 4534 + zone, always_xy=True).transform(lon, lat)
    assert measure(to_wgs84(*with_zone, f"epsg:{4513 + zone}"), (lon, lat)) < 0.01
    assert measure(to_wgs84(*with_zone, "cgcs2000-gk"), (lon, lat)) < 0.01
    assert measure(to_wgs84(*without, f"cgcs2000-gk:{meridian}"), (lon, lat)) < 0.01


def test_arrays_keep_their_shape_and_gaps() -> None:
    lon = numpy.array([[120.1, numpy.nan], [121.0, 2.35]])
    lat = numpy.array([[29.7, 29.7], [31.0, 48.85]])
    east, north = to_wgs84(lon, lat, "gcj02")
    assert east.shape == north.shape == (2, 2)
    assert numpy.isnan(east[0, 1])
    assert (east[1, 1], north[1, 1]) == (2.35, 48.85)
    single = to_wgs84(120.1, 29.7, "gcj02")
    assert (float(single[0]), float(single[1])) == (east[0, 0], north[0, 0])


@pytest.mark.parametrize(
    ("lon", "lat", "crs", "reason"),
    [
        (120.0, 30.0, "mars", "unknown coordinate system 'mars'"),
        (120.0, 30.0, "epsg:999999", "epsg:999999"),
        (500000.0, 3300000.0, "cgcs2000-gk", "no 3-degree zone"),
        ([40500000.0, 39500000.0], [3300000.0, 3300000.0], "cgcs2000-gk", "2 zones"),
        (500000.0, 3300000.0, "cgcs2000-gk:121", "central meridian"),
    ],
)
def test_bad_systems_are_named(lon: object, lat: object, crs: str, reason: str) -> None:
    with pytest.raises(CrsError, match=reason):
        to_wgs84(lon, lat, crs)  # type: ignore[arg-type]


def test_zhuji_in_gcj02_is_zhuji_in_wgs84(shared: Path) -> None:
    folder = shared / "data" / "zhuji_admin"
    raw, wgs84 = (
        shapely.get_coordinates(geopandas.read_file(folder / f"zhuji_boundary_{name}.geojson").geometry)
        for name in ("gcj02_raw", "wgs84")
    )
    lon, lat = to_wgs84(raw[:, 0], raw[:, 1], "gcj02")
    _, _, metres = GEOD.inv(lon, lat, wgs84[:, 0], wgs84[:, 1])
    assert metres.max() < 0.5
    _, _, untouched = GEOD.inv(raw[:, 0], raw[:, 1], wgs84[:, 0], wgs84[:, 1])
    assert untouched.min() > 300
