"""CloudEvents over HTTP: one, a batch, or one a line."""

from datetime import datetime
from typing import Final

import msgspec

from ingest.connectors import Delivery, Parsed, Refusal
from ingest.events import read_events, refuse
from ingest.reception import FieldError, Reception

NAME: Final = "http_events"

ONE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = "application/x-ndjson"
CONTENT_TYPES: Final = (ONE, BATCH, LINES)
ALONE: Final = ONE

_batch_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_json_decoder = msgspec.json.Decoder()


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the events of a body of one of `CONTENT_TYPES`."""
    body = delivery.body.removeprefix(b"\xef\xbb\xbf")
    if delivery.content_type == BATCH:
        return _parse_batch(body, reception, delivery.received_at)
    bodies = [body] if delivery.content_type == ONE else [line for line in body.split(b"\n") if line.strip()]
    items = read_events(bodies, reception, delivery.received_at)
    # A bad line is one lost event; a body without any JSON is something else altogether.
    if all(isinstance(item, Refusal) for item in items) and all(map(_find_fault, bodies)):
        return Parsed([], _find_fault(body) or "not JSON: the body is empty")
    return Parsed(items)


def _parse_batch(body: bytes, reception: Reception, received_at: datetime) -> Parsed:
    try:
        bodies = [bytes(raw) for raw in _batch_decoder.decode(body)]
    except (ValueError, RecursionError):
        fault = _find_fault(body)
        if fault:
            return Parsed([], fault)
        return Parsed([refuse(body, FieldError("event", "expected an array of events"))])
    return Parsed(read_events(bodies, reception, received_at))


def _find_fault(body: bytes) -> str | None:
    try:
        _json_decoder.decode(body)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return None
