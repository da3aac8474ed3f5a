"""The fold: where its actions have brought a case. Pure; a function of their set, in any order, repeated or not.

Which actions count is `ingest.case_state.pick_effective`'s to say; here they are walked in the order of `at`.
A request that counted was legal when it was made. A fact may not be: it has happened all the same, so the state
follows it to where that action usually leads, and it is listed as irregular. An ended case is moved by reopening only.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from cases.flow import BEFORE, LEVELS, SAME, START, Flow
from ingest.answers import CaseAction, CaseStep
from ingest.case_state import CLOSING, REOPENING, STEWARD, make_action_key, pick_effective
from ingest.tables import as_ms

UNKNOWN: Final = "unknown"  # an action that the flow does not have
OUT_OF_TURN: Final = "out_of_turn"  # one that it has, but not from the state that the case was in
REMARK: Final = "note"


@dataclass(frozen=True, eq=False)
class Step:
    """One action as the fold needs it.

    at_ms: when it was done (epoch ms). order: its place in the order of recording. key: what it is known by, see
    `ingest.case_state.make_action_key`. details: what was said with it.
    """

    at_ms: int
    order: int
    action: str
    unit: str | None = None
    actor: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    key: str = ""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)


def read_step(row: CaseStep | CaseAction) -> Step:
    """Return an action of SQL as a step."""
    order = row.order if isinstance(row, CaseStep) else row.id
    key = make_action_key(row.source, row.event_id)
    return Step(as_ms(row.at), order, row.action, row.unit, row.actor or "", row.details, key)


@dataclass(frozen=True)
class Part:
    """One unit's share of a case that several handle; `done_ms` is None while it works on it."""

    unit: str
    since_ms: int
    done_ms: int | None = None


