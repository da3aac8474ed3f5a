"""The wall at 10,000 cells and 100,000 points: what it takes of a browser, and what 200 of it take of the server."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.sync_api import Page, sync_playwright

from bench.big_county import BBOX, BINS, DETECTORS, write_big_county
from bench.live_fanout import busy_s, make_update
from bench.map_update import UPDATE_PATH, MainThread, MovingCounty, Size
from bench.peer import ENVIRONMENT
from bench.plain_page import PlainPage
from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import load_county
from ingest.child import start_child
from tests.appliance import ROOT, Appliance, envelope, free_port, report, wait_for
from tests.browser import chromium

CASES = 1_000
SIZE = Size(10_000, CASES, BINS + DETECTORS, changed_cells=20, changed_cases=20, changed_sensors=900)
UPDATES = 30
# Some twenty seconds after a page is there, the browser collects what its start has left.
SETTLE_S = 40.0
# As long as updates are sent: what comes every quarter of a minute only, comes as often in both.
REST_S = 30
# What the first updates take besides, of what a page's start left to be done, is no part of a wall's month.
WARM_UPDATES = 30
COLD_STARTS = 3
WALLS = 200
WALL_BEAT_S = 10.0
SLOW_MS = 180_000

# The moment of a picture is noted by the page itself, at the first frame for which it is there.
# When the next frame begins, that one has been handed over to be shown.
NOTE_PICTURE = """{
  const note = () => {
    if (%s) requestAnimationFrame(() => ((window.reachedAt ??= {})[%d] = performance.now()));
    else requestAnimationFrame(note);
  };
  requestAnimationFrame(note);
}"""
# The first useful one: the county with its cells coloured, cases and figures: what somebody can act on. The map that it
# is a sketch of, and the assets, follow.
SKETCH = """(() => {
  const { feed, map } = window.countyBrain ?? {};
  return (document.querySelector("canvas.sketch") || map?.isWhole)
    && feed.state.layers.get("grid").size > 0
    && /\\d/.test(document.querySelector("[data-figure=open_cases] [data-part=value]").textContent);
})()"""
# The map itself, live, without the assets.
MAP = """(() => {
  const { map } = window.countyBrain ?? {};
  return map?.lastDrawnAt
    && ["county", "cells", "lines", "points-open_cases"].every((source) => map.maplibre.isSourceLoaded(source))
    && map.classOf("grid", 0) !== null;
})()"""
OURS = (SKETCH, MAP, f"{MAP} && countyBrain.map.isWhole")
PLAIN = "document.querySelector('.js-plotly-plot')?._fullLayout?.map?._subplot?.map?.loaded()"
PANEL = "window.Bokeh?.documents?.[0]?.is_idle"
# What holds when the first picture is there, when the map is, and when all assets are.
Stages = tuple[str, str, str]


@dataclass(frozen=True)
class Cost:
    """What a page takes; `update_ms` and `idle_ms` are of the main thread: an update drawn, and a second without any.

    updates: how many of those sent in half a minute, one a second, the page was given to draw.
    """

    picture_s: float
    map_s: float
    whole_s: float
    update_ms: float
    update_cpu_ms: float
    idle_ms: float
    updates: int
    heap_mb: float


def run() -> list[dict[str, object]]:
    """Return a row a measure: our wall, each peer, and the aim."""
    with tempfile.TemporaryDirectory() as folder:
        demo = provide_demo(ROOT / ".setup" / "demo-county")
        ours = measure_ours(Path(folder), write_big_county(Path(folder) / "pack", demo))
        walls = measure_walls(Path(folder), demo)
    plain, panel = measure_plain(), measure_panel()
    return [
        _row("first useful picture, s", ours.picture_s, plain.picture_s, panel.picture_s, 3),
        _row("the live map, s", ours.map_s, plain.map_s, panel.map_s, None),
        _row("with every asset, s", ours.whole_s, plain.whole_s, panel.whole_s, None),
        _row("main thread an update, ms", ours.update_ms, plain.update_ms, panel.update_ms, 20),
        _row("of it CPU, ms", ours.update_cpu_ms, plain.update_cpu_ms, panel.update_cpu_ms, None),
        _row("main thread a second at rest, ms", ours.idle_ms, None, None, None),
        _row(f"updates drawn of {UPDATES}", ours.updates, plain.updates, panel.updates, None),
        _row("heap after collection, MB", ours.heap_mb, plain.heap_mb, panel.heap_mb, 150),
        _row(f"server, {WALLS} walls, % of a core", walls, None, None, 10),
    ]


def _row(measure: str, ours: float, plain: float | None, panel: float | None, aim: float | None) -> dict[str, object]:
    return {
        "measure": measure,
        "ours": round(ours, 1),
        "plain Dash": "" if plain is None else round(plain, 1),
        "Panel": "" if panel is None else round(panel, 1),
        "Dash / ours": "" if plain is None else round(plain / ours, 1),
        "Panel / ours": "" if panel is None else round(panel / ours, 1),
        "aim": "" if aim is None else f"<= {aim:g}: {'met' if ours <= aim else 'missed'}",
    }


def measure_ours(folder: Path, pack: Path) -> Cost:
    """Return the costs of the overview of the whole product's wall."""
    appliance = Appliance(folder / "ours", pack).start(within_s=300)
    try:
        dice = random.Random(5)
        post(appliance, [_read_asset(dice, number, "full") for number in range(BINS + DETECTORS)])
        post(appliance, [_make_case(dice, f"case-full-{number}") for number in range(CASES)])
        wait_for(lambda: appliance.get("/health")["status"] == "ok" and _drained(appliance), 300, "the county to fill")
        send = iter(range(1_000_000))

        def update() -> None:
            number = next(send)
            changed = dice.sample(range(BINS + DETECTORS), SIZE.changed_sensors)
            events = [_read_asset(dice, asset, f"{number}") for asset in changed]
            events += [_make_case(dice, f"case-{number}-{case}") for case in range(SIZE.changed_cases)]
            post(appliance, events)

        return measure_page(f"{appliance.web_url}/wall?scene=overview", OURS, update)
    finally:
        appliance.stop()


