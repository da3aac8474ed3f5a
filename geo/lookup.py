"""From a point to the cell it lies in."""

from typing import Final

import geopandas
import numpy
import numpy.typing
import shapely

Degrees = numpy.typing.NDArray[numpy.float64]
Positions = numpy.typing.NDArray[numpy.intp]

OUTSIDE: Final = -1


class CellLookup:
    """Finds the cell of a point, exactly.

    A point on a shared edge or vertex belongs to the one of its cells with the lowest code, whatever the
    order of cells or points, so the answer never depends on the batch a point came in.
    """

    def __init__(self, cells: geopandas.GeoDataFrame) -> None:
        self._codes = [str(code) for code in cells.index]
        # The tree holds the cells by rising code: of several candidates the first in the tree wins.
        self._order = numpy.argsort(numpy.array(self._codes, dtype=object), kind="stable")
        geometries = numpy.asarray(cells.geometry.array, dtype=object)[self._order]
        self._tree = shapely.STRtree(geometries)

    def find_cells(self, lon: Degrees, lat: Degrees) -> Positions:
        """Return each point's cell as a position in the cells given, -1 outside (NaN and infinity too)."""
        lon, lat = numpy.asarray(lon, dtype=float), numpy.asarray(lat, dtype=float)
        found = numpy.full(lon.shape, OUTSIDE, dtype=numpy.intp)
        finite = numpy.flatnonzero(numpy.isfinite(lon) & numpy.isfinite(lat))
        points = shapely.points(lon[finite], lat[finite])
        point, rank = self._tree.query(points, predicate="intersects")
        by_rank = numpy.argsort(-rank, kind="stable")
        # Of repeated indices the last assignment stays: the lowest code.
        found[finite[point[by_rank]]] = self._order[rank[by_rank]]
        return found

    def find_cell(self, lon: float, lat: float) -> str | None:
        """Return the code of a point's cell, None outside."""
        position = int(self.find_cells(numpy.array([lon]), numpy.array([lat]))[0])
        return None if position == OUTSIDE else self._codes[position]
