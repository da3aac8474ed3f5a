"""Readings to SQL: the readings themselves, the newest of each asset, and the hours' roll-ups."""

from collections.abc import Iterable, Sequence
from struct import Struct

import msgspec
from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.records import EXERCISE, Reading
from ingest.rows.reading_months import ensure_months
from ingest.statements import Insert, Row, insert_rows, select_by_keys, select_of_keys, update_newer
from ingest.stream import digest_event
from ingest.tables import HOUR_MS, as_ms, latest_readings, reading_hours, readings

Key = tuple[int, int]
"""What is unique about a reading: when it was observed, and its event's hash."""

COLUMNS = (
    *("feed", "asset_id", "observed_at", "received_at", "value", "unit", "lon", "lat", "cell_code"),
    *("attributes", "origin", "source", "event_id", "event_hash"),
)
FEED, ASSET_ID, OBSERVED_AT, RECEIVED_AT, VALUE, ORIGIN, EVENT_HASH = (
    COLUMNS.index(name) for name in ("feed", "asset_id", "observed_at", "received_at", "value", "origin", "event_hash")
)
LATEST_COLUMNS = COLUMNS[: COLUMNS.index("origin") + 1]
HOUR_COLUMNS = ("feed", "hour_at", "asset_id", "counted", "total", "lowest", "highest", "last_value", "last_at")

INSERT_READING = Insert(readings, COLUMNS, "ON CONFLICT (observed_at, event_hash) DO NOTHING")
SELECT_KNOWN = select_of_keys(readings, ("observed_at", "event_hash"), ("observed_at", "event_hash"))
UPSERT_LATEST = Insert(
    latest_readings,
    LATEST_COLUMNS,
    # `rank_row` in SQL.
    update_newer(
        latest_readings,
        LATEST_COLUMNS,
        ("feed", "asset_id"),
        *("{row}.observed_at", "{row}.received_at", "COALESCE({row}.value, -1e308)"),
    ),
)
UPSERT_HOUR = Insert(
    reading_hours,
    HOUR_COLUMNS,
    """ON CONFLICT (feed, hour_at, asset_id) DO UPDATE SET
    counted = reading_hours.counted + excluded.counted,
    total = reading_hours.total + excluded.total,
    lowest = CASE WHEN excluded.lowest < reading_hours.lowest THEN excluded.lowest ELSE reading_hours.lowest END,
    highest = CASE WHEN excluded.highest > reading_hours.highest THEN excluded.highest ELSE reading_hours.highest END,
    last_value = CASE WHEN (excluded.last_at, excluded.last_value) > (reading_hours.last_at, reading_hours.last_value)
        THEN excluded.last_value ELSE reading_hours.last_value END,
    last_at = CASE WHEN excluded.last_at >= reading_hours.last_at THEN excluded.last_at ELSE reading_hours.last_at END
    """,
)

_encode = msgspec.json.Encoder().encode
_first_half = Struct(">q8x").unpack


def write_readings(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the readings among `arrivals` and return those that were there already, which change nothing."""
    rows: dict[Key, Row] = {}
    owners: dict[Key, Arrival] = {}
    repeated: list[Arrival] = []
    for arrival in arrivals:
        if not isinstance(arrival.record, Reading):
            continue
        row = make_row(arrival.record)
        key = (row[OBSERVED_AT], row[EVENT_HASH])
        if key in rows:
            repeated.append(arrival)
        else:
            rows[key], owners[key] = row, arrival
    for key in _insert_new(connection, rows):
        del rows[key]
        repeated.append(owners[key])
    newest, hours = sum_up(rows.values())
    insert_rows(connection, UPSERT_LATEST, newest)
    insert_rows(connection, UPSERT_HOUR, hours)
    return repeated


def hash_event(source: str, event_id: str) -> int:
    """Return a record's identity as a signed 64-bit integer: the first half of its digest."""
    number: int = _first_half(digest_event(source, event_id))[0]
    return number


def sum_up(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """Return the newest row of each asset for `latest_readings`, and each asset's hours for `reading_hours`.

    Of two readings of one moment `rank_row` says which is the newer. One without a value is in no hour, nor is one of
    an exercise.
    Both lists are sorted by their keys, so that two recorders at once lock rows in one order.
    """
    newest: dict[tuple[str, str], Row] = {}
    hours: dict[tuple[str, int, str], list[float]] = {}
    for row in rows:
        feed, asset_id, at, value = row[FEED], row[ASSET_ID], row[OBSERVED_AT], row[VALUE]
        asset = (feed, asset_id)
        held = newest.get(asset)
        if held is None or at > held[OBSERVED_AT] or (at == held[OBSERVED_AT] and rank_row(row) >= rank_row(held)):
            newest[asset] = row
        if value is None or row[ORIGIN] == EXERCISE:
            continue
        hour = (feed, at - at % HOUR_MS, asset_id)
        sums = hours.get(hour)
        if sums is None:
            hours[hour] = [1, value, value, value, value, at]
            continue
        sums[0] += 1
        sums[1] += value
        if value < sums[2]:
            sums[2] = value
        if value > sums[3]:
            sums[3] = value
        if at > sums[5] or (at == sums[5] and value > sums[4]):
            sums[4], sums[5] = value, at
    return (
        [newest[asset][: len(LATEST_COLUMNS)] for asset in sorted(newest)],
        [(*hour, *hours[hour]) for hour in sorted(hours)],
    )


def rank_row(row: Row) -> tuple[int, int, float]:
    """Return what decides which reading of an asset is the newest; of one moment that which was received last.

    Of one delivery the larger value counts: partitions are read in no order, and the live state decides the same.
    """
    value = row[VALUE]
    return row[OBSERVED_AT], row[RECEIVED_AT], -1e308 if value is None else value


def _insert_new(connection: Connection, rows: dict[Key, Row]) -> Sequence[Key]:
    """Insert the rows that are new and return the keys of the others.

    Nearly always all are new, and then the number of inserted rows says so; only otherwise is it worth asking
    which.
    """
    if not rows:
        return ()
    ensure_months(connection, (observed_at for observed_at, _ in rows))
    savepoint = connection.begin_nested()
    if insert_rows(connection, INSERT_READING, list(rows.values())) == len(rows):
        savepoint.commit()
        return ()
    savepoint.rollback()
    known = {(key[0], key[1]) for key in select_by_keys(connection, SELECT_KNOWN, rows)}
    insert_rows(connection, INSERT_READING, [row for key, row in rows.items() if key not in known])
    return [key for key in rows if key in known]


def make_row(record: Reading) -> Row:
    """Return a reading as a row of `COLUMNS`."""
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
        _encode(record.attributes).decode() if record.attributes else "{}",
        record.origin,
        record.source,
        record.id,
        hash_event(record.source, record.id),
    )
