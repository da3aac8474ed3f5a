"""Standings: how the county and its towns perform, as a wall shows it.

The numbers are those of the page `/performance` as of the last full hour, so that all walls say the same.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from fastapi import APIRouter
from fastapi.responses import Response
from sqlalchemy import Engine

from cases.indicators import Period
from cases.scores import Score
from dashboard.briefing import find_now, read_known
from dashboard.factbook import FactBook
from dashboard.people.viewer import get_viewer
from dashboard.performance import INDICATORS, rank_towns
from dashboard.scope import find_area
from geo.county import County

DAYS: Final = 30
BEFORE: Final = timedelta(days=7)


class TownStanding(msgspec.Struct, frozen=True):
    """A town's score, 0–100, and how many ranks it rose since a week before; None where either was not measured.

    As in the briefing, the week before is counted from what is known by now.
    """

    town: str
    score: float | None
    risen: int | None


class Rate(msgspec.Struct, frozen=True):
    """One rate of the whole area in per cent, with its sum; `rule` names it in the catalogue."""

    rule: str
    value: float | None
    numerator: int
    denominator: int


class Standing(msgspec.Struct, frozen=True):
    """What a wall shows of performance: the `days` before `as_of` (epoch seconds), the best town first."""

    as_of: int
    days: int
    towns: list[TownStanding]
    rates: list[Rate]


class Standings:
    """Computes an area's standing once an hour, however many walls ask."""

    def __init__(
        self, county: County, engine: Engine, book: FactBook, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ):
        self._county = county
        self._engine = engine
        self._book = book
        self._clock = clock
        self._lock = asyncio.Lock()
        self._kept: dict[str, Standing] = {}

    async def read(self, area: str) -> Standing:
        """Return an area's standing at the last full hour; the whole county's for an empty code."""
        async with self._lock:
            as_of = await asyncio.to_thread(self._find_hour)
            kept = self._kept.get(area)
            if kept is None or kept.as_of != as_of.timestamp():
                kept = self._kept[area] = await asyncio.to_thread(self._compute, as_of, area)
            return kept

    def _find_hour(self) -> datetime:
        now = find_now(self._engine, self._county, self._clock)
        return now.replace(minute=0, second=0, microsecond=0)

    def _compute(self, as_of: datetime, area: str) -> Standing:
        known = read_known(self._county, self._engine, self._book, as_of.isoformat(), area, self._clock)
        period = _span(known.as_of)
        towns = rank_towns(known.facts, period)
        ranks = _number_ranks(towns)
        before = _number_ranks(rank_towns(known.facts, _span(known.as_of - BEFORE)))
        return Standing(
            as_of=int(as_of.timestamp()),
            days=DAYS,
            towns=[
                TownStanding(town.subject, town.value, _subtract(before.get(town.subject), ranks.get(town.subject)))
                for town in towns
            ],
            rates=[
                Rate(rate.rule, rate.value, rate.numerator, rate.denominator)
                for rate in (measure(known.facts, period) for measure in INDICATORS)
                if rate.denominator is not None
            ],
        )


def make_standings_router(standings: Standings) -> APIRouter:
    """Return `GET /api/wall/standing`: the standing of the viewer's area."""
    router = APIRouter(prefix="/api")

    @router.get("/wall/standing", response_class=Response, summary="Scores of the towns and rates, as the wall shows")
    async def read_standing() -> Response:
        standing = await standings.read(find_area(get_viewer()))
        return Response(msgspec.json.encode(standing), media_type="application/json")

    return router


def _span(end: datetime) -> Period:
    return Period(end - timedelta(days=DAYS), end)


def _number_ranks(towns: Sequence[Score]) -> dict[str, int]:
    """Return the rank of each town that has a score, 1 the best; equal scores share the better rank."""
    scores = [town.value for town in towns]
    return {town.subject: scores.index(town.value) + 1 for town in towns if town.value is not None}


def _subtract(before: int | None, now: int | None) -> int | None:
    return None if before is None or now is None else before - now
