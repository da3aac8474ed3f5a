"""Cases: the hotline that peaks at ten, grid workers' finds, disputes at the window, and what rain brings."""

import math
import random
import zlib
from bisect import bisect
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from itertools import accumulate
from typing import Any

import numpy
import shapely

from geo.county import Category, County, Name
from ingest.simulation.case_classes import is_dispute, weigh
from ingest.simulation.case_life import LONGEST_S, Beginning, Step, find_role, tell_life, tell_merge
from ingest.simulation.chance import as_keys, draw_normal
from ingest.simulation.schedule import HOUR_S, Happening, write_time
from ingest.simulation.traffic import Traffic
from ingest.simulation.weather import Flood

CASES_PER_CELL_AND_DAY = 0.21
FEWEST_A_DAY, MOST_A_DAY = 60, 900
USUAL_LIMIT_HOURS = 24.0
WATER_ON_ROAD, BLOCKED_DRAIN = "0406", "0404"
FLOOD_MEMORY_S = 8 * HOUR_S

# Share of all reports by channel, and the peaks of its day: (hour, width in hours, height).
CHANNELS: dict[str, tuple[float, tuple[tuple[float, float, float], ...]]] = {
    "hotline": (0.36, ((10.0, 1.5, 1.0), (15.7, 1.8, 0.65), (19.5, 2.5, 0.2))),
    "grid_worker": (0.37, ((9.5, 1.6, 1.0), (15.0, 2.0, 0.9))),
    "app": (0.09, ((8.5, 2.0, 0.5), (12.7, 1.5, 0.6), (19.5, 2.2, 1.0))),
    "video": (0.05, ((8.0, 2.5, 1.0), (17.5, 2.5, 1.0))),
    "patrol": (0.06, ((9.5, 2.0, 1.0), (16.0, 2.0, 0.9))),
    "iot": (0.02, ((13.0, 8.0, 1.0),)),
    "superior": (0.01, ((10.0, 1.5, 1.0), (15.5, 1.5, 0.7))),
    "window": (0.04, ((9.8, 1.0, 1.0), (15.2, 1.2, 0.8))),
}
TWICE = 0.035  # of what people report, somebody else reports again: near by, in other words, by another channel
TWICE_CHANNELS = ("hotline", "app", "grid_worker")
REMARKS = ("请尽快处理", "影响通行", "群众反映强烈", "已持续一段时间")
NIGHT_FLOOR = 0.02
WEEKEND = {"window": 0.05, "superior": 0.3, "grid_worker": 0.6, "patrol": 0.6, "hotline": 0.8}
DISPUTES = {"window": 0.8, "hotline": 0.05, "grid_worker": 0.05}

_Life = list[Happening]


