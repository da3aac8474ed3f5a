"""The closed loop of a case: which action leads to which state, and the fold of actions into a state.

This is a first, small table; it says where an action leads, not yet who may take it from which state.
Names of states and actions are in the message catalogue as `case_state_<state>` and `case_action_<action>`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

REPORTED = "reported"
REOPEN = "reopen"

# The seven steps of 数字城管 with their side states, and the state that a case is in after each action.
STATE_AFTER = {
    "report": REPORTED,  # 上报
    "verify_site": "verifying",  # 核实, before it is filed
    "accept": "accepted",  # 受理
    "file": "filed",  # 立案
    "dispatch": "dispatched",  # 派遣
    "handle": "handled",  # 处置
    "check": "checked",  # 核查
    "return": "returned",  # 返工
    "suspend": "suspended",  # 挂账
    "resume": "dispatched",  # 挂账恢复
    "extend": "dispatched",  # 延时: whoever has it goes on with it
    "close": "closed",  # 结案
    "void": "voided",  # 作废
    REOPEN: "filed",  # 重新立案
}
STATES = tuple(dict.fromkeys(STATE_AFTER.values()))
ENDED = frozenset({"closed", "voided"})


@dataclass(frozen=True)
class Step:
    """One action as the fold needs it: when (epoch ms), its order among actions of one moment, what, whose."""

    at_ms: int
    order: int
    action: str
    unit: str | None = None


@dataclass(frozen=True)
class CaseState:
    """Where a case is: its state, since when (epoch ms; None before any action), and the unit that has it."""

    state: str = REPORTED
    since_ms: int | None = None
    unit: str | None = None

    @property
    def ended_ms(self) -> int | None:
        """When the case ended (closed or voided), in epoch ms; None while it is open."""
        return self.since_ms if self.state in ENDED else None


def essential(steps: Iterable[Step]) -> frozenset[Step]:
    """Return the least set with the same fold, also after any further step: what has to be remembered.

    That is the last step, the last that names a unit, the last reopening, and every ending since then.
    Steps that the table does not know, and reports (a case is reported before anything else), are left out.
    """
    known = _in_order(steps)
    reopened = [position for position, step in enumerate(known) if step.action == REOPEN]
    since = reopened[-1] if reopened else 0
    return frozenset(
        [
            *known[-1:],
            *[step for step in known if step.unit is not None][-1:],
            *known[since : since + 1][: len(reopened)],
            *[step for step in known[since:] if STATE_AFTER[step.action] in ENDED],
        ]
    )


def fold(steps: Iterable[Step]) -> CaseState:
    """Return the state that a set of actions leads to; order of arrival and repetition do not matter.

    Steps count in the order of (`at_ms`, `order`). A step without a unit keeps the unit of the one before it.
    The first ending since the last reopening ends the case; after it only a reopening moves it. The rule is the
    one by which `ingest.case_state` derives the columns of `cases`.
    """
    state, since_ms, unit = REPORTED, None, None
    for step in _in_order(steps):
        unit = step.unit or unit
        if state not in ENDED or step.action == REOPEN:
            state, since_ms = STATE_AFTER[step.action], step.at_ms
    return CaseState(state, since_ms, unit)


def _in_order(steps: Iterable[Step]) -> list[Step]:
    known = {step for step in steps if step.action in STATE_AFTER and step.action != "report"}
    return sorted(known, key=lambda step: (step.at_ms, step.order, step.action, step.unit or ""))
