"""The demo county's rivers and roads: hand-drawn courses, and a network grown from seat to seat."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy
import numpy.typing
import shapely
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial import Delaunay, KDTree
from shapely import LineString, Polygon

from geo.demo_areas import KM_PER_DEGREE, ORIGIN, DemoArea, Town, bend, smooth, to_km
from geo.relief import Relief

Points = numpy.typing.NDArray[numpy.float64]
Names = tuple[str, str]

_STEP_KM: Final = 0.12
_WINDING: Final = Relief.make(71, coarsest_m=6_000, finest_m=600, roughness=0.16)
_MEANDERS: Final = Relief.make(72, coarsest_m=5_000, finest_m=900, roughness=0.22)
_EASE: Final = Relief.make(73, coarsest_m=14_000, finest_m=5_000, roughness=0.06)
_NEAR_MOUTH_DEG: Final = 0.02
_STRIP_KM: Final = 1.1
_URBAN_TOWNS: Final = 5


@dataclass(frozen=True)
class DemoLine:
    """A road or a river, as it goes into GeoJSON."""

    name: str
    name_en: str
    kind: str
    geometry: LineString


def make_rivers(rows: Iterable[Mapping[str, Any]], county: Polygon) -> list[DemoLine]:
    """Return the drawn rivers, wound, bent with the land and ended at the county's border or in an earlier river."""
    rivers: list[DemoLine] = []
    for row in rows:
        line = _clip(_course(row["line"], _MEANDERS), county)
        line = _lead_into(line, [river.geometry for river in rivers])
        rivers.append(DemoLine(row["name"], row["name_en"], row["class"], line))
    return rivers


def _lead_into(line: LineString, others: Sequence[LineString]) -> LineString:
    """Return a line whose end is moved into the nearest of other lines, where one is near."""
    mouth = shapely.points(line.coords[-1])
    distances = shapely.distance(others, mouth)
    if len(others) == 0 or distances.min() > _NEAR_MOUTH_DEG:
        return line
    nearest = shapely.get_coordinates(others[int(distances.argmin())])
    target = nearest[int(numpy.hypot(*(nearest - line.coords[-1]).T).argmin())]
    return LineString([*line.coords, tuple(target)]) if distances.min() > 0 else line


def make_roads(
    expressways: Iterable[Mapping[str, Any]],
    towns: Sequence[Town],
    areas: Sequence[DemoArea],
    streets: Sequence[Names],
) -> list[DemoLine]:
    """Return expressways, arterials and branches between seats, streets of the core, and village roads."""
    county = next(area.geometry for area in areas if area.level == "county")
    roads = [
        DemoLine(row["name"], row["name_en"], "expressway", _clip(_course(row["line"], _EASE), county))
        for row in expressways
    ]
    roads += _join_seats(towns, county)
    villages = [area for area in areas if area.level == "village"]
    urban = {area.code for area in areas if area.level == "town"}
    urban = set(sorted(urban)[:_URBAN_TOWNS])
    roads += _make_streets([area for area in villages if area.parent in urban], streets, county)
    return roads + _join_villages(villages, roads, county)


def _join_seats(towns: Sequence[Town], county: Polygon) -> list[DemoLine]:
    """Return roads along a Gabriel graph of the seats: arterials where the spanning tree runs, else branches."""
    seats = numpy.array([(town.lon, town.lat) for town in towns])
    places = to_km(seats)
    pairs = _find_gabriel_pairs(places)
    lengths = numpy.zeros((len(places), len(places)))
    for a, b in pairs:
        lengths[a, b] = numpy.hypot(*(places[a] - places[b]))
    tree = minimum_spanning_tree(lengths).toarray() > 0
    core = {index for index, town in enumerate(towns) if town.name.endswith("街道")}
    roads = []
    for a, b in pairs:
        kind = "arterial" if tree[a, b] or {a, b} & core else "branch"
        name = f"{towns[a].name[0]}{towns[b].name[0]}线"
        name_en = f"{towns[a].name_en.split()[0]}–{towns[b].name_en.split()[0]} Road"
        roads.append(DemoLine(name, name_en, kind, _clip(_wind(seats[a], seats[b]), county)))
    return roads


