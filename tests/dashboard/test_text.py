"""The message catalogue: complete in both languages, and every key that is used exists."""

import ast
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


# What says both languages itself, beside each other, because it is no page's: a layer's words on the map, names of
# clocks, spans; and the demo's persons, who are data.
SAY_BOTH_THEMSELVES = {
    "care.py",
    "case_clocks.py",
    "descriptions.py",
    "map/card.ts",
    "map/county_map.ts",
    "map/markers.ts",
    "map/style.ts",
}
TYPESCRIPT_COMMENT = re.compile(r"/\*.*?\*/|(?<![:\"'])//[^\n]*", re.DOTALL)
TYPESCRIPT_WORDS = re.compile(
    r"""(?:make\("(?!kbd)\w+", "[^"]*", |setText\((?:[^()"]|\([^()]*\))*, |textContent = )["`][^"`$]*[A-Za-z]{2}"""
)
MARKUP_WORDS = re.compile(r""">[^<>{}]*[A-Za-z]{3,}[^<>{}]*<|(?:title|alt|aria-label)="[^"{]*[A-Za-z]{3,}""")
SPOKEN = {"title", "alt", "placeholder", "label", "children", "aria_label"}


def list_files(*kinds: str) -> list[Path]:
    return sorted(file for kind in kinds for file in (ROOT / "dashboard").rglob(f"*.{kind}"))


def find_literals(file: Path) -> Iterator[str]:
    """Yield the strings of a Python file that are no documentation."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield node.value


def test_chinese_is_in_the_catalogue_only() -> None:
    chinese = re.compile("[\u4e00-\u9fff]")
    with_words = {
        str(file.relative_to(ROOT / "dashboard"))
        for file in list_files("py", "ts", "html")
        if any(
            chinese.search(literal)
            for literal in (
                find_literals(file)
                if file.suffix == ".py"
                else [TYPESCRIPT_COMMENT.sub("", file.read_text(encoding="utf-8"))]
            )
        )
    }
    assert with_words == SAY_BOTH_THEMSELVES


def test_no_english_is_put_on_a_page_beside_the_catalogue() -> None:
    found = [
        f"{file.name}: {words}"
        for file in list_files("ts", "html")
        for words in (TYPESCRIPT_WORDS if file.suffix == ".ts" else MARKUP_WORDS).findall(
            TYPESCRIPT_COMMENT.sub("", file.read_text(encoding="utf-8"))
        )
    ]
    for file in list_files("py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or not ast.unparse(call.func).startswith("html."):
                continue
            said = [*call.args[:1], *(one.value for one in call.keywords if one.arg in SPOKEN)]
            said += [part for one in said if isinstance(one, ast.List) for part in one.elts]
            found += [
                f"{file.name}: {one.value}"
                for one in said
                if isinstance(one, ast.Constant) and isinstance(one.value, str) and re.search("[A-Za-z]{2}", one.value)
            ]
    assert found == []
