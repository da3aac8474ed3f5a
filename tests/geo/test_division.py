"""Division: parts tile the area, share their vertices, come out alike, and do not rearrange when an outline moves."""

import numpy
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon

from geo.division import Area, divide_area, divide_by_seeds

METRE = 1 / 111_320

SQUARE = Polygon([(120, 29.5), (120.1, 29.5), (120.1, 29.6), (120, 29.6)])
BENT = Polygon([(120, 29.5), (120.2, 29.52), (120.19, 29.55), (120.05, 29.56), (120.06, 29.7), (120.01, 29.71)])
HOLED = Polygon(SQUARE.exterior, [[(120.03, 29.53), (120.07, 29.53), (120.06, 29.57)]])
ISLANDS = MultiPolygon([SQUARE, Polygon([(120.2, 29.5), (120.25, 29.5), (120.25, 29.54)])])
SHAPES: dict[str, Area] = {"square": SQUARE, "bent": BENT, "holed": HOLED, "islands": ISLANDS}


def assert_tiles(parts: list[Area], area: Area) -> None:
    assert shapely.coverage_is_valid(parts)
    assert all(part.is_valid and part.area > 0 for part in parts)
    assert shapely.symmetric_difference(shapely.union_all(parts), area).area < 1e-9 * area.area


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("count", [1, 2, 7, 40])
def test_parts_tile_and_are_of_a_size(name: str, count: int) -> None:
    area = SHAPES[name]
    parts = divide_area(area, count, seed=11)
    assert len(parts) == count
    assert_tiles(parts, area)
    # Two parts of two islands are the islands; else sizes are alike.
    if (name, count) != ("islands", 2):
        sizes = numpy.array([part.area for part in parts]) * count / area.area
        assert sizes.min() > 0.3
        assert sizes.max() < 2.5


@settings(max_examples=25, deadline=None)
@given(
    corners=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=3, max_size=9, unique=True),
    count=st.integers(1, 12),
    seed=st.integers(0, 2**32),
)
def test_any_convex_area_is_tiled(corners: list[tuple[float, float]], count: int, seed: int) -> None:
    hull = shapely.convex_hull(shapely.MultiPoint(corners))
    assume(isinstance(hull, Polygon) and hull.area > 0.02)
    area = Polygon(shapely.get_coordinates(hull) / 10 + (120, 29.5))
    parts = divide_area(area, count, seed)
    assert len(parts) == count
    assert_tiles(parts, area)


def test_same_seed_same_parts_other_seed_other_parts() -> None:
    first = divide_area(BENT, 9, seed=1)
    assert [part.wkb for part in divide_area(BENT, 9, seed=1)] == [part.wkb for part in first]
    assert [part.wkb for part in divide_area(BENT, 9, seed=2)] != [part.wkb for part in first]


def divide_shaken(area: Polygon, shake_m: float, seed: int) -> tuple[list[Area], list[Area]]:
    """Return the parts of an area, and those of the same with every corner moved by up to `shake_m`."""
    corners = numpy.array(area.exterior.coords)[:-1]
    shift = numpy.random.default_rng(seed).uniform(-shake_m * METRE, shake_m * METRE, corners.shape)
    return divide_area(area, 30, seed), divide_area(Polygon(corners + shift), 30, seed)


@pytest.mark.parametrize("area", [SQUARE, BENT])
@pytest.mark.parametrize("seed", range(4))
def test_a_metre_rearranges_nothing(area: Polygon, seed: int) -> None:
    for one, other in zip(*divide_shaken(area, 0.7, seed), strict=True):
        assert one.intersection(other).area > 0.98 * one.area


@pytest.mark.parametrize("area", [SQUARE, BENT])
@pytest.mark.parametrize("seed", range(4))
def test_centimetres_move_no_border_by_a_metre(area: Polygon, seed: int) -> None:
    for one, other in zip(*divide_shaken(area, 0.02, seed), strict=True):
        assert shapely.hausdorff_distance(one.boundary, other.boundary) < METRE


def test_borders_are_organic_unless_straight_is_asked_for() -> None:
    bent, straight = divide_area(SQUARE, 2, seed=3), divide_area(SQUARE, 2, seed=3, roughness=0)
    assert shapely.get_num_coordinates(straight[0]) < 8
    assert shapely.get_num_coordinates(bent[0]) > 40


def test_each_seed_gets_the_part_around_it_in_one_piece() -> None:
    seeds = [(120.02, 29.52), (120.15, 29.53), (120.03, 29.65), (120.03, 29.57)]
    parts = divide_by_seeds(BENT, seeds)
    assert_tiles(parts, BENT)
    for part, seed in zip(parts, seeds, strict=True):
        assert isinstance(part, Polygon)
        assert part.contains(shapely.Point(seed))


def test_a_piece_cut_off_goes_to_its_neighbour() -> None:
    """In a U the western seed is nearest to part of the eastern arm; that part must not stay an exclave."""
    area = Polygon([(0, 0), (0.1, 0), (0.1, 0.1), (0.07, 0.1), (0.07, 0.02), (0.03, 0.02), (0.03, 0.1), (0, 0.1)])
    parts = divide_by_seeds(area, [(0.015, 0.095), (0.085, 0.005)], roughness=0)
    assert_tiles(parts, area)
    assert [part.geom_type for part in parts] == ["Polygon", "Polygon"]


def test_one_seed_gets_everything() -> None:
    assert divide_by_seeds(SQUARE, [(120.05, 29.55)]) == [SQUARE]


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        divide_area(SQUARE, 0, seed=1)
    with pytest.raises(ValueError, match="all different"):
        divide_by_seeds(SQUARE, [(120.05, 29.55), (120.05, 29.55)])
    with pytest.raises(ValueError, match="seed 1 gets no part"):
        divide_by_seeds(SQUARE, [(120.05, 29.55), (121.05, 29.55)], roughness=0)
