"""Notifications of NGSI context brokers to readings: what the doors for NGSI-LD and NGSIv2 share.

A notification carries entities as they stand now, not events, and no id that a repeat would have again. So a
reading's identity is made of itself: `source` is `ngsi:<entity type>`; `id` is the asset's id, the time told for
the observation, and a digest of the values. Therefore

- a broker that tries again, a second broker or gateway with the same reading, and a notification sent because
  something else changed while the reading did not, are duplicates, whatever form each of them writes;
- a correction (same asset and time, another value) is a reading of its own, and the one received last is shown;
- what only describes the asset (name, owner, address, references) is no part of the identity. Nor is the tenant
  (`NGSILD-Tenant`, `Fiware-Service`): a county has one space of asset ids, whoever keeps them;
- a bin that tells no time at all is as old as its notification (`notifiedAt`), and in NGSIv2, which has none, as
  its arrival: such a repeat cannot be told from a new reading.

The time is the entity's own (`dateObserved`, ...), else that of its main value (`observedAt`; in NGSIv2 the metadata
`TimeInstant` or `timestamp`), else the newest of any attribute. `@context` is never fetched: names are read as they
are, and of an IRI its last part. An entity that was deleted is refused with the reason: that is no observation.
"""

import math
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec

from ingest.connectors import Delivery, Parsed, Refusal
from ingest.formats.entities import (
    MODELS,
    Model,
    convert_field,
    find_name,
    guess_feed,
    read_entity,
)
from ingest.formats.identity import identify_reading
from ingest.formats.units import convert_unit
from ingest.guard.weight import MOST_EVENTS
from ingest.reception import FieldError, Reception, check_bytes
from ingest.records import AnyRecord, Reading

_ENVELOPE: Final = ("id", "type", "subscriptionId", "notifiedAt")
_LONGEST_PART: Final = 1_000

_OWN_TIMES: Final = (
    "dateObservedTo",
    "dateObserved",
    "dateObservedFrom",
    "observed_at",
    "observedAt",
    "binLoggedTime",
)
_OF_AN_OBSERVATION: Final = frozenset(
    {
        *("id", "type", "feed", "value", "unit", "location", "lon", "lat", "crs", "cell_code", "attributes"),
        *(*_OWN_TIMES, "TimeInstant", "timeInstant", "dateModified"),
    }
)
# Read apart, or what a broker keeps for itself and nobody observed.
_NOT_ATTRIBUTES: Final = frozenset({"id", "type", "@context", "createdAt", "dateCreated", "scope", "expiresAt"})
_DELETED: Final = frozenset({"entityDelete", "entityDeleted"})
_SAME_AS: Final = {"modifiedAt": "dateModified"}
_IRI: Final = re.compile(r"https?://\S*[/#]([^/#\s]+)")
# Some publish each observation as an entity of its own; the asset is what remains.
_TIME_IN_ID: Final = re.compile(r"[-:_]\d{4}-\d\d-\d\dT[\d:.]+(Z|[+-]\d\d:?\d\d)?$")

_anything: Final = msgspec.json.Decoder()
_syntax: Final = msgspec.json.Decoder(msgspec.Raw)  # looks at all of it and keeps nothing
_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_entities: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Attribute(NamedTuple):
    """One attribute of an entity, whatever its form: value, unit's code, and when it was observed."""

    value: Any
    unit: str | None = None
    observed_at: str | None = None


AttributeReader = Callable[[str, Any], Attribute]
"""From an attribute's name and JSON, in any of the forms of one NGSI version."""


def read_notification(delivery: Delivery, reception: Reception, read_attribute: AttributeReader) -> Parsed:
    """Return the readings of a notification; an entity alone is taken for one with that entity."""
    body = delivery.body.removeprefix(b"\xef\xbb\xbf")
    try:
        envelope, entities = _open(body)
    except FieldError as error:
        fault = _find_fault(body)
        return Parsed([], fault) if fault else Parsed([_refuse(body, {}, read_attribute, error)])
    if len(entities) > MOST_EVENTS:
        return Parsed([], f"more than {MOST_EVENTS} entities: send fewer at once")
    notified_at = _read_moment(envelope.get("notifiedAt"))
    items: list[AnyRecord | Refusal] = []
    for raw in map(bytes, entities):
        entity: dict[str, Any] = {}
        try:
            check_bytes(raw)
            entity = _decode(raw)
            items.append(_read_entity(entity, notified_at, reception, delivery.received_at, read_attribute))
        except FieldError as error:
            items.append(_refuse(_enclose(envelope, raw), entity, read_attribute, error))
    return Parsed(items)


def _open(body: bytes) -> tuple[dict[str, msgspec.Raw], list[msgspec.Raw]]:
    """Return a notification's members and its entities, unread; raises `FieldError` for what is no notification."""
    try:
        envelope = _parts.decode(body)
        data = envelope.pop("data", None)
        if data is None and "id" in envelope and "type" in envelope:
            return {}, [msgspec.Raw(body)]
        return envelope, _entities.decode(data or b"")
    except (ValueError, RecursionError):
        raise FieldError("data", "expected a notification: an object with a list of entities") from None


def _find_fault(body: bytes) -> str | None:
    try:
        _syntax.decode(body)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return None


def _decode(raw: bytes) -> dict[str, Any]:
    try:
        entity = _anything.decode(raw)
    except (ValueError, RecursionError) as error:
        raise FieldError("entity", f"not readable as JSON: {error}") from None
    if not isinstance(entity, dict):
        raise FieldError("entity", "expected an object")
    return entity


