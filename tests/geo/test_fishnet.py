"""The fishnet: exact, square, anchored, without slivers."""

import math

import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely import MultiPolygon, Polygon, affinity, box

from geo.fishnet import SMALLEST_SHARE, cut_fishnet

GEOD = Geod(ellps="WGS84")


@st.composite
def outlines(draw: st.DrawFn) -> Polygon:
    """Star-shaped polygons of 1 to 10 km around a place in China, concave and jagged."""
    lon, lat = draw(st.floats(75, 130)), draw(st.floats(5, 50))
    radii = draw(st.lists(st.floats(0.01, 0.1), min_size=5, max_size=24))
    turns = [2 * math.pi * index / len(radii) for index in range(len(radii))]
    return Polygon([(lon + r * math.cos(t), lat + r * math.sin(t)) for r, t in zip(radii, turns, strict=True)])


@settings(deadline=None, max_examples=40)
@given(outlines(), st.sampled_from([500.0, 1000.0, 3000.0]))
def test_cells_are_the_polygon(outline: Polygon, size: float) -> None:
    cells = cut_fishnet(outline, size)
    assert sum(cell.area for cell in cells) == pytest.approx(outline.area, rel=1e-9)
    assert shapely.union_all(cells).symmetric_difference(outline).area < 1e-9 * outline.area
    assert all(cell.is_valid and not cell.is_empty for cell in cells)


@settings(deadline=None, max_examples=40)
@given(outlines())
def test_no_slivers_stay(outline: Polygon) -> None:
    cells = cut_fishnet(outline, 1000)
    if len(cells) > 1:
        assert min(cell.area for cell in cells) > SMALLEST_SHARE * _square_degrees(1000, outline)


def _square_degrees(size_m: float, outline: Polygon) -> float:
    _, south, _, north = outline.bounds
    """A little less than a cell's area, in square degrees."""
    return size_m**2 / (111_320.0**2 * math.cos(math.radians((south + north) / 2))) * 0.97


@pytest.mark.parametrize("latitude", [5.0, 29.7, 41.8, 52.3])
def test_a_cell_is_square_and_of_the_size_asked(latitude: float) -> None:
    outline = box(120, latitude - 0.04, 120.1, latitude + 0.04)
    whole = next(cell for cell in cut_fishnet(outline, 500, latitude) if outline.contains_properly(cell))
    west, south, east, north = whole.bounds
    assert GEOD.inv(west, (south + north) / 2, east, (south + north) / 2)[2] == pytest.approx(500, rel=0.005)
    assert GEOD.inv(west, south, west, north)[2] == pytest.approx(500, rel=0.005)


def test_another_outline_does_not_shift_the_net() -> None:
    outline = box(120.0031, 29.7012, 120.0562, 29.7523)
    grown = affinity.scale(outline, 1.0002, 1.0002)
    inner = box(120.015, 29.71, 120.045, 29.74)
    before, after = (
        {cell.wkt for cell in cut_fishnet(shape, 500, 29.7) if inner.contains(cell)} for shape in (outline, grown)
    )
    assert before == after
    assert len(before) > 20


def test_neighbouring_villages_share_one_net() -> None:
    left, right = box(120.0, 29.7, 120.033, 29.75), box(120.033, 29.7, 120.06, 29.75)
    lines = [
        {y for cell in cut_fishnet(shape, 500, 29.7) for y in (cell.bounds[1], cell.bounds[3])}
        for shape in (left, right)
    ]
    assert lines[0] == lines[1]


def test_an_islet_joins_the_nearest_cell_and_a_large_island_has_its_own() -> None:
    mainland, island, islet = (
        box(120, 29, 120.02, 29.02),
        box(120.05, 29, 120.06, 29.01),
        box(120.021, 29, 120.0212, 29.0002),
    )
    cells = cut_fishnet(MultiPolygon([mainland, island, islet]), 1000)
    assert [cell.geom_type for cell in cells].count("MultiPolygon") == 1
    assert any(island.covers(cell) for cell in cells)
    assert sum(cell.area for cell in cells) == pytest.approx(mainland.area + island.area + islet.area)


def test_an_area_smaller_than_a_cell_is_one_cell() -> None:
    assert len(cut_fishnet(box(120, 29, 120.001, 29.001), 5000)) == 1


@pytest.mark.parametrize("size", [0, -5, float("nan")])
def test_a_size_that_is_none_is_refused(size: float) -> None:
    with pytest.raises(ValueError, match="cell size"):
        cut_fishnet(box(0, 0, 1, 1), size)
