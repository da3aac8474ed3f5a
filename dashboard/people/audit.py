"""The audit log: who did or saw what, when and from where; rows are only added, and each is chained to the one before.

A row's hash is the SHA-256 of the hash before it and of the row's own JSON, so nobody can change, remove, insert or
swap rows without every later hash being wrong. The newest hash is kept in a second place, a file beside the data, so
that rows missing at the end are noticed too. What that cannot do, `docs/privacy.md` says.
"""

import fcntl
import logging
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Engine, func, insert, select

from ingest.masking import mask_text
from ingest.settings import Settings
from ingest.store import name_database, open_database
from ingest.tables import as_ms, as_time, audit

HEAD_FILE: Final = "audit.head"
HEAD_LOST: Final = "audit.head_lost"
"""The deed that stands in the log where the second place was empty although there were rows."""

# Any number that nothing else in the same PostgreSQL database locks.
AUDIT_LOCK: Final = 330_681_004
ROWS_AT_ONCE: Final = 5_000

PLACES: Final = frozenset({"area"})
"""Details that are codes of places and never masked: a cell's has fifteen digits, as identity numbers once had."""

COLUMNS: Final = [audit.c[name] for name in ("number", "at", "actor", "role", "deed", "subject", "address", "details")]

log = logging.getLogger(__name__)

_encode_sorted = msgspec.json.Encoder(order="deterministic").encode


class Deed(msgspec.Struct, frozen=True):
    """One row of the log: `actor` with `role` did or saw something, about `subject`, from a network `address`."""

    number: int
    at: datetime
    actor: str
    role: str
    deed: str
    subject: str
    address: str
    details: dict[str, Any]


class Head(msgspec.Struct, frozen=True):
    """The newest row: how many there are, and its hash. Written down elsewhere, it vouches for all before it."""

    count: int
    hash: str


Fault = Literal["row_gone", "row_unlinked", "row_changed", "end_gone", "end_differs", "head_gone"]
"""What may be wrong with the log; the catalogue has a sentence for each, `audit.fault_…`."""


class Finding(msgspec.Struct, frozen=True):
    """What checking the log found: `fault` is None where all is well, else `row` is the first that is wrong.

    head: the last row that follows from all before it; None where there is none.
    """

    head: Head | None
    row: int = 0
    fault: Fault | None = None


