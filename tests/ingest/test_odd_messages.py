"""Late, early, repeated and contradictory messages, on the way they really take: what `docs/odd-messages.md` promises.

Each goes through a door, Valkey, the recorder and SQLite, and beside that into the live state. `World.look` holds the
live state to what SQL would rebuild after a restart.
"""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from geo.county import County
from ingest.connectors import Delivery, http_events, ngsi_ld, ngsi_v2
from ingest.feeds import read_feed_history
from ingest.history import load_reading_hours, load_snapshot, read_counters
from ingest.migrations import upgrade_database
from ingest.pipeline import Answer, Connector, Preparation, as_connector, stream_batch
from ingest.recorder import Recorder
from ingest.records import decode_record
from ingest.sealing import Keyring
from ingest.store import open_database
from ingest.stream import START, AsyncStreams, Streams, connect, connect_async, order_id
from ingest.tables import as_ms, latest_readings, reading_hours, readings
from layers.snapshot import fold_snapshot
from layers.state import LiveState
from layers.things import Sensed
from tests.ingest.samples import read_rows

NOW = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)  # half past twelve in the demo county
PARTITIONS = 3
DOC = Path(__file__).resolve().parents[2] / "docs" / "odd-messages.md"
EVENTS, LD, V2 = map(as_connector, (http_events, ngsi_ld, ngsi_v2))


