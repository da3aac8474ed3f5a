"""What the watch finds in readings, silences, cases and warnings of the demo county."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from brain.alarm_probes import Finding, PublicWarning, WatchedCase
from brain.alarm_rules import AlarmRules, read_alarm_rules
from brain.alarm_watch import Watch
from geo.county import County
from ingest.exercises import MARK, is_exercise
from ingest.records import EXERCISE, Reading
from ingest.tables import as_ms
from tests.brain.alarm_packs import read

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)  # 12:00 in the county
NOON_MS = as_ms(NOON)
MINUTE = 60_000
CELL = "339901001001001"
QUIET_FEEDS = ("waste", "traffic", "air", "water")
"""Of which these tests say nothing, so that their silence is found, too."""


def sense(feed: str, thing: str, minute: float, value: float | None, **fields: Any) -> Reading:
    at = NOON + timedelta(minutes=minute)
    return Reading(
        source="t",
        id=f"{thing}@{minute}",
        received_at=at,
        feed=feed,
        asset_id=thing,
        observed_at=at,
        value=value,
        cell_code=fields.pop("cell_code", CELL),
        **fields,
    )


def noise(county: County, more: str = "") -> AlarmRules:
    return read(
        county, f'[[readings]]\nkey = "noise"\nzh = "噪声"\nseverity = 3\nfeed = "noise"\nat_least = 70\n{more}'
    )


def listen(
    county: County, rules: AlarmRules, values: Iterable[tuple[float, float]], until: float = 600, cell: str = CELL
) -> list[tuple[bool, float]]:
    """The alarms of one microphone: whether each began or ended, and at which minute."""
    watch = Watch(county, rules, NOON_MS)
    for minute, value in values:
        watch.advance(NOON_MS + int(minute * MINUTE))
        watch.put_reading(sense("noise", "MIC-1", minute, value, cell_code=cell))
    watch.advance(NOON_MS + int(until * MINUTE))
    return tell(watch.take(), "noise")


def tell(findings: Iterable[Finding], rule: str) -> list[tuple[bool, float]]:
    return [(each.active, (each.at_ms - NOON_MS) / MINUTE) for each in findings if each.rule == rule]


CHATTER = [(minute, 69.5 + minute % 2) for minute in range(20)] + [(20.0, 60.0)]


def test_a_signal_that_chatters_around_its_bound_raises_once_with_a_dead_band(county: County) -> None:
    assert len(listen(county, noise(county), CHATTER)) == 20
    assert listen(county, noise(county, "dead_band = 3"), CHATTER) == [(True, 1), (False, 20)]


def test_the_dead_band_ends_inside_of_the_bound(county: County) -> None:
    values = [(0, 70.0), (1, 67.0), (2, 66.9), (3, 69.9), (4, 70.0)]
    assert listen(county, noise(county, "dead_band = 3"), values) == [(True, 0), (False, 2), (True, 4)]


def test_on_delay_lets_short_peaks_pass(county: County) -> None:
    values = [(0, 80.0), (4, 60.0), (10, 80.0), (12, 80.0), (30, 60.0)]
    assert listen(county, noise(county, "on_delay_s = 300"), values) == [(True, 15), (False, 30)]


def test_off_delay_bridges_short_gaps(county: County) -> None:
    values = [(0, 80.0), (10, 60.0), (12, 80.0), (20, 60.0)]
    assert listen(county, noise(county, "off_delay_s = 300"), values) == [(True, 0), (False, 25)]


def test_duration_adds_up_within_its_window(county: County) -> None:
    values = [(0, 80.0), (8, 60.0), (12, 80.0), (24, 60.0)]
    found = listen(county, noise(county, "lasts_s = 900\nwithin_s = 1800"), values)
    assert found[0] == (True, 19)  # eight minutes, a pause of four, seven more
    assert [active for active, _ in found] == [True, False]


def test_rate_of_change(county: County) -> None:
    rules = read(
        county,
        """
        [[readings]]
        key = "noise"
        zh = "噪声突变"
        severity = 3
        feed = "noise"
        at_least = 10
        at_most = -20
        change_s = 600
        """,
    )
    slow = [(minute, 50 + minute * 0.9) for minute in range(60)]
    assert listen(county, rules, slow) == []
    assert listen(county, rules, [(0, 50.0), (5, 59.0), (8, 60.0), (30, 60.0)]) == [(True, 8), (False, 30)]
    assert listen(county, rules, [(0, 60.0), (5, 40.0), (20, 40.0)]) == [(True, 5), (False, 20)]


def test_bounds_by_area_and_hour_of_the_countys_day(county: County) -> None:
    rules = noise(
        county,
        """
        [[readings.where]]
        areas = ["339901001"]
        hours = "22:00-06:00"
        at_least = 55
        """,
    )
    night = 10 * 60.0  # 22:00
    values = [(night - 1, 60.0), (night, 60.0), (night + 8 * 60, 60.0)]
    assert listen(county, rules, values, 1200) == [(True, night), (False, night + 8 * 60)]
    assert listen(county, rules, values, 1200, cell="339901002001001") == []


def test_a_rule_holds_in_its_areas_and_hours_only(county: County) -> None:
    rules = noise(county, 'areas = ["339901001"]\nhours = "12:30-13:00"')
    values = [(0, 80.0), (31, 80.0), (61, 80.0)]
    assert listen(county, rules, values) == [(True, 31), (False, 61)]
    assert listen(county, rules, values, cell="339901002001001") == []


def test_a_late_reading_says_nothing_of_how_it_is_now(county: County) -> None:
    assert listen(county, noise(county), [(5, 80.0), (3, 60.0), (5, 60.0)]) == [(True, 5)]


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.tuples(st.integers(0, 90), st.integers(55, 85)), max_size=30, unique_by=lambda pair: pair[0]),
    looks=st.lists(st.integers(0, 100), max_size=8),
)
def test_it_finds_the_same_however_often_it_looks(
    county: County, values: list[tuple[int, int]], looks: list[int]
) -> None:
    rules = noise(county, "dead_band = 2\non_delay_s = 240\noff_delay_s = 180")
    plain, looked = Watch(county, rules, NOON_MS), Watch(county, rules, NOON_MS)
    moments = dict(values)
    for minute in sorted({*moments, *looks}):
        if minute in looks:
            looked.advance(NOON_MS + minute * MINUTE)
        if minute in moments:
            for watch in (plain, looked):
                watch.put_reading(sense("noise", "MIC-1", minute, moments[minute]))
    for watch in (plain, looked):
        watch.advance(NOON_MS + 200 * MINUTE)
    assert tell(plain.take(), "noise") == tell(looked.take(), "noise")


@pytest.mark.parametrize(
    ("rule", "feed", "thing", "value", "attributes"),
    [
        ("bin_burning", "waste", "BIN-00001", 0.2, {"status": "burning"}),
        ("bin_fire", "waste", "BIN-00001", 0.2, {"temperature": 71.0}),
        ("bin_tilt", "waste", "BIN-00001", 0.2, {"status": "dropped"}),
        ("bin_overflow", "waste", "BIN-00001", 0.99, {}),
        ("jam", "traffic", "DET-X", 9.0, {}),  # an arterial's level 5 begins at 15 km/h
        ("air_heavy", "air", "AIR-X", 180.0, {}),  # PM2.5 150 is AQI 200
        ("air_severe", "air", "AIR-X", 260.0, {}),
        ("water_class", "water", "WAT-X", 15.1, {}),
        ("water_oxygen", "water", "WAT-X", 1.0, {"O2": 1.9}),
    ],
)
def test_what_is_built_in(
    county: County, rule: str, feed: str, thing: str, value: float, attributes: dict[str, Any]
) -> None:
    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    watch.put_reading(sense(feed, "QUIET", 0, 20.0 if feed == "traffic" else 0.1, attributes={"O2": 9.0}))
    watch.put_reading(sense(feed, thing, 0, value, attributes=attributes))
    watch.advance(NOON_MS + 5 * 60 * MINUTE)
    found = [each for each in watch.take() if each.rule == rule]
    assert [(each.alarm_id, each.active, each.cell_code) for each in found] == [(f"{rule}:{thing}", True, CELL)]


def test_odd_attributes_are_no_alarm(county: County) -> None:
    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    for minute, odd in enumerate((None, "hot", [90], {"a": 1})):
        watch.put_reading(sense("waste", "BIN-00001", minute, None, attributes={"temperature": odd, "status": odd}))
    watch.advance(NOON_MS + MINUTE)
    assert watch.take() == []


def test_a_silent_feed_and_its_return(county: County) -> None:
    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    watch.hear("traffic", NOON_MS + 10 * MINUTE)
    watch.advance(NOON_MS + 40 * MINUTE)
    assert watch.take() == []
    watch.advance(NOON_MS + 41 * MINUTE)  # twice 15 minutes after the last word
    (silent,) = watch.take()
    assert (silent.alarm_id, silent.active, silent.severity) == ("feed_silent:traffic", True, 3)
    watch.hear("traffic", NOON_MS + 50 * MINUTE)
    watch.advance(NOON_MS + 80 * MINUTE)
    assert [(each.alarm_id, each.active) for each in watch.take()] == [("feed_silent:traffic", False)]
    watch.advance(NOON_MS + 81 * MINUTE)
    assert [(each.alarm_id, each.active) for each in watch.take()] == [("feed_silent:traffic", True)]


def test_a_silent_thing_is_an_alarm_while_its_feed_speaks(county: County) -> None:
    hours = 60
    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    watch.put_reading(sense("air", "AIR-1", 0, 10.0))
    watch.put_reading(sense("air", "AIR-2", 0, 10.0))
    for hour in range(1, 10):
        watch.put_reading(sense("air", "AIR-2", hour * hours, 10.0))
        watch.hear("air", NOON_MS + hour * hours * MINUTE)
        watch.advance(NOON_MS + hour * hours * MINUTE)
    found = [each for each in watch.take() if each.thing not in QUIET_FEEDS]
    assert [(each.alarm_id, each.active) for each in found] == [("thing_silent:AIR-1", True)]
    assert found[0].at_ms == NOON_MS + 8 * hours * MINUTE + 1
    watch.take()
    watch.advance(NOON_MS + 40 * hours * MINUTE)  # the whole feed is away: that is one alarm, not one more a thing
    assert {each.alarm_id for each in watch.take()} == {"feed_silent:air", "feed_silent:water"}
    watch.put_reading(sense("air", "AIR-1", 41 * hours, 10.0))
    assert [(each.alarm_id, each.active) for each in watch.take()] == [("thing_silent:AIR-1", False)]


def test_an_exercises_sensor_is_watched_as_any_other_but_its_silence_misses_nobody(county: County) -> None:
    hours = 60
    watch = Watch(county, noise(county), NOON_MS)
    watch.put_reading(sense("noise", f"{MARK}MIC-1", 0, 80.0, origin=EXERCISE))
    (loud,) = watch.take()
    assert (loud.alarm_id, loud.active) == (f"noise:{MARK}MIC-1", True)
    assert is_exercise(loud.alarm_id)

    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    watch.put_reading(sense("air", "AIR-1", 0, 10.0))
    watch.put_reading(sense("air", f"{MARK}AIR-2", 0, 10.0, origin=EXERCISE))
    for hour in range(1, 10):
        watch.put_reading(sense("air", "AIR-3", hour * hours, 10.0))
        watch.hear("air", NOON_MS + hour * hours * MINUTE)
        watch.advance(NOON_MS + hour * hours * MINUTE)
    silent = [each.alarm_id for each in watch.take() if each.rule == "thing_silent"]
    assert silent == ["thing_silent:AIR-1"]


def watched(case_id: str = "C1", severity: int = 1, **fields: Any) -> WatchedCase:
    defaults: dict[str, Any] = {
        "category": "0401",
        "cell_code": CELL,
        "reported_ms": NOON_MS,
        "answered": False,
        "due_ms": NOON_MS + 60 * MINUTE,
    }
    return WatchedCase(case_id=case_id, severity=severity, **(defaults | fields))


def test_a_severe_case_until_somebody_answers_and_again_when_it_is_overdue(county: County) -> None:
    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    watch.put_case(watched())
    watch.put_case(watched("C2", severity=3))
    watch.advance(NOON_MS + MINUTE)
    watch.put_case(watched(answered=True))
    watch.advance(NOON_MS + 61 * MINUTE)
    watch.put_case(watched(answered=True, due_ms=NOON_MS + 300 * MINUTE))  # granted more time
    watch.advance(NOON_MS + 301 * MINUTE)
    watch.end_case("C1")
    found = [each for each in watch.take() if each.thing not in QUIET_FEEDS]
    assert [(each.alarm_id, each.active, each.severity) for each in found] == [
        ("severe_case:C1", True, 1),
        ("severe_case:C1", False, 1),
        ("overdue_case:C1", True, 3),
        ("overdue_case:C1", False, 3),
        ("overdue_case:C1", True, 3),
        ("overdue_case:C1", False, 3),
    ]


def test_warnings_in_force_but_no_exercise(county: County) -> None:
    watch = Watch(county, read_alarm_rules(county), NOON_MS)
    watch.put_warnings([PublicWarning("w1", 1), PublicWarning("w3", 3), PublicWarning("x", 1, exercise=True)])
    watch.put_warnings([PublicWarning("w1", 1), PublicWarning("w2", 2)])
    watch.put_warnings([PublicWarning("w2", 2)])
    assert [(each.alarm_id, each.active, each.severity) for each in watch.take()] == [
        ("warning:w1", True, 1),
        ("warning:w2", True, 2),
        ("warning:w1", False, 1),
    ]


def test_after_a_restart_it_goes_on_with_what_stands(county: County) -> None:
    standing = ["bin_burning:BIN-00001", "bin_burning:BIN-00002", "gone:X", "feed_silent:air", "warning:w1"]
    watch = Watch(county, read_alarm_rules(county), NOON_MS, standing)
    assert [(each.alarm_id, each.active) for each in watch.take()] == [("gone:X", False)]
    watch.put_reading(sense("waste", "BIN-00001", 1, 0.1, attributes={"status": "burning"}))
    watch.put_reading(sense("waste", "BIN-00002", 1, 0.1, attributes={"status": "ok"}))
    watch.hear("air", NOON_MS + MINUTE)
    watch.put_warnings([])
    watch.advance(NOON_MS + 20 * MINUTE)
    assert {(each.alarm_id, each.active) for each in watch.take()} == {
        ("bin_burning:BIN-00002", False),
        ("feed_silent:air", False),
        ("warning:w1", False),
    }
