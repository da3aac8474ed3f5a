"""The desk's own intake: what a hotline clerk, a window or a duty officer takes down becomes a report like any other.

What the county's matter list refuses is refused here, in the rule's words. Likely duplicates are
`dashboard.similar`'s; to one of them a report can be added, and then makes no case of its own.
"""

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Query, Request, Response
from msgspec import Meta
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.matters import Matter
from cases.rulebook import Rulebook
from dashboard.case_standing import pick
from dashboard.casefile import describe_responsible
from dashboard.field.number import make_number, show_number
from dashboard.field.report import Place, Places, make_title
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.publishing import PublishAway, Publisher, PublishRefused
from dashboard.replies import JsonResponse
from dashboard.scope import sees_file
from geo.county import County
from geo.pack import Name
from ingest.history import read_case

CLERKS: Final = frozenset({"county_duty", "dispatcher", "town_centre", "village_centre"})
LARGEST_BYTES: Final = 64 * 1024
MOST_ATTEMPTS: Final = 5

Line = Annotated[str, Meta(max_length=60)]
Lang = Literal["zh", "en"]


class Reporter(msgspec.Struct, forbid_unknown_fields=True):
    """Who reported it: personal data."""

    name: Line = ""
    phone: Line = ""
    email: Line = ""


class DeskReport(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a clerk takes down; `lon` and `lat` (WGS 84) or a cell's code say where.

    id: one of the browser's own, so that a report that is sent again is taken once. title: by default the class's name
    and how the description begins. joins: the case that it is added to.
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
    joins: Annotated[str, Meta(max_length=200)] = ""


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
        self._places = Places(county)

    def list_classes(self, viewer: Viewer, lang: Lang) -> list[dict[str, Any]]:
        """Return the classes that the matter list of the day takes, each with its matter; raises `Refused`."""
        _check_role(viewer)
        now = datetime.now(UTC)
        admissions = {code: self._rulebook.admit(code, now) for code in self._county.categories}
        return [
            {"code": code, **describe_matter(admission.matter, lang)}
            for code, admission in admissions.items()
            if not admission.refused
        ]

    def describe_place(
        self, viewer: Viewer, lon: float | None, lat: float | None, cell_code: str | None, lang: Lang
    ) -> dict[str, Any]:
        """Return town, village, cell and grid worker of a place; raises `Refused`."""
        _check_role(viewer)
        place = self._find_place(viewer, lon, lat, cell_code)
        return {
            "cell_code": place.cell_code,
            "town": pick(place.town, lang),
            "village": pick(place.village, lang),
            "cell": pick(place.cell, lang),
            "responsible": describe_responsible(self._county, place.cell_code, lang),
        }

    async def take(self, viewer: Viewer, report: DeskReport) -> tuple[str, str]:
        """Publish a report; return its number, and the case that it is or is added to, once ingest has it.

        Raises `Refused` and `PublishAway`.
        """
        now = datetime.now(UTC)
        _check_role(viewer)
        category = self._county.categories.get(report.category)
        if category is None:
            raise Refused("category", f"the county has no class {report.category!r}")
        admission = self._rulebook.admit(report.category, now)
        if admission.refused:
            raise Refused("category", "not on the matter list", rule=admission.rule)
        self._find_place(viewer, report.lon, report.lat, report.cell_code)
        if report.joins:
            await asyncio.to_thread(self._check_joined, viewer, report.joins)
        data = make_data(report, category.zh, viewer, now)
        number = await asyncio.to_thread(self._choose_number, report, data["title"], now)
        case_id = report.joins or number
        try:
            await self._publisher.publish("case.reported", {**data, "case_id": case_id}, id=number)
        except PublishRefused as refusal:
            field, _, reason = str(refusal).partition(": ")
            raise Refused(field.removeprefix("data."), reason) from None
        return number, case_id

    def _find_place(self, viewer: Viewer, lon: float | None, lat: float | None, cell_code: str | None) -> Place:
        if lon is not None and lat is not None:
            place = self._places.find(lon, lat)
            if place is None:
                raise Refused("place", "lies outside the county")
        elif lon is not None or lat is not None:
            raise Refused("place", "lon and lat go together")
        elif cell_code is not None and cell_code in self._county.cells.index:
            place = self._places.name(cell_code)
        else:
            raise Refused("place", "give lon and lat, or the code of a cell")
        if not viewer.sees_cell(place.cell_code):
            raise Refused("place", "lies outside your area", 403)
        return place

    def _check_joined(self, viewer: Viewer, case_id: str) -> None:
        try:
            file = read_case(self._engine, case_id)
        except SQLAlchemyError:
            raise Refused("joins", "cannot be looked up while the database is away", 503) from None
        if file is None or not sees_file(viewer, file, self._rulebook):
            raise Refused("joins", "no such case, or not yours to see")
        if file.case.closed_at is not None:
            raise Refused("joins", "has ended")

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


def describe_matter(matter: Matter | None, lang: str) -> dict[str, str]:
    """Return what the form says of a matter: its name, and when it is one; nothing of what no matter takes."""
    if matter is None:
        return {}
    return {"matter": pick(matter.name, lang), "admission": pick(matter.admission.name, lang)}


def _check_role(viewer: Viewer) -> None:
    if viewer.role not in CLERKS:
        raise Refused("role", f"taking reports is not for the role {viewer.role}", 403)


def make_data(report: DeskReport, category: str, viewer: Viewer, now: datetime) -> dict[str, Any]:
    """Return the data of the `case.reported` that a report becomes, but its number."""
    data: dict[str, Any] = {
        "category": report.category,
        "title": " ".join(report.title.split()) or make_title(category, report.description),
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
    """Return `POST /api/reports`, and what its form asks for while it is filled in."""
    router = APIRouter()

    @router.get("/api/reports/classes", response_class=JsonResponse, summary="What the matter list takes at the desk")
    async def list_classes(lang: Lang = "zh") -> Response:
        try:
            return JsonResponse({"classes": intake.list_classes(get_viewer(), lang)})
        except Refused as refusal:
            return _answer(refusal)

    @router.get("/api/reports/place", response_class=JsonResponse, summary="Whose a place is: cell and grid worker")
    async def describe_place(
        lon: Annotated[float | None, Query(ge=-180, le=180)] = None,
        lat: Annotated[float | None, Query(ge=-90, le=90)] = None,
        cell_code: Annotated[str | None, Query(max_length=20)] = None,
        lang: Lang = "zh",
    ) -> Response:
        try:
            return JsonResponse(intake.describe_place(get_viewer(), lon, lat, cell_code, lang))
        except Refused as refusal:
            return _answer(refusal)

    @router.post("/api/reports", response_class=Response, summary="Take a report down at the desk")
    async def take(request: Request) -> Response:
        try:
            number, case_id = await intake.take(get_viewer(), read_report(await request.body()))
        except Refused as refusal:
            return _answer(refusal)
        except PublishAway as error:
            return JsonResponse({"field": "report", "reason": str(error)}, 503, {"Retry-After": "2"})
        return JsonResponse({"case_id": case_id, "number": show_number(number)}, 201)

    return router


def _answer(refusal: Refused) -> Response:
    told: dict[str, Any] = {"field": refusal.field, "reason": refusal.reason}
    if refusal.rule is not None:
        told["rule"] = {"zh": refusal.rule.zh, "en": refusal.rule.en}
    return JsonResponse(told, refusal.status)


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
