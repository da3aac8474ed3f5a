"""MQTT: CloudEvents, SensorThings, IoT agents' measures and the county's own topics, told apart by the topic.

| topic | payload |
|---|---|
| `ce/#`, and any other with the content type or the user properties of one | a CloudEvent, structured or binary |
| `v1.1/Datastreams(<id>)/Observations`, `v1.1/Observations`; `v1.0` too | a SensorThings Observation |
| `/json/<key>/<device>/attrs`, `/ul/<key>/<device>/attrs`, `/<key>/<device>/attrs` | an IoT agent's measures |
| `gg/v1/<village>/<cell>/<entity type>/<entity id>/attrs` | a Smart Data Model, key-values |
| … `/event` | a CloudEvent |
| … `/status` | `online` or `offline`, or `{"online": …, "at": …}`; what a last will should say |
| … `/cmd` | for devices, not for us: ignored |

The key of an IoT agent's topic is checked by the carrier, and is not in `Delivery.topic` any more.
"""

import re
from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec

from ingest.connectors import Delivery, Parsed, Refusal
from ingest.formats.devices import RETAINED, guess_device_feed, read_device
from ingest.formats.entities import guess_feed
from ingest.formats.envelope import wrap
from ingest.formats.events import read_events
from ingest.formats.iot_agent import SOURCE as IOT_AGENT
from ingest.formats.iot_agent import read_measures, split_measures
from ingest.formats.sensorthings import TOPIC as OBSERVATION
from ingest.formats.sensorthings import clean_id, read_observation
from ingest.reception import FieldError, Reception, check_bytes
from ingest.records import AnyRecord, DeviceSeen
from ingest.tables import as_ms

NAME: Final = "mqtt"
STRUCTURED: Final = "application/cloudevents+json"
CONTENT_TYPES: Final = ("", "application/json", STRUCTURED)
ALONE: Final = ""

OWN_SOURCE: Final = "gg"
MEASURES: Final = re.compile(r"/(?:(?:json|ul)/)?(?P<key>[^/]+)/(?P<device>[^/]+)/attrs")
OWN: Final = re.compile(
    r"gg/v1/(?P<village>[0-9]{12})/(?P<cell>[0-9]{3})/(?P<type>[^/]+)/(?P<id>[^/]+)/(?P<what>attrs|status|event|cmd)"
)

_WORDS: Final = {b"online": True, b"offline": False}


class _Status(msgspec.Struct):
    online: bool
    at: datetime | None = None


_status_decoder = msgspec.json.Decoder(_Status)
_object_decoder = msgspec.json.Decoder(dict[str, object])

