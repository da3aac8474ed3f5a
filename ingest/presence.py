"""Which walls show now: each says so every few seconds, and one that no longer does is forgotten after a day.

Kept in Redis alone. All keys have one hash tag, so that on a cluster they are on one node and a call reaches all.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import redis
import redis.asyncio
from msgspec import Meta

from ingest.stream import StreamUnavailable

ALIVE_MS: Final = 25_000
"""So long after its last word a wall counts as showing: two beats of ten seconds, and a late one."""
KEPT_S: Final = 24 * 3600
INDEX: Final = "presence:{walls}"

# Two machines that say the same name at the same moment: the one that was there goes on, the other is told.
_NOTE = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local known = redis.call('HMGET', KEYS[2], 'machine', 'heard_ms')
if known[1] and known[1] ~= ARGV[2] and now - known[2] < tonumber(ARGV[4]) then return 0 end
redis.call('HSET', KEYS[2], 'machine', ARGV[2], 'heard_ms', now, 'told', ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[5])
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 1000 * ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[5])
return 1
"""


class Beat(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a wall says of itself; times are epoch milliseconds of the server's clock as the wall reckons it.

    machine: which browser it is, as long as its storage lives. drawn_at: when its map was last drawn, by the browser.
    heap_mb: null where the browser does not tell. contexts_lost: how often the graphics context was lost. area,
    has_token: what the server knows of the wall.
    """

    machine: Annotated[str, Meta(pattern=r"^[0-9a-f]{8,64}$")]
    scene: Annotated[str, Meta(max_length=40)]
    paused: bool
    width: Annotated[int, Meta(ge=0, le=100_000)]
    height: Annotated[int, Meta(ge=0, le=100_000)]
    ratio: Annotated[float, Meta(ge=0, le=100)]
    opened_at: Annotated[int, Meta(ge=0)]
    drawn_at: Annotated[int, Meta(ge=0)] | None = None
    frame_at: Annotated[int, Meta(ge=0)] | None = None
    shown_since: Annotated[int, Meta(ge=0)] | None = None
    heap_mb: Annotated[int, Meta(ge=0)] | None = None
    contexts_lost: Annotated[int, Meta(ge=0)] = 0
    version: Annotated[str, Meta(max_length=40)] = ""
    area: str = ""
    has_token: bool = False


class Sighting(msgspec.Struct, frozen=True):
    """The last word of a wall, and when it came."""

    heard_at: datetime
    beat: Beat


class Presence:
    """The walls that have shown lately; every method raises `StreamUnavailable` while Redis is away."""

    def __init__(self, client: "redis.asyncio.Redis"):
        self._client = client
        self._note = client.register_script(_NOTE)

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()

    async def note(self, wall: str, beat: Beat) -> bool:
        """Take a wall's word; False where another machine shows under this name, and nothing is noted."""
        told = msgspec.json.encode(beat)
        arguments: list[str | bytes | int] = [wall, beat.machine, told, ALIVE_MS, KEPT_S]
        try:
            return bool(await self._note(keys=[INDEX, _key(wall)], args=arguments))
        except redis.RedisError as error:
            raise StreamUnavailable(f"Redis: {error}") from error

    async def holds_other(self, wall: str, machine: str) -> bool:
        """Return whether another machine shows under a name just now."""
        sighting = (await self.read()).get(wall)
        if sighting is None or sighting.beat.machine == machine:
            return False
        return (datetime.now(UTC) - sighting.heard_at).total_seconds() * 1000 < ALIVE_MS

    async def read(self) -> Mapping[str, Sighting]:
        """Return the last word of each wall that was heard within a day."""
        client: Any = self._client
        try:
            names = [name.decode() for name in await client.zrange(INDEX, 0, -1)]
            rows = [await client.hmget(_key(name), "heard_ms", "told") for name in names]
        except redis.RedisError as error:
            raise StreamUnavailable(f"Redis: {error}") from error
        return {
            name: Sighting(datetime.fromtimestamp(int(heard_ms) / 1000, UTC), msgspec.json.decode(told, type=Beat))
            for name, (heard_ms, told) in zip(names, rows, strict=True)
            if told is not None
        }


def _key(wall: str) -> str:
    return f"{INDEX}:{wall}"
