"""The desk's own intake: what a hotline clerk, a window or a duty officer takes down becomes a report like any other.

What the county's matter list refuses is refused here, in the rule's words. Likely duplicates are `GET /api/similar`'s.
"""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from msgspec import Meta
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.rulebook import Rulebook
from dashboard.field.number import make_number, show_number
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.publishing import PublishAway, Publisher, PublishRefused
from dashboard.replies import JsonResponse
from geo.county import County
from geo.lookup import CellLookup
from geo.pack import Name
from ingest.history import read_case

CLERKS: Final = frozenset({"county_duty", "dispatcher", "town_centre", "village_centre"})
LARGEST_BYTES: Final = 64 * 1024
MOST_ATTEMPTS: Final = 5

Line = Annotated[str, Meta(max_length=60)]


class Reporter(msgspec.Struct, forbid_unknown_fields=True):
    """Who reported it: personal data."""

    name: Line = ""
    phone: Line = ""
    email: Line = ""


class DeskReport(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a clerk takes down; `lon` and `lat` (WGS 84) or a cell's code say where.

    id: one of the browser's own, so that a report that is sent again is taken once. title: by default the class's name.
    """

    id: Annotated[str, Meta(min_length=8, max_length=64)] | None = None
    category: Annotated[str, Meta(max_length=20)]
    title: Annotated[str, Meta(max_length=200)] = ""
    description: Annotated[str, Meta(max_length=5000)] = ""
    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    cell_code: Annotated[str, Meta(max_length=20)] | None = None
    severity: Annotated[int, Meta(ge=1, le=4)] | None = None
    people: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    channel: Literal["hotline", "superior", "window"] = "hotline"
    reporter: Reporter | None = None


class Refused(ValueError):  # noqa: N818 - it says what happened
    """A report that is not taken: which field, and why; `rule` are the words of the county's rule, if one says so."""

    def __init__(self, field: str, reason: str, status: int = 422, rule: Name | None = None) -> None:
        super().__init__(reason)
        self.field, self.reason, self.status, self.rule = field, reason, status, rule


class DeskIntake:
    """Takes reports at the desk; the engine, for reading SQL, and the publisher stay the caller's."""

    def __init__(self, county: County, rulebook: Rulebook, engine: Engine, publisher: Publisher) -> None:
        self._county, self._rulebook = county, rulebook
        self._engine, self._publisher = engine, publisher
        self._cells = CellLookup(county.cells)

    async def take(self, viewer: Viewer, report: DeskReport) -> str:
        """Publish a report and return its number, once ingest has it; raises `Refused` and `PublishAway`."""
        now = datetime.now(UTC)
        if viewer.role not in CLERKS:
            raise Refused("role", f"taking reports is not for the role {viewer.role}", 403)
        category = self._county.categories.get(report.category)
        if category is None:
            raise Refused("category", f"the county has no class {report.category!r}")
        admission = self._rulebook.admit(report.category, now)
        if admission.refused:
            raise Refused("category", "not on the matter list", rule=admission.rule)
        self._check_place(viewer, report)
        data = make_data(report, category.zh, viewer, now)
        number = await asyncio.to_thread(self._choose_number, report, data["title"], now)
        try:
            await self._publisher.publish("case.reported", {**data, "case_id": number}, id=number)
        except PublishRefused as refusal:
            field, _, reason = str(refusal).partition(": ")
            raise Refused(field.removeprefix("data."), reason) from None
        return number

    def _check_place(self, viewer: Viewer, report: DeskReport) -> None:
        if report.lon is not None and report.lat is not None:
            cell = self._cells.find_cell(report.lon, report.lat)
            if cell is None:
                raise Refused("place", "lies outside the county")
        elif report.lon is not None or report.lat is not None:
            raise Refused("place", "lon and lat go together")
        else:
            cell = report.cell_code
            if cell not in self._county.cells.index:
                raise Refused("place", "give lon and lat, or the code of a cell")
        if not viewer.sees_cell(cell):
            raise Refused("place", "lies outside your area", 403)

    def _choose_number(self, report: DeskReport, title: str, now: datetime) -> str:
        """Return the first number that is free, or is that of this very report, which was sent before."""
        id = report.id or str(uuid.uuid4())
        day = now.astimezone(self._county.time_zone)
        try:
            for attempt in range(MOST_ATTEMPTS):
                number = make_number(id, day, attempt)
                known = read_case(self._engine, number)
                if known is None or (known.case.category, known.case.title) == (report.category, title):
                    return number
        except SQLAlchemyError:
            # Ingest takes reports while the database is away, and so do we.
            return make_number(id, day)
        raise Refused("id", "is taken by another report")


def make_data(report: DeskReport, category: str, viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Return the data of the `case.reported` that a report becomes, but its number."""
    data: dict[str, Any] = {
        "category": report.category,
        "title": " ".join(report.title.split()) or category,
        "reported_at": now.isoformat(),
        "channel": report.channel,
        "actor": viewer.name,
    }
    said: dict[str, Any] = {
        "description": report.description.strip(),
        "severity": report.severity,
        "people": report.people,
    }
    if report.lon is not None:
        said |= {"lon": report.lon, "lat": report.lat}
    else:
        said["cell_code"] = report.cell_code
    if report.reporter is not None:
        said["reporter"] = {name: text for name, text in msgspec.structs.asdict(report.reporter).items() if text}
    return data | {name: value for name, value in said.items() if value not in (None, "", {})}


def make_intake_router(intake: DeskIntake) -> APIRouter:
    """Return `POST /api/reports`."""
    router = APIRouter()

    @router.post("/api/reports", response_class=Response, summary="Take a report down at the desk")
    async def take(request: Request) -> Response:
        try:
            number = await intake.take(get_viewer(), read_report(await request.body()))
        except Refused as refusal:
            told: dict[str, Any] = {"field": refusal.field, "reason": refusal.reason}
            if refusal.rule is not None:
                told["rule"] = {"zh": refusal.rule.zh, "en": refusal.rule.en}
            return JsonResponse(told, refusal.status)
        except PublishAway as error:
            return JsonResponse({"field": "report", "reason": str(error)}, 503, {"Retry-After": "2"})
        return JsonResponse({"case_id": number, "number": show_number(number)}, 201)

    return router


def read_report(body: bytes) -> DeskReport:
    """Return the report in a body of JSON; raises `Refused` naming the field that cannot be read."""
    if len(body) > LARGEST_BYTES:
        raise Refused("report", f"more than {LARGEST_BYTES} bytes", 413)
    try:
        return msgspec.json.decode(body, type=DeskReport)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$.")
        raise Refused(path.rstrip("`") or "report", reason) from None
    except (ValueError, RecursionError):
        raise Refused("report", "is no JSON") from None