class Cases:
    """The cases of one county; each hour's are drawn on their own, with their whole life."""

    def __init__(self, county: County, seed: int, traffic: Traffic) -> None:
        self._county = county
        self._seed = seed
        self._traffic = traffic
        self._land = _survey(county, seed)
        self._categories = county.categories or _bare_categories()
        self._cohorts: dict[int, list[_Life]] = {}
        self._agenda: dict[int, list[Happening]] = {}

    def happen(self, start: float, end: float) -> list[Happening]:
        """Return the reports and actions in [start, end)."""
        self._prepare(start, end)
        hours = range(int(start // HOUR_S), int((end - 1e-6) // HOUR_S) + 1)
        return [item for hour in hours for item in self._agenda.get(hour, ()) if start <= item[0] < end]

    def find_open(self, at: float) -> list[Happening]:
        """Return all that had happened, before a moment, to the cases that were then open."""
        self._prepare(at, at)
        lives = [life for cohort in self._cohorts.values() for life in cohort]
        return [item for life in lives if life[0][0] < at <= life[-1][0] for item in life if item[0] < at]

    def tell_lives(self, start: float, end: float) -> list[list[Happening]]:
        """Return the whole life of every case reported in the hours that begin in [start, end)."""
        hours = range(math.ceil(start / HOUR_S), math.ceil(end / HOUR_S))
        return [life for hour in hours for life in self._draw_hour(hour)]

    def _prepare(self, start: float, end: float) -> None:
        """Draw every hour whose cases can still have something happen in a span, and forget the older ones."""
        first, last = int((start - LONGEST_S) // HOUR_S), int(end // HOUR_S)
        for hour in range(first, last + 1):
            if hour not in self._cohorts:
                self._cohorts[hour] = self._draw_hour(hour)
                for life in self._cohorts[hour]:
                    for item in life:
                        self._agenda.setdefault(int(item[0] // HOUR_S), []).append(item)
        for hour in [hour for hour in self._cohorts if hour < first - 1]:
            del self._cohorts[hour]
            self._agenda.pop(hour, None)

    def _draw_hour(self, hour: int) -> list[_Life]:
        chance = random.Random(f"{self._seed}/{self._county.code}/{hour}")
        local = datetime.fromtimestamp(hour * HOUR_S, self._county.time_zone)
        reports = [
            self._draw_report(hour, local, channel, chance)
            for channel in CHANNELS
            for _ in range(self._count(channel, local, chance))
        ]
        reports += self._draw_flooded(hour, chance)
        reports.sort(key=lambda report: report.at)
        lives: list[_Life] = []
        for number, report in enumerate(reports, start=1):
            case_id = f"SIM-{self._county.code}-{_stamp_hour(hour)}-{number:03d}"
            lives.append(self._tell(report, case_id, local, chance))
            if report.channel in TWICE_CHANNELS and chance.random() < TWICE:
                lives.append(self._tell_again(report, lives[-1], case_id, chance))
        return lives

    def _count(self, channel: str, local: datetime, chance: random.Random) -> int:
        daily = min(max(CASES_PER_CELL_AND_DAY * len(self._land.codes), FEWEST_A_DAY), MOST_A_DAY)
        expected = daily * CHANNELS[channel][0] * _share_of_hour(channel, local.hour)
        if local.isoweekday() > 5:
            expected *= WEEKEND.get(channel, 1.0)
        return _draw_poisson(expected, chance)

    def _draw_report(self, hour: int, local: datetime, channel: str, chance: random.Random) -> "_Report":
        cell = bisect(self._land.reach, chance.random() * self._land.reach[-1])
        dispute = chance.random() < DISPUTES.get(channel, 0.0)
        codes, reach = self._classes(local.hour, local.month, self._land.in_town[cell], dispute)
        code = codes[bisect(reach, chance.random() * reach[-1])]
        lon, lat = self._land.pick_point(cell, chance)
        return _Report(hour * HOUR_S + float(chance.randrange(HOUR_S)), channel, code, cell, lon, lat)

    def _draw_flooded(self, hour: int, chance: random.Random) -> list["_Report"]:
        """Return what people report of the roads that are under water in this hour."""
        code = WATER_ON_ROAD if WATER_ON_ROAD in self._categories else next(iter(self._categories))
        begin = hour * HOUR_S
        reports = []
        for flood in self._traffic.floods(begin - FLOOD_MEMORY_S, begin + HOUR_S):
            for at in _moments_of_flood(self._seed, flood):
                if begin <= at < begin + HOUR_S:
                    reports.append(self._report_flood(at, flood, code, chance))
        return reports

    def _report_flood(self, at: float, flood: Flood, code: str, chance: random.Random) -> "_Report":
        places = self._traffic.places
        lon = float(places.lon[flood.spot]) + chance.gauss(0, 0.0008)
        lat = float(places.lat[flood.spot]) + chance.gauss(0, 0.0007)
        if chance.random() < 0.2 and BLOCKED_DRAIN in self._categories:
            code = BLOCKED_DRAIN
        channel = chance.choice(("hotline", "hotline", "app", "video", "patrol", "grid_worker"))
        cell = self._land.positions.get(places.rows["cell_code"].iloc[flood.spot], 0)
        return _Report(at, channel, code, cell, round(lon, 6), round(lat, 6), flooded=True)

    @lru_cache(maxsize=512)  # noqa: B019 - one county lives as long as the process
    def _classes(self, hour: int, month: int, in_town: bool, dispute: bool) -> tuple[list[str], list[float]]:
        codes = [code for code in self._categories if is_dispute(code) == dispute] or list(self._categories)
        return codes, list(accumulate(weigh(codes, hour, month, in_town)))

    def _tell(self, report: "_Report", case_id: str, local: datetime, chance: random.Random) -> _Life:
        category = self._categories[report.code]
        severity = _draw_severity(report, chance)
        begin = Beginning(
            at=report.at,
            local_hour=local.hour + report.at % HOUR_S / HOUR_S,
            channel=report.channel,
            severity=severity,
            limit_s=(category.limit_hours or USUAL_LIMIT_HOURS) * HOUR_S,
            dispute=is_dispute(report.code),
            unit=self._find_unit(category),
            worker=self._land.responsible[report.cell] or "网格员",
            units=self._list_units(category),
        )
        told: Happening = (report.at, case_id, "case.reported", self._describe(report, case_id, severity, chance))
        return [told, *(_as_action(case_id, number, step) for number, step in enumerate(tell_life(begin, chance), 1))]

    def _tell_again(self, report: "_Report", first: _Life, case_id: str, chance: random.Random) -> _Life:
        """Return the life of a second report of the same thing; it is merged into the first."""
        at = report.at + chance.uniform(0.05, 0.6) * min(first[-1][0] - report.at, 2 * HOUR_S)
        channel = chance.choice([channel for channel in TWICE_CHANNELS if channel != report.channel])
        lon, lat = report.lon + chance.gauss(0, 8e-5), report.lat + chance.gauss(0, 7e-5)
        second = replace(report, at=float(int(at)), channel=channel, lon=round(lon, 6), lat=round(lat, 6))
        again = f"{case_id}B"
        severity = first[0][3]["severity"]
        told: Happening = (second.at, again, "case.reported", self._describe(second, again, severity, chance))
        steps = tell_merge(second.at, case_id, chance)
        return [told, *(_as_action(again, number, step) for number, step in enumerate(steps, 1))]

    def _describe(self, report: "_Report", case_id: str, severity: int, chance: random.Random) -> dict[str, Any]:
        place, what = self._land.names[report.cell], self._categories[report.code].zh
        data: dict[str, Any] = {
            "case_id": case_id,
            "category": report.code,
            "title": f"{place}{what}",
            "description": f"{place}附近有{what}情况，{chance.choice(REMARKS)}。",
            "lon": report.lon,
            "lat": report.lat,
            "reported_at": write_time(report.at),
            "channel": report.channel,
            "severity": severity,
        }
        if is_dispute(report.code):
            data["people"] = 2 + min(int(chance.expovariate(0.7)), 30)
        if report.channel in ("hotline", "app", "window"):
            data["reporter"] = {"name": "模拟", "phone": f"1990000{chance.randrange(10_000):04d}"}
        return data

    def _find_unit(self, category: Category) -> str:
        """Return the unit of the class's platform that gets all cases of this class."""
        units = self._list_units(category)
        return units[zlib.crc32(category.code.encode()) % len(units)] if units else category.platform

    def _list_units(self, category: Category) -> list[str]:
        units = [unit.code for unit in self._county.units.values() if unit.platform == category.platform]
        return units or list(self._county.units)


@dataclass(frozen=True)
class _Report:
    at: float
    channel: str
    code: str
    cell: int
    lon: float
    lat: float
    flooded: bool = False


@dataclass(frozen=True, eq=False)
class _Land:
    """The county's cells as columns; `reach` are the running sums of how much is reported from each."""

    codes: list[str]
    positions: dict[str, int]
    names: list[str]
    responsible: list[str | None]
    in_town: list[bool]
    reach: list[float]
    shapes: list[shapely.Geometry]
    bounds: list[tuple[float, float, float, float]]

    def pick_point(self, cell: int, chance: random.Random) -> tuple[float, float]:
        """Return a point (lon, lat) inside a cell."""
        west, south, east, north = self.bounds[cell]
        for _ in range(40):
            lon, lat = round(chance.uniform(west, east), 6), round(chance.uniform(south, north), 6)
            if shapely.contains_xy(self.shapes[cell], lon, lat):
                return lon, lat
        point = shapely.point_on_surface(self.shapes[cell])
        return point.x, point.y


def _survey(county: County, seed: int) -> _Land:
    cells = county.cells
    shapes = list(cells.geometry)
    shapely.prepare(shapes)
    bounds = [tuple(map(float, shape.bounds)) for shape in shapes]
    size = numpy.array([(east - west) * (north - south) for west, south, east, north in bounds])
    codes = [str(code) for code in cells.index]
    # Some places are always in trouble: a long tail of weights, the same for ever.
    weight = numpy.exp(0.9 * draw_normal(seed, "trouble", as_keys(codes))) / numpy.maximum(size, 1e-9) ** 0.15
    names = county.areas["name"].to_dict()
    responsible = cells["responsible"].tolist() if "responsible" in cells else [None] * len(codes)
    return _Land(
        codes=codes,
        positions={code: position for position, code in enumerate(codes)},
        names=[str(names.get(code[:12]) or names.get(code[:9]) or "") for code in codes],
        responsible=[str(name) if name and name == name else None for name in responsible],
        in_town=(size < numpy.median(size)).tolist(),
        reach=numpy.cumsum(weight).tolist(),
        shapes=shapes,
        bounds=bounds,  # type: ignore[arg-type]
    )


def _moments_of_flood(seed: int, flood: Flood) -> list[float]:
    chance = random.Random(f"{seed}/flood/{flood.spot}/{int(flood.begins)}")
    lasts = 0.7 * (flood.ends - flood.begins)
    return [float(int(flood.begins + chance.random() * lasts)) for _ in range(chance.randint(3, 6))]


def _draw_severity(report: _Report, chance: random.Random) -> int:
    """Return 1 (rare) to 4 (common); what bursts or floods is worse."""
    lot = chance.random()
    if report.code.startswith("04") or report.flooded:
        return 1 if lot < 0.06 else 2 if lot < 0.35 else 3
    return 1 if lot < 0.008 else 2 if lot < 0.06 else 3 if lot < 0.34 else 4


def _as_action(case_id: str, number: int, step: Step) -> Happening:
    """Return a step as a request: where a person has taken the case in hand, the invented life ends."""
    data: dict[str, Any] = {
        **step.details,
        "case_id": case_id,
        "action": step.action,
        "actor": step.actor,
        "role": find_role(step),
        "at": write_time(step.at),
        "expects": number - 1,
    }
    if step.unit:
        data["unit"] = step.unit
    if step.note:
        data["note"] = step.note
    return step.at, f"{case_id}/{number}", "case.acted", data


@lru_cache(maxsize=256)
def _share_of_hour(channel: str, hour: int) -> float:
    """Return which part of a channel's day falls into an hour."""
    by_hour = [_height(channel, each) for each in range(24)]
    return by_hour[hour] / sum(by_hour)


def _height(channel: str, hour: int) -> float:
    peaks = CHANNELS[channel][1]
    total = sum(high * math.exp(-0.5 * ((hour + 0.5 - peak) / width) ** 2) for peak, width, high in peaks)
    return total + (0.0 if channel == "window" else NIGHT_FLOOR)


def _draw_poisson(expected: float, chance: random.Random) -> int:
    """Return a Poisson number (Knuth's way: fine for the tens that an hour brings)."""
    limit, product, number = math.exp(-min(expected, 700.0)), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number


def _stamp_hour(hour: int) -> str:
    return datetime.fromtimestamp(hour * HOUR_S, UTC).strftime("%Y%m%d%H")


def _bare_categories() -> dict[str, Category]:
    """Return a few classes for a pack that names none: ingest then takes any."""
    group = Name("事件", "Events")
    classes = {"0102": "暴露垃圾", "0406": "道路积水", "0505": "机动车乱停放"}
    return {code: Category(code, zh, zh, group, "", None, "", False) for code, zh in classes.items()}
