"""Alarms in the live state: folded once, restricted to a scope, woken when a shelf ends, let go when long over."""

from datetime import datetime
from typing import Any

import pytest

from brain.alarm_book import KEEP_MS
from dashboard.frames import Screen
from geo.county import County
from ingest.records import AlarmAcked, AlarmActed, AlarmCleared, AlarmRaised, AnyRecord
from layers import LAYERS
from layers.contract import Title, View
from layers.excerpt import Excerpt, Scope
from layers.state import LiveState
from tests.layers.worlds import NOON, NOON_MS, minutes, report


def tell(kind: Any, minute: float, alarm_id: str = "bin_fire:bin-7", **fields: Any) -> AnyRecord:
    at = NOON + minutes(minute)
    common: dict[str, Any] = {
        "source": "watch",
        "id": f"{alarm_id} {kind.__name__} {minute}",
        "received_at": at,
        "at": at,
    }
    if kind is not AlarmActed:
        rule, _, thing = alarm_id.partition(":")
        common |= {"severity": 2, "subject": "垃圾箱高温"}
        common |= {"rule": rule, "thing": thing} if kind is AlarmRaised else {}
    record: AnyRecord = kind(**common, alarm_id=alarm_id, **fields)
    return record


def fold(county: County, *records: AnyRecord, now: datetime = NOON) -> LiveState:
    state = LiveState(county)
    for order, record in enumerate(records):
        state.apply(record, order)
    state.advance(NOON_MS)
    return state


def test_a_repeat_changes_nothing(county: County) -> None:
    raised, acked = tell(AlarmRaised, 0), tell(AlarmAcked, 1, actor="wang")
    state = fold(county, raised, acked, raised, acked)
    [entry] = state.alarms.values()
    assert (entry.alarm.state, entry.alarm.repeats, entry.rule, entry.thing) == ("acked", 0, "bin_fire", "bin-7")
    assert fold(county, raised, acked).facts() == state.facts()


def test_an_alarm_is_everybodys_whose_area_it_is_in(county: County) -> None:
    cell = str(county.cells.index[0])
    other = next(code for code in county.cells.index if not code.startswith(cell[:9]))
    state = fold(
        county,
        report(county, 1, severity=1),
        tell(AlarmRaised, 0, "bin_fire:here", cell_code=cell),
        tell(AlarmRaised, 0, "bin_fire:there", cell_code=other),
        tell(AlarmRaised, 0, "feed_silent:water"),
        tell(AlarmRaised, 0, "severe_case:C1", cell_code=cell),
    )

    def see(scope: Scope) -> set[str | None]:
        return {entry.thing for entry in Excerpt(county, state, scope).alarms.values()}

    assert see(Scope()) == {"here", "there", "water", "C1"}
    assert see(Scope(cell[:9])) == {"here", "C1"}
    assert see(Scope(cell[:9], "sanitation")) == {"here"}, "of cases a unit has its own"


def test_the_map_has_what_needs_somebody_and_has_a_place(county: County) -> None:
    cell = str(county.cells.index[0])
    state = fold(
        county,
        tell(AlarmRaised, 0, "bin_fire:waits", cell_code=cell),
        tell(AlarmRaised, 0, "bin_fire:taken", cell_code=cell),
        tell(AlarmAcked, 1, "bin_fire:taken", actor="wang"),
        tell(AlarmRaised, 0, "bin_fire:shelved", cell_code=cell),
        tell(AlarmActed, 1, "bin_fire:shelved", action="shelve", actor="wang", note="维修", details={"minutes": 30}),
        tell(AlarmRaised, 0, "bin_fire:over", cell_code=cell),
        tell(AlarmAcked, 1, "bin_fire:over", actor="wang"),
        tell(AlarmCleared, 2, "bin_fire:over"),
        tell(AlarmRaised, 0, "feed_silent:water"),
    )
    state.advance(NOON_MS + 3 * 60_000)
    layer = LAYERS["alarms"]
    frame = layer.compute(state, View(state.as_of))
    paint = layer.draw(frame)
    things = [state.alarms[id].thing for id in frame.ids]
    assert list(zip(things, paint.values, paint.marks or (), strict=True)) == [("waits", 2, 0), ("taken", 2, 1)]
    taken = layer.explain(frame, frame.ids[1])
    assert taken.title == Title("垃圾箱高温", "Bin overheated") and "wang" not in str(taken)


