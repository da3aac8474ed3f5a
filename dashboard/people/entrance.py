"""Puts log-in around a web application: the gate, and the pages that belong to it."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI

from dashboard.people.directory import make_directory_router
from dashboard.people.gate import Gate
from dashboard.people.log_in import make_demo_router, make_log_in_router
from dashboard.people.register import Register
from dashboard.people.sheets import Sheets
from geo.county import County
from ingest.settings import Settings


def guard_app(
    app: FastAPI,
    settings: Settings,
    county: County,
    register: Register | None,
    script_hashes: Iterable[str] = (),
    pages: bool = True,
) -> None:
    """Let nobody reach the application but through the gate; call it when everything else is in it.

    register: None where there is no log-in; it is closed with the application. script_hashes: of the scripts that stand
    in its pages, as a Content-Security-Policy writes them. pages: also add the pages of log-in and accounts, which one
    process behind an address has.
    """
    sheets = Sheets(county, settings.ui_lang, logs_out=register is not None)
    if register is not None:
        app.include_router(_make_closing_router(register))
    if pages and register is not None:
        app.include_router(make_log_in_router(settings, sheets, register))
        app.include_router(make_directory_router(sheets, register))
    elif pages:
        app.include_router(make_demo_router(sheets))
    app.add_middleware(
        Gate, sheets=sheets, register=register, script_hashes=tuple(script_hashes), host=settings.web_host
    )


def _make_closing_router(register: Register) -> APIRouter:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(register.close)

    return APIRouter(lifespan=lifespan)
