"""Typed records: what is known to have happened in the county, parsed and ready to be streamed.

A record is what travels in the Redis streams (as JSON) and what every reader folds. The wire names of
fields follow `contract.md`; times are aware UTC; coordinates are WGS 84 degrees. A record is a tree, never part of
a cycle, so the garbage collector need not look at it (`gc=False`).
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

Origin = Literal["live", "replayed", "simulated"]
Channel = Literal["grid_worker", "hotline", "app", "video", "iot", "superior", "patrol", "window"]


class Reporter(msgspec.Struct, omit_defaults=True, gc=False):
    """Who reported a case: personal data, never shown unmasked."""

    name: str | None = None
    phone: str | None = None


class Record(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False, tag_field="type"):
    """What every record carries; (`source`, `id`) is its identity for de-duplication, `sender` handed it in."""

    source: str
    id: str
    received_at: datetime
    origin: Origin = "live"
    sender: str = "local"


class Placed(Record, kw_only=True, omit_defaults=True, gc=False):
    """A record with a place; `cell_code` is None where the point lies outside the county."""

    lon: float | None = None
    lat: float | None = None
    cell_code: str | None = None


class CaseReported(Placed, kw_only=True, omit_defaults=True, gc=False, tag="case.reported"):
    """Somebody reported a case (an incident or a dispute)."""

    case_id: str
    category: str
    title: str
    reported_at: datetime
    channel: Channel
    description: str | None = None
    severity: int = 4
    people: int | None = None
    reporter: Reporter | None = None
    media: list[str] = []


class CaseActed(Record, kw_only=True, omit_defaults=True, gc=False, tag="case.acted"):
    """Somebody moved a case one step on; `details` holds what the action needs."""

    case_id: str
    action: str
    actor: str
    at: datetime
    unit: str | None = None
    note: str | None = None
    details: dict[str, Any] = {}


class Reading(Placed, kw_only=True, omit_defaults=True, gc=False, tag="iot.observed"):
    """One observation of one asset.

    `feed` is `waste`, `traffic`, `air`, `water` or a feed that the pack declares; `value` is the feed's main
    number (fill_ratio, speed_kmh, PM2.5 in µg/m³, CODMn in mg/L, or the declared value); `attributes` holds
    the entity's other fields under their Smart Data Model names.
    """

    feed: str
    asset_id: str
    observed_at: datetime
    value: float | None = None
    unit: str | None = None
    attributes: dict[str, Any] = {}


class WorkerLocated(Placed, kw_only=True, omit_defaults=True, gc=False, tag="worker.located"):
    """Where a grid worker is."""

    worker_id: str
    at: datetime
    on_duty: bool


class AlarmRaised(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.raised"):
    """An alarm began."""

    alarm_id: str
    severity: int
    subject: str
    at: datetime
    actor: str | None = None
    note: str | None = None


class AlarmAcked(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.acked"):
    """Somebody has seen an alarm and answers for it."""

    alarm_id: str
    severity: int
    subject: str
    at: datetime
    actor: str | None = None
    note: str | None = None


class AlarmCleared(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.cleared"):
    """An alarm ended."""

    alarm_id: str
    severity: int
    subject: str
    at: datetime
    actor: str | None = None
    note: str | None = None


AnyRecord = CaseReported | CaseActed | Reading | WorkerLocated | AlarmRaised | AlarmAcked | AlarmCleared


FEEDS = frozenset({"waste", "traffic", "air", "water", "cases", "workers", "alarms"})
"""Every feed there is without a pack's declaring it."""


def name_feed(record: AnyRecord) -> str:
    """Return the feed a record belongs to, in one word: a reading's own, else what kind of thing it tells of."""
    return record.feed if isinstance(record, Reading) else _feeds[type(record)]


_feeds: dict[type, str] = {
    CaseReported: "cases",
    CaseActed: "cases",
    WorkerLocated: "workers",
    AlarmRaised: "alarms",
    AlarmAcked: "alarms",
    AlarmCleared: "alarms",
}
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(AnyRecord)


def encode_record(record: AnyRecord) -> bytes:
    """Return a record as JSON, with its type under `type`."""
    return _encoder.encode(record)


def decode_record(body: bytes) -> AnyRecord:
    """Return the record that `encode_record` wrote; raises `msgspec.ValidationError` on anything else."""
    record: AnyRecord = _decoder.decode(body)
    return record