def test_a_towns_map_has_its_own_alarms_and_is_told_of_each_change(county: County) -> None:
    cell = str(county.cells.index[0])
    other = next(code for code in county.cells.index if not code.startswith(cell[:9]))
    here, there = "bin_fire:here", "bin_fire:there"
    state = fold(county, tell(AlarmRaised, 0, here, cell_code=cell), tell(AlarmRaised, 0, there, cell_code=other))
    town = Excerpt(county, state, Scope(cell[:9]))
    screen = Screen(town, "r")
    state.take_changes()
    [id] = screen.delta("ok")["layers"]["alarms"]["ids"]
    assert state.alarms[id].thing == "here"

    def follow(record: AnyRecord, order: int) -> Any:
        state.apply(record, order)
        town.follow(state.take_changes())
        return screen.delta("ok").get("layers", {}).get("alarms")

    assert follow(tell(AlarmAcked, 1, there, actor="wang"), 2) is None
    assert follow(tell(AlarmAcked, 1, here, actor="wang"), 3)["marks"] == [1]
    assert screen.snapshot()["layers"]["alarms"]["marks"] == [1]
    assert follow(tell(AlarmCleared, 2, here), 4)["gone"] == [id]


def test_the_screens_are_told_when_a_flood_begins_and_ends(county: County) -> None:
    cell = str(county.cells.index[0])
    state = fold(county, *(tell(AlarmRaised, 0, f"bin_fire:{number}", cell_code=cell) for number in range(10)))
    screen = Screen(state, "r")
    assert screen.delta("ok")["flood"] is False
    state.apply(tell(AlarmRaised, 0.1, "bin_fire:10", cell_code=cell), 10)
    state.advance(NOON_MS + 10_000)
    assert screen.delta("ok")["flood"] is True
    assert screen.snapshot()["flood"] is True
    state.advance(NOON_MS + 11 * 60_000)
    assert screen.delta("ok")["flood"] is False


def test_an_excerpt_follows_an_alarm(county: County) -> None:
    cell = str(county.cells.index[0])
    state = fold(county, tell(AlarmRaised, 0, cell_code=cell))
    town = Excerpt(county, state, Scope(cell[:9]))
    state.take_changes()
    state.apply(tell(AlarmAcked, 1, actor="wang"), 1)
    town.take_changes()
    assert town.follow(state.changes)
    [(id, entry)] = town.alarms.items()
    assert entry.alarm.acked
    assert town.changes.features["alarms"] == {id}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_wire_names_what_it_is_about(county: County, lang: str) -> None:
    bin_id, name = next((asset, row["name"]) for asset, row in county.assets.iterrows() if row["kind"] == "bin")
    cell = str(county.cells.index[0])
    state = fold(county, tell(AlarmRaised, 0, f"bin_fire:{bin_id}", cell_code=cell, origin="simulated"))
    [told] = Screen(state, "r").snapshot()["alarms"]
    suffix = "" if lang == "zh" else "_en"
    assert told["name" + suffix] == {"zh": "垃圾箱高温", "en": "Bin overheated"}[lang]
    assert lang == "en" or told["thing"] == name
    assert (told["state"], told["count"], told["simulated"], told["shelved_until"]) == ("unacked", 1, True, None)
    assert told["lon"] is not None


def test_a_shelf_that_ends_and_an_alarm_that_is_long_over_are_told(county: County) -> None:
    shelve = tell(AlarmActed, 1, action="shelve", actor="wang", note="维修", details={"minutes": 30})
    state = fold(county, tell(AlarmRaised, 0), shelve)
    screen = Screen(state, "r")
    state.advance(NOON_MS + 2 * 60_000)
    [told] = screen.delta("ok")["alarms"]
    assert told["shelved_until"] == NOON_MS // 1000 + 31 * 60
    state.advance(NOON_MS + 31 * 60_000)
    [told] = screen.delta("ok")["alarms"]
    assert told["shelved_until"] is None
    for order, record in enumerate([tell(AlarmCleared, 40), tell(AlarmAcked, 41)], 10):
        state.apply(record, order)
    assert screen.delta("ok")["alarms"] == [{"id": told["id"], "over": True}]
    state.advance(NOON_MS + 41 * 60_000 + KEEP_MS)
    assert not state.alarms
