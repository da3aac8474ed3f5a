"""Reading the SQL store: the snapshot that live state starts from, and questions about the past.

Nothing here writes. Open the engine with `open_database(url, read_only=True)`: each function is then one
transaction that sees one moment. "As of" a moment means: from what had been received by then, so that the
same question gives the same answer tomorrow.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    Row,
    RowMapping,
    Select,
    and_,
    func,
    or_,
    select,
    text,
    true,
    union_all,
)

from ingest.alert_life import KEPT
from ingest.answers import (
    Case,
    CaseAction,
    CaseFile,
    CaseFilter,
    CaseStep,
    DeviceState,
    Heartbeat,
    HourCount,
    LatestReading,
    ReadingHour,
    Reporter,
    Snapshot,
    WorkerPlace,
)
from ingest.case_state import REPORT, Action, fold_case
from ingest.records import EXERCISE, AlertIssued, decode_record
from ingest.rows.alarms import load_alarm_steps
from ingest.rows.cases import SELECT_ACTIONS
from ingest.sealing import Keyring, Unreadable
from ingest.statements import select_by_keys, select_of_keys
from ingest.store import Watermark, load_watermarks
from ingest.tables import (
    HOUR_MS,
    alerts,
    as_ms,
    as_time,
    case_actions,
    cases,
    counters,
    device_states,
    heartbeats,
    latest_readings,
    reading_hours,
    readings,
    reporters,
    workers,
)

CASE_COLUMNS = [cases.c[name] for name in Case.__struct_fields__]
STEP_COLUMNS = [
    case_actions.c[name] if name != "order" else case_actions.c.id.label("order") for name in CaseStep.__struct_fields__
]
STEP_FIELDS = ("case_id", "at", "id", "action", "unit", "actor", "source", "event_id", "details", "received_at")
SELECT_STEPS = select_of_keys(case_actions, STEP_FIELDS, ("case_id",))
EVERY_CASE = CaseFilter()
JSON_COLUMNS = frozenset({"attributes", "details", "media"})
T = TypeVar("T", bound=msgspec.Struct)


def load_snapshot(engine: Engine, since: datetime) -> Snapshot:
    """Return watermarks and state in one transaction: open cases, those reported or closed since, and all the rest."""
    wanted = or_(cases.c.closed_at.is_(None), cases.c.reported_at >= as_ms(since), cases.c.closed_at >= as_ms(since))
    steps_of_wanted = select(*STEP_COLUMNS).where(
        case_actions.c.case_id.in_(select(cases.c.case_id).where(wanted)), case_actions.c.action != REPORT
    )
    # As text, because SQLite uses a partial index only where its condition is repeated to the letter.
    steps_waiting = select(*STEP_COLUMNS).where(text("waiting"))
    with engine.connect() as connection:
        return Snapshot(
            watermarks=load_watermarks(connection),
            cases=[_case(row) for row in connection.execute(select(*CASE_COLUMNS).where(wanted))],
            steps=[
                _make(CaseStep, row._mapping)
                for query in (steps_of_wanted, steps_waiting)
                for row in connection.execute(query)
            ],
            readings=[_make(LatestReading, row._mapping) for row in connection.execute(select(latest_readings))],
            workers=[_make(WorkerPlace, row._mapping) for row in connection.execute(select(workers))],
            devices=[_make(DeviceState, row._mapping) for row in connection.execute(select(device_states))],
            alarm_steps=load_alarm_steps(connection, since),
            alerts=_load_alerts(connection, since),
            counters=_read_counters(connection),
        )


def _load_alerts(connection: Connection, since: datetime) -> list[AlertIssued]:
    """Return every message about warnings that may still count: none sent since a warning that does is left out."""
    oldest = select(func.min(alerts.c.sent_at)).where(alerts.c.ends_at >= as_ms(since))
    first = min(as_ms(since - KEPT), connection.execute(oldest).scalar() or as_ms(since))
    query = select(alerts.c.record).where(alerts.c.sent_at >= first).order_by(alerts.c.id)
    messages = (decode_record(row.record.encode()) for row in connection.execute(query))
    return [message for message in messages if isinstance(message, AlertIssued)]


def read_alerts(engine: Engine, since: datetime) -> list[AlertIssued]:
    """Return every message about warnings that may have counted since a moment."""
    with engine.connect() as connection:
        return _load_alerts(connection, since)


def read_counters(engine: Engine) -> dict[str, int]:
    """Return the recorder's counters: `recorded`, `late_duplicate`, `refused`, `gaps`; 0 before the first."""
    with engine.connect() as connection:
        return _read_counters(connection)


def read_watermarks(engine: Engine) -> dict[int, Watermark]:
    """Return how far each partition is recorded, and when its last message was."""
    with engine.connect() as connection:
        return load_watermarks(connection)


