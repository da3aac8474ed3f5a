"""What the screens are told: deltas add up to the truth, figures have the values their definitions say."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard.frames import Screen, encode_frame
from dashboard.ring import FrameId
from geo.county import County
from ingest.records import AnyRecord
from ingest.tables import as_ms
from layers import LAYERS
from layers.contract import View
from layers.state import LiveState
from tests.dashboard.viewing import Event, fold_events, parse_events
from tests.layers.worlds import NOON, act, asset_of, live, locate, minutes, report, sense, warn

HOUR = timedelta(hours=1)


def tell(screen: Screen, seq: int, snapshot: bool = False) -> Event:
    """One frame as a page gets it."""
    id = FrameId("e", seq)
    message = screen.snapshot() if snapshot else screen.delta("ok")
    frame = encode_frame(id, "snapshot" if snapshot else "delta", screen.stamp(id) | message)
    return next(iter(parse_events(frame.text.decode())))


def show_truth(state: LiveState) -> dict[str, dict[int, Any]]:
    """What a page would show if every layer were computed anew."""
    shown: dict[str, dict[int, Any]] = {}
    for key, layer in LAYERS.items():
        paint = layer.draw(layer.compute(state, View(state.as_of)))
        marks = paint.marks or [0] * len(paint.ids)
        shown[key] = dict(zip(paint.ids, zip(paint.values, marks, strict=True), strict=True))
    return shown


def make_record(county: County, what: tuple[str, int, int]) -> AnyRecord:
    kind, number, minute = what
    at = NOON + minutes(minute)
    match kind:
        case "report":
            return report(county, number, at=at, cell=number % 5, severity=1 + number % 4)
        case "close" | "reopen" | "dispatch":
            return act(number, kind, at)
        case "worker":
            return locate(f"W{number}", at, on_duty=minute % 2 == 0)
        case "new":
            return sense("traffic", f"NEW{number}", 10.0 * (minute % 7), at=at, lon=120.4, lat=29.6)
        case "bin":
            return sense("waste", asset_of(county, "bin", number), minute % 10 / 10, at=at)
        case _:
            return sense(
                kind,
                asset_of(county, {"traffic": "detector"}.get(kind, f"{kind}_station"), number),
                float(minute),
                at=at,
            )


KINDS = ("report", "close", "reopen", "dispatch", "worker", "new", "bin", "traffic", "air", "water")
happenings = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 6), st.integers(0, 90)), max_size=10)
steps = st.lists(st.tuples(happenings, st.sampled_from([0, 1, 61, 60 * 5, 60 * 30, 60 * 60])), min_size=1, max_size=5)


def test_deltas_add_up_to_the_truth(county: County) -> None:
    @given(steps)
    @settings(max_examples=40, deadline=None)
    def check(steps: list[tuple[list[tuple[str, int, int]], int]]) -> None:
        state = LiveState(county)
        now = NOON
        state.advance(as_ms(now))
        screen = Screen(state, "r")
        events = [tell(screen, 0)]
        for seq, (records, pause_minutes) in enumerate(steps, start=1):
            for rank, what in enumerate(records):
                state.apply(make_record(county, what), order=rank)
            now += minutes(pause_minutes)
            state.advance(as_ms(now))
            events.append(tell(screen, seq))
            assert drop_empty(fold_events(events)) == drop_empty(show_truth(state))
            assert drop_empty(fold_events([tell(screen, seq, snapshot=True)])) == drop_empty(show_truth(state))
        state.advance(as_ms(now + minutes(1)))
        tell(screen, 98)
        anew = Screen(state, "r")
        tell(anew, 98)
        kept, made = (tell(one, 99, snapshot=True).data for one in (screen, anew))
        assert (kept["figures"], kept["charts"]) == (made["figures"], made["charts"])

    check()


def drop_empty(shown: dict[str, dict[int, Any]]) -> dict[str, dict[int, Any]]:
    return {key: features for key, features in shown.items() if features}


def test_nothing_new_is_told_once(county: County) -> None:
    state = live(county, report(county, 1))
    screen = Screen(state, "r")
    tell(screen, 1)
    assert screen.delta("ok") == {}
    assert screen.delta("away") == {"stream": "away"}


def test_a_value_that_looks_the_same_is_not_told(county: County) -> None:
    detector = asset_of(county, "detector")
    state = live(county, sense("traffic", detector, 79.0))
    screen = Screen(state, "r")
    tell(screen, 1)
    state.apply(sense("traffic", detector, 78.0, at=NOON + minutes(1)))  # still level 1
    assert "layers" not in screen.delta("ok")


def test_a_warning_goes_once_with_its_outline_and_ends_by_its_id(county: County) -> None:
    state = live(county, warn(1, info={"expires": NOON + minutes(30)}), warn(2, status="Exercise"))
    screen = Screen(state, "r")
    told = tell(screen, 1).data["alerts"]
    assert sorted((one["exercise"], one["level"], one["event_en"]) for one in told) == [
        (False, 2, "Rainstorm"),
        (True, 2, "Rainstorm"),
    ]
    assert all(len(one["outline"][0][0]) > 10 for one in told)
    assert tell(screen, 1, snapshot=True).data["alerts"] == sorted(told, key=lambda one: one["exercise"])
    state.advance(as_ms(NOON + minutes(29)))
    assert "alerts" not in screen.delta("ok")
    state.advance(as_ms(NOON + minutes(30)))
    over = next(one["id"] for one in told if not one["exercise"])
    assert screen.delta("ok")["alerts"] == [{"id": over, "over": True}]


def figures_of(county: County, records: Iterable[AnyRecord], now: datetime) -> dict[str, Any]:
    screen = Screen(live(county, *records, now=now), "r")
    return dict(tell(screen, 1).data)


def test_the_figures_are_what_they_say(county: County) -> None:
    yesterday = NOON - 24 * HOUR
    records = [
        report(county, 1, at=NOON - HOUR, severity=1),
        report(county, 2, at=NOON - 2 * HOUR),
        report(county, 3, at=NOON - 13 * HOUR),  # 23:00 of the day before
        report(county, 4, at=yesterday - HOUR, severity=2),
        report(county, 5, at=yesterday + HOUR),
        report(county, 6, at=NOON - 40 * 24 * HOUR),
        report(county, 7, at=NOON, category="D101"),
        act(2, "close", NOON - minutes(5)),
        act(5, "close", NOON - minutes(4)),
        act(4, "close", yesterday - minutes(30)),
        sense("waste", asset_of(county, "bin", 0), 0.9),
        sense("waste", asset_of(county, "bin", 1), 0.1),
        sense("traffic", asset_of(county, "detector", 0), 0.0),
        sense("air", asset_of(county, "air_station"), 75.0),
        locate("W1"),
        locate("W2", on_duty=False),
    ]
    told = figures_of(county, records, NOON)
    values = {key: figure["value"] for key, figure in told["figures"].items()}
    assert values == {
        "open_cases": 4,
        "overdue": 1,
        "nearly_due": 0,
        "disputes_open": 1,
        "new_today": 3,
        "closed_today": 2,
        "closed_ratio_24h": 0.4,  # of 1, 2, 3, 5 and 7
        "severe_open": 1,
        "bins_to_empty": 1,
        "traffic_index": 1.0,
        "aqi": 100,
        "workers_on_duty": 1,
    }
    figures = told["figures"]
    assert (figures["new_today"]["change"], figures["closed_today"]["change"]) == (2, 1)
    assert figures["open_cases"]["change"] == 3
    assert all(len(figure["spark"]) == 24 for figure in figures.values())
    assert figures["open_cases"]["spark"][-1] == 4
    assert figures["open_cases"]["at"] == as_ms(NOON) // 1000


def test_the_charts_are_by_hour_class_and_town(county: County) -> None:
    records = [
        report(county, 1, at=NOON - HOUR, cell=0),
        report(county, 2, at=NOON - HOUR, cell=0, category="0406"),
        report(county, 3, at=NOON, cell=None, category="0406"),
        act(1, "close", NOON),
        sense("waste", asset_of(county, "bin", 0), 0.9, at=NOON - HOUR),
        sense("traffic", asset_of(county, "detector", 0), 0.0),
    ]
    charts = figures_of(county, records, NOON)["charts"]
    assert charts["cases_by_hour"]["x"][-1] == as_ms(NOON) // 1000
    assert charts["cases_by_hour"]["series"]["reported"][-2:] == [2, 1]
    assert charts["cases_by_hour"]["series"]["closed"][-2:] == [0, 1]
    assert charts["cases_by_class"] == {"x": ["0406"], "series": {"open": [2]}}
    assert sum(charts["cases_by_town"]["series"]["open"]) == 1
    assert charts["bins_by_hour"]["series"]["to_empty"][-2:] == [1, 1]
    assert charts["traffic_by_hour"]["series"]["index"][-2:] == [None, 1.0]
