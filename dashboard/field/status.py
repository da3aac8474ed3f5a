"""What became of a report, as whoever made it may know: no person, no word that was said inside, no other's photos."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Engine, select

from cases.flow import START, Flow
from cases.fold import CaseState, fold, read_step
from cases.rulebook import Rulebook
from dashboard.field.number import show_number
from dashboard.field.report import Places
from dashboard.publishing import SOURCE
from dashboard.text import load_catalogue
from geo.county import County
from geo.pack import Name
from ingest.answers import CaseFile
from ingest.case_state import REPORT, pick_effective
from ingest.history import read_case
from ingest.tables import as_ms, as_time, case_actions

LONGEST_CHAIN: Final = 5
"""How many times a case may have been merged into another and still be followed."""


@dataclass(frozen=True)
class RecordedReport:
    """A report of ours as SQL has it; `media` are addresses of its own photos."""

    number: str
    case_id: str
    category: str
    lon: float
    lat: float
    media: tuple[str, ...]
    reported_at: datetime


def find_report(engine: Engine, number: str) -> RecordedReport | None:
    """Return the report with a number, None where none is recorded (yet)."""
    action = case_actions.c
    query = select(action.case_id, action.at, action.details).where(action.source == SOURCE, action.event_id == number)
    with engine.connect() as connection:
        row = connection.execute(query.where(action.action == REPORT)).one_or_none()
    if row is None:
        return None
    said = msgspec.json.decode(row.details)
    return RecordedReport(
        number, row.case_id, said["category"], said["lon"], said["lat"], tuple(said["media"]), as_time(row.at)
    )


class Stage(NamedTuple):
    """A state that a case came into: when (epoch ms), and the unit that had it then."""

    state: str
    at_ms: int
    unit: str | None


@dataclass(frozen=True, eq=False)
class Teller:
    """Says how a report stands."""

    county: County
    rulebook: Rulebook
    places: Places

    def tell(self, engine: Engine, report: RecordedReport, lang: str) -> dict[str, Any] | None:
        """Return all that its reporter may know of a report; None while its case is not recorded. Reads SQL."""
        file = read_case(engine, report.case_id)
        if file is None:
            return None
        merged = file.case.case_id != report.number
        history, state, flow = self._follow(file)
        for _ in range(LONGEST_CHAIN):
            other = read_case(engine, state.merged_into) if state.merged_into else None
            if other is None:
                break
            merged, file = True, other
            history, state, flow = self._follow(file)
        expected = self._expect(file, state)
        return {
            "number": show_number(report.number),
            "state": state.state,
            "says": self._say_state(flow, state.state, lang),
            "ended": not state.is_open,
            "merged": merged,
            "category": self._name_class(report.category, lang),
            "place": self._name_place(report, lang),
            "reported_at": self._tell_time(report.reported_at),
            "expected_at": expected and self._tell_time(expected),
            "unit": self._name_unit(state.unit, lang),
            "steps": [
                {
                    "at": self._tell_time(as_time(step.at_ms)),
                    "says": self._say_state(flow, step.state, lang),
                    "unit": self._name_unit(step.unit, lang),
                }
                for step in history
            ],
            "photos": list(report.media),
        }

    def _follow(self, file: CaseFile) -> tuple[list[Stage], CaseState, Flow]:
        """Return the stages that a case has gone through, the last first; its present state; and its flow."""
        flow = self.rulebook.flow_of(file.case.category)
        steps = [read_step(action) for action in file.actions]
        counted = sorted(pick_effective(steps).deeds, key=lambda step: (step.at_ms, step.order))
        # What counted is told as facts: of requests a part would not count without the others.
        facts = [replace(step, details={**step.details, "expects": None}) for step in counted]
        stages = [Stage(START, as_ms(file.case.reported_at), None)]
        for count in range(1, len(facts) + 1):
            state = fold(flow, facts[:count])
            if state.state != stages[-1].state or (state.unit and state.unit != stages[-1].unit):
                stages.append(Stage(state.state, facts[count - 1].at_ms, state.unit))
        return stages[::-1], fold(flow, steps), flow

    def _expect(self, file: CaseFile, state: CaseState) -> datetime | None:
        """Return when an open case is due; None where nothing says so, or while it is on hold."""
        case = file.case
        clock = self.rulebook.run_clock(case.category, case.severity, as_ms(case.reported_at), state)
        due_ms = clock.due_ms if clock and state.is_open else None
        return None if due_ms is None else as_time(due_ms)

    def _say_state(self, flow: Flow, state: str, lang: str) -> str:
        """Return a state in words for everybody; a pack's own state by its name."""
        known = load_catalogue(lang).get(f"status.state_{state}")
        return known or _pick(flow.states[state].name, lang)

    def _name_class(self, code: str, lang: str) -> str:
        category = self.county.categories.get(code)
        return _pick(Name(category.zh, category.en), lang) if category else code

    def _name_place(self, report: RecordedReport, lang: str) -> str:
        place = self.places.find(report.lon, report.lat)
        if place is None:
            return ""
        town, village = _pick(place.town, lang), _pick(place.village, lang)
        return f"{village}, {town}" if lang == "en" else f"{town}{village}"

    def _name_unit(self, code: str | None, lang: str) -> str | None:
        unit = self.county.units.get(code) if code else None
        return _pick(Name(unit.zh, unit.en), lang) if unit else None

    def _tell_time(self, moment: datetime) -> str:
        """Return a moment by the county's clock, with its offset."""
        return moment.astimezone(self.county.time_zone).isoformat(timespec="seconds")


def _pick(name: Name, lang: str) -> str:
    return name.en if lang == "en" else name.zh
