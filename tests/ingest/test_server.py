"""The ingest service as a process of its own, against a real Valkey that comes and goes."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis

from ingest.embedded import start_redis
from ingest.guard.admission import LARGEST_BODY_BYTES
from ingest.health import settle_counters
from ingest.stream import Tallies
from tests.appliance import free_port, wait_for
from tests.ingest.service import KEY, LINES, ROOT, Service, worker


@pytest.fixture
def service(tmp_path: Path, demo_folder: Path) -> Iterator[Service]:
    running = Service(tmp_path, demo_folder)
    yield running
    running.stop()
    running.redis.stop()
    running.client.close()


def test_events_are_taken_counted_and_answered(service: Service) -> None:
    answer = service.post(worker("1"), worker("1"), worker("2"), worker("3", lon="x"))
    assert answer.status_code == 202
    assert answer.json() == {
        "received": 4,
        "accepted": 2,
        "duplicate": 1,
        "rejected": [{"index": 3, "id": "3", "reason": "data.lon: Expected `float | null`, got `str`"}],
    }
    health = service.client.get("/health").json()
    assert {name: count for name, count in health["counters"].items() if name != "recorded"} == {
        "received": 4,
        "accepted": 2,
        "duplicate": 1,
        "rejected": 1,
    }
    assert [(feed["key"], feed["received"]) for feed in health["parts"]["feeds"]] == [("workers", 4)]
    metrics = service.client.get("/metrics").text
    assert 'county_ingest_events_total{outcome="accepted"} 2' in metrics
    assert 'county_ingest_requests_total{code="202"} 1' in metrics


@pytest.mark.parametrize("header", [{"Authorization": ""}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}])
def test_without_the_key_nothing_is_taken(service: Service, header: dict[str, str]) -> None:
    answer = service.post(worker("1"), **header)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert "error" in answer.json()
    assert service.counters()["received"] == 0


def test_the_doors_for_context_brokers_and_binary_mode_take_their_bodies(service: Service) -> None:
    bin = {"id": "B-9", "type": "WasteContainer", "fillingLevel": 0.5, "observedAt": datetime.now(UTC).isoformat()}
    bin["location"] = {"type": "Point", "coordinates": [120.1, 29.7]}
    key = {"Authorization": f"Bearer {KEY}", "NGSILD-Tenant": "waste"}
    notification = json.dumps({"type": "Notification", "data": [bin, {"id": "X", "type": "Zeppelin"}]})
    linked = key | {"Content-Type": "application/ld+json; charset=utf-8"}
    answer = service.client.post("/ngsi-ld/notify", content=notification, headers=linked)
    assert (answer.status_code, answer.json()["accepted"], answer.json()["rejected"][0]["index"]) == (202, 1, 1)
    plain = key | {"Content-Type": "application/json"}
    answer = service.client.post("/v2/notify", content=notification, headers=plain)
    assert (answer.status_code, answer.json()["duplicate"]) == (202, 1)
    assert service.client.post("/v2/notify", content=notification, headers=linked).status_code == 415
    assert service.client.post("/v2/notify", content="{", headers=plain).status_code == 400
    named = plain | {"ce-specversion": "1.0", "ce-id": "b-1", "ce-source": "%E6%9D%91", "ce-type": "iot.observed"}
    assert service.client.post("/v1/events", content=json.dumps(bin), headers=named).json()["accepted"] == 1


def test_what_is_wrong_with_a_request_is_said_by_status(service: Service) -> None:
    assert service.send(b"{}", {"Content-Type": "text/csv"}).status_code == 415
    assert service.send(b"{}", {}).status_code == 415
    assert service.send(b"{}", {"Content-Type": LINES, "Content-Encoding": "br"}).status_code == 415
    assert service.send(b"{}", {"Content-Type": LINES, "Content-Encoding": "gzip"}).status_code == 400
    assert service.send(b"<xml/>", {"Content-Type": LINES}).status_code == 400
    assert service.send(b"", {"Content-Type": "application/cloudevents+json; charset=utf-8"}).status_code == 400
    assert service.client.get("/v1/events").status_code == 405
    assert service.client.get("/nothing").status_code == 404
    assert service.counters()["received"] == 0


def test_a_body_too_large_is_refused_announced_or_not(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(LARGEST_BODY_BYTES // 65_536 + 100):
            yield b" " * 65_536

    assert service.send(b" " * (LARGEST_BODY_BYTES + 1), {"Content-Type": LINES}).status_code == 413
    with contextlib.suppress(httpx.WriteError):  # closing the connection before all was sent says the same
        assert service.send(endless(), {"Content-Type": LINES}).status_code == 413
    largest = json.dumps(worker("1")).encode().ljust(LARGEST_BODY_BYTES, b"\n")
    assert service.send(largest, {"Content-Type": LINES}).json()["accepted"] == 1


def test_while_redis_is_away_nothing_is_called_accepted(service: Service) -> None:
    service.post(worker("1"))
    os.kill(service.redis.process.pid, signal.SIGKILL)
    service.redis.process.wait()
    refusal = service.post(worker("2"))
    assert refusal.status_code == 503
    assert int(refusal.headers["Retry-After"]) > 0
    health = service.client.get("/health")
    assert (health.status_code, health.json()["status"], health.json()["counters"]) == (503, "down", None)
    assert 'county_ingest_up{part="redis"} 0' in service.client.get("/metrics").text
    service.redis = start_redis(service.folder)
    answer = wait_for(lambda: (again := service.post(worker("1"), worker("2"))).status_code == 202 and again)
    assert isinstance(answer, httpx.Response)
    assert answer.json()["duplicate"] == 1
    assert service.counters()["received"] == 3
    code, log = service.stop()
    assert code == 0
    assert log.count("refusing events") == 1
    assert log.count("taking events again") == 1
    service.start()


def test_a_full_redis_is_503_until_there_is_room(service: Service) -> None:
    client = redis.Redis.from_url(service.redis.url)
    client.config_set("maxmemory", "1")
    assert service.post(worker("1")).status_code == 503
    client.config_set("maxmemory", "0")
    client.close()
    assert service.post(worker("1")).json()["accepted"] == 1
    assert service.counters()["received"] == 1


def test_a_hanging_redis_does_not_hang_the_service(service: Service) -> None:
    os.kill(service.redis.process.pid, signal.SIGSTOP)
    try:
        assert service.client.get("/health").json()["status"] == "down"
        assert service.client.get("/").json()["events"] == "/v1/events"
        assert service.post(worker("1")).status_code == 503
    finally:
        os.kill(service.redis.process.pid, signal.SIGCONT)
    # What the hanging server had in its ears it may have taken; then the repeat is a duplicate.
    answer = wait_for(lambda: (again := service.post(worker("1"))).status_code == 202 and again)
    assert isinstance(answer, httpx.Response)
    assert answer.json()["accepted"] + answer.json()["duplicate"] == 1
    assert service.counters()["accepted"] == 1


def test_counters_add_up_while_many_send_and_both_are_killed(service: Service) -> None:
    stop = threading.Event()
    sums: list[dict[str, int]] = []

    def watch() -> None:
        while not stop.is_set():
            try:
                counters = service.counters()
            except httpx.HTTPError:
                continue
            if counters:
                sums.append(counters)

    def send(sender: int) -> None:
        with httpx.Client(base_url=service.client.base_url, trust_env=False, timeout=30) as client:
            for number in range(40):
                events = [worker(f"{number}-{part}") for part in range(20)] + [worker("x", lat=99)]
                body = "\n".join(map(json.dumps, events)).encode()
                headers = {"Authorization": f"Bearer {KEY}", "Content-Type": LINES}
                _insist(lambda: client.post("/v1/events", content=body, headers=headers).status_code == 202)  # noqa: B023

    threads = [threading.Thread(target=send, args=(sender,)) for sender in range(3)]
    watcher = threading.Thread(target=watch)
    for thread in (*threads, watcher):
        thread.start()
    wait_for(lambda: len(sums) > 3, what="traffic")
    os.kill(service.redis.process.pid, signal.SIGKILL)
    service.redis.process.wait()
    service.redis = start_redis(service.folder)
    service.process.kill()
    service.process.wait()
    service.start()
    for thread in threads:
        thread.join()
    stop.set()
    watcher.join()
    for counters in [*sums, service.counters()]:
        assert counters["received"] == counters["accepted"] + counters["duplicate"] + counters["rejected"]
    # However often a batch had to be sent again, every event is in once.
    assert service.counters()["accepted"] == 40 * 20
    assert service.counters()["rejected"] >= 3 * 40


def _insist(attempt: Callable[[], bool]) -> None:
    while True:
        try:
            if attempt():
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)


def test_sigterm_ends_it_in_order(service: Service) -> None:
    code, log = service.stop()
    assert code == 0
    assert "Traceback" not in log
    assert "ingest has stopped" in log
    service.start()


def test_nothing_personal_is_logged(service: Service) -> None:
    event = worker("1") | {"type": "case.reported"}
    event["data"] |= {"reporter": {"name": "张三", "phone": 13800000000}}
    assert len(service.post(event).json()["rejected"]) == 1
    _, log = service.stop()
    assert "138" not in log.replace(str(service.port), "")
    service.start()


@pytest.mark.parametrize("trouble", ["port", "redis", "county", "setting"])
def test_what_cannot_start_says_so_in_one_line(tmp_path: Path, demo_folder: Path, trouble: str) -> None:
    environ = {**os.environ, "COUNTY": str(demo_folder), "DATA_DIR": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        environ["INGEST_PORT"] = str(taken.getsockname()[1]) if trouble == "port" else str(free_port())
        if trouble == "redis":
            del environ["REDIS_URL"]
        if trouble == "county":
            environ["COUNTY"] = str(tmp_path)
        if trouble == "setting":
            environ["INGEST_PORT"] = "http"
        ended = subprocess.run(
            [sys.executable, "-m", "ingest", "serve"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
        )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1
    named = {"port": "INGEST_PORT", "redis": "REDIS_URL", "county": "county.toml", "setting": "INGEST_PORT"}
    assert named[trouble] in ended.stderr


def test_its_api_is_described_with_real_schemas(service: Service) -> None:
    api = service.client.get("/openapi.json").json()
    assert {"/v1/events", "/health"} <= set(api["paths"])
    known = {f"#/components/schemas/{name}" for name in api["components"]["schemas"]}
    references = set(_find_references(api))
    assert references <= known
    assert "#/components/schemas/Answer" in references
    report = next(
        schema
        for name, schema in api["components"]["schemas"].items()
        if "Report" in name and "category" in schema["properties"]
    )
    assert {"category", "title", "reported_at", "channel"} == set(report["required"])


def _find_references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for part in node.values():
            yield from _find_references(part)
    elif isinstance(node, list):
        for part in node:
            yield from _find_references(part)


def test_what_only_the_recorder_knows_moves_between_counters() -> None:
    tallies = Tallies(received=100, accepted=80, duplicate=15, rejected=5)
    settled = settle_counters(tallies, {"recorded": 76, "late_duplicate": 3, "refused": 1})
    assert (settled.received, settled.accepted, settled.duplicate, settled.rejected) == (100, 76, 18, 6)
    assert settled.recorded == 76
    assert settle_counters(tallies, None).recorded is None
