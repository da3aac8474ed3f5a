"""How a case passed through its states: how long it was in each, who brought it on, and whether in time."""

from collections.abc import Iterable
from dataclasses import dataclass

from cases.clocks import run_clock
from cases.flow import START
from cases.fold import Step, trace
from cases.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Passage:
    """One stay in one state; moments are epoch ms.

    action and actor are what ended it and who did that; None, with left_ms None, while the case is there. unit is who
    had the case when it was left. due_ms is the deadline of this step; None where it has no limit.
    """

    state: str
    entered_ms: int
    left_ms: int | None
    due_ms: int | None
    action: str | None = None
    actor: str | None = None
    unit: str | None = None

    @property
    def on_time(self) -> bool:
        """Whether it was left by its deadline; without a limit any time is in time."""
        return self.left_ms is not None and (self.due_ms is None or self.left_ms <= self.due_ms)


def list_passages(
    rulebook: Rulebook, category: str, severity: int, reported_ms: int, steps: Iterable[Step]
) -> list[Passage]:
    """Return a case's stays in the order of time, the present one last."""
    flow = rulebook.flow_of(category)

    def close(state: str, entered_ms: int, step: Step | None, unit: str | None) -> Passage:
        limit = rulebook.limits.find(category, severity, state, flow.key)
        left_ms = None if step is None else step.at_ms
        clock = run_clock(limit, rulebook.calendar, entered_ms, (), (), left_ms)
        due_ms = None if clock is None else clock.due_ms
        return Passage(
            state, entered_ms, left_ms, due_ms, step.action if step else None, step.actor if step else None, unit
        )

    passages: list[Passage] = []
    state, entered_ms, unit = START, reported_ms, None
    for step, after in trace(flow, steps):
        # Dispatched again without leaving the state is a stay of its own: another has it now.
        if after.state != state or flow.find_target(state, step.action) == state:
            passages.append(close(state, entered_ms, step, unit))
            state, entered_ms = after.state, step.at_ms
        unit = after.unit
    if not flow.states[state].ended:
        passages.append(close(state, entered_ms, None, unit))
    return passages
