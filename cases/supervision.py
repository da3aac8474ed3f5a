"""Supervision (督办): cards for cases that run late or come back, and what goes up a level when it is far too late.

Rules are the pack's `[[cards]]` and `[[escalations]]`. Each speaks once for a case: what a person has lifted, or sent
down again, the same rule does not raise again. A card has limits of its own (签收 and 办理) and points.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from cases.calendars import Span, WorkCalendar
from cases.clocks import Clock, run_clock
from cases.flow import LEVELS
from cases.fold import CaseState, Step
from cases.limits import Limit, LimitRule
from cases.tables import FILE, Rule, read_rules
from geo.county import County
from geo.pack import PackError
from ingest.case_state import STEWARD

CARDS: Final = ("ordinary", "yellow", "red")
Count = Annotated[int, msgspec.Meta(ge=0)]
RULE_DETAIL: Final = "rule"
"""Where an action of the steward says by which rule it was done."""


class CardRule(Rule, kw_only=True):
    """When which card is raised: all that is given must hold.

    share: of the whole case's limit that is used (1: all of it). returns, hand_backs: at least so many. accept, handle:
    how long whoever has the case may take to answer the card and to settle the case, from the card on. points: what the
    card takes away in an assessment.
    """

    card: Literal["ordinary", "yellow", "red"]
    share: Annotated[float, msgspec.Meta(ge=0)] = 0
    returns: Count = 0
    hand_backs: Count = 0
    accept: Span | None = None
    handle: Span | None = None
    points: float = 0
    source: str = ""
    verified: bool = False


class EscalationRule(Rule, kw_only=True):
    """After how long over its limit a case goes from one level up to another."""

    lower: Literal["cell", "village", "town"] = msgspec.field(name="from")
    upper: Literal["village", "town", "county"] = msgspec.field(name="to")
    over: Span


@dataclass(frozen=True)
class CardClocks:
    """The clocks of the card that a case has; None where the rule gives no limit."""

    accept: Clock | None
    handle: Clock | None
    points: float


class Supervision:
    """The rules of one county."""

    def __init__(self, cards: Sequence[CardRule], escalations: Sequence[EscalationRule]) -> None:
        # The worst first: a case that is far too late gets the red card, and not three.
        self._cards = sorted(cards, key=lambda rule: -CARDS.index(rule.card))
        self._escalations = escalations

    def find_card(
        self, category: str, severity: int, state: CaseState, steps: Iterable[Step], clock: Clock | None, now_ms: int
    ) -> CardRule | None:
        """Return the rule by which a case gets a card now; None where there is none.

        It is worse than the card that the case has, and no lesser one than any that a rule has raised before.
        """
        done = {step.details.get(RULE_DETAIL) for step in list_deeds(steps, state)}
        has = CARDS.index(state.card) if state.card in CARDS else -1
        had = max((CARDS.index(rule.card) for rule in self._cards if rule.key in done), default=-1)
        for rule in self._cards:
            rank = CARDS.index(rule.card)
            if rank <= has or rank < had:
                return None
            if rule.key not in done and rule.fits(category, severity) and _is_earned(rule, state, clock, now_ms):
                return rule
        return None

    def find_escalation(
        self, category: str, severity: int, state: CaseState, steps: Iterable[Step], clock: Clock | None, now_ms: int
    ) -> EscalationRule | None:
        """Return the rule by which a case goes up a level now; None where there is none, and while its clock stops."""
        if clock is None or clock.stopped:
            return None
        done = {step.details.get(RULE_DETAIL) for step in list_deeds(steps, state)}
        for rule in self._escalations:
            if rule.lower != state.level or rule.key in done or not rule.fits(category, severity):
                continue
            granted = (*clock.extensions, rule.over)
            longer = run_clock(clock.limit, clock.calendar, clock.started_ms, clock.stops, granted, clock.ended_ms)
            if longer is not None and longer.due_ms is not None and longer.due_ms <= now_ms:
                return rule
        return None

    def run_card(
        self, category: str, severity: int, state: CaseState, steps: Iterable[Step], calendar: WorkCalendar
    ) -> CardClocks | None:
        """Return the clocks of the card that a case has; None where it has none, or one that no rule knows.

        It is accepted by the first thing that a person does after it, and settled when the case is handled; they stand
        still while the case is suspended. A card that a person raised has the limits of the first rule for its kind.
        """
        since_ms = state.card_ms
        if state.card is None or since_ms is None:
            return None
        rules = [rule for rule in self._cards if rule.card == state.card]
        counted = sorted(_drop_void(steps, state), key=lambda step: (step.at_ms, step.order, step.key))
        raised = [
            step.details.get(RULE_DETAIL) for step in counted if step.at_ms == since_ms and "card" in step.details
        ]
        rule = next((rule for rule in rules if raised and rule.key == raised[-1]), rules[0] if rules else None)
        if rule is None:
            return None
        answers = (step.at_ms for step in counted if step.at_ms > since_ms and step.actor != STEWARD)
        handled = state.handled_ms is not None and state.handled_ms > since_ms

        def run(step: str, span: Span | None, ended_ms: int | None) -> Clock | None:
            limit = None if span is None else _make_limit(rule, step, span, category, severity)
            return run_clock(limit, calendar, since_ms, state.stops, (), ended_ms)

        return CardClocks(
            accept=run("accept", rule.accept, next(answers, state.ended_ms)),
            handle=run("handle", rule.handle, state.handled_ms if handled else state.ended_ms),
            points=rule.points,
        )


def list_deeds(steps: Iterable[Step], state: CaseState) -> list[Step]:
    """Return what the steward has done to a case; what came to nothing is not among it."""
    return [step for step in _drop_void(steps, state) if step.actor == STEWARD]


def _drop_void(steps: Iterable[Step], state: CaseState) -> Iterator[Step]:
    void = {*state.overtaken, *state.undone}
    return (step for step in steps if step.key not in void)


def read_supervision(settings: Mapping[str, Any], county: County) -> Supervision:
    """Return a pack's rules for cards and escalations; raises `PackError` naming the row and the field."""
    taken: set[str] = set()
    cards = read_rules(settings, "cards", CardRule, county.categories, taken)
    escalations = read_rules(settings, "escalations", EscalationRule, county.categories, taken)
    for number, card in enumerate(cards, 1):
        if not (card.share or card.returns or card.hand_backs):
            raise PackError(f"{FILE}: cards[{number}]: share, returns or hand_backs must say when")
    for number, rule in enumerate(escalations, 1):
        if LEVELS.index(rule.upper) <= LEVELS.index(rule.lower):
            raise PackError(f"{FILE}: escalations[{number}].to: {rule.upper} is not above {rule.lower}")
    return Supervision(cards, escalations)


def _is_earned(rule: CardRule, state: CaseState, clock: Clock | None, now_ms: int) -> bool:
    if state.returns < rule.returns or state.hand_backs < rule.hand_backs:
        return False
    if not rule.share:
        return True
    return clock is not None and not clock.stopped and clock.used_share(now_ms) >= rule.share


def _make_limit(rule: CardRule, step: str, span: Span, category: str, severity: int) -> Limit:
    row = LimitRule(
        place=f"{FILE}: cards: {rule.key}",
        beginnings=rule.categories or ("",),
        severities=rule.severities,
        step=step,
        flow="",
        allowed=span,
        source=rule.source,
        verified=rule.verified,
        text=rule.name,
    )
    beginning = next((one for one in rule.categories if category.startswith(one)), "")
    return Limit(category, severity, span, row, beginning, by_severity=bool(rule.severities), by_flow=False)
