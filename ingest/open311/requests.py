"""Cases as GeoReport's requests, and their actions as updates, read from SQL."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, and_, func, select

from ingest.case_state import CLOSING, REOPENING, REPORT, Action, pick_effective
from ingest.reasons import Reason, read_reason
from ingest.records import EXERCISE, CaseReported
from ingest.store import Watermark, load_watermarks
from ingest.tables import as_ms, as_time, case_actions, case_deadlines, cases

DIGITS: Final = tuple("0123456789")
INTERNAL: Final = (
    *("note", "escalate", "delegate", "supervise", "lift_card", "grade", "join", "part_done", "undo"),
    *("begin_incident", "end_incident"),
)
"""What the office does among itself: no step of which a citizen is told."""

METRES_A_DEGREE: Final = 111_195.0  # of latitude, on a sphere of 6,371 km


class ServiceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A case as far as GeoReport tells of it.

    `changed_at` is when the newest of its actions was received; `closing_note` is what was said when it was closed,
    or why a rule closed it. `due_at` is until when an open one is to be ended, None where nobody has reckoned that.
    """

    case_id: str
    category: str
    title: str
    description: str | None
    lon: float | None
    lat: float | None
    cell_code: str | None
    media: list[str]
    reported_at: datetime
    changed_at: datetime
    last_action: str = REPORT
    last_unit: str | None = None
    closed_at: datetime | None = None
    due_at: datetime | None = None
    closing_note: str | Reason | None = None


