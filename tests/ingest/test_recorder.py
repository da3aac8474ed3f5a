"""The recorder against a real Valkey and real databases: nothing lost, nothing twice, whatever happens."""

import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import DBAPIError

from ingest.embedded import EmbeddedRedis, start_redis
from ingest.history import read_counters, read_heartbeat, read_watermarks
from ingest.migrations import upgrade_database
from ingest.recorder import Rate, Recorder, choose_gather_s
from ingest.records import AlarmRaised, AnyRecord, encode_record
from ingest.store import open_database
from ingest.stream import REJECTED_KEY, Entry, Streams, connect, digest_event, order_id, stream_key
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import as_ms, case_actions, cases, latest_readings, readings, workers
from tests.ingest.samples import act, alarm, count_rows, read_rows, reading, report, worker

ROOT = Path(__file__).resolve().parents[2]
TODAY = date(2026, 11, 21)
PARTITIONS = 3


@pytest.fixture
def streams(redis_url: str) -> Iterator[Streams]:
    client = connect(redis_url)
    yield Streams(client, PARTITIONS)
    client.close()


def send(streams: Streams, *records: AnyRecord, partition: int = 0) -> None:
    """Put records into a stream the way ingest does, de-duplication and counting included."""
    entries = [Entry(digest_event(record.source, record.id), "record", encode_record(record)) for record in records]
    streams.append(partition, entries, TODAY)


def send_broken(streams: Streams, id: str, body: bytes, partition: int = 0) -> None:
    streams.append(partition, [Entry(digest_event("broken", id), "waste", body)], TODAY)


def read_stream(streams: Streams, key: str) -> list[tuple[str, dict[bytes, bytes]]]:
    client: Any = streams.client
    return [(stream_id.decode(), fields) for stream_id, fields in client.xrange(key)]


def drain(recorder: Recorder) -> None:
    while recorder.step():
        pass


def assert_all_accounted_for(streams: Streams, engine: Engine) -> None:
    """recorded + late_duplicate + refused = accepted, and no watermark is beyond its stream."""
    counts = read_counters(engine)
    assert counts["recorded"] + counts["late_duplicate"] + counts["refused"] == streams.read_tallies().accepted
    for partition, mark in read_watermarks(engine).items():
        assert mark.stream_id == streams.describe(partition).last_id


@contextmanager
def running(recorder: Recorder) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=recorder.run, args=[stop])
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def wait_until(true: Callable[[], bool]) -> None:
    """Return when it is so; the test run's own time limit ends a hopeless wait."""
    while not true():
        threading.Event().wait(0.02)


# -- the ordinary day


def test_every_kind_of_record_is_recorded_from_every_partition(streams: Streams, engine: Engine) -> None:
    send(streams, report("c1"), reading("r1"), partition=0)
    send(streams, act("c1", "close", 5), alarm(AlarmRaised, 0), partition=1)
    send(streams, worker("w1"), partition=2)

    drain(Recorder(streams, engine))

    assert read_rows(engine, cases)[0]["last_action"] == "close"
    assert [count_rows(engine, table) for table in (readings, workers, case_actions)] == [1, 1, 2]
    assert read_counters(engine)["recorded"] == 5
    assert_all_accounted_for(streams, engine)


def test_an_action_read_before_its_report_waits_for_it(streams: Streams, engine: Engine) -> None:
    recorder = Recorder(streams, engine)
    send(streams, act("c1", "close", 5), partition=1)
    drain(recorder)
    send(streams, report("c1"), partition=0)
    drain(recorder)
    assert read_rows(engine, cases)[0]["last_action"] == "close"


def test_a_new_recorder_goes_on_where_the_last_one_stopped(streams: Streams, engine: Engine) -> None:
    for number in range(5):
        send(streams, reading(f"r{number}"), partition=number % PARTITIONS)
        drain(Recorder(streams, engine))
    assert count_rows(engine, readings) == 5
    assert_all_accounted_for(streams, engine)


