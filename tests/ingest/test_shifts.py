"""Shifts: the turns of a day, what the door refuses of them, and which signature counts in SQL."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Engine, update

from cases.shifts import read_shifts
from geo.pack import PackError
from ingest.connectors import Refusal
from ingest.formats.events import read_events
from ingest.placing import find_partition
from ingest.reception import Reception
from ingest.records import AnyRecord, ShiftHandedOver, ShiftPlanned, ShiftTakenOver
from ingest.rows.shifts import list_hand_overs, read_hand_over, read_roster
from ingest.sealing import Keyring, seal_phone
from ingest.signatures import digest_content
from ingest.tables import hand_overs
from tests.ingest.samples import Writer

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RECEPTION = Reception("339901", ZONE, frozenset(), {}, {}, {})
SLOT = ("", "2026-11-22", "early")


def table(*shifts: tuple[str, str, str]) -> Any:
    rows = [{"key": key, "zh": key, "begins": begins, "ends": ends} for key, begins, ends in shifts]
    return read_shifts({"shifts": rows}, ZONE)


def envelope(kind: str, data: Mapping[str, Any], id: str = "1") -> bytes:
    return msgspec.json.encode(
        {"specversion": "1.0", "id": id, "source": "urn:test", "type": f"shift.{kind}", "data": data}
    )


def read(body: bytes) -> AnyRecord | Refusal:
    return read_events([body], RECEPTION, NOW)[0]


def give(person: str, id: str, **changes: Any) -> ShiftHandedOver:
    fields: dict[str, Any] = {
        "date": SLOT[1],
        "shift": SLOT[2],
        "title": person.title(),
        "at": NOW,
        "since": NOW - timedelta(hours=8),
        "as_of": NOW - timedelta(minutes=1),
        "figures": {"open": 2},
        "open_case_ids": ["A", "B"],
        "cases": [{"case_id": "A", "marks": ["severe"]}],
        "warnings": [],
        "feeds": [],
        "notes": "桥头还在排水",
        "digest": "",
    }
    record = ShiftHandedOver(source="desk", id=id, received_at=NOW, person=person, **fields | changes)
    return msgspec.structs.replace(record, digest=digest_content(record))


def take(person: str, id: str, signed: str) -> ShiftTakenOver:
    common: dict[str, Any] = {"date": SLOT[1], "shift": SLOT[2], "title": person, "at": NOW, "digest": ""}
    record = ShiftTakenOver(source="desk", id=id, received_at=NOW, person=person, signed=signed, **common)
    return msgspec.structs.replace(record, digest=digest_content(record))


def as_data(record: ShiftHandedOver | ShiftTakenOver) -> dict[str, Any]:
    data: dict[str, Any] = msgspec.to_builtins(record)
    return {name: value for name, value in data.items() if name not in ("source", "id", "received_at", "type")}


# -- turns ---------------------------------------------------------------------------------------------------


def test_every_moment_is_in_one_turn() -> None:
    shifts = table(("day", "08:30", "17:00"), ("late", "17:00", "23:30"), ("night", "23:30", "08:30"))
    moment = datetime(2026, 11, 21, 15, tzinfo=UTC)
    for _ in range(200):
        turn = shifts.find_turn(moment)
        assert turn.begins <= moment < turn.ends
        assert shifts.find_before(turn).ends == turn.begins and shifts.find_after(turn).begins == turn.ends
        moment += timedelta(minutes=17)
    night = shifts.find_turn(datetime(2026, 11, 22, 3, tzinfo=ZONE))
    assert (night.shift.key, night.date) == ("night", date(2026, 11, 21))  # of the day on which it began


def test_a_pack_without_shifts_has_three() -> None:
    assert [shift.key for shift in read_shifts({}, ZONE).shifts] == ["night", "early", "late"]


@pytest.mark.parametrize(
    ("shifts", "reason"),
    [
        ([("a", "08:00", "16:00"), ("b", "17:00", "08:00")], "a ends at 16:00, and b, the next, begins at 17:00"),
        ([("a", "8", "16:00"), ("b", "16:00", "08:00")], r"shifts\[1\].begins: '8' is no time"),
        ([("a", "08:00", "20:00"), ("a", "20:00", "08:00")], "same key"),
        ([("A b", "08:00", "08:00")], r"shifts\[1\].key: "),
    ],
)
def test_shifts_that_leave_an_hour_to_nobody_are_refused(shifts: list[tuple[str, str, str]], reason: str) -> None:
    with pytest.raises(PackError, match=reason):
        table(*shifts)


# -- the door ------------------------------------------------------------------------------------------------


def test_what_is_signed_comes_through_the_door_unchanged() -> None:
    given = give("chen", "1")
    record = read(envelope("handed_over", as_data(given)))
    assert isinstance(record, ShiftHandedOver)
    assert record.digest == given.digest == digest_content(record)
    taken = read(envelope("taken_over", as_data(take("li", "2", given.digest))))
    assert isinstance(taken, ShiftTakenOver)
    assert find_partition(record, 1024) == find_partition(taken, 1024)  # so that one stream tells who was first


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"figures": {"open": 3}}, "data.digest"),
        ({"notes": "nothing"}, "data.digest"),
        ({"person": "li"}, "data.digest"),
        ({"at": "2026-11-23T00:00:00Z"}, "data.at"),
        ({"date": "22.11.2026"}, "data.date"),
        ({"area": "33"}, "data.area"),
    ],
)
def test_what_was_changed_on_the_way_is_refused(change: dict[str, Any], field: str) -> None:
    refusal = read(envelope("handed_over", as_data(give("chen", "1")) | change))
    assert isinstance(refusal, Refusal)
    assert (refusal.field, refusal.feed) == (field, "shifts")


# -- what SQL keeps ------------------------------------------------------------------------------------------


def test_the_first_signature_counts_and_nobody_takes_from_themselves(engine: Engine) -> None:
    first, second = give("chen", "1"), give("wang", "2", notes="mine")
    taken = [
        take("chen", "3", first.digest),
        take("zhao", "4", second.digest),
        take("li", "5", first.digest),
        take("qian", "6", first.digest),
    ]
    foreign = give("mallory", "0")
    foreign.sender = "another-system"
    writer = Writer(engine)
    writer.write(foreign, first, second, *taken)
    writer.write(first, taken[2])  # again
    found = read_hand_over(engine, SLOT)
    assert found is not None and found.taken is not None and found.unchanged
    assert (found.given.person, found.given.notes, found.taken.person) == ("chen", "桥头还在排水", "li")
    assert [one.slot for one in list_hand_overs(engine, "", date(2026, 11, 1))] == [SLOT]
    assert read_hand_over(engine, ("339901001", *SLOT[1:])) is None


def test_a_later_change_shows(engine: Engine) -> None:
    given = give("chen", "1")
    Writer(engine).write(given, take("li", "2", given.digest))
    with engine.begin() as connection:
        forged = msgspec.structs.replace(given, figures={"open": 0})
        connection.execute(
            update(hand_overs).where(hand_overs.c.event_id == "1").values(record=msgspec.json.encode(forged).decode())
        )
    found = read_hand_over(engine, SLOT)
    assert found is not None and not found.unchanged


def plan(id: str, person: str, minute: int, **more: Any) -> ShiftPlanned:
    at = NOW + timedelta(minutes=minute)
    fields: dict[str, Any] = {"date": SLOT[1], "shift": SLOT[2], "at": at, "received_at": at, "title": person}
    return ShiftPlanned(source="desk", id=id, person=person, **fields | more)


def test_the_latest_word_says_who_is_on_duty(engine: Engine) -> None:
    keyring = Keyring.make()
    called = plan("1", "chen", 0, phone="13812345678")
    seal_phone(keyring, called)
    Writer(engine).write(
        plan("4", "wang", 3, withdrawn=True),  # came before what it takes back
        called,
        plan("2", "wang", 1),
        plan("3", "li", 2, shift="late"),
        plan("5", "town", 2, area="339901001"),
    )
    day = date(2026, 11, 22)
    roster = read_roster(engine, day, day, "")
    assert [(one.shift, one.person) for one in roster] == [("early", "chen"), ("late", "li")]
    assert roster[0].phone is not None and "138" not in roster[0].phone.removeprefix("sealed1.")[:12]
    assert keyring.open(roster[0].phone, *roster[0].sealed_for) == "13812345678"
    assert [one.person for one in read_roster(engine, day, day, "339901001")] == ["town"]
