"""Warnings: what counts when, in whatever order the messages come; what they cover; what is never shown."""

import random
from collections.abc import Sequence
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
import shapely

from geo.county import County
from geo.outlines import Outlines, draw_circle
from ingest.arrivals import Arrival
from ingest.history import load_snapshot
from ingest.migrations import upgrade_database
from ingest.records import AlertArea, AlertInfo, AlertIssued, AlertReference, AlertText
from ingest.store import Batch, ensure_watermarks, load_watermarks, open_database, write_batch
from ingest.tables import as_ms
from layers import alerts
from layers.alert_book import MOST_MESSAGES, AlertBook, name_by_identifier
from layers.contract import Title, View
from layers.snapshot import fold_snapshot
from layers.state import LiveState
from tests.layers.worlds import NOON, live, minutes, warn

HOUR = timedelta(hours=1)


def list_numbers(state: LiveState) -> list[str]:
    return [alert.identifier for alert in state.alerts.values()]


def square(lon: float, lat: float, size: float = 0.05) -> list[tuple[float, float]]:
    return [(lon, lat), (lon + size, lat), (lon + size, lat + size), (lon, lat + size), (lon, lat)]


def in_area(**area: Any) -> dict[str, Any]:
    return {"areas": [AlertArea(**area)]}


# -- what counts --------------------------------------------------------------------------------------------


def test_an_alert_counts_until_its_end(county: County) -> None:
    state = live(county, warn(1))
    assert list_numbers(state) == ["warning-1"]
    state.take_changes()
    state.advance(as_ms(NOON + 6 * HOUR) - 1)
    assert list_numbers(state) == ["warning-1"]
    assert not state.take_changes().features
    state.advance(as_ms(NOON + 6 * HOUR))
    assert list_numbers(state) == []
    assert len(state.take_changes().features["alerts"]) == 1


@pytest.mark.parametrize(
    ("messages", "left"),
    [
        ([warn(1), warn(2, NOON + HOUR, "Update", [1])], ["warning-2"]),
        ([warn(1), warn(2, NOON + HOUR, "Cancel", [1])], []),
        ([warn(1), warn(2), warn(3, NOON + HOUR, "Cancel", [1])], ["warning-2"]),
        ([warn(1), warn(2, NOON + HOUR, "Update", [1]), warn(3, NOON + 2 * HOUR, "Cancel", [1])], ["warning-2"]),
        # A part is taken back and the rest goes on, sent at once (as the US weather service does).
        ([warn(1), warn(2, NOON + HOUR, "Cancel", [1]), warn(3, NOON + HOUR, "Update", [1])], ["warning-3"]),
        ([warn(1), warn(2, NOON + HOUR, "Ack", [1]), warn(3, NOON + HOUR, "Error", [1])], ["warning-1"]),
        ([warn(1), warn(2, NOON - HOUR, "Cancel", [1])], ["warning-1"]),  # nobody can name what is not sent yet
        ([warn(1), warn(2, NOON + HOUR, "Cancel", [1], source="somebody else")], ["warning-1"]),
    ],
)
def test_what_answers_what_in_every_order(county: County, messages: Sequence[AlertIssued], left: list[str]) -> None:
    facts = []
    for order in permutations(messages):
        state = live(county, *order, *order[:1], now=NOON + 2 * HOUR)
        assert list_numbers(state) == left
        facts.append(state.facts())
    assert all(one == facts[0] for one in facts)


@pytest.mark.parametrize("status", ["Exercise", "Test", "System", "Draft"])
def test_nothing_unreal_ends_a_warning(county: County, status: Any) -> None:
    state = live(county, warn(1), warn(2, NOON + HOUR, "Cancel", [1], status=status), now=NOON + HOUR)
    assert list_numbers(state) == ["warning-1"]


@pytest.mark.parametrize("status", ["Test", "System", "Draft"])
def test_tests_and_drafts_are_not_shown(county: County, status: Any) -> None:
    assert not live(county, warn(1, status=status)).alerts


@pytest.mark.parametrize("scope", ["Restricted", "Private"])
def test_what_is_not_for_everybody_is_not_shown(county: County, scope: Any) -> None:
    assert not live(county, warn(1, scope=scope)).alerts


def test_an_exercise_is_marked_counts_in_no_figure_and_comes_last(county: County) -> None:
    state = live(county, warn(1, status="Exercise", info={"level": 1}), warn(2))
    frame = alerts.compute(state, View(state.as_of))
    paint = alerts.draw(frame)
    assert (list(paint.values), list(paint.marks or ())) == ([2, 1], [alerts.NORMAL, alerts.DRILL])
    assert alerts.headline(frame).value == 1
    title = alerts.explain(frame, frame.ids[1]).title
    assert (title.zh, title.en) == ("【演练】暴雨", "[EXERCISE] Rainstorm")


