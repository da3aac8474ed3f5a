"""The map and its live client in a real Chromium, against a made-up county that speaks the wire format."""

import random
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.appliance import wait_for
from tests.browser.fixture_server import (
    BBOX,
    FixtureHub,
    Json,
    RunningServer,
    make_app,
    make_county,
    make_layers,
)

CELLS, BINS, DETECTORS, CASES = 400, 300, 60, 120

WATCH_NODES = """() => {
  window.removed = [];
  const kept = ".severe, .map-card, .maplibregl-marker, canvas";
  new MutationObserver((changes) => {
    for (const { removedNodes } of changes)
      for (const node of removedNodes)
        if (node.nodeType === 1 && (node.matches(kept) || node.querySelector(kept)))
          window.removed.push(node.className);
  }).observe(document.body, { childList: true, subtree: true });
}"""

CAMERA = "() => { const m = countyBrain.map.maplibre; return [m.getCenter().toArray(), m.getZoom(), m.getBearing()] }"
PAINTED = (
    """(layer) => Object.fromEntries([...Array(500).keys()].map((id) => [id, countyBrain.map.classOf(layer, id)]))"""
)

OUTLINED = (
    """(() => [...new Set(countyBrain.map.maplibre.querySourceFeatures('selection').map(({ id }) => id))].join())()"""
)


@pytest.fixture
def hub() -> FixtureHub:
    hub = FixtureHub()
    hub.send(draw_state(random.Random(1)))
    return hub


@pytest.fixture
def server(hub: FixtureHub) -> Iterator[RunningServer]:
    running = RunningServer(make_app(make_county(CELLS, BINS, DETECTORS), hub))
    yield running
    running.stop()


@pytest.fixture
def page(chromium: Browser, server: RunningServer) -> Iterator[Page]:
    page: Page = chromium.new_page(viewport={"width": 1280, "height": 800})
    errors: list[str] = []
    asked: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(server.url)
    page.wait_for_function("window.countyBrain?.map?.isWhole && countyBrain.map.maplibre.loaded()")
    yield page
    assert errors == []
    own = (server.url + "/", "data:")
    assert [url for url in asked if not url.startswith(own)] == []
    page.close()


def draw_state(dice: random.Random) -> Json:
    west, south, east, north = BBOX
    cases = range(1000, 1000 + CASES)
    lon = [dice.uniform(west, east) for _ in cases]
    lat = [dice.uniform(south, north) for _ in cases]
    bins, detectors = range(BINS), range(BINS, BINS + DETECTORS)
    return {
        "grid": {"ids": list(range(CELLS)), "values": [dice.randrange(9) for _ in range(CELLS)]},
        "case_heatmap": {"ids": list(cases), "values": [1] * CASES, "lon": lon, "lat": lat},
        "open_cases": {"ids": list(cases), "values": [dice.randint(1, 4) for _ in cases], "lon": lon, "lat": lat},
        "smart_bins": {
            "ids": list(bins),
            "values": [dice.random() for _ in bins],
            "marks": [dice.randrange(4) for _ in bins],
        },
        "traffic": {
            "ids": list(detectors),
            "values": [dice.uniform(5, 70) for _ in detectors],
            "marks": [0] * DETECTORS,
        },
    }


def wait_for_seq(page: Page, seq: int, timeout_s: float = 20) -> None:
    page.wait_for_function(f"countyBrain.feed.state.seq === {seq}", timeout=timeout_s * 1000)


def assert_painted(page: Page, hub: FixtureHub) -> None:
    """Every cell, bin and detector on the map has the class of the value that the hub has, and no other has one."""
    for layer in ("grid", "smart_bins", "traffic"):
        features = hub.layers.get(layer, {})
        wanted = {str(i): _class(layer, features.get(i)) for i in range(500)}
        page.wait_for_function(
            f"([wanted, layer]) => JSON.stringify(({PAINTED})(layer)) === JSON.stringify(wanted)",
            arg=[wanted, layer],
            timeout=10_000,
        )


def assert_same_state(page: Page, hub: FixtureHub) -> None:
    for layer, features in hub.layers.items():
        values = page.evaluate(
            f"Object.fromEntries([...countyBrain.feed.state.layers.get('{layer}')].map(([id, f]) => [id, f.value]))"
        )
        assert values == {str(i): one["values"] for i, one in features.items()}, layer


