"""The briefing's figures as of a moment: read once from SQL, then pure arithmetic.

Only what had been received by the moment counts, so the same moment gives the same figures for ever. In a county
whose clock follows its data (`clock.anchor = "data"`: history replayed later) a record counts as received when
it happened.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, HTTPException
from sqlalchemy import Engine, func, select

from cases.facts import CaseFacts
from cases.indicators import (
    Indicator,
    Period,
    count_closed,
    count_open,
    count_overdue,
    count_reported,
    count_severe_open,
    is_open,
    measure_first_response,
    rate_closed,
    rate_found_by_ourselves,
    rate_loop_closed,
    rate_on_time,
    rate_repeated,
    rate_solved_at,
)
from dashboard.factbook import FactBook
from dashboard.people.viewer import get_viewer
from dashboard.scope import find_area
from dashboard.text import choose_language, text
from geo.county import County
from ingest.history import cases_as_of
from ingest.records import EXERCISE
from ingest.tables import as_time
from ingest.tables import cases as case_table

DAY, WEEK = timedelta(days=1), timedelta(days=7)
CHART_DAYS = 14
MOST_CLASSES = 8
# How far back an ended case can still matter: the charts' two weeks, a week of comparison, the longest limit there is.
REACH = timedelta(days=60)
MOST_IDS = 20
FIRST_YEAR, LAST_YEAR = 1971, 9998  # of a moment that is asked for; nearer the ends of the calendar sums overflow

FIGURES: tuple[tuple[str, Callable[[Sequence[CaseFacts], datetime], Indicator]], ...] = (
    ("reported_24h", lambda known, at: count_reported(known, Period(at - DAY, at))),
    ("closed_24h", lambda known, at: count_closed(known, Period(at - DAY, at))),
    ("open", count_open),
    ("severe_open", count_severe_open),
    ("overdue", count_overdue),
    ("closed_ratio", lambda known, at: rate_closed(known, Period(at - WEEK, at))),
    ("on_time_ratio", lambda known, at: rate_on_time(known, Period(at - WEEK, at))),
    ("loop_ratio", lambda known, at: rate_loop_closed(known, Period(at - WEEK, at))),
    ("discovered_ratio", lambda known, at: rate_found_by_ourselves(known, Period(at - WEEK, at))),
    ("solved_at_village_ratio", lambda known, at: rate_solved_at("village", known, Period(at - WEEK, at))),
    ("first_response_min", lambda known, at: measure_first_response(known, Period(at - WEEK, at))),
    ("repeat_ratio", lambda known, at: rate_repeated(known, Period(at - WEEK, at))),
)


@dataclass(frozen=True)
class Figure:
    """One figure of the briefing: at the moment, a day before and a week before, all three from what is known now.

    Equal knowledge makes them comparable: what came late counts on the day it happened, in all three.
    """

    key: str
    now: Indicator
    day: Indicator
    week: Indicator


@dataclass(frozen=True)
class Briefing:
    """Everything the briefing says, without words.

    days: the last 14 days of the county's calendar, oldest first; `reported`, `closed` and `closed_ratio` have
    one value a day. classes and towns: (code, count), most first; a town's code is None outside the county.
    origins: where the records counted come from (`live`, `replayed`, `simulated`).
    """

    as_of: datetime
    empty: bool
    figures: Mapping[str, Figure]
    days: Sequence[date]
    reported: Sequence[int]
    closed: Sequence[int]
    closed_ratio: Sequence[float | None]
    classes: Sequence[tuple[str, int]]
    towns: Sequence[tuple[str | None, int]]
    origins: Sequence[str]


@dataclass(frozen=True)
class Place:
    """When and where a briefing is of: the moment (UTC), the county's time zone, the origins of its records."""

    as_of: datetime
    time_zone: ZoneInfo
    origins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Known:
    """What was known of an area's cases at a moment (UTC), the oldest first, and the origins of their records."""

    as_of: datetime
    facts: Sequence[CaseFacts]
    origins: tuple[str, ...]


def read_moment(asked: str | None, county: County, now: datetime) -> datetime:
    """Return the moment asked for, in UTC: the present minute where none is; never later than now.

    A moment without an offset is county time. Raises `ValueError` for a text that is no moment.
    """
    if not asked:
        return now.replace(second=0, microsecond=0)
    # A "+" that was not escaped in the URL has become a space.
    moment = datetime.fromisoformat(asked.strip().replace(" 0", "+0") if "T" in asked else asked)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"{asked!r} is out of range")
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=county.time_zone)
    return min(moment.astimezone(UTC), now)


def find_now(engine: Engine, county: County, clock: Callable[[], datetime]) -> datetime:
    """Return the county's present: the clock's, or the newest report's where the county's clock follows its data."""
    if county.clock_anchor == "data":
        with engine.connect() as connection:
            real = case_table.c.origin != EXERCISE
            newest = connection.execute(select(func.max(case_table.c.reported_at)).where(real)).scalar()
        if newest is not None:
            return as_time(newest)
    return clock()


