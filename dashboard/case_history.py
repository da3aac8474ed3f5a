"""Everything that was done to a case, in the order of time, as the desk shows it; nobody is named."""

from typing import Any

from cases.flow import NEEDS, ROLES
from cases.fold import Step, trace
from dashboard.case_standing import Standing, name_role, name_unit, pick
from dashboard.text import text
from geo.county import County
from ingest.answers import CaseAction, CaseFile
from ingest.case_state import REPORT, STEWARD, make_action_key
from ingest.masking import mask_text
from ingest.reasons import read_reason


def describe_actions(file: CaseFile, standing: Standing, county: County, lang: str) -> list[dict[str, Any]]:
    """Return every action, its report first, those too that came to nothing, each with where it brought the case.

    mark: "overtaken", "undone" or "irregular" (told by somebody elsewhere, out of the flow's turn), else empty.
    """
    state = standing.state
    reached = {step.key: after.state for step, after in trace(standing.flow, standing.steps)}
    marks = dict.fromkeys(state.overtaken, "overtaken") | dict.fromkeys(state.undone, "undone")
    marks |= {key: "irregular" for key, _ in state.irregular}
    notes = {key_of(row): row.note for row in file.actions}
    reports = [
        _describe_report(key_of(row), int(row.at.timestamp()), row.note) for row in file.actions if row.action == REPORT
    ] or [_describe_report(REPORT, int(file.case.reported_at.timestamp()), None)]
    told = [
        {
            "key": step.key,
            "action": step.action,
            "at": step.at_ms // 1000,
            "role_name": text(lang, "drawer.actor_rule")
            if step.actor == STEWARD
            else name_role(_find_role(step, county), lang),
            "unit": name_unit(county, step.unit or step.details.get("by_unit"), lang),
            "note": mask_text(notes.get(step.key) or _say_why(step, lang)),
            "mark": marks.get(step.key, ""),
            "state": reached.get(step.key),
            "details": _pick_details(step, county, lang),
        }
        for step in sorted(standing.steps, key=lambda step: (step.at_ms, step.order, step.key))
    ]
    return sorted([*reports, *told], key=lambda one: one["at"])


def key_of(row: CaseAction) -> str:
    """Return what an action of SQL is known by."""
    return make_action_key(row.source, row.event_id)


def _describe_report(key: str, at: int, note: str | None) -> dict[str, Any]:
    return {"key": key, "action": REPORT, "at": at, "note": mask_text(note), "mark": "", "state": "reported"}


def _find_role(step: Step, county: County) -> str | None:
    """Return the role in which something was done: as the desk wrote down, or a worker's by the roster's number."""
    said = step.details.get("role")
    if said in ROLES:
        return str(said)
    if step.actor in ROLES:
        return step.actor
    return "grid_worker" if step.actor in county.assets.index else None


def _say_why(step: Step, lang: str) -> str | None:
    """Return in words why a rule acted; None where no reason is said."""
    reason = read_reason(step.details)
    if reason is None:
        return None
    return text(
        lang,
        f"drawer.because_{reason.code}",
        rule=pick(reason.rule, lang),
        version=reason.version,
        share=f"{reason.share:.0%}",
        lower=text(lang, f"drawer.level_{reason.lower}"),
        upper=text(lang, f"drawer.level_{reason.upper}"),
    )


def _pick_details(step: Step, county: County, lang: str) -> dict[str, Any]:
    """Return what was said with an action beside note and unit; units by name."""
    told = {name: step.details[name] for name in NEEDS if name in step.details and name not in ("note", "unit")}
    if isinstance(told.get("units"), list):
        told["units"] = [name_unit(county, str(unit), lang) for unit in told["units"]]
    return told
