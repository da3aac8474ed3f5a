"""The MQTT door with a real broker, a real Redis and the bridge as the process it is."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from argparse import Namespace
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis

import ingest.mqtt.bridge as door
from geo.county import County
from geo.pack import PackError
from geo.profile import read_profile
from ingest.connectors import mqtt
from ingest.embedded import EmbeddedRedis, start_redis
from ingest.guard.pressure import Limits, Pressure
from ingest.guard.rates import Rates
from ingest.keys import digest_key
from ingest.mqtt.bridge import mask_key
from ingest.mqtt.link import LARGEST_KEPT_BYTES, Broker, Publish
from ingest.mqtt.sightings import Sightings
from ingest.pipeline import Preparation
from ingest.records import AnyRecord, DeviceSeen, Reading, decode_record
from ingest.sealing import Keyring
from ingest.senders import Senders
from ingest.settings import read_settings
from ingest.store import open_database
from ingest.stream import REJECTED_KEY, AsyncStreams, connect_async
from ingest.supervisor import EXIT_HOPELESS
from tests.appliance import ROOT, wait_for
from tests.broker import Cable, Device, Mosquitto
from tests.ingest.samples import read_refused

KEY = "key-of-the-tests"
PARTITIONS = 2
VILLAGE = "339901001001"
BIN = "BIN-00001"
OWN = f"gg/v1/{VILLAGE}/001/WasteContainer/{BIN}"
AT = "2026-11-22T01:02:03Z"

PACK = """
[[datastreams]]
id = "42"
feed = "air"
asset_id = "AIR-01"
attribute = "pm10"
scale = 1000
[[datastreams]]
id = "noisy"
feed = "noise"
asset_id = "BIN-00002"
[measure_names.bin]
l = "fillingLevel"
t = "temperature"
"""


@pytest.fixture(scope="module")
def pack(demo_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo county with datastreams and short names for what bins measure."""
    folder = tmp_path_factory.mktemp("pack") / "county"
    shutil.copytree(demo_folder, folder)
    with (folder / "county.toml").open("a") as file:
        file.write(PACK)
    return folder


