"""Alarms to SQL: every action of theirs, append-only, and of each alarm when it was raised, acknowledged and cleared.

What its actions make of an alarm is `brain.alarms`' to say; the row of an alarm only finds those that may matter.
"""

from collections.abc import Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Engine, and_, func, or_, select, union

from ingest.arrivals import Arrival
from ingest.records import AlarmAcked, AlarmActed, AlarmCleared, AlarmRaised
from ingest.rows.known import KEY, split_known
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import alarm_actions, alarms, as_ms, as_time

AnyAlarm = AlarmRaised | AlarmAcked | AlarmCleared | AlarmActed
RAISE, ACK, CLEAR = "raise", "ack", "clear"

ACTION_COLUMNS: Final = (*KEY, "origin", "alarm_id", "action", "actor", "at", "received_at", "details")
INSERT_ACTION: Final = insert_sql(alarm_actions, ACTION_COLUMNS)

STATE: Final = ("severity", "subject", "note", "origin", "changed_at")
STEPS: Final = (("raised_at",), ("acked_at", "acked_by"), ("cleared_at", "cleared_by"))
COLUMNS: Final = ("alarm_id", *STATE, *(column for step in STEPS for column in step))


def _keep_newer(columns: tuple[str, ...], time: str) -> Iterable[str]:
    """Yield assignments that take each column from the row with the later `time`; null is earliest."""
    newer = f"excluded.{time} IS NOT NULL AND (alarms.{time} IS NULL OR excluded.{time} >= alarms.{time})"
    return (f"{column} = CASE WHEN {newer} THEN excluded.{column} ELSE alarms.{column} END" for column in columns)


UPSERT_ALARM: Final = insert_sql(
    alarms,
    COLUMNS,
    "ON CONFLICT (alarm_id) DO UPDATE SET "
    + ", ".join(
        [
            *_keep_newer(STATE, "changed_at"),
            *(assignment for step in STEPS for assignment in _keep_newer(step, step[0])),
        ]
    ),
)
TOUCH_ALARM: Final = "UPDATE alarms SET changed_at = ? WHERE alarm_id = ? AND changed_at < ?"


class AlarmStep(msgspec.Struct, frozen=True, gc=False):
    """One action of an alarm, as a fold needs it; `order` grows in the order of recording."""

    alarm_id: str
    at: datetime
    order: int
    action: str
    actor: str | None
    source: str
    event_id: str
    origin: str
    details: dict[str, Any]
    received_at: datetime


def write_alarms(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the actions of alarms among `arrivals` and return those that were there already, which change nothing."""
    of_alarms = (arrival for arrival in arrivals if isinstance(arrival.record, AnyAlarm))
    new, repeated = split_known(connection, alarm_actions, of_alarms)
    records = [arrival.record for arrival in new.values() if isinstance(arrival.record, AnyAlarm)]
    execute_rows(connection, INSERT_ACTION, [_action_row(record) for record in records])
    # By alarm, so that two recorders at once lock rows in one order; an alarm's own steps stay as they came.
    rows = [_alarm_row(record) for record in records if not isinstance(record, AlarmActed)]
    execute_rows(connection, UPSERT_ALARM, sorted(rows, key=itemgetter(0)))
    touched = sorted((record.alarm_id, as_ms(record.at)) for record in records if isinstance(record, AlarmActed))
    execute_rows(connection, TOUCH_ALARM, [(at_ms, alarm_id, at_ms) for alarm_id, at_ms in touched])
    return repeated


def read_alarm_steps(engine: Engine, alarm_id: str) -> list[AlarmStep]:
    """Return every action of an alarm, in the order of recording."""
    with engine.connect() as connection:
        return _load_steps(connection, alarm_actions.c.alarm_id == alarm_id)


def read_alarms_since(engine: Engine, since: datetime) -> list[AlarmStep]:
    """Return every action of the alarms that stand or changed since a moment, in the order of recording."""
    with engine.connect() as connection:
        return load_alarm_steps(connection, since)


def load_alarm_steps(connection: Connection, since: datetime) -> list[AlarmStep]:
    """Return the same inside the caller's transaction."""
    alarm = alarms.c
    is_active = or_(alarm.cleared_at.is_(None), alarm.cleared_at < alarm.raised_at)
    is_unacked = or_(alarm.acked_at.is_(None), alarm.acked_at < alarm.raised_at)
    wanted = select(alarm.alarm_id).where(or_(is_active, is_unacked, alarm.changed_at >= as_ms(since)))
    return _load_steps(connection, alarm_actions.c.alarm_id.in_(wanted))


def read_alarms_between(engine: Engine, since: datetime, until: datetime) -> list[AlarmStep]:
    """Return what was received by `until` of the alarms that stood or of which anything was told since `since`."""
    action, since_ms = alarm_actions.c, as_ms(since)
    told = select(action.alarm_id).where(action.received_at >= since_ms, action.received_at <= as_ms(until))
    last = select(func.max(action.id)).where(action.received_at < since_ms, action.action.in_((RAISE, CLEAR)))
    stood = select(action.alarm_id).where(action.id.in_(last.group_by(action.alarm_id)), action.action == RAISE)
    wanted = and_(action.alarm_id.in_(union(told, stood)), action.received_at <= as_ms(until))
    with engine.connect() as connection:
        return _load_steps(connection, wanted)


def describe_action(record: AnyAlarm) -> tuple[str, dict[str, Any]]:
    """Return what kind of action a record is, and all that was said with it."""
    match record:
        case AlarmRaised():
            names = ("severity", "subject", "note", "rule", "thing", "value", "lon", "lat", "cell_code")
            return RAISE, _pick(record, names)
        case AlarmAcked():
            return ACK, _pick(record, ("note", "expects"))
        case AlarmCleared():
            return CLEAR, _pick(record, ("note",))
    return record.action, {**record.details, **_pick(record, ("note", "expects"))}


def _pick(record: AnyAlarm, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(record, name)) is not None}


def _load_steps(connection: Connection, condition: Any) -> list[AlarmStep]:
    action = alarm_actions.c
    names = [name if name != "order" else "id" for name in AlarmStep.__struct_fields__]
    query = select(*(action[name] for name in names)).where(condition).order_by(action.id)
    return [
        AlarmStep(
            *(alarm_id, as_time(at), order, kind, actor, source, id, origin),
            *(msgspec.json.decode(details), as_time(received_at)),
        )
        for alarm_id, at, order, kind, actor, source, id, origin, details, received_at in connection.execute(query)
    ]


def _action_row(record: AnyAlarm) -> Row:
    action, details = describe_action(record)
    return (
        *(record.source, record.id, record.origin, record.alarm_id, action, record.actor),
        *(as_ms(record.at), as_ms(record.received_at), msgspec.json.encode(details).decode()),
    )


def _alarm_row(record: AlarmRaised | AlarmAcked | AlarmCleared) -> Row:
    at = as_ms(record.at)
    return (
        record.alarm_id,
        record.severity,
        record.subject,
        record.note,
        record.origin,
        at,
        at if isinstance(record, AlarmRaised) else None,
        *((at, record.actor) if isinstance(record, AlarmAcked) else (None, None)),
        *((at, record.actor) if isinstance(record, AlarmCleared) else (None, None)),
    )
