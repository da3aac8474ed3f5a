"""Reading: one moment, the same figures tomorrow, and indexes where they matter."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Engine, Select, select

from ingest.answers import CaseFilter, HourCount, Reporter
from ingest.history import (
    cases_as_of,
    count_cases,
    count_cases_by_hour,
    count_open_cases_by_cell,
    latest_readings_as_of,
    list_cases,
    load_reading_hours,
    load_snapshot,
    open_cases_by_cell,
    read_case,
    read_counters,
    read_heartbeat,
    read_reporters,
    read_watermarks,
    reading_hours_as_of,
)
from ingest.records import AlarmAcked, AlarmRaised
from ingest.sealing import Keyring
from ingest.store import open_database, write_heartbeat
from ingest.tables import as_ms, cases, readings
from tests.ingest.samples import NOON, Writer, act, alarm, minutes, reading, report, worker

HOUR = timedelta(hours=1)


@pytest.fixture
def reader(database_url: str, engine: Engine) -> Iterator[Engine]:
    reader = open_database(database_url, read_only=True)
    yield reader
    reader.dispose()


@pytest.fixture
def writer(engine: Engine) -> Writer:
    return Writer(engine)


# -- the snapshot


def test_a_snapshot_holds_what_live_state_needs(reader: Engine, writer: Writer) -> None:
    writer.write(
        report("open", at=-9000),
        report("ended long ago", at=-9000),
        act("ended long ago", "close", -8000),
        report("ended lately", at=-9000),
        act("ended lately", "close", -5, unit="环卫"),
        report("new", at=-10),
        act("not yet reported", "close", -1),
        reading("r1", at=1, value=2, attributes={"status": "ok"}),
        worker("w", at=3),
        alarm(AlarmRaised, 0),
        alarm(AlarmAcked, 1),
    )

    snapshot = load_snapshot(reader, since=minutes(-60))

    assert {case.case_id for case in snapshot.cases} == {"open", "ended lately", "new"}
    assert sorted((step.case_id, step.action, step.unit) for step in snapshot.steps) == [
        ("ended lately", "close", "环卫"),
        ("not yet reported", "close", None),
    ]
    [ended] = [case for case in snapshot.cases if case.case_id == "ended lately"]
    assert (ended.closed_at, ended.last_unit, ended.event_id) == (minutes(-5), "环卫", "report-ended lately")
    [latest] = snapshot.readings
    assert (latest.observed_at, latest.value, latest.attributes) == (minutes(1), 2, {"status": "ok"})
    assert (snapshot.workers[0].at, snapshot.workers[0].on_duty) == (minutes(3), True)
    assert [(step.alarm_id, step.action) for step in snapshot.alarm_steps] == [("a-1", "raise"), ("a-1", "ack")]
    assert snapshot.watermarks[0].stream_id == "1000-11"
    assert snapshot.counters["recorded"] == 11


def test_an_empty_database_gives_an_empty_snapshot(reader: Engine, engine: Engine) -> None:
    snapshot = load_snapshot(reader, NOON)
    assert (snapshot.cases, snapshot.readings, snapshot.watermarks) == ([], [], {})
    assert read_counters(reader) == {"recorded": 0, "late_duplicate": 0, "refused": 0, "gaps": 0}
    assert read_heartbeat(reader) is None
    assert read_case(reader, "none") is None


def test_a_snapshot_is_one_moment_while_somebody_writes(reader: Engine, writer: Writer) -> None:
    """Whatever is recorded between its queries, a snapshot's records are those of its watermarks."""
    from sqlalchemy import event

    writer.write(reading("r0", asset_id="bin-0"))
    written = iter(range(1, 100))

    def write_between(*_: object) -> None:
        number = next(written)
        writer.write(reading(f"r{number}", at=number, asset_id=f"bin-{number}"))

    event.listen(reader, "after_cursor_execute", write_between)
    snapshot = load_snapshot(reader, NOON)
    event.remove(reader, "after_cursor_execute", write_between)

    assert next(written) > 5
    assert len(snapshot.readings) == snapshot.counters["recorded"] == int(snapshot.watermarks[0].stream_id[5:])


# -- cases


