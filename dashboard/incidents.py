"""`/api/incidents`: one incident as of any moment, told from what SQL has: a replay shows what was known then."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, Final

from fastapi import APIRouter, HTTPException, Query, Response
from sqlalchemy import Engine

from brain.alarm_book import AlarmBook, Entry
from brain.alarm_book import read_step as read_alarm_step
from brain.incidents import ORDER, Facts, Heard, Line, see
from cases.fold import CaseState, Step, read_step
from cases.requests import Asker, list_legal
from cases.rulebook import Rulebook
from dashboard.case_history import key_of
from dashboard.casefile import find_cell
from dashboard.incident_picture import Near, describe_line, describe_picture, find_alarms_near
from dashboard.live import Hub
from dashboard.nearby import find_forces
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.replies import JsonResponse, shield
from dashboard.scope import ask_in_scope, sees_file
from geo.county import County
from ingest.answers import CaseFile
from ingest.case_state import REPORT
from ingest.exercises import is_exercise
from ingest.history import read_case
from ingest.masking import mask_text
from ingest.records import WallOrdered
from ingest.rows.alarms import AlarmStep, read_alarms_between
from ingest.rows.walls import read_orders_of_case
from ingest.tables import as_ms, as_time
from layers.state import LiveState

ACTIONS: Final = ("begin_incident", "end_incident", "note")
"""What the incident's page offers; all else is done on the desk."""


@dataclass(frozen=True)
class Recorded:
    """What SQL has of an incident. first_ms, last_ms: when it was first known of, and when of its end, if it ended."""

    file: CaseFile
    state: CaseState
    deeds: tuple[Heard, ...]
    alarms: Mapping[str, tuple[Heard, ...]]
    entries: Mapping[str, Entry]
    orders: tuple[Heard, ...]
    first_ms: int
    last_ms: int | None


class IncidentFiles:
    """Tells people of incidents; one a process."""

    def __init__(self, hub: Hub, county: County, engine: Engine, rulebook: Rulebook) -> None:
        self._hub, self._county, self._engine, self._rulebook = hub, county, engine, rulebook

    async def tell(self, viewer: Viewer, case_id: str, at: int | None) -> dict[str, Any] | None:
        """Return an incident as of a second, by default as of now or its end; None where the viewer may see none.

        Raises `HTTPException` 422 for a moment before it began.
        """
        now_ms = as_ms(datetime.now(UTC))
        recorded = await shield(asyncio.to_thread(self._read, viewer, case_id, now_ms))
        if recorded is None:
            return None
        file, case = recorded.file, recorded.file.case
        last_ms = recorded.last_ms or now_ms
        at_ms = last_ms if at is None else min(at * 1000 + 999, last_ms)
        if at_ms < recorded.first_ms:
            raise HTTPException(422, f"at: the incident began at {recorded.first_ms // 1000}")
        is_now = recorded.last_ms is None and at_ms >= now_ms

        def look(live: LiveState) -> tuple[dict[str, Near], dict[str, Any] | None]:
            near = find_alarms_near(live, recorded.entries.values(), case.lon, case.lat)
            return near, find_forces(live, case.lon, case.lat) if is_now else None

        near, forces = await ask_in_scope(self._hub, look)
        facts = Facts(
            category=case.category,
            severity=case.severity,
            reported_ms=as_ms(case.reported_at),
            deeds=recorded.deeds,
            alarms={id: heard for id, heard in recorded.alarms.items() if id in near},
            orders=recorded.orders,
        )
        picture = see(self._rulebook, facts.until(at_ms))
        notes = {key_of(row): mask_text(row.note) for row in file.actions}
        return {
            **self._describe_case(file),
            **describe_picture(picture, near),
            "as_of": at_ms // 1000,
            "first_at": recorded.first_ms // 1000,
            "last_at": None if recorded.last_ms is None else recorded.last_ms // 1000,
            "reason": notes.get(picture.begun.key) if picture.begun else None,
            "conclusion": notes.get(picture.ended.key) if picture.ended else None,
            # Where workers were is not recorded: of an earlier moment only what was noted at the beginning is known.
            "forces": forces or _recall_forces(picture.begun, viewer),
            "forces_at": None if forces or picture.begun is None else picture.begun.at_ms // 1000,
            "log": [
                *_tell_reports(file, at_ms),
                *({**describe_line(line, near), "note": _find_note(line, notes)} for line in picture.lines),
            ],
            "version": recorded.state.version,
            "actions": self._list_offers(viewer, recorded),
        }

    def _read(self, viewer: Viewer, case_id: str, now_ms: int) -> Recorded | None:
        file = read_case(self._engine, case_id)
        if file is None or not sees_file(viewer, file, self._rulebook):
            return None
        deeds = tuple(Heard(read_step(row), as_ms(row.received_at)) for row in file.actions if row.action != REPORT)
        case = file.case
        picture = see(self._rulebook, Facts(case.category, case.severity, as_ms(case.reported_at), deeds))
        if picture.begun is None:
            return None
        begun_ms = picture.state.incidents[0][0]
        heard_ms = {heard.step.key: heard.received_ms for heard in deeds}
        first_ms = min(heard.received_ms for heard in deeds if heard.step.at_ms == begun_ms)
        last_ms = heard_ms[picture.ended.key] if picture.ended else None
        until = as_time(last_ms or now_ms)
        alarms = _group(read_alarms_between(self._engine, as_time(first_ms), until))
        orders = read_orders_of_case(self._engine, case_id, as_time(first_ms))
        return Recorded(
            file=file,
            state=picture.state,
            deeds=deeds,
            alarms=alarms,
            entries={id: _make_entry(id, heard) for id, heard in alarms.items()},
            orders=tuple(_hear_order(number, order) for number, order in enumerate(orders)),
            first_ms=first_ms,
            last_ms=last_ms,
        )

    def _describe_case(self, file: CaseFile) -> dict[str, Any]:
        case = file.case
        return {
            "case_id": case.case_id,
            "exercise": is_exercise(case.case_id),
            "category": case.category,
            "severity": case.severity,
            "title": mask_text(case.title),
            "cell": find_cell(self._county, case.cell_code),
            "lon": case.lon,
            "lat": case.lat,
            "reported_at": as_ms(case.reported_at) // 1000,
            "origin": case.origin,
        }

    def _list_offers(self, viewer: Viewer, recorded: Recorded) -> list[str]:
        flow = self._rulebook.flow_of(recorded.file.case.category)
        legal = list_legal(flow, recorded.state, Asker(viewer.name, viewer.role, viewer.unit))
        return [action.key for action in legal if action.key in ACTIONS]


