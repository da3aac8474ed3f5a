"""Make the pictures of the README: the demo county with its simulator, as a visitor would see it."""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from geo.builtin import provide_demo
from tests.appliance import ROOT, Appliance, wait_for
from tests.browser.chromium import ARGUMENTS, PROGRAM

IMAGES = Path(__file__).with_name("images")
READY = "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map?.isWhole"
READY_FEEDS = "() => document.querySelector('[data-slot=rows] tr')"
READY_REPORT = "() => document.querySelector('[data-slot=map][data-ready]')"
PICTURES = {
    "wall.zh": ("/wall", 1920, 1080, READY),
    "wall.en": ("/wall?lang=en", 1920, 1080, READY),
    "wall.wide": ("/wall", 5760, 1080, READY),
    "duty.zh": ("/duty", 1440, 900, READY),
    "duty.en": ("/duty?lang=en", 1440, 900, READY),
    "performance.zh": ("/performance?days=7", 1240, 1500, "() => document.querySelector('[data-section=towns]')"),
    "performance.en": (
        "/performance?days=7&lang=en",
        1240,
        1500,
        "() => document.querySelector('[data-section=towns]')",
    ),
    "feeds.zh": ("/feeds", 1440, 900, READY_FEEDS),
    "feeds.en": ("/feeds?lang=en", 1440, 900, READY_FEEDS),
    "report.zh": ("/report?as=resident", 390, 844, READY_REPORT),
    "report.en": ("/report?as=resident&lang=en", 390, 844, READY_REPORT),
    "briefing.zh": ("/briefing", 1100, 1500, "() => document.querySelector('[data-screen]')"),
    "briefing.en": ("/briefing?lang=en", 1100, 1500, "() => document.querySelector('[data-screen]')"),
}

KEYS = {"duty.zh": "jjj", "duty.en": "jjj"}
"""What is typed before a picture is taken: on the desk the third case of the queue is opened."""


def main() -> int:
    """Take the pictures named on the command line, or all."""
    names = sys.argv[1:] or list(PICTURES)
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        county = provide_demo(ROOT / ".setup" / "demo-county")
        appliance = Appliance(Path(folder) / "data", county, {"SIMULATOR": "1"}).start()
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        try:
            wait_for(lambda: _has_history(appliance), 180, "the simulator's history")
            for name in names:
                take_picture(browser, appliance.web_url, name)
        finally:
            browser.close()
            appliance.stop()
    return 0


def take_picture(browser: Browser, url: str, name: str) -> None:
    """Open a page at its size, let it settle, and save it."""
    path, width, height, ready = PICTURES[name]
    page = browser.new_page(viewport={"width": width, "height": height})
    page.goto(f"{url}{path}")
    page.wait_for_function(ready)
    page.wait_for_timeout(8000)
    for key in KEYS.get(name, ""):
        page.keyboard.press(key)
        page.wait_for_timeout(2000)
    page.screenshot(path=IMAGES / f"{name}.png", timeout=120_000)
    page.close()


def _has_history(appliance: Appliance) -> bool:
    counters = appliance.counters()
    return counters["accepted"] > 10_000 and counters["accepted"] - counters["recorded"] < 500


if __name__ == "__main__":
    sys.exit(main())
