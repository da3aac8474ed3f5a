"""Point to cell: exact on borders, the same alone as in a batch, and outside is an answer."""

import geopandas
import numpy
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import box

from geo.county import County
from geo.lookup import OUTSIDE, CellLookup

finite = st.floats(allow_nan=False, allow_infinity=False)


def make_cells(order: list[int] | None = None) -> geopandas.GeoDataFrame:
    """Nine unit squares, codes rising west to east and then northwards: 00, 01, 02, 10 …"""
    squares = {f"{row}{column}": box(column, row, column + 1, row + 1) for row in range(3) for column in range(3)}
    codes = list(squares) if order is None else [list(squares)[index] for index in order]
    return geopandas.GeoDataFrame(geometry=[squares[code] for code in codes], index=codes, crs="EPSG:4326")


def expect_code(lon: float, lat: float) -> str | None:
    """The lowest code of the squares that hold a point: on a border the western or southern one."""
    if not (0 <= lon <= 3 and 0 <= lat <= 3):
        return None
    column, row = max(0, int(numpy.ceil(lon)) - 1), max(0, int(numpy.ceil(lat)) - 1)
    return f"{row}{column}"


halves = st.integers(-2, 8).map(lambda number: number / 2)


@given(
    points=st.lists(st.tuples(halves | finite, halves | finite), min_size=1, max_size=30),
    order=st.permutations(range(9)),
)
def test_lowest_code_wins_whatever_the_order_or_batch(points: list[tuple[float, float]], order: list[int]) -> None:
    cells = make_cells(order)
    lookup = CellLookup(cells)
    found = lookup.find_cells(*numpy.array(points).T)
    for (lon, lat), position in zip(points, found, strict=True):
        code = None if position == OUTSIDE else cells.index[position]
        assert code == expect_code(lon, lat) == lookup.find_cell(lon, lat)


@pytest.mark.parametrize("bad", [numpy.nan, numpy.inf, -numpy.inf])
def test_no_number_is_outside(bad: float) -> None:
    lookup = CellLookup(make_cells())
    found = lookup.find_cells(numpy.array([bad, 0.5, 0.5]), numpy.array([0.5, bad, 0.5]))
    assert found.tolist() == [OUTSIDE, OUTSIDE, 0]
    assert lookup.find_cell(bad, bad) is None


def test_no_points_give_no_cells() -> None:
    assert CellLookup(make_cells()).find_cells(numpy.array([]), numpy.array([])).tolist() == []


@pytest.fixture(scope="module")
def lookup(county: County) -> CellLookup:
    return CellLookup(county.cells)


def find_lowest(cells: geopandas.GeoDataFrame, lon: float, lat: float) -> str | None:
    """Brute force: the lowest code among all cells that cover a point."""
    covering = cells.index[shapely.covers(cells.geometry.to_numpy(), shapely.Point(lon, lat))]
    return min(covering, default=None)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_vertices_and_edges_of_the_demo(county: County, lookup: CellLookup, data: st.DataObject) -> None:
    cells = county.cells
    outline = shapely.get_coordinates(cells.geometry.iloc[data.draw(st.integers(0, len(cells) - 1))])
    corner = data.draw(st.integers(0, len(outline) - 2))
    share = data.draw(st.sampled_from([0.0, 0.5, 0.25]) | st.floats(0, 1))
    lon, lat = outline[corner] + share * (outline[corner + 1] - outline[corner])
    assert lookup.find_cell(lon, lat) == find_lowest(cells, lon, lat)


def test_every_vertex_of_the_demo_is_in_its_lowest_cell(county: County, lookup: CellLookup) -> None:
    points, owners = shapely.get_coordinates(county.cells.geometry.to_numpy(), return_index=True)
    found = lookup.find_cells(points[:, 0], points[:, 1])
    assert (found != OUTSIDE).all()
    codes = county.cells.index.to_numpy(dtype=object)
    assert (codes[found] <= codes[owners]).all()
    # One place, one cell: whichever cell's outline it was read from.
    places, which = numpy.unique(points, axis=0, return_inverse=True)
    assert len(set(zip(which.tolist(), found.tolist(), strict=True))) == len(places)


def test_every_point_of_the_county_is_in_exactly_one_cell(county: County, lookup: CellLookup) -> None:
    west, south, east, north = county.bbox
    points = numpy.random.default_rng(5).uniform((west, south), (east, north), (20_000, 2))
    found = lookup.find_cells(points[:, 0], points[:, 1])
    outline = county.areas.loc[county.code, "geometry"]
    inside = shapely.contains_xy(outline, points[:, 0], points[:, 1])
    assert ((found != OUTSIDE) == inside).all()
    assert 0.3 < inside.mean() < 0.9
    singles = [lookup.find_cell(lon, lat) for lon, lat in points[:200]]
    batch = [None if position == OUTSIDE else county.cells.index[position] for position in found[:200]]
    assert singles == batch
