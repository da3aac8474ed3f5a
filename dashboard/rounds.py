"""`/tasks` and `/care`: what a grid worker has to do and has done, coverage for the centres, and whom care is for.

Pages that are whole without Dash, for a phone and for a desk. A check-in is an event through ingest like everything.
"""

import asyncio
import json
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from msgspec import Meta
from shapely.geometry.base import BaseGeometry
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.rounds import (
    COVERED_DAYS,
    FEWEST,
    Coverage,
    Rounds,
    Task,
    Visit,
    cover,
    list_tasks,
    list_visits,
    read_rounds,
)
from dashboard.care import (
    CELL_DIGITS,
    Care,
    Clear,
    provide_demo_register,
    sees_persons,
    tell_counts,
)
from dashboard.field.asking import describe_body, read_struct, refuse
from dashboard.field.pages import read_files
from dashboard.field.report import tell_made_at
from dashboard.people.audit import open_audit
from dashboard.people.forms import has_token, name_address, read_form
from dashboard.people.permissions import may
from dashboard.people.sheets import Sheets
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.publishing import PublishAway, Publisher, PublishRefused
from dashboard.replies import JsonResponse
from dashboard.scope import describe_area
from dashboard.text import pick_section, text
from geo.county import County
from ingest.formats.rounds import NEAR_M, measure_distance_m
from ingest.rows.rounds import count_persons, find_person, read_checks, read_last_visits, read_persons
from ingest.sealing import find_keyring
from ingest.settings import Settings
from ingest.tables import as_ms

AHEAD_DAYS: Final = 7
"""So far ahead a visit is shown as a task."""
MOST_MISSES: Final = 100
MOST_PERSONS: Final = 200
WALKERS: Final = frozenset({"grid_worker", "village_centre", "town_centre"})
"""Who does rounds; the others see them."""

log = logging.getLogger(__name__)

_ORDER: Final = ("missed", "overdue", "open", "late", "done")


class NotTaken(ValueError):  # noqa: N818 - it says what happened
    """A check-in that cannot be taken: what of it, and why, a key of the catalogue's [rounds] that `values` fill in."""

    def __init__(self, field: str, reason: str, /, **values: str | int):
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
        self.values = values


