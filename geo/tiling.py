"""Drawn areas made to tile: every point of the county in exactly one of them, every border written once.

All rings are laid on a grid of millionths of a degree (about 0.1 m), so neighbours get the very same
coordinates; the faces between the rings then go to the areas that cover them. What was covered twice or not
at all is thereby found and settled. The method is that of "planar partition repair" (Arroyo Ohori, Ledoux, Meijers
2012).
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

GRID_DEGREES = 1e-6
METRES_PER_DEGREE = 111_320.0

# Smaller faults than this come from laying rings on the grid, not from whoever drew them.
SMALLEST_FAULT_M2 = 1.0

_NOBODY = -1
_FILL_ROUNDS = 20

Shapes = NDArray[numpy.object_]
Numbers = NDArray[Any]


@dataclass(frozen=True)
class Overlap:
    """Ground that two areas claimed; `keeper` got it, `loser` lost it. Both are positions in the input."""

    keeper: int
    loser: int
    area_m2: float


@dataclass(frozen=True)
class Filled:
    """Slivers of no-man's-land, `pieces` of them, given to the area at position `receiver`."""

    receiver: int
    pieces: int
    area_m2: float


@dataclass(frozen=True)
class Gap:
    """Ground inside the county that nobody claims and that is too wide to be a drawing error; left out."""

    neighbours: tuple[int, ...]
    area_m2: float
    lon: float
    lat: float


@dataclass(frozen=True)
class Tiling:
    """Areas that tile. `shapes` has one per input, None where nothing was left of it."""

    shapes: list[BaseGeometry | None]
    overlaps: list[Overlap]
    filled: list[Filled]
    gaps: list[Gap]


def tile(shapes: Sequence[BaseGeometry], gap_width_m: float) -> Tiling:
    """Return the areas laid on the grid without overlaps, gaps settled.

    What several areas claim, the smallest of them keeps (of equals the first): so an enclave outlives the area
    drawn over it, and the order of a file decides nothing. Gaps of a mean width below `gap_width_m` go to the
    neighbour with the longest shared border; wider ones are listed and left out. `shapes` are valid polygons in
    degrees. Areas in m² hold to a percent.
    """
    given: Shapes = numpy.asarray(shapes, dtype=object)
    rings = shapely.union_all(shapely.boundary(given), grid_size=GRID_DEGREES)
    faces: Shapes = shapely.get_parts(shapely.polygonize([rings]))
    points = shapely.point_on_surface(faces)
    areas_m2 = _measure_areas(faces, shapely.get_y(points))
    face, owner = shapely.STRtree(given).query(points, predicate="intersects")
    owners = _find_keepers(given, len(faces), face, owner)
    overlaps = _collect_overlaps(face, owner, owners, areas_m2)
    widths_m = 2 * areas_m2 / (shapely.length(faces) * METRES_PER_DEGREE)
    filled = _fill_gaps(faces, owners, areas_m2, numpy.asarray(widths_m < gap_width_m))
    return Tiling(
        shapes=_dissolve(faces, owners, len(given)),
        overlaps=overlaps,
        filled=filled,
        gaps=_collect_gaps(faces, points, owners, areas_m2),
    )


def measure_area(shape: BaseGeometry) -> float:
    """Return the area of a shape in degrees as m², good to a percent within a county."""
    if shape.is_empty:
        return 0.0
    _west, south, _east, north = shape.bounds
    return float(shape.area * METRES_PER_DEGREE**2 * math.cos(math.radians((south + north) / 2)))


def _measure_areas(faces: Shapes, latitudes: Numbers) -> Numbers:
    return numpy.asarray(shapely.area(faces) * METRES_PER_DEGREE**2 * numpy.cos(numpy.radians(latitudes)))


def _find_keepers(given: Shapes, faces: int, face: Numbers, owner: Numbers) -> Numbers:
    by_size = numpy.argsort(shapely.area(given), kind="stable")
    rank = numpy.empty(len(given), dtype=numpy.intp)
    rank[by_size] = numpy.arange(len(given))
    best = numpy.full(faces, len(given))
    numpy.minimum.at(best, face, rank[owner])
    return numpy.asarray(numpy.append(by_size, _NOBODY)[best])


def _collect_overlaps(face: Numbers, owner: Numbers, owners: Numbers, areas_m2: Numbers) -> list[Overlap]:
    shared: defaultdict[tuple[int, int], float] = defaultdict(float)
    for one, loser in zip(face, owner, strict=True):
        keeper = owners[one]
        if loser != keeper:
            shared[int(keeper), int(loser)] += float(areas_m2[one])
    return [
        Overlap(keeper, loser, area_m2)
        for (keeper, loser), area_m2 in sorted(shared.items())
        if area_m2 >= SMALLEST_FAULT_M2
    ]


def _fill_gaps(faces: Shapes, owners: Numbers, areas_m2: Numbers, narrow: Numbers) -> list[Filled]:
    """Give narrow unclaimed faces away, in rounds from the claimed ground inwards; changes `owners`."""
    tree = shapely.STRtree(faces)
    received: defaultdict[int, list[float]] = defaultdict(list)
    for _ in range(_FILL_ROUNDS):
        empty = numpy.flatnonzero((owners == _NOBODY) & narrow)
        source, target = tree.query(faces[empty], predicate="touches")
        claimed = owners[target] != _NOBODY
        source, target = empty[source[claimed]], target[claimed]
        edges = shapely.length(shapely.intersection(faces[source], faces[target]))
        best: dict[int, tuple[float, int]] = {}
        for one, other, edge in zip(source, target, edges, strict=True):
            if edge > 0:
                best[int(one)] = max(best.get(int(one), (0.0, 0)), (float(edge), -int(owners[other])))
        if not best:
            break
        for one, (_edge, negative_owner) in best.items():
            owners[one] = -negative_owner
            received[-negative_owner].append(float(areas_m2[one]))
    return [
        Filled(receiver, len(pieces), math.fsum(pieces))
        for receiver, pieces in sorted(received.items())
        if math.fsum(pieces) >= SMALLEST_FAULT_M2
    ]


def _collect_gaps(faces: Shapes, points: Shapes, owners: Numbers, areas_m2: Numbers) -> list[Gap]:
    tree = shapely.STRtree(faces)
    gaps = []
    for index in numpy.flatnonzero((owners == _NOBODY) & (areas_m2 >= SMALLEST_FAULT_M2)):
        around = {int(owners[other]) for other in tree.query(faces[index], predicate="touches")} - {_NOBODY}
        point = points[index]
        gaps.append(Gap(tuple(sorted(around)), float(areas_m2[index]), float(point.x), float(point.y)))
    return gaps


def _dissolve(faces: Shapes, owners: Numbers, count: int) -> list[BaseGeometry | None]:
    owned: list[list[BaseGeometry]] = [[] for _ in range(count)]
    for face, owner in zip(faces, owners, strict=True):
        if owner != _NOBODY:
            owned[owner].append(face)
    return [shapely.coverage_union_all(parts) if parts else None for parts in owned]