def _drained(appliance: Appliance) -> bool:
    counted = appliance.counters()
    return counted["recorded"] == counted["accepted"]


def post(appliance: Appliance, events: list[dict[str, object]]) -> None:
    """Send events in batches, all of which ingest must take."""
    for first in range(0, len(events), 1000):
        batch = events[first : first + 1000]
        answer = appliance.post(*batch)
        assert answer["accepted"] == len(batch), answer


def _read_asset(dice: random.Random, number: int, name: str) -> dict[str, object]:
    data = {"id": f"A{number}", "dateObserved": datetime.now(UTC).isoformat()}
    if number < BINS:
        value: dict[str, object] = {"type": "WasteContainer", "fillingLevel": round(dice.random(), 2)}
    else:
        value = {"type": "TrafficFlowObserved", "averageVehicleSpeed": dice.randint(5, 70)}
    return envelope("iot.observed", f"{name}-{number}", data | value)


def _make_case(dice: random.Random, name: str) -> dict[str, object]:
    west, south, east, north = BBOX
    return report(name, dice.uniform(west, east), dice.uniform(south, north), severity=4)


def measure_plain() -> Cost:
    """Return the costs of the plain Dash page on as much data."""
    moving = MovingCounty(SIZE)
    server = PlainPage(moving.county, moving.hub)
    try:
        return measure_page(server.url, (PLAIN,) * 3, moving.update, starts=1, rests=False, answers=UPDATE_PATH)
    finally:
        server.stop()


def measure_panel() -> Cost:
    """Return the costs of the Panel page on as much data."""
    port = free_port()
    process = start_child(
        [str(ENVIRONMENT / "bin" / "python"), str(Path(__file__).with_name("panel_page.py")), str(port)], {}
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: _answers(url), 60, "Panel")
        return measure_page(url, (PANEL,) * 3, lambda: None, starts=1, rests=False)
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=30).status_code == 200
    except httpx.HTTPError:
        return False


