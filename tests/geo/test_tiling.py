"""Drawn areas made to tile."""

import numpy
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import Polygon, box

from geo.tiling import measure_area, tile

# About a metre in degrees of latitude.
METRE = 9e-6


def test_neighbours_that_fit_stay_as_they_are() -> None:
    shapes = [box(120, 29, 120.01, 29.01), box(120.01, 29, 120.02, 29.01)]
    tiling = tile(shapes, 10)
    assert [shape.equals(given) for shape, given in zip(tiling.shapes, shapes, strict=True) if shape] == [True, True]
    assert (tiling.overlaps, tiling.filled, tiling.gaps) == ([], [], [])


def test_the_smaller_keeps_what_two_claim() -> None:
    large, small = box(120, 29, 120.02, 29.01), box(120.019, 29, 120.03, 29.01)
    tiling = tile([large, small], 10)
    assert tiling.shapes[1] is not None
    assert tiling.shapes[1].equals(small)
    [overlap] = tiling.overlaps
    assert (overlap.keeper, overlap.loser) == (1, 0)
    assert overlap.area_m2 == pytest.approx(measure_area(large & small), rel=0.01)


def test_an_enclave_outlives_the_area_drawn_over_it() -> None:
    around, enclave = box(120, 29, 120.03, 29.03), box(120.01, 29.01, 120.02, 29.02)
    for shapes in ([around, enclave], [enclave, around]):
        assert all(shape is not None for shape in tile(shapes, 10).shapes)


def test_of_two_equal_claims_the_first_wins() -> None:
    square = box(120, 29, 120.01, 29.01)
    tiling = tile([square, square], 10)
    assert tiling.shapes[0] is not None
    assert tiling.shapes[1] is None


def test_a_sliver_goes_to_the_neighbour_and_a_wide_gap_stays_out() -> None:
    frame = box(120, 29, 120.03, 29.03)
    sliver = box(120.005, 29.01, 120.025, 29.01 + 5 * METRE)
    lake = box(120.01, 29.02, 120.02, 29.025)
    tiling = tile([frame - sliver - lake], 10)
    [filled], [gap] = tiling.filled, tiling.gaps
    assert filled.area_m2 == pytest.approx(measure_area(sliver), rel=0.02)
    assert gap.area_m2 == pytest.approx(measure_area(lake), rel=0.01)
    assert gap.neighbours == (0,)
    assert lake.contains(shapely.Point(gap.lon, gap.lat))
    assert tiling.shapes[0] is not None
    assert tiling.shapes[0].area == pytest.approx((frame - lake).area)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(*[st.floats(0, 0.05)] * 6), min_size=1, max_size=12), st.floats(0, 50))
def test_whatever_was_drawn_tiles_afterwards(corners: list[tuple[float, ...]], gap_width_m: float) -> None:
    triangles = [Polygon([(120 + a, 29 + b), (120 + c, 29 + d), (120 + e, 29 + f)]) for a, b, c, d, e, f in corners]
    shapes = [shape for shape in triangles if shape.is_valid and shape.area > 1e-8]
    if not shapes:
        return
    tiling = tile(shapes, gap_width_m)
    left = [shape for shape in tiling.shapes if shape is not None]
    assert all(shape.is_valid for shape in left)
    assert shapely.coverage_is_valid(left)
    millionths = shapely.get_coordinates(left) * 1e6
    assert numpy.abs(millionths - millionths.round()).max() < 1e-4
    given, made = shapely.union_all(shapes), shapely.union_all(left)
    assert (given - made).area < given.length * 2e-6