def _class(layer: str, feature: Json | None) -> int | None:
    names = {"smart_bins": ("", "full", "fault", "silent"), "traffic": ("", "fault"), "grid": ("",)}[layer]
    if feature is None or names[feature.get("marks") or 0] in ("fault", "silent"):
        return None
    return max((i for i, step in enumerate(_legend(layer)) if step["lowest"] <= feature["values"]), default=0)


def lose_context(page: Page) -> None:
    page.evaluate(
        "window.lost = countyBrain.map.maplibre.getCanvas().getContext('webgl2').getExtension('WEBGL_lose_context')"
    )
    page.evaluate("lost.loseContext()")
    page.wait_for_function("!countyBrain.map.isReady")


def restore_context(page: Page) -> None:
    page.evaluate("lost.restoreContext()")
    page.wait_for_function("countyBrain.map.isReady && countyBrain.map.maplibre.loaded()")


def open_card(page: Page, layer: str, feature_id: int) -> None:
    """Click a feature where no other lies above it."""
    page.evaluate(
        """([layer, id]) => {
          const map = countyBrain.map, [lon, lat] = map.locate(layer, id);
          map.maplibre.jumpTo({ center: [lon, lat], zoom: 14.3 });
        }""",
        [layer, feature_id],
    )
    page.wait_for_function("countyBrain.map.maplibre.loaded()")
    x, y = page.evaluate(
        """([layer, id]) => {
          const { x, y } = countyBrain.map.maplibre.project(countyBrain.map.locate(layer, id));
          return [x, y];
        }""",
        [layer, feature_id],
    )
    page.mouse.click(x, y)
    page.wait_for_selector(f".map-card[data-layer={layer}][data-id='{feature_id}'] dd span:has-text('.')")


def test_updates_move_neither_camera_nor_card(page: Page, hub: FixtureHub) -> None:
    dice = random.Random(2)
    open_card(page, "traffic", BINS + 7)
    camera, place = page.evaluate(CAMERA), page.locator(".map-card").bounding_box()
    page.evaluate("window.card = document.querySelector('.map-card')")
    page.evaluate(WATCH_NODES)
    for _ in range(200):
        cells = dice.sample(range(CELLS), 50)
        sensor = [*dice.sample(range(BINS, BINS + DETECTORS), 20), BINS + 7]
        wanderer = 1000 + dice.randrange(CASES)
        old = hub.layers["open_cases"][wanderer]
        hub.send(
            {
                "grid": {"ids": cells, "values": [dice.randrange(9) for _ in cells]},
                "traffic": {"ids": sensor, "values": [dice.uniform(5, 70) for _ in sensor], "marks": [0] * len(sensor)},
                "open_cases": {
                    "ids": [wanderer],
                    "values": [old["values"]],
                    "lon": [old["lon"] + 0.001],
                    "lat": [old["lat"]],
                },
            }
        )
        page.wait_for_timeout(10)
    wait_for_seq(page, hub.seq)
    assert_painted(page, hub)
    last = hub.layers["traffic"][BINS + 7]["values"]
    page.wait_for_function(f"document.querySelector('.map-card dd span').textContent === '{last}'")
    assert page.evaluate("window.removed") == []
    assert page.evaluate("document.querySelector('.map-card') === window.card")
    assert page.evaluate(CAMERA) == camera
    now = page.locator(".map-card").bounding_box()
    assert now is not None and place is not None and (now["x"], now["y"]) == (place["x"], place["y"])


def test_card_closes_by_escape_and_by_its_button(page: Page) -> None:
    open_card(page, "traffic", BINS + 3)
    page.keyboard.press("Escape")
    assert page.locator(".map-card").count() == 0
    open_card(page, "traffic", BINS + 3)
    page.get_by_role("button", name="关闭").click()
    assert page.locator(".map-card").count() == 0


# Read within the frame that draws it, back from before: the colour of the pixel at a place of the ground.
PIXEL = """([lon, lat]) => new Promise((done) => {
  const map = countyBrain.map.maplibre, ratio = map.getPixelRatio();
  map.once('render', () => {
    const gl = map.painter.context.gl, pixel = new Uint8Array(4), { x, y } = map.project([lon, lat]);
    const at = [Math.round(x * ratio), gl.drawingBufferHeight - Math.round(y * ratio)];
    gl.readPixels(...at, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixel);
    done([...pixel.slice(0, 3)]);
  });
  map.triggerRepaint();
})"""
LAYERS = ("grid", "case_heatmap", "open_cases", "smart_bins", "traffic")


