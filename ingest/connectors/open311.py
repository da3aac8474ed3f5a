"""Open311 GeoReport v2: the form of one service request to a reported case."""

import re
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

import msgspec
import numpy

from geo.crs import to_wgs84
from geo.profile import Attribute
from ingest.connectors import Delivery, Parsed, Refusal
from ingest.open311.forms import KEY_FIELD, MULTIPART, URLENCODED, Form, drop_key, read_form
from ingest.open311.services import Service
from ingest.reception import FieldError, Reception, read_number
from ingest.records import CaseReported, Reporter

NAME: Final = "open311"
CONTENT_TYPES: Final = (URLENCODED, MULTIPART)
ALONE: Final = URLENCODED
SOURCE: Final = "open311"

LONGEST_DESCRIPTION: Final = 4_000  # the standard's limit
LONGEST_ATTRIBUTE: Final = {"text": LONGEST_DESCRIPTION}
LONGEST_URL: Final = 2_000
LONGEST_LINE: Final = 500
TITLE_WORDS: Final = 40  # characters of the description
MOST_MEDIA: Final = 50

_ATTRIBUTE: Final = re.compile(r"attribute\[([^\[\]]{1,100})\](?:\[\])?")
_CRS: Final = ("wgs84", "cgcs2000", "gcj02", "bd09")
_IDEOGRAPH: Final = re.compile(r"[㐀-鿿]")


def parse(delivery: Delivery, reception: Reception) -> Parsed:
    """Return the case that a form reports, or why it does not."""
    id = None
    try:
        form = read_form(delivery.body, delivery.content_type)
        id = _identify(form, delivery, reception)
        form.check()
        return Parsed([_read_report(form, id, delivery.received_at, reception)])
    except FieldError as error:
        body = drop_key(delivery.body)
        return Parsed([Refusal(reason=str(error), field=error.field, id=id, source=SOURCE, body=body, feed="cases")])


def _identify(form: Form, delivery: Delivery, reception: Reception) -> str:
    """Return the event's id: that of everything the form says, and of when.

    "When" is the `requested_datetime` in the form, or else the hour by the county's clock, or the day where there is
    an `Idempotency-Key`: so a form that is sent again within the hour is the same report, and tomorrow it is another.
    Never longer than the day, because that is in the case's id.
    """
    when = delivery.headers.get("idempotency-key", "")
    if not form.has("requested_datetime"):
        now = delivery.received_at.astimezone(reception.zone)
        when = f"{when} {now:%Y-%m-%d}" if when else f"{now:%Y-%m-%dT%H}"
    said = sorted(field for field in form.fields if field[0] != KEY_FIELD)
    return blake2b(msgspec.json.encode([when, said]), digest_size=16, key=reception.secret).hexdigest()


def _read_report(form: Form, id: str, received_at: datetime, reception: Reception) -> CaseReported:
    jurisdiction = form.find("jurisdiction_id")
    if jurisdiction not in (None, reception.county_code):
        raise FieldError("jurisdiction_id", f"this is {reception.county_code}, not {jurisdiction!r}")
    category = form.find("service_code")
    if category is None:
        raise FieldError("service_code", "required, but missing")
    if reception.categories and category not in reception.categories:
        raise FieldError("service_code", f"there is no service {category!r}")
    service = reception.services.get(category)
    form.find("account_id")  # it is said back
    description = form.find("description", LONGEST_DESCRIPTION)
    lon, lat = _read_place(form, reception)
    attributes = _read_attributes(form, service, reception)
    severity, people = _take_integer(attributes, "severity", 1, 4), _take_integer(attributes, "people", 0, 1_000_000)
    details = {"attributes": attributes, "address_string": form.find("address_string", LONGEST_LINE)}
    return CaseReported(
        source=SOURCE,
        id=id,
        received_at=received_at,
        lon=lon,
        lat=lat,
        case_id="",
        category=category,
        title=_make_title(service.category.zh if service else category, description),
        reported_at=_read_requested(form, received_at, reception),
        channel="app",
        description=description,
        severity=4 if severity is None else severity,
        people=people,
        reporter=_read_reporter(form),
        media=_read_media(form),
        details={name: value for name, value in details.items() if value},
    )


