"""The incidents that stand, as `/live` tells them: classes, places, units, clocks, numbers; nobody's words or name."""

from collections.abc import Collection
from typing import Any, Final

from brain.incidents import Line, draw, recall
from dashboard.incident_picture import describe_line, describe_picture, find_alarms_near, is_remark
from dashboard.nearby import find_forces
from layers.places import feature_id
from layers.state import LiveState
from layers.things import Case

EVERY_MS: Final = 1000
MOST_LINES: Final = 20
DECIMALS: Final = 5


class Incidents:
    """The incidents of one screen, and what was told of them."""

    def __init__(self, state: LiveState):
        self._state = state
        self._standing = {id for id, case in state.cases.items() if case.state.in_incident}
        self._told: dict[int, dict[str, Any]] = {}
        self._told_ms = 0

    def tell(self, changed: Collection[int]) -> list[dict[str, Any]]:
        """Return the incidents that look different, at once where one of the changed cases is among them."""
        state = self._state
        mine = {id for id in changed if id in self._standing or _is_incident(state.cases.get(id))}
        self._standing |= mine
        if not self._standing or (not mine and 0 <= state.clock_ms - self._told_ms < EVERY_MS):
            return []
        self._told_ms = state.clock_ms
        self._standing = {id for id in self._standing if _is_incident(state.cases.get(id))}
        described = {id: describe_incident(state, state.cases[id]) for id in sorted(self._standing)}
        new = [one for id, one in described.items() if self._told.get(id) != one]
        over = [{"id": id, "over": True} for id in self._told if id not in described]
        self._told = described
        return [*new, *over]

    def snapshot(self) -> list[dict[str, Any]]:
        """Return what was told of those that stand."""
        return list(self._told.values())


def describe_incident(state: LiveState, case: Case) -> dict[str, Any]:
    """Return an incident as a wall shows it."""
    near = find_alarms_near(state, state.alarms.values(), case.lon, case.lat)
    alarms = {id: state.alarms[feature_id(f"alarm:{id}")].alarm for id in near}
    around: list[Line] = [line for id, alarm in alarms.items() for line in recall(id, alarm)]
    picture = draw(state.rulebook, case.category, case.severity, case.reported_ms, case.steps, alarms, around)
    lines = [describe_line(line, near) for line in picture.lines if not is_remark(line)]
    return {
        "id": case.id,
        "case_id": case.case_id,
        "exercise": case.is_exercise,
        "category": case.category,
        "severity": case.severity,
        "cell": case.cell,
        "lon": None if case.lon is None else round(case.lon, DECIMALS),
        "lat": None if case.lat is None else round(case.lat, DECIMALS),
        "reported_at": case.reported_ms // 1000,
        **describe_picture(picture, near),
        "forces": find_forces(state, case.lon, case.lat),
        "log": lines[-MOST_LINES:],
    }


def _is_incident(case: Case | None) -> bool:
    return case is not None and case.state.in_incident
