"""Dispatch rules (分类派发): which platform and unit a case is for, and whether it goes there by itself.

Rules are the pack's `[[dispatch_rules]]`, in order; the first that fits proposes. What a rule leaves out fits
everything. A proposal can say why: each condition that decided, with what was found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Annotated, Any, Final, Literal

import msgspec

from cases.flow import LEVELS
from cases.tables import FILE, Named, check_beginnings, check_known, read_rows
from geo.county import County
from geo.pack import Name, PackError

Severity = Annotated[int, msgspec.Meta(ge=1, le=4)]
Level = Literal["cell", "village", "town", "county"]
PLATFORM_RULE: Final = "platform"  # what holds where no rule fits: the class's own platform


class DispatchRule(Named, kw_only=True):
    """One rule: what it fits, and what it proposes.

    categories, areas: beginnings of codes. hours: a span of county time such as `18:00-08:00`, which may pass midnight.
    unit: who leads; co_units: who is called in as well. level: whose matter it then is. automatic: it goes by itself.
    """

    key: str
    unit: str
    categories: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    levels: tuple[Level, ...] = ()
    severities: tuple[Severity, ...] = ()
    channels: tuple[str, ...] = ()
    hours: str = ""
    co_units: tuple[str, ...] = ()
    level: Level = "town"
    automatic: bool = False


@dataclass(frozen=True)
class Facts:
    """What a rule may ask of a case; `at` is when it is to be dispatched."""

    category: str
    severity: int
    level: str
    channel: str
    cell_code: str | None
    at: datetime


@dataclass(frozen=True)
class Proposal:
    """Who should handle a case, and why.

    rule is the rule's key (`platform` where only the class's platform is known), name the rule in words; why names
    each condition that decided, with what was found. units are all that the platform has, the proposed one first.
    """

    rule: str
    name: Name
    platform: str
    unit: str
    co_units: tuple[str, ...]
    level: str
    automatic: bool
    why: tuple[tuple[str, str], ...]
    units: tuple[str, ...]


class DispatchRules:
    """The rules of one county."""

    def __init__(self, rules: Sequence[DispatchRule], county: County) -> None:
        self._rules = [(rule, read_hours(rule.hours)) for rule in rules]
        self._county = county

    def propose(self, facts: Facts, without: Sequence[str] = ()) -> Proposal | None:
        """Return the proposal of the first rule that fits; None where nobody is known for the class.

        without: units that handed the case back, which are not proposed again while there is another.
        """
        local = facts.at.astimezone(self._county.time_zone).time()
        for rule, hours in self._rules:
            why = _fit(rule, hours, facts, local)
            if why is not None and rule.unit not in without:
                return self._make(rule, why)
        return self._fall_back(facts, without)

    def _make(self, rule: DispatchRule, why: list[tuple[str, str]]) -> Proposal:
        platform = self._county.units[rule.unit].platform
        others = [unit for unit in self._list_units(platform) if unit != rule.unit]
        return Proposal(
            rule=rule.key,
            name=rule.name,
            platform=platform,
            unit=rule.unit,
            co_units=rule.co_units,
            level=rule.level,
            automatic=rule.automatic,
            why=tuple(why),
            units=(rule.unit, *others),
        )

    def _fall_back(self, facts: Facts, without: Sequence[str]) -> Proposal | None:
        category = self._county.categories.get(facts.category)
        units = self._list_units(category.platform) if category else []
        units = [unit for unit in units if unit not in without] or units
        if not units or category is None:
            return None
        name = Name(f"{category.platform}平台", f"The platform {category.platform}")
        why = (("category", facts.category),)
        return Proposal(PLATFORM_RULE, name, category.platform, units[0], (), "town", False, why, tuple(units))

    def _list_units(self, platform: str) -> list[str]:
        return [unit.code for unit in self._county.units.values() if unit.platform == platform]


def read_dispatch(settings: Mapping[str, Any], county: County) -> DispatchRules:
    """Return a pack's dispatch rules; raises `PackError` naming the row and the field."""
    rules = read_rows(settings, "dispatch_rules", DispatchRule)
    keys = [rule.key for rule in rules]
    for number, rule in enumerate(rules, 1):
        place = f"dispatch_rules[{number}]"
        if keys.count(rule.key) > 1 or rule.key == PLATFORM_RULE:
            raise PackError(f"{FILE}: {place}.key: {rule.key!r} is taken")
        check_known([rule.unit], county.units, f"{place}.unit", "unit")
        check_known(rule.co_units, county.units, f"{place}.co_units", "unit")
        check_known([rule.level], LEVELS, f"{place}.level", "level")
        check_beginnings(rule.categories, county.categories, f"{place}.categories")
        check_beginnings(rule.areas, county.areas.index, f"{place}.areas")
        try:
            read_hours(rule.hours)
        except ValueError:
            raise PackError(f"{FILE}: {place}.hours: {rule.hours!r} is no span like 18:00-08:00") from None
    return DispatchRules(rules, county)


def read_hours(text: str) -> tuple[time, time] | None:
    """Return the two ends of a span of the day; None for an empty text; raises `ValueError`."""
    if not text:
        return None
    start, end = (time.fromisoformat(part) for part in text.split("-"))
    return start, end


def lies_within(hours: tuple[time, time], moment: time) -> bool:
    """Return whether a time of day lies in a span, its beginning included; a span may pass midnight."""
    start, end = hours
    return start <= moment < end if start < end else moment >= start or moment < end


def _fit(
    rule: DispatchRule, hours: tuple[time, time] | None, facts: Facts, local: time
) -> list[tuple[str, str]] | None:
    """Return which conditions decided and what was found; None where one does not fit."""
    conditions: list[tuple[str, object, bool, str]] = [
        ("category", rule.categories, facts.category.startswith(rule.categories), facts.category),
        ("area", rule.areas, (facts.cell_code or "").startswith(rule.areas), facts.cell_code or ""),
        ("level", rule.levels, facts.level in rule.levels, facts.level),
        ("severity", rule.severities, facts.severity in rule.severities, str(facts.severity)),
        ("channel", rule.channels, facts.channel in rule.channels, facts.channel),
        ("hours", hours, hours is not None and lies_within(hours, local), f"{local:%H:%M}"),
    ]
    if any(asked and not fits for _, asked, fits, _ in conditions):
        return None
    return [(name, found) for name, asked, _, found in conditions if asked]
