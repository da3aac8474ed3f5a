"""Dividing an area into organic parts that tile it exactly.

Parts are the cells of a Voronoi diagram whose plane has been bent a little (see `geo.relief`), cut out of the area.
Every border is one line, noded once with the outline, so neighbours share its vertices bit for bit.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, cast

import numpy
import numpy.typing
import shapely
from scipy.spatial import Voronoi
from shapely import MultiPolygon, Polygon

from geo.relief import Relief
from geo.tiling import METRES_PER_DEGREE

Area = Polygon | MultiPolygon
Points = numpy.typing.NDArray[numpy.float64]
Indices = numpy.typing.NDArray[numpy.intp]
Geometries = numpy.typing.NDArray[numpy.object_]

_RELAXATIONS: Final = 6
_HALVINGS: Final = 40
_GHOSTS: Final = 8
_VERTICES_PER_WAVE: Final = 4


def divide_area(area: Area, parts: int, seed: int, roughness: float = 0.13, finest_m: float = 240) -> list[Area]:
    """Return `parts` parts of about equal area that tile `area` (degrees, WGS 84).

    The same arguments give the same parts, and every step is continuous in the outline: moving it by a
    metre moves the borders by a few metres at most and rearranges nothing. `roughness` is the slope of the
    bends (0 leaves borders straight), `finest_m` the length of the smallest. Raises ValueError for a `parts` below 1.
    """
    if parts < 1:
        raise ValueError(f"parts must be at least 1, not {parts}")
    frame = _Frame.of(area)
    seeds = _relax(shapely.transform(area, frame.to_metres), parts, seed)
    return divide_by_seeds(area, [(lon, lat) for lon, lat in frame.to_degrees(seeds)], seed, roughness, finest_m)


def divide_by_seeds(
    area: Area,
    seeds: Sequence[tuple[float, float]],
    seed: int = 0,
    roughness: float = 0.13,
    finest_m: float = 240,
) -> list[Area]:
    """Return one part of `area` for each seed (lon, lat), in their order; together they tile it.

    A part is in one piece wherever the area is: what a neighbour cuts off goes to the neighbour. Only islands of a
    multipolygon join a part they do not touch. Raises ValueError where two seeds are one, or a seed gets no part
    because others lie between it and the area.
    """
    if len(set(seeds)) != len(seeds) or not seeds:
        raise ValueError("seeds must be at least one point, all different")
    if len(seeds) == 1:
        return [area]
    frame = _Frame.of(area)
    places = numpy.array(seeds, dtype=float)
    bounds = shapely.transform(area, frame.to_metres).bounds
    lines, cells = _draw_straight(frame.to_metres(places), bounds)
    if roughness > 0:
        west, south, east, north = bounds
        spacing = math.sqrt((east - west) * (north - south) / len(seeds))
        relief = Relief.make(seed, 1.5 * spacing, min(finest_m, spacing / 3), roughness)
        lines, cells = _bend(lines, relief), _bend(cells, relief)
    faces = _cut(area, shapely.transform(lines, frame.to_degrees))
    owners = _find_owners(faces, shapely.transform(cells, frame.to_degrees), frame, places)
    return _gather(faces, owners, len(seeds))


@dataclass(frozen=True)
class _Frame:
    """A local plane in metres, x east and y north of the area's centre; equirectangular."""

    lon: float
    lat: float
    x_scale: float

    @classmethod
    def of(cls, area: Area) -> "_Frame":
        west, south, east, north = area.bounds
        lat = (south + north) / 2
        return cls((west + east) / 2, lat, METRES_PER_DEGREE * math.cos(math.radians(lat)))

    def to_metres(self, degrees: Points) -> Points:
        return (degrees - (self.lon, self.lat)) * (self.x_scale, METRES_PER_DEGREE)

    def to_degrees(self, metres: Points) -> Points:
        return metres / (self.x_scale, METRES_PER_DEGREE) + (self.lon, self.lat)


