"""What a viewer may see: their area on every page, in every answer and export; for a unit, its own cases of it."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, TypeVar

from fastapi import HTTPException

from cases.fold import CaseState, Step, fold, read_step
from cases.rulebook import Rulebook
from dashboard.live import Hub, HubAway
from dashboard.people.viewer import Viewer, get_viewer
from geo.county import County
from ingest.answers import CaseFile
from ingest.case_state import REPORT
from layers.excerpt import Scope, list_units
from layers.state import LiveState

T = TypeVar("T")


def find_scope(viewer: Viewer) -> Scope:
    """Return what a viewer sees; a unit's officer of whom nobody said which unit sees no case."""
    return Scope(viewer.area, (viewer.unit or "") if viewer.role == "unit" else None)


def find_area(viewer: Viewer) -> str:
    """Return the area whose figures a viewer sees; raises `HTTPException` 403 for a unit's: theirs is a list."""
    if find_scope(viewer).unit is not None:
        raise HTTPException(403, "figures of an area are not a unit's to see")
    return viewer.area


async def ask_in_scope(hub: Hub, question: Callable[[LiveState], T]) -> T:
    """Put a question to the live state as the viewer sees it; raises `HTTPException` 503 while there is none."""
    try:
        return await hub.ask(question, find_scope(get_viewer()))
    except HubAway as error:
        raise HTTPException(503, str(error), {"Retry-After": "2"}) from None


def need_county() -> None:
    """Raise `HTTPException` 403 for a viewer of an area: what is told here is the county's alone."""
    if get_viewer().area:
        raise HTTPException(403, "this is for the whole county only")


def sees_case(viewer: Viewer, cell_code: str | None, steps: Iterable[Step], state: CaseState) -> bool:
    """Return whether a case is a viewer's to see: in their area and, for a unit, one that it has or had."""
    unit = find_scope(viewer).unit
    return viewer.sees_cell(cell_code) and (unit is None or unit in list_units(steps, state))


def sees_file(viewer: Viewer, file: CaseFile, rulebook: Rulebook) -> bool:
    """Return whether a recorded case is a viewer's to see."""
    steps = [read_step(row) for row in file.actions if row.action != REPORT]
    return sees_case(viewer, file.case.cell_code, steps, fold(rulebook.flow_of(file.case.category), steps))


@cache
def describe_area(county: County, area: str) -> dict[str, Any]:
    """Return an area's code, names and bbox (west, south, east, north); the county's where it is empty.

    Of an area that the pack does not have it is the code and the county's bbox: its viewers see nothing, but a map.
    """
    if not area:
        return {"code": "", "name": {"zh": county.name.zh, "en": county.name.en}, "bbox": county.bbox}
    if area not in county.areas.index:
        return {"code": area, "name": {"zh": area, "en": area}, "bbox": county.bbox}
    row = county.areas.loc[area]
    english = row["name_en"] if isinstance(row["name_en"], str) and row["name_en"] else row["name"]
    name = {"zh": str(row["name"]), "en": str(english)}
    return {"code": area, "name": name, "bbox": tuple(float(edge) for edge in row.geometry.bounds)}
