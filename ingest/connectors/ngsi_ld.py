"""Notifications of NGSI-LD brokers (ETSI GS CIM 009): normalized, concise and simplified, also mixed.

Each attribute is told by its members, so that no form need be announced: `value`, `object`, `languageMap`, ...
make it normalized or concise, anything else is the value itself. Of several instances (`datasetId`) the default one
counts, else the newest. `ingest.formats.ngsi` has the rest.
"""

from typing import Any, Final

from ingest.connectors import Delivery, Parsed
from ingest.formats.ngsi import Attribute, read_notification
from ingest.reception import Reception

NAME: Final = "ngsi_ld"

CONTENT_TYPES: Final = ("application/json", "application/ld+json")
ALONE: Final = "application/json"

_VALUES: Final = ("value", "object", "vocab", "json", "valueList", "objectList")
_NULL: Final = "urn:ngsi-ld:null"  # the value of an attribute that was deleted
_LANGUAGES: Final = ("zh", "zh-CN", "zh-Hans", "@none", "en")


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the readings of a notification."""
    return read_notification(delivery, reception, read_attribute)


def read_attribute(_: str, attribute: Any) -> Attribute:
    """Return an attribute in whichever form it came."""
    if isinstance(attribute, list) and attribute and all(map(_is_instance, attribute)):
        attribute = max(attribute, key=lambda each: ("datasetId" not in each, str(each.get("observedAt", ""))))
    if not isinstance(attribute, dict):
        return Attribute(_plain(attribute))
    datasets = attribute.get("dataset")
    if isinstance(datasets, dict) and datasets and len(attribute) == 1:  # several instances, simplified
        return Attribute(_plain(datasets.get("@none", next(iter(datasets.values())))))
    if "languageMap" in attribute:
        return Attribute(_choose_language(attribute["languageMap"]))
    for name in _VALUES:
        if name in attribute:
            unit, observed_at = attribute.get("unitCode"), attribute.get("observedAt")
            return Attribute(_plain(attribute[name]), _as_text(unit), _as_text(observed_at))
    return Attribute(_plain(attribute))


def _is_instance(attribute: object) -> bool:
    return isinstance(attribute, dict) and any(name in attribute for name in (*_VALUES, "languageMap"))


def _plain(value: Any) -> Any:
    if isinstance(value, dict) and "@value" in value:  # {"@type": "DateTime", "@value": ...}
        value = value["@value"]
    return None if value == _NULL else value


def _choose_language(texts: object) -> object:
    if not isinstance(texts, dict):
        return _plain(texts)
    return next((texts[language] for language in (*_LANGUAGES, *texts) if language in texts), None)


def _as_text(value: object) -> str | None:
    value = _plain(value)
    return value if isinstance(value, str) and value else None
