"""The wall as a room full of people sees it: the whole product, in a real Chromium."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from geo.county import County
from tests.appliance import Appliance, act, envelope, report

WALLS = [(1920, 1080), (3840, 2160), (5760, 1080)]
LIVE = "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map"
CAMERA = "() => { const m = countyBrain.map.maplibre; return [m.getCenter().toArray(), m.getZoom(), m.getBearing()] }"


@pytest.fixture(scope="module")
def wall(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    """One product for the tests of this file; each posts cases of its own."""
    running = Appliance(tmp_path_factory.mktemp("wall") / "data", demo_folder).start()
    yield running
    running.stop()


def open_wall(page: Page, appliance: Appliance, query: str = "?scene=overview") -> None:
    page.goto(f"{appliance.web_url}/wall{query}")
    page.wait_for_function(LIVE)


def point(county: County, position: int) -> tuple[float, float]:
    inside = county.cells.geometry.iloc[position].representative_point()
    return inside.x, inside.y


def figure(page: Page, key: str) -> str:
    return page.locator(f"[data-figure={key}] [data-part=value]").inner_text()


def test_nothing_is_fetched_from_another_host(page: Page, wall: Appliance) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    failed: list[str] = []
    page.on("pageerror", lambda error: failed.append(str(error)))
    for path in ("/", "/wall?lang=en", "/duty", "/briefing"):
        page.goto(f"{wall.web_url}{path}")
        page.wait_for_selector("[data-screen]")
        page.wait_for_timeout(2000)
    hosts = {urlsplit(url).netloc for url in asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {urlsplit(wall.web_url).netloc}
    assert failed == []


@pytest.mark.parametrize(("width", "height"), WALLS)
def test_it_is_one_screen_without_scrolling(page: Page, wall: Appliance, width: int, height: int) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_wall(page, wall)
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size[0] <= width and size[1] <= height
    outside = page.evaluate(
        """() => [...document.querySelectorAll('[data-screen] h2, [data-screen] [data-part=value], .chart, .layers')]
            .filter((e) => e.offsetParent).map((e) => [e.className, e.getBoundingClientRect()])
            .filter(([, b]) => b.right > innerWidth + 1 || b.bottom > innerHeight + 1 || b.left < -1 || b.top < -1)"""
    )
    assert outside == []
    smallest = page.evaluate(
        """() => Math.min(...[...document.querySelectorAll('[data-screen] *')].filter((e) => e.offsetParent
            && [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
            .map((e) => parseFloat(getComputedStyle(e).fontSize)))"""
    )
    assert smallest >= height / 60 - 0.51


def test_scenes_take_turns_on_one_map_and_leave_out_what_is_silent(page: Page, wall: Appliance, county: County) -> None:
    wall.post(report("scenes", *point(county, 7)))
    open_wall(page, wall, "")
    expect(page.locator("[data-slot=stream] .case").first).to_be_visible()
    root = page.locator("[data-screen=wall]")
    expect(root).to_have_attribute("data-scene", "overview")
    page.evaluate("() => { document.querySelector('canvas.maplibregl-canvas').dataset.mine = 'yes' }")
    expect(page.locator("[data-region=below] [data-panel]")).to_have_count(4)
    page.keyboard.press("ArrowRight")
    expect(root).to_have_attribute("data-scene", "cases")
    expect(page.locator("[data-region=below] [data-panel]")).to_have_count(2)
    expect(page.locator("[data-figure=overdue]")).to_be_visible()
    expect(page.locator("[data-figure=bins_to_empty]")).to_be_hidden()
    assert page.evaluate("() => countyBrain.map.isVisible('open_cases') && !countyBrain.map.isVisible('smart_bins')")
    page.keyboard.press("ArrowRight")  # nobody sends waste, traffic, environment or workers here
    expect(root).to_have_attribute("data-scene", "performance")
    expect(page.locator("[data-panel=town_scores] small")).to_contain_text("截至")
    page.keyboard.press("ArrowRight")
    expect(root).to_have_attribute("data-scene", "health")
    expect(page.locator("[data-slot=health] [data-state=never]").first).to_be_visible()
    expect(page.locator("[data-slot=skipped]")).to_contain_text("环卫、交通、环境")
    page.keyboard.press(" ")
    expect(page.locator("[data-deed=pause]")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("1")
    expect(root).to_have_attribute("data-scene", "overview")
    assert page.evaluate("() => document.querySelector('canvas.maplibregl-canvas').dataset.mine") == "yes"
    page.goto(f"{wall.web_url}/wall?scene=waste")
    expect(root).to_have_attribute("data-scene", "waste")  # asked for by its address: it stays, and says it is silent


def test_a_posted_case_is_on_the_wall_within_two_seconds(page: Page, wall: Appliance, county: County) -> None:
    """A machine that is busy with something else gets five tries; a path that takes longer fails all of them."""
    open_wall(page, wall)
    before = figure(page, "open_cases")
    assert any(is_seen(page, wall, county, f"seen-at-once-{number}") for number in range(5))
    expect(page.locator("[data-slot=stream] [data-severity='1']").first).to_be_visible()
    expect(page.locator("[data-figure=open_cases] [data-part=value]")).not_to_have_text(before)


def is_seen(page: Page, wall: Appliance, county: County, case_id: str) -> bool:
    """Post a case and tell whether the page has it within two seconds."""
    wall.post(report(case_id, *point(county, 5), severity=1))
    try:
        page.wait_for_function(
            "(id) => [...countyBrain.feed.state.cases.values()].some((one) => one.case_id === id)",
            arg=case_id,
            timeout=2000,
        )
    except PlaywrightTimeout:
        return False
    return True


def test_a_closed_case_leaves_the_open_ones(page: Page, wall: Appliance, county: County) -> None:
    open_wall(page, wall)
    before = wall.get("/api/cases?limit=1")["total"]
    wall.post(report("to-close", *point(county, 9)))
    expect(page.locator("[data-figure=open_cases] [data-part=value]")).to_have_text(f"{before + 1:,}")
    wall.post(act("to-close", "close"))
    expect(page.locator("[data-figure=open_cases] [data-part=value]")).to_have_text(f"{before:,}")


def test_two_hundred_updates_move_neither_camera_nor_open_card(page: Page, wall: Appliance, county: County) -> None:
    open_wall(page, wall)
    wall.post(report("card", *point(county, 40), severity=1))
    page.evaluate("() => countyBrain.map.maplibre.jumpTo({ zoom: 11.5 })")
    spot = page.evaluate("([lon, lat]) => countyBrain.map.maplibre.project([lon, lat])", list(point(county, 300)))
    page.evaluate("([lon, lat]) => countyBrain.map.maplibre.jumpTo({ center: [lon, lat] })", list(point(county, 300)))
    box = page.locator("[data-slot=map]").bounding_box()
    assert box and spot
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    card = page.locator(".map-card")
    expect(card.locator("dd").first).to_be_visible()  # what it tells has come, so its size is settled
    camera, place = page.evaluate(CAMERA), card.bounding_box()
    page.evaluate(
        """() => {
          const kept = '.map-card, canvas';
          window.lost = [];
          const lost = (node) => node.nodeType === 1 && (node.matches(kept) || node.querySelector(kept));
          new MutationObserver((changes) => { for (const change of changes) for (const node of change.removedNodes)
            if (lost(node)) window.lost.push(node.className);
          }).observe(document.body, { childList: true, subtree: true });
          window.deltas = 0;
          countyBrain.feed.subscribe((_, kind) => { if (kind === 'delta') window.deltas += 1 });
        }"""
    )
    number = 0
    deadline = time.monotonic() + 240
    while page.evaluate("window.deltas") < 200:
        assert time.monotonic() < deadline
        wall.post(report(f"update-{number}", *point(county, number % 500 + 600)))
        number += 1
        time.sleep(0.25)
    assert page.evaluate(CAMERA) == camera
    assert card.bounding_box() == place
    assert page.evaluate("window.lost") == []


def test_a_cell_a_bin_and_a_detector_have_cards(page: Page, wall: Appliance, county: County) -> None:
    open_wall(page, wall)
    bins = county.assets[county.assets["kind"] == "bin"]
    detectors = county.assets[county.assets["kind"] == "detector"]
    wall.post(
        envelope("iot.observed", "card-bin", {"id": bins.index[0], "type": "WasteContainer", "fillingLevel": 0.91}),
        envelope(
            "iot.observed",
            "card-detector",
            {
                "id": detectors.index[0],
                "type": "TrafficFlowObserved",
                "averageVehicleSpeed": 23.0,
                "dateObserved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            },
        ),
    )
    for asset, said in ((bins.iloc[0], "91"), (detectors.iloc[0], "23")):
        page.evaluate(
            "([lon, lat]) => countyBrain.map.maplibre.jumpTo({ center: [lon, lat], zoom: 19 })",
            [asset["lon"], asset["lat"]],
        )
        page.wait_for_function("() => countyBrain.map.isWhole && countyBrain.map.maplibre.areTilesLoaded()")
        box = page.locator("[data-slot=map]").bounding_box()
        assert box
        page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".map-card")).to_contain_text(said)
        page.keyboard.press("Escape")
        expect(page.locator(".map-card")).to_have_count(0)


def test_every_layer_can_be_switched(page: Page, wall: Appliance) -> None:
    open_wall(page, wall)
    switches = page.locator("[data-slot=layers] button")
    expect(switches.first).to_be_visible()
    for position in range(switches.count()):
        switch = switches.nth(position)
        before = switch.get_attribute("aria-pressed")
        switch.click()
        expect(switch).not_to_have_attribute("aria-pressed", before or "")


def test_it_speaks_chinese_first_and_english_on_request(page: Page, wall: Appliance) -> None:
    open_wall(page, wall)
    assert re.search("[\u4e00-\u9fff]", page.locator("[data-screen]").inner_text())
    open_wall(page, wall, "?lang=en")
    page.wait_for_timeout(1000)
    assert re.findall("[\u4e00-\u9fff]+", page.locator("[data-screen]").inner_text()) == ["中文"]


def test_it_says_that_data_is_simulated(page: Page, wall: Appliance, county: County) -> None:
    open_wall(page, wall)
    simulated = report("simulated", *point(county, 3))
    wall.post(simulated | {"origin": "simulated", "source": "urn:simulator"})
    expect(page.locator("[data-screen]")).to_contain_text("模拟数据")


STREAM_TELLS = """(id) => {
  const cases = [...countyBrain.feed.state.cases.values()].sort((a, b) => b.reported_at - a.reported_at || b.id - a.id);
  const rows = [...document.querySelectorAll('[data-slot=stream] .case')];
  return cases.some(({ case_id }) => case_id === id) && rows.length > 3 && rows.every((row, i) => {
    const marks = [...row.querySelectorAll('.severity')].map((mark) => mark.dataset.severity);
    const { key, severity } = row.dataset;
    return key === `${cases[i].id}` && severity === `${cases[i].severity}` && marks.join() === severity
      && (severity <= 2 || !row.classList.contains('pulse'));
  });
}"""
"""Whether the newest cases are shown, each with its own severity, one of them the given one; only severe ones pulse."""


def test_a_burst_of_cases_is_told_in_the_rows_that_are_there(page: Page, wall: Appliance, county: County) -> None:
    open_wall(page, wall)
    for burst in range(3):
        wall.post(*(report(f"burst-{burst}-{n}", *point(county, n), severity=1 + (n + burst) % 4) for n in range(20)))
        page.wait_for_function(STREAM_TELLS, arg=f"burst-{burst}-19")
        if burst == 0:
            page.evaluate("document.querySelectorAll('[data-slot=stream] .case').forEach((row) => (row.isMine = true))")
    assert page.evaluate("[...document.querySelectorAll('[data-slot=stream] .case')].every((row) => row.isMine)")


def test_a_browser_that_cannot_draw_the_map_says_so_and_goes_on(page: Page, wall: Appliance, county: County) -> None:
    page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...how) {"
        " return kind.startsWith('webgl') ? null : get.call(this, kind, ...how) }"
    )
    page.goto(f"{wall.web_url}/wall")
    expect(page.locator("[data-slot=map] .no-map")).to_contain_text("画不出地图")
    expect(page.locator("canvas.sketch")).to_have_count(0)
    wall.post(report("without-a-map", *point(county, 9), severity=2))
    expect(page.locator("[data-slot=stream] [data-severity='2']").first).to_be_visible()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("away_s", [5, 60])
def test_it_resumes_by_itself_with_nothing_missing(
    page: Page, demo_folder: Path, tmp_path: Path, county: County, away_s: int
) -> None:
    """The web process is gone for a while; cases go on coming in meanwhile."""
    appliance = Appliance(tmp_path / "data", demo_folder).start()
    try:
        open_wall(page, appliance)
        page.evaluate("window.notReloaded = true")
        appliance.post(*(report(f"before-{number}", *point(county, number)) for number in range(5)))
        page.wait_for_function("() => countyBrain.feed.state.cases.size === 5")
        web = appliance.parts()["dashboard"]
        deadline = time.monotonic() + away_s
        web.suspend() if away_s < 10 else web.kill()
        number = 0
        while time.monotonic() < deadline:
            if away_s > 10 and (dashboard := appliance.parts().get("dashboard")):
                dashboard.kill()
            if number < 10:
                appliance.post(report(f"meanwhile-{number}", *point(county, 50 + number)))
                number += 1
            time.sleep(0.4)
        if away_s < 10:
            web.kill()
        page.wait_for_function("() => countyBrain.feed.state.cases.size === 15", timeout=90_000)
        expect(page.locator("[data-figure=open_cases] [data-part=value]")).to_have_text("15")
        assert page.evaluate("window.notReloaded")
        page.wait_for_function("() => countyBrain.feed.connection.state === 'live'")
    finally:
        appliance.stop()


def test_a_lost_connection_cannot_be_overlooked(page: Page, demo_folder: Path, tmp_path: Path) -> None:
    appliance = Appliance(tmp_path / "data", demo_folder).start()
    open_wall(page, appliance)
    appliance.stop()
    page.wait_for_function("() => countyBrain.feed.connection.state === 'lost'", timeout=30_000)
    expect(page.locator(".lost:visible, [data-slot=lost]:visible").first).to_be_visible()
