"""Likely duplicates: what makes a score, the index against a plain search, and how well it does on real reports."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from bench.duplicates import make_busy_county, measure_chicago, measure_messages, read_chicago
from cases.calendars import DAY_MS
from cases.duplicate_index import DuplicateIndex
from cases.duplicates import (
    DuplicateRules,
    Likeness,
    Report,
    Weights,
    find_likely_duplicates,
    find_repeats,
    measure_metres,
    read_rules,
)
from cases.repeats import find_repeated
from cases.wording import Vocabulary, split_words
from geo.pack import PackError
from ingest.answers import Case
from ingest.tables import HOUR_MS
from tests.cases.packs import case as make_case

RULES = DuplicateRules()
METRE = 1 / 111_320  # degrees of latitude
NOW_MS = 1000 * DAY_MS
HEAP = Report("A", "0102", NOW_MS, "东门街12号垃圾堆放", 120.0, 29.5, "339901001001001")


def other(**changes: Any) -> Report:
    """A report an hour before HEAP and alike in all else, but for what is changed."""
    return replace(HEAP, **({"case_id": "B", "reported_ms": NOW_MS - HOUR_MS} | changes))


def compare(one: Report, rules: DuplicateRules = RULES) -> Likeness | None:
    found = find_likely_duplicates(HEAP, [one], rules)
    return found[0] if found else None


def score(one: Report) -> float:
    likeness = compare(one)
    return likeness.score if likeness else 0.0


def test_the_same_thing_told_twice_is_likely() -> None:
    likeness = compare(other(lat=29.5 + 20 * METRE))
    assert likeness is not None and likeness.likely
    reasons = {reason.kind: reason for reason in likeness.reasons}
    assert list(reasons) == ["metres", "hours", "class", "words"]
    assert reasons["metres"].value == pytest.approx(20, abs=0.1)
    assert reasons["hours"].value == pytest.approx(1)
    assert reasons["words"].value == pytest.approx(1)
    assert len(reasons["words"].words) == 3


def test_a_case_is_no_duplicate_of_itself() -> None:
    assert compare(other(case_id="A")) is None
    assert find_likely_duplicates(replace(HEAP, case_id=""), [other(case_id="")], RULES)


@pytest.mark.parametrize(
    ("nearer", "farther"),
    [
        ({"lat": 29.5 + 10 * METRE}, {"lat": 29.5 + 60 * METRE}),
        ({"reported_ms": NOW_MS - HOUR_MS}, {"reported_ms": NOW_MS - 3 * DAY_MS}),
        ({"category": "0102"}, {"category": "0103"}),
        ({"category": "0103"}, {"category": "0406"}),
        ({"text": "东门街12号有垃圾"}, {"text": "东门街14号有垃圾"}),
        ({"text": "东门街12号垃圾堆放"}, {"text": "路灯不亮"}),
        ({"ended_ms": NOW_MS + HOUR_MS}, {"ended_ms": NOW_MS - HOUR_MS // 2}),
        ({"ended_ms": None}, {"ended_ms": NOW_MS - HOUR_MS // 2}),
    ],
)
def test_what_is_more_alike_scores_higher(nearer: dict[str, Any], farther: dict[str, Any]) -> None:
    assert score(other(**nearer)) > score(other(**farther))


def test_the_radius_the_words_and_the_end_are_bounds() -> None:
    assert score(other(lat=29.5 + 151 * METRE)) == 0
    assert score(other(ended_ms=NOW_MS - 4 * DAY_MS, reported_ms=NOW_MS - 5 * DAY_MS)) == 0
    assert score(other(reported_ms=NOW_MS + DAY_MS, ended_ms=None)) > 0  # reported later: it may be the second one
    ended = replace(HEAP, ended_ms=NOW_MS + HOUR_MS)
    assert find_likely_duplicates(ended, [other(reported_ms=NOW_MS + 5 * DAY_MS)], RULES) == []
    # What has stood open for long is worth a look, but its report is hardly the same one.
    old = compare(other(reported_ms=NOW_MS - 90 * DAY_MS))
    assert old is not None and not old.likely


def test_what_is_unknown_counts_neither_for_nor_against() -> None:
    assert score(other(text="")) == pytest.approx(score(other()))
    assert find_likely_duplicates(replace(HEAP, category=""), [other(category="0406")], RULES)[0].likely


def test_reports_of_a_cell_alone_are_compared_within_it() -> None:
    nowhere = {"lon": None, "lat": None}
    likeness = compare(other(**nowhere))
    assert likeness is not None and not likeness.likely
    assert next(reason.kind for reason in likeness.reasons) == "cell"
    assert score(other(**nowhere, cell_code="339901001001002")) == 0


def test_the_same_reporter_raises_a_score() -> None:
    ours = replace(HEAP, contact="digest")
    far = other(text="垃圾没人清", lat=29.5 + 60 * METRE, contact="digest")
    (raised,) = find_likely_duplicates(ours, [far], RULES)
    plain = find_likely_duplicates(ours, [replace(far, contact="another")], structs.replace(RULES, listed=0.0))[0]
    assert raised.score == pytest.approx(1 - (1 - plain.score) / 2)
    assert raised.reasons[-1].kind == "contact"


def test_a_score_is_the_product_of_its_reasons() -> None:
    ours = replace(HEAP, contact="digest")
    for one in (other(contact="digest", category="0103"), other(ended_ms=NOW_MS - 1, text="垃圾堆")):
        for likeness in find_likely_duplicates(ours, [one], structs.replace(RULES, listed=0.0)):
            product = 1.0
            for reason in likeness.reasons:
                product *= reason.likeness
            assert likeness.score == pytest.approx(product)
            assert 0 <= likeness.score <= 1


def test_repeats_are_what_was_closed_here_before() -> None:
    closed = other(case_id="C", reported_ms=NOW_MS - 20 * DAY_MS, ended_ms=NOW_MS - 10 * DAY_MS)
    older = replace(closed, case_id="D", ended_ms=NOW_MS - 15 * DAY_MS)
    others = [
        other(),  # still open
        replace(closed, case_id="E", category="0103"),
        replace(closed, case_id="F", lat=29.5 + 51 * METRE),
        replace(closed, case_id="G", ended_ms=NOW_MS - 181 * DAY_MS),
        replace(closed, case_id="H", ended_ms=NOW_MS + 1),
    ]
    found = find_repeats(HEAP, [older, *others, closed], RULES)
    assert [likeness.other.case_id for likeness in found] == ["C", "D"]
    assert {reason.kind: reason.value for reason in found[0].reasons}["closed"] == 240


def test_a_case_repeats_what_was_closed_and_not_what_was_merged_or_voided() -> None:
    at = datetime(2026, 11, 20, 2, tzinfo=UTC)
    rules = DuplicateRules(repeat_radius_m=50, repeat_days=30)

    def ended(number: str, lat: float, action: str = "close", days: int = 10) -> Case:
        fields = {"case_id": number, "lat": lat, "last_action": action, "closed_at": at - timedelta(days)}
        return make_case(**fields, reported_at=at - timedelta(days + 1))

    def repeats(*others: Case, lat: float = 29.45) -> frozenset[str]:
        return find_repeated([make_case(case_id="new", reported_at=at, lat=lat), *others], rules)

    assert repeats(ended("C", 29.45 + 49 * METRE)) == {"new"}
    assert repeats(ended("C", 29.45 - 49 * METRE)) == {"new"}
    assert repeats(ended("C", 29.45 + 51 * METRE)) == frozenset()
    assert repeats(ended("M", 29.45, "merge"), ended("V", 29.45, "void")) == frozenset()
    assert repeats(ended("C", 29.45, days=31)) == frozenset()
    assert repeats(make_case(case_id="open", lat=29.45, reported_at=at - timedelta(1))) == frozenset()


def test_metres() -> None:
    assert measure_metres(HEAP, other(lat=29.5 + 100 * METRE)) == pytest.approx(100)
    east = measure_metres(HEAP, other(lon=120.001))
    assert east == pytest.approx(96.9, abs=0.2)  # cos 29.5° of 111.3 m
    assert measure_metres(HEAP, other(lon=None)) is None


def test_words_of_two_kinds() -> None:
    assert split_words("东门街12号，ABC路灯") == {"东门", "门街", "12", "号", "abc", "路灯"}
    assert split_words("4853 S. Wood") == {"4853", "s", "wood"}
    assert split_words("１２栋") == split_words("12栋")
    assert split_words(" ，。") == frozenset()


def test_rare_words_say_more() -> None:
    words = Vocabulary(["垃圾 东门街", "垃圾 西门街", "垃圾 人民路", "垃圾 解放路"])
    assert words.weigh("垃圾") < words.weigh("东门")
    ours = split_words("东门街垃圾")
    assert words.compare(ours, split_words("东门街")) > words.compare(ours, split_words("垃圾垃圾"))
    assert words.compare(ours, ours) == pytest.approx(1)
    assert words.compare(ours, frozenset()) == 0
    assert words.pick_telling(ours, split_words("东门街的垃圾"), 1) in (("东门",), ("门街",))


def test_a_vocabulary_forgets_what_is_taken_back() -> None:
    words = Vocabulary(["垃圾", "垃圾 路灯"])
    words.remove("垃圾 路灯")
    assert [words.weigh(word) for word in ("垃圾", "路灯")] == [
        Vocabulary(["垃圾"]).weigh(word) for word in ("垃圾", "路灯")
    ]


def test_the_index_finds_what_a_plain_search_finds() -> None:
    chance = random.Random(7)
    reports = [
        report if chance.random() < 0.9 else replace(report, lon=None, lat=None)
        for report in random.Random(5).sample(list(make_busy_county()), 4000)
    ]
    crowded = [
        replace(
            report, lon=report.lon and 120 + (report.lon - 120) / 8, lat=report.lat and 29.5 + (report.lat - 29.5) / 8
        )
        for report in reports
    ]
    index = DuplicateIndex(RULES)
    for report in crowded:
        index.put(report)
    for report in crowded[::3]:
        index.remove(report.case_id)
    index.remove("of nobody")
    moved = [replace(report, lon=120.02, lat=29.52, text="东门街12号井盖破损") for report in crowded[1::300]]
    for report in moved:
        index.put(report)
    left = {report.case_id: report for number, report in enumerate(crowded) if number % 3}
    left |= {report.case_id: report for report in moved}
    assert len(index) == len(left)
    vocabulary = Vocabulary(report.text for report in left.values())
    found = 0
    for report in [*crowded[1:200], *moved]:
        plain = find_likely_duplicates(report, left.values(), RULES, vocabulary)
        assert index.find_duplicates(report) == plain
        assert index.find_repeats(report) == find_repeats(report, left.values(), RULES)
        found += len(plain)
    assert found > 100


def test_an_empty_index_holds_nothing() -> None:
    index = DuplicateIndex(RULES)
    index.put(HEAP)
    index.remove(HEAP.case_id)
    assert len(index) == 0
    assert vars(index) | {"vocabulary": None} == vars(DuplicateIndex(RULES)) | {"vocabulary": None}


def test_a_county_sets_its_own_rules() -> None:
    assert read_rules({}) == RULES
    read = read_rules({"duplicates": {"radius_m": 80, "likely": 0.9, "weights": {"words": 0.5}}})
    assert read == structs.replace(RULES, radius_m=80.0, likely=0.9, weights=Weights(words=0.5))


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ({"radius": 5}, "duplicates.radius"),
        ({"radius_m": float("inf")}, "duplicates.radius_m"),
        ({"radius_m": "far"}, "duplicates.radius_m"),
        ({"days": 0}, "duplicates.days"),
        ({"days": True}, "duplicates.days"),
        ({"likely": 1.5}, "duplicates.likely"),
        ({"listed": float("nan")}, "duplicates.listed"),
        ({"weights": {"words": 2}}, "duplicates.weights.words"),
        ({"weights": 3}, "duplicates.weights"),
        ({"listed": 0.9}, "duplicates: listed must not be above likely"),
        ([], "duplicates"),
    ],
)
def test_a_bad_rule_is_named(table: Any, field: str) -> None:
    with pytest.raises(PackError, match=f"cases.toml: {field}"):
        read_rules({"duplicates": table})


@pytest.mark.parametrize(
    ("moved_m", "precision", "recall", "f1", "top3"), [(0.0, 0.80, 0.95, 0.87, 0.98), (15.0, 0.83, 0.87, 0.85, 0.97)]
)
def test_chicago_s_duplicates_of_2014(
    shared: Path, moved_m: float, precision: float, recall: float, f1: float, top3: float
) -> None:
    # Learned on 2011-2013; measured .817/.966/.885/.988, and .846/.886/.866/.977 with points as a telephone gives them.
    quality = measure_chicago(read_chicago(shared / "data", moved_m), 2014, 2014, RULES)
    assert (quality.reports, quality.flagged) == (18_842, 982)
    assert quality.precision >= precision
    assert quality.recall >= recall
    assert quality.f1 >= f1
    assert quality.top3 >= top3


def test_messages_of_one_matter_are_listed(shared: Path) -> None:
    measured = measure_messages(shared / "data", RULES)
    assert measured["pairs of one matter by whole texts"] == 194
    assert measured["share"] >= 0.65  # measured .686, by titles alone
    assert measured["listed in all"] <= 250  # measured 190: so few of 2,764 messages are told of another
