"""The operators' alarms in a browser: the list, acknowledging by key, a form, a flood in groups."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from geo.county import County
from tests.appliance import Appliance, envelope

LINE = '[data-slot="lines"] li[data-key="{}"]'


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    running = Appliance(tmp_path_factory.mktemp("alarms") / "data", demo_folder).start()
    yield running
    running.stop()


def tell(county: County, alarm_id: str, severity: int = 2) -> dict[str, Any]:
    rule, _, thing = alarm_id.partition(":")
    data = {"alarm_id": alarm_id, "severity": severity, "subject": "高温", "rule": rule, "thing": thing, "value": 81.5}
    place = {"cell_code": str(county.cells.index[0]), "at": datetime.now(UTC).isoformat()}
    return envelope("alarm.raised", alarm_id, data | place)


def test_an_operator_works_the_list_by_keys(product: Appliance, county: County, page: Page) -> None:
    bin_id = str(county.assets.index[0])
    product.post(tell(county, f"bin_fire:{bin_id}"), tell(county, "jam:road-7", 4))
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{product.web_url}/alarms?lang=en")
    fire = page.locator(LINE.format(f"bin_fire:{bin_id}"))
    expect(fire).to_contain_text("Bin overheated")
    expect(fire.locator('[data-part="state"]')).to_have_text("Unacknowledged")
    expect(fire.locator(".severity")).to_have_text("◆Severe")

    page.keyboard.press("j")
    expect(fire).to_have_attribute("aria-current", "true")
    page.keyboard.press("Enter")
    drawer = page.locator('[data-slot="drawer"]')
    expect(drawer).to_contain_text("Send the nearest grid worker")
    expect(drawer).to_contain_text("81.50 (alarm at ≥ 70)")
    page.keyboard.press("a")
    expect(fire.locator('[data-part="state"]')).to_have_text("Acknowledged")
    expect(drawer.locator(".history li").first).to_contain_text("Acknowledge")

    page.keyboard.press("s")
    drawer.locator("input[name=note]").fill("repair")
    page.keyboard.press("Enter")
    expect(fire).to_have_count(0)
    expect(page.locator('[data-slot="shelved"]')).to_have_text("Shelved 1")


def test_a_flood_is_one_line_a_cause_that_opens(product: Appliance, county: County, page: Page) -> None:
    product.post(*(tell(county, f"bin_overflow:bin-{number}", 4) for number in range(30)))
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{product.web_url}/alarms?lang=zh")
    expect(page.locator('[data-slot="flood"]')).to_be_visible()
    group = page.locator(LINE.format("line bin_round"))
    expect(group).to_contain_text("30 条，30 条未确认")
    expect(page.locator('[data-slot="lines"] li[data-kind="member"]')).to_have_count(0)
    group.click()
    expect(page.locator('[data-slot="lines"] li[data-kind="member"]')).to_have_count(30)
