"""What is around a point: assets, workers and open cases, nearest first. Pure: no clock, no I/O."""

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from cases.duplicates import METRES_PER_DEGREE
from layers import LAYERS
from layers.contract import Title
from layers.places import KIND_OF_FEED
from layers.state import LiveState
from layers.things import Sensed
from layers.words import measure

MOST_OF_A_KIND = 30  # within 5 km there are hundreds of bins, and still the nearest workers are wanted
MOST_FORCES = 6
FEED_OF_KIND = {kind: feed for feed, kind in KIND_OF_FEED.items()}
LAYER_OF_FEED = {layer.spec.feed: layer.spec.key for layer in LAYERS.values() if layer.spec.geometry == "asset"}


class Neighbour(msgspec.Struct, omit_defaults=True):
    """One thing near a point: `kind` is an asset's kind, `worker` or `case`; `at` is epoch seconds.

    value: its reading, or a case's state. mark: what is wrong with it (`offline`, `silent`, `full`), if anything.
    """

    kind: str
    id: int
    distance_m: int
    lon: float
    lat: float
    layer: str | None = None
    name: str | None = None
    name_en: str | None = None
    value: dict[str, str] | None = None
    at: int | None = None
    mark: str | None = None
    category: str | None = None
    severity: int | None = None
    case_id: str | None = None


def find_neighbours(state: LiveState, lon: float, lat: float, radius_m: float) -> list[Neighbour]:
    """Return what lies within a radius of a point (degrees, WGS 84), nearest first, of each kind not too many."""
    near = [one for one in _everything(state, lat, lon, radius_m) if one.distance_m <= radius_m]
    near.sort(key=lambda neighbour: (neighbour.distance_m, neighbour.id))
    seen: Counter[str] = Counter()
    told = []
    for neighbour in near:
        seen[neighbour.kind] += 1
        if seen[neighbour.kind] <= MOST_OF_A_KIND:
            told.append(neighbour)
    return told


def find_forces(state: LiveState, lon: float | None, lat: float | None) -> dict[str, list[dict[str, Any]]]:
    """Return the nearest workers on duty and the nearest cameras: by number, for a wall shows nobody's name.

    `cell` is the code of the cell that each is in. Of a case that is nowhere there are none.
    """
    if lon is None or lat is None:
        return {"workers": [], "cameras": []}
    codes = state.places.cell_codes
    workers = [
        {
            "id": worker.worker_id,
            "cell": None if worker.cell is None else codes[worker.cell],
            "distance_m": measure_m(lon, lat, worker.lon, worker.lat),
        }
        for worker in state.workers.values()
        if worker.on_duty and worker.lon is not None and worker.lat is not None
        if not state.is_silent("workers", worker.at_ms)
    ]
    cameras = [
        {
            "id": asset.asset_id,
            "cell": None if asset.cell is None else codes[asset.cell],
            "name": {"zh": asset.name.zh, "en": asset.name.en},
            "distance_m": measure_m(lon, lat, asset.lon, asset.lat),
        }
        for id in state.assets_by_kind.get("camera", ())
        if (asset := state.assets.get(id))
    ]
    return {"workers": _nearest(workers), "cameras": _nearest(cameras)}


def _nearest(forces: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return heapq.nsmallest(MOST_FORCES, forces, key=lambda one: (one["distance_m"], one["id"]))


def measure_m(lon: float, lat: float, its_lon: float, its_lat: float) -> int:
    """Return how far apart two points of a county are (degrees, WGS 84), in metres rounded up."""
    metres_lon = METRES_PER_DEGREE * math.cos(math.radians(lat))
    return math.ceil(math.hypot((its_lon - lon) * metres_lon, (its_lat - lat) * METRES_PER_DEGREE))


def _everything(state: LiveState, lat: float, lon: float, radius_m: float) -> Iterator[Neighbour]:
    """Yield what lies in the box around the circle, with its distance."""
    metres_lon = METRES_PER_DEGREE * math.cos(math.radians(lat))
    half_lat, half_lon = radius_m / METRES_PER_DEGREE, radius_m / max(metres_lon, 1.0)

    def place(its_lon: float | None, its_lat: float | None) -> dict[str, Any] | None:
        if its_lon is None or its_lat is None or abs(its_lon - lon) > half_lon or abs(its_lat - lat) > half_lat:
            return None
        return {"distance_m": measure_m(lon, lat, its_lon, its_lat), "lon": its_lon, "lat": its_lat}

    for asset in state.assets.values():
        where = place(asset.lon, asset.lat) if asset.kind != "grid_worker" else None
        if where:
            feed = FEED_OF_KIND.get(asset.kind, asset.kind)
            reading = state.readings.get(feed, {}).get(asset.id)
            yield Neighbour(
                kind=asset.kind,
                id=asset.id,
                layer=LAYER_OF_FEED.get(feed),
                name=asset.name.zh,
                name_en=asset.name.en,
                value=None if reading is None else _say_value(reading),
                at=None if reading is None else reading.observed_ms // 1000,
                mark=_find_mark(state, feed, asset.id, reading),
                **where,
            )
    for worker in state.workers.values():
        where = place(worker.lon, worker.lat) if worker.on_duty else None
        if where and not state.is_silent("workers", worker.at_ms):
            title = _name_worker(state, worker.worker_id)
            yield Neighbour(
                kind="worker",
                id=worker.id,
                layer="staff",
                name=title.zh,
                name_en=title.en,
                at=worker.at_ms // 1000,
                **where,
            )
    for case in state.cases.values():
        where = place(case.lon, case.lat) if case.is_open else None
        if where:
            name = state.rulebook.find_state(case.category, case.state.state).name
            yield Neighbour(
                kind="case",
                id=case.id,
                layer="exercise" if case.is_exercise else "open_cases",
                category=case.category,
                severity=case.severity,
                case_id=case.case_id,
                value={"zh": name.zh, "en": name.en},
                at=case.reported_ms // 1000,
                **where,
            )


def _name_worker(state: LiveState, worker_id: str) -> Title:
    """Return the roster's name of a worker, which is a number; the id where the roster has none."""
    position = state.places.asset_of_name.get(worker_id)
    return Title(worker_id, worker_id) if position is None else state.places.assets[position].name


def _find_mark(state: LiveState, feed: str, asset: int, reading: Sensed | None) -> str | None:
    if feed not in state.feeds:
        return None  # cameras: nobody tells of them
    if state.offline_at(feed, asset) is not None:
        return "offline"
    if state.is_silent(feed, None if reading is None else reading.observed_ms):
        return "silent"
    value = None if reading is None else reading.value
    return "full" if feed == "waste" and value is not None and value >= state.thresholds.bin_full_ratio else None


def _say_value(reading: Sensed) -> dict[str, str] | None:
    """Return a reading's main value with its unit; None for feeds whose unit only the pack knows."""
    scale, unit, digits = {
        "waste": (100.0, "%", 0),
        "traffic": (1.0, "km/h", 0),
        "air": (1.0, "µg/m³ PM2.5", 0),
        "water": (1.0, "mg/L CODMn", 1),
    }.get(reading.feed, (1.0, "", 1))
    said = measure(None if reading.value is None else reading.value * scale, unit, digits)
    return {"zh": said.zh, "en": said.en}
