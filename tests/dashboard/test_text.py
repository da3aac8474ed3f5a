"""The message catalogue: complete in both languages, and every key that is used exists."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from dashboard.charts import WALL_CHARTS
from dashboard.scenes import FIGURES, INCIDENT_PANELS, PANELS
from dashboard.text import LANGUAGES, choose_language, load_catalogue, pick_section, text
from ingest.reasons import Reason
from layers.contract import Title
from layers.words import CHANNELS, SEVERITIES

ROOT = Path(__file__).resolve().parents[2]
# text(lang, "a.b") and page.say("a.b"); keys with a placeholder are checked as the beginning of a key.
PYTHON_KEY = re.compile(r"""\btext\(\s*[a-z_]+,\s*f?"([a-z_0-9.{}']+)""")
TYPESCRIPT_KEY = re.compile(r"""\bsay\(\s*[`"]([a-z_0-9.]+)(\$\{)?""")
TYPESCRIPT_SECTION = re.compile(r"""\bsayName\(\s*"([a-z_]+)\"""")


def find_keys() -> Iterator[tuple[str, str]]:
    """Yield (file, key); a key that ends in `*` stands for every key that begins so."""
    for file in sorted((ROOT / "dashboard").rglob("*.py")):
        for key in PYTHON_KEY.findall(file.read_text(encoding="utf-8")):
            yield file.name, re.sub(r"\{.*", "*", key)
    for file in sorted((ROOT / "dashboard" / "map" / "screens").rglob("*.ts")):
        source = file.read_text(encoding="utf-8")
        for key, open_ended in TYPESCRIPT_KEY.findall(source):
            if file.name == "briefing.ts":  # its `say` is given the keys of its own section
                key = f"briefing.{key}"
            yield file.name, f"{key}*" if open_ended else key
        for section in TYPESCRIPT_SECTION.findall(source):
            yield file.name, f"{section}.*"


def test_both_languages_have_the_same_keys() -> None:
    assert load_catalogue("zh").keys() == load_catalogue("en").keys()


def test_both_languages_have_the_same_placeholders() -> None:
    for key, message in load_catalogue("zh").items():
        assert set(re.findall(r"\{(\w+)\}", message)) == set(re.findall(r"\{(\w+)\}", text("en", key))), key


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_key_that_is_used_exists(lang: str) -> None:
    catalogue = load_catalogue(lang)
    used = list(find_keys())
    assert len(used) > 100
    for file, key in used:
        known = any(name.startswith(key[:-1]) for name in catalogue) if key.endswith("*") else key in catalogue
        assert known, f"{file} uses {key}"


@pytest.mark.parametrize("lang", LANGUAGES)
def test_what_is_named_elsewhere_has_a_word(lang: str) -> None:
    wanted = [f"wall.figure_{key}{part}" for key in FIGURES for part in ("", "_unit", "_means")]
    wanted += [
        f"wall.{key}{part}"
        for key in PANELS
        if key not in ("figures", "alerts", *WALL_CHARTS, *INCIDENT_PANELS)
        for part in ("", "_unit")
    ]
    wanted += [f"incident.{key}" for key in INCIDENT_PANELS if key != "incident"]
    assert [key for key in wanted if key not in load_catalogue(lang)] == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_reason_of_a_rule_has_a_sentence(lang: str) -> None:
    codes = {f"drawer.because_{code}" for code in get_args(Reason.__annotations__["code"])}
    assert codes == {key for key in load_catalogue(lang) if key.startswith("drawer.because_")}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_one_thing_has_one_word(lang: str) -> None:
    sections: dict[str, dict[str, Title]] = {
        "severity": {str(severity): title for severity, title in SEVERITIES.items()},
        "channel": CHANNELS,
    }
    for section, titles in sections.items():
        for name, title in titles.items():
            assert text(lang, f"{section}.{name}") == getattr(title, lang)


def test_placeholders_are_filled() -> None:
    assert text("en", "common.data_as_of", at="08:00") == "Data as of 08:00"


def test_a_missing_key_is_an_error() -> None:
    with pytest.raises(KeyError):
        text("zh", "wall.no_such_key")


def test_an_unknown_language_falls_back() -> None:
    assert choose_language("fr", "zh") == "zh"
    assert choose_language("en", "zh") == "en"
    assert choose_language(None, "en") == "en"


def test_a_section_is_only_itself() -> None:
    assert {key.split(".")[0] for key in pick_section("zh", "wall", "feed")} == {"wall", "feed"}
