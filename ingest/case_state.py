"""What a case's actions make of it, as far as every flow agrees: a pure function of the set of them.

Two kinds of actions come in. A *fact* tells what somebody elsewhere did: it counts. A *request* comes from our own
desk and says in `details.expects` on how many counted actions it was decided: it counts only if exactly so many
had come before it, else somebody was faster and it is overtaken. What came before is told by the order of
recording, so a late arrival never undoes what was counted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import msgspec

REPORT = "report"
UNDO = "undo"
CLOSING = frozenset({"close", "void", "merge"})
REOPENING = frozenset({"reopen", "unmerge"})
"""Every flow ends a case by the actions of `CLOSING` and takes it up again by these, and by no others."""
STEWARD = "steward"
STEWARD_SOURCE = "urn:county-brain:steward"
"""The actor of what the county's own rules do by themselves, and the only source that may say so."""


class Deed(Protocol):
    """An action as far as it decides what counts: its name, its place in the stream, its own key and its details."""

    @property
    def action(self) -> str:
        """What was done."""

    @property
    def order(self) -> int:
        """Its place in the order of recording."""

    @property
    def key(self) -> str:
        """What it is known by."""

    @property
    def details(self) -> Mapping[str, Any]:
        """What was said with it."""


D = TypeVar("D", bound=Deed)


@dataclass(frozen=True)
class Effective(Generic[D]):
    """The deeds that count, in stream order; how many ever did (what the next request must expect); and the others."""

    deeds: tuple[D, ...]
    version: int
    overtaken: tuple[D, ...]
    undone: tuple[D, ...]


def pick_effective(deeds: Iterable[D]) -> Effective[D]:
    """Return which deeds of one case count; reports among them are left out, and what came twice counts once.

    `undo` takes back the deed that counted last, named by its key in `details.undoes`; any other is overtaken.
    """
    counted: list[D] = []
    overtaken: list[D] = []
    undone: list[D] = []
    version = 0
    known: set[str] = set()
    for deed in sorted(deeds, key=lambda deed: (deed.order, deed.key)):
        if deed.action == REPORT or deed.key in known:
            continue
        known.add(deed.key)
        expects = deed.details.get("expects")
        undoes = deed.action == UNDO
        if (expects is not None and expects != version) or (
            undoes and (not counted or counted[-1].key != deed.details.get("undoes"))
        ):
            overtaken.append(deed)
            continue
        version += 1
        if undoes:
            undone.append(counted.pop())
        else:
            counted.append(deed)
    return Effective(tuple(counted), version, tuple(overtaken), tuple(undone))


class Action(NamedTuple):
    """One row of `case_actions`, as far as the fold needs it; times in epoch ms.

    `id` grows in the order of recording, which for one case's actions is the order of their stream.
    """

    id: int
    action: str
    unit: str | None
    at: int
    received_at: int
    source: str
    event_id: str
    details_json: str = "{}"

    @property
    def order(self) -> int:
        """Its place in the order of recording."""
        return self.id

    @property
    def key(self) -> str:
        """What it is known by."""
        return make_action_key(self.source, self.event_id)

    @property
    def details(self) -> Mapping[str, Any]:
        """What the fold may ask of its details."""
        details: dict[str, Any] = msgspec.json.decode(self.details_json)
        return details


class CaseState(NamedTuple):
    """The derived columns of `cases`; `closed_at` is None while the case is open."""

    last_action: str
    last_action_at: int
    last_unit: str | None
    closed_at: int | None
    changed_at: int


def make_action_key(source: str, event_id: str) -> str:
    """Return what an action is known by: its event's identity as one text."""
    return f"{source} {event_id}"


def first_report(actions: Iterable[Action]) -> Action | None:
    """Return the report that a case keeps: the one received first (ties by source and id); None if none has come."""
    reports = [action for action in actions if action.action == REPORT]
    return min(reports, key=lambda report: (report.received_at, report.source, report.event_id), default=None)


def fold_case(actions: Iterable[Action]) -> CaseState | None:
    """Return the state that the actions of one case give, in the order of `at`; None while its report is missing.

    The first of `CLOSING` since the last of `REOPENING` closes; what is done to a closed case otherwise does not
    move it. Of several reports only the kept one counts: a case that is reported again moves nowhere by that.
    """
    actions = list(actions)
    report = first_report(actions)
    if report is None:
        return None
    last_action, last_action_at = REPORT, report.at
    last_unit: str | None = None
    closed_at: int | None = None
    for action in sorted(pick_effective(actions).deeds, key=lambda action: (action.at, action.id)):
        last_unit = action.unit or last_unit
        if closed_at is not None and action.action not in REOPENING:
            continue
        last_action, last_action_at = action.action, action.at
        closed_at = action.at if action.action in CLOSING else None
    changed_at = max(action.received_at for action in actions)
    return CaseState(last_action, last_action_at, last_unit, closed_at, changed_at)
