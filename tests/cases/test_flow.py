"""The flow tables: what they must hold, and that broken ones are named."""

import copy
import tomllib
from pathlib import Path
from typing import Any

import pytest

from cases.flow import ROLES, load_built_in, read_flow, read_flows
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
        (["actions", 0, "roles"], ["mayor"], "role 'mayor'"),
        (["actions", 0, "needs"], ["luck"], "need 'luck'"),
        (["actions", 0, "effect"], "boom", "effect 'boom'"),
        (["actions", 0, "moves"], {"reported": "closed"}, "a case ends by"),
        (["actions", 0, "moves"], {"closed": "filed"}, "an ended case is taken up by"),
        (["actions", 0, "key"], "undo", "that name is taken"),
        (["states", "limbo"], {"zh": "虚", "owner": "unit"}, "state limbo cannot be reached"),
        (["states", "filed"], {"zh": "立案", "owner": "mayor"}, "'mayor' is no role"),
        (["level"], "moon", "level 'moon'"),
        (["states"], {}, "first state must be reported"),
        (["actions"], [{"key": "x"}], "is missing"),
    ],
)
def test_a_broken_flow_is_named(path: list[Any], value: Any, said: str) -> None:
    with pytest.raises(PackError, match=said) as caught:
        read_flow(_break(path, value), "cases.toml: flows[1]")
    assert str(caught.value).startswith("cases.toml: flows[1]: ")


def test_a_pack_replaces_a_flow_by_its_key() -> None:
    own = _break(["zh"], "我们的流程")
    flows = read_flows([own])
    assert flows["urban"].name.zh == "我们的流程"
    assert flows["dispute"] == load_built_in()["dispute"]
