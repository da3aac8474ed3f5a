"""Which of a case's clocks ends first: the whole case's, its present step's, or its supervision card's."""

from collections.abc import Collection
from typing import Literal, NamedTuple

from cases.clocks import Clock, Colour
from cases.fold import CaseState, Step
from cases.rulebook import Rulebook

ClockKind = Literal["total", "step", "accept", "handle"]
"""Whose limit it is: the whole case's, the present step's, or the card's for answering it and for settling the case."""


class Deadline(NamedTuple):
    """A clock as far as lists need it; moments in epoch ms.

    near_ms, due_ms: the first moments at which 80 % and all of its limit are used; None while nobody knows because it
    is `stopped`.
    """

    kind: ClockKind
    started_ms: int
    near_ms: int | None
    due_ms: int | None
    stopped: bool

    def colour(self, at_ms: int) -> Colour | None:
        """Return its light at a moment; None where it has none."""
        if self.stopped:
            return "stopped"
        if self.due_ms is None or self.near_ms is None:
            return None
        if at_ms <= self.near_ms:
            return "green"
        return "yellow" if at_ms <= self.due_ms else "red"


def list_deadlines(
    rulebook: Rulebook, category: str, severity: int, reported_ms: int, state: CaseState, steps: Collection[Step]
) -> tuple[Deadline, ...]:
    """Return the clocks that run for a case: the one that ends first at the front, those that stand still at the end.

    Once a case has ended the whole case's alone is left, and a card's goes as soon as it is answered or settled.
    """
    clocks: dict[ClockKind, Clock | None] = {"total": rulebook.run_clock(category, severity, reported_ms, state)}
    if state.is_open:
        since_ms = reported_ms if state.since_ms is None else state.since_ms
        clocks["step"] = rulebook.run_step(category, severity, state.state, since_ms, state)
        card = rulebook.supervision.run_card(category, severity, state, steps, rulebook.calendar)
        if card is not None:
            clocks |= {"accept": card.accept, "handle": card.handle}
    running = [
        Deadline(kind, clock.started_ms, clock.near_ms, clock.due_ms, clock.stopped)
        for kind, clock in clocks.items()
        if clock is not None and (kind == "total" or clock.ended_ms is None)
    ]
    return tuple(sorted(running, key=_rank))


def _rank(one: Deadline) -> tuple[bool, float]:
    """Return its place in line; of two that end together the one of the wider matter stays in front."""
    return one.stopped, float("inf") if one.due_ms is None else one.due_ms
