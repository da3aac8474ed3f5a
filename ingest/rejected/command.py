"""`python -m ingest rejected list | show | retry`: looking at what was refused, and trying it again once mended.

What is printed may be about persons: it goes to the terminal of whoever asked, and into no log.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Final

from geo.county import PackError
from ingest.embedded import find_server_url
from ingest.pack import open_county
from ingest.pipeline import Preparation
from ingest.rejected.retrying import Retrial
from ingest.rejected.stream import Refused, RejectedStream, open_body
from ingest.sealing import Unreadable, find_keyring, provide_keyring
from ingest.sender_file import SenderFileError, locate_senders, read_enrolments
from ingest.senders import as_sender
from ingest.settings import SettingError, Settings
from ingest.stream import Streams, StreamUnavailable, connect

EXIT_NOTHING: Final = 1
EXIT_BAD: Final = 2

_AGE: Final = re.compile(r"(?P<number>\d+)(?P<unit>[smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest rejected`."""
    actions = parser.add_subparsers(dest="action", required=True)
    listing = actions.add_parser("list", help="what was refused, the newest first")
    _add_filters(listing)
    listing.add_argument("--limit", type=int, default=50, help="show so many (default 50)")
    listing.add_argument("--summary", action="store_true", help="count by door, sender and reason instead")
    showing = actions.add_parser("show", help="one of them, with its original bytes")
    showing.add_argument("id", help="as `list` shows it")
    showing.add_argument("--raw", action="store_true", help="only the bytes, exactly as they came")
    retrying = actions.add_parser("retry", help="take some through their door again, with today's pack and mapping")
    retrying.add_argument("ids", nargs="*", metavar="ID", help="as `list` shows them (default: by the filters)")
    _add_filters(retrying)
    retrying.add_argument("--all", action="store_true", help="really all, without a filter")
    retrying.add_argument("--limit", type=int, help="try so many at most, the oldest first")
    retrying.add_argument("--mapping", type=Path, help="try this mapping on rows, instead of the one that made them")
    retrying.add_argument("--dry-run", action="store_true", help="only say what would become of them")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Do as told; 0 then, 1 where nothing is found or something is still refused, 2 for what cannot be used."""
    try:
        url = settings.redis_url or find_server_url(settings.data_dir)
        if url is None:
            raise SettingError(f"REDIS_URL is not set, and no server of our own ever ran on {settings.data_dir}")
        streams = Streams(connect(url), settings.partitions)
        match arguments.action:
            case "list":
                return _list(streams, arguments)
            case "show":
                return _show(streams, arguments, settings)
            case _:
                return _retry(streams, arguments, settings)
    except (SettingError, PackError, SenderFileError, StreamUnavailable, OSError) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
        return EXIT_BAD


def _list(streams: Streams, arguments: argparse.Namespace) -> int:
    found = _choose(RejectedStream(streams).read(arguments.since, newest_first=True), arguments)
    if arguments.summary:
        return _summarize(found)
    rows = [_describe(refused) for refused in islice(found, arguments.limit)]
    _print_table(("id", "at", "door", "sender", "field", "reason"), rows)
    return 0 if rows else EXIT_NOTHING


def _summarize(found: Iterator[Refused]) -> int:
    counts = Counter((each.rejection.door, each.rejection.sender, each.rejection.reason) for each in found)
    rows = [(f"{count:,}", *map(_clean, key)) for key, count in counts.most_common()]
    _print_table(("count", "door", "sender", "reason"), rows)
    return 0 if rows else EXIT_NOTHING


def _show(streams: Streams, arguments: argparse.Namespace, settings: Settings) -> int:
    refused = RejectedStream(streams).find(arguments.id)
    if refused is None:
        sys.stderr.write(f"county-brain: there is no {arguments.id} in events:rejected\n")
        return EXIT_NOTHING
    rejection = refused.rejection
    try:
        body, fault = open_body(rejection, find_keyring(settings)), ""
    except Unreadable as reason:
        body, fault = b"", str(reason)
    if arguments.raw:
        if fault:
            raise SettingError(f"the body of {refused.stream_id} {fault}")
        sys.stdout.buffer.write(body)
        sys.stdout.buffer.flush()
        return 0
    for name, value in {"id": refused.stream_id, "at": refused.at.isoformat(), **rejection._asdict()}.items():
        if name not in ("body", "id"):
            sys.stdout.write(f"{name:<13}{_clean(str(value))}\n")
    sys.stdout.write(f"{'event':<13}{_clean(rejection.id)}\n{'bytes':<13}{fault or f'{len(body):,}'}\n\n")
    sys.stdout.write(_clean(body.decode(errors="backslashreplace"), keep="\n\t") + "\n")
    return 0


def _retry(streams: Streams, arguments: argparse.Namespace, settings: Settings) -> int:
    filters = (arguments.door, arguments.sender, arguments.field, arguments.since, arguments.reason)
    if not (arguments.ids or arguments.all or any(filters)):
        raise SettingError("say which: ids, a filter (--door, --sender, --field, --since, --reason), or --all")
    stream = RejectedStream(streams)
    if arguments.ids:
        found = _choose(_find_all(stream, arguments.ids), arguments)
    else:
        found = _choose(stream.read(arguments.since), arguments)
    retrial = _open_retrial(streams, arguments, settings)
    fates: Counter[str] = Counter()
    for refused in islice(found, arguments.limit):
        outcome = retrial.retry(refused)
        fates[outcome.fate] += 1
        told = f"{outcome.fate}: {_clean(outcome.reason)}" if outcome.reason else outcome.fate
        sys.stdout.write(f"{refused.stream_id}  {told}\n")
    would = " (nothing was done)" if arguments.dry_run else ""
    sys.stdout.write(", ".join(f"{count:,} {fate}" for fate, count in fates.items()) or "nothing to try")
    sys.stdout.write(f"{would}\n")
    return EXIT_NOTHING if fates["still refused"] or not fates else 0


def _open_retrial(streams: Streams, arguments: argparse.Namespace, settings: Settings) -> Retrial:
    county = open_county(settings)
    path = locate_senders(settings)
    enrolments = read_enrolments(path) if path.is_file() else {}
    senders = {name: as_sender(name, enrolment) for name, enrolment in enrolments.items()}
    preparation = Preparation(county, settings.partitions, provide_keyring(settings))
    return Retrial(streams, preparation, senders, arguments.mapping, arguments.dry_run)


def _find_all(stream: RejectedStream, ids: list[str]) -> Iterator[Refused]:
    for stream_id in ids:
        refused = stream.find(stream_id)
        if refused is None:
            sys.stdout.write(f"{_clean(stream_id)}  not in events:rejected\n")
        else:
            yield refused


def _choose(entries: Iterator[Refused], arguments: argparse.Namespace) -> Iterator[Refused]:
    for refused in entries:
        rejection = refused.rejection
        if (
            arguments.door in (None, rejection.door)
            and arguments.sender in (None, rejection.sender)
            and arguments.field in (None, rejection.field)
            and (arguments.reason is None or arguments.reason.lower() in rejection.reason.lower())
        ):
            yield refused


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--door", help="only what came by this door")
    parser.add_argument("--sender", help="only what this sender sent")
    parser.add_argument("--field", help="only what was refused for this field")
    parser.add_argument("--since", type=_read_since, metavar="TIME", help="only from then on: a time, or an age as 2h")
    parser.add_argument("--reason", metavar="TEXT", help="only where the reason contains this")


def _read_since(text: str) -> datetime:
    age = _AGE.fullmatch(text)
    if age:
        return datetime.now(UTC) - timedelta(**{_UNITS[age["unit"]]: int(age["number"])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a time or an age like 30m, 2h, 3d, not {text!r}") from None
    return moment if moment.tzinfo else moment.astimezone()


def _describe(refused: Refused) -> tuple[str, ...]:
    rejection = refused.rejection
    texts = (rejection.door, rejection.sender, rejection.field, rejection.reason)
    return (refused.stream_id, f"{refused.at.astimezone():%Y-%m-%d %H:%M:%S}", *map(_clean, texts))


def _print_table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in [head, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        sys.stdout.write("  ".join(cells).rstrip() + "\n")


def _clean(text: str, keep: str = "") -> str:
    """Return text without anything that could command a terminal: whoever sent it may have meant it to."""
    return "".join(char if char.isprintable() or char in keep else repr(char)[1:-1] for char in text)
