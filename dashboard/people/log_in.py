"""Log-in, log-out, the own password, and `/api/me`."""

import asyncio
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from sqlalchemy.exc import SQLAlchemyError

from dashboard.people import demo
from dashboard.people.accounts import Account, AccountError, Verdict, normalize_name
from dashboard.people.forgery import current_token
from dashboard.people.forms import has_token, name_address, read_form
from dashboard.people.gate import SESSION_COOKIE, is_secure
from dashboard.people.lookup import digest_token
from dashboard.people.notes import record
from dashboard.people.permissions import RIGHTS
from dashboard.people.register import Register
from dashboard.people.sheets import NO_STORE, Sheets, choose_next
from dashboard.people.viewer import Viewer, find_viewer, get_viewer
from dashboard.people.walls import WallViewer
from dashboard.text import text
from ingest.settings import Settings

FAILURE_TAKES_S: Final = 0.8  # longer than any check, so that the time tells nothing
CHECKS_AT_ONCE: Final = 2  # each takes 64 MiB and a processor
LONGEST_INPUT: Final = 200

_DEEDS: Final = {
    Verdict.WRONG: "log_in_failed",
    Verdict.LOCKED_NOW: "locked_out",
    Verdict.LOCKED: "log_in_failed",
    Verdict.DISABLED: "log_in_failed",
    Verdict.UNKNOWN: "log_in_failed",
}


def make_log_in_router(settings: Settings, sheets: Sheets, register: Register) -> APIRouter:
    """Return the routes of log-in, for `AUTH=on`."""
    router = make_me_router(log_in=True)
    checks = asyncio.Semaphore(CHECKS_AT_ONCE)

    def show_log_in(request: Request, status: int = 200, notice: str = "", name: str = "", to: str = "/") -> Response:
        lang = sheets.choose_lang(request)
        said = text(lang, f"login.{notice}") if notice else ""
        heading = text(lang, "login.heading")
        return sheets.show(request, "login", status, heading=heading, notice=said, name=name, next=to)

    def show_password(request: Request, status: int = 200, notice: str = "", to: str = "/") -> Response:
        lang = sheets.choose_lang(request)
        said = text(lang, f"login.{notice}") if notice else ""
        return sheets.show(
            request, "password", status, heading=text(lang, "login.password_heading"), notice=said, next=to
        )

    async def begin_session(request: Request, account: Account, to: str) -> Response:
        """Log somebody in under a new token, and end what the same browser had before."""
        old = request.cookies.get(SESSION_COOKIE)
        if old is not None:
            await asyncio.to_thread(register.sessions.close, digest_token(old))
        token = await asyncio.to_thread(register.sessions.open, account.name)
        register.roll.forget()
        first = f"/password?lang={sheets.choose_lang(request)}&next={quote(to, safe='')}"
        answer = RedirectResponse(first if account.must_change else to, 303, NO_STORE)
        answer.set_cookie(
            SESSION_COOKIE,
            token,
            # A wall's browser is started again by nobody; a person's forgets when it is closed.
            max_age=settings.wall_session_days * 86_400 if account.role == "wall" else None,
            httponly=True,
            samesite="strict",
            secure=is_secure(request),
        )
        return answer

    @router.get("/login", include_in_schema=False)
    async def show_login(request: Request) -> Response:
        to = choose_next(request.query_params.get("next"))
        return RedirectResponse(to, 303, NO_STORE) if find_viewer() else show_log_in(request, to=to)

    @router.post("/login", include_in_schema=False)
    async def log_in(request: Request) -> Response:
        form, address = await read_form(request), name_address(request)
        to, name = choose_next(form.get("next")), form.get("name", "")[:LONGEST_INPUT]
        if not has_token(request, form):
            return show_log_in(request, 403, "stale", name, to)
        if not register.attempts.admit(address):
            return show_log_in(request, 429, "too_many", name, to)
        try:
            async with checks:
                # From here on: how long one waits for a turn tells nothing, what comes after it would.
                answer_at = asyncio.get_running_loop().time() + FAILURE_TAKES_S
                password = form.get("password", "")[:LONGEST_INPUT]
                verdict, account = await asyncio.to_thread(register.accounts.verify, name, password)
            if account is not None:
                register.attempts.forgive(address)
                await record(register.notes, account.viewer, "log_in", account.name, address=address)
                return await begin_session(request, account, to)
            # The name as it was typed may be a password in the wrong field: only one that exists is written down.
            known = "" if verdict is Verdict.UNKNOWN else normalize_name(name)
            nobody = Viewer("", "", "")
            await record(register.notes, nobody, _DEEDS[verdict], known, {"why": verdict.value}, address)
        except SQLAlchemyError:
            register.attempts.forgive(address)
            return show_log_in(request, 503, "away", name, to)
        await asyncio.sleep(answer_at - asyncio.get_running_loop().time())
        return show_log_in(request, 403, "failed", name, to)

    @router.post("/logout", include_in_schema=False)
    async def log_out(request: Request) -> Response:
        if not has_token(request, await read_form(request)):
            return sheets.say(request, "token_wrong", 403)
        try:
            await asyncio.to_thread(register.sessions.close, digest_token(request.cookies[SESSION_COOKIE]))
            register.roll.forget()
            await record(register.notes, get_viewer(), "log_out", get_viewer().name, address=name_address(request))
        except SQLAlchemyError:
            return sheets.say(request, "away", 503)
        answer = RedirectResponse("/login", 303, NO_STORE)
        answer.delete_cookie(SESSION_COOKIE, httponly=True, samesite="strict")
        return answer

    @router.get("/password", include_in_schema=False)
    async def show_password_page(request: Request) -> Response:
        return show_password(request, to=choose_next(request.query_params.get("next")))

    @router.post("/password", include_in_schema=False)
    async def change_password(request: Request) -> Response:
        form, viewer, address = await read_form(request), get_viewer(), name_address(request)
        to, new = choose_next(form.get("next")), form.get("new", "")
        if not has_token(request, form):
            return show_password(request, 403, "stale", to)
        if new != form.get("again"):
            return show_password(request, 422, "password_differs", to)
        if new == form.get("password"):
            return show_password(request, 422, "password_same", to)
        if not register.attempts.admit(address):
            return show_password(request, 429, "too_many", to)
        try:
            async with checks:
                password = form.get("password", "")[:LONGEST_INPUT]
                verdict, account = await asyncio.to_thread(register.accounts.verify, viewer.name, password)
            if account is None:
                await record(register.notes, viewer, "password_failed", viewer.name, {"why": verdict.value}, address)
                return show_password(request, 403, "password_now_wrong", to)
            register.attempts.forgive(address)
            changed = await asyncio.to_thread(register.accounts.set_password, viewer.name, new, must_change=False)
            await record(register.notes, viewer, "password_changed", viewer.name, address=address)
            return await begin_session(request, changed, to)
        except AccountError as fault:
            return show_password(request, 422, str(fault), to)
        except SQLAlchemyError:
            return sheets.say(request, "away", 503)

    return router


