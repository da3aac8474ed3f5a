"""Walls and their remote in a real Chromium: an order, its end, a token's end, and a map that is drawn no more."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.people.accounts import Accounts
from dashboard.people.viewer import Viewer
from dashboard.people.walls import Walls
from geo.county import County
from ingest.store import open_database
from tests.appliance import Appliance, report

PASSWORD = "a quiet river in spring"
SIZE: Any = {"width": 1280, "height": 720}
DRAWN = "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map?.isWhole"
LOSE = """() => {
  window.context = countyBrain.map.maplibre.getCanvas().getContext('webgl2').getExtension('WEBGL_lose_context');
  window.context.loseContext();
}"""

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, quick_passwords: None) -> Iterator[Appliance]:
    folder = tmp_path_factory.mktemp("walls") / "data"
    running = Appliance(folder, demo_folder, {"AUTH": "on", "UI_LANG": "en"}).start()
    engine = open_database(f"sqlite:///{folder / 'county.db'}")
    Accounts(engine).add(Viewer("chen", "Officer Chen", "county_duty"), PASSWORD, must_change=False)
    engine.dispose()
    yield running
    running.stop()


@pytest.fixture
def walls(product: Appliance) -> Iterator[Walls]:
    engine = open_database(f"sqlite:///{product.data_dir / 'county.db'}")
    yield Walls(engine)
    engine.dispose()


def open_page(chromium: Browser, address: str) -> Page:
    page = chromium.new_context(viewport=SIZE).new_page()
    page.set_default_timeout(30_000)
    page.goto(address)
    return page


def test_an_officer_sends_and_takes_back_and_a_token_ends(
    chromium: Browser, product: Appliance, walls: Walls, county: County
) -> None:
    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    product.post(report("W-1", lon, lat, severity=2))
    token = walls.add("hall", "", "test")[1]
    wall = open_page(chromium, f"{product.web_url}/wall-start?lang=en#{token}")
    wall.wait_for_function(DRAWN)
    assert token not in wall.url
    expect(wall.locator(".wall-name")).to_have_text("hall")
    expect(wall.locator(".viewer")).to_have_count(0)
    screen = wall.locator("[data-screen=wall]")
    expect(screen).to_have_attribute("data-scene", "overview")

    desk = open_page(chromium, f"{product.web_url}/walls?lang=en")
    desk.get_by_label("Account").fill("chen")
    desk.get_by_label("Password").fill(PASSWORD)
    desk.get_by_role("button", name="Log in").click()
    row = desk.locator("tr.one", has_text="hall")
    expect(row).to_have_attribute("data-on", "true")
    expect(row).to_contain_text("1280×720")
    assert row.get_by_role("button", name="Switch off").count() == 0

    desk.locator("[data-scene=waste]").click()
    expect(screen).to_have_attribute("data-scene", "waste")
    ordered = wall.locator(".ordered")
    expect(ordered).to_contain_text("Sent by County duty officer: ")
    assert "Chen" not in wall.content()
    expect(row).to_contain_text("sent by County duty officer")
    desk.get_by_label("Case number").fill("W-1")
    desk.locator("[data-what=case] button").click()
    expect(ordered.locator(".card .state")).to_have_text("Reported")
    expect(screen).to_have_attribute("data-scene", "overview")
    wall.wait_for_function("([x, y]) => { const c = countyBrain.map.maplibre.getCenter();"
                           " return Math.hypot(c.lng - x, c.lat - y) < 0.01 }", arg=[lon, lat])  # fmt: skip

    wall.reload()  # what was sent is known to a wall that begins anew
    expect(ordered.locator(".card .state")).to_have_text("Reported")
    row.get_by_role("button", name="Take back").click()
    expect(ordered).to_be_hidden()
    wall.wait_for_function(DRAWN)

    walls.revoke("hall", "administrator")
    calm = wall.locator(".calm")
    expect(calm).to_contain_text("This wall was switched off")
    expect(calm).to_contain_text("By: Administrator, at ")
    wall.reload()
    expect(wall.locator("h1")).to_have_text("This wall was switched off")
    desk.close()
    wall.close()


def test_a_map_that_is_drawn_no_more_is_told_and_comes_back(
    chromium: Browser, product: Appliance, walls: Walls
) -> None:
    token = walls.add("lobby", "", "test")[1]
    wall = open_page(chromium, f"{product.web_url}/wall-start?lang=en#{token}")
    wall.wait_for_function(DRAWN)
    wall.evaluate(LOSE)
    failed: list[str] = []
    wall.on("pageerror", lambda error: failed.append(str(error)))
    second = open_page(chromium, f"{product.web_url}/wall-start?lang=en#{token}")
    expect(second.locator("[data-slot=message]")).to_contain_text("Another machine shows this wall")
    second.close()
    wall.keyboard.press("ArrowRight")
    still = wall.locator(".still")
    expect(still).to_be_visible()
    expect(still).to_contain_text("The map was last drawn")
    wall.evaluate("context.restoreContext()")
    expect(still).to_be_hidden()
    shown = "() => ['grid', 'case_heatmap'].map((layer) => countyBrain.map.isVisible(layer))"
    assert wall.evaluate(shown) == [False, True]  # the scene that was chosen meanwhile
    assert failed == []
    wall.close()
