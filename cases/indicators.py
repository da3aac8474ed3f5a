"""Indicators of the closed loop: pure functions from cases to a figure with its rule and the cases it counts.

The two rates follow GB/T 30428.4: closing rate 结案率 = closed ÷ due, on-time closing rate 按期结案率 = closed on
time ÷ due; the denominator of both is 应结案数, the cases whose deadline falls into the period. Published
figures that use it are fixtures of the tests (972 due, 911 closed, 737 on time: 93.72 % and 75.82 %). Merged and voided
cases are no matters of their own: the rates leave them out.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from cases.facts import CaseFacts
from cases.flow import LEVELS

SEVERE = 2  # severities 1 and 2 are severe
FOUND_BY_OURSELVES = frozenset({"grid_worker", "video", "iot", "patrol"})


@dataclass(frozen=True)
class Indicator:
    """One figure: a count (`denominator` None), a ratio in per cent, or a median; rounded to two decimals.

    `value` is None for a ratio or median over nothing. `rule` names the rule that says what is counted; `counted` are
    the numbers of the cases in the numerator (of a median: all), in the order in which they were given.
    """

    rule: str
    value: float | None
    numerator: int
    denominator: int | None
    counted: tuple[str, ...]


@dataclass(frozen=True)
class Period:
    """A span of time: after `start`, up to and including `end`, so that periods that touch share nothing."""

    start: datetime
    end: datetime

    def __contains__(self, moment: datetime | None) -> bool:
        return moment is not None and self.start < moment <= self.end


def count_reported(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return how many cases were reported in a period (上报)."""
    return count("reported_24h", cases, lambda case: case.reported_at in period)


def count_closed(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return how many cases were closed in a period (结案)."""
    return count("closed_24h", cases, lambda case: case.closed_at in period)


def count_open(cases: Iterable[CaseFacts], at: datetime) -> Indicator:
    """Return how many cases were open at a moment (在办)."""
    return count("open", cases, lambda case: is_open(case, at))


def count_severe_open(cases: Iterable[CaseFacts], at: datetime) -> Indicator:
    """Return how many severe cases were open at a moment (严重在办)."""
    return count("severe_open", cases, lambda case: is_open(case, at) and case.severity <= SEVERE)


def count_overdue(cases: Iterable[CaseFacts], at: datetime) -> Indicator:
    """Return how many open cases were past their deadline at a moment (超时在办)."""
    return count("overdue", cases, lambda case: is_open(case, at) and case.due_at is not None and case.due_at < at)


def rate_closed(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the closing rate 结案率: of the cases due in a period, those closed by its end."""
    due = list_due(cases, period)
    return rate("closed_ratio", due, lambda case: case.closed_at is not None and case.closed_at <= period.end)


def rate_on_time(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the on-time closing rate 按期结案率: of the cases due in a period, those closed by their deadline."""
    return rate("on_time_ratio", list_due(cases, period), is_on_time)


def rate_loop_closed(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the closed-loop rate 闭环率: of the cases due in a period, those closed by its end and checked.

    A check is 核查 or 回访; what the cell settled by itself is checked by whoever confirmed it, which closing it is.
    """
    due = list_due(cases, period)
    return rate("loop_ratio", due, lambda case: case.closed_at is not None and case.closed_at <= period.end
                and (case.verified or case.level == "cell"))  # fmt: skip


def rate_found_by_ourselves(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return 主动发现率: of the cases reported in a period, those that workers, patrols or sensors found."""
    return rate("discovered_ratio", list_reported(cases, period), lambda case: case.channel in FOUND_BY_OURSELVES)


def rate_repeated(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the repeat rate 重复发生率: of the cases reported in a period, those that came back after closing."""
    return rate("repeat_ratio", list_reported(cases, period), lambda case: case.repeats)


def rate_merged(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the duplicate rate 重复录入率: of the cases reported in a period, those merged into another."""
    reported = [case for case in cases if case.reported_at in period]
    return rate("duplicate_ratio", reported, lambda case: case.ended_at is not None and case.ended_by == "merge")


def rate_solved_at(level: str, cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the share solved at a level 就地解决率: of the cases closed in a period, those at it or below."""
    low_enough = frozenset(LEVELS[: LEVELS.index(level) + 1])
    closed = [case for case in cases if case.closed_at in period]
    return rate(f"solved_at_{level}_ratio", closed, lambda case: case.level in low_enough)


def rate_joint(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the joint-handling rate 联合处置率: of the cases closed in a period, those graded major (全网联动)."""
    closed = [case for case in cases if case.closed_at in period]
    return rate("joint_ratio", closed, lambda case: case.grade == "major")


def rate_satisfied(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the satisfaction rate 满意率: of the cases closed in a period whose people were asked, those content."""
    asked = [case for case in cases if case.closed_at in period and case.satisfied is not None]
    return rate("satisfied_ratio", asked, lambda case: bool(case.satisfied))


def measure_first_response(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the median minutes from report to the first thing done, of the cases first answered in a period."""
    answered = [case for case in cases if case.responded_at in period]
    minutes = [(case.responded_at - case.reported_at).total_seconds() / 60 for case in answered if case.responded_at]
    value = round(max(0.0, median(minutes)), 2) if minutes else None
    return Indicator("first_response_min", value, len(minutes), None, tuple(case.case_id for case in answered))


def list_due(cases: Iterable[CaseFacts], period: Period) -> list[CaseFacts]:
    """Return the cases whose deadline falls into a period (应结案), voided and merged ones excepted."""
    return [case for case in cases if case.counts and case.due_at in period]


def list_reported(cases: Iterable[CaseFacts], period: Period) -> list[CaseFacts]:
    """Return the matters reported in a period, voided and merged ones excepted."""
    return [case for case in cases if case.counts and case.reported_at in period]


def is_open(case: CaseFacts, at: datetime) -> bool:
    """Return whether a case had been reported and had not ended at a moment."""
    return case.reported_at <= at and (case.ended_at is None or case.ended_at > at)


def is_on_time(case: CaseFacts) -> bool:
    """Return whether a case was closed by its deadline; False while it is open."""
    return case.closed_at is not None and case.due_at is not None and case.closed_at <= case.due_at


def count(rule: str, cases: Iterable[CaseFacts], counts: Callable[[CaseFacts], bool]) -> Indicator:
    """Return how many cases a condition counts."""
    counted = tuple(case.case_id for case in cases if counts(case))
    return Indicator(rule, float(len(counted)), len(counted), None, counted)


def rate(rule: str, cases: Sequence[CaseFacts], counts: Callable[[CaseFacts], bool]) -> Indicator:
    """Return which share of cases a condition counts, in per cent."""
    counted = tuple(case.case_id for case in cases if counts(case))
    value = round(100 * len(counted) / len(cases), 2) if cases else None
    return Indicator(rule, value, len(counted), len(cases), counted)