def show_only(page: Page, *shown: str) -> None:
    for layer in LAYERS:
        page.evaluate("([layer, shown]) => countyBrain.map.setVisible(layer, shown)", [layer, layer in shown])


def come_near(page: Page, layer: str, feature_id: int) -> list[float]:
    """Look at an asset from so near that its dot is more than a pixel, and return where it is."""
    place: list[float] = page.evaluate("([layer, id]) => countyBrain.map.locate(layer, id)", [layer, feature_id])
    page.evaluate("(center) => countyBrain.map.maplibre.jumpTo({ center, zoom: 17 })", place)
    return place


def see(page: Page, place: list[float]) -> tuple[int, ...]:
    return tuple(page.evaluate(PIXEL, place))


def wait_for_colour(page: Page, place: list[float], colour: str) -> None:
    wait_for(lambda: see(page, place) == _rgb(colour), 10, f"{colour}, not {see(page, place)}")


def _rgb(colour: str) -> tuple[int, ...]:
    return tuple(bytes.fromhex(colour[1:]))


def _colours(layer: str) -> list[str]:
    return [step["colour"] for step in _legend(layer)]


def _legend(layer: str) -> list[Json]:
    legend: list[Json] = next(spec["legend"] for spec in make_layers() if spec["key"] == layer)
    return legend


def test_cells_have_the_colour_of_their_class_from_the_first_picture_on(page: Page, hub: FixtureHub) -> None:
    colours, cell = _colours("grid"), 45
    show_only(page, "grid")
    place = page.evaluate("(id) => countyBrain.map.locate('grid', id)", cell)
    page.evaluate("(center) => countyBrain.map.maplibre.jumpTo({ center, zoom: 13 })", place)
    wait_for_colour(page, place, colours[_class("grid", hub.layers["grid"][cell]) or 0])
    other = 8 if (_class("grid", hub.layers["grid"][cell]) or 0) == 0 else 0
    hub.send({"grid": {"ids": [cell], "values": [other]}})
    wait_for_colour(page, place, colours[_class("grid", {"values": other}) or 0])
    hub.send({"grid": {"ids": [], "values": [], "gone": [cell]}})
    wait_for(lambda: see(page, place) not in [_rgb(colour) for colour in colours], 10, "the cell to have no class")


# Where the map will have the middle of each cell, the colour in the sketch of it.
SKETCHED = """(cells) => {
  const { map } = countyBrain, sketch = document.querySelector("canvas.sketch").getContext("2d");
  return cells.map((id) => {
    const { x, y } = map.maplibre.project(map.locate("grid", id)).mult(devicePixelRatio).round();
    return [...sketch.getImageData(x, y, 1, 1).data].slice(0, 3);
  });
}"""


def test_the_county_is_sketched_until_its_map_is_drawn(
    chromium: Browser, server: RunningServer, hub: FixtureHub
) -> None:
    values = [cell % 9 for cell in range(CELLS)]
    hub.restart({"grid": {"ids": list(range(CELLS)), "values": values}})
    page: Page = chromium.new_page(viewport={"width": 1280, "height": 800})
    held: list[Route] = []
    page.route("**/maplibre-gl-worker.js*", lambda route: held.append(route))
    page.goto(server.url)
    page.wait_for_function("document.querySelector('canvas.sketch') && countyBrain.map")
    colours = [_rgb(_colours("grid")[_class("grid", {"values": value}) or 0]) for value in values]
    assert [tuple(one) for one in page.evaluate(SKETCHED, list(range(CELLS)))] == colours
    wait_for(lambda: held, 10, "the map to ask for its worker")
    for route in held:
        route.continue_()
    page.wait_for_selector("canvas.sketch", state="detached")
    page.wait_for_function("countyBrain.map.isWhole")
    page.close()


