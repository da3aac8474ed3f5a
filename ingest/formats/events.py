"""CloudEvents of the contract's types, as JSON, to records: what every door that carries CloudEvents shares."""

import re
from collections.abc import Sequence
from datetime import datetime
from itertools import repeat
from typing import Annotated, Any, Final, Literal, TypedDict

import msgspec
import numpy
from msgspec import Meta

from geo.crs import to_wgs84
from ingest.case_state import STEWARD, STEWARD_SOURCE
from ingest.connectors import Refusal
from ingest.formats.entities import guess_feed
from ingest.formats.envelope import unpack_data
from ingest.formats.exercises import BegunData, EndedData, read_beginning, read_end
from ingest.formats.rounds import CheckedData, read_check
from ingest.formats.shapes import read_familiar
from ingest.formats.shifts import (
    HandedOverData,
    PlannedData,
    TakenOverData,
    read_hand_over,
    read_plan,
    read_taking_over,
)
from ingest.formats.walls import OrderedData, read_order
from ingest.guard.weight import MOST_MARKS_IN_EVENT
from ingest.reception import LARGEST_EVENT_BYTES, FieldError, Reception, check_bytes, check_tree
from ingest.records import (
    EXERCISE,
    AlarmAcked,
    AlarmActed,
    AlarmAction,
    AlarmCleared,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    Channel,
    Origin,
    Placed,
    Reading,
    Reporter,
    WorkerLocated,
)

DECODE_AT_ONCE: Final = 100

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Line = Annotated[str, Meta(min_length=1, max_length=500)]
Text = Annotated[str, Meta(max_length=20_000)]
Severity = Annotated[int, Meta(ge=1, le=4)]
Longitude = Annotated[float, Meta(ge=-180, le=180)]
Latitude = Annotated[float, Meta(ge=-90, le=90)]
Crs = Literal["wgs84", "cgcs2000", "gcj02", "bd09"]


class _Envelope(msgspec.Struct, kw_only=True, tag_field="type"):
    specversion: Literal["1.0"]
    id: Identifier
    source: Identifier
    origin: Origin = "live"
    time: datetime | None = None
    data_base64: None = None  # by now it is in `data`


class _PlacedData(msgspec.Struct, kw_only=True):
    lon: Longitude | None = None
    lat: Latitude | None = None
    cell_code: str | None = None
    crs: Crs = "wgs84"


class _Report(_PlacedData, kw_only=True):
    category: Identifier
    title: Line
    reported_at: datetime
    channel: Channel
    case_id: Identifier | None = None
    description: Text | None = None
    severity: Severity = 4
    people: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    reporter: Reporter | None = None
    actor: Identifier | None = None
    media: Annotated[list[Annotated[str, Meta(max_length=2_000)]], Meta(max_length=50)] | None = None


class _Action(msgspec.Struct, kw_only=True):
    case_id: Identifier
    action: Identifier
    actor: Identifier
    at: datetime
    unit: Identifier | None = None
    note: Text | None = None


class _Whereabouts(_PlacedData, kw_only=True):
    worker_id: Identifier
    at: datetime
    on_duty: bool


class _Alarm(msgspec.Struct, kw_only=True):
    alarm_id: Identifier
    severity: Severity
    subject: Line
    at: datetime
    actor: Identifier | None = None
    note: Text | None = None


class _RaisedAlarm(_Alarm, kw_only=True):
    rule: Identifier | None = None
    thing: Identifier | None = None
    value: float | Annotated[str, Meta(max_length=200)] | None = None
    lon: Longitude | None = None
    lat: Latitude | None = None
    cell_code: str | None = None


class _AckedAlarm(_Alarm, kw_only=True):
    expects: int | None = None


class _AlarmDeed(msgspec.Struct, kw_only=True):
    alarm_id: Identifier
    action: AlarmAction
    actor: Identifier
    at: datetime
    note: Text | None = None
    expects: int | None = None
    details: dict[str, Any] = {}


class _CaseReportedEvent(_Envelope, kw_only=True, tag="case.reported"):
    data: _Report


