"""Indicators against published figures, and against the edges of their definitions."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.facts import CaseFacts
from cases.indicators import (
    Period,
    count_closed,
    count_open,
    count_overdue,
    count_reported,
    count_severe_open,
    list_due,
    measure_first_response,
    rate_closed,
    rate_found_by_ourselves,
    rate_loop_closed,
    rate_merged,
    rate_on_time,
    rate_repeated,
    rate_satisfied,
    rate_solved_at,
)

START = datetime(2016, 11, 30, 16, tzinfo=UTC)  # December begins in Tianmen
DECEMBER = Period(START, START + timedelta(days=31))
LIMIT = timedelta(hours=24)


def case(number: int, hours: float = 0, closed_after: float | None = None, **fields: Any) -> CaseFacts:
    """A case reported some hours into December, closed some hours after its report."""
    reported = START + timedelta(hours=hours)
    ended = None if closed_after is None else reported + timedelta(hours=closed_after)
    known: dict[str, Any] = {
        "case_id": f"C{number}",
        "category": "0102",
        "severity": 4,
        "channel": "patrol",
        "reported_at": reported,
        "due_at": reported + LIMIT,
        "ended_at": ended,
    }
    return CaseFacts(**(known | fields))


def test_tianmen_december_2016() -> None:
    # Published: 996 filed, 972 due, 911 closed (93.72 %), 737 of them on time (75.82 %).
    on_time = [case(number, 1, 20) for number in range(737)]
    late = [case(number, 1, 30) for number in range(737, 911)]
    still_open = [case(number, 1) for number in range(911, 972)]
    not_due_yet = [case(number, 31 * 24 - 2, 1) for number in range(972, 996)]
    december = on_time + late + still_open + not_due_yet
    assert len(list_due(december, DECEMBER)) == 972
    closed, timely = rate_closed(december, DECEMBER), rate_on_time(december, DECEMBER)
    assert (closed.numerator, closed.denominator, closed.value) == (911, 972, 93.72)
    assert (timely.numerator, timely.denominator, timely.value) == (737, 972, 75.82)
    assert closed.counted[:2] == ("C0", "C1") and len(timely.counted) == 737


def test_tianmen_events_and_parts() -> None:
    events = [case(n, 1, 20) for n in range(902)] + [case(n, 1) for n in range(902, 956)]
    parts = [case(n, 1, 20) for n in range(9)] + [case(n, 1) for n in range(9, 16)]
    assert rate_closed(events, DECEMBER).value == 94.35
    assert rate_closed(parts, DECEMBER).value == 56.25


def test_tianmen_found_by_patrols() -> None:
    december = [case(n, 1) for n in range(953)] + [case(n, 1, channel="app") for n in range(953, 996)]
    assert rate_found_by_ourselves(december, DECEMBER).value == 95.68


def test_a_ratio_over_nothing_has_no_value() -> None:
    nothing = rate_closed([], DECEMBER)
    assert (nothing.value, nothing.numerator, nothing.denominator) == (None, 0, 0)


@pytest.mark.parametrize(("hours", "counted"), [(0, 0), (0.001, 1), (31 * 24, 1), (31 * 24 + 0.001, 0)])
def test_periods_that_touch_share_nothing(hours: float, counted: int) -> None:
    assert count_reported([case(1, hours)], DECEMBER).numerator == counted


def test_closing_at_the_deadline_is_on_time() -> None:
    assert rate_on_time([case(1, 1, 24), case(2, 1, 24.001)], DECEMBER).counted == ("C1",)


def test_void_is_neither_due_nor_closed_nor_open() -> None:
    void = [case(1, 1, 2, ended_by="void"), case(2, 1, 2, ended_by="merge")]
    assert rate_closed(void, DECEMBER).denominator == 0
    assert count_closed(void, DECEMBER).numerator == 0
    assert count_open(void, DECEMBER.end).numerator == 0


def test_open_severe_and_overdue() -> None:
    at = START + timedelta(hours=48)
    cases = [
        case(1, 1, severity=1),
        case(2, 30, severity=2),
        case(3, 1, 40, severity=2),
        case(4, 1, due_at=None),
        case(5, 60),
        case(6, 1, 60),  # closed later: open at the moment
    ]
    assert count_open(cases, at).counted == ("C1", "C2", "C4", "C6")
    assert count_severe_open(cases, at).counted == ("C1", "C2")
    assert count_overdue(cases, at).counted == ("C1", "C6")


def test_a_loop_is_closed_where_somebody_checked() -> None:
    cases = [
        case(1, 1, 2, verified=True),
        case(2, 1, 2),  # closed unseen
        case(3, 1, 2, level="cell"),
        case(4, 1),
    ]
    loop = rate_loop_closed(cases, DECEMBER)
    assert (loop.counted, loop.denominator, loop.value) == (("C1", "C3"), 4, 50.0)


def test_solved_at_a_level_or_below() -> None:
    levels = ["cell", "village", "village", "town", "county"]
    cases = [case(number, 1, 2, level=level) for number, level in enumerate(levels)]
    values = [rate_solved_at(level, cases, DECEMBER).value for level in ("cell", "village", "town", "county")]
    assert values == [20, 60, 80, 100]


def test_what_came_twice_and_what_came_back() -> None:
    cases = [case(1, 1), case(2, 2, 1, ended_by="merge"), case(3, 3, repeats=True), case(4, 4)]
    assert (rate_merged(cases, DECEMBER).value, rate_merged(cases, DECEMBER).counted) == (25, ("C2",))
    repeated = rate_repeated(cases, DECEMBER)
    assert (repeated.numerator, repeated.denominator) == (1, 3)  # a merged report is no matter of its own


def test_first_response_is_a_median_in_minutes() -> None:
    cases = [
        case(number, 1, responded_at=START + timedelta(hours=1, minutes=minutes))
        for number, minutes in enumerate([1, 2, 90])
    ]
    first = measure_first_response([*cases, case(9, 1)], DECEMBER)
    assert (first.value, first.numerator, first.denominator) == (2, 3, None)
    assert measure_first_response([case(9, 1)], DECEMBER).value is None


def test_only_who_was_asked_can_be_content() -> None:
    cases = [case(1, 1, 2, satisfied=True), case(2, 1, 2, satisfied=False), case(3, 1, 2)]
    assert rate_satisfied(cases, DECEMBER).value == 50