def read_heartbeat(engine: Engine) -> Heartbeat | None:
    """Return the recorder's last sign of life; None before the first."""
    query = select(heartbeats.c.at, heartbeats.c.lag_ms).where(heartbeats.c.part == "recorder")
    with engine.connect() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else Heartbeat(as_time(row.at), row.lag_ms)


def list_cases(engine: Engine, where: CaseFilter = EVERY_CASE, limit: int = 100, offset: int = 0) -> list[Case]:
    """Return the cases that a filter lets through, the newest report first."""
    query = select(*CASE_COLUMNS).where(_condition(where))
    query = query.order_by(cases.c.reported_at.desc(), cases.c.case_id).limit(limit).offset(offset)
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query)]


def list_changed_cases(engine: Engine, changed_from: datetime, reported_from: datetime) -> list[Case]:
    """Return the cases reported since a moment to which something has come since another."""
    query = select(*CASE_COLUMNS)
    query = query.where(cases.c.changed_at >= as_ms(changed_from), cases.c.reported_at >= as_ms(reported_from))
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query)]


def list_open_cases(engine: Engine, reported_from: datetime) -> list[Case]:
    """Return the open cases reported since a moment."""
    query = select(*CASE_COLUMNS)
    query = query.where(cases.c.closed_at.is_(None), cases.c.reported_at >= as_ms(reported_from))
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query)]


def list_incident_cases(engine: Engine, limit: int) -> list[Case]:
    """Return the cases that were or are in incident mode, the one that went into it last first."""
    # Said in the words of the index: with a parameter SQLite would not know that it fits.
    begins = select(case_actions.c.case_id, func.max(case_actions.c.at).label("at"))
    begun = begins.where(text("action = 'begin_incident'")).group_by(case_actions.c.case_id).subquery()
    query = select(*CASE_COLUMNS).join(begun, begun.c.case_id == cases.c.case_id)
    query = query.order_by(begun.c.at.desc(), cases.c.case_id).limit(limit)
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query)]


def count_cases(engine: Engine, where: CaseFilter = EVERY_CASE) -> int:
    """Return how many cases a filter lets through."""
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(cases).where(_condition(where))).scalar_one()


def read_case(engine: Engine, case_id: str) -> CaseFile | None:
    """Return a case with its actions; None if it was never reported."""
    actions = select(*(case_actions.c[name] for name in CaseAction.__struct_fields__))
    actions = actions.where(case_actions.c.case_id == case_id).order_by(case_actions.c.at, case_actions.c.id)
    columns = [*CASE_COLUMNS, cases.c.description, cases.c.media]
    with engine.connect() as connection:
        row = connection.execute(select(*columns).where(cases.c.case_id == case_id)).one_or_none()
        if row is None:
            return None
        return CaseFile(
            case=_case(row),
            description=row.description,
            media=msgspec.json.decode(row.media),
            actions=[_make(CaseAction, action._mapping) for action in connection.execute(actions)],
        )


def read_steps(engine: Engine, case_ids: Iterable[str]) -> dict[str, list[CaseStep]]:
    """Return the actions of some cases, by case, as a fold needs them; their reports are not among them."""
    query = select(*STEP_COLUMNS).where(case_actions.c.case_id.in_(list(case_ids)), case_actions.c.action != REPORT)
    steps: dict[str, list[CaseStep]] = {}
    with engine.connect() as connection:
        for row in connection.execute(query):
            steps.setdefault(row.case_id, []).append(_make(CaseStep, row._mapping))
    return steps


def read_steps_as_of(engine: Engine, case_ids: Iterable[str], received_by: datetime) -> dict[str, list[CaseStep]]:
    """Return the actions of cases that had been received by a moment, by case; reports are left out."""
    steps: dict[str, list[CaseStep]] = {}
    with engine.connect() as connection:
        for row in select_by_keys(connection, SELECT_STEPS, [(case_id,) for case_id in sorted(case_ids)]):
            values = dict(zip(STEP_FIELDS, row, strict=True))
            if values["action"] != REPORT and values.pop("received_at") <= as_ms(received_by):
                steps.setdefault(values["case_id"], []).append(_make(CaseStep, values | {"order": values["id"]}))
    return steps


def read_reporters(engine: Engine, case_id: str, keyring: Keyring) -> list[Reporter]:
    """Return who reported a case: personal data. The only place that reads it; the caller checks who asks.

    One that `keyring` does not open is told as unreadable.
    """
    query = select(reporters).where(reporters.c.case_id == case_id).order_by(reporters.c.event_id)
    with engine.connect() as connection:
        return [_open_reporter(row._mapping, keyring) for row in connection.execute(query)]


