"""Migrations: from nothing, again, at once, and equal to the tables."""

import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from ingest.migrations import DatabaseTooNew, upgrade_database
from ingest.settings import SettingError, Settings
from ingest.store import name_database, open_database
from ingest.tables import counters, metadata
from tests.ingest.samples import count_rows

ROOT = Path(__file__).resolve().parents[2]
UPGRADE = "import sys; from ingest.migrations import upgrade_database; upgrade_database(sys.argv[1])"


def test_an_empty_database_gets_every_table(database_url: str) -> None:
    upgrade_database(database_url)

    tables = set(inspect(open_database(database_url)).get_table_names())
    assert tables == {*metadata.tables, "alembic_version"}


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
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


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
