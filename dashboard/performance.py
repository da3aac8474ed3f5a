"""Performance (综合评价): scores of towns, villages, units and roles over some days, with what they count.

As in the briefing, only what had been received by the moment counts, so that the same moment gives the same scores.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import fmean
from typing import Annotated, Any, Final, Literal

import msgspec
from fastapi import APIRouter, HTTPException
from pydantic import BeforeValidator
from sqlalchemy import Engine

from cases.facts import CaseFacts
from cases.indicators import (
    Indicator,
    Period,
    count_closed,
    count_reported,
    measure_first_response,
    rate_closed,
    rate_found_by_ourselves,
    rate_joint,
    rate_loop_closed,
    rate_merged,
    rate_on_time,
    rate_repeated,
    rate_satisfied,
    rate_solved_at,
)
from cases.scores import (
    ACCEPTED,
    DISPATCHED,
    FILED,
    Score,
    bundle_scores,
    list_actors,
    score_area,
    score_chief,
    score_clerk,
    score_dispatcher,
    score_inspector,
    score_room,
    score_unit,
)
from cases.tables import read_row
from dashboard.briefing import read_known
from dashboard.factbook import FactBook
from dashboard.people.viewer import get_viewer
from dashboard.scope import find_area
from geo.county import County

DAYS: Final = (7, 30)
Days = Annotated[Literal[7, 30], BeforeValidator(int)]
"""A span of `DAYS` as an address says it."""
MOST_IDS: Final = 50

INDICATORS: Final[tuple[Callable[[Sequence[CaseFacts], Period], Indicator], ...]] = (
    count_reported,
    count_closed,
    rate_closed,
    rate_on_time,
    rate_loop_closed,
    rate_found_by_ourselves,
    lambda cases, period: rate_solved_at("village", cases, period),
    lambda cases, period: rate_solved_at("town", cases, period),
    rate_joint,
    measure_first_response,
    rate_repeated,
    rate_merged,
    rate_satisfied,
)


class Bundle(msgspec.Struct, forbid_unknown_fields=True):
    """What each link of a chain of responsibility weighs: `[bundle]` of a pack's `cases.toml`."""

    cell: float = 0.3
    village: float = 0.3
    room: float = 0.2
    town: float = 0.2


@dataclass(frozen=True)
class Chain:
    """One village's chain of responsibility, and the score that all in it share (考核捆绑)."""

    village: str
    links: Mapping[str, float | None]
    value: float | None


@dataclass(frozen=True)
class Performance:
    """Everything that the page says, without words; each list is in the order of rank, what has no score last."""

    as_of: datetime
    period: Period
    indicators: tuple[Indicator, ...]
    towns: tuple[Score, ...]
    units: tuple[Score, ...]
    roles: Mapping[str, tuple[Score, ...]]
    chains: tuple[Chain, ...]
    weights: Bundle
    origins: tuple[str, ...] = ()


def compute_performance(
    cases: Sequence[CaseFacts], period: Period, weights: Bundle, origins: tuple[str, ...] = ()
) -> Performance:
    """Return the performance over a period from what was known at its end; pure."""
    towns, villages, cells = (_group(cases, length) for length in (9, 12, 15))
    ranked = rank_towns(cases, period)
    town_scores = {score.subject: score for score in ranked}
    village_scores = {code: score_area(code, own, period) for code, own in villages.items()}
    cell_scores = {code: score_area(code, own, period) for code, own in cells.items()}
    rooms = {code: score_room(code, own, period) for code, own in towns.items()}
    units = sorted({unit for case in cases for unit in case.units})
    acted_in = _group_by_actor(cases)
    workers = list_actors(cases, frozenset({"verify_site", "check", "self_handle"}), period)
    by_worker = _group_by_worker(cases)
    return Performance(
        as_of=period.end,
        period=period,
        indicators=tuple(measure(cases, period) for measure in INDICATORS),
        towns=ranked,
        units=_rank(score_unit(unit, cases, period) for unit in units),
        roles={
            "inspector": _rank(score_inspector(name, by_worker.get(name, ()), period) for name in workers),
            "clerk": _rank(score_clerk(name, acted_in[name], period) for name in list_actors(cases, ACCEPTED, period)),
            "chief": _rank(score_chief(name, acted_in[name], period) for name in list_actors(cases, FILED, period)),
            "dispatcher": _rank(
                score_dispatcher(name, acted_in[name], period) for name in list_actors(cases, DISPATCHED, period)
            ),
        },
        chains=tuple(
            sorted(
                (
                    _chain(code, score, cell_scores, rooms.get(code[:9]), town_scores.get(code[:9]), weights)
                    for code, score in village_scores.items()
                ),
                key=lambda chain: (chain.value is None, -(chain.value or 0), chain.village),
            )
        ),
        weights=weights,
        origins=origins,
    )


