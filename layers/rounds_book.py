"""The rounds as the map shows them: check-ins and whom visits are due to, and what they come to for a cell today."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

from cases.rounds import COVERED_DAYS as COVERED_DAYS
from cases.rounds import FEWEST as FEWEST
from cases.rounds import Cared, cover, cover_visits, list_tasks, read_rounds
from cases.rounds import Coverage as Coverage
from geo.county import County
from ingest.rows.rounds import Check
from ingest.tables import as_ms, as_time

NOTHING = Coverage(0, 0, 0)


@dataclass(frozen=True)
class CellRounds:
    """How a cell's tasks of the last weeks were done, to be told to everybody.

    visits: None where they are so few, or none, that they would tell of persons; then they count nowhere.
    last: when the cell was patrolled last.
    """

    patrols: Coverage = NOTHING
    visits: Coverage | None = None
    overdue: int = 0
    missed: int = 0
    last: datetime | None = None

    @property
    def total(self) -> Coverage:
        """All of its tasks that count."""
        return self.patrols + (self.visits or NOTHING)


class RoundsBook:
    """Check-ins on rounds and the register's entries, by cell; a repeated check-in changes nothing.

    Coverage is of whole days, so it is computed once a day for a cell, and when something comes.
    """

    def __init__(self, county: County) -> None:
        self.rounds = read_rounds(county)
        self.checks: defaultdict[str, dict[tuple[str, str, int], Check]] = defaultdict(dict)
        self._entries: dict[str, list[Cared]] = {}
        self._today = date.min
        self._since_ms = 0
        self._told: dict[str, CellRounds] = {}

    @property
    def since(self) -> datetime:
        """From when on check-ins count; older ones need not be put."""
        return as_time(self._since_ms)

    def put(self, check: Check) -> bool:
        """Take a check-in in; return whether it bears on what is told."""
        at_ms = as_ms(check.at)
        key = (check.plan, check.person or "", at_ms)
        if at_ms < self._since_ms or key in self.checks[check.cell_code]:
            return False
        self.checks[check.cell_code][key] = Check(check.plan, check.cell_code, "", as_time(at_ms), check.person)
        self._told.pop(check.cell_code, None)
        return True

    def put_entries(self, entries: Iterable[Cared]) -> set[str]:
        """Take over whom visits are due to, and nobody else; return the codes of the cells where that is new."""
        by_cell: dict[str, list[Cared]] = {}
        for entry in entries:
            by_cell.setdefault(entry.cell_code, []).append(entry)
        before, self._entries = self._entries, by_cell
        changed = {code for code in before.keys() | by_cell.keys() if before.get(code) != by_cell.get(code)}
        for code in changed:
            self._told.pop(code, None)
        return changed

    def advance(self, now_ms: int) -> bool:
        """Move the clock; return whether a day of the county has begun, which changes what is due."""
        zone = self.rounds.time_zone
        today = as_time(now_ms).astimezone(zone).date()
        if today == self._today:
            return False
        self._today = today
        self._since_ms = as_ms(datetime.combine(self.rounds.find_since(today), time(), zone))
        for code, checks in self.checks.items():
            self.checks[code] = {key: check for key, check in checks.items() if key[2] >= self._since_ms}
        self._told.clear()
        return True

    def tell(self, cell_code: str) -> CellRounds:
        """Return how a cell's tasks were done, as of today."""
        known = self._told.get(cell_code)
        if known is None:
            known = self._told[cell_code] = self._count(cell_code)
        return known

    def _count(self, code: str) -> CellRounds:
        zone, today = self.rounds.time_zone, self._today
        checks = sorted(self.checks.get(code, {}).values(), key=lambda check: check.at)
        visited: defaultdict[tuple[str, str], list[date]] = defaultdict(list)
        for check in checks:
            if check.person is not None:
                visited[check.plan, check.person].append(check.at.astimezone(zone).date())
        visits = cover_visits(self.rounds, self._entries.get(code, ()), visited, today)
        patrols = [check for check in checks if check.person is None]
        tasks = list_tasks(self.rounds, [code], patrols, self.rounds.find_covered(today), today)
        return CellRounds(
            cover(tasks, today),
            visits if visits.due >= FEWEST else None,
            sum(task.state == "overdue" for task in tasks),
            sum(task.state == "missed" for task in tasks),
            patrols[-1].at if patrols else None,
        )
