"""The streams in a backup: what SQL has not recorded yet, what was refused, and the counters.

Each partition's counters and the end of its stream are read at one moment, so that after a restore, too, recorded
and still to be recorded are together what was accepted. Which events were seen today is left out: a repeat after the
restore is found by SQL's unique keys and counted as a duplicate all the same.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any
from zipfile import ZipFile

import redis

from ingest.backups.archive import REJECTED, TALLIES, SavedTallies, StreamEntry, read_lines, read_part, write_lines
from ingest.stream import (
    REASONS_KEY,
    REJECTED_BYTES_KEY,
    REJECTED_KEY,
    REJECTED_TALLY_KEY,
    START,
    StreamGap,
    Streams,
    order_id,
    stream_key,
    tally_key,
)

READ_AT_ONCE = 5_000
WRITE_AT_ONCE = 1_000


def save_streams(streams: Streams, watermarks: Mapping[int, str], archive: ZipFile) -> dict[str, int]:
    """Write every partition's messages from its watermark on, and all that was refused; return how many of each.

    The message at the watermark goes with them: it is what a recorder stands on. Raises `StreamGap` where messages
    beyond a watermark were recorded and trimmed meanwhile, and Redis' errors.
    """
    tallies = SavedTallies({}, {})
    counts: dict[str, int] = {}
    for partition, watermark in watermarks.items():
        end, hashes = _read_moment(streams.client, stream_key(partition), [tally_key(partition)])
        tallies.hashes |= hashes
        # A stream that ends before its watermark has jumped back: the recorder will read all of it.
        start = watermark if order_id(end) >= order_id(watermark) else START
        entries = _read_entries(streams.client, stream_key(partition), start, end)
        counts[str(partition)] = write_lines(archive, _name(partition), entries)
        if streams.describe(partition).misses(start):
            raise StreamGap(partition, watermark)
    end, hashes = _read_moment(streams.client, REJECTED_KEY, [REJECTED_TALLY_KEY, REASONS_KEY])
    tallies.hashes |= hashes
    tallies.numbers[REJECTED_BYTES_KEY] = int(streams.client.get(REJECTED_BYTES_KEY) or 0)
    entries = _read_entries(streams.client, REJECTED_KEY, START, end)
    counts[REJECTED] = write_lines(archive, _name(REJECTED), entries)
    write_lines(archive, TALLIES, [tallies])
    return counts


def is_empty(streams: Streams, partitions: Iterable[int]) -> bool:
    """Return whether Redis has nothing of ours: no stream and no counter."""
    keys = [REJECTED_KEY, REJECTED_TALLY_KEY]
    for partition in partitions:
        keys += [stream_key(partition), tally_key(partition)]
    return not any(streams.client.exists(key) for key in keys)


def load_streams(streams: Streams, partitions: Iterable[int], archive: ZipFile) -> None:
    """Put back what `save_streams` saved, under the ids it had, so that watermarks go on to mean the same."""
    keys = {_name(partition): stream_key(partition) for partition in partitions} | {_name(REJECTED): REJECTED_KEY}
    for name, key in keys.items():
        entries = read_lines(archive, name, StreamEntry)
        while piece := list(islice(entries, WRITE_AT_ONCE)):
            with streams.client.pipeline(transaction=False) as pipeline:
                for stream_id, fields in piece:
                    pipeline.xadd(key, dict(fields), stream_id)
                pipeline.execute()
    tallies: SavedTallies = read_part(archive, TALLIES, SavedTallies)
    for key, values in tallies.hashes.items():
        if values:
            streams.client.hset(key, mapping=dict[Any, Any](values))
    for key, number in tallies.numbers.items():
        streams.client.set(key, number)


def _name(stream: int | str) -> str:
    return f"streams/{stream}.jsonl"


def _read_moment(client: "redis.Redis", stream: str, hashes: list[str]) -> tuple[str, dict[str, dict[str, str]]]:
    """Return the id of a stream's last message and some hashes of the same slot, all of one moment."""
    with client.pipeline(transaction=True) as pipeline:
        pipeline.xrevrange(stream, count=1)
        for key in hashes:
            pipeline.hgetall(key)
        last, *values = pipeline.execute()
    texts = [{name.decode(): value.decode() for name, value in found.items()} for found in values]
    return last[0][0].decode() if last else START, dict(zip(hashes, texts, strict=True))


def _read_entries(client: "redis.Redis", key: str, start: str, end: str) -> Iterator[StreamEntry]:
    """Yield the messages from `start` to `end`, both included."""
    while end != START:
        entries: Any = client.xrange(key, start, end, READ_AT_ONCE)
        for stream_id, fields in entries:
            yield stream_id.decode(), list(fields.items())
        if len(entries) < READ_AT_ONCE:
            return
        start = f"({entries[-1][0].decode()}"
