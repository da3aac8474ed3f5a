"""Too much, too large, too slow, too odd: it costs little and hurts nobody.

One real service for all of it, its time-outs and bounds set low; what is hostile comes over real sockets, and an honest
client is served throughout. Memory is bounded generously: what is looked for is growth by the hundred megabytes.
"""

import contextlib
import gzip
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from geo.county import County
from ingest.guard.admission import LARGEST_BODY_BYTES
from ingest.guard.weight import MOST_EVENTS
from ingest.keys import digest_key
from ingest.sender_file import Enrolment, change_enrolments
from tests.appliance import report, wait_for
from tests.ingest.service import KEY, LINES, Service, worker

PER_ADDRESS = 60
MOST_GROWTH_BYTES = 320 << 20


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Service]:
    running = Service(
        tmp_path_factory.mktemp("overload"),
        demo_folder,
        INGEST_CONNECTIONS_PER_ADDRESS=str(PER_ADDRESS),
        INGEST_HEAD_TIMEOUT_S="1",
        INGEST_BODY_TIMEOUT_S="1",
        INGEST_BODIES_MB="32",
    )
    yield running
    code, log = running.stop()
    running.redis.stop()
    running.client.close()
    assert code == 0
    assert "Traceback" not in log


@pytest.fixture
def honest(service: Service) -> Iterator[Callable[[], int]]:
    """Somebody who reports cases from another address all the while; the answer is how many were taken."""
    stop, taken, other = threading.Event(), Counter[int](), httpx.HTTPTransport(local_address="127.0.0.2")
    grown_from = peak_bytes(service, reset=True)

    def send() -> None:
        with httpx.Client(base_url=service.client.base_url, transport=other, timeout=30) as client:
            while not stop.wait(0.02):
                body = json.dumps(report(f"honest-{time.monotonic_ns()}", 120.1, 29.7)).encode()
                answer = client.post("/v1/events", content=body, headers=headers("application/cloudevents+json"))
                taken[answer.status_code] += 1

    thread = threading.Thread(target=send)
    thread.start()
    wait_for(lambda: taken[202] > 3, what="honest reports")
    yield lambda: taken[202]
    before = taken[202]
    wait_for(lambda: taken[202] > before + 3 or not thread.is_alive(), what="honest reports after all that")
    stop.set()
    thread.join()
    assert set(taken) == {202}
    assert peak_bytes(service) - grown_from < MOST_GROWTH_BYTES


def peak_bytes(service: Service, reset: bool = False) -> int:
    process = Path(f"/proc/{service.process.pid}")
    if reset:
        (process / "clear_refs").write_text("5")
    line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) << 10


def headers(content_type: str = LINES, key: str = KEY) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}", "Content-Type": content_type}


def post(service: Service, body: Any, content_type: str = LINES, **more: str) -> httpx.Response:
    with httpx.Client(base_url=service.client.base_url, trust_env=False, timeout=60) as client:
        return client.post("/v1/events", content=body, headers=headers(content_type) | more)


def connect(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=30)


def head(service: Service, *more: str) -> bytes:
    lines = ["POST /v1/events HTTP/1.1", f"Host: 127.0.0.1:{service.port}", f"Authorization: Bearer {KEY}", *more]
    return "\r\n".join(lines).encode() + b"\r\n"


def read_all(connection: socket.socket) -> bytes:
    came = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(65_536):
            came += piece
    return came


def trickle(connection: socket.socket, piece: bytes) -> bytes:
    """Send a piece again and again until the other side has had enough; return what it said."""
    with contextlib.suppress(ConnectionError):
        for _ in range(200):
            connection.sendall(piece)
            time.sleep(0.1)
        raise AssertionError("it never had enough")
    return read_all(connection)


def test_a_head_that_does_not_end_is_cut_off(service: Service, honest: Callable[[], int]) -> None:
    connections = [connect(service) for _ in range(40)]
    starts = [b"", b"POST", head(service), head(service) + b"X-Slow: "]
    for connection, start in zip(connections, starts * 10, strict=True):
        connection.sendall(start)
    trickles = []
    with ThreadPoolExecutor(40) as pool:
        for index, connection in enumerate(connections):
            if index % 4 != 0 or index % 8 == 0:  # some never say a word, or no other
                trickles.append(pool.submit(trickle, connection, b"X: y\r\n" if index % 4 == 2 else b"a"))
    for trickled in trickles:
        trickled.result()
    for connection in connections:
        assert b"202" not in read_all(connection)
        connection.close()


def test_blank_lines_keep_no_connection_open(service: Service, honest: Callable[[], int]) -> None:
    with connect(service) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        trickle(connection, b"\r\n")


