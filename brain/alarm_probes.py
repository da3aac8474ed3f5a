"""Probes: one alarm rule each, at work on all the things that it is about; and the agenda that wakes them. Pure."""

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta, tzinfo
from typing import Any, Final, Protocol

from brain.alarm_conditions import AT_ONCE, Condition, Extreme, Timing
from brain.alarm_measures import Measure, Measured
from brain.alarm_rules import CaseRule, Hours, ReadingRule, Rule, SilenceRule, WarningRule
from cases.dispatch import lies_within
from geo.pack import Name
from ingest.records import Reading
from ingest.tables import as_time

QUARTER_MS: Final = 15 * 60_000
"""After so long a rule is asked again whose hours had not come. Every time zone's offset is a multiple of it."""


@dataclass(frozen=True)
class Finding:
    """An alarm begins (`active`) or ends, at a moment (epoch ms).

    thing: what it is about: an asset, a feed, a case's number, a warning's key. value: what was measured.
    """

    rule: str
    thing: str
    active: bool
    at_ms: int
    severity: int
    name: Name
    cell_code: str | None = None
    value: Measured = None

    @property
    def alarm_id(self) -> str:
        """What the alarm is known by, each time that it comes."""
        return make_alarm_id(self.rule, self.thing)


@dataclass(frozen=True)
class PublicWarning:
    """A public warning in force: `level` is 1 (red) … 4 (blue)."""

    key: str
    level: int
    exercise: bool = False


@dataclass(frozen=True)
class WatchedCase:
    """An open case as rules see it; answered: whether a person has acted on it; due_ms: None while nobody knows."""

    case_id: str
    category: str
    severity: int
    cell_code: str | None
    reported_ms: int
    answered: bool
    due_ms: int | None


def make_alarm_id(rule: str, thing: str) -> str:
    """Return the id of the alarm of a rule about a thing."""
    return f"{rule}:{thing}"


class Sleeper(Protocol):
    """Who can be woken."""

    def wake(self, thing: str, at_ms: int) -> None:
        """Look at a thing, for the moment has come."""


class Agenda:
    """The present moment, who is to be woken when, and what was found."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms
        self.findings: list[Finding] = []
        self._wakes: list[tuple[int, int, Sleeper, str]] = []
        self._count = 0

    def note(self, sleeper: Sleeper, thing: str, at_ms: int) -> None:
        """Note that somebody is to look at a thing at a moment."""
        self._count += 1
        heapq.heappush(self._wakes, (at_ms, self._count, sleeper, thing))

    def advance(self, now_ms: int) -> None:
        """Wake all whose moment has come, in the order of time."""
        while self._wakes and self._wakes[0][0] <= now_ms:
            at_ms, _, sleeper, thing = heapq.heappop(self._wakes)
            sleeper.wake(thing, at_ms)
        self.now_ms = max(self.now_ms, now_ms)


class Clockface:
    """The county's time of day."""

    def __init__(self, time_zone: tzinfo) -> None:
        self._time_zone = time_zone
        self._quarter = -1
        self._offset = timedelta(0)

    def shows(self, hours: Hours, at_ms: int) -> bool:
        """Return whether a moment lies in a span of the day."""
        if at_ms // QUARTER_MS != self._quarter:
            self._quarter = at_ms // QUARTER_MS
            self._offset = as_time(at_ms).astimezone(self._time_zone).utcoffset() or timedelta(0)
        return lies_within(hours, (as_time(at_ms) + self._offset).time())


@dataclass(slots=True)
class Tracked(Condition):
    """The condition of one thing by one rule, with what is to be said of it."""

    severity: int = 4
    cell_code: str | None = None
    value: Measured = None


