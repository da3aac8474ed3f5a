"""The web API: live stream, county, geometry, cards, cases, surroundings, health; every endpoint is a coroutine."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Generic, Literal, TypeVar

from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.rulebook import read_rulebook
from dashboard.casefile import CaseFiles
from dashboard.descriptions import describe_alert, describe_card, describe_case, describe_county
from dashboard.geometry import PARTS, PreparedPart, cut_geometry, name_revision, prepare_geometry
from dashboard.health import check_health, list_age_metrics, list_metrics
from dashboard.live import Hub
from dashboard.nearby import find_neighbours
from dashboard.people.forms import name_address
from dashboard.people.unmasking import Persons
from dashboard.people.viewer import get_viewer
from dashboard.queue import Filters, Question, make_order, pick_window
from dashboard.replies import JsonResponse
from dashboard.scope import ask_in_scope, describe_area
from dashboard.viewers import make_live_response
from geo.county import County
from ingest.feeds import list_feed_metrics
from ingest.stream import AsyncStreams, connect_async
from ingest.tables import as_ms
from layers import LAYERS
from layers.contract import Card, View
from layers.state import LiveState

FOREVER = "private, max-age=31536000, immutable"
MOST_ROWS = 1000
HEALTH_TIMEOUT_S = 2.0

Lang = Literal["zh", "en"]
T = TypeVar("T")


class Prepared(Generic[T]):
    """Something made once, in a thread, and kept."""

    def __init__(self, make: Callable[[], T]):
        self._make = make
        self._work: asyncio.Task[T] | None = None

    def begin(self) -> "asyncio.Task[T]":
        """Begin to make it, unless that is done or under way."""
        if self._work is None:
            self._work = asyncio.create_task(asyncio.to_thread(self._make))
        return self._work

    async def get(self) -> T:
        """Return it, when it is made."""
        return await asyncio.shield(self.begin())


def make_router(hub: Hub, county: County, engine: Engine, persons: Persons) -> APIRouter:
    """Return every route but the pages'; its lifespan starts and stops the hub.

    engine: for reading SQL; it stays the caller's. persons: who reported cases, and who looked at them.
    """
    geometry = Prepared(partial(prepare_geometry, county))
    router = make_live_router(hub, engine, geometry)
    _add_county(router, county)
    _add_geometry(router, county, geometry)
    _add_cards(router, hub)
    _add_alerts(router, hub)
    _add_cases(router, hub, county, engine, persons)
    return router


def make_live_router(hub: Hub, engine: Engine, ahead: Prepared[Any] | None = None) -> APIRouter:
    """Return `/live`, `/health` and `/metrics`: all that a process with nothing but the hub serves.

    ahead: something to begin making at start, so that the first who asks for it need not wait.
    """
    client = connect_async(hub.redis_url, HEALTH_TIMEOUT_S)
    streams = AsyncStreams(client, hub.partitions)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        await hub.start()
        if ahead is not None:
            ahead.begin()
        yield
        await hub.stop()
        await client.aclose()

    router = APIRouter(lifespan=lifespan)

    @router.get("/live", response_class=Response, summary="Server-sent events: a snapshot, then deltas")
    async def live(request: Request, last: str | None = None) -> Response:
        return make_live_response(hub, request)

    @router.get("/health", response_class=JsonResponse, summary="How every part is")
    async def health() -> Response:
        answer = await check_health(hub, streams, engine)
        return JsonResponse(answer, 503 if answer.status == "down" else 200)

    @router.get("/metrics", response_class=Response, summary="The same for Prometheus")
    async def metrics() -> Response:
        health = await check_health(hub, streams, engine)
        lines = [*list_metrics(hub), *list_age_metrics(health.parts.feeds), *list_feed_metrics(health.senders)]
        return Response("\n".join(lines) + "\n", media_type="text/plain; version=0.0.4; charset=utf-8")

    return router


def _add_county(router: APIRouter, county: County) -> None:
    described = describe_county(county, read_rulebook(county))

    @router.get("/api/county", response_class=JsonResponse, summary="What the county is and what its layers are")
    async def read_county() -> Response:
        area = get_viewer().area
        scope = {"scope": describe_area(county, area), "revision": name_revision(county, area)}
        return JsonResponse(described | scope)


def _add_geometry(router: APIRouter, county: County, geometry: Prepared[dict[str, PreparedPart]]) -> None:
    cut: dict[str, Prepared[dict[str, PreparedPart]]] = {"": geometry}

    async def find_parts(area: str) -> dict[str, PreparedPart]:
        if area not in cut:
            cut[area] = Prepared(partial(cut_geometry, await geometry.get(), county, area))
        return await cut[area].get()

    @router.get(
        "/api/geometry/{revision}/{what}",
        response_class=Response,
        summary="GeoJSON with feature ids, for ever the same for a revision",
    )
    async def read_geometry(request: Request, revision: str, what: str) -> Response:
        area = get_viewer().area
        if revision != (present := name_revision(county, area)):
            raise HTTPException(404, f"the county's revision is {present}")
        part = (await find_parts(area)).get(what)
        if part is None:
            raise HTTPException(404, f"no such part; one of {', '.join(PARTS)}")
        return _answer_part(request, part)


def _answer_part(request: Request, part: PreparedPart) -> Response:
    headers = {"Cache-Control": FOREVER, "ETag": part.etag, "Vary": "Accept-Encoding"}
    if part.etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    compressed = "gzip" in request.headers.get("accept-encoding", "")
    if compressed:
        headers["Content-Encoding"] = "gzip"
    return Response(part.compressed if compressed else part.plain, headers=headers, media_type="application/geo+json")


def _add_cards(router: APIRouter, hub: Hub) -> None:
    @router.get("/api/explain/{layer}/{feature_id}", response_class=JsonResponse, summary="The card of one feature")
    async def explain(layer: str, feature_id: int, lang: Lang = "zh") -> Response:
        if layer not in LAYERS:
            raise HTTPException(404, f"no such layer; one of {', '.join(LAYERS)}")

        def make_card(state: LiveState) -> Card | None:
            chosen = LAYERS[layer]
            frame = chosen.compute(state, View(state.as_of, frozenset([feature_id])))
            return chosen.explain(frame, feature_id) if feature_id in frame.ids else None

        card = await ask_in_scope(hub, make_card)
        if card is None:
            raise HTTPException(404, f"layer {layer} has no feature {feature_id}")
        return JsonResponse(describe_card(card, lang))

    @router.get("/api/nearby", response_class=JsonResponse, summary="Assets, workers and open cases around a point")
    async def nearby(
        lon: Annotated[float, Query(ge=-180, le=180)],
        lat: Annotated[float, Query(ge=-90, le=90)],
        radius_m: Annotated[float, Query(gt=0, le=20_000)] = 500,
    ) -> Response:
        return JsonResponse(await ask_in_scope(hub, partial(find_neighbours, lon=lon, lat=lat, radius_m=radius_m)))


def _add_alerts(router: APIRouter, hub: Hub) -> None:
    @router.get("/api/alerts", response_class=JsonResponse, summary="Warnings in force, the worst first")
    async def list_alerts(lang: Lang = "zh") -> Response:
        def look(live: LiveState) -> list[dict[str, Any]]:
            alerts = [*live.alert_book.shown.values(), *live.alert_book.elsewhere.values()]
            return [describe_alert(alert, live.places.area_titles, lang) for alert in alerts]

        return JsonResponse({"alerts": await ask_in_scope(hub, look)})

    @router.get("/api/alerts/{alert_id}", response_class=JsonResponse, summary="One warning in force, in full")
    async def read_alert(alert_id: int, lang: Lang = "zh") -> Response:
        def look(live: LiveState) -> dict[str, Any] | None:
            alert = live.alerts.get(alert_id)
            return None if alert is None else describe_alert(alert, live.places.area_titles, lang)

        described = await ask_in_scope(hub, look)
        if described is None:
            raise HTTPException(404, "no such warning is in force")
        return JsonResponse(described)


def _add_cases(router: APIRouter, hub: Hub, county: County, engine: Engine, persons: Persons) -> None:
    files = CaseFiles(hub, county, engine, persons)

    @router.get("/api/cases", response_class=JsonResponse, summary="Open cases, the most urgent first")
    async def list_cases(
        area: Annotated[list[str], Query(description="beginnings of a cell's code")] = [],  # noqa: B006 - FastAPI copies it
        category: Annotated[list[str], Query()] = [],  # noqa: B006
        severity: Annotated[list[int], Query()] = [],  # noqa: B006
        state: Annotated[list[str], Query()] = [],  # noqa: B006
        channel: Annotated[list[str], Query()] = [],  # noqa: B006
        text: str = "",
        since: datetime | None = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 100,
        offset: Annotated[int, Query(ge=0)] = 0,
    ) -> Response:
        if since is not None and since.tzinfo is None:
            raise HTTPException(422, "since needs a time zone, as in 2026-11-21T08:00:00+08:00")
        filters = Filters(
            areas=frozenset(area),
            categories=frozenset(category),
            severities=frozenset(severity),
            states=frozenset(state),
            channels=frozenset(channel),
            text=text,
            since_ms=None if since is None else as_ms(since),
        )

        def look(live: LiveState) -> dict[str, Any]:
            order = make_order(live, Question(filters))
            rows = [describe_case(case) for case in pick_window(live, order, offset, limit)]
            is_open = int((live.columns["open"] & ~live.columns["exercise"]).sum())
            return {"total": len(order.ids), "open": is_open, "limit": limit, "offset": offset, "cases": rows}

        return JsonResponse(await ask_in_scope(hub, look))

    @router.get("/api/cases/{case_id}", response_class=JsonResponse, summary="One case with its timeline")
    async def read_one(request: Request, case_id: str, lang: Lang = "zh") -> Response:
        try:
            told = await files.tell(get_viewer(), case_id, lang, name_address(request))
        except SQLAlchemyError:
            raise HTTPException(503, "the database is away", {"Retry-After": "2"}) from None
        if told is None:
            raise HTTPException(404, "no such case has been recorded")
        return JsonResponse(told)
