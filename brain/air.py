"""Air quality index of HJ 633, from the dated table `tables/aqi.toml`."""

import bisect
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

Averaging = Literal["hourly", "daily"]
TABLE = Path(__file__).parent / "tables" / "aqi.toml"

POLLUTANTS: Final = ("pm25", "pm10", "so2", "no2", "o3", "co")

# Highest index of levels 1 (优) to 5 (重度); above the last is 6 (严重). HJ 633-2012 table 2.
LEVEL_TOPS = (50, 100, 150, 200, 300)


@dataclass(frozen=True)
class AirQuality:
    """An index, its level 1 (优) … 6 (严重), and the pollutant that decides it.

    `primary` is None up to an index of 50, as the standard says; `above_table` is True where a concentration
    lies beyond the last break point, so the index is a lower bound.
    """

    aqi: int
    level: int
    primary: str | None
    above_table: bool = False


def rate_air(
    concentrations: Mapping[str, float | None], day: date, averaging: Averaging = "hourly"
) -> AirQuality | None:
    """Return the air quality of one station, or None where no known pollutant is given.

    concentrations: µg/m³ by `pm25`, `pm10`, `so2`, `no2`, `o3`; `co` in mg/m³. None and negative values are
        skipped. The index of a pollutant is linear between break points and rounded up; the worst one counts.
    """
    edition = _edition_of(day)
    rated = [
        (*_rate_pollutant(edition["index"], points, value), pollutant)
        for pollutant, points in edition[averaging].items()
        if (value := concentrations.get(pollutant)) is not None and value >= 0
    ]
    if not rated:
        return None
    aqi, above_table, pollutant = max(rated, key=lambda row: row[0])
    return AirQuality(aqi, level_of(aqi), pollutant if aqi > LEVEL_TOPS[0] else None, above_table)


def read_concentrations(pm25: float | None, attributes: Mapping[str, Any]) -> dict[str, float]:
    """Return what a station measured, by pollutant, from a reading's main value and its other fields."""
    given = {"pm25": pm25, **attributes}
    return {name: float(value) for name in POLLUTANTS if isinstance(value := given.get(name), int | float)}


def level_of(aqi: float) -> int:
    """Return the level 1 … 6 of an index."""
    return bisect.bisect_left(LEVEL_TOPS, aqi) + 1


def _rate_pollutant(index: list[int], points: list[float], value: float) -> tuple[int, bool]:
    """Return a pollutant's index and whether its value lies above the table."""
    if value >= points[-1]:
        return index[len(points) - 1], value > points[-1]
    upper = bisect.bisect_right(points, value)
    low, high = points[upper - 1], points[upper]
    exact = index[upper - 1] + (index[upper] - index[upper - 1]) * (value - low) / (high - low)
    # Rounded up as the standard says; the ninth decimal keeps float noise from adding a whole unit.
    return math.ceil(round(exact, 9)), False


@cache
def _read_editions() -> list[dict[str, Any]]:
    editions: list[dict[str, Any]] = tomllib.loads(TABLE.read_text(encoding="utf-8"))["editions"]
    return sorted(editions, key=lambda edition: edition["valid_from"])


def _edition_of(day: date) -> dict[str, Any]:
    """Return the edition in force on a day; before the first one, the first."""
    editions = _read_editions()
    in_force = [edition for edition in editions if edition["valid_from"] <= day]
    return in_force[-1] if in_force else editions[0]
