"""Acting on cases: a person's request is checked, published through ingest, and answered when the streams have it.

`expects` is the version of the case that the person saw. Where somebody was faster, the answer is 409 with what
changed; nothing is overwritten. The check here spares a useless event; what decides is the fold, by the order of
the stream, and it is asked again before the answer.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Response
from fastapi import Request as HttpRequest
from sqlalchemy import Engine

from cases.flow import Flow
from cases.fold import CaseState, Step, fold, read_step
from cases.merging import Entry, MergeFault, check_merge
from cases.requests import Asker, BadField, NotLegal, Request, check_request, complete_details, may_undo
from cases.rulebook import Rulebook
from dashboard.case_standing import as_row
from dashboard.live import Hub
from dashboard.nearby import find_forces
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.publishing import SOURCE, Publisher, PublishRefused, make_event_id
from dashboard.replies import JsonResponse, read_body, shield
from dashboard.scope import sees_case
from geo.county import County
from ingest.answers import Case as CaseRow
from ingest.case_state import REPORT, UNDO, make_action_key
from ingest.history import read_case
from ingest.tables import as_ms
from layers.places import feature_id
from layers.state import LiveState

SEEN_WITHIN_S: Final = 3.0
LOOK_EVERY_S: Final = 0.03
MOST_AT_ONCE: Final = 200
MERGE_FAULTS: Final[Mapping[MergeFault, str]] = {
    "unknown": "there is no case {into}",
    "itself": "a case cannot be merged into itself",
    "from_ended": "the case has ended",
    "exercise": "an exercise and what is real cannot be one",
    "into_merged": "{into} is itself merged into another",
    "into_ended": "{into} has ended",
    "flow": "{into} takes another flow",
    "area": "{into} lies outside your area",
}


class Deed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of a request; `id` is one of the browser's own, so that one that is sent again is done once."""

    action: str
    expects: int
    unit: str | None = None
    note: str | None = None
    details: dict[str, Any] = {}
    id: str | None = None


class Target(msgspec.Struct, kw_only=True):
    """One case of a bulk request, as the person saw it."""

    case_id: str
    expects: int


class BulkDeed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The same deed to several cases."""

    cases: Annotated[list[Target], msgspec.Meta(min_length=1, max_length=MOST_AT_ONCE)]
    action: str
    unit: str | None = None
    note: str | None = None
    details: dict[str, Any] = {}


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a request: `applied`, `overtaken`, `pending` (accepted, not seen yet) or `refused`.

    version and state are the case's now; changed_* say who did what when somebody was faster; field and reason say
    what is wrong with a refused one.
    """

    case_id: str
    result: str
    status: int = 200
    version: int = 0
    state: str = ""
    changed_by: str | None = None
    changed_role: str | None = None
    changed_action: str | None = None
    changed_at: int | None = None
    field: str | None = None
    reason: str | None = None


class Found(msgspec.Struct):
    """A case as an action needs it."""

    case: CaseRow
    flow: Flow
    state: CaseState
    steps: dict[str, Step]


class Actor:
    """Does what people ask for; one a process."""

    def __init__(self, hub: Hub, engine: Engine, county: County, rulebook: Rulebook, publisher: Publisher):
        self._hub = hub
        self._engine = engine
        self._units = frozenset(county.units)
        self._rulebook = rulebook
        self._publisher = publisher

    async def act(self, viewer: Viewer, case_id: str, deed: Deed) -> Outcome:
        """Return what became of a request; raises `HTTPException` only where a part is away."""
        found = await self._find(case_id)
        if found is None or not _sees(viewer, found):
            return Outcome(case_id=case_id, result="refused", status=404, reason="no such case")
        key = make_action_key(SOURCE, deed.id or "")
        if key in found.steps:  # sent again because its answer was lost
            return _tell(case_id, found, key)
        if deed.expects != found.state.version:
            return _tell_overtaken(case_id, found)
        try:
            id = await self._publish(viewer, case_id, deed, await self._check(viewer, case_id, deed, found))
        except BadField as error:
            return Outcome(case_id=case_id, result="refused", status=422, field=error.name, reason=error.reason)
        except NotLegal as error:
            return Outcome(case_id=case_id, result="refused", status=403, reason=str(error))
        except PublishRefused as error:
            return Outcome(case_id=case_id, result="refused", status=422, reason=str(error))
        return await self._wait(case_id, make_action_key(SOURCE, id))

    async def _check(self, viewer: Viewer, case_id: str, deed: Deed, found: Found) -> dict[str, Any]:
        """Return the details that go with a request; raises `BadField` or `NotLegal`."""
        asker = Asker(viewer.name, viewer.role, viewer.unit)
        if deed.action == UNDO:
            return {"undoes": _check_undo(found, asker)}
        request = Request(deed.action, deed.unit, deed.note, deed.details)
        check_request(found.flow, found.state, request, asker, self._units)
        proposal = self._rulebook.propose(found.case, found.state, found.steps.values(), as_ms(datetime.now(UTC)))
        details = complete_details(request, found.flow, found.state, proposal)
        if "into" in details:
            await self._check_target(viewer, case_id, found, details["into"])
        if found.flow.actions[deed.action].effect == "begin_incident":
            # Where workers are is not recorded: a replay knows of those that were near by this alone.
            details["forces"] = await self._hub.ask(partial(find_forces, lon=found.case.lon, lat=found.case.lat))
        return details

    async def _check_target(self, viewer: Viewer, case_id: str, case: Found, into: str) -> None:
        """Raise `BadField` unless a case can be merged into another."""
        target = await self._find(into)
        found = {case_id: case} | ({into: target} if target and _sees(viewer, target) else {})
        fault = check_merge({id: _make_entry(one) for id, one in found.items()}, case_id, into, viewer.area)
        if fault is not None:
            raise BadField("into", MERGE_FAULTS[fault].format(into=into))

    async def _publish(self, viewer: Viewer, case_id: str, deed: Deed, details: dict[str, Any]) -> str:
        data: dict[str, Any] = {
            **details,
            "case_id": case_id,
            "action": deed.action,
            "actor": viewer.name,
            "role": viewer.role,
            "at": datetime.now(UTC).isoformat(),
            "expects": deed.expects,
        }
        said = (("unit", deed.unit), ("note", deed.note), ("by_unit", viewer.unit))
        data |= {name: words for name, words in said if words}
        return await self._publisher.publish("case.acted", data, deed.id or make_event_id())

    async def _find(self, case_id: str) -> Found | None:
        """Return a case from the live state, or from SQL where it has left that."""
        found = await self._hub.ask(find_live(case_id))
        if found is None:
            found = await asyncio.to_thread(self._read, case_id)
        return found

    def _read(self, case_id: str) -> Found | None:
        file = read_case(self._engine, case_id)
        if file is None:
            return None
        flow = self._rulebook.flow_of(file.case.category)
        steps = [read_step(row) for row in file.actions if row.action != REPORT]
        return Found(file.case, flow, fold(flow, steps), {step.key: step for step in steps})

    async def _wait(self, case_id: str, key: str) -> Outcome:
        """Return what became of an action that ingest has accepted, as soon as it comes by."""
        deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            found = await self._find(case_id)
            if found is not None and key in found.steps:
                return _tell(case_id, found, key)
            await asyncio.sleep(LOOK_EVERY_S)
        return Outcome(case_id=case_id, result="pending", status=202)