Items = list[AnyRecord | Refusal]


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the events of one message."""
    return Parsed(_read_message(delivery, reception))


def _read_message(delivery: Delivery, reception: Reception) -> Items:
    topic = delivery.topic
    if delivery.content_type == STRUCTURED or topic.startswith("ce/"):
        return _read_cloudevent(delivery, reception)
    if "specversion" in delivery.headers:
        return _read_cloudevent(delivery, reception)
    if found := OWN.fullmatch(topic):
        return _read_own(found, delivery, reception)
    if found := OBSERVATION.fullmatch(topic):
        return _read_observation(found["id"], delivery, reception)
    if found := MEASURES.fullmatch(topic):
        return _read_measures(found["device"], delivery, reception)
    if b'"specversion"' in delivery.body:  # 3.1.1 has no content types: a CloudEvent says itself what it is
        return _read_cloudevent(delivery, reception)
    return [_refuse(delivery.body, FieldError("topic", f"nothing is known to come by {topic[:200]!r}"))]


def _read_cloudevent(delivery: Delivery, reception: Reception) -> Items:
    body = delivery.body
    if "specversion" in delivery.headers and delivery.content_type != STRUCTURED:
        body = _structure(delivery)
    return list(read_events([body], reception, delivery.received_at))


def _structure(delivery: Delivery) -> bytes:
    """Return a CloudEvent in binary mode as the same one in structured mode; data that is no JSON is a text there."""
    attributes = {name: value for name, value in delivery.headers.items() if name not in (RETAINED, "data")}
    try:
        msgspec.json.decode(delivery.body)
    except (ValueError, RecursionError):
        return wrap(attributes, msgspec.json.encode(delivery.body.decode(errors="replace")))
    return wrap(attributes, delivery.body)


def _read_own(found: re.Match[str], delivery: Delivery, reception: Reception) -> Items:
    if found["what"] == "cmd":
        return []
    if found["what"] == "event":
        return _read_cloudevent(delivery, reception)
    read: Callable[[re.Match[str], Delivery, Reception], AnyRecord] = (
        _read_status if found["what"] == "status" else _read_attributes
    )
    try:
        check_bytes(delivery.body)
        return [read(found, delivery, reception)]
    except FieldError as error:
        feed = "devices" if found["what"] == "status" else guess_feed({"type": found["type"]})
        return [_refuse(delivery.body, error, OWN_SOURCE, feed)]


def _read_attributes(found: re.Match[str], delivery: Delivery, reception: Reception) -> AnyRecord:
    try:
        measures = _object_decoder.decode(delivery.body)
    except (ValueError, RecursionError) as error:
        raise FieldError("attrs", f"not readable as a JSON object: {error}") from None
    entity = {**measures, "type": found["type"], "id": found["id"]}
    for name in ("type", "id"):
        if measures.get(name, entity[name]) not in (entity[name], f"urn:ngsi-ld:{found['type']}:{found['id']}"):
            raise FieldError(name, "not what the topic says")
    if found["cell"] != "000":
        entity.setdefault("cell_code", found["village"] + found["cell"])
    return read_device(OWN_SOURCE, entity, delivery, reception)


def _read_status(found: re.Match[str], delivery: Delivery, reception: Reception) -> AnyRecord:
    status = _decode_status(delivery.body)
    at = delivery.received_at
    if status.at is not None:
        at = reception.settle_time("at", status.at, delivery.received_at)
    asset_id = reception.present_ids.get(found["id"], found["id"])
    # What the broker kept is told again at every new session: without a time of its own it is the same event still.
    kept = status.at is None and RETAINED in delivery.headers
    moment = "retained" if kept else as_ms(at)
    return DeviceSeen(
        source=OWN_SOURCE,
        id=f"{asset_id}@{moment}#{'online' if status.online else 'offline'}",
        received_at=delivery.received_at,
        asset_id=asset_id,
        online=status.online,
        at=at,
    )


def _decode_status(body: bytes) -> _Status:
    word = _WORDS.get(body.strip().lower())
    if word is not None:
        return _Status(word)
    try:
        return _status_decoder.decode(body)
    except (ValueError, RecursionError):
        raise FieldError("status", 'expected online, offline or {"online": true, "at": time}') from None


def _read_observation(datastream_id: str | None, delivery: Delivery, reception: Reception) -> Items:
    try:
        check_bytes(delivery.body)
        return [read_observation(datastream_id, delivery, reception)]
    except FieldError as error:
        datastream = reception.datastreams.get(clean_id(datastream_id or ""))
        return [_refuse(delivery.body, error, "sensorthings", datastream.feed if datastream else "")]


def _read_measures(device: str, delivery: Delivery, reception: Reception) -> Items:
    feed = guess_device_feed(device, reception)
    try:
        check_bytes(delivery.body)
        groups = split_measures(delivery.body)
    except FieldError as error:
        return [_refuse(delivery.body, error, IOT_AGENT, feed)]
    items: Items = []
    for group in groups:
        try:
            items.append(read_measures(group, device, delivery, reception))
        except FieldError as error:
            items.append(_refuse(group, error, IOT_AGENT, feed))
    return items


def _refuse(body: bytes, error: FieldError, source: str | None = None, feed: str = "") -> Refusal:
    return Refusal(str(error), error.field, None, source, body, feed)
