"""Accounts: who may log in, as what, and for which part of the county."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from dashboard.people.passwords import NOBODYS_HASH, find_fault, hash_password, is_right
from dashboard.people.viewer import ROLES, Viewer
from geo.county import County
from ingest.case_state import STEWARD
from ingest.tables import accounts, as_ms, as_time, sessions

FAILURES_ALLOWED: Final = 5
LOCKED_FOR: Final = timedelta(minutes=15)
LONGEST_TITLE: Final = 60

# Whose area must be of a level: the length of its code.
AREA_DIGITS: Final = {"town_centre": 9, "village_centre": 12, "grid_worker": 15}

_NAME: Final = re.compile(r"\w[\w.\-]{1,31}")


class AccountError(ValueError):
    """An account that cannot be made or changed so; the message is a key of the catalogue's section `people`.

    Where a password is at fault, the key is one of `find_fault`'s, of the section `login`.
    """


class Verdict(Enum):
    """What became of an attempt to log in; the person is told no more than whether it worked."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED_NOW = "locked_now"  # wrong, and once too often
    LOCKED = "locked"
    DISABLED = "disabled"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Account:
    """One account as it is kept, without its password."""

    name: str
    title: str
    role: str
    area: str
    unit: str | None
    must_change: bool
    created_at: datetime
    disabled_at: datetime | None
    locked_until: datetime | None

    @property
    def viewer(self) -> Viewer:
        """Who it is that looks, for everything beyond log-in."""
        return Viewer(self.name, self.title, self.role, self.area, self.unit)


class Accounts:
    """The accounts in SQL; every method blocks, so a coroutine calls them in a thread.

    now: the clock, for tests. Raises SQLAlchemy's errors where the database is away.
    """

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._engine = engine
        self._now = now

    def list_all(self) -> list[Account]:
        """Return every account, by name."""
        with self._engine.connect() as connection:
            return [_read(row) for row in connection.execute(select(accounts).order_by(accounts.c.name))]

    def find(self, name: str) -> Account | None:
        """Return an account by its name, however that is written."""
        with self._engine.connect() as connection:
            row = _find_row(connection, name)
        return None if row is None else _read(row)

    def add(self, viewer: Viewer, password: str, must_change: bool = True) -> Account:
        """Make an account; raises `AccountError` for a bad name, one not to be had, and a bad password."""
        name = normalize_name(viewer.name)
        if not _NAME.fullmatch(name):
            raise AccountError("name_bad")
        if name == STEWARD:
            raise AccountError("name_reserved")
        _check_description(viewer.title, viewer.role)
        _check_password(password, name)
        values = {
            "name": name,
            "title": viewer.title.strip(),
            "role": viewer.role,
            "area": viewer.area,
            "unit": viewer.unit,
            "password": hash_password(password),
            "must_change": must_change,
            "created_at": as_ms(self._now()),
            "failures": 0,
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(accounts).values(values))
                return _read(_get_row(connection, name))
        except IntegrityError:
            raise AccountError("name_taken") from None

    def change(self, viewer: Viewer) -> Account:
        """Give the account of that name another title, role, area and unit; raises `AccountError`."""
        _check_description(viewer.title, viewer.role)
        with self._engine.begin() as connection:
            account = _read(_get_row(connection, viewer.name))
            if viewer.role != "administrator":
                _keep_an_administrator(connection, account)
            described = {"title": viewer.title.strip(), "role": viewer.role, "area": viewer.area, "unit": viewer.unit}
            return _write(connection, account.name, **described)

    def set_password(self, name: str, password: str, must_change: bool) -> Account:
        """Give an account another password, which unlocks it, and end its log-ins; raises `AccountError`."""
        _check_password(password, normalize_name(name))
        kept = hash_password(password)
        with self._engine.begin() as connection:
            account = _read(_get_row(connection, name))
            _end_sessions(connection, account.name)
            return _write(
                connection, account.name, password=kept, must_change=must_change, failures=0, locked_until=None
            )

    def disable(self, name: str) -> Account:
        """Let an account log in no more, and end its log-ins; raises `AccountError`."""
        with self._engine.begin() as connection:
            account = _read(_get_row(connection, name))
            _keep_an_administrator(connection, account)
            _end_sessions(connection, account.name)
            return _write(connection, account.name, disabled_at=as_ms(self._now()))

    def enable(self, name: str) -> Account:
        """Let a disabled account log in again; raises `AccountError`."""
        with self._engine.begin() as connection:
            return _write(connection, _get_row(connection, name).name, disabled_at=None)

    def unlock(self, name: str) -> Account:
        """Let an account that had too many wrong passwords try again at once; raises `AccountError`."""
        with self._engine.begin() as connection:
            return _write(connection, _get_row(connection, name).name, failures=0, locked_until=None)

    def verify(self, name: str, password: str) -> tuple[Verdict, Account | None]:
        """Return what an attempt to log in comes to, and count it; the account is given for a right one only.

        Takes as long for an account that does not exist.
        """
        with self._engine.connect() as connection:
            row = _find_row(connection, name)
        # Outside of any transaction: it takes long, and others have to write meanwhile.
        right = is_right(password, NOBODYS_HASH if row is None else row.password)
        if row is None:
            return Verdict.UNKNOWN, None
        with self._engine.begin() as connection:
            # Read again, and kept from others: of many attempts at once, each counts.
            now = _get_row(connection, row.name)
            return self._judge(connection, now, right and now.password == row.password)

    def _judge(self, connection: Connection, row: Row[Any], right: bool) -> tuple[Verdict, Account | None]:
        now_ms = as_ms(self._now())
        if row.disabled_at is not None:
            return Verdict.DISABLED, None
        if row.locked_until is not None and row.locked_until > now_ms:
            return Verdict.LOCKED, None
        if right:
            return Verdict.RIGHT, _write(connection, row.name, failures=0, locked_until=None)
        if row.failures + 1 < FAILURES_ALLOWED:
            _write(connection, row.name, failures=row.failures + 1)
            return Verdict.WRONG, None
        _write(connection, row.name, failures=0, locked_until=as_ms(self._now() + LOCKED_FOR))
        return Verdict.LOCKED_NOW, None


