"""Typed records: what is known to have happened in the county, parsed and ready to be streamed.

A record is what travels in the Redis streams (as JSON) and what every reader folds. The wire names of
fields follow `contract.md`; times are aware UTC; coordinates are WGS 84 degrees. A record is a tree, never part of
a cycle, so the garbage collector need not look at it (`gc=False`).
"""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

Origin = Literal["live", "replayed", "simulated", "exercise"]
Channel = Literal["grid_worker", "hotline", "app", "video", "iot", "superior", "patrol", "window"]
AlarmAction = Literal["assign", "comment", "shelve", "unshelve", "escalate", "to_case"]
AlertStatus = Literal["Actual", "Exercise", "System", "Test", "Draft"]
AlertKind = Literal["Alert", "Update", "Cancel", "Ack", "Error"]
AlertScope = Literal["Public", "Restricted", "Private"]
WallOrderKind = Literal["scene", "place", "case", "release"]

EXERCISE: Final = "exercise"
"""The origin, and the feed, of all that belongs to an exercise: see `ingest.exercises`."""


class Reporter(msgspec.Struct, omit_defaults=True, gc=False):
    """Who reported a case: personal data, never shown unmasked."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None


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
    """Somebody reported a case (an incident or a dispute); `details` holds what only its door or class asks for.

    `actor` is the account of one of the county's own who did; the `reporter` is whom to ask.
    """

    case_id: str
    category: str
    title: str
    reported_at: datetime
    channel: Channel
    description: str | None = None
    severity: int = 4
    people: int | None = None
    reporter: Reporter | None = None
    actor: str | None = None
    media: list[str] = []
    details: dict[str, Any] = {}


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


class DeviceSeen(Record, kw_only=True, omit_defaults=True, gc=False, tag="device.status"):
    """A device came within reach or went out of it; a reading of its asset after `at` says that it is back."""

    asset_id: str
    online: bool
    at: datetime


class AlarmRaised(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.raised"):
    """An alarm began.

    `rule` and `thing` are what it is about where a rule of ours raised it, `value` is what was measured then.
    `cell_code` is None without a place in the county.
    """

    alarm_id: str
    severity: int
    subject: str
    at: datetime
    actor: str | None = None
    note: str | None = None
    rule: str | None = None
    thing: str | None = None
    value: float | str | None = None
    lon: float | None = None
    lat: float | None = None
    cell_code: str | None = None


class AlarmAcked(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.acked"):
    """Somebody has seen an alarm and answers for it; `expects` is the version that they saw."""

    alarm_id: str
    severity: int
    subject: str
    at: datetime
    actor: str | None = None
    note: str | None = None
    expects: int | None = None


class AlarmCleared(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.cleared"):
    """An alarm ended."""

    alarm_id: str
    severity: int
    subject: str
    at: datetime
    actor: str | None = None
    note: str | None = None


class AlarmActed(Record, kw_only=True, omit_defaults=True, gc=False, tag="alarm.acted"):
    """Somebody, or a rule, did something else about an alarm; `details` holds what the action needs."""

    alarm_id: str
    action: AlarmAction
    actor: str
    at: datetime
    note: str | None = None
    expects: int | None = None
    details: dict[str, Any] = {}


class AlertReference(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An earlier message of the same issuer that an alert speaks of; `sent` is None where that was left out."""

    source: str
    identifier: str
    sent: datetime | None = None


class AlertArea(msgspec.Struct, omit_defaults=True, gc=False):
    """Where a hazard is: rings of (lon, lat), circles of (lon, lat, radius in km), and codes as (kind, code)."""

    polygons: list[list[tuple[float, float]]] = []
    circles: list[tuple[float, float, float]] = []
    geocodes: list[tuple[str, str]] = []


class AlertText(msgspec.Struct, omit_defaults=True, gc=False):
    """What an alert says in one language (RFC 3066: `zh-CN`); `area` names its areas."""

    language: str
    event: str
    headline: str = ""
    description: str = ""
    instruction: str = ""
    area: str = ""
    issuer: str = ""
    contact: str = ""
    web: str = ""


class AlertInfo(msgspec.Struct, omit_defaults=True, kw_only=True, gc=False):
    """One hazard of an alert, in every language that it came in.

    `level` is 1 red (特别重大) … 4 blue (一般); `severity` is the issuer's own word for it.
    """

    level: int
    severity: str
    urgency: str = "Unknown"
    certainty: str = "Unknown"
    categories: list[str] = []
    responses: list[str] = []
    effective: datetime | None = None
    onset: datetime | None = None
    expires: datetime | None = None
    event_codes: list[tuple[str, str]] = []
    parameters: list[tuple[str, str]] = []
    areas: list[AlertArea] = []
    texts: list[AlertText] = []


class AlertIssued(Record, kw_only=True, omit_defaults=True, gc=False, tag="alert.issued"):
    """A message of an issuer of public warnings (CAP 1.2): an alert, its update or its end.

    `source` is CAP's `sender`, and `id` its `identifier` with the moment `sent`.
    """

    identifier: str
    sent: datetime
    status: AlertStatus
    kind: AlertKind
    scope: AlertScope
    references: list[AlertReference] = []
    note: str = ""
    infos: list[AlertInfo] = []


