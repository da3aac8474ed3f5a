"""Performance: the same moment gives the same scores, every score says what it counts, and an area sees its own."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Engine

from cases.indicators import Indicator
from cases.scores import Part, Score
from dashboard.factbook import FactBook
from dashboard.pages.performance import MOST_ROWS, lay_out, lay_scores
from dashboard.performance import Performance, describe_performance, read_bundle, read_performance
from geo.county import County
from geo.pack import PackError
from tests.dashboard.test_briefing import find_text
from tests.ingest.samples import NOON, Writer, act, report

WEEK_MIN = 7 * 24 * 60
PATH = ("accept", "file", "dispatch", "take", "handle", "check", "close")


def write_case(writer: Writer, case_id: str, cell: str, begins: float, path: tuple[str, ...] = PATH) -> None:
    """Write a case of a cell and what was done to it, ten minutes apart, each received when it happened."""
    writer.write(report(case_id, begins, cell_code=cell, severity=4))
    for number, action in enumerate(path, 1):
        unit = "U02" if action in ("dispatch", "take", "handle") else None
        writer.write(act(case_id, action, begins + 10 * number, unit=unit, actor=f"{action}er"))


@pytest.fixture
def cells(county: County) -> list[str]:
    """A cell of each of two towns."""
    codes = [str(code) for code in county.cells.index]
    return [codes[0], next(code for code in codes if code[:9] != codes[0][:9])]


@pytest.fixture
def filled(engine: Engine, cells: list[str]) -> Engine:
    writer = Writer(engine)
    for number in range(3):
        write_case(writer, f"A{number}", cells[0], -3 * 24 * 60 + 60 * number)
    write_case(writer, "B0", cells[1], -2 * 24 * 60, PATH[:3])
    write_case(writer, "LATER", cells[0], 30)
    return engine


def look(
    engine: Engine, county: County, area: str = "", book: FactBook | None = None, at: datetime = NOON
) -> Performance:
    now = NOON + timedelta(days=2)
    return read_performance(
        engine, county, book or FactBook(engine, county), at.isoformat(), 7, area, clock=lambda: now
    )


def test_scores_say_what_they_count(filled: Engine, county: County, cells: list[str]) -> None:
    found = look(filled, county)
    told = describe_performance(found, county)
    assert [score.subject for score in found.towns] == [cells[0][:9], cells[1][:9]]  # the one that closes comes first
    unit = next(score for score in told["units"] if score["subject"] == "U02")
    filed = next(part for part in unit["parts"] if part["key"] == "unit_filed")
    assert (filed["numerator"], sorted(filed["counted"])) == (4, ["A0", "A1", "A2", "B0"])
    assert [score.subject for score in found.roles["dispatcher"]] == ["dispatcher"]
    chain = next(chain for chain in found.chains if chain.village == cells[0][:12])
    assert chain.value is not None and set(chain.links) == {"cell", "village", "room", "town"}
    reported = next(one for one in told["indicators"] if one["rule"] == "reported_24h")
    assert reported["value"] == 4


def test_the_same_moment_gives_the_same_scores(filled: Engine, county: County, cells: list[str]) -> None:
    book = FactBook(filled, county)
    before = describe_performance(look(filled, county, book=book), county)
    writer = Writer(filled)
    write_case(writer, "MORE", cells[0], 60)
    assert describe_performance(look(filled, county, book=book), county) == before
    assert describe_performance(look(filled, county), county) == before


def test_what_comes_late_counts_from_when_it_came(filled: Engine, county: County) -> None:
    """A case that had ended was handed back before, which is told a day later."""
    book, later = FactBook(filled, county), NOON + timedelta(days=1)
    before = describe_performance(look(filled, county, book=book), county)
    came_at = NOON + timedelta(hours=1)
    back = act("A0", "hand_back", -3 * 24 * 60 + 35, unit="U02", actor="handleer", received_at=came_at)
    Writer(filled).write(back)
    after = describe_performance(look(filled, county, book=book, at=later), county)
    assert after == describe_performance(look(filled, county, at=later), county)
    assert after["units"] != before["units"]
    assert describe_performance(look(filled, county, book=book), county) == before


def test_an_area_sees_its_own(filled: Engine, county: County, cells: list[str]) -> None:
    found = describe_performance(look(filled, county, cells[1][:9]), county)
    assert [town["subject"] for town in found["towns"]] == [cells[1][:9]]
    assert "A0" not in str(found)


def test_every_score_has_its_words(filled: Engine, county: County) -> None:
    for lang in ("zh", "en"):
        page = find_text(lay_out(county, lang, filled, FactBook(filled, county), NOON.isoformat(), "7"))
        assert "4 ÷ 4" in page or "3 ÷ 4" in page
        assert county.units["U02"].zh in page or lang == "en"


def test_of_a_long_ranking_the_best_and_the_worst_are_drawn() -> None:
    part = Part("missed", 100, 50, Indicator("missed", 50, 1, 2, ("C",)))
    table = str(lay_scores("inspector", [Score("inspector", f"W{n:03d}", (part,)) for n in range(200)], str, "en"))
    assert "W000" in table and "W199" in table and "W100" not in table
    assert table.count("scope='row'") == MOST_ROWS


def test_weights_that_are_none_are_refused(county: County) -> None:
    assert read_bundle(county).cell == 0.3
    with pytest.raises(PackError, match="bundle"):
        read_bundle(replace(county, case_settings={"bundle": {"mayor": 1.0}}))
