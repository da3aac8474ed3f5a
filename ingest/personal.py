"""`python -m ingest personal status | seal | renew-key`: the keys of personal data. See `docs/privacy.md`."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Row, Table, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from ingest.sealing import Keyring, Unreadable, find_keyring, locate_keys, name_sealed_by, provide_keyring, renew_key
from ingest.settings import SettingError, Settings
from ingest.store import name_database, open_database
from ingest.tables import care_persons, reporters, shift_plans

ROWS_AT_ONCE: Final = 500
IN_CLEAR: Final = "in clear"
EXIT_FAILED: Final = 1


class Sealed(NamedTuple):
    """A table with personal columns: by which columns its rows are known, and what their seals are bound to.

    Each text is bound to `prefix`, the row's key and the name of its column.
    """

    table: Table
    key: tuple[str, ...]
    columns: tuple[str, ...]
    prefix: tuple[str, ...] = ()

    def read_key(self, row: Row[Any]) -> tuple[str, ...]:
        """Return what a row is known by."""
        return tuple(getattr(row, name) for name in self.key)

    def place_of(self, row: Row[Any], column: str) -> tuple[str, ...]:
        """Return what a row's text in a column is bound to."""
        return (*self.prefix, *self.read_key(row), column)


SEALED: Final = (
    Sealed(reporters, ("source", "event_id"), ("name", "phone", "email")),
    Sealed(shift_plans, ("source", "event_id"), ("phone",)),
    Sealed(care_persons, ("person",), ("name", "phone", "address"), prefix=("care",)),
)
"""Every column in SQL that is sealed."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest personal`."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("status", help="which keys there are, and how much in the database each has sealed")
    actions.add_parser("seal", help="seal everything in the database with the newest key: what is in clear, or older")
    actions.add_parser("renew-key", help="make a new key, and seal everything in the database with it")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do as told; 0 then, 1 with one line where that fails or something cannot be read."""
    engine = open_database(name_database(settings), read_only=arguments.action == "status")
    try:
        match arguments.action:
            case "status":
                return _tell_status(engine, find_keyring(settings), settings)
            case "seal":
                return _seal(engine, provide_keyring(settings))
            case _:
                keyring = renew_key(settings)
                sys.stdout.write(f"new key {keyring.keys[-1].id}; the older ones stay in {locate_keys(settings)}\n")
                return _seal(engine, keyring)
    except DBAPIError as trouble:
        sys.stderr.write(f"county-brain: database: {str(trouble.orig).partition(chr(10))[0]}\n")
    except (SettingError, OSError) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
    finally:
        engine.dispose()
    return EXIT_FAILED


def count_by_key(engine: Engine) -> Counter[str]:
    """Return how many fields each key has sealed, by its id; those that nobody has sealed count as `IN_CLEAR`."""
    counts: Counter[str] = Counter()
    with engine.connect() as connection:
        for sealed in SEALED:
            query = select(*(sealed.table.c[name] for name in sealed.columns))
            for row in connection.execute(query.execution_options(yield_per=ROWS_AT_ONCE)):
                counts.update(name_sealed_by(text) or IN_CLEAR for text in row if text)
    return counts


def seal_all(engine: Engine, keyring: Keyring) -> tuple[int, int]:
    """Seal every personal column in SQL with the newest key, where that is not so.

    Return how many rows were sealed now, and how many cannot be read. Only these columns are written, in small
    transactions, so everything may run meanwhile.
    """
    done = unreadable = 0
    for sealed in SEALED:
        for rows in _read_pieces(engine, sealed):
            changes = []
            for row in rows:
                try:
                    changes.append((row, _seal_anew(sealed, row, keyring)))
                except Unreadable:
                    unreadable += 1
            changes = [(row, values) for row, values in changes if values]
            with engine.begin() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("PRAGMA secure_delete = ON")  # what was there before is overwritten
                for row, values in changes:
                    _write(connection, sealed, row, values)
            done += len(changes)
    _forget_old_pages(engine)
    return done, unreadable


def _read_pieces(engine: Engine, sealed: Sealed) -> Iterator[list[Row[Any]]]:
    key = [sealed.table.c[name] for name in sealed.key]
    query = select(*key, *(sealed.table.c[name] for name in sealed.columns)).order_by(*key).limit(ROWS_AT_ONCE)
    last: tuple[str, ...] | None = None
    while True:
        with engine.connect() as connection:
            rows = list(connection.execute(query if last is None else query.where(tuple_(*key) > last)))
        if not rows:
            return
        yield rows
        last = sealed.read_key(rows[-1])


def _seal_anew(sealed: Sealed, row: Row[Any], keyring: Keyring) -> dict[str, str]:
    """Return the fields that the newest key has not sealed, sealed by it; raises `Unreadable`."""
    newest = keyring.keys[-1].id
    return {
        name: keyring.seal(keyring.open(text, *sealed.place_of(row, name)), *sealed.place_of(row, name))
        for name in sealed.columns
        if (text := getattr(row, name)) and name_sealed_by(text) != newest
    }


def _write(connection: Connection, sealed: Sealed, row: Row[Any], values: dict[str, str]) -> None:
    # Only what is still as it was read: the register of care may have been imported anew meanwhile.
    as_read = [sealed.table.c[name] == getattr(row, name) for name in (*sealed.key, *values)]
    connection.execute(update(sealed.table).where(*as_read).values(**values))


def _forget_old_pages(engine: Engine) -> None:
    """Let the database give up the room in which the rows were before they were sealed."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for sealed in SEALED:
                connection.exec_driver_sql(f"VACUUM (FULL) {sealed.table.name}")
        return
    raw = engine.raw_connection()  # no transaction may be open here
    try:
        raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        raw.close()


def _tell_status(engine: Engine, keyring: Keyring, settings: Settings) -> int:
    counts = count_by_key(engine)
    held = [key.id for key in keyring.keys]
    sys.stdout.write(f"{locate_keys(settings)}: {len(held)} keys\n")
    for id in held:
        newest = " (the newest: it seals)" if id == held[-1] else ""
        sys.stdout.write(f"  key {id}  {counts.pop(id, 0):>9,} fields{newest}\n")
    for id, count in sorted(counts.items()):
        what = f"  {IN_CLEAR:<12}" if id == IN_CLEAR else f"  key {id}"
        advice = "run `python -m ingest personal seal`" if id == IN_CLEAR else "cannot be read: its key is not here"
        sys.stdout.write(f"{what}  {count:>9,} fields  {advice}\n")
    return EXIT_FAILED if counts else 0


def _seal(engine: Engine, keyring: Keyring) -> int:
    done, unreadable = seal_all(engine, keyring)
    sys.stdout.write(f"{done:,} rows sealed with key {keyring.keys[-1].id}\n")
    if unreadable:
        sys.stdout.write(f"{unreadable:,} cannot be read with the keys that are here, and stay as they are\n")
    return EXIT_FAILED if unreadable else 0
