"""The way of a body through ingest: parsed by its door, placed, de-duplicated, streamed, counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from types import ModuleType
from typing import Protocol, cast

import msgspec

from geo.county import County
from ingest.connectors import Parsed, Refusal
from ingest.placing import Placer, find_partition
from ingest.reception import Reception, open_reception
from ingest.records import AnyRecord, encode_record
from ingest.stream import AsyncStreams, Entry, Rejection, digest_event


class Connector(Protocol):
    """What `ingest.connectors` says of a door."""

    NAME: str
    CONTENT_TYPES: tuple[str, ...]

    def parse(self, body: bytes, content_type: str, reception: Reception, received_at: datetime) -> Parsed:
        """Return a body's events; raises nothing, whatever the bytes."""


def as_connector(module: ModuleType) -> Connector:
    """Return a connector module as what it is; the contract tests hold modules to the protocol."""
    return cast(Connector, module)


class RejectedEvent(msgspec.Struct):
    """One refused event in the answer: where it stood in the body, and why."""

    index: int
    id: str | None
    reason: str


class Answer(msgspec.Struct):
    """What became of a body's events: received = accepted + duplicate + the number rejected."""

    received: int
    accepted: int
    duplicate: int
    rejected: list[RejectedEvent]


@dataclass(frozen=True)
class Batch:
    """A body's events, ready for the streams: entries by partition, and what was refused with its index."""

    received: int
    entries: dict[int, list[Entry]]
    refusals: list[tuple[int, Refusal]]
    records: list[AnyRecord]


class UnreadableBody(ValueError):  # noqa: N818 - it says what is the case, for the sender to read
    """The body as a whole is not of the format it claims to be; nothing of it was taken."""


class Preparation:
    """Everything before the streams: no input or output, no clock; made once a process."""

    def __init__(self, county: County, partitions: int) -> None:
        self.reception = open_reception(county)
        self._placer = Placer(county, self.reception)
        self._partitions = partitions

    def prepare(self, door: Connector, body: bytes, content_type: str, received_at: datetime) -> Batch:
        """Return a body's events parsed, placed and sorted by partition; raises `UnreadableBody`."""
        parsed = door.parse(body, content_type, self.reception, received_at)
        if parsed.unreadable is not None:
            raise UnreadableBody(parsed.unreadable)
        return self.sort(parsed.items)

    def sort(self, items: Sequence[AnyRecord | Refusal]) -> Batch:
        """Return parsed events placed and sorted by partition."""
        records = [item for item in items if not isinstance(item, Refusal)]
        refusals = [(index, item) for index, item in enumerate(items) if isinstance(item, Refusal)]
        self._placer.place(records)
        entries: dict[int, list[Entry]] = {}
        for record in records:
            entry = Entry(digest_event(record.source, record.id), _types[type(record)], encode_record(record))
            entries.setdefault(find_partition(record, self._partitions), []).append(entry)
        return Batch(len(items), entries, refusals, records)


async def stream_batch(streams: AsyncStreams, batch: Batch, door: str, now: datetime) -> Answer:
    """Put a batch into the streams and return what became of it.

    Raises `StreamUnavailable` if any part may not have been taken: the sender must send all of it again, and
    what was taken will count as duplicate.
    """
    duplicate = 0
    for partition, entries in batch.entries.items():
        duplicate += len(await streams.append(partition, entries, now.date()))
    await streams.reject([_as_rejection(refusal, door) for _, refusal in batch.refusals], now)
    return Answer(
        received=batch.received,
        accepted=batch.received - duplicate - len(batch.refusals),
        duplicate=duplicate,
        rejected=[RejectedEvent(index, refusal.id, refusal.reason) for index, refusal in batch.refusals],
    )


def _as_rejection(refusal: Refusal, door: str) -> Rejection:
    return Rejection(refusal.reason, refusal.field, refusal.source or "", refusal.id or "", refusal.body, door)


_types = {kind: str(kind.__struct_config__.tag) for kind in AnyRecord.__args__}
