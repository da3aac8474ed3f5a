"""Outages: a wall says that something is away, and tells the truth again within ten seconds of its return, by itself.

How long something is away changes nothing: a page asks again every five seconds at most, and what it missed comes as
one snapshot. So a minute stands for an hour here; the other outages are as short as they can be told.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from geo.county import County
from tests.appliance import Appliance, report, wait_for
from tests.browser.test_wall import LIVE, open_wall, point
from tests.cable import Cable

WITHIN_MS = 10_000
SILENCE_MS = 20_000
"""A stream that says nothing is given up after twelve seconds (dashboard/map/live.ts)."""
COUNT = "() => countyBrain.feed.state.cases.size"


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    """One product for the outages of this file."""
    running = Appliance(tmp_path_factory.mktemp("outages") / "data", demo_folder).start()
    yield running
    running.stop()


@pytest.fixture
def shown(page: Page, wall: Appliance) -> Page:
    """The wall, live, with a mark that a reload would wipe out."""
    open_wall(page, wall)
    page.evaluate("window.notReloaded = true")
    return page


def post_cases(wall: Appliance, county: County, name: str, number: int) -> None:
    wall.post(*(report(f"{name}-{one}", *point(county, one)) for one in range(number)))


def expect_truth(page: Page, cases: int) -> None:
    """The wall is live again, has all cases and says their number, on its map too."""
    page.wait_for_function(f"(count) => ({COUNT})() === count", arg=cases, timeout=WITHIN_MS)
    page.wait_for_function(LIVE, timeout=WITHIN_MS)
    expect(page.locator("[data-figure=open_cases] [data-part=value]")).to_have_text(str(cases))
    expect(page.locator("[data-slot=lost]")).to_be_hidden()


def test_the_network_is_cut(page: Page, wall: Appliance, county: County) -> None:
    with Cable(wall.web_port) as cable:
        page.goto(f"http://127.0.0.1:{cable.port}/wall?scene=overview")
        page.wait_for_function(LIVE)
        page.evaluate("window.notReloaded = true")
        before = page.evaluate(COUNT)
        cable.cut()
        post_cases(wall, county, "cut", 5)
        expect(page.locator("[data-slot=lost]")).to_be_visible(timeout=SILENCE_MS)
        cable.mend()
        expect_truth(page, before + 5)
        assert page.evaluate("window.notReloaded")


def test_redis_dies(shown: Page, wall: Appliance, county: County) -> None:
    before = shown.evaluate(COUNT)
    lost = shown.locator("[data-slot=lost]")
    while not lost.is_visible():  # it is started anew each time
        if redis := wall.parts().get("redis"):
            redis.kill()
        shown.wait_for_timeout(300)
    wait_for(lambda: wall.health()["status"] == "ok", 30, "ingest to find Redis again")
    post_cases(wall, county, "redis", 5)
    expect_truth(shown, before + 5)
    assert shown.evaluate("window.notReloaded")


def test_the_machine_sleeps(shown: Page, wall: Appliance, county: County) -> None:
    """Frozen, a page hears and draws nothing; its stream may die meanwhile, as it does when a machine sleeps."""
    before = shown.evaluate(COUNT)
    session = shown.context.new_cdp_session(shown)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    wall.parts()["dashboard"].kill()
    post_cases(wall, county, "asleep", 5)
    wait_for(wall.is_up, 30, "the web process to come again")
    session.send("Page.setWebLifecycleState", {"state": "active"})
    expect_truth(shown, before + 5)
    assert shown.evaluate("window.notReloaded")


def test_a_new_release_is_taken_once(shown: Page, wall: Appliance) -> None:
    """The page says that another release made it, as it would after an upgrade; the server's own is then loaded."""
    release = shown.locator("[data-screen]").get_attribute("data-release")
    shown.evaluate("document.querySelector('[data-screen]').dataset.release = 'of yesterday'")
    wall.parts()["dashboard"].kill()
    shown.wait_for_function("() => window.notReloaded === undefined && document.querySelector('[data-release]')")
    expect(shown.locator("[data-screen]")).to_have_attribute("data-release", release or "")
    shown.wait_for_function(LIVE)
    shown.evaluate("window.notReloaded = true")
    wall.parts()["dashboard"].kill()
    shown.wait_for_function("() => countyBrain.feed.connection.state === 'lost'")
    shown.wait_for_function(LIVE)
    assert shown.evaluate("window.notReloaded")
