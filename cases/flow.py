"""Flows: the tables that say what may be done to a case, from which state, by whom, and where it leads.

A flow is TOML: built in are `flows/urban.toml` and `flows/dispute.toml`, both with the actions of `flows/common.toml`;
a county pack's `[[flows]]` in `cases.toml` replace one by its key or add one. The rules that every flow keeps are
checked when it is read: see `_make_flow`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Literal, get_args

from msgspec import Meta

from cases.tables import FILE, Named, Words, read_row, read_rows
from geo.pack import Name, PackError
from ingest.case_state import CLOSING, REOPENING, UNDO

START: Final = "reported"
CLOSE: Final = "close"
ENDINGS: Final = {CLOSE: "closed", "void": "voided", "merge": "merged"}
"""The state in which each way to end leaves a case, in every flow."""
SAME, BEFORE, ANY_OPEN = "@same", "@before", "*"
Level = Literal["cell", "village", "town", "county"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)
Role = Literal[
    "county_duty", "dispatcher", "unit", "town_centre", "village_centre", "grid_worker", "supervisor", "leader"
]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Who may act on a case; administrators and walls never do."""
Effect = Literal[
    "",
    "hand_back",
    "return",
    "extend",
    "escalate",
    "supervise",
    "lift_card",
    "join",
    "part_done",
    "begin_incident",
    "end_incident",
]
NEEDS: Final[Mapping[str, type | tuple[str, ...]]] = {
    "note": str,
    "unit": str,
    "units": list,
    "level": LEVELS,
    "card": ("ordinary", "yellow", "red"),
    "into": str,
    "extra": dict,
    "kind": ("people", "administrative", "judicial", "arbitration", "litigation"),
    "complexity": ("simple", "complex", "difficult"),
    "colour": ("red", "yellow", "green"),
    "grade": ("major", "minor"),
    "satisfied": bool,
}
"""What an action can ask for, and of what kind it is: a type, or the words to choose from."""
EFFECT_NEEDS: Final = {
    "extend": "extra",
    "escalate": "level",
    "supervise": "card",
    "join": "units",
    "part_done": "unit",
    "begin_incident": "note",
    "end_incident": "note",
}
"""Without which an action would have no such effect."""

_FLOWS: Final = Path(__file__).with_name("flows")


@dataclass(frozen=True)
class FlowState:
    """One state of a flow; `owner` is the role whose turn it is, empty where nobody's is.

    forward: the action that usually comes next, where that is not the one with the shortest way ahead.
    """

    key: str
    name: Name
    owner: str = ""
    milestone: str = ""
    forward: str = ""
    paused: bool = False
    ended: bool = False


@dataclass(frozen=True)
class FlowAction:
    """One action of a flow: `moves` says where it leads from each state that it is legal in.

    A target is a state, `@same`, or `@before` (where the case was before its present state). `needs` are the
    fields that must be said with it; `effect` is what it does beside moving; `level` is whose matter a case then is,
    unless it is a higher one's already (`cell` takes it from them: it was settled there).
    """

    key: str
    name: Name
    moves: Mapping[str, str]
    roles: frozenset[str]
    needs: tuple[str, ...] = ()
    effect: str = ""
    level: str = ""
    undoable: bool = False

    @property
    def usual_target(self) -> str:
        """Where it leads where it is not legal but has happened all the same, as told by somebody elsewhere."""
        return next(iter(self.moves.values()))


@dataclass(frozen=True)
class Flow:
    """One flow; `categories` are beginnings of the classes that take it, `level` whose matter a new case is."""

    key: str
    name: Name
    categories: tuple[str, ...]
    level: str
    states: Mapping[str, FlowState]
    actions: Mapping[str, FlowAction] = field(repr=False)

    def find_target(self, state: str, action: str) -> str | None:
        """Return where an action leads from a state; None where it is not legal there."""
        found = self.actions.get(action)
        return None if found is None else found.moves.get(state)

    def list_actions(self, state: str, role: str) -> list[FlowAction]:
        """Return what a role may do to a case in a state, in the order of the table."""
        return [action for action in self.actions.values() if state in action.moves and role in action.roles]

    def find_forward(self, state: str) -> str | None:
        """Return the action that usually comes next: the state's own word, or the shortest way ahead in the table."""
        here = self.states[state]
        if here.forward:
            return here.forward
        if here.paused:
            return next((action.key for action in self.actions.values() if action.moves.get(state) == BEFORE), None)
        places = {key: place for place, key in enumerate(self.states)}
        ways = [
            (places[target], action.key)
            for action in self.actions.values()
            if (target := action.moves.get(state)) in places
            if places[target] > places[state] and not action.effect and not self.states[target].paused
            if not self.states[target].ended or action.key == CLOSE
        ]
        return min(ways, key=lambda way: way[0], default=(0, None))[1]

    def may(self, state: str, action: str, role: str) -> bool:
        """Return whether a role may do this to a case in this state."""
        found = self.actions.get(action)
        return found is not None and state in found.moves and role in found.roles


class _StateRow(Named, kw_only=True):
    owner: Literal[Role, ""] = ""
    milestone: Literal["", "dispatched", "handled"] = ""
    forward: str = ""
    paused: bool = False
    ended: bool = False


