"""The typed reading of `county.toml`: what a county calls things, promises, and counts as too much."""

import logging
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from geo.pack import Name, PackError

FILE: Final = "county.toml"
ROAD_CLASSES: Final = ("expressway", "arterial", "branch")
SHAPES: Final = ("point", "cell", "metric", "register")
LISTS: Final = ("singlevaluelist", "multivaluelist")
DATATYPES: Final = ("string", "number", "datetime", "text", *LISTS)

CHINESE_ZONES: Final = ("Asia/Shanghai", "Asia/Urumqi", "Asia/Chongqing", "Asia/Harbin", "Asia/Kashgar", "PRC")

ClockAnchor = Literal["system", "data"]

_log = logging.getLogger(__name__)

_KNOWN_KEYS: Final = {
    "": {"code", "time_zone", "fictional", "name", "clock", "heat", "calendar", "categories", "units",
         "thresholds", "feeds", "datastreams", "measure_names"},
    "name": {"zh", "en"},
    "clock": {"anchor"},
    "heat": {"window_hours"},
    "calendar": {"working_days", "working_hours", "holidays", "extra_working_days",
                 "chinese_holidays"},
    "categories": {"code", "zh", "en", "group_zh", "group_en", "platform", "limit_hours",
                   "limit_source", "source", "verified", "attributes"},
    "attributes": {"code", "zh", "en", "datatype", "required", "values"},
    "values": {"key", "zh", "en"},
    "units": {"code", "zh", "en", "platform"},
    "thresholds": {"bin_full_ratio", "road_speed_kmh", "free_flow_kmh"},
    "feeds": {"key", "zh", "en", "stale_after_s", "unit", "shape", "thresholds"},
    "datastreams": {"id", "feed", "asset_id", "attribute", "scale", "unit"},
}  # fmt: skip

_BUILT_IN_FEEDS: Final = {
    "cases": ("案件", "Cases", 3600, None),
    "waste": ("智能垃圾箱", "Smart bins", 3600, None),
    "traffic": ("道路交通", "Road traffic", 900, "km/h"),
    "air": ("空气质量", "Air quality", 7200, "µg/m³"),
    "water": ("水质", "Water quality", 21600, "mg/L"),
    "workers": ("网格员", "Grid workers", 900, None),
    "rounds": ("巡查走访", "Patrols and visits", 86400, None),  # nobody walks at night
    "alerts": ("预警", "Warnings", 30 * 86400, None),  # weeks without a warning are no fault
}


@dataclass(frozen=True)
class Attribute:
    """One more thing that a report may say, or must where `required`; `name` is the question put to people.

    `datatype` is one of Open311's (`DATATYPES`); `values` are the names of what may be chosen, by key.
    """

    code: str
    name: Name
    datatype: str
    required: bool
    values: Mapping[str, Name]


@dataclass(frozen=True)
class Category:
    """One class of case: a 4-digit class of events or a dispute class (`D01`…).

    `platform` is the name of the platform that gets it; `limit_hours` is None where no limit is known, and
    comes from `limit_source`; `verified` says whether `source` was seen to give this code and name;
    `attributes` are what a report of it is asked besides what every report is.
    """

    code: str
    zh: str
    en: str
    group: Name
    platform: str
    limit_hours: float | None
    source: str
    verified: bool
    limit_source: str = ""
    attributes: tuple[Attribute, ...] = ()


@dataclass(frozen=True)
class Unit:
    """An organisation that handles cases."""

    code: str
    zh: str
    en: str
    platform: str


@dataclass(frozen=True)
class Feed:
    """A source of data with an age; `declared` says that only this pack knows it.

    No message for `stale_after`: late; for twice as long: silent. `shape` and `thresholds` (ascending
    bounds of levels, in `unit`) tell how a declared feed is drawn.
    """

    key: str
    name: Name
    stale_after: timedelta
    unit: str | None
    declared: bool
    shape: str = "point"
    thresholds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Datastream:
    """What a SensorThings datastream observes: one attribute of one asset.

    `attribute` is None for the feed's main value; a result times `scale` is in the attribute's unit.
    """

    id: str
    feed: str
    asset_id: str
    attribute: str | None = None
    scale: float = 1.0
    unit: str | None = None


@dataclass(frozen=True)
class Thresholds:
    """What counts as full or slow.

    `road_speed_kmh` holds, by road class, the lower bounds of levels 1 (free) to 4; below the last is 5.
    `free_flow_kmh` is the speed of an empty road, by road class.
    """

    bin_full_ratio: float
    road_speed_kmh: Mapping[str, tuple[float, ...]]
    free_flow_kmh: Mapping[str, float]


