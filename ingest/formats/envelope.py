"""CloudEvents whose parts travel apart, as one JSON object each: binary mode's attributes, and `data_base64`."""

import binascii
from base64 import b64decode
from collections.abc import Mapping
from typing import Final

import msgspec

from ingest.reception import FieldError, check_bytes

_parts: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_syntax: Final = msgspec.json.Decoder(msgspec.Raw)  # looks at all of it and keeps nothing
_encoder: Final = msgspec.json.Encoder()


def wrap(attributes: Mapping[str, str], data: bytes) -> bytes:
    """Return the structured form of an event that came in binary mode; `data` must be JSON."""
    return _encoder.encode({**attributes, "data": msgspec.Raw(data)})


def unpack_data(body: bytes) -> bytes:
    """Return a structured event with its `data_base64` as `data`; any other body as it is.

    Raises `FieldError` where that is not base64, or what it holds is not JSON.
    """
    if b'"data_base64"' not in body:
        return body
    check_bytes(body)
    try:
        event = _parts.decode(body)
        packed = msgspec.json.decode(event.pop("data_base64", b"null"), type=str | None)
    except (ValueError, RecursionError):
        return body  # who reads the event says what is wrong with it
    if packed is None:
        return body
    if "data" in event:
        raise FieldError("data_base64", "an event has this or `data`, not both")
    if not _is_json(event.get("datacontenttype")):
        raise FieldError("datacontenttype", "expected a JSON type: the data of every known event is JSON")
    try:
        data = b64decode(packed, validate=True)
        _syntax.decode(data)
    except binascii.Error as error:
        raise FieldError("data_base64", f"not readable as base64: {error}") from None
    except (ValueError, RecursionError) as error:
        raise FieldError("data_base64", f"does not hold JSON: {error}") from None
    return _encoder.encode({**event, "data": msgspec.Raw(data)})


def _is_json(datacontenttype: bytes | None) -> bool:
    # CloudEvents: where it is missing it is application/json.
    if datacontenttype is None:
        return True
    media_type = bytes(datacontenttype).strip(b'"').partition(b";")[0].strip().lower()
    return media_type in (b"null", b"application/json", b"text/json") or media_type.endswith(b"+json")
