"""Workers and devices to SQL: only the newest state of each is kept."""

from collections.abc import Iterable

from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.records import DeviceSeen, WorkerLocated
from ingest.statements import Row, execute_rows, insert_sql, update_newer
from ingest.tables import as_ms, device_states, workers

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