def make_acting_router(actor: Actor, publisher: Publisher) -> APIRouter:
    """Return `POST /api/cases/{case_id}/actions` and `POST /api/actions`; the publisher is closed at the end."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await publisher.close()

    router = APIRouter(lifespan=lifespan)

    @router.post("/api/cases/{case_id}/actions", response_class=Response, summary="Act on a case")
    async def act(case_id: str, sent: HttpRequest) -> Response:
        deed = read_body(await sent.body(), Deed)
        outcome = await shield(actor.act(get_viewer(), case_id, deed))
        return JsonResponse(outcome, outcome.status)

    @router.post("/api/actions", response_class=Response, summary="Act on several cases at once")
    async def act_on_all(sent: HttpRequest) -> Response:
        bulk = read_body(await sent.body(), BulkDeed)
        viewer = get_viewer()
        same: dict[str, Any] = {"action": bulk.action, "unit": bulk.unit, "note": bulk.note, "details": bulk.details}
        deeds = [(one.case_id, Deed(expects=one.expects, **same)) for one in bulk.cases]
        outcomes = await shield(asyncio.gather(*(actor.act(viewer, case_id, deed) for case_id, deed in deeds)))
        return JsonResponse({"outcomes": outcomes}, 200)

    return router


def find_live(case_id: str) -> Callable[[LiveState], Found | None]:
    """Return the question to the live state for one case."""

    def look(live: LiveState) -> Found | None:
        case = live.cases.get(feature_id("case:" + case_id))
        if case is None:
            return None
        code = None if case.cell is None else live.places.cell_codes[case.cell]
        steps = {step.key: step for step in case.steps}
        return Found(as_row(case, code), live.rulebook.flow_of(case.category), case.state, steps)

    return look


def _sees(viewer: Viewer, found: Found) -> bool:
    return sees_case(viewer, found.case.cell_code, found.steps.values(), found.state)


def _make_entry(found: Found) -> Entry:
    """Return what decides whether a case can be merged."""
    return Entry(
        flow=found.flow.key,
        cell_code=found.case.cell_code,
        ended=not found.state.is_open,
        merged_into=found.state.merged_into,
    )


def _check_undo(found: Found, asker: Asker) -> str:
    last = found.steps.get(found.state.last_key or "")
    now_ms = as_ms(datetime.now(UTC))
    if last is None or not may_undo(found.flow, found.state, last.action, last.at_ms, asker, now_ms):
        raise NotLegal("there is nothing that you could take back")
    return last.key


def _tell(case_id: str, found: Found, key: str) -> Outcome:
    """Return what became of an action that the case has."""
    if key in found.state.overtaken:
        return _tell_overtaken(case_id, found)
    return Outcome(case_id=case_id, result="applied", version=found.state.version, state=found.state.state)


def _tell_overtaken(case_id: str, found: Found) -> Outcome:
    last = found.steps.get(found.state.last_key or "")
    return Outcome(
        case_id=case_id,
        result="overtaken",
        status=409,
        version=found.state.version,
        state=found.state.state,
        changed_by=last.actor if last else None,
        changed_role=last.details.get("role") if last else None,
        changed_action=last.action if last else None,
        changed_at=last.at_ms // 1000 if last else None,
    )