def test_an_update_may_bear_the_name_of_its_alert(county: County) -> None:
    bare = [AlertReference("observatory", "warning-1")]
    update = warn(1, NOON + HOUR, "Update", references=bare)
    state = live(county, warn(1), update, now=NOON + HOUR)
    assert [alert.sent_at for alert in state.alerts.values()] == [NOON + HOUR]


def test_an_all_clear_and_what_is_past_count_no_more(county: County) -> None:
    for info in ({"responses": ["AllClear"]}, {"urgency": "Past"}):
        state = live(county, warn(1), warn(2, NOON + HOUR, "Update", [1], info=info), now=NOON + HOUR)
        assert not state.alerts


def test_each_hazard_counts_by_itself(county: County) -> None:
    message = warn(1)
    message.infos.append(
        AlertInfo(level=4, severity="Minor", expires=NOON + HOUR, texts=[AlertText("zh-CN", "大风")], areas=[])
    )
    state = live(county, message)
    assert [alert.event.zh for alert in state.alerts.values()] == ["暴雨", "大风"]
    state.advance(as_ms(NOON + 2 * HOUR))
    assert [alert.event.zh for alert in state.alerts.values()] == ["暴雨"]


def test_a_flood_of_messages_is_bounded(county: County) -> None:
    book = AlertBook(county)
    nowhere = {"areas": []}
    for number in range(MOST_MESSAGES + 50):
        book.put(warn(number, NOON + timedelta(seconds=number), info=nowhere))
    book.advance(as_ms(NOON + 3 * HOUR))
    assert len(book._messages) == MOST_MESSAGES
    assert len(book.shown) == 200
    book.advance(as_ms(NOON + timedelta(days=60)))
    assert not book.shown and not book._messages


def test_a_cancellation_waits_a_month_for_its_alert(county: County) -> None:
    state = live(county, warn(2, NOON + HOUR, "Cancel", [1]), now=NOON + HOUR)
    lasting = warn(1, info={"expires": NOON + timedelta(days=200)})
    state.advance(as_ms(NOON + timedelta(days=30)))
    state.apply(lasting)
    state.advance(as_ms(NOON + timedelta(days=30)))
    assert not state.alerts
    # And as long as what it ended would still count.
    state.advance(as_ms(NOON + timedelta(days=100)))
    assert not state.alerts


def test_sql_remembers_the_same_warnings(county: County, tmp_path: Path) -> None:
    """Also where what ended a warning is long past."""
    messages = [
        warn(2, NOON - timedelta(days=40), "Cancel", [1], at_of=NOON - timedelta(days=41)),
        warn(1, NOON - timedelta(days=41), info={"expires": NOON + HOUR}),
        warn(3, NOON - HOUR),
        warn(4, NOON - timedelta(days=2), info={"expires": NOON - timedelta(days=1)}),
        warn(5, NOON, status="Exercise"),
        warn(6, NOON, status="Draft"),
    ]
    url = f"sqlite:///{tmp_path / 'county.db'}"
    upgrade_database(url)
    engine = open_database(url)
    with engine.begin() as connection:
        ensure_watermarks(connection, [0])
        arrivals = [Arrival(0, f"1-{place}", message) for place, message in enumerate(messages)]
        write_batch(connection, Batch(arrivals, []), load_watermarks(connection), NOON)
    recalled = LiveState(county)
    fold_snapshot(recalled, load_snapshot(engine, NOON - timedelta(hours=49)), {})
    recalled.advance(as_ms(NOON))
    engine.dispose()
    assert list_numbers(recalled) == ["warning-3", "warning-5"]
    assert recalled.facts()["alerts"] == live(county, *messages).facts()["alerts"]


# -- what is covered ----------------------------------------------------------------------------------------


def test_codes_are_the_areas_of_the_pack(county: County) -> None:
    town = county.areas[county.areas["level"] == "town"].iloc[0]
    state = live(county, warn(1, info=in_area(geocodes=[("GB/T 2260", f"{town.name}000")])))
    [alert] = state.alerts.values()
    drawn = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in alert.polygons])
    assert shapely.symmetric_difference(drawn, town.geometry).area < 0.02 * town.geometry.area


@pytest.mark.parametrize("code", ["339901", "339900", "330000", "339901000000"])
def test_the_county_and_what_is_above_it_are_all_of_it(county: County, code: str) -> None:
    reach = Outlines(county).cover([([], [], [code[:6]])])
    whole = shapely.union_all(county.cells.geometry.to_numpy())
    drawn = shapely.MultiPolygon([(rings[0], rings[1:]) for rings in reach.polygons])
    assert reach.touches and shapely.symmetric_difference(drawn, whole).area < 0.01 * whole.area


