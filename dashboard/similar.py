"""What a report is like: cases that may tell of the same thing (疑似重复), and those that it repeats (重复发生).

Asked at intake, before a report is handed in, and by the desk of a case. Told is what is the asker's to see; who is
not logged in learns class, distance, time and number of public cases, and never a word of theirs.
"""

import asyncio
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from msgspec import Meta
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.duplicates import (
    METRES_PER_DEGREE,
    Likeness,
    Report,
    add_contact,
    find_likely_duplicates,
    find_repeats,
    read_rules,
)
from cases.rulebook import read_rulebook
from dashboard.field.pace import Pace
from dashboard.field.report import list_public
from dashboard.likenesses import KnownCase, describe_likeness, describe_publicly, know_case, know_row
from dashboard.live import Hub
from dashboard.people.forms import name_address
from dashboard.people.viewer import Viewer, find_viewer
from dashboard.replies import JsonResponse, read_body, receive_body, shield
from dashboard.scope import find_scope, sees_file
from geo.county import County
from geo.lookup import CellLookup
from ingest.answers import Case as CaseRow
from ingest.answers import Reporter
from ingest.history import ended_cases_near, read_case
from ingest.tables import as_ms, as_time
from layers.places import feature_id
from layers.state import LiveState

MOST_SHOWN: Final = 5
MOST_TEXT: Final = 400
LARGEST_BYTES: Final = 8192

CLOSED: Final = "closed"
MERGE: Final = "merge"

T = TypeVar("T")
Lang = Literal["zh", "en"]
Pair = tuple[Likeness, KnownCase]
ReadPersons = Callable[[str], Sequence[Reporter]]


class Question(msgspec.Struct):
    """What is asked before a report is handed in; `at` is when it was seen, now if left out.

    cell_code: in place of `lon` and `lat` where no more is known.
    """

    lon: Annotated[float, Meta(ge=-180, le=180)] | None = None
    lat: Annotated[float, Meta(ge=-90, le=90)] | None = None
    cell_code: Annotated[str, Meta(max_length=20)] | None = None
    category: Annotated[str, Meta(max_length=20)] = ""
    text: Annotated[str, Meta(max_length=MOST_TEXT)] = ""
    at: datetime | None = None
    lang: Lang = "zh"


@dataclass(frozen=True)
class Found:
    """What a report is like and what it repeats, the first to look at first."""

    duplicates: list[Pair]
    repeats: list[Pair]


def make_similar_router(hub: Hub, county: County, engine: Engine, read_persons: ReadPersons | None = None) -> APIRouter:
    """Return the routes that say what a report or a case is like.

    engine: for reading SQL; it stays the caller's. read_persons: reads who reported a case, in clear, so that the desk
    is told where the same person did (not who); without it that is not asked.
    """
    similar = Similar(hub, county, engine, read_persons)
    pace = Pace(hourly=600, burst=60, all_by_minute=600)
    router = APIRouter()

    @router.get("/api/similar", response_class=JsonResponse, summary="What a report that is being taken is like")
    async def ask(
        lon: Annotated[float, Query(ge=-180, le=180)],
        lat: Annotated[float, Query(ge=-90, le=90)],
        category: Annotated[str, Query(max_length=20)] = "",
        text: Annotated[str, Query(max_length=MOST_TEXT)] = "",
        at: datetime | None = None,
        lang: Lang = "zh",
    ) -> Response:
        question = Question(lon=lon, lat=lat, category=category, text=text, at=at, lang=lang)
        return JsonResponse(await similar.answer(question, find_viewer()))

    @router.post("/api/public/similar", response_class=JsonResponse, summary="The same for a phone: no words in a URL")
    async def ask_from_phone(request: Request) -> Response:
        viewer = find_viewer()
        if viewer is None and (wait_s := pace.take(name_address(request))):
            raise HTTPException(429, "too often: wait a little", {"Retry-After": str(wait_s)})
        question = read_body(await receive_body(request, LARGEST_BYTES, "body"), Question)
        return JsonResponse(await similar.answer(question, viewer))

    @router.get("/api/cases/{case_id}/similar", response_class=JsonResponse, summary="What a case is like and repeats")
    async def ask_of_case(case_id: str, lang: Lang = "zh") -> Response:
        return JsonResponse(await similar.answer_of_case(case_id, find_viewer(), lang))

    return router


