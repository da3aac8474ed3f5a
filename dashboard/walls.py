"""Walls for the browser: how one starts and says that it is there, which there are, and what is sent to them.

What is sent is an event that goes through ingest like every officer's act; a wall learns of it from `/live`.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from msgspec import Meta

from dashboard.frames import list_orders
from dashboard.live import Hub
from dashboard.people import forgery
from dashboard.people.audit import Audit, open_audit
from dashboard.people.demo import DemoViewer
from dashboard.people.forms import name_address
from dashboard.people.gate import is_secure
from dashboard.people.lookup import SessionsAway
from dashboard.people.notes import record
from dashboard.people.permissions import may
from dashboard.people.register import Register
from dashboard.people.sheets import NO_STORE, Sheets
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.people.walls import (
    COOKIE,
    COOKIE_AGE_S,
    START,
    WallError,
    WallViewer,
    check_area,
    name_wall,
)
from dashboard.publishing import Publisher
from dashboard.replies import JsonResponse, read_body, shield
from dashboard.scenes import Scenes
from dashboard.scope import ask_in_scope, describe_area
from dashboard.text import load_catalogue, pick_section, text
from geo.county import County
from ingest.formats.walls import NAME_PATTERN
from ingest.presence import Beat, Presence, Sighting
from ingest.records import WallOrdered
from ingest.settings import Settings
from ingest.stream import StreamUnavailable, connect_async
from ingest.tables import as_ms
from layers.places import feature_id
from layers.state import LiveState

REDIS_TIMEOUT_S: Final = 2.0
LONGEST_ORDER_MINUTES: Final = 24 * 60

Name = Annotated[str, Meta(pattern=NAME_PATTERN)]
Machine = Annotated[str, Meta(pattern=r"^[0-9a-f]{8,64}$")]


class Starting(msgspec.Struct, forbid_unknown_fields=True):
    """How a wall starts: its token (empty: this browser is to be none any more), and which browser it is."""

    token: Annotated[str, Meta(max_length=200)]
    machine: Machine


class Told(msgspec.Struct, forbid_unknown_fields=True):
    """What a wall says every few seconds; `wall` is its name where there is no log-in."""

    beat: Beat
    wall: Name | None = None


class Making(msgspec.Struct, forbid_unknown_fields=True):
    """A wall that is to be made; `area` is empty for the whole county."""

    name: Name
    area: Annotated[str, Meta(max_length=15)] = ""


class Sending(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What is sent to a wall, or that it is taken back; `minutes` is how long it stays, until then where left out."""

    order: Literal["scene", "place", "case", "release"]
    scene: str | None = None
    place: str | None = None
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    zoom: Annotated[float, Meta(ge=0, le=24)] | None = None
    case_id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    minutes: Annotated[int, Meta(ge=1, le=LONGEST_ORDER_MINUTES)] | None = None


@dataclass(frozen=True)
class Known:
    """One wall as `/walls` knows it; `made_at` is None for one that has no token of ours."""

    name: str
    area: str
    made_at: datetime | None
    sighting: Sighting | None


