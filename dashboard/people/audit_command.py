"""`python -m dashboard audit verify | list | export`: the audit log from the machine itself."""

import argparse
import sys
from typing import Final

import msgspec
from sqlalchemy.exc import DBAPIError

from dashboard.people.audit import Audit, Deed, open_audit
from dashboard.text import text
from ingest.settings import Settings

EXIT_FAILED: Final = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which words follow `audit`."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("verify", help="compute every hash anew; prints the head, to be written down elsewhere")
    listing = actions.add_parser("list", help="what was noted, the newest first")
    listing.add_argument("--actor", help="only what this account did")
    listing.add_argument("--deed", help="only this deed, or those that begin so, like case.")
    listing.add_argument("--subject", help="only what is about this, mostly a case's id")
    listing.add_argument("--limit", type=int, default=50, help="show so many (default 50)")
    actions.add_parser("export", help="every row as a line of JSON, the oldest first")


def run_command(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do what `add_arguments` read; 0, or 1 where the log is not whole or cannot be read."""
    audit = open_audit(settings)
    try:
        match arguments.action:
            case "verify":
                return _verify(audit)
            case "list":
                for deed in audit.read(arguments.actor, arguments.deed, arguments.subject, limit=arguments.limit):
                    sys.stdout.write(f"{_describe(deed)}\n")
            case _:
                for deed in audit.read_all():
                    sys.stdout.buffer.write(msgspec.json.encode(deed) + b"\n")
        return 0
    except DBAPIError as trouble:
        sys.stderr.write(f"county-brain: database: {str(trouble.orig).partition(chr(10))[0]}\n")
        return EXIT_FAILED
    finally:
        audit.close()


def _verify(audit: Audit) -> int:
    finding = audit.verify()
    if finding.head is not None:
        sys.stdout.write(f"rows  {finding.head.count}\nhead  {finding.head.hash}\n")
    if finding.fault is None:
        sys.stdout.write("whole: every row follows from the one before\n")
        return 0
    sys.stdout.write(f"NOT WHOLE at row {finding.row}: {text('en', f'audit.fault_{finding.fault}', row=finding.row)}\n")
    return EXIT_FAILED


def _describe(deed: Deed) -> str:
    details = msgspec.json.encode(deed.details).decode() if deed.details else ""
    at = f"{deed.at.astimezone():%Y-%m-%d %H:%M:%S}"
    parts = (f"{deed.number:>7}", at, deed.actor, deed.role, deed.deed, deed.subject, deed.address, details)
    return "  ".join(parts).rstrip()
