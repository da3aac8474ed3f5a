"""The gate around the whole web application: who is let in, as whom, and with what headers every answer goes out."""

import asyncio
import re
from collections.abc import Iterable
from typing import Final

from fastapi.responses import JSONResponse
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard.people import demo, forgery
from dashboard.people.forgery import SAFE_METHODS, choose_token, current_token, is_own, is_token
from dashboard.people.permissions import may_reach
from dashboard.people.policy import list_headers
from dashboard.people.register import Register
from dashboard.people.sessions import Session, SessionsAway
from dashboard.people.sheets import Sheets, name_login
from dashboard.people.viewer import Viewer, current_viewer

SESSION_COOKIE: Final = "session"
LOOKED_AFTER_EVERY_S: Final = 1.0  # an endless answer; together with `Roll` a log-in ends everywhere within 2 s

# What says nothing about the county's people and cases: the log-in, the public's own pages, scripts and styles. A photo
# of a report is for who has the report's code, or may see it by who they are: its endpoint tells.
_PUBLIC: Final = re.compile(
    r"/(?:login|health|metrics|_?favicon\.ico|robots\.txt|[\w-]+\.(?:js|webmanifest)"
    r"|(?:report|status)(?:/.*)?|(?:media|assets|_dash-component-suites|api/public)/.*)"
)
_STATIC: Final = re.compile(r"/(?:health|metrics|_?favicon\.ico|(?:assets|_dash-component-suites)/.*)")
# What a program asks for, which no page would help.
_MACHINE: Final = re.compile(r"/(?:live|api/.*|_dash-.*|_reload-hash)")
_OPEN_WITH_OLD_PASSWORD: Final = frozenset({"/password", "/logout", "/api/me"})
_NO_TOKEN_NEEDED: Final = "/api/public/"  # nobody's authority is used there, and phones send long after


class Gate:
    """ASGI middleware; outside of it no endpoint and no callback runs.

    register: None where there is no log-in (`AUTH=demo`), and the cookie `demo_viewer` says who one is.
    """

    def __init__(self, app: ASGIApp, sheets: Sheets, register: Register | None, script_hashes: Iterable[str]):
        self._app = app
        self._sheets = sheets
        self._register = register
        self._headers = list_headers(script_hashes)
        self._demo = demo.list_demo_viewers(sheets.county, sheets.default_lang)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in with `current_viewer` and `current_token` set, or answer in its place."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Not `request.url.path`: that one is made with the Host header, which is whatever a client says.
        request, path = Request(scope), scope["path"]
        session, away = await self._identify(request)
        viewer = self._choose_viewer(request, session)
        if viewer is not None:
            current_viewer.set(viewer)
        cookie = request.cookies.get(forgery.COOKIE)
        token = choose_token(request.cookies[SESSION_COOKIE] if session else None, cookie)
        current_token.set(token)
        new_cookie = token != cookie and request.method == "GET" and not _STATIC.fullmatch(path)
        send = self._dress(send, [_write_cookie(request, token)] if new_cookie else [])
        refusal = self._refuse(request, viewer, session, away)
        if refusal is not None:
            await refusal(scope, receive, send)
            return
        if session is not None and self._register is not None:
            if _is_use(request):
                await self._register.roll.note_use(session)
            if path == "/live":
                await self._run_until_over(session, scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _identify(self, request: Request) -> tuple[Session | None, bool]:
        """Return the log-in of a request, and whether it cannot be told because the database is away."""
        token = request.cookies.get(SESSION_COOKIE)
        if self._register is None or token is None or _STATIC.fullmatch(request.scope["path"]):
            return None, False
        try:
            return await self._register.roll.find(token), False
        except SessionsAway:
            return None, True

    def _choose_viewer(self, request: Request, session: Session | None) -> Viewer | None:
        if self._register is not None:
            return session.viewer if session else None
        return self._demo.get(request.cookies.get(demo.COOKIE, "")) or self._demo[demo.DEFAULT_ROLE]

    def _refuse(self, request: Request, viewer: Viewer | None, session: Session | None, away: bool) -> Response | None:
        """Return the answer to a request that is not let in."""
        path, changes = request.scope["path"], request.method not in SAFE_METHODS
        if changes and not is_own(request.headers):
            return self._answer(request, "foreign", 403)
        if _PUBLIC.fullmatch(path):
            return None
        if away:
            return self._answer(request, "away", 503)
        if viewer is None:
            return self._send_to(request, name_login(request), "log_in_first", 401)
        if session is not None and session.must_change and path not in _OPEN_WITH_OLD_PASSWORD:
            return self._send_to(request, "/password", "password_must_change", 403)
        if changes and path.startswith("/api/") and not path.startswith(_NO_TOKEN_NEEDED) and not _has_token(request):
            return self._answer(request, "token_wrong", 403)
        if not may_reach(viewer, path):
            return self._answer(request, "forbidden", 403)
        return None

    def _send_to(self, request: Request, address: str, key: str, status: int) -> Response:
        if _MACHINE.fullmatch(request.scope["path"]) or request.method not in SAFE_METHODS:
            return self._answer(request, key, status)
        return RedirectResponse(address, 303, {"cache-control": "no-store"})

    def _answer(self, request: Request, key: str, status: int) -> Response:
        if _MACHINE.fullmatch(request.scope["path"]):
            return JSONResponse({"detail": _DETAILS[key]}, status, {"cache-control": "no-store"})
        return self._sheets.say(request, key, status)

    def _dress(self, send: Send, cookies: list[tuple[bytes, bytes]]) -> Send:
        async def send_dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *cookies]
                said = {name.lower() for name, _ in headers}
                headers += [(name, value) for name, value in self._headers if name not in said]
                message = {**message, "headers": headers}
            await send(message)

        return send_dressed

    async def _run_until_over(self, session: Session, scope: Scope, receive: Receive, send: Send) -> None:
        """Give an endless answer, which ends when the log-in does, or becomes somebody else's to see."""
        over = asyncio.create_task(self._wait_until_over(session, Request(scope).cookies[SESSION_COOKIE]))

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

    async def _wait_until_over(self, session: Session, token: str) -> None:
        assert self._register is not None
        now: Session | None = session
        while now is not None and now.viewer == session.viewer:
            await asyncio.sleep(LOOKED_AFTER_EVERY_S)
            now = await self._register.roll.find(token)


# What a program is told; a page says the same in the reader's language (`login.<key>`).
_DETAILS: Final = {
    "foreign": "the request comes from a foreign page",
    "away": "the database is away, so nobody can be told from anybody",
    "log_in_first": "log in first",
    "password_must_change": "the password has to be changed first",
    "token_wrong": "the header X-CSRF-Token is missing or not the one of GET /api/me",
    "forbidden": "your role may not do this",
}


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
