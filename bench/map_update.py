"""(c) Main-thread time an update of the map costs a browser, beside a plain Dash page on the same data."""

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import CDPSession, Page, sync_playwright

from bench.plain_page import PlainPage
from bench.table import print_table
from tests.browser import chromium
from tests.browser.fixture_server import BBOX, FixtureHub, Json, RunningServer, make_app, make_county

UPDATES = 20
SETTLE_S = 6.0
AIM_MS = 50
UPDATE_PATH = "/_dash-update-component"
COUNT_PLOTS = """() => {
  window.drawn = 0;
  document.querySelector(".js-plotly-plot").on("plotly_afterplot", () => { window.drawn += 1 });
}"""


@dataclass(frozen=True)
class Size:
    """How much there is, and how much of it changes with each update."""

    cells: int
    cases: int
    sensors: int
    changed_cells: int
    changed_cases: int
    changed_sensors: int


# The second has the first's proportions: as many cases to a sensor, and the same share of them changes. The third
# has its hundred thousand points the other way round: sensors, each a dot with a value of its own.
SIZES = (
    Size(2_000, 5_000, 500, 100, 20, 50),
    Size(10_000, 91_000, 9_000, 500, 364, 900),
    Size(10_000, 1_000, 99_000, 500, 20, 900),
)


class MainThread:
    """What Chromium's main thread has spent: seconds of tasks and scripts by the wall clock, and of its own CPU.

    On a machine whose cores are busy a task's wall time grows while the thread waits for a core; its CPU time
    does not.
    """

    def __init__(self, page: Page) -> None:
        self._wall = self._open(page, "timeTicks")
        self._cpu = self._open(page, "threadTicks")

    def read(self) -> dict[str, float]:
        """Return the seconds spent since this clock was made."""
        wall, cpu = self._ask(self._wall), self._ask(self._cpu)
        return {"task": wall["TaskDuration"], "script": wall["ScriptDuration"], "cpu": cpu["TaskDuration"]}

    @staticmethod
    def _open(page: Page, time_domain: str) -> CDPSession:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": time_domain})
        return session

    @staticmethod
    def _ask(session: CDPSession) -> dict[str, float]:
        return {metric["name"]: metric["value"] for metric in session.send("Performance.getMetrics")["metrics"]}


class MovingCounty:
    """A county's data that changes by one update at a time, the same way every time."""

    def __init__(self, size: Size) -> None:
        self.size = size
        self.dice = random.Random(11)
        self.hub = FixtureHub()
        self.county = make_county(size.cells, 0, size.sensors)
        self.newest_case = size.cases
        self.hub.send(
            {
                "grid": self._cells(range(size.cells)),
                "case_heatmap": self._cases(0, size.cases),
                "traffic": self._sensors(range(size.sensors)),
            }
        )

    def update(self) -> None:
        """Change cells and sensors, bring in new cases and let as many old ones go."""
        size, first = self.size, self.newest_case
        self.newest_case += size.changed_cases
        gone = range(first - size.cases, first - size.cases + size.changed_cases)
        self.hub.send(
            {
                "grid": self._cells(self.dice.sample(range(size.cells), size.changed_cells)),
                "case_heatmap": self._cases(first, self.newest_case) | {"gone": list(gone)},
                "traffic": self._sensors(self.dice.sample(range(size.sensors), size.changed_sensors)),
            }
        )

    def _cells(self, ids: Any) -> Json:
        return {"ids": list(ids), "values": [self.dice.randrange(10) for _ in ids]}

    def _cases(self, first: int, last: int) -> Json:
        west, south, east, north = BBOX
        ids = list(range(first, last))
        lon = [self.dice.uniform(west, east) for _ in ids]
        return {"ids": ids, "values": [1] * len(ids), "lon": lon, "lat": [self.dice.uniform(south, north) for _ in ids]}

    def _sensors(self, ids: Any) -> Json:
        return {"ids": list(ids), "values": [round(self.dice.uniform(5, 70)) for _ in ids], "marks": [0 for _ in ids]}


