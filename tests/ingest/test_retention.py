"""Retention: what is old goes in small pieces, nothing else does, and recording goes on meanwhile."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, text

from ingest import retention
from ingest.history import read_counters
from ingest.records import AlarmCleared, AlarmRaised
from ingest.retention import forget_old, keep_house
from ingest.rows.reading_months import Month, list_months
from ingest.settings import KEPT_DAYS, SettingError, read_settings
from ingest.store import open_database
from ingest.tables import (
    alarm_actions,
    alarms,
    as_ms,
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

FOR_EVER = dict.fromkeys(KEPT_DAYS, 0)
DAY_MIN = 24 * 60


def days(number: float) -> datetime:
    return NOON + timedelta(days=number)


def aged(id: str, age_days: float, **more: Any) -> Any:
    """A reading that was observed and received so long ago."""
    return reading(id, at=-age_days * DAY_MIN, **more)


def ids(engine: Engine) -> set[str]:
    return {row["event_id"] for row in read_rows(engine, readings)}


def test_old_readings_go_and_what_was_made_of_them_stays(engine: Engine) -> None:
    Writer(engine).write(aged("old", 120), aged("older", 150), aged("kept", 10), aged("new", 0))

    removed = forget_old(engine, FOR_EVER | {"readings": 100}, NOON)

    assert removed == {"readings": 2}
    assert ids(engine) == {"kept", "new"}
    assert count_rows(engine, reading_hours) == 4
    assert count_rows(engine, latest_readings) == 1
    assert read_counters(engine)["recorded"] == 4


def test_a_reading_is_kept_by_when_it_was_received(engine: Engine) -> None:
    """Else a file of long ago would be gone an hour after it was replayed, and a repeat of it counted ever again."""
    writer = Writer(engine)
    writer.write(aged("live", 3000), aged("replayed", 3000, received_at=NOON))
    assert forget_old(engine, FOR_EVER | {"readings": 400}, NOON) in ({"readings": 1}, {})  # a month goes as a whole
    assert "replayed" in ids(engine)
    forget_old(engine, FOR_EVER | {"readings": 400}, days(401))
    assert ids(engine) == set()


def test_a_repeat_of_what_is_gone_counts_once_more_and_not_again(engine: Engine) -> None:
    kept = FOR_EVER | {"readings": 100}
    writer = Writer(engine)
    writer.write(aged("r1", 200, value=2))
    forget_old(engine, kept, NOON)
    assert ids(engine) == set()

    for day in range(0, 99, 3):  # a device that sends its old memory again and again; Redis forgets after two days
        writer.write(aged("r1", 200, value=2, received_at=days(day)))
        forget_old(engine, kept, days(day))

    assert read_counters(engine) == {"recorded": 2, "late_duplicate": 32, "refused": 0, "gaps": 0}
    [hour] = read_rows(engine, reading_hours)
    assert hour["counted"] == 2
    [latest] = read_rows(engine, latest_readings)
    assert latest["received_at"] == as_ms(days(0))


def test_many_go_in_small_pieces_while_recording_goes_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 50)
    writer = Writer(engine)
    writer.write(*(aged(f"old{number}", 200 + number / 1000) for number in range(400)))
    commits, recorded = 0, 0

    def count_commit(_: object) -> None:
        nonlocal commits
        commits += 1

    event.listen(engine, "commit", count_commit)
    thread = threading.Thread(target=forget_old, args=[engine, FOR_EVER | {"readings": 100}, NOON])
    thread.start()
    while thread.is_alive():
        writer.write(aged(f"new{recorded}", 0))
        recorded += 1
        thread.join(0.005)
    event.remove(engine, "commit", count_commit)

    assert ids(engine) == {f"new{number}" for number in range(recorded)}
    assert engine.dialect.name == "postgresql" or commits >= recorded + 400 // 50


def test_every_table_has_its_own_time(engine: Engine) -> None:
    writer = Writer(engine)
    for age in (0, 300):
        at = -age * DAY_MIN
        writer.write(
            reading(f"r{age}", at=at),
            report(f"open{age}", at=at),
            report(f"closed{age}", at=at),
            act(f"closed{age}", "close", at + 1),
            worker(f"w{age}", at=at, worker_id=f"w{age}"),
            alarm(AlarmRaised, at, f"raised{age}"),
            alarm(AlarmRaised, at, f"cleared{age}"),
            alarm(AlarmCleared, at + 1, f"cleared{age}"),
            alarm(AlarmRaised, at, f"again{age}"),
            alarm(AlarmCleared, at + 1, f"again{age}"),
            alarm(AlarmRaised, at + 2, f"again{age}"),
        )
    before = {table: count_rows(engine, table) for table in metadata.tables.values()}

    assert forget_old(engine, FOR_EVER, days(10_000)) == {}
    assert {table: count_rows(engine, table) for table in metadata.tables.values()} == before

    assert forget_old(engine, FOR_EVER | {"reporters": 100}, NOON) == {"reporters": 1}
    assert {row["case_id"] for row in read_rows(engine, reporters)} == {"open0", "closed0", "open300"}
    removed = forget_old(engine, dict.fromkeys(KEPT_DAYS, 100), NOON)

    assert removed.keys() >= {"readings", "reading_hours", "workers", "alarms", "cases", "feed_minutes"}
    assert {row["case_id"] for row in read_rows(engine, cases)} == {"open0", "closed0", "open300"}
    assert {row["case_id"] for row in read_rows(engine, case_actions)} == {"open0", "closed0", "open300"}
    assert {row["worker_id"] for row in read_rows(engine, workers)} == {"w0"}
    kept = {"raised0", "cleared0", "again0", "raised300", "again300"}
    assert {row["alarm_id"] for row in read_rows(engine, alarms)} == kept
    assert {row["alarm_id"] for row in read_rows(engine, alarm_actions)} == kept
    assert count_rows(engine, alarm_actions) == 10, "of an alarm all actions stay or none"
    assert [row["hour_at"] for row in read_rows(engine, reading_hours)] == [as_ms(NOON)]
    assert ids(engine) == {"r0"}


def test_a_case_that_was_touched_lately_stays(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(report("c1", at=-300 * DAY_MIN), act("c1", "close", -299 * DAY_MIN))
    writer.write(act("c1", "note", 0))
    assert forget_old(engine, FOR_EVER | {"cases": 100}, NOON) == {}
    assert forget_old(engine, FOR_EVER | {"cases": 100}, days(101)) == {"cases": 1}


def test_a_month_in_use_is_left_for_another_time(
    engine: Engine, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    if engine.dialect.name != "postgresql":
        return
    Writer(engine).write(aged("old", 200), aged("new", 0))
    reader = open_database(database_url, read_only=True)
    with reader.connect() as connection:
        connection.execute(text("SELECT count(*) FROM readings"))
        assert forget_old(engine, FOR_EVER | {"readings": 100}, NOON) == {}
        assert "in use" in caplog.text
        Writer(engine, partition=1).write(aged("meanwhile", 0))
    reader.dispose()
    assert forget_old(engine, FOR_EVER | {"readings": 100}, NOON) == {"readings": 1}
    assert ids(engine) == {"new", "meanwhile"}


def test_months_are_made_when_needed_and_queries_look_only_into_theirs(engine: Engine) -> None:
    if engine.dialect.name != "postgresql":
        return
    writer = Writer(engine)
    writer.write(reading("epoch", at=-(as_ms(NOON) // 60_000)), reading("tomorrow", at=DAY_MIN))
    writer.write(*(reading(f"r{month}", at=-month * 31 * DAY_MIN) for month in range(14)))
    with engine.connect() as connection:
        months = list_months(connection)
        assert months == sorted(months)
        assert (months[0], months[-1], len(months)) == (Month(1970, 1), Month(2026, 11), 15)
        start, end = as_ms(minutes(-5)), as_ms(minutes(5))
        plan = connection.exec_driver_sql(
            f"EXPLAIN SELECT * FROM readings WHERE observed_at BETWEEN {start} AND {end} AND feed = 'waste'"
        ).scalars()
        assert [line for line in plan if "readings_" in line and "2026_11" not in line] == []


def test_a_months_limits_are_those_of_utc() -> None:
    assert Month(2026, 12).end_ms == Month(2027, 1).start_ms == 1_798_761_600_000
    assert Month.of(1_798_761_600_000 - 1) == Month(2026, 12)
    assert Month.of_table(Month(2026, 2).table) == Month(2026, 2)


def test_the_house_is_kept_until_told_to_stop(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And a database that is away is no reason to end."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(retention, "FIRST_AFTER_S", 0.01)
    monkeypatch.setattr(retention, "EVERY_S", 0.01)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE alarms RENAME TO away")
    stop = threading.Event()
    thread = threading.Thread(target=keep_house, args=[engine, FOR_EVER | {"alarms": 1, "workers": 1}, stop])
    thread.start()
    while "next try" not in caplog.text:
        stop.wait(0.01)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO alarms")
    long_ago = -300 * DAY_MIN
    Writer(engine).write(alarm(AlarmRaised, long_ago), alarm(AlarmCleared, long_ago + 1))
    while count_rows(engine, alarms):
        stop.wait(0.01)
    stop.set()
    thread.join()
    assert "removed 3 of alarms" in caplog.text  # the alarm and its two actions


def test_settings_say_how_long_each_table_is_kept() -> None:
    assert read_settings({}).kept_days == KEPT_DAYS
    assert (KEPT_DAYS["cases"], KEPT_DAYS["reporters"]) == (0, 0)  # what people reported is never deleted unasked
    settings = read_settings({"READINGS_KEPT_DAYS": "30", "CASES_KEPT_DAYS": "0", "STREAM_LONGEST": "10"})
    assert (settings.kept_days["readings"], settings.stream_longest) == (30, 10)
    assert read_settings(settings.as_environ()).kept_days == settings.kept_days  # as a part is told it
    with pytest.raises(SettingError, match="WORKERS_KEPT_DAYS"):
        read_settings({"WORKERS_KEPT_DAYS": "-1"})