class Similar:
    """Looks in the live state and, for what ended longer ago, in SQL."""

    def __init__(self, hub: Hub, county: County, engine: Engine, read_persons: ReadPersons | None) -> None:
        self._hub, self._engine, self._read_persons = hub, engine, read_persons
        self._rules = read_rules(county.case_settings)
        self._rulebook = read_rulebook(county)
        self._categories = frozenset(county.categories)
        self._public = list_public(county)
        self._cells = CellLookup(county.cells)
        self._cell_codes = frozenset(county.cells.index)

    async def answer(self, question: Question, viewer: Viewer | None) -> dict[str, Any]:
        """Return what a report is like that is not handed in yet; raises `HTTPException`."""
        if question.category and question.category not in self._categories:
            raise HTTPException(422, f"category: the county has no class {question.category!r}")
        if question.at is not None and question.at.tzinfo is None:
            raise HTTPException(422, "at: needs a time zone, as in 2026-11-21T08:00:00+08:00")
        report = Report(
            case_id="",
            category=question.category,
            reported_ms=await self._ask(lambda live: live.now_ms) if question.at is None else as_ms(question.at),
            text=question.text,
            lon=question.lon,
            lat=question.lat,
            cell_code=self._find_cell(question),
        )
        return await self._tell(report, viewer, question.lang)

    def _find_cell(self, question: Question) -> str | None:
        if question.lon is not None and question.lat is not None:
            return self._cells.find_cell(question.lon, question.lat)
        if question.lon is None and question.lat is None and question.cell_code in self._cell_codes:
            return question.cell_code
        raise HTTPException(422, "place: give lon and lat, or the code of a cell")

    async def answer_of_case(self, case_id: str, viewer: Viewer | None, lang: Lang) -> dict[str, Any]:
        """Return what a case is like; raises `HTTPException` 404 where there is none that the viewer may see."""

        def find(live: LiveState) -> KnownCase | None:
            case = live.cases.get(feature_id("case:" + case_id))
            return None if case is None else know_case(case, live)

        missing = HTTPException(404, "no such case, or not yours to see")
        if viewer is None or _is_stranger(viewer):
            raise missing
        known = await self._ask(find)
        if known is None:
            report = await self._recall(case_id, viewer)
        else:
            report = known.report if self._may_see(viewer, known) else None
        if report is None:
            raise missing
        return await self._tell(report, viewer, lang)

    async def _recall(self, case_id: str, viewer: Viewer) -> Report | None:
        """Return a case that only SQL remembers, if it is the viewer's to see."""
        file = await shield(asyncio.to_thread(read_case, self._engine, case_id))
        if file is None or not sees_file(viewer, file, self._rulebook):
            return None
        row = file.case
        return await self._ask(lambda live: know_row(row, live).report)

    async def _tell(self, report: Report, viewer: Viewer | None, lang: Lang) -> dict[str, Any]:
        rows = await self._read_ended(report)
        found = await self._ask(partial(self._look, report=report, rows=rows or [], viewer=viewer))
        if _is_stranger(viewer):
            return {"duplicates": [describe_publicly(*pair) for pair in found.duplicates[:MOST_SHOWN]]}
        duplicates = await self._add_contacts(report, found.duplicates)
        return {
            "duplicates": [describe_likeness(*pair, lang) for pair in duplicates[:MOST_SHOWN]],
            "likely": sum(likeness.likely for likeness, _ in duplicates),
            "repeats": [describe_likeness(*pair, lang) for pair in found.repeats[:MOST_SHOWN]],
            "repeated": len(found.repeats),
            "history": "away" if rows is None else "ok",
        }

    async def _read_ended(self, report: Report) -> list[CaseRow] | None:
        """Return what SQL knows to have ended near a report; None where it is away, for a clerk cannot wait for it."""
        if report.lon is None or report.lat is None:
            return []
        half_lat = max(self._rules.radius_m, self._rules.repeat_radius_m) / METRES_PER_DEGREE
        half_lon = half_lat / max(math.cos(math.radians(report.lat)), 0.01)
        box = report.lon - half_lon, report.lat - half_lat, report.lon + half_lon, report.lat + half_lat
        days = max(self._rules.repeat_days, self._rules.closed_days)
        since = as_time(report.reported_ms) - timedelta(days=days)
        try:
            return await asyncio.to_thread(ended_cases_near, self._engine, box, since)
        except SQLAlchemyError:
            return None

    def _look(self, live: LiveState, report: Report, rows: list[CaseRow], viewer: Viewer | None) -> Found:
        """Return what is alike and the viewer's to see; runs where the live state stands still."""
        # Where both know a case the live state knows it better; a merged one is told as what it was merged into.
        only_in_sql = {
            row.case_id: know_row(row, live)
            for row in rows
            if row.last_action != MERGE and feature_id("case:" + row.case_id) not in live.cases
        }
        near = [*live.duplicates.list_near(report), *(known.report for known in only_in_sql.values())]

        def tell(likenesses: list[Likeness]) -> Iterator[Pair]:
            for likeness in likenesses:
                number = likeness.other.case_id
                known = only_in_sql.get(number) or know_case(live.cases[feature_id("case:" + number)], live)
                if self._may_see(viewer, known):
                    yield likeness, known

        duplicates = find_likely_duplicates(report, near, self._rules, live.duplicates.vocabulary)
        repeats = [] if _is_stranger(viewer) else find_repeats(report, near, self._rules)
        return Found(list(tell(duplicates)), [pair for pair in tell(repeats) if pair[1].state == CLOSED])

    def _may_see(self, viewer: Viewer | None, known: KnownCase) -> bool:
        if viewer is None or viewer.role == "wall":
            return known.report.category in self._public
        unit = find_scope(viewer).unit
        return viewer.sees_cell(known.report.cell_code) and (unit is None or unit in known.units)

    async def _add_contacts(self, report: Report, duplicates: list[Pair]) -> list[Pair]:
        """Return the likenesses with those raised whose case the same person reported, by phone or address."""
        if not report.case_id or self._read_persons is None or not duplicates:
            return duplicates
        numbers = [report.case_id, *(known.report.case_id for _, known in duplicates)]
        try:
            own, *others = await asyncio.to_thread(_read_contacts, self._read_persons, numbers)
        except SQLAlchemyError:
            return duplicates
        raised = [
            (add_contact(likeness, self._rules) if own & contacts else likeness, known)
            for (likeness, known), contacts in zip(duplicates, others, strict=True)
        ]
        return sorted(raised, key=lambda pair: -pair[0].score)

    async def _ask(self, question: Callable[[LiveState], T]) -> T:
        # Of the whole county: what is not the viewer's to see is left out of what is found.
        return await shield(self._hub.ask(question))


def _is_stranger(viewer: Viewer | None) -> bool:
    """Return whether somebody is told no words: the public, and a wall, which the public sees."""
    return viewer is None or viewer.role == "wall"


def _read_contacts(read_persons: ReadPersons, case_ids: list[str]) -> list[set[str]]:
    """Return how the reporters of each case can be reached, to be compared and forgotten."""
    return [
        {contact for one in read_persons(case_id) for contact in (one.phone, one.email) if contact}
        for case_id in case_ids
    ]
