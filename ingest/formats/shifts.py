"""Events about shifts: who is planned for one, its hand-over (交接班) and its taking over."""

from datetime import date, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from ingest.reception import FieldError, Reception, check_tree
from ingest.records import ShiftHandedOver, ShiftPlanned, ShiftTakenOver
from ingest.signatures import digest_content

MOST_CASES: Final = 3_000
MOST_LISTED: Final = 200

Identifier = Annotated[str, Meta(min_length=1, max_length=200)]
Person = Annotated[str, Meta(min_length=1, max_length=60)]
Area = Annotated[str, Meta(pattern=r"^(\d{9}(\d{3}){0,2})?$")]
ShiftKey = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,19}$")]
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
Note = Annotated[str, Meta(max_length=4_000)]
Figures = Annotated[dict[str, int], Meta(max_length=60)]
Listed = Annotated[list[dict[str, Any]], Meta(max_length=MOST_LISTED)]


class PlannedData(msgspec.Struct, kw_only=True):
    """The data of `shift.planned`."""

    date: date
    shift: ShiftKey
    person: Person
    at: datetime
    area: Area = ""
    title: Person | None = None
    role: Identifier | None = None
    phone: Annotated[str, Meta(max_length=40)] | None = None
    withdrawn: bool = False
    actor: Identifier | None = None


class HandedOverData(msgspec.Struct, kw_only=True):
    """The data of `shift.handed_over`."""

    date: date
    shift: ShiftKey
    person: Person
    title: Person
    at: datetime
    since: datetime
    as_of: datetime
    figures: Figures
    open_case_ids: Annotated[list[Identifier], Meta(max_length=MOST_CASES)]
    cases: Listed
    warnings: Listed
    feeds: Listed
    digest: Digest
    area: Area = ""
    notes: Note = ""
    case_notes: Annotated[dict[Identifier, Note], Meta(max_length=MOST_LISTED)] = {}


class TakenOverData(msgspec.Struct, kw_only=True):
    """The data of `shift.taken_over`; `signed` is the digest of what was handed over."""

    date: date
    shift: ShiftKey
    person: Person
    title: Person
    at: datetime
    signed: Digest
    digest: Digest
    area: Area = ""
    remark: Note = ""


def read_plan(data: PlannedData, common: Any, reception: Reception) -> ShiftPlanned:
    """Return a plan as a record; raises `FieldError`."""
    fields = msgspec.structs.asdict(data) | {"date": data.date.isoformat()}
    return ShiftPlanned(**common, **fields | {"at": reception.settle_time("at", data.at, common["received_at"])})


def read_hand_over(data: HandedOverData, common: Any, reception: Reception) -> ShiftHandedOver:
    """Return a hand-over as a record; raises `FieldError` where its digest is not that of its content."""
    for name in ("cases", "warnings", "feeds"):
        check_tree(getattr(data, name), name)
    fields = msgspec.structs.asdict(data) | {"date": data.date.isoformat()}
    _check_past(reception, common, at=data.at, since=data.since, as_of=data.as_of)
    record = ShiftHandedOver(**common, **fields)
    _check_digest(record)
    return record


def read_taking_over(data: TakenOverData, common: Any, reception: Reception) -> ShiftTakenOver:
    """Return a taking over as a record; raises `FieldError` where its digest is not that of its content."""
    _check_past(reception, common, at=data.at)
    record = ShiftTakenOver(**common, **msgspec.structs.asdict(data) | {"date": data.date.isoformat()})
    _check_digest(record)
    return record


def _check_digest(record: ShiftHandedOver | ShiftTakenOver) -> None:
    if record.digest != digest_content(record):
        raise FieldError("digest", "is not that of the content")


def _check_past(reception: Reception, common: Any, **moments: datetime) -> None:
    """Raise `FieldError` for a moment that ingest would have to change: what is signed stays as it is."""
    for name, moment in moments.items():
        if reception.settle_time(name, moment, common["received_at"]) != moment:
            raise FieldError(name, "needs a time zone, and may not lie in the future")
