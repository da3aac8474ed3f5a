"""(a) Events a second from HTTP batches to committed in SQL, as a ratio to redis-benchmark's pipelined XADD.

Beside it a peer that does the front half of the job: see `peer_app`.
"""

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
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import redis

from bench.peer import run_peer
from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.child import start_child
from ingest.embedded import EmbeddedRedis, start_redis
from tests.appliance import KEY, ROOT, free_port, wait_for

BATCH = 500
IN_FLIGHT = 4
EVENTS = 300_000
PEER_EVENTS = 100_000
PIPELINED = ("-P", "1000", "-c", "1")
REPEATS = 3
AIM = ">= 0.25"
HEADERS = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {KEY}"}
PEER_HEADERS = {"Content-Type": "application/json"}


def run() -> list[dict[str, object]]:
    """Return one row a repeat: events/s through the whole path, XADD/s in the same run, and their ratio."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    bodies = list(make_bodies(county, EVENTS))
    rows = [measure(county, bodies, number) for number in range(REPEATS)]
    median = statistics.median(float(str(row["ratio"])) for row in rows)
    return [*rows, {"run": "median", "ratio": round(median, 3), "aim": AIM}]


def measure(county: County, bodies: list[bytes], number: int) -> dict[str, object]:
    """Measure one run on fresh data."""
    with tempfile.TemporaryDirectory() as folder, run_parts(Path(folder), county) as (server, url, processes):
        size = message_size(server, url, bodies[0])
        limits_per_s = [benchmark_xadd(server, size)]
        spent_before = read_cpu_s(processes)
        began = time.perf_counter()
        post_all(f"{url}/v1/events", bodies[1:])
        accepted_at = time.perf_counter()
        wait_for(lambda: is_drained(url, EVENTS), 300, "the recorder")
        rate_per_s = (EVENTS - BATCH) / (time.perf_counter() - began)
        spent = read_cpu_s(processes)
        peer = measure_peer(server, bodies[: PEER_EVENTS // BATCH])
        # Before and after, because other work on the machine comes and goes.
        limit_per_s = statistics.mean([*limits_per_s, benchmark_xadd(server, size)])
        return {
            "run": number + 1,
            "events_per_s": round(rate_per_s),
            "accepted_per_s": round((EVENTS - BATCH) / (accepted_at - began)),
            "xadd_per_s": round(limit_per_s),
            "message_bytes": size,
            "ratio": round(rate_per_s / limit_per_s, 3),
            "aim": AIM,
            **{
                f"{name}_us": round((spent[name] - spent_before[name]) / (EVENTS - BATCH) * 1e6, 1)
                for name in processes
            },
            **peer,
            "of_the_peer": round(rate_per_s / peer["peer_per_s"], 1),
        }


def measure_peer(server: EmbeddedRedis, bodies: Sequence[bytes]) -> dict[str, float]:
    """Return the events a second that the peer puts into a stream, out of the same bodies, and its CPU µs an event."""
    arrays = [b"[%b]" % body.replace(b"\n", b",") for body in bodies]
    with run_peer(server.url) as (url, process):
        post_all(f"{url}/events", arrays[:1], PEER_HEADERS)
        spent_s, began = sum(process.cpu_times()[:2]), time.perf_counter()
        post_all(f"{url}/events", arrays, PEER_HEADERS)
        elapsed_s, spent_s = time.perf_counter() - began, sum(process.cpu_times()[:2]) - spent_s
    events = len(arrays) * BATCH
    return {"peer_per_s": round(events / elapsed_s), "peer_us": round(spent_s / events * 1e6, 1)}


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
    return map(b"\n".join, make_events(county, events, BATCH))


def make_events(county: County, events: int, size: int) -> Iterator[list[bytes]]:
    """Yield bin readings, each bin reporting in turn, in lists of `size`."""
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
        lines.append(json.dumps(event, separators=(",", ":")).encode())
        if len(lines) == size:
            yield lines
            lines = []


def post_all(url: str, bodies: Sequence[bytes], headers: Mapping[str, str] = HEADERS) -> None:
    """Post every batch to `url`, a few requests in flight, each over a connection of its own.

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
                connection.request("POST", urlsplit(url).path, body, headers)
                response = connection.getresponse()
                answer = response.read()
                assert response.status == 202, answer
                assert json.loads(answer)["accepted"] == body.count(b'"specversion"'), answer[:500]

    with ThreadPoolExecutor(IN_FLIGHT) as pool:
        list(pool.map(post_some, range(IN_FLIGHT)))


def message_size(server: EmbeddedRedis, url: str, body: bytes) -> int:
    """Post one batch and return the median size of its messages in the streams."""
    post_all(f"{url}/v1/events", [body])
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


def benchmark_xadd(server: EmbeddedRedis, size: int, events: int = EVENTS, options: Sequence[str] = PIPELINED) -> float:
    """Return redis-benchmark's XADD a second: one field of `size` bytes, as the options say."""
    program = shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
    assert program, "redis-benchmark is not installed: make bench does it"
    command = [program, "-s", server.url.removeprefix("unix://"), "-n", str(events), *options, "--csv"]
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
