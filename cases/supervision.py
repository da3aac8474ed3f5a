"""Supervision (督办): cards for cases that run late or come back, and what goes up a level when it is far too late.

Rules are the pack's `[[cards]]` and `[[escalations]]`. Each speaks once for a case: what a person has lifted, or sent
down again, the same rule does not raise again. A card has limits of its own (签收 and 办理) and points.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from cases.calendars import Span, WorkCalendar, read_span
from cases.clocks import Clock, run_clock
from cases.flow import LEVELS
from cases.fold import STEWARD, CaseState, Step
from cases.limits import Limit, LimitRule
from cases.tables import FILE, Named, check_beginnings, read_rows
from geo.county import County
from geo.pack import PackError

CARDS: Final = ("ordinary", "yellow", "red")
Severity = Annotated[int, msgspec.Meta(ge=1, le=4)]
RULE_DETAIL: Final = "rule"
"""Where an action of the steward says by which rule it was done."""


class CardRule(Named, kw_only=True):
    """When which card is raised: all that is given must hold.

    share: of the whole case's limit that is used (1: all of it). returns, hand_backs: at least so many. accept, handle:
    how long whoever has the case may take to answer the card and to settle the case, from the card on. points: what the
    card takes away in an assessment.
    """

    key: str
    card: Literal["ordinary", "yellow", "red"]
    categories: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()
    share: float = 0
    returns: int = 0
    hand_backs: int = 0
    accept: dict[str, Any] = msgspec.field(default_factory=dict)
    handle: dict[str, Any] = msgspec.field(default_factory=dict)
    points: float = 0
    source: str = ""
    verified: bool = False


class EscalationRule(Named, kw_only=True):
    """After how long over its limit a case goes from one level up to another."""

    key: str
    lower: Literal["cell", "village", "town"] = msgspec.field(name="from")
    upper: Literal["village", "town", "county"] = msgspec.field(name="to")
    over: dict[str, Any]
    categories: tuple[str, ...] = ()
    severities: tuple[Severity, ...] = ()


@dataclass(frozen=True)
class CardClocks:
    """The clocks of the card that a case has; None where the rule gives no limit."""

    accept: Clock | None
    handle: Clock | None
    points: float


class Supervision:
    """The rules of one county."""

    def __init__(self, cards: Sequence[CardRule] = (), escalations: Sequence[EscalationRule] = ()) -> None:
        # The worst first: a case that is far too late gets the red card, and not three.
        self._cards = sorted(cards, key=lambda rule: -CARDS.index(rule.card))
        self._escalations = [(rule, read_span(rule.over)) for rule in escalations]

    def find_card(
        self, category: str, severity: int, state: CaseState, steps: Iterable[Step], clock: Clock | None, now_ms: int
    ) -> CardRule | None:
        """Return the rule by which a case gets a card now; None where there is none.

        It is worse than the card that the case has, and no lesser one than any that a rule has raised before.
        """
        done = list_done(steps, state)
        has = CARDS.index(state.card) if state.card in CARDS else -1
        had = max((CARDS.index(rule.card) for rule in self._cards if rule.key in done), default=-1)
        for rule in self._cards:
            rank = CARDS.index(rule.card)
            if rank <= has or rank < had:
                return None
            if rule.key not in done and _fits(rule, category, severity) and _is_earned(rule, state, clock, now_ms):
                return rule
        return None

    def find_escalation(
        self, category: str, severity: int, state: CaseState, steps: Iterable[Step], clock: Clock | None, now_ms: int
    ) -> EscalationRule | None:
        """Return the rule by which a case goes up a level now; None where there is none, and while its clock stops."""
        if clock is None or clock.stopped:
            return None
        done = list_done(steps, state)
        for rule, over in self._escalations:
            if rule.lower != state.level or rule.key in done or not _fits(rule, category, severity):
                continue
            granted = (*clock.extensions, over)
            longer = run_clock(clock.limit, clock.calendar, clock.started_ms, clock.stops, granted, clock.ended_ms)
            if longer is not None and longer.due_ms is not None and longer.due_ms <= now_ms:
                return rule
        return None

    def run_card(
        self, category: str, severity: int, state: CaseState, steps: Iterable[Step], calendar: WorkCalendar
    ) -> CardClocks | None:
        """Return the clocks of the card that a case has; None where it has none, or one that no rule knows.

        It is accepted by the first thing that a person does after it, and settled when the case is handled. A card that
        a person raised has the limits of the first rule for its kind.
        """
        if state.card is None or state.card_ms is None:
            return None
        steps = sorted(steps, key=lambda step: (step.at_ms, step.order, step.key))
        raised = [step for step in steps if step.action == "supervise" and step.at_ms == state.card_ms]
        key = raised[-1].details.get(RULE_DETAIL) if raised else None
        rules = [rule for rule in self._cards if rule.card == state.card]
        rule = next((rule for rule in rules if rule.key == key), rules[0] if rules else None)
        if rule is None:
            return None
        since_ms = state.card_ms
        answers = (step.at_ms for step in steps if step.at_ms > since_ms and step.actor != STEWARD)
        answered_ms = next(answers, state.ended_ms)
        handled = state.handled_ms is not None and state.handled_ms > since_ms
        handled_ms = state.handled_ms if handled else state.ended_ms

        def run(step: str, length: Mapping[str, Any], ended_ms: int | None) -> Clock | None:
            if not length:
                return None
            return run_clock(_make_limit(rule, step, length, category, severity), calendar, since_ms, (), (), ended_ms)

        return CardClocks(run("accept", rule.accept, answered_ms), run("handle", rule.handle, handled_ms), rule.points)


def list_done(steps: Iterable[Step], state: CaseState) -> frozenset[str]:
    """Return the keys of the rules by which the steward has acted on a case; what came to nothing is not among them."""
    void = {*state.overtaken, *state.undone}
    return frozenset(
        str(step.details[RULE_DETAIL])
        for step in steps
        if step.actor == STEWARD and RULE_DETAIL in step.details and step.key not in void
    )


def read_supervision(settings: Mapping[str, Any], county: County) -> Supervision:
    """Return a pack's rules for cards and escalations; raises `PackError` naming the row and the field."""
    cards = read_rows(settings, "cards", CardRule)
    escalations = read_rows(settings, "escalations", EscalationRule)
    keys = [*(rule.key for rule in cards), *(rule.key for rule in escalations)]
    for number, card in enumerate(cards, 1):
        place = f"cards[{number}]"
        _check_rule(card, keys, county.categories, place)
        if not (card.share or card.returns or card.hand_backs):
            raise PackError(f"{FILE}: {place}: share, returns or hand_backs must say when")
        if card.share < 0 or card.returns < 0 or card.hand_backs < 0:
            raise PackError(f"{FILE}: {place}: share, returns and hand_backs must not be below 0")
        for field, length in (("accept", card.accept), ("handle", card.handle)):
            if length:
                _check_span(length, f"{place}.{field}")
    for number, rule in enumerate(escalations, 1):
        place = f"escalations[{number}]"
        _check_rule(rule, keys, county.categories, place)
        _check_span(rule.over, f"{place}.over")
        if LEVELS.index(rule.upper) <= LEVELS.index(rule.lower):
            raise PackError(f"{FILE}: {place}.to: {rule.upper} is not above {rule.lower}")
    return Supervision(cards, escalations)


