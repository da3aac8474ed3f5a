"""Readings to SQL: the readings themselves, the newest of each asset, and the hours' roll-ups."""

from collections.abc import Iterable, Sequence

import msgspec
from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.records import Reading
from ingest.statements import Row, execute_rows, insert_sql, select_by_keys, select_of_keys, update_newer
from ingest.stream import digest_event
from ingest.tables import HOUR_MS, as_ms, latest_readings, reading_hours, readings

COLUMNS = (
    *("feed", "asset_id", "observed_at", "received_at", "value", "unit", "lon", "lat", "cell_code"),
    *("attributes", "origin", "source", "event_id", "event_hash"),
)
FEED, ASSET_ID, OBSERVED_AT, VALUE, EVENT_HASH = (
    COLUMNS.index(name) for name in ("feed", "asset_id", "observed_at", "value", "event_hash")
)
LATEST_COLUMNS = COLUMNS[: COLUMNS.index("origin") + 1]
HOUR_COLUMNS = ("feed", "hour_at", "asset_id", "counted", "total", "lowest", "highest", "last_value", "last_at")

INSERT_READING = insert_sql(readings, COLUMNS, "ON CONFLICT (observed_at, event_hash) DO NOTHING")
SELECT_KNOWN = select_of_keys(readings, ("observed_at", "event_hash"), ("observed_at", "event_hash"))
UPSERT_LATEST = insert_sql(
    latest_readings,
    LATEST_COLUMNS,
    update_newer(latest_readings, LATEST_COLUMNS, ("feed", "asset_id"), "observed_at"),
)
UPSERT_HOUR = insert_sql(
    reading_hours,
    HOUR_COLUMNS,
    """ON CONFLICT (feed, hour_at, asset_id) DO UPDATE SET
    counted = reading_hours.counted + excluded.counted,
    total = reading_hours.total + excluded.total,
    lowest = CASE WHEN excluded.lowest < reading_hours.lowest THEN excluded.lowest ELSE reading_hours.lowest END,
    highest = CASE WHEN excluded.highest > reading_hours.highest THEN excluded.highest ELSE reading_hours.highest END,
    last_value = CASE WHEN excluded.last_at >= reading_hours.last_at
        THEN excluded.last_value ELSE reading_hours.last_value END,
    last_at = CASE WHEN excluded.last_at >= reading_hours.last_at THEN excluded.last_at ELSE reading_hours.last_at END
    """,
)


def write_readings(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the readings among `arrivals` and return those that were there already, which change nothing."""
    rows: dict[tuple[int, int], Row] = {}
    owners: dict[tuple[int, int], Arrival] = {}
    repeated: list[Arrival] = []
    for arrival in arrivals:
        if not isinstance(arrival.record, Reading):
            continue
        row = _reading_row(arrival.record)
        key = (row[OBSERVED_AT], row[EVENT_HASH])
        if key in rows:
            repeated.append(arrival)
        else:
            rows[key], owners[key] = row, arrival
    for key in _insert_new(connection, rows):
        del rows[key]
        repeated.append(owners[key])
    execute_rows(connection, UPSERT_LATEST, newest_rows(rows.values()))
    execute_rows(connection, UPSERT_HOUR, roll_up_hours(rows.values()))
    return repeated


def hash_event(source: str, event_id: str) -> int:
    """Return a record's identity as a signed 64-bit integer: the first half of its digest."""
    return int.from_bytes(digest_event(source, event_id)[:8], "big", signed=True)


def newest_rows(rows: Iterable[Row]) -> list[Row]:
    """Return the newest row of each asset; of two observed at once, the later one in `rows`."""
    newest: dict[tuple[str, str], Row] = {}
    for row in rows:
        key = (row[FEED], row[ASSET_ID])
        held = newest.get(key)
        if held is None or row[OBSERVED_AT] >= held[OBSERVED_AT]:
            newest[key] = row
    return [row[: len(LATEST_COLUMNS)] for row in newest.values()]


def roll_up_hours(rows: Iterable[Row]) -> list[Row]:
    """Return one row of `reading_hours` for each feed, hour and asset that has a value in `rows`."""
    hours: dict[tuple[str, int, str], list[float]] = {}
    for row in rows:
        value = row[VALUE]
        if value is None:
            continue
        at = row[OBSERVED_AT]
        key = (row[FEED], at - at % HOUR_MS, row[ASSET_ID])
        held = hours.get(key)
        if held is None:
            hours[key] = [1, value, value, value, value, at]
            continue
        held[0] += 1
        held[1] += value
        if value < held[2]:
            held[2] = value
        if value > held[3]:
            held[3] = value
        if at >= held[5]:
            held[4], held[5] = value, at
    return [(*key, *sums) for key, sums in hours.items()]


def _insert_new(connection: Connection, rows: dict[tuple[int, int], Row]) -> Sequence[tuple[int, int]]:
    """Insert the rows that are new and return the keys of the others.

    Nearly always all are new, and then the number of inserted rows says so; only otherwise is it worth asking
    which.
    """
    savepoint = connection.begin_nested()
    if execute_rows(connection, INSERT_READING, rows.values()) == len(rows):
        savepoint.commit()
        return ()
    savepoint.rollback()
    known = {(key[0], key[1]) for key in select_by_keys(connection, SELECT_KNOWN, rows)}
    execute_rows(connection, INSERT_READING, [row for key, row in rows.items() if key not in known])
    return [key for key in rows if key in known]


def _reading_row(record: Reading) -> Row:
    return (
        record.feed,
        record.asset_id,
        as_ms(record.observed_at),
        as_ms(record.received_at),
        record.value,
        record.unit,
        record.lon,
        record.lat,
        record.cell_code,
        msgspec.json.encode(record.attributes).decode() if record.attributes else "{}",
        record.origin,
        record.source,
        record.id,
        hash_event(record.source, record.id),
    )
