"""The flow tables: what they must hold, and that broken ones are named."""

import copy
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cases.flow import ROLES, load_built_in, read_flows
from cases.rulebook import read_rulebook
from geo.county import County
from geo.pack import PackError
from ingest.case_state import CLOSING, REOPENING

URBAN = tomllib.loads((Path(__file__).parents[2] / "cases/flows/urban.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("flow", load_built_in().values(), ids=lambda flow: flow.key)
def test_every_state_of_a_built_in_flow_can_be_left_by_somebody_and_ends(flow: Any) -> None:
    for key, state in flow.states.items():
        ways = {action.moves[key] for action in flow.actions.values() if key in action.moves} - {"@same"}
        assert ways, f"{key} cannot be left"
        if not state.ended:
            assert state.owner in ROLES
            assert any(flow.list_actions(key, state.owner)), f"{state.owner} can do nothing with {key}"
    assert {key for key in flow.actions if key in CLOSING} == CLOSING
    assert {key for key in flow.actions if key in REOPENING} == REOPENING


def _break(path: list[Any], value: Any) -> dict[str, Any]:
    table = copy.deepcopy(URBAN)
    at: Any = table
    for step in path[:-1]:
        at = at[step]
    at[path[-1]] = value
    return table


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (["actions", 0, "moves"], {"reported": "nowhere"}, "send_verify: reported → nowhere"),
        (["actions", 0, "roles"], ["mayor"], r"actions\[1\].roles\[1\]: .*'mayor'"),
        (["actions", 0, "needs"], ["luck"], "need 'luck'"),
        (["actions", 0, "effect"], "boom", r"actions\[1\].effect: .*'boom'"),
        (["actions", 0, "moves"], {"reported": "closed"}, "a case ends by"),
        (["actions", 0, "moves"], {"closed": "filed"}, "an ended case is taken up by"),
        (["actions", 0, "key"], "undo", "that name is taken"),
        (["states", "limbo"], {"zh": "虚", "owner": "unit"}, "state limbo cannot be reached"),
        (["states", "filed"], {"zh": "立案", "owner": "mayor"}, "states.filed.owner: .*'mayor'"),
        (["level"], "moon", "level: .*'moon'"),
        (["states"], {}, "first state must be reported"),
        (["actions"], [{"key": "x"}], r"actions\[1\].zh: missing"),
        (["actions", 0, "undoabel"], True, r"actions\[1\].undoabel: there is no such field"),
        (["actions", 0, "effect"], "extend", "effect 'extend' needs 'extra'"),
        (["actions", 1, "key"], "send_verify", "actions: two have the same key"),
        (["states", "suspended", "paused"], "no", "states.suspended.paused: Expected `bool`"),
    ],
)
def test_a_broken_flow_is_named(path: list[Any], value: Any, said: str) -> None:
    with pytest.raises(PackError, match=said) as caught:
        read_flows({"flows": [_break(path, value)]})
    assert str(caught.value).startswith("cases.toml: flows[1]")


def test_a_pack_replaces_a_flow_by_its_key() -> None:
    own = _break(["zh"], "我们的流程")
    flows = read_flows({"flows": [own]})
    assert flows["urban"].name.zh == "我们的流程"
    assert flows["dispute"] == load_built_in()["dispute"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"key": "water"}, "flow water.categories: every class is already in flow urban"),
        ({"key": "water", "categories": ["7"]}, "flow water.categories: '7' begins no code"),
        ({"categories": ["01"]}, "one must take every class"),
    ],
)
def test_every_class_takes_one_flow(county: County, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(PackError, match=said):
        read_rulebook(replace(county, case_settings={"flows": [URBAN | changes]}))


def test_the_flow_of_the_longest_beginning_is_taken(county: County) -> None:
    own = URBAN | {"key": "water", "categories": ["0105", "04"]}
    rulebook = read_rulebook(replace(county, case_settings={"flows": [own]}))
    flows = {code: rulebook.flow_of(code).key for code in ("0105", "0101", "0406", "D04", "9")}
    assert flows == {"0105": "water", "0101": "urban", "0406": "water", "D04": "dispute", "9": "urban"}