def make_demo_router(sheets: Sheets) -> APIRouter:
    """Return the routes for `AUTH=demo`: a menu says who one is, and there is nothing to log in to."""
    router = make_me_router(log_in=False)
    roles = demo.list_demo_viewers(sheets.county, sheets.default_lang).keys()

    @router.post("/demo-viewer", include_in_schema=False)
    async def choose_viewer(request: Request) -> Response:
        role = request.query_params.get("viewer", "")
        if not has_token(request, await read_form(request)) or role not in roles:
            return sheets.say(request, "token_wrong", 403)
        answer = RedirectResponse(choose_next(request.query_params.get("next")), 303, NO_STORE)
        answer.set_cookie(demo.COOKIE, role, httponly=True, samesite="strict")
        return answer

    @router.get("/people", include_in_schema=False)
    async def explain_accounts(request: Request) -> Response:
        # Who could make accounts without log-in would still have one when log-in is on.
        return sheets.say(request, "no_accounts", 200)

    @router.get("/login", include_in_schema=False)
    async def skip_login(request: Request) -> Response:
        return RedirectResponse(choose_next(request.query_params.get("next")), 303, NO_STORE)

    return router


def make_me_router(log_in: bool) -> APIRouter:
    """Return `/api/me` and what keeps a log-in in use."""
    router = APIRouter()

    @router.get("/api/me", summary="Who is asking, and what they may open and do")
    async def read_me() -> JSONResponse:
        viewer = get_viewer()
        me = {
            "name": viewer.name,
            "title": viewer.title,
            "role": viewer.role,
            "area": viewer.area,
            "unit": viewer.unit,
            "csrf": current_token.get(),
            "permissions": sorted(RIGHTS[viewer.role]),
            "log_in": log_in and not isinstance(viewer, WallViewer),
        }
        return JSONResponse(me, headers=NO_STORE)

    @router.post("/api/me/active", status_code=204, summary="Somebody is at the screen: the idle limit starts anew")
    async def stay() -> Response:
        return Response(status_code=204)  # the gate has noted it

    return router
