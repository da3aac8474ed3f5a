"""Rounds (巡查走访): the pack's plans of patrols and visits, and the tasks that follow from them, which nobody stores.

A *patrol* is of a cell: a plan cuts time into turns of some days, and each cell that it names has one task a turn,
done by a check-in there. A *visit* is to a person of a care group: due so many days after the last one.
Days are the county's.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, Protocol
from zoneinfo import ZoneInfo

from msgspec import Meta

from cases.calendars import read_span
from cases.tables import FILE, Named, check_beginnings, check_known, read_rows
from geo.county import County
from geo.pack import Name, PackError
from ingest.rows.rounds import Check

FIRST_MONDAY: Final = date(1970, 1, 5)
"""A turn of every plan begins on this day, so turns of a week begin on Mondays."""

LONGEST_TURN_DAYS: Final = 366

COVERED_DAYS: Final = 28
"""So far back coverage is counted."""

FEWEST: Final = 5
"""Of fewer persons in a cell, or visits to them, only those are told who visit: everybody there knows who they are."""

State = Literal["done", "late", "open", "overdue", "missed"]
"""done: in its turn. late: after it, within the grace. open: its turn goes on. overdue: over, within the grace."""

Key = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]


class _PlanRow(Named, kw_only=True, forbid_unknown_fields=True):
    key: Key
    kind: Literal["patrol", "visit"]
    every: dict[str, Any]
    grace: dict[str, Any] | None = None
    begins: date | None = None
    cells: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


class _GroupRow(Named, kw_only=True, forbid_unknown_fields=True):
    key: Key


@dataclass(frozen=True)
class Plan:
    """One plan; `cells` are beginnings of codes (empty: all). `begins`: turns before that day do not count."""

    key: str
    name: Name
    kind: Literal["patrol", "visit"]
    every_days: int
    grace_days: int = 0
    begins: date | None = None
    cells: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def covers(self, cell_code: str) -> bool:
        """Return whether it is for a cell."""
        return not self.cells or cell_code.startswith(self.cells)

    def find_turn(self, day: date) -> date:
        """Return the first day of the turn that a day is in."""
        return day - timedelta(days=(day - FIRST_MONDAY).days % self.every_days)


@dataclass(frozen=True)
class Rounds:
    """What a county lays down for its rounds."""

    plans: Mapping[str, Plan]
    groups: Mapping[str, Name]
    time_zone: ZoneInfo

    @property
    def patrols(self) -> list[Plan]:
        """The plans whose tasks are cells'."""
        return [plan for plan in self.plans.values() if plan.kind == "patrol"]

    @property
    def visits(self) -> list[Plan]:
        """The plans whose tasks are persons'."""
        return [plan for plan in self.plans.values() if plan.kind == "visit"]

    def find_covered(self, today: date) -> date:
        """Return the first day of those whose tasks count today."""
        return today - timedelta(days=COVERED_DAYS)

    def find_since(self, today: date) -> date:
        """Return the first day whose check-ins may bear on the coverage that is counted today."""
        longest = max((plan.every_days + plan.grace_days for plan in self.plans.values()), default=0)
        return today - timedelta(days=COVERED_DAYS + longest)


@dataclass(frozen=True)
class Task:
    """A cell's task in one turn, of which `due` is the last day; `check` did it."""

    plan: Plan
    cell_code: str
    begins: date
    due: date
    state: State
    check: Check | None = None


@dataclass(frozen=True)
class Coverage:
    """How many of the tasks whose turn is over were done, `late` of them after it."""

    due: int
    done: int
    late: int

    @property
    def share(self) -> float | None:
        """The part that was done, 0 to 1; None where nothing was due."""
        return self.done / self.due if self.due else None

    def __add__(self, other: "Coverage") -> "Coverage":
        return Coverage(self.due + other.due, self.done + other.done, self.late + other.late)


class Cared(Protocol):
    """What of somebody in the register a visit depends on."""

    @property
    def person(self) -> str: ...  # noqa: D102
    @property
    def care_group(self) -> str: ...  # noqa: D102
    @property
    def cell_code(self) -> str: ...  # noqa: D102
    @property
    def next_visit(self) -> str | None: ...  # noqa: D102


@dataclass(frozen=True)
class Visit:
    """The next visit to a person: `due` None where none was agreed and none was made, which is overdue."""

    plan: Plan
    person: str
    cell_code: str
    due: date | None
    last: date | None
    state: State


def read_rounds(county: County) -> Rounds:
    """Return what `[[patrols]]` and `[[care_groups]]` of a pack's `cases.toml` say; raises `PackError`."""
    settings = county.case_settings
    groups = read_rows(settings, "care_groups", _GroupRow)
    rows = read_rows(settings, "patrols", _PlanRow)
    for name, keys in (("care_groups", [row.key for row in groups]), ("patrols", [row.key for row in rows])):
        if len(set(keys)) != len(keys):
            raise PackError(f"{FILE}: {name}: two have the same key")
    codes = [str(code) for code in county.cells.index]
    known = {row.key: row.name for row in groups}
    plans = [_read_plan(row, f"patrols[{number}]", codes, known) for number, row in enumerate(rows, 1)]
    return Rounds({plan.key: plan for plan in plans}, known, county.time_zone)


def _read_plan(row: _PlanRow, place: str, codes: Collection[str], groups: Collection[str]) -> Plan:
    check_beginnings(row.cells, codes, f"{place}.cells")
    check_known(row.groups, groups, f"{place}.groups", "care group")
    if bool(row.groups) != (row.kind == "visit"):
        raise PackError(f"{FILE}: {place}.groups: a visit has care groups, a patrol has none")
    every = _read_days(row.every, f"{place}.every")
    grace = 0 if row.grace is None else _read_days(row.grace, f"{place}.grace")
    if row.kind == "patrol" and grace >= every:
        raise PackError(f"{FILE}: {place}.grace must be shorter than every")
    return Plan(row.key, row.name, row.kind, every, grace, row.begins, row.cells, row.groups)


