"""`/audit`: who did and saw what, for administrators and supervisors of the whole county."""

import asyncio
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from dashboard.people.audit import Audit, Deed, Finding
from dashboard.people.permissions import may
from dashboard.people.sheets import Sheets
from dashboard.people.viewer import get_viewer
from dashboard.replies import JsonResponse
from dashboard.text import load_catalogue, text

ROWS: Final = 100
MOST_ROWS: Final = 1_000

Before = Annotated[int | None, Query(ge=1, lt=2**63, description="only rows of lower numbers")]
FILTERS: Final = ("actor", "deed", "subject")


def make_audit_router(sheets: Sheets, audit: Audit) -> APIRouter:
    """Return the page and `/api/audit`; the log stays the caller's."""
    router = APIRouter()

    def look(filters: dict[str, str], before: int | None, check: bool) -> tuple[list[Deed], Finding | None]:
        return audit.read(**filters, before=before, limit=ROWS), audit.verify() if check else None

    @router.get("/audit", include_in_schema=False)
    async def show_page(request: Request, before: Before = None, check: bool = False) -> Response:
        if not _may_read():
            return sheets.say(request, "forbidden", 403)
        lang = sheets.choose_lang(request)
        filters = {name: request.query_params.get(name, "").strip() for name in FILTERS}
        try:
            deeds, finding = await asyncio.to_thread(look, filters, before, check)
        except SQLAlchemyError:
            return sheets.say(request, "away", 503)
        zone = sheets.county.time_zone
        values: dict[str, Any] = {
            "heading": text(lang, "audit.heading"),
            "filters": filters,
            "rows": [_describe(deed, lang) | {"at": f"{deed.at.astimezone(zone):%Y-%m-%d %H:%M:%S}"} for deed in deeds],
            "older": deeds[-1].number if len(deeds) == ROWS else None,
            "finding": finding,
        }
        return sheets.show(request, "audit", **values)

    @router.get("/api/audit", response_class=Response, summary="Who did and saw what, the newest first")
    async def read_audit(
        actor: str = "",
        deed: Annotated[str, Query(description="one, or the beginning of some, like case.")] = "",
        subject: str = "",
        before: Before = None,
        limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = ROWS,
    ) -> Response:
        if not _may_read():
            raise HTTPException(403, "the audit log is for administrators and supervisors of the whole county")
        try:
            deeds = await asyncio.to_thread(audit.read, actor, deed, subject, before, limit)
        except SQLAlchemyError:
            raise HTTPException(503, "the database is away", {"Retry-After": "2"}) from None
        return JsonResponse({"deeds": deeds})

    return router


def _may_read() -> bool:
    # Its rows are not by area, so somebody's who sees only a part of the county it is not.
    viewer = get_viewer()
    return may(viewer, "audit") and not viewer.area


def _describe(deed: Deed, lang: str) -> dict[str, Any]:
    words = load_catalogue(lang)
    return {
        "number": deed.number,
        "actor": deed.actor,
        "role": words.get(f"people.role_{deed.role}", deed.role),
        "key": deed.deed,
        "deed": words.get(f"audit.deed_{deed.deed.replace('.', '_')}", deed.deed),
        "subject": deed.subject,
        "address": deed.address,
        "details": " · ".join(
            f"{words.get(f'audit.detail_{name}', name)}: {_say(value)}" for name, value in deed.details.items() if value
        ),
    }


def _say(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
