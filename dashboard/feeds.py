"""The board of feeds for the browser: `/api/feeds`, read afresh at most every few seconds however many look."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec
from fastapi import APIRouter, Response
from sqlalchemy import Engine

from dashboard.scope import need_county
from dashboard.text import LANGUAGES, load_catalogue
from geo.county import County
from ingest.feeds import FeedBoard, FeedFigures, read_board
from ingest.sender_file import SenderFileError, locate_senders, read_enrolments
from ingest.settings import Settings
from ingest.stream import AsyncStreams, connect_async

KEPT_S: Final = 2.0
REDIS_TIMEOUT_S: Final = 2.0


class Board:
    """Reads the board, and keeps it for the next few who ask."""

    def __init__(self, read: Callable[[], Any], clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: FeedBoard | None = None
        self._read_at = 0.0

    async def get(self) -> FeedBoard:
        """Return the board, at most `KEPT_S` old."""
        async with self._lock:
            if self._kept is None or self._clock() - self._read_at >= KEPT_S:
                self._kept = await self._read()
                self._read_at = self._clock()
            return self._kept


def make_feeds_router(county: County, engine: Engine, settings: Settings, redis_url: str) -> APIRouter:
    """Return the route of the board; its lifespan closes the connection to Redis."""
    client = connect_async(redis_url, REDIS_TIMEOUT_S)
    streams = AsyncStreams(client, settings.partitions)

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await client.aclose()

    async def read() -> FeedBoard:
        senders = await asyncio.to_thread(list_senders, settings)
        return await read_board(streams, engine, county, senders)

    board = Board(read)
    router = APIRouter(lifespan=lifespan)

    @router.get("/api/feeds", response_class=Response, summary="Every feed of every sender: counters, lag, refusals")
    async def read_feeds() -> Response:
        need_county()
        told = describe_board(await board.get(), county)
        return Response(msgspec.json.encode(told), media_type="application/json", headers={"Cache-Control": "no-store"})

    return router


def list_senders(settings: Settings) -> Mapping[str, Collection[str]]:
    """Return the feeds that each enrolled sender is bound to; none where the file is away or makes no sense."""
    try:
        return {name: enrolment.feeds for name, enrolment in read_enrolments(locate_senders(settings)).items()}
    except (OSError, SenderFileError):
        return {}


def describe_board(board: FeedBoard, county: County) -> dict[str, Any]:
    """Return the board as JSON: every row with its feed's name, times in epoch seconds, examples without persons."""
    return {
        "now": board.now.timestamp(),
        "away": board.away,
        "rows": [_describe_row(row, county) for row in board.rows],
    }


def _describe_row(row: FeedFigures, county: County) -> dict[str, Any]:
    return {
        "sender": row.sender,
        "feed": row.feed,
        "name": name_feed(row.feed, county),
        "state": row.state,
        "stale_after_s": row.stale_after_s,
        "received": row.received,
        "accepted": row.accepted,
        "duplicate": row.duplicate,
        "rejected": row.rejected,
        "recorded": row.recorded,
        "per_minute": row.per_minute,
        "lag": row.lag,
        "fast_clock": row.fast_clock,
        "hours": row.hours,
        "heard_at": row.heard_at and row.heard_at.timestamp(),
        "observed_at": row.observed_at and row.observed_at.timestamp(),
        "reasons": [
            {
                "field": reason.field,
                "count": reason.count,
                "example": reason.example,
                "at": reason.at.timestamp(),
            }
            for reason in row.reasons
        ],
    }


def name_feed(key: str, county: County) -> dict[str, str]:
    """Return a feed's name in every language: the pack's, else the catalogue's, else its key."""
    declared = county.feeds.get(key)
    if declared is not None:
        return {"zh": declared.name.zh, "en": declared.name.en}
    return {lang: load_catalogue(lang).get(f"feed.{key or 'unknown'}", key) for lang in LANGUAGES}
