"""The incidents there are and were, as far as a viewer may see their cases."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from cases.fold import fold, read_step
from cases.rulebook import Rulebook
from dashboard.people.viewer import Viewer
from dashboard.scope import sees_case
from ingest.answers import CaseFile
from ingest.case_state import REPORT
from ingest.history import read_case, read_incident_ids

MOST: Final = 200
"""So many cases back the list goes."""


@dataclass(frozen=True)
class Stretch:
    """One time in which a case was in incident mode; `ended_ms` is None while it is."""

    file: CaseFile
    begun_ms: int
    ended_ms: int | None


def list_stretches(engine: Engine, rulebook: Rulebook, viewer: Viewer) -> list[Stretch]:
    """Return the stretches that a viewer may see, those that stand first, then the newest; reads SQL."""
    found: list[Stretch] = []
    for case_id in read_incident_ids(engine, MOST):
        file = read_case(engine, case_id)
        if file is None:
            continue
        steps = [read_step(row) for row in file.actions if row.action != REPORT]
        state = fold(rulebook.flow_of(file.case.category), steps)
        if sees_case(viewer, file.case.cell_code, steps, state):
            found += [Stretch(file, begun_ms, ended_ms) for begun_ms, ended_ms in state.incidents]
    return sorted(found, key=lambda one: (one.ended_ms is not None, -one.begun_ms, one.file.case.case_id))
