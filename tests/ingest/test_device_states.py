"""Whether devices are within reach, as SQL keeps it: the newest word, in whatever order the words come."""

from itertools import permutations

from sqlalchemy import Engine

from ingest.history import load_snapshot
from ingest.records import DeviceSeen
from ingest.tables import as_ms, device_states
from tests.ingest.samples import Writer, minutes, read_rows


def tell(asset_id: str, at: float, online: bool) -> DeviceSeen:
    moment = minutes(at)
    return DeviceSeen(
        source="gg", id=f"{asset_id}@{at}#{online}", received_at=moment, asset_id=asset_id, online=online, at=moment
    )


def test_the_newest_word_stays_in_any_order_and_batch(engine: Engine) -> None:
    writer = Writer(engine)
    for number, order in enumerate(permutations([(0, True), (2, False), (1, True), (2, True)])):
        words = [tell(f"d-{number}", at, online) for at, online in order]
        writer.write(*words[:2])
        for word in words[2:]:
            writer.write(word)
    rows = read_rows(engine, device_states)
    assert len(rows) == 24
    assert {(row["at"], row["online"]) for row in rows} == {(as_ms(minutes(2)), True)}


def test_the_snapshot_has_them(engine: Engine) -> None:
    Writer(engine).write(tell("bin-1", 3, False))
    snapshot = load_snapshot(engine, minutes(-60))
    assert [(device.asset_id, device.at, device.online) for device in snapshot.devices] == [
        ("bin-1", minutes(3), False)
    ]
    assert snapshot.counters["recorded"] == 1
