"""Entities read at a glance: what a device tells has the same fields every time, and nearly always usual values.

What follows from an entity's type and the names of its fields is worked out once; then only the values have to be
looked at. Whatever is not as usual (a number as text, per cent, a local time, an area for a point) is left to
`entities.read_entity`, so both always say the same; this one says it in half the time.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from ingest.formats.entities import MODELS, RULES, TIMES, Model, Observation, read_entity
from ingest.reception import EARLIEST, Reception

SHAPES_KEPT: Final = 1_000
MOST_FIELDS: Final = 100
LONGEST_NAMES: Final = 4_000  # characters of all names together

_LARGEST_NUMBER: Final = float(2**62)  # beyond it an integer may be too large for SQL
_USUAL_HIGHEST: Final = {"windDirection": 180.0}  # beyond it the same direction has another number
_USUAL_ELSEWHERE: Final = frozenset({"id", "type", "@context", "location"}) | frozenset(TIMES)


class Shape(NamedTuple):
    """An entity's model and the fields it has: its time, and which attributes are what."""

    model: Model
    prefix: str
    time: str
    attributes: tuple[str, ...]
    numbers: tuple[tuple[str, float, float], ...]
    others: tuple[str, ...]


_shapes: dict[tuple[str, ...], Shape] = {}


def read_familiar(
    entity: Mapping[str, Any], reception: Reception, received_at: datetime, event_at: datetime | None = None
) -> Observation:
    """Return what `read_entity` does; raises `FieldError` as that does."""
    kind = entity.get("type")
    shape = _shapes.get((kind, *entity)) if type(kind) is str else None
    if shape is not None:
        seen = _read_at_a_glance(entity, shape, reception, received_at)
        if seen is not None:
            return seen
    seen = read_entity(entity, reception, received_at, event_at)
    if shape is None and len(_shapes) < SHAPES_KEPT:
        _learn_shape(entity)
    return seen


def _read_at_a_glance(
    entity: Mapping[str, Any], shape: Shape, reception: Reception, received_at: datetime
) -> Observation | None:
    """Return what an entity says all of whose values are as usual; None where one needs a closer look."""
    model, prefix, time, names, numbers, others = shape
    attributes = {name: entity[name] for name in names}
    for name, lowest, highest in numbers:
        value = attributes[name]
        kind = type(value)
        if (kind is not float and kind is not int) or not lowest <= value <= highest:
            return None
    for name in others:
        kind = type(attributes[name])
        if kind is not str and kind is not float and kind is not bool:
            return None
    asset_id, location, told = entity["id"], entity["location"], entity[time]
    if type(asset_id) is not str or not 0 < len(asset_id) <= 200 or type(location) is not dict:
        return None
    coordinates = location.get("coordinates")
    if type(coordinates) is not list or len(coordinates) != 2 or location.get("type") != "Point":
        return None
    lon, lat = coordinates
    if type(lon) is not float or type(lat) is not float or not (-180 <= lon <= 180 and -90 <= lat <= 90):
        return None
    observed_at = _read_moment(told)
    if observed_at is None or not EARLIEST <= observed_at <= received_at:
        return None
    if asset_id.startswith("urn:"):
        asset_id = asset_id.removeprefix(prefix)
    return Observation(
        feed=model.feed,
        asset_id=reception.present_ids.get(asset_id, asset_id),
        observed_at=observed_at,
        point=(lon, lat),
        crs="wgs84",
        value=attributes.get(model.value),
        unit=model.unit,
        attributes=attributes,
    )


def _read_moment(text: object) -> datetime | None:
    """Return the moment in a text like 2026-11-22T08:00:00Z, if that is what it is and in UTC."""
    if type(text) is not str or len(text) < 20 or text[10] != "T" or text[16] != ":":
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is UTC else None


def _learn_shape(entity: Mapping[str, Any]) -> None:
    """Keep the shape of an entity that has been read, if it is one that can be read at a glance."""
    kind, rules = entity["type"], RULES.get(entity["type"])
    time = next((name for name in TIMES if name in entity), None)
    if rules is None or time is None or "location" not in entity:
        return
    if len(entity) > MOST_FIELDS or sum(map(len, entity)) > LONGEST_NAMES:
        return
    names = tuple(name for name in entity if rules.get(name, ()) is not None)
    if any(name not in names and name not in _USUAL_ELSEWHERE for name in entity):
        return
    limits = {name: rules[name] for name in names if name in rules}
    _shapes[(kind, *entity)] = Shape(
        model=MODELS[kind],
        prefix=f"urn:ngsi-ld:{kind}:",
        time=time,
        attributes=names,
        numbers=tuple(
            (name, rule[0], min(rule[1], _USUAL_HIGHEST.get(name, _LARGEST_NUMBER)))
            for name, rule in limits.items()
            if rule is not None
        ),
        others=tuple(name for name in names if name not in limits),
    )
