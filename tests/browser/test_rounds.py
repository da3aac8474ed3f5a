"""A grid worker's phone in a village without signal, in a real Chromium: checked in there, sent later, once."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sqlalchemy import select

from geo.county import County
from ingest.store import open_database
from ingest.tables import task_checks
from tests.appliance import Appliance, wait_for
from tests.browser.lift import send_from_a_lift


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    """On a county where nothing of the turn before is owed any more, on whichever day of the week this runs."""
    folder = tmp_path_factory.mktemp("rounds")
    shutil.copytree(demo_folder, folder / "pack")
    cases = folder / "pack" / "cases.toml"
    owed = 'every = { amount = 7, unit = "days" }\ngrace = { amount = 2, unit = "days" }\n'
    text = cases.read_text(encoding="utf-8")
    assert owed in text
    cases.write_text(text.replace(owed, owed.partition("grace")[0]), encoding="utf-8")
    running = Appliance(folder / "data", folder / "pack").start()
    yield running
    running.stop()


@pytest.fixture
def phone(chromium: Browser, county: County, product: Appliance) -> Iterator[BrowserContext]:
    """A grid worker's, in the middle of their cell, which is the county's first."""
    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    context = chromium.new_context(
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
        geolocation={"longitude": lon, "latitude": lat, "accuracy": 12},
        permissions=["geolocation"],
        timezone_id="America/New_York",  # set wrongly; what it shows is the county's time all the same
    )
    log_in(context, product, "grid_worker")
    context.set_default_timeout(30_000)
    yield context
    context.close()


def log_in(phone: BrowserContext, product: Appliance, role: str) -> None:
    phone.add_cookies([{"name": "demo_viewer", "value": role, "url": product.web_url}])


def open_tasks(phone: BrowserContext, product: Appliance) -> Page:
    """The page, when the phone keeps all of it."""
    page = phone.new_page()
    page.goto(f"{product.web_url}/tasks")
    kept = "async () => Boolean(await caches.match('/tasks?'))"
    wait_for(lambda: page.evaluate(kept), what="the service worker")
    return page


def read_checks(product: Appliance, plan: str) -> list[Any]:
    engine = open_database(f"sqlite:///{product.data_dir.resolve() / 'county.db'}", read_only=True)
    try:
        with engine.connect() as connection:
            return list(connection.execute(select(task_checks).where(task_checks.c.plan == plan)))
    finally:
        engine.dispose()


def test_a_patrol_checked_in_without_a_network_arrives_once(
    phone: BrowserContext, product: Appliance, county: County
) -> None:
    page = open_tasks(phone, product)
    accepted = product.counters()["accepted"]
    phone.set_offline(True)
    page.reload()  # from what the phone keeps
    expect(page.locator("[data-slot=connection]")).to_contain_text("没有网络")
    task = page.locator("li[data-plan=daily][data-state=open]")
    expect(task.locator("button.main")).to_have_css("min-height", "52px")  # its style sheets are there, too
    task.get_by_placeholder("备注").fill("楼道已清")
    task.get_by_role("button", name="到场打卡").click()
    waiting = task.locator(".kept[data-state=waiting]")
    expect(waiting).to_contain_text("待发送")
    expect(waiting).to_contain_text(f"{datetime.now(county.time_zone):%m-%d %H:}")
    expect(waiting).to_be_focused()
    page.reload()
    expect(waiting).to_contain_text("没有网络")
    expect(task.get_by_role("button", name="到场打卡")).to_be_hidden()
    assert product.counters()["accepted"] == accepted

    # Its first answers are lost on the way: sent again and again, it is still one.
    send_from_a_lift(phone, page, "**/api/tasks/checks")
    expect(task.locator(".kept[data-state=sent]")).to_contain_text("已打卡")
    (check,) = wait_for(lambda: read_checks(product, "daily"), what="the recorder") or []
    assert (check.cell_code, check.worker, check.note) == (county.cells.index[0], "demo-grid_worker", "楼道已清")
    assert product.counters()["accepted"] == accepted + 1
    page.reload()
    expect(page.locator("li.done[data-plan=daily]")).to_contain_text("demo-grid_worker")


def test_what_is_far_off_is_refused_and_nobody_sends_in_anothers_name(
    phone: BrowserContext, product: Appliance
) -> None:
    phone.set_geolocation({"longitude": 116.4, "latitude": 39.9, "accuracy": 8})
    page = open_tasks(phone, product)
    task = page.locator("li[data-plan=safety][data-state=open]")
    button = task.get_by_role("button", name="到场打卡")
    phone.set_offline(True)
    button.click()
    expect(task.locator(".kept[data-state=waiting]")).to_contain_text("没有网络")
    log_in(phone, product, "village_centre")
    phone.set_offline(False)
    expect(task.locator(".kept[data-state=waiting]")).to_contain_text("打卡时的账号登录")
    log_in(phone, product, "grid_worker")
    page.get_by_role("button", name="立即发送").click()
    refused = task.locator(".kept[data-state=refused]")
    expect(refused).to_contain_text("超过 200 米")
    expect(button).to_be_visible()
    refused.get_by_role("button", name="知道了").click()
    expect(refused).to_have_count(0)
    assert read_checks(product, "safety") == []

    phone.clear_permissions()  # a patrol without a place is not even kept
    page.reload()
    button.click()
    expect(task.locator(".wrong")).to_contain_text("定位")
    expect(task.locator(".kept")).to_have_count(0)
