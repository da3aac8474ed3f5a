"""Migrations: from nothing, again, at once, and equal to the tables."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from ingest.migrations import DatabaseTooNew, upgrade_database
from ingest.rows.alarms import read_alarm_steps
from ingest.rows.reading_months import list_months
from ingest.settings import SettingError, Settings
from ingest.store import name_database, open_database
from ingest.tables import alarms, as_ms, counters, metadata, readings
from tests.ingest.samples import NOON, Writer, count_rows, minutes, read_rows, reading

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = "import sys; from ingest.migrations import upgrade_database; upgrade_database(sys.argv[1])"


def test_an_empty_database_gets_every_table(database_url: str) -> None:
    upgrade_database(database_url)

    tables = set(inspect(open_database(database_url)).get_table_names())
    assert tables == {*metadata.tables, "alembic_version"}


def test_readings_of_the_first_version_move_into_months(database_url: str) -> None:
    """With their ids, so that readings of one moment keep their order, and new ones are numbered on."""
    upgrade_database(database_url, "r0001")
    engine = open_database(database_url)
    names = "id, feed, asset_id, observed_at, received_at, value, attributes, source, event_id, event_hash, origin"
    rows = [
        (id, "waste", f"bin-{id}", as_ms(minutes(-id * 30_000)), as_ms(NOON), id / 3, "{}", "s", f"r{id}", id, "live")
        for id in range(1, 12)
    ]
    with engine.begin() as connection:
        mark = "?" if engine.dialect.name == "sqlite" else "%s"
        connection.exec_driver_sql(f"INSERT INTO readings ({names}) VALUES ({', '.join([mark] * 11)})", rows)
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT setval('readings_id_seq', 11)")

    upgrade_database(database_url)

    found = read_rows(engine, readings)
    assert [tuple(row[name] for name in names.split(", ")) for row in found] == rows
    Writer(engine).write(reading("new", at=1), reading("earlier", at=-100_000))
    assert [row["id"] for row in read_rows(engine, readings)] == list(range(1, 14))
    if engine.dialect.name == "postgresql":
        with engine.connect() as connection:
            assert [month.table for month in list_months(connection)][:2] == ["readings_2026_04", "readings_2026_05"]
            assert connection.exec_driver_sql("SELECT count(*) FROM readings_2026_04").scalar() == 2
    engine.dispose()


def test_alarms_known_before_have_actions(database_url: str) -> None:
    upgrade_database(database_url, "r0012")
    engine = open_database(database_url)
    with engine.begin() as connection:
        row = {"alarm_id": "a", "severity": 2, "subject": "满“溢”", "origin": "live", "changed_at": 9}
        connection.execute(alarms.insert().values(**row, raised_at=5, acked_at=9, acked_by="wang"))

    upgrade_database(database_url)

    steps = read_alarm_steps(engine, "a")
    assert [(step.action, as_ms(step.at), step.actor) for step in steps] == [("raise", 5, None), ("ack", 9, "wang")]
    assert steps[0].details == {"severity": 2, "subject": "满“溢”"}
    engine.dispose()


def test_a_second_upgrade_keeps_what_is_there(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.execute(counters.insert().values(name="recorded", value=7))

    upgrade_database(database_url)

    assert count_rows(engine, counters) == 1
    engine.dispose()


def test_migrations_give_exactly_the_tables(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    with engine.connect() as connection:
        options = {"compare_type": True, "compare_server_default": True, "include_object": is_for_both}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def is_for_both(_item: object, name: str | None, *_: object) -> bool:
    """Tell whether a part of the schema is the same on SQLite and PostgreSQL; this one index is not."""
    return name != "ix_readings_received_at"


def test_several_processes_upgrade_at_once(database_url: str) -> None:
    command = [sys.executable, "-c", UPGRADE, database_url]
    children = [subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) for _ in range(4)]
    for child in children:
        _, errors = child.communicate()
        assert child.returncode == 0, errors.decode()
    engine = open_database(database_url)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM alembic_version").scalar() == 1
    engine.dispose()


def test_a_failing_migration_leaves_nothing_half_done(database_url: str) -> None:
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE workers (taken INTEGER)")  # the last table that is made

    with pytest.raises(Exception, match="workers"):
        upgrade_database(database_url)

    assert inspect(engine).get_table_names() == ["workers"]
    engine.dispose()


def test_a_newer_database_is_refused(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'r9999'")

    with pytest.raises(DatabaseTooNew, match="r9999"):
        upgrade_database(database_url)
    engine.dispose()


@pytest.mark.parametrize("url", ["mysql://localhost/county", "county.db", "sqlite://", "sqlite:///:memory:"])
def test_an_unusable_address_is_named(url: str) -> None:
    with pytest.raises(SettingError, match="DATABASE_URL"):
        open_database(url)


def test_the_default_database_is_in_the_data_folder(tmp_path: Path) -> None:
    assert name_database(Settings(data_dir=tmp_path)) == f"sqlite:///{tmp_path}/county.db"
    assert name_database(Settings(data_dir=tmp_path, database_url="postgresql:///x")) == "postgresql:///x"
