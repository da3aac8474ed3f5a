"""The file of a backup: a zip of JSON lines, so that it restores into either database and anybody can read it.

tables/<table>.jsonl     one row a line, as a list; the columns are in the manifest
streams/<partition>.jsonl, streams/rejected.jsonl
                         one message a line: [id, [[name, value], …]]; names and values in base64
tallies.json             the counters that Redis keeps
files/…                  what the data folder holds besides, and the county pack
manifest.json            written last: a backup without it is no backup
"""

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Final
from zipfile import BadZipFile, ZipFile

import msgspec
import redis
from sqlalchemy.exc import DBAPIError

from ingest.embedded import EmbeddedError
from ingest.migrations import DatabaseTooNew
from ingest.settings import SettingError
from ingest.start import StartError
from ingest.stream import StreamUnavailable

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
TALLIES: Final = "tallies.json"
REJECTED: Final = "rejected"

DAMAGES: Final = (KeyError, BadZipFile, EOFError, zlib.error, msgspec.MsgspecError)

EXIT_FAILED: Final = 1

_LINES_AT_ONCE: Final = 1_000
_BYTES_AT_ONCE: Final = 1 << 20

StreamEntry = tuple[str, list[tuple[bytes, bytes]]]
"""A message of a stream: its id, and its fields."""


class ArchiveError(ValueError):
    """A file that is no backup, or not one that this program can restore; the message says why."""


TROUBLES: Final = (
    *(ArchiveError, SettingError, StartError, EmbeddedError, DatabaseTooNew),
    *(StreamUnavailable, redis.RedisError, OSError),
)


def run_command(work: Callable[[], str]) -> int:
    """Do a command's work and say what it returns; 0 then, 1 with one line where it fails."""
    try:
        sys.stdout.write(work())
    except DBAPIError as trouble:
        sys.stderr.write(f"county-brain: database: {str(trouble.orig).partition(chr(10))[0]}\n")
    except TROUBLES as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
    else:
        return 0
    return EXIT_FAILED


class TableOutline(msgspec.Struct):
    """The columns of a table's rows, in order, and how many there are."""

    columns: list[str]
    rows: int


class Manifest(msgspec.Struct):
    """What a backup holds: `revision` is the schema's version, `streams` counts messages by stream.

    `county` is where the pack is among the files.
    """

    format: int
    made_at: datetime
    revision: str
    partitions: int
    county: str
    tables: dict[str, TableOutline]
    streams: dict[str, int]

    @property
    def rows(self) -> int:
        """How many rows all tables have."""
        return sum(table.rows for table in self.tables.values())

    @property
    def messages(self) -> int:
        """How many messages all streams have."""
        return sum(self.streams.values())


class SavedTallies(msgspec.Struct):
    """Redis' counters: hashes by key, and plain numbers by key."""

    hashes: dict[str, dict[str, str]]
    numbers: dict[str, int]


def write_lines(archive: ZipFile, name: str, lines: Iterable[Any]) -> int:
    """Write values as JSON lines and return how many there were."""
    encode, remaining, count = msgspec.json.Encoder().encode_lines, iter(lines), 0
    with archive.open(name, "w", force_zip64=True) as file:
        while piece := list(islice(remaining, _LINES_AT_ONCE)):
            file.write(encode(piece))
            count += len(piece)
    return count


def read_lines(archive: ZipFile, name: str, kind: Any = Any) -> Iterator[Any]:
    """Yield the values of a file of JSON lines; raises `ArchiveError` where it is damaged."""
    decode, rest = msgspec.json.Decoder(kind).decode_lines, b""
    try:
        with archive.open(name) as file:
            while block := file.read(_BYTES_AT_ONCE):
                whole, newline, rest = (rest + block).rpartition(b"\n")
                yield from decode(whole + newline)
    except DAMAGES as error:
        raise ArchiveError(f"{name} in the backup is damaged: {error}") from error


def read_part(archive: ZipFile, name: str, kind: type[Any]) -> Any:
    """Return a JSON file of the archive as a struct; raises `ArchiveError`."""
    try:
        return msgspec.json.decode(archive.read(name), type=kind)
    except DAMAGES as error:
        raise ArchiveError(f"this is no whole backup: {name}: {error}") from error


def check_whole(archive: ZipFile) -> None:
    """Read everything once; raises `ArchiveError` where a checksum differs."""
    try:
        damaged = archive.testzip()
    except DAMAGES as error:
        raise ArchiveError(f"the backup is damaged: {error}") from error
    if damaged:
        raise ArchiveError(f"{damaged} in the backup is damaged")


def check_path(name: str) -> PurePosixPath:
    """Return the path of a file in the archive, relative to the data folder; raises `ArchiveError` if it leads out."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"{name!r} in the backup leads out of the data folder")
    return path
