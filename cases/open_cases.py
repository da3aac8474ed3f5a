"""The open cases of a county, read from SQL again and again: what is new, what changed, what has ended."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine

from cases.fold import CaseState, Step, fold, read_step
from cases.rulebook import Rulebook
from ingest.answers import Case
from ingest.history import list_changed_cases, list_open_cases, read_steps_as_of

SIMULATED: Final = "simulated"
OVERLAP: Final = timedelta(seconds=10)
"""How far back a look reaches: what was received first may be recorded last."""
EVERYTHING_EVERY_S: Final = 60.0


@dataclass(frozen=True)
class Held:
    """A case as it was read last."""

    case: Case
    steps: tuple[Step, ...]
    state: CaseState


class OpenCases:
    """Open cases by number, as of the last `read`; days: how old one may be. simulated: whether invented ones count."""

    def __init__(self, rulebook: Rulebook, engine: Engine, days: int, simulated: bool) -> None:
        self.held: dict[str, Held] = {}
        self._rulebook, self._engine = rulebook, engine
        self._age, self._simulated = timedelta(days=days), simulated
        self._changed_from: datetime | None = None
        self._everything_at = 0.0

    def read(self, now: datetime) -> tuple[list[str], set[str]]:
        """Bring all up to date; return those that are new or changed, and those that are here no more.

        Raises `SQLAlchemyError`.
        """
        before = set(self.held)
        reported_from = now - self._age
        if self._changed_from is None or time.monotonic() >= self._everything_at:
            rows = list_open_cases(self._engine, reported_from)
            self._everything_at = time.monotonic() + EVERYTHING_EVERY_S
            there = {case.case_id for case in rows}
            self.held = {case_id: held for case_id, held in self.held.items() if case_id in there}
        else:
            rows = list_changed_cases(self._engine, self._changed_from - OVERLAP, reported_from)
        if rows:
            newest = max(case.changed_at for case in rows)
            self._changed_from = max(self._changed_from or newest, newest)
        changed = self._hold([case for case in rows if self._simulated or case.origin != SIMULATED], now)
        return changed, before - set(self.held)

    def _hold(self, rows: Iterable[Case], now: datetime) -> list[str]:
        """Take cases in, or let them go where they have ended; return the numbers of those that are new or changed."""
        fresh: dict[str, Case] = {}
        for case in rows:
            known = self.held.get(case.case_id)
            if case.closed_at is not None:
                self.held.pop(case.case_id, None)
            elif known is None or known.case.changed_at != case.changed_at or now - case.changed_at < 2 * OVERLAP:
                # Actions of one moment may be recorded one after the other: for a while it is read again.
                fresh[case.case_id] = case
        steps = read_steps_as_of(self._engine, fresh, now + timedelta(days=1)) if fresh else {}
        changed = []
        for case_id, case in fresh.items():
            of_case = tuple(read_step(row) for row in steps.get(case_id, ()))
            known = self.held.get(case_id)
            if known is not None and len(known.steps) == len(of_case) and known.case == case:
                continue
            state = fold(self._rulebook.flow_of(case.category), of_case)
            self.held[case_id] = Held(case, of_case, state)
            changed.append(case_id)
        return changed