def _open_reporter(row: RowMapping, keyring: Keyring) -> Reporter:
    try:
        fields = {
            name: row[name] and keyring.open(row[name], row["source"], row["event_id"], name)
            for name in ("name", "phone", "email")
        }
    except Unreadable as reason:
        return Reporter(unreadable=str(reason))
    return Reporter(**fields)


def count_open_cases_by_cell(engine: Engine) -> dict[str | None, int]:
    """Return the number of open cases of each cell that has any; None stands for outside the county."""
    with engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(open_cases_by_cell())}


def open_cases_by_cell() -> Select[Any]:
    """Return the query of `count_open_cases_by_cell`."""
    return select(cases.c.cell_code, func.count()).where(cases.c.closed_at.is_(None)).group_by(cases.c.cell_code)


def count_cases_by_hour(engine: Engine, start: datetime, end: datetime) -> list[HourCount]:
    """Return the counts of every hour (of UTC) that begins from `start` to before `end`, as far as known now."""
    first, stop = _hours_between(start, end)
    with engine.connect() as connection:
        reported = _count_by_hour(connection, cases.c.reported_at, first, stop)
        closed = _count_by_hour(connection, cases.c.closed_at, first, stop)
    return [HourCount(as_time(at), reported.get(at, 0), closed.get(at, 0)) for at in range(first, stop, HOUR_MS)]


def load_reading_hours(engine: Engine, feed: str, start: datetime, end: datetime) -> list[ReadingHour]:
    """Return the roll-ups of a feed's assets for the hours that begin from `start` to before `end`, by hour."""
    first, stop = _hours_between(start, end)
    hours = reading_hours.c
    query = (
        select(*(hours[name] for name in ReadingHour.__struct_fields__))
        .where(hours.feed == feed, hours.hour_at >= first, hours.hour_at < stop)
        .order_by(hours.hour_at, hours.asset_id)
    )
    with engine.connect() as connection:
        return [_make(ReadingHour, row._mapping) for row in connection.execute(query)]


def ended_cases_near(
    engine: Engine, box: tuple[float, float, float, float], since: datetime, most: int = 500
) -> list[Case]:
    """Return the cases inside a box (west, south, east, north) that have ended since a moment, the latest first."""
    west, south, east, north = box
    query = (
        select(*CASE_COLUMNS)
        .where(cases.c.lon.between(west, east), cases.c.lat.between(south, north), cases.c.closed_at >= as_ms(since))
        .where(cases.c.origin != EXERCISE)
        .order_by(cases.c.closed_at.desc(), cases.c.case_id)
        .limit(most)
    )
    with engine.connect() as connection:
        return [_case(row) for row in connection.execute(query)]


def cases_as_of(engine: Engine, as_of: datetime, start: datetime, area: str = "") -> list[Case]:
    """Return the cases known at `as_of`, as they stood then: those open, and those reported or closed since `start`.

    A case counts from when its kept report was received; an action counts if it was received by then. `area` is the
    beginning of a cell's code; empty is everywhere, also outside the county. What belongs to an exercise is no case
    here: all that is counted of cases (indicators, briefing, performance, hand-over) begins with this question.
    """
    moment, since = as_ms(as_of), as_ms(start)
    # One select an index: given all of this in one OR, SQLite reads every case there ever was.
    candidates = union_all(
        *(
            select(cases.c.case_id).where(condition)
            for condition in (
                cases.c.closed_at.is_(None),
                cases.c.closed_at >= since,
                cases.c.reported_at >= since,
                cases.c.changed_at > moment,
            )
        )
    )
    query = select(*CASE_COLUMNS)
    query = query.where(cases.c.case_id.in_(candidates), cases.c.received_at <= moment, cases.c.origin != EXERCISE)
    if area:
        query = query.where(cases.c.cell_code.startswith(area, autoescape=True))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
        changed = _states_as_of(connection, [row.case_id for row in rows if row.changed_at > moment], moment)
    stood = [_case(row, changed.get(row.case_id, {})) for row in rows]
    return [case for case in stood if case.closed_at is None or max(case.closed_at, case.reported_at) >= start]


def latest_readings_as_of(engine: Engine, feed: str, as_of: datetime, within: timedelta) -> list[LatestReading]:
    """Return each asset's newest reading observed in the time `within` before `as_of` and received by then."""
    ranked = select(
        *(readings.c[name] for name in LatestReading.__struct_fields__),
        func.row_number()
        .over(partition_by=readings.c.asset_id, order_by=(readings.c.observed_at.desc(), readings.c.id.desc()))
        .label("rank"),
    ).where(*_readings_as_of(feed, as_of, as_of - within))
    newest = ranked.subquery()
    query = select(*(newest.c[name] for name in LatestReading.__struct_fields__)).where(newest.c.rank == 1)
    with engine.connect() as connection:
        return [_make(LatestReading, row._mapping) for row in connection.execute(query.order_by(newest.c.asset_id))]


