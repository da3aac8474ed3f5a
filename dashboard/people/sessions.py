"""Log-ins: a random token in a person's browser, its digest in SQL, and when each ends."""

import asyncio
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import ColumnElement, Engine, and_, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from dashboard.people.lookup import Lookup, digest_token
from dashboard.people.viewer import Viewer
from ingest.settings import Settings
from ingest.tables import accounts, as_ms, as_time, sessions

NOTED_EVERY: Final = timedelta(minutes=1)  # how finely use is written down

log = logging.getLogger("dashboard.people")


@dataclass(frozen=True)
class Limits:
    """When a log-in ends: so long after it was last used, and so long after it began.

    A wall is touched by nobody, so it has no idle limit, and an absolute one of its own.
    """

    idle: timedelta
    absolute: timedelta
    wall: timedelta

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Return what the settings say."""
        return cls(
            timedelta(minutes=settings.session_idle_minutes),
            timedelta(hours=settings.session_hours),
            timedelta(days=settings.wall_session_days),
        )


@dataclass(frozen=True)
class Session:
    """One log-in. `must_change`: the password has to be changed before anything else."""

    digest: str
    viewer: Viewer
    must_change: bool
    created_at: datetime
    used_at: datetime

    def is_over(self, limits: Limits, now: datetime) -> bool:
        """Return whether a limit has passed."""
        if self.viewer.role == "wall":
            return now >= self.created_at + limits.wall
        return now >= min(self.created_at + limits.absolute, self.used_at + limits.idle)


class Sessions:
    """The log-ins in SQL; every method blocks. Raises SQLAlchemy's errors where the database is away."""

    def __init__(self, engine: Engine, limits: Limits, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._engine = engine
        self._limits = limits
        self.now = now

    def open(self, name: str) -> str:
        """Log an account in and return the token; forget those that are over."""
        token = secrets.token_urlsafe(32)
        now_ms = as_ms(self.now())
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(self._are_over()))
            values = {"digest": digest_token(token), "account": name, "created_at": now_ms, "used_at": now_ms}
            connection.execute(insert(sessions).values(values))
        return token

    def read_all(self) -> dict[str, Session]:
        """Return every log-in of an account that is not disabled, by its digest; some may be over."""
        query = select(
            *(sessions.c.digest, sessions.c.created_at, sessions.c.used_at, accounts.c.must_change),
            *(accounts.c.name, accounts.c.title, accounts.c.role, accounts.c.area, accounts.c.unit),
        ).where(sessions.c.account == accounts.c.name, accounts.c.disabled_at.is_(None))
        with self._engine.connect() as connection:
            return {
                row.digest: Session(
                    digest=row.digest,
                    viewer=Viewer(row.name, row.title, row.role, row.area, row.unit),
                    must_change=row.must_change,
                    created_at=as_time(row.created_at),
                    used_at=as_time(row.used_at),
                )
                for row in connection.execute(query)
            }

    def note_use(self, digest: str) -> None:
        """Write down that a log-in is used now."""
        with self._engine.begin() as connection:
            connection.execute(update(sessions).where(sessions.c.digest == digest).values(used_at=as_ms(self.now())))

    def close(self, digest: str) -> None:
        """End a log-in."""
        with self._engine.begin() as connection:
            connection.execute(delete(sessions).where(sessions.c.digest == digest))

    def is_over(self, session: Session) -> bool:
        """Return whether one of the limits has passed."""
        return session.is_over(self._limits, self.now())

    def _are_over(self) -> ColumnElement[bool]:
        """Return the condition of `Session.is_over` for SQL: `Roll` reads all rows that there are, every second."""
        now, limits = self.now(), self._limits
        is_wall = sessions.c.account.in_(select(accounts.c.name).where(accounts.c.role == "wall"))
        began = sessions.c.created_at
        is_idle = sessions.c.used_at <= as_ms(now - limits.idle)
        return or_(
            and_(is_wall, began <= as_ms(now - limits.wall)),
            and_(~is_wall, or_(began <= as_ms(now - limits.absolute), is_idle)),
        )


class Roll(Lookup[Session]):
    """Who is logged in; while the database is away limits go on passing."""

    def __init__(self, sessions: Sessions):
        super().__init__(sessions.read_all)
        self._sessions = sessions

    async def find(self, token: str) -> Session | None:
        """Return the log-in that a token stands for, unless it is over; raises `SessionsAway`."""
        session = await super().find(token)
        return None if session is None or self._sessions.is_over(session) else session

    async def note_use(self, session: Session) -> None:
        """Move the idle limit of a log-in; it is written down only now and then."""
        now = self._sessions.now()
        if now - session.used_at < NOTED_EVERY:
            return
        self.put(session.digest, replace(session, used_at=now))
        try:
            await asyncio.to_thread(self._sessions.note_use, session.digest)
        except SQLAlchemyError as error:
            log.warning("that a log-in is used could not be written: %s", type(error).__name__)