def run() -> list[dict[str, object]]:
    """Return one row a size: milliseconds of the main thread for one update, ours and plain Dash's."""
    return [compare(size) for size in SIZES]


def compare(size: Size) -> dict[str, object]:
    """Return the row of one size."""
    ours = measure_ours(MovingCounty(size))
    plain = measure_plain(MovingCounty(size))
    return {
        "cells": size.cells,
        "cases": size.cases,
        "sensors": size.sensors,
        "ours_ms": round(ours["task"], 1),
        "ours_cpu_ms": round(ours["cpu"], 1),
        "ours_script_ms": round(ours["script"], 1),
        "plain_dash_ms": round(plain["task"], 1),
        "plain_dash_cpu_ms": round(plain["cpu"], 1),
        "plain_dash_updates_drawn": round(plain["drawn"]),
        "ratio": round(plain["task"] / ours["task"], 1),
        "aim": f">= 10 x, <= {AIM_MS} ms",
    }


def measure_ours(moving: MovingCounty) -> dict[str, float]:
    """Return the costs of one update of our map."""
    server = RunningServer(make_app(moving.county, moving.hub))
    try:
        with open_page(server.url, "window.countyBrain?.map?.isWhole && countyBrain.map.maplibre.loaded()") as (
            page,
            thread,
        ):
            idle, busy, seconds = _read_idle(page, thread), thread.read(), time.monotonic()
            for _ in range(UPDATES):
                moving.update()
                page.wait_for_timeout(1000)
            page.wait_for_function(f"countyBrain.feed.state.seq === {moving.hub.seq}")
            return _cost(thread, busy, idle, time.monotonic() - seconds, UPDATES)
    finally:
        server.stop()


def measure_plain(moving: MovingCounty) -> dict[str, float]:
    """Return the costs of one update of the plain Dash page, for as many as it managed to draw."""
    page_server = PlainPage(moving.county, moving.hub)
    try:
        with open_page(page_server.url, "document.querySelector('.js-plotly-plot')?.data?.length === 3") as (
            page,
            thread,
        ):
            page.evaluate(COUNT_PLOTS)
            answers: list[str] = []
            page.on("response", lambda answer: answers.append(answer.url) if UPDATE_PATH in answer.url else None)
            # An interval cannot be told to wait, so this page has no idle time to take off.
            busy, seconds = thread.read(), time.monotonic()
            for _ in range(UPDATES):
                moving.update()
                page.wait_for_timeout(1000)
            page.wait_for_function("window.drawn > 0", timeout=120_000)
            # A plot may say twice that it is drawn, and a figure that came late is dropped for the next one.
            drawn = max(1, min(page.evaluate("drawn"), len(answers)))
            return _cost(thread, busy, dict.fromkeys(busy, 0.0), time.monotonic() - seconds, drawn)
    finally:
        page_server.stop()


@contextmanager
def open_page(url: str, ready: str) -> Iterator[tuple[Page, MainThread]]:
    """Open an address in a Chromium of its own, and wait until it is ready and has calmed down."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.ARGUMENTS)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto(url)
        page.wait_for_function(ready, timeout=120_000)
        page.wait_for_timeout(SETTLE_S * 1000)
        yield page, MainThread(page)
        browser.close()


def _read_idle(page: Page, thread: MainThread) -> dict[str, float]:
    """Return the seconds of main thread that the page takes in each second without any update."""
    before, began = thread.read(), time.monotonic()
    page.wait_for_timeout(5000)
    elapsed = time.monotonic() - began
    return {name: (value - before[name]) / elapsed for name, value in thread.read().items()}


def _cost(
    thread: MainThread, before: dict[str, float], idle: dict[str, float], elapsed: float, drawn: int
) -> dict[str, float]:
    spent = {name: value - before[name] - idle[name] * elapsed for name, value in thread.read().items()}
    return {name: seconds * 1000 / drawn for name, seconds in spent.items()} | {"drawn": float(drawn)}


if __name__ == "__main__":
    print_table(run())