class _CaseActedEvent(_Envelope, kw_only=True, tag="case.acted"):
    data: dict[str, Any]


class _ObservedEvent(_Envelope, kw_only=True, tag="iot.observed"):
    data: dict[str, Any]


class _LocatedEvent(_Envelope, kw_only=True, tag="worker.located"):
    data: _Whereabouts


class _AlarmRaisedEvent(_Envelope, kw_only=True, tag="alarm.raised"):
    data: _RaisedAlarm


class _AlarmAckedEvent(_Envelope, kw_only=True, tag="alarm.acked"):
    data: _AckedAlarm


class _AlarmClearedEvent(_Envelope, kw_only=True, tag="alarm.cleared"):
    data: _Alarm


class _AlarmActedEvent(_Envelope, kw_only=True, tag="alarm.acted"):
    data: _AlarmDeed


class _ShiftPlannedEvent(_Envelope, kw_only=True, tag="shift.planned"):
    data: PlannedData


class _ShiftHandedOverEvent(_Envelope, kw_only=True, tag="shift.handed_over"):
    data: HandedOverData


class _ShiftTakenOverEvent(_Envelope, kw_only=True, tag="shift.taken_over"):
    data: TakenOverData


class _TaskCheckedEvent(_Envelope, kw_only=True, tag="task.checked"):
    data: CheckedData


class _WallOrderedEvent(_Envelope, kw_only=True, tag="wall.ordered"):
    data: OrderedData


class _ExerciseBegunEvent(_Envelope, kw_only=True, tag="exercise.begun"):
    data: BegunData


class _ExerciseEndedEvent(_Envelope, kw_only=True, tag="exercise.ended"):
    data: EndedData


AnyEvent = (
    _CaseReportedEvent
    | _CaseActedEvent
    | _ObservedEvent
    | _LocatedEvent
    | _AlarmRaisedEvent
    | _AlarmAckedEvent
    | _AlarmClearedEvent
    | _AlarmActedEvent
    | _ShiftPlannedEvent
    | _ShiftHandedOverEvent
    | _ShiftTakenOverEvent
    | _TaskCheckedEvent
    | _WallOrderedEvent
    | _ExerciseBegunEvent
    | _ExerciseEndedEvent
)


class _Common(TypedDict):
    """What every record takes from its envelope."""

    source: str
    id: str
    received_at: datetime
    origin: Origin


_decoder = msgspec.json.Decoder(AnyEvent)
_feeds = {
    "case": "cases",
    "worker": "workers",
    "alarm": "alarms",
    "shift": "shifts",
    "task": "rounds",
    "wall": "walls",
    EXERCISE: EXERCISE,
}
_known_action_fields = frozenset(field.name for field in msgspec.structs.fields(_Action))

