"""The demo county's areas: drawn with straight borders, divided level by level, then bent as one plane."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy
import numpy.typing
import shapely
from scipy.spatial import KDTree
from shapely import Point, Polygon
from shapely.geometry.base import BaseGeometry

from geo.cells import make_code, number_cells
from geo.demo_names import Namer
from geo.division import divide_by_seeds
from geo.relief import Relief
from geo.tiling import tile

Points = numpy.typing.NDArray[numpy.float64]
Indices = numpy.typing.NDArray[numpy.intp]

SEED: Final = 339901
COUNTY_CODE: Final = "339901"
# The plane in which the county is drawn: kilometres east and north of a point near its middle.
ORIGIN: Final = (120.30, 29.60)
KM_PER_DEGREE: Final = (111.32 * math.cos(math.radians(29.6)), 111.32)
CORE: Final = (120.378, 29.680)

_SAMPLES_PER_PART: Final = 40
_RELAXATIONS: Final = 10
_STEP_M: Final = 75.0
_FRAY: Final = Relief.make(SEED + 1, coarsest_m=9_000, finest_m=1_200, roughness=0.3)
_RELIEF: Final = Relief.make(SEED, coarsest_m=14_000, finest_m=330, roughness=0.17)


@dataclass(frozen=True)
class Town:
    """A line of `towns.csv`: where its seat is and how many communities and villages it has."""

    code: str
    name: str
    name_en: str
    lon: float
    lat: float
    communities: int
    villages: int


@dataclass(frozen=True)
class DemoArea:
    """One area of any level, as it goes into `areas.geojson`."""

    code: str
    level: str
    name: str
    name_en: str
    parent: str | None
    geometry: Polygon


def to_km(degrees: Points) -> Points:
    """Return lon, lat as kilometres east and north of the county's middle."""
    return (degrees - ORIGIN) * KM_PER_DEGREE


def bend(degrees: Points) -> Points:
    """Return drawn points (lon, lat) where the county's relief moves them."""
    metres = _RELIEF.bend(to_km(degrees) * 1000)
    return metres / 1000 / KM_PER_DEGREE + ORIGIN


def draw_outline(corners: Sequence[Sequence[float]]) -> Polygon:
    """Return the county's outline: corners drawn by hand, rounded, and frayed as ridges and rivers would."""
    ring = smooth(numpy.array([*corners, corners[0]], dtype=float), rounds=2, closed=True)
    metres = shapely.segmentize(Polygon(to_km(ring) * 1000), 300)
    frayed = shapely.transform(metres, _FRAY.bend)
    return shapely.transform(frayed, lambda points: points / 1000 / KM_PER_DEGREE + ORIGIN)


def smooth(line: Points, rounds: int, closed: bool = False) -> Points:
    """Return a line with its corners cut (Chaikin): open ends stay, a closed ring stays closed."""
    for _ in range(rounds):
        first, second = line[:-1] * 0.75 + line[1:] * 0.25, line[:-1] * 0.25 + line[1:] * 0.75
        inner = numpy.stack([first, second], axis=1).reshape(-1, 2)
        line = numpy.vstack([inner, inner[:1]]) if closed else numpy.vstack([line[:1], inner, line[-1:]])
    return line


def make_areas(outline: Polygon, towns: Sequence[Town], namer: Namer) -> list[DemoArea]:
    """Return county, towns, villages and cells, in order of code; cells tile, and the rest are made of them."""
    drawn = _draw_villages(outline, towns)
    cells, owners = _draw_cells(drawn)
    shapes = bend_coverage(_check_polygons(tile(cells, gap_width_m=1).shapes))
    villages = [[shapes[i] for i in numpy.flatnonzero(owners == number)] for number in range(len(drawn))]
    return _name_areas(towns, drawn, villages, namer)


@dataclass(frozen=True)
class _DrawnVillage:
    town: int
    community: bool
    polygon: Polygon


