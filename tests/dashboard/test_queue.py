"""The duty desk's queue: what is on top, and what each filter lets through."""

from datetime import timedelta

import pytest

from dashboard.queue import Filters, find_cases, used_share
from geo.county import County
from layers.state import LiveState
from tests.layers.worlds import NOON, NOON_MS, act, minutes, report

LIMITS = {"0102": 4.0, "0101": 72.0}


@pytest.fixture
def state(county: County) -> LiveState:
    state = LiveState(county)
    state.apply(report(county, 1, at=NOON - minutes(300), severity=4))  # over its 4 hours
    state.apply(report(county, 2, at=NOON - minutes(60), severity=4, category="0101", channel="video"))
    state.apply(report(county, 3, at=NOON - minutes(1), severity=1, cell=900))  # new and critical
    state.apply(report(county, 4, at=NOON - minutes(30), severity=2))
    state.apply(report(county, 5, at=NOON - minutes(90), severity=3, cell=None))
    state.apply(report(county, 6, at=NOON - minutes(500), severity=1))
    state.apply(act(6, "close", NOON - minutes(10)))
    state.apply(act(2, "dispatch", NOON - minutes(5), unit="U01"))
    return state


def ask(state: LiveState, **filters: object) -> list[str]:
    page = find_cases(state, Filters(**filters), LIMITS, NOON_MS)  # type: ignore[arg-type]
    assert page.matching == len(page.cases) and page.open == 5
    return [case.case_id for case in page.cases]


def test_critical_then_severe_then_the_most_used_limit(state: LiveState) -> None:
    assert ask(state) == ["C3", "C4", "C1", "C5", "C2"]


def test_a_page_holds_the_most_urgent(state: LiveState) -> None:
    page = find_cases(state, Filters(), LIMITS, NOON_MS, most=2)
    assert ([case.case_id for case in page.cases], page.matching, page.open) == (["C3", "C4"], 5, 5)


def test_every_filter(state: LiveState, county: County) -> None:
    town = str(county.cells.index[900])[:9]
    village = str(county.cells.index[0])[:12]
    assert ask(state, areas=frozenset([town])) == ["C3"]
    assert ask(state, areas=frozenset([village])) == ["C4", "C1", "C2"]
    assert ask(state, severities=frozenset([1, 2])) == ["C3", "C4"]
    assert ask(state, categories=frozenset(["0101"])) == ["C2"]
    assert ask(state, channels=frozenset(["video"])) == ["C2"]
    assert ask(state, states=frozenset(["dispatched"])) == ["C2"]
    assert ask(state, severities=frozenset([1]), channels=frozenset(["video"])) == []


def test_words_are_found_in_number_class_and_place_of_either_language(state: LiveState) -> None:
    assert ask(state, text="c3") == ["C3"]
    assert ask(state, text="私搭") == ["C2"]
    assert ask(state, text="unauthorised C2") == ["C2"]
    assert ask(state, text="nothing like it") == []


def test_the_share_of_a_limit(state: LiveState) -> None:
    by_id = {case.case_id: case for case in state.cases.values()}
    assert used_share(by_id["C1"], LIMITS, NOON_MS) == pytest.approx(1.25)
    assert used_share(by_id["C1"], {}, NOON_MS) is None
    assert used_share(by_id["C1"], LIMITS, NOON_MS - int(timedelta(days=1).total_seconds() * 1000)) == 0
