"""One soak from beginning to end: a wall lives through many updates, and what it takes must stay flat."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from geo.builtin import provide_demo
from geo.county import load_county
from layers.series import HOUR_MS
from layers.things import KEEP_MS
from soak.load import Load
from soak.samples import Sample
from soak.wall import SoakedWall
from tests.appliance import ROOT, Appliance
from tests.browser.chromium import ARGUMENTS, PROGRAM

UPDATES_PER_S: Final = 50.0
REMEMBERED_H: Final = KEEP_MS // HOUR_MS
"""So long what is over stays in the live state; a soak begins with that behind it, or it would fill for two days."""
UPDATES_A_SCENE: Final = 34
"""In ordinary life seven scenes take turns in 240 s, while 240 updates come."""
ENVIRON: Final = {"LIVE_TICK_MS": "5"}
"""The web process tells what changed four times a second; here it is to tell each update as it comes."""


@contextmanager
def open_wall(
    updates_per_s: float = UPDATES_PER_S, updates_a_scene: int = UPDATES_A_SCENE, remembered_h: int = REMEMBERED_H
) -> Iterator[SoakedWall]:
    """Start the product, a wall and the load; yield the wall once all of it runs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="county-brain-soak-")))
        pack = _make_pack(folder / "pack")
        playwright = stack.enter_context(sync_playwright())
        appliance = Appliance(folder / "data", pack, ENVIRON).start()
        stack.callback(appliance.stop)
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        stack.callback(browser.close)
        load = Load(appliance.ingest_url, load_county(pack), updates_per_s, remembered_h)
        load.start()
        stack.callback(load.stop)
        yield SoakedWall(browser, appliance, updates_a_scene)


def _make_pack(folder: Path) -> Path:
    """Copy the demo county, with a clock that is its data (see `soak.load`)."""
    shutil.copytree(provide_demo(ROOT / ".setup" / "demo-county"), folder)
    profile = folder / "county.toml"
    text = profile.read_text(encoding="utf-8")
    assert 'anchor = "system"' in text
    profile.write_text(text.replace('anchor = "system"', 'anchor = "data"'), encoding="utf-8")
    return folder


def soak(wall: SoakedWall, count: int, every_s: float) -> Iterator[Sample]:
    """Let a wall live, and yield so many samples of what it and its servers took, at least `every_s` apart."""
    for _ in range(count):
        time.sleep(every_s)
        yield wall.sample()
