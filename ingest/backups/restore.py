"""`python -m ingest restore FILE`: a backup into an empty data folder and database. See `docs/backup.md`."""

import argparse
import os
import shutil
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

from sqlalchemy import Connection, Table

from ingest.backups.archive import (
    FORMAT,
    MANIFEST,
    ArchiveError,
    Manifest,
    TableOutline,
    check_path,
    check_whole,
    read_lines,
    read_part,
    run_command,
)
from ingest.backups.backup import DEMO_COUNTY, NOT_FILES, open_streams
from ingest.backups.stream_archive import is_empty, load_streams
from ingest.migrations import upgrade_database
from ingest.rows.reading_months import ensure_months
from ingest.settings import Settings
from ingest.statements import Row, copy_rows, execute_rows, insert_sql
from ingest.store import name_database, open_database
from ingest.stream import Streams
from ingest.tables import metadata, readings

ROWS_AT_ONCE: Final = 10_000
NUMBERED: Final = [table for table in metadata.tables.values() if "id" in table.columns]


class RestoreError(ArchiveError):
    """A backup that cannot be restored here; the message is one clear line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest restore`."""
    parser.add_argument("file", type=Path, help="a backup; DATA_DIR, the database and Redis must be empty")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Restore a backup; 0 then, 1 with one line where that fails."""

    def work() -> str:
        manifest = restore(arguments.file, settings)
        done = (
            f"Restored as of {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC: "
            f"{manifest.rows} rows, {manifest.messages} messages.\n"
        )
        own_pack = manifest.county != DEMO_COUNTY
        return done + (f"Start it with COUNTY={settings.data_dir / manifest.county}\n" if own_pack else "")

    return run_command(work)


def restore(path: Path, settings: Settings) -> Manifest:
    """Put everything in a backup back, and return what was in it; `DATABASE_URL` may name the other kind of database.

    The database is committed last. Raises `RestoreError` where something is there already or PARTITIONS is too low,
    `ArchiveError` for a file that is no whole backup, and what the database, Redis or the disk says.
    """
    try:
        with ZipFile(path) as archive:
            manifest: Manifest = read_part(archive, MANIFEST, Manifest)
            _check_fit(manifest, settings)
            check_whole(archive)
            with open_streams(settings) as streams:
                _restore_all(archive, manifest, settings, streams)
    except BadZipFile as error:
        raise ArchiveError(f"{path} is no whole backup: {error}") from error
    return manifest


def _check_fit(manifest: Manifest, settings: Settings) -> None:
    if manifest.format != FORMAT:
        raise RestoreError(f"the backup has format {manifest.format}; this program knows {FORMAT} only")
    if settings.partitions < manifest.partitions:
        raise RestoreError(f"the backup has {manifest.partitions} partitions: set PARTITIONS={manifest.partitions}")
    found = sorted(settings.data_dir.iterdir()) if settings.data_dir.exists() else []
    if any(path.name != "lock" for path in found):
        raise RestoreError(f"{settings.data_dir} is not empty: restore into a data folder of its own")


def _restore_all(archive: ZipFile, manifest: Manifest, settings: Settings, streams: Streams) -> None:
    url = name_database(settings)
    engine = open_database(url)
    try:
        partitions = [int(name) for name in manifest.streams if name.isdecimal()]
        if not is_empty(streams, {*partitions, *range(settings.partitions)}):
            raise RestoreError("Redis has streams or counters already: restore into an empty one")
        upgrade_database(url, manifest.revision)
        with engine.begin() as connection:
            _check_empty(connection, manifest)
            for name, outline in manifest.tables.items():
                _load_table(archive, connection, name, outline)
            _go_on_counting(connection)
            load_streams(streams, partitions, archive)
            _load_files(archive, settings.data_dir)
        upgrade_database(url)
    finally:
        engine.dispose()


def _check_empty(connection: Connection, manifest: Manifest) -> None:
    for name in manifest.tables:
        if connection.exec_driver_sql(f"SELECT 1 FROM {_known(name).name} LIMIT 1").first():
            raise RestoreError(f"the database is not empty: table {name} has rows; restore into an empty one")


def _known(name: str) -> Table:
    if name not in metadata.tables:
        raise ArchiveError(f"the backup has a table {name!r} that this program does not know")
    return metadata.tables[name]


def _load_table(archive: ZipFile, connection: Connection, name: str, outline: TableOutline) -> None:
    table, count = _known(name), 0
    columns = tuple(column for column in outline.columns if column in table.columns)
    if len(columns) != len(outline.columns):
        raise ArchiveError(f"the backup has columns of {name} that this program does not know")
    lines = read_lines(archive, f"tables/{name}.jsonl", list[Any])
    while rows := [tuple(line) for line in islice(lines, ROWS_AT_ONCE)]:
        _write_rows(connection, table, columns, rows)
        count += len(rows)
    if count != outline.rows:
        raise ArchiveError(f"the backup has {count} rows of {name} where {outline.rows} were saved")


def _write_rows(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[Row]) -> None:
    if connection.dialect.name != "postgresql":
        execute_rows(connection, insert_sql(table, columns), rows)
        return
    if table is readings:
        observed_at = columns.index("observed_at")
        ensure_months(connection, [row[observed_at] for row in rows])
    copy_rows(connection, table.name, columns, rows)


def _go_on_counting(connection: Connection) -> None:
    """Let PostgreSQL number new rows after the restored ones; SQLite does so by itself."""
    if connection.dialect.name == "postgresql":
        for table in NUMBERED:
            highest = f"(SELECT coalesce(max(id), 0) + 1 FROM {table.name})"
            connection.exec_driver_sql(f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'), {highest}, false)")


def _load_files(archive: ZipFile, folder: Path) -> None:
    for item in archive.infolist():
        if not item.filename.startswith("files/"):
            continue
        name = check_path(item.filename.removeprefix("files/"))
        if name.parts[0] in NOT_FILES:
            raise ArchiveError(f"{item.filename} does not belong into a backup")
        path = folder.joinpath(*name.parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = item.external_attr >> 16 & 0o777 or 0o600
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        with os.fdopen(descriptor, "wb") as file, archive.open(item) as source:
            shutil.copyfileobj(source, file)
