"""The desk's drawer in a real Chromium: a case from new to closed by its legal buttons, and two officers at once."""

import re
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from geo.county import County
from tests.appliance import Appliance, act, report

PATIENCE_MS = 60_000
numbers = count(1)
OpenDesk = Callable[..., Page]


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    running = Appliance(tmp_path_factory.mktemp("drawer") / "data", demo_folder).start()
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def patient() -> Iterator[None]:
    """Lets what is expected take its time on a busy machine."""
    expect.set_options(timeout=PATIENCE_MS)
    yield
    expect.set_options(timeout=5_000)


@pytest.fixture
def open_desk(chromium: Browser, product: Appliance) -> Iterator[OpenDesk]:
    """Opens the desk as somebody of a role, at the desk's usual size."""
    contexts = []

    def go(role: str, lang: str = "zh", case_id: str = "") -> Page:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        contexts.append(context)
        context.add_cookies([{"name": "demo_viewer", "value": role, "url": product.web_url}])
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{product.web_url}/duty?lang={lang}&q={case_id}")
        page.wait_for_function("() => window.countyBrain?.feed?.connection.state === 'live'")
        page.locator("#queue .ag-center-cols-container .ag-row").filter(has_text="桥头垃圾成堆").click()
        expect(page.locator(".case-facts")).to_contain_text(case_id)
        return page

    yield go
    for context in contexts:
        context.close()


@pytest.fixture
def case_id(product: Appliance, county: County) -> str:
    number = f"DRAWER-{next(numbers)}"
    point = county.cells.geometry.iloc[0].representative_point()
    product.post(report(number, point.x, point.y, title="桥头垃圾成堆，电话13812345678", people=12))
    return number


def button(page: Page, action: str) -> Locator:
    return page.locator(f".case-actions [data-action={action}]")


def state(page: Page) -> Locator:
    return page.locator(".drawer-head .state")


def test_a_case_goes_from_new_to_closed_by_legal_buttons(open_desk: OpenDesk, case_id: str) -> None:
    officer = open_desk("county_duty", case_id=case_id)
    expect(state(officer)).to_have_text("待受理")
    expect(officer.locator(".case-head")).to_contain_text("涉及 12 人")
    expect(officer.locator(".case-title")).to_have_text("桥头垃圾成堆，电话138****5678")
    expect(button(officer, "close")).to_have_count(0)
    first = officer.locator(".case-actions .act").first
    for action, reached in (("accept", "已受理"), ("file", "已立案")):
        expect(first).to_have_attribute("data-action", action)
        first.click()
        expect(state(officer)).to_have_text(reached)
    button(officer, "dispatch").click()
    expect(officer.locator(".action-form select")).to_have_value("U02")  # the class's proposed unit
    expect(officer.locator(".why-proposed")).to_contain_text("环境卫生管理所")
    officer.locator(".action-form .confirm").click()
    expect(state(officer)).to_have_text("已派遣")

    unit = open_desk("unit", case_id=case_id)
    expect(unit.locator(".turn")).to_contain_text("轮到你")
    button(unit, "take").click()
    expect(state(unit)).to_have_text("处置中")
    button(unit, "handle").click()
    unit.locator(".action-form .confirm").click()
    expect(unit.locator(".action-form .fault")).to_have_text("请填写")
    unit.locator(".action-form textarea").fill("已清运")
    unit.locator(".action-form .confirm").click()
    expect(state(unit)).to_have_text("已处置")

    expect(state(officer)).to_have_text("已处置")  # as it happens, without a reload
    for action, reached in (("send_check", "核查中"), ("check", "已核查"), ("close", "已结案")):
        button(officer, action).click()
        expect(state(officer)).to_have_text(reached)
    expect(officer.locator(".case-clock .verdict")).to_have_text("○ 按时办结")
    expect(officer.locator(".timeline b")).to_have_text(
        ["上报", "受理", "立案", "派遣", "签收", "处置完成", "派核查", "核查通过", "结案"]
    )
    expect(officer.locator(".timeline .who").nth(4)).to_have_text("处置单位 · 环境卫生管理所")
    button(officer, "undo").click()
    expect(state(officer)).to_have_text("已核查")
    expect(officer.locator(".timeline [data-mark=undone] b")).to_have_text("结案")


