"""The load that alarms put on operators, as EEMUA 191 and ISA-18.2 (IEC 62682) count it. Pure.

What counts is what was announced: each coming of an alarm that nobody had shelved, not its repeats. Figures and limits
are for one operator: more of them on duty share the load.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from statistics import median
from typing import Final, Literal

from brain.alarms import Alarm, trace
from cases.fold import Step

MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * 60 * MINUTE_MS
TEN_MINUTES_MS: Final = 10 * MINUTE_MS
FLOOD_OVER: Final = 10
FLOOD_UNDER: Final = 5
"""A flood begins with more than ten announcements in the last ten minutes and ends with fewer than five (ISA-18.2)."""
FLOOD_SHARE_LIMIT: Final = 0.01
PEAK_LIMIT: Final = 10
WORST_SHARE_LIMIT: Final = 0.05
STALE_MS: Final = DAY_MS
"""An alarm that stands for longer than a day says nothing any more (ISA-18.2: stale, fewer than five at a time)."""
STALE_LIMIT: Final = 4
CHATTER_COUNT: Final = 3
CHATTER_MS: Final = MINUTE_MS
"""Chattering: three times or more within a minute."""
FLEETING_MS: Final = MINUTE_MS
"""Fleeting: gone within a minute, before anybody acknowledged, and not chattering. ISA-18.2 has no number; ours."""
RECOMMENDED_SHARES: Final[Mapping[int, float]] = {1: 0.01, 2: 0.05, 3: 0.15, 4: 0.80}
"""Share of each severity: 80, 15 and 5 per cent, and less than one of the highest where there are four (ISA-18.2)."""
WORST_RULES: Final = 10
LOOK_BACK_MS: Final = 60 * MINUTE_MS
"""How far back a flood that lasts now is looked for."""

Verdict = Literal["acceptable", "manageable", "demanding", "unacceptable"]
VERDICTS: Final[tuple[tuple[float, Verdict], ...]] = ((1, "acceptable"), (2, "manageable"), (10, "demanding"))
"""EEMUA 191 on the mean per ten minutes: up to one, two, ten announcements; what is more is unacceptable."""


@dataclass(frozen=True)
class Announcement:
    """One coming of an alarm (epoch ms), and when it cleared and was acknowledged, None while not."""

    alarm_id: str
    severity: int
    at_ms: int
    cleared_ms: int | None = None
    acked_ms: int | None = None

    @property
    def rule(self) -> str:
        """The rule that raised it: what comes before the colon of its id."""
        return self.alarm_id.partition(":")[0]


@dataclass(frozen=True)
class Flood:
    """A time (epoch ms, the end excluded) in which more alarms came than anybody can answer; `count`: how many."""

    begin_ms: int
    end_ms: int
    count: int


@dataclass(frozen=True)
class RuleShare:
    """How many of the announcements were one rule's."""

    rule: str
    count: int
    share: float


@dataclass(frozen=True)
class Load:
    """The load of some time.

    per_ten_minutes: mean for one operator. peak: the most in any ten minutes, for one operator. shares: by severity.
    standing: ids of the alarms that stand at the end, the oldest first, stale: those for over a day. chattering,
    fleeting: how often, by id. worst: the rules with the most announcements. median_ack_ms: of those acknowledged.
    """

    announced: int
    per_ten_minutes: float
    verdict: Verdict
    peak: float
    floods: tuple[Flood, ...]
    flood_share: float
    shares: Mapping[int, float]
    standing: tuple[str, ...]
    stale: tuple[str, ...]
    chattering: Mapping[str, int]
    fleeting: Mapping[str, int]
    worst: tuple[RuleShare, ...]
    median_ack_ms: float | None


def list_announcements(alarm_id: str, steps: Iterable[Step]) -> list[Announcement]:
    """Return the announcements that one alarm's actions made."""
    made: list[Announcement] = []
    before = Alarm()
    for step, alarm in trace(steps):
        if alarm.occurrences > before.occurrences and not alarm.is_shelved(step.at_ms):
            cleared_ms = None if alarm.active else alarm.cleared_ms
            made.append(Announcement(alarm_id, alarm.severity, step.at_ms, cleared_ms))
        elif before.active and not alarm.active and made and made[-1].cleared_ms is None:
            made[-1] = replace(made[-1], cleared_ms=alarm.cleared_ms)
        elif alarm.acked and not before.acked:
            made = [each if each.acked_ms is not None else replace(each, acked_ms=alarm.acked_ms) for each in made]
        before = alarm
    return made