@dataclass(frozen=True)
class Calendar:
    """When offices work: ISO weekdays (Monday 1), spans of local time, and the days that differ.

    `chinese_holidays` says whether China's statutory holidays and make-up workdays count, too; both lists outrank them.
    """

    working_days: tuple[int, ...]
    working_hours: tuple[tuple[time, time], ...]
    holidays: frozenset[date]
    extra_working_days: frozenset[date]
    chinese_holidays: bool = True


@dataclass(frozen=True)
class Profile:
    """Everything that `county.toml` says, with the defaults where it says nothing."""

    code: str
    name: Name
    time_zone: ZoneInfo
    fictional: bool
    clock_anchor: ClockAnchor
    heat_window: timedelta
    calendar: Calendar
    categories: Mapping[str, Category]
    units: Mapping[str, Unit]
    thresholds: Thresholds
    feeds: Mapping[str, Feed]
    datastreams: Mapping[str, Datastream]
    measure_names: Mapping[str, Mapping[str, str]]


def parse_toml(body: bytes, file: str = FILE) -> dict[str, Any]:
    """Return a TOML file as a dictionary; raises `PackError` naming the file where it is no UTF-8 or no TOML."""
    try:
        return tomllib.loads(body.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise PackError(f"{file}: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise PackError(f"{file}: no valid TOML: {error}") from None


def read_profile(settings: Mapping[str, Any]) -> Profile:
    """Return the typed profile; raises `PackError` naming the bad field, and only warns of unknown keys."""
    _warn_unknown(settings, "")
    clock = _read_table(settings, "clock")
    feeds = _read_feeds(_read_rows(settings, "feeds"))
    return Profile(
        code=_read_code(settings),
        name=_read_name(_read_table(settings, "name"), "name"),
        time_zone=(time_zone := _read_time_zone(settings)),
        fictional=_read(settings, "", "fictional", bool, False),
        clock_anchor=_read_anchor(clock),
        heat_window=timedelta(hours=_read_positive(_read_table(settings, "heat"), "heat", "window_hours", 24)),
        calendar=_read_calendar(_read_table(settings, "calendar"), time_zone),
        categories=_read_categories(_read_rows(settings, "categories")),
        units=_read_units(_read_rows(settings, "units")),
        thresholds=_read_thresholds(_read_table(settings, "thresholds")),
        feeds=feeds,
        datastreams=_read_datastreams(_read_rows(settings, "datastreams"), feeds),
        measure_names=_read_measure_names(_read(settings, "", "measure_names", dict, {})),
    )


def _read_code(settings: Mapping[str, Any]) -> str:
    code: str = _read(settings, "", "code", str)
    if len(code) != 6 or not code.isascii() or not code.isdigit():
        raise PackError(f"{FILE}: code must be six digits, not {code!r}")
    return code


def _read_time_zone(settings: Mapping[str, Any]) -> ZoneInfo:
    key = _read(settings, "", "time_zone", str, "Asia/Shanghai")
    try:
        return ZoneInfo(key)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise PackError(f"{FILE}: time_zone {key!r} is unknown") from None


def _read_anchor(clock: Mapping[str, Any]) -> ClockAnchor:
    anchor = _read(clock, "clock", "anchor", str, "system")
    if anchor == "system":
        return "system"
    if anchor == "data":
        return "data"
    raise PackError(f"{FILE}: clock.anchor must be system or data, not {anchor!r}")


def _read_calendar(table: Mapping[str, Any], time_zone: ZoneInfo) -> Calendar:
    days = _read(table, "calendar", "working_days", list, [1, 2, 3, 4, 5])
    if not all(isinstance(day, int) and 1 <= day <= 7 for day in days):
        raise PackError(f"{FILE}: calendar.working_days must be numbers 1 (Monday) to 7, not {days!r}")
    spans = _read(table, "calendar", "working_hours", list, ["08:30-12:00", "14:00-17:30"])
    for key, values in (("working_days", days), ("working_hours", spans)):
        if not values:
            raise PackError(f"{FILE}: calendar.{key} is empty: no case would ever be late")
    calendar = Calendar(
        working_days=tuple(days),
        working_hours=tuple(_parse_span(span) for span in spans),
        holidays=_read_dates(table, "holidays"),
        extra_working_days=_read_dates(table, "extra_working_days"),
        chinese_holidays=_read(table, "calendar", "chinese_holidays", bool, time_zone.key in CHINESE_ZONES),
    )
    for day in calendar.holidays & calendar.extra_working_days:
        raise PackError(f"{FILE}: calendar: {day} is in holidays and in extra_working_days")
    return calendar


def _parse_span(span: object) -> tuple[time, time]:
    try:
        start, end = (time.fromisoformat(part) for part in str(span).split("-"))
    except ValueError:
        raise PackError(f"{FILE}: calendar.working_hours: {span!r} is no span like 08:30-12:00") from None
    if start >= end:
        raise PackError(f"{FILE}: calendar.working_hours: {span!r} ends before it starts")
    return start, end


def _read_dates(table: Mapping[str, Any], key: str) -> frozenset[date]:
    try:
        return frozenset(date.fromisoformat(str(day)) for day in _read(table, "calendar", key, list, []))
    except ValueError as error:
        raise PackError(f"{FILE}: calendar.{key}: {error}") from None


def _read_categories(rows: list[Mapping[str, Any]]) -> dict[str, Category]:
    categories: dict[str, Category] = {}
    for number, row in enumerate(rows, 1):
        where = f"categories[{number}]"
        code = _read_key(row, where, "code", categories)
        zh = _read(row, where, "zh", str)
        group = _read(row, where, "group_zh", str, "")
        limit = None if "limit_hours" not in row else _read_positive(row, where, "limit_hours", None)
        categories[code] = Category(
            code=code,
            zh=zh,
            en=_read(row, where, "en", str, zh),
            group=Name(group, _read(row, where, "group_en", str, group)),
            platform=_read(row, where, "platform", str, ""),
            limit_hours=limit,
            source=_read(row, where, "source", str, ""),
            verified=_read(row, where, "verified", bool, False),
            limit_source=_read(row, where, "limit_source", str, ""),
            attributes=read_attributes(row, where),
        )
    return categories


def read_attributes(table: Mapping[str, Any], where: str) -> tuple[Attribute, ...]:
    """Return the `attributes` of a table, which `where` names in problems; raises `PackError`."""
    attributes: dict[str, Attribute] = {}
    for number, row in enumerate(_read_rows(table, "attributes", where), 1):
        place = f"{_join(where, 'attributes')}[{number}]"
        code = _read_key(row, place, "code", attributes)
        datatype = _read(row, place, "datatype", str, "string")
        if datatype not in DATATYPES:
            raise PackError(f"{FILE}: {place}.datatype must be one of {', '.join(DATATYPES)}, not {datatype!r}")
        values = {
            _read(value, f"{place}.values", "key", str): _read_name(value, f"{place}.values")
            for value in _read_rows(row, "values", place)
        }
        if bool(values) != (datatype in LISTS):
            raise PackError(f"{FILE}: {place}.values: a list must have some, anything else none")
        required = _read(row, place, "required", bool, False)
        attributes[code] = Attribute(code, _read_name(row, place), datatype, required, values)
    return tuple(attributes.values())


def _read_units(rows: list[Mapping[str, Any]]) -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for number, row in enumerate(rows, 1):
        where = f"units[{number}]"
        code = _read_key(row, where, "code", units)
        zh = _read(row, where, "zh", str)
        units[code] = Unit(code, zh, _read(row, where, "en", str, zh), _read(row, where, "platform", str, ""))
    return units


def _read_thresholds(table: Mapping[str, Any]) -> Thresholds:
    ratio = _read_positive(table, "thresholds", "bin_full_ratio", 0.8)
    if ratio > 1:
        raise PackError(f"{FILE}: thresholds.bin_full_ratio must be at most 1, not {ratio}")
    speeds: dict[str, tuple[float, ...]] = {
        "expressway": (65, 50, 35, 20),
        "arterial": (40, 30, 20, 15),
        "branch": (35, 25, 15, 10),
    }
    for name, bounds in _read(table, "thresholds", "road_speed_kmh", dict, {}).items():
        speeds[name] = _check_bounds(name, bounds)
    free: dict[str, float] = {"expressway": 80, "arterial": 60, "branch": 45}
    for name in (given := _read(table, "thresholds", "free_flow_kmh", dict, {})):
        free[name] = _read_positive(given, "thresholds.free_flow_kmh", name, None)
    return Thresholds(ratio, speeds, free)


def _check_bounds(name: str, bounds: object) -> tuple[float, ...]:
    where = f"{FILE}: thresholds.road_speed_kmh.{name}"
    if not isinstance(bounds, list) or len(bounds) != 4 or not all(_is_number(bound) for bound in bounds):
        raise PackError(f"{where} must be four numbers, not {bounds!r}")
    if sorted(bounds, reverse=True) != bounds:
        raise PackError(f"{where} must fall from level 1 to level 4, not {bounds!r}")
    return tuple(float(bound) for bound in bounds)


def _read_feeds(rows: list[Mapping[str, Any]]) -> dict[str, Feed]:
    feeds = {
        key: Feed(key, Name(zh, en), timedelta(seconds=stale_s), unit, declared=False)
        for key, (zh, en, stale_s, unit) in _BUILT_IN_FEEDS.items()
    }
    given: set[str] = set()
    for number, row in enumerate(rows, 1):
        where = f"feeds[{number}]"
        key = _read_key(row, where, "key", given)
        given.add(key)
        feeds[key] = _read_feed(row, where, key, feeds.get(key))
    return feeds


def _read_feed(row: Mapping[str, Any], where: str, key: str, known: Feed | None) -> Feed:
    zh = _read(row, where, "zh", str, known.name.zh if known else key)
    shape = _read(row, where, "shape", str, "point")
    if shape not in SHAPES:
        raise PackError(f"{FILE}: {where}.shape must be one of {', '.join(SHAPES)}, not {shape!r}")
    bounds = _read(row, where, "thresholds", list, [])
    if not all(_is_number(bound) for bound in bounds) or sorted(bounds) != bounds:
        raise PackError(f"{FILE}: {where}.thresholds must be rising numbers, not {bounds!r}")
    default_stale_s = known.stale_after.total_seconds() if known else 3600
    return Feed(
        key=key,
        name=Name(zh, _read(row, where, "en", str, known.name.en if known and "zh" not in row else zh)),
        stale_after=timedelta(seconds=_read_positive(row, where, "stale_after_s", default_stale_s)),
        unit=_read(row, where, "unit", str, "") or (known.unit if known else None),
        declared=known is None,
        shape=shape,
        thresholds=tuple(float(bound) for bound in bounds),
    )


def _read_datastreams(rows: list[Mapping[str, Any]], feeds: Mapping[str, Feed]) -> dict[str, Datastream]:
    datastreams: dict[str, Datastream] = {}
    for number, row in enumerate(rows, 1):
        where = f"datastreams[{number}]"
        id = _read_key(row, where, "id", datastreams)
        feed = _read(row, where, "feed", str)
        if feed not in feeds or feed in ("cases", "workers"):
            raise PackError(f"{FILE}: {where}.feed must be a feed of readings, not {feed!r}")
        datastreams[id] = Datastream(
            id=id,
            feed=feed,
            asset_id=_read(row, where, "asset_id", str),
            attribute=_read(row, where, "attribute", str, "") or None,
            scale=_read_positive(row, where, "scale", 1),
            unit=_read(row, where, "unit", str, "") or None,
        )
    return datastreams


def _read_measure_names(table: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    names: dict[str, dict[str, str]] = {}
    for kind in table:
        given = _read(table, "measure_names", kind, dict)
        names[kind] = {name: _read(given, f"measure_names.{kind}", name, str) for name in given}
    return names


def _read_name(table: Mapping[str, Any], where: str) -> Name:
    zh = _read(table, where, "zh", str)
    return Name(zh, _read(table, where, "en", str, zh))


def _read_key(row: Mapping[str, Any], where: str, key: str, taken: Mapping[str, object] | set[str]) -> str:
    value: str = _read(row, where, key, str)
    if not value:
        raise PackError(f"{FILE}: {where}.{key} is empty")
    if value in taken:
        raise PackError(f"{FILE}: {where}.{key} {value!r} is there twice")
    return value


def _read_table(settings: Mapping[str, Any], key: str) -> dict[str, Any]:
    table: dict[str, Any] = _read(settings, "", key, dict, {})
    _warn_unknown(table, key)
    return table


def _read_rows(settings: Mapping[str, Any], key: str, where: str = "") -> list[Mapping[str, Any]]:
    rows = _read(settings, where, key, list, [])
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise PackError(f"{FILE}: {_join(where, key)}[{number}] must be a table, not {row!r}")
        _warn_unknown(row, key)
    return list(rows)


def _read_positive(table: Mapping[str, Any], where: str, key: str, default: float | None) -> float:
    value = table.get(key, default)
    if value is None:
        raise PackError(f"{FILE}: {_join(where, key)} is missing")
    if not _is_number(value) or value <= 0:
        raise PackError(f"{FILE}: {_join(where, key)} must be a number above 0, not {value!r}")
    return float(value)


def _read(table: Mapping[str, Any], where: str, key: str, kind: type, default: Any = None) -> Any:
    value = table.get(key, default)
    if value is None:
        raise PackError(f"{FILE}: {_join(where, key)} is missing")
    if not isinstance(value, kind):
        raise PackError(f"{FILE}: {_join(where, key)} must be {_KIND_NAMES[kind]}, not {value!r}")
    return value


_KIND_NAMES: Final = {str: "text", bool: "true or false", dict: "a table", list: "a list"}


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _warn_unknown(table: Mapping[str, Any], where: str) -> None:
    for key in table:
        if key not in _KNOWN_KEYS[where]:
            _log.warning("%s: unknown key %s ignored", FILE, _join(where, key))
