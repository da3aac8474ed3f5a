"""Which of a case's clocks ends first, on the demo county's limits and cards."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.deadlines import Deadline, list_deadlines
from cases.fold import Step, fold
from cases.rulebook import Rulebook, read_rulebook
from geo.county import County
from ingest.tables import as_ms

CLASS = "0103"  # two working days in all; 30 working minutes to accept, two working hours to verify
START = datetime(2026, 11, 23, 1, 0, tzinfo=UTC)  # Monday 09:00 in the demo county
MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def rulebook(county: County) -> Rulebook:
    return read_rulebook(county)


def do(action: str, after: timedelta, unit: str | None = None, **details: Any) -> Step:
    at_ms = as_ms(START + after)
    return Step(at_ms, at_ms, action, unit, "somebody", details, f"{action}-{at_ms}")


def ask(rulebook: Rulebook, *steps: Step) -> list[Deadline]:
    state = fold(rulebook.flow_of(CLASS), steps)
    return list(list_deadlines(rulebook, CLASS, 3, as_ms(START), state, steps))


def kinds(rulebook: Rulebook, *steps: Step) -> list[str]:
    return [one.kind for one in ask(rulebook, *steps)]


def test_the_step_ends_before_the_whole_until_the_whole_is_nearly_up(rulebook: Rulebook) -> None:
    step, whole = ask(rulebook)
    assert (step.kind, step.due_ms) == ("step", as_ms(START + 30 * MINUTE))
    assert (whole.kind, whole.due_ms) == ("total", as_ms(START + timedelta(days=2)))
    late = [
        do("accept", timedelta(days=1, hours=7)),
        do("file", timedelta(days=1, hours=7)),
        do("dispatch", timedelta(days=1, hours=7), "U02"),
    ]
    assert kinds(rulebook, *late, do("take", timedelta(days=1, hours=8))) == ["total", "step"]


def test_a_step_begins_anew_when_it_is_entered_and_has_what_was_granted_since(rulebook: Rulebook) -> None:
    accepted = do("accept", 10 * MINUTE)
    step = ask(rulebook, accepted)[0]
    assert (step.started_ms, step.due_ms) == (accepted.at_ms, as_ms(START + 40 * MINUTE))
    more = do("extend", 20 * MINUTE, extra={"amount": 10, "unit": "minutes"}, note="x")
    assert ask(rulebook, accepted, more)[0].due_ms == as_ms(START + 50 * MINUTE)
    assert ask(rulebook, accepted, more, do("file", 25 * MINUTE))[0].due_ms == as_ms(START + 55 * MINUTE)


def test_a_cards_clocks_stand_in_line_and_go_when_it_is_answered(rulebook: Rulebook) -> None:
    card = do("supervise", timedelta(days=3), card="yellow")  # both others are over by then
    assert kinds(rulebook, card) == ["step", "total", "accept", "handle"]
    assert kinds(rulebook, card, do("accept", timedelta(days=3, hours=1))) == ["total", "step", "handle"]
    assert kinds(rulebook, card, do("lift_card", timedelta(days=3, hours=1), note="x")) == ["step", "total"]


def test_nothing_runs_while_the_case_is_on_hold(rulebook: Rulebook) -> None:
    steps = [do("accept", MINUTE), do("file", MINUTE), do("dispatch", MINUTE, "U02")]
    steps += [do("supervise", 2 * MINUTE, card="red"), do("suspend", 3 * MINUTE, note="x")]
    held = ask(rulebook, *steps)
    assert held[0].kind == "total" and all(one.stopped for one in held)
    assert held[0].colour(as_ms(START)) == "stopped"


def test_the_whole_clock_is_all_that_an_ended_case_has(rulebook: Rulebook) -> None:
    card = do("supervise", MINUTE, card="red")
    assert kinds(rulebook, card, do("void", 2 * MINUTE, note="x")) == ["total"]
    assert kinds(rulebook, card, do("void", 2 * MINUTE, note="x"), do("reopen", 3 * MINUTE, note="x"))[-1] == "total"
