"""The message catalogue: every word on screen, in Chinese and in English."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

LANGUAGES = ("zh", "en")


@cache
def load_catalogue(lang: str) -> dict[str, str]:
    """Return every message of a language under its dotted key; raises `KeyError` for an unknown language."""
    if lang not in LANGUAGES:
        raise KeyError(f"no catalogue for language {lang!r}")
    path = Path(__file__).with_name(f"{lang}.toml")
    return dict(_flatten(tomllib.loads(path.read_text(encoding="utf-8")), ""))


def text(lang: str, key: str, **values: object) -> str:
    """Return a message with its `{placeholders}` filled in; raises `KeyError` for a key that is not there."""
    message = load_catalogue(lang)[key]
    return message.format(**values) if values else message


def pick_section(lang: str, *sections: str) -> dict[str, str]:
    """Return the messages whose key starts with one of the sections: what a screen's TypeScript is given."""
    wanted = tuple(f"{section}." for section in sections)
    return {key: message for key, message in load_catalogue(lang).items() if key.startswith(wanted)}


def choose_language(asked: object, default: str) -> str:
    """Return the language to use: the one asked for if there is a catalogue for it, else the default."""
    return asked if isinstance(asked, str) and asked in LANGUAGES else default


def _flatten(table: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            pairs.extend(_flatten(value, f"{key}."))
        else:
            pairs.append((key, str(value)))
    return pairs