class CheckIn(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A check-in as the page sends it; `made_at` and `sent_at` are by the phone's clock, which may be wrong.

    id: made by the phone, and the same however often it sends. worker: the account under which it was made. person: the
    code of whom a visit was paid to.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    made_at: datetime
    sent_at: datetime
    worker: Annotated[str, Meta(max_length=200)]
    plan: Annotated[str, Meta(max_length=40)]
    cell: Annotated[str, Meta(max_length=40)]
    person: Annotated[str, Meta(max_length=40)] = ""
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    note: Annotated[str, Meta(max_length=500)] = ""


@dataclass(frozen=True)
class Desk:
    """What the pages share; one a process. What reads blocks and may raise SQLAlchemy's errors."""

    county: County
    rounds: Rounds
    engine: Engine
    publisher: Publisher
    care: Care
    shapes: dict[str, BaseGeometry]
    workers: dict[str, str]

    def today(self) -> date:
        """Return the county's day."""
        return datetime.now(self.county.time_zone).date()

    def list_tasks(self, area: str) -> list[Task]:
        """Return the patrols' tasks of an area's cells in the turns whose coverage counts."""
        since = self.rounds.find_covered(self.today())
        patrols = self.rounds.patrols
        if not patrols:
            return []
        first = min(plan.find_turn(since) for plan in patrols)
        checks = read_checks(self.engine, datetime.combine(first, time(), self.county.time_zone), area, visits=False)
        codes = [code for code in self.shapes if code.startswith(area)]
        return list_tasks(self.rounds, codes, checks, since, self.today())

    def list_visits(self, area: str) -> list[tuple[Visit, Clear]]:
        """Return the next visit to each person of an area, who are masked; the longest overdue first."""
        persons = read_persons(self.engine, area)
        zone = self.county.time_zone
        last = {key: at.astimezone(zone).date() for key, at in read_last_visits(self.engine, area).items()}
        by_code = {person.person: person for person in persons}
        visits = list_visits(self.rounds, persons, last, self.today())[:MOST_PERSONS]
        return [(visit, self.care.mask(by_code[visit.person])) for visit in visits]

    def list_parts(self, area: str) -> list[str]:
        """Return the codes of what an area consists of: towns, villages or cells; a cell of itself."""
        if len(area) == CELL_DIGITS:
            return [area]
        areas = self.county.areas
        return [str(code) for code in areas.index[areas["parent"] == (area or self.county.code)]]

    def name(self, code: str, lang: str) -> str:
        """Return what a place is called."""
        return str(describe_area(self.county, code)["name"][lang])

    def find_area(self, viewer: Viewer, asked: str) -> str:
        """Return the area that a page is about; raises `HTTPException` 404 for what is not the viewer's to see."""
        area = asked or viewer.area
        if not area.startswith(viewer.area) or (area and area not in self.county.areas.index):
            raise HTTPException(404, "no such area, or not yours to see")
        return "" if area == self.county.code else area

    def read_check(self, viewer: Viewer, asked: CheckIn) -> dict[str, Any]:
        """Return the data of the `task.checked` that a check-in asks for; raises `NotTaken`."""
        plan, cell = self.rounds.plans.get(asked.plan), asked.cell
        if viewer.role not in WALKERS or not viewer.area:
            raise NotTaken("worker", "not_yours")
        if plan is None or cell not in self.shapes or not viewer.sees_cell(cell) or not plan.covers(cell):
            raise NotTaken("plan", "unknown_task")
        data: dict[str, Any] = {"plan": plan.key, "cell_code": cell, "worker": viewer.name}
        if plan.kind == "visit":
            person = find_person(self.engine, asked.person) if sees_persons(viewer) else None
            if person is None or person.cell_code != cell or person.care_group not in plan.groups:
                raise NotTaken("person", "unknown_task")
            data["person"] = person.person
        data |= self._read_place(asked, needed=plan.kind == "patrol")
        if note := asked.note.strip():
            data["note"] = note
        return data | {"at": tell_made_at(asked.made_at, asked.sent_at, datetime.now(UTC)).isoformat()}

    def _read_place(self, asked: CheckIn, needed: bool) -> dict[str, float]:
        """Return where somebody was. A visit may be indoors, without a place; who has one must have been near."""
        if asked.lon is None or asked.lat is None:
            if needed:
                raise NotTaken("lon", "place_needed")
            return {}
        distance_m = measure_distance_m((asked.lon, asked.lat), self.shapes[asked.cell])
        if distance_m > NEAR_M:
            raise NotTaken("lon", "too_far", metres=round(distance_m), most=round(NEAR_M))
        return {"lon": asked.lon, "lat": asked.lat}

    async def check_in(self, viewer: Viewer, asked: CheckIn) -> None:
        """Publish a check-in, once however often it comes; raises `NotTaken`, `PublishAway` or SQLAlchemy's errors."""
        data = await asyncio.to_thread(self.read_check, viewer, asked)
        try:
            await self.publisher.publish("task.checked", data, f"round-{viewer.name}-{asked.id}")
        except PublishRefused as error:
            raise NotTaken("plan", "refused", reason=str(error)) from None


def open_desk(settings: Settings, county: County, engine: Engine, publisher: Publisher) -> Desk:
    """Return the rounds of a county; raises `PackError` for what its `cases.toml` says wrongly of them."""
    cells = county.cells
    codes = [str(code) for code in cells.index]
    named = cells["responsible"].tolist() if "responsible" in cells else []
    return Desk(
        county=county,
        rounds=read_rounds(county),
        engine=engine,
        publisher=publisher,
        care=Care(engine, open_audit(settings), find_keyring(settings)),
        shapes=dict(zip(codes, cells.geometry, strict=True)),
        workers={code: name for code, name in zip(codes, named, strict=False) if isinstance(name, str)},
    )


def make_rounds_router(settings: Settings, desk: Desk, sheets: Sheets) -> APIRouter:
    """Return the pages; the lifespan gives the demo its invented register, and closes the audit log."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        # Beside the start: a database that is away must not hold the screens up.
        filling = asyncio.create_task(asyncio.to_thread(_fill_demo, settings, desk))
        yield
        await filling
        await asyncio.to_thread(desk.care.audit.close)

    router = APIRouter(lifespan=lifespan)
    _add_tasks(router, desk, sheets)
    _add_care(router, desk, sheets)
    return router


def _fill_demo(settings: Settings, desk: Desk) -> None:
    if not (desk.county.fictional and settings.simulator):  # only where nobody is real, and the rest is invented too
        return
    try:
        provide_demo_register(settings, desk.county, desk.rounds)
    except SQLAlchemyError as error:
        log.warning("the demo's register of care is not filled: %s", type(error).__name__)


def _add_tasks(router: APIRouter, desk: Desk, sheets: Sheets) -> None:
    @router.get("/tasks", include_in_schema=False)
    async def show_tasks(request: Request, area: str = "") -> Response:
        if not may(get_viewer(), "patrols"):
            return sheets.say(request, "forbidden", 403)
        return await _show(request, sheets, desk, "tasks", area)

    @router.post(
        "/api/tasks/checks",
        openapi_extra={"requestBody": describe_body(CheckIn)},
        response_class=Response,
        summary="Check in on a patrol or a visit",
    )
    async def check_in(request: Request) -> Response:
        asked, viewer = await read_struct(request, CheckIn), get_viewer()
        if asked.worker != viewer.name:
            return refuse(401, "worker", "sign_in_again")
        try:
            await desk.check_in(viewer, asked)
        except NotTaken as fault:
            return JsonResponse({"field": fault.field, "reason": fault.reason, "values": fault.values}, 422)
        except (PublishAway, SQLAlchemyError):
            return refuse(503, "plan", "away")
        return JsonResponse({"taken_at": as_ms(datetime.now(UTC))}, 202)


def _add_care(router: APIRouter, desk: Desk, sheets: Sheets) -> None:
    @router.get("/care", include_in_schema=False)
    async def show_care(request: Request, area: str = "") -> Response:
        if not may(get_viewer(), "duty"):
            return sheets.say(request, "forbidden", 403)
        return await _show(request, sheets, desk, "care", area)

    @router.post("/care/unmask", include_in_schema=False)
    async def unmask(request: Request) -> Response:
        form = await read_form(request)
        if not has_token(request, form):
            return sheets.say(request, "token_wrong", 403)
        viewer, reason, area = get_viewer(), form.get("reason", "").strip()[:300], form.get("area", "")
        if len(reason) < 2:
            notice = _say(sheets, request, "reason_needed")
            return await _show(request, sheets, desk, "care", area, status=422, notice=notice)
        try:
            clear = await desk.care.unmask(viewer, form.get("person", ""), reason, name_address(request))
        except HTTPException as refusal:
            notice = _say(sheets, request, f"unmask_{refusal.detail}")
            return await _show(request, sheets, desk, "care", area, status=refusal.status_code, notice=notice)
        except SQLAlchemyError:
            return sheets.say(request, "away", 503)
        return await _show(request, sheets, desk, "care", area, clear=clear)


async def _show(
    request: Request, sheets: Sheets, desk: Desk, page: str, asked: str, status: int = 200, **values: Any
) -> Response:
    """Return a page about an area, or about the viewer's where none is asked for."""
    viewer, lang = get_viewer(), sheets.choose_lang(request)
    area = desk.find_area(viewer, asked)
    describe: Callable[[Desk, Viewer, str, str], dict[str, Any]] = (
        _describe_tasks if page == "tasks" else _describe_care
    )
    try:
        told = await asyncio.to_thread(describe, desk, viewer, area, lang)
    except SQLAlchemyError:
        return sheets.say(request, "away", 503)
    other = "zh" if lang == "en" else "en"
    above = area[:-3] if len(area) > 9 else ""
    common = {
        "area": area,
        "place": desk.name(area, lang),
        "heading": text(lang, f"common.page_{page}"),
        "other_address": f"/{page}?lang={other}&area={area}",
        # Towns have nine digits; what is above one is the county.
        "above": None if area == viewer.area or not area else above,
        "clear": None,
    }
    return sheets.show(request, page, status, **common | told | values)


def _say(sheets: Sheets, request: Request, key: str, **values: object) -> str:
    return text(sheets.choose_lang(request), f"rounds.{key}", **values)


def _describe_tasks(desk: Desk, viewer: Viewer, area: str, lang: str) -> dict[str, Any]:
    """Return what `/tasks` tells of an area: of a cell what is to be done there, of more the coverage of its parts."""
    tasks, today = desk.list_tasks(area), desk.today()
    parts = desk.list_parts(area)
    digits = len(parts[0]) if parts else CELL_DIGITS
    by_part: defaultdict[str, list[Task]] = defaultdict(list)
    for task in tasks:
        by_part[task.cell_code[:digits]].append(task)
    names = {plan.key: plan.name.en if lang == "en" else plan.name.zh for plan in desk.rounds.plans.values()}
    missed = sorted((task for task in tasks if task.state in ("missed", "overdue")), key=lambda task: task.due)[::-1]
    is_cell = len(area) == CELL_DIGITS
    return {
        "days": COVERED_DAYS,
        "is_cell": is_cell,
        "plans": [(plan.key, names[plan.key]) for plan in desk.rounds.patrols],
        "total": _describe_coverage(cover(tasks, today)),
        "rows": [] if is_cell else [_describe_part(desk, part, by_part[part], lang) for part in parts],
        "missed": len(missed),
        "misses": [_describe_task(desk, task, names, lang) for task in missed[:MOST_MISSES]],
        "todo": _describe_todo(desk, viewer, area, tasks, names, lang) if is_cell else [],
        "walks": viewer.role in WALKERS and bool(viewer.area),
        "simulated": any(task.check is not None and task.check.origin == "simulated" for task in tasks),
        "version": read_files().version,
        "config": json.dumps(
            {"version": read_files().version, "worker": viewer.name, "made_at": as_ms(datetime.now(UTC))}
        ),
        "texts": json.dumps(pick_section(lang, "rounds"), ensure_ascii=False),
    }


def _describe_coverage(coverage: Coverage) -> dict[str, Any]:
    share = coverage.share
    told = "–" if share is None else f"{100 * share:.1f} %"
    return {"due": coverage.due, "done": coverage.done, "late": coverage.late, "share": told}


def _describe_part(desk: Desk, part: str, tasks: list[Task], lang: str) -> dict[str, Any]:
    today = desk.today()
    by_plan = {plan.key: cover((task for task in tasks if task.plan is plan), today) for plan in desk.rounds.patrols}
    return {
        "code": part,
        "name": desk.name(part, lang),
        "worker": desk.workers.get(part, ""),
        "plans": {key: _describe_coverage(coverage) for key, coverage in by_plan.items()},
        "open": sum(task.state == "open" for task in tasks),
        "overdue": sum(task.state == "overdue" for task in tasks),
        "missed": sum(task.state == "missed" for task in tasks),
        **_describe_coverage(cover(tasks, today)),
    }


def _describe_task(desk: Desk, task: Task, names: dict[str, str], lang: str) -> dict[str, Any]:
    check = task.check
    return {
        "plan": task.plan.key,
        "name": names[task.plan.key],
        "cell": task.cell_code,
        "place": desk.name(task.cell_code, lang),
        "worker": check.worker if check else desk.workers.get(task.cell_code, ""),
        "due": task.due.isoformat(),
        "state": task.state,
        "at": check and f"{check.at.astimezone(desk.county.time_zone):%m-%d %H:%M}",
        "located": check is None or check.located,
        "person": "",
        "whom": "",
    }


def _describe_todo(
    desk: Desk, viewer: Viewer, cell: str, tasks: list[Task], names: dict[str, str], lang: str
) -> list[dict[str, Any]]:
    """Return a cell's tasks of all plans in one list: what is owed first, then what is due, then what is done."""
    today = desk.today()
    current = [task for task in tasks if task.due >= today or task.state == "overdue"]
    told = [_describe_task(desk, task, names, lang) for task in current]
    if sees_persons(viewer):
        told += [
            _describe_visit(desk, visit, clear, names, lang)
            for visit, clear in desk.list_visits(cell)
            if visit.due is None or visit.due <= today + timedelta(days=AHEAD_DAYS)
        ]
    return sorted(told, key=lambda one: (_ORDER.index(one["state"]), one["due"]))


def _describe_visit(desk: Desk, visit: Visit, clear: Clear, names: dict[str, str], lang: str) -> dict[str, Any]:
    return {
        "plan": visit.plan.key,
        "name": names[visit.plan.key],
        "cell": visit.cell_code,
        "place": desk.name(visit.cell_code, lang),
        "worker": desk.workers.get(visit.cell_code, ""),
        "due": visit.due.isoformat() if visit.due else "",
        "state": visit.state,
        "at": visit.last and visit.last.isoformat(),
        "located": True,
        "person": visit.person,
        "whom": text(lang, "rounds.damaged") if clear.damaged else f"{clear.name} {clear.phone}".strip(),
    }


def _describe_care(desk: Desk, viewer: Viewer, area: str, lang: str) -> dict[str, Any]:
    """Return what `/care` tells of an area: how many of each group, and to who visits them their persons, masked."""
    exactly = sees_persons(viewer)
    groups = {key: name.en if lang == "en" else name.zh for key, name in desk.rounds.groups.items()}
    parts = desk.list_parts(area)
    counts = tell_counts(count_persons(desk.engine, area), parts, groups, exactly)
    names = {plan.key: plan.name.en if lang == "en" else plan.name.zh for plan in desk.rounds.plans.values()}
    visits = desk.list_visits(area) if exactly else []
    return {
        "groups": groups,
        "fewest": FEWEST,
        "exactly": exactly,
        "is_cell": len(area) == CELL_DIGITS,
        "rows": [{"code": part, "name": desk.name(part, lang), "counts": counts[part]} for part in parts],
        "persons": [_describe_visit(desk, visit, clear, names, lang) for visit, clear in visits],
        "most": MOST_PERSONS,
        "simulated": _is_simulated(read_persons(desk.engine, area)) if exactly else False,
    }


def _is_simulated(persons: Iterable[Any]) -> bool:
    return any(person.origin == "simulated" for person in persons)
