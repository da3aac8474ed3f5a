"""Writing: exactly once, the newest wins, and the order of arrival never matters."""

from collections.abc import Iterator, Sequence
from datetime import UTC, timedelta, timezone
from itertools import count, pairwise, permutations
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlalchemy import Connection, Engine, event, select
from sqlalchemy.exc import InternalError, OperationalError

from ingest.arrivals import Arrival
from ingest.history import read_counters
from ingest.records import AlarmAcked, AlarmActed, AlarmCleared, AlarmRaised, AnyRecord, CaseActed, CaseReported
from ingest.rows.alarms import read_alarm_steps, read_alarms_since
from ingest.rows.cases import RefusedRecord
from ingest.store import Batch, WatermarkMoved, load_watermarks, open_database, rewind_watermark, write_batch
from ingest.tables import (
    EPOCH,
    alarms,
    as_ms,
    as_time,
    case_actions,
    cases,
    latest_readings,
    metadata,
    reading_hours,
    readings,
    reporters,
    workers,
)
from tests.ingest.samples import NOON, Writer, act, alarm, count_rows, minutes, read_rows, reading, report, worker

T = TypeVar("T")
DERIVED = ("last_action", "last_action_at", "last_unit", "closed_at", "changed_at")


# -- times


@given(st.integers(-(10**15), 10**16), st.integers(-14, 14))
def test_times_keep_their_millisecond_in_any_zone(microseconds: int, offset_h: int) -> None:
    aware = (EPOCH + timedelta(microseconds=microseconds)).astimezone(timezone(timedelta(hours=offset_h)))
    back = as_time(as_ms(aware))
    assert back.tzinfo is UTC
    assert timedelta(0) <= aware - back < timedelta(milliseconds=1)
    assert as_ms(back) == as_ms(aware)


# -- readings


def test_a_reading_is_kept_whole(engine: Engine) -> None:
    record = reading("r1", value=0.5, lon=120.1, lat=29.7, cell_code="330681001001001", attributes={"status": "满"})
    Writer(engine).write(record)

    [row] = read_rows(engine, readings)
    assert (row["source"], row["event_id"], row["feed"], row["asset_id"]) == ("sensors", "r1", "waste", "bin-1")
    assert (row["value"], row["unit"], row["lon"], row["lat"]) == (0.5, "1", 120.1, 29.7)
    assert (row["observed_at"], row["attributes"]) == (as_ms(NOON), '{"status":"满"}')


