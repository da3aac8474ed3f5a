"""Alarms on the wall in a real Chromium: panel, call, clusters of the map, and when the wall speaks.

The machines of the tests have no voices and no loudspeaker, so what the page gives to the browser's speech and audio
is counted in their place; all before that is the product's.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from geo.county import County
from tests.appliance import Appliance, envelope

LIVE = "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map"
FLAGS = """() => countyBrain.map.maplibre.queryRenderedFeatures({ layers: ['alarms-flags'] })
    .map(({ properties }) => [properties.rank, properties.point_count ?? 1])"""
EARS = """
window.heard = { rings: 0, words: [] };
class Sound { connect(to) { return to ?? this } start() {} stop() {} frequency = {}
  gain = { setValueAtTime() {}, exponentialRampToValueAtTime() {} } }
window.AudioContext = class { state = 'running'; currentTime = 0; destination = {};
  constructor() { window.heard.context = this; setTimeout(() => this.onstatechange()) }
  async resume() { this.state = 'running' } async suspend() { this.state = 'suspended' }
  createOscillator() { if (this.state === 'running') window.heard.rings += 1 / 3; return new Sound() }
  createGain() { return new Sound() } };
window.SpeechSynthesisUtterance = class { constructor(text) { this.text = text } };
Object.defineProperty(window, 'speechSynthesis', { value: {
  getVoices: () => ['en-US', 'zh-CN'].flatMap((lang) => [{ lang, localService: false }, { lang, localService: true }]),
  speak(one) { window.heard.words.push(one.text); setTimeout(() => one.onend(), 50) }, cancel() {} } });
"""
WATCH = """() => {
    window.removed = 0
    const count = (all) => all.forEach((one) => { window.removed += one.removedNodes.length })
    new MutationObserver(count).observe(document.querySelector('[data-slot=alarms]'), { childList: true })
}"""
RESTS = "() => window.heard.context?.state === 'suspended'"
RINGS = "() => Math.round(window.heard.rings)"


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    running = Appliance(tmp_path_factory.mktemp("wall-alarms") / "data", demo_folder).start()
    yield running
    running.stop()


def tell(county: County, alarm_id: str, severity: int, cell: int = 0, kind: str = "raised") -> dict[str, Any]:
    rule, _, thing = alarm_id.partition(":")
    data = {"alarm_id": alarm_id, "severity": severity, "subject": "高温", "at": datetime.now(UTC).isoformat()}
    about = {"rule": rule, "thing": thing, "cell_code": str(county.cells.index[cell])}
    data |= about if kind == "raised" else {"actor": "officer"}
    return envelope(f"alarm.{kind}", f"{alarm_id} {kind}", data)


def set_quiet(page: Page, quiet: list[str] | None, severity: int = 1) -> None:
    """Let the pack have said so: the hour of the test is whatever it is."""
    said = json.dumps({"quiet": quiet, "quiet_severity": severity})
    page.evaluate("(said) => { document.querySelector('[data-screen]').dataset.voice = said }", said)


def test_the_wall_shows_and_tells_what_waits_for_somebody(product: Appliance, county: County, page: Page) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.add_init_script(EARS)
    product.post(
        tell(county, "jam:road-7", 4), tell(county, "bin_tilt:box-1", 4), tell(county, "bin_tilt:box-1", 4, 0, "acked")
    )
    page.goto(f"{product.web_url}/wall?scene=environment")
    page.wait_for_function(LIVE)
    rows, call = page.locator("[data-slot=alarms] > li"), page.locator("[data-slot=alarm-call]")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("路段严重拥堵")  # nobody has acknowledged it
    expect(rows.nth(1)).to_contain_text("已确认")
    expect(page.locator("[data-slot=alarm-counts]")).to_have_text("■一般2")
    expect(call).to_be_hidden()
    page.wait_for_function(f"() => JSON.stringify(({FLAGS})()) === '[[8,2]]'")  # IV, not acknowledged, two of them

    page.evaluate(WATCH)
    set_quiet(page, None)
    page.wait_for_function(RESTS)
    expect(page.locator("[data-slot=voice]")).to_have_attribute("data-voice", "on")
    bin_id = str(county.assets.index[0])
    product.post(tell(county, f"bin_fire:{bin_id}", 2))
    expect(rows.nth(0)).to_contain_text("垃圾箱高温")
    expect(rows).to_have_count(3)
    expect(call).to_contain_text("◆严重垃圾箱高温")
    assert page.evaluate("() => window.removed") == 0
    page.wait_for_function(f"() => JSON.stringify(({FLAGS})()) === '[[4,3]]'")  # the worst of the three is II
    page.wait_for_function("() => window.heard.words.length === 1")
    [words] = page.evaluate("() => window.heard.words")
    assert words.startswith("严重报警：垃圾箱高温，") and "officer" not in words
    assert page.evaluate(RINGS) == 1
    page.wait_for_function(RESTS)

    product.post(tell(county, f"bin_fire:{bin_id}", 2, 0, "acked"))
    expect(call).to_be_hidden()
    expect(rows.nth(0)).to_contain_text("路段严重拥堵")
    assert page.evaluate("() => window.removed") <= 1  # what moved, and nothing else


def test_the_night_and_the_mute_keep_silent_and_a_flood_is_told_once(
    product: Appliance, county: County, page: Page
) -> None:
    page.set_viewport_size({"width": 1280, "height": 720})
    page.add_init_script(EARS)
    page.goto(f"{product.web_url}/wall?scene=overview&lang=en")
    page.wait_for_function(LIVE)
    sign, told = page.locator("[data-slot=voice]"), "(n) => window.heard.words.length === n"
    set_quiet(page, ["00:00", "23:59"])
    product.post(tell(county, "bin_fire:night", 2, 30))
    expect(page.locator("[data-slot=alarm-call]")).to_contain_text("Bin overheated")
    product.post(tell(county, "bin_burning:night", 1, 60))
    page.wait_for_function(told, arg=1)
    assert page.evaluate("() => window.heard.words[0]").startswith("Critical alarm: Bin on fire, ")

    page.keyboard.press("m")
    expect(sign).to_have_text("♪ muted")
    product.post(tell(county, "bin_burning:muted", 1, 90))
    expect(page.locator("[data-slot=alarm-call]")).to_contain_text("and 2 more")
    page.reload()
    page.wait_for_function(LIVE)
    expect(sign).to_have_text("♪ muted")
    assert page.evaluate(RINGS) == 0
    set_quiet(page, None)
    page.keyboard.press("m")
    expect(sign).to_have_text("♪")

    product.post(*(tell(county, f"bin_fire:flood-{number}", 2, number) for number in range(40)))
    page.wait_for_function(told, arg=1)
    assert page.evaluate("() => window.heard.words[0]").startswith("Alarm flood: ")
    group = page.locator("[data-slot=alarms] > li", has_text="Bin overheated / Bin on fire")
    expect(group).to_contain_text("43 unacknowledged")
    product.post(tell(county, "water_oxygen:station", 2))  # another cause
    page.wait_for_function(told, arg=2)
    assert page.evaluate("() => window.heard.words[1]").startswith("Severe alarm: Too little oxygen")
    assert page.evaluate(RINGS) == 2