class _ActionRow(Named, kw_only=True):
    key: Words
    roles: tuple[Role, ...]
    moves: Annotated[dict[str, str], Meta(min_length=1)]
    needs: tuple[str, ...] = ()
    effect: Effect = ""
    level: Literal[Level, ""] = ""
    undoable: bool = False


class _FlowRow(Named, kw_only=True):
    key: Words
    categories: tuple[str, ...] = ()
    level: Level = "village"
    states: dict[str, dict[str, Any]]
    actions: list[_ActionRow]


@cache
def load_built_in() -> Mapping[str, Flow]:
    """Return the built-in flows by key."""
    tables = {name: _read_toml(name) for name in ("urban", "dispute")}
    flows = [_make_flow(read_row(table, _FlowRow, name), f"{name}.toml") for name, table in tables.items()]
    return {flow.key: flow for flow in flows}


def read_flows(settings: Mapping[str, Any]) -> dict[str, Flow]:
    """Return the built-in flows with a pack's own in their place or beside them; raises `PackError`."""
    rows = read_rows(settings, "flows", _FlowRow)
    own = [_make_flow(row, f"{FILE}: flows[{number}]") for number, row in enumerate(rows, 1)]
    return {**load_built_in(), **{flow.key: flow for flow in own}}


def _make_flow(row: _FlowRow, place: str) -> Flow:
    """Return the flow of a row.

    Raises `PackError` where it does not begin in `reported`, names a state or need that there is not, has a state that
    cannot be reached, or ends a case by anything but `close`, `void` and `merge` or takes it up again by anything but
    `reopen` and `unmerge`.
    """
    states = {
        key: _make_state(key, read_row(each, _StateRow, f"{place}.states.{key}")) for key, each in row.states.items()
    }
    actions = {each.key: _make_action(each, states) for each in row.actions}
    if len(actions) < len(row.actions):
        raise PackError(f"{place}: actions: two have the same key")
    for each in _load_common():
        # It may speak of an ended state that this flow does without, and the flow may have an action of its own.
        action = _make_action(each, states)
        moves = {source: target for source, target in action.moves.items() if source in states}
        actions.setdefault(each.key, replace(action, moves=moves))
    flow = Flow(row.key, row.name, row.categories, row.level, states, actions)
    for fault in _find_faults(flow):
        raise PackError(f"{place}: {fault}")
    return flow


def _find_faults(flow: Flow) -> list[str]:
    faults = []
    if next(iter(flow.states), "") != START:
        faults.append(f"the first state must be {START}")
    for state in flow.states.values():
        if state.forward and flow.find_target(state.key, state.forward) is None:
            faults.append(f"states.{state.key}.forward: {state.forward!r} is no action of that state")
    for action in flow.actions.values():
        faults += _find_faults_of(flow, action)
    return faults + [f"state {key} cannot be reached" for key in flow.states if key not in _reach(flow)]


def _find_faults_of(flow: Flow, action: FlowAction) -> list[str]:
    name = f"action {action.key}"
    faults = [f"{name}: need {need!r} is unknown" for need in action.needs if need not in NEEDS]
    need = EFFECT_NEEDS.get(action.effect)
    if need is not None and need not in action.needs:
        faults.append(f"{name}: effect {action.effect!r} needs {need!r}")
    if action.key == UNDO:
        faults.append(f"{name}: that name is taken")
    for source, target in action.moves.items():
        if source not in flow.states or (target not in (SAME, BEFORE) and target not in flow.states):
            faults.append(f"{name}: {source} → {target}: no such state")
        elif target == SAME:
            continue
        elif (target in flow.states and flow.states[target].ended) != (action.key in CLOSING):
            faults.append(f"{name}: {source} → {target}: a case ends by {', '.join(sorted(CLOSING))} and only so")
        elif flow.states[source].ended != (action.key in REOPENING):
            faults.append(f"{name}: {source} → {target}: an ended case is taken up by {', '.join(sorted(REOPENING))}")
    return faults


def _reach(flow: Flow) -> set[str]:
    reached, waiting = {START}, [START]
    while waiting:
        state = waiting.pop()
        for action in flow.actions.values():
            target = action.moves.get(state)
            if target is not None and target in flow.states and target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


def _make_state(key: str, row: _StateRow) -> FlowState:
    return FlowState(key, row.name, row.owner, row.milestone, row.forward, row.paused, row.ended)


def _make_action(row: _ActionRow, states: Mapping[str, FlowState]) -> FlowAction:
    opened = [key for key, state in states.items() if not state.ended]
    moves: dict[str, str] = {}
    for source, target in row.moves.items():
        moves |= dict.fromkeys(opened if source == ANY_OPEN else [source], target)
    return FlowAction(row.key, row.name, moves, frozenset(row.roles), row.needs, row.effect, row.level, row.undoable)


@cache
def _load_common() -> list[_ActionRow]:
    return read_rows(_read_toml("common"), "actions", _ActionRow)


def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((_FLOWS / f"{name}.toml").read_text(encoding="utf-8"))