def _draw_straight(seeds: Points, bounds: tuple[float, float, float, float]) -> tuple[Geometries, Geometries]:
    """Return the ridges and cells of the Voronoi diagram within a wide window around `bounds` (metres)."""
    west, south, east, north = bounds
    reach = max(east - west, north - south)
    window = shapely.box(west - reach / 4, south - reach / 4, east + reach / 4, north + reach / 4)
    # Far ghost seeds make every wanted ridge and cell finite.
    turns = numpy.arange(_GHOSTS) * (2 * math.pi / _GHOSTS) + 0.1
    ghosts = 10 * reach * numpy.column_stack([numpy.cos(turns), numpy.sin(turns)])
    diagram = Voronoi(numpy.vstack([seeds, ghosts]))
    wanted = [
        ridge
        for ridge, points in zip(diagram.ridge_vertices, diagram.ridge_points, strict=True)
        if max(points) < len(seeds) and min(ridge) >= 0
    ]
    lines = shapely.intersection(shapely.linestrings(diagram.vertices[numpy.array(wanted).reshape(-1, 2)]), window)
    regions = [diagram.regions[region] for region in diagram.point_region[: len(seeds)]]
    cells = shapely.convex_hull([shapely.MultiPoint(diagram.vertices[region]) for region in regions])
    return lines[~shapely.is_empty(lines)], shapely.intersection(cells, window)


def _bend(shapes: Geometries, relief: Relief) -> Geometries:
    bent: Geometries = shapely.transform(shapely.segmentize(shapes, relief.finest_m / _VERTICES_PER_WAVE), relief.bend)
    return bent


def _cut(area: Area, lines: Geometries) -> Geometries:
    """Return the faces that lines cut an area into."""
    faces = _polygonize(shapely.union_all([area.boundary, *lines]))
    shapely.prepare(area)
    return faces[shapely.contains(area, _inner_points(faces))]


def _polygonize(noded: shapely.Geometry) -> Geometries:
    faces: Geometries = shapely.get_parts(shapely.polygonize(shapely.get_parts(noded)))
    return faces


def _inner_points(faces: Geometries) -> Geometries:
    points: Geometries = shapely.point_on_surface(faces)
    return points


def _find_owners(faces: Geometries, cells: Geometries, frame: _Frame, seeds: Points) -> Indices:
    """Return the index of the cell each face lies in; where the bent plane left doubt, of the nearest seed."""
    points = _inner_points(faces)
    places = frame.to_metres(shapely.get_coordinates(points))
    distances = numpy.hypot(*(places[:, None, :] - frame.to_metres(seeds)[None, :, :]).transpose(2, 0, 1))
    owners: Indices = distances.argmin(axis=1)
    face, cell = shapely.STRtree(cells).query(points, predicate="intersects")
    owners[face] = cell
    return owners


def _gather(faces: Geometries, owners: Indices, parts: int) -> list[Area]:
    """Return the parts: each owner's largest piece, and the strays of others that it borders longest."""
    pieces = [shapely.get_parts(_unite(faces[owners == part], part)) for part in range(parts)]
    mains = numpy.array([max(own, key=lambda piece: piece.area) for own in pieces], dtype=object)
    given = [[main] for main in mains]
    for part, own in enumerate(pieces):
        for stray in own:
            if stray is not mains[part]:
                given[_find_taker(stray, mains, part)].append(stray)
    return [cast(Area, shapely.coverage_union_all(shares)) for shares in given]


def _find_taker(stray: Polygon, mains: Geometries, owner: int) -> int:
    shared = shapely.length(shapely.intersection(mains, stray.boundary))
    return int(shared.argmax()) if shared.max() > 0 else owner


def _unite(faces: Geometries, part: int) -> Area:
    if len(faces) == 0:
        raise ValueError(f"seed {part} gets no part of the area: others lie between it and the area")
    return cast(Area, shapely.coverage_union_all(faces))


