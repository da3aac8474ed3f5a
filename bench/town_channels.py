"""(k) CPU of the live hub's state thread with the county watched alone, and with twenty of its towns beside it."""

import random
import time
from datetime import UTC, datetime, timedelta

from bench.table import print_table
from dashboard.frames import Screen, encode_frame
from dashboard.ring import FrameId
from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.records import AnyRecord
from ingest.tables import as_ms
from layers.excerpt import Excerpt, Scope
from layers.state import LiveState
from tests.appliance import ROOT
from tests.layers.worlds import act, report, sense

TOWNS = 20
CASES = 20_000
TICKS = 80  # four a second
CASES_A_TICK, READINGS_A_TICK = 25, 225  # together a thousand events a second


def run() -> list[dict[str, object]]:
    """Return one row a number of towns watched: milliseconds of CPU for each second of a busy day."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    return [measure(county, towns) for towns in (0, 1, TOWNS)]


def measure(county: County, towns: int) -> dict[str, object]:
    """Let the county have a busy time while its towns are watched."""
    dice = random.Random(3)
    start = datetime(2026, 11, 21, 4, tzinfo=UTC)
    state = LiveState(county)
    reports = [
        report(county, n, at=start - timedelta(hours=dice.random() * 40), cell=_cell(county, n)) for n in range(CASES)
    ]
    for record in reports:
        state.apply(record)
    state.advance(as_ms(start))
    codes = county.areas.index[county.areas["level"] == "town"]
    began_s = time.process_time()
    # Where a county has fewer towns, villages stand for the others: what counts is how many watch.
    codes = [*codes, *county.areas.index[county.areas["level"] == "village"]][:towns]
    excerpts = [Excerpt(county, state, Scope(str(code))) for code in codes]
    derived_s = time.process_time() - began_s
    screens = [Screen(one, "r") for one in (state, *excerpts)]
    for screen in screens:
        screen.delta("ok")
    sensors = [str(name) for name in county.assets.index[county.assets["kind"].isin(["bin", "detector"])]]
    kinds = dict(county.assets["kind"].items())
    spent_s, written = 0.0, 0
    for tick in range(TICKS):
        at = start + timedelta(milliseconds=250 * tick)
        records: list[AnyRecord] = [act(dice.randrange(CASES), "dispatch", at, "U02") for _ in range(CASES_A_TICK)]
        records += [
            sense("waste" if kinds[name] == "bin" else "traffic", name, dice.random(), at=at)
            for name in dice.choices(sensors, k=READINGS_A_TICK)
        ]
        for record in records:
            state.apply(record, order=tick)
        began_s = time.process_time()
        state.advance(as_ms(at))
        for excerpt in excerpts:
            excerpt.follow(state.changes)
            excerpt.advance(state.clock_ms)
        for screen in screens:
            message = screen.delta("ok")
            written += len(encode_frame(FrameId("e", tick), "delta", message).deflated) if message else 0
        spent_s += time.process_time() - began_s
    return {
        "towns": len(excerpts),
        "events_per_s": 4 * (CASES_A_TICK + READINGS_A_TICK),
        "open_cases": CASES,
        "cpu_ms_per_s": round(spent_s * 1000 / (TICKS / 4), 1),
        "derive_ms_per_town": round(derived_s * 1000 / len(excerpts), 1) if excerpts else None,
        "kib_per_s": round(written / 1024 / (TICKS / 4), 1),
        "aim": "-",
    }


def _cell(county: County, number: int) -> int:
    return (number * 7) % len(county.cells)


if __name__ == "__main__":
    print_table(run())