def _read_days(value: object, place: str) -> int:
    try:
        span = read_span(value)
    except ValueError as error:
        raise PackError(f"{FILE}: {place}: {error}") from None
    if span.unit != "days" or span.amount != int(span.amount) or span.amount > LONGEST_TURN_DAYS:
        raise PackError(f"{FILE}: {place} must be whole days, at most {LONGEST_TURN_DAYS}")
    return int(span.amount)


def list_tasks(
    rounds: Rounds, cell_codes: Iterable[str], checks: Iterable[Check], since: date, today: date
) -> list[Task]:
    """Return the patrols' tasks of some cells in every turn from the one that `since` is in to today's.

    checks: in the order of time, from the first of these turns on; those that no plan knows count for nothing.
    """
    by_task: defaultdict[tuple[str, str], list[Check]] = defaultdict(list)
    for check in checks:
        by_task[check.plan, check.cell_code].append(check)
    codes = list(cell_codes)
    return [
        task
        for plan in rounds.patrols
        for code in codes
        if plan.covers(code)
        for task in _list_of_cell(plan, code, by_task.get((plan.key, code), ()), rounds.time_zone, since, today)
    ]


def _list_of_cell(
    plan: Plan, cell_code: str, checks: Sequence[Check], zone: ZoneInfo, since: date, today: date
) -> list[Task]:
    """Return one cell's tasks of one plan; a check-in does the turn before while that is owed, else its own."""
    left = [(check.at.astimezone(zone).date(), check) for check in checks]
    tasks = []
    begins = plan.find_turn(since if plan.begins is None else max(since, plan.begins))
    while begins <= today:
        due = begins + timedelta(days=plan.every_days - 1)
        until = due + timedelta(days=plan.grace_days)
        left = [(day, check) for day, check in left if day >= begins]
        if left and left[0][0] <= until:
            day, check = left[0]
            state: State = "done" if day <= due else "late"
            tasks.append(Task(plan, cell_code, begins, due, state, check))
            # Whatever else was walked in the turn was walked for it too.
            left = [one for one in left[1:] if one[0] > due]
        else:
            tasks.append(Task(plan, cell_code, begins, due, _judge(due, until, today)))
        begins = due + timedelta(days=1)
    return tasks


def _judge(due: date, until: date, today: date) -> State:
    return "open" if today <= due else "overdue" if today <= until else "missed"


def cover(tasks: Iterable[Task], today: date) -> Coverage:
    """Return how many of the tasks whose turn is over were done: 巡查覆盖率."""
    over = [task for task in tasks if task.due < today]
    done = [task for task in over if task.check is not None]
    return Coverage(len(over), len(done), sum(task.state == "late" for task in done))


def list_visits(
    rounds: Rounds, persons: Iterable[Cared], last: Mapping[tuple[str, str], date], today: date
) -> list[Visit]:
    """Return the next visit to each person by each plan for their group, the longest overdue first.

    last: the day of the last visit by plan and person. A day agreed after that visit counts, else the plan's.
    """
    everybody = list(persons)
    visits = [
        _plan_visit(plan, person, last.get((plan.key, person.person)), today)
        for plan in rounds.visits
        for person in everybody
        if person.care_group in plan.groups and plan.covers(person.cell_code)
    ]
    return sorted(visits, key=lambda visit: (visit.due or date.min, visit.cell_code, visit.person))


def _plan_visit(plan: Plan, person: Cared, last: date | None, today: date) -> Visit:
    due = _find_due(plan, person, last)
    until = due and due + timedelta(days=plan.grace_days)
    state: State = "missed" if due is None or until is None else _judge(due, until, today)
    return Visit(plan, person.person, person.cell_code, due, last, state)


def _find_due(plan: Plan, person: Cared, last: date | None) -> date | None:
    """Return when the visit after the last one is due: on the day agreed if that is later, else by the plan."""
    agreed = date.fromisoformat(person.next_visit) if person.next_visit else None
    if last is not None and (agreed is None or agreed <= last):
        return last + timedelta(days=plan.every_days)
    return agreed


def cover_visits(
    rounds: Rounds, persons: Iterable[Cared], visited: Mapping[tuple[str, str], Sequence[date]], today: date
) -> Coverage:
    """Return how many of the visits due in the last `COVERED_DAYS` were made: 走访覆盖率.

    visited: the days of the visits by plan and person, in their order, from `Rounds.find_since` on.
    """
    covered = Coverage(0, 0, 0)
    for person in persons:
        for plan in rounds.visits:
            if person.care_group in plan.groups and plan.covers(person.cell_code):
                covered += _cover_person(plan, person, visited.get((plan.key, person.person), ()), today)
    return covered


def _cover_person(plan: Plan, person: Cared, days: Sequence[date], today: date) -> Coverage:
    """Return one person's visits; one owed from before the time counted is due on its first day."""
    since = today - timedelta(days=COVERED_DAYS)
    before = [day for day in days if day < since]
    last = before[-1] if before else None
    due = done = late = 0
    for day in days[len(before) :]:
        # Of the days once agreed the register keeps the newest alone, so visits already made are held to the plan.
        was_due = day if last is None else last + timedelta(days=plan.every_days)
        if max(was_due, since) < today:
            due += 1
            done += day <= was_due + timedelta(days=plan.grace_days)
            late += was_due < day <= was_due + timedelta(days=plan.grace_days)
        last = day
    next_due = _find_due(plan, person, last)
    owed = next_due is None or next_due < today
    return Coverage(due + owed, done, late)
