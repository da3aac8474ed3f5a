"""A phone in the field, in a real Chromium: without a network, with one again, and what comes of it."""

import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from geo.county import County
from ingest.tables import case_actions, cases
from tests.appliance import Appliance, act, wait_for
from tests.browser.lift import send_from_a_lift

SIZE: Any = {"width": 390, "height": 844}
RESIDENT = "/report?as=resident"


@pytest.fixture
def phone(chromium: Browser, county: County) -> Iterator[BrowserContext]:
    """A phone of 390 × 844 that knows where it is: in the middle of the county's first cell."""
    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    context = chromium.new_context(
        viewport=SIZE,
        has_touch=True,
        is_mobile=True,
        geolocation={"longitude": lon, "latitude": lat, "accuracy": 12},
        permissions=["geolocation"],
    )
    context.set_default_timeout(30_000)
    yield context
    context.close()


def open_report(phone: BrowserContext, product: Appliance, path: str = RESIDENT) -> Page:
    """The page, when its map is drawn and the phone keeps all of it."""
    page = phone.new_page()
    page.goto(f"{product.web_url}{path}")
    page.wait_for_selector("[data-slot=map][data-ready]")
    page.wait_for_function(
        """async () => {
            for (const name of await caches.keys())
                if ((await (await caches.open(name)).keys()).some(({ url }) => url.includes('/report?'))) return true;
            return false;
        }"""
    )
    return page


def a_photo() -> bytes:
    exif = Image.Exif()
    exif[0x010F] = "Pixel of somebody"
    exif.get_ifd(0x8825)[2] = (29.0, 41.0, 12.0)
    out = io.BytesIO()
    Image.radial_gradient("L").resize((2400, 1800)).convert("RGB").save(out, "JPEG", exif=exif)
    return out.getvalue()


def fill(page: Page, group: str = "市容环境", category: str = "暴露垃圾") -> None:
    page.get_by_role("button", name=group).click()
    page.locator(".classes").get_by_role("button", name=category, exact=True).first.click()
    page.locator("[data-slot=locate]").click()
    expect(page.locator("[data-slot=place] strong")).not_to_be_empty()


def read_rows(product: Appliance, number: str) -> tuple[list[Any], list[Any]]:
    case_id = number.replace("-", "")
    with product.reading() as engine, engine.connect() as connection:
        return (
            list(connection.execute(select(cases).where(cases.c.case_id == case_id))),
            list(connection.execute(select(case_actions).where(case_actions.c.case_id == case_id))),
        )