def test_the_second_of_two_officers_is_told_and_keeps_what_was_typed(open_desk: OpenDesk, case_id: str) -> None:
    one, other = open_desk("county_duty", case_id=case_id), open_desk("dispatcher", case_id=case_id)
    button(one, "escalate").click()
    one.locator(".action-form [data-word=county]").click()
    one.locator(".action-form textarea").fill("需要县里协调")
    # The other's deed reaches this desk only after its own request has left.
    sent: list[str] = []

    def hold(route: Route) -> None:
        route.continue_() if sent else route.abort()

    def let_go(route: Route) -> None:
        sent.append(route.request.url)
        route.continue_()

    one.route(re.compile(r"/api/cases/[^/?]+\?"), hold)
    one.route(re.compile(r"/actions$"), let_go)
    button(other, "accept").click()
    expect(state(other)).to_have_text("已受理")
    one.locator(".action-form .confirm").click()
    status = one.locator(".case-actions .status")
    expect(status).to_contain_text("上交没有生效：派遣员")
    expect(status).to_contain_text("已“受理”，案件现为“已受理”")
    expect(state(one)).to_have_text("已受理")
    expect(one.locator(".action-form textarea")).to_have_value("需要县里协调")
    one.locator(".action-form .confirm").click()
    expect(one.locator(".case-head .pill")).to_have_text(["县级"])


def test_what_is_typed_stays_while_the_case_changes(open_desk: OpenDesk, case_id: str) -> None:
    one, other = open_desk("county_duty", case_id=case_id), open_desk("dispatcher", case_id=case_id)
    button(one, "note").click()
    one.locator(".action-form textarea").type("正在联系")
    button(other, "accept").click()
    expect(state(one)).to_have_text("已受理")
    expect(one.locator(".action-form textarea")).to_be_focused()
    one.keyboard.type("环卫所")
    one.locator(".action-form .confirm").click()
    expect(one.locator(".timeline .note").last).to_have_text("正在联系环卫所")


def test_the_clock_explains_itself_and_the_radius_can_be_pulled(open_desk: OpenDesk, case_id: str) -> None:
    page = open_desk("county_duty", lang="en", case_id=case_id)
    expect(page.locator(".case-clock .verdict")).to_contain_text(re.compile(r"\d+:\d\d:\d\d left|\d+ d \d+ h left"))
    counted = page.locator(".case-clock .verdict").inner_text()
    expect(page.locator(".case-clock .verdict")).not_to_have_text(counted)
    page.locator(".why summary").click()
    expect(page.locator(".explanation")).to_contain_text("Whole case: limit of 4 working h")
    expect(page.locator(".explanation")).to_contain_text("Due at")
    expect(page.locator(".guide")).to_contain_text("Sanitation office")
    near = page.locator(".case-near")
    expect(near.locator("label")).to_have_text("Within 800 m")
    slider = near.locator("input[type=range]")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    expect(near.locator("label")).to_have_text("Within 5 km")
    expect(near.locator(".group").filter(has_text="Bin")).to_be_visible()


def test_a_supervision_card_has_its_clocks_and_the_first_to_end_is_in_front(
    open_desk: OpenDesk, product: Appliance, county: County
) -> None:
    number = f"DRAWER-{next(numbers)}"
    point = county.cells.geometry.iloc[0].representative_point()
    # Twenty working days in all, ten to handle it: the card's one day to answer ends before both.
    product.post(report(number, point.x, point.y, title="桥头垃圾成堆", category="0101", severity=4))
    product.post(*(act(number, *deed) for deed in (("accept",), ("file",))), act(number, "dispatch", unit="U01"))
    product.post(act(number, "take", unit="U01"), act(number, "supervise", card="yellow"))
    page = open_desk("county_duty", case_id=number)
    clocks, others = page.locator(".case-clock"), page.locator(".other-clocks li")
    expect(clocks).to_have_attribute("data-kind", "accept")
    expect(clocks).to_have_attribute("data-clock", "green")
    expect(clocks.locator(".verdict")).to_have_text(re.compile("^○ 剩 "))
    expect(clocks.locator(".sum")).to_contain_text("督办签收：已用 0%，时限 1 工作日")
    expect(others).to_contain_text(["全程：○ 剩", "本步“处置中”：○ 剩", "督办办理：○ 剩"])
    page.locator(".case-clock summary").click()
    told = page.locator(".explanation ul").first
    expect(told).to_contain_text("督办签收时限 1 工作日")
    expect(told).to_contain_text("（督办）")
    expect(told).to_contain_text("只计工作时间")
    row = page.locator("#queue .ag-center-cols-container .ag-row").first
    expect(row.locator(".clock-mark")).to_have_text(re.compile("^督"))
    expect(row.locator(".card-mark")).to_have_attribute("title", re.compile("^督办签收 .+ 到期\n督办办理 .+ 到期$"))

    button(page, "note").click()
    page.locator(".action-form textarea").fill("已联系处置单位")
    page.locator(".action-form .confirm").click()
    expect(page.locator(".other-clocks [data-kind=accept]")).to_have_text("督办签收：○ 已按时签收")
    expect(clocks).to_have_attribute("data-kind", "handle")
    expect(row.locator(".card-mark")).to_have_attribute("title", re.compile("^督办办理 .+ 到期$"))