class Update(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a case, its report aside; `closed` says how the case stood after it."""

    id: int
    case_id: str
    category: str
    action: str
    unit: str | None
    received_at: datetime
    closed: bool
    note: str | Reason | None


class Circle(NamedTuple):
    """The surroundings of a point, in degrees and metres."""

    lon: float
    lat: float
    radius_m: float


class RequestFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests to list; None leaves a question open. Both ends of every time belong to it.

    Disputes are found by their ids only.
    """

    case_ids: Sequence[str] | None = None
    categories: Sequence[str] | None = None
    is_open: bool | None = None
    reported_from: datetime | None = None
    reported_to: datetime | None = None
    changed_from: datetime | None = None
    changed_to: datetime | None = None
    near: Circle | None = None


_COLUMNS: Final = [
    *(cases.c[name] for name in ServiceRequest.__struct_fields__ if name not in ("due_at", "closing_note")),
    case_deadlines.c.due_at,
]
# A case may be closed a moment before its deadline is taken away.
_HAS_DEADLINE: Final = and_(case_deadlines.c.case_id == cases.c.case_id, cases.c.closed_at.is_(None))


def describe_report(record: CaseReported) -> ServiceRequest:
    """Return a report that is not in SQL yet as the request that it will be there."""
    return ServiceRequest(
        case_id=record.case_id,
        category=record.category,
        title=record.title,
        description=record.description,
        lon=record.lon,
        lat=record.lat,
        cell_code=record.cell_code,
        media=record.media,
        reported_at=record.reported_at,
        changed_at=record.received_at,
    )


def list_requests(engine: Engine, where: RequestFilter, limit: int, offset: int = 0) -> list[ServiceRequest]:
    """Return requests that pass a filter, the newest report first; the newest change where it asks for those."""
    with engine.connect() as connection:
        return _select_requests(connection, where, limit, offset)


def find_requests(engine: Engine, case_ids: Sequence[str]) -> tuple[list[ServiceRequest], dict[int, Watermark]]:
    """Return those of some cases that are recorded, and, of the same moment, how far each partition is."""
    with engine.connect() as connection:
        found = _select_requests(connection, RequestFilter(case_ids=case_ids), len(case_ids), 0)
        return found, load_watermarks(connection)


def list_updates(
    engine: Engine, case_ids: Sequence[str] | None, start: datetime, end: datetime, limit: int
) -> list[Update]:
    """Return the actions received from `start` to `end` on reported cases (on some of them only), in that order.

    What did not count (overtaken, taken back) and what is the office's own (`INTERNAL`) is left out.
    """
    action = case_actions.c
    wanted = (
        select(action.id, action.case_id)
        .join(cases, cases.c.case_id == action.case_id)
        .where(action.action.not_in((REPORT, *INTERNAL)), _condition(RequestFilter(case_ids=case_ids)))
        .where(action.received_at >= as_ms(start), action.received_at <= as_ms(end))
        .order_by(action.received_at, action.id)
        .limit(limit)
    )
    fields = [action[name.removesuffix("_json")].label(name) for name in Action._fields]
    with engine.connect() as connection:
        chosen = connection.execute(wanted).all()
        touched = {row.case_id for row in chosen}
        # All of these cases' actions: how a case stood after one depends on those before it.
        query = select(*fields, action.case_id, action.note, cases.c.category).join(
            cases, cases.c.case_id == action.case_id
        )
        query = query.where(action.case_id.in_(touched), action.action != REPORT)
        rows = connection.execute(query.order_by(action.case_id, action.at, action.id)).all()
    counted = _pick_counted(rows)
    updates = {row.id: _make_update(row, closed) for row, closed in _follow(row for row in rows if row.id in counted)}
    return [updates[row.id] for row in chosen if row.id in updates]


def _select_requests(connection: Connection, where: RequestFilter, limit: int, offset: int) -> list[ServiceRequest]:
    query = select(*_COLUMNS).outerjoin_from(cases, case_deadlines, _HAS_DEADLINE).where(_condition(where))
    asks_changes = where.changed_from is not None or where.changed_to is not None
    newest = cases.c.changed_at if asks_changes else cases.c.reported_at
    query = query.order_by(newest.desc(), cases.c.case_id).limit(limit).offset(offset)
    rows = connection.execute(query).all()
    notes = _find_closing_notes(connection, [row.case_id for row in rows if row.closed_at is not None])
    return [_make_request(row, notes) for row in rows]


def _find_closing_notes(connection: Connection, case_ids: Sequence[str]) -> dict[tuple[str, int], str | Reason]:
    if not case_ids:
        return {}
    action = case_actions.c
    query = select(action.case_id, action.at, action.note, action.details).where(
        action.case_id.in_(case_ids), action.action.in_(CLOSING)
    )
    return {
        (row.case_id, row.at): note for row in connection.execute(query) if (note := _read_note(row.note, row.details))
    }


def _read_note(note: str | None, details_json: str) -> str | Reason | None:
    return note or read_reason(msgspec.json.decode(details_json))


def _make_request(row: Any, notes: dict[tuple[str, int], str | Reason]) -> ServiceRequest:
    fields = dict(row._mapping)
    for name in ("reported_at", "changed_at", "closed_at", "due_at"):
        fields[name] = None if fields[name] is None else as_time(fields[name])
    fields["media"] = msgspec.json.decode(row.media)
    return ServiceRequest(**fields, closing_note=notes.get((row.case_id, row.closed_at)))


def _pick_counted(rows: Iterable[Any]) -> set[int]:
    """Return the ids of the actions that count, of the cases whose actions these are."""
    by_case: dict[str, list[Action]] = defaultdict(list)
    for row in rows:
        by_case[row.case_id].append(Action(*(getattr(row, name) for name in Action._fields)))
    return {deed.id for of_case in by_case.values() for deed in pick_effective(of_case).deeds}


def _follow(rows: Iterable[Any]) -> Iterable[tuple[Any, bool]]:
    """Yield each action, of one case after the other and in order, with whether the case was closed after it."""
    case_id, closed = None, False
    for row in rows:
        before = closed and row.case_id == case_id
        case_id, closed = row.case_id, row.action in CLOSING or (before and row.action not in REOPENING)
        yield row, closed


def _make_update(row: Any, closed: bool) -> Update:
    return Update(
        id=row.id,
        case_id=row.case_id,
        category=row.category,
        action=row.action,
        unit=row.unit,
        received_at=as_time(row.received_at),
        closed=closed,
        note=_read_note(row.note, row.details_json) if row.action in CLOSING else None,
    )


def _condition(where: RequestFilter) -> ColumnElement[bool]:
    case = cases.c
    conditions: list[ColumnElement[bool]] = [case.origin != EXERCISE]  # nothing of an exercise leaves the house
    if where.case_ids is None:
        # Whoever has the number of a dispute may ask after it; nobody finds disputes here (`services.is_private`).
        conditions.append(func.substr(case.category, 1, 1).in_(DIGITS))
    for column, choice in ((case.case_id, where.case_ids), (case.category, where.categories)):
        if choice is not None:
            conditions.append(column.in_(choice))
    if where.is_open is not None:
        conditions.append(case.closed_at.is_(None) if where.is_open else case.closed_at.is_not(None))
    for column, first, last in (
        (case.reported_at, where.reported_from, where.reported_to),
        (case.changed_at, where.changed_from, where.changed_to),
    ):
        if first is not None:
            conditions.append(column >= as_ms(first))
        if last is not None:
            conditions.append(column <= as_ms(last))
    if where.near is not None:
        conditions.append(_within(where.near))
    return and_(*conditions)


def _within(circle: Circle) -> ColumnElement[bool]:
    """Return the condition of a place in a circle, on a plane that touches the earth there."""
    north = (cases.c.lat - circle.lat) * METRES_A_DEGREE
    east = (cases.c.lon - circle.lon) * (METRES_A_DEGREE * math.cos(math.radians(circle.lat)))
    return north * north + east * east <= circle.radius_m**2