def test_a_late_duplicate_changes_nothing_and_is_counted(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(reading("r1", value=3))
    # Days later Redis has forgotten the id.
    writer.write(reading("r1", value=3, received_at=minutes(5000)), reading("r2", at=1, value=5))

    assert [row["event_id"] for row in read_rows(engine, readings)] == ["r1", "r2"]
    [hour] = read_rows(engine, reading_hours)
    assert (hour["counted"], hour["total"]) == (2, 8)
    assert read_counters(engine) == {"recorded": 2, "late_duplicate": 1, "refused": 0, "gaps": 0}


def test_a_duplicate_within_one_batch_is_counted_too(engine: Engine) -> None:
    Writer(engine).write(reading("r1"), reading("r1"), report("c1"), report("c1"))
    assert read_counters(engine)["recorded"] == 2
    assert read_counters(engine)["late_duplicate"] == 2


def test_one_id_from_two_sources_is_two_readings(engine: Engine) -> None:
    Writer(engine).write(reading("r1"), reading("r1", source="others"))
    assert count_rows(engine, readings) == 2


def test_a_late_reading_does_not_replace_a_newer_one(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(reading("r2", at=2, value=20), reading("r1", at=1, value=10))
    writer.write(reading("r0", at=0, value=0), reading("x", at=3, value=None, asset_id="bin-2"))

    latest = {row["asset_id"]: row["value"] for row in read_rows(engine, latest_readings)}
    assert latest == {"bin-1": 20, "bin-2": None}
    [hour] = read_rows(engine, reading_hours)
    assert (hour["counted"], hour["total"], hour["lowest"], hour["highest"]) == (3, 30, 0, 20)
    assert (hour["last_value"], hour["last_at"]) == (20, as_ms(minutes(2)))


def test_many_at_once_are_numbered_in_their_order_and_their_repeats_found(engine: Engine) -> None:
    """As many as go by COPY on PostgreSQL, and by several statements and a rest on SQLite."""
    records = [
        reading(f"r{number}", at=number % 7, value=float(number), asset_id=f"bin-{number}") for number in range(260)
    ]
    writer = Writer(engine)
    writer.write(*records[:155])
    writer.write(*records[100:])

    ordered = sorted(read_rows(engine, readings), key=lambda row: row["id"])
    assert [row["event_id"] for row in ordered] == [record.id for record in records]
    assert count_rows(engine, latest_readings) == count_rows(engine, reading_hours) == 260
    assert {row["counted"] for row in read_rows(engine, reading_hours)} == {1}
    assert read_counters(engine)["late_duplicate"] == 55


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(
    order=st.permutations([(minute, minute * 7 % 11) for minute in (0, 1, 2, 59, 60, 61, 130)]),
    cuts=st.sets(st.integers(1, 6)),
)
def test_roll_ups_do_not_depend_on_order_or_batching(
    engine: Engine, numbers: Iterator[int], order: Sequence[tuple[int, int]], cuts: set[int]
) -> None:
    asset_id = f"bin-{next(numbers)}"
    writer = Writer(engine, partition=next(numbers))
    for piece in _cut(order, cuts):
        writer.write(
            *(reading(f"{asset_id}-{at}", at=at, value=float(value), asset_id=asset_id) for at, value in piece)
        )

    hours = read_rows(engine, reading_hours, asset_id=asset_id)
    found = [
        (hour["hour_at"], *(hour[name] for name in ("counted", "total", "lowest", "highest", "last_value")))
        for hour in hours
    ]
    # Values by minute: 0→0, 1→7, 2→3, 59→6; 60→2, 61→9; 130→8.
    noon = as_ms(NOON)
    assert found == [(noon, 4, 16, 0, 7, 6), (noon + 3_600_000, 2, 11, 2, 9, 9), (noon + 7_200_000, 1, 8, 8, 8, 8)]
    [latest] = read_rows(engine, latest_readings, asset_id=asset_id)
    assert latest["value"] == 8


# -- cases


def test_a_report_becomes_a_case_and_an_action(engine: Engine) -> None:
    Writer(engine).write(report("c1", people=3, media=["https://example.org/1.jpg"], description="路口"))

    [case] = read_rows(engine, cases)
    assert (case["case_id"], case["category"], case["people"], case["media"]) == (
        "c1",
        "0102",
        3,
        '["https://example.org/1.jpg"]',
    )
    assert [case[name] for name in DERIVED] == ["report", as_ms(NOON), None, None, as_ms(NOON)]
    [action] = read_rows(engine, case_actions)
    assert (action["action"], action["at"], action["actor"], action["waiting"]) == ("report", as_ms(NOON), None, False)


def test_an_action_takes_effect_when_its_report_comes(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(act("c1", "dispatch", 5, unit="环卫"), act("c1", "close", 9))
    assert count_rows(engine, cases) == 0
    assert all(row["waiting"] for row in read_rows(engine, case_actions))

    writer.write(report("c1"))

    [case] = read_rows(engine, cases)
    assert [case[name] for name in DERIVED[:4]] == ["close", as_ms(minutes(9)), "环卫", as_ms(minutes(9))]
    assert not any(row["waiting"] for row in read_rows(engine, case_actions))


def test_reopening_opens_and_a_closed_case_stays_where_it_is(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(report("c1"), act("c1", "close", 5), act("c1", "note", 6), act("c1", "void", 7))
    [case] = read_rows(engine, cases)
    assert (case["last_action"], case["closed_at"]) == ("close", as_ms(minutes(5)))

    writer.write(act("c1", "reopen", 8))
    [case] = read_rows(engine, cases)
    assert (case["last_action"], case["closed_at"]) == ("reopen", None)

    writer.write(act("c1", "void", 7.5, id="late"))  # before the reopening: nothing moves
    [case] = read_rows(engine, cases)
    assert (case["last_action"], case["closed_at"]) == ("reopen", None)


def test_actions_of_one_moment_count_in_the_order_of_their_stream(engine: Engine) -> None:
    Writer(engine).write(report("c1"), act("c1", "close", 5, id="z"), act("c1", "reopen", 5, id="a"))
    [case] = read_rows(engine, cases)
    assert (case["last_action"], case["closed_at"]) == ("reopen", None)


def test_a_second_report_is_kept_as_an_action_and_changes_nothing(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(report("c1", title="first"), act("c1", "dispatch", 5))
    writer.write(report("c1", at=6, id="again", title="second", severity=1))

    [case] = read_rows(engine, cases)
    assert (case["title"], case["severity"], case["last_action"]) == ("first", 2, "dispatch")
    again = read_rows(engine, case_actions, event_id="again")
    assert again[0]["action"] == "report"
    assert '"title":"second"' in again[0]["details"]
    assert read_counters(engine)["recorded"] == 3


def test_the_report_received_first_is_kept_even_if_it_is_recorded_later(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(report("c1", at=6, id="later", title="later"))
    writer.write(report("c1", at=1, id="earlier", title="earlier"))
    [case] = read_rows(engine, cases)
    assert (case["title"], case["event_id"], case["last_action_at"]) == ("earlier", "earlier", as_ms(minutes(1)))


def test_an_action_that_calls_itself_a_report_is_refused(engine: Engine) -> None:
    with pytest.raises(RefusedRecord, match=r"case\.reported"):
        Writer(engine).write(act("c1", "report", 1))
    assert count_rows(engine, case_actions) == 0


def test_the_reporter_is_in_one_table_only(engine: Engine) -> None:
    Writer(engine).write(report("c1"), report("c1", at=1, id="again"), reading("r1"), worker("w"))
    with engine.connect() as connection:
        for table in metadata.sorted_tables:
            found = "13905750001" in str(connection.execute(select(table)).all())
            assert found == (table is reporters), table.name


_STEPS: list[CaseReported | CaseActed] = [
    report("c", at=0, id="report"),
    report("c", at=2, id="report-again", title="again"),
    act("c", "accept", 1),
    act("c", "dispatch", 3, unit="环卫"),
    act("c", "close", 5),
    act("c", "reopen", 7, unit="市政"),
    act("c", "void", 9),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(
    order=st.permutations(range(len(_STEPS))),
    cuts=st.sets(st.integers(1, len(_STEPS) - 1)),
    dropped=st.sets(st.integers(2, len(_STEPS) - 1)),
)
def test_any_order_and_batching_of_a_cases_records_gives_the_same_row(
    engine: Engine, numbers: Iterator[int], order: Sequence[int], cuts: set[int], dropped: set[int]
) -> None:
    shuffled = _record_case(engine, next(numbers), [place for place in order if place not in dropped], cuts)
    in_order = _record_case(engine, next(numbers), sorted(set(order) - dropped), set())
    assert shuffled == in_order


def test_the_order_of_the_partitions_does_not_matter(engine: Engine, numbers: Iterator[int]) -> None:
    rows = [_record_case(engine, next(numbers), order, {1, 2, 3}) for order in permutations([0, 3, 4, 5])]
    assert all(row == rows[0] for row in rows)


def _record_case(engine: Engine, number: int, order: Sequence[int], cuts: set[int]) -> dict[str, object]:
    """Record the chosen steps as a case of their own, and return its row without what names it."""
    case_id = f"c{number}"
    writer = Writer(engine, partition=number)
    for piece in _cut(order, cuts):
        writer.write(*(_rename(_STEPS[place], case_id) for place in piece))
    [row] = read_rows(engine, cases, case_id=case_id)
    return {name: value for name, value in row.items() if name not in ("case_id", "source")}


def _rename(record: CaseReported | CaseActed, case_id: str) -> AnyRecord:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return type(record)(**fields | {"case_id": case_id, "source": case_id})


def _cut(items: Sequence[T], cuts: set[int]) -> list[Sequence[T]]:
    ends = [0, *sorted(cuts), len(items)]
    return [items[start:end] for start, end in pairwise(ends)]


@pytest.fixture
def numbers() -> Iterator[int]:
    return count(1)


# -- workers and alarms


def test_the_newest_place_of_a_worker_stays(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(worker("1", at=5, on_duty=False), worker("2", at=1))
    writer.write(worker("3", at=2), worker("4", at=0, worker_id="w-2"))
    assert {row["worker_id"]: (row["at"], row["on_duty"]) for row in read_rows(engine, workers)} == {
        "w-1": (as_ms(minutes(5)), False),
        "w-2": (as_ms(NOON), True),
    }


def test_of_two_places_of_a_worker_at_one_moment_the_same_stays_in_any_order(engine: Engine) -> None:
    """Two town's partitions are read in no order, and the live state must end where SQL does."""
    writer = Writer(engine)
    places = [worker("1"), worker("2", on_duty=False), worker("3")]
    places[2].lon = 120.2
    for number, order in enumerate(permutations(range(3))):
        name = f"w-{number}"
        of_worker = [replace(places[place], worker_id=name, id=f"{name}-{place}") for place in order]
        writer.write(*of_worker[:2])
        writer.write(of_worker[2])
        [row] = read_rows(engine, workers, worker_id=name)
        assert (row["lon"], row["on_duty"]) == (120.2, True), order


def test_an_alarms_steps_may_come_in_any_order(engine: Engine) -> None:
    writer = Writer(engine)
    for number, order in enumerate(permutations(range(4))):
        name = f"a-{number}"
        steps: list[tuple[type[AlarmRaised | AlarmAcked | AlarmCleared], int]] = [
            (AlarmRaised, 0),
            (AlarmAcked, 1),
            (AlarmRaised, 2),
            (AlarmCleared, 3),
        ]
        for kind, at in (steps[place] for place in order):
            writer.write(alarm(kind, at, name))
        [row] = read_rows(engine, alarms, alarm_id=name)
        times = [row[column] for column in ("raised_at", "acked_at", "cleared_at", "changed_at")]
        assert times == [as_ms(minutes(at)) for at in (2, 1, 3, 3)], order
        assert (row["acked_by"], row["cleared_by"]) == ("officer-7", "officer-7")


def test_every_action_of_an_alarm_is_kept_once_in_the_order_of_the_stream(engine: Engine) -> None:
    writer = Writer(engine)
    shelved = AlarmActed(
        source="desk", id="s", received_at=minutes(3), alarm_id="a-1", action="shelve", actor="li", at=minutes(3),
        note="维修", expects=1, details={"minutes": 30},
    )  # fmt: skip
    writer.write(alarm(AlarmRaised, 0), alarm(AlarmAcked, 2), shelved, alarm(AlarmRaised, 0))
    writer.write(shelved, alarm(AlarmCleared, 1))
    steps = read_alarm_steps(engine, "a-1")
    assert [step.action for step in steps] == ["raise", "ack", "shelve", "clear"]
    assert steps[0].details == {"severity": 2, "subject": "bin-1"}
    assert (steps[2].actor, steps[2].details) == ("li", {"minutes": 30, "note": "维修", "expects": 1})
    assert read_counters(engine)["late_duplicate"] == 2
    [row] = read_rows(engine, alarms)
    assert row["changed_at"] == as_ms(minutes(3)), "what was done last, whatever was told last"


def test_alarms_that_stand_are_found_however_old(engine: Engine) -> None:
    writer = Writer(engine)
    for name in ("standing", "unseen", "over", "late"):
        writer.write(alarm(AlarmRaised, -90, name))
    for name in ("unseen", "over", "late"):
        writer.write(alarm(AlarmCleared, -80, name))
    for name, at in (("standing", -85), ("over", -70), ("late", -10)):
        writer.write(alarm(AlarmAcked, at, name))
    assert {step.alarm_id for step in read_alarms_since(engine, minutes(-60))} == {"standing", "unseen", "late"}


# -- watermarks


def test_records_counters_and_watermark_stand_or_fall_together(engine: Engine) -> None:
    writer = Writer(engine)
    with pytest.raises(RuntimeError, match="too late"), engine.begin() as connection:
        batch = Batch([Arrival(0, "1000-1", reading("r1"))], ())
        write_batch(connection, batch, writer.marks, NOON)
        raise RuntimeError("too late")

    assert count_rows(engine, readings) == 0
    assert read_counters(engine)["recorded"] == 0
    with engine.begin() as connection:
        assert load_watermarks(connection)[0].stream_id == "0-0"


def test_of_two_recorders_one_is_told_and_writes_nothing(engine: Engine) -> None:
    first, second = Writer(engine), Writer(engine)
    first.write(reading("r1"))
    with pytest.raises(WatermarkMoved):
        second.write(reading("r1"), reading("r2"))
    assert count_rows(engine, readings) == 1
    assert read_counters(engine)["recorded"] == 1


def test_watermarks_compare_as_numbers(engine: Engine) -> None:
    writer = Writer(engine)
    batch = [Arrival(0, f"999-{number}", reading(f"r{number}")) for number in (9, 10)]
    writer.write_arrivals(batch)
    writer.write_arrivals([Arrival(0, "1000-0", reading("last"))])
    with engine.begin() as connection:
        assert load_watermarks(connection)[0].stream_id == "1000-0"


def test_what_a_rewound_stream_repeats_is_neither_recorded_nor_duplicate(engine: Engine) -> None:
    writer = Writer(engine)
    records = [reading("r1"), report("c1"), worker("w1"), alarm(AlarmRaised, 0)]
    writer.write(*records)  # 1000-1 to 1000-4
    with engine.begin() as connection:
        writer.marks = {0: rewind_watermark(connection, 0, writer.marks[0], NOON)}

    again = [Arrival(0, f"1000-{number}", record) for number, record in enumerate(records, 1)]
    writer.write_arrivals([*again[:2], Arrival(0, "1000-3", reading("new"))])
    assert writer.marks[0].rewound_from == "1000-4"
    writer.write_arrivals([Arrival(0, "1000-4", records[2]), Arrival(0, "1000-5", records[0])])
    assert writer.marks[0].rewound_from is None

    assert count_rows(engine, readings) == 2
    assert read_counters(engine) == {"recorded": 5, "late_duplicate": 1, "refused": 0, "gaps": 0}


# -- opening


def test_a_reader_cannot_write(database_url: str, engine: Engine) -> None:
    reader = open_database(database_url, read_only=True)
    with pytest.raises((OperationalError, InternalError), match=r"readonly|read-only"), reader.begin() as connection:
        connection.execute(workers.delete())
    reader.dispose()


def test_a_readers_transaction_sees_one_moment(database_url: str, engine: Engine) -> None:
    reader = open_database(database_url, read_only=True)
    with reader.begin() as connection:
        before = connection.execute(select(readings.c.id)).all()
        Writer(engine).write(reading("r1"))
        assert connection.execute(select(readings.c.id)).all() == before == []
    assert count_rows(reader, readings) == 1
    reader.dispose()


def test_a_power_cut_loses_no_commit_on_sqlite(database_url: str, engine: Engine) -> None:
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL: every commit is synced


def test_writing_never_scans_a_table_that_grows(engine: Engine) -> None:
    """However the batch is made up: a scan would be unnoticeable in a test and unbearable after a year."""
    if engine.dialect.name != "sqlite":
        return
    plans: list[str] = []

    def explain(
        connection: Connection, _cursor: object, sql: str, parameters: Sequence[Any], _context: object, many: bool
    ) -> None:
        if sql.startswith(("SELECT", "UPDATE", "INSERT")):
            driver: Any = connection.connection.dbapi_connection
            plan = driver.execute(f"EXPLAIN QUERY PLAN {sql}", parameters[0] if many else parameters)
            plans.extend(row[3] for row in plan)

    writer = Writer(engine)
    writer.write(reading("r1"), report("c1"), act("c2", "close", 1))
    event.listen(engine, "before_cursor_execute", explain)
    writer.write(reading("r1"), reading("r2"), report("c2"), report("c1", id="again"), act("c1", "close", 2))

    assert any(plan.startswith("SEARCH readings") for plan in plans)
    assert [plan for plan in plans if plan.startswith(("SCAN readings", "SCAN case"))] == []
