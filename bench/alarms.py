"""(l) What does it cost to hold every reading against the alarm rules? CPU µs a reading, beside the live state's fold.

The demo county's things, ten thousand readings a second, all built-in rules and one on `noise` by area and hour. The
peer is what every reading costs anyway: folding it into `layers.state.LiveState`. Which reading is beyond its bounds is
drawn anew each time, so that nearly all of these turn several signals; one in two is the worst that can be.
"""

import gc
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bench.table import print_table
from brain.alarm_rules import AlarmRules, ReadingRule, Where, read_alarm_rules
from brain.alarm_watch import Watch
from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.records import Reading
from ingest.tables import as_ms
from layers.state import LiveState
from tests.appliance import ROOT

RATE = 10_000
SECONDS = 30
START = datetime(2026, 11, 21, 4, tzinfo=UTC)
LIMIT_US = 10.0
LIFE = 0.01  # so many readings are beyond a bound in an uneasy county
KINDS = {"bin": "waste", "detector": "traffic", "air_station": "air", "water_station": "water", "camera": "noise"}
NOISE = ReadingRule(
    key="noise",
    zh="噪声",
    severity=4,
    feed="noise",
    at_least=70,
    dead_band=3,
    on_delay_s=60,
    where=(Where(areas=("339901001",), hours="22:00-06:00", at_least=55),),
)


def run() -> list[dict[str, object]]:
    """Return one row a kind of traffic."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    rules = AlarmRules({**read_alarm_rules(county).by_key, NOISE.key: NOISE})
    return [measure(county, rules, share) for share in (LIFE, 0.5)]


def measure(county: County, rules: AlarmRules, abnormal_share: float) -> dict[str, object]:
    """Let the same readings go through the live state and through the watch."""
    readings = make_readings(county, abnormal_share)
    state = LiveState(county)
    watch = Watch(county, rules, as_ms(START))
    state_us = _spend_us(readings, state.apply, state.advance)
    watch_us = _spend_us(readings, watch.put_reading, watch.advance)
    return {
        "abnormal_share": abnormal_share,
        "findings": len(watch.findings),
        "watch_us": round(watch_us, 2),
        "live_state_us": round(state_us, 2),
        "ratio": round(watch_us / state_us, 2),
        "aim": f"≤ {LIMIT_US:g} µs" if abnormal_share == LIFE else "–",
    }


def make_readings(county: County, abnormal_share: float) -> list[Reading]:
    """Return readings of all things in turn, in the order of time."""
    dice = random.Random(5)
    kinds = county.assets["kind"]
    things = [(str(id), KINDS[kind]) for id, kind in kinds.items() if kind in KINDS]
    cells = dict(county.assets["cell_code"].items())
    readings = []
    for number in range(RATE * SECONDS):
        thing, feed = things[number % len(things)]
        at = START + timedelta(seconds=number / RATE)
        value, attributes = _invent(dice, feed, dice.random() < abnormal_share)
        readings.append(
            Reading(
                source="bench",
                id=str(number),
                received_at=at,
                feed=feed,
                asset_id=thing,
                observed_at=at,
                value=value,
                cell_code=str(cells[thing]),
                attributes=attributes,
            )
        )
    return readings


def _invent(dice: random.Random, feed: str, abnormal: bool) -> tuple[float, dict[str, Any]]:
    much = dice.random()
    match feed:
        case "waste":
            status = "burning" if abnormal else "ok"
            return (0.97 if abnormal else much * 0.9), {
                "status": status,
                "temperature": 90.0 if abnormal else 20 * much,
            }
        case "traffic":
            return (5.0 if abnormal else 40 + 20 * much), {"intensity": 12, "occupancy": 0.1}
        case "air":
            return (400.0 if abnormal else 80 * much), {"pm10": 60.0, "so2": 8.0, "no2": 30.0, "o3": 60.0, "co": 0.6}
        case "water":
            return (18.0 if abnormal else 4 * much), {
                "O2": 1.0 if abnormal else 8.0,
                "NH4": 0.3,
                "P-TOT": 0.1,
                "pH": 7.5,
            }
    return (75.0 if abnormal else 50 * much), {}


def _spend_us(readings: Sequence[Reading], put: Callable[[Reading], None], advance: Callable[[int], None]) -> float:
    """Return the CPU µs a reading of taking all of them in, the clock moved four times a second."""
    gc.collect()
    tick = RATE // 4
    began_s = time.process_time()
    for first in range(0, len(readings), tick):
        for reading in readings[first : first + tick]:
            put(reading)
        advance(as_ms(readings[first].observed_at))
    return (time.process_time() - began_s) * 1e6 / len(readings)


if __name__ == "__main__":
    print_table(run())
