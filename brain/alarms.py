"""The life of an alarm: what the append-only list of its actions makes of it, by the states of ISA-18.2. Pure.

An alarm is known by one id for ever (`rule:thing`, or whatever its sender calls it). Actions count in the order of the
stream, each once. What machines tell (raise, clear, escalate) are facts; a person's request says in `details.expects`
on which version it was decided, and is overtaken if somebody did something since, or if the alarm came back or grew
worse. That it cleared, or was raised again while it stood, overtakes nobody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

from cases.fold import Step
from ingest.tables import as_time

RAISE, CLEAR, ESCALATE = "raise", "clear", "escalate"
ACK, ASSIGN, COMMENT, SHELVE, UNSHELVE, TO_CASE = "ack", "assign", "comment", "shelve", "unshelve", "to_case"
MOST_COMMENTS: Final = 50

State = Literal["normal", "unacked", "acked", "returned"]


@dataclass(frozen=True)
class Comment:
    """What somebody wrote about an alarm."""

    at_ms: int
    actor: str
    text: str


@dataclass(frozen=True)
class Alarm:
    """An alarm as it stands; times in epoch ms, None where there was none.

    severity: 1 (the worst) … 4. active: whether the condition holds. occurrences: how often it came, repeats: how often
    it was raised again while it stood. raised_ms: when it came last; worsened_ms: when it last grew worse since then;
    unacked_ms: since when nobody has acknowledged it. rung: how often it was escalated. version: what the next request
    must expect. overtaken: keys of requests.
    """

    subject: str = ""
    severity: int = 4
    cell_code: str | None = None
    active: bool = False
    acked: bool = True
    occurrences: int = 0
    repeats: int = 0
    raised_ms: int | None = None
    worsened_ms: int | None = None
    seen_ms: int | None = None
    cleared_ms: int | None = None
    unacked_ms: int | None = None
    acked_ms: int | None = None
    acked_by: str | None = None
    assignee: str | None = None
    comments: tuple[Comment, ...] = ()
    shelved_until_ms: int | None = None
    shelved_by: str | None = None
    rung: int = 0
    case_id: str | None = None
    version: int = 0
    overtaken: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """Where it is: `returned` is back to normal before anybody acknowledged it."""
        if self.active:
            return "acked" if self.acked else "unacked"
        return "normal" if self.acked else "returned"

    @property
    def raised_at(self) -> datetime | None:
        """When it came last."""
        return None if self.raised_ms is None else as_time(self.raised_ms)

    def is_shelved(self, now_ms: int) -> bool:
        """Return whether somebody has put it aside for now; that ends by itself."""
        return self.find_shelf_end(now_ms) is not None

    def find_shelf_end(self, now_ms: int) -> int | None:
        """Return until when it is put aside; None where it is not, or no longer."""
        until_ms = self.shelved_until_ms
        return until_ms if until_ms is not None and now_ms < until_ms else None

    def needs_somebody(self, now_ms: int) -> bool:
        """Return whether it belongs on the operators' list."""
        return self.state != "normal" and not self.is_shelved(now_ms)


def fold(steps: Iterable[Step]) -> Alarm:
    """Return the alarm that its actions give."""
    alarm = Alarm()
    for _, alarm in trace(steps):  # noqa: B007 - the last one counts
        pass
    return alarm


def trace(steps: Iterable[Step]) -> Iterator[tuple[Step, Alarm]]:
    """Yield the actions in the order of the stream, each once, with where it brought the alarm."""
    alarm = Alarm()
    for step in sorted({step.key: step for step in steps}.values(), key=lambda step: (step.order, step.key)):
        alarm = move(alarm, step)
        yield step, alarm


def move(alarm: Alarm, step: Step) -> Alarm:
    """Return the alarm after one more action; what is not known changes nothing."""
    expects = step.details.get("expects")
    if expects is not None and expects != alarm.version:
        return replace(alarm, overtaken=(*alarm.overtaken, step.key))
    mover = _MOVERS.get(step.action)
    if mover is None:
        return alarm
    moved = mover(alarm, step)
    return moved if step.action in _FACTS else replace(moved, version=alarm.version + 1)


