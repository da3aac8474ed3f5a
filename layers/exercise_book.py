"""The exercises of late, and which runs now: each is ended by somebody or by its own time, whichever is first."""

from dataclasses import dataclass
from typing import Any, Final

from ingest.formats.exercises import LONGEST
from ingest.records import ExerciseBegun, ExerciseEnded
from ingest.tables import as_ms

KEPT: Final = 2 * LONGEST
"""How far back exercises are read: none that began before can still run."""


@dataclass(frozen=True)
class Exercise:
    """One exercise, and when it begins and ends (epoch ms); `ended_by` is None where its own time ends it."""

    begun: ExerciseBegun
    begun_ms: int
    ends_ms: int
    ended_by: str | None

    @property
    def key(self) -> str:
        """Its key."""
        return self.begun.exercise

    def runs(self, now_ms: int) -> bool:
        """Return whether it runs at a moment of the clock (epoch ms)."""
        return self.begun_ms <= now_ms < self.ends_ms


class ExerciseBook:
    """Exercises by key, folded from what was told of them in any order; of beginnings and ends the first counts."""

    def __init__(self) -> None:
        self._begun: dict[str, ExerciseBegun] = {}
        self._ended: dict[str, ExerciseEnded] = {}

    def put(self, record: ExerciseBegun | ExerciseEnded) -> None:
        """Take in that an exercise began or ended."""
        if isinstance(record, ExerciseBegun):
            self._begun[record.exercise] = min(self._begun.get(record.exercise, record), record, key=_rank)
        else:
            self._ended[record.exercise] = min(self._ended.get(record.exercise, record), record, key=_rank)

    def list_all(self) -> list[Exercise]:
        """Return every exercise known, the newest first."""
        found = [self._make(begun) for begun in self._begun.values()]
        return sorted(found, key=lambda one: _rank(one.begun), reverse=True)

    def find_running(self, now_ms: int) -> Exercise | None:
        """Return the exercise that runs at a moment of the clock (epoch ms); of several the newest."""
        return next((one for one in self.list_all() if one.runs(now_ms)), None) if self._begun else None

    def facts(self) -> dict[str, Any]:
        """Return all that it promises to be the same for the same set of records."""
        return {"begun": self._begun, "ended": self._ended}

    def _make(self, begun: ExerciseBegun) -> Exercise:
        ended = self._ended.get(begun.exercise)
        if ended is None or ended.at >= begun.until:
            return Exercise(begun, as_ms(begun.at), as_ms(begun.until), None)
        return Exercise(begun, as_ms(begun.at), as_ms(ended.at), ended.actor)


def _rank(record: ExerciseBegun | ExerciseEnded) -> tuple[Any, ...]:
    return record.at, record.source, record.id
