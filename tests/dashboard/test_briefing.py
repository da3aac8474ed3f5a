"""The briefing: figures that stay the same tomorrow, and the moments a person may ask for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import plotly.graph_objects
import pytest
from sqlalchemy import Engine

from dashboard.briefing import (
    Briefing,
    compare,
    describe_briefing,
    make_briefing,
    read_moment,
)
from dashboard.charts import draw_days, draw_ranking, round_scale
from dashboard.pages.briefing import lay_out, say_change, say_lead
from geo.county import County
from tests.ingest.samples import NOON, Writer, act, minutes, report

DAY = 24 * 60


@pytest.fixture
def county(county: County) -> County:
    """The demo county without limits of its own, so that every hour of a class's limit counts."""
    return replace(county, case_settings={})


@pytest.fixture
def writer(engine: Engine) -> Writer:
    return Writer(engine)


def brief(engine: Engine, county: County, at: datetime = NOON) -> Briefing:
    return make_briefing(engine, county, at.isoformat(), clock=lambda: NOON + timedelta(days=30))


def value(briefing: Briefing, key: str, when: str = "now") -> float | None:
    figure: float | None = getattr(briefing.figures[key], when).value
    return figure


def write_some_days(writer: Writer) -> None:
    """Class 0102 has 4 hours: A closed late, B on time, C open and overdue, D reported yesterday, E critical."""
    writer.write(
        report("A", -600, severity=4),
        act("A", "close", -300),
        report("B", -500, severity=4),
        act("B", "close", -400),
        report("C", -400, severity=4, channel="video"),
        report("D", -DAY - 60, severity=4),
        act("D", "void", -DAY - 30),
        report("E", -30, severity=1),
    )


def test_figures_of_a_day(engine: Engine, writer: Writer, county: County) -> None:
    write_some_days(writer)
    briefing = brief(engine, county)
    assert value(briefing, "reported_24h") == 4
    assert value(briefing, "closed_24h") == 2
    assert value(briefing, "open") == 2
    assert value(briefing, "severe_open") == 1
    assert value(briefing, "overdue") == 1
    assert value(briefing, "closed_ratio") == 66.67  # A and B of A, B and C
    assert value(briefing, "on_time_ratio") == 33.33
    assert briefing.figures["overdue"].now.counted == ("C",)
    assert briefing.reported[-2:] == [1, 4] and briefing.closed[-1] == 2


def test_changes_against_the_day_and_the_week_before(engine: Engine, writer: Writer, county: County) -> None:
    write_some_days(writer)
    briefing = brief(engine, county)
    reported = briefing.figures["reported_24h"]
    assert (reported.day.value, reported.week.value) == (1, 0)
    assert compare(reported.now, reported.day) == 3
    assert compare(briefing.figures["closed_ratio"].now, briefing.figures["closed_ratio"].week) is None


def test_a_late_report_counts_on_its_day_in_comparisons_too(engine: Engine, writer: Writer, county: County) -> None:
    writer.write(report("A", -DAY - 60, received_at=minutes(-10)))
    reported = brief(engine, county).figures["reported_24h"]
    assert (reported.now.value, reported.day.value) == (0, 1)


def test_what_is_received_later_changes_nothing(engine: Engine, writer: Writer, county: County) -> None:
    write_some_days(writer)
    before = brief(engine, county)
    writer.write(
        report("F", -100, received_at=minutes(5)),  # happened before the moment, received after it
        act("C", "close", -10, received_at=minutes(5)),
        act("A", "reopen", -5, received_at=minutes(600)),
        report("G", 60),
        act("E", "close", 60),
    )
    assert brief(engine, county) == before
    later = brief(engine, county, minutes(10))
    assert value(later, "reported_24h") == 5 and value(later, "open") == 2


def test_a_briefing_without_data_is_empty(engine: Engine, county: County) -> None:
    briefing = brief(engine, county)
    assert briefing.empty and value(briefing, "open") == 0 and value(briefing, "closed_ratio") is None


def test_in_a_county_of_history_the_data_says_when_now_is(engine: Engine, writer: Writer, county: County) -> None:
    years_later = minutes(60 * 24 * 900)
    writer.write(
        report("A", 0, received_at=years_later),
        act("A", "close", 30, received_at=years_later),
        report("B", 60, received_at=years_later),
    )
    history = replace(county, settings=county.settings | {"clock": {"anchor": "data"}})
    now = make_briefing(engine, history, None, clock=lambda: years_later)
    assert now.as_of == minutes(60)
    assert value(now, "reported_24h") == 2 and value(now, "closed_24h") == 1
    earlier = make_briefing(engine, history, minutes(15).isoformat(), clock=lambda: years_later)
    assert value(earlier, "open") == 1