def normalize_name(name: str) -> str:
    """Return an account's name as it is kept, however a keyboard wrote it."""
    return unicodedata.normalize("NFKC", name).strip().casefold()


def check_place(county: County, viewer: Viewer) -> None:
    """Raise `AccountError` where a role lacks its area or unit, or the county has none of that code."""
    digits = AREA_DIGITS.get(viewer.role)
    if viewer.area and (viewer.area not in county.areas.index or len(viewer.area) < min(AREA_DIGITS.values())):
        raise AccountError("area_unknown")
    if digits is not None and len(viewer.area) != digits:
        raise AccountError(f"area_of_{viewer.role}")
    if viewer.unit is not None and viewer.unit not in county.units:
        raise AccountError("unit_unknown")
    if viewer.role == "unit" and viewer.unit is None:
        raise AccountError("unit_needed")


def _read(row: Row[Any]) -> Account:
    return Account(
        name=row.name,
        title=row.title,
        role=row.role,
        area=row.area,
        unit=row.unit,
        must_change=row.must_change,
        created_at=as_time(row.created_at),
        disabled_at=None if row.disabled_at is None else as_time(row.disabled_at),
        locked_until=None if row.locked_until is None else as_time(row.locked_until),
    )


def _find_row(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(select(accounts).where(accounts.c.name == normalize_name(name))).one_or_none()


def _get_row(connection: Connection, name: str) -> Row[Any]:
    query = select(accounts).where(accounts.c.name == normalize_name(name)).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise AccountError("name_unknown")
    return row


def _write(connection: Connection, name: str, **values: Any) -> Account:
    connection.execute(update(accounts).where(accounts.c.name == name).values(values))
    return _read(_get_row(connection, name))


def _end_sessions(connection: Connection, name: str) -> None:
    connection.execute(sessions.delete().where(sessions.c.account == name))


def _keep_an_administrator(connection: Connection, leaving: Account) -> None:
    """Raise `AccountError` if nobody could make accounts without this one."""
    others = select(func.count()).where(
        accounts.c.role == "administrator", accounts.c.disabled_at.is_(None), accounts.c.name != leaving.name
    )
    if leaving.role == "administrator" and leaving.disabled_at is None and not connection.scalar(others):
        raise AccountError("last_administrator")


def _check_description(title: str, role: str) -> None:
    if not 0 < len(title.strip()) <= LONGEST_TITLE:
        raise AccountError("title_bad")
    if role not in ROLES:
        raise AccountError("role_unknown")


def _check_password(password: str, name: str) -> None:
    fault = find_fault(password, name)
    if fault is not None:
        raise AccountError(fault)
