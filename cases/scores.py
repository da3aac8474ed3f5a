"""Scores of GB/T 30428.4's kind: for an area, a unit, and each role of the loop, composed of weighted indicators.

Formulas follow the Apache-2.0 code of a deployed 数字城管 system (`reference/standards.md` 3.11), with its two slips
put right: the duty chief's 按时立案率 counts filing in time (not closing), and 按时结案率 is over 应结案数.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cases.facts import CaseFacts
from cases.indicators import (
    Indicator,
    Period,
    list_due,
    list_reported,
    rate,
    rate_closed,
    rate_found_by_ourselves,
    rate_loop_closed,
    rate_on_time,
    rate_solved_at,
)
from cases.passages import Passage
from ingest.tables import as_time

Bands = tuple[tuple[int, float], ...]
UNIT_BANDS: Final[Bands] = ((0, 100), (51, 90), (101, 75), (201, 60), (501, 40), (1000, 0))
"""立案数分值: from so many filed cases on, so many points; few are good."""

CLERK_BANDS: Final[Bands] = ((0, 40), (101, 40), (301, 60), (501, 75), (1201, 90), (2001, 100))
"""受理数分值 and 派遣数分值: many are good."""

MONTH_DAYS: Final = 30.0
"""Bands are of a month; a shorter or longer period is scaled to it."""

VERIFIED: Final = frozenset({"verify_site"})
CHECKED: Final = frozenset({"check", "return", "follow_up"})
ACCEPTED: Final = frozenset({"accept"})
SENT_TO_VERIFY: Final = frozenset({"send_verify"})
SENT_TO_CHECK: Final = frozenset({"send_check"})
FILED: Final = frozenset({"file"})
CLOSED: Final = frozenset({"close"})
DISPATCHED: Final = frozenset({"dispatch", "triage", "mediate"})
HANDLED: Final = frozenset({"handle", "settle"})


@dataclass(frozen=True)
class Part:
    """One indicator of a score: the points (0–100) that it gives and what they weigh (per cent of the whole)."""

    key: str
    weight: float
    points: float | None
    indicator: Indicator


@dataclass(frozen=True)
class Score:
    """The score of one subject: 0–100, None where nothing could be measured.

    kind: `area`, `unit`, or a role. Parts that could not be measured are left out, and the others weigh more.
    """

    kind: str
    subject: str
    parts: tuple[Part, ...]

    @property
    def value(self) -> float | None:
        """The weighted mean of the parts that could be measured, rounded to two decimals."""
        measured = [(part.weight, part.points) for part in self.parts if part.points is not None]
        weight = sum(weight for weight, _ in measured)
        return round(sum(weight * points for weight, points in measured) / weight, 2) if weight else None


def score_area(subject: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of an area; the weights are ours, as the standard leaves them to the place."""
    return _compose(
        "area",
        subject,
        (
            ("closed", 30, rate_closed(cases, period)),
            ("on_time", 30, rate_on_time(cases, period)),
            ("loop", 15, rate_loop_closed(cases, period)),
            ("discovered", 15, rate_found_by_ourselves(cases, period)),
            ("solved_village", 10, rate_solved_at("village", cases, period)),
        ),
    )


