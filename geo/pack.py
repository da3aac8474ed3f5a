"""The parts of a county pack that every reader needs: names, levels, the one error, and reading a file."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

LEVELS: Final = ("county", "town", "village", "cell")
CODE_LENGTHS: Final = {"county": 6, "town": 9, "village": 12, "cell": 15}


class PackError(ValueError):
    """A pack that cannot be used; the message names the file, the field and the reason in one line."""


@dataclass(frozen=True)
class Name:
    """A name in both languages; `en` falls back to `zh` when a pack gives none."""

    zh: str
    en: str


def read_bytes(path: Path) -> bytes:
    """Return a file's bytes; raises `PackError` where the file is missing or unreadable."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PackError(f"{path.name}: missing from {path.parent}") from None
    except OSError as error:
        raise PackError(f"{path.name}: cannot be read: {error.strerror}") from None