def test_a_head_without_bounds_is_cut_off(service: Service, honest: Callable[[], int]) -> None:
    for start in (b"GET /", head(service) + b"X-Long: ", head(service)):
        with connect(service) as connection:
            connection.sendall(start)
            sent = 0
            with contextlib.suppress(ConnectionError):
                while sent < 64 << 20:
                    sent += connection.send(b"a" * 65_536 if start != head(service) else b"a: b\r\n" * 10_000)
            assert sent < 64 << 20


def test_a_slow_body_is_refused(service: Service, honest: Callable[[], int]) -> None:
    connections = [connect(service) for _ in range(20)]
    for connection in connections:
        connection.sendall(head(service, f"Content-Type: {LINES}", "Content-Length: 100000", "") + b"{")
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda connection: trickle(connection, b" "), connections))
    # Who goes on sending after the answer may not get to read it.
    assert all(answer == b"" or answer.startswith(b"HTTP/1.1 408") for answer in answers)
    with connect(service) as patient:
        patient.sendall(head(service, f"Content-Type: {LINES}", "Content-Length: 100000", "") + b"{")
        assert patient.recv(65_536).startswith(b"HTTP/1.1 408")


def test_large_and_heavy_bodies_are_refused(service: Service, honest: Callable[[], int]) -> None:
    fields = b"{" + b",".join(b'"%d":0' % number for number in range(1_000_000))[: LARGEST_BODY_BYTES - 2] + b"}"
    nested = b"[" + b"[[[[[]]]]]," * (LARGEST_BODY_BYTES // 11 - 1) + b"[]]"
    crowd = b"1\n" * (MOST_EVENTS + 1)
    one, batch = "application/cloudevents+json", "application/cloudevents-batch+json"
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda body: post(service, *body), [(fields, one), (nested, batch)] * 6))
        assert {answer.status_code for answer in answers} <= {413, 503}
        assert 413 in {answer.status_code for answer in answers}
    assert post(service, b" " * (LARGEST_BODY_BYTES + 1)).status_code == 413
    assert post(service, crowd).status_code == 400
    full = {**worker("full"), "data": {"case_id": "c", **{str(number): 0 for number in range(20_000)}}}
    refused = post(service, json.dumps(full).encode()).json()["rejected"]
    assert [(each["index"], each["reason"].partition(":")[0]) for each in refused] == [(0, "event")]


def test_zip_bombs_go_off_in_a_small_room(service: Service, honest: Callable[[], int]) -> None:
    bomb = gzip.compress(b" " * (1 << 30), 9)[:LARGEST_BODY_BYTES]
    with ThreadPoolExecutor(10) as pool:
        answers = pool.map(lambda _: post(service, bomb, **{"Content-Encoding": "gzip"}).status_code, range(20))
    assert set(answers) <= {413, 503}
    events = "\n".join(json.dumps(worker(f"gzip-{number}")) for number in range(1000)).encode()
    answer = post(service, gzip.compress(events), **{"Content-Encoding": "gzip"})
    assert answer.json()["accepted"] == 1000


def test_many_large_bodies_wait_or_are_told_to_come_again(service: Service, honest: Callable[[], int]) -> None:
    def body(number: int) -> bytes:
        return "\n".join(json.dumps(worker(f"{number}-{part}")) for part in range(20_000)).encode()

    bodies = [body(number) for number in range(4)]
    assert len(bodies[0]) > 3 << 20
    with ThreadPoolExecutor(24) as pool:
        answers = list(pool.map(lambda number: post(service, bodies[number % 4]), range(48)))
    assert {answer.status_code for answer in answers} == {202, 503}
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in answers if answer.status_code == 503)
    counters = service.counters()
    assert counters["received"] == counters["accepted"] + counters["duplicate"] + counters["rejected"]


ODD = [
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%2e%2e/%00/%ff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //v1//events HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET http://other/health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /\xe4\xb8\xad HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/9.9\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/events HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # somebody speaks TLS
    b"\x00" * 1000,
]


@pytest.mark.parametrize("request_bytes", ODD)
def test_odd_requests_are_answered_or_dropped(service: Service, request_bytes: bytes) -> None:
    with connect(service) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answer = read_all(connection)
    assert answer == b"" or answer[:10] in (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4")
    assert service.client.get("/").status_code == 200


def test_a_pipeline_has_an_end(service: Service, honest: Callable[[], int]) -> None:
    with connect(service) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 10)
        came = b""
        while came.count(b"HTTP/1.1 200") < 10:
            piece = connection.recv(65_536)
            assert piece
            came += piece
    with connect(service) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20_000)
        assert read_all(connection).count(b"HTTP/1.1 200") < 20_000


def test_nobody_reads_the_answers(service: Service, honest: Callable[[], int]) -> None:
    connections = [connect(service) for _ in range(20)]
    for connection in connections:
        connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n" * 16)
    before = honest()
    wait_for(lambda: honest() > before + 10)
    for connection in connections:
        connection.close()


