"""(d) From an event's own clock to the first frame that shows it, at 1,000 events a second."""

import asyncio
import random
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.sync_api import sync_playwright

from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from tests.appliance import KEY, ROOT, Appliance, envelope, report
from tests.browser.chromium import ARGUMENTS, PROGRAM

EVENTS_PER_S = 1000
SECONDS = 30
BATCHES_PER_S = 10
HEADERS = {"Content-Type": "application/cloudevents-batch+json", "Authorization": f"Bearer {KEY}"}

# The case's id carries the moment of sending; the page notes the frame after it folded the case in.
WATCH = """
() => {
  window.seen = [];
  window.countyBrain.feed.subscribe((frame) => {
    const rows = (frame.cases || []).filter((row) => row.case_id.startsWith("sent-"));
    if (rows.length) requestAnimationFrame(() => setTimeout(() => {
      for (const row of rows) window.seen.push(Date.now() - Number(row.case_id.split("-")[1]));
    }));
  });
}
"""


def run() -> list[dict[str, object]]:
    """Return one row: p50 and p99 in milliseconds."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright, ThreadPoolExecutor() as pool:
        appliance = Appliance(Path(folder) / "data", county.folder).start()
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        try:
            page = browser.new_page(viewport={"width": 1920, "height": 1080})
            page.goto(f"{appliance.web_url}/wall")
            page.wait_for_function(
                "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map"
            )
            page.evaluate(WATCH)
            # Playwright's own event loop runs in this thread, so the sender has another.
            sending = pool.submit(asyncio.run, send(appliance, county))
            while not sending.done():
                page.wait_for_timeout(200)
            sent = sending.result()
            page.wait_for_timeout(3000)
            delays_ms = sorted(page.evaluate("window.seen"))
        finally:
            browser.close()
            appliance.stop()
    return [
        {
            "events_per_s": EVENTS_PER_S,
            "cases_sent": sent,
            "cases_seen": len(delays_ms),
            "p50_ms": round(statistics.median(delays_ms)),
            "p99_ms": round(delays_ms[int(len(delays_ms) * 0.99)]),
            "aim": "p99 <= 1000 ms",
        }
    ]


async def send(appliance: Appliance, county: County) -> int:
    """Post 1,000 events a second: one new case and 99 bin readings in each tenth of a second; return the cases sent."""
    bins = county.assets[county.assets["kind"] == "bin"]
    point = county.cells.geometry.iloc[0].representative_point()
    chance = random.Random(1)
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=60, headers=HEADERS) as client:
        for number in range(SECONDS * BATCHES_PER_S):
            await asyncio.sleep(max(0.0, began + number / BATCHES_PER_S - time.monotonic()))
            now_ms = int(datetime.now(UTC).timestamp() * 1000)
            events = [report(f"sent-{now_ms}-{number}", point.x, point.y)]
            for reading in range(EVENTS_PER_S // BATCHES_PER_S - 1):
                position = chance.randrange(len(bins))
                place = {"type": "Point", "coordinates": [bins["lon"].iat[position], bins["lat"].iat[position]]}
                entity = {"id": bins.index[position], "type": "WasteContainer", "fillingLevel": 0.5, "location": place}
                events.append(envelope("iot.observed", f"{number}-{reading}", entity))
            answer = await client.post(f"{appliance.ingest_url}/v1/events", json=events)
            assert answer.json()["accepted"] == len(events), answer.text[:500]
    return SECONDS * BATCHES_PER_S


if __name__ == "__main__":
    print_table(run())