@dataclass(frozen=True)
class WallDesk:
    """What the routes work with; one a process. register: None where there is no log-in."""

    county: County
    scenes: Scenes
    hub: Hub
    publisher: Publisher
    presence: Presence
    notes: Audit
    register: Register | None

    async def list_walls(self, viewer: Viewer) -> list[Known]:
        """Return the walls in a viewer's area: those with a token, and those that showed within a day."""
        seen = await self._read_presence()
        made = await self.register.wall_roll.list_on() if self.register is not None else []
        known = {wall.name: Known(wall.name, wall.area, wall.made_at, seen.get(wall.name)) for wall in made}
        for name, sighting in seen.items():
            # Of a wall that was switched off the last word is still there for a day.
            if name not in known and not sighting.beat.has_token:
                known[name] = Known(name, sighting.beat.area, None, sighting)
        return [known[name] for name in sorted(known) if known[name].area.startswith(viewer.area)]

    async def find(self, viewer: Viewer, name: str) -> Known:
        """Return a wall of a viewer's; raises `HTTPException` 404."""
        wall = next((wall for wall in await self.list_walls(viewer) if wall.name == name), None)
        if wall is None:
            raise HTTPException(404, "there is no such wall")
        return wall

    async def _read_presence(self) -> Mapping[str, Sighting]:
        try:
            return await self.presence.read()
        except StreamUnavailable:
            return {}

    async def send(self, viewer: Viewer, name: str, sending: Sending) -> str:
        """Send something to a wall and return the event's id; raises `HTTPException` naming the field at fault."""
        wall = await self.find(viewer, name)
        if sending.order == "scene" and sending.scene not in self.scenes.by_key:
            raise HTTPException(422, f"scene: there is no {sending.scene!r}")
        if sending.order == "place" and sending.place is not None:
            if sending.place not in self.county.areas.index:
                raise HTTPException(422, f"place: there is no area {sending.place!r}")
            if not sending.place.startswith(wall.area):
                raise HTTPException(422, "place: lies outside the wall's area")
        if sending.order == "case":
            await self._check_case(wall, sending.case_id or "")
        now = datetime.now(UTC)
        until = None if sending.minutes is None else now + timedelta(minutes=sending.minutes)
        told: dict[str, Any] = msgspec.structs.asdict(sending)
        del told["minutes"]
        data = {"wall": wall.name, **told, "actor": viewer.name, "role": viewer.role, "at": now, "until": until}
        said = {key: value for key, value in data.items() if value is not None}
        return await self.publisher.publish("wall.ordered", said)

    async def _check_case(self, wall: Known, case_id: str) -> None:
        def find(state: LiveState) -> str | None:
            case = state.cases.get(feature_id(f"case:{case_id}"))
            if case is None:
                return None
            return "" if case.cell is None else state.places.cell_codes[case.cell]

        cell = await ask_in_scope(self.hub, find)
        if cell is None:
            raise HTTPException(422, "case_id: there is no such case among the open and recent ones")
        if not cell.startswith(wall.area):
            raise HTTPException(422, "case_id: lies outside the wall's area")


def open_wall_desk(
    settings: Settings, county: County, hub: Hub, publisher: Publisher, scenes: Scenes, register: Register | None
) -> WallDesk:
    """Return what the walls of a county are run with; the register stays the caller's."""
    presence = Presence(connect_async(hub.redis_url, REDIS_TIMEOUT_S))
    return WallDesk(county, scenes, hub, publisher, presence, open_audit(settings), register)


