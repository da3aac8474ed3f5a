"""What an alarm is called on screens: its rule, what it is about, and where."""

from typing import NamedTuple

from brain.alarm_book import Entry
from brain.alarm_rules import CaseRule, SilenceRule, WarningRule
from layers.contract import Title
from layers.places import feature_id
from layers.state import LiveState
from layers.words import plain

NOTHING = Title("", "")


class AlarmWords(NamedTuple):
    """The name of the alarm, of what it is about, and of where that is; empty where nobody said."""

    name: Title
    thing: Title
    place: Title


def name_alarm(state: LiveState, entry: Entry) -> AlarmWords:
    """Return the words of an alarm; one that no rule of ours has raised is called as its sender calls it."""
    rule = state.alarm_rules.by_key.get(entry.rule or "")
    place = state.place_of(state.find_cell(entry.alarm.cell_code)) or NOTHING
    if rule is None:
        return AlarmWords(plain(entry.alarm.subject), NOTHING, place)
    return AlarmWords(Title(rule.zh, rule.en), _name_thing(state, entry), place)


def find_point(state: LiveState, entry: Entry) -> tuple[float, float] | None:
    """Return where an alarm is, as lon and lat; None where it is nowhere."""
    if entry.lon is not None and entry.lat is not None:
        return entry.lon, entry.lat
    cell = state.find_cell(entry.alarm.cell_code)
    return None if cell is None else state.places.cell_points[cell]


def _name_thing(state: LiveState, entry: Entry) -> Title:
    """Return the name of what an alarm is about; of a case its class, for titles are not for walls."""
    thing, rule = entry.thing or "", state.alarm_rules.by_key.get(entry.rule or "")
    if isinstance(rule, CaseRule):
        case = state.cases.get(feature_id("case:" + thing))
        return plain(thing) if case is None else state.categories.get(case.category, plain(case.category))
    if isinstance(rule, WarningRule):
        warning = state.alerts.get(feature_id("alert:" + thing))
        return NOTHING if warning is None else warning.headline
    if isinstance(rule, SilenceRule) and rule.of == "feed":
        return state.feed_titles.get(thing, plain(thing))
    asset = state.assets.get(state.identify_asset(thing))
    return plain(thing) if asset is None else asset.name
