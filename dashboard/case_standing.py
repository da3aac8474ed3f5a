"""How a case stands, and names that all that is told of one has in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cases.flow import Flow
from cases.fold import CaseState, Step
from dashboard.text import text
from geo.county import County
from geo.pack import Name
from ingest.answers import Case as CaseRow
from ingest.case_state import REPORT
from ingest.tables import as_time
from layers.things import Case as LiveCase


@dataclass(frozen=True)
class Standing:
    """A case as it stands: its flow, every action, and where they have brought it; `now_ms` is the county's clock."""

    flow: Flow
    state: CaseState
    steps: Sequence[Step]
    now_ms: int


def describe_standing(standing: Standing, county: County, lang: str) -> dict[str, Any]:
    """Return where a case is, whose turn it is, and what was laid down for it; times are epoch seconds."""
    state, flow = standing.state, standing.flow
    return {
        "flow": flow.key,
        "state": state.state,
        "since": None if state.since_ms is None else state.since_ms // 1000,
        "owner": flow.states[state.state].owner,
        "owner_name": name_role(flow.states[state.state].owner, lang),
        "open": state.is_open,
        "unit": name_unit(county, state.unit, lang),
        "unit_code": state.unit,
        "level": state.level,
        "grade": state.grade,
        "kind": state.kind,
        "complexity": state.complexity,
        "colour": state.colour,
        "card": state.card,
        "card_at": None if state.card_ms is None else state.card_ms // 1000,
        "returns": state.returns,
        "hand_backs": state.hand_backs,
        "merged_into": state.merged_into,
        "closed_at": None if state.ended_ms is None else state.ended_ms // 1000,
        "incidents": [[start // 1000, None if end is None else end // 1000] for start, end in state.incidents],
        "stops": [[start // 1000, None if end is None else end // 1000] for start, end in state.stops],
        "as_of": standing.now_ms // 1000,
    }


def as_row(case: LiveCase, cell_code: str | None) -> CaseRow:
    """Return a case of the live state as SQL will have it."""
    return CaseRow(
        case_id=case.case_id,
        source=case.kept_by[1],
        event_id=case.kept_by[2],
        origin=case.origin,
        category=case.category,
        title=case.title,
        severity=case.severity,
        channel=case.channel,
        people=case.people,
        lon=case.lon,
        lat=case.lat,
        cell_code=cell_code,
        reported_at=case.reported_at,
        received_at=as_time(case.kept_by[0]),
        last_action=REPORT,
        last_action_at=case.reported_at,
        last_unit=case.state.unit,
        closed_at=None,
        changed_at=case.reported_at,
    )


def name_unit(county: County, code: str | None, lang: str) -> str | None:
    """Return a unit's name in a language, its code where the pack has no such unit."""
    unit = county.units.get(code or "")
    if unit is None:
        return code
    return unit.en if lang == "en" else unit.zh


def name_role(role: str | None, lang: str) -> str | None:
    """Return a role's name in a language; None for none."""
    return text(lang, f"people.role_{role}") if role else None


def pick(name: Name, lang: str) -> str:
    """Return a name in a language."""
    return name.en if lang == "en" else name.zh
