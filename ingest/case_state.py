"""What a case's actions make of it: a pure function of the set of them, whatever order they arrived in."""

from collections.abc import Iterable
from typing import NamedTuple

REPORT = "report"
CLOSING = frozenset({"close", "void"})
REOPEN = "reopen"


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


class CaseState(NamedTuple):
    """The derived columns of `cases`; `closed_at` is None while the case is open."""

    last_action: str
    last_action_at: int
    last_unit: str | None
    closed_at: int | None
    changed_at: int


def first_report(actions: Iterable[Action]) -> Action | None:
    """Return the report that a case keeps: the one received first (ties by source and id); None if none has come."""
    reports = [action for action in actions if action.action == REPORT]
    return min(reports, key=lambda report: (report.received_at, report.source, report.event_id), default=None)


def fold_case(actions: Iterable[Action]) -> CaseState | None:
    """Return the state that the actions of one case give, in the order of `at`; None while its report is missing.

    `close` and `void` close (the first one since the last `reopen` says when), `reopen` opens; what is done to a
    closed case otherwise does not move it. Of several reports only the kept one counts: a case that is reported
    again moves nowhere by that.
    """
    actions = list(actions)
    report = first_report(actions)
    if report is None:
        return None
    last_action, last_action_at = REPORT, report.at
    last_unit: str | None = None
    closed_at: int | None = None
    for action in sorted(actions, key=lambda action: (action.at, action.id)):
        if action.action == REPORT:
            continue
        last_unit = action.unit or last_unit
        if closed_at is not None and action.action != REOPEN:
            continue
        last_action, last_action_at = action.action, action.at
        closed_at = action.at if action.action in CLOSING else None
    changed_at = max(action.received_at for action in actions)
    return CaseState(last_action, last_action_at, last_unit, closed_at, changed_at)
