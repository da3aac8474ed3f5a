"""`python -m dashboard accounts …`: accounts from the machine itself, and the first administrator."""

import argparse
import getpass
import logging
import sys
from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from dashboard.people.accounts import Account, AccountError, check_place
from dashboard.people.passwords import make_password
from dashboard.people.register import Register, open_register
from dashboard.people.viewer import ROLES, Viewer
from dashboard.text import load_catalogue
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.store import name_database

FIRST: Final = "admin"
EXIT_FAILED: Final = 1
_AT_THE_MACHINE: Final = "machine"

log = logging.getLogger("dashboard.people")


def provide_administrator(settings: Settings) -> None:
    """Make the first administrator where there is no account at all, and print the password once.

    Where the database is away now, that is left to a later start.
    """
    if settings.auth != "on":
        return
    try:
        upgrade_database(name_database(settings))
        register = open_register(settings)
        if not register.accounts.list_all():
            password = make_password(FIRST)
            account = register.accounts.add(Viewer(FIRST, "Administrator", "administrator"), password)
            _note(register, "account_add", account)
            sys.stdout.write(f"The first account (its password must be changed at log-in): {FIRST} {password}\n")
            sys.stdout.flush()
    except SQLAlchemyError as error:
        log.warning("no account can be looked up or made, the database is away: %s", type(error).__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which words follow `accounts`."""
    deeds = parser.add_subparsers(dest="deed", required=True)
    deeds.add_parser("list", help="every account with its role and state")
    add = deeds.add_parser("add", help="make an account; prints its first password")
    add.add_argument("name")
    add.add_argument("--title", help="what screens call them (default: the name)")
    add.add_argument("--role", required=True, choices=ROLES)
    add.add_argument("--area", default="", help="the code of the town, village or cell that they see (default: all)")
    add.add_argument("--unit", help="the code of the unit they work for")
    for deed, told in _DEEDS.items():
        parser_of_deed = deeds.add_parser(deed, help=told)
        parser_of_deed.add_argument("name")
        if deed == "password":
            parser_of_deed.add_argument("--ask", action="store_true", help="ask for it instead of making one")


def run_command(arguments: argparse.Namespace, settings: Settings, county: County) -> int:
    """Do what `add_arguments` read; 0, or 1 with one line for what cannot be done."""
    try:
        upgrade_database(name_database(settings))
        _run(arguments, open_register(settings), county)
    except AccountError as fault:
        sys.stderr.write(f"county-brain: {_explain(str(fault))}\n")
    except SQLAlchemyError as error:
        sys.stderr.write(f"county-brain: database: {type(error).__name__}\n")
    else:
        return 0
    return EXIT_FAILED


_DEEDS: Final[Mapping[str, str]] = {
    "password": "give another password, which must be changed at log-in, and end every log-in",
    "disable": "let it log in no more, and end every log-in",
    "enable": "let it log in again",
    "unlock": "let it try again at once after too many wrong passwords",
}


def _run(arguments: argparse.Namespace, register: Register, county: County) -> None:
    accounts, name = register.accounts, getattr(arguments, "name", "")
    password = make_password(name)
    match arguments.deed:
        case "list":
            for account in accounts.list_all():
                sys.stdout.write(f"{_describe(account)}\n")
            return
        case "add":
            viewer = Viewer(name, arguments.title or name, arguments.role, arguments.area, arguments.unit)
            check_place(county, viewer)
            account = accounts.add(viewer, password)
        case "password":
            if arguments.ask:
                password = getpass.getpass(f"The new password of {name}: ")
            account = accounts.set_password(name, password, must_change=True)
        case "disable":
            account = accounts.disable(name)
        case "enable":
            account = accounts.enable(name)
        case _:
            account = accounts.unlock(name)
    _note(register, f"account_{arguments.deed}", account)
    made = arguments.deed in ("add", "password") and not getattr(arguments, "ask", False)
    sys.stdout.write(f"{account.name} {password}\n" if made else f"{_describe(account)}\n")


def _note(register: Register, deed: str, account: Account) -> None:
    details = {"role": account.role, "area": account.area, "unit": account.unit}
    register.notes.note(_AT_THE_MACHINE, "", deed, account.name, details=details)


def _describe(account: Account) -> str:
    state = "disabled" if account.disabled_at else "locked" if account.locked_until else ""
    words = (account.name, account.role, account.area or "-", account.unit or "-", account.title, state)
    return "\t".join(words).rstrip()


def _explain(key: str) -> str:
    catalogue = load_catalogue("en")
    return catalogue.get(f"people.{key}") or catalogue[f"login.{key}"]
