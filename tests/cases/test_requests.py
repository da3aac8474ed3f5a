"""What may be asked for: every state × action × role, random walks against another machine, and bad fields."""

import random
from dataclasses import replace
from typing import Any

import pytest

from cases.flow import LEVELS, ROLES, Flow, load_built_in
from cases.fold import CaseState, Part, Step, fold
from cases.requests import (
    UNDO_WITHIN_MS,
    Asker,
    BadField,
    NotLegal,
    Request,
    check_request,
    list_legal,
    may_undo,
)
from ingest.case_state import UNDO
from tests.cases.flow_model import Model, find_next, list_roles

FLOWS = load_built_in()
UNITS = frozenset({"U01", "U02", "U03"})
# What a walk gets wrong now and then: a level on the wrong side, a part that is none or not one's own.
WRONG_AT_TIMES = {("escalate", "level"), ("delegate", "level"), ("part_done", "unit")}
SAID: dict[str, Any] = {
    "units": ["U02"],
    "level": "town",
    "card": "yellow",
    "into": "C-2",
    "extra": {"amount": 1, "unit": "working_days"},
    "kind": "people",
    "complexity": "simple",
    "colour": "green",
    "grade": "major",
    "satisfied": True,
}


def fill(flow: Flow, action: str, unit: str = "U01", level: str = "county") -> Request:
    """Return a request with everything that its action needs."""
    needs = flow.actions[action].needs if action in flow.actions else ()
    said = SAID | {"level": level}
    details = {need: said[need] for need in needs if need in said}
    return Request(action, unit if "unit" in needs else None, "because" if "note" in needs else None, details)


@pytest.mark.parametrize("flow", FLOWS.values(), ids=lambda flow: flow.key)
def test_every_state_action_and_role(flow: Flow) -> None:
    asked = 0
    for state in flow.states:
        case = CaseState(state=state, unit="U01", card="red", parts=(Part("U01", 1),))
        for action in [*flow.actions, "sang", UNDO]:
            if action in ("begin_incident", "end_incident"):
                case = replace(case, incidents=((1, None if action == "end_incident" else 2),))
            request = fill(flow, action, level="cell" if action == "delegate" else "county")
            for role in (*ROLES, "administrator", "wall", "nobody"):
                asker = Asker("wang", role, "U01" if role == "unit" else None)
                legal = find_next(flow.key, state, action) is not None and role in list_roles(flow.key, action)
                asked += 1
                try:
                    check_request(flow, case, request, asker, UNITS)
                except NotLegal as reason:
                    assert not legal, (state, action, role)
                    assert str(reason)
                else:
                    assert legal, (state, action, role)
                assert (action in {one.key for one in list_legal(flow, case, asker)}) == legal
    assert asked == len(flow.states) * (len(flow.actions) + 2) * 11


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("flow", FLOWS.values(), ids=lambda flow: flow.key)
def test_random_walks_go_where_another_machine_goes(flow: Flow, seed: int) -> None:
    chance = random.Random(seed)
    for walk in range(12):
        model, steps = Model(flow.key), []
        for number in range(40):
            asker = Asker("wang", chance.choice(ROLES), chance.choice(["U01", "U02"]))
            action = chance.choice(list(flow.actions))
            unit, level = chance.choice(["U01", "U02"]), chance.choice(LEVELS)
            request = fill(flow, action, unit, level)
            state = fold(flow, steps)
            legal = (
                find_next(flow.key, model.state, action) is not None
                and asker.role in list_roles(flow.key, action)
                and model.has_object(action)
                and (asker.role != "unit" or asker.unit == model.unit or
                     (action in ("part_done", "note") and asker.unit in model.parts))
            )  # fmt: skip
            try:
                check_request(flow, state, request, asker, UNITS)
            except NotLegal:
                assert not legal
                continue
            except BadField as fault:
                assert legal and (action, fault.name) in WRONG_AT_TIMES
                continue
            assert legal
            at = (number + 1) * 1000
            details = {**request.details, "expects": state.version}
            steps.append(Step(at, number, action, request.unit, asker.name, details, f"{walk}/{number}"))
            model.do(action, at, request.unit, dict(request.details))
            state = fold(flow, steps)
            assert not state.irregular and not state.overtaken
            assert (state.state, state.version, state.unit) == (model.state, model.version, model.unit)
            assert (state.returns, state.hand_backs, state.card) == (model.returns, model.hand_backs, model.card)
            assert (state.ended_ms, state.merged_into, state.level) == (
                (model.ended_at, model.merged_into, model.level)
            )
            assert {part.unit: part.done_ms is not None for part in state.parts} == model.parts
            assert [list(stop) for stop in state.stops] == model.pauses
            assert [list(span) for span in state.incidents] == model.incidents


