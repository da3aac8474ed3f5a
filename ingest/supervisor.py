"""The supervisor: starts every part as a child process, restarts one that crashed, stops all in order."""

import logging
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from ingest.child import start_child

log = logging.getLogger(__name__)

EXIT_HOPELESS = 2
"""A part's exit code for what a restart cannot mend: a bad setting, a port in use, a broken pack."""

SHORTEST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 15.0
STEADY_AFTER_S = 60.0
STOP_TIMEOUT_S = 15.0


@dataclass
class Part:
    """One process of the product; `ready` tells when the next part may start."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    ready: Callable[[], bool] = lambda: True
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = SHORTEST_PAUSE_S
    restart_at: float | None = None

    def start(self) -> None:
        """Start the process."""
        self.process = start_child(self.command, self.environ)
        self.started_at = time.monotonic()
        self.restart_at = None

    def stop(self) -> None:
        """Ask the process to end, and insist after a while."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            log.warning("%s did not stop within %.0f s: killed", self.name, STOP_TIMEOUT_S)
            self.process.kill()
            self.process.wait()


class Supervisor:
    """Runs parts until a signal comes or one of them is beyond hope."""

    def __init__(self, parts: Sequence[Part], when_ready: Callable[[], None] = lambda: None) -> None:
        self._parts = parts
        self._when_ready = when_ready
        self._stop = threading.Event()

    def run(self) -> int:
        """Start the parts in order, watch them, and return the exit code once all have stopped.

        Each waits for the one before to be ready; SIGINT and SIGTERM stop them in the opposite order. 0 after
        a signal; a part's own code if that part ended with `EXIT_HOPELESS`.
        """
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            return self._start() or self._watch()
        finally:
            for part in reversed(self._parts):
                part.stop()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        log.info("stopping: %s", signal.Signals(number).name)
        self._stop.set()

    def _start(self) -> int:
        for part in self._parts:
            part.start()
            while not self._stop.is_set() and not part.ready():
                code = self._tend(part)
                if code:
                    return code
                self._stop.wait(0.05)
        if not self._stop.is_set():
            self._when_ready()
        return 0

    def _watch(self) -> int:
        while not self._stop.wait(0.2):
            for part in self._parts:
                code = self._tend(part)
                if code:
                    return code
        return 0

    def _tend(self, part: Part) -> int:
        """Restart a part that ended; return its exit code if that is hopeless, else 0."""
        now = time.monotonic()
        if part.restart_at is not None:
            if now >= part.restart_at:
                part.start()
            return 0
        if part.process is None or part.process.poll() is None:
            return 0
        code = part.process.returncode
        if code == EXIT_HOPELESS:
            return code
        if now - part.started_at > STEADY_AFTER_S:
            part.pause_s = SHORTEST_PAUSE_S
        log.error("%s ended with exit code %d; starting it again in %.1f s", part.name, code, part.pause_s)
        part.restart_at = now + part.pause_s
        part.pause_s = min(part.pause_s * 2, LONGEST_PAUSE_S)
        return 0


def answers(url: str) -> Callable[[], bool]:
    """Return a check that tells whether an HTTP server answers at `url`, whatever it says."""

    def ask() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    return ask
