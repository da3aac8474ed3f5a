"""The queue's cases that have left the live state, and what only SQL has: descriptions. Blocking: for a thread."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Engine, RowMapping, and_, func, or_, select

from cases.deadlines import list_deadlines
from cases.flow import ENDINGS
from cases.fold import Step, fold, read_step
from cases.rulebook import Rulebook
from dashboard.queue import Line
from dashboard.queue_query import BadQuery, Query
from ingest.history import read_steps
from ingest.tables import HOUR_MS, case_actions, cases
from layers.excerpt import Scope, list_units
from layers.places import Places, feature_id
from layers.things import Case

MOST_DESCRIBED: Final = 5000
SORTED_BY: Final = {
    "urgency": cases.c.reported_at,
    "reported": cases.c.reported_at,
    "ended": cases.c.closed_at,
    "severity": cases.c.severity,
    "category": cases.c.category,
    "place": cases.c.cell_code,
    "unit": cases.c.last_unit,
    "people": cases.c.people,
    "state": cases.c.last_action,  # how it ended: of open cases SQL does not know the state
}
"""What SQL can put cases in line by. Clock and card it does not have: they are what the rules make of the actions."""
MOST_FIRST: Final = frozenset({"urgency", "reported", "ended", "people"})
_CASE_COLUMNS = [
    cases.c[name]
    for name in (
        *("case_id", "source", "event_id", "origin", "category", "title", "severity", "channel", "people"),
        *("lon", "lat", "cell_code", "reported_at", "received_at"),
    )
]


def find_described(engine: Engine, text: str) -> frozenset[int]:
    """Return the open cases (feature ids) whose descriptions have all words of a text, 5,000 at most."""
    words = text.split()
    if not words:
        return frozenset()
    query = select(cases.c.case_id).where(cases.c.closed_at.is_(None), *map(_describes, words)).limit(MOST_DESCRIBED)
    with engine.connect() as connection:
        return frozenset(feature_id("case:" + row.case_id) for row in connection.execute(query))


class History:
    """Cases from SQL: those that have ended, or all."""

    def __init__(self, engine: Engine, places: Places, rulebook: Rulebook):
        self._engine = engine
        self._places = places
        self._rulebook = rulebook

    def read(self, query: Query, scope: Scope, now_ms: int, offset: int, limit: int) -> tuple[int, list[Case]]:
        """Return how many cases match, and a stretch of them; raises `BadQuery` for what only the live state knows."""
        conditions = self._conditions(query, scope, now_ms)
        with self._engine.connect() as connection:
            total = connection.execute(select(func.count()).select_from(cases).where(*conditions)).scalar_one()
            rows = connection.execute(
                select(*_CASE_COLUMNS)
                .where(*conditions)
                .order_by(*_put_in_line(query.line))
                .offset(offset)
                .limit(limit)
            )
            known = [row._mapping for row in rows]
        return total, self._make_cases(known, scope)

    def list_matching(self, query: Query, scope: Scope, now_ms: int, most: int) -> tuple[int, list[tuple[str, str]]]:
        """Return how many cases match, and the number and origin of the first so many; raises `BadQuery` likewise."""
        conditions = self._conditions(query, scope, now_ms)
        columns = select(cases.c.case_id, cases.c.origin).where(*conditions)
        with self._engine.connect() as connection:
            total = connection.execute(select(func.count()).select_from(cases).where(*conditions)).scalar_one()
            rows = connection.execute(columns.order_by(*_put_in_line(query.line)).limit(most))
            return total, [(row.case_id, row.origin) for row in rows]

    def read_some(self, case_ids: Sequence[str], scope: Scope) -> list[Case]:
        """Return the cases of some numbers that are the scope's, in this order."""
        with self._engine.connect() as connection:
            rows = connection.execute(select(*_CASE_COLUMNS).where(cases.c.case_id.in_(case_ids)))
            known = {row.case_id: row._mapping for row in rows}
        return self._make_cases([known[case_id] for case_id in case_ids if case_id in known], scope)

    def _make_cases(self, known: Sequence[RowMapping], scope: Scope) -> list[Case]:
        steps = read_steps(self._engine, (row["case_id"] for row in known))
        found = [self._make_case(row, frozenset(map(read_step, steps.get(row["case_id"], ())))) for row in known]
        return [case for case in found if scope.unit is None or scope.unit in list_units(case.steps, case.state)]

    def _conditions(self, query: Query, scope: Scope, now_ms: int) -> list[ColumnElement[bool]]:
        filters = query.filters
        _refuse_live_only(query)
        conditions: list[ColumnElement[bool]] = []
        if query.show == "ended":
            conditions.append(cases.c.closed_at.is_not(None))
        if scope.area:
            conditions.append(cases.c.cell_code.startswith(scope.area, autoescape=True))
        if scope.unit is not None:
            conditions.append(_was_with([scope.unit]))
        if filters.areas:
            conditions.append(or_(*(cases.c.cell_code.startswith(area, autoescape=True) for area in filters.areas)))
        for column, values in (
            (cases.c.category, filters.categories),
            (cases.c.severity, filters.severities),
            (cases.c.channel, filters.channels),
        ):
            if values:
                conditions.append(column.in_(sorted(values)))
        if filters.units:
            conditions.append(cases.c.last_unit.in_(sorted(filters.units)))
        if filters.states:
            endings = [action for action, state in ENDINGS.items() if state in filters.states]
            conditions.append(and_(cases.c.closed_at.is_not(None), cases.c.last_action.in_(endings)))
        for since_ms in (filters.since_ms, filters.hours and now_ms - int(filters.hours * HOUR_MS)):
            if since_ms is not None:
                conditions.append(cases.c.reported_at >= since_ms)
        if filters.until_ms is not None:
            conditions.append(cases.c.reported_at < filters.until_ms)
        conditions += [self._has_word(word) for word in filters.text.split()]
        return conditions

    def _has_word(self, word: str) -> ColumnElement[bool]:
        return or_(
            cases.c.case_id.icontains(word, autoescape=True),
            cases.c.title.icontains(word, autoescape=True),
            _describes(word),
        )

    def _make_case(self, row: RowMapping, steps: frozenset[Step]) -> Case:
        """Return a case of SQL as the live state would have it."""
        severity = min(max(row["severity"], 1), 4)
        state = fold(self._rulebook.flow_of(row["category"]), steps)
        return Case(
            id=feature_id("case:" + row["case_id"]),
            case_id=row["case_id"],
            category=row["category"],
            severity=severity,
            channel=row["channel"],
            cell=self._places.cell_of_code.get(row["cell_code"] or ""),
            lon=row["lon"],
            lat=row["lat"],
            reported_ms=row["reported_at"],
            origin=row["origin"],
            kept_by=(row["received_at"], row["source"], row["event_id"]),
            title=row["title"],
            people=row["people"],
            steps=steps,
            state=state,
            clocks=list_deadlines(self._rulebook, row["category"], severity, row["reported_at"], state, steps),
        )


