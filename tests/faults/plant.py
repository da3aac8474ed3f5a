"""The whole product, each part a process of its own that a test may kill, hold and start again.

`app.py` would start what died by itself; here the test says when, so that a part stays away as long as the plan has it.
"""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import httpx

from ingest.embedded import prepare_server, server_answers
from tests.appliance import KEY, ROOT, free_port, wait_for
from tests.broker import Mosquitto
from tests.faults.postgres import Postgres

Health = dict[str, Any]


class Server(Protocol):
    """What the harness needs of a part: `start` returns once it answers, `kill` once it is dead."""

    process: subprocess.Popen[bytes] | None

    def start(self) -> object: ...
    def kill(self) -> None: ...
    def stop(self) -> None: ...


class Program:
    """One part as a command of ours."""

    def __init__(self, command: Sequence[str], environ: dict[str, str], log: Path):
        self.process: subprocess.Popen[bytes] | None = None
        self._command = command
        self._environ = environ
        self._log = log

    def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, cwd=ROOT, env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()


class Broker(Mosquitto):
    """Mosquitto that writes its sessions down at every change, as far as it can: it has no other way to keep them."""

    def __init__(self, folder: Path):
        folder.mkdir()
        lines = ["allow_anonymous true", "autosave_on_changes true", "autosave_interval 1", "log_type error"]
        super().__init__(folder, lines)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


class Plant:
    """Redis, ingest, recorder, MQTT bridge, broker, web, and PostgreSQL or SQLite, on ports and folders of their own.

    `witness` is a second live hub that nobody kills: it has followed the streams through everything.
    """

    def __init__(self, folder: Path, county: Path, postgres: bool, **settings: str):
        self.folder = folder
        self.data_dir = folder / "data"
        self.ingest_url, self.web_url, self.witness_url = (f"http://127.0.0.1:{free_port()}" for _ in range(3))
        self.client = httpx.Client(trust_env=False, timeout=15)
        command, redis_url = prepare_server(self.data_dir)
        self.broker = Broker(folder / "broker")
        self.redis_url = redis_url
        self._home = tempfile.TemporaryDirectory(prefix="county-brain-postgres-", ignore_cleanup_errors=True)
        database = Postgres(Path(self._home.name) / "data") if postgres else None
        self.database_url = database.url if database else f"sqlite:///{self.data_dir / 'county.db'}"
        self.environ = {
            **os.environ,
            "COUNTY": str(county),
            "DATA_DIR": str(self.data_dir),
            "REDIS_URL": redis_url,
            "DATABASE_URL": self.database_url,
            "MQTT_URL": self.broker.url,
            "INGEST_PORT": self.ingest_url.rpartition(":")[2],
            "WEB_PORT": self.web_url.rpartition(":")[2],
            "INGEST_KEY": KEY,
            **settings,
        }
        self.parts: dict[str, Server] = {"redis": self._make("redis", command)}
        if database:
            self.parts["database"] = database
        self.parts |= {
            "broker": self.broker,
            "ingest": self._make("ingest", ["-m", "ingest", "serve"]),
            "recorder": self._make("recorder", ["-m", "ingest", "record"]),
            "mqtt": self._make("mqtt", ["-m", "ingest", "mqtt"]),
            "web": self._make("web", ["-m", "dashboard", "serve"]),
        }
        self.witness = self.make_hub("witness", self.witness_url)
        self.away: set[str] = set()
        self.ended: list[str] = []
        """Parts that ended without having been killed: a defect of ours, even if a supervisor would mend it."""

    def make_hub(self, name: str, url: str, **settings: str) -> Program:
        """A live hub alone, with settings of its own."""
        return self._make(name, ["-m", "dashboard", "live", "--port", url.rpartition(":")[2]], **settings)

    def _make(self, name: str, words: Sequence[str], **settings: str) -> Program:
        command = [sys.executable, *words] if words[0] == "-m" else words
        return Program(command, self.environ | settings, self.folder / f"{name}.log")

    def __enter__(self) -> Self:
        try:
            for part in self.parts:
                self.start(part)
                if part == "redis":
                    wait_for(server_answers(self.redis_url), what="redis")
            self.witness.start()
            wait_for(self._is_up, 90, "the plant")
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            for log in sorted(self.folder.rglob("*.log")):
                print(f"--- {log.name}\n{log.read_text(errors='replace')[-3000:]}")  # noqa: T201
        for server in [self.witness, *reversed(self.parts.values())]:
            if server.process is not None and server.process.poll() is None:
                server.process.send_signal(signal.SIGCONT)
                server.stop()
        self.client.close()
        self._home.cleanup()

    def start(self, part: str) -> None:
        """Start a part; a server is up when this returns, a program of ours may take a while yet."""
        self.parts[part].start()
        self.away.discard(part)

    def kill(self, part: str) -> None:
        """End a part by kill -9."""
        self.away.add(part)
        self.parts[part].kill()

    def hold(self, part: str, seconds: float) -> None:
        """Stop a part in its tracks, as a machine does that swaps or a disk that hangs, and let it go on."""
        process = self.parts[part].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        time.sleep(seconds)
        process.send_signal(signal.SIGCONT)

    def tend(self) -> None:
        """Start again what ended by itself, as the supervisor does, and note it."""
        for name, part in self.parts.items():
            if name not in self.away and part.process is not None and part.process.poll() is not None:
                self.ended.append(f"{name} with exit code {part.process.returncode}")
                part.start()

    def ask(self, url: str) -> Health:
        """What a part says under `/health`; empty where it does not answer."""
        self.tend()
        try:
            told: Health = self.client.get(f"{url}/health").json()
        except (httpx.TransportError, ValueError):
            return {}
        return told

    def wait_until_at_work(self) -> None:
        """Return once events of both doors come in, are recorded, and are heard by the web, all of it anew."""
        before = wait_for(lambda: (told := self.ask(self.ingest_url)).get("counters") and told, what="ingest")
        accepted = count_accepted(before)

        def is_at_work() -> bool:
            told = self.ask(self.ingest_url)
            if not told.get("counters") or (recorded := told["counters"]["recorded"]) is None:
                return False
            now = count_accepted(told)
            return (
                recorded > before["counters"]["accepted"]
                and all(now.get(sender, 0) > accepted.get(sender, 0) for sender in ("local", "mqtt"))
                and self._hears(self.web_url, before["now"])
            )

        wait_for(is_at_work, 90, "the whole plant to be at work again")

    def _hears(self, url: str, since: str) -> bool:
        hub = self.ask(url).get("parts", {}).get("hub", {})
        return hub.get("state") == "ok" and bool(hub["last_message_at"]) and hub["last_message_at"] > since

    def _is_up(self) -> bool:
        told = self.ask(self.ingest_url)
        bridge = told and told["parts"]["processes"].get("mqtt", {})
        hubs = [self.ask(url) for url in (self.web_url, self.witness_url)]
        return bool(told and told["status"] == "ok" and bridge and all(hub and hub["status"] != "down" for hub in hubs))


def count_accepted(health: Health) -> dict[str, int]:
    """How many events of each sender are accepted."""
    counts: dict[str, int] = {}
    for told in health["senders"]:
        counts[told["sender"]] = counts.get(told["sender"], 0) + told["accepted"]
    return counts
