"""The alarms of a county as they stand, folded from their actions as these come. Pure."""

import heapq
from dataclasses import dataclass, replace
from typing import Any, Final

from brain.alarms import CLEAR, ESCALATE, RAISE, Alarm, fold, move
from cases.fold import Step
from ingest.case_state import make_action_key
from ingest.exercises import is_exercise
from ingest.records import Origin
from ingest.rows.alarms import AlarmStep, AnyAlarm, describe_action
from ingest.tables import as_ms

KEEP_MS: Final = 49 * 3_600_000
"""How long an alarm stays that is back to normal and acknowledged."""

ABOUT: Final = ("source", "rule", "thing", "value", "lon", "lat", "origin")
"""What a raise says of its alarm."""
SILENT: Final = frozenset({CLEAR, ESCALATE})
"""What overtakes nobody's request."""


@dataclass(frozen=True)
class Entry:
    """An alarm, and what it is about: as whoever raised it last said, None where they did not.

    source: who that was. value: what was measured then.
    """

    alarm_id: str
    alarm: Alarm
    source: str = ""
    rule: str | None = None
    thing: str | None = None
    value: float | str | None = None
    lon: float | None = None
    lat: float | None = None
    origin: Origin = "live"

    @property
    def is_exercise(self) -> bool:
        """Whether it belongs to an exercise."""
        return is_exercise(self.alarm_id)


def read_step(row: AlarmStep) -> Step:
    """Return an action of SQL as a step."""
    return _make_step(
        row.source, row.event_id, as_ms(row.at), row.order, row.action, row.actor, row.details, row.origin
    )


def make_step(record: AnyAlarm, order: int) -> Step:
    """Return an action of the stream as a step; order: its place there."""
    action, details = describe_action(record)
    return _make_step(record.source, record.id, as_ms(record.at), order, action, record.actor, details, record.origin)


def _make_step(
    source: str, id: str, at_ms: int, order: int, action: str, actor: str | None, details: dict[str, Any], origin: str
) -> Step:
    about = {"source": source, "origin": origin} if action == RAISE else {}
    return Step(at_ms, order, action, None, actor or "", details | about, make_action_key(source, id))


class AlarmBook:
    """Every alarm that stands or did lately; `entries` are by id."""

    def __init__(self) -> None:
        self.entries: dict[str, Entry] = {}
        self._steps: dict[str, dict[str, Step]] = {}
        self._wakes: list[tuple[int, str]] = []

    def put(self, alarm_id: str, step: Step) -> bool:
        """Take an action in; return whether it was new."""
        steps = self._steps.setdefault(alarm_id, {})
        if step.key in steps:
            return False
        in_turn = not steps or next(reversed(steps.values())).order < step.order
        steps[step.key] = step
        known = self.entries.get(alarm_id) or Entry(alarm_id, Alarm())
        entry = replace(known, alarm=move(known.alarm, step) if in_turn else fold(steps.values()))
        if step.action == RAISE:
            about: dict[str, Any] = {name: step.details.get(name) for name in ABOUT}
            entry = replace(entry, **about)
        self.entries[alarm_id] = entry
        if entry.alarm.shelved_until_ms is not None:
            heapq.heappush(self._wakes, (entry.alarm.shelved_until_ms, alarm_id))
        if entry.alarm.state == "normal":
            heapq.heappush(self._wakes, (_leaves_ms(entry.alarm), alarm_id))
        return True

    def find_step(self, alarm_id: str, key: str) -> Step | None:
        """Return an action of an alarm by its key; None where it has not come."""
        return self._steps.get(alarm_id, {}).get(key)

    def find_last_deed(self, alarm_id: str) -> Step | None:
        """Return what somebody did last about an alarm, or that it came: what a request may not have seen."""
        entry = self.entries.get(alarm_id)
        overtaken = entry.alarm.overtaken if entry else ()
        steps = self._steps.get(alarm_id, {}).values()
        return next((step for step in reversed(steps) if step.key not in overtaken and step.action not in SILENT), None)

    def advance(self, now_ms: int) -> set[str]:
        """Move the clock; return the alarms whose shelf has ended, and those that are let go."""
        woken: set[str] = set()
        while self._wakes and self._wakes[0][0] <= now_ms:
            _, alarm_id = heapq.heappop(self._wakes)
            entry = self.entries.get(alarm_id)
            if entry is not None:
                woken.add(alarm_id)
                if entry.alarm.state == "normal" and _leaves_ms(entry.alarm) <= now_ms:
                    del self.entries[alarm_id], self._steps[alarm_id]
        return woken


def _leaves_ms(alarm: Alarm) -> int:
    known = (alarm.seen_ms, alarm.cleared_ms, alarm.acked_ms, alarm.shelved_until_ms)
    return KEEP_MS + max((at_ms for at_ms in known if at_ms is not None), default=0)
