import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis

from ingest import embedded
from ingest.embedded import (
    EmbeddedError,
    EmbeddedRedis,
    choose_memory_mb,
    prepare_server,
    socket_path,
    start_redis,
)
from ingest.syncing import keep_synced, sync_files
from tests.appliance import wait_for


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    client = redis.Redis.from_url(server.url)
    for number in range(1000):
        client.xadd("events:{0}", {"number": number})
    server.process.kill()
    server.process.wait()
    server = start_redis(tmp_path)
    assert redis.Redis.from_url(server.url).xlen("events:{0}") == 1000
    server.stop()


def test_it_evicts_nothing_and_keeps_an_append_only_file(redis_url: str) -> None:
    client = redis.Redis.from_url(redis_url, decode_responses=True)
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_folder_too_deep_for_a_socket_still_gets_one(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 30)
    assert len(str(socket_path(deep))) < 108
    server = start_redis(deep)
    assert redis.Redis.from_url(server.url).ping()
    server.stop()


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from ingest.embedded import start_redis;"
        "print(start_redis(Path(sys.argv[1])).process.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    for _ in range(200):
        if not child.is_running() or child.status() == psutil.STATUS_ZOMBIE:
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its parent")


def test_without_any_server_the_reason_is_clear(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> Path:
        raise embedded.ValkeyServerError("not for this machine")

    monkeypatch.setattr(embedded, "get_binary_path", refuse)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EmbeddedError, match="REDIS_URL"):
        prepare_server(tmp_path)


def test_a_server_on_path_is_taken_when_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundled = embedded.find_server()

    def refuse() -> Path:
        raise embedded.ValkeyServerError("not for this machine")

    monkeypatch.setattr(embedded, "get_binary_path", refuse)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    (tmp_path / "redis-server").write_text("#!/bin/sh\necho Redis server v=6.2.14\n")
    (tmp_path / "redis-server").chmod(0o755)
    with pytest.raises(EmbeddedError):
        embedded.find_server()
    (tmp_path / "valkey-server").symlink_to(bundled)
    assert embedded.find_server() == tmp_path / "valkey-server"


def test_its_memory_has_a_bound_and_what_it_answers_is_written(tmp_path: Path) -> None:
    def ask(server: EmbeddedRedis, name: str) -> str:
        with redis.Redis.from_url(server.url, decode_responses=True) as client:
            answer: str = client.config_get(name)[name]
        server.stop()
        return answer

    assert int(ask(start_redis(tmp_path), "maxmemory")) == choose_memory_mb() << 20
    assert 64 <= choose_memory_mb() <= 8192
    assert int(ask(start_redis(tmp_path, memory_mb=100), "maxmemory")) == 100 << 20
    # Not Valkey's own `everysec`: that holds writes back while it syncs, and a kill then loses what was acknowledged.
    assert ask(start_redis(tmp_path), "appendfsync") == "no"
    assert ask(start_redis(tmp_path, fsync="always"), "appendfsync") == "always"


def test_a_container_limits_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(embedded, "CONTAINER_LIMITS", (limit, tmp_path / "none"))
    limit.write_text("419430400\n")
    assert choose_memory_mb() == 100
    limit.write_text("max\n")
    assert choose_memory_mb() > 100


def test_its_file_is_synced_every_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    server = start_redis(tmp_path)
    monkeypatch.setattr(os, "fdatasync", sync)
    with keep_synced(tmp_path / "redis"):
        wait_for(lambda: "appendonly.aof.1.incr.aof" in synced, what="a sync")
        server.stop()
    assert sync_files(tmp_path / "nothing") == 0
