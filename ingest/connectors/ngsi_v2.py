"""Notifications of NGSIv2 brokers (FIWARE Orion): normalized and key-values, also mixed.

In the normalized form an attribute has `value`, `type` and `metadata`; of the metadata we read `unitCode` (also
`unit`) and a time. `ingest.formats.ngsi` has the rest.
"""

from typing import Any, Final

from ingest.connectors import Delivery, Parsed
from ingest.formats.ngsi import Attribute, read_notification
from ingest.reception import Reception

NAME: Final = "ngsi_v2"

CONTENT_TYPES: Final = ("application/json",)
ALONE: Final = "application/json"

_UNITS: Final = ("unitCode", "unit")
_TIMES: Final = ("TimeInstant", "timestamp", "observedAt", "dateObserved", "dateModified")


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the readings of a notification."""
    return read_notification(delivery, reception, read_attribute)


def read_attribute(name: str, attribute: Any) -> Attribute:
    """Return an attribute in whichever form it came."""
    if not isinstance(attribute, dict) or "value" not in attribute:
        return Attribute(_read_point(attribute) if name == "location" else attribute)
    value, metadata = attribute["value"], attribute.get("metadata")
    if name == "location":
        value = _read_point(value)
    return Attribute(value, _find_text(metadata, _UNITS), _find_text(metadata, _TIMES))


def _find_text(metadata: object, names: tuple[str, ...]) -> str | None:
    """Return the first text that metadata have under one of some names."""
    if not isinstance(metadata, dict):
        return None
    for name in names:
        part = metadata.get(name)
        value = part.get("value") if isinstance(part, dict) else part
        if isinstance(value, str) and value:
            return value
    return None


def _read_point(location: Any) -> Any:
    """Return a `geo:point`, which is the text "latitude, longitude", as GeoJSON; anything else as it is."""
    if not isinstance(location, str):
        return location
    try:
        lat, lon = map(float, location.split(","))
    except ValueError:
        return location
    return {"type": "Point", "coordinates": [lon, lat]}
