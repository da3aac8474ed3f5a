"""From a body to the streams: placed, minted, sorted by partition, de-duplicated, answered."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import pytest

from geo.county import County
from ingest.connectors import Delivery, http_events
from ingest.pipeline import Answer, Preparation, UnreadableBody, as_connector, stream_batch
from ingest.placing import find_partition
from ingest.records import (
    AlarmAcked,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    Reading,
    WorkerLocated,
    decode_record,
)
from ingest.sealing import Keyring
from ingest.stream import REJECTED_KEY, START, AsyncStreams, connect_async

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
PARTITIONS = 4
DOOR = as_connector(http_events)


@pytest.fixture(scope="session")
def preparation(county: County) -> Preparation:
    return Preparation(county, PARTITIONS, Keyring.make())


def report(id: str, lon: float, lat: float, **changes: Any) -> dict[str, Any]:
    data = {"category": "0102", "title": "t", "lon": lon, "lat": lat, "channel": "app"}
    data |= {"reported_at": "2026-11-22T00:30:00+08:00"} | changes
    return {"specversion": "1.0", "id": id, "source": "test", "type": "case.reported", "data": data}


def centre(county: County, position: int) -> tuple[float, float]:
    point = county.cells.geometry.iloc[position].representative_point()
    return point.x, point.y


def prepare(preparation: Preparation, *events: dict[str, Any]) -> list[AnyRecord]:
    delivery = Delivery(body=json.dumps(events).encode(), content_type=http_events.BATCH, received_at=NOW)
    records: list[Any] = DOOR.parse(delivery, preparation.reception).items
    preparation.sort(records, DOOR, delivery)
    return records


def test_points_find_their_cells_and_cells_their_points(preparation: Preparation, county: County) -> None:
    positions = range(0, len(county.cells), 97)
    codes = [county.cells.index[position] for position in positions]
    by_point = prepare(
        preparation, *(report(code, *centre(county, at)) for code, at in zip(codes, positions, strict=True))
    )
    by_code = prepare(preparation, *(report(code, None, None, cell_code=code) for code in codes))  # type: ignore[arg-type]
    for code, point, cell in zip(codes, by_point, by_code, strict=True):
        assert isinstance(point, CaseReported)
        assert isinstance(cell, CaseReported)
        assert point.cell_code == cell.cell_code == code
        assert county.cells.geometry.loc[code].covers(county.cells.geometry.loc[code].representative_point())
        assert (cell.lon, cell.lat) == centre(county, county.cells.index.get_loc(code))


def test_outside_the_county_is_an_answer(preparation: Preparation, county: County) -> None:
    (record,) = prepare(preparation, report("far", 0.0, 0.0))
    assert isinstance(record, CaseReported)
    assert record.cell_code is None
    assert record.case_id.startswith(f"{county.code}-20261122-")


def test_points_are_forgotten_and_found_again(
    preparation: Preparation, county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.placing.POINTS_KEPT", 1)
    for _ in range(3):
        events = [report(str(at), *centre(county, at)) for at in (3, 5, 3, 9)] + [report("far", 0.0, 0.0)]
        found = [record.cell_code for record in prepare(preparation, *events) if isinstance(record, CaseReported)]
        assert found == [*(county.cells.index[at] for at in (3, 5, 3, 9)), None]


def test_a_case_without_an_id_gets_the_same_one_each_time(preparation: Preparation, county: County) -> None:
    place = centre(county, 5)
    first, again, other = prepare(preparation, report("a", *place), report("a", *place), report("b", *place))
    assert isinstance(first, CaseReported)
    assert isinstance(again, CaseReported)
    assert isinstance(other, CaseReported)
    # The day is the county's: half past midnight there is still yesterday in UTC.
    assert first.case_id.startswith(f"{county.cells.index[5]}-20261122-")
    assert first.case_id == again.case_id != other.case_id
    (given,) = prepare(preparation, report("c", *place, case_id="C-1"))
    assert isinstance(given, CaseReported)
    assert given.case_id == "C-1"


def test_partitions_follow_the_architecture() -> None:
    common = {"source": "s", "id": "e-1", "received_at": NOW}
    cell = "339901002003004"
    placed = WorkerLocated(**common, worker_id="W", at=NOW, on_duty=True, cell_code=cell)  # type: ignore[arg-type]
    nowhere = Reading(**common, feed="air", asset_id="A", observed_at=NOW)  # type: ignore[arg-type]
    action = CaseActed(**common, case_id="C-1", action="close", actor="x", at=NOW)  # type: ignore[arg-type]
    alarm = AlarmAcked(**common, alarm_id="A-1", severity=1, subject="x", at=NOW)  # type: ignore[arg-type]
    raised = AlarmRaised(**common, alarm_id="A-2", severity=1, subject="x", at=NOW, cell_code=cell)  # type: ignore[arg-type]
    keys = {"339901002": placed, "e-1": nowhere, "C-1": action, "A-1": alarm, "A-2": raised}
    assert {key: find_partition(record, 64) for key, record in keys.items()} == {
        key: crc32(key.encode()) % 64 for key in keys
    }


def test_a_batch_is_streamed_and_answered(preparation: Preparation, county: County, redis_url: str) -> None:
    events = [report(str(number), *centre(county, number * 50)) for number in range(30)]
    events += [events[0], report("bad", 0, 0, severity=7), {"id": "worse"}, events[3]]
    body = "\n".join(json.dumps(event) for event in events).encode()

    async def send() -> tuple[list[Answer], list[bytes], dict[bytes, bytes]]:
        client = connect_async(redis_url)
        streams = AsyncStreams(client, PARTITIONS)
        batch = preparation.prepare(DOOR, Delivery(body=body, content_type=http_events.LINES, received_at=NOW))
        answers = [await stream_batch(streams, batch, NOW) for _ in range(2)]
        messages = await streams.read_after(dict.fromkeys(range(PARTITIONS), START), 10, 1_000)
        rejected = await client.xrange(REJECTED_KEY)
        tallies = await streams.read_tallies()
        assert (tallies.received, tallies.accepted, tallies.duplicate, tallies.rejected) == (68, 30, 34, 4)
        await client.aclose()
        for message in messages:
            assert message.partition == find_partition(decode_record(message.record), PARTITIONS)
        return answers, [message.record for message in messages], rejected[0][1]

    (first, second), records, rejected = asyncio.run(send())
    assert (first.received, first.accepted, first.duplicate) == (34, 30, 2)
    assert [(event.index, event.id) for event in first.rejected] == [(31, "bad"), (32, "worse")]
    assert first.rejected[0].reason.startswith("data.severity: ")
    assert (second.received, second.accepted, second.duplicate, len(second.rejected)) == (34, 0, 32, 2)
    assert sorted(decode_record(record).id for record in records) == sorted(map(str, range(30)))
    body = json.dumps(events[31]).encode()
    assert b"bad" not in rejected[b"body"]
    assert preparation.keyring.open_bytes(rejected[b"body"], "test", "bad", "body") == body
    assert (rejected[b"door"], rejected[b"source"], rejected[b"id"]) == (b"http_events", b"test", b"bad")


def test_what_is_no_json_is_nothing(preparation: Preparation) -> None:
    with pytest.raises(UnreadableBody, match="not JSON"):
        preparation.prepare(DOOR, Delivery(body=b"<xml/>", content_type=http_events.ONE, received_at=NOW))