def _relax(area: Area, parts: int, seed: int) -> Points:
    """Return evenly spread seeds (metres): centres of equal slices, relaxed by Lloyd's method.

    Every step moves continuously with the outline; no point is drawn and tested for lying inside.
    """
    seeds = _find_centres(_slice(area, parts, angle=numpy.random.default_rng(seed).uniform(0, math.pi)))
    if parts == 1:
        return seeds
    for _ in range(_RELAXATIONS):
        _, cells = _draw_straight(seeds, area.bounds)
        seeds = _find_centres(shapely.intersection(cells, area))
    return seeds


def _find_centres(shapes: Sequence[shapely.Geometry] | Geometries) -> Points:
    """Return the centroid of each shape's largest piece: that of the whole may lie where there is no area."""
    largest = [max(shapely.get_parts(shape), key=shapely.area) for shape in shapes]
    return shapely.get_coordinates(shapely.centroid(largest))


def _slice(area: Area, parts: int, angle: float) -> list[Area]:
    """Return an area cut again and again into pieces of equal area, along or across a fixed direction.

    Each cut goes across the longer extent. (Following a piece's own principal axis would be prettier but magnifies
    a small move of the outline tenfold, as the axis of a nearly round piece turns at a touch.)
    """
    if parts == 1:
        return [area]
    fewer = parts // 2
    across = _choose_direction(area, angle)
    turned = _turn(area, -across)
    edge = _find_quantile(turned, fewer / parts)
    west, south, east, north = turned.bounds
    halves = (shapely.box(west - 1, south - 1, edge, north + 1), shapely.box(edge, south - 1, east + 1, north + 1))
    first, second = (_turn(cast(Area, shapely.intersection(turned, half)), across) for half in halves)
    return _slice(first, fewer, angle) + _slice(second, parts - fewer, angle)


def _choose_direction(area: Area, angle: float) -> float:
    """Return `angle`, or the direction across it if the area reaches much further that way.

    Much, so that areas about as wide as high, which are many, lie on one side of the choice.
    """
    west, south, east, north = _turn(area, -angle).bounds
    return angle if east - west > 0.7 * (north - south) else angle + math.pi / 2


def _turn(area: Area, angle: float) -> Area:
    cosine, sine = math.cos(angle), math.sin(angle)

    def turn(points: Points) -> Points:
        # No matrix product: it may round a ring's first and last point differently.
        x, y = points.T
        return numpy.column_stack([x * cosine - y * sine, x * sine + y * cosine])

    return shapely.transform(area, turn)


def _find_edges(area: Area) -> tuple[Points, Points]:
    """Return the ends of every edge, shells counter-clockwise and holes clockwise."""
    rings = shapely.get_rings(shapely.get_parts(shapely.orient_polygons(area)))
    arrays = [shapely.get_coordinates(ring) for ring in rings]
    return numpy.vstack([points[:-1] for points in arrays]), numpy.vstack([points[1:] for points in arrays])


def _find_quantile(area: Area, share: float) -> float:
    """Return the x that has `share` of the area to its west (Green's theorem over edges cut at x)."""
    start, end = _find_edges(area)
    west, _, east, _ = area.bounds
    goal = share * area.area
    run = end[:, 0] - start[:, 0]
    slope = numpy.divide(end[:, 1] - start[:, 1], run, out=numpy.zeros_like(run), where=run != 0)
    for _ in range(_HALVINGS):
        middle = (west + east) / 2
        x1, x2 = numpy.minimum(start[:, 0], middle), numpy.minimum(end[:, 0], middle)
        y_sum = 2 * start[:, 1] + slope * (x1 + x2 - 2 * start[:, 0])
        if -((x2 - x1) * y_sum).sum() / 2 < goal:
            west = middle
        else:
            east = middle
    return (west + east) / 2