def test_a_case_is_read_with_its_actions_in_order(reader: Engine, writer: Writer) -> None:
    writer.write(act("c1", "dispatch", 5, unit="环卫", note="尽快", details={"limit_h": 4}))
    writer.write(act("c1", "accept", 2), report("c1", description="路口", media=["u"]))

    file = read_case(reader, "c1")

    assert file is not None
    assert (file.case.last_action, file.case.last_unit, file.description, file.media) == (
        "dispatch",
        "环卫",
        "路口",
        ["u"],
    )
    assert [action.action for action in file.actions] == ["report", "accept", "dispatch"]
    assert (file.actions[2].details, file.actions[2].note, file.actions[2].at) == ({"limit_h": 4}, "尽快", minutes(5))


def test_only_one_function_tells_the_reporter(reader: Engine, writer: Writer) -> None:
    writer.write(report("c1"))
    assert read_reporters(reader, "c1", Keyring.make()) == [Reporter("何翠英", "13905750001")]
    everything = f"{read_case(reader, 'c1')}{list_cases(reader)}{load_snapshot(reader, NOON)}"
    assert "何翠英" not in everything
    assert "1390575" not in everything


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (CaseFilter(), ["c4", "c3", "c2", "c1"]),
        (CaseFilter(is_open=True), ["c4", "c3", "c1"]),
        (CaseFilter(is_open=False), ["c2"]),
        (CaseFilter(area="330681002"), ["c3"]),
        (CaseFilter(category="02"), ["c4"]),
        (CaseFilter(severity=1), ["c3"]),
        (CaseFilter(channel="video"), ["c4"]),
        (CaseFilter(unit="环卫"), ["c1"]),
        (CaseFilter(reported_from=minutes(2), reported_before=minutes(3)), ["c2"]),
        (CaseFilter(area="33_68"), []),
    ],
)
def test_cases_are_filtered(reader: Engine, writer: Writer, where: CaseFilter, expected: list[str]) -> None:
    writer.write(
        *(report("c1", at=1), act("c1", "dispatch", 5, unit="环卫"), report("c2", at=2), act("c2", "void", 6)),
        report("c3", at=3, severity=1, cell_code="330681002001001"),
        report("c4", at=4, category="0203", channel="video", cell_code=None),
    )
    assert [case.case_id for case in list_cases(reader, where)] == expected
    assert count_cases(reader, where) == len(expected)
    assert [case.case_id for case in list_cases(reader, where, limit=1, offset=1)] == expected[1:2]


def test_open_cases_are_counted_by_cell(reader: Engine, writer: Writer) -> None:
    writer.write(report("c1"), report("c2"), report("c3", cell_code=None), report("c4"), act("c4", "close", 1))
    assert count_open_cases_by_cell(reader) == {"330681001001001": 2, None: 1}


def test_cases_are_counted_by_hour(reader: Engine, writer: Writer) -> None:
    writer.write(report("c1", at=0), report("c2", at=59), report("c3", at=120), act("c1", "close", 121))
    assert count_cases_by_hour(reader, NOON, NOON + 3 * HOUR) == [
        HourCount(NOON, 2, 0),
        HourCount(NOON + HOUR, 0, 0),
        HourCount(NOON + 2 * HOUR, 1, 1),
    ]


def test_hours_and_times_before_1970_do_not_confuse(reader: Engine, writer: Writer) -> None:
    long_ago = -60 * 24 * 366 * 60
    writer.write(reading("r1", at=long_ago), reading("r2", at=long_ago + 1))
    [hour] = load_reading_hours(reader, "waste", minutes(long_ago - 60), minutes(long_ago + 60))
    assert hour.hour_at <= minutes(long_ago) < hour.hour_at + HOUR


# -- as of a moment


def test_what_was_known_then_stays_what_was_known_then(reader: Engine, writer: Writer) -> None:
    writer.write(report("c1", at=0), report("c2", at=1), act("c2", "close", 5))
    then = cases_as_of(reader, as_of=minutes(10), start=NOON - HOUR)
    assert {case.case_id: case.closed_at for case in then} == {"c1": None, "c2": minutes(5)}

    # What comes to be known later: an old closing, a reopening, a case from before, a second report.
    writer.write(
        act("c1", "close", 3, received_at=minutes(11)),
        act("c2", "reopen", 6, received_at=minutes(12)),
        report("c3", at=2, received_at=minutes(13)),
        report("c1", at=14, id="again"),
    )

    again = cases_as_of(reader, minutes(10), NOON - HOUR)
    assert {case.case_id: case for case in again} == {case.case_id: case for case in then}
    later = cases_as_of(reader, minutes(20), NOON - HOUR)
    assert {case.case_id: case.closed_at for case in later} == {"c1": minutes(3), "c2": None, "c3": None}