def _draw_villages(outline: Polygon, towns: Sequence[Town]) -> list[_DrawnVillage]:
    seats = [(town.lon, town.lat) for town in towns]
    drawn: list[_DrawnVillage] = []
    polygons = _divide(outline, seats, SEED, roughness=0.22, finest_m=1200)
    for number, polygon in enumerate(polygons):
        town = towns[number]
        parts = town.communities + town.villages
        seeds = _spread(polygon, parts, seats[number], SEED + number)
        villages = _divide(polygon, seeds, SEED + number, roughness=0.16, finest_m=700)
        distances = [math.dist(*to_km(numpy.array([seed, seats[number]]))) for seed in seeds]
        nearest = set(numpy.argsort(distances, kind="stable")[: town.communities].tolist())
        drawn += [_DrawnVillage(number, i in nearest, village) for i, village in enumerate(villages)]
    return drawn


def _draw_cells(villages: Sequence[_DrawnVillage]) -> tuple[list[Polygon], Indices]:
    cells: list[Polygon] = []
    owners: list[int] = []
    for number, village in enumerate(villages):
        parts = _count_cells(village, number)
        centre = village.polygon.centroid
        seeds = _spread(village.polygon, parts, (centre.x, centre.y), SEED * 2 + number)
        cells += _divide(village.polygon, seeds, 0, roughness=0, finest_m=1)
        owners += [number] * parts
    return cells, numpy.array(owners, dtype=numpy.intp)


def _divide(
    polygon: Polygon, seeds: Sequence[tuple[float, float]], seed: int, roughness: float, finest_m: float
) -> list[Polygon]:
    return _check_polygons(divide_by_seeds(polygon, seeds, seed, roughness, finest_m))


def _check_polygons(shapes: Sequence[BaseGeometry | None]) -> list[Polygon]:
    """Return shapes as what the demo needs them to be: each in one piece, without holes."""
    polygons = [shape for shape in shapes if isinstance(shape, Polygon) and not shape.interiors]
    if len(polygons) != len(shapes):
        raise ValueError("the demo's areas must be in one piece, without holes")
    return polygons


def _count_cells(village: _DrawnVillage, number: int) -> int:
    """Return how many cells a village has: communities in the core most, villages in the hills least."""
    if village.community:
        return 5 + number % 4
    return 2 + number % 3


def _spread(polygon: Polygon, parts: int, seat: tuple[float, float], seed: int) -> list[tuple[float, float]]:
    """Return `parts` seeds in a polygon (degrees), closer together near the core and the seat.

    Lloyd's method on weighted random samples: the spacing goes with the fourth root of the weight.
    """
    generator = numpy.random.default_rng(seed)
    samples = _sample(polygon, parts * _SAMPLES_PER_PART, generator)
    places = to_km(samples)
    from_core = numpy.hypot(*(places - to_km(numpy.array(CORE))).T)
    from_seat = numpy.hypot(*(places - to_km(numpy.array(seat))).T)
    spacing = 1.0 + 0.10 * from_core + 0.08 * from_seat
    weights = spacing**-4
    centres = places[generator.choice(len(places), parts, replace=False, p=weights / weights.sum())]
    for _ in range(_RELAXATIONS):
        _, nearest = KDTree(centres).query(places)
        total = numpy.bincount(nearest, weights, parts)
        sums = [numpy.bincount(nearest, weights * places[:, axis], parts) for axis in (0, 1)]
        moved = numpy.column_stack(sums) / numpy.maximum(total, 1e-300)[:, None]
        centres = numpy.where(total[:, None] > 0, moved, centres)
    degrees = centres / KM_PER_DEGREE + ORIGIN
    return [(float(lon), float(lat)) for lon, lat in degrees]


def _sample(polygon: Polygon, wanted: int, generator: numpy.random.Generator) -> Points:
    west, south, east, north = polygon.bounds
    share = polygon.area / ((east - west) * (north - south))
    shapely.prepare(polygon)
    count = int(wanted / share * 1.3) + 50
    points = generator.uniform((west, south), (east, north), (count, 2))
    return points[shapely.contains_xy(polygon, points[:, 0], points[:, 1])]