@pytest.mark.parametrize(
    ("asked", "moment"),
    [
        (None, datetime(2026, 11, 21, 12, 0, tzinfo=UTC)),
        ("", datetime(2026, 11, 21, 12, 0, tzinfo=UTC)),
        ("2026-11-21T08:00", datetime(2026, 11, 21, 0, 0, tzinfo=UTC)),  # county time
        ("2026-11-21T08:00:00Z", datetime(2026, 11, 21, 8, 0, tzinfo=UTC)),
        ("2026-11-21T08:00:00+08:00", datetime(2026, 11, 21, 0, 0, tzinfo=UTC)),
        ("2026-11-21T08:00:00 08:00", datetime(2026, 11, 21, 0, 0, tzinfo=UTC)),  # "+" lost on its way
        ("2030-01-01T00:00", datetime(2026, 11, 21, 12, 0, 40, tzinfo=UTC)),  # never later than now
    ],
)
def test_moments(county: County, asked: str | None, moment: datetime) -> None:
    assert read_moment(asked, county, NOON + timedelta(seconds=40)) == moment


@pytest.mark.parametrize(
    "asked", ["yesterday", "2026-13-01", "08:00", "' OR 1=1", "0001-01-01", "9999-12-31T23:00-12:00"]
)
def test_what_is_no_moment_is_refused(county: County, asked: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_moment(asked, county, NOON)


def test_json_says_value_rule_and_changes(engine: Engine, writer: Writer, county: County) -> None:
    write_some_days(writer)
    said = describe_briefing(brief(engine, county), county, "en")
    assert said["as_of"] == "2026-11-21T20:00:00+08:00"
    on_time = next(figure for figure in said["figures"] if figure["key"] == "on_time_ratio")
    assert (on_time["value"], on_time["numerator"], on_time["denominator"]) == (33.33, 1, 3)
    assert on_time["definition"].startswith("Closed on time ÷ due")
    assert on_time["counted"] == ["B"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_first_sentence_says_what_needs_attention(
    engine: Engine, writer: Writer, county: County, lang: str
) -> None:
    write_some_days(writer)
    lead = say_lead(brief(engine, county), county, lang)
    assert ("需要关注" if lang == "zh" else "need attention") in lead
    assert ("超时限" if lang == "zh" else "over their limit") in lead


def test_changes_are_said_with_their_unit(engine: Engine, writer: Writer, county: County) -> None:
    write_some_days(writer)
    figures = brief(engine, county).figures
    assert say_change(figures["reported_24h"].now, figures["reported_24h"].day, "zh") == "+3"
    assert say_change(figures["closed_ratio"].now, figures["closed_ratio"].now, "zh") == "持平"
    assert say_change(figures["closed_ratio"].now, figures["closed_ratio"].week, "zh") == "无可比"


def find_text(component: Any) -> str:
    """Return every text in a layout."""
    if isinstance(component, str):
        return component
    if isinstance(component, list | tuple):
        return " ".join(find_text(part) for part in component)
    return find_text(component.children) if getattr(component, "children", None) is not None else ""


def test_the_page_defines_every_figure(engine: Engine, writer: Writer, county: County) -> None:
    write_some_days(writer)
    said = find_text(lay_out(county, "zh", engine, NOON.isoformat()))
    assert said.count("定义") == 12 and said.count("较前一周") == 12
    assert "虚构县域" in said and "2026-11-21 20:00" in said
    assert "何翠英" not in said and "13905750001" not in said


def test_the_page_says_that_there_is_no_data(engine: Engine, county: County) -> None:
    said = find_text(lay_out(county, "zh", engine, NOON.isoformat()))
    assert "尚无案件数据" in said and "定义" not in said


def test_the_page_says_that_a_moment_is_not_understood(engine: Engine, county: County) -> None:
    assert "无法识别的时刻“soon”" in find_text(lay_out(county, "zh", engine, "soon"))


def test_charts_are_valid_plotly(tmp_path: Path) -> None:
    plotly.graph_objects.Figure(draw_days(["11-20", "11-21"], {"a": [1, None], "b": [2, 3]}, 5))
    plotly.graph_objects.Figure(draw_ranking(["a", "b"], [3, 1], 5))


@pytest.mark.parametrize(("highest", "end"), [(0, 5), (5, 5), (6, 10), (99, 100), (101, 200), (74401, 100000)])
def test_scales_end_round(highest: float, end: float) -> None:
    assert round_scale(highest) == end
