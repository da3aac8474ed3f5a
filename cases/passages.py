"""How a case passed through its states: how long it was in each, who brought it on, and whether in time."""

from collections.abc import Iterable
from dataclasses import dataclass

from cases.fold import CaseState, Step, trace
from cases.rulebook import Rulebook


@dataclass(frozen=True, slots=True)
class Passage:
    """One stay in one state; moments are epoch ms.

    A stay that a pause interrupts is told to the pause, and once more as a whole to its end. action and actor are what
    ended it and who did that; None, with left_ms None, while the case is there. unit is who had the case when it was
    left. due_ms is the deadline of this step, pauses and what was granted in it included; None where it has no limit,
    and while it stands still. awaits: while the case is there the action that usually comes next.
    """

    state: str
    entered_ms: int
    left_ms: int | None
    due_ms: int | None
    awaits: str | None = None
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

    def tell(state: CaseState, step: Step | None) -> Passage:
        entered_ms = reported_ms if state.since_ms is None else state.since_ms
        left_ms = None if step is None else step.at_ms
        clock = rulebook.run_step(category, severity, state.state, entered_ms, state, left_ms)
        return Passage(
            state=state.state,
            entered_ms=entered_ms,
            left_ms=left_ms,
            due_ms=None if clock is None else clock.due_ms,
            awaits=flow.find_forward(state.state) if step is None else None,
            action=step.action if step else None,
            actor=step.actor if step else None,
            unit=state.unit,
        )

    passages: list[Passage] = []
    here = CaseState(level=flow.level)
    for step, after in trace(flow, steps):
        if (after.state, after.since_ms) != (here.state, here.since_ms):
            passages.append(tell(here, step))
        here = after
    if here.is_open:
        passages.append(tell(here, None))
    return passages