def _raise(alarm: Alarm, step: Step) -> Alarm:
    """Begin an alarm, or count it once more; one told late, after its end, begins nothing that would never end."""
    severity = step.details.get("severity", alarm.severity)
    late = alarm.cleared_ms is not None and step.at_ms <= alarm.cleared_ms
    begins = not alarm.active and (not late or not alarm.occurrences)
    worse = alarm.active and severity < alarm.severity
    seen_ms = max(step.at_ms, alarm.seen_ms or step.at_ms)
    if not begins and not worse:
        return replace(alarm, repeats=alarm.repeats + 1, seen_ms=seen_ms)
    if alarm.state == "normal":  # nothing of the last time is left to be done
        alarm = replace(alarm, unacked_ms=None, acked_ms=None, acked_by=None, assignee=None, case_id=None, rung=0)
    return replace(
        alarm,
        subject=step.details.get("subject", alarm.subject),
        severity=severity,
        cell_code=step.details.get("cell_code", alarm.cell_code),
        active=alarm.active or not late,
        acked=False,
        occurrences=alarm.occurrences + begins,
        repeats=0 if begins else alarm.repeats + 1,
        raised_ms=step.at_ms if begins else alarm.raised_ms,
        worsened_ms=None if begins else step.at_ms,
        seen_ms=seen_ms,
        unacked_ms=step.at_ms if alarm.acked or alarm.unacked_ms is None else alarm.unacked_ms,
        # One that begins anew counts from its moment: its version is the same for who has forgotten the times before.
        version=max(alarm.version + 1, step.at_ms) if alarm.state == "normal" else alarm.version + 1,
    )


def _clear(alarm: Alarm, step: Step) -> Alarm:
    if alarm.active and alarm.raised_ms is not None and step.at_ms < alarm.raised_ms:
        return alarm  # the end of an earlier time, told late
    return replace(alarm, active=False, cleared_ms=max(step.at_ms, alarm.cleared_ms or step.at_ms))


def _escalate(alarm: Alarm, step: Step) -> Alarm:
    return alarm if alarm.acked else replace(alarm, rung=max(alarm.rung, _read_number(step.details, "rung")))


def _acknowledge(alarm: Alarm, step: Step) -> Alarm:
    if alarm.acked:
        return alarm
    return replace(alarm, acked=True, unacked_ms=None, acked_ms=step.at_ms, acked_by=step.actor)


def _assign(alarm: Alarm, step: Step) -> Alarm:
    return replace(alarm, assignee=step.details.get("to") or None)


def _comment(alarm: Alarm, step: Step) -> Alarm:
    comment = Comment(step.at_ms, step.actor, str(step.details.get("note", "")))
    return replace(alarm, comments=(*alarm.comments, comment)[-MOST_COMMENTS:])


def _shelve(alarm: Alarm, step: Step) -> Alarm:
    until_ms = step.at_ms + 60_000 * _read_number(step.details, "minutes")
    return replace(alarm, shelved_until_ms=until_ms, shelved_by=step.actor)


def _unshelve(alarm: Alarm, step: Step) -> Alarm:
    return replace(alarm, shelved_until_ms=None, shelved_by=None)


def _become_case(alarm: Alarm, step: Step) -> Alarm:
    return replace(alarm, case_id=step.details.get("case_id") or alarm.case_id)


def _read_number(details: Mapping[str, Any], name: str) -> int:
    """Return a number that an action says; what somebody elsewhere wrote down wrongly is 0."""
    value = details.get(name)
    return int(value) if isinstance(value, int | float) else 0


_FACTS: Final = frozenset({RAISE, CLEAR, ESCALATE})
_MOVERS: Final[Mapping[str, Callable[[Alarm, Step], Alarm]]] = {
    RAISE: _raise,
    CLEAR: _clear,
    ESCALATE: _escalate,
    ACK: _acknowledge,
    ASSIGN: _assign,
    COMMENT: _comment,
    SHELVE: _shelve,
    UNSHELVE: _unshelve,
    TO_CASE: _become_case,
}
