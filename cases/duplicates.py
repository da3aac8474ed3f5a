"""Likely duplicates of a report, and earlier cases that it repeats: pure, and able to say why.

A score is a product of factors of 0 to 1, one for each respect in which two reports can differ:

    place   exp(-2 (metres / radius)²); only the cell known: SAME_CELL
    time    1 - weight × share of `days` that lie between the two reports
    class   1 - weight for another group of classes, half of that within one group
    words   1 - weight × (1 - likeness); what has no words counts neither for nor against
    ended   1 - weight where the earlier one had ended before the later one was reported

and the same reporter closes the gap to 1 by a weight. The numbers were learned on Chicago's flags, but for the
weights of class and reporter, of which those flags say nothing: see `docs/duplicates.md`. What is found here is
for a person to look at; nothing is merged by itself.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct

from cases.calendars import DAY_MS
from cases.tables import FILE, read_row
from cases.wording import Vocabulary, split_words
from ingest.tables import HOUR_MS

METRES_PER_DEGREE: Final = 111_320.0
SAME_CELL: Final = 0.6
SAME_GROUP: Final = 0.5
TELLING_WORDS: Final = 3

ReasonKind = Literal["metres", "cell", "hours", "class", "group", "words", "contact", "ended", "closed"]


Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(gt=0, le=100_000)]


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """How much being wholly unlike in one respect takes from a score: 0 nothing, 1 everything."""

    time: Share = 0.5
    words: Share = 0.75
    category: Share = 0.6
    ended: Share = 0.5
    contact: Share = 0.5


class DuplicateRules(Struct, frozen=True, forbid_unknown_fields=True):
    """What counts as alike: `[duplicates]` of a pack's `cases.toml`.

    listed: the score from which a case is shown at all. likely: from which it is proposed as a duplicate.
    closed_days: how long after its end a case can still be reported in duplicate.
    repeat_radius_m, repeat_days: how near and how lately something was dealt with that has come back.
    """

    radius_m: Amount = 150.0
    days: Amount = 7.0
    closed_days: Amount = 3.0
    listed: Share = 0.3
    likely: Share = 0.75
    repeat_radius_m: Amount = 50.0
    repeat_days: Amount = 180.0
    weights: Weights = Weights()

    def __post_init__(self) -> None:
        if self.listed > self.likely:
            raise ValueError("listed must not be above likely")


@dataclass(frozen=True, slots=True)
class Report:
    """What of a reported case is compared.

    case_id: empty for one that is not handed in yet. category: empty where it is not known. text: its title, with more
    where there is more. lon, lat: WGS 84, None where only the cell is known. ended_ms: when it ended (epoch ms), None
    while open. contact: something that only one reporter has, as a digest of their number.
    """

    case_id: str
    category: str
    reported_ms: int
    text: str = ""
    lon: float | None = None
    lat: float | None = None
    cell_code: str | None = None
    ended_ms: int | None = None
    contact: str | None = None


@dataclass(frozen=True, slots=True)
class Reason:
    """One respect in which two reports are alike or not; `likeness` is its factor (above 1: it raised the score).

    value: metres, hours (later than the other: positive), or the share of words; `words` are the most telling shared.
    """

    kind: ReasonKind
    likeness: float
    value: float | None = None
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much another case is like a report, 0 to 1, and why."""

    other: Report
    score: float
    likely: bool
    reasons: tuple[Reason, ...]


def read_rules(settings: Mapping[str, Any]) -> DuplicateRules:
    """Return the rules of a pack's `cases.toml` (`County.case_settings`); raises `PackError` naming the bad field."""
    return read_row(settings.get("duplicates", {}), DuplicateRules, f"{FILE}: duplicates")


def find_likely_duplicates(
    report: Report, candidates: Iterable[Report], rules: DuplicateRules, vocabulary: Vocabulary | None = None
) -> list[Likeness]:
    """Return which candidates may tell of the same thing as a report, the likeliest first.

    Compared are those that were open when it was reported, or had ended at most `closed_days` before.
    vocabulary: tells rare words from common ones; without one all weigh the same.
    """
    vocabulary = vocabulary or Vocabulary()
    likenesses = (_compare(report, other, rules, vocabulary) for other in candidates)
    found = [likeness for likeness in likenesses if likeness is not None and likeness.score >= rules.listed]
    return sorted(found, key=lambda likeness: (-likeness.score, -likeness.other.reported_ms, likeness.other.case_id))


def find_repeats(report: Report, candidates: Iterable[Report], rules: DuplicateRules) -> list[Likeness]:
    """Return the cases of the same class and place that had ended before a report (重复发生), the latest first."""
    found = []
    for other in candidates:
        metres = measure_repeat(report, other, rules)
        if metres is not None:
            near, since_h = _nearness(metres, rules.repeat_radius_m), _measure_hours_since(other, report)
            reasons = Reason("metres", near, metres), Reason("class", 1.0), Reason("closed", 1.0, since_h)
            found.append(Likeness(other, near, False, reasons))
    return sorted(found, key=lambda likeness: (-(likeness.other.ended_ms or 0), likeness.other.case_id))


