"""The database's versions, by Alembic."""

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection

from ingest.store import open_database

# Any number that nothing else in the same PostgreSQL database locks.
UPGRADE_LOCK = 330_681_001


class DatabaseTooNew(RuntimeError):  # noqa: N818
    """The database was made by a newer version of this program."""


def upgrade_database(url: str, revision: str = "head") -> None:
    """Bring the database to the newest version, or up to an earlier one, from nothing or from any earlier one.

    Safe when several processes do it at once: the first one in does the work, all in one transaction, and the
    others wait for it. Raises `DatabaseTooNew`, or SQLAlchemy's `OperationalError` if the database is away.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    engine = open_database(url)
    try:
        with engine.begin() as connection:
            _wait_for_others(connection)
            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except CommandError as error:
        raise DatabaseTooNew(f"the database is of another version than this program: {error}") from error
    finally:
        engine.dispose()


def _wait_for_others(connection: Connection) -> None:
    # On SQLite the transaction itself has taken the only write lock.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({UPGRADE_LOCK})")
