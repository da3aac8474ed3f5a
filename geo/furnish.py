"""Made-up equipment for a real county of which only the areas are known, so that the simulator can run on it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import shapely
from shapely.geometry.base import BaseGeometry

# Kinds of waste by how many of ten bins hold them, under WasteContainer's names.
_WASTE_KINDS = ("organic", "organic", "organic", "other", "other", "other", "plastic", "paper", "glass", "hazardous")
_BINS_PER_CELL = 0.6
_DETECTORS_PER_TOWN = ("expressway", "arterial", "arterial", "branch")
_CAMERAS_PER_TOWN = 4
_TOWNS_PER_AIR_STATION = 4
_TOWNS_PER_WATER_STATION = 3
_TRIES = 20


@dataclass(frozen=True)
class Place:
    """A cell to furnish; the first nine digits of its code are its town's."""

    code: str
    name: str
    name_en: str
    shape: BaseGeometry


def furnish_cells(cells: Sequence[Place]) -> tuple[list[dict[str, str]], dict[str, str]]:
    """Return asset rows as in `assets.csv`, and each cell's grid worker (worker id by cell code).

    A worker for every cell; bins in six cells of ten; detectors, cameras, air and water stations by town. No roads
    or rivers are known, so things stand at a point inside a cell picked by a generator seeded with its code: the same
    cells give the same rows.
    """
    assets: list[dict[str, str]] = []
    workers = {place.code: f"GW-{number:04d}" for number, place in enumerate(cells, start=1)}
    for place in cells:
        assets.append(_put(workers[place.code], "grid_worker", "网格员", "Grid worker", place))
        chance = random.Random(place.code)
        if chance.random() < _BINS_PER_CELL:
            kind = chance.choice(_WASTE_KINDS)
            assets.append(
                _put(f"B{place.code}", "bin", "垃圾箱", "Bin", place) | {"waste_kind": kind, "capacity_l": "240"}
            )
    towns: dict[str, list[Place]] = {}
    for place in cells:
        towns.setdefault(place.code[:9], []).append(place)
    for number, (town, places) in enumerate(sorted(towns.items())):
        assets += _furnish_town(town, number, places)
    return assets, workers


def _furnish_town(town: str, number: int, places: Sequence[Place]) -> list[dict[str, str]]:
    chance = random.Random(town)
    assets = []
    for index, road_class in enumerate(_DETECTORS_PER_TOWN, start=1):
        asset = _put(f"D{town}{index:02d}", "detector", "车流检测器", "Detector", chance.choice(places))
        assets.append(asset | {"road_class": road_class})
    for index in range(1, _CAMERAS_PER_TOWN + 1):
        assets.append(_put(f"C{town}{index:02d}", "camera", "摄像头", "Camera", chance.choice(places)))
    if number % _TOWNS_PER_AIR_STATION == 0:
        assets.append(_put(f"A{town}", "air_station", "空气站", "Air station", chance.choice(places)))
    if number % _TOWNS_PER_WATER_STATION == 0:
        assets.append(
            _put(f"H{town}", "water_station", "水质站", "Water station", chance.choice(places)) | {"river": ""}
        )
    return assets


def _put(asset_id: str, kind: str, zh: str, en: str, place: Place) -> dict[str, str]:
    point = _pick_point(place.shape, random.Random(asset_id))
    return {
        "asset_id": asset_id,
        "kind": kind,
        "name": f"{place.name}{zh}",
        "name_en": f"{en}, {place.name_en}",
        "lon": f"{point.x:.6f}",
        "lat": f"{point.y:.6f}",
    }


def _pick_point(shape: BaseGeometry, chance: random.Random) -> shapely.Point:
    west, south, east, north = shape.bounds
    for _ in range(_TRIES):
        point = shapely.Point(chance.uniform(west, east), chance.uniform(south, north))
        if shape.contains(point):
            return point
    return shapely.point_on_surface(shape)
