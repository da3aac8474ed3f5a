"""What must be true before anything starts: a data folder that is ours alone, and free ports."""

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ingest.settings import Settings, is_loopback


class StartError(RuntimeError):
    """Something outside the program stops it from starting; the message is one clear line."""


@contextmanager
def claim_data_folder(folder: Path) -> Iterator[Path]:
    """Make the data folder if needed and hold it for this process alone.

    Yields the absolute path. Raises `StartError` where it cannot be written or another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as reason:
        raise StartError(f"DATA_DIR {folder} cannot be written: {reason.strerror}") from reason
    with os.fdopen(descriptor, "r+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = lock.read().strip() or "unknown"
            raise StartError(f"DATA_DIR {folder} is in use by another county brain (process {holder})") from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield folder.resolve()


def check_exposure(settings: Settings) -> None:
    """Raise `StartError` where pages without log-in would be open to other machines; ingest always wants a key."""
    if settings.auth == "demo" and not is_loopback(settings.web_host):
        raise StartError(
            f"AUTH=demo has no log-in, and WEB_HOST {settings.web_host} is open to other machines: set AUTH=on"
        )


def check_port(name: str, host: str, port: int) -> None:
    """Raise `StartError` naming the setting if `port` is taken on `host`."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as reason:
            raise StartError(f"{name} {port} on {host} cannot be used: {reason.strerror}") from reason