class Probe:
    """What all probes do: follow the conditions of things, and say when an alarm begins or ends."""

    def __init__(self, rule: Rule, agenda: Agenda, clockface: Clockface, timing: Timing = AT_ONCE) -> None:
        self.things: dict[str, Tracked] = {}
        self.rule = rule
        self.agenda = agenda
        self._clockface = clockface
        self._timing = timing
        self._hours = rule.span
        self._everywhere = self._hours is None and not rule.areas

    def resume(self, thing: str) -> None:
        """Go on with an alarm that stands already: it ends when something says so."""
        now_ms = self.agenda.now_ms
        severity = self.rule.severity or 4
        self.things[thing] = Tracked(True, now_ms, True, now_ms, severity=severity)

    def holds(self, cell_code: str | None, at_ms: int) -> bool:
        """Return whether the rule holds at a place and a moment."""
        if self._everywhere:
            return True
        areas = self.rule.areas
        if areas and not (cell_code or "").startswith(areas):
            return False
        return self._hours is None or self._clockface.shows(self._hours, at_ms)

    def tell(
        self,
        thing: str,
        abnormal: bool,
        at_ms: int,
        severity: int = 4,
        cell_code: str | None = None,
        value: Measured = None,
    ) -> None:
        """Take in how a thing is from a moment on."""
        tracked = self.things.get(thing)
        if tracked is None:
            if not abnormal:
                return
            tracked = self.things[thing] = Tracked(severity=severity, cell_code=cell_code)
        self._settle(thing, tracked, at_ms)
        if abnormal:
            tracked.severity, tracked.cell_code, tracked.value = severity, cell_code, value
        if abnormal != tracked.abnormal:
            tracked.turn(abnormal, at_ms, self._timing)
            self._settle(thing, tracked, at_ms)
            due_ms = tracked.find_due_ms(self._timing)
            if due_ms is not None:
                self.agenda.note(self, thing, due_ms)
        if not (tracked.abnormal or tracked.active or tracked.stretches):
            del self.things[thing]

    def wake(self, thing: str, at_ms: int) -> None:
        """Let an alarm begin or end by the clock."""
        tracked = self.things.get(thing)
        if tracked is not None:
            self._settle(thing, tracked, at_ms)
            if not (tracked.abnormal or tracked.active or tracked.stretches):
                del self.things[thing]

    def _settle(self, thing: str, tracked: Tracked, at_ms: int) -> None:
        if tracked.active != tracked.abnormal and tracked.settle(at_ms, self._timing):
            self.agenda.findings.append(
                Finding(
                    rule=self.rule.key,
                    thing=thing,
                    active=tracked.active,
                    at_ms=tracked.changed_ms,
                    severity=tracked.severity,
                    name=self.rule.name,
                    cell_code=tracked.cell_code,
                    value=tracked.value,
                )
            )


class ReadingProbe(Probe):
    """What things measure."""

    def __init__(self, rule: ReadingRule, measure: Measure, agenda: Agenda, clockface: Clockface) -> None:
        seconds = (rule.on_delay_s, rule.off_delay_s, rule.lasts_s, rule.within_s)
        super().__init__(rule, agenda, clockface, Timing(*(int(1000 * each) for each in seconds)))
        self._measure = measure
        self._words = frozenset(rule.words)
        self._kind: Any = (str,) if rule.words else (int, float)
        self._bounds = rule.at_least, rule.at_most
        self._dead_band = rule.dead_band
        self._change_ms = int(1000 * rule.change_s)
        self._changes: dict[str, tuple[Extreme, Extreme]] = {}
        self._where = [(where, where.span) for where in rule.where]
        self._severity = rule.severity or 4

    def put(self, reading: Reading, at_ms: int) -> None:
        """Take in a reading that is newer than all before it of its thing."""
        value = self._measure(reading)
        if not isinstance(value, self._kind):
            return
        thing = reading.asset_id
        tracked = self.things.get(thing)
        before = tracked is not None and tracked.abnormal
        abnormal = value in self._words if self._words else self._is_beyond(value, reading, at_ms, before)
        if abnormal and not self._everywhere:
            abnormal = self.holds(reading.cell_code, at_ms)
        if tracked is None:
            if not abnormal:
                return
        elif abnormal == before == tracked.active:
            return  # nothing has turned, and nothing is on its way
        self.tell(thing, abnormal, at_ms, self._severity, reading.cell_code, value)

    def _is_beyond(self, value: float, reading: Reading, at_ms: int, before: bool) -> bool:
        high = low = value
        if self._change_ms:
            rise, fall = self._changes.setdefault(reading.asset_id, (Extreme(), Extreme(-1)))
            high, low = rise.change(value, at_ms, self._change_ms), fall.change(value, at_ms, self._change_ms)
        at_least, at_most = self._find_bounds(reading, at_ms) if self._where else self._bounds
        band = self._dead_band if before else 0
        return (at_least is not None and high >= at_least - band) or (at_most is not None and low <= at_most + band)

    def _find_bounds(self, reading: Reading, at_ms: int) -> tuple[float | None, float | None]:
        for where, hours in self._where:
            if where.areas and not (reading.cell_code or "").startswith(where.areas):
                continue
            if where.things and reading.asset_id not in where.things:
                continue
            if hours is not None and not self._clockface.shows(hours, at_ms):
                continue
            at_least, at_most = self._bounds
            return (
                at_least if where.at_least is None else where.at_least,
                at_most if where.at_most is None else where.at_most,
            )
        return self._bounds


