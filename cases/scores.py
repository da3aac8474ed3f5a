"""Scores of GB/T 30428.4's kind: for an area, a unit, and each role of the loop, composed of weighted indicators.

Formulas follow the Apache-2.0 code of a deployed 数字城管 system (`reference/standards.md` 3.11), with its two slips
put right: the duty chief's 按时立案率 counts filing in time (not closing), and 按时结案率 is over 应结案数.
What was to be done (应处置, 应派遣, …) are the steps whose deadline falls into the period, done or not. A dispatch was
wrong where it was handed back (退单); rework (返工) is the unit's own.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cases.facts import CaseFacts
from cases.indicators import (
    Indicator,
    Period,
    count,
    list_reported,
    rate,
    rate_closed,
    rate_found_by_ourselves,
    rate_loop_closed,
    rate_on_time,
    rate_solved_at,
)
from cases.passages import Passage
from ingest.tables import as_ms

Stay = tuple[CaseFacts, Passage]
Bands = tuple[tuple[int, float], ...]
UNIT_BANDS: Final[Bands] = ((0, 100), (51, 90), (101, 75), (201, 60), (501, 40), (1000, 0))
"""立案数分值: from so many filed cases on, so many points; few are good."""

CLERK_BANDS: Final[Bands] = ((0, 0), (101, 40), (301, 60), (501, 75), (1201, 90), (2001, 100))
"""受理数分值 and 派遣数分值: many are good."""

MONTH_DAYS: Final = 30.0
"""Bands are of a month; a shorter or longer period is scaled to it."""

VERIFIED: Final = frozenset({"verify_site"})
CHECKED: Final = frozenset({"check", "return", "follow_up"})
RETURNED: Final = frozenset({"return"})
HANDED_BACK: Final = frozenset({"hand_back"})
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
        return _weigh((part.weight, part.points) for part in self.parts)


def score_area(subject: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of an area; the weights are ours, as the standard leaves them to the place."""
    return Score(
        "area",
        subject,
        (
            _as_part("closed", 30, rate_closed(cases, period)),
            _as_part("on_time", 30, rate_on_time(cases, period)),
            _as_part("loop", 15, rate_loop_closed(cases, period)),
            _as_part("discovered", 15, rate_found_by_ourselves(cases, period)),
            _as_part("solved_village", 10, rate_solved_at("village", cases, period)),
        ),
    )