def bend_coverage(polygons: Sequence[Polygon]) -> list[Polygon]:
    """Return polygons that tile with every side bent by the relief: each side once, for both its neighbours."""
    rings = [shapely.get_coordinates(polygon.exterior) for polygon in polygons]
    sides = numpy.vstack([numpy.hstack([ring[:-1], ring[1:]]) for ring in rings])
    turned = (sides[:, 0] > sides[:, 2]) | ((sides[:, 0] == sides[:, 2]) & (sides[:, 1] > sides[:, 3]))
    sides[turned] = sides[turned][:, [2, 3, 0, 1]]
    unique, where = numpy.unique(sides, axis=0, return_inverse=True)
    bent = _bend_sides(unique)
    paths = [bent[side][::-1] if back else bent[side] for side, back in zip(where, turned, strict=True)]
    ends = numpy.cumsum([len(ring) - 1 for ring in rings])
    return [
        Polygon(numpy.vstack([path[:-1] for path in paths[end - len(ring) + 1 : end]]))
        for ring, end in zip(rings, ends, strict=True)
    ]


def _bend_sides(sides: Points) -> list[Points]:
    metres = numpy.hypot(*((sides[:, 2:] - sides[:, :2]) * KM_PER_DEGREE).T) * 1000
    counts = numpy.maximum(1, numpy.round(metres / _STEP_M)).astype(int)
    straight = [
        start + (numpy.arange(count + 1) / count)[:, None] * (end - start)
        for start, end, count in zip(sides[:, :2], sides[:, 2:], counts, strict=True)
    ]
    # The last step must end in the corner itself, to the bit, or rings would not close.
    for path, side in zip(straight, sides, strict=True):
        path[-1] = side[2:]
    bent = numpy.round(bend(numpy.vstack(straight)), 6)
    return numpy.split(bent, numpy.cumsum(counts + 1)[:-1])


def _name_areas(
    towns: Sequence[Town], drawn: Sequence[_DrawnVillage], cells: Sequence[Sequence[Polygon]], namer: Namer
) -> list[DemoArea]:
    unions = [_merge(shapes) for shapes in cells]
    areas: list[DemoArea] = []
    town_shapes: list[Polygon] = []
    for number, town in enumerate(towns):
        own = [i for i, village in enumerate(drawn) if village.town == number]
        shape = _merge([unions[i] for i in own])
        town_shapes.append(shape)
        code = COUNTY_CODE + town.code
        areas.append(DemoArea(code, "town", town.name, town.name_en, COUNTY_CODE, shape))
        for community, first in ((True, 1), (False, 200)):
            group = [i for i in own if drawn[i].community is community]
            for sequence, i in zip(number_cells([unions[i] for i in group]), group, strict=True):
                village = make_code(code, first + sequence - 1)
                name, name_en = namer.name_village(community, hilly=_is_hilly(unions[i]))
                areas.append(DemoArea(village, "village", name, name_en, code, unions[i]))
                areas += _name_cells(village, name, name_en, cells[i])
    areas.append(DemoArea(COUNTY_CODE, "county", "云溪县", "Yunxi County", None, _merge(town_shapes)))
    order: Mapping[str, int] = {"county": 0, "town": 1, "village": 2, "cell": 3}
    return sorted(areas, key=lambda area: (order[area.level], area.code))


def _name_cells(village: str, name: str, name_en: str, shapes: Sequence[Polygon]) -> list[DemoArea]:
    return [
        DemoArea(
            make_code(village, sequence),
            "cell",
            f"{name}第{sequence}网格",
            f"{name_en} Grid {sequence}",
            village,
            shape,
        )
        for sequence, shape in zip(number_cells(shapes), shapes, strict=True)
    ]


def _merge(shapes: Sequence[Polygon]) -> Polygon:
    merged = shapely.normalize(shapely.coverage_union_all(shapes))
    return _check_polygons([shapely.orient_polygons(merged)])[0]


def _is_hilly(shape: Polygon) -> bool:
    """Say whether a place is in the south-western hills rather than on the plain."""
    centre: Point = shape.centroid
    east, north = to_km(numpy.array([centre.x, centre.y]))
    return bool(east + north < 2.0)
