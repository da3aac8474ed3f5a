"""Workers, devices and alarms to SQL: only the newest state of each is kept."""

from collections.abc import Iterable
from operator import itemgetter

from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.records import AlarmAcked, AlarmCleared, AlarmRaised, DeviceSeen, WorkerLocated
from ingest.statements import Row, execute_rows, insert_sql, update_newer
from ingest.tables import alarms, as_ms, device_states, workers

WORKER_COLUMNS = ("worker_id", "at", "received_at", "lon", "lat", "cell_code", "on_duty", "origin")
AT, LON, LAT, ON_DUTY = (WORKER_COLUMNS.index(name) for name in ("at", "lon", "lat", "on_duty"))
UPSERT_WORKER = insert_sql(
    workers,
    WORKER_COLUMNS,
    # `_rank_worker` in SQL.
    update_newer(
        workers,
        WORKER_COLUMNS,
        ("worker_id",),
        *("{row}.at", "{row}.on_duty", "COALESCE({row}.lon, 0)", "COALESCE({row}.lat, 0)"),
    ),
)

DEVICE_COLUMNS = ("asset_id", "at", "received_at", "online", "origin")
UPSERT_DEVICE = insert_sql(
    device_states,
    DEVICE_COLUMNS,
    update_newer(device_states, DEVICE_COLUMNS, ("asset_id",), "{row}.at", "{row}.online"),
)

ALARM_STATE = ("severity", "subject", "note", "origin", "changed_at")
ALARM_STEPS = (("raised_at",), ("acked_at", "acked_by"), ("cleared_at", "cleared_by"))
ALARM_COLUMNS = ("alarm_id", *ALARM_STATE, *(column for step in ALARM_STEPS for column in step))


def _keep_newer(columns: tuple[str, ...], time: str) -> Iterable[str]:
    """Yield assignments that take each column from the row with the later `time`; null is earliest."""
    newer = f"excluded.{time} IS NOT NULL AND (alarms.{time} IS NULL OR excluded.{time} >= alarms.{time})"
    return (f"{column} = CASE WHEN {newer} THEN excluded.{column} ELSE alarms.{column} END" for column in columns)


UPSERT_ALARM = insert_sql(
    alarms,
    ALARM_COLUMNS,
    "ON CONFLICT (alarm_id) DO UPDATE SET "
    + ", ".join(
        [
            *_keep_newer(ALARM_STATE, "changed_at"),
            *(assignment for step in ALARM_STEPS for assignment in _keep_newer(step, step[0])),
        ]
    ),
)


def write_workers(connection: Connection, arrivals: Iterable[Arrival]) -> None:
    """Write the newest place of each worker among `arrivals`; an older one than SQL has changes nothing."""
    newest: dict[str, Row] = {}
    for arrival in arrivals:
        record = arrival.record
        if isinstance(record, WorkerLocated):
            row = _worker_row(record)
            held = newest.get(record.worker_id)
            if held is None or _rank_worker(row) >= _rank_worker(held):
                newest[record.worker_id] = row
    execute_rows(connection, UPSERT_WORKER, [newest[worker_id] for worker_id in sorted(newest)])


def write_devices(connection: Connection, arrivals: Iterable[Arrival]) -> None:
    """Write what was said last of each device among `arrivals`; of one moment, being within reach counts."""
    newest: dict[str, Row] = {}
    for arrival in arrivals:
        record = arrival.record
        if isinstance(record, DeviceSeen):
            row = (record.asset_id, as_ms(record.at), as_ms(record.received_at), record.online, record.origin)
            held = newest.get(record.asset_id)
            if held is None or (row[1], row[3]) >= (held[1], held[3]):
                newest[record.asset_id] = row
    execute_rows(connection, UPSERT_DEVICE, [newest[asset_id] for asset_id in sorted(newest)])


def write_alarms(connection: Connection, arrivals: Iterable[Arrival]) -> None:
    """Write each step of an alarm among `arrivals`; of steps of one kind the latest by `at` stays."""
    records = (arrival.record for arrival in arrivals)
    rows = [_alarm_row(record) for record in records if isinstance(record, AlarmRaised | AlarmAcked | AlarmCleared)]
    # By alarm, so that two recorders at once lock rows in one order; an alarm's own steps stay as they came.
    execute_rows(connection, UPSERT_ALARM, sorted(rows, key=itemgetter(0)))


def _worker_row(record: WorkerLocated) -> Row:
    return (
        record.worker_id,
        as_ms(record.at),
        as_ms(record.received_at),
        record.lon,
        record.lat,
        record.cell_code,
        record.on_duty,
        record.origin,
    )


def _rank_worker(row: Row) -> tuple[int, bool, float, float]:
    """Return what decides which place is kept, the same in the live state: partitions are read in no order."""
    return row[AT], row[ON_DUTY], row[LON] or 0.0, row[LAT] or 0.0


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
