"""Taking a report down on the desk with a telephone at the ear: by keys alone, once, and added to what is the same."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from geo.county import County
from tests.appliance import Appliance, report, wait_for

READY = (
    "() => window.countyBrain?.feed?.connection.state === 'live'"
    " && window.countyBrain.map?.maplibre.getSource('desk-pin') && document.querySelector('#queue .ag-row')"
)
METRE = 1 / 111_320
BIN = "BIN-00001"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, county: County) -> Iterator[Appliance]:
    """The product with one open case twelve metres from a bin."""
    running = Appliance(tmp_path_factory.mktemp("intake") / "data", demo_folder).start()
    bin_ = county.assets.loc[BIN]
    running.post(report("OPEN-1", bin_["lon"], bin_["lat"] + 12 * METRE, title="垃圾桶满了，味道大"))
    wait_for(lambda: running.get("/api/queue")["length"] == 1, what="the case")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def officer(chromium: Browser, desk: Appliance) -> Iterator[Page]:
    """The desk of the county's duty officer; every test leaves it with the form closed."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    page.goto(f"{desk.web_url}/duty")
    page.wait_for_function(READY)
    yield page
    page.close()


def type_report(page: Page, county: County, words: str) -> None:
    """Types class, place and words into the open form, as fast as the lists are there."""
    page.keyboard.type("暴露")
    expect(page.get_by_role("option", name="暴露垃圾")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Enter")
    expect(page.locator("[data-field=category] .note")).to_contain_text("日常保洁")
    page.keyboard.press("Tab")
    page.keyboard.type(county.assets.loc[BIN, "name"])
    expect(page.locator("[data-field=place] [role=option]").first).to_contain_text("垃圾箱")
    page.keyboard.press("Tab")
    page.keyboard.type(words)


def count_open(desk: Appliance) -> int:
    return int(desk.get("/api/queue")["length"])


def test_a_report_is_taken_down_by_keys_alone(officer: Page, desk: Appliance, county: County) -> None:
    before = count_open(desk)
    officer.keyboard.press("r")
    type_report(officer, county, "桥头垃圾三天没人清")
    expect(officer.locator("[data-field=place] .note")).to_contain_text(county.cells.iloc[0]["name"])
    expect(officer.locator("[data-field=place] .note")).to_contain_text("网格员 0001")
    same = officer.locator(".likely li")
    expect(same).to_contain_text("垃圾桶满了，味道大")
    expect(same).to_contain_text("12 米")
    officer.keyboard.press("F2")
    officer.keyboard.press("o")
    expect(officer.locator(".case-facts")).to_contain_text("OPEN-1")
    expect(officer.locator(".intake")).to_be_visible()
    for _ in range(12):  # the focus goes round within the form, whose letters are no keys of the desk
        officer.keyboard.press("Tab")
        assert officer.evaluate("document.activeElement.closest('.intake') !== null")
    officer.locator("[name=intake-severity]:checked").press("ArrowLeft")
    officer.get_by_label("电话").press_sequentially("13800000000")
    officer.keyboard.press("Control+Enter")
    expect(officer.locator(".outcome")).to_have_text(re.compile(r"已登记，编号 R\d{6}-\w{4}-\w{4}"))
    expect(officer.locator(".intake")).to_be_hidden()
    expect(officer.locator(".case-drawer .case-title")).to_have_text("暴露垃圾：桥头垃圾三天没人清")
    expect(officer.locator(".case-facts .reporter")).to_contain_text("138****0000")
    row = officer.locator("#queue .ag-center-cols-container .ag-row").filter(has_text="桥头垃圾三天没人清")
    expect(row).to_have_class(re.compile("current"))
    expect(row).to_contain_text("较重")
    assert count_open(desk) == before + 1
    officer.keyboard.press("?")
    expect(officer.locator("[data-slot=help]")).to_contain_text("登记新报案")
    officer.keyboard.press("Escape")


def test_what_is_the_same_is_added_and_makes_no_case(officer: Page, desk: Appliance, county: County) -> None:
    before = count_open(desk)
    officer.keyboard.press("r")
    type_report(officer, county, "垃圾桶满了，味道大")
    row = officer.locator(".likely [data-case='OPEN-1']")
    expect(row).to_be_visible()
    officer.keyboard.press("F2")
    while officer.evaluate("document.activeElement.dataset.case") != "OPEN-1":
        officer.keyboard.press("ArrowDown")
    officer.keyboard.press("Enter")
    expect(row).to_have_attribute("aria-selected", "true")
    expect(officer.locator(".intake .go")).to_contain_text("加到这件")
    officer.keyboard.press("Control+Enter")
    expect(officer.locator(".outcome")).to_contain_text("已加到这件，本次编号 R")
    expect(officer.locator(".case-facts")).to_contain_text("OPEN-1")
    wait_for(
        lambda: [one["action"] for one in desk.get("/api/cases/OPEN-1")["actions"]].count("report") == 2,
        what="the second report",
    )
    assert count_open(desk) == before


def test_nothing_that_was_typed_is_lost(officer: Page, desk: Appliance, county: County) -> None:
    before = count_open(desk)
    officer.keyboard.press("r")
    officer.keyboard.press("Escape")
    expect(officer.locator(".intake")).to_be_hidden()  # nothing was typed
    officer.keyboard.press("r")
    officer.keyboard.press("Control+Enter")
    expect(officer.locator("[data-field=category] .fault")).to_have_text("请填写")
    expect(officer.get_by_role("combobox", name="类别")).to_be_focused()
    type_report(officer, county, "断网时的报案")
    officer.keyboard.press("Escape")
    expect(officer.get_by_role("button", name="继续填写")).to_be_focused()
    officer.keyboard.press("Escape")
    officer.context.set_offline(True)
    officer.keyboard.press("Control+Enter")
    expect(officer.locator(".intake footer .fault")).to_contain_text("没有送达")
    officer.context.set_offline(False)
    officer.locator(".intake .go").dblclick()
    expect(officer.locator(".case-drawer .case-title")).to_have_text("暴露垃圾：断网时的报案")
    assert count_open(desk) == before + 1
    officer.keyboard.press("r")
    expect(officer.locator(".intake textarea")).to_have_value("")
    officer.keyboard.type("x")
    officer.keyboard.press("Escape")  # the list
    officer.keyboard.press("Escape")
    officer.keyboard.press("Tab")
    officer.keyboard.press("Enter")
    expect(officer.locator(".intake")).to_be_hidden()


def test_a_click_on_the_map_is_the_place(officer: Page) -> None:
    officer.get_by_role("button", name="登记报案").click()
    officer.locator(".county-map").click()  # in its middle
    expect(officer.get_by_role("combobox", name="地点")).to_have_value(re.compile("地图上的点"))
    expect(officer.locator("[data-field=place] .note")).to_contain_text("网格员")
    assert "cell=" not in officer.url  # the click was the form's alone
    officer.keyboard.press("Escape")
    officer.get_by_role("button", name="不要了").click()
    expect(officer.locator(".intake")).to_be_hidden()


def test_a_place_is_found_that_was_typed_before_its_name_was_there(page: Page, desk: Appliance, county: County) -> None:
    held: list[Route] = []
    page.route("**/api/geometry/*/assets", lambda route: held.append(route))
    page.goto(f"{desk.web_url}/duty")
    page.wait_for_function(READY)
    page.keyboard.press("r")
    place = page.get_by_role("combobox", name="地点")
    place.press_sequentially(county.assets.loc[BIN, "name"])
    found = page.locator("[data-field=place] [role=listbox]")
    expect(found).to_contain_text("正在读取地名")
    for route in held:
        route.continue_()
    expect(found.get_by_role("option").first).to_contain_text("垃圾箱")
    place.press("Tab")
    expect(page.locator("[data-field=place] .note")).to_contain_text("网格员")


def test_places_whose_names_cannot_be_read_are_clicked_on_the_map(page: Page, desk: Appliance) -> None:
    page.route("**/api/geometry/*/assets", lambda route: route.abort())
    page.goto(f"{desk.web_url}/duty")
    page.wait_for_function(READY)
    page.keyboard.press("r")
    page.get_by_role("combobox", name="地点").press_sequentially("永华")
    expect(page.locator("[data-field=place] [role=listbox]")).to_contain_text("地名读取失败")


def test_who_takes_no_reports_has_the_page_for_phones(page: Page, desk: Appliance) -> None:
    page.context.add_cookies([{"name": "demo_viewer", "value": "leader", "url": desk.web_url}])
    page.goto(f"{desk.web_url}/duty?lang=en")
    expect(page.locator("[data-slot=report]")).to_have_attribute("href", "/report?lang=en")
    expect(page.locator(".intake")).to_have_count(0)
