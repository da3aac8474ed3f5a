"""What the indicators need of cases: folded from their actions, with the clocks that held for them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cases.fold import Step, fold
from cases.passages import Passage, list_passages
from cases.rulebook import Rulebook
from ingest.answers import Case
from ingest.tables import as_ms, as_time


@dataclass(frozen=True, kw_only=True)
class CaseFacts:
    """What the indicators need of a case, as it was known at one moment.

    due_at is None for a class without a limit and while the clock stands still. ended_at is when the case was closed,
    voided or merged (`ended_by`), None while it is open. verified: somebody checked the result, or asked the people
    (回访), before it was closed. level: whose matter it was last. units: all that had it. All times are aware.
    """

    case_id: str
    category: str
    severity: int
    channel: str
    reported_at: datetime
    due_at: datetime | None = None
    ended_at: datetime | None = None
    ended_by: str = "close"
    cell_code: str | None = None
    level: str = "village"
    unit: str | None = None
    units: tuple[str, ...] = ()
    grade: str | None = None
    filed_at: datetime | None = None
    responded_at: datetime | None = None
    verified: bool = False
    satisfied: bool | None = None
    returns: int = 0
    hand_backs: int = 0
    repeats: bool = False
    passages: tuple[Passage, ...] = ()

    @property
    def closed_at(self) -> datetime | None:
        """When the case was closed; None while it is open, and for a voided or merged one."""
        return self.ended_at if self.ended_by == "close" else None

    @property
    def counts(self) -> bool:
        """Whether it is a matter of its own: neither voided nor merged into another."""
        return self.ended_at is None or self.ended_by == "close"


VERIFYING = frozenset({"check", "follow_up"})
FILING = frozenset({"file", "triage"})
"""By these an urban case and a dispute are taken into the books (立案, 分流), at the latest by being dispatched."""


def state_facts(
    rulebook: Rulebook, case: Case, steps: Iterable[Step], at: datetime, repeats: bool = False
) -> CaseFacts:
    """Return what is known of a case at a moment; what was done after it has not happened yet."""
    at_ms, reported_ms = as_ms(at), as_ms(case.reported_at)
    known = [step for step in steps if step.at_ms <= at_ms]
    state = fold(rulebook.flow_of(case.category), known)
    clock = rulebook.run_clock(case.category, case.severity, reported_ms, state)
    passages = tuple(list_passages(rulebook, case.category, case.severity, reported_ms, known))
    filed = [passage.left_ms for passage in passages if passage.action in FILING and passage.left_ms is not None]
    if state.dispatched_ms is not None:
        filed.append(state.dispatched_ms)
    due_ms = None if clock is None else clock.due_ms
    return CaseFacts(
        case_id=case.case_id,
        category=case.category,
        severity=case.severity,
        channel=case.channel,
        reported_at=case.reported_at,
        due_at=None if due_ms is None else as_time(due_ms),
        ended_at=None if state.ended_ms is None else as_time(state.ended_ms),
        ended_by=state.ended_by or "close",
        cell_code=case.cell_code,
        level=state.level,
        unit=state.unit,
        units=tuple(dict.fromkeys(passage.unit for passage in passages if passage.unit)),
        grade=state.grade,
        filed_at=as_time(min(filed)) if filed else None,
        responded_at=None if state.responded_ms is None else as_time(state.responded_ms),
        verified=any(passage.action in VERIFYING for passage in passages),
        satisfied=state.satisfied,
        returns=state.returns,
        hand_backs=state.hand_backs,
        repeats=repeats,
        passages=passages,
    )
