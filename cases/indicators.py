"""Indicators of the closed loop: pure functions from cases to a figure with its rule and the cases it counts.

The two rates follow GB/T 30428.4: closing rate 结案率 = closed ÷ due, on-time closing rate 按期结案率 = closed on
time ÷ due; the denominator of both is 应结案数, the cases whose deadline falls into the period. Published
figures that use it are fixtures of the tests (972 due, 911 closed, 737 on time: 93.72 % and 75.82 %).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

SEVERE = 2  # severities 1 and 2 are severe
FOUND_BY_OURSELVES = frozenset({"grid_worker", "video", "iot", "patrol"})


@dataclass(frozen=True)
class CaseFacts:
    """What the indicators need of a case, as it was known at one moment.

    `limit` is None for a class without a limit. `ended_at` is when the case was closed or voided, None while
    it is open. All times are aware.
    """

    case_id: str
    category: str
    severity: int
    channel: str
    reported_at: datetime
    limit: timedelta | None = None
    ended_at: datetime | None = None
    voided: bool = False
    cell_code: str | None = None

    @property
    def due_at(self) -> datetime | None:
        """The deadline: the report plus the class's limit, time running without pause."""
        return None if self.limit is None else self.reported_at + self.limit

    @property
    def closed_at(self) -> datetime | None:
        """When the case was closed; None while it is open, and for a voided one."""
        return None if self.voided else self.ended_at


@dataclass(frozen=True)
class Indicator:
    """One figure: a count (`denominator` None) or a ratio in per cent, rounded to two decimals.

    `value` is None for a ratio over nothing. `rule` names the rule that says what is counted; `counted` are
    the numbers of the cases in the numerator, in the order in which they were given.
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
    return _count("reported_24h", cases, lambda case: case.reported_at in period)


def count_closed(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return how many cases were closed in a period (结案)."""
    return _count("closed_24h", cases, lambda case: case.closed_at in period)


def count_open(cases: Iterable[CaseFacts], at: datetime) -> Indicator:
    """Return how many cases were open at a moment (在办)."""
    return _count("open", cases, lambda case: is_open(case, at))


def count_severe_open(cases: Iterable[CaseFacts], at: datetime) -> Indicator:
    """Return how many severe cases were open at a moment (严重在办)."""
    return _count("severe_open", cases, lambda case: is_open(case, at) and case.severity <= SEVERE)


def count_overdue(cases: Iterable[CaseFacts], at: datetime) -> Indicator:
    """Return how many open cases were past their deadline at a moment (超时在办)."""
    return _count("overdue", cases, lambda case: is_open(case, at) and case.due_at is not None and case.due_at < at)


def rate_closed(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the closing rate 结案率: of the cases due in a period, those closed by its end."""
    due = list_due(cases, period)
    return _rate("closed_ratio", due, lambda case: case.closed_at is not None and case.closed_at <= period.end)


def rate_on_time(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return the on-time closing rate 按期结案率: of the cases due in a period, those closed by their deadline."""
    due = list_due(cases, period)
    return _rate("on_time_ratio", due, is_on_time)


def rate_found_by_ourselves(cases: Iterable[CaseFacts], period: Period) -> Indicator:
    """Return 主动发现率: of the cases reported in a period, those that workers, patrols or sensors found."""
    reported = [case for case in cases if case.reported_at in period]
    return _rate("discovered_ratio", reported, lambda case: case.channel in FOUND_BY_OURSELVES)


def list_due(cases: Iterable[CaseFacts], period: Period) -> list[CaseFacts]:
    """Return the cases whose deadline falls into a period (应结案), voided ones excepted."""
    return [case for case in cases if not case.voided and case.due_at in period]


def is_open(case: CaseFacts, at: datetime) -> bool:
    """Return whether a case had been reported and had not ended at a moment."""
    return case.reported_at <= at and (case.ended_at is None or case.ended_at > at)


def is_on_time(case: CaseFacts) -> bool:
    """Return whether a case was closed by its deadline; False while it is open."""
    return case.closed_at is not None and case.due_at is not None and case.closed_at <= case.due_at


def _count(rule: str, cases: Iterable[CaseFacts], counts: Callable[[CaseFacts], bool]) -> Indicator:
    counted = tuple(case.case_id for case in cases if counts(case))
    return Indicator(rule, float(len(counted)), len(counted), None, counted)


def _rate(rule: str, cases: Sequence[CaseFacts], counts: Callable[[CaseFacts], bool]) -> Indicator:
    counted = tuple(case.case_id for case in cases if counts(case))
    value = round(100 * len(counted) / len(cases), 2) if cases else None
    return Indicator(rule, value, len(counted), len(cases), counted)
