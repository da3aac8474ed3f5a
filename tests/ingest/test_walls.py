"""Orders to walls from the door to SQL, and which walls show: presence in a real Valkey."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine

from geo.county import County
from ingest.connectors import Refusal
from ingest.formats.events import read_events
from ingest.placing import find_partition
from ingest.presence import INDEX, KEPT_S, Beat, Presence
from ingest.reception import Reception, open_reception
from ingest.records import WallOrdered, decode_record, encode_record, name_feed
from ingest.rows.walls import read_newest_orders
from ingest.stream import StreamUnavailable, connect_async
from ingest.tables import wall_orders
from tests.ingest.samples import NOON, Writer, count_rows, minutes

MACHINE, OTHER = "a" * 32, "b" * 32


@pytest.fixture(scope="module")
def reception(county: County) -> Reception:
    return open_reception(county)


def tell(reception: Reception, **data: Any) -> WallOrdered | Refusal:
    said = {"wall": "指挥大厅", "order": "scene", "scene": "waste", "actor": "chen", "role": "county_duty"} | data
    said = {"at": NOON.isoformat(), **{name: value for name, value in said.items() if value is not None}}
    event = {"specversion": "1.0", "id": "1", "source": "urn:test", "type": "wall.ordered", "data": said}
    (item,) = read_events([msgspec.json.encode(event)], reception, minutes(0))
    assert isinstance(item, WallOrdered | Refusal)
    return item


def test_an_order_is_read_and_travels_with_its_wall(reception: Reception) -> None:
    record = tell(reception, until=minutes(30).isoformat())
    assert isinstance(record, WallOrdered)
    assert (record.wall, record.scene, record.until, name_feed(record)) == ("指挥大厅", "waste", minutes(30), "walls")
    assert decode_record(encode_record(record)) == record
    other = msgspec.structs.replace(record, id="2", order="release")
    assert find_partition(record, 16) == find_partition(other, 16)


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"scene": None}, "data.scene"),
        ({"order": "case"}, "data.case_id"),
        ({"order": "place"}, "data.lon"),
        ({"order": "place", "lon": 120.0}, "data.lat"),
        ({"order": "place", "place": "12"}, "data.place"),
        ({"order": "dance"}, "data.order"),
        ({"wall": ""}, "data.wall"),
        ({"until": minutes(-1).isoformat()}, "data.until"),
        ({"until": minutes(3000).isoformat()}, "data.until"),
        ({"role": None}, "data.role"),
    ],
)
def test_an_order_without_sense_is_refused_by_its_field(reception: Reception, data: Any, field: str) -> None:
    item = tell(reception, **data)
    assert isinstance(item, Refusal) and item.field == field, item


def order(id: str, at: float = 0, wall: str = "hall", **more: Any) -> WallOrdered:
    told = {"order": "scene", "scene": "waste", "actor": "chen", "role": "county_duty"} | more
    return WallOrdered(source="desk", id=id, received_at=minutes(at), at=minutes(at), wall=wall, **told)


def test_the_newest_order_of_each_wall_is_found(engine: Engine) -> None:
    last = order("3", at=7, order="release")
    records = order("1"), order("2", at=5), last, order("2", at=5), order("4", wall="lobby")
    Writer(engine).write(*records)
    Writer(engine).write(order("1"))
    assert count_rows(engine, wall_orders) == 4
    assert sorted(read_newest_orders(engine), key=lambda one: one.wall) == [last, records[-1]]


def run(redis_url: str, work: Any) -> Any:
    async def main() -> Any:
        client = connect_async(redis_url)
        try:
            return await work(Presence(client), client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def beat(machine: str = MACHINE, scene: str = "overview") -> Beat:
    return Beat(machine=machine, scene=scene, paused=False, width=1920, height=1080, ratio=1.5, opened_at=1)


def test_presence_is_the_last_word_and_lasts_a_day_at_most(redis_url: str) -> None:
    async def work(presence: Presence, client: Any) -> None:
        assert await presence.read() == {}
        assert await presence.note("大厅 {1}", beat()) and await presence.note("大厅 {1}", beat(scene="waste"))
        assert await presence.note("lobby", beat(OTHER))
        seen = await presence.read()
        assert set(seen) == {"大厅 {1}", "lobby"} and seen["大厅 {1}"].beat == beat(scene="waste")
        keys = [INDEX, f"{INDEX}:大厅 {{1}}", f"{INDEX}:lobby"]
        assert [KEPT_S - 60 < await client.ttl(key) <= KEPT_S for key in keys] == [True] * 3
        assert {await client.execute_command("CLUSTER", "KEYSLOT", key) for key in keys} == {
            await client.execute_command("CLUSTER", "KEYSLOT", "{walls}")
        }

    run(redis_url, work)


def test_one_name_is_one_machine_while_it_is_alive(redis_url: str) -> None:
    async def work(presence: Presence, client: Any) -> None:
        assert await presence.note("hall", beat())
        assert not await presence.note("hall", beat(OTHER))
        assert (await presence.holds_other("hall", OTHER), await presence.holds_other("hall", MACHINE)) == (True, False)
        await client.hset(f"{INDEX}:hall", "heard_ms", 0)  # it fell silent long ago
        assert not await presence.holds_other("hall", OTHER)
        assert await presence.note("hall", beat(OTHER))
        assert not await presence.note("hall", beat())

    run(redis_url, work)


def test_without_redis_it_says_so(tmp_path: Path) -> None:
    for call in (lambda presence, _: presence.read(), lambda presence, _: presence.note("hall", beat())):
        with pytest.raises(StreamUnavailable):
            run(f"unix://{tmp_path / 'no.sock'}", call)
