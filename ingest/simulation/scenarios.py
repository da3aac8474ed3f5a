"""What is played to an exercise: a few reports and sensors at one place, as a function of the exercise alone.

Nothing here keeps state, reads a clock or does I/O: the same exercise is told the same way after every restart, and
what ingest has already is a duplicate there.
"""

import math
import zlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from geo.county import County
from geo.pack import Name
from ingest.exercises import MARK

METRES_A_DEGREE: Final = 111_320.0
SENSOR_EVERY_S: Final = 20


@dataclass(frozen=True)
class Report:
    """A report of a scenario: when after the beginning, of which class (the first that is known), how far away."""

    after_s: int
    categories: tuple[str, ...]
    title: str
    severity: int
    channel: str
    east_m: float = 0.0
    north_m: float = 0.0


@dataclass(frozen=True)
class Sensor:
    """A sensor of a scenario: one number of a Smart Data Model, from its first value to its last in so many seconds."""

    key: str
    name: str
    model: str
    field: str
    first: float
    last: float
    within_s: int = 600
    east_m: float = 0.0
    north_m: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """One scenario; `title` is for who chooses it."""

    key: str
    title: Name
    reports: tuple[Report, ...]
    sensors: tuple[Sensor, ...]


@dataclass(frozen=True)
class Played:
    """One event of an exercise: when it happens, its id, its type and its data."""

    at: datetime
    id: str
    kind: str
    data: dict[str, Any]


SCENARIOS: Final = {
    scenario.key: scenario
    for scenario in (
        Scenario(
            "flood",
            Name("暴雨内涝", "Flood after heavy rain"),
            (
                Report(2, ("0406", "0404"), "道路积水约 40 厘米，车辆无法通行", 2, "hotline"),
                Report(60, ("0404", "0406"), "井盖被冲开，有行人跌落危险", 1, "grid_worker", 180, -90),
                Report(150, ("0406", "0402"), "地下车库进水，三人被困", 1, "hotline", -220, 140),
                Report(300, ("0301", "0406"), "配电箱浸水，周边停电", 2, "app", 90, 260),
            ),
            (
                Sensor("road", "演练车速检测器", "TrafficFlowObserved", "averageVehicleSpeed", 42, 4, 300, 60, 20),
                Sensor("bridge", "演练桥下检测器", "TrafficFlowObserved", "averageVehicleSpeed", 38, 8, 420, -150, 90),
            ),
        ),
        Scenario(
            "leak",
            Name("危化品泄漏", "Chemical leak"),
            (
                Report(2, ("0402", "0401"), "厂区有刺鼻气味，疑似储罐泄漏", 1, "hotline"),
                Report(45, ("0402", "0401"), "周边居民头晕、流泪，要求疏散", 1, "app", 260, 120),
                Report(120, ("0501", "0402"), "围观人群与车辆堵塞救援通道", 2, "video", 140, -160),
            ),
            (Sensor("air", "演练空气监测站", "AirQualityObserved", "pm25", 35, 480, 180, 120, 60),),
        ),
    )
}
"""The scenarios that there are, by key."""


def play(
    county: County, scenario: Scenario, exercise: str, begun: datetime, since: datetime, until: datetime
) -> list[Played]:
    """Return what happens in (since, until] of a scenario that a county's exercise began to play, in order."""
    place = _choose_place(county, exercise)
    told = [
        _tell_report(county, report, number, place, exercise, begun)
        for number, report in enumerate(scenario.reports, 1)
    ]
    for sensor in scenario.sensors:
        told += _tell_sensor(sensor, place, exercise, begun, until)
    return sorted((one for one in told if since < one.at <= until), key=lambda one: (one.at, one.id))


def _choose_place(county: County, exercise: str) -> tuple[float, float]:
    """Return a point (lon, lat) in the county: another for another exercise, the same for the same."""
    point = county.cells.geometry.iloc[zlib.crc32(exercise.encode()) % len(county.cells)].representative_point()
    return float(point.x), float(point.y)


def _move(place: tuple[float, float], east_m: float, north_m: float) -> tuple[float, float]:
    lon, lat = place
    wide = METRES_A_DEGREE * math.cos(math.radians(lat))
    return round(lon + east_m / wide, 6), round(lat + north_m / METRES_A_DEGREE, 6)


def _tell_report(
    county: County, report: Report, number: int, place: tuple[float, float], exercise: str, begun: datetime
) -> Played:
    known = next((code for code in report.categories if code in county.categories), next(iter(county.categories)))
    lon, lat = _move(place, report.east_m, report.north_m)
    at = begun + timedelta(seconds=report.after_s)
    data = {
        "case_id": f"{MARK}{exercise}-{number}",
        "category": known,
        "title": f"【演练】{report.title}",
        "severity": report.severity,
        "channel": report.channel,
        "lon": lon,
        "lat": lat,
        "reported_at": at.isoformat(),
    }
    return Played(at, f"{exercise} report {number}", "case.reported", data)


def _tell_sensor(
    sensor: Sensor, place: tuple[float, float], exercise: str, begun: datetime, until: datetime
) -> list[Played]:
    lon, lat = _move(place, sensor.east_m, sensor.north_m)
    told = []
    for after_s in range(0, int((until - begun).total_seconds()) + 1, SENSOR_EVERY_S):
        at, share = begun + timedelta(seconds=after_s), min(after_s / sensor.within_s, 1.0)
        data = {
            "type": sensor.model,
            "id": f"{MARK}{exercise}-{sensor.key}",
            "name": sensor.name,
            "location": {"type": "Point", "coordinates": [lon, lat]},
            "dateObserved": at.isoformat(),
            sensor.field: round(sensor.first + share * (sensor.last - sensor.first), 1),
        }
        told.append(Played(at, f"{exercise} {sensor.key} {after_s}", "iot.observed", data))
    return told
