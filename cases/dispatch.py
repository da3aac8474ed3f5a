"""Dispatch rules (分类派发): which platform and unit a case is for, and whether it goes there by itself.

Rules are the pack's `[[dispatch_rules]]`, in order; the first that fits proposes. What a rule leaves out fits
everything. A proposal can say why: each condition that decided, with what was found. `[[triage_rules]]` propose in the
same way how complex a dispute is (分流): the village's, the town's or the county's.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any, Final, Literal

from cases.flow import LEVELS, Flow, Level
from cases.fold import Step, trace
from cases.matters import Admission
from cases.tables import FILE, Beginnings, Rule, check_beginnings, check_known, read_rules, read_time
from geo.county import County
from geo.pack import Name, PackError
from ingest.records import Channel

Why = tuple[tuple[str, str], ...]
"""Each condition that decided, with what was found."""

PLATFORM_RULE: Final = "platform"  # what holds where no rule fits: the class's own platform
UNLISTED_RULE: Final = "unlisted"  # what holds for a class that is on no matter list


class DispatchRule(Rule, kw_only=True):
    """One rule: what it fits, and what it proposes.

    areas: beginnings of codes. hours: a span of county time such as `18:00-08:00`, which may pass midnight.
    unit: who leads; co_units: who is called in as well. level: whose matter it then is. automatic: it goes by itself.
    """

    unit: str
    areas: Beginnings = ()
    levels: tuple[Level, ...] = ()
    channels: tuple[Channel, ...] = ()
    hours: str = ""
    co_units: tuple[str, ...] = ()
    level: Level = "town"
    automatic: bool = False


class TriageRule(Rule, kw_only=True):
    """How complex a dispute is that fits: `people` is at least how many are party to it."""

    complexity: Literal["simple", "complex", "difficult"]
    people: int = 0


@dataclass(frozen=True)
class Facts:
    """What a rule may ask of a case; `at` is when it is to be dispatched."""

    category: str
    severity: int
    level: str
    channel: str
    cell_code: str | None
    at: datetime
    people: int | None = None


@dataclass(frozen=True)
class Proposal:
    """Who should handle a case, and why.

    rule is the rule's key (`platform` where only the class's platform is known, `unlisted` for what is on no list),
    name the rule in words; why names each condition that decided, with what was found. units are all that the platform
    has, the proposed one first, and those that handed the case back not at all.
    """

    rule: str
    name: Name
    platform: str
    unit: str
    co_units: tuple[str, ...]
    level: str
    automatic: bool
    why: Why
    units: tuple[str, ...]

    def settle(self, level: str) -> dict[str, str]:
        """Return the details of an action that follows this; what has gone up to a level does not come down by it."""
        return {"level": max(level, self.level, key=LEVELS.index), "platform": self.platform}


@dataclass(frozen=True)
class Triage:
    """How complex a dispute is likely to be, by which rule, and why."""

    rule: str
    name: Name
    complexity: str
    why: Why


@dataclass(frozen=True)
class HandBack:
    """A unit's handing a case back: when (epoch ms), and the key of the action, whose note says why."""

    unit: str
    at_ms: int
    key: str


class DispatchRules:
    """The rules of one county."""

    def __init__(self, rules: Sequence[DispatchRule], triage: Sequence[TriageRule], county: County) -> None:
        self._rules = [(rule, read_hours(rule.hours)) for rule in rules]
        self._triage = triage
        self._county = county

    def propose(self, facts: Facts, without: Sequence[str] = (), admission: Admission | None = None) -> Proposal | None:
        """Return the proposal of the first rule that fits; None where nobody is known for the class.

        without: units that handed the case back, which are not proposed again while there is another. admission: what
        the matter list says of the case, which goes before where it routes what is not on it.
        """
        if admission is not None and admission.unit and admission.unit not in without:
            listed = (("category", facts.category), ("list", admission.version))
            return self._make(UNLISTED_RULE, admission.rule, admission.unit, listed, without)
        local = facts.at.astimezone(self._county.time_zone).time()
        for rule, hours in self._rules:
            why = _fit(rule, hours, facts, local)
            if why is not None and rule.unit not in without:
                co_units = tuple(unit for unit in rule.co_units if unit not in without)
                return self._make(rule.key, rule.name, rule.unit, why, without, co_units, rule.level, rule.automatic)
        return self._fall_back(facts, without)

    def triage(self, facts: Facts) -> Triage | None:
        """Return how complex a dispute is by the first rule that fits; None where none does."""
        for rule in self._triage:
            why = _tell_why(
                ("category", rule.categories, facts.category.startswith(rule.categories), facts.category),
                ("severity", rule.severities, facts.severity in rule.severities, str(facts.severity)),
                ("people", rule.people, (facts.people or 0) >= rule.people, str(facts.people or 0)),
            )
            if why is not None:
                return Triage(rule.key, rule.name, rule.complexity, why)
        return None

    def _fall_back(self, facts: Facts, without: Sequence[str]) -> Proposal | None:
        category = self._county.categories.get(facts.category)
        units = [unit.code for unit in self._county.units.values() if category and unit.platform == category.platform]
        units = [unit for unit in units if unit not in without] or units
        if not units or category is None:
            return None
        name = Name(f"{category.platform}平台", f"The platform {category.platform}")
        return self._make(PLATFORM_RULE, name, units[0], (("category", facts.category),), without)

    def _make(
        self,
        rule: str,
        name: Name,
        unit: str,
        why: Why,
        without: Sequence[str],
        co_units: tuple[str, ...] = (),
        level: str = "town",
        automatic: bool = False,
    ) -> Proposal:
        platform = self._county.units[unit].platform
        same = (other.code for other in self._county.units.values() if other.platform == platform)
        units = (unit, *(other for other in same if other != unit and other not in without))
        return Proposal(rule, name, platform, unit, co_units, level, automatic, why, units)