def test_one_address_cannot_take_all_connections(service: Service, honest: Callable[[], int]) -> None:
    connections = [connect(service) for _ in range(PER_ADDRESS * 3)]
    before = honest()
    for connection in connections:
        with contextlib.suppress(ConnectionError):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    answered = sum(read_all(connection).startswith(b"HTTP/1.1 200") for connection in connections)
    assert 0 < answered <= PER_ADDRESS
    wait_for(lambda: honest() > before)
    for connection in connections:
        connection.close()
    wait_for(lambda: _serves(service), what="this address again")


def _serves(service: Service) -> bool:
    try:
        return post(service, json.dumps(worker("again")).encode()).status_code == 202
    except httpx.TransportError:
        return False


def test_when_redis_is_nearly_full_readings_wait_and_cases_do_not(service: Service) -> None:
    client = redis.Redis.from_url(service.redis.url)
    limit = client.config_get("maxmemory")["maxmemory"]
    assert int(limit) > 0
    client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 1.15))
    wait_for(lambda: service.client.get("/health").json()["warnings"], what="a warning")
    health = service.client.get("/health")
    assert (health.status_code, health.json()["status"]) == (200, "degraded")
    assert "of its memory in use" in health.json()["warnings"][0]
    assert "county_ingest_warnings 1" in service.client.get("/metrics").text
    before = service.counters()
    waits = service.post(worker("waits"))
    assert waits.status_code == 503
    assert int(waits.headers["Retry-After"]) > 0
    assert service.post(report("goes-first", 120.1, 29.7)).json()["accepted"] == 1
    assert service.post(worker("comes-along"), report("takes-along", 120.1, 29.7)).json()["accepted"] == 2
    assert service.counters()["received"] == before["received"] + 3
    client.config_set("maxmemory", limit)
    client.close()
    wait_for(lambda: service.post(worker("waits")).status_code == 202, what="readings again")
    assert service.client.get("/health").json()["warnings"] == []


def test_senders_are_bound_and_counted(service: Service, county: County) -> None:
    inside = county.cells.geometry.iloc[0].representative_point()
    here = {"lon": inside.x, "lat": inside.y}
    bounded = Enrolment(key_sha256=digest_key("key-of-bins").hex(), feeds=["waste", "workers"], areas=[county.code])
    rated = Enrolment(key_sha256=digest_key("key-of-fast").hex(), events_per_s=1.0)
    with change_enrolments(service.folder / "senders.toml") as enrolments:
        enrolments.update({"bins": bounded, "fast": rated})

    def send(key: str, *events: dict[str, Any]) -> httpx.Response:
        return service.post(*events, Authorization=f"Bearer {key}")

    assert send("key-of-nobody").status_code == 401
    wait_for(lambda: send("key-of-bins").status_code != 401, what="the new senders")
    refused = send("key-of-bins", report("other", 120.1, 29.7), worker("far", lon=1.0, lat=1.0))
    assert refused.status_code == 403
    assert refused.json()["received"] == 2
    assert [each["reason"].partition(":")[0] for each in refused.json()["rejected"]] == ["sender", "sender"]
    mixed = send("key-of-bins", worker("far-2", lon=1.0, lat=1.0), worker("bins-1", **here))
    assert (mixed.status_code, mixed.json()["accepted"], mixed.json()["rejected"][0]["index"]) == (202, 1, 0)
    assert "may not send" in mixed.json()["rejected"][0]["reason"]

    burst = send("key-of-fast", *[worker(f"fast-{number}") for number in range(30)])
    assert burst.json()["accepted"] == 30
    slower = send("key-of-fast", worker("fast-31"))
    assert slower.status_code == 429
    assert 1 <= int(slower.headers["Retry-After"]) <= 25
    assert send(KEY, worker("local")).status_code == 202

    told = {(each["sender"], each["feed"]): each for each in service.client.get("/health").json()["senders"]}
    assert (told["bins", "workers"]["accepted"], told["bins", "workers"]["rejected"]) == (1, 2)
    assert told["bins", "cases"]["rejected"] == 1
    assert told["fast", "workers"]["received"] == 30
    assert datetime.fromisoformat(told["fast", "workers"]["heard_at"]) <= datetime.now(UTC)
    metrics = service.client.get("/metrics").text
    assert 'county_ingest_sender_events_total{sender="fast",feed="workers",outcome="accepted"} 30' in metrics
    assert 'county_ingest_requests_total{code="403"} 1' in metrics
    assert 'county_ingest_requests_total{code="401"}' in metrics

    (service.folder / "senders.toml").write_text("[")
    wait_for(lambda: send(KEY).status_code and service.client.get("/health").json()["warnings"], what="a warning")
    assert send("key-of-bins", worker("bins-2", **here)).status_code == 202
    (service.folder / "senders.toml").write_text("")
    wait_for(lambda: send("key-of-bins").status_code == 401, what="nobody but us")
    assert ("bins", "workers") in {
        (each["sender"], each["feed"]) for each in service.client.get("/health").json()["senders"]
    }
