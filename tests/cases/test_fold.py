"""The fold of actions: a function of their set, in step with how SQL derives a case's columns."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.flow import load_built_in
from cases.fold import CaseState, Part, Step, fold
from ingest.case_state import Action, fold_case

URBAN, DISPUTE = load_built_in()["urban"], load_built_in()["dispute"]
NAMES = sorted({*URBAN.actions, *DISPUTE.actions, "sang"})


def tell(*actions: str | tuple[str, dict[str, Any]]) -> list[Step]:
    """Return facts, a second apart; a unit among the details is the step's unit."""
    steps = []
    for number, action in enumerate(actions, 1):
        name, details = (action, {}) if isinstance(action, str) else action
        steps.append(Step(number * 1000, number, name, details.get("unit"), "wang", details, f"s {number}"))
    return steps


@st.composite
def step_lists(draw: st.DrawFn) -> list[Step]:
    steps = []
    for number in range(draw(st.integers(0, 9))):
        details: dict[str, Any] = {}
        if draw(st.booleans()):
            details["expects"] = draw(st.integers(0, 4))
        name = draw(st.sampled_from([*NAMES, "close", "reopen", "undo"]))
        if name == "undo":
            details["undoes"] = f"s {draw(st.integers(0, number))}"
        unit = draw(st.sampled_from([None, "U01", "U02"]))
        steps.append(Step(draw(st.integers(0, 5)), number, name, unit, "wang", details, f"s {number}"))
    return steps


def test_the_seven_steps() -> None:
    path = ["accept", "file", ("dispatch", {"unit": "U01"}), "take", "handle", "send_check", "check", "close"]
    steps = tell(*path)
    states = [fold(URBAN, steps[:count]).state for count in range(1, len(steps) + 1)]
    assert states == ["accepted", "filed", "dispatched", "handling", "handled", "checking", "checked", "closed"]
    state = fold(URBAN, steps)
    assert (state.unit, state.responded_ms, state.dispatched_ms, state.handled_ms, state.ended_ms) == (
        ("U01", 1000, 3000, 5000, 8000)
    )
    assert (state.version, state.irregular, state.overtaken) == (8, (), ())


def test_a_dispute_goes_from_one_procedure_to_another() -> None:
    state = fold(
        DISPUTE,
        tell(
            "accept",
            ("triage", {"complexity": "complex", "level": "town"}),
            ("assess", {"colour": "yellow"}),
            ("mediate", {"unit": "U14", "kind": "people"}),
            ("hand_over", {"unit": "U13", "kind": "judicial"}),
            "settle",
            ("follow_up", {"satisfied": True}),
            "close",
        ),
    )
    assert (state.state, state.unit, state.kind, state.complexity, state.colour, state.level, state.satisfied) == (
        ("closed", "U13", "judicial", "complex", "yellow", "town", True)
    )
    assert not state.irregular


def test_no_action_is_a_reported_case() -> None:
    assert fold(URBAN, []) == CaseState()


def test_a_pause_stops_the_clock_and_ends_where_it_began() -> None:
    path = ["accept", "file", ("dispatch", {"unit": "U01"}), "suspend"]
    assert fold(URBAN, tell(*path)).stops == ((4000, None),)
    state = fold(URBAN, tell(*path, "resume"))
    assert (state.state, state.stops) == ("dispatched", ((4000, 5000),))


def test_cards_extensions_returns_and_parts_are_laid_down() -> None:
    state = fold(
        URBAN,
        tell(
            *("accept", "file", ("dispatch", {"unit": "U01"})),
            ("join", {"units": ["U02", "U03", "U02"]}),
            ("part_done", {"unit": "U03"}),
            ("extend", {"extra": {"amount": 2, "unit": "working_days"}}),
            ("supervise", {"card": "yellow"}),
            ("escalate", {"level": "county"}),
            *("handle", "return", "handle"),
            *(("grade", {"grade": "major"}),),
        ),
    )
    assert state.parts == (Part("U02", 4000), Part("U03", 4000, 5000))
    assert state.extensions == ((6000, {"amount": 2, "unit": "working_days"}),)
    assert (state.card, state.level, state.returns, state.grade, state.unit) == ("yellow", "county", 1, "major", "U01")
    assert fold(URBAN, tell(("supervise", {"card": "red"}), "lift_card")).card is None


def test_what_happened_elsewhere_is_followed_and_listed() -> None:
    state = fold(URBAN, tell("check", "sang", "close"))
    assert state.state == "closed"
    assert state.irregular == (("s 1", "out_of_turn"), ("s 2", "unknown"))


def test_only_reopening_moves_an_ended_case() -> None:
    steps = tell("void", "dispatch", "close")
    assert (fold(URBAN, steps).state, fold(URBAN, steps).ended_by) == ("voided", "void")
    reopened = fold(URBAN, tell("void", "reopen"))
    assert (reopened.ended_ms, reopened.stops) == (None, ((1000, 2000),))
    assert fold(URBAN, tell("void", "reopen", "close")).ended_ms == 3000


