"""`events:rejected` from the other side: reading what was refused, and taking out what was accepted after all.

An event is received once, however often it is tried. So when one that was refused is accepted, it is counted as
accepted (or as duplicate) by the stream that takes it, and no longer as refused: both calls keep received =
accepted + duplicate + rejected true by themselves, also if nothing comes after the first.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import redis

from ingest.sealing import Keyring
from ingest.stream import (
    REASONS_KEY,
    REJECTED_BYTES_KEY,
    REJECTED_KEY,
    REJECTED_TALLY_KEY,
    Rejection,
    Streams,
    StreamUnavailable,
    order_id,
    stream_key,
)

RECORDER: Final = "recorder"
"""The door of what was accepted, and could not be recorded: counted by the recorder, in SQL."""

READ_AT_ONCE: Final = 100

_FORGET = """
local function take_off(key, name)
  if redis.call('HINCRBY', key, name, -1) == 0 then redis.call('HDEL', key, name) end
end
local found = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not found then return 0 end
local fields, size = {}, 0
for i = 1, #found[2], 2 do
  fields[found[2][i]] = found[2][i + 1]
  size = size + #found[2][i + 1]
end
redis.call('XDEL', KEYS[1], ARGV[1])
redis.call('DECRBY', KEYS[4], size)
if fields.door == 'recorder' then return 1 end
local owner = fields.feed .. ' ' .. fields.sender
redis.call('HINCRBY', KEYS[2], 'received', -1)
redis.call('HINCRBY', KEYS[2], 'rejected', -1)
take_off(KEYS[2], 'rejected ' .. owner)
local why = owner .. ' ' .. fields.field
if redis.call('HEXISTS', KEYS[3], why) == 1 then
  take_off(KEYS[3], why)
  if redis.call('HEXISTS', KEYS[3], why) == 0 then redis.call('HDEL', KEYS[3], 'last ' .. why) end
end
return 1
"""

# The record is in the set of seen ones, because it was accepted; and counted so. Its place in the stream names this
# very refusal of it, so a second try after a crash puts nothing in twice.
_READMIT = """
if redis.call('SADD', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('XADD', KEYS[1], '*', 'record', ARGV[2])
redis.call('HINCRBY', KEYS[3], 'readmitted', 1)
return 1
"""


class Refused(NamedTuple):
    """One entry of `events:rejected`: where it is, when it was refused, and everything about it."""

    stream_id: str
    at: datetime
    rejection: Rejection


def open_body(rejection: Rejection, keyring: Keyring) -> bytes:
    """Return the bytes that were refused, as they came; raises `Unreadable` where they are sealed and do not open."""
    return keyring.open_bytes(rejection.body, rejection.source, rejection.id, "body")


class RejectedStream:
    """The entries of `events:rejected`; every method raises `StreamUnavailable`."""

    def __init__(self, streams: Streams) -> None:
        self._client = streams.client
        self._forget = streams.client.register_script(_FORGET)
        self._readmit = streams.client.register_script(_READMIT)

    def read(self, since: datetime | None = None, newest_first: bool = False) -> Iterator[Refused]:
        """Yield the entries there are by now, from those refused at `since` on; few at a time: a body may be large."""
        newest = self._read_range("-", "+", newest_first=True, count=1)
        if not newest:
            return
        start, end = "-" if since is None else str(int(since.timestamp() * 1000)), newest[0][0].decode()
        while True:
            entries = self._read_range(start, end, newest_first)
            yield from (_read_entry(stream_id, fields) for stream_id, fields in entries)
            if len(entries) < READ_AT_ONCE:
                return
            last = f"({entries[-1][0].decode()}"
            start, end = (start, last) if newest_first else (last, end)

    def find(self, stream_id: str) -> Refused | None:
        """Return one entry; None where there is none, or its id is no id."""
        try:
            order_id(stream_id)
        except ValueError:
            return None
        try:
            entries: Any = self._client.xrange(REJECTED_KEY, stream_id, stream_id)
        except (redis.RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {error}") from error
        return _read_entry(*entries[0]) if entries else None

    def forget(self, stream_id: str) -> bool:
        """Take out an entry whose event is accepted by now, and count it as refused no more; False if it was gone."""
        keys = [REJECTED_KEY, REJECTED_TALLY_KEY, REASONS_KEY, REJECTED_BYTES_KEY]
        try:
            return bool(self._forget(keys, [stream_id]))
        except (redis.RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {error}") from error

    def readmit(self, partition: int, place: str, record: bytes) -> bool:
        """Put a record that could not be recorded into its stream again; False if that was done for this refusal.

        `place` is where it was in the streams when the recorder refused it.
        """
        keys = [stream_key(partition), f"readmitted:{{{partition}}}", f"tally:{{{partition}}}"]
        try:
            return bool(self._readmit(keys, [place, record]))
        except (redis.RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {error}") from error

    def _read_range(
        self, start: str, end: str, newest_first: bool, count: int = READ_AT_ONCE
    ) -> list[tuple[bytes, dict[bytes, bytes]]]:
        try:
            if newest_first:
                entries: Any = self._client.xrevrange(REJECTED_KEY, max=end, min=start, count=count)
            else:
                entries = self._client.xrange(REJECTED_KEY, min=start, max=end, count=count)
        except (redis.RedisError, OSError) as error:
            raise StreamUnavailable(f"Redis: {error}") from error
        return list(entries)


def _read_entry(stream_id: bytes, fields: dict[bytes, bytes]) -> Refused:
    body = fields.pop(b"body", b"")
    texts = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    at = datetime.fromisoformat(texts.pop("at"))
    names = [name for name in Rejection._fields if name != "body"]
    return Refused(stream_id.decode(), at, Rejection(body=body, **{name: texts.get(name, "") for name in names}))