@dataclass(frozen=True)
class CaseState:
    """Where a case is, and what has been laid down for it on the way; times in epoch ms, None where not yet.

    since_ms: since when it is in its state; a pause in it does not begin it anew. trail: the states that it came
    through, each with its `since_ms`, without those that it went back from. version: how many actions have counted,
    which the next request must expect. stops: the pauses, among them the time from an end to a reopening; the last one
    has no end while it lasts. incidents: the stretches in incident mode (大事联动), likewise.
    extensions: when something was granted, and what, as {amount, unit}.
    overtaken and irregular: keys of actions, the latter each with its reason.
    """

    state: str = START
    since_ms: int | None = None
    trail: tuple[tuple[str, int | None], ...] = ()
    unit: str | None = None
    parts: tuple[Part, ...] = ()
    level: str = "village"
    grade: str | None = None
    kind: str | None = None
    complexity: str | None = None
    colour: str | None = None
    card: str | None = None
    card_ms: int | None = None
    merged_into: str | None = None
    ended_ms: int | None = None
    ended_by: str | None = None
    returns: int = 0
    hand_backs: int = 0
    stops: tuple[tuple[int, int | None], ...] = ()
    incidents: tuple[tuple[int, int | None], ...] = ()
    extensions: tuple[tuple[int, Mapping[str, Any]], ...] = ()
    responded_ms: int | None = None
    dispatched_ms: int | None = None
    handled_ms: int | None = None
    satisfied: bool | None = None
    version: int = 0
    last_key: str | None = None
    last_actor: str | None = None
    irregular: tuple[tuple[str, str], ...] = ()
    overtaken: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether the case still needs somebody."""
        return self.ended_ms is None

    @property
    def in_incident(self) -> bool:
        """Whether it is in incident mode now."""
        return bool(self.incidents) and self.incidents[-1][1] is None


def fold(flow: Flow, steps: Iterable[Step]) -> CaseState:
    """Return the state that the actions of one case give by a flow."""
    effective = pick_effective(steps)
    walked = list(_walk(flow, effective.deeds))
    state = walked[-1][1] if walked else CaseState(level=flow.level)
    last = effective.deeds[-1] if effective.deeds else None
    return replace(
        state,
        version=effective.version,
        last_key=last.key if last else None,
        last_actor=last.actor if last else None,
        overtaken=tuple(step.key for step in effective.overtaken),
        undone=tuple(step.key for step in effective.undone),
    )


def trace(flow: Flow, steps: Iterable[Step]) -> list[tuple[Step, CaseState]]:
    """Return the actions that count in the order of `at`, each with where it brought the case."""
    return list(_walk(flow, pick_effective(steps).deeds))


def _walk(flow: Flow, deeds: Iterable[Step]) -> Iterator[tuple[Step, CaseState]]:
    state = CaseState(level=flow.level)
    for step in sorted(deeds, key=lambda step: (step.at_ms, step.order, step.key)):
        state = _move(flow, state, step)
        yield step, state


def _move(flow: Flow, state: CaseState, step: Step) -> CaseState:
    action = flow.actions.get(step.action)
    target = legal = flow.find_target(state.state, step.action)
    changes: dict[str, Any] = {}
    if target is None:
        reason = UNKNOWN if action is None else OUT_OF_TURN
        changes["irregular"] = (*state.irregular, (step.key, reason))
        if action is None or (not state.is_open and step.action not in REOPENING):
            return replace(state, **changes)
        target = action.usual_target
        if target == BEFORE and state.is_open:
            target = SAME  # there was no pause to end
    changes |= _note(state, step, action.effect if action else "", action.level if action else "")
    if target == BEFORE:
        before, since_ms = state.trail[-1] if state.trail else (START, None)
        changes |= _enter(flow, state, step, before) | {"since_ms": since_ms, "trail": state.trail[:-1]}
    elif target not in (SAME, state.state):
        changes |= _enter(flow, state, step, target)
    elif legal == state.state:
        changes["since_ms"] = step.at_ms  # into the same state anew: another has it now
    elif step.actor == STEWARD:
        changes.pop("responded_ms", None)  # what a rule says of a case is nobody's response
    return replace(state, **changes)


def _enter(flow: Flow, state: CaseState, step: Step, target: str) -> dict[str, Any]:
    entered, left = flow.states[target], flow.states[state.state]
    trail = state.trail if left.ended else (*state.trail, (state.state, state.since_ms))
    changes: dict[str, Any] = {"state": target, "since_ms": step.at_ms, "trail": trail}
    stops = state.stops
    if left.paused and stops and stops[-1][1] is None:
        stops = (*stops[:-1], (stops[-1][0], step.at_ms))
    if step.action in REOPENING and state.ended_ms is not None:
        stops = (*stops, (state.ended_ms, step.at_ms))
    if entered.paused:
        stops = (*stops, (step.at_ms, None))
    changes["stops"] = stops
    if entered.milestone == "dispatched" and state.dispatched_ms is None:
        changes["dispatched_ms"] = step.at_ms
    if entered.milestone == "handled":
        changes["handled_ms"] = step.at_ms
    if step.action in CLOSING and entered.ended:
        changes |= {"ended_ms": step.at_ms, "ended_by": step.action, "card": None, "card_ms": None}
        changes["incidents"] = _end_incident(state, step.at_ms)
    if step.action in REOPENING:
        changes |= {"ended_ms": None, "ended_by": None, "merged_into": None}
    return changes


def _note(state: CaseState, step: Step, effect: str, level: str) -> dict[str, Any]:
    """Return what an action lays down beside moving the case."""
    details = step.details
    changes: dict[str, Any] = {
        name: details[name]
        for name in ("grade", "kind", "complexity", "colour", "satisfied")
        if details.get(name) is not None
    }
    if (said := details.get("level")) in LEVELS:
        changes["level"] = said
    elif level and (level == LEVELS[0] or LEVELS.index(level) > LEVELS.index(state.level)):
        changes["level"] = level
    if state.responded_ms is None and step.action != REMARK:
        changes["responded_ms"] = step.at_ms
    if details.get("into") and step.action in CLOSING:
        changes["merged_into"] = str(details["into"])
    if step.unit is not None and effect not in ("join", "part_done", "supervise", "hand_back"):
        changes["unit"] = step.unit
    match effect:
        case "return":
            changes["returns"] = state.returns + 1
        case "hand_back":
            changes |= {"hand_backs": state.hand_backs + 1, "unit": None}
        case "extend":
            changes["extensions"] = (*state.extensions, (step.at_ms, details.get("extra") or {}))
        case "supervise":
            changes |= {"card": details.get("card", "ordinary"), "card_ms": step.at_ms}
        case "lift_card":
            changes |= {"card": None, "card_ms": None}
        case "begin_incident" if not state.in_incident:
            changes["incidents"] = (*state.incidents, (step.at_ms, None))
        case "end_incident":
            changes["incidents"] = _end_incident(state, step.at_ms)
        case "join":
            at_work = {part.unit for part in state.parts if part.done_ms is None}
            called = [unit for unit in dict.fromkeys(details.get("units") or ()) if unit not in at_work]
            changes["parts"] = (*state.parts, *(Part(str(unit), step.at_ms) for unit in called))
        case "part_done":
            unit = step.unit or details.get("unit")
            changes["parts"] = tuple(
                replace(part, done_ms=step.at_ms) if part.unit == unit and part.done_ms is None else part
                for part in state.parts
            )
    return changes


def _end_incident(state: CaseState, at_ms: int) -> tuple[tuple[int, int | None], ...]:
    if not state.in_incident:
        return state.incidents
    *earlier, (begun_ms, _) = state.incidents
    return (*earlier, (begun_ms, at_ms))
