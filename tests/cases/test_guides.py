"""Handling guides: the one that fits most holds, and a broken one is named."""

from typing import Any

import pytest

from cases.guides import read_guides
from geo.county import County
from geo.pack import PackError

STEP = {"zh": "看", "en": "look"}
CODES, UNITS = ("0102", "0403", "D04"), ("U01",)


def read(*guides: Any) -> Any:
    return read_guides({"guides": list(guides)}, CODES, UNITS)


def test_the_longest_beginning_holds() -> None:
    guides = read(
        {"steps": [STEP | {"zh": "都"}]},
        {"categories": ["04"], "steps": [STEP | {"zh": "急"}]},
        {"categories": ["0403", "D"], "steps": [STEP | {"zh": "气"}]},
    )
    found = {code: guides.find(code).steps[0].zh for code in ("0102", "0401", "0403", "D04", "X")}
    assert found == {"0102": "都", "0401": "急", "0403": "气", "D04": "气", "X": "都"}


def test_without_a_general_one_a_class_has_none() -> None:
    assert read({"categories": ["04"], "steps": [STEP]}).find("0102") is None
    assert read().find("0102") is None


@pytest.mark.parametrize(
    ("guides", "said"),
    [
        ([{"categories": ["07"], "steps": [STEP]}], r"guides\[1\].categories.*'07' begins no code"),
        ([{"steps": [STEP]}, {"steps": [STEP]}], r"guides\[2\].categories: every class is already in guides\[1\]"),
        ([{"steps": []}], r"guides\[1\].steps: Expected `array` of length >= 1"),
        ([{"steps": [{"en": "look"}]}], r"guides\[1\].steps\[1\].zh: missing"),
        ([{"steps": [STEP], "calls": [{"zh": "谁"}]}], r"guides\[1\].calls\[1\]: unit, role or phone"),
        ([{"steps": [STEP], "calls": [{"zh": "谁", "unit": "U99"}]}], r"calls\[1\].unit: there is no unit 'U99'"),
        ([{"steps": [STEP], "calls": [{"zh": "谁", "role": "mayor"}]}], r"calls\[1\].role: there is no role 'mayor'"),
        ([{"steps": [STEP], "basis": [{"zh": "法"}]}], r"guides\[1\].basis\[1\].law_zh: missing"),
        ([{"steps": [STEP], "colour": "red"}], r"guides\[1\].*colour"),
    ],
)
def test_a_broken_guide_is_named(guides: list[Any], said: str) -> None:
    with pytest.raises(PackError, match=said):
        read(*guides)


def test_the_demo_county_has_a_guide_for_every_class_in_both_languages(county: County) -> None:
    guides = read_guides(county.case_settings, county.categories, county.units)
    for code in county.categories:
        guide = guides.find(code)
        assert guide is not None and guide.steps, code
        for row in (*guide.steps, *guide.calls, *guide.basis):
            assert row.zh and row.en and row.zh != row.en
    gas = guides.find("0403")
    assert gas is not None
    assert gas.calls[0].unit == "U09"
    assert any(basis.law.zh == "城镇燃气管理条例" and basis.article.zh == "第四十条" for basis in gas.basis)