def make_incidents_router(files: IncidentFiles) -> APIRouter:
    """Return `GET /api/incidents/{case_id}`."""
    router = APIRouter(prefix="/api/incidents")

    @router.get("/{case_id}", response_class=Response, summary="An incident as of a moment, with its running log")
    async def read_incident(case_id: str, at: Annotated[int | None, Query(ge=0)] = None) -> Response:
        told = await files.tell(get_viewer(), case_id, at)
        if told is None:
            raise HTTPException(404, "no such case has been in incident mode")
        return JsonResponse(told)

    return router


def _group(rows: Iterable[AlarmStep]) -> dict[str, tuple[Heard, ...]]:
    """Return the actions of alarms by the alarm's id."""
    by_alarm = sorted(rows, key=attrgetter("alarm_id", "order"))
    return {
        alarm_id: tuple(Heard(read_alarm_step(row), as_ms(row.received_at)) for row in group)
        for alarm_id, group in groupby(by_alarm, key=attrgetter("alarm_id"))
    }


def _make_entry(alarm_id: str, known: Iterable[Heard]) -> Entry:
    """Return what an alarm is about, which names it and says where it is."""
    book = AlarmBook()
    for heard in known:
        book.put(alarm_id, heard.step)
    return book.entries[alarm_id]


def _hear_order(number: int, order: WallOrdered) -> Heard:
    details = {"role": order.role}
    step = Step(as_ms(order.at), number, ORDER, order.wall, order.actor, details, f"{order.source} {order.id}")
    return Heard(step, as_ms(order.received_at))


def _recall_forces(begun: Step | None, viewer: Viewer) -> dict[str, list[Any]]:
    """Return the forces of a viewer's area that were near when the incident began, as our desk noted then."""
    noted = begun.details.get("forces", {}) if begun else {}
    return {
        kind: [one for one in noted.get(kind, ()) if viewer.sees_cell(one["cell"])] for kind in ("workers", "cameras")
    }


def _tell_reports(file: CaseFile, at_ms: int) -> list[dict[str, Any]]:
    return [
        {"key": key_of(row), "at": as_ms(row.at) // 1000, "about": "case", "action": REPORT, "role": None, "unit": None}
        for row in file.actions
        if row.action == REPORT and as_ms(row.received_at) <= at_ms
    ]


def _find_note(line: Line, notes: Mapping[str, str | None]) -> str | None:
    return notes.get(line.step.key) if line.step is not None and line.about == "case" else None
