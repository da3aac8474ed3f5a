"""A fishnet: equal cells that cover an area where nobody has drawn any."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy
import shapely
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry

Area = Polygon | MultiPolygon

DECIMALS = 6
SMALLEST_SHARE = 0.25

# The net's latitude is rounded to this, so that outlines of one county share a net.
_LATITUDE_STEP = 0.1


def cut_fishnet(
    polygon: BaseGeometry,
    cell_size_m: float,
    latitude: float | None = None,
    smallest_share: float = SMALLEST_SHARE,
) -> list[Area]:
    """Return the cells of a fishnet clipped to `polygon` (lon/lat); together they are exactly the polygon.

    The net is made of meridians and parallels counted from 0°, 0°, so another outline does not shift it. A
    cell is square, `cell_size_m` wide, at `latitude` (default: the polygon's middle, to a tenth of a degree);
    pass the county's when cutting its villages. Lines lie on whole millionths of a degree, as packs do.
    A piece smaller than `smallest_share` of a full cell joins the neighbour it shares the longest edge with;
    one with no neighbour at all (an islet) joins the nearest cell, which then is a MultiPolygon.
    Cells come in rows from the south-west. Raises ValueError for a size or polygon that makes no net.
    """
    if not cell_size_m > 0:
        raise ValueError(f"cell size must be above 0 m, not {cell_size_m}")
    if polygon.is_empty:
        raise ValueError("polygon is empty")
    west, south, east, north = polygon.bounds
    middle = (south + north) / 2 if latitude is None else latitude
    step_lon, step_lat = _measure_steps(cell_size_m, round(middle / _LATITUDE_STEP) * _LATITUDE_STEP)
    columns = _lay_lines(west, east, step_lon)
    rows = _lay_lines(south, north, step_lat)
    boxes = numpy.array(
        [shapely.box(left, low, right, high) for low, high in pairwise(rows) for left, right in pairwise(columns)],
        dtype=object,
    )
    shapely.prepare(polygon)
    boxes = boxes[shapely.intersects(polygon, boxes)]
    whole = shapely.contains_properly(polygon, boxes)
    clipped = boxes.copy()
    clipped[~whole] = shapely.intersection(boxes[~whole], polygon)
    pieces = [piece for shape in clipped for piece in _find_polygons(shape)]
    return _merge_slivers(pieces, smallest_share * step_lon * step_lat)


def _measure_steps(size_m: float, latitude: float) -> tuple[float, float]:
    """Return a cell's width and height in degrees, by the radii of the WGS 84 ellipsoid at a latitude."""
    axis, eccentricity_squared = 6378137.0, 0.00669437999014
    sine = math.sin(math.radians(latitude))
    curve = 1 - eccentricity_squared * sine * sine
    parallel_radius = axis / math.sqrt(curve) * math.cos(math.radians(latitude))
    meridian_radius = axis * (1 - eccentricity_squared) / curve**1.5
    return math.degrees(size_m / parallel_radius), math.degrees(size_m / meridian_radius)


def _lay_lines(low: float, high: float, step: float) -> list[float]:
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(number * step, DECIMALS) for number in range(first, max(last, first + 1) + 1)]


def _find_polygons(shape: BaseGeometry) -> list[Polygon]:
    return [part for part in shapely.get_parts(shape) if isinstance(part, Polygon) and not part.is_empty]


def _merge_slivers(pieces: Sequence[Polygon], smallest: float) -> list[Area]:
    """Return the pieces with every one below `smallest` (square degrees) joined to another, smallest first."""
    tree = shapely.STRtree(pieces)
    alive: dict[int, Area] = dict(enumerate(pieces))
    owner = list(range(len(pieces)))
    for index in sorted(alive, key=lambda index: (pieces[index].area, index)):
        if alive[index].area >= smallest or len(alive) == 1:
            continue
        neighbour = _find_neighbour(index, alive, owner, tree)
        alive[neighbour] = _join(alive[neighbour], alive.pop(index))
        owner = [neighbour if number == index else number for number in owner]
    return [alive[index] for index in sorted(alive)]


def _find_neighbour(index: int, alive: dict[int, Area], owner: list[int], tree: shapely.STRtree) -> int:
    shape = alive[index]
    touching = {owner[int(hit)] for hit in tree.query(shape)} - {index}
    edges = {other: shape.intersection(alive[other]).length for other in touching}
    shared = [other for other, length in edges.items() if length > 0]
    if shared:
        return max(shared, key=lambda other: (edges[other], -other))
    return min((other for other in alive if other != index), key=lambda other: (shape.distance(alive[other]), other))


def _join(one: Area, other: Area) -> Area:
    joined = shapely.union(one, other)
    if not isinstance(joined, Polygon | MultiPolygon):
        raise TypeError(f"joining two cells gave a {joined.geom_type}")
    return joined