def _make_streets(villages: Sequence[DemoArea], names: Sequence[Names], county: Polygon) -> list[DemoLine]:
    """Return streets between the communities of the core, named by where they run."""
    centres = numpy.array([area.geometry.centroid.coords[0] for area in villages])
    places = to_km(centres)
    streets = []
    for a, b in _find_gabriel_pairs(places):
        name, name_en = names[_choose_name(places[a], places[b], len(names))]
        streets.append(DemoLine(name, name_en, "branch", _clip(_wind(centres[a], centres[b]), county)))
    return streets


def _choose_name(start: Points, end: Points, choices: int) -> int:
    """Return which name a street has: those that run alike in one strip of a kilometre share it."""
    east, north = numpy.abs(end - start)
    middle = (start + end) / 2
    half = choices // 2
    along = 0 if east > north else 1
    return int(middle[1 - along] // _STRIP_KM) % half + along * half


def _join_villages(villages: Sequence[DemoArea], roads: Sequence[DemoLine], county: Polygon) -> list[DemoLine]:
    """Return a road from each outlying village to the nearest place that a road reaches already."""
    reached = [shapely.get_coordinates(road.geometry) for road in roads if road.kind != "expressway"]
    network = numpy.vstack(reached)
    centres = numpy.array([area.geometry.centroid.coords[0] for area in villages])
    distances, _ = KDTree(to_km(network)).query(to_km(centres))
    lines = []
    for index in numpy.argsort(distances, kind="stable"):
        if distances[index] < 0.4:
            continue
        place = centres[index]
        gaps = numpy.hypot(*to_km(network).T - to_km(place)[:, None])
        line = _clip(_wind(place, network[int(gaps.argmin())]), county)
        network = numpy.vstack([network, shapely.get_coordinates(line)])
        village = villages[int(index)]
        lines.append(DemoLine(f"{village.name[:-1]}路", f"{village.name_en.split()[0]} Lane", "village", line))
    return lines


def _find_gabriel_pairs(places: Points) -> list[tuple[int, int]]:
    """Return the pairs of points with no third inside the circle on them as diameter."""
    triangles = Delaunay(places).simplices
    sides = {tuple(sorted((int(t[i]), int(t[i - 1])))) for t in triangles for i in range(3)}
    tree = KDTree(places)
    pairs = []
    for a, b in sorted(sides):
        middle, radius = (places[a] + places[b]) / 2, numpy.hypot(*(places[a] - places[b])) / 2
        if len(tree.query_ball_point(middle, radius * (1 - 1e-9))) == 0:
            pairs.append((a, b))
    return pairs


def _course(points: Sequence[Sequence[float]], relief: Relief) -> Points:
    """Return a drawn line with its corners rounded, wound by a relief and bent with the land."""
    line = _densify(smooth(numpy.array(points, dtype=float), rounds=3))
    return bend(relief.bend(to_km(line) * 1000) / 1000 / KM_PER_DEGREE + ORIGIN)


def _wind(start: Points, end: Points) -> Points:
    """Return a winding way between two places; both ends stay where they are."""
    straight = _densify(numpy.vstack([start, end]))
    share = numpy.linspace(0, 1, len(straight))[:, None]
    metres = to_km(straight) * 1000
    moved = (_WINDING.bend(metres) - metres) * numpy.minimum(1, 4 * share * (1 - share))
    return (metres + moved) / 1000 / KM_PER_DEGREE + ORIGIN


def _densify(line: Points) -> Points:
    kilometres = shapely.segmentize(LineString(to_km(line)), _STEP_KM)
    return shapely.get_coordinates(kilometres) / KM_PER_DEGREE + ORIGIN


def _clip(line: Points, county: Polygon) -> LineString:
    """Return the longest piece of a line inside the county, to 6 decimals, without the vertices it can spare."""
    inside = shapely.get_parts(shapely.intersection(LineString(line), county))
    longest: LineString = max(inside, key=lambda piece: piece.length)
    spare = shapely.simplify(longest, 6e-5)
    return LineString(numpy.round(shapely.get_coordinates(spare), 6))
