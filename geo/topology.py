"""Whether areas tile: gaps and overlaps between a level and the level above, in square metres."""

import math
from itertools import pairwise

import geopandas
import numpy
import numpy.typing
import shapely

from geo.pack import LEVELS
from geo.tiling import METRES_PER_DEGREE, SMALLEST_FAULT_M2

Geometries = numpy.typing.NDArray[numpy.object_]


def find_faults(areas: geopandas.GeoDataFrame) -> list[str]:
    """Return one line per fault: children overlapping each other, leaving a gap in or reaching out of a parent.

    `areas` is indexed by `code`, with `level`, `parent` and geometry in degrees. Areas in m² are those of an
    equirectangular projection at the middle latitude, good to a percent within a county.
    """
    _west, south, _east, north = areas.total_bounds
    square = METRES_PER_DEGREE**2 * math.cos(math.radians((south + north) / 2))
    faults: list[str] = []
    for above, below in pairwise(LEVELS):
        parents, children = areas[areas["level"] == above], areas[areas["level"] == below]
        faults += _find_overlaps(children, below, square)
        faults += _find_misfits(parents, children, square)
    return faults


def _find_overlaps(areas: geopandas.GeoDataFrame, level: str, square: float) -> list[str]:
    """Return the pairs of one level whose interiors meet; touching borders are found cheaply and passed over."""
    geometries = numpy.asarray(areas.geometry.array, dtype=object)
    if len(geometries) < 2:
        return []
    left, right = shapely.STRtree(geometries).query(geometries, predicate="intersects")
    once = left < right
    left, right = left[once], right[once]
    shared = shapely.area(shapely.intersection(geometries[left], geometries[right])) * square
    bad = shared > SMALLEST_FAULT_M2
    codes = areas.index
    return [
        f"{level} {codes[i]} and {codes[j]} overlap by {area:,.0f} m²"
        for i, j, area in zip(left[bad], right[bad], shared[bad], strict=True)
    ]


def _find_misfits(parents: geopandas.GeoDataFrame, children: geopandas.GeoDataFrame, square: float) -> list[str]:
    merged = children.geometry.groupby(children["parent"]).agg(lambda group: shapely.union_all(group.array))
    unions: Geometries = numpy.array([merged.get(code) for code in parents.index], dtype=object)
    faults = [
        f"{level} {code} has no areas below it"
        for code, level, union in zip(parents.index, parents["level"], unions, strict=True)
        if union is None
    ]
    outlines = numpy.asarray(parents.geometry.array, dtype=object)
    gaps = shapely.area(shapely.difference(outlines, unions)) * square
    excess = shapely.area(shapely.difference(unions, outlines)) * square
    for code, level, gap, over in zip(parents.index, parents["level"], gaps, excess, strict=True):
        if gap > SMALLEST_FAULT_M2:
            faults.append(f"{level} {code}: the areas below it leave a gap of {gap:,.0f} m²")
        if over > SMALLEST_FAULT_M2:
            faults.append(f"{level} {code}: the areas below it reach {over:,.0f} m² outside it")
    return faults
