"""The queue as an officer works with it: by mouse and by keys alone, in a real Chromium against the whole product."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from geo.county import County
from tests.appliance import Appliance, act, report, wait_for

READY = (
    "() => window.countyBrain?.feed?.connection.state === 'live' && document.querySelector('.duty .ag-row .case-light')"
)
MAPPED = "() => window.countyBrain?.map?.maplibre.getSource('desk-lasso')"
PATIENCE_MS = 20_000  # a list of SQL is read anew, on a busy machine
NAMES = ("暴露垃圾桶边的狗", "路灯不亮", "井盖松动", "河道漂浮物")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, county: County) -> Iterator[Appliance]:
    """The product with a handful of cases; each test brings its own beside them."""
    running = Appliance(tmp_path_factory.mktemp("desk") / "data", demo_folder).start()
    ago = datetime.now(UTC) - timedelta(minutes=5)
    running.post(*(make(county, f"DESK-{n}", n * 40, title=title, at=ago) for n, title in enumerate(NAMES)))
    wait_for(lambda: running.get("/api/queue")["length"] == len(NAMES), what="the first cases")
    yield running
    running.stop()


def make(county: County, case_id: str, cell: int, at: datetime | None = None, **changes: object) -> dict[str, object]:
    inside = county.cells.geometry.iloc[cell].representative_point()
    moment = (at or datetime.now(UTC)).isoformat()
    return report(case_id, inside.x, inside.y, **({"reported_at": moment, "severity": 3} | changes))


def open_desk(page: Page, desk: Appliance, query: str = "") -> None:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{desk.web_url}/duty{query}")
    page.wait_for_function(READY)


def rows(page: Page) -> Locator:
    return page.locator(".duty .ag-center-cols-container .ag-row:has(.case-light)")


def row_of(page: Page, title: str) -> Locator:
    return rows(page).filter(has_text=title)


def query_of(page: Page) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


def test_chinese_words_filter_and_the_address_keeps_them(page: Page, desk: Appliance) -> None:
    open_desk(page, desk)
    page.get_by_role("searchbox").first.fill("井盖")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("井盖松动")
    page.locator("[data-filter=severity] > button").click()
    page.get_by_role("option", name="较重").click()
    page.keyboard.press("Escape")
    expect(page.locator("[data-filter=severity] > button")).to_have_text(re.compile("等级: ● 较重"))
    assert query_of(page) == {"q": "井盖", "severity": "3"}
    page.reload()
    page.wait_for_function(READY)
    expect(rows(page)).to_have_count(1)
    expect(page.get_by_role("searchbox").first).to_have_value("井盖")
    page.get_by_role("button", name="清除筛选").click()
    expect(row_of(page, "路灯不亮")).to_be_visible()
    assert query_of(page) == {}


def test_a_view_is_kept_under_a_name_and_counted(page: Page, desk: Appliance) -> None:
    open_desk(page, desk, "?q=路灯")
    expect(rows(page)).to_have_count(1)
    page.get_by_role("button", name="保存视图").click()
    page.get_by_label("视图名称").fill("只看路灯")
    page.keyboard.press("Enter")
    expect(page.locator(".own-view")).to_contain_text("只看路灯1")
    page.keyboard.press("7")
    expect(row_of(page, "井盖松动")).to_be_visible()
    page.reload()
    page.wait_for_function(READY)
    page.keyboard.press("8")
    expect(rows(page)).to_have_count(1)
    assert query_of(page) == {"q": "路灯"}


def test_a_lasso_filters_to_what_it_circles(page: Page, desk: Appliance, county: County) -> None:
    open_desk(page, desk)
    page.wait_for_function(MAPPED)
    here = county.cells.geometry.iloc[80].representative_point()
    spot = page.evaluate(
        "([lon, lat]) => { const p = countyBrain.map.maplibre.project([lon, lat]); return [p.x, p.y] }",
        [here.x, here.y],
    )
    box = page.locator(".county-map").bounding_box()
    assert box is not None
    x, y = box["x"] + spot[0], box["y"] + spot[1]
    page.keyboard.down("Shift")
    page.mouse.move(x - 9, y - 9)
    page.mouse.down()
    for dx, dy in ((9, -9), (9, 9), (-9, 9)):
        page.mouse.move(x + dx, y + dy, steps=3)
    page.mouse.up()
    page.keyboard.up("Shift")
    inside = desk.get(f"/api/queue?within={query_of(page)['within']}")["rows"]
    assert "DESK-2" in {row["case_id"] for row in inside} and len(inside) < len(NAMES)
    expect(page.locator("[data-filter=within]")).to_have_text(f"圈选 {len(inside)} ✕")
    expect(rows(page)).to_have_count(len(inside))
    page.locator("[data-filter=within]").click()
    expect(row_of(page, "路灯不亮")).to_be_visible()


def test_several_cases_are_accepted_at_once(page: Page, desk: Appliance, county: County) -> None:
    desk.post(*(make(county, f"BULK-{n}", 100 + n, title=f"批量受理{n}") for n in range(3)))
    open_desk(page, desk, "?q=批量受理")
    expect(rows(page)).to_have_count(3)
    rows(page).nth(0).locator("input[type=checkbox]").click()
    rows(page).nth(2).locator("input[type=checkbox]").click(modifiers=["Shift"])
    expect(page.locator(".bulk")).to_contain_text("已选 3 件")
    page.locator(".bulk [data-action=accept]").click()
    expect(page.locator(".outcome")).to_contain_text("完成 3 件")
    for n in range(3):
        expect(row_of(page, f"批量受理{n}")).to_contain_text("已受理")
    states = {row["case_id"]: row["state"] for row in desk.get("/api/queue?q=BULK")["rows"]}
    assert states == {f"BULK-{n}": "accepted" for n in range(3)}


def test_a_new_case_is_told_and_moves_nothing_under_the_hand(page: Page, desk: Appliance, county: County) -> None:
    open_desk(page, desk)
    row_of(page, "井盖松动").click()
    row_of(page, "井盖松动").hover()
    before = rows(page).all_inner_texts()
    desk.post(make(county, "NEW-1", 7, title="燃气泄漏", severity=1))
    expect(page.locator("[data-slot=news]")).to_have_text("↑ 1 件新案件")
    expect(row_of(page, "燃气泄漏")).to_have_count(0)
    assert len(rows(page).all_inner_texts()) == len(before)
    expect(page).to_have_title(re.compile("严重案件"))
    page.keyboard.press("n")
    expect(rows(page).first).to_contain_text("燃气泄漏")
    expect(page.locator("[data-slot=news]")).to_be_hidden()
    expect(page.locator(".ag-row.current")).to_contain_text("井盖松动")


def test_a_case_that_moves_on_changes_in_place(page: Page, desk: Appliance, county: County) -> None:
    desk.post(make(county, "MOVE-1", 60, title="就地更新"))
    open_desk(page, desk, "?q=就地更新")
    expect(row_of(page, "就地更新")).to_contain_text("待受理")
    rows(page).first.hover()
    rows(page).first.evaluate("row => { row.dataset.same = 'yes' }")
    done = {"case_id": "MOVE-1", "action": "accept", "actor": "somebody", "at": datetime.now(UTC).isoformat()}
    desk.post({"specversion": "1.0", "id": "move-1", "source": "urn:tests", "type": "case.acted", "data": done})
    expect(row_of(page, "就地更新")).to_contain_text("已受理")
    expect(page.locator("[data-same=yes]")).to_have_count(1)  # the same element: nothing was laid out anew


def test_by_keys_alone(page: Page, desk: Appliance, county: County) -> None:
    desk.post(*(make(county, f"KEYS-{n}", 200 + n, title=f"键盘案件{n}") for n in range(2)))
    open_desk(page, desk)
    page.keyboard.press("?")
    expect(page.locator("[data-slot=help]")).to_contain_text("勾选当前案件")
    page.keyboard.press("Escape")
    expect(page.locator("[data-slot=help]")).to_be_hidden()
    page.keyboard.press("/")
    page.keyboard.type("KEYS")
    expect(rows(page)).to_have_count(2)
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    expect(rows(page).nth(0)).to_have_class(re.compile("current"))
    page.keyboard.press("j")
    expect(rows(page).nth(1)).to_have_class(re.compile("current"))
    page.keyboard.press("k")
    expect(rows(page).nth(0)).to_have_class(re.compile("current"))
    expect(page.locator(".case-drawer")).to_contain_text("键盘案件")
    page.keyboard.press("x")
    expect(page.locator(".bulk")).to_contain_text("已选 1 件")
    page.keyboard.press("Control+a")
    expect(page.locator(".bulk")).to_contain_text("已选 2 件")
    page.keyboard.press("Escape")
    expect(page.locator(".bulk")).to_be_hidden()
    page.keyboard.press("3")
    assert query_of(page) == {"severity": "1,2"}
    page.keyboard.press("f")
    expect(page.locator("[data-filter=town] > button")).to_be_focused()
    page.keyboard.press("Escape")
    page.locator("body").press("m")
    expect(page.locator("[data-slot=sound]")).to_have_attribute("data-sound", "muted")


def test_what_has_ended_is_found_in_sql(page: Page, desk: Appliance, county: County) -> None:
    desk.post(make(county, "ENDED-1", 300, title="已经办完的事"))
    done = {"case_id": "ENDED-1", "action": "close", "actor": "somebody", "at": datetime.now(UTC).isoformat()}
    desk.post({"specversion": "1.0", "id": "ended-1", "source": "urn:tests", "type": "case.acted", "data": done})
    wait_for(lambda: desk.get("/api/queue?show=ended&q=ENDED-1")["length"] == 1, what="the ended case")
    open_desk(page, desk, "?q=办完&show=ended")
    expect(rows(page)).to_have_count(1)
    expect(rows(page)).to_contain_text("已结案")


def test_lists_of_ended_cases_say_by_which_columns_they_sort(page: Page, desk: Appliance, county: County) -> None:
    names = (("较轻的一件", 4), ("最重的一件", 1))
    desk.post(*(make(county, f"SORT-{n}", 310, title=title, severity=n) for title, n in names))
    desk.post(*(act(f"SORT-{n}", "close") for _, n in names))
    wait_for(lambda: desk.get("/api/queue?show=ended&q=SORT")["length"] == len(names), what="the ended cases")
    open_desk(page, desk, "?q=SORT&show=ended")
    expect(rows(page)).to_have_count(2)

    def head(column: str) -> Locator:
        return page.locator(f".duty .ag-header-cell[col-id={column}]")

    expect(head("clock")).to_have_class(re.compile("unsorted"))
    expect(head("unit")).not_to_have_class(re.compile("unsorted"))
    head("severity").click()
    expect(rows(page).first).to_contain_text("最重的一件", timeout=PATIENCE_MS)
    head("severity").click()
    expect(rows(page).first).to_contain_text("较轻的一件", timeout=PATIENCE_MS)
    assert query_of(page)["sort"] == "-severity"
    head("clock").click()
    assert query_of(page)["sort"] == "-severity"
    page.get_by_role("button", name="在办", exact=True).click()
    expect(head("clock")).not_to_have_class(re.compile("unsorted"))
