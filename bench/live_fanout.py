"""(b) Bytes and server CPU an update and viewer, for 1, 20 and 200 viewers of `/live`."""

import asyncio
import random
import tempfile
import time
from pathlib import Path

import httpx
import psutil

from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from tests.appliance import ROOT, Appliance, envelope, report

VIEWERS = (1, 20, 200)
UPDATES = 30
CASES = 20
SENSORS = 50


def run() -> list[dict[str, object]]:
    """Return one row a number of viewers."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    with tempfile.TemporaryDirectory() as folder:
        appliance = Appliance(Path(folder) / "data", county.folder).start()
        try:
            return [asyncio.run(measure(appliance, county, viewers)) for viewers in VIEWERS]
        finally:
            appliance.stop()


async def measure(appliance: Appliance, county: County, viewers: int) -> dict[str, object]:
    """Send one update a second for a while and weigh what the viewers get and what the web process spends."""
    counted = {"bytes": 0}
    watching = [asyncio.create_task(watch(appliance.web_url, counted)) for _ in range(viewers)]
    await asyncio.sleep(5)
    web = appliance.parts()["dashboard"]
    counted["bytes"] = 0
    before = busy_s(web)
    for number in range(UPDATES):
        began = time.monotonic()
        await asyncio.to_thread(appliance.post, *make_update(county, f"{viewers}-{number}"))
        await asyncio.sleep(max(0.0, 1 - (time.monotonic() - began)))
    spent_s = busy_s(web) - before
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    return {
        "viewers": viewers,
        "bytes_per_update_and_viewer": round(counted["bytes"] / UPDATES / viewers),
        "cpu_ms_per_update": round(spent_s * 1000 / UPDATES, 2),
        "cpu_ms_per_update_and_viewer": round(spent_s * 1000 / UPDATES / viewers, 3),
        "aim": "<= 2048 B, <= 0.2 ms",
    }


async def watch(url: str, counted: dict[str, int]) -> None:
    """Read `/live` for ever, counting what comes after the snapshot."""
    async with httpx.AsyncClient(timeout=None) as client, client.stream("GET", f"{url}/live") as stream:
        async for chunk in stream.aiter_raw():
            counted["bytes"] += len(chunk)


def make_update(county: County, name: str) -> list[dict[str, object]]:
    """Return 20 new cases and 50 bin readings in random places."""
    chance = random.Random(name)
    points = county.cells.geometry.iloc[chance.sample(range(len(county.cells)), CASES)].representative_point()
    cases = [report(f"{name}-{number}", point.x, point.y) for number, point in enumerate(points)]
    bins = county.assets[county.assets["kind"] == "bin"].sample(SENSORS, random_state=chance.randrange(10**6))
    readings = [
        envelope(
            "iot.observed",
            f"{name}-{asset_id}",
            {
                "id": asset_id,
                "type": "WasteContainer",
                "fillingLevel": round(chance.random(), 2),
                "location": {"type": "Point", "coordinates": [lon, lat]},
            },
        )
        for asset_id, lon, lat in zip(bins.index, bins["lon"], bins["lat"], strict=True)
    ]
    return [*cases, *readings]


def busy_s(process: psutil.Process) -> float:
    """Return the CPU seconds a process has used."""
    times = process.cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    print_table(run())
