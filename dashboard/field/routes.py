"""The addresses of the field: two pages, what they need, and photos for those who may see them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, Header, HTTPException, Query, Request, Response
from msgspec import Meta
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.rulebook import read_rulebook
from dashboard.api import Prepared
from dashboard.field.asking import (
    AWAY_RETRY_S,
    LARGEST_JSON_BYTES,
    PICTURE,
    answer_gzipped,
    describe_body,
    hold_back,
    name_asker,
    read_struct,
    refuse,
)
from dashboard.field.codes import Codes
from dashboard.field.intake import Intake, NotSignedIn
from dashboard.field.map import prepare_map
from dashboard.field.number import NumberError, read_number
from dashboard.field.pace import Pace
from dashboard.field.pages import is_lasting, lay_report, lay_status, read_files
from dashboard.field.photos import LARGEST_BYTES, MEDIA_TYPE, NoRoomForPhotos, PhotoRefused, PhotoStore
from dashboard.field.report import Places, Report, ReportRefused, list_public, read_report
from dashboard.field.status import RecordedReport, Teller, find_report
from dashboard.people.sheets import NO_STORE
from dashboard.people.viewer import Viewer, find_viewer
from dashboard.publishing import PublishAway, Publisher
from dashboard.replies import JsonResponse, receive_body
from dashboard.scope import sees_file
from dashboard.text import choose_language
from geo.county import County
from ingest.guard.room import BodyRoom, NoRoom
from ingest.history import read_case
from ingest.settings import Settings

HOUR_S: Final = 3600.0
PHOTOS_AT_ONCE: Final = 2  # each takes a processor, and memory for all its pixels
PHOTOS_IN_MEMORY_BYTES: Final = 128 * 1024 * 1024  # of those that arrive or wait for their turn
FOREVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}
REVALIDATED: Final = {"Cache-Control": "no-cache"}

Lang = Literal["zh", "en"]
log = logging.getLogger(__name__)


class Point(msgspec.Struct):
    """Where somebody wants to know the name of the place."""

    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]


class Question(msgspec.Struct):
    """What is typed to look a report up."""

    number: Annotated[str, Meta(max_length=40)]
    code: Annotated[str, Meta(max_length=40)]
    lang: Lang = "zh"


class Field:
    """What the routes share; made once a process."""

    def __init__(self, settings: Settings, county: County, engine: Engine, publisher: Publisher) -> None:
        self.county, self.engine = county, engine
        self.default_language = settings.ui_lang
        self.log_in = settings.auth == "on"
        self.kept_days = settings.media_kept_days
        self.files = read_files()
        self.map = Prepared(partial(prepare_map, county))
        self.photos = PhotoStore(settings.data_dir / "media")
        self.codes = Codes(settings.data_dir)
        self.public = list_public(county)
        self.places = Places(county)
        self.rulebook = read_rulebook(county)
        self.teller = Teller(county, self.rulebook, self.places)
        self.intake = Intake(
            county, self.places, self.photos, publisher, engine, self.codes, self.public, self.rulebook
        )
        self.darkroom = asyncio.Semaphore(PHOTOS_AT_ONCE)
        self.room = BodyRoom(PHOTOS_IN_MEMORY_BYTES)
        # An address is often a village's: what one telephone company gives all its customers there.
        self.reports = Pace(hourly=120, burst=30, all_by_minute=240)
        self.uploads = Pace(hourly=360, burst=90, all_by_minute=720)
        self.questions = Pace(hourly=1800, burst=120, all_by_minute=3000)
        self.wrong_answers = Pace(hourly=30, burst=10, all_by_minute=600)

    async def keep_house(self) -> None:
        """Remove old photos, every hour."""
        while True:
            try:
                removed = await asyncio.to_thread(self.photos.forget_old, self.kept_days)
                if removed:
                    log.info("removed %d old photos", removed)
            except OSError as error:
                log.warning("old photos cannot be removed: %s", error)
            await asyncio.sleep(HOUR_S)


def make_field_router(settings: Settings, county: County, engine: Engine, publisher: Publisher) -> APIRouter:
    """Return the routes of the field; `engine`, for reading SQL, and `publisher` stay the caller's.

    Who asks is `dashboard.people.viewer.current_viewer`; where it is not set it is a resident.
    """
    field = Field(settings, county, engine, publisher)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        house = asyncio.create_task(field.keep_house())
        yield
        house.cancel()
        with suppress(asyncio.CancelledError):
            await house

    router = APIRouter(lifespan=lifespan)
    _add_pages(router, field)
    _add_intake(router, field)
    _add_status(router, field)
    _add_media(router, field)
    return router


def _add_pages(router: APIRouter, field: Field) -> None:
    @router.get("/report", include_in_schema=False)
    async def show_report(lang: str = "", as_: Annotated[str, Query(alias="as")] = "") -> Response:
        viewer = None if as_ == "resident" else find_viewer()
        page = lay_report(field.county, field.files, _choose(field, lang), viewer, field.public, field.log_in)
        return Response(page, media_type="text/html", headers=NO_STORE)

    @router.get("/status", include_in_schema=False)
    async def show_status(lang: str = "") -> Response:
        page = lay_status(field.county, field.files, _choose(field, lang))
        return Response(page, media_type="text/html", headers=NO_STORE)

    @router.get("/report/files/{name}", include_in_schema=False)
    async def read_file(name: str, request: Request, v: str = "") -> Response:
        file = field.files.find(name)
        if file is None:
            raise HTTPException(404, "no such file")
        headers = {
            **(FOREVER if is_lasting(name) or v == field.files.version else REVALIDATED),
            "Vary": "Accept-Encoding",
        }
        return answer_gzipped(request, file.plain, file.compressed, file.media_type, headers)

    @router.get("/report/worker.js", include_in_schema=False)
    async def read_worker() -> Response:
        file = field.files.find("worker.js")
        if file is None:
            raise HTTPException(404, "the bundle is missing: run `make setup`")
        # Scripts below /report/ may otherwise not serve /report itself, nor /tasks.
        return Response(file.plain, media_type=file.media_type, headers={**REVALIDATED, "Service-Worker-Allowed": "/"})

    @router.get("/api/public/map/{revision}", response_class=Response, summary="The county's outlines, for a phone")
    async def read_map(revision: str, request: Request) -> Response:
        if revision != field.county.revision:
            raise HTTPException(404, f"the county's revision is {field.county.revision}")
        headers = {**FOREVER, "Vary": "Accept-Encoding"}
        outlines = await field.map.get()
        return answer_gzipped(request, outlines.plain, outlines.compressed, "application/json", headers)


def _add_intake(router: APIRouter, field: Field) -> None:
    @router.post(
        "/api/public/place",
        openapi_extra={"requestBody": describe_body(Point)},
        response_class=Response,
        summary="What the place of a point is called",
    )
    async def name_place(request: Request) -> Response:
        hold_back(field.questions, request)
        point = await read_struct(request, Point)
        place = field.places.find(point.lon, point.lat)
        if place is None:
            return refuse(422, "place", "refused_outside")
        names = {"town": place.town, "village": place.village, "cell": place.cell}
        return JsonResponse({key: {"zh": name.zh, "en": name.en} for key, name in names.items()})

    @router.post(
        "/api/public/photos",
        openapi_extra={"requestBody": PICTURE},
        response_class=Response,
        summary="Hand in a photo before its report",
    )
    async def take_photo(request: Request) -> Response:
        hold_back(field.uploads, request)
        try:
            with field.room.share() as share:
                body = await receive_body(request, LARGEST_BYTES, "photos", share.grow)
                async with field.darkroom:
                    return JsonResponse({"id": await asyncio.to_thread(field.photos.take, body)}, 201)
        except PhotoRefused:
            return refuse(422, "photos", "refused_photo")
        except (NoRoom, NoRoomForPhotos, OSError) as error:
            log.warning("a photo was not taken: %s", error)
            return refuse(503, "photos", "away")

    @router.post(
        "/api/public/reports",
        openapi_extra={"requestBody": describe_body(Report)},
        response_class=Response,
        summary="Hand in a report",
    )
    async def take_report(request: Request) -> Response:
        hold_back(field.reports, request)
        body = await receive_body(request, LARGEST_JSON_BYTES, "report")
        try:
            receipt = await field.intake.take(read_report(body), find_viewer())
        except ReportRefused as refusal:
            return refuse(422, refusal.field, refusal.reason)
        except NotSignedIn:
            return refuse(401, "worker", "sign_in_again")
        except (PublishAway, OSError) as error:
            log.warning("a report was not taken: %s", error)
            return refuse(503, "report", "away")
        return JsonResponse({"number": receipt.number, "code": receipt.code}, 202)


def _add_status(router: APIRouter, field: Field) -> None:
    @router.post(
        "/api/public/status",
        openapi_extra={"requestBody": describe_body(Question)},
        response_class=Response,
        summary="How a report stands, by its number and code",
    )
    async def read_status(request: Request) -> Response:
        hold_back(field.questions, request)
        question = await read_struct(request, Question)
        # A wrong answer costs, a right one does not: so somebody who tries numbers is soon out of breath.
        hold_back(field.wrong_answers, request)
        number = await asyncio.to_thread(_check, field, question.number, question.code)
        if number is None:
            return refuse(404, "number", "refused_unknown")
        if find_viewer() is None:
            field.wrong_answers.give_back(name_asker(request))
        try:
            told = await asyncio.to_thread(_tell, field, number, question.lang)
        except SQLAlchemyError:
            return refuse(503, "number", "away")
        # The code is right, so the report was accepted: it is on its way to the database.
        return JsonResponse(told or {"arriving": True})


def _add_media(router: APIRouter, field: Field) -> None:
    @router.get("/media/{number}/{photo}", response_class=Response, summary="A photo of a report, for who may see it")
    async def read_media(number: str, photo: str, x_report_code: Annotated[str, Header()] = "") -> Response:
        try:
            picture = await asyncio.to_thread(_find_photo, field, number, photo, x_report_code, find_viewer())
        except SQLAlchemyError:
            raise HTTPException(503, "the database is away", {"Retry-After": str(AWAY_RETRY_S)}) from None
        if picture is None:  # whoever may not see it is told what is told of one that there is not
            raise HTTPException(404, "no such photo, or not yours to see")
        headers = {
            "Cache-Control": "private, max-age=3600",
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Vary": "X-Report-Code, Cookie",
        }
        return Response(picture, media_type=MEDIA_TYPE, headers=headers)


def _find_photo(field: Field, number: str, photo: str, code: str, viewer: Viewer | None) -> bytes | None:
    """Return a photo of a report for whoever may see it, None for everybody else. Reads SQL and the disk."""
    report = find_report(field.engine, number)
    if report is None or f"/media/{number}/{photo}" not in report.media:
        return None
    allowed = field.codes.check(number, code) or _may_see(field, report, viewer)
    return field.photos.read(photo) if allowed else None


def _may_see(field: Field, report: RecordedReport, viewer: Viewer | None) -> bool:
    """Return whether somebody of the office may see a report's photos: whoever may see its case, but no wall."""
    if viewer is None or viewer.role == "wall":
        return False
    file = read_case(field.engine, report.case_id)
    return file is not None and sees_file(viewer, file, field.rulebook)


def _check(field: Field, text: str, code: str) -> str | None:
    """Return the number that was typed, None where there is no such number or the code is not its own."""
    try:
        number = read_number(text)
    except NumberError:
        return None
    return number if field.codes.check(number, code) else None


def _tell(field: Field, number: str, lang: str) -> dict[str, Any] | None:
    report = find_report(field.engine, number)
    return None if report is None else field.teller.tell(field.engine, report, lang)


def _choose(field: Field, lang: str) -> str:
    return choose_language(lang, field.default_language)
