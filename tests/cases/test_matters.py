"""Matter lists: what is on them, what becomes of the rest, and what is wrong with one, by row and field."""

from datetime import date
from typing import Any

import pytest

from cases.matters import Matter, grade_case
from cases.rulebook import Rulebook, read_rulebook
from cases.tables import Named
from geo.county import County
from geo.pack import PackError
from tests.cases.packs import read

TODAY = date(2026, 11, 20)
WORDS = """
admission = { zh = "进" }
standard = { zh = "做" }
exit = { zh = "出" }
"""
REFUSING = f"""
[[matter_lists]]
version = "1"
valid_from = 2026-01-01
unlisted = "refuse"
unlisted_rule = {{ zh = "清单外不受理", en = "not taken" }}
[[matter_lists.matters]]
code = "M1"
zh = "垃圾"
categories = ["01"]
{WORDS}
[[matter_lists]]
version = "2"
valid_from = 2026-11-20
unlisted_rule = {{ zh = "转综治中心" }}
unlisted_unit = "U13"
[[matter_lists.matters]]
code = "M1"
zh = "暴露垃圾"
categories = ["0102"]
{WORDS}
"""


@pytest.fixture(scope="module")
def demo(county: County) -> Rulebook:
    return read_rulebook(county)


def test_every_class_of_the_demo_is_a_matter_with_all_its_words(demo: Rulebook, county: County) -> None:
    taken: dict[str, Matter] = {}
    for category in county.categories:
        admission = demo.matters.admit(category, TODAY)
        assert admission.matter is not None and not admission.refused and admission.version == "2025", category
        taken[admission.matter.code] = admission.matter
    assert len(taken) == 27
    for matter in taken.values():
        for text in (matter, matter.admission, matter.standard, matter.exit):
            assert text.zh and text.en and text.zh != text.en, matter.code
    assert {matter.grade for matter in taken.values()} == {"minor", "major"}
    assert {matter.confirm for matter in taken.values()} == {True, False}


def test_the_longest_beginning_decides(demo: Rulebook) -> None:
    found = {code: demo.matters.admit(code, TODAY).matter for code in ("D01", "D03", "0205")}
    assert [matter and matter.code for matter in found.values()] == ["M27", "M26", "M11"]


def test_a_report_goes_by_the_list_of_its_day(county: County) -> None:
    matters = read(county, REFUSING).matters
    told = [
        (answer.version, answer.matter is not None, answer.refused, answer.unit)
        for category, day in (
            ("0110", date(2025, 12, 31)),
            ("0110", date(2026, 1, 1)),
            ("0201", date(2026, 11, 19)),
            ("0201", date(2026, 11, 20)),
            ("0102", date(2026, 11, 20)),
        )
        for answer in [matters.admit(category, day)]
    ]
    assert told == [
        ("", False, False, ""),
        ("1", True, False, ""),
        ("1", False, True, ""),
        ("2", False, False, "U13"),
        ("2", True, False, ""),
    ]
    assert matters.admit("0201", date(2026, 11, 19)).rule.en == "not taken"


@pytest.mark.parametrize(
    ("major", "severity", "units", "grade", "rule"),
    [
        (True, 4, (), "major", "matter"),
        (False, 2, (), "major", "severity"),
        (False, 3, ("U05",), "major", "units"),
        (False, 3, (), "minor", "minor"),
    ],
)
def test_what_is_major(major: bool, severity: int, units: tuple[str, ...], grade: str, rule: str) -> None:
    words = Named(zh="x")
    matter = Matter(
        code="M", zh="x", categories=("01",), grade="major" if major else "minor",
        admission=words, standard=words, exit=words,
    )  # fmt: skip
    grading = grade_case(matter, severity, units)
    assert (grading.grade, grading.rule) == (grade, rule)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("valid_from = 2026-11-20", "valid_from = 2026-01-01", "matter_lists\[2\].valid_from: another list"),
        ('unlisted_rule = { zh = "转综治中心" }', "", r"matter_lists\[2\].unlisted_rule: missing"),
        ('unlisted_unit = "U13"', 'unlisted_unit = "U99"', r"matter_lists\[2\].unlisted_unit: there is no unit 'U99'"),
        ('unlisted_unit = "U13"', "", r"matter_lists\[2\].unlisted_unit"),
        ('categories = ["0102"]', 'categories = ["0777"]', r"matter_lists\[2\].matters\[1\].categories: '0777'"),
        (
            'categories = ["0102"]',
            "categories = []",
            r"matter_lists\[2\].matters\[1\].categories: Expected `array` of length >= 1",
        ),
        (
            'categories = ["0102"]',
            'categories = ["0102", "0102"]',
            r"'0102' is already in matter_lists\[2\].matters\[1\]",
        ),
        ('zh = "暴露垃圾"', "", r"matter_lists\[2\].matters\[1\].zh: missing"),
        ('categories = ["0102"]\n\nadmission = { zh = "进" }', 'categories = ["0102"]', r"\[1\].admission: missing"),
        (
            'code = "M1"\nzh = "暴露垃圾"',
            'code = 1\nzh = "暴露垃圾"',
            r"matter_lists\[2\].matters\[1\].code: Expected `str`",
        ),
        ('code = "M1"\nzh = "暴露垃圾"', 'code = "M1"\ngrade = "big"\nzh = "x"', r"grade: Invalid enum value 'big'"),
        ('code = "M1"\nzh = "暴露垃圾"', 'code = "M1"\nlimit = 3\nzh = "x"', "limit: there is no such field"),
    ],
)
def test_what_is_wrong_is_named(county: County, before: str, after: str, said: Any) -> None:
    assert before in REFUSING
    with pytest.raises(PackError, match=said):
        read(county, REFUSING.replace(before, after))
