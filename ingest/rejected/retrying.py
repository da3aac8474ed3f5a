"""Trying what was refused again: through the same door, with the pack, the mapping and the scopes of today."""

import importlib
import pkgutil
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

import ingest.connectors
from ingest.connectors import Delivery, http_events
from ingest.files.mapping import Mapping, MappingError, read_mapping, read_row, stay
from ingest.files.mapping_fields import Shift
from ingest.files.sheets import Row
from ingest.pipeline import SCOPE, Batch, Connector, Preparation, UnreadableBody, as_connector
from ingest.records import AnyRecord, decode_record
from ingest.rejected.stream import RECORDER, Refused, RejectedStream, open_body
from ingest.sealing import SEAL_BYTES, Unreadable
from ingest.senders import Sender
from ingest.stream import KEEP_BODY_BYTES, Streams

Fate = Literal["accepted", "duplicate", "sent to the recorder again", "still refused"]

KEYLESS: Final = frozenset({"local", "mqtt"})
"""Who sends without being enrolled: our own parts, and a broker of ours for its devices."""

_PLACE: Final = re.compile(r"events:\{(?P<partition>\d+)\} (?P<stream_id>\d+-\d+)")
_RUN: Final = re.compile(r"@\d+$")


class Outcome(NamedTuple):
    """What became of one refused event; `reason` says why it is still refused."""

    fate: Fate
    reason: str = ""


class StillRefused(ValueError):  # noqa: N818 - it says what is the case
    """An event is refused today as well, or cannot be tried; the message says why."""


@dataclass(frozen=True)
class Retrial:
    """Tries refused events again; `dry_run` only says what would become of them.

    `mapping` is tried on rows instead of the one that each was sent with.
    """

    streams: Streams
    preparation: Preparation
    senders: dict[str, Sender]
    mapping: Path | None = None
    dry_run: bool = False

    def retry(self, refused: Refused) -> Outcome:
        """Try one event, and take it out of `events:rejected` once the stream has it.

        One that is refused again stays there as it is, and is not counted again. Raises `StreamUnavailable`: it may
        or may not be in the stream then, and another try finds that out.
        """
        try:
            if refused.rejection.door == RECORDER:
                return self._readmit(refused)
            batch = self._prepare(refused)
        except StillRefused as reason:
            return Outcome("still refused", str(reason))
        if batch.rejections:
            return Outcome("still refused", next(iter(batch.rejections.values())).reason)
        if self.dry_run:
            return Outcome("accepted")
        today = datetime.now(UTC).date()
        repeated = [
            len(self.streams.append(partition, entries, today, batch.sender))
            for partition, entries in batch.entries.items()
        ]
        RejectedStream(self.streams).forget(refused.stream_id)
        return Outcome("duplicate" if sum(repeated) == batch.received else "accepted")

    def _readmit(self, refused: Refused) -> Outcome:
        rejection = refused.rejection
        place = _PLACE.fullmatch(rejection.id)
        try:
            decode_record(rejection.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
            raise StillRefused(f"no record: {reason}") from None
        if place is None:
            raise StillRefused(f"its place in the streams is not known: {rejection.id}")
        if not self.dry_run:
            stream = RejectedStream(self.streams)
            stream.readmit(int(place["partition"]), place["stream_id"], rejection.body)
            stream.forget(refused.stream_id)
        return Outcome("sent to the recorder again")

    def _prepare(self, refused: Refused) -> Batch:
        rejection = refused.rejection
        try:
            body = open_body(rejection, self.preparation.keyring)
        except Unreadable as reason:
            raise StillRefused(f"its body {reason}") from None
        if len(body) >= KEEP_BODY_BYTES - SEAL_BYTES:
            raise StillRefused(f"only its first {len(body)} bytes were kept")
        door, sender = _find_door(rejection.door), self._find_sender(rejection.sender)
        if rejection.door == http_events.NAME:
            body = remap(body, refused.at, self.mapping)
        delivery = Delivery(
            body=body, received_at=refused.at, content_type=rejection.content_type, topic=rejection.topic
        )
        record = _read_record(body) if rejection.field == SCOPE else None
        if record is not None:
            return self.preparation.sort([record], door, delivery, sender)
        try:
            batch = self.preparation.prepare(door, delivery, sender)
        except UnreadableBody as reason:
            raise StillRefused(str(reason)) from None
        if not batch.received:
            raise StillRefused("its door finds no event in it")
        return batch

    def _find_sender(self, name: str) -> Sender:
        sender = self.senders.get(name) or (Sender(name) if name in KEYLESS else None)
        if sender is None:
            raise StillRefused(f"sender: {name} has no key any more")
        return sender


def remap(body: bytes, refused_at: datetime, mapping_path: Path | None = None) -> bytes:
    """Return an event that was made of a row, made of it anew by the mapping as it is now; any other as it is.

    What the event told of a moment that its replay had shifted stays the same moment. Raises `StillRefused` where
    the mapping cannot be used, or leaves the row out.
    """
    try:
        event: Any = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in ("row", "mapping")):
        return body
    path = mapping_path or Path(event["mapping"])
    # Any sender may name a file here: only what looks like a mapping is opened.
    if mapping_path is None and not (path.suffix == ".toml" and path.is_file()):
        return body
    try:
        mapping = read_mapping(path)
    except MappingError as reason:
        raise StillRefused(str(reason)) from None
    row = read_row(event["row"])
    if not mapping.takes(row):
        raise StillRefused(f"{path}: its [where] leaves the row out")
    shift, run = _find_shift(mapping, row, event, refused_at) if mapping.time.rebase else (stay, "")
    return msgspec.json.encode(mapping.make_event(row, shift, run, str(event.get("origin", "replayed"))))


def _find_shift(mapping: Mapping, row: Row, event: dict[str, Any], refused_at: datetime) -> tuple[Shift, str]:
    """Return how the replay had shifted this row's times, and the mark that it gave to ids.

    Of a row whose time it could not read it had told none: that is taken to be the moment when it was refused.
    """
    moment = mapping.moment(row)
    told = mapping.time.read(event.get("time")) or refused_at
    distance = told - moment if moment else told - told
    run = _RUN.search(str(event.get("id", "")))
    return (lambda moment: moment + distance), run[0] if run else f"@{int(refused_at.timestamp())}"


def _read_record(body: bytes) -> AnyRecord | None:
    """Return what a sender was not allowed to tell, which is kept as a record; None for a door's own `sender` field."""
    try:
        return decode_record(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _find_door(name: str) -> Connector:
    known = [module.name for module in pkgutil.iter_modules(ingest.connectors.__path__)]
    for module in known:
        door = as_connector(importlib.import_module(f"ingest.connectors.{module}"))
        if name == door.NAME:
            return door
    raise StillRefused(f"there is no door {name!r}")