class SilenceProbe(Probe):
    """How long one feed has said nothing, or the things of one feed.

    heard_ms: when each was heard last, kept by the watch. is_excused: whether silence at a moment is nobody's fault.
    """

    def __init__(
        self,
        rule: SilenceRule,
        limit_ms: int,
        heard_ms: Mapping[str, int],
        cells: Mapping[str, str],
        is_excused: Callable[[int], bool],
        agenda: Agenda,
        clockface: Clockface,
    ) -> None:
        super().__init__(rule, agenda, clockface)
        self._limit_ms = limit_ms
        self._heard_ms = heard_ms
        self._cells = cells
        self._is_excused = is_excused
        self._severity = rule.severity or 4

    def expect(self, thing: str) -> None:
        """Listen for a thing from now on."""
        self.agenda.note(self, thing, self._heard_ms[thing] + self._limit_ms + 1)

    def speak(self, thing: str, at_ms: int) -> None:
        """Take in that a silent thing was heard again; what it said long ago is no news."""
        if at_ms + self._limit_ms >= self.agenda.now_ms:
            self.tell(thing, False, at_ms)
            self.expect(thing)

    def wake(self, thing: str, at_ms: int) -> None:
        """Look whether a thing has been silent for too long by now."""
        cell = self._cells.get(thing)
        if at_ms <= self._heard_ms[thing] + self._limit_ms:
            self.expect(thing)
        elif self._is_excused(at_ms):
            self.agenda.note(self, thing, at_ms + self._limit_ms)
        elif not self.holds(cell, at_ms):
            self.agenda.note(self, thing, at_ms + QUARTER_MS)
        else:
            self.tell(thing, True, at_ms, self._severity, cell)


class CaseProbe(Probe):
    """Cases that nobody answers, or that are overdue."""

    def __init__(self, rule: CaseRule, agenda: Agenda, clockface: Clockface) -> None:
        super().__init__(rule, agenda, clockface)
        self._unanswered = rule.on == "unanswered"
        self._severities = rule.severities
        self._categories = rule.categories
        self._after_ms = int(rule.after_min * 60_000)
        self._due: dict[str, tuple[int, WatchedCase]] = {}

    def put(self, case: WatchedCase) -> None:
        """Take in an open case as it stands."""
        due_ms = self._find_due_ms(case)
        if due_ms is None or due_ms > self.agenda.now_ms:
            self.tell(case.case_id, False, self.agenda.now_ms)
        if due_ms is None:
            self._due.pop(case.case_id, None)
        elif self._due.get(case.case_id, (None,))[0] != due_ms:
            self._due[case.case_id] = due_ms, case
            self.agenda.note(self, case.case_id, due_ms)

    def end(self, case_id: str) -> None:
        """Take in that a case has ended."""
        self._due.pop(case_id, None)
        self.tell(case_id, False, self.agenda.now_ms)

    def wake(self, thing: str, at_ms: int) -> None:
        """Raise the alarm on a case whose moment this is."""
        due_ms, case = self._due.get(thing, (None, None))
        if case is None or due_ms is None or at_ms < due_ms:
            return
        if self.holds(case.cell_code, at_ms):
            self.tell(thing, True, at_ms, self.rule.severity or case.severity, case.cell_code)
        else:
            self.agenda.note(self, thing, at_ms + QUARTER_MS)

    def _find_due_ms(self, case: WatchedCase) -> int | None:
        """Return from when on a case is abnormal if nothing more happens to it; None: never."""
        if self._severities and case.severity not in self._severities:
            return None
        if self._categories and not case.category.startswith(self._categories):
            return None
        if self._unanswered:
            return None if case.answered else case.reported_ms + self._after_ms
        return None if case.due_ms is None else case.due_ms + 1 + self._after_ms


class WarningProbe(Probe):
    """Public warnings in force."""

    def __init__(self, rule: WarningRule, agenda: Agenda, clockface: Clockface) -> None:
        super().__init__(rule, agenda, clockface)
        self._levels = rule.levels

    def put_all(self, warnings: Iterable[PublicWarning]) -> None:
        """Take in all the warnings that are in force now; an exercise is none."""
        now_ms = self.agenda.now_ms
        levels = {
            warning.key: warning.level
            for warning in warnings
            if not warning.exercise and (not self._levels or warning.level in self._levels)
        }
        for key in self.things.keys() - levels.keys():
            self.tell(key, False, now_ms)
        for key, level in levels.items():
            self.tell(key, self.holds(None, now_ms), now_ms, self.rule.severity or level)