_AT = re.compile(r"^(?P<reason>.*?)(?: - at `\$\.?(?P<path>.*)`)?$", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(?P<name>.*)`")


def read_events(bodies: Sequence[bytes], reception: Reception, received_at: datetime) -> list[AnyRecord | Refusal]:
    """Return each event, one JSON object in each of `bodies`, as a record in WGS 84 or as a refusal, in order."""
    items: list[AnyRecord | Refusal] = []
    foreign: dict[str, list[Placed]] = {}
    for start in range(0, len(bodies), DECODE_AT_ONCE):
        piece = bodies[start : start + DECODE_AT_ONCE]
        for body, event in zip(piece, _decode_together(piece) or repeat(None), strict=False):
            try:
                record, crs = _read_event(event or _decode(unpack_data(body)), reception, received_at)
            except FieldError as error:
                items.append(refuse(body, error))
                continue
            items.append(record)
            if crs != "wgs84" and isinstance(record, Placed):
                foreign.setdefault(crs, []).append(record)
    for crs, records in foreign.items():
        _convert_places(records, crs)
    return items


def refuse(body: bytes, error: FieldError) -> Refusal:
    """Return the refusal of one event, with as much of its identity as can still be read."""
    try:
        # Of one that is too long nothing is read: it could take thirty times as much memory.
        event = msgspec.json.decode(body) if len(body) <= LARGEST_EVENT_BYTES else None
    except (ValueError, RecursionError):
        event = None
    said = event if isinstance(event, dict) else {}
    id, source = said.get("id"), said.get("source")
    return Refusal(
        reason=str(error),
        field=error.field,
        id=id if isinstance(id, str) else None,
        source=source if isinstance(source, str) else None,
        body=bytes(body),
        feed=_guess_feed(said.get("type"), said.get("data")),
    )


def _guess_feed(kind: object, data: object) -> str:
    """Return the feed that an event, good or bad, would have belonged to; empty where that cannot be told."""
    if kind == "iot.observed":
        return guess_feed(data)
    return _feeds.get(kind.partition(".")[0], "") if isinstance(kind, str) else ""


def _read_event(event: AnyEvent, reception: Reception, received_at: datetime) -> tuple[AnyRecord, str]:
    """Return a record and the coordinate system its place is still in."""
    if isinstance(event, _ObservedEvent):  # nearly all are, so they come first
        return _read_reading(event, reception, received_at)
    common: _Common = {
        "source": event.source,
        "id": event.id,
        "received_at": received_at,
        "origin": event.origin,
    }
    try:
        match event:
            case _CaseReportedEvent(data=data):
                return _read_report(data, common, reception), _crs_of(data)
            case _CaseActedEvent(data=data):
                return _read_action(data, common, reception), "wgs84"
            case _LocatedEvent(data=data):
                return _read_whereabouts(data, common, reception), _crs_of(data)
            case _AlarmRaisedEvent(data=data):
                fields = _read_alarm(data, common, reception)
                return AlarmRaised(**common, **fields | _read_place_of_alarm(data, reception)), "wgs84"
            case _AlarmAckedEvent(data=data):
                return AlarmAcked(**common, **_read_alarm(data, common, reception)), "wgs84"
            case _AlarmClearedEvent(data=data):
                return AlarmCleared(**common, **_read_alarm(data, common, reception)), "wgs84"
            case _AlarmActedEvent(data=data):
                check_tree(data.details)
                return AlarmActed(**common, **_read_alarm(data, common, reception)), "wgs84"
            case _ShiftPlannedEvent(data=data):
                return read_plan(data, common, reception), "wgs84"
            case _ShiftHandedOverEvent(data=data):
                return read_hand_over(data, common, reception), "wgs84"
            case _ShiftTakenOverEvent(data=data):
                return read_taking_over(data, common, reception), "wgs84"
            case _TaskCheckedEvent(data=data):
                return read_check(data, common, reception), "wgs84"
            case _WallOrderedEvent(data=data):
                return read_order(data, common, reception), "wgs84"
            case _ExerciseBegunEvent(data=data):
                return read_beginning(data, common, reception), "wgs84"
            case _ExerciseEndedEvent(data=data):
                return read_end(data, common, reception), "wgs84"
    except FieldError as error:
        raise _within_data(error) from None


def _within_data(error: FieldError) -> FieldError:
    return FieldError(f"data.{error.field}", error.reason)


def _decode_together(bodies: Sequence[bytes]) -> list[AnyEvent] | None:
    """Return the events of bodies that are all as they should be, in one go; None if each has to be looked at."""
    if max(map(len, bodies)) > MOST_MARKS_IN_EVENT:  # none shorter can have so many
        return None
    lines = b"\n".join(bodies)
    if b"\\" in lines and b"\\u0000" in lines:  # one byte is found much faster than six
        return None
    try:
        events: list[AnyEvent] = _decoder.decode_lines(lines)
    except (ValueError, RecursionError):
        return None
    return events if len(events) == len(bodies) else None


def _decode(body: bytes) -> AnyEvent:
    check_bytes(body)
    try:
        event: AnyEvent = _decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except (ValueError, RecursionError) as error:  # malformed JSON, bytes that are not UTF-8, endless nesting
        raise FieldError("event", f"not readable as JSON: {error}") from None
    return event


def _explain(message: str) -> FieldError:
    """Return msgspec's message with the field first: "data.lon: Expected `float`, got `str`"."""
    found = _AT.match(message)
    path, reason = (found["path"] or "", found["reason"]) if found else ("", message)
    missing = _MISSING.match(reason)
    if missing:
        return FieldError(f"{path}.{missing['name']}".lstrip("."), "required, but missing")
    if path == "type" and reason.startswith("Invalid value"):
        return FieldError("type", f"unknown event type{reason.removeprefix('Invalid value')}")
    return FieldError(path or "event", reason)


def _read_report(data: _Report, common: _Common, reception: Reception) -> CaseReported:
    if reception.categories and data.category not in reception.categories:
        raise FieldError("category", f"the county pack has no category {data.category!r}")
    lon, lat = reception.settle_place("", data.lon, data.lat, data.cell_code)
    return CaseReported(
        **common,
        lon=lon,
        lat=lat,
        case_id=data.case_id or "",
        category=data.category,
        title=data.title,
        reported_at=reception.settle_time("reported_at", data.reported_at, common["received_at"]),
        channel=data.channel,
        description=data.description,
        severity=data.severity,
        people=data.people,
        reporter=data.reporter,
        media=data.media or [],
        actor=data.actor,
    )


def _read_reading(event: _ObservedEvent, reception: Reception, received_at: datetime) -> tuple[Reading, str]:
    try:
        seen = read_familiar(event.data, reception, received_at, event.time)
    except FieldError as error:
        raise _within_data(error) from None
    reading = seen.as_reading(event.source, event.id, received_at, seen.point, event.origin)
    return reading, seen.crs


def _read_action(data: dict[str, Any], common: _Common, reception: Reception) -> CaseActed:
    check_tree(data)
    try:
        action = msgspec.convert(data, _Action)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    if action.action == "report":
        raise FieldError("action", "a report comes as case.reported")
    if action.actor == STEWARD and common["source"] != STEWARD_SOURCE:
        raise FieldError("actor", f"{STEWARD!r} is the county's own rules")
    return CaseActed(
        **common,
        case_id=action.case_id,
        action=action.action,
        actor=action.actor,
        at=reception.settle_time("at", action.at, common["received_at"]),
        unit=action.unit,
        note=action.note,
        details={name: value for name, value in data.items() if name not in _known_action_fields},
    )


def _read_whereabouts(data: _Whereabouts, common: _Common, reception: Reception) -> WorkerLocated:
    lon, lat = reception.settle_place("", data.lon, data.lat, data.cell_code)
    at = reception.settle_time("at", data.at, common["received_at"])
    worker_id = reception.present_ids.get(data.worker_id, data.worker_id)
    return WorkerLocated(**common, lon=lon, lat=lat, worker_id=worker_id, at=at, on_duty=data.on_duty)


def _read_alarm(data: _Alarm | _AlarmDeed, common: _Common, reception: Reception) -> dict[str, Any]:
    fields = msgspec.structs.asdict(data)
    fields["at"] = reception.settle_time("at", data.at, common["received_at"])
    return fields


def _read_place_of_alarm(data: _RaisedAlarm, reception: Reception) -> dict[str, float]:
    """Return where an alarm is; many are nowhere, such as a feed's silence."""
    if data.lon is None and data.lat is None and data.cell_code is None:
        return {}
    lon, lat = reception.settle_place("", data.lon, data.lat, data.cell_code)
    return {"lon": lon, "lat": lat}


def _crs_of(data: _PlacedData) -> str:
    # A place that came as a cell's code is ours already.
    return "wgs84" if data.lon is None else data.crs


def _convert_places(records: list[Placed], crs: str) -> None:
    lon = numpy.array([record.lon for record in records], dtype=float)
    lat = numpy.array([record.lat for record in records], dtype=float)
    lon, lat = to_wgs84(lon, lat, crs)
    for record, x, y in zip(records, lon.tolist(), lat.tolist(), strict=True):
        record.lon, record.lat = x, y
