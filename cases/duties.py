"""What a county's own rules do to a case by themselves: the next thing, and by which rule. Pure.

One thing at a time: each is asked for on the version of the case that it was decided on, so whoever is faster wins,
and what would follow is decided anew on what then holds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cases.clocks import Clock
from cases.dispatch import Proposal
from cases.flow import CLOSE, Flow
from cases.fold import CaseState, Step
from cases.matters import Admission, Grading, grade_case
from cases.rulebook import Rulebook
from cases.supervision import list_deeds
from ingest.answers import Case
from ingest.reasons import Reason
from ingest.tables import as_ms

DESK: Final = frozenset({"dispatcher", "county_duty"})
"""Whose turn it must be for a case to go on by a rule: what a grid worker or a unit has in hand is theirs."""

SELF_HANDLE, GRADE, JOIN, SUPERVISE, ESCALATE, VOID = "self_handle", "grade", "join", "supervise", "escalate", "void"


@dataclass(frozen=True)
class Deed:
    """One thing to be done: the action, the key of its rule, and why."""

    action: str
    rule: str
    why: Reason
    unit: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """A case as the rules see it at a moment (epoch ms)."""

    case: Case
    flow: Flow
    steps: tuple[Step, ...]
    state: CaseState
    now_ms: int
    clock: Clock | None
    admission: Admission
    proposal: Proposal | None
    grading: Grading

    def may(self, action: str) -> bool:
        """Return whether an action is legal now."""
        return self.flow.find_target(self.state.state, action) is not None

    def has_done(self, action: str) -> bool:
        """Return whether the steward did this before, and it counted."""
        return any(step.action == action for step in list_deeds(self.steps, self.state))


def look_at(rulebook: Rulebook, case: Case, steps: tuple[Step, ...], state: CaseState, now_ms: int) -> Subject:
    """Return a case with all that the rules may ask of it."""
    proposal = rulebook.propose(case, state, steps, now_ms)
    admission = rulebook.admit(case.category, case.reported_at)
    return Subject(
        case=case,
        flow=rulebook.flow_of(case.category),
        steps=steps,
        state=state,
        now_ms=now_ms,
        clock=rulebook.run_clock(case.category, case.severity, as_ms(case.reported_at), state),
        admission=admission,
        proposal=proposal,
        grading=grade_case(admission.matter, case.severity, proposal.co_units if proposal else ()),
    )


def decide(rulebook: Rulebook, subject: Subject) -> Deed | None:
    """Return the next thing that the rules do to a case; None where they do nothing now.

    An ended case is let alone, and one of which something is known that is dated later than now: ours would go before.
    """
    if not subject.state.is_open or any(step.at_ms > subject.now_ms for step in subject.steps):
        return None
    duties: tuple[Callable[[Subject], Deed | None], ...] = (_refuse, _close_settled, _grade, _move_on, _join)
    for duty in duties:
        if deed := duty(subject):
            return deed
    return _raise_card(rulebook, subject) or _escalate(rulebook, subject)


def _refuse(subject: Subject) -> Deed | None:
    """Void a report of a class that is not on the list, where the list refuses it and nobody has touched it."""
    admission = subject.admission
    if not admission.refused or subject.state.version or not subject.may(VOID):
        return None
    return Deed(VOID, "matters:unlisted", Reason(code="unlisted", rule=admission.rule, version=admission.version))


def _close_settled(subject: Subject) -> Deed | None:
    """Close what was settled in the cell, where its matter is minor and asks for nobody's yes."""
    matter = subject.admission.matter
    last = next((step for step in subject.steps if step.key == subject.state.last_key), None)
    if last is None or last.action != SELF_HANDLE or matter is None or matter.confirm or not subject.may(CLOSE):
        return None
    if (subject.state.grade or subject.grading.grade) == "major":
        return None
    return Deed(CLOSE, f"matter:{matter.code}", Reason(code="settled", rule=matter.name))


def _grade(subject: Subject) -> Deed | None:
    """Say that a case is major; that it is minor is only a person's to say."""
    grading = subject.grading
    if grading.grade != "major" or subject.state.grade is not None or not subject.may(GRADE):
        return None
    return Deed(GRADE, f"grade:{grading.rule}", Reason(code="major", rule=grading.name), details={"grade": "major"})


def _move_on(subject: Subject) -> Deed | None:
    """Take a case one step on towards the unit that its rule names: where the rule is automatic, or the case major.

    Once it was dispatched or handed back it is a person's to say who is next.
    """
    flow, state, proposal = subject.flow, subject.state, subject.proposal
    if proposal is None or not (proposal.automatic or state.grade == "major"):
        return None
    if state.dispatched_ms is not None or state.hand_backs or not leads_to_unit(flow, state.state):
        return None
    action = flow.actions[flow.find_forward(state.state) or ""]
    rule = f"dispatch:{proposal.rule}"
    if not action.needs:
        return Deed(action.key, rule, Reason(code="forward", rule=proposal.name))
    why = Reason(code="lead" if state.grade == "major" else "dispatch", rule=proposal.name)
    return Deed(action.key, rule, why, proposal.unit, proposal.settle(state.level))


def leads_to_unit(flow: Flow, state: str) -> bool:
    """Return whether a case goes from a state to a unit by what usually comes next, all of it the desk's own."""
    seen: set[str] = set()
    while state not in seen:
        seen.add(state)
        action = flow.actions.get(flow.find_forward(state) or "")
        if action is None or flow.states[state].owner not in DESK or flow.states[state].paused:
            return False
        target = flow.states.get(action.moves[state])
        if target is None or (action.needs and action.needs != ("unit",)):
            return False
        if target.milestone:
            return target.milestone == "dispatched" and action.needs == ("unit",)
        state = target.key
    return False


def _join(subject: Subject) -> Deed | None:
    """Call in the other units of a major case, once, as soon as somebody leads; a dispute's at once."""
    state, proposal = subject.state, subject.proposal
    if state.grade != "major" or proposal is None or not subject.may(JOIN) or subject.has_done(JOIN):
        return None
    if state.unit is None and leads_to_unit(subject.flow, state.state):
        return None
    there = {state.unit, *(part.unit for part in state.parts)}
    units = [unit for unit in proposal.co_units if unit not in there]
    if not units:
        return None
    return Deed(JOIN, f"join:{proposal.rule}", Reason(code="join", rule=proposal.name), details={"units": units})


def _raise_card(rulebook: Rulebook, subject: Subject) -> Deed | None:
    case, state, clock = subject.case, subject.state, subject.clock
    if not subject.may(SUPERVISE):
        return None
    rule = rulebook.supervision.find_card(case.category, case.severity, state, subject.steps, clock, subject.now_ms)
    if rule is None:
        return None
    why = Reason(code="card", rule=rule.name)
    if clock is not None and rule.share:
        why = Reason(code="late", rule=rule.name, share=round(clock.used_share(subject.now_ms), 4))
    return Deed(SUPERVISE, rule.key, why, details={"card": rule.card, "points": rule.points})


def _escalate(rulebook: Rulebook, subject: Subject) -> Deed | None:
    case, state = subject.case, subject.state
    if not subject.may(ESCALATE):
        return None
    rule = rulebook.supervision.find_escalation(
        case.category, case.severity, state, subject.steps, subject.clock, subject.now_ms
    )
    if rule is None:
        return None
    why = Reason(code="escalate", rule=rule.name, lower=rule.lower, upper=rule.upper)
    return Deed(ESCALATE, rule.key, why, details={"level": rule.upper})
