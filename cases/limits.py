"""Limits: how long a case may take, as a whole and in each step, by class and severity, and which rule says so.

Rules are the `[[limits]]` of a pack's `cases.toml`. The most specific one wins: the longest beginning of the class's
code, then the severity, then the flow. A whole case of which they say nothing has its class's `limit_hours` of
`county.toml`, which are plain hours.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from cases.calendars import Span, read_span
from geo.pack import Name, PackError
from geo.profile import Category

FILE: Final = "cases.toml"
TOTAL: Final = "total"
SEVERITIES: Final = (1, 2, 3, 4)

_FIELDS: Final = {
    "categories": list,
    "severities": list,
    "step": str,
    "flow": str,
    "limit": dict,
    "share": object,
    "source": str,
    "verified": bool,
    "zh": str,
    "en": str,
}
_KIND_NAMES: Final = {str: "text", bool: "true or false", dict: "a table", list: "a list"}


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
    step: str
    span: Span
    rule: LimitRule
    beginning: str
    by_severity: bool
    by_flow: bool

    @property
    def source(self) -> str:
        """Where the limit comes from."""
        return self.rule.source

    @property
    def verified(self) -> bool:
        """Whether the source was seen to say so."""
        return self.rule.verified

    @property
    def share(self) -> float | None:
        """The share of the whole case's limit that a step has; None where the rule gives a length of time."""
        return None if isinstance(self.rule.allowed, Span) else self.rule.allowed


class LimitRules:
    """The limits of one county; raises `PackError` where two rules speak of exactly the same cases.

    defaults: by class, what a whole case may take where no rule speaks of it.
    """

    def __init__(self, rules: Iterable[LimitRule] = (), defaults: Mapping[str, LimitRule] | None = None) -> None:
        self._rules: dict[_Key, LimitRule] = {}
        self._defaults = defaults or {}
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
        return Limit(category, severity, key.step, span, rule, key.beginning, by_severity, by_flow)


def read_limits(
    settings: Mapping[str, Any],
    categories: Mapping[str, Category],
    states: Mapping[str, Collection[str]] | None = None,
) -> LimitRules:
    """Return the limits that a pack lays down.

    settings: its `cases.toml` as read. categories: its classes. states: by flow, what a step may be; None leaves that
    unchecked. Raises `PackError` naming the row, the field and the reason.
    """
    rows = settings.get("limits", [])
    if not isinstance(rows, list):
        raise PackError(f"{FILE}: limits must be a list of tables")
    rules = [_read_rule(row, f"{FILE}: limits[{number}]", categories) for number, row in enumerate(rows, 1)]
    if states is not None:
        for rule in rules:
            _check_step(rule, states)
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


def _read_rule(row: object, place: str, categories: Collection[str]) -> LimitRule:
    if not isinstance(row, dict):
        raise PackError(f"{place} must be a table, not {row!r}")
    for key, value in row.items():
        if key not in _FIELDS:
            raise PackError(f"{place}.{key}: there is no such field; there are {', '.join(_FIELDS)}")
        if not isinstance(value, _FIELDS[key]):
            raise PackError(f"{place}.{key} must be {_KIND_NAMES[_FIELDS[key]]}, not {value!r}")
        if value == []:
            raise PackError(f"{place}.{key} is empty; leave it out where any will do")
    zh = row.get("zh") or row.get("en")
    return LimitRule(
        place=place,
        beginnings=_read_beginnings(row.get("categories", [""]), place, categories),
        severities=_read_severities(row.get("severities", []), place),
        step=row.get("step", TOTAL),
        flow=row.get("flow", ""),
        allowed=_read_allowed(row, place),
        source=row.get("source", ""),
        verified=row.get("verified", False),
        text=Name(zh, row.get("en") or zh) if zh else None,
    )


def _read_allowed(row: Mapping[str, Any], place: str) -> Span | float:
    if ("limit" in row) == ("share" in row):
        raise PackError(f"{place}: one of limit and share must be given, and not both")
    if "limit" in row:
        try:
            return read_span(row["limit"])
        except ValueError as error:
            raise PackError(f"{place}.limit: {error}") from None
    share = row["share"]
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise PackError(f"{place}.share must be a number above 0 and at most 1, not {share!r}")
    if row.get("step", TOTAL) == TOTAL:
        raise PackError(f"{place}.share: only a step has a share of the whole case's limit")
    return share


def _read_beginnings(values: list[Any], place: str, categories: Collection[str]) -> tuple[str, ...]:
    for value in values:
        if not isinstance(value, str) or (value and not any(code.startswith(value) for code in categories)):
            raise PackError(f"{place}.categories: {value!r} begins no class's code in county.toml")
    return tuple(values)


def _read_severities(values: list[Any], place: str) -> tuple[int, ...]:
    for value in values:
        if isinstance(value, bool) or value not in SEVERITIES:
            raise PackError(f"{place}.severities: {value!r} is none of 1 (worst) to 4")
    return tuple(values)


def _check_step(rule: LimitRule, states: Mapping[str, Collection[str]]) -> None:
    if rule.flow and rule.flow not in states:
        raise PackError(f"{rule.place}.flow: there is no flow {rule.flow!r}; there are {', '.join(states)}")
    flows = [rule.flow] if rule.flow else list(states)
    if rule.step != TOTAL and not any(rule.step in states[flow] for flow in flows):
        raise PackError(f"{rule.place}.step: {rule.step!r} is neither {TOTAL} nor a state of {' or '.join(flows)}")


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
