"""`python -m ingest senders list | add | renew | remove`: who may send."""

import argparse
import sys
from datetime import UTC, datetime

import msgspec

from ingest.keys import digest_key, make_key
from ingest.sender_file import (
    Enrolment,
    SenderFileError,
    change_enrolments,
    check_name,
    locate_senders,
    read_enrolments,
)
from ingest.settings import Settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and what each is told."""
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("list", help="show who may send what; never a key")
    add = actions.add_parser("add", help="let somebody send; prints the new key, once")
    add.add_argument("name")
    add.add_argument("--feeds", type=_split, default=[], help="such as waste,cases,alarms (default: all)")
    add.add_argument("--areas", type=_split, default=[], help="beginnings of area codes, such as 330681001 (all)")
    add.add_argument("--rate", type=float, help="events a second to one ingest process (default: any number)")
    for action, purpose in (("renew", "print a new key, once; the old one ends"), ("remove", "end a sender's key")):
        actions.add_parser(action, help=purpose).add_argument("name")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do it; 0, or 1 with one line that says why not. Every ingest process follows within a second or two."""
    path = locate_senders(settings)
    try:
        if arguments.action == "list":
            _show(read_enrolments(path) if path.exists() else {})
            return 0
        with change_enrolments(path) as enrolments:
            said = _change(enrolments, arguments)
    except (SenderFileError, OSError) as error:
        sys.stderr.write(f"county-brain: {error}\n")
        return 1
    sys.stdout.write(f"{said}\n")
    return 0


def _change(enrolments: dict[str, Enrolment], arguments: argparse.Namespace) -> str:
    name: str = arguments.name
    check_name(name)
    if arguments.action == "add":
        if name in enrolments:
            raise SenderFileError(f"{name} is there already; `renew` gives a new key")
        key = make_key()
        enrolments[name] = _enrol(key, arguments)
        return f"The key of {name}, shown only now: {key}"
    if name not in enrolments:
        raise SenderFileError(f"there is no sender {name}")
    if arguments.action == "remove":
        del enrolments[name]
        return f"{name} may not send any more; what came from it stays"
    key = make_key()
    enrolments[name].key_sha256 = digest_key(key).hex()
    return f"The new key of {name}, shown only now: {key}"


def _enrol(key: str, arguments: argparse.Namespace) -> Enrolment:
    said = {
        "key_sha256": digest_key(key).hex(),
        "feeds": arguments.feeds,
        "areas": arguments.areas,
        "events_per_s": arguments.rate,
        "added": datetime.now(UTC),
    }
    try:
        return msgspec.convert(said, Enrolment)
    except msgspec.ValidationError as error:
        raise SenderFileError(f"{arguments.name}: {error}") from None


def _show(enrolments: dict[str, Enrolment]) -> None:
    for name, enrolment in sorted(enrolments.items()):
        feeds, areas = ",".join(enrolment.feeds) or "all feeds", ",".join(enrolment.areas) or "everywhere"
        rate = "any rate" if enrolment.events_per_s is None else f"{enrolment.events_per_s:g} events/s"
        since = f"since {enrolment.added:%Y-%m-%d}" if enrolment.added else ""
        sys.stdout.write(f"{name}\t{feeds}\t{areas}\t{rate}\t{since}\n")


def _split(words: str) -> list[str]:
    return [word.strip() for word in words.split(",") if word.strip()]
