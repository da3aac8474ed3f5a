"""CAP 1.2: warnings of the authorities, one message a body; `docs/cap.md` says what becomes of them."""

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, TypeVar, get_args

import msgspec

from ingest.connectors import Delivery, Parsed, Refusal
from ingest.formats.cap_codes import read_level
from ingest.formats.cap_xml import Element, UnreadableXml, read_xml
from ingest.reception import EARLIEST, FieldError, Reception, read_number
from ingest.records import (
    AlertArea,
    AlertInfo,
    AlertIssued,
    AlertKind,
    AlertReference,
    AlertScope,
    AlertStatus,
    AlertText,
)

NAME: Final = "cap"
CONTENT_TYPES: Final = ("application/cap+xml", "application/xml", "text/xml")
ALONE: Final = "application/cap+xml"

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
_ANY_CAP: Final = re.compile(r"urn:oasis:names:tc:emergency:cap:|.*incident\.com/cap/")  # the second is CAP 1.0's
_PICTURES: Final = frozenset({"derefUri"})  # files in base64, which are not kept
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)?", re.ASCII)
_CHINESE: Final = re.compile("[一-鿿]")
_LONGEST_NAME: Final = 256
Word = TypeVar("Word", bound=str)
_EARTH_KM: Final = 20_038.0  # half its circumference: no circle on it is larger


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the alert of a body; what is no CAP at all is unreadable."""
    try:
        root = read_xml(delivery.body, skipped=_PICTURES)
    except UnreadableXml as error:
        return Parsed([], f"not CAP: {error}")
    if root.name != "alert":
        return Parsed([], f"not CAP: the root is {root.name[:80]!r}, not 'alert'")
    try:
        return Parsed([_read_alert(root, reception, delivery.received_at)])
    except FieldError as error:
        return Parsed([_refuse(root, delivery.body, error)])


def _refuse(root: Element, body: bytes, error: FieldError) -> Refusal:
    identifier, source = root.say("identifier"), root.say("sender")
    return Refusal(str(error), error.field, identifier or None, source or None, bytes(body), "alerts")


def _read_alert(root: Element, reception: Reception, received_at: datetime) -> AlertIssued:
    if root.namespace != NAMESPACE:
        named = root.namespace if _ANY_CAP.match(root.namespace) else root.namespace or "none"
        raise FieldError("alert", f"its namespace must be {NAMESPACE}, not {named[:200]}")
    identifier, source = _need_name(root, "identifier"), _need_name(root, "sender")
    sent = reception.read_time("sent", _parse_time("sent", _need(root, "sent", "")), received_at)
    blocks = [_read_info(info, f"info[{place}]", reception) for place, info in enumerate(root.all("info"))]
    return AlertIssued(
        source=source,
        id=f"{identifier} {sent:%Y-%m-%dT%H:%M:%SZ}",
        received_at=received_at,
        identifier=identifier,
        sent=sent,
        status=_choose(root, "status", get_args(AlertStatus)),
        kind=_choose(root, "msgType", get_args(AlertKind)),
        scope=_choose(root, "scope", get_args(AlertScope)),
        references=_read_references(root.say("references"), reception),
        note=root.say("note"),
        infos=_join_languages(blocks),
    )


def _read_references(text: str, reception: Reception) -> list[AlertReference]:
    """Return what `references` names: `sender,identifier,sent` with space between."""
    references = []
    for place, triple in enumerate(text.split()):
        field = f"references[{place}]"
        parts = triple.split(",")
        if len(parts) not in (2, 3) or not all(parts[:2]):
            raise FieldError(field, f"{triple[:200]!r} is not sender,identifier,sent")
        sent = _read_moment(field, parts[2], reception) if len(parts) == 3 and parts[2] else None
        references.append(AlertReference(parts[0], parts[1], sent))
    return references


def _read_info(info: Element, field: str, reception: Reception) -> AlertInfo:
    severity = _need(info, "severity", field)
    text = _read_text(info, field)
    codes, parameters = _read_pairs(info.all("eventCode")), _read_pairs(info.all("parameter"))
    level = read_level(severity, (text.event, text.headline), (*parameters, *codes))
    if level is None:
        raise FieldError(f"{field}.severity", f"{severity[:80]!r} is none of CAP's, and nothing else tells the level")
    effective, onset, expires = (
        _read_moment(f"{field}.{name}", moment, reception) if (moment := info.say(name)) else None
        for name in ("effective", "onset", "expires")
    )
    return AlertInfo(
        level=level,
        severity=severity,
        urgency=info.say("urgency") or "Unknown",
        certainty=info.say("certainty") or "Unknown",
        categories=[element.text for element in info.all("category")],
        responses=[element.text for element in info.all("responseType")],
        effective=effective,
        onset=onset,
        expires=expires,
        event_codes=codes,
        parameters=parameters,
        areas=[_read_area(area, f"{field}.area[{place}]") for place, area in enumerate(info.all("area"))],
        texts=[text],
    )


def _read_text(info: Element, field: str) -> AlertText:
    event, headline = _need(info, "event", field), info.say("headline")
    # The standard's default is en-US; a text that is plainly Chinese is believed rather than the default.
    language = info.say("language") or ("zh-CN" if _CHINESE.search(event + headline) else "en-US")
    return AlertText(
        language=language,
        event=event,
        headline=headline,
        description=info.say("description"),
        instruction=info.say("instruction"),
        area="、".join(filter(None, (area.say("areaDesc") for area in info.all("area")))),
        issuer=info.say("senderName"),
        contact=info.say("contact"),
        web=info.say("web"),
    )


def _read_area(area: Element, field: str) -> AlertArea:
    return AlertArea(
        polygons=[_read_ring(one.text, f"{field}.polygon[{place}]") for place, one in enumerate(area.all("polygon"))],
        circles=[_read_circle(one.text, f"{field}.circle[{place}]") for place, one in enumerate(area.all("circle"))],
        geocodes=_read_pairs(area.all("geocode")),
    )


def _read_ring(text: str, field: str) -> list[tuple[float, float]]:
    """Return a closed ring of (lon, lat); CAP writes "lat,lon lat,lon …"."""
    ring = [_read_point(pair, field) for pair in text.split()]
    if ring and ring[0] != ring[-1]:
        ring.append(ring[0])
    if len(set(ring)) < 3:
        raise FieldError(field, "a polygon needs at least three different points")
    return ring


def _read_circle(text: str, field: str) -> tuple[float, float, float]:
    """Return (lon, lat, radius in km); CAP writes "lat,lon radius"."""
    match text.split():
        case [point, radius]:
            radius_km = read_number(radius, field)
        case _:
            raise FieldError(field, f"{text[:80]!r} is not 'lat,lon radius'")
    if not 0 <= radius_km <= _EARTH_KM:
        raise FieldError(field, f"a radius of {radius_km:g} km")
    return (*_read_point(point, field), radius_km)


def _read_point(pair: str, field: str) -> tuple[float, float]:
    """Return (lon, lat) of CAP's "lat,lon"."""
    parts = pair.split(",")
    if len(parts) != 2:
        raise FieldError(field, f"{pair[:80]!r} is not 'lat,lon'")
    lat, lon = (read_number(part, field) for part in parts)
    if abs(lat) > 90:
        raise FieldError(field, f"latitude {lat:g} is beyond 90; CAP writes lat,lon")
    if abs(lon) > 180:
        raise FieldError(field, f"longitude {lon:g} is beyond 180")
    return lon, lat


