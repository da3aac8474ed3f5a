"""Signs of life: how processes that no other can ask tell `/health` that they are there and how they fare.

A part calls `note_alive` every few seconds (`SIGN_EVERY_S`), also when it is in trouble, and `note_gone` when it
stops in order; ingest reads all signs for its `/health`. A part that falls silent is `down` there, with the time it
was last heard, until a day has passed. Times are the Redis server's, so that clocks of machines need not agree.

    note_alive(client, "mqtt", "degraded", reason="the broker is away", last_message_at=heard_at)

The name is one process: of two bridges on two machines each has its own (`mqtt@north`). Nothing is raised while
Redis is away: no sign is a sign, too.
"""

import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec
import redis
import redis.asyncio

from ingest.stream import connect

State = Literal["ok", "degraded", "down"]

SIGN_EVERY_S: Final = 5.0
SILENT_AFTER: Final = timedelta(seconds=20)
FORGOTTEN_AFTER: Final = timedelta(days=1)

_KEY: Final = "parts"
_TROUBLES: Final = (redis.RedisError, OSError)


class Sign(msgspec.Struct, omit_defaults=True):
    """What a part last told of itself; `reason` says why it is not `ok`, `last_message_at` is of its newest message."""

    state: State
    at: datetime
    reason: str | None = None
    last_message_at: datetime | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Sign)


def note_alive(
    client: "redis.Redis",
    part: str,
    state: State = "ok",
    reason: str | None = None,
    last_message_at: datetime | None = None,
) -> None:
    """Leave a sign of life."""
    with suppress(*_TROUBLES):
        sign = Sign(state, _as_moment(client.time()), reason, last_message_at)
        client.hset(_KEY, part, _encoder.encode(sign))


def note_gone(client: "redis.Redis", part: str) -> None:
    """Take the sign away: the part was told to stop."""
    with suppress(*_TROUBLES):
        client.hdel(_KEY, part)


class LifeSign:
    """The sign of a part that works in a loop; nothing where this machine is not told of the county's Redis."""

    def __init__(self, redis_url: str | None, part: str) -> None:
        self._client, self._part = None if redis_url is None else connect(redis_url), part
        self._tell_at = 0.0

    def tell(self, trouble: str | None) -> None:
        """Leave a sign of life, every few seconds."""
        if self._client is not None and time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + SIGN_EVERY_S
            note_alive(self._client, self._part, "ok" if trouble is None else "degraded", trouble)

    def leave(self) -> None:
        """Take the sign away."""
        if self._client is not None:
            note_gone(self._client, self._part)
            self._client.close()


def list_signs(client: "redis.Redis") -> tuple[dict[str, Sign], datetime]:
    """Return each part's sign by its name, just as it was left, and what time it is now; raises Redis' errors."""
    now, told = _as_moment(client.time()), client.hgetall(_KEY)
    return _decode(told), now


async def note_alive_async(
    client: "redis.asyncio.Redis",
    part: str,
    state: State = "ok",
    reason: str | None = None,
    last_message_at: datetime | None = None,
) -> None:
    """Leave a sign of life, from inside an event loop."""
    with suppress(*_TROUBLES):
        sign = Sign(state, _as_moment(await client.time()), reason, last_message_at)
        await client.hset(_KEY, part, _encoder.encode(sign))


async def note_gone_async(client: "redis.asyncio.Redis", part: str) -> None:
    """Take the sign away, from inside an event loop."""
    with suppress(*_TROUBLES):
        await client.hdel(_KEY, part)


async def read_signs(client: "redis.asyncio.Redis") -> dict[str, Sign]:
    """Return the sign of each part by its name, a silent one's as `down`; empty while Redis is away."""
    try:
        now = _as_moment(await client.time())
        told: Any = await client.hgetall(_KEY)
    except _TROUBLES:
        return {}
    return {name: _judge(sign, now) for name, sign in _decode(told).items() if now - sign.at < FORGOTTEN_AFTER}


def _decode(told: Any) -> dict[str, Sign]:
    signs = {}
    for name, body in sorted(told.items()):
        with suppress(msgspec.DecodeError):  # of another version of ours
            signs[name.decode()] = _decoder.decode(body)
    return signs


def _judge(sign: Sign, now: datetime) -> Sign:
    if now - sign.at < SILENT_AFTER:
        return sign
    silence = f"no sign of life since {sign.at:%Y-%m-%d %H:%M:%S} UTC"
    return msgspec.structs.replace(sign, state="down", reason=silence)


def _as_moment(time: Any) -> datetime:
    seconds, microseconds = time
    return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=microseconds)
