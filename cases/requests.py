"""What a person may ask for: a request is checked against the flow, the case as it stands, and who asks.

Pure. Whether the case has moved on since the person looked is the fold's to say (`ingest.case_state.pick_effective`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cases.calendars import read_span
from cases.dispatch import Proposal
from cases.flow import LEVELS, NEEDS, Flow, FlowAction
from cases.fold import CaseState
from ingest.case_state import UNDO

UNDO_WITHIN_MS: Final = 10 * 60_000
"""For so long an action can be taken back by who did it, as long as nobody did anything after it."""

LONGEST_NOTE: Final = 2000
PART_ACTIONS: Final = frozenset({"part_done", "note"})
"""What a unit may do that shares a case without leading it."""
LEVEL_OF_COMPLEXITY: Final = {"simple": "village", "complex": "town", "difficult": "county"}
RESERVED: Final = frozenset({"case_id", "action", "actor", "role", "by_unit", "at", "expects", "undoes", "forces"})
"""Details that the desk itself says; a person's request may not."""


class NotLegal(ValueError):  # noqa: N818 - it says what is the case
    """This person may not do this to this case as it stands; the message says why."""


class BadField(ValueError):  # noqa: N818 - it says what is the case
    """A field of a request is missing or wrong."""

    def __init__(self, name: str, reason: str):
        super().__init__(f"{name}: {reason}")
        self.name = name
        self.reason = reason


@dataclass(frozen=True)
class Asker:
    """Who asks: the account's name, its role, and the unit that it works for."""

    name: str
    role: str
    unit: str | None = None


@dataclass(frozen=True)
class Request:
    """What is asked for; `details` are the fields that the action needs beside note and unit."""

    action: str
    unit: str | None = None
    note: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


def list_legal(flow: Flow, state: CaseState, asker: Asker) -> list[FlowAction]:
    """Return what somebody may do to a case now, in the order of the flow's table; `undo` is not among it.

    What would change nothing is not among it either: lifting a card where there is none, say.
    """
    actions = [action for action in flow.list_actions(state.state, asker.role) if _has_object(action, state)]
    if asker.role != "unit":
        return actions
    if asker.unit is not None and asker.unit == state.unit:
        return actions
    if any(part.unit == asker.unit for part in state.parts):
        return [action for action in actions if action.key in PART_ACTIONS]
    return []


def check_request(flow: Flow, state: CaseState, request: Request, asker: Asker, units: Collection[str]) -> None:
    """Raise `NotLegal` or `BadField` unless this may be done; units: the codes that a case may be given to."""
    legal = {action.key: action for action in list_legal(flow, state, asker)}
    action = legal.get(request.action)
    if action is None:
        raise NotLegal(_say_why(flow, state, request.action, asker))
    if request.note is not None and len(request.note) > LONGEST_NOTE:
        raise BadField("note", f"{len(request.note)} characters are more than {LONGEST_NOTE}")
    for name in _list_said(request):
        if name in RESERVED or (name in NEEDS and name not in action.needs):
            raise BadField(name, f"is not for {action.key} to say")
    for need in action.needs:
        _check_need(need, request, offer(need, action, state, asker), units)
    if request.action == "part_done" and asker.role == "unit" and request.unit != asker.unit:
        raise BadField("unit", "a unit reports its own part only")


def complete_details(request: Request, flow: Flow, state: CaseState, proposal: Proposal | None) -> dict[str, Any]:
    """Return the details of a request that was checked, with what follows from it: whose matter the case becomes.

    A proposal is confirmed by sending the case to the unit that it names.
    """
    details = dict(request.details)
    target = flow.states.get(flow.find_target(state.state, request.action) or "")
    sends = target is not None and target.milestone == "dispatched"
    if sends and proposal is not None and request.unit == proposal.unit:
        details |= proposal.settle(state.level)
    if "complexity" in details:
        details["level"] = LEVEL_OF_COMPLEXITY[details["complexity"]]
    return details


def offer(need: str, action: FlowAction, state: CaseState, asker: Asker) -> tuple[str, ...]:
    """Return the words that may be said for a need; empty where anything of its kind may.

    For units these are codes, and there are only words where the case itself says which.
    """
    kind = NEEDS[need]
    match need:
        case "level":
            return _offer_levels(action.key, state.level)
        case "unit" if action.effect == "part_done":
            parts = tuple(part.unit for part in state.parts if part.done_ms is None)
            return tuple(unit for unit in parts if asker.role != "unit" or unit == asker.unit)
    return kind if isinstance(kind, tuple) else ()


def may_undo(flow: Flow, state: CaseState, last_action: str, last_at_ms: int, asker: Asker, now_ms: int) -> bool:
    """Return whether somebody may take back the action that counted last."""
    action = flow.actions.get(last_action)
    return (
        action is not None
        and action.undoable
        and asker.name == state.last_actor
        and 0 <= now_ms - last_at_ms <= UNDO_WITHIN_MS
    )


def _has_object(action: FlowAction, state: CaseState) -> bool:
    """Return whether there is something that an action would act on."""
    match action.effect:
        case "lift_card":
            return state.card is not None
        case "part_done":
            return any(part.done_ms is None for part in state.parts)
        case "escalate":
            return bool(_offer_levels(action.key, state.level))
        case "begin_incident":
            return not state.in_incident
        case "end_incident":
            return state.in_incident
    return True


def _offer_levels(action: str, level: str) -> tuple[str, ...]:
    """Return the levels above or below the case's: what is escalated goes up, what is delegated down."""
    place = LEVELS.index(level)
    return {"escalate": LEVELS[place + 1 :], "delegate": LEVELS[:place]}.get(action, LEVELS)


def _say_why(flow: Flow, state: CaseState, action: str, asker: Asker) -> str:
    if action == UNDO:
        return "there is nothing that you could take back"
    if action not in flow.actions:
        return f"{flow.key} has no action {action!r}"
    if flow.find_target(state.state, action) is None:
        return f"{action} is not possible while a case is {state.state}"
    if asker.role not in flow.actions[action].roles:
        return f"{action} is not for the role {asker.role}"
    if not _has_object(flow.actions[action], state):
        return f"there is nothing to {action} here"
    return "the case is another unit's"


def _list_said(request: Request) -> list[str]:
    """Return the fields that a request says; a note may be said with everything."""
    return [*(["unit"] if request.unit is not None else []), *request.details]


def _check_need(need: str, request: Request, words: tuple[str, ...], units: Collection[str]) -> None:
    said: Any = {"note": request.note, "unit": request.unit}.get(need, request.details.get(need))
    if said is None or said == "" or said == []:
        raise BadField(need, "is missing")
    kind = NEEDS[need]
    if words and said not in words:
        raise BadField(need, f"must be one of {', '.join(words)}, not {said!r}")
    if not isinstance(kind, tuple) and not isinstance(said, kind):
        raise BadField(need, f"must be {_KINDS[kind]}, not {said!r}")
    if need == "unit" and said not in units:
        raise BadField(need, f"there is no unit {said!r}")
    if need == "units":
        for unit in said:
            if not isinstance(unit, str) or unit not in units:
                raise BadField(need, f"there is no unit {unit!r}")
    if need == "extra":
        try:
            read_span(said)
        except ValueError as reason:
            raise BadField(need, str(reason)) from None


_KINDS: Final = {str: "text", list: "a list", dict: "a table", bool: "true or false"}