def test_batches_are_bounded_and_complete(streams: Streams, engine: Engine) -> None:
    send(streams, *(reading(f"r{number}", at=number) for number in range(500)))
    recorder = Recorder(streams, engine, batch_at_most=1)  # at least 50 a partition all the same
    assert recorder.step() == 50
    drain(recorder)
    assert count_rows(engine, readings) == 500


def test_a_duplicate_across_days_is_counted_as_late(streams: Streams, engine: Engine) -> None:
    for days in range(0, 9, 3):
        record = reading("r1", value=1)
        streams.append(0, [Entry(digest_event("sensors", "r1"), "x", encode_record(record))], TODAY + timedelta(days))
    assert streams.read_tallies().accepted == 3

    drain(Recorder(streams, engine))

    assert count_rows(engine, readings) == 1
    assert read_counters(engine) == {"recorded": 1, "late_duplicate": 2, "refused": 0, "gaps": 0}
    assert_all_accounted_for(streams, engine)


def test_what_is_recorded_is_trimmed_and_nothing_else(streams: Streams, engine: Engine) -> None:
    # Written by the clock of long ago, so that no follower needs them any more.
    for number in range(10):
        streams.client.xadd(
            stream_key(0), {"type": "x", "record": encode_record(reading(f"r{number}"))}, f"{number + 1}-0"
        )
    recorder = Recorder(streams, engine)
    recorder.step()

    assert streams.describe(0).length == 1  # the newest stays, so that a gap can be told
    send(streams, reading("after"))
    drain(recorder)
    assert count_rows(engine, readings) == 11
    assert read_counters(engine)["gaps"] == 0


def test_trimming_never_passes_a_watermark(streams: Streams, engine: Engine) -> None:
    """However long the streams are, and however far behind the recorder is in each."""
    lengths = (120, 7, 61)
    for partition, length in enumerate(lengths):
        for number in range(length):
            add_at(streams, f"{number + 1}-0", reading(f"r{partition}-{number}", at=number), partition)
    recorder = Recorder(streams, engine, batch_at_most=1, stream_kept=timedelta(0), stream_longest=1)
    taken = []
    while True:
        recorder._chores_at = 0.0  # chores after every batch
        taken.append(recorder.step())
        for partition, mark in read_watermarks(engine).items():
            state = streams.describe(partition)
            assert state.first_id == mark.stream_id
            assert state.length == lengths[partition] - int(mark.stream_id.partition("-")[0]) + 1
        if not taken[-1]:
            break
    assert len(taken) > 3
    assert count_rows(engine, readings) == sum(lengths)
    assert read_counters(engine)["gaps"] == 0


def test_what_followers_may_need_is_kept_as_long_as_told(streams: Streams, engine: Engine) -> None:
    send(streams, *(reading(f"r{number}", at=number) for number in range(30)))
    Recorder(streams, engine, stream_kept=timedelta(minutes=1)).step()
    assert streams.describe(0).length == 30
    Recorder(streams, engine, stream_kept=timedelta(minutes=1), stream_longest=29).step()
    assert streams.describe(0).length == 1
    drain(Recorder(streams, engine))
    assert read_counters(engine)["recorded"] == 30


def test_partitions_beyond_a_lowered_setting_are_still_emptied(streams: Streams, engine: Engine) -> None:
    drain(Recorder(streams, engine))
    send(streams, reading("r1"), partition=PARTITIONS - 1)
    drain(Recorder(Streams(streams.client, 1), engine))
    assert count_rows(engine, readings) == 1


