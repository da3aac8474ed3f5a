"""Alarm rules: what of sensors, feeds, cases and warnings is an alarm, where, when and for how long.

Built in are those of `tables/alarms.toml`; a county pack's own `alarms.toml` replaces one by its key, adds others, and
names in `off` those that it does without. What is wrong in it is named by file, rule and field.
"""

import math
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, TypeVar

import msgspec

from cases.dispatch import read_hours
from cases.tables import Named, read_row
from geo.county import County
from geo.pack import PackError
from ingest.records import FEEDS

FILE: Final = "alarms.toml"
NOT_SENSED: Final = FEEDS - {"waste", "traffic", "air", "water"}
"""Feeds that are no readings of things."""

Severity = Annotated[int, msgspec.Meta(ge=1, le=4)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=31 * 86_400)]
Minutes = Annotated[float, msgspec.Meta(gt=0, le=7 * 1440)]
Role = Literal["county_duty", "dispatcher", "unit", "town_centre", "village_centre", "supervisor", "leader"]
Hours = tuple[time, time]


class Rung(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whom an alarm goes up to that nobody has acknowledged for so long."""

    after_min: Minutes
    to: Role


class CaseOf(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What case an alarm becomes; by itself after it stood for `after_min`, else in one action of a person."""

    category: str
    after_min: Annotated[float, msgspec.Meta(ge=0, le=7 * 1440)] | None = None


class Rule(Named, kw_only=True):
    """What every rule says.

    severity: 1 (I, the worst) … 4 (IV); None is that of the case or the warning itself. areas: beginnings of codes.
    hours: a span of county time such as `22:00-06:00`. cause: rules of one cause are one group in a flood. response:
    what is to be done, in both languages. shelve_at_most_min: 0 forbids shelving.
    """

    key: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
    severity: Severity | None = None
    areas: tuple[str, ...] = ()
    hours: str = ""
    cause: str = ""
    response_zh: str = ""
    response_en: str = ""
    escalate: tuple[Rung, ...] = ()
    case: CaseOf | None = None
    shelve_at_most_min: Annotated[float, msgspec.Meta(ge=0, le=7 * 1440)] = 480
    source: str = ""
    verified: bool = False

    @property
    def span(self) -> Hours | None:
        """The hours of the county's day in which the rule holds; None is all day."""
        return read_hours(self.hours)


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Other bounds for some areas, things or hours: what it gives counts in place of the rule's."""

    areas: tuple[str, ...] = ()
    things: tuple[str, ...] = ()
    hours: str = ""
    at_least: float | None = None
    at_most: float | None = None

    @property
    def span(self) -> Hours | None:
        """The hours for which it holds; None is all day."""
        return read_hours(self.hours)


class ReadingRule(Rule, kw_only=True):
    """An alarm on what things measure.

    measure: `value`, one of `brain.alarm_measures.DERIVED`, or the name of an attribute. Abnormal is a number from
    `at_least` up or from `at_most` down, or one of the `words`; it stays so until the number is more than `dead_band`
    back. on_delay_s, off_delay_s: how long it must be so without a break, and how long not. lasts_s of within_s: how
    long altogether in such a time, in place of on_delay_s. change_s: the number is how much it rose (`at_least`) or
    fell (`at_most`, below 0) within so long.
    """

    feed: str
    measure: str = "value"
    at_least: float | None = None
    at_most: float | None = None
    words: tuple[str, ...] = ()
    dead_band: Annotated[float, msgspec.Meta(ge=0)] = 0
    on_delay_s: Seconds = 0
    off_delay_s: Seconds = 0
    lasts_s: Seconds = 0
    within_s: Seconds = 0
    change_s: Seconds = 0
    where: tuple[Where, ...] = ()


class SilenceRule(Rule, kw_only=True):
    """An alarm on silence: of whole feeds, or of things whose feed speaks; empty `feeds` are all that the county has.

    times: of the feed's own `stale_after_s`, unless `after_s` says how long.
    """

    of: Literal["feed", "thing"]
    feeds: tuple[str, ...] = ()
    times: Annotated[float, msgspec.Meta(gt=0, le=1000)] = 2
    after_s: Annotated[float, msgspec.Meta(gt=0, le=31 * 86_400)] | None = None


class CaseRule(Rule, kw_only=True):
    """An alarm on a case: `unanswered` for after_min since its report, or `overdue` for after_min past its limit."""

    on: Literal["unanswered", "overdue"]
    severities: tuple[Severity, ...] = ()
    categories: tuple[str, ...] = ()
    after_min: Annotated[float, msgspec.Meta(ge=0, le=7 * 1440)] = 0


class WarningRule(Rule, kw_only=True):
    """An alarm on a public warning (CAP) in force, of some levels 1 (red) … 4 (blue); exercises are none."""

    levels: tuple[Severity, ...] = ()


AnyRule: TypeAlias = ReadingRule | SilenceRule | CaseRule | WarningRule
R = TypeVar("R", ReadingRule, SilenceRule, CaseRule, WarningRule)
LISTS: Final[Mapping[str, type[AnyRule]]] = {
    "readings": ReadingRule,
    "silences": SilenceRule,
    "cases": CaseRule,
    "warnings": WarningRule,
}
"""The lists of an alarms.toml, and what their rows are."""


@dataclass(frozen=True)
class AlarmRules:
    """The rules of one county, by key."""

    by_key: Mapping[str, AnyRule]

    def list_kind(self, kind: type[R]) -> list[R]:
        """Return the rules of one kind."""
        return [rule for rule in self.by_key.values() if isinstance(rule, kind)]

    @cached_property
    def causes(self) -> Mapping[str, str]:
        """The cause of each rule that has one, by key."""
        return {key: rule.cause for key, rule in self.by_key.items() if rule.cause}


@cache
def read_alarm_rules(county: County) -> AlarmRules:
    """Return a county's alarm rules; raises `PackError` naming the bad field of its `alarms.toml`."""
    built_in = tomllib.loads((Path(__file__).parent / "tables" / FILE).read_text(encoding="utf-8"))
    rules = {rule.key: _fit(rule, county) for _, rule in _list_rules(built_in) if not _unknown_feeds(rule, county)}
    own = county.alarm_settings
    for name in own.keys() - LISTS.keys() - {"off"}:
        raise PackError(f"{FILE}: {name}: unknown; known are off, {', '.join(LISTS)}")
    taken: set[str] = set()
    known = {rule.key for _, rule in _list_rules(built_in)}
    for place, rule in _list_rules(own):
        if rule.key in taken:
            raise PackError(f"{place}.key: is there twice")
        taken.add(rule.key)
        _check(rule, county, place)
        rules[rule.key] = rule
    off = own.get("off", [])
    if not isinstance(off, list):
        raise PackError(f"{FILE}: off must be a list of keys")
    for key in off:
        if key not in known or key in taken:
            raise PackError(f"{FILE}: off: {key!r} is no built-in rule that could be left out")
        rules.pop(key, None)
    return AlarmRules(rules)


def _list_rules(settings: Mapping[str, Any]) -> Iterator[tuple[str, AnyRule]]:
    """Yield each rule with what names it in problems."""
    for name, kind in LISTS.items():
        rows = settings.get(name, [])
        if not isinstance(rows, list):
            raise PackError(f"{FILE}: {name} must be a list of tables")
        for number, row in enumerate(rows, 1):
            key = row.get("key") if isinstance(row, Mapping) else None
            place = f"{FILE}: {name}[{number}]" + (f" {key!r}" if key else "")
            yield place, read_row(row, kind, place)


def _fit(rule: AnyRule, county: County) -> AnyRule:
    """Return a built-in rule without the class of case that a county does not have."""
    known = rule.case is None or rule.case.category in county.categories
    return rule if known else msgspec.structs.replace(rule, case=None)


def _unknown_feeds(rule: AnyRule, county: County) -> list[str]:
    named = (rule.feed,) if isinstance(rule, ReadingRule) else rule.feeds if isinstance(rule, SilenceRule) else ()
    sensed = isinstance(rule, ReadingRule) or (isinstance(rule, SilenceRule) and rule.of == "thing")
    return [feed for feed in named if feed not in county.feeds or (sensed and feed in NOT_SENSED)]


def _check(rule: AnyRule, county: County, place: str) -> None:
    for field, reason in _find_faults(rule, county):
        raise PackError(f"{place}.{field}: {reason}")


def _find_faults(rule: AnyRule, county: County) -> Iterator[tuple[str, str]]:
    """Yield each field that is wrong, and why."""
    for feed in _unknown_feeds(rule, county):
        field = "feed" if isinstance(rule, ReadingRule) else "feeds"
        yield field, f"{feed!r} is no feed that could be asked; one of {', '.join(sorted(county.feeds))}"
    yield from _find_faults_of_place(rule, county)
    waits = [rung.after_min for rung in rule.escalate]
    if waits != sorted(set(waits)):
        yield "escalate", "after_min must rise from rung to rung"
    if rule.case and rule.case.category not in county.categories:
        yield "case.category", f"there is no class {rule.case.category!r}"
    if isinstance(rule, ReadingRule):
        yield from _find_faults_of_reading(rule, county)
    elif isinstance(rule, SilenceRule) and rule.severity is None:
        yield "severity", "is missing"
    elif isinstance(rule, CaseRule):
        yield from (("categories", reason) for reason in _no_beginnings(rule.categories, county.categories, "class"))


def _find_faults_of_place(rule: Rule | Where, county: County) -> Iterator[tuple[str, str]]:
    try:
        _ = rule.span
    except ValueError:
        yield "hours", f"{rule.hours!r} is no span like 22:00-06:00"
    yield from (("areas", reason) for reason in _no_beginnings(rule.areas, county.areas.index, "area"))


def _no_beginnings(values: Collection[str], codes: Collection[str], what: str) -> Iterator[str]:
    for value in values:
        if not any(str(code).startswith(value) for code in codes):
            yield f"{value!r} begins no code of any {what}"


def _find_faults_of_reading(rule: ReadingRule, county: County) -> Iterator[tuple[str, str]]:
    bounds = rule.at_least is not None or rule.at_most is not None
    if rule.severity is None:
        yield "severity", "is missing"
    if bounds == bool(rule.words):
        yield "at_least", "either bounds (at_least, at_most) or words must say what is abnormal"
    if rule.words and (rule.change_s or rule.dead_band):
        yield "words", "words neither change nor have a dead_band"
    if rule.on_delay_s and rule.lasts_s:
        yield "lasts_s", "stands in place of on_delay_s"
    if not 0 <= rule.lasts_s <= rule.within_s or bool(rule.lasts_s) != bool(rule.within_s):
        yield "within_s", "must be at least lasts_s, and neither goes without the other"
    if not all(math.isfinite(bound) for bound in (rule.at_least, rule.at_most, rule.dead_band) if bound is not None):
        yield "at_least", "bounds and dead_band must be finite"
    yield from _find_crossed(rule.at_least, rule.at_most, rule.dead_band)
    for number, where in enumerate(rule.where, 1):
        place = f"where[{number}]"
        yield from ((f"{place}.{field}", reason) for field, reason in _find_faults_of_place(where, county))
        if not (where.areas or where.things or where.hours):
            yield place, "areas, things or hours must say where"
        if where.at_least is None and where.at_most is None:
            yield place, "at_least or at_most must say what counts there"
        for side in ("at_least", "at_most"):
            if getattr(where, side) is not None and getattr(rule, side) is None:
                yield f"{place}.{side}", f"the rule itself has no {side}"
        least = rule.at_least if where.at_least is None else where.at_least
        most = rule.at_most if where.at_most is None else where.at_most
        yield from ((f"{place}.{field}", reason) for field, reason in _find_crossed(least, most, rule.dead_band))


def _find_crossed(at_least: float | None, at_most: float | None, dead_band: float) -> Iterator[tuple[str, str]]:
    if at_least is not None and at_most is not None and at_most + dead_band >= at_least - dead_band:
        yield "at_most", "must be below at_least, with room for the dead_band on both sides"
