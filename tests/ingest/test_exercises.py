"""What belongs to an exercise is known by its name for ever, touches nothing real, and is recorded as what it is."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from geo.county import County
from ingest.connectors import Delivery, Refusal, http_events
from ingest.embedded import start_redis
from ingest.exercises import MARK, is_exercise
from ingest.formats.events import read_events
from ingest.history import cases_as_of, load_reading_hours, load_snapshot
from ingest.open311.requests import RequestFilter, list_requests
from ingest.pipeline import Answer, Batch, Preparation, as_connector, stream_batch
from ingest.reception import Reception, open_reception
from ingest.records import (
    CaseReported,
    ExerciseBegun,
    ExerciseEnded,
    Reading,
    decode_record,
    encode_record,
    name_feed,
)
from ingest.rows.exercises import read_exercises
from ingest.sealing import Keyring
from ingest.senders import Sender
from ingest.simulation.scenarios import SCENARIOS, play
from ingest.stream import AsyncStreams, connect_async
from ingest.tables import cases, exercises, latest_readings
from tests.ingest.samples import NOON, Writer, act, count_rows, minutes, read_rows, reading, report

DOOR = as_connector(http_events)
PLACE = {"lon": 120.3, "lat": 29.6}


@pytest.fixture(scope="module")
def preparation(county: County) -> Preparation:
    return Preparation(county, 4, Keyring.make())


@pytest.fixture(scope="module")
def reception(county: County) -> Reception:
    return open_reception(county)


def event(kind: str, data: dict[str, Any], origin: str = "live", id: str = "1") -> dict[str, Any]:
    return {"specversion": "1.0", "id": id, "source": "urn:test", "type": kind, "origin": origin, "data": data}


def reporting(case_id: str | None = None, **more: Any) -> dict[str, Any]:
    said = {"category": "0102", "title": "t", "channel": "app", "reported_at": NOON.isoformat(), **PLACE} | more
    return said | ({"case_id": case_id} if case_id else {})


def acting(case_id: str, **more: Any) -> dict[str, Any]:
    return {"case_id": case_id, "action": "merge", "actor": "x", "at": NOON.isoformat()} | more


def prepare(preparation: Preparation, *events: dict[str, Any], sender: Sender | None = None) -> Batch:
    delivery = Delivery(body=msgspec.json.encode(events), content_type=http_events.BATCH, received_at=minutes(0))
    return preparation.prepare(DOOR, delivery, sender or Sender("x"))


def read_all(batch: Batch) -> list[Any]:
    return [decode_record(entry.record) for entries in batch.entries.values() for entry in entries]


@pytest.mark.parametrize(
    ("kind", "data", "field"),
    [
        ("case.reported", reporting("C-1"), "case_id"),
        ("case.reported", reporting(), "case_id"),
        ("case.acted", acting("C-1", action="accept"), "case_id"),
        ("alarm.raised", {"alarm_id": "A", "severity": 1, "subject": "s", "at": NOON.isoformat()}, "alarm_id"),
        (
            "iot.observed",
            {"type": "AirQualityObserved", "id": "S", "dateObserved": NOON.isoformat(), "pm25": 9, 
                "location": {"type": "Point", "coordinates": [120.3, 29.6]}},
            "asset_id",
        ),
    ],
)  # fmt: skip
def test_what_an_exercise_tells_of_is_named_as_its_own(
    preparation: Preparation, kind: str, data: dict[str, Any], field: str
) -> None:
    (told,) = read_all(prepare(preparation, event(kind, data, "exercise")))
    assert getattr(told, field).startswith(MARK) and told.origin == name_feed(told) == "exercise"
    (real,) = read_all(prepare(preparation, event(kind, data)))
    assert MARK not in getattr(real, field) and real.origin == "live" and name_feed(real) != "exercise"


def test_a_deed_on_what_is_an_exercises_is_one_too_whoever_does_it(preparation: Preparation) -> None:
    data = acting(f"{MARK}C-1", action="accept")
    for origin in ("live", "simulated", "replayed"):
        (told,) = read_all(prepare(preparation, event("case.acted", data, origin)))
        assert (told.case_id, told.origin) == (f"{MARK}C-1", "exercise")


def test_an_exercises_case_and_a_real_one_never_become_one(preparation: Preparation) -> None:
    for case_id, into in ((f"{MARK}C-1", "C-2"), ("C-2", f"{MARK}C-1")):
        batch = prepare(preparation, event("case.acted", acting(case_id, into=into)))
        assert not batch.entries and batch.rejections[0].field == "details.into"
    (told,) = read_all(prepare(preparation, event("case.acted", acting("C-1", into="C-2"), "exercise")))
    assert (told.case_id, told.details["into"]) == (f"{MARK}C-1", f"{MARK}C-2")


def test_what_an_exercise_has_not_is_refused_and_so_is_who_may_not_send_it(preparation: Preparation) -> None:
    place = {"worker_id": "W", "at": NOON.isoformat(), "on_duty": True, **PLACE}
    batch = prepare(preparation, event("worker.located", place, "exercise"))
    assert batch.rejections[0].field == "origin"
    batch = prepare(
        preparation, event("case.reported", reporting("C"), "exercise"), sender=Sender("y", frozenset({"cases"}))
    )
    assert batch.rejections[0].reason == "sender: y may not send exercise"


def test_its_counters_add_up_beside_the_real_ones(preparation: Preparation, tmp_path: Path) -> None:
    batch = prepare(
        preparation,
        event("case.reported", reporting("C"), "exercise", "1"),
        event("case.reported", reporting("D"), "live", "2"),
        event("case.acted", acting("D", into=f"{MARK}C"), "live", "3"),
    )

    async def send() -> tuple[Answer, Any]:
        client = connect_async(server.url)
        streams = AsyncStreams(client, 4)
        answer = await stream_batch(streams, batch, minutes(0))
        tallies = await streams.read_tallies()
        await client.aclose()
        return answer, tallies

    server = start_redis(tmp_path)
    try:
        answer, tallies = asyncio.run(send())
    finally:
        server.stop()
    assert (answer.received, answer.accepted, len(answer.rejected)) == (3, 2, 1)
    assert tallies.by_feed["x", "exercise"].accepted == tallies.by_feed["x", "cases"].accepted == 1


def test_it_is_recorded_and_asked_for_as_what_it_is(engine: Engine) -> None:
    drill, sensor = f"{MARK}k-1", f"{MARK}k-air"
    Writer(engine).write(
        report("C-1"),
        report(drill, origin="exercise"),
        act(drill, "accept", 5, origin="exercise"),
        reading("1"),
        reading("2", asset_id=sensor, origin="exercise"),
    )
    assert [row["origin"] for row in read_rows(engine, cases, case_id=drill)] == ["exercise"]
    assert [row["origin"] for row in read_rows(engine, latest_readings, asset_id=sensor)] == ["exercise"]
    assert [case.case_id for case in cases_as_of(engine, minutes(9), minutes(-60))] == ["C-1"]
    assert [one.asset_id for one in load_reading_hours(engine, "waste", minutes(-60), minutes(60))] == ["bin-1"]
    assert [one.case_id for one in list_requests(engine, RequestFilter(), 10)] == ["C-1"]
    assert list_requests(engine, RequestFilter(case_ids=[drill]), 10) == []
    assert {case.case_id for case in load_snapshot(engine, minutes(-60)).cases} == {"C-1", drill}


def begun(id: str = "1", at: float = 0, hours: float = 4, **more: Any) -> ExerciseBegun:
    told = {"exercise": "k", "name": "防汛", "actor": "chen", "role": "county_duty"} | more
    until = minutes(at) + timedelta(hours=hours)
    return ExerciseBegun(source="desk", id=id, received_at=minutes(at), at=minutes(at), until=until, **told)


def test_that_one_began_and_ended_is_recorded_once(engine: Engine) -> None:
    ended = ExerciseEnded(
        source="desk", id="2", received_at=minutes(9), at=minutes(9), exercise="k", actor="li", role="supervisor"
    )
    Writer(engine).write(begun(), ended, begun())
    Writer(engine).write(ended)
    assert count_rows(engine, exercises) == 2
    assert read_exercises(engine) == [begun(), ended]
    assert read_exercises(engine, minutes(1)) == [ended]
    assert decode_record(encode_record(begun())) == begun() and name_feed(begun()) == "exercise"


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"until": minutes(0).isoformat()}, "data.until"),
        ({"until": minutes(25 * 60).isoformat()}, "data.until"),
        ({"until": None}, "data.until"),
        ({"name": ""}, "data.name"),
        ({"exercise": "K K"}, "data.exercise"),
    ],
)
def test_one_that_would_not_end_is_refused(reception: Reception, data: dict[str, Any], field: str) -> None:
    said = {"exercise": "k", "name": "n", "actor": "chen", "role": "county_duty", "at": NOON.isoformat()}
    said |= {"until": minutes(60).isoformat()} | data
    told = event("exercise.begun", {name: value for name, value in said.items() if value is not None})
    (item,) = read_events([msgspec.json.encode(told)], reception, minutes(0))
    assert isinstance(item, Refusal) and item.field == field, item


@pytest.mark.parametrize("key", SCENARIOS)
def test_a_scenario_is_told_the_same_however_it_is_cut(preparation: Preparation, county: County, key: str) -> None:
    whole = play(county, SCENARIOS[key], "k", NOON, minutes(-1), minutes(8))
    cut = [
        one
        for number in range(-1, 8)
        for one in play(county, SCENARIOS[key], "k", NOON, minutes(number), minutes(number + 1))
    ]
    assert whole == cut and len({one.id for one in whole}) == len(whole) > 10
    batch = prepare(preparation, *(event(one.kind, one.data, "exercise", one.id) for one in whole))
    told = read_all(batch)
    assert not batch.rejections and len(told) == len(whole)
    names = [one.asset_id if isinstance(one, Reading) else one.case_id for one in told]
    assert all(map(is_exercise, names)) and all(one.cell_code for one in told if isinstance(one, CaseReported))