def test_the_heartbeat_tells_time_and_lag(streams: Streams, engine: Engine) -> None:
    send(streams, reading("r1"))
    later = datetime.now(UTC) + timedelta(minutes=5)
    recorder = Recorder(streams, engine, clock=lambda: later)
    recorder.step()
    beat = read_heartbeat(engine)
    assert beat is not None
    assert beat.at == later.replace(microsecond=later.microsecond // 1000 * 1000)
    assert beat.lag_ms == as_ms(later) - order_id(streams.describe(0).last_id)[0]


def test_the_rate_is_that_of_late() -> None:
    """It decides whether to gather: many in one batch are no flood, and a flood that is over is none any more."""
    rate = Rate()
    for _ in range(20):
        rate._at -= 0.1
        steady_per_s = rate.note(4_000)
    assert 38_000 < steady_per_s < 41_000
    assert 0.028 < choose_gather_s(steady_per_s) < 0.031
    rate._at -= 5.0
    assert rate.note(500) < 1_000
    assert choose_gather_s(rate.note(500)) == 0


# -- what cannot be recorded

BROKEN = [
    b"",
    b"{",
    b"\xff\xfe",
    b"{}",
    b'{"type":"iot.observed","source":"s"}',
    b'{"type":"nothing.known"}',
    b"[" * 5000,
]


def test_what_is_no_record_is_set_aside_with_its_reason(streams: Streams, engine: Engine) -> None:
    send(streams, reading("before"))
    for number, body in enumerate(BROKEN):
        send_broken(streams, str(number), body)
    send(streams, reading("after"))

    drain(Recorder(streams, engine))

    assert {row["event_id"] for row in read_rows(engine, readings)} == {"before", "after"}
    aside = [fields for _, fields in read_stream(streams, REJECTED_KEY)]
    assert [fields[b"body"] for fields in aside] == BROKEN
    assert all(fields[b"reason"] and fields[b"door"] == b"recorder" for fields in aside)
    assert aside[0][b"id"].startswith(b"events:{0} ")
    assert read_counters(engine)["refused"] == len(BROKEN)
    assert streams.read_tallies().rejected == 0  # it was counted as accepted; SQL's counter moves it
    assert_all_accounted_for(streams, engine)


def test_what_sql_refuses_is_found_and_set_aside_alone(streams: Streams, engine: Engine) -> None:
    good = [reading(f"r{number}", at=number) for number in range(40)]
    bad: list[AnyRecord] = [report("huge", people=2**70), act("c1", "report", 1), report("huge too", severity=2**64)]
    send(streams, *good[:13], bad[0], *good[13:14], bad[1], *good[14:], partition=0)
    send(streams, report("c1"), bad[2], act("c1", "accept", 1), partition=1)

    drain(Recorder(streams, engine))

    assert count_rows(engine, readings) == 40
    assert [row["last_action"] for row in read_rows(engine, cases)] == ["accept"]
    aside = [fields[b"body"] for _, fields in read_stream(streams, REJECTED_KEY)]
    assert sorted(aside) == sorted(encode_record(record) for record in bad)
    assert read_counters(engine) == {"recorded": 42, "late_duplicate": 0, "refused": 3, "gaps": 0}
    assert_all_accounted_for(streams, engine)


def test_one_reading_that_sql_refuses_among_many_is_set_aside_alone(streams: Streams, engine: Engine) -> None:
    """Many go by COPY on PostgreSQL, which takes no NUL; SQLite takes it."""
    records = [reading(f"r{number}", at=number, asset_id=f"bin-{number}") for number in range(300)]
    records[217] = reading("bad\0id", at=217)
    send(streams, *records)
    drain(Recorder(streams, engine))
    refused = int(engine.dialect.name == "postgresql")
    assert read_counters(engine) == {"recorded": 300 - refused, "late_duplicate": 0, "refused": refused, "gaps": 0}
    assert count_rows(engine, readings) == 300 - refused
    assert len(read_stream(streams, REJECTED_KEY)) == refused
    assert_all_accounted_for(streams, engine)


def test_a_message_of_somebody_else_does_not_block_the_stream(streams: Streams, engine: Engine) -> None:
    streams.client.xadd(stream_key(0), {"hello": "there"})
    send(streams, reading("r1"))
    drain(Recorder(streams, engine))
    assert count_rows(engine, readings) == 1
    assert read_counters(engine)["refused"] == 1


def test_nothing_personal_is_logged(streams: Streams, engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    send(streams, report("c1", people=2**70), report("c2"), report("c3", at=1))
    drain(Recorder(streams, engine))
    assert "1 messages cannot be recorded" in caplog.text
    assert "何翠英" not in caplog.text
    assert "13905750001" not in caplog.text


# -- Redis and its streams


def test_redis_may_be_killed_and_come_back(
    tmp_path: Path, redis_server: EmbeddedRedis, streams: Streams, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    send(streams, reading("before"))
    with running(Recorder(streams, engine)):
        wait_until(lambda: count_rows(engine, readings) == 1)
        redis_server.process.kill()
        redis_server.process.wait()
        wait_until(lambda: "StreamUnavailable" in caplog.text)
        again = start_redis(tmp_path)
        redis_server.process = again.process
        assert again.url == redis_server.url
        send(Streams(connect(again.url), PARTITIONS), reading("after"))
        wait_until(lambda: count_rows(engine, readings) == 2)
    assert_all_accounted_for(streams, engine)


def test_a_stream_that_begins_anew_is_followed_from_its_start(
    streams: Streams, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    add_at(streams, "9000000000000-0", reading("old"))  # by a clock that was far ahead
    drain(Recorder(streams, engine))
    streams.client.flushall()

    for number in range(3):
        add_at(streams, f"{number + 5}-0", reading(f"new{number}"))
    recorder = Recorder(streams, engine)
    drain(recorder)

    assert {row["event_id"] for row in read_rows(engine, readings)} == {"old", "new0", "new1", "new2"}
    assert "Redis has lost data" in caplog.text
    assert read_watermarks(engine)[0].stream_id == "7-0"
    assert read_counters(engine)["recorded"] == 4


def test_a_running_recorder_notices_that_redis_was_emptied(streams: Streams, engine: Engine) -> None:
    add_at(streams, "9000000000000-0", reading("old"))
    with running(Recorder(streams, engine)):
        wait_until(lambda: count_rows(engine, readings) == 1)
        streams.client.flushall()
        add_at(streams, "5-0", reading("new"))
        wait_until(lambda: count_rows(engine, readings) == 2)


@pytest.mark.parametrize("trimmed", [0, 2])
def test_a_lost_last_second_is_no_loss_in_sql(streams: Streams, engine: Engine, trimmed: int) -> None:
    """A power cut takes Redis' last second, not SQL's: the stream ends before the watermark."""
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    records = [reading(f"r{number}") for number in range(6)]
    for number, record in enumerate(records):
        add_at(streams, f"{now_ms + number}-0", record)
    drain(Recorder(streams, engine))
    # As the append-only file would give it back: without its end, and perhaps trimmed at its beginning.
    streams.client.delete(stream_key(0))
    for number in range(4):
        add_at(streams, f"{now_ms + number}-0", records[number])
    if trimmed:
        streams.client.xtrim(stream_key(0), minid=f"{now_ms + trimmed}-0", approximate=False)

    recorder = Recorder(streams, engine)
    drain(recorder)
    add_at(streams, f"{now_ms + 9}-0", reading("after"))
    drain(recorder)

    assert [row["event_id"] for row in read_rows(engine, readings)] == [*(f"r{number}" for number in range(6)), "after"]
    assert read_counters(engine) == {"recorded": 7, "late_duplicate": 0, "refused": 0, "gaps": 0}
    assert read_watermarks(engine)[0].rewound_from is None


def test_messages_removed_unread_are_reported_and_the_rest_recorded(
    streams: Streams, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    send(streams, reading("r0"))
    recorder = Recorder(streams, engine)
    drain(recorder)
    send(streams, *(reading(f"r{number}", at=number) for number in range(1, 6)))
    send(streams, reading("elsewhere"), partition=1)
    streams.client.xtrim(stream_key(0), maxlen=2, approximate=False)

    drain(recorder)

    assert {row["event_id"] for row in read_rows(engine, readings)} == {"r0", "r4", "r5", "elsewhere"}
    assert "removed from the stream before they were recorded" in caplog.text
    assert read_counters(engine)["gaps"] == 1


def add_at(streams: Streams, stream_id: str, record: AnyRecord, partition: int = 0) -> None:
    streams.client.xadd(stream_key(partition), {"type": "x", "record": encode_record(record)}, stream_id)


# -- the database


def test_a_full_disk_loses_nothing(streams: Streams, database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    if not database_url.startswith("sqlite"):
        return  # PostgreSQL's turn is the next test
    upgrade_database(database_url)
    engine = open_database(database_url)
    full = threading.Event()
    full.set()

    def limit(connection: Any, _record: object, _proxy: object) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0] + 5 if full.is_set() else 1_000_000
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(engine, "checkout", limit)
    send(streams, *(reading(f"r{number}", at=number) for number in range(2000)))
    with running(Recorder(streams, engine)):
        wait_until(lambda: "full" in caplog.text)
        assert count_rows(engine, readings) == read_counters(engine)["recorded"] < 2000
        full.clear()
        wait_until(lambda: count_rows(engine, readings) == 2000)
    assert_all_accounted_for(streams, engine)
    engine.dispose()


def test_a_lost_database_connection_loses_nothing(streams: Streams, database_url: str, engine: Engine) -> None:
    if database_url.startswith("sqlite"):
        return
    send(streams, *(reading(f"r{number}", at=number) for number in range(3000)))
    cut = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND application_name = 'recorder under test'"""
    ours = open_database(f"{database_url}&application_name=recorder under test")
    with running(Recorder(streams, ours, batch_at_most=300)):
        for _ in range(10):
            with engine.begin() as connection:
                connection.exec_driver_sql(cut)
            threading.Event().wait(0.05)
        wait_until(lambda: read_counters(engine)["recorded"] == 3000)
    assert count_rows(engine, readings) == 3000
    assert_all_accounted_for(streams, engine)
    ours.dispose()


def test_a_failed_step_leaves_data_and_watermark_together(streams: Streams, engine: Engine) -> None:
    send(streams, reading("r1"), report("c1"))
    recorder = Recorder(streams, engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE case_actions RENAME TO away")
    with pytest.raises(DBAPIError):
        recorder.step()
    assert (count_rows(engine, readings), read_watermarks(engine)[0].stream_id) == (0, "0-0")

    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE away RENAME TO case_actions")
    drain(recorder)
    assert_all_accounted_for(streams, engine)


def test_two_recorders_at_once_record_everything_once(streams: Streams, database_url: str, engine: Engine) -> None:
    engines = [open_database(database_url) for _ in range(2)]
    clients = [Streams(connect_like(streams), PARTITIONS) for _ in range(2)]
    with (
        running(Recorder(clients[0], engines[0], batch_at_most=1)),
        running(Recorder(clients[1], engines[1], batch_at_most=1)),
    ):
        for start in range(0, 600, 20):
            records = [reading(f"r{number}", at=number) for number in range(start, start + 20)]
            send(streams, *records, partition=start % PARTITIONS)
        wait_until(lambda: read_counters(engine)["recorded"] >= 600)
    assert count_rows(engine, readings) == 600
    assert read_counters(engine) == {"recorded": 600, "late_duplicate": 0, "refused": 0, "gaps": 0}
    for other in engines:
        other.dispose()


def connect_like(streams: Streams) -> Any:
    return type(streams.client)(connection_pool=streams.client.connection_pool)


# -- killed at every step


def test_a_kill_at_any_step_records_every_message_exactly_once(
    streams: Streams, redis_url: str, database_url: str, engine: Engine
) -> None:
    """A child dies by SIGKILL before its n-th word to Redis or SQL, for every n there is."""
    engine.dispose()
    for died_at in count(1):
        send_one_of_each(streams, died_at)
        status = record_and_die(redis_url, database_url, died_at)
        assert_watermarks_have_their_data(streams, engine)
        if status == 0:
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
    assert died_at > 25, "the ladder had fewer steps than the recorder has"

    assert sorted(row["event_id"] for row in read_rows(engine, readings)) == sorted(
        f"r{number}" for number in range(1, died_at + 1)
    )
    states = {row["case_id"]: row["last_action"] for row in read_rows(engine, cases)}
    assert states == {f"c{number}": "close" for number in range(1, died_at + 1)}
    latest = read_rows(engine, latest_readings)
    assert [row["value"] for row in latest] == [died_at]
    aside = {fields[b"body"] for _, fields in read_stream(streams, REJECTED_KEY)}
    assert aside == {b"broken %d" % number for number in range(1, died_at + 1) if number % 10 == 1}
    assert read_counters(engine) == {"recorded": 5 * died_at, "late_duplicate": 0, "refused": len(aside), "gaps": 0}
    assert_all_accounted_for(streams, engine)


def send_one_of_each(streams: Streams, number: int) -> None:
    send(streams, reading(f"r{number}", at=number, value=float(number)), report(f"c{number}"), partition=0)
    send(streams, act(f"c{number}", "close", 1), alarm(AlarmRaised, number), partition=1)
    send(streams, worker(f"w{number}", at=number), partition=2)
    if number % 10 == 1:
        send_broken(streams, str(number), b"broken %d" % number, partition=2)


def record_and_die(redis_url: str, database_url: str, words: int) -> int:
    """Record in a forked child that kills itself before so many words; return its wait status (0: it got through)."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    try:
        left = words

        def count_down(*_: object) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        own = open_database(database_url)
        for moment in ("before_cursor_execute", "commit"):
            event.listen(own, moment, count_down)
        client: Any = connect(redis_url)
        speak = client.execute_command

        def count_and_speak(*words: Any, **options: Any) -> Any:
            count_down()
            return speak(*words, **options)

        client.execute_command = count_and_speak
        drain(Recorder(Streams(client, PARTITIONS), own))
        os._exit(0)
    finally:
        os._exit(1)


def assert_watermarks_have_their_data(streams: Streams, engine: Engine) -> None:
    """Every reading up to its watermark is there, and none beyond it."""
    mark = order_id(read_watermarks(engine)[0].stream_id) if read_watermarks(engine) else (0, 0)
    passed = [
        fields[b"record"]
        for stream_id, fields in read_stream(streams, stream_key(0))
        if order_id(stream_id) <= mark and b"iot.observed" in fields[b"record"]
    ]
    assert count_rows(engine, readings) == len(passed)


# -- the process


def test_sigterm_ends_the_process_cleanly_and_kill_loses_nothing(
    tmp_path: Path, redis_url: str, database_url: str, streams: Streams
) -> None:
    send(streams, *(reading(f"r{number}", at=number) for number in range(200)))
    engine = open_database(database_url)

    def start() -> subprocess.Popen[bytes]:
        environ = {"REDIS_URL": redis_url, "DATABASE_URL": database_url, "PARTITIONS": str(PARTITIONS)}
        command = [sys.executable, "-m", "ingest", "record"]
        return subprocess.Popen(command, cwd=ROOT, env=os.environ | environ, stderr=subprocess.PIPE)

    process = start()
    wait_until(lambda: is_recorded(engine, 200))
    process.kill()
    process.communicate()
    send(streams, *(reading(f"s{number}", at=number) for number in range(100)))
    process = start()
    wait_until(lambda: is_recorded(engine, 300))
    process.terminate()
    _, errors = process.communicate()
    assert process.returncode == 0, errors.decode()
    assert count_rows(engine, readings) == 300
    engine.dispose()


def is_recorded(engine: Engine, number: int) -> bool:
    try:
        return read_counters(engine)["recorded"] == number
    except DBAPIError:
        return False  # the tables are not there yet


def test_an_unusable_setting_ends_the_process_with_one_line(redis_url: str) -> None:
    environ = os.environ | {"REDIS_URL": redis_url, "DATABASE_URL": "mysql://localhost/x"}
    command = [sys.executable, "-m", "ingest", "record"]
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == EXIT_HOPELESS
    assert "DATABASE_URL" in done.stderr
    assert "Traceback" not in done.stderr
