"""Backup and restore: while everything runs, into either database, and nothing accepted is lost or counted twice."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import count
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import psycopg
import pytest
from sqlalchemy import Engine, select

from ingest.backups.archive import ArchiveError
from ingest.backups.backup import BackupError, back_up
from ingest.backups.restore import RestoreError, restore
from ingest.embedded import start_redis
from ingest.history import read_counters
from ingest.migrations import upgrade_database
from ingest.recorder import Recorder
from ingest.records import AlarmRaised, AnyRecord, encode_record
from ingest.settings import Settings
from ingest.store import name_database, open_database
from ingest.stream import (
    REJECTED_KEY,
    Entry,
    Rejection,
    Streams,
    choose_partition,
    connect,
    digest_event,
    stream_key,
)
from ingest.tables import case_actions, metadata, readings, reporters
from tests.appliance import ROOT, Appliance, wait_for
from tests.appliance import report as report_event
from tests.ingest.samples import NOON, act, alarm, count_rows, read_rows, reading, report, worker

PARTITIONS = 3


@pytest.fixture
def here(tmp_path: Path, redis_url: str, database_url: str, demo_folder: Path) -> Settings:
    """A place with data: a Redis, a database, a data folder."""
    data = tmp_path / "here"
    data.mkdir()
    return Settings(
        data_dir=data, redis_url=redis_url, database_url=database_url, partitions=PARTITIONS, county=demo_folder
    )


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Settings]:
    """An empty place: another Redis, SQLite in the data folder."""
    server = start_redis(tmp_path / "other")
    yield Settings(data_dir=tmp_path / "there", redis_url=server.url, partitions=PARTITIONS)
    server.stop()


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[Streams, Engine]]:
    assert settings.redis_url is not None
    client, engine = connect(settings.redis_url), open_database(name_database(settings))
    yield Streams(client, PARTITIONS), engine
    client.close()
    engine.dispose()


def send(streams: Streams, *records: AnyRecord) -> None:
    for record in records:
        entry = Entry(digest_event(record.source, record.id), "record", encode_record(record))
        streams.append(choose_partition(record.id, PARTITIONS), [entry], date(2026, 11, 21))


def drain(recorder: Recorder) -> None:
    while recorder.step():
        pass


def one_of_each(number: int) -> list[AnyRecord]:
    return [
        reading(f"r{number}", at=number, value=number / 3, asset_id=f"bin-{number % 7}", attributes={"状": "满\n\\N"}),
        report(f"c{number}", at=number, description=None if number % 2 else ""),
        act(f"c{number}", "close", number + 1),
        worker(f"w{number}", at=number, on_duty=bool(number % 2)),
        alarm(AlarmRaised, number, f"a{number}"),
    ]


def all_rows(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    with engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in metadata.tables.items()
        }


def assert_all_accounted_for(streams: Streams, engine: Engine) -> None:
    counts, tallies = read_counters(engine), streams.read_tallies()
    assert counts["recorded"] + counts["late_duplicate"] + counts["refused"] == tallies.accepted
    assert tallies.received == tallies.accepted + tallies.duplicate + tallies.rejected
    assert counts["gaps"] == 0


def test_every_row_and_message_comes_back_as_it_was(here: Settings, there: Settings, tmp_path: Path) -> None:
    upgrade_database(name_database(here))
    with opened(here) as (streams, engine):
        for number in range(30):
            send(streams, *one_of_each(number))
        send(streams, reading("r0", at=0))  # a duplicate
        streams.reject([Rejection("no", "value", "s", "x", b"\xff\0{", "/v1/events", feed="waste")], NOON)
        drain(Recorder(streams, engine))
        send(streams, *one_of_each(99))  # accepted, and not recorded
        manifest = back_up(tmp_path / "all.backup", here)
        assert manifest.tables["readings"].rows == 30

        restore(tmp_path / "all.backup", there)

        with opened(there) as (restored_streams, restored):
            assert all_rows(restored) == all_rows(engine)
            assert restored_streams.read_tallies() == streams.read_tallies()
            for key in (REJECTED_KEY, *map(stream_key, range(PARTITIONS))):
                kept: Any = restored_streams.client.xrange(key)
                assert kept == streams.client.xrange(key)[-len(kept) :] and kept
            drain(Recorder(restored_streams, restored))
            assert read_counters(restored)["recorded"] == 31 * 5
            assert_all_accounted_for(restored_streams, restored)


def test_what_no_recorder_has_seen_yet_is_in_the_backup_too(here: Settings, there: Settings, tmp_path: Path) -> None:
    upgrade_database(name_database(here))
    with opened(here) as (streams, _):
        send(streams, *one_of_each(1))
    back_up(tmp_path / "all.backup", here)
    restore(tmp_path / "all.backup", there)
    with opened(there) as (streams, engine):
        drain(Recorder(streams, engine))
        assert read_counters(engine)["recorded"] == 5
        assert_all_accounted_for(streams, engine)


def test_a_stream_that_jumped_back_is_saved_as_a_whole(here: Settings, there: Settings, tmp_path: Path) -> None:
    """Redis lost its data, and the recorder has not noticed yet: all that came since is before the watermark."""
    upgrade_database(name_database(here))
    with opened(here) as (streams, engine):
        for number in range(5):
            streams.client.xadd(stream_key(0), {"record": encode_record(reading(f"old{number}"))}, f"9{number}")
        drain(Recorder(streams, engine))
        streams.client.flushall()
        streams.client.xadd(stream_key(0), {"record": encode_record(reading("new"))}, "7-0")
    back_up(tmp_path / "all.backup", here)
    restore(tmp_path / "all.backup", there)
    with opened(there) as (streams, engine):
        drain(Recorder(streams, engine))
        assert {row["event_id"] for row in read_rows(engine, readings)} == {"new", *(f"old{n}" for n in range(5))}


def test_a_backup_under_load_has_every_accepted_event_once(
    here: Settings, there: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    upgrade_database(name_database(here))
    stop = threading.Event()
    with opened(here) as (streams, engine), opened(here) as (sending, _):

        def send_on() -> None:
            for number in count():
                send(sending, *one_of_each(number))
                if stop.is_set():
                    break

        threads = [
            threading.Thread(target=send_on),
            threading.Thread(target=Recorder(streams, engine, batch_at_most=1).run, args=[stop]),
        ]
        for thread in threads:
            thread.start()
        wait_for(lambda: count_rows(engine, readings) > 100)
        manifest = back_up(tmp_path / "all.backup", here)
        behind = count_rows(engine, readings)
        wait_for(lambda: count_rows(engine, readings) > behind + 50)
        stop.set()
        for thread in threads:
            thread.join()
        sent = [row["event_id"] for row in read_rows(engine, readings)]

    restore(tmp_path / "all.backup", there)

    with opened(there) as (streams, engine):
        accepted = streams.read_tallies().accepted
        assert count_rows(engine, readings) == manifest.tables["readings"].rows < len(sent)
        recorder = Recorder(streams, engine)
        drain(recorder)
        assert read_counters(engine)["recorded"] == accepted
        assert_all_accounted_for(streams, engine)
        # Life goes on: what comes now is followed from the same watermarks, and repeats are found.
        number = 10**6
        send(streams, *one_of_each(number), reading("r1", at=1, value=1 / 3, asset_id="bin-1"))
        drain(recorder)
        assert read_counters(engine)["recorded"] == accepted + 5
        assert read_counters(engine)["late_duplicate"] == 1
        assert_all_accounted_for(streams, engine)
        found = [row["event_id"] for row in read_rows(engine, readings)]
        assert len(found) == len(set(found))
        # Each partition's readings up to some moment, none missing in between.
        for partition in range(PARTITIONS):
            numbers = sorted(int(id[1:]) for id in found if choose_partition(id, PARTITIONS) == partition)
            numbers = [each for each in numbers if each < number]
            expected = (each for each in count() if choose_partition(f"r{each}", PARTITIONS) == partition)
            assert numbers == [next(expected) for _ in numbers]
    assert "Redis has lost data" not in caplog.text


def test_a_backup_of_one_kind_of_database_restores_into_the_other(
    here: Settings, there: Settings, tmp_path: Path, postgres: str
) -> None:
    """The way from SQLite to PostgreSQL when a county grows, and back."""
    upgrade_database(name_database(here))
    with opened(here) as (streams, engine):
        for number in range(25):
            send(streams, *one_of_each(number))
        send(streams, *(reading(f"old{month}", at=-month * 44_000) for month in range(8)))
        drain(Recorder(streams, engine))
        back_up(tmp_path / "all.backup", here)
        before = all_rows(engine)

    name = f"moved_{os.getpid()}_{here.database_url is not None and 'postgresql' in str(here.database_url)}".lower()
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
    moved = Settings(
        data_dir=there.data_dir,
        redis_url=there.redis_url,
        database_url=postgres.replace("/postgres?", f"/{name}?"),
        partitions=PARTITIONS,
    )
    restore(tmp_path / "all.backup", moved)
    with opened(moved) as (streams, engine):
        assert all_rows(engine) == before
        send(streams, *one_of_each(77))
        drain(Recorder(streams, engine))
        assert [count_rows(engine, table) for table in (readings, case_actions, reporters)] == [34, 52, 26]
        ids = [row["id"] for row in read_rows(engine, readings)]
        assert len(set(ids)) == len(ids)
        assert_all_accounted_for(streams, engine)
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]


def test_files_come_back_with_their_modes_and_the_pack(here: Settings, there: Settings, tmp_path: Path) -> None:
    upgrade_database(name_database(here))
    key = here.data_dir / "ingest.key"
    key.write_text("secret\n")
    key.chmod(0o600)
    (here.data_dir / "polls").mkdir()
    (here.data_dir / "polls" / "bins.json").write_text("{}")
    (here.data_dir / "redis").mkdir()
    (here.data_dir / "redis" / "appendonly").write_text("not in the backup")

    manifest = back_up(tmp_path / "all.backup", here)
    assert (tmp_path / "all.backup").stat().st_mode & 0o777 == 0o600
    restore(tmp_path / "all.backup", there)

    assert (there.data_dir / "ingest.key").read_text() == "secret\n"
    assert (there.data_dir / "ingest.key").stat().st_mode & 0o777 == 0o600
    assert (there.data_dir / "polls" / "bins.json").exists()
    assert not (there.data_dir / "redis").exists()
    assert here.county is not None
    packed = there.data_dir / manifest.county
    assert (packed / "county.toml").read_bytes() == (here.county / "county.toml").read_bytes()
    assert (packed / "areas.geojson").read_bytes() == (here.county / "areas.geojson").read_bytes()


def test_what_is_not_empty_is_left_alone(here: Settings, there: Settings, tmp_path: Path) -> None:
    upgrade_database(name_database(here))
    backup = tmp_path / "all.backup"
    with opened(here) as (streams, engine):
        send(streams, reading("r1"))
        drain(Recorder(streams, engine))
    back_up(backup, here)
    with pytest.raises(BackupError, match="exists already"):
        back_up(backup, here)
    with pytest.raises(BackupError, match="data folder itself"):
        back_up(here.data_dir / "all.backup", here)

    with opened(there) as (streams, _):
        send(streams, reading("theirs"))
        with pytest.raises(RestoreError, match="Redis has streams"):
            restore(backup, there)
        streams.client.flushall()
    (there.data_dir / "county.db").unlink(missing_ok=True)
    with pytest.raises(RestoreError, match="PARTITIONS=3"):
        restore(backup, Settings(data_dir=there.data_dir, redis_url=there.redis_url, partitions=2))
    occupied = Settings(
        data_dir=tmp_path / "new", redis_url=there.redis_url, database_url=here.database_url, partitions=PARTITIONS
    )
    with pytest.raises(RestoreError, match=r"table \w+ has rows"):
        restore(backup, occupied)
    (tmp_path / "new" / "notes.txt").parent.mkdir(exist_ok=True)
    (tmp_path / "new" / "notes.txt").write_text("mine")
    with pytest.raises(RestoreError, match="not empty"):
        restore(backup, occupied)
    with opened(here) as (_, engine):
        assert count_rows(engine, readings) == 1


def test_a_damaged_backup_restores_nothing(here: Settings, there: Settings, tmp_path: Path) -> None:
    upgrade_database(name_database(here))
    with opened(here) as (streams, engine):
        send(streams, *(reading(f"r{number}", at=number) for number in range(50)))
        drain(Recorder(streams, engine))
    back_up(tmp_path / "all.backup", here)
    whole = (tmp_path / "all.backup").read_bytes()

    broken = tmp_path / "broken.backup"
    for damaged in (whole[: len(whole) // 2], b"", b"PK", whole[:200] + b"\0" * 40 + whole[240:]):
        broken.write_bytes(damaged)
        with pytest.raises(ArchiveError):
            restore(broken, there)
    with ZipFile(tmp_path / "all.backup") as archive, ZipFile(broken, "w", ZIP_DEFLATED) as short:
        for item in archive.infolist():
            body, is_short = archive.read(item), item.filename == "tables/readings.jsonl"
            short.writestr(item, body[: body.rindex(b"\n", 0, -1) + 1] if is_short else body)
    with pytest.raises(ArchiveError, match="where 50 were saved"):
        restore(broken, there)
    with opened(there) as (streams, engine):
        upgrade_database(name_database(there))
        assert count_rows(engine, readings) == 0


def test_a_path_out_of_the_data_folder_is_refused(here: Settings, there: Settings, tmp_path: Path) -> None:
    upgrade_database(name_database(here))
    back_up(tmp_path / "all.backup", here)
    with ZipFile(tmp_path / "all.backup", "a") as archive:
        archive.writestr("files/../../escaped", "x")
    with pytest.raises(ArchiveError, match="leads out"):
        restore(tmp_path / "all.backup", there)
    assert not (tmp_path / "escaped").exists()


def test_the_product_is_backed_up_while_it_runs_and_starts_from_the_restored_folder(
    appliance: Appliance, tmp_path: Path
) -> None:
    place = appliance.get("/api/county")["bbox"]
    lon, lat = (place[0] + place[2]) / 2, (place[1] + place[3]) / 2
    appliance.post(*(report_event(f"c{number}", lon, lat) for number in range(20)))
    command = [sys.executable, "-m", "ingest"]

    def run(*words: str, data: Path) -> str:
        environ = {**appliance.environ, "DATA_DIR": str(data)}
        done = subprocess.run([*command, *words], cwd=ROOT, env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "messages" in run("backup", str(tmp_path / "all.backup"), data=appliance.data_dir)
    appliance.post(report_event("too late", lon, lat))
    appliance.stop()
    run("restore", str(tmp_path / "all.backup"), data=tmp_path / "again")

    again = Appliance(tmp_path / "again", Path(appliance.environ["COUNTY"])).start()
    try:
        wait_for(lambda: again.counters()["recorded"] == 20, what="the recorder")
        counts = again.counters()
        assert (counts["received"], counts["accepted"], counts["duplicate"]) == (20, 20, 0)
        # A repeat of what the backup had is known, and what came after it is new.
        again.post(report_event("c3", lon, lat), report_event("too late", lon, lat))
        wait_for(lambda: again.counters()["recorded"] == 21, what="the recorder")
        wait_for(lambda: again.counters()["duplicate"] == 1, what="the repeat to be told")
    finally:
        again.stop()
