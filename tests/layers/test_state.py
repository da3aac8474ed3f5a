"""What the live state promises: the fold of a set, windows that end, and changes that say what to draw."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.county import County
from ingest.records import AnyRecord
from ingest.tables import as_ms
from layers.places import feature_id
from layers.state import LiveState
from tests.layers.worlds import NOON, NOON_MS, act, asset_of, live, locate, minutes, report, sense

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@cache
def make_records(county: County) -> Sequence[AnyRecord]:
    """A set in which everything that can go wrong with an order is there: late, early, double, contradicting."""
    bin_, detector = asset_of(county, "bin"), asset_of(county, "detector")
    return [
        report(county, 1, at=NOON - 2 * HOUR, severity=1),
        report(county, 1, at=NOON - HOUR, cell=3, severity=2, id="again"),  # the one received first counts
        act(1, "accept", NOON - minutes(100)),
        act(1, "dispatch", NOON - minutes(90), "U01"),
        act(1, "close", NOON - minutes(30)),
        report(county, 2, at=NOON - 30 * HOUR, cell=3),
        act(2, "close", NOON - 29 * HOUR),
        act(2, "reopen", NOON - 28 * HOUR),
        report(county, 3, at=NOON - 80 * HOUR),  # ended and forgotten
        act(3, "void", NOON - 79 * HOUR),
        act(4, "dispatch", NOON, "U02"),  # its report never comes
        report(county, 5, cell=None),
        sense("waste", bin_, 0.7, at=NOON - minutes(50)),
        sense("waste", bin_, 0.8, at=NOON - minutes(20)),
        sense("waste", bin_, 0.1, at=NOON - 5 * HOUR),
        sense("waste", "B-NEW", 0.3, lon=120.4, lat=29.6),
        sense("waste", "B-NEW", 0.2, at=NOON - HOUR, lon=120.5, lat=29.7),
        sense("traffic", detector, 30.0),
        sense("traffic", detector, 35.0),  # of the same moment
        sense("traffic", detector, None),
        sense("traffic", detector, 41.0, at=NOON - minutes(1)),
        sense("noise", "N1", 55.0),
        locate("W1", NOON - minutes(9)),
        locate("W1", NOON - minutes(2), on_duty=False),
    ]


def test_any_order_and_any_repetition_give_the_same_state(county: County) -> None:
    records = make_records(county)
    ranks = {id(record): rank for rank, record in enumerate(records)}
    straight = LiveState(county)
    for record in records:
        straight.apply(record, ranks[id(record)])
    straight.advance(NOON_MS)

    @given(st.data())
    @settings(max_examples=100, deadline=None)
    def check(data: st.DataObject) -> None:
        repeats = data.draw(st.lists(st.sampled_from(range(len(records))), max_size=6))
        shuffled = data.draw(st.permutations([*range(len(records)), *repeats]))
        ticks = data.draw(st.sets(st.integers(0, len(shuffled)), max_size=3))
        mixed = LiveState(county)
        for position, number in enumerate(shuffled):
            if position in ticks:
                mixed.advance(NOON_MS - 60_000)
            mixed.apply(records[number], number)
        mixed.advance(NOON_MS)
        assert mixed.facts() == straight.facts()

    check()


def test_open_cases_are_counted_by_cell_and_severity(county: County) -> None:
    state = live(county, report(county, 1, severity=1), report(county, 2), report(county, 3, cell=5))
    assert state.open_by_cell == {0: [1, 0, 1, 0], 5: [0, 0, 1, 0]}
    state.apply(act(1, "close", NOON))
    assert state.open_by_cell == {0: [0, 0, 1, 0], 5: [0, 0, 1, 0]}
    state.apply(act(1, "reopen", NOON + minutes(1)))
    assert state.open_by_cell[0] == [1, 0, 1, 0]


def test_an_action_may_come_before_its_report(county: County) -> None:
    state = live(county, act(1, "close", NOON), report(county, 1, at=NOON - HOUR))
    assert not next(iter(state.cases.values())).is_open
    assert state.open_by_cell == {}


def test_heat_ends_with_its_window(county: County) -> None:
    state = live(county, report(county, 1))
    state.take_changes()
    state.advance(NOON_MS + state.heat_ms - 1)
    assert len(state.hot) == 1
    state.advance(NOON_MS + state.heat_ms)
    assert state.hot == set()
    assert state.take_changes().features == {"cases": {feature_id("case:C1")}}
    assert len(state.cases) == 1  # it is still open


def test_ended_cases_leave_and_open_ones_stay(county: County) -> None:
    state = live(county, report(county, 1), report(county, 2), act(2, "close", NOON))
    state.advance(NOON_MS + as_span(3 * DAY))
    assert [case.case_id for case in state.cases.values()] == ["C1"]
    state.apply(report(county, 2))  # a late repeat does not bring it back
    assert [case.case_id for case in state.cases.values()] == ["C1"]
    assert not state.reopened_after_leaving
    state.apply(act(2, "reopen", NOON + 3 * DAY))
    assert state.reopened_after_leaving


def test_sensors_fall_silent_by_the_clock_alone(county: County) -> None:
    name = asset_of(county, "bin")
    position = county.assets.index.get_loc(name)
    state = live(county, sense("waste", name, 0.5))
    state.take_changes()
    stale_ms = state.stale_ms("waste")
    state.advance(NOON_MS + 2 * stale_ms)
    assert state.take_changes().features == {}
    state.advance(NOON_MS + 2 * stale_ms + 1)
    assert state.take_changes().features == {"waste": {position}}
    state.apply(sense("waste", name, 0.6, at=NOON + 3 * HOUR))
    state.advance(NOON_MS + as_span(3 * HOUR))
    assert state.take_changes().features == {"waste": {position}}


def test_feeds_say_how_old_they_are(county: County) -> None:
    state = live(county, sense("waste", asset_of(county, "bin"), 0.5, origin="simulated"))
    feed = state.feeds["waste"]
    stale_ms = feed.stale_after_ms
    assert [feed.state(NOON_MS + age) for age in (0, stale_ms, stale_ms + 1, 2 * stale_ms + 1)] == [
        "ok",
        "ok",
        "late",
        "silent",
    ]
    assert state.feeds["air"].state(NOON_MS) == "never"
    assert (state.origin(), feed.received) == ("simulated", 1)


def test_an_unknown_asset_is_announced_once(county: County) -> None:
    state = live(county, sense("traffic", "LA-1", 50.0, lon=120.4, lat=29.6))
    announced = state.take_changes().assets
    assert [(asset.asset_id, asset.kind) for asset in announced.values()] == [("LA-1", "detector")]
    assert next(iter(announced)) >= 2**32  # never in the way of a position in the pack
    state.apply(sense("traffic", "LA-1", 40.0, at=NOON + HOUR, lon=120.4, lat=29.6))
    assert state.take_changes().assets == {}


def test_an_unknown_asset_without_a_place_is_not_drawn(county: County) -> None:
    state = live(county, sense("traffic", "LA-2", 50.0))
    assert state.take_changes().assets == {}
    assert feature_id("asset:LA-2") not in state.assets


def test_a_county_of_history_takes_its_clock_from_the_data(county: County) -> None:
    profile = replace(county.profile, clock_anchor="data")
    past = replace_profile(county, profile)
    state = live(past, report(past, 1), now=NOON + 400 * DAY)
    assert state.as_of == NOON
    assert len(state.hot) == 1
    state.apply(report(past, 2, at=NOON + 2 * DAY))
    state.advance(NOON_MS + as_span(400 * DAY))
    assert state.hot == {feature_id("case:C2")}


@pytest.mark.parametrize("severity", [-3, 0, 9])
def test_an_impossible_severity_stops_nothing(county: County, severity: int) -> None:
    state = live(county, report(county, 1, severity=severity))
    assert sum(state.open_by_cell[0]) == 1


def test_changes_name_the_cells_and_features(county: County) -> None:
    state = live(county, report(county, 1, cell=4), locate("W1"))
    changes = state.take_changes()
    assert changes.cells == {4}
    assert changes.features == {"cases": {feature_id("case:C1")}, "workers": {feature_id("worker:W1")}}
    assert state.take_changes().features == {}
    state.apply(report(county, 1, cell=4))  # a repeat changes nothing
    assert state.take_changes().features == {}


def as_span(span: timedelta) -> int:
    return as_ms(NOON + span) - NOON_MS


def replace_profile(county: County, profile: Any) -> County:
    """The county with another profile; the profile is cached, so a copy gets its own."""
    copy = replace(county)
    copy.__dict__["profile"] = profile
    return copy
