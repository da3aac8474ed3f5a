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
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
import shapely

from ingest.formats.units import convert_unit
from ingest.reception import CLOCK_TOLERANCE, FieldError, Point, Reception, check_tree
from ingest.records import Origin, Reading

_INFINITE: Final = float("inf")
_SHORTEST_MOMENT: Final = len("2026-11-22T08:00:00")
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

    def as_reading(self, source: str, id: str, received_at: datetime, point: Point, origin: Origin = "live") -> Reading:
        """Return it as a record at `point`, which is its own where that is in WGS 84."""
        return Reading(
            source=source,
            id=id,
            received_at=received_at,
            origin=origin,
            lon=point[0],
            lat=point[1],
            feed=self.feed,
            asset_id=self.asset_id,
            observed_at=self.observed_at,
            value=self.value,
            unit=self.unit,
            attributes=self.attributes,
        )


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
            **_limit("averageGapDistance", 0, unit="m"),
            **_limit("averageHeadwayTime", 0, unit="s"),
            **_limit("intensity", 0),
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

# Of an interval its end counts, and the published examples give that a time zone only in dateObservedTo.
TIMES: Final = (
    "dateObservedTo",
    "dateObserved",
    "dateObservedFrom",
    "observed_at",
    "observedAt",
    "binLoggedTime",
    "TimeInstant",
    "timeInstant",
    "dateModified",
)
DEVICE_TIME: Final = "deviceTime"
"""The attribute that keeps the time by a device whose clock is fast; `observed_at` is then when its reading came."""

_NOT_ATTRIBUTES: Final = frozenset(
    {"id", "type", "@context", "location", "lon", "lat", "crs", "cell_code", "measurand", DEVICE_TIME, *TIMES}
    - {"binLoggedTime"}
)

Rule = tuple[float, float, Limits | None]
"""Between which values a number is taken as it is, and what holds for any other; None where everything may be."""

_FREE: Final[Rule] = (-_INFINITE, _INFINITE, None)


def _rule(limits: Limits) -> Rule:
    highest = limits.highest if limits.percent_above is None else min(limits.highest, limits.percent_above)
    return limits.lowest, highest, limits


RULES: Final[Mapping[str, Mapping[str, Rule | None]]] = {
    kind: {name: _rule(limits) for name, limits in model.limits.items()} | dict.fromkeys(_NOT_ATTRIBUTES)
    for kind, model in MODELS.items()
}
"""By entity type and field, all that has to be known of a field at one look; None for what is no attribute."""


