"""Single events a second over 50 keep-alive connections, as a ratio to redis-benchmark's XADD of 50 clients.

The limit is 50 clients, too, adding a field of the same bytes to the same server one command at a time, with no HTTP
between. Beside it the peer, which validates and publishes and does nothing else.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from bench.ingest_rate import PEER_HEADERS, benchmark_xadd, is_drained, make_bodies, message_size, run_parts
from bench.peer import run_peer
from bench.posting import make_requests, post_all
from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from tests.appliance import KEY, ROOT, wait_for

CONNECTIONS = 50
EVENTS = 30_000
WARM_UP = 1_000
REPEATS = 3
HEADERS = {"Content-Type": "application/cloudevents+json", "Authorization": f"Bearer {KEY}"}


def run() -> list[dict[str, object]]:
    """Return one row a repeat: posts/s of ours and of the peer, XADD/s in the same run, and the ratios."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    events = [line for body in make_bodies(county, EVENTS + WARM_UP) for line in body.split(b"\n")]
    rows = [measure(county, events, number) for number in range(REPEATS)]
    medians = {
        name: round(statistics.median(float(str(row[name])) for row in rows), 3) for name in ("ratio", "of_the_peer")
    }
    return [*rows, {"run": "median", **medians}]


def measure(county: County, events: Sequence[bytes], number: int) -> dict[str, object]:
    """Measure one run on fresh data."""
    with tempfile.TemporaryDirectory() as folder, run_parts(Path(folder), county) as (server, url, processes):
        size = message_size(server, url, b"\n".join(events[:WARM_UP]))
        options = ("-c", str(CONNECTIONS))
        limits_per_s = [benchmark_xadd(server, size, EVENTS, options)]
        ours = post(f"{url}/v1/events", HEADERS, events[WARM_UP:], processes["ingest"])
        wait_for(lambda: is_drained(url, len(events)), 300, "the recorder")
        with run_peer(server.url) as (peer_url, process):
            post(f"{peer_url}/event", PEER_HEADERS, events[:WARM_UP], process)
            peer = post(f"{peer_url}/event", PEER_HEADERS, events[WARM_UP:], process)
        limits_per_s.append(benchmark_xadd(server, size, EVENTS, options))
    limit_per_s = statistics.mean(limits_per_s)
    return {
        "run": number + 1,
        **ours,
        "xadd_per_s": round(limit_per_s),
        "ratio": round(ours["posts_per_s"] / limit_per_s, 3),
        **{f"peer_{name}": value for name, value in peer.items()},
        "of_the_peer": round(ours["posts_per_s"] / peer["posts_per_s"], 2),
    }


def post(url: str, headers: Mapping[str, str], events: Sequence[bytes], process: psutil.Process) -> dict[str, float]:
    """Return the posts a second, their median and 99th-percentile delay, and the server's CPU µs a post."""
    requests = make_requests(url, headers, events)
    spent_s, began = sum(process.cpu_times()[:2]), time.perf_counter()
    delays_ms = sorted(delay * 1000 for delay in post_all(url, requests, CONNECTIONS))
    elapsed_s, spent_s = time.perf_counter() - began, sum(process.cpu_times()[:2]) - spent_s
    return {
        "posts_per_s": round(len(events) / elapsed_s),
        "p50_ms": round(statistics.median(delays_ms), 1),
        "p99_ms": round(delays_ms[int(len(delays_ms) * 0.99)], 1),
        "us": round(spent_s / len(events) * 1e6),
    }


if __name__ == "__main__":
    print_table(run())
