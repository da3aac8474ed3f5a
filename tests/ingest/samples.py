"""Records to test with, and what a test asks of a database."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, Table, func, select

from ingest.arrivals import Arrival
from ingest.records import (
    AlarmAcked,
    AlarmCleared,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    Reading,
    Reporter,
    WorkerLocated,
)
from ingest.sealing import find_keyring
from ingest.settings import Settings
from ingest.store import Batch, Watermark, ensure_watermarks, load_watermarks, write_batch

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)

# One row a case, as files and other systems have them.
MAPPING = """
source = "urn:test:rows"
type = "case.reported"
id = "{number}"
[time]
column = "when"
zone = "Asia/Shanghai"
[data]
case_id = "{number}"
category = "0102"
title = "{number}"
lon = { column = "lon", type = "number" }
lat = { column = "lat", type = "number" }
reported_at = { time = true }
channel = "hotline"
"""


def minutes(number: float) -> datetime:
    return NOON + timedelta(minutes=number)


def reading(id: str, at: float = 0, value: float | None = 1.0, asset_id: str = "bin-1", **more: Any) -> Reading:
    fields: dict[str, Any] = {"source": "sensors", "feed": "waste", "received_at": minutes(at), "unit": "1"} | more
    return Reading(id=id, asset_id=asset_id, observed_at=minutes(at), value=value, **fields)


def report(case_id: str, at: float = 0, id: str | None = None, **more: Any) -> CaseReported:
    fields: dict[str, Any] = {
        "source": "hotline",
        "received_at": minutes(at),
        "category": "0102",
        "title": "暴露垃圾",
        "channel": "hotline",
        "severity": 2,
        "lon": 120.2,
        "lat": 29.7,
        "cell_code": "330681001001001",
        "reporter": Reporter(name="何翠英", phone="13905750001"),
    }
    return CaseReported(id=id or f"report-{case_id}", case_id=case_id, reported_at=minutes(at), **(fields | more))


def act(case_id: str, action: str, at: float, id: str | None = None, **more: Any) -> CaseActed:
    fields: dict[str, Any] = {"source": "desk", "received_at": minutes(at), "actor": "officer-7"} | more
    return CaseActed(id=id or f"{case_id}-{action}-{at}", case_id=case_id, action=action, at=minutes(at), **fields)


def worker(id: str, at: float = 0, worker_id: str = "w-1", on_duty: bool = True) -> WorkerLocated:
    moment = minutes(at)
    return WorkerLocated(
        source="app", id=id, received_at=moment, worker_id=worker_id, lon=120.1, lat=29.6, at=moment, on_duty=on_duty
    )


def alarm(kind: type[AlarmRaised | AlarmAcked | AlarmCleared], at: float, alarm_id: str = "a-1") -> AnyRecord:
    return kind(
        source="rules",
        id=f"{alarm_id}-{kind.__name__}-{at}",
        received_at=minutes(at),
        alarm_id=alarm_id,
        severity=2,
        subject="bin-1",
        at=minutes(at),
        actor="officer-7",
    )


def read_refused(fields: Mapping[bytes, bytes], data_dir: Path) -> dict[str, str]:
    """An entry of `events:rejected` as Redis has it, with its body opened by the keys of a data folder."""
    texts = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
    keyring = find_keyring(Settings(data_dir=data_dir))
    body = keyring.open_bytes(fields[b"body"], texts["source"], texts["id"], "body")
    return texts | {"body": body.decode(errors="replace")}


class Writer:
    """Writes records as if they had come through one partition, with stream ids of its own making."""

    def __init__(self, engine: Engine, partition: int = 0):
        self._engine = engine
        self._partition = partition
        self._numbers: Iterator[int] = count(1)
        with engine.begin() as connection:
            ensure_watermarks(connection, [partition])
            self.marks: Mapping[int, Watermark] = load_watermarks(connection)

    def write(self, *records: AnyRecord) -> None:
        arrivals = [Arrival(self._partition, f"1000-{next(self._numbers)}", record) for record in records]
        self.write_arrivals(arrivals)

    def write_arrivals(self, arrivals: Sequence[Arrival]) -> None:
        with self._engine.begin() as connection:
            moved = write_batch(connection, Batch(arrivals, ()), self.marks, NOON)
        self.marks = {**self.marks, **moved}


def read_rows(engine: Engine, table: Table, **where: Any) -> list[dict[str, Any]]:
    query = select(table).where(*(table.c[name] == value for name, value in where.items()))
    with engine.connect() as connection:
        return [dict(row._mapping) for row in connection.execute(query.order_by(*table.primary_key))]


def count_rows(engine: Engine, table: Table) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()
