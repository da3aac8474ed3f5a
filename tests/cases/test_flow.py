"""The fold of actions: a function of their set, in step with how SQL derives a case's columns."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.flow import ENDED, STATE_AFTER, STATES, CaseState, Step, essential, fold
from ingest.case_state import Action, fold_case

ACTIONS = [action for action in STATE_AFTER if action != "report"]
steps = st.builds(
    Step,
    at_ms=st.integers(0, 5),
    order=st.integers(0, 1_000_000),
    action=st.sampled_from([*ACTIONS, "close", "reopen", "sang"]),
    unit=st.sampled_from([None, "U01", "U02"]),
)
step_lists = st.lists(steps, max_size=8, unique_by=lambda step: step.order)


def test_the_seven_steps() -> None:
    path = ["accept", "file", "dispatch", "handle", "check", "close"]
    moves = [Step(moment, 0, action) for moment, action in enumerate(path)]
    states = [fold(moves[: moment + 1]).state for moment in range(len(path))]
    assert states == ["accepted", "filed", "dispatched", "handled", "checked", "closed"]
    assert fold(moves).ended_ms == len(path) - 1


def test_no_action_is_a_reported_case() -> None:
    assert fold([]) == CaseState("reported", None, None)


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_late_action_does_not_move_a_case_back(order: tuple[int, ...]) -> None:
    moves = [Step(1, 0, "accept"), Step(2, 0, "dispatch", "U01"), Step(3, 0, "handle"), Step(4, 0, "close")]
    state = fold([moves[position] for position in order])
    assert (state.state, state.unit, state.ended_ms) == ("closed", "U01", 4)


def test_only_reopening_moves_an_ended_case() -> None:
    assert fold([Step(1, 0, "close"), Step(2, 0, "dispatch")]).state == "closed"
    assert fold([Step(1, 0, "void"), Step(2, 0, "reopen")]) == CaseState("filed", 2, None)
    assert fold([Step(1, 0, "close"), Step(2, 0, "reopen"), Step(3, 0, "close")]).ended_ms == 3


@given(step_lists, st.randoms())
def test_order_and_repetition_do_not_matter(moves: list[Step], random: object) -> None:
    shuffled = moves + moves[:3]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert fold(shuffled) == fold(moves)


@given(step_lists, step_lists)
def test_the_essential_steps_are_enough(moves: list[Step], later: list[Step]) -> None:
    assert fold(essential(moves)) == fold(moves)
    assert fold(essential(moves) | set(later)) == fold([*moves, *later])


@given(step_lists)
def test_sql_derives_the_same(moves: list[Step]) -> None:
    known = [step for step in moves if step.action in STATE_AFTER]
    rows = [Action(step.order + 1, step.action, step.unit, step.at_ms, 0, "s", str(step.order)) for step in known]
    derived = fold_case([Action(0, "report", None, 0, 0, "s", "report"), *rows])
    assert derived is not None
    state = fold(moves)
    assert state.ended_ms == derived.closed_at
    assert (state.state in ENDED) == (derived.closed_at is not None)
    assert state.unit == derived.last_unit


def test_every_state_is_in_the_catalogue() -> None:
    from dashboard.text import load_catalogue

    for lang in ("zh", "en"):
        catalogue = load_catalogue(lang)
        assert all(f"case_state.{state}" in catalogue for state in STATES)
        assert all(f"case_action.{action}" in catalogue for action in STATE_AFTER)
