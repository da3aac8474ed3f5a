"""The queue in words: its filter as a sentence, and each case as a row. Pure; titles are masked."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from cases.rulebook import Rulebook
from dashboard.case_standing import name_role, name_unit, pick
from dashboard.exports.csv_text import Row
from dashboard.pages.briefing import name_class
from dashboard.queue_query import Query
from dashboard.text import load_catalogue, text
from geo.county import County
from ingest.masking import mask_text
from ingest.tables import as_time
from layers.places import index_places
from layers.things import Case

COLUMNS: Final = (
    *("case_id", "severity", "category", "title", "town", "village", "cell", "lon", "lat", "state", "turn", "unit"),
    *("level", "grade", "card", "light", "due_at", "reported_at", "ended_at", "people", "channel", "origin"),
)
TOWN_DIGITS: Final = 9
VILLAGE_DIGITS: Final = 12


class QueueWords:
    """Says in one language what the queue holds at a moment (epoch ms)."""

    def __init__(self, county: County, rulebook: Rulebook, lang: str, now_ms: int) -> None:
        self._county, self._rulebook, self._lang, self._now_ms = county, rulebook, lang, now_ms
        self._places = index_places(county)
        self._states = {key: state.name for flow in rulebook.flows.values() for key, state in flow.states.items()}

    def name_columns(self) -> Row:
        """Return the first row of the table."""
        return [text(self._lang, f"export.col_{column}") for column in COLUMNS]

    def tell_case(self, case: Case) -> Row:
        """Return one case as a row."""
        state, clock = case.state, case.first_clock
        flow_state = self._rulebook.find_state(case.category, state.state)
        return [
            case.case_id,
            self._say("severity.", case.severity),
            self._name_class(case.category),
            mask_text(case.title),
            *self._name_places(case.cell),
            case.lon,
            case.lat,
            pick(flow_state.name, self._lang),
            name_role(flow_state.owner, self._lang),
            self._name_unit(state.unit),
            self._say("drawer.level_", state.level),
            state.grade and self._say("duty.grade_", state.grade),
            state.card and self._say("duty.card_", state.card),
            self._say("duty.colour_", case.first_colour(self._now_ms) or "none"),
            self._tell_time(clock.due_ms if clock else None),
            self._tell_time(case.reported_ms),
            self._tell_time(state.ended_ms),
            case.people,
            self._say("channel.", case.channel),
            self._say("common.", case.origin),
        ]

    def tell_filter(self, query: Query) -> str:
        """Return what a query of the desk asks for."""
        return "; ".join(f"{text(self._lang, key)}: {words}" for key, words in self._list_filters(query) if words)

    def _list_filters(self, query: Query) -> Iterator[tuple[str, str]]:
        """Yield the name of each filter in the catalogue with what is asked for, empty for everything."""
        filters = query.filters
        yield "duty.show", self._say("duty.show_", query.show)
        yield "export.places", self._join(self._name_area, filters.areas)
        yield "duty.category", self._join(self._name_class, filters.categories)
        yield "duty.severity", self._join(partial(self._say, "severity."), filters.severities)
        yield "duty.unit", self._join(self._name_unit, filters.units)
        yield "duty.state", self._join(self._name_state, filters.states)
        yield "duty.channel", self._join(partial(self._say, "channel."), filters.channels)
        for name, chosen in (("colour", filters.colours), ("card", filters.cards), ("grade", filters.grades)):
            yield f"duty.{name}", self._join(partial(self._say, f"duty.{name}_"), chosen)
        yield "export.words", mask_text(filters.text)
        if filters.hours is not None:
            yield "duty.hours", text(self._lang, "export.last_hours", n=f"{filters.hours:g}")
        if filters.since_ms is not None or filters.until_ms is not None:
            yield "duty.hours", f"{self._tell_time(filters.since_ms)} – {self._tell_time(filters.until_ms)}"
        if filters.within:
            yield "export.within", text(self._lang, "export.corners", n=len(filters.within))
        if filters.mine:
            yield "duty.mine", text(self._lang, "drawer.yes")

    def _join(self, name: Callable[[Any], str | None], values: Iterable[Any]) -> str:
        return text(self._lang, "export.comma").join(str(name(one)) for one in sorted(values))

    def _say(self, section: str, word: object) -> str:
        return load_catalogue(self._lang).get(f"{section}{word}", str(word))

    def _name_class(self, code: str) -> str:
        # With its name a spreadsheet takes the code for a text, and leaves the zero at its front alone.
        return f"{code} {name_class(self._county, code, self._lang)}"

    def _name_unit(self, code: str | None) -> str | None:
        return name_unit(self._county, code, self._lang)

    def _name_state(self, key: str) -> str:
        return pick(self._states[key], self._lang) if key in self._states else key

    def _name_area(self, code: str) -> str:
        title = self._places.area_titles.get(code)
        return getattr(title, self._lang) if title else code

    def _name_places(self, cell: int | None) -> tuple[str, str, str]:
        """Return town, village and cell; of the cell its code, too."""
        if cell is None:
            return text(self._lang, "common.outside"), "", ""
        code = self._places.cell_codes[cell]
        town, village, own = (self._name_area(code[:digits]) for digits in (TOWN_DIGITS, VILLAGE_DIGITS, None))
        return town, village, f"{code} {own}"

    def _tell_time(self, ms: int | None) -> str:
        return "" if ms is None else f"{as_time(ms).astimezone(self._county.time_zone):%Y-%m-%d %H:%M:%S}"
