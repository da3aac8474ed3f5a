"""From receiving an event to its row being committed, at fixed rates: what a reader of the database sees.

An event is received when ingest has its whole body and looks at the clock (`received_at`, cut to the millisecond
before); it is committed when another process finds its row. The watcher asks SQLite every half millisecond whether
anything was committed, so what it tells is up to two milliseconds too long, never too short. Events come on schedule,
in a hundred bodies a second, whether the ones before are answered or not.
"""

import http.client
import multiprocessing
import sqlite3
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from bench.ingest_rate import HEADERS, make_events, post_all, run_parts
from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from tests.appliance import ROOT

RATES = {1_000: "-", 5_000: "p99 <= 10 ms", 20_000: "p99 <= 50 ms"}
SECONDS = 10
BODIES_PER_S = 100
CONNECTIONS = 8
LOOK_EVERY_S = 0.0005
GIVE_UP_S = 60
NEW_ROWS = "SELECT id, received_at FROM readings WHERE id > ? ORDER BY id"


def run() -> list[dict[str, object]]:
    """Return one row a rate: the median and the 99th percentile of the delay in ms."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    return [measure(county, rate) for rate in RATES]


def measure(county: County, events_per_s: int) -> dict[str, object]:
    """Measure one rate on fresh data, after a first second that does not count."""
    size = events_per_s // BODIES_PER_S
    bodies = [b"\n".join(lines) for lines in make_events(county, (SECONDS + 1) * events_per_s, size)]
    with tempfile.TemporaryDirectory() as folder, run_parts(Path(folder), county) as (_, url, _):
        post_all(f"{url}/v1/events", bodies[:1])
        ours, theirs = multiprocessing.Pipe()
        watcher = multiprocessing.get_context("spawn").Process(
            target=watch, args=(Path(folder) / "county.db", events_per_s, len(bodies) * size, theirs)
        )
        watcher.start()
        assert ours.recv() == "ready"
        late_ms = send(url, bodies[1:])
        delays_ms = ours.recv()
        watcher.join()
    return {
        "events_per_s": events_per_s,
        "counted": len(delays_ms),
        "p50_ms": delays_ms[len(delays_ms) // 2],
        "p99_ms": delays_ms[int(len(delays_ms) * 0.99)],
        "worst_ms": delays_ms[-1],
        "sent_late_ms": round(late_ms, 1),
        "aim": RATES[events_per_s],
    }


def send(url: str, bodies: Sequence[bytes]) -> float:
    """Post the bodies on schedule; return by how much the latest one was sent too late, in ms."""
    began = time.monotonic() + 0.1

    def send_some(first: int) -> float:
        late_s = 0.0
        with closing(http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)) as connection:
            for position in range(first, len(bodies), CONNECTIONS):
                wait_s = began + position / BODIES_PER_S - time.monotonic()
                late_s = max(late_s, -wait_s)
                time.sleep(max(0.0, wait_s))
                connection.request("POST", "/v1/events", bodies[position], HEADERS)
                response = connection.getresponse()
                answer = response.read()
                assert response.status == 202, answer
        return late_s * 1000

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        return max(pool.map(send_some, range(CONNECTIONS)))


def watch(database: Path, ignored: int, wanted: int, answer: Connection) -> None:
    """Look for new rows until there are `wanted`; answer the delays in ms, sorted, but for the first `ignored` rows."""
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    delays_ms: list[int] = []
    last_id, version, deadline = 0, None, time.monotonic() + GIVE_UP_S
    answer.send("ready")
    while len(delays_ms) < wanted and time.monotonic() < deadline:
        if version == (version := connection.execute("PRAGMA data_version").fetchone()):
            time.sleep(LOOK_EVERY_S)
            continue
        rows = connection.execute(NEW_ROWS, (last_id,)).fetchall()
        now_ms = int(time.time() * 1000)
        delays_ms += [now_ms - received_at for _, received_at in rows]
        last_id = rows[-1][0] if rows else last_id
    assert len(delays_ms) == wanted, f"{wanted - len(delays_ms)} events were not recorded"
    answer.send(sorted(delays_ms[ignored:]))


if __name__ == "__main__":
    print_table(run())
