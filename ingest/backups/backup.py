"""`python -m ingest backup FILE`: everything into one file, while everything runs. See `docs/backup.md`."""

import argparse
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zipfile import ZIP_DEFLATED, ZipFile

from sqlalchemy import Connection, Engine, make_url, select

from ingest.backups.archive import FORMAT, MANIFEST, ArchiveError, Manifest, TableOutline, run_command, write_lines
from ingest.backups.stream_archive import save_streams
from ingest.embedded import find_server_url, server_answers, start_redis
from ingest.polling.sources import FILE as POLLS_FILE
from ingest.sealing import FILE as KEYS_FILE
from ingest.sealing import locate_keys
from ingest.sender_file import FILE as SENDERS_FILE
from ingest.settings import Settings
from ingest.start import claim_data_folder
from ingest.store import load_watermarks, name_database, open_database
from ingest.stream import START, StreamGap, Streams, connect
from ingest.tables import metadata

log = logging.getLogger(__name__)

ATTEMPTS: Final = 5
ROWS_AT_ONCE: Final = 5_000
DEMO_COUNTY: Final = "counties/demo"
# Of the data folder: the streams have a part of their own, and the audit log's head is of a later moment than its rows.
NOT_FILES: Final = ("redis", "lock", "audit.head", "audit.head.lock", "audit.head.new")


class BackupError(ArchiveError):
    """A backup that cannot be made; the message is one clear line."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest backup`."""
    parser.add_argument("file", type=Path, help="the backup to write; it must not exist, and not be in the data folder")
    parser.add_argument(
        "--with-personal-key",
        action="store_true",
        help="the keys of personal data too: whoever has it can read persons",
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Write a backup; 0 then, 1 with one line where that fails."""

    def work() -> str:
        manifest = back_up(arguments.file, settings, arguments.with_personal_key)
        size_mb = arguments.file.stat().st_size / 1e6
        return f"{arguments.file}: {manifest.rows} rows, {manifest.messages} messages, {size_mb:.1f} MB\n" + _advise(
            arguments.with_personal_key
        )

    return run_command(work)


def _advise(with_personal_key: bool) -> str:
    if with_personal_key:
        return (
            "Keep it as you keep passwords: it holds the local key, and who reported cases with the keys to read it.\n"
        )
    return (
        "Keep it as you keep passwords: it holds the local key. Who reported cases is sealed, its keys are not in it.\n"
    )


def back_up(path: Path, settings: Settings, with_personal_key: bool = False) -> Manifest:
    """Write everything into `path`, which appears there only when it is whole, and return what is in it.

    with_personal_key: also the keys without which nobody can read who reported cases; else they are left out. Raises
    `BackupError`, `StartError` (no server runs and none can be started), or what Redis, the database or the disk says.
    """
    if path.exists():
        raise BackupError(f"{path} exists already")
    if path.resolve().is_relative_to(settings.data_dir.resolve()):
        raise BackupError(f"{path} is in the data folder itself: keep backups elsewhere, best on another machine")
    draft = path.with_name(f"{path.name}.part")
    engine = open_database(name_database(settings), read_only=True)
    try:
        with open_streams(settings) as streams:
            manifest = _try_until_whole(draft, settings, engine, streams, with_personal_key)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
        engine.dispose()
    return manifest


@contextmanager
def open_streams(settings: Settings) -> Iterator[Streams]:
    """Yield the streams of `REDIS_URL`, or of the data folder's own server, which is started where it does not run."""
    url = settings.redis_url or find_server_url(settings.data_dir)
    if url and (settings.redis_url or server_answers(url)()):
        yield Streams(connect(url), settings.partitions)
        return
    with claim_data_folder(settings.data_dir) as folder:
        server = start_redis(folder, settings.redis_memory_mb, settings.redis_fsync)
        try:
            yield Streams(connect(server.url), settings.partitions)
        finally:
            server.stop()


def _try_until_whole(
    draft: Path, settings: Settings, engine: Engine, streams: Streams, with_personal_key: bool
) -> Manifest:
    for _ in range(ATTEMPTS):
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file, engine.connect() as connection:
                with ZipFile(file, "w", ZIP_DEFLATED, compresslevel=1) as archive:
                    manifest = _write_archive(archive, settings, connection, streams, with_personal_key)
                file.flush()
                os.fsync(file.fileno())
                return manifest
        except StreamGap as gap:
            log.warning("%s: it was recorded and trimmed meanwhile; beginning anew", gap)
    raise BackupError("the streams are trimmed faster than they can be read: raise STREAM_LONGEST, or try later")


def _write_archive(
    archive: ZipFile, settings: Settings, connection: Connection, streams: Streams, with_personal_key: bool
) -> Manifest:
    """Write all parts: SQL as of the first query here, the streams from its watermarks on, the files, the manifest."""
    revision = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
    watermarks = dict.fromkeys(range(streams.partitions), START)  # where there has been no recorder yet
    watermarks |= {partition: mark.stream_id for partition, mark in load_watermarks(connection).items()}
    # At once, before much of what is recorded from now on is trimmed.
    messages = save_streams(streams, watermarks, archive)
    tables = {str(name): _save_table(archive, connection, name) for name in metadata.tables}
    for name, file in list_files(settings, with_personal_key):
        archive.write(file, f"files/{name}")
    county = _name_county(settings)
    manifest = Manifest(FORMAT, datetime.now(UTC), revision, streams.partitions, county, tables, messages)
    write_lines(archive, MANIFEST, [manifest])
    return manifest


def _save_table(archive: ZipFile, connection: Connection, name: str) -> TableOutline:
    query, columns = select(metadata.tables[name]), metadata.tables[name].columns.keys()
    result = connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE})
    rows = write_lines(archive, f"tables/{name}.jsonl", map(tuple, result))
    return TableOutline([str(column) for column in columns], rows)


def list_files(settings: Settings, with_personal_key: bool = False) -> Iterator[tuple[str, Path]]:
    """Yield the files that go with a backup, by where they belong in a data folder.

    All that is in the data folder but the database and the streams, the county pack, and the files of senders and of
    polled sources, wherever the settings say that these are; the keys of personal data only if wanted.
    """
    folder, keys = settings.data_dir.resolve(), locate_keys(settings)
    for path in _list_folder(folder):
        place = path.relative_to(folder)
        kept = place.parts[0] not in NOT_FILES and not place.name.startswith(KEYS_FILE) and path != keys.resolve()
        if kept and not _is_database(path, settings):
            yield place.as_posix(), path
    if settings.county and not settings.county.resolve().is_relative_to(folder):
        for path in _list_folder(settings.county):
            yield f"{_name_county(settings)}/{path.relative_to(settings.county).as_posix()}", path
    if with_personal_key and keys.is_file():
        yield KEYS_FILE, keys
    for name, file in ((SENDERS_FILE, settings.senders), (POLLS_FILE, settings.polls)):
        if file and file.is_file() and file.resolve() != folder / name:
            yield name, file


def _list_folder(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _is_database(path: Path, settings: Settings) -> bool:
    """Tell whether a file is SQLite's, or one of those that SQLite keeps beside it."""
    address = make_url(name_database(settings))
    return address.get_backend_name() == "sqlite" and str(path).startswith(str(Path(address.database or "").resolve()))


def _name_county(settings: Settings) -> str:
    """Return where the county pack belongs in a data folder."""
    if settings.county is None:
        return DEMO_COUNTY
    folder, county = settings.data_dir.resolve(), settings.county.resolve()
    return county.relative_to(folder).as_posix() if county.is_relative_to(folder) else f"counties/{county.name}"
