"""The SQL store: opening it, and writing what was read from the streams.

Reading it for screens is `ingest.history`. Why it is built so: `docs/decisions/0002-sql-times-and-ids.md`.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, select
from sqlalchemy.exc import ArgumentError

from ingest.arrivals import Arrival
from ingest.records import (
    AlarmAcked,
    AlarmActed,
    AlarmCleared,
    AlarmRaised,
    AlertIssued,
    CaseActed,
    CaseReported,
    ExerciseBegun,
    ExerciseEnded,
    Reading,
    ShiftHandedOver,
    ShiftPlanned,
    ShiftTakenOver,
    TaskChecked,
    WallOrdered,
)
from ingest.rows.alarms import write_alarms
from ingest.rows.alerts import write_alerts
from ingest.rows.cases import write_cases
from ingest.rows.exercises import write_exercises
from ingest.rows.feeds import write_feeds
from ingest.rows.readings import write_readings
from ingest.rows.rounds import write_checks
from ingest.rows.shifts import write_shifts
from ingest.rows.states import write_devices, write_workers
from ingest.rows.walls import write_orders
from ingest.settings import SettingError, Settings
from ingest.statements import execute_rows
from ingest.stream import START, Message, order_id
from ingest.tables import as_ms, as_time, watermarks

BUSY_TIMEOUT_S = 30
CONNECT_TIMEOUT_S = 10

LISTED = (
    *(CaseReported, CaseActed, AlarmRaised, AlarmAcked, AlarmCleared, AlarmActed, AlertIssued),
    *(ShiftPlanned, ShiftHandedOver, ShiftTakenOver, TaskChecked, WallOrdered),
    *(ExerciseBegun, ExerciseEnded),
)
"""What each has a row of its own, so that a repeat is known by its source and id."""

ENSURE_WATERMARK = """INSERT INTO watermarks (partition, stream_id, recorded_at) VALUES (?, '0-0', 0)
    ON CONFLICT (partition) DO NOTHING"""
MOVE_WATERMARK = """UPDATE watermarks SET stream_id = ?, rewound_from = ?, recorded_at = ?
    WHERE partition = ? AND stream_id = ?"""
ADD_TO_COUNTER = """INSERT INTO counters (name, value) VALUES (?, ?)
    ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value"""
BEAT = """INSERT INTO heartbeats (part, at, lag_ms) VALUES (?, ?, ?)
    ON CONFLICT (part) DO UPDATE SET at = excluded.at, lag_ms = excluded.lag_ms"""


class WatermarkMoved(RuntimeError):  # noqa: N818 - it says what happened
    """Another recorder has moved a watermark meanwhile; nothing was written, and it must be loaded again."""


@dataclass(frozen=True)
class Watermark:
    """How far a partition is recorded: `stream_id` is the last recorded message.

    `rewound_from` is set while a stream that jumped back is read again from its start: up to that id, what SQL
    already has is a message seen before, not a duplicate.
    """

    stream_id: str = START
    rewound_from: str | None = None
    recorded_at: datetime | None = None

    def may_repeat(self, stream_id: str) -> bool:
        """Return whether a message may have been recorded before the stream jumped back."""
        return self.rewound_from is not None and order_id(stream_id) <= order_id(self.rewound_from)

    def move_to(self, stream_id: str, at: datetime) -> "Watermark":
        """Return the watermark after recording up to `stream_id`."""
        rewound_from = self.rewound_from if self.may_repeat(stream_id) else None
        return Watermark(stream_id, rewound_from, at)


@dataclass(frozen=True)
class Batch:
    """What one transaction records: decoded messages, and those refused; each partition's in stream order."""

    arrivals: Sequence[Arrival]
    refused: Sequence[Message]

    def last_ids(self) -> dict[int, str]:
        """Return the last stream id of each partition in the batch."""
        # In stream order, so the last one stands; only between the two lists is there something to compare.
        recorded = {arrival.partition: arrival.stream_id for arrival in self.arrivals}
        refused = {message.partition: message.stream_id for message in self.refused}
        return {
            partition: max(recorded.get(partition, START), refused.get(partition, START), key=order_id)
            for partition in recorded.keys() | refused.keys()
        }


def name_database(settings: Settings) -> str:
    """Return the database's URL: `DATABASE_URL`, or SQLite in the data folder."""
    return settings.database_url or f"sqlite:///{settings.data_dir.resolve() / 'county.db'}"


def open_database(url: str, read_only: bool = False) -> Engine:
    """Return an engine for SQLite or PostgreSQL; raises `SettingError` for any other address.

    Writers take SQLite's write lock when a transaction begins. A reader's transaction sees one moment, and
    cannot write. Nothing is connected yet.
    """
    address = _check_url(url)
    if address.get_backend_name() == "sqlite":
        return _open_sqlite(address, read_only)
    options = "-c default_transaction_read_only=on" if read_only else ""
    return create_engine(
        address,
        isolation_level="REPEATABLE READ" if read_only else "READ COMMITTED",
        pool_pre_ping=True,
        hide_parameters=True,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S, "options": options},
    )


