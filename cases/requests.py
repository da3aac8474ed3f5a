"""What a person may ask for: a request is checked against the flow, the case as it stands, and who asks.

Pure. Whether the case has moved on since the person looked is the fold's to say (`ingest.case_state.pick_effective`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cases.flow import NEEDS, Flow, FlowAction
from cases.fold import CaseState
from ingest.case_state import UNDO

UNDO_WITHIN_MS: Final = 10 * 60_000
"""For so long an action can be taken back by who did it, as long as nobody did anything after it."""

LONGEST_NOTE: Final = 2000
PART_ACTIONS: Final = frozenset({"part_done", "note"})
"""What a unit may do that shares a case without leading it."""
EXTENSION_UNITS: Final = ("minutes", "hours", "days", "working_minutes", "working_hours", "working_days")
LONGEST_EXTENSION: Final = 1000


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
    """Return what somebody may do to a case now, in the order of the flow's table; `undo` is not among it."""
    actions = flow.list_actions(state.state, asker.role)
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
    for need in action.needs:
        _check_need(need, request, units)
    if "units" in action.needs:
        unknown = [unit for unit in request.details["units"] if unit not in units]
        if unknown:
            raise BadField("units", f"there is no unit {unknown[0]}")
    if request.action == "part_done" and asker.role == "unit" and request.unit != asker.unit:
        raise BadField("unit", "a unit reports its own part only")


def may_undo(flow: Flow, state: CaseState, last_action: str, last_at_ms: int, asker: Asker, now_ms: int) -> bool:
    """Return whether somebody may take back the action that counted last."""
    action = flow.actions.get(last_action)
    return (
        action is not None
        and action.undoable
        and asker.name == state.last_actor
        and 0 <= now_ms - last_at_ms <= UNDO_WITHIN_MS
    )


def _say_why(flow: Flow, state: CaseState, action: str, asker: Asker) -> str:
    if action == UNDO:
        return "there is nothing that you could take back"
    if action not in flow.actions:
        return f"{flow.key} has no action {action!r}"
    if flow.find_target(state.state, action) is None:
        return f"{action} is not possible while a case is {state.state}"
    if asker.role not in flow.actions[action].roles:
        return f"{action} is not for the role {asker.role}"
    return "the case is another unit's"


def _check_need(need: str, request: Request, units: Collection[str]) -> None:
    said: Any = {"note": request.note, "unit": request.unit}.get(need, request.details.get(need))
    if said is None or said == "" or said == []:
        raise BadField(need, "is missing")
    kind = NEEDS[need]
    if isinstance(kind, tuple):
        if said not in kind:
            raise BadField(need, f"must be one of {', '.join(kind)}, not {said!r}")
    elif not isinstance(said, kind):
        raise BadField(need, f"must be {_KINDS[kind]}, not {said!r}")
    if need == "unit" and said not in units:
        raise BadField(need, f"there is no unit {said!r}")
    if need == "extra":
        _check_extension(said)


def _check_extension(extra: Mapping[str, Any]) -> None:
    amount, unit = extra.get("amount"), extra.get("unit")
    if isinstance(amount, bool) or not isinstance(amount, int | float) or not 0 < amount <= LONGEST_EXTENSION:
        raise BadField("extra", f"amount must be a number above 0, at most {LONGEST_EXTENSION}, not {amount!r}")
    if unit not in EXTENSION_UNITS:
        raise BadField("extra", f"unit must be one of {', '.join(EXTENSION_UNITS)}, not {unit!r}")


_KINDS: Final = {str: "text", list: "a list", dict: "a table", bool: "true or false"}
