"""What log-in works with: accounts, log-ins and walls, how often an address tried, and where deeds are noted."""

from dataclasses import dataclass

from sqlalchemy import Engine

from dashboard.people.accounts import Accounts
from dashboard.people.attempts import Attempts
from dashboard.people.audit import Audit, open_audit
from dashboard.people.sessions import Limits, Roll, Sessions
from dashboard.people.walls import WallRoll, Walls
from ingest.settings import Settings
from ingest.store import name_database, open_database


@dataclass(frozen=True)
class Register:
    """One a process; its engine is the only one of the screens that writes, see docs/decisions/0011-people.md."""

    engine: Engine
    accounts: Accounts
    sessions: Sessions
    roll: Roll
    walls: Walls
    wall_roll: WallRoll
    attempts: Attempts
    notes: Audit

    def close(self) -> None:
        """Let the connections go."""
        self.engine.dispose()
        self.notes.close()


def find_register(settings: Settings) -> Register | None:
    """Return the register of a process of the screens; None where there is no log-in."""
    return open_register(settings) if settings.auth == "on" else None


def open_register(settings: Settings) -> Register:
    """Return the register in the settings' database, which is asked only when somebody wants something of it."""
    engine = open_database(name_database(settings))
    sessions = Sessions(engine, Limits.of(settings))
    walls = Walls(engine)
    return Register(
        engine=engine,
        accounts=Accounts(engine),
        sessions=sessions,
        roll=Roll(sessions),
        walls=walls,
        wall_roll=WallRoll(walls),
        attempts=Attempts(),
        notes=open_audit(settings),
    )
