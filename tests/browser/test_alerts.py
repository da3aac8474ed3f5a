"""A warning's life on the wall and the desk: the whole product, in a real Chromium."""

import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.appliance import KEY, Appliance

LIVE = """() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map?.isWhole
  && countyBrain.map.maplibre.loaded()"""
DRAWN = """(layer) => countyBrain.map.maplibre.getLayer(layer)
  && countyBrain.map.maplibre.queryRenderedFeatures({ layers: [layer] }).length > 0"""
numbers = count()

Post = Callable[..., str]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    running = Appliance(tmp_path_factory.mktemp("alerts") / "data", demo_folder).start()
    yield running
    running.stop()


@pytest.fixture
def post(product: Appliance) -> Iterator[Post]:
    """Posts a CAP message and returns how another refers to it; what is still in force at the end is cancelled."""
    posted: list[tuple[str, str]] = []

    def send(**changes: Any) -> str:
        body, reference = write_cap(**changes)
        request = urllib.request.Request(
            f"{product.ingest_url}/cap",
            body.encode(),
            {"Content-Type": "application/cap+xml", "Authorization": f"Bearer {KEY}"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert b'"accepted":1' in response.read()
        posted.append((reference, changes.get("status", "Actual")))
        return reference

    yield send
    for reference, status in posted[:]:
        send(kind="Cancel", references=reference, status=status)


def write_cap(
    kind: str = "Alert",
    status: str = "Actual",
    severity: str = "Severe",
    headline: str = "云溪县气象台发布暴雨橙色预警",
    references: str = "",
    lasts: timedelta = timedelta(hours=6),
) -> tuple[str, str]:
    sent = datetime.now(UTC).replace(microsecond=0)
    identifier = f"33990141600000_{sent:%Y%m%d}{next(numbers):06d}_0"
    texts = {"zh-CN": ("暴雨", headline, "预计降雨量将达50毫米"), "en-US": ("Rainstorm", "Heavy rain", "50 mm of rain")}
    infos = "".join(
        f"""<info><language>{language}</language><category>Met</category><event>{event}</event>
        <urgency>Immediate</urgency><severity>{severity}</severity><certainty>Likely</certainty>
        <expires>{(sent + lasts).isoformat()}</expires><senderName>云溪县气象台</senderName><headline>{title}</headline>
        <description>{description}</description><instruction>停止户外作业</instruction><area><areaDesc>云溪县</areaDesc>
        <geocode><valueName>GB/T 2260</valueName><value>339901</value></geocode></area></info>"""
        for language, (event, title, description) in texts.items()
    )
    body = f"""<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2"><identifier>{identifier}</identifier>
    <sender>yunxi.qxj</sender><sent>{sent.isoformat()}</sent><status>{status}</status><msgType>{kind}</msgType>
    <scope>Public</scope><references>{references}</references>{"" if kind == "Cancel" else infos}</alert>"""
    return body, f"yunxi.qxj,{identifier},{sent.isoformat()}"


def open_page(page: Page, product: Appliance, path: str) -> None:
    page.goto(f"{product.web_url}{path}")
    page.wait_for_function(LIVE)


def test_a_warning_comes_changes_and_goes(page: Page, product: Appliance, post: Post) -> None:
    open_page(page, product, "/wall")
    panel, rows = page.locator("[data-slot=alerts-panel]"), page.locator("[data-slot=alerts] .alert")
    expect(panel).to_be_hidden()

    first = post()
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("◆橙色")
    for words in ("暴雨", "云溪县气象台", "至 "):
        expect(rows.first).to_contain_text(words)
    page.wait_for_function(DRAWN, arg="alerts-line")

    second = post(kind="Update", severity="Extreme", headline="更新暴雨红色预警", references=first)
    expect(rows).to_have_count(1)
    expect(rows.first).to_contain_text("▲红色")

    third = post(severity="Minor", headline="大风蓝色预警")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("▲红色")

    post(kind="Cancel", references=f"{second} {third}")
    expect(panel).to_be_hidden()
    page.wait_for_function(f"(layer) => !({DRAWN})(layer)", arg="alerts-line")


def test_nothing_flickers_when_another_comes(page: Page, product: Appliance, post: Post) -> None:
    open_page(page, product, "/wall")
    rows = page.locator("[data-slot=alerts] .alert")
    post()
    expect(rows).to_have_count(1)
    page.evaluate("document.querySelector('[data-slot=alerts] .alert').kept = true")
    camera = page.evaluate("countyBrain.map.maplibre.getCenter().toArray()")
    for severity in ("Extreme", "Moderate", "Minor"):
        post(severity=severity, headline="预警")
    expect(page.locator("[data-slot=alerts-more]")).to_have_text("另有 1 条")
    expect(rows).to_have_count(3)
    assert (
        page.evaluate("[...document.querySelectorAll('[data-slot=alerts] .alert')].findIndex((row) => row.kept)") == 1
    )
    assert page.evaluate("countyBrain.map.maplibre.getCenter().toArray()") == camera
    size = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.scrollHeight]")
    assert size == [1920, 1080]


def test_an_exercise_never_looks_real(page: Page, product: Appliance, post: Post) -> None:
    open_page(page, product, "/wall?lang=en")
    for status in ("Test", "System", "Draft"):
        post(status=status)
    post(status="Exercise", severity="Extreme", headline="演练：暴雨红色预警")
    rows = page.locator("[data-slot=alerts] .alert")
    expect(rows).to_have_count(1)  # and the three others, which came before, are not there
    expect(rows.locator(".drill")).to_have_text("EXERCISE")
    assert rows.get_attribute("data-exercise") is not None
    look = rows.evaluate("(row) => { const s = getComputedStyle(row); return [s.borderLeftStyle, s.backgroundImage] }")
    assert look[0] == "dashed" and "gradient" in look[1]
    level, aside = (
        rows.locator(part).evaluate("(one) => getComputedStyle(one).color") for part in (".severity", ".bottom")
    )
    assert level == aside  # not the red of a warning
    for layer in ("alerts-drill", "alerts-drill-line", "alerts-drill-words"):
        page.wait_for_function(DRAWN, arg=layer)
    assert not page.evaluate(DRAWN, "alerts-line") and not page.evaluate(DRAWN, "alerts-tint")
    assert product.get("/api/alerts")["alerts"][0]["exercise"] is True


def test_a_warning_ends_by_the_clock(page: Page, product: Appliance, post: Post) -> None:
    open_page(page, product, "/wall")
    post(lasts=timedelta(seconds=5))
    rows = page.locator("[data-slot=alerts] .alert")
    expect(rows).to_have_count(1)
    expect(rows).to_have_count(0, timeout=20_000)
    assert product.get("/api/alerts")["alerts"] == []


def test_the_desk_tells_all_of_it(page: Page, product: Appliance, post: Post) -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    open_page(page, product, "/duty")
    expect(page.locator("[data-slot=alert-bar]")).to_be_hidden()
    reference = post()
    page.locator("[data-slot=alerts] .alert button").click()
    drawer = page.locator("[data-slot=drawer]")
    for words in ("云溪县气象台发布暴雨橙色预警", "预计降雨量将达50毫米", "停止户外作业", "云溪县 气象", "立即"):
        expect(drawer).to_contain_text(words)
    post(kind="Cancel", references=reference)
    expect(drawer).to_contain_text("此预警已解除、更新或到期。")
    expect(page.locator("[data-slot=alert-bar]")).to_be_hidden()
    page.keyboard.press("Escape")
    expect(drawer).to_contain_text("未选案件")
