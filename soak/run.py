"""One soak from beginning to end: a wall lives through many updates, and what it takes must stay flat."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from geo.builtin import provide_demo
from geo.county import load_county
from soak.load import Load
from soak.samples import Sample
from soak.wall import SoakedWall
from tests.appliance import ROOT, Appliance
from tests.browser.chromium import ARGUMENTS, PROGRAM

UPDATES_PER_S: Final = 50.0
UPDATES_A_SCENE: Final = 34
"""In ordinary life seven scenes take turns in 240 s, while 240 updates come."""
ENVIRON: Final = {"LIVE_TICK_MS": "5"}
"""The web process tells what changed four times a second; here it is to tell each update as it comes."""


@contextmanager
def open_wall(updates_per_s: float = UPDATES_PER_S, updates_a_scene: int = UPDATES_A_SCENE) -> Iterator[SoakedWall]:
    """Start the product, a wall and the load; yield the wall once all of it runs."""
    demo = provide_demo(ROOT / ".setup" / "demo-county")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="county-brain-soak-"))
        playwright = stack.enter_context(sync_playwright())
        appliance = Appliance(Path(folder) / "data", demo, ENVIRON).start()
        stack.callback(appliance.stop)
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        stack.callback(browser.close)
        load = Load(appliance.ingest_url, load_county(demo), updates_per_s)
        load.start()
        stack.callback(load.stop)
        yield SoakedWall(browser, appliance, updates_a_scene)


def soak(wall: SoakedWall, count: int, every_s: float) -> Iterator[Sample]:
    """Let a wall live, and yield so many samples of what it and its servers took, at least `every_s` apart."""
    for _ in range(count):
        wall.page.wait_for_timeout(every_s * 1000)
        yield wall.sample()
