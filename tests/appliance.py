"""The whole product as a user starts it: `python app.py` with a data folder and ports of its own."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import psutil
from sqlalchemy import Engine

from ingest.store import open_database

ROOT = Path(__file__).resolve().parents[1]
KEY = "key-of-the-tests"
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def wait_for(check: Callable[[], T], timeout_s: float = 60.0, what: str = "") -> T:
    """Return the first true answer of `check`; fails after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = check()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"waited {timeout_s:.0f} s for {what or check}"
        time.sleep(0.05)


class Appliance:
    """One running `app.py`; `stop` ends it as a service manager would."""

    def __init__(self, data_dir: Path, county: Path, environ: Mapping[str, str] = {}) -> None:
        self.data_dir = data_dir
        self.web_port, self.ingest_port = free_port(), free_port()
        self.web_url = f"http://127.0.0.1:{self.web_port}"
        self.ingest_url = f"http://127.0.0.1:{self.ingest_port}"
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.environ = {
            **{name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_URL")},
            "COUNTY": str(county),
            "DATA_DIR": str(data_dir),
            "WEB_PORT": str(self.web_port),
            "INGEST_PORT": str(self.ingest_port),
            "INGEST_KEY": KEY,
            "SIMULATOR": "0",
            "STEWARD": "0",
            "ALARMS": "0",
            **environ,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = 90) -> "Appliance":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=self.environ, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        try:
            wait_for(self.is_up, within_s, "the appliance")
        except AssertionError:
            self.stop()
            raise AssertionError(self.log.read_text()[-4000:]) from None
        return self

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def parts(self) -> dict[str, psutil.Process]:
        """The child processes by part: redis, ingest (serve), record, mqtt, simulate, steward, watch, dashboard."""
        assert self.process is not None
        found = {}
        for child in psutil.Process(self.process.pid).children():
            if child.status() == psutil.STATUS_ZOMBIE:
                continue
            words = child.cmdline()
            kinds = ("serve", "record", "mqtt", "simulate", "steward", "watch")
            name = next((word for word in kinds if word in words), "redis")
            found["dashboard" if "dashboard" in words else name] = child
        return found

    def get(self, path: str, url: str | None = None) -> Any:
        with urllib.request.urlopen(f"{url or self.web_url}{path}", timeout=10) as response:
            return json.load(response)

    def health(self) -> dict[str, Any]:
        """Ingest's own word of its health, also when it says 503."""
        try:
            answer: dict[str, Any] = self.get("/health", self.ingest_url)
        except urllib.error.HTTPError as refusal:
            answer = json.load(refusal)
        return answer

    def counters(self) -> dict[str, int]:
        counted: dict[str, int] = self.health()["counters"]
        return counted

    def post(self, *events: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(
            f"{self.ingest_url}/v1/events",
            json.dumps(events).encode(),
            {"Content-Type": "application/cloudevents-batch+json", "Authorization": f"Bearer {KEY}"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
            return answer

    @contextmanager
    def reading(self) -> Iterator[Engine]:
        """Yields its database, for looking only."""
        engine = open_database(f"sqlite:///{self.data_dir.resolve() / 'county.db'}", read_only=True)
        yield engine
        engine.dispose()

    def is_up(self) -> bool:
        assert self.process is not None and self.process.poll() is None, "it ended"
        try:
            return bool(self.get("/health")["status"]) and bool(self.health()["status"])
        except (OSError, ValueError):
            return False


def report(case_id: str, lon: float, lat: float, **changes: Any) -> dict[str, Any]:
    """A `case.reported` CloudEvent that ingest accepts."""
    data = {
        "case_id": case_id,
        "category": "0102",
        "title": "暴露垃圾",
        "lon": lon,
        "lat": lat,
        "reported_at": datetime.now(UTC).isoformat(),
        "channel": "hotline",
        "severity": 3,
    }
    return envelope("case.reported", case_id, data | changes)


def act(case_id: str, action: str, **changes: Any) -> dict[str, Any]:
    """A `case.acted` CloudEvent that ingest accepts."""
    data = {"case_id": case_id, "action": action, "actor": "officer-1", "at": datetime.now(UTC).isoformat()}
    return envelope("case.acted", f"{case_id}-{action}", data | changes)


def envelope(kind: str, identity: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"specversion": "1.0", "id": identity, "source": "urn:tests", "type": kind, "data": data}