def make_walls_router(desk: WallDesk, sheets: Sheets) -> APIRouter:
    """Return `/wall-start`, `/api/wall…` and `/api/walls…`; its lifespan closes what the desk has open."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await desk.presence.close()
        await asyncio.to_thread(desk.notes.close)

    router = APIRouter(lifespan=lifespan)
    _add_start(router, desk, sheets)
    _add_wall(router, desk)
    _add_walls(router, desk)
    return router


def _add_start(router: APIRouter, desk: WallDesk, sheets: Sheets) -> None:
    @router.get(START, include_in_schema=False)
    async def show_start(request: Request) -> Response:
        lang = sheets.choose_lang(request)
        if desk.register is None:
            return RedirectResponse(f"/wall?lang={lang}", 303, NO_STORE)
        texts = json.dumps(pick_section(lang, "wall_start"), ensure_ascii=False)
        heading, message = text(lang, "wall_start.heading"), text(lang, "common.connecting")
        return sheets.show(request, "wall_calm", name="", texts=texts, heading=heading, message=message)

    @router.post(START, include_in_schema=False)
    async def start(request: Request) -> Response:
        starting = read_body(await request.body(), Starting)
        if not forgery.is_token(request.headers.get(forgery.HEADER), request.cookies.get(forgery.COOKIE)):
            raise HTTPException(403, "the header X-CSRF-Token is missing or not that of this page")
        if desk.register is None or not starting.token:
            answer = Response(status_code=204)
            answer.delete_cookie(COOKIE, httponly=True, samesite="strict")
            return answer
        try:
            wall = await desk.register.wall_roll.find(starting.token)
        except SessionsAway as error:
            raise HTTPException(503, str(error), {"Retry-After": "2"}) from None
        if wall is None or wall.revoked_at is not None:
            raise HTTPException(410, "no wall has this token any more")
        if await _hold_other(desk.presence, wall.name, starting.machine):
            raise HTTPException(409, "another machine shows this wall")
        answer = JsonResponse({"wall": wall.name})
        _write_cookie(request, answer, starting.token)
        return answer


def _add_wall(router: APIRouter, desk: WallDesk) -> None:
    @router.get("/api/wall", response_class=Response, summary="Which wall this browser is")
    async def read_own() -> Response:
        return JsonResponse({"wall": name_wall(get_viewer())})

    @router.post("/api/wall/beat", response_class=Response, summary="A wall shows: what, how large, when drawn")
    async def beat(request: Request) -> Response:
        told, viewer = read_body(await request.body(), Told), get_viewer()
        name = told.wall if isinstance(viewer, DemoViewer) else name_wall(viewer)
        if name is None:
            raise HTTPException(403, "only a wall says that it is one")
        has_token = isinstance(viewer, WallViewer)
        own = msgspec.structs.replace(told.beat, area=viewer.area, has_token=has_token)
        try:
            noted = await desk.presence.note(name, own)
        except StreamUnavailable as error:
            raise HTTPException(503, str(error), {"Retry-After": "2"}) from None
        if not noted:
            raise HTTPException(409, "another machine shows this wall")
        answer = JsonResponse({"wall": name})
        if has_token:
            _write_cookie(request, answer, request.cookies[COOKIE])
        return answer


def _add_walls(router: APIRouter, desk: WallDesk) -> None:
    @router.get("/api/walls", response_class=Response, summary="Every wall: what it shows, when it drew last")
    async def list_walls() -> Response:
        viewer = get_viewer()
        walls = await shield(desk.list_walls(viewer))
        orders = await ask_in_scope(desk.hub, list_orders)
        now = datetime.now(UTC)
        described = [_describe(desk.county, wall, orders.get(wall.name)) for wall in walls]
        return JsonResponse({"now": as_ms(now), "tokens": desk.register is not None, "walls": described})

    @router.post("/api/walls", response_class=Response, summary="Make a wall; its token is told this once")
    async def make(request: Request) -> Response:
        viewer, register = _need_maker(desk)
        making = read_body(await request.body(), Making)
        try:
            check_area(desk.county, making.area)
            wall, token = await shield(asyncio.to_thread(register.walls.add, making.name, making.area, viewer.name))
        except WallError as fault:
            raise HTTPException(422, f"name: {_explain(fault)}") from None
        register.wall_roll.forget()
        details = {"area": wall.area}
        await shield(record(desk.notes, viewer, "wall.add", wall.name, details, name_address(request)))
        return JsonResponse({"wall": wall.name, "token": token}, 201)

    @router.post("/api/walls/{name}/revoke", response_class=Response, summary="Switch a wall off for good")
    async def revoke(request: Request, name: str) -> Response:
        viewer, register = _need_maker(desk)
        try:
            await shield(asyncio.to_thread(register.walls.revoke, name, viewer.role))
        except WallError as fault:
            raise HTTPException(404, _explain(fault)) from None
        register.wall_roll.forget()
        await shield(record(desk.notes, viewer, "wall.revoke", name, address=name_address(request)))
        return JsonResponse({"wall": name})

    @router.post("/api/walls/{name}/orders", response_class=Response, summary="Send a wall something, or take it back")
    async def send(request: Request, name: str) -> Response:
        sending = read_body(await request.body(), Sending)
        return JsonResponse({"id": await shield(desk.send(get_viewer(), name, sending))}, 202)


def _need_maker(desk: WallDesk) -> tuple[Viewer, Register]:
    """Return who makes walls; raises `HTTPException` 403 for who may not, or where none has a token."""
    viewer = get_viewer()
    if not may(viewer, "people") or desk.register is None:
        raise HTTPException(403, "only administrators make walls, where there is a log-in")
    return viewer, desk.register


def _describe(county: County, wall: Known, order: WallOrdered | None) -> dict[str, Any]:
    sighting = wall.sighting
    return {
        "name": wall.name,
        "area": wall.area,
        "place": describe_area(county, wall.area)["name"],
        "made_at": wall.made_at and as_ms(wall.made_at),
        "heard_at": sighting and as_ms(sighting.heard_at),
        "beat": sighting and msgspec.to_builtins(sighting.beat),
        "order": order and _describe_order(order),
    }


def _describe_order(order: WallOrdered) -> dict[str, Any]:
    shown = {name: getattr(order, name) for name in ("order", "scene", "place", "lon", "lat", "case_id", "role")}
    return {**shown, "at": as_ms(order.at), "until": order.until and as_ms(order.until)}


async def _hold_other(presence: Presence, name: str, machine: str) -> bool:
    try:
        return await presence.holds_other(name, machine)
    except StreamUnavailable:
        return False  # nobody can tell; the first beat that Redis takes does


def _write_cookie(request: Request, answer: Response, token: str) -> None:
    secure = is_secure(request)
    answer.set_cookie(COOKIE, token, max_age=COOKIE_AGE_S, httponly=True, samesite="strict", secure=secure)


def _explain(fault: WallError) -> str:
    return load_catalogue("en")[f"walls.{fault}"]
