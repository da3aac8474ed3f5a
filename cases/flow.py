"""Flows: the tables that say what may be done to a case, from which state, by whom, and where it leads.

A flow is TOML: built in are `flows/urban.toml` and `flows/dispute.toml`, both with the actions of `flows/common.toml`;
a county pack's `[[flows]]` in `cases.toml` replace one by its key or add one. The rules that every flow keeps are
checked when it is read: see `read_flow`.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from geo.pack import Name, PackError
from ingest.case_state import CLOSING, REOPENING, UNDO

START: Final = "reported"
CLOSE: Final = "close"
SAME, BEFORE, ANY_OPEN = "@same", "@before", "*"
LEVELS: Final = ("cell", "village", "town", "county")
ROLES: Final = (
    *("county_duty", "dispatcher", "unit", "town_centre", "village_centre", "grid_worker", "supervisor", "leader"),
)
"""Who may act on a case; administrators and walls never do."""
EFFECTS: Final = (*("", "hand_back", "return", "extend", "escalate", "supervise", "lift_card", "join", "part_done"),)
MILESTONES: Final = ("", "dispatched", "handled")
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
    fields that must be said with it; `effect` is what it does beside moving; `level` is whose matter a case then is.
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

    @cached_property
    def open_states(self) -> frozenset[str]:
        """The states in which a case still needs somebody."""
        return frozenset(key for key, state in self.states.items() if not state.ended)


@cache
def load_built_in() -> Mapping[str, Flow]:
    """Return the built-in flows by key."""
    tables = [_read_toml(name) for name in ("urban", "dispute")]
    return {table["key"]: read_flow(table, f"flows/{table['key']}.toml") for table in tables}


def read_flows(tables: list[Any]) -> dict[str, Flow]:
    """Return the built-in flows with a pack's own in their place or beside them; raises `PackError`."""
    flows = dict(load_built_in())
    for number, table in enumerate(tables, 1):
        flow = read_flow(table, f"cases.toml: flows[{number}]")
        flows[flow.key] = flow
    return flows


def read_flow(table: Mapping[str, Any], where: str) -> Flow:
    """Return the flow of a table; `where` names it in problems.

    Raises `PackError` where a flow does not begin in `reported`, names a state, role, need or effect that there is
    not, has a state that cannot be reached or left, or ends a case by anything but `close`, `void` and `merge` or
    takes it up again by anything but `reopen` and `unmerge`.
    """
    try:
        states = {key: _read_state(key, row) for key, row in table["states"].items()}
        rows = [*table["actions"], *_read_toml("common")["actions"]]
        actions = {row["key"]: _read_action(row, states) for row in reversed(rows)}
        flow = Flow(
            key=table["key"],
            name=_read_name(table),
            categories=tuple(table.get("categories", ())),
            level=table.get("level", "village"),
            states=states,
            actions={row["key"]: actions[row["key"]] for row in rows},
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise PackError(f"{where}: {error} is missing or not a table") from None
    for fault in _find_faults(flow):
        raise PackError(f"{where}: {fault}")
    return flow


def _find_faults(flow: Flow) -> list[str]:
    faults = []
    if next(iter(flow.states), "") != START:
        faults.append(f"the first state must be {START}")
    if flow.level not in LEVELS:
        faults.append(f"level {flow.level!r} is none of {', '.join(LEVELS)}")
    for state in flow.states.values():
        if state.milestone not in MILESTONES:
            faults.append(f"states.{state.key}.milestone {state.milestone!r} is unknown")
        if state.owner and state.owner not in ROLES:
            faults.append(f"states.{state.key}.owner {state.owner!r} is no role")
        if state.forward and flow.find_target(state.key, state.forward) is None:
            faults.append(f"states.{state.key}.forward {state.forward!r} is no action of that state")
    for action in flow.actions.values():
        faults += _find_faults_of(flow, action)
    return faults + [f"state {key} cannot be reached" for key in flow.states if key not in _reach(flow)]


def _find_faults_of(flow: Flow, action: FlowAction) -> list[str]:
    name = f"action {action.key}"
    faults = [f"{name}: role {role!r} is none of {', '.join(ROLES)}" for role in sorted(action.roles - {*ROLES})]
    faults += [f"{name}: need {need!r} is unknown" for need in action.needs if need not in NEEDS]
    if action.effect not in EFFECTS:
        faults.append(f"{name}: effect {action.effect!r} is unknown")
    if action.level and action.level not in LEVELS:
        faults.append(f"{name}: level {action.level!r} is none of {', '.join(LEVELS)}")
    if not action.moves or action.key == UNDO:
        faults.append(f"{name} leads nowhere" if not action.moves else f"{name}: that name is taken")
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


def _read_state(key: str, row: Mapping[str, Any]) -> FlowState:
    return FlowState(
        key=key,
        name=_read_name(row),
        owner=row.get("owner", ""),
        milestone=row.get("milestone", ""),
        forward=row.get("forward", ""),
        paused=bool(row.get("paused", False)),
        ended=bool(row.get("ended", False)),
    )


def _read_action(row: Mapping[str, Any], states: Mapping[str, FlowState]) -> FlowAction:
    moves: dict[str, str] = {}
    for source, target in row["moves"].items():
        sources = [key for key, state in states.items() if not state.ended] if source == ANY_OPEN else [source]
        # A row that every flow shares may speak of a state that this one does without.
        moves |= {key: target for key in sources if key in states or source not in ("closed", "voided", "merged")}
    return FlowAction(
        key=row["key"],
        name=_read_name(row),
        moves=moves,
        roles=frozenset(row["roles"]),
        needs=tuple(row.get("needs", ())),
        effect=row.get("effect", ""),
        level=row.get("level", ""),
        undoable=bool(row.get("undoable", False)),
    )


def _read_name(row: Mapping[str, Any]) -> Name:
    return Name(row["zh"], row.get("en", row["zh"]))


def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((_FLOWS / f"{name}.toml").read_text(encoding="utf-8"))