def _read_moment(field: str, text: str, reception: Reception) -> datetime:
    """Return a moment in UTC that may lie ahead, as the end of an alert does."""
    moment = _parse_time(field, text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=reception.zone)
    if moment < EARLIEST:
        raise FieldError(field, f"{text} is before 1970")
    # "For ever" is written as the last day that a calendar has, where no other zone has a date any more.
    return min(moment, datetime(9999, 1, 1, tzinfo=UTC)).astimezone(UTC)


def _parse_time(field: str, text: str) -> datetime:
    if not _TIME.fullmatch(text):
        raise FieldError(field, f"{text[:80]!r} is no time like 2026-11-22T08:00:00+08:00")
    try:
        return datetime.fromisoformat(text).replace(microsecond=0)  # CAP's times have none, so references have none
    except ValueError as error:
        raise FieldError(field, f"{text!r}: {error}") from None


def _read_pairs(elements: Sequence[Element]) -> list[tuple[str, str]]:
    return [(element.say("valueName"), element.say("value")) for element in elements]


def _need(element: Element, name: str, field: str) -> str:
    text = element.say(name)
    if not text:
        raise FieldError(f"{field}.{name}".lstrip("."), "missing")
    return text


def _need_name(root: Element, name: str) -> str:
    text = _need(root, name, "")
    if len(text) > _LONGEST_NAME:
        raise FieldError(name, f"longer than {_LONGEST_NAME} characters")
    return text


def _choose(element: Element, name: str, known: Iterable[Word]) -> Word:
    """Return one of the words that an element may have, whatever their case."""
    text = _need(element, name, "")
    for word in known:
        if word.lower() == text.lower():
            return word
    raise FieldError(name, f"{text[:80]!r} is none of {', '.join(known)}")


def _join_languages(blocks: Sequence[AlertInfo]) -> list[AlertInfo]:
    """Return the blocks of an alert, those that say the same in other languages as one."""
    joined: dict[bytes, list[AlertInfo]] = {}
    for block in blocks:
        same = joined.setdefault(_identify(block), [])
        language = block.texts[0].language
        partner = next((one for one in same if all(text.language != language for text in one.texts)), None)
        if partner is None:
            same.append(block)
        else:
            partner.texts += block.texts
            partner.level = min(partner.level, block.level)
            partner.parameters += [pair for pair in block.parameters if pair not in partner.parameters]
    return [block for same in joined.values() for block in same]


def _identify(block: AlertInfo) -> bytes:
    """Return what two blocks have in common if only their words differ."""
    bare = msgspec.structs.replace(block, level=0, texts=[], parameters=[], event_codes=[])
    return msgspec.json.encode(bare)
