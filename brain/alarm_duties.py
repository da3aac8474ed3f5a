"""What the rules do to an alarm by themselves: go up a rung when nobody acknowledges it, become a case. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from brain.alarm_rules import CaseOf, Rule
from brain.alarms import ESCALATE, TO_CASE, Alarm
from ingest.exercises import MARK, is_exercise

MINUTE_MS: Final = 60_000


@dataclass(frozen=True)
class Duty:
    """One thing to be done; key: the same whoever finds it and whenever, so that it is done once."""

    action: str
    details: Mapping[str, Any]
    key: str


def decide(alarm_id: str, alarm: Alarm, rule: Rule, now_ms: int) -> Duty | None:
    """Return the next thing that a rule does to an alarm; None where it does nothing now, as while it is shelved.

    A duty to make a case says of what `category`; its key can be the case's.
    """
    if alarm.is_shelved(now_ms):
        return None
    if rule.case is not None and _is_case_due(alarm, rule.case, now_ms):
        return _make(alarm_id, alarm, TO_CASE, {"category": rule.case.category})
    if alarm.unacked_ms is None or alarm.rung >= len(rule.escalate):
        return None
    rung = rule.escalate[alarm.rung]
    if now_ms < alarm.unacked_ms + rung.after_min * MINUTE_MS:
        return None
    return _make(alarm_id, alarm, ESCALATE, {"rung": alarm.rung + 1, "to": rung.to})


def name_case(alarm_id: str, alarm: Alarm) -> str:
    """Return the number of the case that an alarm becomes: the same whoever makes it, a person or the rule."""
    return f"{MARK if is_exercise(alarm_id) else ''}AL-{_make(alarm_id, alarm, TO_CASE, {}).key[:16]}"


def _is_case_due(alarm: Alarm, case: CaseOf, now_ms: int) -> bool:
    if not alarm.active or alarm.case_id is not None or alarm.raised_ms is None or case.after_min is None:
        return False
    return now_ms >= alarm.raised_ms + case.after_min * MINUTE_MS


def _make(alarm_id: str, alarm: Alarm, action: str, details: Mapping[str, Any]) -> Duty:
    name = "\0".join((alarm_id, str(alarm.raised_ms), action, str(details.get("rung", ""))))
    return Duty(action, details, hashlib.blake2b(name.encode(), digest_size=16).hexdigest())