def score_unit(unit: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of a unit: filed 10 %, closed 30 %, handled in time 30 %, not returned 30 %."""
    own = [case for case in cases if case.unit == unit or unit in case.units]
    filed = count("unit_filed", list_reported(own, period), lambda case: case.filed_at is not None)
    work = _Work(own, period, lambda passage: passage.unit == unit)
    returned = _rate_stays(
        "unit_returned", work.list_done(HANDLED), lambda case, passage: _comes_back(case, passage, RETURNED, HANDLED)
    )
    return Score(
        "unit",
        unit,
        (
            _as_band("unit_filed", 10, UNIT_BANDS, filed, period),
            _as_part("closed", 30, rate_closed(own, period)),
            work.rate_in_time("handled_in_time", 30, HANDLED),
            _as_rest("returned", 30, returned),
        ),
    )


def score_inspector(worker: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of a grid worker (监督员) over the cases of their cells: 40 + 20 + 20 + 20 %.

    A report is effective (有效上报) unless it was voided or merged; what was filed and others had to report first was
    missed (漏报). What nobody has verified or checked in these cells counts as not done.
    """
    found = [case for case in cases if case.reported_at in period and case.channel == "grid_worker"]
    filed = [case for case in list_reported(cases, period) if case.filed_at is not None]
    work = _Work(cases, period, lambda passage: passage.actor in (worker, None))
    return Score(
        "inspector",
        worker,
        (
            _as_part("effective_reports", 40, rate("effective_reports", found, lambda case: case.counts)),
            _as_rest("missed", 20, rate("missed", filed, lambda case: case.channel in ("hotline", "app", "window"))),
            work.rate_in_time("verified_in_time", 20, VERIFIED),
            work.rate_in_time("checked_in_time", 20, CHECKED),
        ),
    )


def score_clerk(actor: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of who accepts (受理员): accepted 25 %, sent to verify and to check in time 40 % and 35 %."""
    work = _Work(cases, period, lambda passage: passage.actor == actor)
    return Score(
        "clerk",
        actor,
        (
            _as_band("accepted", 25, CLERK_BANDS, work.count_done("accepted", ACCEPTED), period),
            work.rate_in_time("sent_to_verify", 40, SENT_TO_VERIFY),
            work.rate_in_time("sent_to_check", 35, SENT_TO_CHECK),
        ),
    )


def score_dispatcher(actor: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of who dispatches (派遣员): number 20 %, in time 40 %, to the right unit 40 %."""
    work = _Work(cases, period, lambda passage: passage.actor == actor)
    return Score(
        "dispatcher",
        actor,
        (
            _as_band("dispatched", 20, CLERK_BANDS, work.count_done("dispatched", DISPATCHED), period),
            work.rate_in_time("dispatched_in_time", 40, DISPATCHED),
            _as_part("right_unit", 40, _rate_right_unit(work)),
        ),
    )


def score_chief(actor: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of the duty chief (值班长): filed in time 25 %, filed rightly 40 %, closed in time 35 %."""
    work = _Work(cases, period, lambda passage: passage.actor == actor)
    filed, closed = (_list_cases(work.list_done(actions)) for actions in (FILED, CLOSED))
    return Score(
        "chief",
        actor,
        (
            work.rate_in_time("filed_in_time", 25, FILED),
            _as_part("filed_rightly", 40, rate("filed_rightly", filed, lambda case: case.ended_by != "void")),
            _as_part("closed_in_time", 35, rate_on_time(closed, period)),
        ),
    )


def score_room(town: str, cases: Sequence[CaseFacts], period: Period) -> Score:
    """Return the score of a town's command room (指挥室): dispatched in time 50 %, to the right unit 50 %."""
    work = _Work(cases, period, lambda _: True)
    return Score(
        "room",
        town,
        (
            work.rate_in_time("dispatched_in_time", 50, DISPATCHED),
            _as_part("right_unit", 50, _rate_right_unit(work)),
        ),
    )


def bundle_scores(links: Mapping[str, float | None], weights: Mapping[str, float]) -> float | None:
    """Return the one score that everybody along a chain of responsibility shares (考核捆绑), 0–100.

    links: the score of each link (cell, village, command room, town), None where it could not be measured. weights:
    what each weighs; those of links without a score fall away.
    """
    return _weigh((weights.get(link, 0.0), value) for link, value in links.items())


def list_actors(cases: Iterable[CaseFacts], actions: frozenset[str], period: Period) -> list[str]:
    """Return who did one of some actions in a period, by name."""
    done = _Work(cases, period, lambda _: True).list_done(actions)
    return sorted({passage.actor for _, passage in done if passage.actor})


class _Work:
    """The steps of some cases that are somebody's, in a period."""

    def __init__(self, cases: Iterable[CaseFacts], period: Period, is_theirs: Callable[[Passage], bool]) -> None:
        self._stays = [(case, stay) for case in cases for stay in case.passages if is_theirs(stay)]
        self._start_ms, self._end_ms = as_ms(period.start), as_ms(period.end)

    def list_done(self, actions: frozenset[str]) -> list[Stay]:
        """Return the stays that one of some actions ended."""
        return [(case, stay) for case, stay in self._stays if stay.action in actions and self._has(stay.left_ms)]

    def count_done(self, key: str, actions: frozenset[str]) -> Indicator:
        """Return how often one of some actions was done; a case counts each time."""
        return count(key, [case for case, _ in self.list_done(actions)], lambda _: True)

    def rate_in_time(self, key: str, weight: float, actions: frozenset[str]) -> Part:
        """Return which share of what was due was done by its deadline; what has none is due when it is done.

        Due are the stays that one of `actions` ended, or is to end.
        """
        due = [
            (case, stay)
            for case, stay in self._stays
            if (stay.action or stay.awaits) in actions
            and self._has(stay.left_ms if stay.due_ms is None else stay.due_ms)
        ]
        return _as_part(key, weight, _rate_stays(key, due, lambda _, stay: stay.on_time))

    def _has(self, at_ms: int | None) -> bool:
        return at_ms is not None and self._start_ms < at_ms <= self._end_ms


def _rate_right_unit(work: _Work) -> Indicator:
    """Return which share of dispatches was not handed back before the next one."""
    return _rate_stays(
        "right_unit",
        work.list_done(DISPATCHED),
        lambda case, stay: not _comes_back(case, stay, HANDED_BACK, DISPATCHED),
    )


def _rate_stays(rule: str, stays: Sequence[Stay], holds: Callable[[CaseFacts, Passage], bool]) -> Indicator:
    counted = tuple(case.case_id for case, stay in stays if holds(case, stay))
    value = round(100 * len(counted) / len(stays), 2) if stays else None
    return Indicator(rule, value, len(counted), len(stays), counted)


def _comes_back(case: CaseFacts, stay: Passage, back: frozenset[str], again: frozenset[str]) -> bool:
    """Return whether what ended a stay came back, by one of some actions, before it was done again."""
    later = case.passages[case.passages.index(stay) + 1 :]
    return next((one.action in back for one in later if one.action in back | again), False)


def _list_cases(stays: Iterable[Stay]) -> list[CaseFacts]:
    return list({case.case_id: case for case, _ in stays}.values())


def _weigh(measured: Iterable[tuple[float, float | None]]) -> float | None:
    """Return the mean of (weight, value), rounded to two decimals; what has no value falls away."""
    known = [(weight, value) for weight, value in measured if value is not None]
    whole = sum(weight for weight, _ in known)
    return round(sum(weight * value for weight, value in known) / whole, 2) if whole else None


def _as_part(key: str, weight: float, indicator: Indicator) -> Part:
    return Part(key, weight, indicator.value, indicator)


def _as_rest(key: str, weight: float, indicator: Indicator) -> Part:
    """Return the part of a share that is the better the smaller it is."""
    return Part(key, weight, None if indicator.value is None else round(100 - indicator.value, 2), indicator)


def _as_band(key: str, weight: float, bands: Bands, number: Indicator, period: Period) -> Part:
    return Part(key, weight, grade_number(bands, number.numerator, period), number)


def grade_number(bands: Bands, number: int, period: Period) -> float:
    """Return the points that a number gives, scaled to a month."""
    days = max((period.end - period.start).total_seconds() / 86_400, 1 / 24)
    monthly = number * MONTH_DAYS / days
    return next(points for least, points in reversed(bands) if monthly >= least)
