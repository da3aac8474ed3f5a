"""`/people`: the administrator's page of accounts."""

import asyncio
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse
from sqlalchemy.exc import SQLAlchemyError

from dashboard.people.accounts import Account, AccountError, check_place
from dashboard.people.forms import has_token, name_address, read_form
from dashboard.people.notes import record
from dashboard.people.passwords import make_password
from dashboard.people.register import Register
from dashboard.people.sheets import NO_STORE, Sheets
from dashboard.people.viewer import ROLES, Viewer, get_viewer
from dashboard.text import text

LONGEST_FIELD: Final = 100
LISTED_LEVELS: Final = ("town", "village")  # what the page proposes; a cell's code is typed


def make_directory_router(sheets: Sheets, register: Register) -> APIRouter:
    """Return the routes of the page; the gate lets nobody but administrators in."""
    router = APIRouter()
    county, accounts = sheets.county, register.accounts

    def do(deed: str, described: Viewer, password: str) -> Account:
        """Do one of the page's deeds, and return the account as it is now; raises `AccountError`."""
        match deed:
            case "add":
                check_place(county, described)
                return accounts.add(described, password)
            case "change":
                check_place(county, described)
                return accounts.change(described)
            case "password":
                return accounts.set_password(described.name, password, must_change=True)
            case "disable":
                return accounts.disable(described.name)
            case "enable":
                return accounts.enable(described.name)
            case "unlock":
                return accounts.unlock(described.name)
            case _:
                raise AccountError("deed_unknown")

    async def show(request: Request, status: int = 200, notice: str = "", **more: object) -> Response:
        lang = sheets.choose_lang(request)
        areas = county.areas
        names = areas["name_en"].where(areas["name_en"].notna(), areas["name"]) if lang == "en" else areas["name"]
        listed = await asyncio.to_thread(accounts.list_all)
        values: dict[str, object] = {
            "heading": text(lang, "people.heading"),
            "notice": notice,
            "accounts": listed,
            "states": {account.name: _name_state(account) for account in listed},
            "places": {account.area: names.get(account.area, account.area) for account in listed},
            "roles": ROLES,
            "units": [(code, unit.en if lang == "en" else unit.zh) for code, unit in county.units.items()],
            "listed": list(names[areas["level"].isin(LISTED_LEVELS)].items()),
            "given": Viewer("", "", "grid_worker"),
            "password": "",
            "named": "",
        }
        return sheets.show(request, "people", status, **values | more)

    @router.get("/people", include_in_schema=False)
    async def list_accounts(request: Request) -> Response:
        try:
            return await show(request)
        except SQLAlchemyError:
            return sheets.say(request, "away", 503)

    @router.post("/people", include_in_schema=False)
    async def change_accounts(request: Request) -> Response:
        form, lang = await read_form(request), sheets.choose_lang(request)
        if not has_token(request, form):
            return sheets.say(request, "token_wrong", 403)
        deed, described, password = form.get("deed", ""), _read_viewer(form), make_password(form.get("name", ""))
        try:
            account = await asyncio.to_thread(do, deed, described, password)
            register.roll.forget()
            details = {"role": account.role, "area": account.area, "unit": account.unit}
            address = name_address(request)
            await record(register.notes, get_viewer(), f"account_{deed}", account.name, details, address)
            if deed not in ("add", "password"):
                return RedirectResponse(f"/people?lang={lang}", 303, NO_STORE)
            return await show(request, password=password, named=account.name)
        except AccountError as fault:
            return await show(request, 422, text(lang, f"people.{fault}"), given=described)
        except SQLAlchemyError:
            return sheets.say(request, "away", 503)

    return router


def _read_viewer(form: dict[str, str]) -> Viewer:
    said = {name: value.strip()[:LONGEST_FIELD] for name, value in form.items()}
    return Viewer(
        name=said.get("name", ""),
        title=said.get("title", ""),
        role=said.get("role", ""),
        area=said.get("area", ""),
        unit=said.get("unit") or None,
    )


def _name_state(account: Account) -> str:
    if account.disabled_at is not None:
        return "disabled"
    if account.locked_until is not None and account.locked_until > datetime.now(UTC):
        return "locked"
    return "must_change" if account.must_change else "active"