@pytest.mark.parametrize(
    ("action", "change", "field"),
    [
        ("dispatch", {"unit": None}, "unit"),
        ("dispatch", {"unit": "U99"}, "unit"),
        ("merge", {"details": {}}, "into"),
        ("escalate", {"details": {"level": "moon"}}, "level"),
        ("escalate", {"details": {"level": "cell"}}, "level"),
        ("accept", {"details": {"grade": "major"}}, "grade"),
        ("note", {"details": {"expects": 3}}, "expects"),
        ("escalate", {"note": None}, "note"),
        ("escalate", {"note": "x" * 2001}, "note"),
        ("join", {"details": {"units": ["U02", "U98"]}}, "units"),
        ("join", {"details": {"units": "U02"}}, "units"),
        ("supervise", {"details": {"card": "blue"}}, "card"),
    ],
)
def test_a_bad_field_is_named(action: str, change: dict[str, Any], field: str) -> None:
    flow = FLOWS["urban"]
    good = fill(flow, action)
    state = "reported" if action == "accept" else "filed"
    request = Request(**{"action": action, "unit": good.unit, "note": good.note, "details": good.details, **change})
    with pytest.raises(BadField) as caught:
        check_request(flow, CaseState(state=state), request, Asker("wang", "county_duty"), UNITS)
    assert caught.value.name == field and caught.value.reason


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"amount": 1, "unit": "days", "why": "rain"},
        {"amount": 4000, "unit": "days"},
        {"amount": 0, "unit": "days"},
        {"amount": True, "unit": "days"},
        {"amount": 2},
        3,
    ],
)
def test_an_extension_is_an_amount_of_time(extra: Any) -> None:
    request = Request("extend", None, "because", {"extra": extra})
    with pytest.raises(BadField, match="extra"):
        check_request(FLOWS["urban"], CaseState(state="handling"), request, Asker("wang", "county_duty"), UNITS)


def test_a_unit_acts_on_its_own_cases_and_reports_its_own_part() -> None:
    flow, asker = FLOWS["urban"], Asker("crew", "unit", "U02")
    shared = CaseState(state="handling", unit="U01", parts=(Part("U02", 1),))
    assert [action.key for action in list_legal(flow, shared, asker)] == ["part_done", "note"]
    assert list_legal(flow, CaseState(state="handling", unit="U01"), asker) == []
    assert list_legal(flow, CaseState(state="handling"), Asker("crew", "unit")) == []
    check_request(flow, shared, Request("part_done", "U02"), asker, UNITS)
    with pytest.raises(BadField, match="unit"):
        check_request(flow, shared, Request("part_done", "U01"), asker, UNITS)


def test_only_who_did_it_takes_it_back_and_soon() -> None:
    flow, state = FLOWS["urban"], CaseState(state="filed", last_actor="wang")
    wang = Asker("wang", "dispatcher")
    assert may_undo(flow, state, "file", 1000, wang, 1000 + UNDO_WITHIN_MS)
    assert not may_undo(flow, state, "file", 1000, wang, 1001 + UNDO_WITHIN_MS)
    assert not may_undo(flow, state, "file", 1000, Asker("li", "dispatcher"), 2000)
    assert not may_undo(flow, state, "take", 1000, wang, 2000)
