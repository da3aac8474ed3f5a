"""Alarms as lines of a list: one each in quiet times; in a flood one a group, with worst severity and count. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from brain.alarm_rules import AlarmRules
from brain.alarms import Alarm
from geo.pack import CODE_LENGTHS
from ingest.exercises import is_exercise

By = Literal["alarm", "rule", "area", "cause"]
ELSEWHERE: Final = ""
"""The area of alarms that have no place."""


@dataclass(frozen=True)
class Line:
    """One line: alarms of one rule, town or cause, or a single one.

    severity: the worst of them, 1 … 4. unacked: how many nobody has acknowledged. raised_ms: when the newest came.
    """

    by: By
    key: str
    alarm_ids: tuple[str, ...]
    severity: int
    unacked: int
    raised_ms: int

    @property
    def count(self) -> int:
        """How many alarms it stands for."""
        return len(self.alarm_ids)


def list_lines(alarms: Mapping[str, Alarm], rules: AlarmRules, now_ms: int, by: By = "alarm") -> list[Line]:
    """Return the lines of the alarms that need somebody: the worst first, then those unacknowledged, then the newest.

    by: `alarm` in quiet times, in a flood what makes the fewest lines. A rule without a cause stands for itself, and a
    group of one is the alarm.
    """
    groups: dict[tuple[By, str], list[str]] = {}
    for alarm_id, alarm in alarms.items():
        if alarm.needs_somebody(now_ms):
            groups.setdefault(_name_group(alarm_id, alarm, rules, by), []).append(alarm_id)
    lines = [_draw_line(name, ids, alarms) for name, ids in groups.items()]
    return sorted(lines, key=lambda line: (line.severity, not line.unacked, -line.raised_ms, line.key))


def _name_group(alarm_id: str, alarm: Alarm, rules: AlarmRules, by: By) -> tuple[By, str]:
    if is_exercise(alarm_id):  # among real ones it would hide them, and be hidden
        return "alarm", alarm_id
    rule = alarm_id.partition(":")[0]
    match by:
        case "rule":
            return by, rule
        case "area":
            return by, (alarm.cell_code or ELSEWHERE)[: CODE_LENGTHS["town"]]
        case "cause":
            cause = rules.causes.get(rule)
            return (by, cause) if cause else ("rule", rule)
    return by, alarm_id


def _draw_line(name: tuple[By, str], ids: list[str], alarms: Mapping[str, Alarm]) -> Line:
    by, key = name if len(ids) > 1 else ("alarm", ids[0])
    ids.sort(key=lambda id: (alarms[id].severity, alarms[id].acked, -(alarms[id].raised_ms or 0), id))
    members = [alarms[id] for id in ids]
    return Line(
        by=by,
        key=key,
        alarm_ids=tuple(ids),
        severity=min(alarm.severity for alarm in members),
        unacked=sum(not alarm.acked for alarm in members),
        raised_ms=max(alarm.raised_ms or 0 for alarm in members),
    )