def _refuse_live_only(query: Query) -> None:
    filters = query.filters
    for name, said in (
        *(("colour", filters.colours), ("card", filters.cards), ("grade", filters.grades)),
        *(("within", filters.within), ("mine", filters.mine)),
    ):
        if said:
            raise BadQuery(f"{name} is only known of open cases")
    open_states = filters.states - set(ENDINGS.values())
    if open_states:
        raise BadQuery(f"state must be among {', '.join(ENDINGS.values())} here")
    if query.line.by not in SORTED_BY or (query.line.by == "state" and query.show != "ended"):
        raise BadQuery(f"sort by {query.line.by} is only known of open cases")


def _put_in_line(line: Line) -> list[ColumnElement[Any]]:
    """Return what to order by: as the live state would, and of equals the newest first."""
    column = SORTED_BY[line.by]
    first = column.desc() if (line.by in MOST_FIRST) != line.backwards else column.asc()
    if column.nullable:  # nothing at all comes last, and backwards first
        first = first.nulls_first() if line.backwards else first.nulls_last()
    newest = [] if column is cases.c.reported_at else [cases.c.reported_at.desc()]
    return [first, *newest, cases.c.case_id]


def _describes(word: str) -> ColumnElement[bool]:
    return cases.c.description.icontains(word, autoescape=True)


def _was_with(units: Iterable[str]) -> ColumnElement[bool]:
    return (
        select(case_actions.c.id)
        .where(case_actions.c.case_id == cases.c.case_id, case_actions.c.unit.in_(list(units)))
        .exists()
    )
