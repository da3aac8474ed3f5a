"""Standings: what a wall says of performance is what the page says of that hour, and is computed once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from dashboard.factbook import FactBook
from dashboard.performance import read_performance
from dashboard.standings import BEFORE, DAYS, Standing, Standings
from geo.county import County
from tests.dashboard.test_performance import PATH, write_case
from tests.ingest.samples import NOON, Writer

DAY_MIN = 24 * 60


@pytest.fixture
def cells(county: County) -> list[str]:
    """A cell of each of three towns."""
    by_town = {str(code)[:9]: str(code) for code in county.cells.index}
    return sorted(by_town.values())[:3]


@pytest.fixture
def filled(engine: Engine, cells: list[str]) -> Engine:
    """A fortnight in which the first town falls behind the second, and the third has its first case."""
    writer = Writer(engine)
    for number in range(3):
        write_case(writer, f"A{number}", cells[0], (number - 14) * DAY_MIN)
        write_case(writer, f"LEFT{number}", cells[0], (number - 4) * DAY_MIN, PATH[:2])
        write_case(writer, f"B{number}", cells[1], (number - 4) * DAY_MIN)
    write_case(writer, "OPEN", cells[1], -13 * DAY_MIN, PATH[:2])
    write_case(writer, "C", cells[2], -2 * DAY_MIN)
    return engine


def read(engine: Engine, county: County, area: str = "", minutes_later: int = 0) -> Standing:
    now = NOON + timedelta(minutes=minutes_later)
    standings = Standings(county, engine, FactBook(engine, county), clock=lambda: now)
    return asyncio.run(standings.read(area))


def test_it_says_what_the_page_says_of_the_hour(filled: Engine, county: County) -> None:
    standing = read(filled, county, minutes_later=59)
    page = read_performance(filled, county, FactBook(filled, county), NOON.isoformat(), DAYS)
    assert standing.as_of == NOON.timestamp()
    assert [(one.town, one.score) for one in standing.towns] == [(score.subject, score.value) for score in page.towns]
    told = {one.rule: (one.value, one.numerator, one.denominator) for one in page.indicators}
    for rate in standing.rates:
        assert told[rate.rule] == (rate.value, rate.numerator, rate.denominator)


def test_ranks_move_against_a_week_before(filled: Engine, county: County, cells: list[str]) -> None:
    before = read(filled, county, minutes_later=-BEFORE // timedelta(minutes=1))
    assert [one.town for one in before.towns] == [cells[0][:9], cells[1][:9]]
    risen = {one.town: one.risen for one in read(filled, county).towns}
    assert risen[cells[2][:9]] is None  # it had no rank then
    assert risen[cells[0][:9]] is not None and risen[cells[0][:9]] < 0


def test_an_area_sees_its_own(filled: Engine, county: County, cells: list[str]) -> None:
    assert [one.town for one in read(filled, county, cells[1][:9]).towns] == [cells[1][:9]]


def test_all_walls_of_an_hour_are_answered_from_one_computation(filled: Engine, county: County) -> None:
    now = NOON
    standings = Standings(county, filled, FactBook(filled, county), clock=lambda: now)

    async def ask_often() -> list[Standing]:
        return await asyncio.gather(*(standings.read("") for _ in range(5)))

    first, *others = asyncio.run(ask_often())
    assert all(other is first for other in others)
    now += timedelta(hours=1)
    assert asyncio.run(standings.read("")).as_of == first.as_of + 3600
