"""The reckoning at the end: what senders were told, what is counted, what is in SQL, and what is live are one."""

import json
import time
from collections import Counter
from datetime import datetime
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Engine, func, select

from ingest.store import open_database
from ingest.tables import (
    alarm_actions,
    alarms,
    as_ms,
    case_actions,
    cases,
    feed_totals,
    latest_readings,
    reading_hours,
    readings,
    workers,
)
from ingest.tables import counters as stored_counters
from tests.appliance import free_port, wait_for
from tests.faults.load import Book
from tests.faults.plant import Plant, count_accepted

Key = tuple[str, str]
STILL_FOR_S = 0.5  # between two looks that are the same: a broker may have a repeat on its way
CASES = ("case.reported", "case.acted")
ALARMS = {"alarm.raised": "raised_at", "alarm.acked": "acked_at", "alarm.cleared": "cleared_at"}
LISTED = (*CASES, *ALARMS, "iot.observed")


def settle(plant: Plant, book: Book) -> None:
    """Check everything that must hold once the load has stopped and all parts are there."""
    assert not plant.away
    counters = drain(plant, book)
    engine = open_database(plant.database_url, read_only=True)
    try:
        check_ids(engine, book)
        check_counters(plant, engine, book, counters)
        with engine.connect() as connection:
            check_readings(connection)
            check_states(connection, book)
    finally:
        engine.dispose()
    check_live(plant)
    assert not plant.ended, plant.ended


def drain(plant: Plant, book: Book) -> dict[str, int]:
    """Return the counters once everything accepted is recorded, and nothing of what is owed is on its way."""
    engine = open_database(plant.database_url, read_only=True)
    last: dict[str, int] = {}

    def is_drained() -> dict[str, int] | None:
        counters: dict[str, int] = plant.ask(plant.ingest_url).get("counters") or {}
        is_still = counters == last
        last.update(counters)
        if not counters or counters["recorded"] != counters["accepted"] or find_missing(engine, book):
            return None
        time.sleep(STILL_FOR_S)
        return counters if is_still else None

    try:
        return wait_for(is_drained, 60, "everything to be recorded")
    except AssertionError as slow:
        counters = plant.ask(plant.ingest_url).get("counters")
        missing = sorted(find_missing(engine, book))
        raise AssertionError(f"{slow}: {counters}; missing {len(missing)}: {missing[:10]}") from None
    finally:
        engine.dispose()


def find_missing(engine: Engine, book: Book) -> set[Key]:
    """Events that somebody was told are accepted and that are not in SQL."""
    return book.find(*LISTED).keys() - book.unsure - read_ids(engine).keys()


def read_ids(engine: Engine) -> Counter[Key]:
    """How often each event of a case or an alarm, and each reading, is in SQL."""
    with engine.connect() as connection:
        return Counter(
            (row.source, row.event_id)
            for table in (case_actions, alarm_actions, readings)
            for row in connection.execute(select(table.c.source, table.c.event_id))
        )


def check_ids(engine: Engine, book: Book) -> None:
    """Every accepted id is in SQL exactly once; nothing is that was refused or never sent."""
    ids = read_ids(engine)
    assert {key: times for key, times in ids.items() if times != 1} == {}, "more than once in SQL"
    told = book.find(*LISTED).keys()
    assert sorted(told - ids.keys() - book.unsure) == [], "told accepted, and not in SQL"
    assert sorted(ids.keys() - told) == [], "in SQL, and nobody was told"


def check_counters(plant: Plant, engine: Engine, book: Book, counters: dict[str, int]) -> None:
    """The counters add up, agree with the senders' books, and are the same by sender."""
    lost_by_broker = len(book.unsure - read_ids(engine).keys())
    assert counters["received"] == counters["accepted"] + counters["duplicate"] + counters["rejected"], counters
    assert counters["recorded"] == counters["accepted"] == book.count() - lost_by_broker, counters
    assert counters["duplicate"] > 0
    assert counters["rejected"] >= len(book.refused) > 0
    health = plant.ask(plant.ingest_url)
    assert sum(count_accepted(health).values()) == counters["accepted"]
    with engine.connect() as connection:
        own = {row.name: row.value for row in connection.execute(select(stored_counters))}
        recorded = connection.scalar(select(func.sum(feed_totals.c.recorded)))
    assert own == {"recorded": counters["accepted"]}, "late duplicates, refusals or gaps"
    assert recorded == counters["accepted"], "the feeds' own count"


