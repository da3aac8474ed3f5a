"""The file of senders: who has a key, as TOML that a person can read and several ingest machines can share.

    [sanitation]
    key_sha256 = "…"              # of the key; the key itself is nowhere
    feeds = ["waste"]             # empty: all
    areas = ["330681001"]         # beginnings of area codes; empty: everywhere
    events_per_s = 200.0          # absent: any number
    added = 2026-11-22T08:00:00Z

A key is 192 random bits, so nobody finds it by trying digests, and one SHA-256 protects it as well as a slow hash
would; a slow one (argon2 is for passwords that people choose) would cost every request what it costs an attacker.
"""

import fcntl
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from ingest.settings import Settings

FILE: Final = "senders.toml"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED: Final = frozenset({"local", "mqtt", "unknown"})
"""Senders without an entry here: our own parts, whom an MQTT broker let through, and a key there that is nobody's."""

Feed = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
Area = Annotated[str, Meta(pattern=r"^[0-9]{1,15}$")]
Rate = Annotated[float, Meta(gt=0, le=1_000_000)]

_HEADER: Final = "# Who may send. Made by `python -m ingest senders`, which drops comments when it writes.\n"


class SenderFileError(ValueError):
    """The file of senders, or what was to be put there, makes no sense; the message names the sender and field."""


class Enrolment(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the file says of one sender."""

    key_sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
    feeds: list[Feed] = []
    areas: list[Area] = []
    events_per_s: Rate | None = None
    added: datetime | None = None


def locate_senders(settings: Settings) -> Path:
    """Return where the file of senders is: `SENDERS`, or in the data folder."""
    return settings.senders or settings.data_dir / FILE


def read_enrolments(path: Path) -> dict[str, Enrolment]:
    """Return the senders by name; raises `SenderFileError`, or `OSError` where the file cannot be read."""
    try:
        enrolments = msgspec.toml.decode(path.read_bytes(), type=dict[str, Enrolment])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise SenderFileError(f"{path}: {error}") from None
    owners: dict[str, str] = {}
    for name, enrolment in enrolments.items():
        check_name(name)
        other = owners.setdefault(enrolment.key_sha256, name)
        if other != name:
            raise SenderFileError(f"{path}: {other} and {name} have the same key")
    return enrolments


def check_name(name: str) -> None:
    """Raise `SenderFileError` for what cannot be a sender's name."""
    if not NAME.fullmatch(name):
        raise SenderFileError(f"{name!r}: a name has 1 to 64 of a-z 0-9 . _ - and begins with a letter or digit")
    if name in RESERVED:
        raise SenderFileError(f"{name!r} is a name of ours; choose another")


@contextmanager
def change_enrolments(path: Path) -> Iterator[dict[str, Enrolment]]:
    """Yield the senders to be changed in place, and write them when the block ends without an error.

    Nobody else changes them meanwhile. Raises `SenderFileError`, `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        enrolments = read_enrolments(path) if path.exists() else {}
        yield enrolments
        _write_enrolments(path, enrolments)


def _write_enrolments(path: Path, enrolments: Mapping[str, Enrolment]) -> None:
    # Whole under another name, then renamed: a reader sees the old file or the new one.
    draft = path.with_name(f"{path.name}.draft")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(_HEADER + "".join(_render(name, enrolments[name]) for name in sorted(enrolments)))
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _render(name: str, enrolment: Enrolment) -> str:
    """Return one table; msgspec cannot write TOML without another package, and this is all there is to it."""
    lines = [f"\n[{json.dumps(name)}]", f"key_sha256 = {json.dumps(enrolment.key_sha256)}"]
    lines += [f"{key} = {json.dumps(getattr(enrolment, key))}" for key in ("feeds", "areas")]
    if enrolment.events_per_s is not None:
        lines.append(f"events_per_s = {enrolment.events_per_s!r}")
    if enrolment.added is not None:
        lines.append(f"added = {enrolment.added.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}")
    return "\n".join(lines) + "\n"
