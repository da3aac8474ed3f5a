"""The key with which a sender proves that it may send."""

import hmac
import os
import secrets
import sys
from pathlib import Path

from ingest.settings import SettingError, Settings

FILE = "ingest.key"


def provide_key(settings: Settings) -> str:
    """Return `INGEST_KEY`, or the key kept in the data folder; the first time, make one and print it once.

    Raises `SettingError` where the folder cannot be used or the file is empty.
    """
    if settings.ingest_key:
        return settings.ingest_key
    path = settings.data_dir / FILE
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return _read_key(path) if path.exists() else _make_key(path)
    except OSError as error:
        raise SettingError(f"INGEST_KEY is not set and {path} cannot be used: {error.strerror}") from error


def find_key(settings: Settings) -> str | None:
    """Return the key as `provide_key` would, but never make one: None where there is none yet."""
    path = settings.data_dir / FILE
    return settings.ingest_key or (_read_key(path) if path.exists() else None)


def keys_match(given: str, expected: str) -> bool:
    """Return whether two keys are the same, in a time that says nothing about where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _read_key(path: Path) -> str:
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if not key:
        raise SettingError(f"{path} is empty: delete it to get a new key, or set INGEST_KEY")
    return key


def _make_key(path: Path) -> str:
    key = secrets.token_urlsafe(24)
    # Written whole under another name, then linked: of two processes that start at once, one key wins.
    draft = path.with_name(f"{FILE}.{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file:
        file.write(f"{key}\n")
    try:
        os.link(draft, path)
    except FileExistsError:
        return _read_key(path)
    finally:
        draft.unlink()
    sys.stdout.write(f"The key for senders (kept in {path}): {key}\n")
    sys.stdout.flush()
    return key