def read_entity(
    entity: Mapping[str, Any], reception: Reception, received_at: datetime, event_at: datetime | None = None
) -> Observation:
    """Return what a key-values entity says; raises `FieldError` for what cannot be read or be true.

    Its time is its own, else the event's (`event_at`), else, for a bin, when it came. Its place is its
    `location` (GeoJSON Point), `lon` and `lat`, `cell_code`, or that of the asset whose id it has.
    """
    kind = _read_text(entity, "type")
    model = MODELS.get(kind)
    if model is None:
        if kind == "Observation":
            return _read_observation(entity, reception, received_at, event_at)
        raise FieldError("type", f"unknown entity type {kind!r}; known are {', '.join([*MODELS, 'Observation'])}")
    asset_id = _read_text(entity, "id")
    if asset_id.startswith("urn:"):
        asset_id = asset_id.removeprefix(f"urn:ngsi-ld:{kind}:")
    asset_id = reception.present_ids.get(asset_id, asset_id)
    point, crs = _read_place(entity, asset_id, reception)
    attributes = _read_attributes(entity, RULES[kind])
    if "measurand" in entity:
        attributes = _read_attributes(_read_measurands(entity["measurand"], model), RULES[kind]) | attributes
    _normalise(attributes, model)
    told_at = _read_time(entity, reception, received_at, event_at, needed=model.feed != "waste")
    return Observation(
        feed=model.feed,
        asset_id=asset_id,
        observed_at=_hold_back(told_at, received_at, attributes),
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
    asset_id = reception.present_ids.get(asset_id, asset_id)
    point, crs = _read_place(entity, asset_id, reception)
    attributes = entity.get("attributes") or {}
    if not isinstance(attributes, dict):
        raise FieldError("attributes", "expected an object")
    if "value" not in entity:
        raise FieldError("value", "required, but missing")
    unit = entity.get("unit")
    attributes = dict(attributes)
    told_at = _read_time(entity, reception, received_at, event_at, needed=True)
    return Observation(
        feed=feed,
        asset_id=asset_id,
        observed_at=_hold_back(told_at, received_at, attributes),
        point=point,
        crs=crs,
        value=float(_check_number("value", entity["value"], Limits(-1e15, 1e15))),
        unit=_read_text(entity, "unit") if unit is not None else reception.declared_feeds[feed],
        attributes=attributes,
    )


def _read_text(entity: Mapping[str, Any], field: str) -> str:
    text = entity.get(field)
    if type(text) is str and 0 < len(text) <= 200:
        return text
    raise FieldError(field, "required, but missing" if text is None else "expected a text of 1 to 200 characters")


def _read_attributes(fields: Mapping[str, Any], rules: Mapping[str, Rule | None]) -> dict[str, Any]:
    attributes = {}
    for name, value in fields.items():
        rule = rules.get(name, _FREE)
        if rule is None:
            continue
        lowest, highest, limits = rule
        kind = type(value)
        if kind is float:
            if limits is not None and not lowest <= value <= highest:
                value = _check_number(name, value, limits)
        else:
            if kind is not str:  # most values are: no tree to look at
                check_tree(value, name, 1)
            if limits is not None and value is not None:
                value = _check_number(name, value, limits)
        attributes[name] = value
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


def _normalise(attributes: dict[str, Any], model: Model) -> None:
    kinds = attributes.get("storedWasteKind")
    if type(kinds) is list and len(kinds) == 1:
        attributes["storedWasteKind"] = kinds[0]
    direction = attributes.get("windDirection")
    if direction is not None and "windDirection" in model.limits and direction > 180:
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
    if type(location) is not dict:
        raise FieldError("location", "expected a GeoJSON geometry")
    coordinates = location.get("coordinates")
    if location.get("type") != "Point":
        coordinates = _find_inner_point(location)
    if type(coordinates) is not list or not 2 <= len(coordinates) <= 3:
        raise FieldError("location.coordinates", "expected [lon, lat]")
    return _check_point("location.coordinates[0]", "location.coordinates[1]", coordinates[0], coordinates[1])


def _find_inner_point(location: dict[str, Any]) -> list[float]:
    """Return a point on a line or in an area: a road's detector or a lake may come with the whole of it."""
    if not isinstance(location.get("type"), str):
        raise FieldError("location", "expected a GeoJSON geometry")
    try:
        shape = shapely.from_geojson(msgspec.json.encode(location))
    except shapely.errors.GEOSException:
        shape = None
    if shape is None or shape.is_empty:
        raise FieldError("location", "expected a GeoJSON geometry")
    inner = shape.interpolate(0.5, normalized=True) if shape.geom_type == "LineString" else shape.representative_point()
    return [inner.x, inner.y]


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
    for field in TIMES:
        text = entity.get(field)
        if text is not None:
            return reception.read_time(field, _parse_time(field, text), received_at)
    if event_at is not None:
        return reception.read_time("time", event_at, received_at)
    if needed:
        raise FieldError("dateObserved", "required, but missing")
    return received_at


def _hold_back(told_at: datetime, received_at: datetime, attributes: dict[str, Any]) -> datetime:
    """Return when something was observed as `settle_time` does, and note in `attributes` what was told instead."""
    if told_at <= received_at or told_at <= received_at + CLOCK_TOLERANCE:
        return told_at
    attributes[DEVICE_TIME] = told_at.isoformat()
    return received_at


def _parse_time(field: str, text: object) -> datetime:
    # Of an interval the end counts: only then was it observed. An end that is a duration leaves the beginning.
    if isinstance(text, str):
        if len(text) > _SHORTEST_MOMENT and text[10] == "T" and text[16] == ":":
            try:
                return datetime.fromisoformat(text)  # what nearly all are is read in half the time
            except ValueError:
                pass
        for part in text.split("/")[::-1]:
            try:
                return msgspec.convert(part.strip(), datetime)
            except msgspec.ValidationError:
                continue
    raise FieldError(field, "expected a date and time as in RFC 3339, or an interval of two")


def _read_measurands(measurands: object, model: Model) -> dict[str, Any]:
    """Return the attributes in a list of "name, value, unit code, description" (Smart Data Models, older form)."""
    if not isinstance(measurands, list) or not all(isinstance(line, str) for line in measurands):
        raise FieldError("measurand", "expected a list of texts")
    found = {}
    for position, line in enumerate(measurands):
        parts = [part.strip() for part in line.split(",")]
        try:
            value = float(parts[1])
        except (IndexError, ValueError):
            value = math.nan
        if not math.isfinite(value):
            raise FieldError(f"measurand[{position}]", "expected `name, number, unit code, description`")
        name = find_name(parts[0], model)
        found[name] = convert_field(name, value, parts[2] if len(parts) > 2 else "", model)
    return found


def find_name(name: str, model: Model) -> str:
    """Return how the model of today spells an attribute: older ones have `NO2` and `PM2.5` for `no2` and `pm25`."""
    plain = name.lower().replace(".", "")
    return plain if name not in model.limits and plain in model.limits else name


def convert_field(name: str, value: float, code: str, model: Model) -> float:
    """Return a number that came with a unit's code in the unit that the field has; raises `FieldError`.

    A field that has none, and a number without a code, stay as they are.
    """
    limits = model.limits.get(name)
    if limits is None or not code:
        return value
    if limits.percent_above is not None:
        # What is above is taken for per cent anyway.
        per_cent = value <= limits.percent_above and convert_unit(name, 1, code, "1") != 1
        return value / 100 if per_cent else value
    return convert_unit(name, value, code, limits.unit) if limits.unit else value
