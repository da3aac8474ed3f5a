"""Merged cases: who stands for whom, whatever was merged; what may be merged; what counts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cases.merging import (
    Entry,
    check_merge,
    follow_merges,
    join_histories,
    list_merged,
    map_merges,
    pick_counted,
    rate_duplicates,
    rate_reentry,
)
from ingest.answers import CaseAction

NOON = datetime(2026, 11, 21, 4, tzinfo=UTC)
NUMBERS = "ABCDEFGH"
merges = st.dictionaries(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))


def entry(case_id: str, into: str | None = None, **fields: object) -> Entry:
    plain = Entry(case_id, NOON, "hotline", "12345", "urban", "339901001001001", into is not None, into)
    return replace(plain, **fields)  # type: ignore[arg-type]


def test_a_chain_ends_at_the_case_that_stands() -> None:
    merged_into = {"A": "B", "B": "C"}
    assert [follow_merges(merged_into, number) for number in "ABCD"] == ["C", "C", "C", "D"]
    assert list_merged(merged_into, "C") == ["A", "B"]
    assert list_merged(merged_into, "B") == []
    assert follow_merges({"A": "B"}, "A") == "B"  # B is unmerged again


@given(merges)
def test_each_case_stands_or_is_stood_for_whatever_was_merged(merged_into: dict[str, str]) -> None:
    cases = [entry(number, merged_into.get(number)) for number in NUMBERS]
    standing = {case.case_id for case in pick_counted(cases)}
    assert standing
    for number in NUMBERS:
        last = follow_merges(merged_into, number)
        assert last in standing
        assert (number in standing) == (last == number)
    stood_for = [number for one in standing for number in list_merged(merged_into, one)]
    assert sorted([*stood_for, *standing]) == list(NUMBERS)
    assert rate_duplicates(cases).numerator == len(NUMBERS) - len(standing)


@given(st.lists(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS)), max_size=20))
def test_merges_that_are_allowed_make_no_circle(wishes: list[tuple[str, str]]) -> None:
    cases = {number: entry(number) for number in NUMBERS}
    for number, into in wishes:
        if check_merge(cases, number, into) is None:
            cases[number] = entry(number, into)
    merged_into = map_merges(cases.values())
    for number in NUMBERS:
        assert follow_merges(merged_into, number) not in merged_into


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
    cases = [
        entry("A"),
        entry("B"),
        entry("M", "B"),
        entry("E", ended=True),
        entry("D", flow="dispute"),
        entry("T", cell_code="339901002001001"),
        entry("O", cell_code=None),
    ]
    assert check_merge({case.case_id: case for case in cases}, case_id, into, area) == fault


def action(id: int, case_id: str, minute: int) -> CaseAction:
    at = NOON + timedelta(minutes=minute)
    return CaseAction(
        id=id, case_id=case_id, source="s", event_id=str(id), action="note", actor=None, unit=None, at=at,
        received_at=at, note=None, details={},
    )  # fmt: skip


def test_histories_are_joined_in_order() -> None:
    joined = join_histories([[action(1, "A", 0), action(4, "A", 9)], [action(3, "B", 2), action(2, "B", 9)]])
    assert [(one.case_id, one.id) for one in joined] == [("A", 1), ("B", 3), ("B", 2), ("A", 4)]


def test_rates() -> None:
    cases = [
        entry("A"),
        entry("B", "A", channel="app"),
        entry("C", "B", channel="app", source="x"),
        entry("D", channel="app"),
        entry("E", "outside", source="x"),
    ]
    rate = rate_duplicates(cases)
    assert (rate.value, rate.numerator, rate.denominator, rate.counted) == (60.0, 3, 5, ("B", "C", "E"))
    by_channel = rate_reentry(cases, lambda case: case.channel)
    assert {name: (one.value, one.counted) for name, one in by_channel.items()} == {
        "app": (66.67, ("B", "C")),
        "hotline": (50.0, ("E",)),
    }
    assert rate_reentry(cases, lambda case: case.source)["x"].value == 100.0
    assert rate_duplicates([]).value is None
