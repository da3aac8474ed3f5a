"""A shift's hand-over as two officers do it, with their passwords; and the roster that says who they are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from sqlalchemy import select

from dashboard.people.accounts import Accounts
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.store import open_database
from ingest.tables import audit, shift_plans
from tests.appliance import Appliance, report, wait_for

PASSWORD = "a quiet river in spring"
SIZE: Any = {"width": 1440, "height": 900}
OFFICERS = ("chen", "li", "wang")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, county: County) -> Iterator[Appliance]:
    folder = tmp_path_factory.mktemp("handover") / "data"
    running = Appliance(folder, demo_folder, {"AUTH": "on", "UI_LANG": "en"}).start()
    engine = open_database(f"sqlite:///{folder / 'county.db'}")
    for name in OFFICERS:
        Accounts(engine).add(Viewer(name, f"Officer {name.title()}", "county_duty"), PASSWORD, must_change=False)
    engine.dispose()
    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    running.post(report("H-1", lon, lat, severity=1), report("H-2", lon, lat), report("H-3", lon, lat, severity=2))
    wait_for(lambda: running.counters()["recorded"] == 3, what="the recorder")
    yield running
    running.stop()


def log_in(chromium: Browser, product: Appliance, name: str, path: str = "/handover?lang=en") -> Page:
    page = chromium.new_context(viewport=SIZE).new_page()
    page.set_default_timeout(30_000)
    page.goto(f"{product.web_url}{path}")
    page.get_by_label("Account").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_selector("[data-screen=handover] main")
    return page


def figures(page: Page) -> dict[str, str]:
    page.wait_for_selector("[data-figure=open]")
    told: dict[str, str] = page.evaluate(
        "() => Object.fromEntries([...document.querySelectorAll('[data-figure]')]"
        ".map(one => [one.dataset.figure, one.querySelector('.value').textContent]))"
    )
    return told


def sign(page: Page, password: str = PASSWORD) -> None:
    page.get_by_label("Your password again").fill(password)
    page.locator(".panel .sign").click()


def test_a_shift_goes_from_one_officer_to_the_next(chromium: Browser, product: Appliance, county: County) -> None:
    outgoing = log_in(chromium, product, "chen")
    shown = figures(outgoing)
    while shown["open"] != "3":  # the sheet is as of a moment that is recorded for sure
        outgoing.get_by_role("button", name="Bring up to now").click()
        outgoing.wait_for_load_state()
        shown = figures(outgoing)
    assert (shown["open"], shown["reported"]) == ("3", "3")
    severe = outgoing.locator("[data-group=severe]")
    expect(severe.locator("tr[data-case]")).to_have_count(2)
    severe.locator("tr[data-case=H-1] textarea").fill("桥头积水，泵车 18:00 到，找老周 13812345678")
    outgoing.get_by_role("textbox", name=re.compile("How things are")).fill("Two pumps are out.")
    outgoing.reload()  # notes outlive it
    expect(severe.locator("tr[data-case=H-1] textarea")).to_have_value(re.compile("泵车"))
    sign(outgoing, "not the password")
    expect(outgoing.locator(".panel .outcome")).to_contain_text("wrong")
    sign(outgoing)
    expect(outgoing.locator(".signatures [data-side=from]")).to_contain_text("Officer Chen")
    expect(outgoing.locator(".panel")).to_have_count(0)  # nobody takes over from themselves
    address = outgoing.url

    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    product.post(report("H-4", lon, lat, severity=1))
    wait_for(lambda: product.counters()["recorded"] == 5, what="the recorder")

    incoming, slower = (log_in(chromium, product, name) for name in ("li", "wang"))
    for page in (incoming, slower):
        page.goto(address)
        expect(page.locator(".panel")).to_be_visible()
    incoming.get_by_label("Remark").fill("Read.")
    sign(incoming)
    expect(incoming.locator(".signatures [data-side=to]")).to_contain_text("Officer Li")
    sign(slower)
    expect(slower.locator(".panel .outcome")).to_contain_text("Officer Li took over first")

    for page in (outgoing, incoming):
        page.goto(address)
        expect(page.locator(".signatures")).to_contain_text("Officer Chen")
        expect(page.locator(".signatures")).to_contain_text("Officer Li")
        expect(page.locator(".whole")).to_have_attribute("data-whole", "unchanged")
        expect(page.locator(".general")).to_contain_text("Two pumps are out.")
        expect(page.locator("tr[data-case=H-1] td.note")).to_contain_text("泵车 18:00 到")
        assert figures(page) == shown
        assert "13812345678" not in page.content() and "H-4" not in page.content()
    incoming.goto(f"{product.web_url}/handover?view=earlier&lang=en")
    expect(incoming.locator("[data-slot=earlier] tbody tr")).to_have_count(1)

    engine = open_database(f"sqlite:///{product.data_dir / 'county.db'}", read_only=True)
    with engine.connect() as connection:
        deeds = [(row.deed, row.actor) for row in connection.execute(select(audit).where(audit.c.deed.like("shift.%")))]
    engine.dispose()
    assert deeds == [("shift.sign_failed", "chen"), ("shift.handed_over", "chen"), ("shift.taken_over", "li")]


def test_who_is_on_duty_is_planned_by_hand_and_by_file(chromium: Browser, product: Appliance) -> None:
    page = log_in(chromium, product, "chen", "/handover?view=roster&lang=en")
    now = product_turn(page)
    page.get_by_label("Day").fill(now["date"])
    page.locator(".plan select").first.select_option(now["shift"])
    page.get_by_label("Person").select_option("li")
    page.get_by_label("Duty phone").fill("13812345678")
    page.get_by_role("button", name="Add").click()
    present = page.locator("[data-present=on_duty]")
    expect(present).to_contain_text("Officer Li")
    assert "13812345678" not in page.content()
    present.locator(".phone").click()
    expect(present.locator(".phone")).to_have_text("13812345678")

    bad = f"date,shift,person\n{now['date']},{now['shift']},wang\n{now['date']},{now['shift']},nobody\n"
    page.get_by_label("Import a CSV file").set_input_files(
        {"name": "r.csv", "mimeType": "text/csv", "buffer": bad.encode()}
    )
    expect(page.locator(".planning .outcome")).to_contain_text("nobody")
    good = bad.replace("nobody", "chen")
    page.get_by_label("Import a CSV file").set_input_files(
        {"name": "r.csv", "mimeType": "text/csv", "buffer": good.encode()}
    )
    expect(present).to_contain_text("Officer Wang")
    page.get_by_role("button", name="Take Officer Wang off this shift").first.click()
    expect(present).not_to_contain_text("Officer Wang")
    expect(present).to_contain_text("Officer Chen")

    page.goto(f"{product.web_url}/duty?lang=en")
    expect(page.locator("[data-slot=on-duty]")).to_contain_text("Officer Chen")
    engine = open_database(f"sqlite:///{product.data_dir / 'county.db'}", read_only=True)
    with engine.connect() as connection:
        phones = [row.phone for row in connection.execute(select(shift_plans)) if row.phone]
    engine.dispose()
    assert phones and all(phone.startswith("sealed1.") for phone in phones)


def product_turn(page: Page) -> dict[str, str]:
    turn: dict[str, str] = page.evaluate("async () => (await (await fetch('/api/roster')).json()).now")
    return turn