def test_a_report_made_without_a_network_arrives_once_and_can_be_followed(
    phone: BrowserContext, product: Appliance, county: County
) -> None:
    asked: list[str] = []
    phone.on("request", lambda request: asked.append(request.url))
    page = open_report(phone, product)
    accepted = product.counters()["accepted"]
    phone.set_offline(True)
    page.reload()  # from what the phone keeps
    expect(page.locator("[data-slot=connection]")).to_contain_text("没有网络")
    page.wait_for_selector("[data-slot=map][data-ready]")
    fill(page)
    expect(page.locator("[data-slot=place]")).to_contain_text(county.areas.loc[county.cells.index[0][:9]]["name"])
    page.locator("[data-slot=camera]").set_input_files({"name": "a.jpg", "mimeType": "image/jpeg", "buffer": a_photo()})
    expect(page.locator(".photo img")).to_be_visible()
    page.locator("#description").fill("井盖旁一堆垃圾，三天了")
    page.locator("summary").click()
    page.locator("[data-slot=phone]").fill("13812345678")
    page.get_by_role("button", name="提交").click()
    waiting = page.locator(".report[data-state=waiting]")
    expect(waiting).to_contain_text("暴露垃圾")
    expect(waiting).to_be_focused()
    page.reload()
    expect(waiting).to_contain_text("没有网络")
    assert product.counters()["accepted"] == accepted

    # Its first answers are lost on the way: sent again and again, it is still one.
    send_from_a_lift(phone, page, "**/api/public/reports")
    sent = page.locator(".report[data-state=sent]")
    expect(sent).to_have_count(1)
    number, code = sent.locator("dd").all_inner_texts()
    wait_for(lambda: read_rows(product, number)[0], what="the recorder")
    (case,), reports = read_rows(product, number)
    assert len(reports) == 1
    assert (case.title, case.channel) == ("暴露垃圾：井盖旁一堆垃圾，三天了", "app")
    assert case.cell_code == county.cells.index[0]
    assert product.counters()["accepted"] == accepted + 1
    (photo,) = (product.data_dir / "media" / "kept").glob("*/*.jpg")
    assert photo.stem in case.media
    assert b"Pixel of somebody" not in photo.read_bytes()
    kept = page.evaluate(
        """() => new Promise((done) => {
            const opening = indexedDB.open('county-brain-field');
            opening.onsuccess = () => {
                const asked = opening.result.transaction('reports').objectStore('reports').getAll();
                asked.onsuccess = () => done(asked.result.filter(({ state }) => state === 'sent'));
            };
        })"""
    )
    assert [(one["phone"], one["photos"]) for one in kept] == [("", [])]  # what the server has, the phone forgets

    product.post(act(number.replace("-", ""), "accept", note="内部意见"))
    sent.get_by_role("link", name="查进度").click()
    answer = page.locator("[data-slot=answer]")
    expect(answer).to_contain_text("暴露垃圾")
    expect(answer.locator(".pictures img")).to_have_count(1)
    assert page.evaluate("() => document.querySelector('.pictures img').decode().then(() => true)")
    assert code not in page.url.partition("#")[0]

    def told() -> bool:
        page.get_by_role("button", name="查询").click()
        page.wait_for_timeout(200)
        return "已受理" in answer.inner_text()

    wait_for(told, what="the acceptance")
    assert "内部意见" not in answer.inner_text()
    assert {urlsplit(url).netloc for url in asked if not url.startswith("blob:")} == {urlsplit(product.web_url).netloc}


def test_what_is_missing_is_said_and_a_place_outside_is_refused(phone: BrowserContext, product: Appliance) -> None:
    phone.set_geolocation({"longitude": 116.4, "latitude": 39.9, "accuracy": 8})
    page = open_report(phone, product)
    page.get_by_role("button", name="提交").click()
    expect(page.locator("[data-wrong=category]")).to_contain_text("请选是什么事")
    expect(page.locator("[data-wrong=place]")).to_be_visible()
    expect(page.locator("[data-slot=search]")).to_be_focused()
    for offline in (False, True):
        phone.set_offline(offline)
        page.locator("[data-slot=locate]").click()
        expect(page.locator("[data-wrong=place]")).to_contain_text("不在本县")
        assert page.locator(".report").count() == 0
    # A finger on the map is a place, too; here it comes down in the middle of the county.
    page.locator("[data-slot=map] canvas").click()
    expect(page.locator("[data-slot=place] strong")).not_to_be_empty()
    expect(page.locator("[data-wrong=place]")).to_be_hidden()


def test_a_draft_survives_a_reload_and_a_refused_one_can_be_mended(phone: BrowserContext, product: Appliance) -> None:
    page = open_report(phone, product)
    page.locator("[data-slot=search]").fill("积水")
    page.locator(".classes button").first.click()
    page.locator("[data-slot=locate]").click()
    page.locator("#description").fill("水很深")
    expect(page.locator("[data-slot=place] strong")).not_to_be_empty()
    page.wait_for_timeout(500)
    page.reload()
    expect(page.locator("[data-slot=chosen-category]")).to_contain_text("道路积水")
    expect(page.locator("#description")).to_have_value("水很深")
    refusal = {"status": 422, "json": {"field": "description", "reason": "refused_unreadable"}}
    page.route("**/api/public/reports", lambda route: route.fulfill(**refusal), times=1)
    page.get_by_role("button", name="提交").click()
    refused = page.locator(".report[data-state=refused]")
    expect(refused).to_contain_text("不合要求")
    refused.get_by_role("button", name="修改后重发").click()
    expect(page.locator("[data-wrong=description]")).to_be_visible()
    page.locator("#description").fill("水深三十厘米")
    page.get_by_role("button", name="提交").click()
    expect(page.locator(".report[data-state=sent]")).to_have_count(1)
    expect(refused).to_have_count(0)