def reading_hours_as_of(engine: Engine, feed: str, as_of: datetime, start: datetime) -> list[ReadingHour]:
    """Return the roll-ups from `start` to `as_of` of what was received by then, made from the readings themselves."""
    at, value = readings.c.observed_at, readings.c.value
    hour = (at - at % HOUR_MS).label("hour_at")
    query = (
        select(readings.c.asset_id, hour, at, value)
        .where(*_readings_as_of(feed, as_of, start), value.is_not(None))
        .order_by(at, readings.c.id)
    )
    hours: dict[tuple[int, str], list[tuple[int, float]]] = {}
    with engine.connect() as connection:
        for asset_id, hour_at, observed_at, observed in connection.execute(query):
            hours.setdefault((hour_at, asset_id), []).append((observed_at, observed))
    return [_roll_up(asset_id, hour_at, hours[hour_at, asset_id]) for hour_at, asset_id in sorted(hours)]


def _roll_up(asset_id: str, hour_at: int, observed: Sequence[tuple[int, float]]) -> ReadingHour:
    values = [value for _, value in observed]
    last_at, last = observed[-1]
    counted, total = len(values), sum(values)
    return ReadingHour(asset_id, as_time(hour_at), counted, total, min(values), max(values), last, as_time(last_at))


def _readings_as_of(feed: str, as_of: datetime, start: datetime) -> Iterable[ColumnElement[bool]]:
    return (
        readings.c.observed_at >= as_ms(start),
        readings.c.observed_at <= as_ms(as_of),
        readings.c.received_at <= as_ms(as_of),
        readings.c.feed == feed,
        readings.c.origin != EXERCISE,
    )


def _states_as_of(connection: Connection, case_ids: Iterable[str], moment: int) -> dict[str, dict[str, Any]]:
    """Return the derived columns, as of a moment, of cases that have changed since."""
    actions: dict[str, list[Action]] = {}
    for row in select_by_keys(connection, SELECT_ACTIONS, [(case_id,) for case_id in case_ids]):
        action = Action(*row[1:])
        if action.received_at <= moment:
            actions.setdefault(row[0], []).append(action)
    states = {case_id: fold_case(of_case) for case_id, of_case in actions.items()}
    return {case_id: state._asdict() for case_id, state in states.items() if state is not None}


def _condition(where: CaseFilter) -> ColumnElement[bool]:
    case = cases.c
    conditions: list[ColumnElement[bool]] = []
    if where.is_open is not None:
        conditions.append(case.closed_at.is_(None) if where.is_open else case.closed_at.is_not(None))
    for column, beginning in ((case.cell_code, where.area), (case.category, where.category)):
        if beginning:
            conditions.append(column.startswith(beginning, autoescape=True))
    for column, value in ((case.severity, where.severity), (case.channel, where.channel), (case.last_unit, where.unit)):
        if value is not None:
            conditions.append(column == value)
    if where.reported_from is not None:
        conditions.append(case.reported_at >= as_ms(where.reported_from))
    if where.reported_before is not None:
        conditions.append(case.reported_at < as_ms(where.reported_before))
    return and_(true(), *conditions)


def _hours_between(start: datetime, end: datetime) -> tuple[int, int]:
    """Return the first whole hour from `start` on, and the end."""
    return -(-as_ms(start) // HOUR_MS) * HOUR_MS, as_ms(end)


def _count_by_hour(connection: Connection, column: ColumnElement[int], first: int, stop: int) -> dict[int, int]:
    hour = (column - column % HOUR_MS).label("hour_at")
    query = select(hour, func.count()).where(column >= first, column < stop).group_by(hour)
    return {row[0]: row[1] for row in connection.execute(query)}


def _read_counters(connection: Connection) -> dict[str, int]:
    counts = {"recorded": 0, "late_duplicate": 0, "refused": 0, "gaps": 0}
    return counts | {row.name: row.value for row in connection.execute(select(counters))}


def _case(row: Row[*tuple[Any, ...]], changes: Mapping[str, Any] | None = None) -> Case:
    return _make(Case, {**row._mapping, **(changes or {})})


def _make(kind: type[T], columns: Mapping[str, Any] | RowMapping) -> T:
    """Return a struct from the columns of the same names: `at` and `…_at` are times, some others JSON."""
    fields = {name: columns[name] for name in kind.__struct_fields__}
    for name, value in fields.items():
        if value is None:
            continue
        if name == "at" or name.endswith("_at"):
            fields[name] = as_time(value)
        elif name in JSON_COLUMNS:
            fields[name] = msgspec.json.decode(value)
    return kind(**fields)
