"""`GET /api/exports/queue.csv` and `/api/exports/performance.csv`: what the desk and the page show, as files.

Each is written down before its first byte goes out, and is sent in pieces that are made one at a time in a thread, so
that neither the event loop nor the memory notices a long one.
"""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Final, Literal

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Engine

from cases.rulebook import read_rulebook
from dashboard.exports.csv_text import MARK, MEDIA_TYPE, Row, encode_rows
from dashboard.exports.heading import Heading, lay_heading
from dashboard.exports.performance_rows import HEAD_ROWS, list_tables
from dashboard.exports.queue_rows import QueueWords
from dashboard.factbook import FactBook
from dashboard.field.pace import Pace
from dashboard.live import Hub
from dashboard.people.audit import Audit
from dashboard.people.forms import name_address
from dashboard.people.notes import record
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.performance import Days, read_performance
from dashboard.queue import make_order, pick_window
from dashboard.queue_api import in_thread, make_question, read_asked
from dashboard.queue_query import Query
from dashboard.queue_sql import History, find_described
from dashboard.replies import shield
from dashboard.scope import ask_in_scope, find_area, find_scope
from dashboard.text import text
from geo.county import County
from ingest.records import EXERCISE
from ingest.tables import as_ms, as_time
from layers.places import index_places
from layers.state import LiveState
from layers.things import Case

MOST_ROWS: Final = 100_000
ROWS_AT_ONCE: Final = 500

Lang = Literal["zh", "en"]


@dataclass(frozen=True)
class Listing:
    """The cases of a file: how many match, whence they are, as of when (epoch ms), and the rows, piece by piece."""

    matching: int
    rows: int
    origins: Collection[str]
    now_ms: int
    pieces: AsyncIterator[list[Case]]


def make_exports_router(hub: Hub, county: County, engine: Engine, book: FactBook, notes: Audit) -> APIRouter:
    """Return the routes; whose right it is, `dashboard.people.permissions` says. engine and notes stay the caller's."""
    router = APIRouter(prefix="/api/exports")
    rulebook = read_rulebook(county)
    history = History(engine, index_places(county), rulebook)
    pace = Pace(hourly=60, burst=10, all_by_minute=60)

    async def begin(request: Request, viewer: Viewer, what: str, rows: int) -> None:
        """Write an export down; raises `HTTPException` 503 where that cannot be done."""
        said = "&".join(f"{name}={value}" for name, value in request.query_params.items())
        details = {"filter": said, "rows": rows}
        await shield(record(notes, viewer, f"export.{what}", details=details, address=name_address(request)))

    def hold_back(viewer: Viewer) -> None:
        if wait_s := pace.take(viewer.name):
            raise HTTPException(429, "too many files: wait a little", {"Retry-After": str(wait_s)})

    async def list_open(query: Query, viewer: Viewer) -> Listing:
        described = await in_thread(partial(find_described, engine, query.filters.text))

        def look(state: LiveState) -> tuple[int, int, list[Case]]:
            order = make_order(state, make_question(query, viewer, described))
            return len(order.ids), state.now_ms, pick_window(state, order, 0, MOST_ROWS)

        matching, now_ms, listed = await ask_in_scope(hub, look)

        async def cut() -> AsyncIterator[list[Case]]:
            for start in range(0, len(listed), ROWS_AT_ONCE):
                yield listed[start : start + ROWS_AT_ONCE]

        return Listing(matching, len(listed), {case.origin for case in listed}, now_ms, cut())

    async def list_history(query: Query, viewer: Viewer) -> Listing:
        now_ms, scope = as_ms(datetime.now(UTC)), find_scope(viewer)
        matching, found = await in_thread(partial(history.list_matching, query, scope, now_ms, MOST_ROWS))
        listed = [case_id for case_id, _ in found]

        async def read() -> AsyncIterator[list[Case]]:
            for start in range(0, len(listed), ROWS_AT_ONCE):
                yield await asyncio.to_thread(history.read_some, listed[start : start + ROWS_AT_ONCE], scope)

        return Listing(matching, len(listed), {origin for _, origin in found}, now_ms, read())

    @router.get("/queue.csv", response_class=Response, summary="The desk's list: the words of GET /api/queue")
    async def export_queue(request: Request, lang: Lang = "zh") -> Response:
        viewer, query = get_viewer(), read_asked(request.query_params)
        hold_back(viewer)
        listing = await (list_open if query.show == "open" else list_history)(query, viewer)
        words = QueueWords(county, rulebook, lang, listing.now_ms)
        as_of = as_time(listing.now_ms)
        heading = Heading(
            what=text(lang, "export.what_queue"),
            filter=words.tell_filter(query),
            as_of=as_of,
            rows=listing.rows,
            matching=listing.matching,
            origins=listing.origins,
        )
        first = [*lay_heading(heading, viewer, county, lang), words.name_columns()]
        await begin(request, viewer, "queue", listing.rows)

        async def write() -> AsyncIterator[bytes]:
            yield MARK + encode_rows(first)
            async for piece in listing.pieces:
                yield await asyncio.to_thread(encode_rows, map(words.tell_case, piece))

        return _answer(write(), "queue-EXERCISE" if EXERCISE in listing.origins else "queue", county, as_of)

    @router.get("/performance.csv", response_class=Response, summary="The tables of performance, whole")
    async def export_performance(
        request: Request, as_of: str | None = None, days: Days = 30, lang: Lang = "zh"
    ) -> Response:
        viewer = get_viewer()
        area = find_area(viewer)
        hold_back(viewer)
        try:
            found = await in_thread(partial(read_performance, engine, county, book, as_of, days, area))
        except ValueError as reason:
            raise HTTPException(400, f"as_of: {reason}") from None
        tables = list_tables(found, county, lang)
        rows = sum(len(table) - HEAD_ROWS for table in tables)
        heading = Heading(
            what=text(lang, "export.what_performance", days=days),
            filter="",
            as_of=found.as_of,
            rows=rows,
            matching=rows,
            origins=found.origins,
        )
        await begin(request, viewer, "performance", rows)
        return _answer(
            _write_tables(lay_heading(heading, viewer, county, lang), tables), "performance", county, found.as_of
        )

    return router


async def _write_tables(first: list[Row], tables: list[list[Row]]) -> AsyncIterator[bytes]:
    yield MARK + encode_rows(first)
    for table in tables:
        yield await asyncio.to_thread(encode_rows, [*table, []])


def _answer(content: AsyncIterator[bytes], what: str, county: County, as_of: datetime) -> Response:
    name = f"{what}-{county.code}-{as_of.astimezone(county.time_zone):%Y%m%d-%H%M}.csv"
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(content, headers=headers, media_type=MEDIA_TYPE)