def test_geometry_that_did_not_come_is_asked_for_again(chromium: Browser, server: RunningServer) -> None:
    page: Page = chromium.new_page(viewport={"width": 1280, "height": 800})
    refused: list[str] = []

    def refuse_once(route: Route) -> None:
        if refused:
            return route.continue_()
        refused.append(route.request.url)
        return route.abort()

    page.route("**/api/geometry/*/cells", refuse_once)
    page.goto(server.url)
    page.wait_for_function("window.countyBrain?.map?.isWhole")
    assert len(refused) == 1
    page.close()


def test_dots_have_the_colour_of_their_class_and_a_mark_lies_over_its_dot(page: Page, hub: FixtureHub) -> None:
    colours, detector = _colours("traffic"), BINS + 3
    show_only(page, "traffic", "smart_bins")
    place = come_near(page, "traffic", detector)
    for speed in (10, 65):  # the second is drawn over the picture of the first
        hub.send({"traffic": {"ids": [detector], "values": [speed], "marks": [0]}})
        wait_for_colour(page, place, colours[_class("traffic", {"values": speed}) or 0])
    # A fault: its cross lies over a hollow dot.
    hub.send({"traffic": {"ids": [detector], "values": [65], "marks": [1]}})
    page.wait_for_function("countyBrain.map.assets.countMarks('traffic') === 1")
    wait_for_colour(page, place, "#FFD166")
    hub.send({"traffic": {"ids": [detector], "values": [65], "marks": [0]}})
    wait_for_colour(page, place, colours[-1])
    page.evaluate("countyBrain.map.setVisible('traffic', false)")
    wait_for(lambda: see(page, place) != _rgb(colours[-1]), 10, "the dot to go")
    full = come_near(page, "smart_bins", 4)
    hub.send({"smart_bins": {"ids": [4], "values": [0.95], "marks": [1]}})
    wait_for_colour(page, full, "#FF9F1C")


def test_dots_are_drawn_anew_after_a_lost_graphics_context(page: Page, hub: FixtureHub) -> None:
    colours, detector = _colours("traffic"), BINS + 3
    show_only(page, "traffic")
    place = come_near(page, "traffic", detector)
    hub.send({"traffic": {"ids": [detector], "values": [10], "marks": [0]}})
    wait_for_colour(page, place, colours[_class("traffic", {"values": 10}) or 0])
    lose_context(page)
    hub.send({"traffic": {"ids": [detector], "values": [65], "marks": [0]}})
    restore_context(page)
    wait_for_colour(page, place, colours[-1])


def test_heat_is_warm_where_cases_are_many_and_clear_where_none_is(page: Page, hub: FixtureHub) -> None:
    many, none = [120.16, 29.71], [120.41, 29.55]
    hub.restart({"grid": {"ids": [], "values": []}})
    page.wait_for_function("countyBrain.map.heatLayer.bins.size === 0")
    show_only(page, "case_heatmap")
    ground = see(page, many)
    assert see(page, none) == ground
    cases = list(range(7000, 7000 + 3000))
    columns = {"ids": cases, "values": [1] * 3000, "lon": [many[0]] * 3000, "lat": [many[1]] * 3000}
    hub.send({"case_heatmap": columns})
    page.wait_for_function("countyBrain.map.heatLayer.bins.size === 3000")
    wait_for(lambda: see(page, many) != ground, 10, "the heat to be drawn")
    assert sum(see(page, many)) > 400, "the top of the scale is the lightest"
    assert see(page, none) == ground
    hub.send({"case_heatmap": {"ids": [], "values": [], "lon": [], "lat": [], "gone": cases}})
    wait_for(lambda: see(page, many) == ground, 10, "the heat to be gone")


COUNT_TILES = """() => Object.values(self.worker.workerSources).flatMap(({ geojson }) => Object.values(geojson))
  .reduce((sum, source) => sum + Object.keys(source.tileState.loaded).length, 0)"""
"""How many tiles MapLibre's worker keeps; its own maps of them, for nothing on the page tells."""


def test_scenes_that_come_and_go_leave_nothing_in_the_worker(page: Page) -> None:
    worker = page.workers[0]
    counts = []
    for _ in range(6):
        for shown in ([], LAYERS):
            show_only(page, *shown)
            page.evaluate("() => countyBrain.map.maplibre.once('idle')")
        counts.append(worker.evaluate(COUNT_TILES))
    assert counts[0] > 0
    assert counts[-1] == counts[1]