class ShiftPlanned(Record, kw_only=True, omit_defaults=True, gc=False, tag="shift.planned"):
    """Somebody (an account's name) is to be on duty in a shift; of one person, shift and area the latest `at` counts.

    `date` is the day on which the shift begins, `area` whose desk it is (empty: the county's). `actor` planned it.
    """

    date: str
    shift: str
    person: str
    at: datetime
    area: str = ""
    title: str | None = None
    role: str | None = None
    phone: str | None = None
    withdrawn: bool = False
    actor: str | None = None


class ShiftHandedOver(Record, kw_only=True, omit_defaults=True, gc=False, tag="shift.handed_over"):
    """Somebody signed a shift over, with what there was `as_of` a moment; `digest` is of all that (`signatures`).

    Of a shift of an area the first by the order of the stream counts. `since` is when what changed begins to count.
    """

    date: str
    shift: str
    person: str
    title: str
    at: datetime
    since: datetime
    as_of: datetime
    figures: dict[str, int]
    open_case_ids: list[str]
    cases: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    feeds: list[dict[str, Any]]
    digest: str
    area: str = ""
    notes: str = ""
    case_notes: dict[str, str] = {}


class ShiftTakenOver(Record, kw_only=True, omit_defaults=True, gc=False, tag="shift.taken_over"):
    """Somebody signed that they took a shift's hand-over, the one with the digest `signed`; the first one counts."""

    date: str
    shift: str
    person: str
    title: str
    at: datetime
    signed: str
    digest: str
    area: str = ""
    remark: str = ""


class TaskChecked(Placed, kw_only=True, omit_defaults=True, gc=False, tag="task.checked"):
    """Somebody was on a round of a plan: in the cell `task_cell`, or at one person's (`person`, a code, never a name).

    `lon` and `lat` are where they were; a point in the cell where that is not known (`located` is False).
    """

    plan: str
    task_cell: str
    worker: str
    at: datetime
    located: bool = True
    person: str | None = None
    note: str | None = None


class WallOrdered(Record, kw_only=True, omit_defaults=True, gc=False, tag="wall.ordered"):
    """Somebody sent a scene, a place or a case to a wall, or took it back; of a wall the latest `at` counts.

    `place` is an area's code; without it a place is a point. `until` is when the order ends by itself. `role` is what a
    wall says of who it was: no wall shows a name.
    """

    wall: str
    order: WallOrderKind
    actor: str
    role: str
    at: datetime
    scene: str | None = None
    place: str | None = None
    lon: float | None = None
    lat: float | None = None
    zoom: float | None = None
    case_id: str | None = None
    until: datetime | None = None


class ExerciseBegun(Record, kw_only=True, omit_defaults=True, gc=False, tag="exercise.begun"):
    """Somebody began an exercise, which ends by itself at `until`; `exercise` is its key, of one key the first counts.

    `scenario` is what is played to it (`ingest.simulation.scenarios`); None where the people bring their own.
    """

    exercise: str
    name: str
    actor: str
    role: str
    at: datetime
    until: datetime
    reason: str = ""
    scenario: str | None = None


class ExerciseEnded(Record, kw_only=True, omit_defaults=True, gc=False, tag="exercise.ended"):
    """Somebody ended an exercise before its time."""

    exercise: str
    actor: str
    role: str
    at: datetime


AnyRecord = (
    CaseReported
    | CaseActed
    | Reading
    | WorkerLocated
    | DeviceSeen
    | AlarmRaised
    | AlarmAcked
    | AlarmCleared
    | AlarmActed
    | AlertIssued
    | ShiftPlanned
    | ShiftHandedOver
    | ShiftTakenOver
    | TaskChecked
    | WallOrdered
    | ExerciseBegun
    | ExerciseEnded
)


FEEDS = frozenset(
    {
        *("waste", "traffic", "air", "water", "cases", "workers", "devices", "alarms", "alerts", "shifts", "rounds"),
        *("walls", EXERCISE),
    }
)
"""Every feed there is without a pack's declaring it."""

URGENT_FEEDS = frozenset({"cases", "alarms", "alerts"})
"""What goes first where something must wait: people wait for these."""


def name_feed(record: AnyRecord) -> str:
    """Return the feed a record belongs to, in one word: a reading's own, else what kind of thing it tells of.

    What belongs to an exercise is a feed of its own, so that no real one seems to speak by it.
    """
    if record.origin == EXERCISE:
        return EXERCISE
    return record.feed if isinstance(record, Reading) else _feeds[type(record)]


_feeds: dict[type, str] = {
    CaseReported: "cases",
    CaseActed: "cases",
    WorkerLocated: "workers",
    DeviceSeen: "devices",
    AlarmRaised: "alarms",
    AlarmAcked: "alarms",
    AlarmCleared: "alarms",
    AlarmActed: "alarms",
    AlertIssued: "alerts",
    ShiftPlanned: "shifts",
    ShiftHandedOver: "shifts",
    ShiftTakenOver: "shifts",
    TaskChecked: "rounds",
    WallOrdered: "walls",
    ExerciseBegun: EXERCISE,
    ExerciseEnded: EXERCISE,
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
