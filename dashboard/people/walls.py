"""Walls that show without a log-in: a random token in a wall's browser, and in SQL its digest until it is revoked."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Engine, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from dashboard.people.lookup import Lookup, digest_token
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.formats.walls import NAME_PATTERN
from ingest.tables import as_ms, as_time, walls

COOKIE: Final = "wall"
COOKIE_AGE_S: Final = 400 * 86_400  # more no browser keeps; every beat of a wall begins it anew
START: Final = "/wall-start"
_NAME: Final = re.compile(NAME_PATTERN)


class WallError(ValueError):
    """A wall that cannot be made or switched off so; the message is a key of the catalogue's section `walls`."""


@dataclass(frozen=True)
class Wall:
    """One wall as it is kept; `revoked_by` is the role of who switched it off."""

    digest: str
    name: str
    area: str
    made_at: datetime
    made_by: str
    revoked_at: datetime | None
    revoked_by: str | None


class WallViewer(Viewer):
    """A wall that shows by its token: it may look, and say that it is there."""


class Walls:
    """The walls in SQL; every method blocks. Raises SQLAlchemy's errors where the database is away."""

    def __init__(self, engine: Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)):
        self._engine = engine
        self._now = now

    def read_all(self) -> dict[str, Wall]:
        """Return every wall there ever was, by its digest."""
        with self._engine.connect() as connection:
            return {row.digest: _read(row) for row in connection.execute(select(walls).order_by(walls.c.name))}

    def add(self, name: str, area: str, maker: str) -> tuple[Wall, str]:
        """Make a wall and return it with its token, which nobody can be told again; raises `WallError`."""
        if not _NAME.fullmatch(name):
            raise WallError("name_bad")
        token = secrets.token_urlsafe(32)
        made = {"made_at": as_ms(self._now()), "made_by": maker}
        values = {"digest": digest_token(token), "name": name, "area": area, **made}
        try:
            with self._engine.begin() as connection:
                connection.execute(insert(walls).values(values))
        except IntegrityError:
            raise WallError("name_taken") from None
        return self.read_all()[digest_token(token)], token

    def revoke(self, name: str, role: str) -> None:
        """Switch a wall off for good; raises `WallError` where none of that name is on."""
        with self._engine.begin() as connection:
            done = connection.execute(
                update(walls)
                .where(walls.c.name == name, walls.c.revoked_at.is_(None))
                .values(revoked_at=as_ms(self._now()), revoked_by=role)
            )
        if not done.rowcount:
            raise WallError("name_unknown")


class WallRoll(Lookup[Wall]):
    """Which walls there are, switched off or not."""

    def __init__(self, walls: Walls):
        super().__init__(walls.read_all)

    async def list_on(self) -> list[Wall]:
        """Return the walls that are not switched off, by name; raises `SessionsAway`."""
        return [wall for wall in (await self.read()).values() if wall.revoked_at is None]


def view_as(wall: Wall) -> WallViewer:
    """Return what a wall sees; no account can have its name, which has a colon."""
    return WallViewer(f"wall:{wall.name}", wall.name, "wall", wall.area)


def name_wall(viewer: Viewer) -> str | None:
    """Return under which name a viewer is a wall; None for who is none."""
    if isinstance(viewer, WallViewer):
        return viewer.title
    return viewer.name if viewer.role == "wall" else None


def check_area(county: County, area: str) -> None:
    """Raise `WallError` for a code that is no town, village or cell of the county; empty is the whole county."""
    if area and (area not in county.areas.index or len(area) < len("339901001")):
        raise WallError("area_unknown")


def _read(row: Row[Any]) -> Wall:
    return Wall(
        digest=row.digest,
        name=row.name,
        area=row.area,
        made_at=as_time(row.made_at),
        made_by=row.made_by,
        revoked_at=None if row.revoked_at is None else as_time(row.revoked_at),
        revoked_by=row.revoked_by,
    )
