"""The keys with which senders prove that they may send, and the local one that our own parts use."""

import os
import secrets
import sys
from hashlib import sha256
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


def make_key() -> str:
    """Return a new key: 192 random bits in 32 letters that need no escaping anywhere."""
    return secrets.token_urlsafe(24)


def digest_key(key: str) -> bytes:
    """Return what stands for a key where it is kept or looked up: its SHA-256."""
    return sha256(key.encode(errors="surrogatepass")).digest()


def _read_key(path: Path) -> str:
    key = path.read_text(encoding="ascii", errors="replace").strip()
    if not key:
        raise SettingError(f"{path} is empty: delete it to get a new key, or set INGEST_KEY")
    return key


def _make_key(path: Path) -> str:
    key = make_key()
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
