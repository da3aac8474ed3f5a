"""The ingest service as a process of its own, on a data folder with a real Valkey in it."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from ingest.embedded import EmbeddedRedis, start_redis
from tests.appliance import free_port, wait_for

ROOT = Path(__file__).resolve().parents[2]
KEY = "key-of-the-tests"
LINES = "application/x-ndjson"


class Service:
    """One `python -m ingest serve` on a data folder with a Valkey in it."""

    def __init__(self, folder: Path, county: Path, **settings: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.redis: EmbeddedRedis = start_redis(folder)
        self.environ = {
            **os.environ,
            "COUNTY": str(county),
            "DATA_DIR": str(folder),
            "REDIS_URL": self.redis.url,
            "INGEST_PORT": str(self.port),
            "INGEST_KEY": KEY,
            **settings,
        }
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=30)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ingest", "serve"], cwd=ROOT, env=self.environ, stderr=subprocess.PIPE
        )
        wait_for(self.answers, what="the service")

    def answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return bool(self.client.get("/health").json()["status"])
        except httpx.TransportError:
            return False

    def stop(self) -> tuple[int, str]:
        self.process.terminate()
        _, log = self.process.communicate(timeout=30)
        return self.process.returncode, log.decode()

    def post(self, *events: dict[str, Any], **headers: str) -> httpx.Response:
        body = "\n".join(map(json.dumps, events)).encode()
        return self.send(body, {"Content-Type": LINES, **headers})

    def send(self, content: Any, headers: dict[str, str]) -> httpx.Response:
        return self.client.post("/v1/events", content=content, headers={"Authorization": f"Bearer {KEY}", **headers})

    def counters(self) -> dict[str, int]:
        counted: dict[str, int] = self.client.get("/health").json()["counters"]
        return counted


def worker(id: str, **changes: Any) -> dict[str, Any]:
    data = {"worker_id": "W-1", "lon": 120.1, "lat": 29.7, "at": datetime.now(UTC).isoformat(), "on_duty": True}
    return {"specversion": "1.0", "id": id, "source": "t", "type": "worker.located", "data": data | changes}