def test_a_case_that_ended_before_the_start_counts_only_while_it_was_open(reader: Engine, writer: Writer) -> None:
    writer.write(report("old", at=-600), act("old", "close", -500, received_at=minutes(10)))
    assert [case.case_id for case in cases_as_of(reader, minutes(5), NOON)] == ["old"]
    assert cases_as_of(reader, minutes(15), NOON) == []


def test_readings_as_of_a_moment(reader: Engine, writer: Writer) -> None:
    writer.write(
        reading("r1", at=0, value=1),
        reading("r2", at=5, value=2),
        reading("r3", at=6, value=3, received_at=minutes(30)),
        reading("r4", at=-100, value=4, asset_id="bin-2"),
        reading("r5", at=1, value=9, feed="air", asset_id="air-1"),
    )
    found = latest_readings_as_of(reader, "waste", minutes(10), within=HOUR)
    assert [(latest.asset_id, latest.value) for latest in found] == [("bin-1", 2)]
    found = latest_readings_as_of(reader, "waste", minutes(30), within=3 * HOUR)
    assert [(latest.asset_id, latest.value) for latest in found] == [("bin-1", 3), ("bin-2", 4)]

    [hour] = reading_hours_as_of(reader, "waste", minutes(10), start=NOON)
    assert (hour.asset_id, hour.counted, hour.total, hour.last_value) == ("bin-1", 2, 3, 2)


def test_hours_as_of_now_are_the_roll_ups(reader: Engine, writer: Writer) -> None:
    writer.write(*(reading(f"r{at}", at=at, value=at % 7, asset_id=f"bin-{at % 3}") for at in range(0, 180, 5)))
    writer.write(reading("none", at=4, value=None))
    rolled = load_reading_hours(reader, "waste", NOON, NOON + 3 * HOUR)
    assert len(rolled) == 9
    assert reading_hours_as_of(reader, "waste", NOON + 3 * HOUR, NOON) == rolled


# -- the recorder's own


def test_a_heartbeat_is_read_back(reader: Engine, engine: Engine) -> None:
    for at in (0, 1):
        with engine.begin() as connection:
            write_heartbeat(connection, "recorder", minutes(at), lag_ms=at)
    beat = read_heartbeat(reader)
    assert beat is not None
    assert (beat.at, beat.lag_ms) == (minutes(1), 1)


def test_watermarks_say_when_they_moved(reader: Engine, writer: Writer) -> None:
    assert read_watermarks(reader)[0].recorded_at is None
    writer.write(reading("r1"))
    assert read_watermarks(reader)[0].recorded_at == NOON


# -- indexes


@pytest.mark.parametrize(
    ("query", "index"),
    [
        (open_cases_by_cell(), "ix_cases_closed_at_cell_code"),
        (select(cases.c.case_id).where(cases.c.reported_at >= as_ms(NOON)), "ix_cases_reported_at"),
        (select(cases.c.case_id).where(cases.c.closed_at >= as_ms(NOON)), "ix_cases_closed_at_cell_code"),
        (select(readings.c.value).where(readings.c.observed_at >= as_ms(NOON)), "readings"),
    ],
)
def test_sqlite_answers_from_an_index(reader: Engine, writer: Writer, query: Select[tuple[object]], index: str) -> None:
    if reader.dialect.name != "sqlite":
        return  # PostgreSQL plans by the tables' size: on small ones it rightly scans
    with reader.connect() as connection:
        sql = str(query.compile(reader, compile_kwargs={"literal_binds": True}))
        plan = " ".join(row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}"))
    assert "USING" in plan
    assert index in plan
    assert "SCAN" not in plan or "USING COVERING INDEX ix_cases_open_cell" in plan
