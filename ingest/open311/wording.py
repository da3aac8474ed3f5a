"""What citizens are told, in Chinese and in English."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Any, Final

from geo.pack import Name
from ingest.reasons import Reason

LANGUAGES: Final = ("zh", "en")


def choose_language(asked: str, accepted: str, default: str) -> str:
    """Return the language asked for, or the first accepted (an `Accept-Language` header), or the default."""
    for wish in (asked, accepted):
        if wish[:2].lower() in LANGUAGES:
            return wish[:2].lower()
    return default


def word(lang: str, key: str, **values: object) -> str:
    """Return a message with its `{placeholders}` filled in."""
    message: str = _load_words()[lang][key]
    return message.format(**values)


def name_action(lang: str, action: str, unit: str | None) -> str:
    """Return an action in words, with the unit that it gave the case to or that took it."""
    named: str = _load_words()[lang]["action"].get(action) or word(lang, "other")
    return word(lang, "step", action=named, unit=unit) if unit else named


def say_reason(lang: str, reason: Reason) -> str | None:
    """Return in words why a rule ended a case; None for what rules do otherwise."""
    sentence: str | None = _load_words()[lang]["because"].get(reason.code)
    return sentence and sentence.format(rule=pick_name(lang, reason.rule), version=reason.version)


def pick_name(lang: str, name: Name) -> str:
    """Return a name in one language."""
    return name.zh if lang == "zh" else name.en


@cache
def _load_words() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
