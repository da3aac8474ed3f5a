"""What a polled source has given so far, and how it is: one small file a source, written whole or not at all."""

import logging
import os
from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

log = logging.getLogger(__name__)

FOLDER: Final = "polls"
TAKEN_AT_MOST: Final = 20_000


class FileMark(msgspec.Struct, frozen=True):
    """A file as it was when it was read; `fault` says why it could not be, `mapping` is the digest tried on it."""

    size: int
    mtime_ns: int
    fault: str | None = None
    mapping: str = ""

    def is_same_file(self, other: "FileMark") -> bool:
        """Return whether size and time of change are the same."""
        return (self.size, self.mtime_ns) == (other.size, other.mtime_ns)


class Position(msgspec.Struct):
    """Where a source is to be read on from: what is written here, ingest has taken.

    cursor: the highest value had, as the source wrote it.
    asked, etag, modified: digest of the request that last answered whole, and what it said of its version.
    mapping: digest of the mapping that was used then.
    files: by path within the folder, of those that are still there.
    taken: digests of the newest events sent, so that what comes again unchanged need not be.
    """

    cursor: str | None = None
    asked: str = ""
    etag: str | None = None
    modified: str | None = None
    mapping: str = ""
    files: dict[str, FileMark] = {}
    taken: list[str] = []


class Condition(msgspec.Struct):
    """How a source is: when it last gave all it had, what was wrong last, when it is asked next; and sums."""

    last_success_at: datetime | None = None
    last_error_at: datetime | None = None
    last_error: str | None = None
    next_at: datetime | None = None
    failures: int = 0
    polls: int = 0
    rows: int = 0
    left_out: int = 0
    unchanged: int = 0
    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0


class State(msgspec.Struct):
    """All of a source's file."""

    name: str
    position: Position = msgspec.field(default_factory=Position)
    condition: Condition = msgspec.field(default_factory=Condition)


class Taken:
    """The digests of the newest events that ingest has taken, in the order in which they last came."""

    def __init__(self, digests: Iterable[str]) -> None:
        self._digests = dict.fromkeys(digests)

    def has(self, digest: str) -> bool:
        """Return whether an event is among them; it is then the newest."""
        if digest not in self._digests:
            return False
        self._digests[digest] = self._digests.pop(digest)
        return True

    def add(self, digests: Iterable[str]) -> None:
        """Add newer ones; the oldest go."""
        self._digests |= dict.fromkeys(digests)
        for digest in list(islice(self._digests, max(0, len(self._digests) - TAKEN_AT_MOST))):
            del self._digests[digest]

    def as_list(self) -> list[str]:
        """Return them, the oldest first."""
        return list(self._digests)


def load_state(folder: Path, name: str) -> State:
    """Return a source's state; a new one where there is none, or none that can be read (that one is kept aside).

    Starting anew costs repeats, which ingest counts as duplicates, and loses nothing.
    """
    path = _locate(folder, name)
    try:
        return msgspec.json.decode(path.read_bytes(), type=State)
    except FileNotFoundError:
        return State(name)
    except (msgspec.MsgspecError, UnicodeDecodeError) as reason:
        aside = path.with_suffix(".bad")
        log.error("%s cannot be read (%s): kept as %s; starting anew", path, reason, aside.name)
        path.replace(aside)
        return State(name)


def save_state(folder: Path, state: State) -> None:
    """Write a source's state so that a crash or a power cut leaves the old one or the new one; raises `OSError`."""
    path = _locate(folder, state.name)
    draft = path.with_suffix(".draft")
    with draft.open("wb") as file:
        file.write(msgspec.json.encode(state))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def read_conditions(data_dir: Path) -> dict[str, Condition]:
    """Return how every polled source of a data folder is, by name; for those who look from outside."""
    conditions = {}
    for path in sorted((data_dir / FOLDER).glob("*.json")):
        try:
            state = msgspec.json.decode(path.read_bytes(), type=State)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        conditions[state.name] = state.condition
    return conditions


def _locate(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"
