"""The demo county's assets: bins where people live, detectors on roads, stations on rivers, one worker a cell."""

from collections.abc import Iterator, Sequence
from typing import Final

import numpy
import numpy.typing
import shapely
from shapely import LineString

from geo.demo_areas import CORE, SEED, DemoArea, Town, to_km
from geo.demo_lines import DemoLine

Points = numpy.typing.NDArray[numpy.float64]
Asset = dict[str, str]

COLUMNS: Final = (
    "asset_id", "kind", "name", "name_en", "lon", "lat", "waste_kind", "capacity_l", "road_class", "river",
)  # fmt: skip

_BIN_SITES: Final = 840
_DETECTORS: Final = {"expressway": 60, "arterial": 180, "branch": 160}
_WATER_STATIONS: Final = 30
_CAMERAS: Final = 300
_METRE: Final = 9e-6
# Kinds of a site beside 其他垃圾 and 厨余垃圾, with the share of sites that have them; names, litres.
_BIN_KINDS: Final = (
    ("other", 1.0, "其他垃圾桶", "residual bin", 240),
    ("organic", 1.0, "厨余垃圾桶", "food waste bin", 120),
    ("plastic", 0.62, "可回收物箱", "recycling bin", 660),
    ("hazardous", 0.36, "有害垃圾箱", "hazardous waste bin", 60),
)


def make_assets(
    areas: Sequence[DemoArea], towns: Sequence[Town], roads: Sequence[DemoLine], rivers: Sequence[DemoLine]
) -> list[Asset]:
    """Return every asset as one line of `assets.csv`, in the order of kinds."""
    generator = numpy.random.default_rng((SEED, 3))
    cells = [area for area in areas if area.level == "cell"]
    villages = {area.code: area for area in areas if area.level == "village"}
    return [
        *_place_bins(cells, villages, generator),
        *_place_detectors(roads, generator),
        *_place_air_stations(towns),
        *_place_water_stations(rivers),
        *_place_cameras(roads, generator),
        *_list_workers(cells),
    ]


def name_worker(number: int) -> str:
    """Return the id of the grid worker of the `number`-th cell (0-based): workers have numbers, not names."""
    return f"GW-{number + 1:04d}"


def _place_bins(
    cells: Sequence[DemoArea], villages: dict[str, DemoArea], generator: numpy.random.Generator
) -> Iterator[Asset]:
    centres = numpy.array([cell.geometry.centroid.coords[0] for cell in cells])
    from_core = numpy.hypot(*(to_km(centres) - to_km(numpy.array(CORE))).T)
    communities = numpy.array(["社区" in cell.name for cell in cells])
    weights = numpy.where(communities, 3.0, 1.0) / (1 + from_core / 12)
    chosen = numpy.sort(generator.choice(len(cells), _BIN_SITES, p=weights / weights.sum()))
    number = 0
    sites: dict[str, int] = {}
    for index in chosen:
        cell = cells[index]
        village = villages[cell.code[:12]]
        sites[village.code] = sites.get(village.code, 0) + 1
        lon, lat = _pick_inside(cell, generator)
        for slot, (kind, share, zh, en, litres) in enumerate(_BIN_KINDS):
            if generator.random() >= share:
                continue
            number += 1
            site = sites[village.code]
            yield {
                **_locate(f"BIN-{number:05d}", "bin", lon + slot * 2 * _METRE, lat),
                "name": f"{village.name}{site}号点{zh}",
                "name_en": f"{village.name_en} site {site} {en}",
                "waste_kind": kind,
                "capacity_l": str(litres),
            }


def _place_detectors(roads: Sequence[DemoLine], generator: numpy.random.Generator) -> Iterator[Asset]:
    number = 0
    for kind, wanted in _DETECTORS.items():
        lines = [road for road in roads if road.kind == kind]
        for road, metres in _spread_along(lines, wanted, float(generator.uniform(0.3, 0.7))):
            number += 1
            point = road.geometry.interpolate(metres / 103_000)
            mark = f"K{int(metres // 1000)}+{int(metres % 1000):03d}"
            yield {
                **_locate(f"DET-{number:04d}", "detector", point.x, point.y),
                "name": f"{road.name}{mark}",
                "name_en": f"{road.name_en} {mark}",
                "road_class": kind,
            }


