"""The wall on counties that nobody here drew: the documented imports, in a real Chromium."""

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from geo.county import load_county
from tests.appliance import Appliance, report
from tests.browser.test_wall import LIVE, open_wall
from tests.ingest.test_real_replays import import_example, replay

PAINTED = "(source) => countyBrain.map.maplibre.querySourceFeatures(source).length > 1000"


@pytest.mark.timeout(600)
def test_the_wall_stays_usable_with_fifteen_thousand_cells(page: Page, shared: Path, tmp_path: Path) -> None:
    county = load_county(import_example("korea", tmp_path / "pack"))
    assert len(county.cells) > 15_000
    appliance = Appliance(tmp_path / "data", county.folder).start()
    try:
        open_wall(page, appliance)
        places = county.cells.geometry.iloc[:40].representative_point()
        appliance.post(*(report(f"K-{number}", place.x, place.y) for number, place in enumerate(places)))
        expect(page.locator("[data-figure=open_cases] [data-part=value]")).to_have_text("40")
        page.wait_for_function("() => countyBrain.map.isWhole && countyBrain.map.maplibre.areTilesLoaded()")
        page.wait_for_function(f"{PAINTED}", arg="cells")
        # A person clicks a cell: its card comes, and the page still answers the keyboard.
        page.evaluate(
            "([lon, lat]) => countyBrain.map.maplibre.jumpTo({ center: [lon, lat], zoom: 12 })",
            [places.x.iloc[7], places.y.iloc[7]],
        )
        page.wait_for_function("() => countyBrain.map.isWhole && countyBrain.map.maplibre.areTilesLoaded()")
        box = page.locator("[data-slot=map]").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".map-card")).to_be_visible()
        page.keyboard.press("Escape")
        expect(page.locator(".map-card")).to_have_count(0)
    finally:
        appliance.stop()


@pytest.mark.timeout(600)
def test_chicagos_complaints_are_a_heatmap_and_say_they_are_replayed(page: Page, shared: Path, tmp_path: Path) -> None:
    appliance = Appliance(tmp_path / "data", import_example("chicago", tmp_path / "pack")).start()
    try:
        replay(appliance, "chicago", 0)
        page.goto(f"{appliance.web_url}/wall?lang=en")
        page.wait_for_function(LIVE)
        page.wait_for_function("() => (countyBrain.feed.state.layers.get('case_heatmap')?.size ?? 0) > 500")
        expect(page.locator("[data-screen]")).to_contain_text("Replayed data")
        page.wait_for_function("() => countyBrain.map.isWhole && countyBrain.map.maplibre.areTilesLoaded()")
        assert page.evaluate("countyBrain.map.isVisible('case_heatmap') && countyBrain.map.heatLayer.bins.size") > 500
    finally:
        appliance.stop()
