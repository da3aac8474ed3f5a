"""OGC SensorThings 1.0 and 1.1: an Observation, by the datastreams that the county pack names."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from geo.profile import Datastream
from ingest.connectors import Delivery
from ingest.formats.devices import TYPE_OF_KIND, describe, read_device
from ingest.formats.entities import MODELS
from ingest.reception import FieldError, Reception
from ingest.records import Reading

TOPIC: Final = re.compile(r"v1\.[01]/(?:Datastreams\((?P<id>[^)]*)\)/)?Observations")

_LINK: Final = re.compile(r"Datastreams\(([^)]*)\)/?$")
_decoder = msgspec.json.Decoder(dict[str, Any])


def read_observation(datastream_id: str | None, delivery: Delivery, reception: Reception) -> Reading:
    """Return an Observation as a record; `datastream_id` is that of the topic, if it names one.

    It is observed at its `phenomenonTime` (of an interval, the end), else at its `resultTime`. Raises `FieldError`.
    """
    try:
        observation = _decoder.decode(delivery.body)
    except (ValueError, RecursionError) as error:
        raise FieldError("observation", f"not readable as a JSON object: {error}") from None
    datastream = _find_datastream(datastream_id, observation, reception)
    if "result" not in observation:
        raise FieldError("result", "required, but missing")
    entity = _describe_result(datastream, observation, reception)
    reading = read_device(f"sensorthings:{datastream.id}", entity, delivery, reception)
    if isinstance(number := observation.get("@iot.id"), str | int) and number != "":
        reading.id = f"{number}"[:200]
    return reading


def clean_id(text: str) -> str:
    """Return a datastream's id as the county pack writes it: without the quotes that a text has in a URL."""
    return text.strip().strip("'")


def _find_datastream(id: str | None, observation: Mapping[str, Any], reception: Reception) -> Datastream:
    if id is None:
        id = _read_link(observation)
    datastream = reception.datastreams.get(clean_id(id))
    if datastream is None:
        raise FieldError("Datastream", f"the county pack names no datastream {clean_id(id)!r}")
    return datastream


def _read_link(observation: Mapping[str, Any]) -> str:
    inline = observation.get("Datastream")
    id = inline.get("@iot.id") if isinstance(inline, dict) else None
    if isinstance(id, str | int):
        return str(id)
    link = observation.get("Datastream@iot.navigationLink")
    found = _LINK.search(link) if isinstance(link, str) else None
    if found is None:
        raise FieldError("Datastream", "missing: name it in the topic, or by its @iot.id")
    return found[1]


def _describe_result(datastream: Datastream, observation: Mapping[str, Any], reception: Reception) -> dict[str, Any]:
    result = observation["result"]
    if datastream.scale != 1 and isinstance(result, int | float) and not isinstance(result, bool):
        result = result * datastream.scale
    measures = {_name_measure(datastream): result}
    at = observation.get("phenomenonTime") or observation.get("resultTime")
    if at is not None:
        measures["observed_at"] = at
    if datastream.unit is not None and datastream.feed in reception.declared_feeds:
        measures["unit"] = datastream.unit
    return describe(_kinds.get(datastream.feed, datastream.feed), datastream.asset_id, measures)


def _name_measure(datastream: Datastream) -> str:
    kind = _kinds.get(datastream.feed)
    return datastream.attribute or ("value" if kind is None else MODELS[TYPE_OF_KIND[kind]].value)


_kinds: Final = {MODELS[type].feed: kind for kind, type in TYPE_OF_KIND.items()}