def ago(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


class World:
    """One county's Valkey, recorder, database and live state; `asset` is a bin of its pack, once called `OLD-1`."""

    def __init__(self, county: County, redis_url: str, engine: Engine):
        self.asset = str(county.assets.index[county.assets["kind"] == "bin"][0])
        named = county.assets.assign(former_ids=["OLD-1" if id == self.asset else "" for id in county.assets.index])
        self.county = replace(county, assets=named)
        self.engine = engine
        self.streams = Streams(connect(redis_url), PARTITIONS)
        self._preparation = Preparation(self.county, PARTITIONS, Keyring.make())
        self._url = redis_url
        self._recorder = Recorder(self.streams, engine, clock=lambda: NOW)
        self._live = LiveState(self.county)
        self._positions = dict.fromkeys(range(PARTITIONS), START)

    def deliver(self, door: Connector, body: object, at: datetime, content_type: str = "application/json") -> Answer:
        """Hand a body in at a moment."""
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        delivery = Delivery(body=encoded, received_at=at, content_type=content_type)

        async def send() -> Answer:
            client = connect_async(self._url)
            try:
                return await stream_batch(
                    AsyncStreams(client, PARTITIONS), self._preparation.prepare(door, delivery), at
                )
            finally:
                await client.aclose()

        return asyncio.run(send())

    def observe(
        self,
        level: float,
        observed_at: datetime | None,
        at: datetime = NOW,
        *,
        source: str = "gateway-1",
        id: str | None = None,
        asset_id: str | None = None,
        **more: Any,
    ) -> Answer:
        """Hand in a CloudEvent with the bin's level; `at` is when it comes."""
        data = {"id": asset_id or self.asset, "type": "WasteContainer", "fillingLevel": level} | more
        if observed_at:
            data["dateObserved"] = observed_at.isoformat()
        id = id or f"{data['id']}-{observed_at}-{level}"
        return self.deliver(EVENTS, envelope("iot.observed", id, data, source), at, http_events.ONE)

    def look(self) -> Sensed | None:
        """Record and fold what came, and return the bin's reading as the wall shows it."""
        while self._recorder.step():
            pass
        while messages := self.streams.read_after(self._positions, 1, 1_000):
            for message in messages:
                self._positions[message.partition] = message.stream_id
                milliseconds, sequence = order_id(message.stream_id)
                self._live.apply(decode_record(message.record), order=milliseconds << 20 | sequence)
        self._live.advance(as_ms(NOW))
        rebuilt = self._rebuild()
        for name in ("readings", "hours", "workers", "cases", "open_by_cell"):
            assert self._live.facts()[name] == rebuilt.facts()[name], name
        return self._live.readings.get("waste", {}).get(self._live.identify_asset(self.asset))

    def counters(self) -> dict[str, int]:
        tallies = self.streams.read_tallies()
        assert tallies.received == tallies.accepted + tallies.duplicate + tallies.rejected
        late = read_counters(self.engine)["late_duplicate"]
        return {
            "accepted": tallies.accepted - late,
            "duplicate": tallies.duplicate + late,
            "rejected": tallies.rejected,
            "recorded": read_counters(self.engine)["recorded"],
        }

    def hour(self, at: datetime) -> dict[str, Any]:
        (row,) = read_rows(self.engine, reading_hours, hour_at=as_ms(at.replace(minute=0)))
        return row

    @property
    def live(self) -> LiveState:
        return self._live

    def _rebuild(self) -> LiveState:
        state = LiveState(self.county)
        since = NOW - timedelta(hours=49)
        hours = {
            feed: load_reading_hours(self.engine, feed, since, NOW + timedelta(hours=2)) for feed in self._live.hours
        }
        fold_snapshot(state, load_snapshot(self.engine, since), hours)
        state.advance(as_ms(NOW))
        return state


def envelope(kind: str, id: str, data: dict[str, Any], source: str = "gateway-1") -> dict[str, Any]:
    return {"specversion": "1.0", "id": id, "source": source, "type": kind, "data": data}


@pytest.fixture
def world(county: County, redis_url: str, tmp_path: Path) -> Iterator[World]:
    url = f"sqlite:///{tmp_path / 'county.db'}"
    upgrade_database(url)
    engine = open_database(url)
    world = World(county, redis_url, engine)
    yield world
    world.streams.client.close()
    engine.dispose()


# -- late, early, out of order


def test_a_late_reading_fills_its_hour_and_is_not_the_newest(world: World) -> None:
    world.observe(0.6, ago(1))
    world.observe(0.2, ago(65))
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.6
    assert world.hour(ago(65))["last_value"] == 0.2
    assert len(read_rows(world.engine, readings)) == 2


def test_readings_in_any_order_end_in_the_same_state(world: World) -> None:
    for minute in (20, 5, 25, 10):
        world.observe(minute / 100, ago(minute))
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.05
    hour = world.hour(NOW)
    assert (hour["counted"], hour["last_value"], hour["lowest"], hour["highest"]) == (4, 0.05, 0.05, 0.25)


def test_an_action_before_its_report_waits_for_it(world: World) -> None:
    point = world.county.cells.geometry.iloc[0].representative_point()
    done = {"case_id": "C-1", "action": "close", "actor": "duty", "at": ago(1).isoformat()}
    sent = {"case_id": "C-1", "action": "dispatch", "actor": "duty", "at": ago(5).isoformat(), "unit": "U01"}
    told = {"case_id": "C-1", "category": "0102", "title": "垃圾", "lon": point.x, "lat": point.y}
    told |= {"reported_at": ago(9).isoformat(), "channel": "hotline"}
    for id, kind, data in (("3", "case.acted", done), ("2", "case.acted", sent), ("1", "case.reported", told)):
        world.deliver(EVENTS, envelope(kind, id, data), NOW, http_events.ONE)
        world.look()
    (case,) = world.live.cases.values()
    assert (case.is_open, case.state.ended_ms) == (False, as_ms(ago(1)))


def test_a_worker_s_late_place_does_not_move_them_back(world: World) -> None:
    for minute, lon in ((1, 120.2), (8, 120.3)):
        data = {"worker_id": "W-1", "lon": lon, "lat": 29.6, "at": ago(minute).isoformat(), "on_duty": True}
        world.deliver(EVENTS, envelope("worker.located", str(minute), data), NOW, http_events.ONE)
    world.look()
    assert [worker.lon for worker in world.live.workers.values()] == [120.2]


# -- clocks


def test_a_clock_that_is_fast_by_minutes_is_believed(world: World) -> None:
    world.observe(0.5, ago(-4))
    shown = world.look()
    assert shown is not None
    assert shown.observed_ms == as_ms(ago(-4))
    assert "deviceTime" not in shown.attributes


def test_a_fast_clock_does_not_hide_the_true_readings_after_it(world: World) -> None:
    world.observe(0.9, ago(-300), at=ago(10), source="fast")
    shown = world.look()
    assert shown is not None
    assert (shown.value, shown.observed_ms) == (0.9, as_ms(ago(10)))
    assert shown.attributes["deviceTime"] == ago(-300).isoformat()

    world.observe(0.3, ago(2))
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.3
    assert read_feed_history(world.engine, NOW)["local", "waste"].fast_clock == 1


def test_a_fast_clock_s_repeat_is_a_duplicate_all_the_same(world: World) -> None:
    entity = {"id": world.asset, "type": "WasteContainer", "fillingLevel": 0.9, "dateObserved": ago(-300).isoformat()}
    for at in (ago(10), ago(5)):
        world.deliver(LD, {"data": [entity]}, at)
    world.look()
    assert world.counters() == {"accepted": 1, "duplicate": 1, "rejected": 0, "recorded": 1}


def test_a_fast_phone_s_action_is_as_old_as_its_arrival(world: World) -> None:
    action = {"case_id": "C-1", "action": "dispatch", "actor": "W-1", "at": ago(-300).isoformat(), "unit": "U01"}
    close = {"case_id": "C-1", "action": "close", "actor": "duty", "at": ago(1).isoformat()}
    point = world.county.cells.geometry.iloc[0].representative_point()
    told = {"case_id": "C-1", "category": "0102", "title": "垃圾", "lon": point.x, "lat": point.y}
    told |= {"reported_at": ago(9).isoformat(), "channel": "hotline"}
    world.deliver(EVENTS, envelope("case.reported", "1", told), ago(9), http_events.ONE)
    world.deliver(EVENTS, envelope("case.acted", "2", action), ago(5), http_events.ONE)
    world.deliver(EVENTS, envelope("case.acted", "3", close), NOW, http_events.ONE)
    world.look()
    (case,) = world.live.cases.values()
    assert not case.is_open, "what the phone says is of the future would have come after the closing"


def test_a_date_beyond_tomorrow_or_before_1970_is_refused(world: World) -> None:
    for at, reason in ((NOW + timedelta(days=1, seconds=1), "ahead"), (datetime(1969, 1, 1, tzinfo=UTC), "1970")):
        (rejected,) = world.observe(0.5, at).rejected
        assert reason in rejected.reason
    assert world.look() is None


def test_a_clock_that_was_never_set_is_recorded_and_hides_nothing(world: World) -> None:
    world.observe(0.6, ago(1))
    world.observe(0.9, datetime(2000, 1, 1, 0, 5, tzinfo=UTC), source="no battery")
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.6
    assert len(read_rows(world.engine, readings)) == 2


def test_a_bin_without_any_time_is_as_old_as_its_arrival(world: World) -> None:
    entity = {"id": world.asset, "type": "WasteContainer", "fillingLevel": 0.9}
    world.deliver(V2, {"data": [entity]}, ago(3))
    shown = world.look()
    assert shown is not None
    assert shown.observed_ms == as_ms(ago(3))
    world.deliver(V2, {"data": [entity]}, ago(2))
    world.look()
    assert world.counters()["recorded"] == 2, "a repeat cannot be told from a new reading"


# -- repeated


def test_a_repeat_is_a_duplicate_in_one_body_or_another(world: World) -> None:
    data = {"id": world.asset, "type": "WasteContainer", "fillingLevel": 0.5, "dateObserved": ago(1).isoformat()}
    batch = [envelope("iot.observed", "e-1", data)] * 2
    assert world.deliver(EVENTS, batch, ago(1), http_events.BATCH).duplicate == 1
    assert world.deliver(EVENTS, batch, NOW, http_events.BATCH).duplicate == 2
    world.look()
    assert world.counters() == {"accepted": 1, "duplicate": 3, "rejected": 0, "recorded": 1}
    assert world.hour(ago(1))["counted"] == 1


def test_the_same_identity_with_other_content_is_a_duplicate(world: World) -> None:
    world.observe(0.5, ago(2), id="e-1")
    assert world.observe(0.7, ago(1), id="e-1").duplicate == 1
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.5


def test_a_repeat_after_days_is_found_by_the_database(world: World) -> None:
    for days in (3, 0):
        world.observe(0.5, ago(3 * 1440), at=NOW - timedelta(days=days))
    world.look()
    assert world.counters() == {"accepted": 1, "duplicate": 1, "rejected": 0, "recorded": 1}
    assert read_rows(world.engine, reading_hours)[0]["counted"] == 1


def test_a_broker_s_repeat_and_a_second_broker_count_once(world: World) -> None:
    told = ago(1).isoformat()
    simplified = {"id": world.asset, "type": "WasteContainer", "fillingLevel": 0.5, "dateObserved": told}
    normalized = {
        "id": f"urn:ngsi-ld:WasteContainer:{world.asset}",
        "type": "WasteContainer",
        "fillingLevel": {"type": "Property", "value": 50, "unitCode": "P1", "observedAt": told},
    }
    for door, entity in ((LD, simplified), (LD, simplified), (LD, normalized), (V2, simplified)):
        world.deliver(door, {"subscriptionId": "s", "data": [entity]}, NOW)
    world.look()
    assert world.counters() == {"accepted": 1, "duplicate": 3, "rejected": 0, "recorded": 1}


def test_a_notification_that_repeats_old_attributes_is_a_duplicate(world: World) -> None:
    level = {"value": 0.5, "observedAt": ago(30).isoformat()}
    for name, at in (("East", ago(29)), ("East gate", ago(5))):
        entity = {"id": world.asset, "type": "WasteContainer", "fillingLevel": level, "name": name}
        world.deliver(LD, {"notifiedAt": at.isoformat(), "data": [entity]}, at)
    shown = world.look()
    assert shown is not None
    assert shown.observed_ms == as_ms(ago(30)), "nor does it look any younger"
    assert world.counters()["duplicate"] == 1


# -- contradicted


def test_two_gateways_with_one_reading_are_two_records_and_one_value(world: World) -> None:
    for source in ("gateway-1", "gateway-2"):
        world.observe(0.5, ago(1), source=source)
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.5
    assert world.counters()["recorded"] == 2
    hour = world.hour(ago(1))
    assert (hour["counted"], hour["total"], hour["lowest"], hour["highest"]) == (2, 1.0, 0.5, 0.5)
    assert hour["total"] / hour["counted"] == 0.5


def test_of_two_values_of_one_moment_the_one_received_last_is_shown(world: World) -> None:
    world.observe(0.9, ago(1), at=ago(1), source="gateway-1")
    world.observe(0.5, ago(1), at=NOW, source="gateway-2")
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.5
    (row,) = read_rows(world.engine, latest_readings)
    assert row["value"] == 0.5


def test_a_correction_is_recorded_and_shown(world: World) -> None:
    for level, at in ((0.9, ago(1)), (0.5, NOW)):
        told = {"fillingLevel": level, "dateObserved": ago(1).isoformat()}
        world.deliver(LD, {"data": [{"id": world.asset, "type": "WasteContainer", **told}]}, at)
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.5
    assert len(read_rows(world.engine, readings)) == 2


def test_of_two_reports_of_one_case_the_one_received_first_counts(world: World) -> None:
    point = world.county.cells.geometry.iloc[0].representative_point()
    told = {"case_id": "C-1", "title": "垃圾", "lon": point.x, "lat": point.y, "category": "0102"}
    told |= {"reported_at": ago(9).isoformat(), "channel": "hotline"}
    world.deliver(EVENTS, envelope("case.reported", "1", told), ago(8), http_events.ONE)
    world.deliver(EVENTS, envelope("case.reported", "2", told | {"severity": 1}), ago(7), http_events.ONE)
    world.look()
    assert [case.severity for case in world.live.cases.values()] == [4]


# -- renamed


def test_a_device_s_former_id_is_the_asset_of_today(world: World) -> None:
    world.observe(0.4, ago(8), id="before")
    world.observe(0.7, ago(1), asset_id="OLD-1")
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.7
    rows = read_rows(world.engine, readings)
    assert {row["asset_id"] for row in rows} == {world.asset}
    assert len({(row["lon"], row["cell_code"]) for row in rows}) == 1, "its place is the asset's"


def test_what_was_recorded_under_a_former_id_is_shown_as_the_asset_of_today(world: World) -> None:
    before = Preparation(
        replace(world.county, assets=world.county.assets.assign(former_ids="")), PARTITIONS, Keyring.make()
    )
    after, world._preparation = world._preparation, before
    point = {"type": "Point", "coordinates": [120.4, 29.6]}
    world.observe(0.4, ago(70), at=ago(69), asset_id="OLD-1", location=point)
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.4
    world._preparation = after
    world.observe(0.7, ago(1))
    shown = world.look()
    assert shown is not None
    assert shown.value == 0.7
    assert {row["asset_id"] for row in read_rows(world.engine, readings)} == {"OLD-1", world.asset}


# -- the document


def test_every_answer_in_the_document_names_a_test_of_this_file() -> None:
    named = set(re.findall(r"`(test_\w+)`", DOC.read_text(encoding="utf-8")))
    written = {name for name in globals() if name.startswith("test_")} - {
        "test_every_answer_in_the_document_names_a_test_of_this_file"
    }
    assert named == written
