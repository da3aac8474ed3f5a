"""The board of feeds as an officer uses it: what came, what was refused and why, and what cannot be read now."""

import signal
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from geo.county import County
from tests.appliance import Appliance, envelope, report, wait_for

ROW = '[data-slot="rows"] tr[data-key="{}"]'


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, county: County) -> Iterator[Appliance]:
    running = Appliance(tmp_path_factory.mktemp("feeds") / "data", demo_folder).start()
    lon, lat = county.cells.geometry.iloc[0].representative_point().coords[0]
    air = {
        "type": "AirQualityObserved",
        "id": "S-1",
        "dateObserved": (datetime.now(UTC) - timedelta(minutes=1)).isoformat(),
        "location": {"type": "Point", "coordinates": [lon, lat]},
    }
    case = report("F-1", lon, lat)
    running.post(case, case, envelope("iot.observed", "a-1", air | {"pm25": 20}))
    running.post(report("F-2", lon, lat, severity=9), envelope("iot.observed", "a-2", air | {"co": 500}))
    wait_for(lambda: running.counters()["recorded"] == 2, what="the recorder")
    yield running
    running.stop()


@pytest.fixture
def board(product: Appliance, page: Page) -> Page:
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(f"{product.web_url}/feeds?lang=en")
    return page


def row(board: Page, key: str) -> dict[str, Any]:
    parts: dict[str, Any] = board.locator(ROW.format(key)).evaluate(
        "row => Object.fromEntries([...row.querySelectorAll('[data-part]')].map(e => [e.dataset.part, e.textContent]))"
    )
    return parts


def test_every_row_tells_what_came_of_it(board: Page) -> None:
    expect(board.locator('[data-slot="sum"]')).to_have_text(
        "5 received: 2 accepted, 1 duplicate, 2 refused. All that was accepted is recorded."
    )
    cases = row(board, "local cases")
    assert [cases[name] for name in ("received", "accepted", "duplicate", "rejected", "recorded")] == list("31111")
    assert cases["state"] == "live"
    expect(board.locator(ROW.format("local air why"))).to_contain_text("data.co: 500 is above 150 mg/m³")
    states = board.locator('[data-slot="rows"] tr[data-state]').evaluate_all("rows => rows.map(r => r.dataset.state)")
    assert states == sorted(states, key=("silent", "never", "late", "ok").index)  # who needs a person stands on top
    assert "F-1" not in board.content()


def test_a_choice_is_kept_in_the_address(board: Page) -> None:
    expect(board.locator(ROW.format("local cases"))).to_be_visible()
    board.get_by_role("button", name="live").click()
    expect(board.locator('[data-slot="rows"] tr[data-state="never"]')).to_have_count(0)
    board.get_by_role("searchbox").fill("cas")
    expect(board.locator('[data-slot="rows"] tr[data-state]')).to_have_count(1)
    assert "state=ok" in board.url and "q=cas" in board.url
    board.reload()
    expect(board.locator('[data-slot="rows"] tr[data-state]')).to_have_count(1)
    expect(board.get_by_role("button", name="live")).to_have_attribute("aria-pressed", "true")


def test_it_says_what_cannot_be_read_and_recovers(board: Page, product: Appliance) -> None:
    total = board.locator('[data-slot="sum"]')
    expect(total).to_contain_text("5 received")
    redis = product.parts()["redis"]
    redis.send_signal(signal.SIGSTOP)
    try:
        expect(total).to_contain_text("The counters of what came in cannot be read now", timeout=20_000)
        expect(board.locator(ROW.format("local cases"))).to_contain_text("–")
    finally:
        redis.send_signal(signal.SIGCONT)
    expect(total).to_contain_text("5 received", timeout=20_000)
