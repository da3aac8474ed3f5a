"""CPU µs to find the cell of a point, in batches as ingest has them, beside a bare STRtree and geopandas.sjoin.

Every point is a new one; ingest itself remembers the cells of things that stand still.
"""

import time
from collections.abc import Callable

import geopandas
import numpy
import shapely
from numpy.typing import NDArray

from bench.table import print_table
from geo.demo_areas import bend_coverage
from geo.lookup import CellLookup

AIMS_US = {2_000: 2.0, 15_000: 5.0}
POINTS = 100_000
BATCH = 500
REPEATS = 3
SQUARE_DEGREES_PER_CELL = 1.25e-4  # of the demo county

Degrees = NDArray[numpy.float64]
Find = Callable[[Degrees, Degrees], object]


def run() -> list[dict[str, object]]:
    """Return one row a size: µs a point of ours, of a bare tree and of a join, and ours to the tree's."""
    return [measure(size, aim_us) for size, aim_us in AIMS_US.items()]


def measure(size: int, aim_us: float) -> dict[str, object]:
    """Measure one county of `size` cells."""
    cells = make_cells(size)
    shapes = numpy.asarray(cells.geometry.array)
    lookup, tree = CellLookup(cells), shapely.STRtree(shapes)
    west, south, east, north = cells.total_bounds
    chance = numpy.random.default_rng(2)
    lon, lat = chance.uniform(west, east, POINTS), chance.uniform(south, north, POINTS)

    def ask_tree(lon: Degrees, lat: Degrees) -> object:
        return tree.query(shapely.points(lon, lat), predicate="intersects")

    def join(lon: Degrees, lat: Degrees) -> object:
        points = geopandas.GeoDataFrame(geometry=geopandas.points_from_xy(lon, lat, crs=cells.crs))
        return geopandas.sjoin(points, cells, predicate="intersects")

    ours_us, tree_us = (min(time_us(find, lon, lat) for _ in range(REPEATS)) for find in (lookup.find_cells, ask_tree))
    return {
        "cells": size,
        "vertices_a_cell": round(float(shapely.get_num_coordinates(shapes).mean())),
        "ours_us": round(ours_us, 2),
        "strtree_us": round(tree_us, 2),
        "sjoin_us": round(time_us(join, lon, lat), 2),
        "of_strtree": round(ours_us / tree_us, 2),
        "aim": f"<= {aim_us:g} us",
    }


def make_cells(size: int) -> geopandas.GeoDataFrame:
    """Return a square of cells that tile, with borders as crooked as the demo county's."""
    side = (size * SQUARE_DEGREES_PER_CELL) ** 0.5
    corner = numpy.array([120.0, 29.5])
    seeds = numpy.random.default_rng(1).uniform(0, side, (size, 2)) + corner
    square = shapely.box(*corner, *(corner + side))
    parts = shapely.get_parts(shapely.voronoi_polygons(shapely.multipoints(seeds), extend_to=square))
    codes = [f"{number:015d}" for number in range(size)]
    return geopandas.GeoDataFrame(index=codes, geometry=bend_coverage(shapely.intersection(parts, square)), crs=4326)


def time_us(find: Find, lon: Degrees, lat: Degrees) -> float:
    """Return the CPU µs a point, in batches; a process's own clock, because others share the machine."""
    began = time.process_time()
    for start in range(0, POINTS, BATCH):
        find(lon[start : start + BATCH], lat[start : start + BATCH])
    return (time.process_time() - began) / POINTS * 1e6


if __name__ == "__main__":
    print_table(run())
