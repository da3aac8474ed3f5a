"""FIWARE IoT agent payloads: JSON, and UltraLight 2.0 (`t|20#h|0.4`).

https://fiware-iotagent-ul.readthedocs.io and https://fiware-iotagent-json.readthedocs.io, "User Manual".
"""

import math
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from ingest.connectors import Delivery
from ingest.formats.devices import describe, find_kind, read_device
from ingest.reception import FieldError, Reception
from ingest.records import Reading

SOURCE: Final = "iot-agent"

_NUMBER: Final = re.compile(rb"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_WORDS: Final = {b"true": True, b"false": False, b"null": None}
_array_decoder = msgspec.json.Decoder(list[msgspec.Raw])
_object_decoder = msgspec.json.Decoder(dict[str, Any])


def is_json(body: bytes) -> bool:
    """Return whether a payload is meant as JSON; UltraLight has no braces."""
    return body.lstrip()[:1] in (b"{", b"[")


def split_measures(body: bytes) -> list[bytes]:
    """Return the groups of measures in a payload, each a payload that says the same by itself.

    JSON has a group in an object. UltraLight groups that begin with a time of their own stand alone; all others
    were measured together, and are one group. Raises `FieldError`.
    """
    if is_json(body):
        return _split_json(body)
    if b"\0" in body:
        raise FieldError("measures", "a text contains the character NUL")
    groups = body.strip().split(b"#")
    together = b"#".join(group for group in groups if not _has_time(group))
    return [group for group in (together, *filter(_has_time, groups)) if group]


def read_measures(group: bytes, device: str, delivery: Delivery, reception: Reception) -> Reading:
    """Return one group of a device's measures as a record; raises `FieldError`."""
    kind = find_kind(device, reception)
    names = reception.measure_names.get(kind, {})
    measures = _decode_object(group) if is_json(group) else _read_ultralight(group)
    entity = describe(kind, device, {names.get(name, name): value for name, value in measures.items()})
    return read_device(SOURCE, entity, delivery, reception)


def _split_json(body: bytes) -> list[bytes]:
    if body.lstrip()[:1] == b"{":
        return [body]
    try:
        return [bytes(group) for group in _array_decoder.decode(body)]
    except (ValueError, RecursionError) as error:
        raise FieldError("measures", f"not readable as JSON: {error}") from None


def _decode_object(group: bytes) -> Mapping[str, Any]:
    try:
        return _object_decoder.decode(group)
    except (ValueError, RecursionError) as error:
        raise FieldError("measures", f"not readable as a JSON object: {error}") from None


def _has_time(group: bytes) -> bool:
    # Names and values come in pairs; a time before them makes the number of parts odd.
    return group.count(b"|") % 2 == 0


def _read_ultralight(body: bytes) -> dict[str, Any]:
    measures: dict[str, Any] = {}
    for group in body.split(b"#"):
        parts = group.split(b"|")
        if len(parts) % 2:
            measures["TimeInstant"] = _read_text(parts.pop(0))
        for name, value in zip(parts[::2], parts[1::2], strict=True):
            measures[_read_text(name)] = _read_value(value.strip())
    if not measures.keys() - {"TimeInstant"}:
        raise FieldError("measures", "expected name|value pairs, with # between groups")
    return measures


def _read_value(value: bytes) -> Any:
    number = float(value) if _NUMBER.fullmatch(value) else math.nan
    return number if math.isfinite(number) else _WORDS.get(value, _read_text(value))


def _read_text(value: bytes) -> str:
    try:
        return value.decode().strip()
    except UnicodeDecodeError as error:
        raise FieldError("measures", f"not UTF-8: {error}") from None