def _read_place(form: Form, reception: Reception) -> tuple[float, float]:
    lat, lon = _read_degrees(form, "lat", 90), _read_degrees(form, "long", 180)
    if lat is not None and lon is not None:
        crs = form.find("crs") or "wgs84"
        if crs not in _CRS:
            raise FieldError("crs", f"must be one of {', '.join(_CRS)}, not {crs!r}")
        xs, ys = to_wgs84(numpy.array([lon]), numpy.array([lat]), crs)
        return float(xs[0]), float(ys[0])
    if lat is not None or lon is not None:
        raise FieldError("long" if lon is None else "lat", "missing: lat and long go together")
    address_id = form.find("address_id")
    if address_id is None:
        raise FieldError(
            "lat", "required, and long with it, or a grid cell's code as address_id: no address is looked up"
        )
    point = reception.cell_points.get(address_id)
    if point is None:
        raise FieldError("address_id", f"the county has no grid cell {address_id!r}: give lat and long")
    return point


def _read_degrees(form: Form, name: str, most: int) -> float | None:
    text = form.find(name)
    if text is None:
        return None
    degrees = read_number(text, name)
    if abs(degrees) > most:
        raise FieldError(name, f"{degrees:g} is not between -{most} and {most}")
    return degrees


def _read_moment(text: str, field: str, reception: Reception) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FieldError(field, f"{text!r} is no date and time like 2026-11-22T08:00:00+08:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=reception.zone)


def _read_requested(form: Form, received_at: datetime, reception: Reception) -> datetime:
    text = form.find("requested_datetime")
    if text is None:
        return received_at
    return reception.settle_time("requested_datetime", _read_moment(text, "requested_datetime", reception), received_at)


def _read_attributes(form: Form, service: Service | None, reception: Reception) -> dict[str, Any]:
    """Return the attributes' values by code; what the service does not know is kept as it was said."""
    known = service.attributes if service else {}
    said: dict[str, list[str]] = {}
    for name, text in form.fields:
        found = _ATTRIBUTE.fullmatch(name)
        if found and text.strip():
            said.setdefault(found[1], []).append(text.strip())
    for code, attribute in known.items():
        if attribute.required and code not in said:
            raise FieldError(f"attribute[{code}]", f"required, but missing: {attribute.name.en}")
    return {code: _read_attribute(code, known.get(code), texts, reception) for code, texts in said.items()}


def _read_attribute(code: str, attribute: Attribute | None, texts: list[str], reception: Reception) -> Any:
    field = f"attribute[{code}]"
    datatype = attribute.datatype if attribute else "string"
    longest = LONGEST_ATTRIBUTE.get(datatype, LONGEST_LINE)
    for text in texts:
        if len(text) > longest:
            raise FieldError(field, f"{len(text)} characters are more than the {longest} it may have")
        if attribute and attribute.values and text not in attribute.values:
            raise FieldError(field, f"must be one of {', '.join(attribute.values)}, not {text!r}")
    if datatype == "multivaluelist":
        return texts
    if len(texts) > 1:
        raise FieldError(field, "takes one value")
    if datatype == "number":
        return read_number(texts[0], field)
    if datatype == "datetime":
        return _read_moment(texts[0], field, reception).isoformat()
    return texts[0]


def _take_integer(attributes: dict[str, Any], code: str, least: int, most: int) -> int | None:
    value = attributes.pop(code, None)
    if value is None:
        return None
    field = f"attribute[{code}]"
    number = value if isinstance(value, float) else read_number(value, field)
    if not number.is_integer() or not least <= number <= most:
        raise FieldError(field, f"must be a whole number from {least} to {most}, not {number:g}")
    return int(number)


def _make_title(name: str, description: str | None) -> str:
    words = " ".join((description or "").split())
    if not words:
        return name
    return f"{name}：{words if len(words) <= TITLE_WORDS else f'{words[:TITLE_WORDS]}…'}"


def _read_reporter(form: Form) -> Reporter | None:
    first, last = form.find("first_name") or "", form.find("last_name") or ""
    name = f"{last}{first}" if _IDEOGRAPH.search(first + last) else f"{first} {last}".strip()
    reporter = Reporter(name=name or None, phone=form.find("phone"), email=form.find("email"))
    return reporter if reporter.name or reporter.phone or reporter.email else None


def _read_media(form: Form) -> list[str]:
    media = form.find_all("media_url", LONGEST_URL)
    if len(media) > MOST_MEDIA:
        raise FieldError("media_url", f"{len(media)} are more than {MOST_MEDIA}")
    for address in media:
        # Nothing else may ever stand behind a link on a screen.
        if not address.startswith(("https://", "http://")):
            raise FieldError("media_url", "must begin with https:// or http://")
    return media
