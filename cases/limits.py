"""Limits: how long a case may take, as a whole and in each step, by class and severity, and which rule says so.

Rules are the `[[limits]]` of a pack's `cases.toml`. The most specific one wins: the longest beginning of the class's
code, then the severity, then the flow. A whole case of which they say nothing has its class's `limit_hours` of
`county.toml`, which are plain hours.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from cases.calendars import Span
from cases.tables import FILE, Beginnings, Severities, check_beginnings, check_known, read_rows
from geo.pack import Name, PackError
from geo.profile import Category

TOTAL: Final = "total"
PART_STEP: Final = "handling"
"""The step whose limit a co-handling unit has for its part."""


class _Row(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One row of `[[limits]]` as it is written."""

    categories: Beginnings = ("",)
    severities: Severities = ()
    step: str = TOTAL
    flow: str = ""
    limit: Span | None = None
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] | None = None
    source: str = ""
    verified: bool = False
    zh: str = ""
    en: str = ""


@dataclass(frozen=True)
class LimitRule:
    """One rule: the cases that it speaks of, how long they may take, and where that comes from.

    place: the row of the pack, as problems name it. beginnings: of classes' codes; "" is every class. severities: empty
    for all. step: `total` or a state. flow: "" for all. allowed: how long, or for a step the share of the whole case's
    limit. text: the rule in the county's own words, where it gives any.
    """

    place: str
    beginnings: tuple[str, ...]
    severities: tuple[int, ...]
    step: str
    flow: str
    allowed: Span | float
    source: str
    verified: bool
    text: Name | None = None


class _Key(NamedTuple):
    """What a rule speaks of, and by what it was found: a severity of None and a flow of "" are any."""

    step: str
    beginning: str
    severity: int | None
    flow: str


@dataclass(frozen=True)
class Limit:
    """The limit of one kind of case, and why by this rule: the beginning of the code, and whether severity and flow.

    `span` is how long it may take, worked out where the rule gives a share.
    """

    category: str
    severity: int
    span: Span
    rule: LimitRule
    beginning: str
    by_severity: bool
    by_flow: bool

    @property
    def share(self) -> float | None:
        """The share of the whole case's limit that a step has; None where the rule gives a length of time."""
        return None if isinstance(self.rule.allowed, Span) else self.rule.allowed


class LimitRules:
    """The limits of one county; raises `PackError` where two rules speak of exactly the same cases.

    defaults: by class, what a whole case may take where no rule speaks of it.
    """

    def __init__(self, rules: Iterable[LimitRule], defaults: Mapping[str, LimitRule]) -> None:
        self._rules: dict[_Key, LimitRule] = {}
        self._defaults = defaults
        for rule in rules:
            for key in _list_keys(rule):
                if (other := self._rules.setdefault(key, rule)) is not rule:
                    raise PackError(f"{rule.place}: {_describe(key)} is already in {other.place}")
        self._find = lru_cache(maxsize=4096)(self._choose)

    def find(self, category: str, severity: int, step: str = TOTAL, flow: str = "") -> Limit | None:
        """Return the limit of a class's cases of one severity, in all or in one step; None where there is none."""
        return self._find(category, severity, step, flow)

    def _choose(self, category: str, severity: int, step: str, flow: str) -> Limit | None:
        for length in range(len(category), -1, -1):
            for key in _list_candidates(step, category[:length], severity, flow):
                if rule := self._rules.get(key):
                    return self._apply(rule, key, category, severity, flow)
        if step == TOTAL and (default := self._defaults.get(category)):
            return self._apply(default, _Key(step, category, None, ""), category, severity, flow)
        return None

    def _apply(self, rule: LimitRule, key: _Key, category: str, severity: int, flow: str) -> Limit | None:
        span = rule.allowed
        if not isinstance(span, Span):
            whole = self.find(category, severity, TOTAL, flow)
            if whole is None:
                return None
            span = Span(whole.span.amount * span, whole.span.unit)
        by_severity, by_flow = key.severity is not None, bool(key.flow)
        return Limit(category, severity, span, rule, key.beginning, by_severity, by_flow)


def read_limits(
    settings: Mapping[str, Any], categories: Mapping[str, Category], states: Mapping[str, Collection[str]]
) -> LimitRules:
    """Return the limits that a pack lays down; raises `PackError` naming the row, the field and the reason.

    settings: its `cases.toml` as read. categories: its classes. states: by flow, what a step may be.
    """
    rows = read_rows(settings, "limits", _Row)
    rules = [_make_rule(row, f"limits[{number}]", categories, states) for number, row in enumerate(rows, 1)]
    defaults = {
        code: _read_default(row, row.limit_hours) for code, row in categories.items() if row.limit_hours is not None
    }
    return LimitRules(rules, defaults)


def _read_default(row: Category, hours: float) -> LimitRule:
    place = f"county.toml: categories: {row.code}: limit_hours"
    try:
        span = Span(hours, "hours")
    except ValueError as error:
        raise PackError(f"{place}: {error}") from None
    return LimitRule(place, (row.code,), (), TOTAL, "", span, row.limit_source or row.source, verified=False)


def _make_rule(row: _Row, place: str, categories: Collection[str], states: Mapping[str, Collection[str]]) -> LimitRule:
    allowed = row.share if row.limit is None else row.limit
    if allowed is None or (row.share is not None and row.limit is not None):
        raise PackError(f"{FILE}: {place}: one of limit and share must be given, and not both")
    if row.step == TOTAL and row.share is not None:
        raise PackError(f"{FILE}: {place}.share: only a step has a share of the whole case's limit")
    check_beginnings(row.categories, categories, f"{place}.categories")
    check_known([row.flow] if row.flow else [], states, f"{place}.flow", "flow")
    flows = [row.flow] if row.flow else list(states)
    if row.step != TOTAL and not any(row.step in states[flow] for flow in flows):
        raise PackError(f"{FILE}: {place}.step: {row.step!r} is neither {TOTAL} nor a state of {' or '.join(flows)}")
    return LimitRule(
        place=f"{FILE}: {place}",
        beginnings=row.categories,
        severities=row.severities,
        step=row.step,
        flow=row.flow,
        allowed=allowed,
        source=row.source,
        verified=row.verified,
        text=Name(row.zh or row.en, row.en or row.zh) if row.zh or row.en else None,
    )


def _list_keys(rule: LimitRule) -> list[_Key]:
    severities = rule.severities or (None,)
    return [_Key(rule.step, beginning, severity, rule.flow) for beginning in rule.beginnings for severity in severities]


def _list_candidates(step: str, beginning: str, severity: int, flow: str) -> list[_Key]:
    """Return what a rule for this beginning of a code may be known by, the most specific first."""
    flows = dict.fromkeys((flow, ""))
    return [_Key(step, beginning, grade, name) for grade in (severity, None) for name in flows]


def _describe(key: _Key) -> str:
    told = [f"class {key.beginning or 'any'}", f"severity {key.severity or 'any'}", f"step {key.step}"]
    return ", ".join([*told, f"flow {key.flow}"] if key.flow else told)
