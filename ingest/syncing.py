"""The append-only file of the embedded server, synced every second by us instead of by the server.

Valkey's `appendfsync everysec` does not write while its own sync is under way: what it acknowledges in that time is in
its memory only, and a kill loses it. With `appendfsync no` it writes before every answer, and the sync from here gives
a power cut the same short window.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SYNC_EVERY_S: Final = 1.0
FILES: Final = "appendonlydir/*.aof"

log = logging.getLogger(__name__)


def sync_files(folder: Path) -> int:
    """Bring what was written to the append-only files of a server's folder to the disk; return how many there are."""
    synced = 0
    for path in folder.glob(FILES):
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except FileNotFoundError:  # a rewrite has just replaced it
            continue
        try:
            os.fdatasync(descriptor)
            synced += 1
        finally:
            os.close(descriptor)
    return synced


@contextmanager
def keep_synced(folder: Path) -> Iterator[None]:
    """Sync every second, in a thread of its own, while the block runs."""
    stop = threading.Event()
    # A daemon: a disk that hangs in a sync must not keep the process from ending.
    threading.Thread(target=_sync_until, args=(stop, folder), name="sync", daemon=True).start()
    try:
        yield
    finally:
        stop.set()


def _sync_until(stop: threading.Event, folder: Path) -> None:
    while not stop.wait(SYNC_EVERY_S):
        _sync(folder)


def _sync(folder: Path) -> None:
    try:
        sync_files(folder)
    except OSError as error:
        log.error("%s cannot be synced: a power cut now would lose more than the last second: %s", folder, error)