def check_readings(connection: Connection) -> None:
    """The roll-ups were added to once for each reading, and the newest of each asset is the newest."""
    hours = select(func.sum(reading_hours.c.counted), func.sum(reading_hours.c.total))
    of_hours = connection.execute(hours).one()
    of_readings = connection.execute(select(func.count(readings.c.value), func.sum(readings.c.value))).one()
    assert of_hours[0] == of_readings[0]
    assert of_hours[1] == pytest.approx(of_readings[1])
    of_asset = (readings.c.feed, readings.c.asset_id)
    newest = {
        tuple(row)
        for row in connection.execute(select(*of_asset, func.max(readings.c.observed_at)).group_by(*of_asset))
    }
    kept = select(latest_readings.c.feed, latest_readings.c.asset_id, latest_readings.c.observed_at)
    assert {tuple(row) for row in connection.execute(kept)} == newest


def check_states(connection: Connection, book: Book) -> None:
    """Cases are closed, workers seen and alarms raised, acked and cleared as the accepted events say."""
    closed = {data["case_id"] for data in book.find("case.acted").values() if data["action"] == "close"}
    query = select(cases.c.case_id).where(cases.c.closed_at.is_not(None))
    assert set(connection.scalars(query)) == closed
    reported = {data["case_id"] for data in book.find("case.reported").values()}
    assert set(connection.scalars(select(cases.c.case_id))) == reported
    seen: dict[str, int] = {}
    for data in book.find("worker.located").values():
        seen[data["worker_id"]] = max(seen.get(data["worker_id"], 0), _as_ms(data["at"]))
    assert {row.worker_id: row.at for row in connection.execute(select(workers))} == seen
    told: dict[str, dict[str, int | None]] = {}
    for kind, column in ALARMS.items():
        for data in book.find(kind).values():
            told.setdefault(data["alarm_id"], dict.fromkeys(ALARMS.values()))[column] = _as_ms(data["at"])
    columns = [alarms.c[name] for name in ALARMS.values()]
    stored = {row.alarm_id: dict(row._mapping) for row in connection.execute(select(alarms.c.alarm_id, *columns))}
    assert {name: {key: row[key] for key in ALARMS.values()} for name, row in stored.items()} == told


def check_live(plant: Plant) -> None:
    """What the web shows, what a hub shows that heard it all, and what SQL alone gives, are the same."""
    url = f"http://127.0.0.1:{free_port()}"
    # It cannot hear the streams: all it shows is computed anew from SQL.
    fresh = plant.make_hub("fresh", url, REDIS_URL=f"unix://{plant.folder / 'nowhere.sock'}")
    fresh.start()
    try:
        wait_for(lambda: _can_show(url), 60, "a hub that reads SQL only")
        differences: list[str] = []

        def agree() -> bool:
            shown = [read_screen(each) for each in (url, plant.web_url, plant.witness_url)]
            differences[:] = [
                *find_differences(shown[0], shown[1], "web"),
                *find_differences(shown[0], shown[2], "witness"),
            ]
            return not differences

        try:
            wait_for(agree, 30, "the live state to be that of SQL")
        except AssertionError:
            raise AssertionError(f"live is not what SQL gives: {differences[:20]}") from None
    finally:
        fresh.stop()


def read_screen(url: str) -> dict[str, Any]:
    """The first frame of `/live` without what says when and by whom it was made, every list by its ids."""
    with httpx.stream("GET", f"{url}/live", timeout=10, trust_env=False) as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data:"))
    frame: dict[str, Any] = json.loads(line.removeprefix("data:"))
    for name in ("seq", "now", "stream", "revision"):
        frame.pop(name, None)
    # `received` counts what a hub has folded itself.
    frame["feeds"] = {feed["key"]: feed | {"received": None} for feed in frame["feeds"]}
    for name in ("assets", "cases", "alerts", "alarms"):
        frame[name] = {row["id"]: row for row in frame[name]}
    frame["layers"] = {key: _by_feature(columns) for key, columns in frame["layers"].items()}
    return frame


def find_differences(one: Any, other: Any, path: str) -> list[str]:
    """Where two frames differ, in words."""
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            difference
            for key in sorted(one.keys() | other.keys(), key=str)
            for difference in find_differences(one.get(key), other.get(key), f"{path}.{key}")
        ]
    return [] if one == other else [f"{path}: {str(other)[:200]}, from SQL {str(one)[:200]}"]


def _by_feature(columns: dict[str, Any]) -> dict[int, tuple[Any, ...]]:
    ids = columns["ids"]
    others = [columns.get(name) or [0] * len(ids) for name in ("values", "marks", "lon", "lat")]
    return dict(zip(ids, zip(*others, strict=True), strict=True))


def _can_show(url: str) -> bool:
    try:
        told: dict[str, Any] = httpx.get(f"{url}/health", trust_env=False).json()
    except (httpx.TransportError, ValueError):
        return False
    return bool(told["status"] != "down")


def _as_ms(moment: str) -> int:
    return as_ms(datetime.fromisoformat(moment))
