"""CloudEvents over HTTP: one, a batch, one a line, or one in binary mode.

In binary mode the body is the event's data and its attributes are `ce-*` headers, percent-encoded as the HTTP
protocol binding of CloudEvents 1.0 has it (3.1.3). A refused one is kept in structured mode.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import unquote

import msgspec

from ingest.connectors import Delivery, Parsed, Refusal
from ingest.formats.envelope import wrap
from ingest.formats.events import read_events, refuse
from ingest.guard.weight import MOST_EVENTS
from ingest.reception import FieldError, Reception

NAME: Final = "http_events"

ONE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
LINES: Final = "application/x-ndjson"
BINARY: Final = "application/json"
CONTENT_TYPES: Final = (ONE, BATCH, LINES, BINARY)
ALONE: Final = ONE

_TOO_MANY: Final = f"more than {MOST_EVENTS} events: send fewer at once"
_ATTRIBUTE: Final = re.compile("ce-([a-z0-9]+)")
_OF_THE_BODY: Final = {"data", "datacontenttype"}
_ESCAPED: Final = re.compile(r"\\(.)")
_batch_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_json_decoder = msgspec.json.Decoder(msgspec.Raw)  # looks at all of it and keeps nothing


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the events of a body of one of `CONTENT_TYPES`."""
    body = delivery.body.removeprefix(b"\xef\xbb\xbf")
    if delivery.content_type == BATCH:
        return _parse_batch(body, reception, delivery.received_at)
    if delivery.content_type == BINARY:
        return _parse_binary(body, delivery.headers, reception, delivery.received_at)
    bodies = [body] if delivery.content_type == ONE else [line for line in body.split(b"\n") if line.strip()]
    if len(bodies) > MOST_EVENTS:
        return Parsed([], _TOO_MANY)
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
    if len(bodies) > MOST_EVENTS:
        return Parsed([], _TOO_MANY)
    return Parsed(read_events(bodies, reception, received_at))


def _parse_binary(body: bytes, headers: Mapping[str, str], reception: Reception, received_at: datetime) -> Parsed:
    fault = _find_fault(body)
    if fault:
        return Parsed([], fault)
    named = [(_ATTRIBUTE.fullmatch(name), value) for name, value in headers.items()]
    attributes = {match[1]: _decode_header(value) for match, value in named if match and match[1] not in _OF_THE_BODY}
    (item,) = read_events([wrap(attributes, body)], reception, received_at)
    return Parsed([_name_header(item) if isinstance(item, Refusal) else item])


def _decode_header(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = _ESCAPED.sub(r"\1", value[1:-1])  # as older senders quote
    return unquote(value, errors="backslashreplace")


def _name_header(refusal: Refusal) -> Refusal:
    if refusal.field == "event" or refusal.field.startswith("data"):
        return refusal
    return refusal._replace(field=f"ce-{refusal.field}", reason=f"ce-{refusal.reason}")


def _find_fault(body: bytes) -> str | None:
    try:
        _json_decoder.decode(body)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    return None