def list_hand_backs(flow: Flow, steps: Iterable[Step]) -> list[HandBack]:
    """Return every handing back of a case, in the order of time; of an action without a unit, the one that had it."""
    found: list[HandBack] = []
    holder: str | None = None
    for step, after in trace(flow, steps):
        action = flow.actions.get(step.action)
        unit = step.unit or holder
        if action is not None and action.effect == "hand_back" and unit:
            found.append(HandBack(unit, step.at_ms, step.key))
        holder = after.unit
    return found


def read_dispatch(settings: Mapping[str, Any], county: County) -> DispatchRules:
    """Return a pack's dispatch and triage rules; raises `PackError` naming the row and the field."""
    rules = read_rules(
        settings, "dispatch_rules", DispatchRule, county.categories, taken={PLATFORM_RULE, UNLISTED_RULE}
    )
    for number, rule in enumerate(rules, 1):
        place = f"dispatch_rules[{number}]"
        check_known([rule.unit], county.units, f"{place}.unit", "unit")
        check_known(rule.co_units, county.units, f"{place}.co_units", "unit")
        if rule.unit in rule.co_units:
            raise PackError(f"{FILE}: {place}.co_units: {rule.unit!r} leads already")
        check_beginnings(rule.areas, county.areas.index, f"{place}.areas")
        try:
            read_hours(rule.hours)
        except ValueError:
            raise PackError(f"{FILE}: {place}.hours: {rule.hours!r} is no span like 18:00-08:00") from None
    triage = read_rules(settings, "triage_rules", TriageRule, county.categories, taken=set())
    return DispatchRules(rules, triage, county)


def read_hours(text: str) -> tuple[time, time] | None:
    """Return the two ends of a span of the day; None for an empty text; raises `ValueError`."""
    if not text:
        return None
    start, end = map(read_time, text.split("-"))
    if start == end:
        raise ValueError(f"{text} is no time at all")
    return start, end


def lies_within(hours: tuple[time, time], moment: time) -> bool:
    """Return whether a time of day lies in a span, its beginning included; a span may pass midnight."""
    start, end = hours
    return start <= moment < end if start < end else moment >= start or moment < end


def _fit(rule: DispatchRule, hours: tuple[time, time] | None, facts: Facts, local: time) -> Why | None:
    """Return which conditions decided and what was found; None where one does not fit."""
    if rule.categories and not facts.category.startswith(rule.categories):
        return None  # nearly all, so this is asked first
    return _tell_why(
        ("category", rule.categories, True, facts.category),
        ("area", rule.areas, (facts.cell_code or "").startswith(rule.areas), facts.cell_code or ""),
        ("level", rule.levels, facts.level in rule.levels, facts.level),
        ("severity", rule.severities, facts.severity in rule.severities, str(facts.severity)),
        ("channel", rule.channels, facts.channel in rule.channels, facts.channel),
        ("hours", hours, hours is not None and lies_within(hours, local), f"{local:%H:%M}"),
    )


def _tell_why(*conditions: tuple[str, object, bool, str]) -> Why | None:
    """Return the conditions that a rule makes, with what was found; None where one does not hold.

    conditions: a name, what the rule says of it (nothing: it makes none), whether that holds, and what was found.
    """
    made = [(name, holds, found) for name, said, holds, found in conditions if said]
    return tuple((name, found) for name, _, found in made) if all(holds for _, holds, _ in made) else None