class Bridge:
    """`python -m ingest mqtt` between a broker and a Redis, and what came through."""

    def __init__(self, pack: Path, folder: Path, broker_url: str, redis_url: str, **environ: str):
        self.folder = folder
        self.log = folder / "bridge.log"
        self.redis: Any = redis.Redis.from_url(redis_url)
        self.process: subprocess.Popen[bytes] | None = None
        self._environ = {
            **os.environ,
            "COUNTY": str(pack),
            "DATA_DIR": str(folder),
            "REDIS_URL": redis_url,
            "PARTITIONS": str(PARTITIONS),
            "INGEST_KEY": KEY,
            "MQTT_URL": broker_url,
            "MQTT_CLIENT_ID": folder.name,
            **environ,
        }

    def start(self) -> "Bridge":
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ingest", "mqtt"], cwd=ROOT, env=self._environ, stdout=log, stderr=log
            )
        return self

    def start_and_wait(self) -> "Bridge":
        seen = len(self.connections()) if self.log.exists() else 0
        self.start()
        wait_for(lambda: len(self.connections()) > seen, what="the bridge")
        return self

    def connections(self) -> list[str]:
        """Return the lines of the log that tell of one."""
        return [line for line in self.log.read_text().splitlines() if "connected to" in line]

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(20)

    def records(self) -> list[AnyRecord]:
        found = []
        for partition in range(PARTITIONS):
            for _, fields in self.redis.xrange(f"events:{{{partition}}}"):
                found.append(decode_record(fields[b"record"]))
        return found

    def readings(self, asset_id: str) -> list[Reading]:
        return [record for record in self.records() if isinstance(record, Reading) and record.asset_id == asset_id]

    def wait_for_readings(self, asset_id: str, count: int) -> list[Reading]:
        wait_for(lambda: len(self.readings(asset_id)) >= count, what=f"{count} readings of {asset_id}")
        return self.readings(asset_id)

    def rejections(self) -> list[dict[str, str]]:
        return [read_refused(fields, self.folder) for _, fields in self.redis.xrange(REJECTED_KEY)]

    def wait_for_rejection(self, **expected: str) -> dict[str, str]:
        def find() -> dict[str, str] | None:
            return next((each for each in self.rejections() if each.items() >= expected.items()), None)

        found: dict[str, str] = wait_for(find, what=str(expected))
        return found

    def tallies(self) -> dict[str, int]:
        sums: dict[str, int] = {}
        for key in [*(f"tally:{{{partition}}}" for partition in range(PARTITIONS)), f"tally:{{{REJECTED_KEY}}}"]:
            for name, value in self.redis.hgetall(key).items():
                if value.isdigit():
                    sums[name.decode()] = sums.get(name.decode(), 0) + int(value)
        return sums


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = start_redis(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def bridge(
    pack: Path, broker: Mosquitto, shared_redis: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Bridge]:
    folder = tmp_path_factory.mktemp("bridge")
    running = Bridge(pack, folder, broker.url, shared_redis.url, MQTT_TOPICS="plant/#", MQTT_CLIENT_ID="")
    running.start_and_wait()
    yield running
    assert running.stop() == 0, running.log.read_text()
    assert KEY not in running.log.read_text()


def cloudevent(id: str, asset_id: str = BIN, **data: Any) -> dict[str, Any]:
    entity = {"type": "WasteContainer", "id": asset_id, "fillingLevel": 0.4, "dateObserved": AT, **data}
    return {"specversion": "1.0", "id": id, "source": "urn:tests", "type": "iot.observed", "data": entity}


def as_json(value: object) -> bytes:
    return msgspec.json.encode(value)


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("qos", [0, 1, 2])
def test_a_structured_cloudevent_comes_through(broker: Mosquitto, bridge: Bridge, version: int, qos: int) -> None:
    asset = f"BIN-00{version}1{qos}"
    with Device(broker, version) as device:
        device.publish("ce/bins", as_json(cloudevent(f"ce-{version}-{qos}", asset)), qos)
        reading = bridge.wait_for_readings(asset, 1)[0]
    assert (reading.id, reading.value, reading.sender) == (f"ce-{version}-{qos}", 0.4, "mqtt")


def test_a_binary_cloudevent_is_its_user_properties_and_its_payload(broker: Mosquitto, bridge: Bridge) -> None:
    event = cloudevent("binary-1", "BIN-00020")
    properties = [(name, event[name]) for name in ("specversion", "id", "source", "type")]
    with Device(broker) as device:
        device.publish("ce/bins", as_json(event["data"]), content_type="application/json", properties=properties)
        reading = bridge.wait_for_readings("BIN-00020", 1)[0]
    assert (reading.source, reading.id, reading.value) == ("urn:tests", "binary-1", 0.4)


def test_a_cloudevent_is_known_by_its_content_type_or_by_itself_on_any_topic(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        body = as_json(cloudevent("typed", "BIN-00021"))
        device.publish("plant/3/bins", body, content_type="application/cloudevents+json; charset=utf-8")
        device.publish("plant/3/bins", as_json(cloudevent("untyped", "BIN-00021")))
        assert {reading.id for reading in bridge.wait_for_readings("BIN-00021", 2)} == {"typed", "untyped"}


@pytest.mark.parametrize("version", ["v1.0", "v1.1"])
def test_an_observation_comes_by_its_datastream(broker: Mosquitto, bridge: Bridge, version: str) -> None:
    before = len(bridge.readings("AIR-01"))
    with Device(broker) as device:
        observation = {"result": 0.08, "phenomenonTime": f"2026-11-22T00:00:00Z/{AT}", "@iot.id": f"o-{version}"}
        device.publish(f"{version}/Datastreams(42)/Observations", as_json(observation))
        inline = {"result": 0.09, "resultTime": AT, "Datastream": {"@iot.id": 42}}
        device.publish(f"{version}/Observations", as_json({**inline, "@iot.id": f"p-{version}"}))
        readings = bridge.wait_for_readings("AIR-01", before + 2)
    by_id = {reading.id: reading for reading in readings}
    assert by_id[f"o-{version}"].attributes["pm10"] == pytest.approx(80)
    assert by_id[f"o-{version}"].observed_at == datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
    assert (by_id[f"p-{version}"].source, by_id[f"p-{version}"].feed) == ("sensorthings:42", "air")


def test_a_datastream_may_be_of_a_declared_feed_and_have_a_text_as_id(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        device.publish("v1.1/Datastreams('noisy')/Observations", as_json({"result": 61.5, "phenomenonTime": AT}))
        reading = bridge.wait_for_readings("BIN-00002", 1)[0]
    assert (reading.feed, reading.value, reading.unit) == ("noise", 61.5, "dB")


def test_an_unknown_datastream_is_refused_by_name(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        device.publish("v1.1/Datastreams(7)/Observations", as_json({"result": 1, "phenomenonTime": AT}))
        refused = bridge.wait_for_rejection(topic="v1.1/Datastreams(7)/Observations")
    assert refused["reason"] == "Datastream: the county pack names no datastream '7'"


@pytest.mark.parametrize("prefix", ["/json", "/ul", ""])
def test_an_iot_agents_device_is_an_asset_and_its_key_is_the_senders(
    broker: Mosquitto, bridge: Bridge, prefix: str
) -> None:
    asset = {"/json": "BIN-00030", "/ul": "BIN-00031", "": "BIN-00032"}[prefix]
    payload = as_json({"l": 0.7, "t": 21, "TimeInstant": AT}) if prefix == "/json" else f"{AT}|l|0.7|t|21".encode()
    with Device(broker) as device:
        device.publish(f"{prefix}/{KEY}/{asset}/attrs", payload)
        reading = bridge.wait_for_readings(asset, 1)[0]
    assert (reading.value, reading.attributes["temperature"], reading.sender) == (0.7, 21, "local")


def test_ultralight_groups_without_a_time_are_one_observation(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        device.publish(f"/ul/{KEY}/BIN-00033/attrs", "t|20#l|0.4")
        readings = bridge.wait_for_readings("BIN-00033", 1)
    assert [(reading.value, reading.attributes["temperature"]) for reading in readings] == [(0.4, 20)]


def test_a_wrong_key_is_refused_and_kept_nowhere(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        device.publish("/json/not-the-key/BIN-00034/attrs", as_json({"l": 0.7}))
        refused = bridge.wait_for_rejection(topic="/json/*/BIN-00034/attrs")
    assert refused["reason"] == "topic: the key in it is nobody's"
    assert not bridge.readings("BIN-00034")
    everything = b"".join(bridge.redis.dump(key) or b"" for key in bridge.redis.keys("*"))
    assert b"not-the-key" not in everything
    assert "not-the-key" not in bridge.log.read_text()


def test_our_own_topics_carry_attributes_events_and_status(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        device.publish(f"{OWN}/attrs", as_json({"fillingLevel": 0.55, "dateObserved": AT}))
        device.publish(f"{OWN}/event", as_json(cloudevent("own-event")))
        device.publish(f"{OWN}/cmd", b"open the lid")
        device.publish(f"{OWN}/status", as_json({"online": True, "at": AT}))
        wait_for(lambda: any(isinstance(record, DeviceSeen) for record in bridge.records()), what="the status")
        readings = bridge.wait_for_readings(BIN, 2)
    assert {reading.value for reading in readings} >= {0.55, 0.4}
    assert not [each for each in bridge.rejections() if each["topic"].endswith("/cmd")]


@pytest.mark.parametrize(
    ("topic", "payload", "reason"),
    [
        ("plant/9/unheard-of", b"21.5", "topic: nothing is known to come by 'plant/9/unheard-of'"),
        ("gg/v1/3399/001/WasteContainer/X/attrs", b"{}", "topic: nothing is known to come by"),
        (f"gg/v1/{VILLAGE}/001/WasteContainer/X/status", b"perhaps", "status: expected online, offline or"),
        (f"/json/{KEY}/NOBODY/attrs", b'{"l": 0.1}', "topic: the county pack has no asset 'NOBODY'"),
        (f"{OWN}/attrs", b'{"fillingLevel": -4, "dateObserved": "2026-11-22T00:00:00Z"}', "fillingLevel: -4 is below"),
        ("ce/broken", b"{", "event: not readable as JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(
    broker: Mosquitto, bridge: Bridge, topic: str, payload: bytes, reason: str
) -> None:
    with Device(broker) as device:
        device.publish(topic, payload)
        refused = bridge.wait_for_rejection(topic=mask_key(topic)[0], body=payload.decode())
    assert refused["reason"].startswith(reason)
    assert refused["door"] == mqtt.NAME


@pytest.mark.parametrize("size", [300_000, LARGEST_KEPT_BYTES + 300_000])
def test_a_payload_too_long_is_refused_and_what_follows_is_not(broker: Mosquitto, bridge: Bridge, size: int) -> None:
    topic = f"ce/long-{size}"
    with Device(broker) as device:
        device.publish(topic, b" " * size)
        device.publish("ce/after", as_json(cloudevent(f"after-{size}", f"BIN-0{size % 997:04d}")))
        refused = bridge.wait_for_rejection(topic=topic)
        bridge.wait_for_readings(f"BIN-0{size % 997:04d}", 1)
    assert "bytes are more than the 262144 an event may have" in refused["reason"]


def test_a_last_will_marks_its_device_offline(broker: Mosquitto, bridge: Bridge) -> None:
    topic = f"gg/v1/{VILLAGE}/000/WasteContainer/BIN-00040/status"
    Device(broker, will=(topic, b"offline")).vanish()

    def find() -> list[DeviceSeen]:
        seen = [record for record in bridge.records() if isinstance(record, DeviceSeen)]
        return [record for record in seen if record.asset_id == "BIN-00040"]

    seen = wait_for(find, what="the last will")
    assert [record.online for record in seen] == [False]


def test_the_same_value_later_is_no_duplicate(broker: Mosquitto, bridge: Bridge) -> None:
    with Device(broker) as device:
        for turn in range(3):
            device.publish(f"/ul/{KEY}/BIN-00041/attrs", "l|0.5")
            bridge.wait_for_readings("BIN-00041", turn + 1)
    assert len({reading.id for reading in bridge.readings("BIN-00041")}) == 3


def test_two_equal_values_that_come_together_are_two(broker: Mosquitto, bridge: Bridge) -> None:
    assert bridge.process is not None
    bridge.process.send_signal(signal.SIGSTOP)
    try:
        with Device(broker) as device:
            for _ in range(2):
                device.publish(f"/ul/{KEY}/BIN-00043/attrs", "l|0.5")
    finally:
        bridge.process.send_signal(signal.SIGCONT)
    assert len({reading.observed_at for reading in bridge.wait_for_readings("BIN-00043", 2)}) == 2


def test_the_same_reading_by_two_gateways_is_one(broker: Mosquitto, bridge: Bridge) -> None:
    before = bridge.tallies()["duplicate"]
    with Device(broker) as one, Device(broker, 4) as other:
        one.publish(f"/json/{KEY}/BIN-00042/attrs", as_json({"l": 0.5, "TimeInstant": AT}))
        other.publish(f"/{KEY}/BIN-00042/attrs", f"{AT}|l|0.5".encode())
        wait_for(lambda: bridge.tallies()["duplicate"] == before + 1, what="the duplicate")
    assert len(bridge.readings("BIN-00042")) == 1


def test_health_hears_of_the_bridge(bridge: Bridge) -> None:
    def tell() -> dict[str, Any] | None:
        told = bridge.redis.hget("parts", "mqtt")
        sign = msgspec.json.decode(told) if told else {}
        return sign if sign.get("state") == "ok" else None

    wait_for(tell, what="a sign of life")


def test_a_message_that_mqtt_5_cannot_carry_is_read_without_its_properties(broker: Mosquitto, bridge: Bridge) -> None:
    """Mosquitto lets U+FEFF pass, and paho reads no message with it: it must not come again for ever."""
    event = cloudevent("after", "BIN-00045")
    properties = [(name, event[name]) for name in ("specversion", "id", "source", "type")]
    with Device(broker) as device:
        device.publish("ce/bins", as_json(cloudevent("marked", "BIN-00044")), properties=[("note", "\ufeff")])
        assert [reading.id for reading in bridge.wait_for_readings("BIN-00044", 1)] == ["marked"]
        wait_for(lambda: bridge.connections()[-1].endswith("by MQTT 5"), what="MQTT 5 again")
        device.publish("ce/bins", as_json(event["data"]), properties=properties)
        assert [reading.id for reading in bridge.wait_for_readings("BIN-00045", 1)] == ["after"]


def test_the_broker_may_go_and_come_back(broker: Mosquitto, bridge: Bridge) -> None:
    connected, lost = len(bridge.connections()), bridge.log.read_text().count("ERROR broker")
    broker.stop()
    wait_for(lambda: bridge.log.read_text().count("ERROR broker") > lost, what="the bridge to notice")
    broker.start()
    wait_for(lambda: len(bridge.connections()) > connected, what="the bridge to come back")
    with Device(broker) as device:
        device.publish("ce/bins", as_json(cloudevent("back", "BIN-00061")))
        bridge.wait_for_readings("BIN-00061", 1)


# -- what must survive ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rough_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker that tests may restart; each has a session of its own there."""
    with Mosquitto(tmp_path_factory.mktemp("rough-broker")) as running:
        yield running


def test_a_sender_above_its_rate_is_delayed_and_nothing_is_dropped(
    county: County, tmp_path: Path, redis_server: EmbeddedRedis
) -> None:
    """100 at once are allowed by 10 a second; who had more waits, and others in the same batch do not."""
    key = "key-of-the-slow"
    (tmp_path / "senders.toml").write_text(f'[slow]\nkey_sha256 = "{digest_key(key).hex()}"\nevents_per_s = 10.0\n')
    now = [0.0]
    here = Bridge(tmp_path, tmp_path, "", redis_server.url)

    def send(count: int, at: int) -> list[Publish]:
        return [Publish(f"/ul/{key}/BIN-00080/attrs", f"{AT[:-3]}{at}Z|l|0.{100 + n}".encode()) for n in range(count)]

    async def run() -> None:
        async with open_bridge(county, tmp_path, redis_server.url, Rates(lambda: now[0])) as (bridge, _):
            await bridge.take(send(105, 10))
            assert len(here.readings("BIN-00080")) == 105
            taking = asyncio.create_task(bridge.take([*send(7, 11), Publish("ce/a", as_json(cloudevent("a", BIN)))]))
            await asyncio.to_thread(here.wait_for_readings, BIN, 1)
            await asyncio.to_thread(wait_for, lambda: bridge.state == "degraded", 10, "the wait")
            assert "slow may send 10 events a second" in str(bridge.reason)
            assert len(here.readings("BIN-00080")) == 105
            now[0] = 1.0
            await taking
            assert len(here.readings("BIN-00080")) == 112

    asyncio.run(run())


def test_under_pressure_a_batch_waits(county: County, tmp_path: Path, redis_server: EmbeddedRedis) -> None:
    """The disk is said to be too full for anything; then it is not."""
    here = Bridge(tmp_path, tmp_path, "", redis_server.url)

    async def run() -> None:
        async with open_bridge(county, tmp_path, redis_server.url, disk_mb="10000000") as (bridge, pressure):
            await pressure.look()
            taking = asyncio.create_task(bridge.take([Publish("ce/a", as_json(cloudevent("pressed", "BIN-00065")))]))
            await asyncio.to_thread(wait_for, lambda: "the disk has" in str(bridge.reason), 10, "the wait")
            assert not taking.done() and not here.records()
            pressure.on_everything = pressure.on_readings = None
            await taking
            assert [reading.id for reading in here.readings("BIN-00065")] == ["pressed"]

    asyncio.run(run())


@asynccontextmanager
async def open_bridge(
    county: County, folder: Path, redis_url: str, rates: Rates | None = None, disk_mb: str = "1"
) -> AsyncIterator[tuple[door.Bridge, Pressure]]:
    """A bridge without its process and broker: what becomes of messages that it takes."""
    settings = read_settings({"DATA_DIR": str(folder), "REDIS_URL": redis_url, "READINGS_WAIT_AT_DISK_MB": disk_mb})
    client = connect_async(redis_url)
    streams = AsyncStreams(client, PARTITIONS)
    database = open_database(f"sqlite:///{folder}/county.db")
    pressure = Pressure(streams, database, Limits.of(settings))
    senders = Senders(folder / "senders.toml", KEY)
    preparation = Preparation(county, PARTITIONS, Keyring.make())
    yield (
        door.Bridge(preparation, senders, streams, Sightings(client, "test"), pressure, rates or Rates()),
        pressure,
    )
    await client.aclose()
    database.dispose()


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "redis-data"
    folder.mkdir()
    return folder


def test_nothing_is_acknowledged_before_the_streams_have_it(
    pack: Path, tmp_path: Path, rough_broker: Mosquitto, data_dir: Path
) -> None:
    """Redis goes, the bridge is killed, more comes, the broker starts anew: every message arrives exactly once."""
    server = start_redis(data_dir)
    bridge = Bridge(pack, tmp_path, rough_broker.url, server.url).start_and_wait()
    with Device(rough_broker) as device:
        device.publish(f"/ul/{KEY}/BIN-00050/attrs", "l|0.1")
        bridge.wait_for_readings("BIN-00050", 1)
        server.stop()
        for number in range(20):
            device.publish("ce/bins", as_json(cloudevent(f"waiting-{number}", "BIN-00051")))
        device.publish(f"/ul/{KEY}/BIN-00050/attrs", "l|0.2")
        wait_for(lambda: "nothing is acknowledged" in bridge.log.read_text(), what="the bridge to notice")
        bridge.stop(signal.SIGKILL)
        for number in range(50):
            device.publish("ce/bins", as_json(cloudevent(f"down-{number}", "BIN-00062")))
    rough_broker.stop()
    rough_broker.start()
    server = start_redis(data_dir)
    bridge.start_and_wait()
    try:
        bridge.wait_for_readings("BIN-00051", 20)
        assert {reading.value for reading in bridge.wait_for_readings("BIN-00050", 2)} == {0.1, 0.2}
        assert len(bridge.readings("BIN-00051")) == 20
        assert len(bridge.wait_for_readings("BIN-00062", 50)) == 50
        counted = bridge.tallies()
        assert counted["accepted"] == 72
        assert counted["received"] == counted["accepted"] + counted["duplicate"] + counted.get("rejected", 0)
    finally:
        bridge.stop()
        server.stop()


def test_a_message_delivered_again_is_a_duplicate_with_or_without_a_time(
    pack: Path, tmp_path: Path, rough_broker: Mosquitto, redis_server: EmbeddedRedis
) -> None:
    """The streams have it, the acknowledgement is lost, and the line breaks: the broker delivers it again."""
    cable = Cable(rough_broker)
    bridge = Bridge(pack, tmp_path, cable.url, redis_server.url).start_and_wait()
    try:
        with Device(rough_broker) as device:
            cable.deaf.set()
            device.publish(f"/ul/{KEY}/BIN-00060/attrs", "l|0.3")
            device.publish(f"/ul/{KEY}/BIN-00060/attrs", f"{AT}|l|0.3")
            bridge.wait_for_readings("BIN-00060", 2)
            cable.pull()
            wait_for(lambda: bridge.tallies().get("duplicate") == 2, what="the second delivery")
        assert len(bridge.readings("BIN-00060")) == 2
    finally:
        bridge.stop()
        cable.close()


def test_retained_messages_come_once_and_need_a_time(
    pack: Path, tmp_path: Path, rough_broker: Mosquitto, redis_server: EmbeddedRedis
) -> None:
    timeless = f"gg/v1/{VILLAGE}/000/WasteContainer/BIN-00063/attrs"
    status = f"gg/v1/{VILLAGE}/000/WasteContainer/BIN-00064/status"
    with Device(rough_broker) as device:
        device.publish(timeless, as_json({"fillingLevel": 0.2}), retain=True)
        device.publish(status, b"offline", retain=True)
    cable = Cable(rough_broker)
    bridge = Bridge(pack, tmp_path, cable.url, redis_server.url).start()
    try:
        refused = bridge.wait_for_rejection(topic=timeless)
        assert refused["reason"].startswith("dateObserved: missing from a retained message")
        wait_for(lambda: len(bridge.records()) == 1, what="the status")
        cable.pull()
        wait_for(lambda: len(bridge.connections()) == 2, what="the second connection")
        with Device(rough_broker) as device:
            device.publish("ce/bins", as_json(cloudevent("later", "BIN-00064")))
        bridge.wait_for_readings("BIN-00064", 1)
    finally:
        bridge.stop()
        cable.close()
        with Device(rough_broker) as device:
            for topic in (timeless, status):
                device.publish(topic, b"", retain=True)  # the broker forgets them
    assert len(bridge.rejections()) == 1
    assert [record.online for record in bridge.records() if isinstance(record, DeviceSeen)] == [False]


def test_bridges_that_share_take_each_message_once(
    pack: Path, tmp_path: Path, rough_broker: Mosquitto, redis_server: EmbeddedRedis
) -> None:
    bridges = []
    for name in ("north", "south"):
        folder = tmp_path / name
        folder.mkdir()
        shared = {"MQTT_SHARE": "county", "MQTT_CLIENT_ID": name}
        bridges.append(Bridge(pack, folder, rough_broker.url, redis_server.url, **shared).start())
    try:
        for bridge in bridges:
            wait_for(bridge.connections, what="the bridges")
        with Device(rough_broker) as device:
            for number in range(40):
                device.publish("ce/bins", as_json(cloudevent(f"shared-{number}", "BIN-00066")))
        bridges[0].wait_for_readings("BIN-00066", 40)
        wait_for(lambda: bridges[0].redis.hkeys("parts") and len(bridges[0].redis.hkeys("parts")) == 2, what="both")
    finally:
        for bridge in bridges:
            assert bridge.stop() == 0
    assert (bridges[0].tallies()["accepted"], bridges[0].tallies().get("duplicate", 0)) == (40, 0)


# -- who may, and what cannot start ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA, the broker's certificate for 127.0.0.1 and a client's."""
    folder = tmp_path_factory.mktemp("certificates")
    openssl(folder, "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=test-ca")
    (folder / "san").write_text("subjectAltName=IP:127.0.0.1")
    for name in ("broker", "client"):
        openssl(folder, f"req -newkey rsa:2048 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}")
        openssl(
            folder,
            f"x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt -days 2 -extfile san",
        )
    return folder


def openssl(folder: Path, words: str) -> None:
    subprocess.run(["openssl", *words.split()], cwd=folder, check=True, capture_output=True)


def test_tls_with_a_clients_certificate_and_credentials_that_are_refused_at_first(
    pack: Path, tmp_path: Path, redis_server: EmbeddedRedis, certificates: Path
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch()
    lines = (
        f"password_file {passwords}",
        "allow_anonymous false",
        f"cafile {certificates}/ca.crt",
        f"certfile {certificates}/broker.crt",
        f"keyfile {certificates}/broker.key",
        "require_certificate true",
    )
    files = {name: str(certificates / f"client.{end}") for name, end in (("cert_file", "crt"), ("key_file", "key"))}
    tls = {
        "MQTT_CA_FILE": str(certificates / "ca.crt"),
        "MQTT_CERT_FILE": files["cert_file"],
        "MQTT_KEY_FILE": files["key_file"],
    }
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder, lines, "mqtts") as broker:
        url = broker.url.replace("//", "//bridge:p%40ss%20word@")
        bridge = Bridge(pack, tmp_path, url, redis_server.url, **tls).start()
        try:
            wait_for(lambda: "ERROR broker" in bridge.log.read_text(), what="the refusal")
            assert "not authorized" in bridge.log.read_text()
            subprocess.run(["mosquitto_passwd", "-b", passwords, "bridge", "p@ss word"], check=True)
            broker.process.send_signal(signal.SIGHUP)  # type: ignore[union-attr]
            wait_for(bridge.connections, what="the bridge to be let in")
            login = {"username": "bridge", "password": "p@ss word", "ca_file": certificates / "ca.crt", **files}
            with Device(broker, **login) as device:
                device.publish("ce/bins", as_json(cloudevent("tls", "BIN-00070")))
                bridge.wait_for_readings("BIN-00070", 1)
                device.publish("ce/long", b" " * 300_000)  # more than TLS hands over at once
                bridge.wait_for_rejection(topic="ce/long")
        finally:
            bridge.stop()
        assert "p@ss" not in bridge.log.read_text()
        assert "p%40ss" not in bridge.log.read_text()


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"MQTT_URL": ""}, "MQTT_URL is not set"),
        ({"MQTT_URL": "http://user:hidden@broker"}, "MQTT_URL cannot be used: write mqtt://"),
        ({"MQTT_URL": "mqtts://broker", "MQTT_CA_FILE": "/nowhere.crt"}, "MQTT_CA_FILE"),
    ],
)
def test_what_cannot_start_says_why_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], environ: Mapping[str, str], said: str
) -> None:
    settings = read_settings({"DATA_DIR": str(tmp_path), "REDIS_URL": "redis://127.0.0.1:1", **environ})
    assert door.run(Namespace(), settings) == EXIT_HOPELESS
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert "hidden" not in error


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": "1", "feed": "cases", "asset_id": "A"}, "datastreams[1].feed must be a feed of readings"),
        ({"id": "1", "feed": "air"}, "datastreams[1].asset_id is missing"),
        ({"id": "1", "feed": "air", "asset_id": "A", "scale": 0}, "datastreams[1].scale must be a number above 0"),
    ],
)
def test_a_pack_with_a_broken_datastream_says_which(row: dict[str, Any], said: str) -> None:
    settings = {"code": "339901", "name": {"zh": "县"}, "datastreams": [row]}
    with pytest.raises(PackError, match=re.escape(said)):
        read_profile(settings)


def test_a_broker_is_read_from_its_url() -> None:
    broker = Broker.read_url("mqtt://me:p%40ss@[::1]", "id")
    assert (broker.host, broker.port, broker.username, broker.password, broker.tls) == ("::1", 1883, "me", "p@ss", None)
    assert "p@ss" not in f"{broker} {broker!r}"
    secure = Broker.read_url("mqtts://broker.example", "id")
    assert secure.port == 8883 and secure.tls is not None


@pytest.mark.parametrize(
    ("topic", "masked", "key"),
    [
        ("/json/secret/dev/attrs", "/json/*/dev/attrs", "secret"),
        ("/ul/secret/dev/attrs", "/ul/*/dev/attrs", "secret"),
        ("/secret/dev/attrs", "/*/dev/attrs", "secret"),
        ("/secret/dev/other", "/*/dev/other", None),
        ("ce/x", "ce/x", None),
    ],
)
def test_keys_are_masked_in_topics(topic: str, masked: str, key: str | None) -> None:
    assert mask_key(topic) == (masked, key)
