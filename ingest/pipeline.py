"""The way of a body through ingest: parsed by its door, placed, de-duplicated, streamed, counted."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import ModuleType
from typing import Final, Protocol, cast

import msgspec

from geo.county import County
from ingest.connectors import Delivery, Parsed, Refusal
from ingest.exercises import mark_exercise
from ingest.placing import Placer, find_partition
from ingest.reception import Reception, open_reception
from ingest.records import (
    EXERCISE,
    FEEDS,
    URGENT_FEEDS,
    AnyRecord,
    CaseReported,
    ShiftPlanned,
    encode_record,
    name_feed,
)
from ingest.sealing import SEAL_BYTES, Keyring, seal_phone, seal_reporter
from ingest.senders import LOCAL, Sender
from ingest.stream import KEEP_BODY_BYTES, AsyncStreams, Entry, Rejection, digest_event

SCOPE: Final = "sender"
"""The field of a rejection that is about who sent an event, not about the event."""

PERSONAL_FEEDS: Final = frozenset({"cases", "shifts", "rounds", EXERCISE, ""})
"""The feeds whose refused events may tell of persons, and are sealed; what nobody can name may be anything."""


class Connector(Protocol):
    """What `ingest.connectors` says of a door."""

    NAME: str
    CONTENT_TYPES: tuple[str, ...]
    ALONE: str

    def parse(self, delivery: Delivery, reception: Reception) -> Parsed:
        """Return a delivery's events; raises nothing, whatever the bytes."""


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
    """A delivery's events, ready for the streams: entries by partition, and what was refused by its index.

    They are bytes by now: what was parsed may take thirty times as much memory, and a batch may have to wait.
    """

    sender: str
    received: int
    entries: dict[int, list[Entry]]
    rejections: dict[int, Rejection]

    @property
    def is_urgent(self) -> bool:
        """Whether any of it goes before readings where something must wait."""
        return not URGENT_FEEDS.isdisjoint({entry.feed for entries in self.entries.values() for entry in entries})

    @property
    def is_out_of_scope(self) -> bool:
        """Whether there is nothing in it but what its sender may not send."""
        refused = self.rejections.values()
        return bool(refused) and not self.entries and all(rejection.field == SCOPE for rejection in refused)


class UnreadableBody(ValueError):  # noqa: N818 - it says what is the case, for the sender to read
    """The body as a whole is not of the format it claims to be; nothing of it was taken."""


class Preparation:
    """Everything before the streams: no input or output, no clock; made once a process.

    keyring: seals what the streams must not hold in clear.
    """

    def __init__(self, county: County, partitions: int, keyring: Keyring) -> None:
        self.reception = replace(open_reception(county), secret=keyring.secret)
        self.keyring = keyring
        self._placer = Placer(county, self.reception)
        self._partitions = partitions
        self._feeds = FEEDS | self.reception.declared_feeds.keys()

    def prepare(self, door: Connector, delivery: Delivery, sender: Sender = LOCAL) -> Batch:
        """Return a delivery's events parsed, placed and sorted by partition; raises `UnreadableBody`."""
        parsed = door.parse(delivery, self.reception)
        if parsed.unreadable is not None:
            raise UnreadableBody(parsed.unreadable)
        return self.sort(parsed.items, door, delivery, sender)

    def sort(
        self, items: Sequence[AnyRecord | Refusal], door: Connector, delivery: Delivery, sender: Sender = LOCAL
    ) -> Batch:
        """Return parsed events placed, held against what their sender may tell, and sorted by partition."""
        self._placer.place([item for item in items if not isinstance(item, Refusal)])
        items = [_keep_apart(item) for item in items]
        if sender.is_bounded:
            items = [_hold_to_scope(item, sender) for item in items]
        rejections: dict[int, Rejection] = {}
        entries: defaultdict[int, list[Entry]] = defaultdict(list)
        for index, item in enumerate(items):
            if isinstance(item, Refusal):
                # Counters are kept by feed: a name made up by a sender must not become one.
                feed = item.feed if item.feed in self._feeds else ""
                rejections[index] = self._reject(item._replace(feed=feed), door, delivery, sender)
                continue
            item.sender = sender.name
            if type(item) is CaseReported:  # seven times as fast as `isinstance`, which readings would pay for
                seal_reporter(self.keyring, item)
            elif type(item) is ShiftPlanned:
                seal_phone(self.keyring, item)
            entry = Entry(digest_event(item.source, item.id), name_feed(item), encode_record(item))
            entries[find_partition(item, self._partitions)].append(entry)
        return Batch(sender.name, len(items), entries, rejections)

    def _reject(self, refusal: Refusal, door: Connector, delivery: Delivery, sender: Sender) -> Rejection:
        source, id, body = refusal.source or "", refusal.id or "", refusal.body
        if refusal.feed in PERSONAL_FEEDS:
            body = self.keyring.seal_bytes(body[: KEEP_BODY_BYTES - SEAL_BYTES], source, id, "body")
        return Rejection(
            reason=refusal.reason,
            field=refusal.field,
            source=source,
            id=id,
            body=body,
            door=door.NAME,
            content_type=door.ALONE,
            topic=delivery.topic,
            sender=sender.name,
            feed=refusal.feed,
        )


async def stream_batch(streams: AsyncStreams, batch: Batch, now: datetime) -> Answer:
    """Put a batch into the streams and return what became of it.

    Raises `StreamUnavailable` if any part may not have been taken: the sender must send all of it again, and
    what was taken will count as duplicate.
    """
    today = now.date()
    calls = [streams.append(partition, entries, today, batch.sender) for partition, entries in batch.entries.items()]
    duplicate = sum(map(len, await asyncio.gather(*calls)))
    await streams.reject(list(batch.rejections.values()), now)
    return Answer(
        received=batch.received,
        accepted=batch.received - duplicate - len(batch.rejections),
        duplicate=duplicate,
        rejected=[
            RejectedEvent(index, rejection.id or None, rejection.reason)
            for index, rejection in batch.rejections.items()
        ],
    )


def _keep_apart(item: AnyRecord | Refusal) -> AnyRecord | Refusal:
    if isinstance(item, Refusal):
        return item
    objection = mark_exercise(item)
    return item if objection is None else _refuse_record(item, objection)


def _hold_to_scope(item: AnyRecord | Refusal, sender: Sender) -> AnyRecord | Refusal:
    objection = None if isinstance(item, Refusal) else sender.find_objection(item)
    if isinstance(item, Refusal) or objection is None:
        return item
    return _refuse_record(item, f"{SCOPE}: {objection}")


def _refuse_record(record: AnyRecord, reason: str) -> Refusal:
    """Return a refusal of what was parsed; `reason` begins with the field.

    Its own bytes are gone by now; a record says the same, and is what a later look at it needs.
    """
    field = reason.partition(":")[0]
    return Refusal(reason, field, record.id, record.source, encode_record(record), name_feed(record))