def measure_page(
    url: str,
    stages: Stages,
    update: Callable[[], None],
    starts: int = COLD_STARTS,
    rests: bool = True,
    answers: str = "",
) -> Cost:
    """Return what a page takes; the times of its pictures are the medians of so many cold starts.

    rests: it draws nothing while `update` is not called, so what a second takes then can be taken off. answers: what is
    in the address of the answers that bring an update; without it each update is drawn.
    """
    pictures = []
    for _ in range(starts - 1):
        with open_cold(url, stages) as (_, reached):
            pictures.append(reached)
    with open_cold(url, stages) as (page, reached):
        pictures.append(reached)
        page.wait_for_timeout(SETTLE_S * 1000)
        thread = MainThread(page)
        idle = _spend(page, thread, REST_S, lambda: None) if rests else {"task": 0.0, "cpu": 0.0}
        _spend(page, thread, WARM_UPDATES, update)
        given: list[str] = []
        page.on("response", lambda answer: given.append(answer.url) if answers and answers in answer.url else None)
        busy = _spend(page, thread, UPDATES, update)
        updates = max(1, len(given)) if answers else UPDATES
        devtools = page.context.new_cdp_session(page)
        devtools.send("HeapProfiler.collectGarbage")
        heap = devtools.send("Runtime.getHeapUsage")["usedSize"]
    task_ms, cpu_ms = ((busy[name] - idle[name]) * UPDATES / updates for name in ("task", "cpu"))
    picture_s, map_s, whole_s = (statistics.median(moments) for moments in zip(*pictures, strict=True))
    return Cost(picture_s, map_s, whole_s, task_ms, cpu_ms, idle["task"], updates, heap / 1024 / 1024)


def _spend(page: Page, thread: MainThread, updates: int, update: Callable[[], None]) -> dict[str, float]:
    """Return the milliseconds that the main thread takes in a second with an update in each."""
    before, began = thread.read(), time.monotonic()
    for number in range(1, updates + 1):
        update()
        page.wait_for_timeout(max(0.0, began + number - time.monotonic()) * 1000)
    elapsed = time.monotonic() - began
    return {name: (value - before[name]) * 1000 / elapsed for name, value in thread.read().items()}


@contextmanager
def open_cold(url: str, stages: Stages) -> Iterator[tuple[Page, list[float]]]:
    """Open an address in a Chromium with an empty cache; yield the page, and the seconds to each of its stages."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.ARGUMENTS)
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.set_default_timeout(SLOW_MS)
        for number, stage in enumerate(stages):
            page.add_init_script(NOTE_PICTURE % (stage, number))
        page.goto(url)
        page.wait_for_function(f"() => Object.keys(window.reachedAt ?? {{}}).length === {len(stages)}")
        yield page, page.evaluate("Object.values(window.reachedAt).map((ms) => ms / 1000)")
        browser.close()


def measure_walls(folder: Path, demo: Path) -> float:
    """Return the share of a core, in percent, that the web process takes for 200 walls at one update a second."""
    county = load_county(demo)
    appliance = Appliance(folder / "walls", demo).start()
    try:
        return asyncio.run(_serve_walls(appliance, lambda name: post(appliance, make_update(county, name))))
    finally:
        appliance.stop()


async def _serve_walls(appliance: Appliance, update: Callable[[str], None]) -> float:
    walls = [asyncio.create_task(_be_wall(appliance.web_url, number)) for number in range(WALLS)]
    await asyncio.sleep(SETTLE_S)
    web = appliance.parts()["dashboard"]
    before, began = busy_s(web), time.monotonic()
    for number in range(UPDATES):
        await asyncio.to_thread(update, f"walls-{number}")
        await asyncio.sleep(max(0.0, began + number + 1 - time.monotonic()))
    spent = (busy_s(web) - before) / (time.monotonic() - began)
    for wall in walls:
        wall.cancel()
    for ended in await asyncio.gather(*walls, return_exceptions=True):
        assert isinstance(ended, asyncio.CancelledError), repr(ended)
    return spent * 100


async def _be_wall(url: str, number: int) -> None:
    """Follow the live stream and say every ten seconds that it shows, as a wall's page does."""
    async with httpx.AsyncClient(timeout=None, trust_env=False) as client, asyncio.TaskGroup() as group:
        await client.get(f"{url}/api/me")  # which brings the token that a post needs
        client.headers["x-csrf-token"] = client.cookies["csrf"]
        group.create_task(_follow(client, f"{url}/live"))
        await asyncio.sleep(number / WALLS * WALL_BEAT_S)
        while True:
            now = int(time.time() * 1000)
            beat = {"machine": f"{number:08x}", "scene": "overview", "paused": False, "width": 1920, "height": 1080}
            beat |= {"ratio": 1, "opened_at": now, "drawn_at": now, "frame_at": now}
            answer = await client.post(f"{url}/api/wall/beat", json={"wall": f"bench-{number}", "beat": beat})
            assert answer.status_code == 200, answer.text
            await asyncio.sleep(WALL_BEAT_S)


async def _follow(client: httpx.AsyncClient, url: str) -> None:
    async with client.stream("GET", url) as stream:
        async for _ in stream.aiter_raw():
            pass


if __name__ == "__main__":
    print_table(run())