def test_a_layer_that_does_not_show_catches_up_when_it_does(page: Page, hub: FixtureHub) -> None:
    show_only(page)
    hub.send({"grid": {"ids": [0], "values": [8], "gone": [1]}})
    hub.send({"open_cases": {"ids": [6000], "values": [2], "lon": [120.3], "lat": [29.6]}})
    page.wait_for_selector(".severe-2[data-id='6000']")  # whatever is hidden
    hub.send({"open_cases": {"ids": [], "values": [], "lon": [], "lat": [], "gone": [6000, 1000]}})
    page.wait_for_function("!document.querySelector(\".severe[data-id='6000']\")")
    # Of the two, only the one that was drawn is to be taken away: what comes and goes unseen is forgotten.
    late = "countyBrain.map.painter.late.get('open_cases')"
    assert page.evaluate(f"[6000, 1000].map((id) => {late}.has(id))") == [False, True]
    show_only(page, "grid", "open_cases")
    assert_painted(page, hub)
    cases = len(hub.layers["open_cases"])
    page.wait_for_function(
        f"countyBrain.map.maplibre.getSource('points-open_cases').getData().then((d) => d.features.length === {cases})"
    )


def test_snapshot_replaces_what_was_there(page: Page, hub: FixtureHub) -> None:
    state = draw_state(random.Random(5))
    kept = {
        "grid": {"ids": [1, 2, 3], "values": [8, 7, 6]},
        "open_cases": {name: column[:1] for name, column in state["open_cases"].items()} | {"values": [1]},
        "smart_bins": {"ids": [4], "values": [0.5], "marks": [1]},
    }
    hub.restart(kept)
    page.wait_for_function("countyBrain.feed.state.layers.get('grid').size === 3")
    assert_painted(page, hub)
    assert_same_state(page, hub)
    page.wait_for_function("document.querySelectorAll('.severe').length === 1")
    for source in ("points-open_cases", "rooms"):
        page.wait_for_function(
            f"countyBrain.map.maplibre.getSource('{source}').getData().then((d) => d.features.length === 1)"
        )
    assert page.evaluate("countyBrain.map.assets.countMarks('smart_bins')") == 1
    assert page.evaluate("countyBrain.map.heatLayer.bins.size") == 0


def test_new_severe_case_gets_a_marker_that_pulses_once(page: Page, hub: FixtureHub) -> None:
    severe = sum(one["values"] <= 2 for one in hub.layers["open_cases"].values())
    page.wait_for_function(f"document.querySelectorAll('.severe').length === {severe}")
    assert page.locator(".severe.is-new").count() == 0
    hub.send({"open_cases": {"ids": [5000], "values": [1], "lon": [120.2], "lat": [29.7]}})
    page.wait_for_selector(".severe-1.is-new[data-id='5000']")
    page.wait_for_selector(".severe-1:not(.is-new)[data-id='5000']")
    hub.send({"open_cases": {"ids": [], "values": [], "lon": [], "lat": [], "gone": [5000]}})
    page.wait_for_selector(".severe[data-id='5000']", state="detached")


def test_killed_server_comes_back_and_nothing_is_missing(page: Page, hub: FixtureHub, server: RunningServer) -> None:
    dice = random.Random(3)
    server.stop()
    page.wait_for_function("countyBrain.feed.connection.state === 'lost'")
    for _ in range(20):
        cells = dice.sample(range(CELLS), 50)
        hub.send({"grid": {"ids": cells, "values": [dice.randrange(9) for _ in cells], "gone": [cells[0] - 1]}})
    page.wait_for_timeout(5000)
    page.evaluate("() => { window.kinds = []; countyBrain.feed.subscribe((frame, kind) => kinds.push(kind)) }")
    server.start()
    wait_for_seq(page, hub.seq)
    assert page.evaluate("countyBrain.feed.connection.state") == "live"
    # Resumed, not begun anew: every missed delta came, and no snapshot but what a late listener is told of.
    first, *kinds = page.evaluate("kinds")
    assert first == "snapshot" and kinds.count("delta") == 20 and "snapshot" not in kinds
    assert_same_state(page, hub)
    assert_painted(page, hub)