@pytest.mark.parametrize(
    ("area", "touches"),
    [
        ({"geocodes": [("GB/T 2260", "330681")]}, False),  # another county
        ({"polygons": [square(10, 50)]}, False),
        ({"circles": [(10, 50, 20.0)]}, False),
        ({}, None),
        ({"geocodes": [("UGC", "GMZ074")]}, None),
        ({"geocodes": [("GB/T 2260", "339901999")]}, None),  # a town of ours that the pack does not have
    ],
)
def test_what_misses_the_county_is_not_shown_and_what_does_not_say_is_listed(
    county: County, area: dict[str, Any], touches: bool | None
) -> None:
    state = live(county, warn(1, info=in_area(**area)))
    assert bool(state.alerts) == (touches is None)
    assert bool(state.alert_book.elsewhere) == (touches is False)
    [alert] = [*state.alerts.values(), *state.alert_book.elsewhere.values()]
    assert (alert.touches, alert.polygons) == (touches, ())


def test_a_neighbour_whose_border_was_drawn_by_another_hand_does_not_touch(county: County) -> None:
    west, south, _, north = county.bbox
    ring = [(west - 1, south), (west + 1e-5, south), (west + 1e-5, north), (west - 1, north), (west - 1, south)]
    assert Outlines(county).cover([([ring], [], [])]).touches is False


def test_rings_are_more_exact_than_codes(county: County) -> None:
    point = county.cells.geometry.iloc[40].representative_point()
    reach = Outlines(county).cover([([square(point.x, point.y, 0.01)], [], ["339901"])])
    assert shapely.area(shapely.Polygon(reach.polygons[0][0])) == pytest.approx(0.0001, rel=0.01)


def test_a_circle_has_its_radius_in_every_direction(county: County) -> None:
    circle = shapely.get_coordinates(draw_circle(120.4, 29.6, 5.0))
    north, east = circle[:, 1].max() - 29.6, circle[:, 0].max() - 120.4
    assert north * 111.2 == pytest.approx(5.0, rel=0.005)
    assert east * 111.2 * 0.8695 == pytest.approx(5.0, rel=0.005)  # cos 29.6°
    assert draw_circle(120.4, 29.6, 0.0).area > 0


def test_a_huge_or_crossed_ring_is_drawn_all_the_same(county: County) -> None:
    world = [(-180.0, -90.0), (180.0, -90.0), (180.0, 90.0), (-180.0, 90.0), (-180.0, -90.0)]
    west, south, east, north = county.bbox
    bow = [(west, south), (east, north), (east, south), (west, north), (west, south)]
    for ring in (world, bow):
        reach = Outlines(county).cover([([ring], [], [])])
        assert reach.touches
        assert all(west - 1 < x < east + 1 for rings in reach.polygons for x, _ in rings[0])


def test_a_scribble_and_a_shower_of_circles_cost_little(county: County) -> None:
    """Counted in what is drawn: sorted out in full, the scribble alone takes minutes and has millions of points."""
    west, south, east, north = county.bbox
    dice = random.Random(1)
    points = [(dice.uniform(west, east), dice.uniform(south, north)) for _ in range(3000)]
    outlines = Outlines(county)
    for area in (([[*points, points[0]]], [], []), ([], [(*point, 5.0) for point in points], [])):
        reach = outlines.cover([area])
        assert reach.touches
        assert sum(len(ring) for polygon in reach.polygons for ring in polygon) < 5000


def test_combs_that_cross_stay_side_by_side(county: County) -> None:
    """Their union would have a hole for every pair of teeth."""
    west, south, east, north = county.bbox
    steps = [i / 600 for i in range(601)]
    upright = [(west + (east - west) * x, south + (north - south) * (i % 2)) for i, x in enumerate(steps)]
    lying = [(west + (east - west) * (i % 2), south + (north - south) * y) for i, y in enumerate(steps)]
    combs = [
        [*upright, (east, south - 0.01), (west, south - 0.01), upright[0]],
        [*lying, (west - 0.01, north), (west - 0.01, south), lying[0]],
    ]
    assert all(shapely.Polygon(comb).is_valid for comb in combs)
    assert len(Outlines(county).cover([(combs, [], [])]).polygons) == 2


# -- who says so --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifier", "name"),
    [
        ("33990141600000_20261122140000_0", Title("云溪县 气象", "Yunxi County: Meteorology")),
        ("33068133200000_20261122140000", Title("330681 水利", "330681: Water resources")),
        ("33990199900000_20261122140000_0", Title("云溪县 999", "Yunxi County 999")),
        ("KSTO1055887203", None),
    ],
)
def test_an_identifier_names_its_issuer_as_far_as_is_known(county: County, identifier: str, name: Title | None) -> None:
    assert name_by_identifier(identifier, LiveState(county).places.area_titles) == name


def test_the_issuer_is_the_name_given_or_what_the_identifier_says(county: County) -> None:
    text = AlertText("zh-CN", "暴雨")
    nameless = {"texts": [text]}
    for identifier, issuer in (("33990141600000_20261122140000_0", "云溪县 气象"), ("X-1", "observatory")):
        state = live(county, warn(1, identifier=identifier, info=nameless), now=NOON + minutes(1))
        assert [alert.issuer.zh for alert in state.alerts.values()] == [issuer]