def read_known(
    county: County, engine: Engine, book: FactBook, asked: str | None, area: str, clock: Callable[[], datetime]
) -> Known:
    """Return an area's cases as they were known at a moment: what had happened and had been received by then.

    Blocking; raises `ValueError` where what is asked for is no moment.
    """
    as_of = read_moment(asked, county, find_now(engine, county, clock))
    received_by = clock() if county.clock_anchor == "data" else as_of
    cases = [case for case in cases_as_of(engine, received_by, as_of - REACH, area) if case.reported_at <= as_of]
    cases.sort(key=lambda case: (case.reported_at, case.case_id))
    return Known(as_of, book.read(cases, as_of, received_by), tuple(sorted({case.origin for case in cases})))


def compute_briefing(known: Sequence[CaseFacts], place: Place) -> Briefing:
    """Return the briefing of a moment from what was known then; pure."""
    as_of = place.as_of
    figures = {
        key: Figure(key, measure(known, as_of), measure(known, as_of - DAY), measure(known, as_of - WEEK))
        for key, measure in FIGURES
    }
    today = as_of.astimezone(place.time_zone).date()
    days = [today - DAY * back for back in reversed(range(CHART_DAYS))]
    periods = [_span_day(one, place) for one in days]
    recent = [case for case in known if case.reported_at in Period(as_of - WEEK, as_of)]
    return Briefing(
        as_of=as_of,
        empty=not known,
        figures=figures,
        days=days,
        reported=[count_reported(known, period).numerator for period in periods],
        closed=[count_closed(known, period).numerator for period in periods],
        closed_ratio=[rate_closed(known, period).value for period in periods],
        classes=Counter(case.category for case in recent).most_common(MOST_CLASSES),
        towns=_count_towns(known, as_of),
        origins=place.origins,
    )


def make_briefing(
    engine: Engine,
    county: County,
    asked: str | None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    area: str = "",
    book: FactBook | None = None,
) -> Briefing:
    """Return an area's briefing of the moment asked for; blocking, so call it in a thread. Raises `ValueError`.

    area: the code of a town, village or cell; empty is the county. book: one that is kept, which is quicker.
    """
    known = read_known(county, engine, book or FactBook(engine, county), asked, area, clock)
    return compute_briefing(known.facts, Place(known.as_of, county.time_zone, known.origins))


def make_briefing_router(county: County, engine: Engine, book: FactBook) -> APIRouter:
    """Return the route `/api/briefing?as_of=&lang=`: the briefing's figures with definitions and changes."""
    router = APIRouter(prefix="/api")

    @router.get("/briefing")
    async def read_briefing(as_of: str | None = None, lang: str = "zh") -> dict[str, Any]:
        try:
            briefing = await asyncio.to_thread(
                make_briefing, engine, county, as_of, area=find_area(get_viewer()), book=book
            )
        except ValueError as reason:
            raise HTTPException(400, f"as_of: {reason}") from reason
        return describe_briefing(briefing, county, choose_language(lang, "zh"))

    return router


def describe_briefing(briefing: Briefing, county: County, lang: str) -> dict[str, Any]:
    """Return the briefing as JSON: times as RFC 3339 in county time, figures with their rule in words."""
    return {
        "as_of": briefing.as_of.astimezone(county.time_zone).isoformat(),
        "origins": list(briefing.origins),
        "figures": [_describe_figure(figure, lang) for figure in briefing.figures.values()],
        "charts": {
            "days": [day.isoformat() for day in briefing.days],
            "reported": list(briefing.reported),
            "closed": list(briefing.closed),
            "closed_ratio": list(briefing.closed_ratio),
            "classes": [{"category": code, "count": count} for code, count in briefing.classes],
            "towns": [{"town": code, "count": count} for code, count in briefing.towns],
        },
    }


def compare(now: Indicator, before: Indicator) -> float | None:
    """Return the change from one figure to another; None where either has no value."""
    return None if now.value is None or before.value is None else round(now.value - before.value, 2)


def name_unit(indicator: Indicator) -> str:
    """Return the catalogue's name of a figure's unit."""
    if indicator.rule.endswith("_min"):
        return "unit_minutes"
    return "unit_cases" if indicator.denominator is None else "unit_percent"


def _describe_figure(figure: Figure, lang: str) -> dict[str, Any]:
    now = figure.now
    return {
        "key": figure.key,
        "title": text(lang, f"briefing.indicator_{figure.key}"),
        "definition": text(lang, f"briefing.rule_{figure.key}"),
        "unit": text(lang, f"briefing.{name_unit(now)}"),
        "value": now.value,
        "numerator": now.numerator,
        "denominator": now.denominator,
        "day_before": {"value": figure.day.value, "change": compare(now, figure.day)},
        "week_before": {"value": figure.week.value, "change": compare(now, figure.week)},
        "counted": list(now.counted[:MOST_IDS]),
    }


def _span_day(day: date, place: Place) -> Period:
    # A period leaves its start out; a case reported at midnight sharp belongs to the day that begins.
    instant = timedelta(milliseconds=1)
    start = datetime.combine(day, time(), place.time_zone).astimezone(UTC) - instant
    end = datetime.combine(day + DAY, time(), place.time_zone).astimezone(UTC) - instant
    return Period(start, min(end, place.as_of))


def _count_towns(known: Sequence[CaseFacts], as_of: datetime) -> list[tuple[str | None, int]]:
    counts: Counter[str | None] = Counter(
        case.cell_code[:9] if case.cell_code else None for case in known if is_open(case, as_of)
    )
    return sorted(counts.items(), key=lambda item: (-item[1], item[0] or ""))
