"""The index against worked values of HJ 633-2012 (table 1, linear inside a band, rounded up)."""

from datetime import date

import pytest

from brain.air import level_of, rate_air

DAY = date(2026, 11, 21)


@pytest.mark.parametrize(
    ("measured", "aqi", "level", "primary"),
    [
        ({"pm25": 0}, 0, 1, None),
        ({"pm25": 35}, 50, 1, None),
        ({"pm25": 75}, 100, 2, "pm25"),
        ({"pm25": 75.1}, 101, 3, "pm25"),  # rounded up into the next level
        ({"pm25": 100}, 132, 3, "pm25"),  # 100 + 50 * 25 / 40 = 131.25
        ({"pm25": 200}, 250, 5, "pm25"),
        ({"pm10": 100}, 75, 2, "pm10"),
        ({"no2": 250}, 105, 3, "no2"),  # 100 + 50 * 50 / 500
        ({"co": 7.5}, 75, 2, "co"),
        ({"o3": 180, "pm25": 20}, 75, 2, "o3"),
        ({"pm25": 60, "pm10": 60, "no2": 40}, 82, 2, "pm25"),  # 81.25
    ],
)
def test_known_values(measured: dict[str, float], aqi: int, level: int, primary: str | None) -> None:
    quality = rate_air(measured, DAY)
    assert quality is not None
    assert (quality.aqi, quality.level, quality.primary) == (aqi, level, primary)


def test_above_the_table_is_said() -> None:
    quality = rate_air({"pm25": 900.0}, DAY)
    assert quality is not None
    assert (quality.aqi, quality.level, quality.above_table) == (500, 6, True)


def test_averaging_time_decides() -> None:
    hourly, daily = rate_air({"no2": 80}, DAY), rate_air({"no2": 80}, DAY, "daily")
    assert hourly is not None
    assert daily is not None
    assert (hourly.aqi, daily.aqi) == (40, 100)


def test_nothing_known_is_no_index() -> None:
    assert rate_air({}, DAY) is None
    assert rate_air({"pm25": None, "noise": 60.0, "pm10": -1.0}, DAY) is None


def test_levels_begin_above_their_bound() -> None:
    assert [level_of(aqi) for aqi in (0, 50, 51, 100, 150, 200, 300, 301, 500)] == [1, 1, 2, 2, 3, 4, 5, 6, 6]
