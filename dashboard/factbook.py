"""The book of facts: what the indicators need of cases, read from SQL, folded, and kept where it cannot change."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from threading import Lock
from typing import Final

from sqlalchemy import Engine

from cases.duplicates import read_rules
from cases.facts import CaseFacts, state_facts
from cases.fold import Step, read_step
from cases.repeats import find_repeated
from cases.rulebook import read_rulebook
from geo.county import County
from ingest.answers import Case
from ingest.history import read_steps_as_of

MOST_KEPT: Final = 60_000
SETTLED_AFTER: Final = timedelta(seconds=5)
"""Actions received in the same moment may be recorded one after the other: what is so fresh is not kept."""


class FactBook:
    """Facts of one county's cases; one a process. Safe from several threads."""

    def __init__(self, engine: Engine, county: County):
        self._engine = engine
        self._rulebook = read_rulebook(county)
        self._rules = read_rules(county.case_settings)
        self._ended: OrderedDict[tuple[str, datetime, bool], CaseFacts] = OrderedDict()
        self._lock = Lock()

    def read(self, known: Sequence[Case], at: datetime, received_by: datetime) -> list[CaseFacts]:
        """Return the facts of cases at a moment, as far as received by another, in the order given; blocking.

        What an ended case was does not change unless something comes late, so that is worked out once.
        """
        repeated = find_repeated(known, self._rules)
        kept = {case.case_id: facts for case in known if (facts := self._find(case, at, repeated))}
        missing = [case for case in known if case.case_id not in kept]
        rows = read_steps_as_of(self._engine, [case.case_id for case in missing], received_by)
        for case in missing:
            steps: list[Step] = [read_step(row) for row in rows.get(case.case_id, ())]
            facts = state_facts(self._rulebook, case, steps, at, case.case_id in repeated)
            kept[case.case_id] = facts
            if received_by - case.changed_at > SETTLED_AFTER:
                self._keep(case, at, facts)
        return [kept[case.case_id] for case in known]

    def _find(self, case: Case, at: datetime, repeated: frozenset[str]) -> CaseFacts | None:
        if case.closed_at is None or case.closed_at > at:
            return None
        return self._ended.get((case.case_id, case.changed_at, case.case_id in repeated))

    def _keep(self, case: Case, at: datetime, facts: CaseFacts) -> None:
        if case.closed_at is None or case.closed_at > at or facts.ended_at is None:
            return
        with self._lock:
            self._ended[case.case_id, case.changed_at, facts.repeats] = facts
            while len(self._ended) > MOST_KEPT:
                self._ended.popitem(last=False)
