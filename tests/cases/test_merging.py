"""What may be merged into what."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.merging import Entry, check_merge

NUMBERS = "ABCDEFGH"


def entry(into: str | None = None, **fields: object) -> Entry:
    plain = Entry("urban", "339901001001001", into is not None, into)
    return replace(plain, **fields)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)), max_size=20))
def test_merges_that_are_allowed_make_no_circle(wishes: list[tuple[str, str]]) -> None:
    cases = {number: entry() for number in NUMBERS}
    for number, into in wishes:
        if check_merge(cases, number, into) is None:
            cases[number] = entry(into)
    for number in NUMBERS:
        steps = 0
        while (above := cases[number].merged_into) is not None:
            number, steps = above, steps + 1
            assert steps < len(NUMBERS)


@pytest.mark.parametrize(
    ("case_id", "into", "area", "fault"),
    [
        ("A", "B", "", None),
        ("A", "B", "339901001", None),
        ("A", "A", "", "itself"),
        ("A", "Z", "", "unknown"),
        ("Z", "A", "", "unknown"),
        ("M", "A", "", "from_ended"),
        ("A", "M", "", "into_merged"),
        ("E", "A", "", "from_ended"),
        ("A", "E", "", "into_ended"),
        ("A", "D", "", "flow"),
        ("A", "T", "", None),
        ("A", "T", "339901001", "area"),
        ("A", "O", "339901001", "area"),
    ],
)
def test_what_may_be_merged(case_id: str, into: str, area: str, fault: str | None) -> None:
    cases = {
        "A": entry(),
        "B": entry(),
        "M": entry("B"),
        "E": entry(ended=True),
        "D": entry(flow="dispute"),
        "T": entry(cell_code="339901002001001"),
        "O": entry(cell_code=None),
    }
    assert check_merge(cases, case_id, into, area) == fault
