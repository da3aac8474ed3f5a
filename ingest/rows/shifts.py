"""Shifts in SQL: who is planned, and every signature under a hand-over. Written append-only; read by the desk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import msgspec
from sqlalchemy import Connection, Engine, Select, Table, select

from ingest.arrivals import Arrival
from ingest.records import ShiftHandedOver, ShiftPlanned, ShiftTakenOver, decode_record, encode_record
from ingest.rows.known import KEY, split_known
from ingest.signatures import digest_content
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import as_ms, hand_overs, shift_plans

PLAN_COLUMNS: Final = (
    *(*KEY, "area", "date", "shift", "person", "title", "role", "phone", "withdrawn", "actor", "at"),
    *("received_at", "origin"),
)
INSERT_PLAN: Final = insert_sql(shift_plans, PLAN_COLUMNS)
SIGNATURE_COLUMNS: Final = (
    *(*KEY, "sender", "kind", "area", "date", "shift", "person", "at", "received_at", "digest", "record"),
)
INSERT_SIGNATURE: Final = insert_sql(hand_overs, SIGNATURE_COLUMNS)
LOCAL: Final = "local"
MOST_HAND_OVERS: Final = 200

ShiftRecord = ShiftPlanned | ShiftHandedOver | ShiftTakenOver
SlotKey = tuple[str, str, str]
"""A shift of an area: its area, date and key."""


class Duty(msgspec.Struct, frozen=True):
    """Somebody who is to be on duty; `phone` is sealed for the place `sealed_for`."""

    area: str
    date: str
    shift: str
    person: str
    title: str | None
    role: str | None
    phone: str | None
    source: str
    event_id: str

    @property
    def sealed_for(self) -> tuple[str, str, str]:
        """What the phone is bound to."""
        return self.source, self.event_id, "phone"


@dataclass(frozen=True)
class HandOver:
    """One hand-over as it counts: what was handed over, and by whom it was taken, None while by nobody.

    unchanged: whether both are what was signed, by their digests.
    """

    given: ShiftHandedOver
    taken: ShiftTakenOver | None
    unchanged: bool

    @property
    def slot(self) -> SlotKey:
        """The shift that was handed over."""
        return self.given.area, self.given.date, self.given.shift


def write_shifts(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write what `arrivals` tell of shifts and return those that were there already, which change nothing."""
    plans = [arrival for arrival in arrivals if isinstance(arrival.record, ShiftRecord)]
    if not plans:  # nearly always
        return []
    signatures = [arrival for arrival in plans if not isinstance(arrival.record, ShiftPlanned)]
    plans = [arrival for arrival in plans if isinstance(arrival.record, ShiftPlanned)]
    return [
        *_write(connection, shift_plans, plans),
        *_write(connection, hand_overs, signatures),
    ]


def _write(connection: Connection, table: Table, arrivals: Sequence[Arrival]) -> list[Arrival]:
    new, repeated = split_known(connection, table, arrivals)
    records = [arrival.record for arrival in new.values()]
    execute_rows(connection, INSERT_PLAN, [_plan_row(one) for one in records if isinstance(one, ShiftPlanned)])
    signed = [one for one in records if isinstance(one, ShiftHandedOver | ShiftTakenOver)]
    execute_rows(connection, INSERT_SIGNATURE, [_signature_row(one) for one in signed])
    return repeated


def _plan_row(record: ShiftPlanned) -> Row:
    return (
        *(record.source, record.id, record.area, record.date, record.shift, record.person, record.title),
        *(record.role, record.phone, record.withdrawn, record.actor, as_ms(record.at)),
        *(as_ms(record.received_at), record.origin),
    )


def _signature_row(record: ShiftHandedOver | ShiftTakenOver) -> Row:
    kind = "handed_over" if isinstance(record, ShiftHandedOver) else "taken_over"
    return (
        *(record.source, record.id, record.sender, kind, record.area, record.date, record.shift, record.person),
        *(as_ms(record.at), as_ms(record.received_at), record.digest, encode_record(record).decode()),
    )


def read_roster(engine: Engine, first: date, last: date, area: str) -> list[Duty]:
    """Return who is to be on duty at an area's desk from one day to another, by day, shift and name."""
    plan = shift_plans.c
    query = (
        select(shift_plans)
        .where(plan.area == area, plan.date >= first.isoformat(), plan.date <= last.isoformat())
        .order_by(plan.at, plan.id)
    )
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    newest = {(row.date, row.shift, row.person): row for row in rows}
    return [
        Duty(**{name: getattr(row, name) for name in Duty.__struct_fields__})
        for _, row in sorted(newest.items())
        if not row.withdrawn
    ]


def read_hand_over(engine: Engine, slot: SlotKey) -> HandOver | None:
    """Return the hand-over of a shift; None while there is none."""
    signature = hand_overs.c
    area, day, shift = slot
    found = _read(
        engine, select(hand_overs).where(signature.area == area, signature.date == day, signature.shift == shift)
    )
    return found[0] if found else None


def list_hand_overs(engine: Engine, area: str, since: date) -> list[HandOver]:
    """Return the hand-overs of an area's desk since a day, the latest first."""
    signature = hand_overs.c
    query = select(hand_overs).where(signature.area == area, signature.date >= since.isoformat())
    return _read(engine, query)[:MOST_HAND_OVERS]


def find_signature(engine: Engine, source: str, event_id: str) -> ShiftHandedOver | ShiftTakenOver | None:
    """Return a signature by its event; None while it is not recorded."""
    signature = hand_overs.c
    query = select(signature.record).where(signature.source == source, signature.event_id == event_id)
    with engine.connect() as connection:
        text = connection.execute(query).scalar()
    record = None if text is None else decode_record(text.encode())
    return record if isinstance(record, ShiftHandedOver | ShiftTakenOver) else None


def _read(engine: Engine, query: Select[tuple[object, ...]]) -> list[HandOver]:
    # Only our own desk asks for a password: what another sender says that somebody signed counts for nothing.
    query = query.where(hand_overs.c.sender == LOCAL).order_by(hand_overs.c.id)
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    records = [(decode_record(row.record.encode()), row.digest) for row in rows]
    given: dict[SlotKey, tuple[ShiftHandedOver, bool]] = {}
    taken: dict[SlotKey, tuple[ShiftTakenOver, bool]] = {}
    for record, kept in records:
        if isinstance(record, ShiftHandedOver):
            given.setdefault(_slot(record), (record, _is_unchanged(record, kept)))
    for record, kept in records:
        if isinstance(record, ShiftTakenOver):
            handed = given.get(_slot(record))
            # It was made by whoever saw that very hand-over; who gave it cannot take it.
            if handed and handed[0].digest == record.signed and handed[0].person != record.person:
                taken.setdefault(_slot(record), (record, _is_unchanged(record, kept)))
    found = [
        HandOver(
            record,
            taken[slot][0] if slot in taken else None,
            unchanged and (slot not in taken or taken[slot][1]),
        )
        for slot, (record, unchanged) in given.items()
    ]
    return sorted(found, key=lambda one: (one.given.as_of, one.given.shift), reverse=True)


def _slot(record: ShiftHandedOver | ShiftTakenOver) -> SlotKey:
    return record.area, record.date, record.shift


def _is_unchanged(record: ShiftHandedOver | ShiftTakenOver, kept: str) -> bool:
    return record.digest == kept == digest_content(record)
