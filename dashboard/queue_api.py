"""`GET /api/queue`: windows of the duty desk's queue, what is new against one, and how many cases saved views hold.

Open cases come from the live state of what the viewer may see; those that have ended from SQL.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qsl

from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy import Engine

from cases.deadlines import Deadline
from cases.requests import Asker, list_legal
from cases.rulebook import Rulebook, read_rulebook
from dashboard.live import Hub
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.queue import Counts, Orders, Question, count, find_changes, make_order, pick_window
from dashboard.queue_query import BadQuery, read_query
from dashboard.queue_query import Query as QueueQuery
from dashboard.queue_sql import History, find_described
from dashboard.replies import JsonResponse, shield
from dashboard.scope import ask_in_scope, find_scope
from geo.county import County
from ingest.masking import mask_text
from ingest.tables import as_ms
from layers.places import index_places
from layers.state import LiveState
from layers.things import Case

MOST_ROWS: Final = 200
MOST_VIEWS: Final = 30
T = TypeVar("T")


def make_queue_router(hub: Hub, county: County, engine: Engine) -> APIRouter:
    """Return the queue's routes; each answers for the present viewer."""
    router = APIRouter(prefix="/api/queue")
    rulebook, orders = read_rulebook(county), Orders()
    history = History(engine, index_places(county), rulebook)

    @router.get("", response_class=Response, summary="A window of the queue")
    async def read_window(
        request: Request,
        order: str | None = None,
        offset: Annotated[int, Query(ge=0)] = 0,
        limit: Annotated[int, Query(ge=0, le=MOST_ROWS)] = 100,
    ) -> Response:
        viewer, query = get_viewer(), read_asked(request.query_params)
        if query.show != "open":
            return await _answer_history(query, viewer, offset, limit)
        described = await in_thread(partial(find_described, engine, query.filters.text)) if order is None else None
        question = make_question(query, viewer, described or frozenset())

        def look(state: LiveState) -> dict[str, Any]:
            known = orders.find(order, question)
            if known is None:
                known = make_order(state, question)
                orders.keep(known)
            rows = pick_window(state, known, offset, limit)
            return {
                "order": known.token,
                "rows": [describe_row(case, rulebook, question.asker) for case in rows],
                "length": len(known.ids),
                **_describe_counts(count(state, known.question), state),
            }

        return JsonResponse(await ask_in_scope(hub, look))

    @router.get("/changes", response_class=Response, summary="What is new against a window's order")
    async def read_changes(request: Request, order: str, rows: str = "") -> Response:
        question = make_question(read_asked(request.query_params), get_viewer(), frozenset())
        asked = _read_ids(rows)

        def look(state: LiveState) -> dict[str, Any] | None:
            known = orders.find(order, question)
            if known is None:
                return None
            changes = find_changes(state, known)
            present = [case for id in asked if (case := state.cases.get(id))]
            return {
                "new": changes.new,
                "severe": [describe_row(case, rulebook, question.asker) for case in changes.severe[:MOST_ROWS]],
                "rows": [describe_row(case, rulebook, question.asker) for case in present],
                **_describe_counts(changes.counts, state),
            }

        answer = await ask_in_scope(hub, look)
        if answer is None:
            raise HTTPException(410, "that order is not known any more: ask for a window without one")
        return JsonResponse(answer)

    @router.get("/totals", response_class=Response, summary="How many open cases each of some queries finds")
    async def read_totals(view: Annotated[list[str], Query(max_length=MOST_VIEWS)] = []) -> Response:  # noqa: B006
        viewer = get_viewer()
        queries = [read_asked(dict(parse_qsl(one))) for one in view]

        def look(state: LiveState) -> list[int | None]:
            return [
                count(state, make_question(query, viewer, frozenset())).matching if query.show == "open" else None
                for query in queries
            ]

        return JsonResponse({"totals": await ask_in_scope(hub, look)})

    async def _answer_history(query: QueueQuery, viewer: Viewer, offset: int, limit: int) -> Response:
        now_ms, asker = as_ms(datetime.now(UTC)), make_asker(viewer)
        total, found = await in_thread(partial(history.read, query, find_scope(viewer), now_ms, offset, limit))
        rows = [describe_row(case, rulebook, asker) for case in found]
        counts = await ask_in_scope(hub, lambda state: _describe_counts(count(state, Question()), state))
        return JsonResponse(
            {**counts, "order": None, "rows": rows, "length": total, "matching": total, "colours": None}
        )

    return router


def describe_row(case: Case, rulebook: Rulebook, asker: Asker) -> dict[str, Any]:
    """Return one row of the queue: times in epoch seconds, the title masked, and what the asker may do to the case.

    The first of its clocks is the one that ends first; by that one it has its colour and its place in line.
    """
    state = case.state
    flow = rulebook.flow_of(case.category)
    return {
        "id": case.id,
        "case_id": case.case_id,
        "exercise": case.is_exercise,
        "category": case.category,
        "severity": case.severity,
        "title": mask_text(case.title),
        "state": state.state,
        "owner": flow.states[state.state].owner,
        "unit": state.unit,
        "level": state.level,
        "card": state.card,
        "incident": state.in_incident,
        "grade": state.grade,
        "people": case.people,
        "channel": case.channel,
        "cell": case.cell,
        "lon": case.lon,
        "lat": case.lat,
        "reported_at": case.reported_ms // 1000,
        "ended_at": None if state.ended_ms is None else state.ended_ms // 1000,
        "clocks": [describe_deadline(clock) for clock in case.clocks],
        "version": state.version,
        "actions": [action.key for action in list_legal(flow, state, asker)],
    }


def describe_deadline(clock: Deadline) -> dict[str, Any]:
    """Return a clock as the queue counts it; moments in epoch seconds."""
    return {
        "kind": clock.kind,
        "near_at": None if clock.near_ms is None else clock.near_ms / 1000,
        "due_at": None if clock.due_ms is None else clock.due_ms / 1000,
        "stopped": clock.stopped,
    }


def make_asker(viewer: Viewer) -> Asker:
    """Return a viewer as the flow knows them."""
    return Asker(viewer.name, viewer.role, viewer.unit)


def make_question(query: QueueQuery, viewer: Viewer, described: frozenset[int]) -> Question:
    """Return what a viewer asks of the live state; described: see `find_described`."""
    return Question(query.filters, query.line, make_asker(viewer), described)


def _describe_counts(counts: Counts, state: LiveState) -> dict[str, Any]:
    return {
        "matching": counts.matching,
        "open": counts.open,
        "colours": counts.colours,
        "density": counts.density,
        "quarter_at": counts.quarter_ms // 1000,
        "now": state.now_ms / 1000,
    }


def read_asked(said: Any) -> QueueQuery:
    """Return the query of a request; raises `HTTPException` 422."""
    try:
        return read_query(said)
    except BadQuery as error:
        raise HTTPException(422, str(error)) from None


def _read_ids(said: str) -> list[int]:
    ids = [one for one in said.split(",") if one]
    if len(ids) > MOST_ROWS or not all(one.isdecimal() for one in ids):
        raise HTTPException(422, f"rows must be at most {MOST_ROWS} ids, separated by commas")
    return [int(one) for one in ids]


async def in_thread(work: Callable[[], T]) -> T:
    """Return what some reading of SQL gives; raises `HTTPException` 422 for a bad query, 503 while SQL is away."""
    try:
        return await shield(asyncio.to_thread(work))
    except BadQuery as error:
        raise HTTPException(422, str(error)) from None
