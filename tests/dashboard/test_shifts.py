"""The sheet of a hand-over from SQL as of a moment, and the routes of roster and hand-overs, by role and area."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine

from cases.rulebook import read_rulebook
from dashboard.people.permissions import may_reach
from dashboard.people.viewer import Viewer
from dashboard.roster import BadPlan, read_plans
from dashboard.shift_sheet import Sheet, make_sheet
from geo.county import County
from ingest.records import AnyRecord
from tests.ingest.samples import Writer
from tests.layers.test_excerpt import cells_of, replace_record, towns_of
from tests.layers.worlds import act, report, warn

NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)  # a Friday, 14:00 in the county
SINCE = NOW - timedelta(hours=6)


def ago(hours: float) -> datetime:
    return NOW - timedelta(hours=hours)


def tell(county: County) -> list[AnyRecord]:
    """Cases in two towns, before, in and after a shift."""
    here, there = (cells_of(county, town)[0] for town in towns_of(county)[:2])
    return [
        report(county, 1, at=ago(90), cell=here),  # long overdue
        report(county, 2, at=ago(3), cell=here, severity=1),
        report(county, 3, at=ago(20), cell=here),
        act(3, "accept", ago(5)),
        act(3, "file", ago(4.5)),
        act(3, "suspend", ago(4)),
        report(county, 4, at=ago(8), cell=there),
        act(4, "close", ago(2)),
        report(county, 5, at=ago(5), cell=there),
        replace_record(act(5, "supervise", ago(1)), details={"card": "red"}),
        report(county, 6, at=ago(30), cell=there),
        act(6, "close", ago(20)),  # before the shift
        warn(1, ago(1)),
    ]


def read_sheet(engine: Engine, county: County, area: str = "") -> Sheet:
    return make_sheet(engine, county, read_rulebook(county), area, SINCE, NOW)


@pytest.fixture
def written(engine: Engine, county: County) -> Engine:
    Writer(engine).write(*tell(county))
    return engine


def test_the_sheet_counts_what_is_open_and_what_changed(written: Engine, county: County) -> None:
    sheet = read_sheet(written, county)
    figures = sheet.figures
    assert {key: figures[key] for key in ("open", "open_1", "suspended", "card_red", "reported", "closed")} == {
        "open": 4,
        "open_1": 1,
        "suspended": 1,
        "card_red": 1,
        "reported": 2,
        "closed": 1,
    }
    assert figures["reported_severe"] == 1 and figures["overdue"] >= 1
    assert set(sheet.open_case_ids) == {"C1", "C2", "C3", "C5"}
    marks = {row["case_id"]: row["marks"] for row in sheet.cases}
    assert marks["C2"][0] == "severe" and marks["C5"][0] in ("overdue", "card_red") and "suspended" in marks["C3"]
    assert "overdue" in marks["C1"] and "C6" not in marks
    assert sheet.cases[0]["case_id"] == "C2"  # the most urgent first
    assert len(sheet.warnings) == 1
    assert {feed["key"] for feed in sheet.feeds} >= {"waste", "air"}  # never heard


def test_the_same_moment_gives_the_same_sheet_whatever_comes_later(written: Engine, county: County) -> None:
    before = read_sheet(written, county)
    late = NOW + timedelta(minutes=5)
    cell = cells_of(county, towns_of(county)[0])[0]
    Writer(written).write(
        replace_record(report(county, 9, at=ago(1), cell=cell, severity=1), received_at=late),  # received afterwards
        act(2, "close", late),
        replace_record(act(1, "void", ago(0.5)), received_at=late),
        warn(2, late),
    )
    assert read_sheet(written, county) == before


def test_a_towns_sheet_is_the_towns(written: Engine, county: County) -> None:
    town, other = towns_of(county)[:2]
    assert set(read_sheet(written, county, town).open_case_ids) == {"C1", "C2", "C3"}
    sheet = read_sheet(written, county, other)
    assert sheet.open_case_ids == ["C5"] and {row["case_id"] for row in sheet.cases} <= {"C5"}
    assert (sheet.figures["reported"], sheet.figures["closed"]) == (1, 1)


@pytest.mark.parametrize(
    ("text", "field", "line"),
    [
        ("date,shift\n2026-11-22,early\n", "person", 1),
        ("date,shift,person\n22.11.2026,early,chen\n", "date", 2),
        ("date,shift,person\n2026-11-22,early,chen\n2026-13-01,early,chen\n", "date", 3),
        ("date,shift,person\n", "date", 1),
    ],
)
def test_a_bad_roster_file_is_told_by_line_and_field(text: str, field: str, line: int) -> None:
    with pytest.raises(BadPlan) as told:
        read_plans(text)
    assert (told.value.field, told.value.line) == (field, line)


@pytest.mark.parametrize("line_end", ["\r\n", "\r", "\n"])
def test_a_roster_file_as_a_spreadsheet_saves_it(line_end: str) -> None:
    (plan,) = read_plans(f"\ufeffdate, shift ,person,phone{line_end}2026-11-22,early,chen,13812345678{line_end}")
    assert (plan.date.isoformat(), plan.shift, plan.person, plan.phone) == (
        *("2026-11-22", "early", "chen", "13812345678"),
    )


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        *((role, True) for role in ("county_duty", "dispatcher", "town_centre", "leader", "administrator")),
        *((role, False) for role in ("unit", "village_centre", "grid_worker", "wall")),
    ],
)
def test_who_reaches_hand_overs(role: str, allowed: bool) -> None:
    viewer = Viewer("x", "X", role)
    for path in ("/handover", "/api/handovers", "/api/handovers/draft", "/api/handovers/2026-11-22/early"):
        assert may_reach(viewer, path) == allowed
