"""A device out of reach: told by its last will, forgotten by its next reading, in any order."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import permutations

import pytest

from geo.county import County
from ingest.records import AnyRecord, DeviceSeen
from layers import LAYERS
from layers.contract import View
from layers.state import LiveState
from tests.layers.worlds import NOON, asset_of, live, sense

HOUR = timedelta(hours=1)
FEEDS = {"smart_bins": ("waste", "bin"), "traffic": ("traffic", "detector"), "air": ("air", "air_station")}
every_layer = pytest.mark.parametrize("layer", FEEDS)


def tell(asset_id: str, online: bool, at: datetime = NOON) -> DeviceSeen:
    return DeviceSeen(
        source="gg", id=f"{asset_id}-{at:%d%H%M%S}-{online}", received_at=at, asset_id=asset_id, online=online, at=at
    )


def see(county: County, layer: str, records: Sequence[AnyRecord]) -> tuple[str, dict[str, str]]:
    """The name of the mark of the first asset of a layer, and its card in Chinese."""
    state = live(county, *records, now=NOON)
    position = int(county.assets.index.get_loc(asset_of(county, FEEDS[layer][1])))
    drawn = LAYERS[layer]
    frame = drawn.compute(state, View(state.as_of, frozenset({position})))
    marks = drawn.draw(frame).marks
    assert marks is not None
    facts = drawn.explain(frame, position).facts
    return drawn.spec.marks[marks[0]], {fact.label.zh: fact.value.zh for fact in facts}


@every_layer
def test_a_device_that_went_offline_is_marked_and_its_card_says_so(county: County, layer: str) -> None:
    feed, kind = FEEDS[layer]
    name = asset_of(county, kind)
    mark, card = see(county, layer, [sense(feed, name, 0.3, at=NOON - HOUR / 10), tell(name, False)])
    assert (mark, card["连接"]) == ("offline", "离线")


@every_layer
def test_one_that_never_spoke_can_be_offline_too(county: County, layer: str) -> None:
    name = asset_of(county, FEEDS[layer][1])
    assert see(county, layer, [tell(name, False)])[0] == "offline"


@every_layer
def test_a_later_reading_or_word_brings_it_back(county: County, layer: str) -> None:
    feed, kind = FEEDS[layer]
    name = asset_of(county, kind)
    before = [sense(feed, name, 0.3, at=NOON - HOUR / 10), tell(name, False, NOON - HOUR / 20)]
    for later in (sense(feed, name, 0.3), tell(name, True)):
        mark, card = see(county, layer, [*before, later])
        assert mark != "offline"
        assert "连接" not in card


def test_its_layer_hears_of_the_change(county: County) -> None:
    name = asset_of(county, "bin")
    state = LiveState(county)
    state.apply(tell(name, False))
    assert state.take_changes().features == {"waste": {county.assets.index.get_loc(name)}}
    state.apply(tell(name, False))
    state.apply(tell(name, True, NOON - HOUR))
    assert state.take_changes().features == {}


def test_any_order_and_repetition_gives_the_same_state(county: County) -> None:
    name = asset_of(county, "bin")
    records = [tell(name, False), tell(name, True, NOON - HOUR), tell(name, True), sense("waste", name, 0.4)]
    states = [live(county, *order, order[0]).facts() for order in permutations(records)]
    assert all(facts == states[0] for facts in states)
