"""When messages without a time first came: kept in Redis for those that the broker delivers again.

A message that does not say when is observed when it comes, and that is part of its identity; delivered again it must
have the same moment, or it would count twice. A broker delivers again under the packet id of before, with the mark
"repeated", so for each packet id the last such message is remembered: what it was, and when it came. A new message
never has the mark, so the same value an hour later is a new one, under the same packet id too.

One way to err remains: a message is delivered and lost with this process before it was noted here; delivered again,
it is taken for a former one if that had the same packet id, topic and payload, in the last three days. Packet ids go
round all 65,535 before they come again, in Mosquitto and most brokers.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

import redis
import redis.asyncio

from ingest.mqtt.link import Publish
from ingest.stream import SEEN_FOR_S, StreamUnavailable

_DIGEST_BYTES: Final = 8


class Sightings:
    """The first sights of one session at a broker. Raises `StreamUnavailable` while Redis is away."""

    def __init__(self, client: "redis.asyncio.Redis", client_id: str) -> None:
        self._client = client
        self._key = f"mqtt:{{{client_id}}}:sightings"

    async def recall(self, messages: Iterable[Publish]) -> dict[int, datetime]:
        """Return when those messages first came that are delivered again and had no time, by packet id."""
        repeated = [message for message in messages if message.repeated and message.packet_id]
        if not repeated:
            return {}
        try:
            kept = await self._client.hmget(self._key, [str(message.packet_id) for message in repeated])
        except (redis.RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {error}") from error
        return {
            message.packet_id: datetime.fromtimestamp(int(sight[_DIGEST_BYTES:]) / 1_000_000, UTC)
            for message, sight in zip(repeated, kept, strict=True)
            if sight is not None and sight[:_DIGEST_BYTES] == _digest(message)
        }

    async def note(self, sights: Iterable[tuple[Publish, datetime]]) -> None:
        """Remember when messages came that have no time; before they are in the streams."""
        moments: dict[Any, Any] = {
            b"%d" % message.packet_id: _digest(message) + b"%d" % _as_microseconds(at)
            for message, at in sights
            if message.packet_id
        }
        if not moments:
            return
        try:
            await self._client.hset(self._key, mapping=moments)
            await self._client.expire(self._key, SEEN_FOR_S)
        except (redis.RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {error}") from error


def _digest(message: Publish) -> bytes:
    return blake2b(message.topic.encode() + b"\0" + message.payload, digest_size=_DIGEST_BYTES).digest()


def _as_microseconds(at: datetime) -> int:
    return round(at.timestamp() * 1_000_000)
