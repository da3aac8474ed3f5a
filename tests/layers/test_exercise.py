"""An exercise beside the real events: shown and marked, and in no figure, chart, age or layer of what is real."""

import random
from datetime import timedelta
from typing import Any

import pytest

from dashboard.frames import Screen
from geo.county import County
from ingest.exercises import MARK
from ingest.records import AnyRecord, ExerciseBegun, ExerciseEnded
from ingest.tables import as_ms
from layers import LAYERS
from layers.contract import View
from layers.exercise_book import ExerciseBook
from layers.places import feature_id
from layers.state import LiveState
from tests.layers.worlds import NOON, NOON_MS, act, asset_of, begin_exercise, drill, live, minutes, report, sense

REAL_ONLY = ("exercises", "drilled_cases", "drilled_readings", "cases")


def real(county: County) -> list[AnyRecord]:
    return [
        report(county, 1, severity=1),
        report(county, 2, cell=3, severity=3),
        act(2, "close", NOON),
        sense("traffic", asset_of(county, "detector", 0), 12.0),
        sense("air", asset_of(county, "air_station", 0), 80.0),
    ]


def tell(state: LiveState) -> dict[str, Any]:
    """Everything that a screen says of what is real."""
    screen = Screen(state, "x")
    screen.delta("ok")
    said = screen.snapshot()
    del said["exercise"], said["layers"]["exercise"]
    said["cases"] = [case for case in said["cases"] if "exercise" not in case]
    return said


def test_all_that_is_real_is_the_same_with_and_without_it(county: County) -> None:
    alone, beside = live(county, *real(county)), live(county, *drill(county), *real(county))
    assert beside.drilled_cases and beside.drilled_readings
    assert tell(beside) == tell(alone)
    facts, others = beside.facts(), alone.facts()
    assert {key: facts[key] for key in facts if key not in REAL_ONLY} == {
        key: others[key] for key in others if key not in REAL_ONLY
    }
    for key, layer in LAYERS.items():
        if key != "exercise":
            view = View(alone.as_of)
            assert layer.headline(layer.compute(beside, view)) == layer.headline(layer.compute(alone, view)), key
    assert beside.columns["exercise"].sum() == 2


def test_the_fold_is_of_the_set_of_records(county: County) -> None:
    records = [*drill(county), *real(county)]
    known = live(county, *records).facts()
    chance = random.Random(5)
    for _ in range(3):
        shuffled = records + records[:4]
        chance.shuffle(shuffled)
        assert live(county, *shuffled).facts() == known


def test_what_is_an_exercises_says_so_on_every_frame(county: County) -> None:
    screen = Screen(live(county, *drill(county)), "x")
    told = screen.delta("ok")
    assert told["exercise"] == {"name": "防汛演练", "until": NOON_MS // 1000 + 4 * 3600, "ends": "16:00"}
    assert {case["case_id"]: case.get("exercise") for case in told["cases"]} == {f"{MARK}1": True, f"{MARK}2": True}
    assert "exercise" not in screen.delta("ok")
    layer, state = LAYERS["exercise"], live(county, *drill(county))
    frame = layer.compute(state, View(state.as_of))
    assert len(frame.ids) == 2  # the open case and the sensor
    assert all(layer.explain(frame, id).title.zh.startswith("【演练】") for id in frame.ids)


def test_it_ends_by_itself_and_its_sensors_go_with_it(county: County) -> None:
    state = live(county, *drill(county))
    screen = Screen(state, "x")
    screen.delta("ok")
    state.advance(NOON_MS + 4 * 3_600_000)
    told = screen.delta("ok")
    assert told["exercise"] is None and screen.snapshot()["exercise"] is None
    assert told["layers"]["exercise"]["gone"] == [feature_id(f"asset:{MARK}air")]  # its case stays, marked


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (1, 0, 1, 0)])
def test_somebody_ends_it_earlier(order: tuple[int, ...]) -> None:
    told = (begin_exercise(), ended("k", 30))
    book = ExerciseBook()
    for place in order:
        book.put(told[place])
    (one,) = book.list_all()
    assert (one.ends_ms, one.ended_by) == (as_ms(NOON + minutes(30)), "li")
    running = [book.find_running(as_ms(NOON + minutes(at))) for at in (-1, 0, 29.9, 30)]
    assert [found is not None for found in running] == [False, True, True, False]


def test_an_end_after_its_time_changes_nothing() -> None:
    book = ExerciseBook()
    book.put(begin_exercise())
    book.put(ended("k", 300))
    assert book.list_all()[0].ended_by is None


def test_only_our_own_desk_begins_one(county: County) -> None:
    state = live(county, begin_exercise(sender="weather-office"))
    assert state.exercises.find_running(NOON_MS) is None


def ended(key: str, after_min: float) -> ExerciseEnded:
    at = NOON + minutes(after_min)
    return ExerciseEnded(source="desk", id="end", received_at=at, at=at, exercise=key, actor="li", role="supervisor")


def test_a_beginning_is_a_moment_not_a_key(county: County) -> None:
    later = begin_exercise(id="b", at=NOON + timedelta(hours=1))
    book = ExerciseBook()
    book.put(later)
    book.put(begin_exercise())
    assert book.list_all()[0].begun == begin_exercise() and isinstance(later, ExerciseBegun)
