"""The duty desk's queue: what is on top, what each filter lets through, and what changed against an order."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from sqlalchemy import Engine

from cases.requests import Asker
from dashboard.queue import (
    COLOURS,
    NOBODY,
    Filters,
    Line,
    Orders,
    Question,
    colour_of,
    count,
    find_changes,
    make_order,
    pick_window,
    put_in_line,
)
from dashboard.queue_api import describe_row
from dashboard.queue_query import BadQuery, read_query
from dashboard.queue_sql import History, find_described
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.store import open_database
from ingest.tables import as_ms
from layers import case_clocks
from layers.contract import View
from layers.excerpt import COUNTY, Scope
from layers.places import feature_id
from layers.state import LiveState
from layers.things import Case
from tests.ingest import samples
from tests.layers.worlds import NOON, NOON_MS, act, minutes, report

MORNING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # Monday 10:00 in the demo county
HOUR_MS = 3_600_000
KEYS: dict[str, Callable[[Case], object]] = {
    "severity": lambda case: case.severity,
    "category": lambda case: case.category,
    "place": lambda case: case.cell,
    "unit": lambda case: case.state.unit,
    "reported": lambda case: case.reported_ms,
    "people": lambda case: case.people or 0,
    "state": lambda case: case.state.state,
}
URGENCY = Line()


@pytest.fixture
def state(county: County) -> LiveState:
    state = LiveState(county)
    state.apply(report(county, 1, at=NOON - timedelta(days=20), severity=4))  # long over its limit
    state.apply(report(county, 2, at=NOON - minutes(60), severity=4, category="0101", channel="video"))
    state.apply(report(county, 3, at=NOON - minutes(1), severity=1, cell=900))  # new and critical
    state.apply(report(county, 4, at=NOON - minutes(30), severity=2))
    state.apply(report(county, 5, at=NOON - minutes(90), severity=3, cell=None))
    state.apply(report(county, 6, at=NOON - minutes(500), severity=1))
    state.apply(act(6, "close", NOON - minutes(10)))
    state.apply(act(2, "dispatch", NOON - minutes(5), unit="U01"))
    state.advance(NOON_MS)
    return state


def ask(state: LiveState, line: Line = URGENCY, asker: Asker = NOBODY, **filters: object) -> list[str]:
    question = Question(Filters(**filters), line, asker)  # type: ignore[arg-type]
    order = make_order(state, question)
    assert count(state, question).matching == len(order.ids)
    return [case.case_id for case in pick_window(state, order, 0, 100)]


def test_critical_then_severe_then_the_most_used_limit(state: LiveState) -> None:
    assert ask(state) == ["C3", "C4", "C1", "C5", "C2"]


def test_cards_stand_between_the_severities(state: LiveState, county: County) -> None:
    for number, card in ((5, "red"), (2, "yellow")):
        state.apply(msgspec.structs.replace(act(number, "supervise", NOON - minutes(3)), details={"card": card}))
    assert ask(state) == ["C3", "C5", "C4", "C2", "C1"]
    assert ask(state, cards=frozenset(["red"])) == ["C5"]


def test_every_column_orders_both_ways(state: LiveState) -> None:
    assert ask(state, Line("reported")) == ["C3", "C4", "C2", "C5", "C1"]
    assert ask(state, Line("reported", backwards=True)) == ["C1", "C5", "C2", "C4", "C3"]
    assert ask(state, Line("unit"))[0] == "C2"
    assert ask(state, Line("place"))[-1] == "C5"
    assert ask(state, Line("clock"))[0] == "C1"


def test_every_filter(state: LiveState, county: County) -> None:
    town = str(county.cells.index[900])[:9]
    village = str(county.cells.index[0])[:12]
    assert ask(state, areas=frozenset([town])) == ["C3"]
    assert ask(state, areas=frozenset([village])) == ["C4", "C1", "C2"]
    assert ask(state, severities=frozenset([1, 2])) == ["C3", "C4"]
    assert ask(state, categories=frozenset(["0101"])) == ["C2"]
    assert ask(state, channels=frozenset(["video"])) == ["C2"]
    assert ask(state, states=frozenset(["dispatched"])) == ["C2"]
    assert ask(state, units=frozenset(["U01"])) == ["C2"]
    assert ask(state, units=frozenset(["U99"])) == []
    assert ask(state, colours=frozenset(["red"])) == ["C1"]
    assert ask(state, hours=1.0) == ["C3", "C4"]
    assert ask(state, since_ms=NOON_MS - 2 * HOUR_MS, until_ms=NOON_MS - HOUR_MS // 2) == ["C5", "C2"]
    assert ask(state, severities=frozenset([1]), channels=frozenset(["video"])) == []


def test_a_ring_holds_what_lies_in_it(state: LiveState) -> None:
    case = state.cases[feature_id("case:C3")]
    assert case.lon is not None and case.lat is not None
    lon, lat, near = case.lon, case.lat, 0.001
    ring = ((lon - near, lat - near), (lon + near, lat - near), (lon + near, lat + near), (lon - near, lat + near))
    assert ask(state, within=ring) == ["C3"]
    assert ask(state, within=tuple((x + 1, y) for x, y in ring)) == []


def test_words_are_found_in_number_class_place_and_title_and_what_sql_says(state: LiveState) -> None:
    assert ask(state, text="c3") == ["C3"]
    assert ask(state, text="私搭") == ["C2"]
    assert ask(state, text="unauthorised C2") == ["C2"]
    assert ask(state, text="nothing like it") == []
    described = Question(Filters(text="nothing like it"), described=frozenset([feature_id("case:C4")]))
    assert pick_window(state, make_order(state, described), 0, 9)[0].case_id == "C4"


def test_mine_is_whose_turn_it_is(state: LiveState) -> None:
    assert ask(state, asker=Asker("a", "dispatcher"), mine=True) == ["C3", "C4", "C1", "C5"]
    assert ask(state, asker=Asker("a", "unit", "U01"), mine=True) == ["C2"]
    assert ask(state, asker=Asker("a", "unit", "U02"), mine=True) == []
    assert ask(state, asker=Asker("a", "administrator"), mine=True) == []


def test_an_order_stays_as_it_was_and_what_is_new_is_told(state: LiveState, county: County) -> None:
    question = Question()
    order = make_order(state, question)
    assert find_changes(state, order).new == 0
    state.apply(report(county, 7, at=NOON, severity=1))
    state.apply(report(county, 8, at=NOON, severity=4))
    state.apply(act(4, "accept", NOON))
    changes = find_changes(state, order)
    assert (changes.new, changes.counts.matching) == (2, 7)
    rows = pick_window(state, order, 0, 100)
    assert [case.case_id for case in rows] == ["C3", "C4", "C1", "C5", "C2"]
    assert rows[1].state.state == "accepted"
    assert find_changes(state, make_order(state, question)).new == 0


def test_only_who_asked_for_an_order_finds_it(state: LiveState) -> None:
    orders, question = Orders(), Question(asker=Asker("a", "unit", "U01"))
    order = make_order(state, question)
    orders.keep(order)
    assert orders.find(order.token, question) is order
    assert orders.find(order.token, Question(asker=Asker("b", "unit", "U02"))) is None
    assert orders.find("unknown", question) is None and orders.find(None, question) is None


def test_what_is_seen_is_what_is_filtered_sorted_and_shown_on_the_map(county: County) -> None:
    state = LiveState(county)
    for number, ago in ((1, 5), (2, 26), (3, 45), (4, 60 * 24 * 9)):  # 30 minutes to accept; two working days in all
        state.apply(report(county, number, at=MORNING - minutes(ago), category="0103"))
    state.apply(act(4, "accept", MORNING - minutes(1)))
    state.apply(msgspec.structs.replace(act(1, "supervise", MORNING), details={"card": "yellow"}))
    state.apply(act(2, "suspend", MORNING))
    state.advance(as_ms(MORNING))
    seen = {
        row["case_id"]: (row["clocks"][0]["kind"], case.first_colour(state.now_ms))
        for case in state.cases.values()
        for row in [describe_row(case, state.rulebook, NOBODY)]
    }
    assert seen == {"C1": ("step", "green"), "C2": ("total", "stopped"), "C3": ("step", "red"), "C4": ("total", "red")}
    for colour in COLOURS:
        assert set(ask(state, colours=frozenset([colour]))) == {
            id for id, (_, light) in seen.items() if light == colour
        }
    assert ask(state, Line("clock")) == ["C4", "C3", "C1", "C2"]
    halos = case_clocks.compute(state, View(state.as_of))
    assert sorted(zip(halos.ids, halos.columns["light"], strict=True)) == sorted(
        (feature_id(f"case:{id}"), case_clocks.OVER) for id in ("C3", "C4")
    )


def test_of_cases_equally_severe_the_one_whose_first_limit_is_used_most_is_on_top(county: County) -> None:
    state = LiveState(county)
    state.apply(report(county, 1, at=MORNING - minutes(40), category="0103"))  # 10 minutes over the step's 30
    state.apply(report(county, 2, at=MORNING - minutes(100), category="0103"))
    state.apply(act(2, "accept", MORNING - minutes(3)))  # its next step has begun
    state.advance(as_ms(MORNING))
    assert ask(state) == ["C1", "C2"]


def test_merged_cases_are_known_of_the_one_that_stands_for_them(state: LiveState) -> None:
    merge = msgspec.structs.replace(act(2, "merge", NOON), details={"into": "C1"})
    state.apply(merge)
    state.apply(msgspec.structs.replace(act(5, "merge", NOON), details={"into": "C1"}))
    assert state.merged == {"C1": {"C2", "C5"}}
    state.apply(act(5, "unmerge", NOON + minutes(1)))
    state.advance(NOON_MS + 60 * 24 * HOUR_MS)  # C2 leaves
    assert state.merged == {}


def test_density_counts_the_quarters_of_the_last_day(state: LiveState) -> None:
    counts = count(state, Question(Filters(hours=0.1)))
    assert (counts.matching, counts.open, sum(counts.density)) == (1, 5, 4)  # C1 is older
    assert counts.quarter_ms == NOON_MS and counts.density[-2:] == [1, 0]  # C3 came a minute before noon
    assert sum(counts.colours.values()) == 1


def test_a_clock_turns_by_time_alone_and_the_screens_are_told(county: County) -> None:
    state = LiveState(county)
    state.advance(NOON_MS)
    state.apply(report(county, 1, at=NOON, severity=1))
    case = next(iter(state.cases.values()))
    clock = case.first_clock
    assert clock is not None and clock.near_ms is not None and clock.due_ms is not None
    state.take_changes()
    for moment, told, colour in (
        (clock.near_ms, False, "green"),
        (clock.near_ms + 1, True, "yellow"),
        (clock.due_ms, False, "yellow"),
        (clock.due_ms + 1, True, "red"),
        (clock.due_ms + 2, False, "red"),
    ):
        state.advance(moment)
        changed = case.id in state.take_changes().features.get("cases", ())
        assert (changed, case.first_colour(moment)) == (told, colour)
        assert COLOURS[colour_of(state.columns, moment)[0]] == colour


def test_slots_are_used_again(state: LiveState, county: County) -> None:
    columns, size = state.columns, state.columns.size
    gone = next(iter(state.cases))
    columns.remove(gone)
    state.apply(report(county, 9, at=NOON))
    assert columns.size == size and "C9" in ask(state)


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({"severity": "5"}, "severity"),
        ({"colour": "blue"}, "colour"),
        ({"sort": "sideways"}, "sort"),
        ({"show": "some"}, "show"),
        ({"from": "today"}, "from"),
        ({"hours": "nan"}, "hours"),
        ({"within": "1,2;3,4"}, "within"),
        ({"within": "1,2;3,4;x,5"}, "within"),
        ({"within": "1,2;3,4;190,5"}, "within"),
    ],
)
def test_a_bad_query_is_named(said: dict[str, str], fault: str) -> None:
    with pytest.raises(BadQuery, match=f"^{fault}"):
        read_query(said)


def test_narrower_areas_replace_the_wider() -> None:
    query = read_query({"town": "339901001,339901002", "village": "339901001001", "cell": "339901001001001"})
    assert query.filters.areas == {"339901002", "339901001001001"}
    assert read_query({"lang": "en", "other": "x"}) == read_query({})


@pytest.fixture
def engine(tmp_path: Path, county: County) -> Engine:
    """Cases of SQL: open, closed, closed and voided elsewhere, and one that a unit had."""
    url = f"sqlite:///{tmp_path / 'county.db'}"
    upgrade_database(url)
    engine = open_database(url)
    here, there = str(county.cells.index[0]), str(county.cells.index[900])
    samples.Writer(engine).write(
        samples.report("open", 0, description="井盖 丢失", cell_code=here),
        samples.report("closed", 1, title="路灯不亮", cell_code=here),
        samples.act("closed", "dispatch", 2, unit="U01"),
        samples.act("closed", "close", 60),
        samples.report("voided", 3, cell_code=there, severity=4, description="井盖松动"),
        samples.act("voided", "void", 5),
    )
    return engine


def read(engine: Engine, live: LiveState, scope: Scope = COUNTY, **said: Any) -> list[str]:
    history = History(engine, live.places, live.rulebook)
    total, found = history.read(read_query({"show": "ended"} | said), scope, NOON_MS, 0, 100)
    assert total == len(found)
    return [case.case_id for case in found]


def test_what_has_ended_is_read_from_sql(engine: Engine, state: LiveState, county: County) -> None:
    here = str(county.cells.index[0])
    assert read(engine, state) == ["voided", "closed"]
    assert read(engine, state, show="all") == ["voided", "closed", "open"]
    assert read(engine, state, sort="ended") == ["closed", "voided"]
    assert read(engine, state, state="closed") == ["closed"]
    assert read(engine, state, severity="4") == ["voided"]
    assert read(engine, state, q="路灯") == read(engine, state, village=here[:12]) == ["closed"]
    assert read(engine, state, q="井盖", show="all") == ["voided", "open"]
    assert read(engine, state, Scope(area=here[:9])) == ["closed"]
    assert read(engine, state, Scope(unit="U01")) == ["closed"]
    assert read(engine, state, Scope(unit="U02")) == []


def test_an_ended_case_is_as_the_live_state_would_have_it(engine: Engine, state: LiveState) -> None:
    history = History(engine, state.places, state.rulebook)
    _, (voided, closed) = history.read(read_query({"show": "ended"}), Scope(), NOON_MS, 0, 2)
    assert (closed.state.state, closed.state.version, closed.state.unit) == ("closed", 2, "U01")
    assert [clock.kind for clock in closed.clocks] == ["total"]
    assert closed.first_colour(NOON_MS + 10**12) == closed.clock_colour(NOON_MS + 10**12) == "green"
    assert history.read(read_query({"show": "ended"}), Scope(), NOON_MS, 1, 1)[1] == [closed]
    assert voided.cell == 900


@pytest.mark.parametrize("show", ["ended", "all"])
def test_lists_of_sql_stand_in_line_as_the_live_queue_does(engine: Engine, county: County, show: str) -> None:
    samples.Writer(engine).write(
        samples.report("more", 1, category="0103", severity=1, people=3, cell_code=str(county.cells.index[7])),
        samples.act("more", "dispatch", 2, unit="U02"),
        samples.act("more", "void", 9),
        samples.report("most", 4, category="0101", severity=2, people=9, cell_code=None),
        samples.act("most", "close", 9),
    )
    live = LiveState(county)
    history = History(engine, live.places, live.rulebook)
    for case in history.read(read_query({"show": show}), COUNTY, NOON_MS, 0, 100)[1]:
        live.put_case(case)
    live.columns["open"][:] = True  # so that they are looked at as the open ones are
    for column in (
        "severity",
        "category",
        "place",
        "unit",
        "reported",
        "people",
        *(["state"] if show == "ended" else []),
    ):
        for sort in (column, f"-{column}"):
            line = read_query({"sort": sort}).line
            slots = put_in_line(live.columns, np.arange(live.columns.size), line, NOON_MS)
            keys = [KEYS[column](live.cases[id]) for id in live.columns["id"][slots].tolist()]
            found = history.read(read_query({"show": show, "sort": sort}), COUNTY, NOON_MS, 0, 100)[1]
            assert [KEYS[column](case) for case in found] == keys, sort


@pytest.mark.parametrize(
    "said", [{"colour": "red"}, {"mine": "1"}, {"card": "red"}, {"sort": "clock"}, {"sort": "card"}, {"state": "filed"}]
)
def test_what_only_the_live_state_knows_is_refused_by_name(
    engine: Engine, state: LiveState, said: dict[str, str]
) -> None:
    with pytest.raises(BadQuery, match=f"^{next(iter(said))}"):
        read(engine, state, COUNTY, **said)


def test_descriptions_are_searched_in_sql(engine: Engine) -> None:
    assert find_described(engine, "丢失 井盖") == {feature_id("case:open")}
    assert find_described(engine, "50%") == find_described(engine, "") == frozenset()
