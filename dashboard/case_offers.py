"""What a person may do to a case now, as the desk offers it: the actions, what each asks for, and what is proposed."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from cases.dispatch import Proposal, Triage, list_hand_backs
from cases.flow import FlowAction
from cases.fold import CaseState
from cases.matters import grade_case
from cases.requests import UNDO_WITHIN_MS, Asker, list_legal, may_undo, offer
from cases.rulebook import Rulebook, find_facts
from dashboard.case_standing import Standing, name_unit, pick
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.answers import Case, CaseFile
from ingest.case_state import make_action_key
from ingest.masking import mask_text
from ingest.tables import as_ms

_KINDS: Final = {
    "note": "text",
    "unit": "unit",
    "units": "units",
    "into": "case",
    "extra": "extension",
    "satisfied": "flag",
}
"""How what an action needs is asked for; all else is a choice of words."""


def describe_offers(
    standing: Standing, file: CaseFile, viewer: Viewer, rulebook: Rulebook, county: County, lang: str
) -> dict[str, Any]:
    """Return `version`, `actions_legal` with the one that usually comes next first, `undo`, `proposal` and `matter`.

    `version` is what a request has to expect. `is_turn` says whether it is for the viewer's role to move the case.
    """
    flow, state = standing.flow, standing.state
    asker = Asker(viewer.name, viewer.role, viewer.unit)
    case = file.case
    proposal = rulebook.propose(case, state, standing.steps, standing.now_ms)
    triage = rulebook.dispatch.triage(find_facts(case, state, standing.now_ms))
    forward = flow.find_forward(state.state)
    legal = sorted(list_legal(flow, state, asker), key=lambda action: action.key != forward)
    return {
        "version": state.version,
        "is_turn": flow.states[state.state].owner == viewer.role and bool(legal),
        "actions_legal": [
            {
                "action": action.key,
                "forward": action.key == forward,
                "moves": action.moves[state.state] != "@same",
                "needs": [_describe_need(need, action, state, asker, proposal, triage) for need in action.needs],
            }
            for action in legal
        ],
        "undo": _offer_undo(standing, asker),
        "proposal": proposal
        and {
            **_describe_proposal(proposal, county, lang),
            "handed_back": _tell_hand_backs(standing, file, county, lang),
        },
        "matter": _describe_matter(case, proposal, rulebook, lang),
    }


def _offer_undo(standing: Standing, asker: Asker) -> dict[str, Any] | None:
    """Return what the asker could take back, and until when (epoch seconds)."""
    last = next((step for step in standing.steps if step.key == standing.state.last_key), None)
    now_ms = as_ms(datetime.now(UTC))
    if last is None or not may_undo(standing.flow, standing.state, last.action, last.at_ms, asker, now_ms):
        return None
    return {"action": last.action, "until": (last.at_ms + UNDO_WITHIN_MS) // 1000}


def _describe_need(
    need: str,
    action: FlowAction,
    state: CaseState,
    asker: Asker,
    proposal: Proposal | None,
    triage: Triage | None,
) -> dict[str, Any]:
    """Return how a field is asked for: its kind, the words to choose from, and what is proposed."""
    words = offer(need, action, state, asker)
    kind = _KINDS.get(need, "word")
    proposed: Any = words[0] if len(words) == 1 else None
    if kind == "unit" and not words and proposal is not None:
        words, proposed = proposal.units, proposal.unit
    if kind == "units" and proposal is not None:
        proposed = list(proposal.co_units)
    if need == "complexity" and triage is not None:
        return {
            "field": need,
            "kind": kind,
            "words": words,
            "proposed": triage.complexity,
            "why": _tell_why(triage.why),
        }
    return {"field": need, "kind": kind, "words": words, "proposed": proposed}


def _describe_proposal(proposal: Proposal, county: County, lang: str) -> dict[str, Any]:
    return {
        "key": proposal.rule,
        "rule": pick(proposal.name, lang),
        "platform": proposal.platform,
        "level": proposal.level,
        "unit": proposal.unit,
        "unit_name": name_unit(county, proposal.unit, lang),
        "co_units": [name_unit(county, unit, lang) for unit in proposal.co_units],
        "units": [{"code": unit, "name": name_unit(county, unit, lang)} for unit in proposal.units],
        "automatic": proposal.automatic,
        "why": _tell_why(proposal.why),
    }


def _tell_why(why: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"condition": condition, "found": found} for condition, found in why]


def _tell_hand_backs(standing: Standing, file: CaseFile, county: County, lang: str) -> list[dict[str, Any]]:
    """Return who handed the case back, when (epoch seconds) and why; these are not proposed again."""
    notes = {make_action_key(row.source, row.event_id): row.note for row in file.actions}
    return [
        {
            "unit": each.unit,
            "unit_name": name_unit(county, each.unit, lang),
            "at": each.at_ms // 1000,
            "reason": mask_text(notes.get(each.key)),
        }
        for each in list_hand_backs(standing.flow, standing.steps)
    ]


def _describe_matter(case: Case, proposal: Proposal | None, rulebook: Rulebook, lang: str) -> dict[str, Any] | None:
    """Return which matter of the list a case is and what that asks; None where the county has no list."""
    admission = rulebook.admit(case.category, case.reported_at)
    if not admission.version:
        return None
    matter = admission.matter
    grading = grade_case(matter, case.severity, proposal.co_units if proposal else ())
    told = {"version": admission.version, "rule": pick(admission.rule, lang), "listed": matter is not None}
    told |= {"grade": grading.grade, "grade_rule": pick(grading.name, lang)}
    if matter is None:
        return told
    return told | {
        "code": matter.code,
        "confirm": matter.confirm,
        "admission": pick(matter.admission.name, lang),
        "standard": pick(matter.standard.name, lang),
        "exit": pick(matter.exit.name, lang),
    }
