"""FIWARE Smart Data Model entities (key-values) as readings: lenient in form, strict where a value would lie.

Taken in any of the forms seen in the models' own examples and older documents: `dateObserved` as an instant or an
ISO 8601 interval (its end counts), with or without a time zone; `fillingLevel`, `relativeHumidity`, `occupancy`
and `reliability` as ratio or per cent; `storedWasteKind` as one kind or a list; `measurand` lists;
`windDirection` to 360°. Refused: a number where the thing measured cannot be so.

Source of names and units: smart-data-models, dataModel.WasteManagement, .Transportation, .Environment and
.WaterQuality; `codMn` (permanganate index) is our own. The limits are ours: wide of anything seen in the field.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from ingest.reception import FieldError, Point, Reception, check_tree

_INFINITE: Final = float("inf")
_WORD: Final = re.compile(r"[a-z0-9_]{1,40}")


class Limits(NamedTuple):
    """Lowest and highest value that can be true, in `unit`; above `percent_above` a ratio came as per cent."""

    lowest: float
    highest: float
    unit: str = ""
    percent_above: float | None = None


class Model(NamedTuple):
    """How one entity type becomes a reading: its feed, main attribute and unit, and what its numbers may be."""

    feed: str
    value: str
    unit: str | None
    limits: Mapping[str, Limits]


class Observation(msgspec.Struct, frozen=True, gc=False):
    """What one entity says; the fields are those of `records.Reading`."""

    feed: str
    asset_id: str
    observed_at: datetime
    point: Point
    crs: str
    value: float | None
    unit: str | None
    attributes: dict[str, Any]


def _limit(names: str, lowest: float, highest: float = _INFINITE, unit: str = "") -> dict[str, Limits]:
    return dict.fromkeys(names.split(), Limits(lowest, highest, unit))


_RATIO: Final = Limits(0, 1, "", percent_above=1)
_LONGITUDE: Final = Limits(-180, 180, "degrees")
_LATITUDE: Final = Limits(-90, 90, "degrees")

MODELS: Final[Mapping[str, Model]] = {
    "WasteContainer": Model(
        feed="waste",
        value="fillingLevel",
        unit=None,
        limits={
            # Overfull bins are real (1.2); 1.5 to 2 per cent are not worth telling from a ratio.
            "fillingLevel": Limits(0, 2, "as a ratio", percent_above=1.5),
            **_limit("temperature", -60, 500, "°C"),
            **_limit("cargoWeight methaneConcentration binCapacity binMaxLoad binRecommendedLoad", 0),
        },
    ),
    "TrafficFlowObserved": Model(
        feed="traffic",
        value="averageVehicleSpeed",
        unit="km/h",
        limits={
            "occupancy": _RATIO,
            **_limit("averageVehicleSpeed", 0, 250, "km/h"),
            **_limit("averageVehicleLength", 0, 100, "m"),
            **_limit("intensity averageGapDistance averageHeadwayTime", 0),
            **_limit("laneId", 1, 100),
        },
    ),
    "AirQualityObserved": Model(
        feed="air",
        value="pm25",
        unit="µg/m³",
        limits={
            "relativeHumidity": _RATIO,
            "reliability": _RATIO,
            **_limit("co", 0, 150, "mg/m³"),
            **_limit("pm1 pm25 pm4 so2 no2 no nox o3 sh2", 0, 10_000, "µg/m³"),
            **_limit("pm10 tsp", 0, 30_000, "µg/m³"),  # a sandstorm passes 10,000
            **_limit("co2 c6h6 as cd ni pb tpc precipitation volatileOrganicCompoundsTotal", 0),
            **_limit("airQualityIndex", 0, 1_000),
            **_limit("temperature", -70, 70, "°C"),
            **_limit("windDirection", -180, 360, "degrees"),
            **_limit("windSpeed", 0, 120, "m/s"),
            **_limit("pressure", 400, 1_100, "hPa"),
        },
    ),
    "WaterQualityObserved": Model(
        feed="water",
        value="codMn",
        unit="mg/L",
        limits={
            **_limit("pH", 0, 14),
            **_limit("temperature", -5, 60, "°C"),
            **_limit("O2", 0, 60, "mg/L"),
            **_limit("codMn cod bod NH3 NH4 NO2 NO3 P-TOT N-TOT PO4 P-PO4 TKN", 0, 100_000, "mg/L"),
            **_limit("conductivity conductance turbidity tss tds salinity Chla PE PC Cl- alkalinity", 0),
            **_limit("escherichiaColi enterococci Al As B Ba Cd Cr Cr-III Cr-VI Cu Fe fluoride Hg THC Ni TO", 0),
            **_limit("Pb Se Sn sulphate sulphite anionic-surfactants Zn", 0),
        },
    ),
}

_TIMES: Final = (
    "dateObserved",
    "dateObservedTo",
    "dateObservedFrom",
    "observed_at",
    "observedAt",
    "binLoggedTime",
    "TimeInstant",
    "timeInstant",
    "dateModified",
)
_NOT_ATTRIBUTES: Final = frozenset(
    {"id", "type", "@context", "location", "lon", "lat", "crs", "cell_code", "measurand", *_TIMES} - {"binLoggedTime"}
)
_MILLIGRAM_FIELDS: Final = frozenset({"co"})


def read_entity(
    entity: Mapping[str, Any], reception: Reception, received_at: datetime, event_at: datetime | None = None
) -> Observation:
    """Return what a key-values entity says; raises `FieldError` for what cannot be read or be true.

    Its time is its own, else the event's (`event_at`), else, for a bin, when it came. Its place is its
    `location` (GeoJSON Point), `lon` and `lat`, `cell_code`, or that of the asset whose id it has.
    """
    kind = _read_text(entity, "type")
    if kind == "Observation":
        return _read_observation(entity, reception, received_at, event_at)
    model = MODELS.get(kind)
    if model is None:
        raise FieldError("type", f"unknown entity type {kind!r}; known are {', '.join([*MODELS, 'Observation'])}")
    asset_id = _read_text(entity, "id").removeprefix(f"urn:ngsi-ld:{kind}:")
    point, crs = _read_place(entity, asset_id, reception)
    attributes = _read_attributes(entity, model.limits)
    if "measurand" in entity:
        attributes = _read_attributes(_read_measurands(entity["measurand"], kind), model.limits) | attributes
    _normalise(attributes)
    return Observation(
        feed=model.feed,
        asset_id=asset_id,
        observed_at=_read_time(entity, reception, received_at, event_at, needed=model.feed != "waste"),
        point=point,
        crs=crs,
        value=attributes.get(model.value),
        unit=model.unit,
        attributes=attributes,
    )


def guess_feed(entity: object) -> str:
    """Return the feed that an entity, good or bad, would have belonged to; empty where that cannot be told."""
    if not isinstance(entity, dict):
        return ""
    model = MODELS.get(entity["type"]) if isinstance(entity.get("type"), str) else None
    if model is not None:
        return model.feed
    declared = entity.get("feed")
    # A word, because counters are kept under it; one the pack does not know is nobody's feed.
    return declared if isinstance(declared, str) and _WORD.fullmatch(declared) else ""


def _read_observation(
    entity: Mapping[str, Any], reception: Reception, received_at: datetime, event_at: datetime | None
) -> Observation:
    check_tree(entity)
    feed = _read_text(entity, "feed")
    if feed not in reception.declared_feeds:
        raise FieldError("feed", f"the county pack declares no feed {feed!r}")
    asset_id = _read_text(entity, "id")
    point, crs = _read_place(entity, asset_id, reception)
    attributes = entity.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise FieldError("attributes", "expected an object")
    if "value" not in entity:
        raise FieldError("value", "required, but missing")
    unit = entity.get("unit")
    return Observation(
        feed=feed,
        asset_id=asset_id,
        observed_at=_read_time(entity, reception, received_at, event_at, needed=True),
        point=point,
        crs=crs,
        value=float(_check_number("value", entity["value"], Limits(-1e15, 1e15))),
        unit=_read_text(entity, "unit") if unit is not None else reception.declared_feeds[feed],
        attributes=attributes,
    )


def _read_text(entity: Mapping[str, Any], field: str) -> str:
    text = entity.get(field)
    if text is None:
        raise FieldError(field, "required, but missing")
    if not isinstance(text, str) or not 1 <= len(text) <= 200:
        raise FieldError(field, "expected a text of 1 to 200 characters")
    return text


def _read_attributes(fields: Mapping[str, Any], limits: Mapping[str, Limits]) -> dict[str, Any]:
    attributes = {}
    for name, value in fields.items():
        if name in _NOT_ATTRIBUTES:
            continue
        kind = type(value)
        if kind is not str and kind is not float:  # most values are: no tree to look at
            check_tree(value, name, 1)
        limit = limits.get(name)
        attributes[name] = value if limit is None or value is None else _check_number(name, value, limit)
    return attributes


def _check_number(field: str, value: object, limits: Limits) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FieldError(field, f"expected a number, got {_name_kind(value)}")
    lowest, highest, unit, percent_above = limits
    if percent_above is not None and value > percent_above:
        value = value / 100
    if value < lowest:
        raise FieldError(field, f"{value:g} is below {lowest:g} {unit}".rstrip())
    if value > highest:
        raise FieldError(field, f"{value:g} is above {highest:g} {unit}".rstrip())
    return value


def _name_kind(value: object) -> str:
    kinds = {bool: "true or false", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), type(value).__name__)


def _normalise(attributes: dict[str, Any]) -> None:
    kinds = attributes.get("storedWasteKind")
    if isinstance(kinds, list) and len(kinds) == 1:
        attributes["storedWasteKind"] = kinds[0]
    direction = attributes.get("windDirection")
    if direction is not None and direction > 180:
        attributes["windDirection"] = direction - 360


def _read_place(entity: Mapping[str, Any], asset_id: str, reception: Reception) -> tuple[Point, str]:
    location = entity.get("location")
    if location is not None:
        return _read_geojson_point(location), "wgs84"
    if entity.get("lon") is not None and entity.get("lat") is not None:
        crs = entity.get("crs") or "wgs84"
        if crs not in ("wgs84", "cgcs2000", "gcj02", "bd09"):
            raise FieldError("crs", "expected wgs84, cgcs2000, gcj02 or bd09")
        return _check_point("lon", "lat", entity["lon"], entity["lat"]), crs
    cell_code = entity.get("cell_code")
    if isinstance(cell_code, str):
        return reception.settle_place("", None, None, cell_code), "wgs84"
    if asset_id not in reception.asset_points:
        raise FieldError("location", f"missing, and the county has no asset {asset_id!r}")
    return reception.asset_points[asset_id], "wgs84"


def _read_geojson_point(location: object) -> Point:
    if not isinstance(location, dict) or location.get("type") != "Point":
        raise FieldError("location", "expected a GeoJSON Point")
    coordinates = location.get("coordinates")
    if not isinstance(coordinates, list) or len(coordinates) not in (2, 3):
        raise FieldError("location.coordinates", "expected [lon, lat]")
    return _check_point("location.coordinates[0]", "location.coordinates[1]", coordinates[0], coordinates[1])


def _check_point(lon_field: str, lat_field: str, lon: object, lat: object) -> Point:
    if type(lon) is float and type(lat) is float and -180 <= lon <= 180 and -90 <= lat <= 90:
        return lon, lat  # the usual case at a glance
    return (
        float(_check_number(lon_field, lon, _LONGITUDE)),
        float(_check_number(lat_field, lat, _LATITUDE)),
    )


def _read_time(
    entity: Mapping[str, Any], reception: Reception, received_at: datetime, event_at: datetime | None, *, needed: bool
) -> datetime:
    for field in _TIMES:
        text = entity.get(field)
        if text is not None:
            return reception.settle_time(field, _parse_time(field, text), received_at)
    if event_at is not None:
        return reception.settle_time("time", event_at, received_at)
    if needed:
        raise FieldError("dateObserved", "required, but missing")
    return received_at


def _parse_time(field: str, text: object) -> datetime:
    # Of an interval the end counts: only then was it observed. An end that is a duration leaves the beginning.
    if isinstance(text, str):
        for part in text.split("/")[::-1]:
            try:
                return msgspec.convert(part.strip(), datetime)
            except msgspec.ValidationError:
                continue
    raise FieldError(field, "expected a date and time as in RFC 3339, or an interval of two")


def _read_measurands(measurands: object, kind: str) -> dict[str, Any]:
    """Return the attributes in a list of "name, value, unit code, description" (Smart Data Models, older form)."""
    if not isinstance(measurands, list) or not all(isinstance(line, str) for line in measurands):
        raise FieldError("measurand", "expected a list of texts")
    rename: Callable[[str], str] = _air_name if kind == "AirQualityObserved" else str
    found = {}
    for position, line in enumerate(measurands):
        parts = [part.strip() for part in line.split(",")]
        try:
            value = float(parts[1])
        except (IndexError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise FieldError(f"measurand[{position}]", "expected `name, number, unit code, description`")
        name = rename(parts[0])
        found[name] = _convert_unit(name, value, parts[2] if len(parts) > 2 else "", kind)
    return found


def _air_name(name: str) -> str:
    return name.lower().replace(".", "")


def _convert_unit(name: str, value: float, code: str, kind: str) -> float:
    # UN/CEFACT: GP is mg/m³, GQ is µg/m³. Carbon monoxide is told in the first, everything else in the second.
    if kind == "AirQualityObserved":
        if code == "GQ" and name in _MILLIGRAM_FIELDS:
            return value / 1000
        if code == "GP" and name not in _MILLIGRAM_FIELDS:
            return value * 1000
    return value
