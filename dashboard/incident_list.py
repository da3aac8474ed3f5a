"""The incidents there are and were, as far as a viewer may see their cases."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from cases.fold import fold, read_step
from cases.rulebook import Rulebook
from dashboard.people.viewer import Viewer
from dashboard.scope import sees_case
from ingest.answers import Case
from ingest.history import list_incident_cases, read_steps

MOST: Final = 200
"""So many cases back the list goes."""


@dataclass(frozen=True)
class Stretch:
    """One time in which a case was in incident mode; `ended_ms` is None while it is."""

    case: Case
    begun_ms: int
    ended_ms: int | None


def list_stretches(engine: Engine, rulebook: Rulebook, viewer: Viewer) -> list[Stretch]:
    """Return the stretches that a viewer may see, those that stand first, then the newest; reads SQL."""
    cases = list_incident_cases(engine, MOST)
    rows = read_steps(engine, (case.case_id for case in cases))
    found: list[Stretch] = []
    for case in cases:
        steps = [read_step(row) for row in rows.get(case.case_id, ())]
        state = fold(rulebook.flow_of(case.category), steps)
        if sees_case(viewer, case.cell_code, steps, state):
            found += [Stretch(case, begun_ms, ended_ms) for begun_ms, ended_ms in state.incidents]
    return sorted(found, key=lambda one: (one.ended_ms is not None, -one.begun_ms, one.case.case_id))
