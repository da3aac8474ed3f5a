"""Answers as XML, which GeoReport v2 demands, and as JSON."""

import re
from typing import Any, Final
from xml.etree.ElementTree import Element, SubElement, tostring

import msgspec

XML: Final = "text/xml"
JSON: Final = "application/json"

# What no XML 1.0 document may contain, not even escaped.
_ILLEGAL: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# The element that each thing of a list is in, by the name of the list.
_ITEMS: Final = {
    "services": "service",
    "attributes": "attribute",
    "values": "value",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "endpoints": "endpoint",
    "formats": "format",
    "errors": "error",
}


def render(root: str, content: Any, media_type: str) -> bytes:
    """Return a dictionary, or a list of them, in a media type; `root` names it in XML, JSON has no name for it."""
    if media_type == JSON:
        return msgspec.json.encode(content)
    element = Element(root)
    _fill(element, content)
    document: bytes = tostring(element, encoding="utf-8", xml_declaration=True)
    return document


def _fill(element: Element, content: Any) -> None:
    if isinstance(content, dict):
        for name, part in content.items():
            _fill(SubElement(element, name), part)
    elif isinstance(content, list):
        for part in content:
            _fill(SubElement(element, _ITEMS[element.tag]), part)
    elif isinstance(content, bool):
        element.text = "true" if content else "false"
    elif content is not None:
        element.text = _ILLEGAL.sub("", str(content))
