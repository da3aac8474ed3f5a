"""What a rule may ask of a reading: its main value, an attribute, or a figure made of it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from brain.air import rate_air, read_concentrations
from brain.traffic import DEFAULT_CLASS, rate_speed
from brain.water import rate_water, read_measured
from geo.county import County
from ingest.records import Reading

Measured = float | str | None
Measure = Callable[[Reading], Any]

VALUE: Final = "value"
DERIVED: Final = ("aqi", "water_class", "congestion")
"""Index of HJ 633; class of GB 3838, 1 (I) … 6 (worse than V); level of a road's traffic, 1 (free) … 5 (jammed)."""


def find_measure(name: str, county: County) -> Measure:
    """Return what gives a measure of a reading; None where it has none, and an attribute may be anything."""
    match name:
        case "value":
            return _take_value
        case "aqi":
            return partial(_rate_air, county.time_zone)
        case "water_class":
            return _rate_water
        case "congestion":
            bounds = county.thresholds.road_speed_kmh
            classes = county.assets["road_class"].items() if "road_class" in county.assets else ()
            return partial(_rate_traffic, bounds, {str(asset): str(road) for asset, road in classes if road in bounds})
    return partial(_take_attribute, name)


def _take_value(reading: Reading) -> Measured:
    return reading.value


def _take_attribute(name: str, reading: Reading) -> Any:
    return reading.attributes.get(name)


def _rate_air(time_zone: ZoneInfo, reading: Reading) -> Measured:
    day = reading.observed_at.astimezone(time_zone).date()
    quality = rate_air(read_concentrations(reading.value, reading.attributes), day)
    return None if quality is None else quality.aqi


def _rate_water(reading: Reading) -> Measured:
    quality = rate_water(read_measured(reading.value, reading.attributes))
    return None if quality is None else quality.grade


def _rate_traffic(
    bounds_kmh: Mapping[str, tuple[float, ...]], road_classes: Mapping[str, str], reading: Reading
) -> Measured:
    if reading.value is None:
        return None
    return rate_speed(bounds_kmh[road_classes.get(reading.asset_id, DEFAULT_CLASS)], reading.value)
