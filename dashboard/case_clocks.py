"""The clocks of one case as the desk shows them: of the whole case, its step, its card, and each co-handling unit."""

from typing import Any, Final

from cases.clocks import Clock
from cases.deadlines import list_deadlines
from cases.explanation import explain
from cases.limits import PART_STEP
from cases.rulebook import Rulebook
from dashboard.case_standing import Standing, name_unit, pick
from dashboard.clock_lines import tell_clock, tell_span
from geo.county import County
from geo.pack import Name

REPORTED: Final = Name("上报", "Report")
CALLED_IN: Final = Name("联动", "Called in")
SUPERVISED: Final = Name("督办", "Supervision card")
ACCEPT_CARD: Final = Name("督办签收", "Answer to the card")
HANDLE_CARD: Final = Name("督办办理", "Settlement under the card")


def describe_clocks(
    standing: Standing, category: str, severity: int, reported_ms: int, rulebook: Rulebook, county: County, lang: str
) -> dict[str, Any]:
    """Return `clock`, `step_clock`, `card_clocks` and `parts`; None where nothing says how long it may take.

    `first_clock` says which ends first, as the queue shows it: total, step, accept or handle.
    """
    state, flow = standing.state, standing.flow

    def tell(clock: Clock | None, event: Name, step: Name | None = None) -> dict[str, Any] | None:
        return None if clock is None else _describe(clock, standing.now_ms, event, step, county, lang)

    def run(step: str, started_ms: int, ended_ms: int | None) -> Clock | None:
        return rulebook.run_step(category, severity, step, started_ms, state, ended_ms)

    here = flow.states[state.state].name
    began = (REPORTED, reported_ms) if state.since_ms is None else (here, state.since_ms)
    part_step = flow.states[PART_STEP].name if PART_STEP in flow.states else None
    card = rulebook.supervision.run_card(category, severity, state, standing.steps, rulebook.calendar)
    deadlines = list_deadlines(rulebook, category, severity, reported_ms, state, standing.steps)
    return {
        "first_clock": deadlines[0].kind if deadlines else None,
        "card_clocks": card
        and {
            "accept": tell(card.accept, SUPERVISED, ACCEPT_CARD),
            "handle": tell(card.handle, SUPERVISED, HANDLE_CARD),
            "points": card.points,
        },
        "clock": tell(rulebook.run_clock(category, severity, reported_ms, state), REPORTED),
        "step_clock": tell(run(state.state, began[1], None), began[0], here) if state.is_open else None,
        "parts": [
            {
                "unit": name_unit(county, part.unit, lang),
                "unit_code": part.unit,
                "since": part.since_ms // 1000,
                "done_at": None if part.done_ms is None else part.done_ms // 1000,
                "clock": tell(
                    run(PART_STEP, part.since_ms, state.ended_ms if part.done_ms is None else part.done_ms),
                    CALLED_IN,
                    part_step,
                ),
            }
            for part in state.parts
        ],
    }


def _describe(clock: Clock, now_ms: int, event: Name, step: Name | None, county: County, lang: str) -> dict[str, Any]:
    """Return a clock with its explanation line by line; `used_share` is that of now."""
    told = explain(clock, now_ms, event, step)
    return {
        "step": None if step is None else pick(step, lang),
        "limit": tell_span(clock.limit.span, lang),
        "started_at": clock.started_ms // 1000,
        "near_at": None if clock.near_ms is None else clock.near_ms // 1000,
        "due_at": None if clock.due_ms is None else clock.due_ms // 1000,
        "ended_at": None if clock.ended_ms is None else clock.ended_ms // 1000,
        "colour": told.colour,
        "used_share": round(told.used_share, 4),
        "stopped": told.colour == "stopped",
        "explanation": tell_clock(told, lang, county.time_zone),
    }
