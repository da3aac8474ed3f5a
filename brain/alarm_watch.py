"""The watch: holds every alarm rule of a county against what comes in, and says which alarms begin and end.

Four kinds of source: readings of things, signs of life of feeds and things, cases, public warnings. No I/O and no clock
of its own: `advance` is told the time. What it says again after a restart is the same alarm, which its life
(`brain.alarms`) counts once.
"""

from collections.abc import Iterable
from typing import Final

from brain.alarm_measures import find_measure
from brain.alarm_probes import (
    Agenda,
    CaseProbe,
    Clockface,
    Finding,
    Probe,
    PublicWarning,
    ReadingProbe,
    SilenceProbe,
    WarningProbe,
    WatchedCase,
)
from brain.alarm_rules import NOT_SENSED, AlarmRules, CaseRule, ReadingRule, SilenceRule, WarningRule
from geo.county import County
from geo.pack import Name
from ingest.records import EXERCISE, Reading
from ingest.silence import judge_silence
from ingest.tables import as_ms

MOST_THINGS: Final = 100_000
"""So many things of one feed are watched; beyond that somebody invents names."""


class Watch:
    """All the rules of a county at work."""

    def __init__(self, county: County, rules: AlarmRules, now_ms: int, standing: Iterable[str] = ()) -> None:
        """Begin at a moment (epoch ms); standing: the ids of this watch's alarms that are known to be active."""
        self._agenda = Agenda(now_ms)
        self._clockface = Clockface(county.time_zone)
        self._stale_ms = {key: int(feed.stale_after.total_seconds() * 1000) for key, feed in county.feeds.items()}
        self._heard_ms = dict.fromkeys(self._stale_ms, now_ms)
        self._seen_ms: dict[str, dict[str, int]] = {feed: {} for feed in self._stale_ms.keys() - NOT_SENSED}
        self._cells = {str(asset): str(cell) for asset, cell in county.assets["cell_code"].items() if cell == cell}
        self._readings: dict[str, list[ReadingProbe]] = {feed: [] for feed in self._seen_ms}
        self._feeds: dict[str, list[SilenceProbe]] = {feed: [] for feed in self._stale_ms}
        self._things: dict[str, list[SilenceProbe]] = {feed: [] for feed in self._seen_ms}
        for rule in rules.list_kind(ReadingRule):
            measure = find_measure(rule.measure, county)
            self._readings[rule.feed].append(ReadingProbe(rule, measure, self._agenda, self._clockface))
        for silence in rules.list_kind(SilenceRule):
            for feed in silence.feeds or (self._stale_ms if silence.of == "feed" else self._seen_ms):
                self._listen(silence, feed)
        self._cases = [CaseProbe(rule, self._agenda, self._clockface) for rule in rules.list_kind(CaseRule)]
        self._warnings = [WarningProbe(rule, self._agenda, self._clockface) for rule in rules.list_kind(WarningRule)]
        self._resume(standing)

    @property
    def findings(self) -> list[Finding]:
        """What was found since `take`."""
        return self._agenda.findings

    def take(self) -> list[Finding]:
        """Return what was found since the last call, in the order in which it was found."""
        found, self._agenda.findings = self._agenda.findings, []
        return found

    def advance(self, now_ms: int) -> None:
        """Move the clock (epoch ms): let delays end and what is silent be noticed."""
        self._agenda.advance(now_ms)

    def put_reading(self, reading: Reading) -> None:
        """Take a reading in; one that is older than what is known of its thing says nothing of how that is now."""
        feed, thing, at_ms = reading.feed, reading.asset_id, as_ms(reading.observed_at)
        seen = self._seen_ms.get(feed)
        if seen is None:
            return
        before_ms = seen.get(thing)
        if before_ms is None:
            if len(seen) >= MOST_THINGS:
                return
        elif at_ms <= before_ms:
            return
        seen[thing] = at_ms
        # That the sensors of an exercise say nothing after it is as it should be.
        for listener in () if reading.origin == EXERCISE else self._things[feed]:
            if before_ms is None and thing not in listener.things:
                listener.expect(thing)
            elif thing in listener.things:
                listener.speak(thing, at_ms)
        for probe in self._readings[feed]:
            probe.put(reading, at_ms)

    def hear(self, feed: str, at_ms: int) -> None:
        """Take a sign of life of a feed in: something of it was received (epoch ms)."""
        if at_ms > self._heard_ms.get(feed, at_ms):
            self._heard_ms[feed] = at_ms
            for listener in self._feeds[feed]:
                if feed in listener.things:
                    listener.speak(feed, at_ms)

    def put_case(self, case: WatchedCase) -> None:
        """Take an open case in, as it stands now."""
        for probe in self._cases:
            probe.put(case)

    def end_case(self, case_id: str) -> None:
        """Take in that a case has ended."""
        for probe in self._cases:
            probe.end(case_id)

    def put_warnings(self, warnings: Iterable[PublicWarning]) -> None:
        """Take in all the public warnings that are in force now."""
        in_force = list(warnings)
        for probe in self._warnings:
            probe.put_all(in_force)

    def _listen(self, rule: SilenceRule, feed: str) -> None:
        limit_ms = int(rule.times * self._stale_ms[feed] if rule.after_s is None else rule.after_s * 1000)
        if rule.of == "feed":
            probe = SilenceProbe(rule, limit_ms, self._heard_ms, {}, lambda at_ms: False, self._agenda, self._clockface)
            self._feeds[feed].append(probe)
            probe.expect(feed)
            return

        def is_feed_silent(at_ms: int) -> bool:
            return judge_silence(at_ms - self._heard_ms[feed], self._stale_ms[feed]) == "silent"

        self._things[feed].append(
            SilenceProbe(
                rule, limit_ms, self._seen_ms[feed], self._cells, is_feed_silent, self._agenda, self._clockface
            )
        )

    def _resume(self, standing: Iterable[str]) -> None:
        """Go on with the alarms that stand; end those whose rule there is no more."""
        probes: list[Probe] = [*self._cases, *self._warnings]
        for by_feed in (self._readings, self._feeds, self._things):
            probes.extend(probe for of_feed in by_feed.values() for probe in of_feed)
        for alarm_id in standing:
            key, _, thing = alarm_id.partition(":")
            concerned = [probe for probe in probes if probe.rule.key == key]
            for probe in concerned:
                # Of a rule about several feeds each probe waits for the thing; only its own feed's will hear it.
                probe.resume(thing)
            if not concerned:
                now_ms = self._agenda.now_ms
                self.findings.append(Finding(key, thing, False, now_ms, severity=4, name=Name(key, key)))