def load_watermarks(connection: Connection) -> dict[int, Watermark]:
    """Return every partition's watermark."""
    return {
        row.partition: Watermark(row.stream_id, row.rewound_from, as_time(row.recorded_at) if row.recorded_at else None)
        for row in connection.execute(select(watermarks).order_by(watermarks.c.partition))
    }


def ensure_watermarks(connection: Connection, partitions: Iterable[int]) -> None:
    """Give each partition that has no watermark one at the stream's start."""
    execute_rows(connection, ENSURE_WATERMARK, [(partition,) for partition in partitions])


def write_batch(
    connection: Connection, batch: Batch, before: Mapping[int, Watermark], at: datetime
) -> dict[int, Watermark]:
    """Write records, counters and watermarks inside the caller's transaction; return the moved watermarks.

    Every message counts once: as `recorded`, as `late_duplicate` (SQL has its source and id already), or as
    `refused`. Raises `WatermarkMoved` if `before` is not what SQL holds, `RefusedRecord` or a database error
    for a record that cannot be written; the caller then rolls back.
    """
    after = {partition: before[partition].move_to(last, at) for partition, last in batch.last_ids().items()}
    _move_watermarks(connection, before, after)
    readings = [arrival for arrival in batch.arrivals if isinstance(arrival.record, Reading)]
    others = [arrival for arrival in batch.arrivals if not isinstance(arrival.record, Reading)]
    repeated = [
        *write_cases(connection, others),
        *write_readings(connection, readings),
        *write_alarms(connection, others),
        *write_alerts(connection, others),
        *write_shifts(connection, others),
        *write_checks(connection, others),
        *write_orders(connection, others),
        *write_exercises(connection, others),
    ]
    write_workers(connection, others)
    write_devices(connection, others)
    # Workers and devices keep no list of events to ask: where a stream is read again, they are taken as seen.
    unlisted = [arrival for arrival in others if not isinstance(arrival.record, LISTED)]
    counted, late = _sort_out(batch, repeated, unlisted, before)
    write_feeds(connection, counted, late, at)
    refused = sum(not before[message.partition].may_repeat(message.stream_id) for message in batch.refused)
    add_to_counters(connection, {"recorded": len(counted), "late_duplicate": len(late), "refused": refused})
    return after


def rewind_watermark(connection: Connection, partition: int, before: Watermark, at: datetime) -> Watermark:
    """Move a watermark to the start of a stream that jumped back; return it. Raises `WatermarkMoved`."""
    ends = [end for end in (before.stream_id, before.rewound_from) if end is not None]
    after = Watermark(START, max(ends, key=order_id), at)
    _move_watermarks(connection, {partition: before}, {partition: after})
    return after


def write_heartbeat(connection: Connection, part: str, at: datetime, lag_ms: int) -> None:
    """Note that a part is alive, and how far behind the newest message it is."""
    execute_rows(connection, BEAT, [(part, as_ms(at), lag_ms)])


def add_to_counters(connection: Connection, counts: Mapping[str, int]) -> None:
    """Add to named counters; one that does not exist starts at 0."""
    execute_rows(connection, ADD_TO_COUNTER, [(name, counts[name]) for name in sorted(counts) if counts[name]])


def _sort_out(
    batch: Batch, repeated: Sequence[Arrival], unlisted: Sequence[Arrival], before: Mapping[int, Watermark]
) -> tuple[Sequence[Arrival], Sequence[Arrival]]:
    """Return the arrivals that count as recorded, and those that count as late duplicates."""
    seen_before = [arrival for arrival in unlisted if before[arrival.partition].may_repeat(arrival.stream_id)]
    if not repeated and not seen_before:  # nearly always
        return batch.arrivals, ()
    aside = {id(arrival) for arrival in (*repeated, *seen_before)}
    late = [arrival for arrival in repeated if not before[arrival.partition].may_repeat(arrival.stream_id)]
    return [arrival for arrival in batch.arrivals if id(arrival) not in aside], late


def _move_watermarks(connection: Connection, before: Mapping[int, Watermark], after: Mapping[int, Watermark]) -> None:
    rows = [
        (
            mark.stream_id,
            mark.rewound_from,
            as_ms(mark.recorded_at or as_time(0)),
            partition,
            before[partition].stream_id,
        )
        for partition, mark in sorted(after.items())
    ]
    if execute_rows(connection, MOVE_WATERMARK, rows) != len(rows):
        raise WatermarkMoved("another recorder has moved a watermark")


def _check_url(url: str) -> URL:
    try:
        address = make_url(url)
    except ArgumentError as error:
        raise SettingError("DATABASE_URL must be like sqlite:///FILE or postgresql://HOST/NAME") from error
    backend = address.get_backend_name()
    if backend == "sqlite" and address.database not in (None, "", ":memory:"):
        return address
    if backend in ("postgresql", "postgres"):
        return address.set(drivername="postgresql+psycopg")
    raise SettingError(f"DATABASE_URL must name an SQLite file or a PostgreSQL database, not {backend}")


def _open_sqlite(address: URL, read_only: bool) -> Engine:
    assert address.database is not None
    Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(address, hide_parameters=True, connect_args={"timeout": BUSY_TIMEOUT_S})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` below does
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute(f"PRAGMA query_only = {int(read_only)}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine
