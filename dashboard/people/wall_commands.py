"""`python -m dashboard wall …`: walls from the machine itself."""

import argparse
import sys
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from dashboard.people.audit import open_audit
from dashboard.people.walls import START, WallError, Walls, check_area
from dashboard.text import load_catalogue
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.store import name_database, open_database

EXIT_FAILED: Final = 1
_AT_THE_MACHINE: Final = "machine"
_AS_ROLE: Final = "administrator"  # whoever may read the settings is one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which words follow `wall`."""
    deeds = parser.add_subparsers(dest="deed", required=True)
    deeds.add_parser("list", help="every wall, its area, and when it was made or switched off")
    add = deeds.add_parser("add", help="make a wall; prints its start address, this once")
    add.add_argument("name")
    add.add_argument("--area", default="", help="the code of the town, village or cell that it shows (default: all)")
    deeds.add_parser("revoke", help="switch a wall off for good").add_argument("name")


def run_command(arguments: argparse.Namespace, settings: Settings, county: County) -> int:
    """Do what `add_arguments` read; 0, or 1 with one line for what cannot be done."""
    try:
        upgrade_database(name_database(settings))
        _run(arguments, settings, Walls(open_database(name_database(settings))), county)
    except WallError as fault:
        sys.stderr.write(f"county-brain: {load_catalogue('en')[f'walls.{fault}']}\n")
    except SQLAlchemyError as error:
        sys.stderr.write(f"county-brain: database: {type(error).__name__}\n")
    else:
        return 0
    return EXIT_FAILED


def _run(arguments: argparse.Namespace, settings: Settings, walls: Walls, county: County) -> None:
    match arguments.deed:
        case "list":
            for wall in walls.read_all().values():
                until = f"revoked {wall.revoked_at:%Y-%m-%d %H:%M}Z" if wall.revoked_at else ""
                words = (wall.name, wall.area or "-", f"{wall.made_at:%Y-%m-%d %H:%M}Z", wall.made_by, until)
                sys.stdout.write("\t".join(words).rstrip() + "\n")
        case "add":
            check_area(county, arguments.area)
            _, token = walls.add(arguments.name, arguments.area, _AT_THE_MACHINE)
            _note(settings, "wall.add", arguments.name, arguments.area)
            sys.stdout.write(f"{settings.web_url}{START}#{token}\n")
        case _:
            walls.revoke(arguments.name, _AS_ROLE)
            _note(settings, "wall.revoke", arguments.name)


def _note(settings: Settings, deed: str, name: str, area: str = "") -> None:
    open_audit(settings).note(_AT_THE_MACHINE, "", deed, name, details={"area": area} if area else {})
