"""Patrols and visits: turns, what a check-in does, coverage, and packs that say it wrongly."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from cases.rounds import (
    COVERED_DAYS,
    Coverage,
    Plan,
    Rounds,
    Task,
    cover,
    cover_visits,
    list_tasks,
    list_visits,
    read_rounds,
)
from geo.county import County
from geo.pack import Name, PackError
from ingest.rows.rounds import CareEntry, CarePerson, Check

SHANGHAI = ZoneInfo("Asia/Shanghai")
WEEKLY = Plan("weekly", Name("周", "Weekly"), "patrol", 7, 2)
CARE = Plan("care", Name("访", "Care"), "visit", 14, 3, groups=("alone",))
ROUNDS = Rounds({"weekly": WEEKLY, "care": CARE}, {"alone": Name("独", "Alone")}, SHANGHAI)
MONDAY = date(2026, 11, 2)
CELL = "339901001001001"


def walk(day: date, hour: int = 10, cell: str = CELL, plan: str = "weekly") -> Check:
    at = datetime(day.year, day.month, day.day, hour, tzinfo=SHANGHAI).astimezone(UTC)
    return Check(plan, cell, "W-1", at)


def states(checks: list[Check], today: date, since: date = MONDAY) -> list[str]:
    return [task.state for task in list_tasks(ROUNDS, [CELL], checks, since, today)]


def days(number: int) -> date:
    return MONDAY + timedelta(days=number)


def test_a_turn_of_a_week_begins_on_monday_and_ends_on_sunday() -> None:
    (task,) = list_tasks(ROUNDS, [CELL], [], days(3), days(3))
    assert (task.begins, task.due, task.state) == (MONDAY, days(6), "open")


@pytest.mark.parametrize(
    ("today", "state"), [(0, "open"), (6, "open"), (7, "overdue"), (8, "overdue"), (9, "missed"), (30, "missed")]
)
def test_what_nobody_does_is_owed_then_missed(today: int, state: str) -> None:
    assert states([], days(today))[0] == state


def test_a_check_in_does_the_task_of_its_turn_whatever_more_there_is() -> None:
    assert states([walk(days(1)), walk(days(2)), walk(days(3))], days(8)) == ["done", "open"]


def test_a_check_in_within_the_grace_makes_up_and_does_not_count_twice() -> None:
    assert states([walk(days(8))], days(9)) == ["late", "open"]
    assert states([walk(days(8)), walk(days(10))], days(10)) == ["late", "done"]
    assert states([walk(days(9))], days(9)) == ["missed", "done"]  # the grace was over
    assert states([walk(days(3)), walk(days(8))], days(9)) == ["done", "done"]


def test_days_are_the_countys() -> None:
    """23:30 on Sunday in the county is Sunday, 00:30 is Monday, both Sunday in UTC."""
    sunday = datetime(2026, 11, 8, 15, 30, tzinfo=UTC)
    first, second = Check("weekly", CELL, "W", sunday), Check("weekly", CELL, "W", sunday + timedelta(hours=1))
    assert states([first], days(7)) == ["done", "open"]
    assert states([second], days(7)) == ["late", "open"]


def test_other_cells_and_other_plans_change_nothing() -> None:
    checks = [walk(days(1), cell="339901001001002"), walk(days(1), plan="care"), walk(days(1), plan="unknown")]
    assert states(checks, days(1)) == ["open"]


def test_a_plan_is_for_its_cells_and_from_its_beginning() -> None:
    plan = replace(WEEKLY, cells=("339901002",), begins=days(14))
    rounds = replace(ROUNDS, plans={"weekly": plan})
    tasks = list_tasks(rounds, [CELL, "339901002001001"], [], MONDAY, days(15))
    assert [(task.cell_code, task.begins) for task in tasks] == [("339901002001001", days(14))]


def test_coverage_counts_what_was_due_only() -> None:
    tasks = list_tasks(ROUNDS, [CELL], [walk(days(1)), walk(days(15)), walk(days(24))], MONDAY, days(24))
    assert [task.state for task in tasks] == ["done", "late", "missed", "done"]
    coverage = cover(tasks, days(24))
    assert coverage == Coverage(due=3, done=2, late=1)
    assert coverage.share == pytest.approx(2 / 3)
    nothing: list[Task] = []
    assert cover(nothing, days(24)).share is None


def test_a_visit_is_due_from_the_last_one_or_on_the_day_agreed() -> None:
    def due(next_visit: str | None, last: date | None, today: date = MONDAY) -> tuple[date | None, str]:
        person = CarePerson("P1", "alone", CELL, "x", next_visit=next_visit)
        known = {} if last is None else {("care", "P1"): last}
        (visit,) = list_visits(ROUNDS, [person], known, today)
        return visit.due, visit.state

    assert due(None, days(-10)) == (days(4), "open")
    assert due(days(2).isoformat(), None) == (days(2), "open")
    assert due(days(2).isoformat(), days(-10)) == (days(2), "open")  # agreed after the last visit
    assert due(days(-12).isoformat(), days(-10)) == (days(4), "open")  # that was kept
    assert due(None, days(-16)) == (days(-2), "overdue")
    assert due(None, days(-20)) == (days(-6), "missed")
    assert due(None, None) == (None, "missed")


def test_who_is_in_no_group_of_a_plan_is_not_visited_by_it() -> None:
    assert list_visits(ROUNDS, [CarePerson("P1", "other", CELL, "x")], {}, MONDAY) == []


def test_the_demo_county_has_patrols_visits_and_groups(county: County) -> None:
    rounds = read_rounds(county)
    assert rounds.patrols and rounds.visits
    assert {group for plan in rounds.visits for group in plan.groups} == set(rounds.groups)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"every": {"amount": 1, "unit": "hours"}}, r"patrols\[1\].every must be whole days"),
        ({"every": {"amount": 1.5, "unit": "days"}}, "whole days"),
        ({"every": {"amount": 0, "unit": "days"}}, "above 0"),
        ({"grace": {"amount": 7, "unit": "days"}}, "grace must be shorter than every"),
        ({"cells": ["9999"]}, "begins no code"),
        ({"groups": ["alone"]}, "no care group 'alone'"),
        ({"kind": "visit"}, "a visit has care groups"),
        ({"kind": "walk"}, "walk"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_bad_plan_is_named(county: County, change: dict[str, object], said: str) -> None:
    row = {"key": "a", "zh": "a", "kind": "patrol", "every": {"amount": 7, "unit": "days"}} | change
    with pytest.raises(PackError, match=said):
        read_rounds(replace(county, case_settings={"patrols": [row]}))


def test_two_plans_cannot_have_one_key(county: County) -> None:
    row = {"key": "a", "zh": "a", "kind": "patrol", "every": {"amount": 7, "unit": "days"}}
    with pytest.raises(PackError, match="same key"):
        read_rounds(replace(county, case_settings={"patrols": [row, row]}))


TODAY = MONDAY + timedelta(days=60)


@pytest.mark.parametrize(
    ("ago", "agreed", "covered"),
    [
        ((), None, Coverage(1, 0, 0)),  # never visited
        ((), 3, Coverage(0, 0, 0)),  # a day is agreed, and has not come
        ((), -1, Coverage(1, 0, 0)),
        ((38, 24, 10), None, Coverage(2, 2, 0)),  # every 14 days, as laid down
        ((38, 22, 8), None, Coverage(2, 2, 1)),  # once two days late, within the grace
        ((38, 19, 5), None, Coverage(2, 1, 0)),  # once five days late: that one is missed
        ((38, 24), None, Coverage(2, 1, 0)),  # the next was due ten days ago
        ((38, 24), 2, Coverage(1, 1, 0)),  # but is agreed for the day after tomorrow
        ((60,), None, Coverage(1, 0, 0)),  # owed all the time
        ((14,), None, Coverage(1, 1, 0)),  # due today, which is not over
        ((28, 14), None, Coverage(2, 2, 0)),
    ],
)
def test_visits_due_in_the_last_weeks_are_covered(ago: tuple[int, ...], agreed: int | None, covered: Coverage) -> None:
    days = [TODAY - timedelta(days=day) for day in ago]
    next_visit = None if agreed is None else (TODAY + timedelta(days=agreed)).isoformat()
    person = CareEntry("P1", "alone", CELL, next_visit)
    assert cover_visits(ROUNDS, [person], {("care", "P1"): days}, TODAY) == covered
    stranger = CareEntry("P2", "others", CELL)
    assert cover_visits(ROUNDS, [person, stranger], {("care", "P1"): days}, TODAY) == covered


def test_what_is_needed_goes_back_as_far_as_the_longest_turn() -> None:
    assert ROUNDS.find_covered(TODAY) == TODAY - timedelta(days=COVERED_DAYS)
    assert ROUNDS.find_since(TODAY) == TODAY - timedelta(days=COVERED_DAYS + 14 + 3)