def _place_air_stations(towns: Sequence[Town]) -> Iterator[Asset]:
    places = [(f"{town.name}空气站", f"{town.name_en} air station", town.lon, town.lat) for town in towns]
    places += [
        ("县工业园区空气站", "Industrial park air station", 120.437, 29.752),
        ("云峰山背景站", "Mount Yunfeng background station", 120.172, 29.476),
    ]
    for number, (zh, en, lon, lat) in enumerate(places, 1):
        asset = _locate(f"AIR-{number:02d}", "air_station", lon + 30 * _METRE, lat + 20 * _METRE)
        yield {**asset, "name": zh, "name_en": en}


def _place_water_stations(rivers: Sequence[DemoLine]) -> Iterator[Asset]:
    sequence: dict[str, int] = {}
    for number, (river, metres) in enumerate(_spread_along(rivers, _WATER_STATIONS, 0.5), 1):
        sequence[river.name] = sequence.get(river.name, 0) + 1
        point = river.geometry.interpolate(metres / 103_000)
        yield {
            **_locate(f"WAT-{number:02d}", "water_station", point.x, point.y),
            "name": f"{river.name}{sequence[river.name]}号断面",
            "name_en": f"{river.name_en} section {sequence[river.name]}",
            "river": river.name,
        }


def _place_cameras(roads: Sequence[DemoLine], generator: numpy.random.Generator) -> Iterator[Asset]:
    """Put cameras at the ends of roads, where they meet; most of them in the core."""
    ends: dict[tuple[float, float], str] = {}
    for road in roads:
        if road.kind in ("arterial", "branch"):
            for lon, lat in shapely.get_coordinates(road.geometry)[[0, -1]]:
                ends.setdefault((float(lon), float(lat)), road.name)
    extra = [road for road in roads if road.kind in ("arterial", "branch")]
    for road, metres in _spread_along(extra, _CAMERAS - min(len(ends), _CAMERAS), 0.9):
        point = road.geometry.interpolate(metres / 103_000)
        ends[(point.x, point.y)] = road.name
    english = {road.name: road.name_en for road in roads}
    for number, ((lon, lat), name) in enumerate(list(ends.items())[:_CAMERAS], 1):
        east, north = generator.uniform(-12, 12, 2) * _METRE
        yield {
            **_locate(f"CAM-{number:03d}", "camera", lon + east, lat + north),
            "name": f"{name}监控{number:03d}",
            "name_en": f"{english[name]} camera {number:03d}",
        }


def _list_workers(cells: Sequence[DemoArea]) -> Iterator[Asset]:
    for number, cell in enumerate(cells):
        point = cell.geometry.representative_point()
        asset = _locate(name_worker(number), "grid_worker", point.x, point.y)
        yield {**asset, "name": f"网格员 {number + 1:04d}", "name_en": f"Grid worker {number + 1:04d}"}


def _spread_along(lines: Sequence[DemoLine], wanted: int, offset: float) -> Iterator[tuple[DemoLine, float]]:
    """Return `wanted` evenly spaced places on lines taken one after another, in metres from each line's start."""
    if wanted <= 0:
        return
    lengths = numpy.array([_measure(line.geometry) for line in lines])
    ends = numpy.cumsum(lengths)
    for place in (numpy.arange(wanted) + offset) * (ends[-1] / wanted):
        index = min(int(numpy.searchsorted(ends, place, side="right")), len(lines) - 1)
        yield lines[index], float(place - (ends[index] - lengths[index]))


def _measure(line: LineString) -> float:
    return line.length * 103_000


def _pick_inside(cell: DemoArea, generator: numpy.random.Generator) -> tuple[float, float]:
    """Return a point inside a cell: on the way from its middle to a corner, or the middle itself."""
    middle = cell.geometry.representative_point()
    corners = shapely.get_coordinates(cell.geometry)
    corner = corners[int(generator.integers(len(corners)))]
    share = float(generator.uniform(0.1, 0.8))
    lon, lat = middle.x + (corner[0] - middle.x) * share, middle.y + (corner[1] - middle.y) * share
    if shapely.contains_xy(cell.geometry, lon, lat):
        return lon, lat
    return middle.x, middle.y


def _locate(asset_id: str, kind: str, lon: float, lat: float) -> Asset:
    return {"asset_id": asset_id, "kind": kind, "lon": f"{lon:.6f}", "lat": f"{lat:.6f}"}
