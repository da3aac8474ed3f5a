"""`python -m ingest personal status | seal | renew-key`: the keys of who reported cases. See `docs/privacy.md`."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, select, tuple_, update
from sqlalchemy.exc import DBAPIError

from ingest.sealing import Keyring, Unreadable, find_keyring, locate_keys, name_sealed_by, provide_keyring, renew_key
from ingest.settings import SettingError, Settings
from ingest.store import name_database, open_database
from ingest.tables import reporters

ROWS_AT_ONCE: Final = 500
FIELDS: Final = ("name", "phone", "email")
IN_CLEAR: Final = "in clear"
EXIT_FAILED: Final = 1


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
        query = select(*(reporters.c[name] for name in FIELDS)).execution_options(yield_per=ROWS_AT_ONCE)
        for row in connection.execute(query):
            counts.update(name_sealed_by(text) or IN_CLEAR for text in row if text)
    return counts


def seal_all(engine: Engine, keyring: Keyring) -> tuple[int, int]:
    """Seal every reporter in SQL with the newest key, where that is not so.

    Return how many were sealed now, and how many cannot be read. Only reporters are written, in small transactions,
    so everything may run meanwhile.
    """
    sealed = unreadable = 0
    for rows in _read_pieces(engine):
        changes = []
        for row in rows:
            try:
                changes.append((row, _seal_anew(row, keyring)))
            except Unreadable:
                unreadable += 1
        changes = [(row, values) for row, values in changes if values]
        with engine.begin() as connection:
            if connection.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA secure_delete = ON")  # what was there before is overwritten
            for row, values in changes:
                _write(connection, row, values)
        sealed += len(changes)
    _forget_old_pages(engine)
    return sealed, unreadable


def _read_pieces(engine: Engine) -> Iterator[list[Row[Any]]]:
    key = tuple_(reporters.c.source, reporters.c.event_id)
    query = select(reporters).order_by(reporters.c.source, reporters.c.event_id).limit(ROWS_AT_ONCE)
    last: tuple[str, str] | None = None
    while True:
        with engine.connect() as connection:
            rows = list(connection.execute(query if last is None else query.where(key > last)))
        if not rows:
            return
        yield rows
        last = rows[-1].source, rows[-1].event_id


def _seal_anew(row: Row[Any], keyring: Keyring) -> dict[str, str]:
    """Return the fields that the newest key has not sealed, sealed by it; raises `Unreadable`."""
    said = {name: getattr(row, name) for name in FIELDS}
    newest = keyring.keys[-1].id
    return {
        name: keyring.seal(keyring.open(text, row.source, row.event_id, name), row.source, row.event_id, name)
        for name, text in said.items()
        if text and name_sealed_by(text) != newest
    }


def _write(connection: Connection, row: Row[Any], values: dict[str, str]) -> None:
    place = (reporters.c.source == row.source) & (reporters.c.event_id == row.event_id)
    connection.execute(update(reporters).where(place).values(**values))


def _forget_old_pages(engine: Engine) -> None:
    """Let the database give up the room in which the rows were before they were sealed."""
    if engine.dialect.name == "postgresql":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM (FULL) reporters")
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
    sealed, unreadable = seal_all(engine, keyring)
    sys.stdout.write(f"{sealed:,} reporters sealed with key {keyring.keys[-1].id}\n")
    if unreadable:
        sys.stdout.write(f"{unreadable:,} cannot be read with the keys that are here, and stay as they are\n")
    return EXIT_FAILED if unreadable else 0
