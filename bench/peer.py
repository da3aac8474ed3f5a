"""Starts the peer and tells what it costs: see `peer_app`."""

import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from ingest.child import start_child
from tests.appliance import ROOT, free_port, wait_for

ENVIRONMENT = ROOT / ".setup" / "bench"


@contextmanager
def run_peer(redis_url: str) -> Iterator[tuple[str, psutil.Process]]:
    """Run the peer on a free port; yield its URL and its process."""
    port = free_port()
    uvicorn = [str(ENVIRONMENT / "bin" / "python"), "-m", "uvicorn", "--no-access-log", "--log-level", "error"]
    environ = {"REDIS_URL": redis_url, "PYTHONPATH": str(Path(__file__).parent)}
    process = start_child([*uvicorn, "--port", str(port), "peer_app:app"], environ)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: answers(url), 60, "the peer")
        yield url, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def answers(url: str) -> bool:
    """Tell whether the peer is up."""
    try:
        with urllib.request.urlopen(f"{url}/openapi.json") as response:
            return bool(response.status == 200)
    except OSError:
        return False