def measure_load(announcements: Iterable[Announcement], from_ms: int, to_ms: int, operators: float = 1) -> Load:
    """Return the load of a time (epoch ms, the end excluded) on so many operators.

    announcements: those of the time and of the ten minutes before; and earlier ones whose alarm still stands.
    """
    known = sorted((each for each in announcements if each.at_ms < to_ms), key=lambda each: (each.at_ms, each.alarm_id))
    during = [each for each in known if each.at_ms >= from_ms]
    times_ms = [each.at_ms for each in known]
    floods = find_floods(times_ms, from_ms, to_ms, operators)
    mean = len(during) / operators / ((to_ms - from_ms) / TEN_MINUTES_MS)
    standing = [each for each in known if each.cleared_ms is None or each.cleared_ms >= to_ms]
    chattering = _find_chattering(during)
    answers_ms = [each.acked_ms - each.at_ms for each in during if each.acked_ms is not None]
    by_severity = Counter(each.severity for each in during)
    return Load(
        announced=len(during),
        per_ten_minutes=mean,
        verdict=next((verdict for limit, verdict in VERDICTS if mean <= limit), "unacceptable"),
        peak=max((count for _, count in _count_last_ten(times_ms, from_ms, to_ms)), default=0) / operators,
        floods=floods,
        flood_share=sum(flood.end_ms - flood.begin_ms for flood in floods) / (to_ms - from_ms),
        shares={severity: by_severity[severity] / max(len(during), 1) for severity in RECOMMENDED_SHARES},
        standing=tuple(each.alarm_id for each in standing),
        stale=tuple(each.alarm_id for each in standing if each.at_ms < to_ms - STALE_MS),
        chattering=chattering,
        fleeting=Counter(each.alarm_id for each in during if _is_fleeting(each) and each.alarm_id not in chattering),
        worst=_find_worst(during),
        median_ack_ms=median(answers_ms) if answers_ms else None,
    )


def find_floods(times_ms: Sequence[int], from_ms: int, to_ms: int, operators: float = 1) -> tuple[Flood, ...]:
    """Return the floods of a time (epoch ms, the end excluded); times_ms: when alarms came, in order."""
    floods: list[Flood] = []
    begin_ms: int | None = None
    for at_ms, count in _count_last_ten(times_ms, None, to_ms):
        if begin_ms is None and count > FLOOD_OVER * operators:
            begin_ms = at_ms
        elif begin_ms is not None and count < FLOOD_UNDER * operators:
            floods.append(Flood(begin_ms, at_ms, 0))
            begin_ms = None
    if begin_ms is not None:
        floods.append(Flood(begin_ms, to_ms, 0))
    clipped = [replace(flood, begin_ms=max(flood.begin_ms, from_ms)) for flood in floods if flood.end_ms > from_ms]
    return tuple(
        replace(flood, count=bisect_left(times_ms, flood.end_ms) - bisect_left(times_ms, flood.begin_ms))
        for flood in clipped
    )


def is_flood(standing: Iterable[Alarm], now_ms: int) -> bool:
    """Return whether more alarms come now than anybody can answer, as far as those tell that stand."""
    times_ms = sorted(alarm.raised_ms for alarm in standing if alarm.raised_ms is not None)
    floods = find_floods(times_ms, now_ms - LOOK_BACK_MS, now_ms + 1)
    return bool(floods) and floods[-1].end_ms > now_ms


def _count_last_ten(times_ms: Sequence[int], from_ms: int | None, to_ms: int) -> list[tuple[int, int]]:
    """Return each moment before to_ms at which the count of the last ten minutes changes, with what it then is."""
    turns = sorted([(at_ms, 1) for at_ms in times_ms] + [(at_ms + TEN_MINUTES_MS, -1) for at_ms in times_ms])
    counts, count = [], 0
    for at_ms, group in groupby(turns, key=lambda turn: turn[0]):
        count += sum(by for _, by in group)
        if at_ms < to_ms and (from_ms is None or at_ms >= from_ms):
            counts.append((at_ms, count))
    return counts


def _find_chattering(during: Iterable[Announcement]) -> dict[str, int]:
    """Return the alarms that came three times within a minute, each with how often they came in all."""
    times: dict[str, list[int]] = {}
    for each in during:
        times.setdefault(each.alarm_id, []).append(each.at_ms)
    return {
        alarm_id: len(came)
        for alarm_id, came in times.items()
        if any(last - first <= CHATTER_MS for first, last in zip(came, came[CHATTER_COUNT - 1 :], strict=False))
    }


def _is_fleeting(each: Announcement) -> bool:
    if each.cleared_ms is None or each.cleared_ms - each.at_ms >= FLEETING_MS:
        return False
    return each.acked_ms is None or each.acked_ms > each.cleared_ms


def _find_worst(during: Sequence[Announcement]) -> tuple[RuleShare, ...]:
    counts = Counter(each.rule for each in during)
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return tuple(RuleShare(rule, count, count / len(during)) for rule, count in ordered[:WORST_RULES])
