"""What a warning's circles, rings and codes are on the map of a county."""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy
import shapely
from shapely.geometry.base import BaseGeometry

from geo.county import County

Point = tuple[float, float]
Polygons = tuple[tuple[tuple[Point, ...], ...], ...]
"""GeoJSON's coordinates of a MultiPolygon: polygons of rings of (lon, lat), the outer ring first."""

EARTH_RADIUS_KM = 6371.0088  # IUGG's mean
CIRCLE_POINTS = 64
SMALLEST_RADIUS_KM = 0.1  # CAP allows a radius of 0; an area must be seen
DECIMALS = 5  # of degrees: about a metre
PARTS_OF_EXTENT = 20_000  # what is smaller than this part of the county's extent is not seen on any wall
LEAST_OVERLAP = 0.001  # of the county or of the area: less is neighbours whose borders were drawn by two hands
COUNTY_DIGITS = 6
MOST_REPAIRED = 50  # points of a ring that crosses itself
MOST_SHAPES = 300  # rings and circles of a warning: of more, their hull is drawn
MOST_JOINED = 1000  # points from outside whose union is made: combs that cross have as many crossings as teeth squared


class Reach(NamedTuple):
    """What a warning covers: whether it `touches` the county (None: its areas do not say), and the outline there."""

    touches: bool | None
    polygons: Polygons = ()


class Outlines:
    """Finds the outline of a warning's areas; made once for a county."""

    def __init__(self, county: County) -> None:
        self._shapes: dict[str, BaseGeometry] = dict(county.areas.geometry.items())
        self._code = county.code
        whole = county.areas[county.areas["level"] == "county"]
        self._county = shapely.union_all((county.cells if whole.empty else whole).geometry.to_numpy())
        west, south, east, north = county.bbox
        width, height = east - west, north - south
        # Far from the county an outline is only a burden; a frame of the county's own size lets no edge be seen.
        self._window = (west - width, south - height, east + width, north + height)
        self._tolerance = math.hypot(width, height) / PARTS_OF_EXTENT

    def cover(
        self, areas: Iterable[tuple[Sequence[Sequence[Point]], Sequence[tuple[float, float, float]], Sequence[str]]]
    ) -> Reach:
        """Return what areas cover together, each given by rings (lon, lat), circles (lon, lat, km) and area codes.

        Rings and circles say more exactly what codes say, so codes count only where there are none.
        """
        drawn: list[BaseGeometry] = []
        known: list[BaseGeometry] = []
        silent: list[bool] = []  # of each area, whether it leaves open where it is
        for rings, circles, codes in areas:
            shapes = [*map(make_polygon, rings), *(draw_circle(*circle) for circle in circles)]
            found = [] if shapes else [self._find(code) for code in dict.fromkeys(codes)]
            drawn += shapes
            known += [shape for shape in found if shape is not None and not shape.is_empty]
            silent.append(None in found or not (shapes or found))
        if len(drawn) > MOST_SHAPES:
            drawn = [shapely.geometrycollections(drawn).convex_hull]
        parts = _join([shape for shape in drawn if self._touches(shape)], known)
        if not parts:
            return Reach(None if any(silent) or not silent else False)
        # Of an area all around the county no edge would be seen: it is the county's own outline then.
        covered = any(self._share(part) > 1 - LEAST_OVERLAP for part in parts)
        return Reach(True, self._trace([self._county] if covered else parts))

    def _find(self, code: str) -> BaseGeometry | None:
        """Return the shape of a code: empty for another county's, None for one of ours that the pack does not have.

        "330600" and "330000" are the city and the province above county 330681.
        """
        if code in self._shapes:
            return self._shapes[code]
        above = code.removesuffix("00").removesuffix("00") if len(code) == COUNTY_DIGITS else code
        if self._code.startswith(above):
            return self._county
        return None if code.startswith(self._code) else shapely.Polygon()

    def _touches(self, shape: BaseGeometry) -> bool:
        common = shapely.intersection(self._county, shape).area
        return bool(common > LEAST_OVERLAP * min(self._county.area, shape.area))

    def _share(self, shape: BaseGeometry) -> float:
        """Return how much of the county a shape covers, from 0 to 1."""
        return float(shapely.intersection(self._county, shape).area / self._county.area)

    def _trace(self, shapes: Sequence[BaseGeometry]) -> Polygons:
        simple = shapely.simplify(shapely.clip_by_rect(numpy.asarray(shapes), *self._window), self._tolerance)
        parts = [part for part in shapely.get_parts(simple) if isinstance(part, shapely.Polygon) and not part.is_empty]
        return tuple(tuple(map(_round, (part.exterior, *part.interiors))) for part in parts)


def _join(drawn: Sequence[BaseGeometry], known: Sequence[BaseGeometry]) -> list[BaseGeometry]:
    """Return shapes as one where that is cheap; of many points from outside each stays by itself."""
    if not drawn and not known:
        return []
    if shapely.get_num_coordinates(drawn).sum() <= MOST_JOINED:
        return [shapely.union_all([*drawn, *known])]
    return [*drawn, shapely.union_all(known)] if known else list(drawn)


def draw_circle(lon: float, lat: float, radius_km: float) -> BaseGeometry:
    """Return a circle on the sphere as a polygon, by the formula of the great circle's destination point."""
    angle = max(radius_km, SMALLEST_RADIUS_KM) / EARTH_RADIUS_KM
    bearing = numpy.linspace(0, 2 * math.pi, CIRCLE_POINTS, endpoint=False)
    middle = math.radians(lat)
    sine = math.sin(middle) * math.cos(angle) + math.cos(middle) * math.sin(angle) * numpy.cos(bearing)
    east = numpy.arctan2(
        numpy.sin(bearing) * math.sin(angle) * math.cos(middle), math.cos(angle) - math.sin(middle) * sine
    )
    return make_polygon(numpy.column_stack((lon + numpy.degrees(east), numpy.degrees(numpy.arcsin(sine)))))


def make_polygon(ring: Any) -> BaseGeometry:
    """Return the polygon of a ring from outside; of one that crosses itself what it encloses.

    A long one that crosses itself becomes its hull: to sort out a scribble of 500 points takes a minute.
    """
    polygon = shapely.Polygon(ring)
    if polygon.is_valid:
        return polygon
    if shapely.get_num_coordinates(polygon) > MOST_REPAIRED:
        return polygon.convex_hull
    return shapely.make_valid(polygon, method="structure", keep_collapsed=False)


def _round(ring: Any) -> tuple[Point, ...]:
    return tuple((round(x, DECIMALS), round(y, DECIMALS)) for x, y in shapely.get_coordinates(ring).tolist())