def test_silent_stream_counts_as_lost_and_is_opened_again(page: Page, hub: FixtureHub) -> None:
    hub.muted = True
    hub.send({"grid": {"ids": [0], "values": [4]}})
    page.wait_for_function("countyBrain.feed.connection.state === 'lost'", timeout=30_000)
    hub.muted = False
    wait_for_seq(page, hub.seq)
    assert page.evaluate("countyBrain.feed.connection.state") == "live"
    assert_painted(page, hub)


def test_lost_graphics_context_is_restored_with_what_came_meanwhile(page: Page, hub: FixtureHub) -> None:
    lose_context(page)
    hub.send({"grid": {"ids": [0, 1], "values": [8, 0], "gone": [2]}})
    wait_for_seq(page, hub.seq)
    page.evaluate("countyBrain.map.select('open_cases', 1000)")
    restore_context(page)
    assert_painted(page, hub)
    page.wait_for_function(f"{OUTLINED} === '1000'")
    hub.send({"open_cases": {"ids": [], "values": [], "lon": [], "lat": [], "gone": [1000]}})
    page.wait_for_function(f"{OUTLINED} === ''")
    hub.send(
        {
            "grid": {"ids": [3], "values": [8]},
            "open_cases": {"ids": [6000], "values": [2], "lon": [120.3], "lat": [29.6]},
        }
    )
    assert_painted(page, hub)
    page.wait_for_selector(".severe-2[data-id='6000']")
    drawn = page.evaluate("countyBrain.map.maplibre.queryRenderedFeatures({ layers: ['grid-fill'] }).length")
    assert drawn >= CELLS


def test_failing_listener_does_not_stop_the_others(page: Page, hub: FixtureHub) -> None:
    page.evaluate(
        """() => {
          window.heard = 0;
          countyBrain.feed.subscribe(() => { throw new Error("a broken panel") });
          countyBrain.feed.subscribe(() => { heard += 1 });
        }"""
    )
    seq = hub.send({"grid": {"ids": [9], "values": [7]}})
    wait_for_seq(page, seq)
    page.wait_for_function("heard >= 1")
    assert_painted(page, hub)


def test_resize_fits_the_county_until_a_person_moves_the_map(page: Page) -> None:
    page.set_viewport_size({"width": 1600, "height": 1000})
    page.wait_for_function("countyBrain.map.maplibre.getContainer().clientWidth === 1600")
    page.wait_for_function(
        """(() => {
          const map = countyBrain.map.maplibre;
          const fit = map.cameraForBounds(countyBrain.map.county.bbox, { padding: 24 });
          return Math.abs(fit.zoom - map.getZoom()) < 1e-6;
        })()"""
    )
    page.mouse.move(800, 500)
    page.mouse.wheel(0, -600)
    page.wait_for_function("!countyBrain.map.maplibre.isMoving() && countyBrain.map.camera.movedByHand")
    zoom = page.evaluate("countyBrain.map.maplibre.getZoom()")
    page.set_viewport_size({"width": 1200, "height": 800})
    page.wait_for_function("countyBrain.map.maplibre.getContainer().clientWidth === 1200")
    assert page.evaluate("countyBrain.map.maplibre.getZoom()") == zoom


def test_a_flight_ends_where_it_should_though_the_map_changes_size_meanwhile(page: Page) -> None:
    miss = page.evaluate(
        """async () => {
          const { map } = countyBrain, { maplibre } = map, box = maplibre.getContainer();
          map.focus(120.3, 29.6, 13);
          box.style.height = `${box.clientHeight / 2}px`;
          maplibre.resize();
          if (maplibre.isMoving()) await maplibre.once("moveend");
          const { x, y } = maplibre.project([120.3, 29.6]);
          return [x - box.clientWidth / 2, y - box.clientHeight / 2, maplibre.getZoom() - 13];
        }"""
    )
    assert [round(one) for one in miss] == [0, 0, 0]


def test_new_county_pack_reloads_the_page(page: Page, hub: FixtureHub, server: RunningServer) -> None:
    page.evaluate("window.sameDocument = true")
    hub.send({"grid": {"ids": [0], "values": [1]}}, revision="another")
    page.wait_for_function("!window.sameDocument && window.countyBrain?.map?.isWhole")
    hub.send({"grid": {"ids": [0], "values": [2]}}, revision="another")
    wait_for_seq(page, hub.seq)
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "reload"
