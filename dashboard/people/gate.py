"""The gate around the whole web application: who is let in, as whom, and with what headers every answer goes out."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Final

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.people import demo, forgery
from dashboard.people.forgery import SAFE_METHODS, choose_token, current_token, is_own, is_token, names_this_machine
from dashboard.people.lookup import SessionsAway
from dashboard.people.permissions import may_reach
from dashboard.people.policy import list_headers
from dashboard.people.register import Register
from dashboard.people.sessions import Session
from dashboard.people.sheets import NO_STORE, Sheets, name_login
from dashboard.people.viewer import Viewer, current_viewer
from dashboard.people.walls import COOKIE as WALL_COOKIE
from dashboard.people.walls import START, Wall, view_as

SESSION_COOKIE: Final = "session"
LOOKED_AFTER_EVERY_S: Final = 1.0  # an endless answer; together with `Roll` a log-in ends everywhere within 2 s
LARGEST_BODY_BYTES: Final = 8 * 1024 * 1024  # of anybody and anything; routes for strangers take less

# What says nothing about the county's people and cases: the log-in, the public's own pages, scripts and styles. A photo
# of a report is for who has the report's code, or may see it by who they are: its endpoint tells.
_PUBLIC: Final = re.compile(
    r"/(?:login|wall-start|health|metrics|_?favicon\.ico|robots\.txt|[\w-]+\.(?:js|webmanifest)"
    r"|(?:report|status)(?:/.*)?|(?:media|assets|_dash-component-suites|api/public)/.*)"
)
_STATIC: Final = re.compile(r"/(?:health|metrics|_?favicon\.ico|(?:assets|_dash-component-suites)/.*)")
# What a program asks for, which no page would help.
_MACHINE: Final = re.compile(r"/(?:live|api/.*|_dash-.*|_reload-hash)")
# Of what is public, the pages from which somebody writes; the rest may be kept by caches for everybody.
_OPEN_WITH_TOKEN: Final = frozenset({"/login", "/report", START})
_OPEN_WITH_OLD_PASSWORD: Final = frozenset({"/password", "/logout", "/api/me"})
# A phone sends long after its page was loaded. Of authority only a worker's name is used there, which the report
# itself must say, too.
_NO_TOKEN_NEEDED: Final = "/api/public/"
# All that a wall may send: what it starts with, that it is there, and Dash's question for what stands on its page.
WALL_MAY_SEND: Final = frozenset({START, "/api/wall/beat", "/_dash-update-component"})


@dataclass(frozen=True)
class Asker:
    """Who a request says it is from, by its cookies: somebody logged in, or else a wall.

    says_wall: it has a wall's token; `wall` is None where no wall of ours has that. away: the database could not say.
    """

    session: Session | None = None
    says_wall: bool = False
    wall: Wall | None = None
    away: bool = False


class Gate:
    """ASGI middleware; outside of it no endpoint and no callback runs.

    register: None where there is no log-in (`AUTH=demo`), and the cookie `demo_viewer` says who one is. host: the
    address that is listened on; without log-in only requests to it or to this machine itself are let in.
    """

    def __init__(
        self, app: ASGIApp, sheets: Sheets, register: Register | None, script_hashes: Iterable[str], host: str
    ):
        self._app = app
        self._sheets = sheets
        self._register = register
        self._host = host
        self._headers = list_headers(script_hashes)
        # What is somebody's is kept by no browser, or the back button would show it after log-out.
        self._headers_of_viewers = [*self._headers, (b"cache-control", NO_STORE["cache-control"].encode())]
        self._demo = demo.list_demo_viewers(sheets.county, sheets.default_lang)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in with `current_viewer` and `current_token` set, or answer in its place."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Not `request.url.path`: that one is made with the Host header, which is whatever a client says.
        request, path = Request(scope), scope["path"]
        asker = await self._identify(request)
        session = asker.session
        owes_password = session is not None and session.must_change and path not in _OPEN_WITH_OLD_PASSWORD
        viewer = None if owes_password else self._choose_viewer(request, asker)
        if viewer is not None:
            current_viewer.set(viewer)
        cookie = request.cookies.get(forgery.COOKIE)
        own = SESSION_COOKIE if session else WALL_COOKIE if asker.says_wall else None
        token = choose_token(own and request.cookies[own], cookie)
        current_token.set(token)
        is_public = _PUBLIC.fullmatch(path) is not None
        new_cookie = token != cookie and request.method == "GET" and (not is_public or path in _OPEN_WITH_TOKEN)
        standing = self._headers if is_public else self._headers_of_viewers
        receive = _bound(receive)
        send = _dress(send, standing, [_write_cookie(request, token)] if new_cookie else [])
        refusal = self._refuse(request, viewer, owes_password, asker)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        if session is not None and self._register is not None and _is_use(request):
            await self._register.roll.note_use(session)
        if path == "/live" and own is not None:
            await self._run_until_over(partial(self._view_again, own, request.cookies[own]), scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _identify(self, request: Request) -> Asker:
        """Return who a request is from; who is logged in at a wall's browser is no wall."""
        token, wall_token = request.cookies.get(SESSION_COOKIE), request.cookies.get(WALL_COOKIE)
        if self._register is None or _STATIC.fullmatch(request.scope["path"]):
            return Asker()
        try:
            session = None if token is None else await self._register.roll.find(token)
            if session is not None or wall_token is None:
                return Asker(session)
            return Asker(says_wall=True, wall=await self._register.wall_roll.find(wall_token))
        except SessionsAway:
            return Asker(says_wall=wall_token is not None, away=True)

    def _choose_viewer(self, request: Request, asker: Asker) -> Viewer | None:
        if self._register is not None and asker.says_wall:
            return view_as(asker.wall) if asker.wall and asker.wall.revoked_at is None else None
        if self._register is not None:
            return asker.session.viewer if asker.session else None
        return self._demo.get(request.cookies.get(demo.COOKIE, "")) or self._demo[demo.DEFAULT_ROLE]

    def _refuse(self, request: Request, viewer: Viewer | None, owes_password: bool, asker: Asker) -> Response | None:
        """Return the answer to a request that is not let in."""
        path, changes = request.scope["path"], request.method not in SAFE_METHODS
        if self._register is None and not names_this_machine(request.headers.get("host"), self._host):
            return self._answer(request, "foreign_host", 403)
        if changes and not is_own(request.headers):
            return self._answer(request, "foreign", 403)
        if changes and asker.says_wall and path not in WALL_MAY_SEND:
            return self._answer(request, "forbidden", 403)
        if _PUBLIC.fullmatch(path):
            return None
        if asker.says_wall and viewer is None:
            return self._say_over(request, asker)
        if asker.away:
            return self._answer(request, "away", 503)
        if owes_password:
            return self._send_to(request, "/password", "password_must_change", 403)
        if viewer is None:
            return self._send_to(request, name_login(request), "log_in_first", 401)
        if changes and path.startswith("/api/") and not path.startswith(_NO_TOKEN_NEEDED) and not _has_token(request):
            return self._answer(request, "token_wrong", 403)
        if not may_reach(viewer, path):
            return self._answer(request, "forbidden", 403)
        return None

    def _say_over(self, request: Request, asker: Asker) -> Response:
        """Tell a wall why it shows nothing, calmly: nobody is there to log in, and passers-by read it."""
        if not _MACHINE.fullmatch(request.scope["path"]):
            return self._sheets.show_calm(request, asker.wall, asker.away)
        if asker.away:
            return self._answer(request, "away", 503)
        at = asker.wall and asker.wall.revoked_at
        over = {"by": asker.wall and asker.wall.revoked_by, "at": at and int(at.timestamp())}
        return JSONResponse({"detail": _DETAILS["wall_over"]} | over, 410, NO_STORE)

    def _send_to(self, request: Request, address: str, key: str, status: int) -> Response:
        if _MACHINE.fullmatch(request.scope["path"]) or request.method not in SAFE_METHODS:
            return self._answer(request, key, status)
        return RedirectResponse(address, 303, NO_STORE)

    def _answer(self, request: Request, key: str, status: int) -> Response:
        if _MACHINE.fullmatch(request.scope["path"]):
            return JSONResponse({"detail": _DETAILS[key]}, status, NO_STORE)
        return self._sheets.say(request, key, status)

    async def _run_until_over(
        self, view_again: Callable[[], Awaitable[Viewer | None]], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Give an endless answer, which ends when the log-in does, or becomes somebody else's to see."""
        over = asyncio.create_task(_wait_until_over(current_viewer.get(), view_again))

        async def receive_until_over() -> Message:
            message = asyncio.ensure_future(receive())
            try:
                await asyncio.wait({over, message}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()

        try:
            await self._app(scope, receive_until_over, send)
            if over.done():  # the viewer is still there, and is told that this was all
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            over.cancel()

    async def _view_again(self, cookie: str, token: str) -> Viewer | None:
        """Return whom a cookie of a log-in or of a wall stands for by now."""
        assert self._register is not None
        if cookie == SESSION_COOKIE:
            session = await self._register.roll.find(token)
            return session.viewer if session else None
        wall = await self._register.wall_roll.find(token)
        return view_as(wall) if wall and wall.revoked_at is None else None


async def _wait_until_over(viewer: Viewer, view_again: Callable[[], Awaitable[Viewer | None]]) -> None:
    now: Viewer | None = viewer
    while now == viewer:
        await asyncio.sleep(LOOKED_AFTER_EVERY_S)
        now = await view_again()


# What a program is told; a page says the same in the reader's language (`login.<key>`).
_DETAILS: Final = {
    "foreign": "the request comes from a foreign page",
    "foreign_host": "AUTH=demo has no log-in and answers this machine only; for others set AUTH=on",
    "away": "the database is away, so nobody can be told from anybody",
    "log_in_first": "log in first",
    "password_must_change": "the password has to be changed first",
    "token_wrong": "the header X-CSRF-Token is missing or not the one of GET /api/me",
    "forbidden": "your role may not do this",
    "wall_over": "this wall was switched off",
}


def _bound(receive: Receive) -> Receive:
    """Return what receives a body of `LARGEST_BODY_BYTES` at most: to whoever reads on, it raises `HTTPException`."""
    taken = 0

    async def receive_bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > LARGEST_BODY_BYTES:
            raise HTTPException(413, f"a body is at most {LARGEST_BODY_BYTES} bytes")
        return message

    return receive_bounded


def _dress(send: Send, standing: list[tuple[bytes, bytes]], cookies: list[tuple[bytes, bytes]]) -> Send:
    """Return what sends an answer with cookies and with those of the standing headers that it has not itself."""

    async def send_dressed(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), *cookies]
            said = {name.lower() for name, _ in headers}
            headers += [(name, value) for name, value in standing if name not in said]
            message = {**message, "headers": headers}
        await send(message)

    return send_dressed


def _has_token(request: Request) -> bool:
    return is_token(request.headers.get(forgery.HEADER), request.cookies.get(forgery.COOKIE))


def _is_use(request: Request) -> bool:
    """Return whether a person is behind a request: screens ask for new data by themselves all the time."""
    if request.method in SAFE_METHODS:
        return not _MACHINE.fullmatch(request.scope["path"])
    return not request.scope["path"].startswith("/_dash-")


def is_secure(request: Request) -> bool:
    """Return whether a request came over https, by its own word or that of a proxy that is believed."""
    return bool(request.scope["scheme"] == "https")


def _write_cookie(request: Request, token: str) -> tuple[bytes, bytes]:
    answer = Response()
    # Our scripts read it and send it back in a header, which a foreign page cannot.
    answer.set_cookie(forgery.COOKIE, token, samesite="strict", secure=is_secure(request))
    return b"set-cookie", answer.headers["set-cookie"].encode()