class Audit:
    """The log in SQL, for any number of processes at once; every method blocks and may raise SQLAlchemy's errors.

    head_file: the second place of the newest hash. now: the clock, for tests.
    """

    def __init__(
        self,
        writer: Engine,
        reader: Engine,
        head_file: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ):
        self._writer = writer
        self._reader = reader
        self._head_file = head_file
        self._now = now

    def note(
        self,
        actor: str,
        role: str,
        deed: str,
        subject: str = "",
        address: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a row; when this returns, it is kept.

        deed: one word like `case.view`. subject: the id of what it is about. details: what else is worth knowing, as
        JSON; numbers and addresses of persons in its texts are masked, for this log is no place for them.
        """
        said = (*map(_print, (actor, role, deed, subject, address)), _clean(dict(details or {})))
        with self._lock_head():
            kept = self._read_head()
            with self._writer.begin() as connection:
                _wait_for_others(connection)
                last = _read_last(connection)
                if last is not None and kept is None:
                    last = self._add(connection, last, ("system", "", HEAD_LOST, "", "", {}))
                trusted = kept is None or _matches(connection, kept)
                head = self._add(connection, last, said)
            if trusted:
                self._keep_head(head)
            else:  # the file stays as it is, or what is missing would be forgotten
                log.error("the audit log is not what %s says it was: run `python -m dashboard audit verify`", HEAD_FILE)

    def has_noted(self, actor: str, deed: str, subject: str, within: timedelta) -> bool:
        """Return whether somebody did this lately."""
        return self._count(audit.c.actor == actor, audit.c.deed == deed, audit.c.subject == subject, within=within) > 0

    def count_lately(self, actor: str, deed: str, within: timedelta) -> int:
        """Return how often somebody did something lately, whatever it was about."""
        return self._count(audit.c.actor == actor, audit.c.deed == deed, within=within)

    def read(
        self,
        actor: str | None = None,
        deed: str | None = None,
        subject: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Deed]:
        """Return rows, the newest first.

        deed: one, or the beginning of some, like `case.`. before: only rows of lower numbers.
        """
        query = select(*COLUMNS).order_by(audit.c.number.desc()).limit(limit)
        if actor:
            query = query.where(audit.c.actor == actor)
        if deed:
            query = query.where(audit.c.deed.startswith(deed, autoescape=True))
        if subject:
            query = query.where(audit.c.subject == subject)
        if before is not None:
            query = query.where(audit.c.number < before)
        with self._reader.connect() as connection:
            return [_as_deed(row) for row in connection.execute(query)]

    def read_all(self) -> Iterator[Deed]:
        """Yield every row, the oldest first."""
        with self._reader.connect() as connection:
            query = select(*COLUMNS).order_by(audit.c.number)
            for row in connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
                yield _as_deed(row)

    def verify(self) -> Finding:
        """Compute every hash anew, some 100,000 rows a second, and compare the end with the second place."""
        # First, so that what is added meanwhile cannot look like a head without its row.
        kept = self._read_head()
        with self._reader.connect() as connection:
            head, number, kept_hash = None, 0, None
            query = select(*COLUMNS, audit.c.previous, audit.c.hash).order_by(audit.c.number)
            for *row, previous, hash in connection.execute(query, execution_options={"yield_per": ROWS_AT_ONCE}):
                number += 1
                fault = _find_fault(number, row, previous, hash, head)
                if fault:
                    return Finding(head, number, fault)
                head = Head(number, hash)
                if kept is not None and kept.count == number:
                    kept_hash = hash
        if kept is None:
            return Finding(head, number, "head_gone") if head else Finding(None)
        if kept.count > number:
            return Finding(head, number + 1, "end_gone")
        if kept_hash != kept.hash:
            return Finding(head, kept.count, "end_differs")
        return Finding(head)

    def close(self) -> None:
        """Let the connections go."""
        self._writer.dispose()
        self._reader.dispose()

    def _count(self, *conditions: ColumnElement[bool], within: timedelta) -> int:
        query = select(func.count()).where(*conditions, audit.c.at > as_ms(self._now() - within))
        with self._reader.connect() as connection:
            return connection.execute(query).scalar_one()

    def _add(self, connection: Connection, last: Head | None, said: tuple[Any, ...]) -> Head:
        *texts, details = said
        number = 1 if last is None else last.count + 1
        # The first row has nothing before it; a random beginning makes every log's chain its own.
        previous = secrets.token_hex(32) if last is None else last.hash
        row = [number, as_ms(self._now()), *texts, _encode_sorted(details).decode()]
        hash = _chain(previous, row)
        values = dict(zip((column.name for column in COLUMNS), row, strict=True))
        connection.execute(insert(audit).values(**values, previous=previous, hash=hash))
        return Head(number, hash)

    def _read_head(self) -> Head | None:
        try:
            return msgspec.json.decode(self._head_file.read_bytes(), type=Head)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError:
            return Head(0, "damaged")  # matches nothing: it stays as it is until somebody looks

    @contextmanager
    def _lock_head(self) -> Iterator[None]:
        """Let one thread of one process of this machine add a row at a time, so that the file is never behind."""
        self._head_file.parent.mkdir(parents=True, exist_ok=True)
        with self._head_file.with_name(f"{HEAD_FILE}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _keep_head(self, head: Head) -> None:
        draft = self._head_file.with_name(f"{HEAD_FILE}.new")
        try:
            draft.write_bytes(msgspec.json.encode(head))
            draft.replace(self._head_file)
        except OSError as error:  # the row itself is kept; the next one tries again
            log.error("%s cannot be written: %s", self._head_file, error.strerror)


def open_audit(settings: Settings) -> Audit:
    """Return the log of the settings' database; its second place is in the data folder."""
    url = name_database(settings)
    return Audit(open_database(url), open_database(url, read_only=True), settings.data_dir / HEAD_FILE)


def _wait_for_others(connection: Connection) -> None:
    # On SQLite the transaction itself has taken the only write lock.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({AUDIT_LOCK})")


def _read_last(connection: Connection) -> Head | None:
    row = connection.execute(select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc()).limit(1)).first()
    return None if row is None else Head(row.number, row.hash)


def _matches(connection: Connection, kept: Head) -> bool:
    return connection.execute(select(audit.c.hash).where(audit.c.number == kept.count)).scalar() == kept.hash


def _chain(previous: str, row: list[Any]) -> str:
    return sha256(bytes.fromhex(previous) + msgspec.json.encode(row)).hexdigest()


def _find_fault(number: int, row: list[Any], previous: str, hash: str, before: Head | None) -> Fault | None:
    """Return what is wrong with the row that should be the given one, None if it follows from the row before."""
    if row[0] != number:
        return "row_gone"
    if before is not None and previous != before.hash:
        return "row_unlinked"
    try:
        is_right = _chain(previous, row) == hash
    except ValueError:
        is_right = False
    return None if is_right else "row_changed"


def _as_deed(row: Any) -> Deed:
    number, at, actor, role, deed, subject, address, details = row
    return Deed(number, as_time(at), actor, role, deed, subject, address, msgspec.json.decode(details))


def _clean(value: Any) -> Any:
    """Return JSON whose texts tell no telephone, identity or card number and no address, and command no terminal."""
    if isinstance(value, str):
        return mask_text(_print(value))
    if isinstance(value, Mapping):
        return {str(name): part if name in PLACES else _clean(part) for name, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(part) for part in value]
    return value


def _print(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
