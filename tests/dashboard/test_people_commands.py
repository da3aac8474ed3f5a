"""Accounts by command, on both databases, and the first administrator."""

import argparse
from pathlib import Path

import pytest
from sqlalchemy import Engine, select

from dashboard.people.accounts import Accounts, Verdict
from dashboard.people.commands import add_arguments, provide_administrator, run_command
from geo.county import County
from ingest.settings import Settings
from ingest.tables import audit

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
def settings(engine: Engine, database_url: str, tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, database_url=database_url, auth="on")


def run(settings: Settings, county: County, *words: str) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return run_command(parser.parse_args(words), settings, county)


def test_an_account_from_first_to_last(
    settings: Settings, county: County, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    accounts, cell = Accounts(engine), str(county.cells.index[0])
    assert run(settings, county, "add", "Li.Wei", "--role", "grid_worker", "--area", cell, "--title", "李伟") == 0
    name, password = capsys.readouterr().out.split()
    verdict, account = accounts.verify(name, password)
    assert (name, verdict) == ("li.wei", Verdict.RIGHT) and account is not None
    assert (account.role, account.area, account.title, account.must_change) == ("grid_worker", cell, "李伟", True)

    assert [run(settings, county, deed, name) for deed in ("disable", "enable", "unlock", "password")] == [0] * 4
    new = capsys.readouterr().out.split()[-1]
    assert accounts.verify(name, password)[0] is Verdict.WRONG
    assert accounts.verify(name, new)[0] is Verdict.RIGHT
    assert run(settings, county, "list") == 0
    assert capsys.readouterr().out == f"li.wei\tgrid_worker\t{cell}\t-\t李伟\n"
    with engine.connect() as connection:
        deeds = connection.execute(select(audit.c.deed).order_by(audit.c.number)).scalars().all()
    assert list(deeds) == [f"account_{deed}" for deed in ("add", "disable", "enable", "unlock", "password")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("disable nobody", "no such account"),
        ("add x --role leader", "2 to 32"),
        ("add someone --role unit", "needs a unit"),
        ("add someone --role unit --unit U99", "no unit of this code"),
        ("add someone --role village_centre --area 339901001", "12 digits"),
        ("add someone --role leader --area 110101", "no town, village or cell"),
        ("disable admin", "last administrator"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    settings: Settings, county: County, words: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    provide_administrator(settings)
    capsys.readouterr()
    assert run(settings, county, *words.split()) == 1
    told = capsys.readouterr()
    assert said in told.err and told.err.count("\n") == 1 and told.out == ""


def test_the_first_administrator_is_made_once(
    settings: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    provide_administrator(settings)
    name, password = capsys.readouterr().out.split()[-2:]
    verdict, account = Accounts(engine).verify(name, password)
    assert verdict is Verdict.RIGHT and account is not None and account.must_change
    provide_administrator(settings)
    assert capsys.readouterr().out == ""


def test_the_demo_has_no_accounts(settings: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    provide_administrator(Settings(data_dir=settings.data_dir, database_url=settings.database_url))
    assert Accounts(engine).list_all() == [] and capsys.readouterr().out == ""


def test_a_database_that_is_away_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    provide_administrator(Settings(data_dir=tmp_path, database_url=nowhere, auth="on"))
    assert capsys.readouterr().out == ""