def _read_moment(raw: msgspec.Raw | None) -> datetime | None:
    try:
        return None if raw is None else msgspec.json.decode(raw, type=datetime | None)
    except (ValueError, RecursionError):
        return None  # nothing depends on it but the age of a bin without any time


def _enclose(envelope: Mapping[str, msgspec.Raw], entity: bytes) -> bytes:
    """Return a notification with one entity: what means the same again when it is delivered by itself."""
    kept: dict[str, Any] = {
        name: part for name in _ENVELOPE if (part := envelope.get(name)) and len(bytes(part)) <= _LONGEST_PART
    }
    return msgspec.json.encode({**kept, "data": [msgspec.Raw(entity)]})


def _refuse(body: bytes, entity: Mapping[str, Any], read_attribute: AttributeReader, error: FieldError) -> Refusal:
    """Return the refusal of one entity; its id stands for the event's, which it has not."""
    id, kind = entity.get("id"), _name_kind(entity.get("type"))
    return Refusal(
        reason=str(error),
        field=error.field,
        id=id if isinstance(id, str) else None,
        source=f"ngsi:{kind}" if kind else None,
        body=body,
        feed=guess_feed({"type": kind, "feed": read_attribute("feed", entity.get("feed")).value}),
    )


def _read_entity(
    entity: Mapping[str, Any],
    notified_at: datetime | None,
    reception: Reception,
    received_at: datetime,
    read_attribute: AttributeReader,
) -> Reading:
    kind = _name_kind(entity.get("type"))
    model = MODELS.get(kind)
    attributes = {}
    for full_name, value in entity.items():
        if full_name not in _NOT_ATTRIBUTES:
            name = _shorten(full_name)
            attributes[find_name(name, model) if model else name] = read_attribute(name, value)
    if "deletedAt" in attributes or _text_of(attributes, "alterationType") in _DELETED:
        raise FieldError(
            "deletedAt", "the broker deleted the entity, which is no observation; it falls silent by itself"
        )
    plain = _flatten_model(attributes, model) if model else _flatten_observation(attributes, reception)
    _settle_time(plain, attributes, model.value if model else "value")
    plain["type"], plain["id"] = kind or None, _shorten_id(entity.get("id"), kind)
    is_bin = model is not None and model.feed == "waste"
    seen = read_entity(plain, reception, received_at, notified_at if is_bin else None)
    return identify_reading(seen, f"ngsi:{kind}", received_at)


def _name_kind(types: object) -> str:
    """Return the entity's type; of several that which we know."""
    names = [_shorten(name) for name in (types if isinstance(types, list) else [types]) if isinstance(name, str)]
    known = [name for name in names if name in MODELS or name == "Observation"]
    return (known or names or [""])[0]


def _shorten(name: str) -> str:
    # A broker that was not told the names' context gives them in full.
    match = _IRI.fullmatch(name) if name.startswith("http") else None
    name = match[1] if match else name
    return _SAME_AS.get(name, name)


def _shorten_id(id: object, kind: str) -> object:
    if not isinstance(id, str):
        return id
    prefix = f"urn:ngsi-ld:{kind}:"
    if id[: len(prefix)].lower() == prefix.lower():  # published examples have them in small letters
        id = id[len(prefix) :]
    return _TIME_IN_ID.sub("", id) or id


def _text_of(attributes: Mapping[str, Attribute], name: str) -> str | None:
    value = attributes[name].value if name in attributes else None
    return value if isinstance(value, str) else None


def _flatten_model(attributes: Mapping[str, Attribute], model: Model) -> dict[str, Any]:
    """Return a Smart Data Model's key-values, in units as the model has them."""
    plain = {}
    for name, attribute in attributes.items():
        value = _read_number(attribute.value) if name in model.limits else attribute.value
        if type(value) in (int, float) and attribute.unit:
            value = convert_field(name, value, attribute.unit, model)
        plain[name] = value
    return plain


def _flatten_observation(attributes: Mapping[str, Attribute], reception: Reception) -> dict[str, Any]:
    """Return an Observation's key-values in its feed's unit; what else it has goes among its attributes."""
    plain = {name: each.value for name, each in attributes.items() if name in _OF_AN_OBSERVATION}
    others = {name: each.value for name, each in attributes.items() if name not in _OF_AN_OBSERVATION}
    if others and isinstance(plain.get("attributes") or {}, dict):
        plain["attributes"] = others | (plain.get("attributes") or {})
    told = attributes.get("value")
    feed = plain.get("feed")
    if told is None or not isinstance(feed, str):
        return plain
    plain["value"] = value = _read_number(told.value)
    unit, code = reception.declared_feeds.get(feed), told.unit or _text_of(attributes, "unit")
    if unit and code and type(value) in (int, float):
        plain["value"], plain["unit"] = convert_unit("value", value, code, unit), unit
    elif code:
        plain["unit"] = code
    return plain


def _read_number(value: Any) -> Any:
    # Gateways that know no types send numbers as texts, and a blank for none.
    if not isinstance(value, str):
        return value
    try:
        number = float(value) if value.strip() else None
    except ValueError:
        return value
    return number if number is None or math.isfinite(number) else value


def _settle_time(plain: dict[str, Any], attributes: Mapping[str, Attribute], main: str) -> None:
    """Give an entity without a time of its own that of its main value, else the newest of any attribute."""
    if any(isinstance(plain.get(name), str) for name in _OWN_TIMES):
        return
    times = {name: each.observed_at for name, each in attributes.items() if each.observed_at}
    newest = times.get(main) or max(times.values(), default=None)  # all in UTC: the last in order is the newest
    if newest:
        plain["observedAt"] = newest