def measure_repeat(report: Report, other: Report, rules: DuplicateRules) -> float | None:
    """Return how many metres a report lies from an ended case that it repeats; None where it repeats it not."""
    if other.category != report.category or other.case_id == report.case_id or not _had_ended(other, report):
        return None
    if _measure_hours_since(other, report) > rules.repeat_days * 24:
        return None
    metres = measure_metres(report, other)
    return metres if metres is not None and metres <= rules.repeat_radius_m else None


def add_contact(likeness: Likeness, rules: DuplicateRules) -> Likeness:
    """Return a likeness raised by what became known later: that both were reported by the same person."""
    if likeness.score <= 0:
        return likeness
    score = 1 - (1 - likeness.score) * (1 - rules.weights.contact)
    reasons = *likeness.reasons, Reason("contact", score / likeness.score)
    return Likeness(likeness.other, score, score >= rules.likely, reasons)


def measure_metres(one: Report, other: Report) -> float | None:
    """Return how far two reports lie apart (as on a plane, true within kilometres); None if either has no point."""
    if one.lon is None or one.lat is None or other.lon is None or other.lat is None:
        return None
    east = (one.lon - other.lon) * math.cos(math.radians((one.lat + other.lat) / 2))
    return math.hypot(east, one.lat - other.lat) * METRES_PER_DEGREE


def name_group(category: str) -> str:
    """Return the group of a class: its first two digits, or the letter of a dispute class."""
    return category[:1] if category[:1].isalpha() else category[:2]


def _compare(report: Report, other: Report, rules: DuplicateRules, vocabulary: Vocabulary) -> Likeness | None:
    """Return how alike two reports are; None where they are not to be compared, or surely too unlike to be listed."""
    if (report.case_id and other.case_id == report.case_id) or not _overlap(report, other, rules):
        return None
    place = _compare_place(report, other, rules)
    if place is None or (place.likeness < rules.listed and report.contact is None):
        return None
    reasons = [place, _compare_time(report, other, rules)]
    if report.category and other.category:
        reasons.append(_compare_class(report, other, rules.weights))
    if _had_ended(other, report):
        reasons.append(Reason("ended", 1 - rules.weights.ended, _measure_hours_since(other, report)))
    same_contact = report.contact is not None and report.contact == other.contact
    score = math.prod(reason.likeness for reason in reasons)
    if score < rules.listed and not same_contact:
        return None  # words can only take from it, and they are what costs
    if words := _compare_words(report, other, rules.weights, vocabulary):
        reasons.append(words)
        score *= words.likeness
    likeness = Likeness(other, score, score >= rules.likely, tuple(reasons))
    return add_contact(likeness, rules) if same_contact else likeness


def _overlap(one: Report, other: Report, rules: DuplicateRules) -> bool:
    """Return whether each was open when the other was reported, or had ended not long before."""
    grace_ms = rules.closed_days * DAY_MS
    return (other.ended_ms is None or one.reported_ms - other.ended_ms <= grace_ms) and (
        one.ended_ms is None or other.reported_ms - one.ended_ms <= grace_ms
    )


def _had_ended(other: Report, report: Report) -> bool:
    return other.ended_ms is not None and other.ended_ms < report.reported_ms


def _measure_hours_since(other: Report, report: Report) -> float:
    return (report.reported_ms - (other.ended_ms or 0)) / HOUR_MS


def _nearness(metres: float, radius_m: float) -> float:
    return math.exp(-2 * (metres / radius_m) ** 2)


def _compare_place(report: Report, other: Report, rules: DuplicateRules) -> Reason | None:
    metres = measure_metres(report, other)
    if metres is not None:
        return Reason("metres", _nearness(metres, rules.radius_m), metres) if metres <= rules.radius_m else None
    same = report.cell_code is not None and report.cell_code == other.cell_code
    return Reason("cell", SAME_CELL) if same else None


def _compare_time(report: Report, other: Report, rules: DuplicateRules) -> Reason:
    apart_ms = report.reported_ms - other.reported_ms
    share = min(1.0, abs(apart_ms) / (rules.days * DAY_MS))
    return Reason("hours", 1 - rules.weights.time * share, apart_ms / HOUR_MS)


def _compare_class(report: Report, other: Report, weights: Weights) -> Reason:
    if report.category == other.category:
        return Reason("class", 1.0)
    same_group = name_group(report.category) == name_group(other.category)
    return Reason("group", 1 - weights.category * (1 - SAME_GROUP if same_group else 1.0), float(same_group))


def _compare_words(report: Report, other: Report, weights: Weights, vocabulary: Vocabulary) -> Reason | None:
    ours, theirs = split_words(report.text), split_words(other.text)
    if not ours or not theirs:
        return None
    alike = vocabulary.compare(ours, theirs)
    telling = vocabulary.pick_telling(ours, theirs, TELLING_WORDS)
    return Reason("words", 1 - weights.words * (1 - alike), alike, telling)
