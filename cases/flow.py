"""The closed loop of a case: which action leads to which state, and the fold of actions into a state.

This is a first, small table; it says where an action leads, not yet who may take it from which state.
Names of states and actions are in the message catalogue as `case_state_<state>` and `case_action_<action>`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

REPORTED = "reported"

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
    "reopen": "filed",  # 重新立案
}
STATES = tuple(dict.fromkeys(STATE_AFTER.values()))
ENDED = frozenset({"closed", "voided"})


@dataclass(frozen=True, order=True)
class Step:
    """One action as the fold needs it: when (epoch ms), its order among actions of the same moment, what, whose."""

    at_ms: int
    order: int
    action: str
    unit: str | None = None


@dataclass(frozen=True)
class CaseState:
    """Where a case is: its state, since when (epoch ms), and the unit that has it."""

    state: str = REPORTED
    since_ms: int | None = None
    unit: str | None = None

    @property
    def ended_ms(self) -> int | None:
        """When the case ended (closed or voided), in epoch ms; None while it is open."""
        return self.since_ms if self.state in ENDED else None


def fold(steps: Iterable[Step]) -> CaseState:
    """Return the state that a set of actions leads to.

    Order of arrival and repetition do not matter: the steps are taken by (`at_ms`, `order`). An action that
    the table does not know changes nothing. A step without a unit keeps the unit of the step before it.
    """
    known = sorted(step for step in set(steps) if step.action in STATE_AFTER)
    if not known:
        return CaseState()
    unit = next((step.unit for step in reversed(known) if step.unit is not None), None)
    return CaseState(STATE_AFTER[known[-1].action], known[-1].at_ms, unit)
