"""An incident as screens are told of it, wall and page alike: codes and numbers, in no language; moments in seconds."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from brain.alarm_book import Entry
from brain.incidents import AROUND_M, Call, Line, Picture, Rung
from cases.clocks import Clock
from cases.fold import REMARK, Step
from dashboard.clock_lines import tell_span
from dashboard.nearby import measure_m
from dashboard.text import LANGUAGES
from layers.alarm_words import AlarmWords, find_point, name_alarm
from layers.excerpt import Excerpt
from layers.state import LiveState

SEVERITIES: Final = (1, 2, 3, 4)
MOST_ALARMS: Final = 12


@dataclass(frozen=True)
class Near:
    """An alarm around an incident: what it is called, and how far it is from the place."""

    words: AlarmWords
    distance_m: int


def find_alarms_near(
    state: LiveState, entries: Iterable[Entry], lon: float | None, lat: float | None
) -> dict[str, Near]:
    """Return which alarms are within `AROUND_M` of a place and in the state's scope, by id."""
    if lon is None or lat is None:
        return {}
    near: dict[str, Near] = {}
    for entry in entries:
        point = find_point(state, entry)
        if point is None or (isinstance(state, Excerpt) and not state.holds_alarm(entry)):
            continue
        distance_m = measure_m(lon, lat, *point)
        if distance_m <= AROUND_M:
            near[entry.alarm_id] = Near(name_alarm(state, entry), distance_m)
    return near


def describe_picture(picture: Picture, near: Mapping[str, Near]) -> dict[str, Any]:
    """Return a picture without its log: units with their clocks, the ladder, and the alarms around that stand."""
    begun, ended = picture.begun, picture.ended
    standing = [
        (alarm.severity, near[id].distance_m, id, alarm) for id, alarm in picture.alarms.items() if alarm.active
    ]
    standing.sort(key=lambda one: one[:3])
    return {
        "state": picture.state.state,
        "begun_at": None if begun is None else begun.at_ms // 1000,
        "begun_by": find_role(begun),
        "ended_at": None if ended is None else ended.at_ms // 1000,
        "clock": _describe_clock(picture.whole),
        "calls": [_describe_call(call) for call in picture.calls],
        "ladder": [_describe_rung(rung) for rung in picture.ladder],
        "alarm_counts": [sum(one[0] == severity for one in standing) for severity in SEVERITIES],
        "alarms": [
            {
                "id": id,
                "severity": severity,
                "name": asdict(near[id].words.name),
                "thing": asdict(near[id].words.thing),
                "distance_m": distance_m,
                "acked": alarm.acked,
                "raised_at": (alarm.raised_ms or 0) // 1000,
            }
            for severity, distance_m, id, alarm in standing[:MOST_ALARMS]
        ],
    }


def describe_line(line: Line, near: Mapping[str, Near]) -> dict[str, Any]:
    """Return a line of the log without anybody's words."""
    step = line.step
    details = step.details if step else {}
    told: dict[str, Any] = {
        "key": f"{line.about} {line.at_ms} {line.thing} {line.action}" if step is None else step.key,
        "at": line.at_ms // 1000,
        "about": line.about,
        "action": line.action,
        "role": None if step is None else find_role(step),
        "unit": None if step is None or line.about != "case" else step.unit or details.get("by_unit"),
    }
    if units := details.get("units"):
        told["units"] = units
    if line.about == "alarm":
        words = near[line.thing].words
        told |= {"severity": line.severity, "name": asdict(words.name), "thing": asdict(words.thing)}
    elif line.about == "wall":
        told["wall"] = line.thing
    return told


def find_role(step: Step | None) -> str | None:
    """Return in what role something was done, as our desk wrote it down; None for what came from elsewhere."""
    role = step.details.get("role") if step else None
    return role if isinstance(role, str) else None


def is_remark(line: Line) -> bool:
    """Return whether a line only hands on somebody's words, which no wall shows."""
    return line.about == "case" and line.action == REMARK


def _describe_call(call: Call) -> dict[str, Any]:
    return {
        "unit": call.unit,
        "lead": call.lead,
        "since": call.since_ms // 1000,
        "done_at": None if call.done_ms is None else call.done_ms // 1000,
        "clock": _describe_clock(call.clock),
    }


def _describe_rung(rung: Rung) -> dict[str, Any]:
    span = rung.limit.span if rung.limit else None
    return {
        "state": rung.state,
        "standing": rung.standing,
        "entered_at": None if rung.entered_ms is None else rung.entered_ms // 1000,
        "left_at": None if rung.left_ms is None else rung.left_ms // 1000,
        "clock": _describe_clock(rung.clock),
        "limit": span and {lang: tell_span(span, lang) for lang in LANGUAGES},
    }


def _describe_clock(clock: Clock | None) -> dict[str, Any] | None:
    """Return a clock as `desk/clock.ts` reads it; what has ended has none that runs."""
    if clock is None or clock.ended_ms is not None:
        return None
    return {
        "near_at": None if clock.near_ms is None else clock.near_ms // 1000,
        "due_at": None if clock.due_ms is None else clock.due_ms // 1000,
        "stopped": clock.stopped,
    }
