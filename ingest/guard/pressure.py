"""How near the streams are to being full, looked at every second: what has to wait while they are."""

import asyncio
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import redis
from sqlalchemy import Engine

from ingest.health import ask_counters
from ingest.settings import Settings
from ingest.stream import AsyncStreams, StreamUnavailable

LOOK_EVERY_S: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Limits:
    """From where on readings and locations wait, so that cases and alarms still find room.

    `folder` is where an embedded server keeps its file, None for a server elsewhere. With a quarter of `disk_bytes`
    left nothing is taken any more: Valkey acknowledges the write that meets the full disk while it has it in memory
    only (measured), so none may meet it.
    """

    memory_share: float
    unrecorded: int
    disk_bytes: int
    folder: Path | None

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return what the settings say."""
        is_embedded = (settings.redis_url or "").startswith("unix:")
        return cls(
            memory_share=settings.readings_wait_at_memory_percent / 100,
            unrecorded=settings.readings_wait_at_unrecorded,
            disk_bytes=settings.readings_wait_at_disk_mb << 20,
            folder=settings.data_dir if is_embedded else None,
        )


class Pressure:
    """Why readings, or everything, must wait now; None while they need not."""

    def __init__(self, streams: AsyncStreams, database: Engine, limits: Limits) -> None:
        self.on_readings: str | None = None
        self.on_everything: str | None = None
        self._streams = streams
        self._database = database
        self._limits = limits
        self._recorded: int | None = None

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_EVERY_S)

    async def look(self) -> None:
        """Look once."""
        left = self._measure_disk()
        self.on_everything = None
        if left is not None and left < self._limits.disk_bytes // 4:
            self.on_everything = f"the disk has {left >> 20} MB left"
        reason = self.on_everything or await self._find_reason(left)
        if reason and not self.on_readings:
            log.error("readings wait: %s", reason)
        elif self.on_readings and not reason:
            log.info("readings need not wait any more")
        self.on_readings = reason

    async def _find_reason(self, left: int | None) -> str | None:
        if left is not None and left < self._limits.disk_bytes:
            return f"the disk has {left >> 20} MB left"
        try:
            share = find_fullest(await self._streams.client.info("memory"))
            unrecorded = await self._count_unrecorded()
        except (StreamUnavailable, redis.RedisError, OSError):
            return None  # whoever needs Redis finds out, and says so
        if share >= self._limits.memory_share:
            return f"Redis has {share:.0%} of its memory in use"
        if unrecorded >= self._limits.unrecorded:
            return f"{unrecorded} events wait to be recorded"
        return None

    def _measure_disk(self) -> int | None:
        if self._limits.folder is None:
            return None
        try:
            return shutil.disk_usage(self._limits.folder).free
        except OSError:
            return None

    async def _count_unrecorded(self) -> int:
        # While the database is away nothing is recorded: what it last said still holds.
        stored, _ = await ask_counters(self._database)
        if stored is not None:
            self._recorded = sum(stored.get(name, 0) for name in ("recorded", "late_duplicate", "refused"))
        if self._recorded is None:
            return 0
        return (await self._streams.read_tallies()).accepted - self._recorded


def find_fullest(info: Mapping[str, Any]) -> float:
    """Return what share of its `maxmemory` a server uses, of a cluster's answer the fullest node's; 0 without one."""
    nodes = [info] if "used_memory" in info else list(info.values())
    shares = [node["used_memory"] / node["maxmemory"] for node in nodes if node.get("maxmemory")]
    return max(shares, default=0.0)