def test_a_merged_case_comes_back_to_where_it_was() -> None:
    merged = tell("accept", ("merge", {"into": "C-1"}))
    assert (fold(URBAN, merged).state, fold(URBAN, merged).merged_into) == ("merged", "C-1")
    back = fold(URBAN, tell("accept", ("merge", {"into": "C-1"}), "unmerge"))
    assert (back.state, back.merged_into, back.is_open) == ("accepted", None, True)


def test_a_case_merged_in_a_pause_comes_back_to_the_pause_and_goes_on_from_there() -> None:
    path = ["accept", "file", ("dispatch", {"unit": "U01"}), "suspend", ("merge", {"into": "C-1"}), "unmerge"]
    assert fold(URBAN, tell(*path)).state == "suspended"
    resumed = fold(URBAN, tell(*path, "resume"))
    assert (resumed.state, resumed.is_open, resumed.since_ms) == ("dispatched", True, 3000)
    assert resumed.stops == ((4000, 5000), (5000, 6000), (6000, 7000))


def test_a_step_begins_anew_where_another_has_it_now_and_not_after_a_pause() -> None:
    path = ["accept", ("triage", {"complexity": "simple"}), ("mediate", {"unit": "U14", "kind": "people"})]
    assert fold(DISPUTE, tell(*path, "suspend", "resume")).since_ms == 3000
    assert fold(DISPUTE, tell(*path, ("hand_over", {"unit": "U13", "kind": "judicial"}))).since_ms == 4000
    assert fold(DISPUTE, tell(*path, ("grade", {"grade": "minor"}))).since_ms == 3000


def test_what_has_gone_up_is_not_brought_down_by_dispatching_it() -> None:
    up = ["accept", ("escalate", {"level": "county"}), ("dispatch", {"unit": "U01"})]
    assert fold(URBAN, tell(*up)).level == "county"
    assert fold(URBAN, tell("accept", ("dispatch", {"unit": "U01"}))).level == "town"
    assert fold(URBAN, tell(("escalate", {"level": "county"}), "self_handle")).level == "cell"


def test_who_has_done_a_part_can_be_called_in_again() -> None:
    join = ("join", {"units": ["U02"]})
    state = fold(URBAN, tell(join, join, ("part_done", {"unit": "U02"}), join))
    assert state.parts == (Part("U02", 1000, 3000), Part("U02", 4000))


def test_of_two_who_act_at_once_the_second_is_overtaken() -> None:
    first = Step(2000, 7, "accept", None, "li", {"expects": 0}, "a")
    second = Step(1000, 8, "void", None, "wang", {"expects": 0}, "b")  # its clock runs behind, but it came later
    state = fold(URBAN, [first, second])
    assert (state.state, state.overtaken, state.version, state.last_actor) == ("accepted", ("b",), 1, "li")


def test_a_late_fact_does_not_undo_what_was_decided_before_it_came() -> None:
    decided = [
        Step(1000, 1, "accept", key="a", details={"expects": 0}),
        Step(3000, 2, "file", key="b", details={"expects": 1}),
    ]
    late = Step(2000, 3, "note", key="c")
    state = fold(URBAN, [*decided, late])
    assert (state.state, state.overtaken, state.version) == ("filed", (), 3)


def test_the_last_action_can_be_taken_back_and_no_other() -> None:
    steps = tell("accept", "file", ("undo", {"undoes": "s 2", "expects": 2}))
    state = fold(URBAN, steps)
    assert (state.state, state.version, state.undone) == ("accepted", 3, ("s 2",))
    assert fold(URBAN, tell("accept", "file", ("undo", {"undoes": "s 1", "expects": 2}))).state == "filed"


@given(step_lists(), st.randoms())
def test_order_and_repetition_do_not_matter(steps: list[Step], random: Any) -> None:
    shuffled = steps + steps[:3]
    random.shuffle(shuffled)
    assert fold(URBAN, shuffled) == fold(URBAN, steps)


@pytest.mark.parametrize("flow", [URBAN, DISPUTE], ids=["urban", "dispute"])
@given(steps=step_lists())
def test_sql_derives_the_same(flow: Any, steps: list[Step]) -> None:
    def as_row(step: Step) -> Action:
        said = msgspec.json.encode(step.details).decode()
        return Action(step.order + 1, step.action, step.unit, step.at_ms, 0, "s", str(step.order), said)

    rows = [as_row(step) for step in steps]
    derived = fold_case([Action(0, "report", None, 0, 0, "s", "report"), *rows])
    assert derived is not None
    state = fold(flow, steps)
    assert state.ended_ms == derived.closed_at
    assert flow.states[state.state].ended == (derived.closed_at is not None)
