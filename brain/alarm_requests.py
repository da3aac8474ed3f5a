"""What a person may do to an alarm as it stands, checked before it is published. Pure.

Whether somebody was faster is the fold's to say (`brain.alarms.move`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from brain.alarm_rules import CaseRule, Rule
from brain.alarms import ACK, ASSIGN, COMMENT, SHELVE, TO_CASE, UNSHELVE, Alarm
from cases.requests import LONGEST_NOTE, Asker, BadField, NotLegal, Request
from geo.pack import Name

OPERATORS: Final = frozenset({"county_duty", "dispatcher", "town_centre", "village_centre", "supervisor"})
"""Who works the list of alarms; leaders look on, and walls only show."""
UNRULED_SHELVE_MIN: Final = 480.0
"""How long an alarm may be shelved that no rule of ours has raised: a shift."""


@dataclass(frozen=True)
class AlarmAction:
    """One thing that can be done: who may, when it makes sense, and what must be said with it."""

    name: Name
    makes_sense: Callable[[Alarm, float, int], bool]
    roles: frozenset[str] = OPERATORS
    needs: tuple[str, ...] = ()


ACTIONS: Final[Mapping[str, AlarmAction]] = {
    ACK: AlarmAction(Name("确认", "Acknowledge"), lambda alarm, most, now_ms: not alarm.acked),
    ASSIGN: AlarmAction(Name("指派", "Assign"), lambda alarm, most, now_ms: alarm.state != "normal", needs=("to",)),
    COMMENT: AlarmAction(
        Name("备注", "Comment"), lambda alarm, most, now_ms: True, OPERATORS | {"unit", "leader"}, ("note",)
    ),
    SHELVE: AlarmAction(Name("搁置", "Shelve"), lambda alarm, most, now_ms: most > 0, needs=("minutes", "note")),
    UNSHELVE: AlarmAction(Name("取消搁置", "Unshelve"), lambda alarm, most, now_ms: alarm.is_shelved(now_ms)),
    TO_CASE: AlarmAction(
        Name("转为案件", "Make a case"),
        lambda alarm, most, now_ms: alarm.state != "normal" and alarm.case_id is None,
        needs=("case_id",),
    ),
}
"""What may be done to an alarm, in the order in which it is offered."""


def list_legal(alarm: Alarm, rule: Rule | None, asker: Asker, now_ms: int) -> list[str]:
    """Return what somebody may do to an alarm now; rule: the one that raised it, None where it is not ours."""
    most = _shelve_at_most_min(rule)
    return [
        key
        for key, action in ACTIONS.items()
        if asker.role in action.roles and alarm.occurrences and action.makes_sense(alarm, most, now_ms)
        if key != TO_CASE or not isinstance(rule, CaseRule)  # that is a case already
    ]


def check_request(alarm: Alarm, rule: Rule | None, request: Request, asker: Asker, now_ms: int) -> None:
    """Raise `NotLegal` or `BadField` unless this may be done."""
    if request.action not in list_legal(alarm, rule, asker, now_ms):
        raise NotLegal(f"{request.action} is not possible for {asker.role} while the alarm is {alarm.state}")
    if request.note is not None and len(request.note) > LONGEST_NOTE:
        raise BadField("note", f"{len(request.note)} characters are more than {LONGEST_NOTE}")
    needs = ACTIONS[request.action].needs
    for name in request.details:
        if name not in needs:
            raise BadField(name, f"is not for {request.action} to say")
    for need in needs:
        said = request.note if need == "note" else request.details.get(need)
        if said is None or said == "":
            raise BadField(need, "is missing")
        if need == "minutes":
            _check_minutes(said, _shelve_at_most_min(rule))
        elif not isinstance(said, str):
            raise BadField(need, f"must be text, not {said!r}")


def _shelve_at_most_min(rule: Rule | None) -> float:
    return UNRULED_SHELVE_MIN if rule is None else rule.shelve_at_most_min


def _check_minutes(said: object, most: float) -> None:
    if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said <= most:
        raise BadField("minutes", f"must be a number above 0, at most {most:g}, not {said!r}")
