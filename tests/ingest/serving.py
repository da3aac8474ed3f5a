"""A real ingest on a real Valkey, and a system of somebody else's that a test makes up: an HTTP server."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from ingest.embedded import EmbeddedRedis, start_redis
from tests.appliance import KEY, ROOT, free_port, wait_for


class Ingest:
    """One `python -m ingest serve` on a data folder with a Valkey in it."""

    def __init__(self, folder: Path, county: Path) -> None:
        self.folder = folder
        self.redis: EmbeddedRedis = start_redis(folder)
        self.url = f"http://127.0.0.1:{free_port()}"
        self.environ = {
            **os.environ,
            "COUNTY": str(county),
            "DATA_DIR": str(folder),
            "REDIS_URL": self.redis.url,
            "INGEST_PORT": self.url.rpartition(":")[2],
            "INGEST_KEY": KEY,
        }
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "ingest", "serve"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stderr=subprocess.DEVNULL)
        wait_for(self._answers, what="ingest")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.redis.stop()

    def counters(self) -> dict[str, int]:
        counted: dict[str, int] = self._get()["counters"]
        assert counted["received"] == counted["accepted"] + counted["duplicate"] + counted["rejected"]
        return counted

    def post(self, body: bytes, content_type: str = "application/x-ndjson") -> dict[str, Any]:
        headers = {"Content-Type": content_type, "Authorization": f"Bearer {KEY}"}
        answer = httpx.post(f"{self.url}/v1/events", content=body, headers=headers, trust_env=False)
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    def _get(self) -> dict[str, Any]:
        told: dict[str, Any] = httpx.get(f"{self.url}/health", trust_env=False).json()
        return told

    def _answers(self) -> bool:
        assert self.process.poll() is None
        try:
            return bool(self._get()["status"])
        except httpx.TransportError:
            return False


@dataclass
class Request:
    """What somebody asked of the other system."""

    path: str
    query: dict[str, str]
    headers: Mapping[str, str]


@dataclass
class Answer:
    """What it says; `length` is what it claims to be the body's, `write` may write the body in a way of its own."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    write: Callable[[Any], None] | None = None


class OtherSystem:
    """An HTTP server whose `answer` a test sets; `requests` is what it was asked."""

    def __init__(self) -> None:
        self.answer: Callable[[Request], Answer] = lambda _: Answer(b"[]")
        self.requests: list[Request] = []
        self.url = ""


@contextmanager
def run_other_system() -> Iterator[OtherSystem]:
    system = OtherSystem()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            request = Request(parts.path, query, {name.lower(): value for name, value in self.headers.items()})
            system.requests.append(request)
            answer = system.answer(request)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            self.end_headers()
            with suppress(OSError):  # the poller may have had enough
                (answer.write or (lambda file: file.write(answer.body)))(self.wfile)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    system.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield system
    server.shutdown()
    thread.join()
    server.server_close()
