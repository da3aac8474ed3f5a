"""Supervision cards and escalations: when they are raised, once, by which rule, and their own clocks."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cases.duties import Deed, decide, look_at
from cases.fold import CaseState, Step, fold
from cases.rulebook import Rulebook, read_rulebook
from geo.county import County
from geo.pack import PackError
from ingest.answers import Case
from ingest.case_state import STEWARD
from ingest.tables import as_ms, as_time
from tests.cases.packs import case, read

START = datetime(2026, 11, 16, 2, tzinfo=UTC)  # Monday 10:00 in the county
HOUR = timedelta(hours=1)
RULES = """
[[limits]]
limit = { amount = 10, unit = "hours" }
[[cards]]
key = "late"
card = "yellow"
zh = "超时黄牌"
share = 1.0
accept = { amount = 1, unit = "working_days" }
handle = { amount = 5, unit = "working_days" }
points = -5
[[cards]]
key = "very-late"
card = "red"
zh = "严重超时红牌"
share = 2.0
handle = { amount = 10, unit = "working_days" }
[[cards]]
key = "rework"
card = "ordinary"
zh = "返工督办"
returns = 1
severities = [3]
[[escalations]]
key = "up"
zh = "村里超时，上交镇街"
from = "village"
to = "town"
over = { amount = 2, unit = "hours" }
[[escalations]]
key = "further"
zh = "镇街超时，上交县级"
from = "town"
to = "county"
over = { amount = 4, unit = "hours" }
severities = [3]
"""
WITHOUT = ("matter_lists", "dispatch_rules")


@pytest.fixture(scope="module")
def rulebook(county: County) -> Rulebook:
    return read(county, RULES, *WITHOUT)


def step(number: int, action: str, at: datetime, actor: str = "wang", **details: Any) -> Step:
    return Step(as_ms(at), number, action, details.pop("unit", None), actor, details, f"s {number}")


def ask(rulebook: Rulebook, at: datetime, steps: Sequence[Step] = (), severity: int = 3) -> Deed | None:
    one = make_case(severity)
    state = fold(rulebook.flow_of(one.category), steps)
    return decide(rulebook, look_at(rulebook, one, tuple(steps), state, as_ms(at)))


def make_case(severity: int = 3) -> Case:
    return case("0110", severity, reported_at=START)


def live_through(rulebook: Rulebook, hours: int, *persons: Step, severity: int = 3) -> list[tuple[int, Deed]]:
    """What the rules do in so many hours, looking every hour, while persons do what they do."""
    told: list[tuple[int, Deed]] = []
    steps: list[Step] = []
    for hour in range(hours + 1):
        now = START + hour * HOUR
        steps += [one for one in persons if as_time(one.at_ms) == now]
        while deed := ask(rulebook, now, steps, severity):
            told.append((hour, deed))
            details = {**deed.details, "rule": deed.rule}
            steps.append(Step(as_ms(now), 100 + len(told), deed.action, deed.unit, STEWARD, details, f"d {len(told)}"))
            assert len(told) < 20
    return told


def test_cards_and_levels_follow_the_clock_and_come_once(rulebook: Rulebook) -> None:
    told = [(hour, deed.rule) for hour, deed in live_through(rulebook, 60)]
    assert told == [(10, "late"), (12, "up"), (14, "further"), (20, "very-late")]


def test_each_says_its_rule_in_words(rulebook: Rulebook) -> None:
    (_, card), (_, up), *_ = live_through(rulebook, 12)
    assert (card.action, card.details) == ("supervise", {"card": "yellow", "points": -5})
    assert (card.why.code, card.why.rule.zh, card.why.share) == ("late", "超时黄牌", 1)
    assert (up.action, up.details) == ("escalate", {"level": "town"})
    assert (up.why.code, up.why.rule.zh) == ("escalate", "村里超时，上交镇街")
    assert (up.why.lower, up.why.upper) == ("village", "town")


def test_what_is_seen_late_gets_the_worst_card_only(rulebook: Rulebook) -> None:
    first = ask(rulebook, START + 50 * HOUR)
    assert first is not None and first.details["card"] == "red"
    steps = [step(1, "supervise", START + 50 * HOUR, STEWARD, card="red", rule="very-late")]
    then = ask(rulebook, START + 51 * HOUR, steps)
    assert then is not None and then.rule == "up"


def test_what_a_person_lifted_or_sent_down_is_not_raised_again(rulebook: Rulebook) -> None:
    persons = [
        step(1, "lift_card", START + 11 * HOUR, note="已约谈"),
        step(2, "delegate", START + 13 * HOUR, level="village", note="由村办理"),
        step(3, "lift_card", START + 21 * HOUR, note="已约谈"),
    ]
    told = [(hour, deed.rule) for hour, deed in live_through(rulebook, 60, *persons)]
    assert told == [(10, "late"), (12, "up"), (20, "very-late")]


def test_an_overtaken_card_is_raised_again(rulebook: Rulebook) -> None:
    steps = [
        step(1, "accept", START + HOUR),
        step(2, "supervise", START + 10 * HOUR, STEWARD, card="yellow", rule="late", expects=0),
    ]
    deed = ask(rulebook, START + 11 * HOUR, steps)
    assert deed is not None and deed.rule == "late"


def test_a_pause_holds_cards_and_levels_back(rulebook: Rulebook) -> None:
    persons = [
        step(1, "accept", START + HOUR),
        step(2, "file", START + 2 * HOUR),
        step(3, "suspend", START + 5 * HOUR, note="待条件"),
        step(4, "resume", START + 35 * HOUR),
    ]
    told = [(hour, deed.rule) for hour, deed in live_through(rulebook, 46, *persons)]
    assert told == [(40, "late"), (42, "up"), (44, "further")]


def test_an_extension_moves_them(rulebook: Rulebook) -> None:
    persons = [
        step(1, "accept", START + HOUR),
        step(2, "dispatch", START + 2 * HOUR, unit="U07"),
        step(3, "extend", START + 3 * HOUR, note="雨", extra={"amount": 10, "unit": "hours"}),
    ]
    told = [(hour, deed.rule) for hour, deed in live_through(rulebook, 25, *persons)]
    assert told == [(20, "late"), (24, "further")]


def test_rework_is_supervised_where_the_severity_is_asked_for(rulebook: Rulebook) -> None:
    persons = [
        step(1, "accept", START + HOUR),
        step(2, "dispatch", START + HOUR, unit="U07"),
        step(3, "handle", START + 2 * HOUR, note="好了"),
        step(4, "return", START + 3 * HOUR, note="没好"),
    ]
    assert [(hour, deed.rule) for hour, deed in live_through(rulebook, 5, *persons)] == [(3, "rework")]
    assert live_through(rulebook, 5, *persons, severity=4) == []


def test_closing_lifts_the_card(rulebook: Rulebook) -> None:
    flow = rulebook.flow_of("0110")
    steps = [step(1, "supervise", START, card="red"), step(2, "void", START + HOUR, note="不属实")]
    assert (fold(flow, steps[:1]).card, fold(flow, steps).card) == ("red", None)
    assert ask(rulebook, START + 50 * HOUR, steps) is None


def test_what_only_the_steward_did_is_no_response(rulebook: Rulebook) -> None:
    flow = rulebook.flow_of("0110")
    card = step(1, "supervise", START, STEWARD, card="red")
    assert fold(flow, [card]).responded_ms is None
    assert fold(flow, [card, step(2, "accept", START + HOUR, STEWARD)]).responded_ms == as_ms(START + HOUR)
    assert fold(flow, [step(1, "supervise", START, card="red")]).responded_ms == as_ms(START)


def run_card(rulebook: Rulebook, steps: Sequence[Step]) -> Any:
    state: CaseState = fold(rulebook.flow_of("0110"), steps)
    return rulebook.supervision.run_card("0110", 3, state, steps, rulebook.calendar)


def test_a_card_has_limits_of_its_own(rulebook: Rulebook) -> None:
    card = step(1, "supervise", START, STEWARD, card="yellow", rule="late")
    clocks = run_card(rulebook, [card])
    assert clocks.points == -5
    # Monday 10:00: one working day later, and five.
    assert clocks.accept.due_ms == as_ms(START + timedelta(days=1))
    assert clocks.handle.due_ms == as_ms(START + timedelta(days=7))
    assert (clocks.accept.ended_ms, clocks.handle.ended_ms) == (None, None)
    answered = run_card(
        rulebook, [card, step(2, "accept", START + HOUR), step(3, "handle", START + 2 * HOUR, note="x")]
    )
    assert answered.accept.ended_ms == as_ms(START + HOUR)
    assert run_card(rulebook, []) is None


def test_a_cards_clocks_stand_still_with_the_case_and_what_came_to_nothing_is_no_answer(rulebook: Rulebook) -> None:
    steps = [
        step(1, "accept", START),
        step(2, "file", START),
        step(3, "supervise", START, STEWARD, card="yellow", rule="late"),
        step(4, "suspend", START + HOUR, STEWARD),
        step(5, "note", START + 2 * HOUR, note="等", expects=1),
    ]
    stopped = run_card(rulebook, steps)
    assert stopped.accept.stopped and stopped.accept.due_ms is None and stopped.accept.ended_ms is None
    resumed = run_card(rulebook, [*steps, step(6, "resume", START + 24 * HOUR, STEWARD)])
    assert resumed.accept.due_ms == as_ms(START + timedelta(days=1, hours=23))


def test_a_persons_card_has_the_limits_of_its_kind(rulebook: Rulebook) -> None:
    clocks = run_card(rulebook, [step(1, "supervise", START, card="red")])
    assert clocks.accept is None and clocks.handle.due_ms == as_ms(START + timedelta(days=14))


def test_the_demo_has_the_published_limits(county: County) -> None:
    demo = read_rulebook(county)
    for colour, accept_days, handle_days, points in (("yellow", 1, 7, -5), ("red", 2, 14, -10)):
        clocks = run_card(demo, [step(1, "supervise", START, card=colour)])
        assert clocks.accept.due_ms == as_ms(START + timedelta(days=accept_days))
        assert clocks.handle.due_ms == as_ms(START + timedelta(days=handle_days))
        assert clocks.points == points and clocks.handle.limit.rule.verified


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('key = "late"', 'key = "up"', r"escalations\[1\].key: 'up' is taken"),
        ('key = "late"', 'key = ""', r"cards\[1\].key: Expected `str` of length >= 1"),
        ('zh = "超时黄牌"', "", r"cards\[1\].zh: missing"),
        ("share = 1.0", "", r"cards\[1\]: share, returns or hand_backs"),
        ("share = 1.0", "share = -1.0", r"cards\[1\].share: Expected `float` >= 0"),
        ('card = "yellow"', 'card = "pink"', "cards.*card.*pink"),
        ('accept = { amount = 1, unit = "working_days" }', 'accept = { amount = 1, unit = "weeks" }',
         r"cards\[1\].accept.unit: Invalid enum value 'weeks'"),
        ('over = { amount = 2, unit = "hours" }', "over = { amount = 2 }", r"escalations\[1\].over.unit: missing"),
        ('from = "village"\nto = "town"', 'from = "town"\nto = "village"', "to: village is not above town"),
        ('from = "village"', 'from = "moon"', "escalations.*from.*moon"),
        ('zh = "村里超时，上交镇街"', 'zh = "x"\ncategories = ["99"]', r"escalations\[1\].categories: '99'"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(county: County, before: str, after: str, said: str) -> None:
    assert before in RULES
    with pytest.raises(PackError, match=said):
        read(county, RULES.replace(before, after, 1), *WITHOUT)