def rank_towns(cases: Sequence[CaseFacts], period: Period) -> tuple[Score, ...]:
    """Return the scores of the towns over a period, the best first, what has none last."""
    return _rank(score_area(code, own, period) for code, own in _group(cases, 9).items())


def read_performance(
    engine: Engine,
    county: County,
    book: FactBook,
    asked: str | None,
    days: int,
    area: str = "",
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Performance:
    """Return an area's performance over the days before a moment; blocking. Raises `ValueError` for a bad moment."""
    known = read_known(county, engine, book, asked, area, clock)
    period = Period(known.as_of - timedelta(days=days), known.as_of)
    return compute_performance(known.facts, period, read_bundle(county), known.origins)


def read_bundle(county: County) -> Bundle:
    """Return the weights that a pack lays down; raises `PackError`."""
    return read_row(county.case_settings.get("bundle", {}), Bundle, "cases.toml: bundle")


def make_performance_router(county: County, engine: Engine, book: FactBook) -> APIRouter:
    """Return `GET /api/performance?as_of=&days=`: every score with its parts, sums and the cases counted."""
    router = APIRouter(prefix="/api")

    @router.get("/performance", summary="Scores of towns, units, roles and chains of responsibility")
    async def read(as_of: str | None = None, days: Days = 30) -> dict[str, Any]:
        area = find_area(get_viewer())
        try:
            found = await asyncio.to_thread(read_performance, engine, county, book, as_of, days, area)
        except ValueError as reason:
            raise HTTPException(400, f"as_of: {reason}") from reason
        return describe_performance(found, county)

    return router


def describe_performance(found: Performance, county: County) -> dict[str, Any]:
    """Return the performance as JSON; times as RFC 3339 in county time."""
    zone = county.time_zone
    return {
        "as_of": found.as_of.astimezone(zone).isoformat(),
        "from": found.period.start.astimezone(zone).isoformat(),
        "origins": list(found.origins),
        "indicators": [_describe_indicator(indicator) for indicator in found.indicators],
        "towns": [_describe_score(score) for score in found.towns],
        "units": [_describe_score(score) for score in found.units],
        "roles": {role: [_describe_score(score) for score in scores] for role, scores in found.roles.items()},
        "chains": [
            {"village": chain.village, "links": dict(chain.links), "value": chain.value} for chain in found.chains
        ],
        "weights": msgspec.to_builtins(found.weights),
    }


def _chain(
    village: str,
    score: Score,
    cells: Mapping[str, Score],
    room: Score | None,
    town: Score | None,
    weights: Bundle,
) -> Chain:
    own = [one.value for code, one in cells.items() if code.startswith(village) and one.value is not None]
    links = {
        "cell": round(fmean(own), 2) if own else None,
        "village": score.value,
        "room": room.value if room else None,
        "town": town.value if town else None,
    }
    return Chain(village, links, bundle_scores(links, msgspec.to_builtins(weights)))


def _group(cases: Sequence[CaseFacts], length: int) -> dict[str, list[CaseFacts]]:
    groups: dict[str, list[CaseFacts]] = defaultdict(list)
    for case in cases:
        if case.cell_code is not None:
            groups[case.cell_code[:length]].append(case)
    return groups


def _group_by_actor(cases: Sequence[CaseFacts]) -> dict[str, list[CaseFacts]]:
    """Return the cases that each person acted in."""
    groups: dict[str, list[CaseFacts]] = defaultdict(list)
    for case in cases:
        for actor in {passage.actor for passage in case.passages if passage.actor}:
            groups[actor].append(case)
    return groups


def _group_by_worker(cases: Sequence[CaseFacts]) -> dict[str, list[CaseFacts]]:
    """Return the cases of the cells that each worker acted in."""
    cells: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        for passage in case.passages:
            if passage.actor and case.cell_code:
                cells[passage.actor].add(case.cell_code)
    by_cell = _group(cases, 15)
    return {worker: [case for cell in sorted(own) for case in by_cell[cell]] for worker, own in cells.items()}


def _rank(scores: Iterable[Score]) -> tuple[Score, ...]:
    return tuple(sorted(scores, key=lambda score: (score.value is None, -(score.value or 0), score.subject)))


def _describe_score(score: Score) -> dict[str, Any]:
    return {
        "subject": score.subject,
        "value": score.value,
        "parts": [
            {
                "key": part.key,
                "weight": part.weight,
                "points": part.points,
                **_describe_indicator(part.indicator),
            }
            for part in score.parts
        ],
    }


def _describe_indicator(indicator: Indicator) -> dict[str, Any]:
    return {
        "rule": indicator.rule,
        "value": indicator.value,
        "numerator": indicator.numerator,
        "denominator": indicator.denominator,
        "counted": list(indicator.counted[:MOST_IDS]),
    }
