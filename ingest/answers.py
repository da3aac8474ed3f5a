"""What `ingest.history` answers with: plain structs; every time is an aware UTC datetime."""

from datetime import datetime
from typing import Any

import msgspec

from ingest.records import AlertIssued
from ingest.rows.alarms import AlarmStep
from ingest.store import Watermark


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case as it stands: its kept report, and where its actions have brought it.

    (`source`, `event_id`) is the kept report; `closed_at` is None while the case is open; `changed_at` is when the
    newest of its actions was received. The free text of a report is in `CaseFile`, the reporter in neither.
    """

    case_id: str
    source: str
    event_id: str
    origin: str
    category: str
    title: str
    severity: int
    channel: str
    people: int | None
    lon: float | None
    lat: float | None
    cell_code: str | None
    reported_at: datetime
    received_at: datetime
    last_action: str
    last_action_at: datetime
    last_unit: str | None
    closed_at: datetime | None
    changed_at: datetime


class CaseAction(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a case, its report included (`report`; its actor is one of the county's own, if any).

    `id` grows in the order of recording: it ranks actions of the same moment.
    """

    id: int
    case_id: str
    source: str
    event_id: str
    action: str
    actor: str | None
    unit: str | None
    at: datetime
    received_at: datetime
    note: str | None
    details: dict[str, Any]


class CaseFile(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of one case but its reporters; `actions` are in the order of `at`."""

    case: Case
    description: str | None
    media: list[str]
    actions: list[CaseAction]


class CaseStep(msgspec.Struct, frozen=True):
    """An action as far as a fold needs it; `order` grows in the order of recording."""

    case_id: str
    at: datetime
    order: int
    action: str
    unit: str | None
    actor: str | None
    source: str
    event_id: str
    details: dict[str, Any]


class LatestReading(msgspec.Struct, frozen=True, kw_only=True):
    """A reading that is the newest of its asset."""

    feed: str
    asset_id: str
    observed_at: datetime
    received_at: datetime
    value: float | None
    unit: str | None
    lon: float | None
    lat: float | None
    cell_code: str | None
    attributes: dict[str, Any]
    origin: str


class ReadingHour(msgspec.Struct, frozen=True):
    """The values of one asset in the hour that begins at `hour_at`; `total` / `counted` is their mean."""

    asset_id: str
    hour_at: datetime
    counted: int
    total: float
    lowest: float
    highest: float
    last_value: float
    last_at: datetime


class WorkerPlace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a grid worker was last."""

    worker_id: str
    at: datetime
    received_at: datetime
    lon: float | None
    lat: float | None
    cell_code: str | None
    on_duty: bool
    origin: str


class DeviceState(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a device was within reach, as was said last."""

    asset_id: str
    at: datetime
    received_at: datetime
    online: bool
    origin: str


class HourCount(msgspec.Struct, frozen=True):
    """How many cases were reported, and how many closed, in the hour that begins at `hour_at`."""

    hour_at: datetime
    reported: int
    closed: int


class Heartbeat(msgspec.Struct, frozen=True):
    """When the recorder was last alive, and how far behind the newest message it was."""

    at: datetime
    lag_ms: int


class Reporter(msgspec.Struct, frozen=True):
    """Who reported a case: personal data; `unreadable` says why it is sealed and cannot be opened."""

    name: str | None = None
    phone: str | None = None
    email: str | None = None
    unreadable: str | None = None


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state at the watermarks: whoever follows the streams from there misses nothing and counts nothing twice.

    `steps` are the actions (reports aside) of the cases in `cases`, and those whose report has not come yet;
    `alarm_steps` all actions of the alarms that stand or changed lately; `alerts` all messages from which the warnings
    are folded that may still count.
    """

    watermarks: dict[int, Watermark]
    cases: list[Case]
    steps: list[CaseStep]
    readings: list[LatestReading]
    workers: list[WorkerPlace]
    devices: list[DeviceState]
    alarm_steps: list[AlarmStep]
    alerts: list[AlertIssued]
    counters: dict[str, int]


class CaseFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which cases to list; None leaves a question open.

    `area` and `category` are the beginning of a cell code or class (so a town or a main class will do);
    `reported_from` is inclusive, `reported_before` exclusive.
    """

    is_open: bool | None = None
    area: str | None = None
    category: str | None = None
    severity: int | None = None
    channel: str | None = None
    unit: str | None = None
    reported_from: datetime | None = None
    reported_before: datetime | None = None