def score_unit(unit: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of a unit: filed 10 %, closed 30 %, handled in time 30 %, not returned 30 %."""
    own = [case for case in cases if case.unit == unit or unit in case.units]
    filed = [case for case in list_reported(own, period) if case.filed_at is not None]
    count = Indicator("unit_filed", float(len(filed)), len(filed), None, tuple(case.case_id for case in filed))
    handled = _pick(own, HANDLED, period, lambda passage: passage.unit == unit)
    returned = rate("unit_returned", _cases_of(handled), lambda case: case.returns > 0)
    return Score(
        "unit",
        unit,
        (
            Part("unit_filed", 10, grade_number(UNIT_BANDS, len(filed), period), count),
            _as_part("closed", 30, rate_closed(own, period)),
            _as_part("handled_in_time", 30, _rate_passages("handled_in_time", handled)),
            Part("returned", 30, None if returned.value is None else 100 - returned.value, returned),
        ),
    )


def score_inspector(worker: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of a grid worker (监督员) over the cases of their cells: 40 + 20 + 20 + 20 %.

    A report is effective (有效上报) unless it was voided or merged; what others had to report first was missed (漏报).
    """
    found = [case for case in cases if case.reported_at in period and case.channel == "grid_worker"]
    reported = list_reported(cases, period)
    effective = rate("effective_reports", found, lambda case: case.counts)
    missed = rate("missed", reported, lambda case: case.channel in ("hotline", "app", "window"))
    verified = _pick(cases, VERIFIED, period, lambda passage: passage.actor == worker)
    checked = _pick(cases, CHECKED, period, lambda passage: passage.actor == worker)
    return Score(
        "inspector",
        worker,
        (
            _as_part("effective_reports", 40, effective),
            Part("missed", 20, None if missed.value is None else 100 - missed.value, missed),
            _as_part("verified_in_time", 20, _rate_passages("verified_in_time", verified)),
            _as_part("checked_in_time", 20, _rate_passages("checked_in_time", checked)),
        ),
    )


def score_clerk(actor: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of who accepts (受理员): accepted 25 %, sent to verify and to check in time 40 % and 35 %."""
    accepted, to_verify, to_check = (
        _pick(cases, actions, period, lambda passage: passage.actor == actor)
        for actions in (ACCEPTED, SENT_TO_VERIFY, SENT_TO_CHECK)
    )
    return Score(
        "clerk",
        actor,
        (
            _as_band("accepted", 25, accepted, period),
            _as_part("sent_to_verify", 40, _rate_passages("sent_to_verify", to_verify)),
            _as_part("sent_to_check", 35, _rate_passages("sent_to_check", to_check)),
        ),
    )


def score_dispatcher(actor: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of who dispatches (派遣员): number 20 %, in time 40 %, to the right unit 40 %."""
    sent = _pick(cases, DISPATCHED, period, lambda passage: passage.actor == actor)
    right = rate("right_unit", _cases_of(sent), lambda case: case.hand_backs == 0)
    return Score(
        "dispatcher",
        actor,
        (
            _as_band("dispatched", 20, sent, period),
            _as_part("dispatched_in_time", 40, _rate_passages("dispatched_in_time", sent)),
            _as_part("right_unit", 40, right),
        ),
    )


def score_chief(actor: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of the duty chief (值班长): filed in time 25 %, filed rightly 40 %, closed in time 35 %."""
    filed = _pick(cases, FILED, period, lambda passage: passage.actor == actor)
    own = _cases_of(_pick(cases, CLOSED, period, lambda passage: passage.actor == actor))
    right = rate("filed_rightly", _cases_of(filed), lambda case: case.ended_by != "void")
    due = list_due(own, period)
    return Score(
        "chief",
        actor,
        (
            _as_part("filed_in_time", 25, _rate_passages("filed_in_time", filed)),
            _as_part("filed_rightly", 40, right),
            _as_part("closed_in_time", 35, rate_on_time(due, period)),
        ),
    )


def score_room(town: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of a town's command room (指挥室): dispatched in time 50 %, to the right unit 50 %."""
    sent = _pick(cases, DISPATCHED, period, lambda _: True)
    right = rate("right_unit", _cases_of(sent), lambda case: case.hand_backs == 0)
    parts = (
        _as_part("dispatched_in_time", 50, _rate_passages("dispatched_in_time", sent)),
        _as_part("right_unit", 50, right),
    )
    return Score("room", town, parts)


def bundle_scores(links: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """Return the one score that everybody along a chain of responsibility shares (考核捆绑), 0–100.

    links: the score of each link (cell, village, command room, town), None where it could not be measured. weights:
    what each weighs; those of links without a score fall away.
    """
    measured = [(weights.get(link, 0.0), value) for link, value in links.items() if value is not None]
    whole = sum(weight for weight, _ in measured)
    return round(sum(weight * value for weight, value in measured) / whole, 2) if whole else None


def list_actors(cases: Iterable[CaseFacts], actions: frozenset[str], period: Period) -> list[str]:
    """Return who did one of some actions in a period, by name."""
    return sorted({passage.actor for _, passage in _pick(cases, actions, period, lambda _: True) if passage.actor})


def _pick(
    cases: Iterable[CaseFacts], actions: frozenset[str], period: Period, takes: Callable[[Passage], bool]
) -> list[tuple[CaseFacts, Passage]]:
    """Return the stays that one of some actions ended in a period."""
    return [
        (case, passage)
        for case in cases
        for passage in case.passages
        if passage.action in actions
        and passage.left_ms is not None
        and as_time(passage.left_ms) in period
        and takes(passage)
    ]


def _rate_passages(rule: str, passages: Sequence[tuple[CaseFacts, Passage]]) -> Indicator:
    """Return which share of steps was done by their deadline; a case counts once for each of its steps."""
    counted = tuple(case.case_id for case, passage in passages if passage.on_time)
    value = round(100 * len(counted) / len(passages), 2) if passages else None
    return Indicator(rule, value, len(counted), len(passages), counted)


def _cases_of(passages: Iterable[tuple[CaseFacts, Passage]]) -> list[CaseFacts]:
    return list({case.case_id: case for case, _ in passages}.values())


def _as_part(key: str, weight: float, indicator: Indicator) -> Part:
    return Part(key, weight, indicator.value, indicator)


def _as_band(key: str, weight: float, passages: Sequence[tuple[CaseFacts, Passage]], period: Period) -> Part:
    counted = tuple(case.case_id for case, _ in passages)
    return Part(
        key,
        weight,
        grade_number(CLERK_BANDS, len(counted), period),
        Indicator(key, float(len(counted)), len(counted), None, counted),
    )


def grade_number(bands: Bands, number: int, period: Period) -> float:
    """Return the points that a number gives, scaled to a month."""
    days = max((period.end - period.start).total_seconds() / 86_400, 1 / 24)
    monthly = number * MONTH_DAYS / days
    return next(points for least, points in reversed(bands) if monthly >= least)


def _compose(kind: str, subject: str, rows: Sequence[tuple[str, float, Indicator]]) -> Score:
    return Score(kind, subject, tuple(_as_part(key, weight, indicator) for key, weight, indicator in rows))
