"""What devices say without an envelope: measures and signs of life, to records with an identity of their own.

A message without an envelope has no id, so its identity is what it says: which asset, when, and a digest of the
measures. A repeat of it is therefore a duplicate, from whatever gateway it comes, and two parts of one observation
(temperature, then humidity, with the same time) are not. A message that does not say when counts as observed when it
came; the carrier sees to it that a message delivered twice has come once (`ingest.mqtt.bridge`).
"""

from collections.abc import Mapping
from typing import Any, Final

from ingest.connectors import Delivery
from ingest.formats.entities import DEVICE_TIME, MODELS, read_entity
from ingest.formats.identity import identify_reading
from ingest.reception import FieldError, Reception
from ingest.records import Reading

RETAINED: Final = "mqtt-retained"
"""The header of a delivery that the broker had kept: it was published at any time before."""

TYPE_OF_KIND: Final = {
    "bin": "WasteContainer",
    "detector": "TrafficFlowObserved",
    "air_station": "AirQualityObserved",
    "water_station": "WaterQualityObserved",
}
"""The entity type by kind of asset; any other kind that measures is a feed that the pack declares."""

_TIMES: Final = ("observed_at", "dateObserved", "TimeInstant")


def find_kind(asset_id: str, reception: Reception) -> str:
    """Return the kind of one of the pack's assets; raises `FieldError` naming the device where there is none."""
    kind = reception.asset_kinds.get(reception.present_ids.get(asset_id, asset_id))
    if kind is None:
        raise FieldError("topic", f"the county pack has no asset {asset_id!r}")
    if kind not in TYPE_OF_KIND and kind not in reception.declared_feeds:
        raise FieldError("topic", f"{asset_id!r} is a {kind}, which measures nothing")
    return kind


def describe(kind: str, asset_id: str, measures: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key-values entity of an asset that measured; a declared feed's number is the measure `value`."""
    if kind in TYPE_OF_KIND:
        return {**measures, "id": asset_id, "type": TYPE_OF_KIND[kind]}
    own = {name: measures[name] for name in ("value", "unit", *_TIMES) if name in measures}
    others = {name: value for name, value in measures.items() if name not in own}
    return {**own, "attributes": others, "id": asset_id, "type": "Observation", "feed": kind}


def read_device(source: str, entity: Mapping[str, Any], delivery: Delivery, reception: Reception) -> Reading:
    """Return a key-values entity without an envelope as a record; raises `FieldError`."""
    seen = read_entity(entity, reception, delivery.received_at, delivery.received_at)
    told_at = seen.attributes.get(DEVICE_TIME)
    if seen.observed_at == delivery.received_at and told_at is None and RETAINED in delivery.headers:
        raise FieldError("dateObserved", "missing from a retained message: it may be of any time")
    return identify_reading(seen, source, delivery.received_at)


def guess_device_feed(asset_id: str, reception: Reception) -> str:
    """Return the feed that a device's message would have belonged to; empty where the pack does not know it."""
    kind = reception.asset_kinds.get(reception.present_ids.get(asset_id, asset_id), "")
    return MODELS[TYPE_OF_KIND[kind]].feed if kind in TYPE_OF_KIND else kind
