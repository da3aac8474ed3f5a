"""The Redis streams: where accepted records wait for the recorder and pass every reader.

The names of keys and fields are those of `docs/architecture.md`. `Streams` is for processes that may block,
`AsyncStreams` for those that may not; both are thin over the same commands. Writes are never retried here: a
reply that got lost may hide a write that happened, so the sender is told (`StreamUnavailable`) and sends again,
and de-duplication does the rest.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from hashlib import blake2b
from itertools import groupby
from typing import Any, NamedTuple, Self, cast
from zlib import crc32

import msgspec
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from ingest.cluster import connect_cluster, connect_cluster_async, is_cluster
from ingest.gathering import Gatherer

START = "0-0"
"""The position before the first message of any stream."""

SOCKET_TIMEOUT_S = 8.0
LONGEST_BLOCK_MS = 5_000  # must stay well below the socket's time-out, or an idle stream looks like a dead server
APPEND_AT_MOST = 1_000  # events in one Lua call: keeps the server answering others in between; Lua unpacks 8,000
SEEN_FOR_S = 3 * 24 * 3600  # today's set is asked until tomorrow ends; one day more for clocks that differ
KEEP_BODY_BYTES = 1024 * 1024  # far more than the largest event that any door takes
REJECTED_BYTES_AT_ONCE = 8 * 1024 * 1024
KEEP_FOR_FOLLOWERS = timedelta(minutes=5)
LONGEST_STREAM = 500_000  # messages; beyond it nothing is kept for followers

# One call, one partition, all or nothing: Redis refuses a script for lack of memory only before its first write.
# Entries come joined: packing and reading two arguments for each of a thousand costs more than cutting them out.
_APPEND = """
local call, stream, today, yesterday, tally = redis.call, KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local owners, sizes = cmsgpack.unpack(ARGV[2]), cmsgpack.unpack(ARGV[3])
local digests, records, last = {}, {}, 0
for i, size in ipairs(sizes) do
  digests[i] = string.sub(ARGV[4], 16 * i - 15, 16 * i)
  records[i] = string.sub(ARGV[5], last + 1, last + size)
  last = last + size
