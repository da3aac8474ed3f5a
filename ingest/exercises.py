"""What belongs to an exercise (演练), and how it is known for ever: by its name.

Whatever an exercise tells of has `MARK` in its name: the number of a case, the id of a sensor or of an alarm. The name
travels with everything that is ever said of the thing, so nothing of an exercise can lose its mark, nothing real gets
it by mistake, and no exercise can touch what is real. Ingest draws the rest from it: such a record's origin is
`exercise`. Why: `docs/decisions/0016-exercise.md`.
"""

from typing import Final

from ingest.records import (
    EXERCISE,
    AlarmAcked,
    AlarmActed,
    AlarmCleared,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    Reading,
)

MARK: Final = "EXERCISE~"

_NAMED_BY: Final[dict[type, str]] = {
    CaseReported: "case_id",
    CaseActed: "case_id",
    Reading: "asset_id",
    AlarmRaised: "alarm_id",
    AlarmAcked: "alarm_id",
    AlarmCleared: "alarm_id",
    AlarmActed: "alarm_id",
}
_REFERENCES: Final = ("into", "case_id")
"""What of an action's details names another case: the one it is merged into, the one an alarm became."""


def is_exercise(name: str) -> bool:
    """Return whether a case, a sensor or an alarm belongs to an exercise, by its name."""
    return MARK in name


def mark_exercise(record: AnyRecord) -> str | None:
    """Give what belongs to an exercise its name and its origin, in place; return why it cannot be taken, if so.

    A record that says `origin: exercise` of something without the mark means the exercise's own thing of that name.
    """
    field = _NAMED_BY.get(type(record))
    if field is None:
        return "origin: an exercise has reports, actions, readings and alarms" if record.origin == EXERCISE else None
    name: str = getattr(record, field)
    named = MARK in name
    if named:
        record.origin = EXERCISE
    elif record.origin == EXERCISE:
        setattr(record, field, MARK + name)
    if isinstance(record, CaseActed | AlarmActed):
        return _mark_references(record, named)
    return None


def _mark_references(record: CaseActed | AlarmActed, named: bool) -> str | None:
    """Keep what an action refers to on its own side: no exercise's case stands for a real one, nor the other way."""
    for field in _REFERENCES:
        other = record.details.get(field)
        if not isinstance(other, str) or (MARK in other) == (record.origin == EXERCISE):
            continue
        if named or record.origin != EXERCISE:
            return f"details.{field}: what belongs to an exercise and what is real cannot be one"
        record.details[field] = MARK + other
    return None
