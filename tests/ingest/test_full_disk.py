"""A disk that is full, and then not any more: nothing acknowledged is lost, and everything goes on by itself.

The full disk is the kernel's limit on the size of files (`RLIMIT_FSIZE`), set and lifted on a running process: writes
come back short and then fail, as on a full disk (tried on one: a tmpfs of 24 MB gave the same), and no root is needed.
"""

import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from ingest import embedded
from ingest.stream import stream_key
from tests.appliance import report, wait_for
from tests.ingest.service import ROOT, Service, worker

FILLER = "x" * 1000


@pytest.fixture
def service(tmp_path: Path, demo_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    # Without this the limit's signal would end the server before the failing write could be seen.
    monkeypatch.setattr(embedded, "ALLOCATOR", ("/usr/bin/env", "--ignore-signal=XFSZ", *embedded.ALLOCATOR[1:]))
    running = Service(tmp_path, demo_folder)
    yield running
    running.stop()
    running.redis.stop()
    running.client.close()


def limit_files(process: int, size: int | None) -> None:
    """Let a process make no file longer than `size` bytes; None lets it again."""
    soft = resource.RLIM_INFINITY if size is None else size
    resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))


def reports(number: int) -> list[dict[str, Any]]:
    return [report(f"{number}-{part}", 120.1, 29.7, description=FILLER) for part in range(50)]


def test_what_valkey_acknowledged_survives_a_full_disk(service: Service) -> None:
    limit_files(service.redis.process.pid, 1_000_000)
    accepted = 0
    for number in range(100):
        answer = service.post(*reports(number))
        if answer.status_code == 503:
            break
        accepted += answer.json()["accepted"]
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert accepted >= 50
    assert service.post(report("no room", 120.1, 29.7)).status_code == 503
    # Some partitions may have taken their part of what was answered with 503.
    assert service.counters()["accepted"] >= accepted
    limit_files(service.redis.process.pid, None)
    again = wait_for(lambda: (taken := service.post(*reports(number))).status_code == 202 and taken, what="room")
    assert not isinstance(again, bool)
    assert again.json()["accepted"] + again.json()["duplicate"] == 50
    taken = service.counters()["accepted"]
    assert taken == accepted + 50
    service.redis.process.kill()
    service.redis.process.wait()
    service.redis = embedded.start_redis(service.folder)
    with redis.Redis.from_url(service.redis.url) as client:
        assert sum(client.xlen(stream_key(partition)) for partition in range(4)) == taken


def test_nothing_is_taken_when_the_disk_is_nearly_full(tmp_path: Path, demo_folder: Path) -> None:
    # With everything still written in time: Valkey acknowledges the write that meets the full disk.
    free_mb = shutil.disk_usage(tmp_path).free >> 20
    nearly = Service(tmp_path / "nearly", demo_folder, READINGS_WAIT_AT_DISK_MB=str(free_mb * 2))
    full = Service(tmp_path / "full", demo_folder, READINGS_WAIT_AT_DISK_MB=str(free_mb * 8))
    try:
        for service, status in ((nearly, "degraded"), (full, "down")):
            wait_for(lambda: service.client.get("/health").json()["warnings"], what="a warning")  # noqa: B023
            assert service.client.get("/health").json()["status"] == status
            assert service.post(worker("1")).status_code == 503
        assert nearly.post(report("1", 120.1, 29.7)).status_code == 202
        assert full.post(report("1", 120.1, 29.7)).status_code == 503
    finally:
        for service in (nearly, full):
            service.stop()
            service.redis.stop()
            service.client.close()


def test_the_recorder_waits_for_room_and_goes_on(service: Service) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "ingest", "record"], cwd=ROOT, env=service.environ, stderr=subprocess.PIPE
    ) as recorder:
        try:
            service.post(*reports(0))
            wait_for(lambda: service.counters()["recorded"] == 50, what="the first ones")
            # Both the database and its log are longer than this by now, or soon will be.
            limit_files(recorder.pid, 300_000)
            sent = 50
            for number in range(1, 21):
                sent += service.post(*reports(number)).json()["accepted"]
            assert recorder.stderr is not None
            wait_for(lambda: b"next try" in recorder.stderr.readline(), what="trouble")  # type: ignore[union-attr]
            stuck = service.counters()
            assert stuck["accepted"] == sent
            assert stuck["recorded"] < sent
            limit_files(recorder.pid, None)
            wait_for(lambda: service.counters()["recorded"] == sent, what="the rest")
        finally:
            recorder.terminate()
            recorder.communicate(timeout=30)
    assert service.client.get("/health").json()["parts"]["database"]["lag"] == 0