def _check_rule(rule: CardRule | EscalationRule, keys: Sequence[str], categories: Collection[str], place: str) -> None:
    if not rule.key or keys.count(rule.key) > 1:
        raise PackError(f"{FILE}: {place}.key: {rule.key!r} is {'taken' if rule.key else 'missing'}")
    if not rule.zh:
        raise PackError(f"{FILE}: {place}.zh is missing: the rule in words")
    check_beginnings(rule.categories, categories, f"{place}.categories")


def _check_span(length: Mapping[str, Any], place: str) -> Span:
    try:
        return read_span(length)
    except ValueError as error:
        raise PackError(f"{FILE}: {place}: {error}") from None


def _fits(rule: CardRule | EscalationRule, category: str, severity: int) -> bool:
    return (not rule.categories or category.startswith(rule.categories)) and (
        not rule.severities or severity in rule.severities
    )


def _is_earned(rule: CardRule, state: CaseState, clock: Clock | None, now_ms: int) -> bool:
    if state.returns < rule.returns or state.hand_backs < rule.hand_backs:
        return False
    if not rule.share:
        return True
    return clock is not None and not clock.stopped and clock.used_share(now_ms) >= rule.share


def _make_limit(rule: CardRule, step: str, length: Mapping[str, Any], category: str, severity: int) -> Limit:
    span = read_span(length)
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
    return Limit(category, severity, step, span, row, "", bool(rule.severities), False)
