"""An incident in a browser: a key begins it, the wall shows it by itself, it ends, and its log is looked back at."""

from datetime import UTC, datetime
from typing import Any

from playwright.sync_api import Browser, Page, expect

from geo.county import County
from tests.appliance import Appliance, envelope, report

DESK: Any = {"width": 1440, "height": 900}
WALL: Any = {"width": 1280, "height": 720}
LIVE = "() => window.countyBrain?.feed?.connection.state === 'live'"
KEEP = "() => (window.kept = [...document.querySelectorAll('.incident-list > li')])"
LOST = "() => window.kept.filter((one) => !one.isConnected).length"
FITS = """() => [...document.querySelectorAll('.left > *, .right > *')]
  .filter((one) => !one.hidden && one.getBoundingClientRect().bottom > innerHeight + 1).length"""
SMALLEST = """() => Math.min(...[...document.querySelectorAll('[data-panel^=incident] *')]
  .filter((one) => one.offsetParent && [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim()))
  .map((one) => parseFloat(getComputedStyle(one).fontSize))) / innerHeight"""


def open_page(chromium: Browser, address: str, size: Any) -> Page:
    page = chromium.new_context(viewport=size).new_page()
    page.set_default_timeout(30_000)
    page.goto(address)
    page.wait_for_function(LIVE)
    return page


def raise_alarm(county: County, severity: int) -> dict[str, Any]:
    """An alarm at the incident's place; told again with a worse severity, it has become worse."""
    about = {"rule": "jam", "thing": "road-7", "cell_code": str(county.cells.index[0])}
    data = {"alarm_id": "jam:road-7", "severity": severity, "subject": "拥堵", "at": datetime.now(UTC).isoformat()}
    return envelope("alarm.raised", f"jam of severity {severity}", data | about)


def test_from_the_key_to_the_wall_to_its_end_and_back(chromium: Browser, product: Appliance, county: County) -> None:
    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    product.post(report("I-1", lon, lat, severity=1))
    wall = open_page(chromium, f"{product.web_url}/wall?lang=en", WALL)
    screen = wall.locator("[data-screen=wall]")
    expect(screen).to_have_attribute("data-scene", "overview")

    desk = open_page(chromium, f"{product.web_url}/duty?lang=en", DESK)
    desk.locator(".ag-row", has_text="Critical").click()
    drawer = desk.locator("[data-slot=drawer]")
    expect(drawer.locator(".case-actions [data-action=begin_incident]")).to_be_visible()
    desk.locator("body").press("i")
    drawer.locator("[data-field=note] textarea").fill("People are trapped")
    drawer.locator(".action-form .confirm").click()
    strip = drawer.locator(".incident-strip")
    expect(strip).to_contain_text("Incident running")
    expect(desk.locator(".ag-row .incident-mark")).to_have_text("⚑Incident")

    expect(screen).to_have_attribute("data-scene", "incident")
    expect(wall.locator(".incident-ladder [data-standing=now] .state")).to_have_text("Reported")
    log = wall.locator(".incident-log .what")
    expect(log.first).to_have_text("Begin an incident")
    assert "trapped" not in wall.content()
    near = wall.locator(".incident-alarms .severity")
    product.post(raise_alarm(county, severity=3))
    expect(near).to_have_text("●Moderate")
    product.post(raise_alarm(county, severity=1))
    expect(near).to_have_text("▲Critical")
    expect(log.first).to_have_text("Alarm now Critical: Road jammed road-7")
    wall.evaluate(KEEP)
    drawer.locator(".case-actions [data-action=supervise]").click()
    drawer.locator("[data-field=card] [data-word=red]").click()
    drawer.locator(".action-form .confirm").click()
    expect(log.first).to_have_text("Supervise")
    assert (wall.evaluate(LOST), wall.evaluate(FITS)) == (0, 0)
    assert wall.evaluate(SMALLEST) >= 1 / 61

    desk.locator("body").press("i")
    desk.keyboard.type("Fire brigade on site")
    desk.keyboard.press("Enter")
    expect(strip.locator(".status")).to_have_text("Written")
    drawer.locator(".case-actions [data-action=end_incident]").click()
    drawer.locator("[data-field=note] textarea").fill("All are safe")
    drawer.locator(".action-form .confirm").click()
    expect(strip).to_contain_text("Incident over")
    expect(screen).to_have_attribute("data-scene", "overview")

    desk.goto(f"{product.web_url}{strip.locator('a').get_attribute('href')}")
    lines = desk.locator(".incident-log .what")
    alarm = ["Alarm: Road jammed road-7", "Alarm now Critical: Road jammed road-7"]
    expect(lines).to_have_text(["Reported", "Begin an incident", *alarm, "Supervise", "Note", "End the incident"])
    expect(desk.locator(".incident-head .conclusion")).to_have_text("How it ended: All are safe")
    expect(desk.locator("form.entry")).to_be_hidden()
    desk.locator("[data-deed=earlier]").click()
    expect(desk.locator("[data-slot=newest]")).to_be_visible()
    desk.get_by_role("slider").press("Home")
    expect(desk.locator(".incident-head .standing")).to_have_text("Incident running")
    expect(lines.last).to_have_text("Begin an incident")
    expect(desk.locator("[data-slot=moment]")).to_contain_text("as of ")
    desk.locator("[data-slot=newest]").click()
    expect(lines.last).to_have_text("End the incident")
    desk.get_by_role("link", name="Incidents").click()
    row = desk.locator(".incidents tbody tr").first
    expect(row).to_contain_text("min")
    row.get_by_role("link").click()
    expect(lines.last).to_have_text("End the incident")
    desk.emulate_media(media="print")
    expect(desk.locator("html")).to_have_attribute("data-theme", "light")
    expect(desk.get_by_role("slider")).to_be_hidden()
    desk.close()
    wall.close()