def test_a_worker_is_named_and_reports_disputes_with_a_severity(phone: BrowserContext, product: Appliance) -> None:
    phone.add_cookies([{"name": "demo_viewer", "value": "grid_worker", "url": product.web_url}])
    page = open_report(phone, product, "/report?lang=en")
    expect(page.locator("[data-slot=who]")).to_contain_text("网格员")
    fill(page, "Disputes", "Neighbours")
    page.get_by_role("radio").nth(1).click()
    expect(page.get_by_role("radio").nth(1)).to_be_checked()
    page.get_by_role("button", name="Send").click()
    sent = page.locator(".report[data-state=sent]")
    expect(sent).to_have_count(1)
    number = sent.locator("dd").first.inner_text()
    wait_for(lambda: read_rows(product, number)[0], what="the recorder")
    (case,), (report,) = read_rows(product, number)
    assert (case.channel, case.severity, report.actor) == ("grid_worker", 2, "demo-grid_worker")


def test_who_reports_what_was_reported_can_add_to_it(phone: BrowserContext, product: Appliance, county: County) -> None:
    lon, lat = county.cells.geometry.iloc[40].representative_point().coords[0]
    phone.set_geolocation({"longitude": lon, "latitude": lat, "accuracy": 5})
    page = open_report(phone, product)
    numbers = []
    for joins in (False, True):
        fill(page, "突发事件", "路面塌陷")
        similar = page.locator("[data-slot=similar]")
        if joins:
            similar.get_by_role("button", name="是，加到这件").click()
            expect(similar.get_by_role("button", name="已加到这件")).to_be_visible()
        page.get_by_role("button", name="提交").click()
        expect(page.locator(".report[data-state=sent]")).to_have_count(2 if joins else 1)
        numbers.append(page.locator(".report[data-state=sent] dd").first.inner_text())
        wait_for(lambda: read_rows(product, numbers[0])[0], what="the recorder")
    wait_for(lambda: len(read_rows(product, numbers[0])[1]) == 2, what="the second report")
    assert read_rows(product, numbers[1]) == ([], [])


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_is_cut_off_and_everything_is_large_enough_for_a_thumb(
    phone: BrowserContext, product: Appliance, lang: str
) -> None:
    page = open_report(phone, product, f"/report?as=resident&lang={lang}")
    page.locator(".group").first.click()
    photo = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": a_photo()}
    for source in ("camera", "album"):  # at once
        page.locator(f"[data-slot={source}]").set_input_files(photo)
    expect(page.locator(".photo")).to_have_count(2)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        assert_fits(page)


def assert_fits(page: Page) -> None:
    outside = page.evaluate(
        """() => [...document.querySelectorAll('fieldset *')].filter((element) => {
            const right = (of) => of.getBoundingClientRect().right;
            if (!element.offsetParent || element.closest('.small-map')) return false;
            return right(element) > right(element.closest('fieldset')) + 1;
        }).map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert outside == []
    wide = page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide == 0
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, .button, nav a, input:not([type=file]), summary, textarea')]
            .filter((element) => element.offsetParent && !element.closest('.maplibregl-control-container'))
            .filter((element) => element.getBoundingClientRect().height < 47.5)
            .map((element) => element.outerHTML.slice(0, 80))"""
    )
    assert small == []
    cut = page.evaluate(
        """() => [...document.querySelectorAll('button, legend, h1')]
            .filter((element) => element.offsetParent && element.scrollWidth > element.clientWidth + 1)
            .map((element) => element.textContent)"""
    )
    assert cut == []
