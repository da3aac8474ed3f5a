"""(a) Events a second from HTTP batches to committed in SQL, as a ratio to redis-benchmark's pipelined XADD."""

import http.client
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis

from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.child import start_child
from ingest.embedded import EmbeddedRedis, start_redis
from tests.appliance import KEY, ROOT, free_port, wait_for

BATCH = 500
IN_FLIGHT = 4
EVENTS = 300_000
REPEATS = 3
HEADERS = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {KEY}"}


def run() -> list[dict[str, object]]:
    """Return one row a repeat: events/s through the whole path, XADD/s in the same run, and their ratio."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    bodies = list(make_bodies(county, EVENTS))
    rows = [measure(county, bodies, number) for number in range(REPEATS)]
    median = statistics.median(float(str(row["ratio"])) for row in rows)
    return [*rows, {"run": "median", "ratio": round(median, 3), "aim": ">= 0.15"}]


def measure(county: County, bodies: list[bytes], number: int) -> dict[str, object]:
    """Measure one run on fresh data."""
    with tempfile.TemporaryDirectory() as folder, run_parts(Path(folder), county) as (server, url, processes):
        size = message_size(server, url, bodies[0])
        limits_per_s = [benchmark_xadd(server, size)]
        spent_before = read_cpu_s(processes)
        began = time.perf_counter()
        post_all(url, bodies[1:])
        accepted_at = time.perf_counter()
        wait_for(lambda: is_drained(url, EVENTS), 300, "the recorder")
        rate_per_s = (EVENTS - BATCH) / (time.perf_counter() - began)
        spent = read_cpu_s(processes)
        # Before and after, because other work on the machine comes and goes.
        limit_per_s = statistics.mean([*limits_per_s, benchmark_xadd(server, size)])
        return {
            "run": number + 1,
            "events_per_s": round(rate_per_s),
            "accepted_per_s": round((EVENTS - BATCH) / (accepted_at - began)),
            "xadd_per_s": round(limit_per_s),
            "message_bytes": size,
            "ratio": round(rate_per_s / limit_per_s, 3),
            "aim": ">= 0.15",
            **{
                f"{name}_us": round((spent[name] - spent_before[name]) / (EVENTS - BATCH) * 1e6, 1)
                for name in processes
            },
        }


@contextmanager
def run_parts(folder: Path, county: County) -> Iterator[tuple[EmbeddedRedis, str, dict[str, psutil.Process]]]:
    """Run an embedded server, ingest and the recorder; yield the server, ingest's URL and every process by name."""
    server = start_redis(folder)
    port = free_port()
    environ = {
        "REDIS_URL": server.url,
        "DATA_DIR": str(folder),
        "COUNTY": str(county.folder),
        "INGEST_PORT": str(port),
        "INGEST_KEY": KEY,
    }
    parts = [start_child([sys.executable, "-m", "ingest", command], environ) for command in ("serve", "record")]
    url = f"http://127.0.0.1:{port}"
    processes = {
        "ingest": psutil.Process(parts[0].pid),
        "recorder": psutil.Process(parts[1].pid),
        "redis": psutil.Process(server.process.pid),
        "client": psutil.Process(),
    }
    try:
        wait_for(lambda: is_drained(url, 0), 60, "ingest")
        yield server, url, processes
    finally:
        for part in parts:
            part.terminate()
            part.wait()
        server.stop()


def make_bodies(county: County, events: int) -> Iterator[bytes]:
    """Yield NDJSON batches of bin readings, each bin reporting in turn."""
    bins = county.assets[county.assets["kind"] == "bin"]
    places = [{"type": "Point", "coordinates": [lon, lat]} for lon, lat in zip(bins["lon"], bins["lat"], strict=True)]
    start = datetime.now(UTC) - timedelta(hours=1)
    lines = []
    for number in range(events):
        position = number % len(places)
        observed_at = (start + timedelta(milliseconds=number)).isoformat()
        entity = {
            "id": str(bins.index[position]),
            "type": "WasteContainer",
            "location": places[position],
            "fillingLevel": number % 100 / 100,
            "storedWasteKind": "organic",
            "binLoggedTime": observed_at,
        }
        event = {
            "specversion": "1.0",
            "id": f"b-{number}",
            "source": "urn:bench",
            "type": "iot.observed",
            "data": entity,
        }
        lines.append(json.dumps(event, separators=(",", ":")))
        if len(lines) == BATCH:
            yield "\n".join(lines).encode()
            lines = []


def post_all(url: str, bodies: Sequence[bytes]) -> None:
    """Post every batch, a few requests in flight, each over a connection of its own.

    By the standard library: httpx takes five times the CPU, and the client shares the machine with what is measured.
    """
    waiting, lock = iter(bodies), threading.Lock()

    def post_some(_: int) -> None:
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
            while True:
                with lock:
                    body = next(waiting, None)
                if body is None:
                    return
                connection.request("POST", "/v1/events", body, HEADERS)
                response = connection.getresponse()
                answer = response.read()
                assert response.status == 202, answer
                assert json.loads(answer)["accepted"] == BATCH, answer[:500]

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(post_some, range(IN_FLIGHT)))


def message_size(server: EmbeddedRedis, url: str, body: bytes) -> int:
    """Post one batch and return the median size of its messages in the streams."""
    post_all(url, [body])
    client = redis.Redis.from_url(server.url)
    sizes = [
        sum(len(name) + len(value) for name, value in fields.items())
        for key in client.scan_iter("events:{*")
        for _, fields in client.xrange(key)
    ]
    return round(statistics.median(sizes))


def read_cpu_s(processes: dict[str, psutil.Process]) -> dict[str, float]:
    """Return the CPU seconds that each process has spent so far, in user and kernel mode."""
    return {name: sum(process.cpu_times()[:2]) for name, process in processes.items()}


def benchmark_xadd(server: EmbeddedRedis, size: int) -> float:
    """Return redis-benchmark's XADD a second: one field of `size` bytes, pipeline 1000, one client."""
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    assert program, "redis-benchmark is not installed: make bench does it"
    command = [program, "-s", server.url.removeprefix("unix://"), "-n", str(EVENTS), "-P", "1000", "-c", "1", "--csv"]
    answer = subprocess.run(
        [*command, "XADD", "limit", "*", "record", "x" * size], capture_output=True, text=True, check=True
    ).stdout
    redis.Redis.from_url(server.url).delete("limit")
    return float(answer.strip().splitlines()[-1].split(",")[1].strip('"'))


def is_drained(url: str, recorded: int) -> bool:
    """Tell whether ingest answers and `recorded` events or more are in SQL."""
    try:
        with urllib.request.urlopen(f"{url}/health") as response:
            counters = json.load(response)["counters"]
    except (OSError, KeyError):
        return False
    return counters["recorded"] is not None and counters["recorded"] >= recorded


if __name__ == "__main__":
    print_table(run())