end
local in_today = call('SMISMEMBER', today, unpack(digests))
local in_yesterday = call('EXISTS', yesterday) == 1 and call('SMISMEMBER', yesterday, unpack(digests))
local fresh, in_batch, repeated, now, i = {}, {}, {}, call('TIME')[1], 0
for run = 1, #owners, 2 do
  local owner, count, before = owners[run], owners[run + 1], #fresh
  for _ = 1, count do
    i = i + 1
    local digest = digests[i]
    if in_today[i] == 1 or in_batch[digest] or in_yesterday and in_yesterday[i] == 1 then
      repeated[#repeated + 1] = i - 1
    else
      in_batch[digest] = true
      fresh[#fresh + 1] = digest
      call('XADD', stream, '*', 'record', records[i])
    end
  end
  local accepted = #fresh - before
  if accepted > 0 then
    call('HINCRBY', tally, 'accepted ' .. owner, accepted)
    call('HSET', tally, 'heard ' .. owner, now)
  end
  if accepted < count then
    call('HINCRBY', tally, 'duplicate ' .. owner, count - accepted)
  end
end
if #fresh > 0 then
  call('SADD', today, unpack(fresh))
  call('EXPIRE', today, ARGV[1])
end
call('HINCRBY', tally, 'received', #digests)
call('HINCRBY', tally, 'accepted', #fresh)
call('HINCRBY', tally, 'duplicate', #repeated)
return repeated
"""

# What is refused is kept up to a number and up to a sum of bytes, so the oldest goes where either is passed: as many
# as come and a thousand more in a call, so that a lowered setting does not hold up the server.
_REJECT = """
local kept, kept_bytes, is_counted = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3] == '1'
local names = {'reason', 'field', 'source', 'id', 'body', 'door', 'sender', 'feed', 'content_type', 'topic', 'at'}
local count = (#ARGV - 3) / #names
local refused, added = {}, 0
for i = 0, count - 1 do
  local fields = {}
  for j, name in ipairs(names) do
    local value = ARGV[3 + i * #names + j]
    fields[2 * j - 1], fields[2 * j] = name, value
    added = added + #value
  end
  local owner = fields[16] .. ' ' .. fields[14]
  refused[owner] = (refused[owner] or 0) + 1
  local why = owner .. ' ' .. fields[4]
  if is_counted and (redis.call('HEXISTS', KEYS[3], why) == 1 or redis.call('HLEN', KEYS[3]) < 4000) then
    redis.call('HINCRBY', KEYS[3], why, 1)
    redis.call('HSET', KEYS[3], 'last ' .. why, fields[22] .. ' ' .. fields[2])
  end
  redis.call('XADD', KEYS[1], '*', unpack(fields))
end
if is_counted then
  redis.call('HINCRBY', KEYS[2], 'received', count)
  redis.call('HINCRBY', KEYS[2], 'rejected', count)
  for owner, number in pairs(refused) do
    redis.call('HINCRBY', KEYS[2], 'rejected ' .. owner, number)
  end
end
local length, bytes = redis.call('XLEN', KEYS[1]), redis.call('INCRBY', KEYS[4], added)
for _ = 1, count + 1000 do
  if length <= kept and bytes <= kept_bytes then break end
  local oldest, freed = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1], 0
  if not oldest then break end
  for i = 2, #oldest[2], 2 do freed = freed + #oldest[2][i] end
  redis.call('XDEL', KEYS[1], oldest[1])
  length, bytes = length - 1, redis.call('DECRBY', KEYS[4], freed)
end
return count
"""

_pack = msgspec.msgpack.Encoder().encode

REJECTED_KEY = "events:rejected"
REJECTED_TALLY_KEY = "tally:{events:rejected}"  # the tag is the other key's whole name: both are in one hash slot
REASONS_KEY = "reasons:{events:rejected}"
REJECTED_BYTES_KEY = "bytes:{events:rejected}"  # of all values in the stream


class StreamUnavailable(RuntimeError):  # noqa: N818 - it says what is the case, for senders to read
    """Redis is away, still loading, full, or cannot write its file; nothing may be called accepted."""


class StreamGap(RuntimeError):  # noqa: N818
    """Messages beyond a reader's position were removed before it read them: it needs a fresh snapshot."""

    def __init__(self, partition: int, position: str):
        super().__init__(f"partition {partition}: messages after {position} are gone; a snapshot is needed")
        self.partition = partition
        self.position = position


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One record on its way into a stream; `digest` is from `digest_event`, `record` is JSON.

    `feed` is a word: neither empty nor with a space in it.
    """

    digest: bytes
    feed: str
    record: bytes


class Share(NamedTuple):
    """What one sender puts into a partition, and the day on which it did."""

    sender: str
    entries: Sequence[Entry]
    today: date


class Rejection(NamedTuple):
    """What was refused at which door, from whom, and why; `body` is the bytes as they came.

    Taken through `door` again with `content_type` and `topic`, they mean the same. `feed` is a word, or empty where
    that cannot be told.
    """

    reason: str
    field: str
    source: str
    id: str
    body: bytes
    door: str
    sender: str = "local"
    feed: str = ""
    content_type: str = ""
    topic: str = ""


class Message(msgspec.Struct, frozen=True, gc=False):
    """One message read from a partition; `record` is for `records.decode_record`."""

    partition: int
    stream_id: str
    record: bytes


@dataclass(frozen=True)
class FeedTally:
    """The same counters for one feed of one sender; `heard_at` is when its newest accepted event came."""

    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    heard_at: datetime | None = None

    @property
    def received(self) -> int:
        """How many came: every one is accepted, duplicate or rejected."""
        return self.accepted + self.duplicate + self.rejected


@dataclass(frozen=True)
class Reason:
    """Why events of one sender's feed were refused: how many for this field, the latest sentence and its time."""

    sender: str
    feed: str
    field: str
    count: int
    example: str
    at: datetime


@dataclass(frozen=True)
class Tallies:
    """How many events came in since the data folder began, and what became of them.

    `by_feed` has the same by sender and feed; what was refused before its feed could be told has the feed "".
    `readmitted` is how many that the recorder had refused were given to it again, and are not counted once more.
    """

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    readmitted: int = 0
    by_feed: Mapping[tuple[str, str], FeedTally] = field(default_factory=dict)

    @classmethod
    def add_up(cls, hashes: Iterable[Mapping[Any, Any]]) -> Self:
        """Return the sums over the tally hashes of all partitions and of the rejected."""
        sums = Counter[str]()
        counts: dict[tuple[str, str], Counter[str]] = {}
        heard: dict[tuple[str, str], int] = {}
        for tally in hashes:
            for name, number in tally.items():
                outcome, *of = name.decode().split(" ")
                if not of:
                    sums[outcome] += int(number)
                    continue
                owner = (of[1], of[0])
                if outcome == "heard":
                    heard[owner] = max(heard.get(owner, 0), int(number))
                else:
                    counts.setdefault(owner, Counter())[outcome] += int(number)
        by_feed = {
            owner: FeedTally(**count, heard_at=datetime.fromtimestamp(heard[owner], UTC) if owner in heard else None)
            for owner, count in sorted(counts.items())
        }
        return cls(**sums, by_feed=by_feed)


@dataclass(frozen=True)
class PartitionState:
    """What a partition's stream holds; `last_id` stays when the messages are gone."""

    length: int
    first_id: str
    last_id: str
    removed: bool

    def misses(self, position: str) -> bool:
        """Return whether messages after `position` may have been removed unread.

        Trimming always leaves the newest message that every recorder and follower may still stand on, so who
        stands before the first message has lost something.
        """
        oldest = self.first_id if self.length else self.last_id
        return self.removed and order_id(oldest) > order_id(position)

    @property
    def last_at(self) -> datetime | None:
        """When the last message was written, by the Redis server's clock; None if there never was one."""
        return None if self.last_id == START else datetime.fromtimestamp(order_id(self.last_id)[0] / 1000, UTC)


def digest_event(source: str, id: str) -> bytes:
    """Return 16 bytes that stand for the event (source, id) in de-duplication: BLAKE2b of both, NUL between."""
    digest = _begin_digest(source).copy()
    digest.update(id.encode())
    return digest.digest()


@lru_cache(maxsize=1_000)
def _begin_digest(source: str) -> blake2b:
    return blake2b(f"{source}\0".encode(), digest_size=16)


def choose_partition(key: str, partitions: int) -> int:
    """Return the partition of a town code, case, alarm or event id."""
    return crc32(key.encode()) % partitions


def order_id(stream_id: str) -> tuple[int, int]:
    """Return a stream id as (milliseconds, sequence), which compares as Redis orders messages."""
    milliseconds, _, sequence = stream_id.partition("-")
    return int(milliseconds), int(sequence or 0)


def stream_key(partition: int) -> str:
    """Return the key of a partition's stream."""
    return f"events:{{{partition}}}"


def connect(url: str, timeout_s: float = SOCKET_TIMEOUT_S) -> "redis.Redis":
    """Return a client for blocking use; it connects at its first command.

    Of a cluster, whose URL `ingest.cluster` describes, some node must answer at once: else `StreamUnavailable`.
    """
    if is_cluster(url):
        with _unavailable():
            return cast("redis.Redis", connect_cluster(url, **_connection_settings(timeout_s)))
    return redis.Redis.from_url(url, retry=Retry(NoBackoff(), 0), **_connection_settings(timeout_s))


def connect_async(url: str, timeout_s: float = SOCKET_TIMEOUT_S) -> "redis.asyncio.Redis":
    """Return a client for use inside an event loop; it connects at its first command."""
    if is_cluster(url):
        return cast("redis.asyncio.Redis", connect_cluster_async(url, **_connection_settings(timeout_s)))
    return redis.asyncio.Redis.from_url(url, retry=AsyncRetry(NoBackoff(), 0), **_connection_settings(timeout_s))


class Streams:
    """All partitions, for processes that may block. Every method raises `StreamUnavailable`."""

    def __init__(
        self, client: "redis.Redis", partitions: int, rejected_kept: int = 100_000, rejected_kept_mb: int = 256
    ):
        self.client = client
        self.partitions = partitions
        self._rejected_kept = rejected_kept, rejected_kept_mb * 2**20
        self._append = client.register_script(_APPEND)
        self._reject = client.register_script(_REJECT)
        client.set_response_callback("XREAD", _leave_reply)

    def append(self, partition: int, entries: Sequence[Entry], today: date, sender: str = "local") -> list[int]:
        """Add the entries not seen today or yesterday to one partition; return the indexes of the others."""
        repeated: list[int] = []
        with _unavailable():
            for start, keys, arguments in _append_calls(partition, [Share(sender, entries, today)]):
                repeated.extend(start + index for index in self._append(keys, arguments))
        return repeated

    def reject(self, rejections: Sequence[Rejection], at: datetime) -> None:
        """Keep and count what was refused."""
        with _unavailable():
            for keys, arguments in _reject_calls(rejections, at, self._rejected_kept):
                self._reject(keys, arguments)

    def set_aside(self, rejection: Rejection, at: datetime) -> None:
        """Keep a message that was accepted and is refused only by the recorder, which counts it in SQL."""
        with _unavailable():
            for keys, arguments in _reject_calls([rejection], at, self._rejected_kept, counted=False):
                self._reject(keys, arguments)

    def read_after(self, positions: Mapping[int, str], block_ms: int, count: int) -> list[Message]:
        """Return up to `count` messages a partition after each position, waiting up to `block_ms` for the first.

        Messages of one partition are in order and together. Raises `StreamGap` if some were removed unread.
        """
        with _unavailable():
            reply = self.client.xread(_read_keys(positions), count=count, block=min(block_ms, LONGEST_BLOCK_MS))
        messages = _read_messages(reply)
        for partition in {message.partition for message in messages}:
            if self.describe(partition).misses(positions[partition]):
                raise StreamGap(partition, positions[partition])
        return messages

    def read_first(self, partition: int, count: int) -> list[Message]:
        """Return the oldest messages that a partition still has, whatever was before them."""
        with _unavailable():
            # By XREAD as well, so that there is one shape of reply.
            return _read_messages(self.client.xread(_read_keys({partition: START}), count=count))

    def describe(self, partition: int) -> PartitionState:
        """Return what a partition holds."""
        with _unavailable():
            try:
                return _read_state(self.client.xinfo_stream(stream_key(partition)))
            except redis.ResponseError as error:
                return _absent_state(error)

    def trim(
        self,
        partition: int,
        watermark: str,
        keep_for: timedelta = KEEP_FOR_FOLLOWERS,
        longest: int = LONGEST_STREAM,
    ) -> int:
        """Remove what is recorded and no follower needs; return how many messages went.

        Never passes `watermark` (the last recorded id), and leaves the message there in place. What is younger
        than `keep_for` stays for followers, unless the stream is longer than `longest`.
        """
        key = stream_key(partition)
        with _unavailable():
            cut = watermark
            if self.client.xlen(key) <= longest:
                seconds, microseconds = self.client.time()
                old_ms = seconds * 1000 + microseconds // 1000 - int(keep_for.total_seconds() * 1000)
                oldest: Any = self.client.xrange(key, count=1)
                # Asked of a stream without one message so old, XREVRANGE walks through all of it.
                if not oldest or order_id(oldest[0][0].decode())[0] > old_ms:
                    return 0
                old: Any = self.client.xrevrange(key, max=str(old_ms), min="-", count=1)
                cut = min(watermark, old[0][0].decode(), key=order_id)
            return int(self.client.xtrim(key, minid=cut, approximate=False))

    def read_tallies(self) -> Tallies:
        """Return the counters; each partition's add up at every moment, so the sums do."""
        with _unavailable():
            return Tallies.add_up([self.client.hgetall(key) for key in _tally_keys(self.partitions)])


class AsyncStreams:
    """All partitions, for event loops. Every method raises `StreamUnavailable`."""

    def __init__(
        self, client: "redis.asyncio.Redis", partitions: int, rejected_kept: int = 100_000, rejected_kept_mb: int = 256
    ):
        self.client = client
        self.partitions = partitions
        self._rejected_kept = rejected_kept, rejected_kept_mb * 2**20
        self._append = client.register_script(_APPEND)
        self._reject = client.register_script(_REJECT)
        self._appenders = [Gatherer(partial(self._append_shares, partition)) for partition in range(partitions)]
        client.set_response_callback("XREAD", _leave_reply)

    async def append(self, partition: int, entries: Sequence[Entry], today: date, sender: str = "local") -> list[int]:
        """Add the entries not seen today or yesterday to one partition; return the indexes of the others.

        What comes while an append to the partition is under way waits for its end and is appended together, so
        that many small bodies cost little more than one large.
        """
        share = Share(sender, entries, today)
        if len(entries) >= APPEND_AT_MOST:  # a call of its own is full anyway, and nobody has to wait for it
            return (await self._append_shares(partition, [share]))[0]
        return await self._appenders[partition].call(share)

    async def _append_shares(self, partition: int, shares: Sequence[Share]) -> list[list[int]]:
        repeated: list[int] = []
        with _unavailable():
            for start, keys, arguments in _append_calls(partition, shares):
                repeated.extend(start + index for index in await self._append(keys, arguments))
        return _share_out(repeated, [len(share.entries) for share in shares])

    async def reject(self, rejections: Sequence[Rejection], at: datetime) -> None:
        """Keep and count what was refused."""
        with _unavailable():
            for keys, arguments in _reject_calls(rejections, at, self._rejected_kept):
                await self._reject(keys, arguments)

    async def read_after(self, positions: Mapping[int, str], block_ms: int, count: int) -> list[Message]:
        """Return up to `count` messages a partition after each position, waiting up to `block_ms` for the first.

        Messages of one partition are in order and together. Raises `StreamGap` if some were removed unread.
        """
        with _unavailable():
            block = min(block_ms, LONGEST_BLOCK_MS)
            reply = await self.client.xread(_read_keys(positions), count=count, block=block)
        messages = _read_messages(reply)
        for partition in {message.partition for message in messages}:
            if (await self.describe(partition)).misses(positions[partition]):
                raise StreamGap(partition, positions[partition])
        return messages

    async def describe(self, partition: int) -> PartitionState:
        """Return what a partition holds."""
        with _unavailable():
            try:
                return _read_state(await self.client.xinfo_stream(stream_key(partition)))
            except redis.ResponseError as error:
                return _absent_state(error)

    async def read_reasons(self) -> list[Reason]:
        """Return why events were refused, the most frequent reason first."""
        with _unavailable():
            return _read_reasons(await self.client.hgetall(REASONS_KEY))

    async def read_tallies(self) -> Tallies:
        """Return the counters; each partition's add up at every moment, so the sums do."""
        with _unavailable():
            return Tallies.add_up([await self.client.hgetall(key) for key in _tally_keys(self.partitions)])


def _read_reasons(hash: Mapping[Any, Any]) -> list[Reason]:
    reasons = []
    for name, count in hash.items():
        if not name.startswith(b"last "):
            feed, sender, field = name.decode(errors="replace").split(" ", 2)
            at, _, example = hash[b"last " + name].decode(errors="replace").partition(" ")
            reasons.append(Reason(sender, feed, field, int(count), example, datetime.fromisoformat(at)))
    return sorted(reasons, key=lambda reason: -reason.count)


def _connection_settings(timeout_s: float) -> dict[str, Any]:
    return {
        "protocol": 3,
        "legacy_responses": False,
        "decode_responses": False,
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
    }


@contextmanager
def _unavailable() -> Iterator[None]:
    # Whatever Redis says instead of doing it (away, loading, OOM, MISCONF: disk full), the sender keeps the event.
    try:
        yield
    except (redis.RedisError, OSError) as error:
        raise StreamUnavailable(f"Redis: {error}") from error


def _append_calls(partition: int, shares: Sequence[Share]) -> Iterator[tuple[int, list[str], list[str | bytes | int]]]:
    """Yield the calls that append all shares: the index of each call's first entry, its keys and its arguments."""
    today = max(share.today for share in shares)
    keys = [
        stream_key(partition),
        f"seen:{{{partition}}}:{today}",
        f"seen:{{{partition}}}:{today - timedelta(days=1)}",
        tally_key(partition),
    ]
    entries = [entry for share in shares for entry in share.entries]
    owners = [f"{entry.feed} {share.sender}" for share in shares for entry in share.entries]
    for start in range(0, len(entries), APPEND_AT_MOST):
        stop = start + APPEND_AT_MOST
        runs = [part for owner, run in groupby(owners[start:stop]) for part in (owner, len(list(run)))]
        records = [entry.record for entry in entries[start:stop]]
        digests = b"".join([entry.digest for entry in entries[start:stop]])
        yield start, keys, [SEEN_FOR_S, _pack(runs), _pack(list(map(len, records))), digests, b"".join(records)]


def _share_out(indexes: Iterable[int], sizes: Iterable[int]) -> list[list[int]]:
    """Return rising indexes into several lists, one after the other, as indexes into each of them."""
    shares: list[list[int]] = []
    waiting, start = deque(indexes), 0
    for size in sizes:
        share = []
        while waiting and waiting[0] < start + size:
            share.append(waiting.popleft() - start)
        shares.append(share)
        start += size
    return shares


def _reject_calls(
    rejections: Sequence[Rejection], at: datetime, kept: tuple[int, int], counted: bool = True
) -> Iterator[tuple[list[str], list[str | bytes | int]]]:
    keys = [REJECTED_KEY, REJECTED_TALLY_KEY, REASONS_KEY, REJECTED_BYTES_KEY]
    moment, start, size = _moment(at), 0, 0
    for stop, rejection in enumerate(rejections, start=1):
        size += min(len(rejection.body), KEEP_BODY_BYTES)
        if stop == len(rejections) or stop - start == APPEND_AT_MOST or size >= REJECTED_BYTES_AT_ONCE:
            arguments: list[str | bytes | int] = [*kept, int(counted)]
            for each in rejections[start:stop]:
                arguments.extend((*each._replace(body=each.body[:KEEP_BODY_BYTES]), moment))
            yield keys, arguments
            start, size = stop, 0


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def tally_key(partition: int) -> str:
    """Return the key of a partition's counters."""
    return f"tally:{{{partition}}}"


def _tally_keys(partitions: int) -> list[str]:
    return [*map(tally_key, range(partitions)), REJECTED_TALLY_KEY]


def _read_keys(positions: Mapping[int, str]) -> dict[Any, Any]:
    # The one command over several hash slots: `ingest.cluster` reads each partition in a call of its own.
    return {stream_key(partition): position for partition, position in positions.items()}


def _leave_reply(response: Any, **_: Any) -> Any:
    # As it came: redis-py would make a dictionary of every message, which is as dear as reading it.
    return response


def _read_messages(reply: Any) -> list[Message]:
    """Return the messages in XREAD's own reply: a list of [stream id, [name, value, ...]] by stream."""
    messages: list[Message] = []
    for key, entries in (reply or {}).items():
        partition = int(key[len(b"events:{") : -1])
        messages += [
            Message(partition, stream_id.decode(), fields[1] if fields[0] == b"record" else _find_record(fields))
            for stream_id, fields in entries
        ]
    return messages


def _find_record(fields: Sequence[bytes]) -> bytes:
    # What is no message of ours must reach the reader too, or it blocks the stream for ever.
    return dict(zip(fields[::2], fields[1::2], strict=True)).get(b"record", b"")


def _read_state(info: Mapping[str, Any]) -> PartitionState:
    length = int(info["length"])
    first = info["first-entry"]
    return PartitionState(
        length=length,
        first_id=first[0].decode() if first else START,
        last_id=info["last-generated-id"].decode(),
        removed=int(info["entries-added"]) > length,
    )


def _absent_state(error: redis.ResponseError) -> PartitionState:
    if "no such key" not in str(error):
        raise error
    return PartitionState(length=0, first_id=START, last_id=START, removed=False)
