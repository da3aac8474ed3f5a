"""The whole product with a broker: what a device says by MQTT is recorded, live and on its card."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.appliance import KEY, Appliance, wait_for
from tests.broker import Device, Mosquitto

BIN = "BIN-00001"
STATUS = f"gg/v1/339901001001/000/WasteContainer/{BIN}/status"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder) as running:
        yield running


@pytest.fixture
def bridged(tmp_path: Path, demo_folder: Path, broker: Mosquitto) -> Iterator[Appliance]:
    running = Appliance(tmp_path / "data", demo_folder, {"MQTT_URL": broker.url}).start()
    yield running
    assert running.stop() == 0


def read_card(appliance: Appliance) -> dict[str, str]:
    card: dict[str, Any] = appliance.get("/api/explain/smart_bins/0")
    return {fact["label"]: fact["value"] for fact in card["facts"]}


def test_a_device_is_live_goes_offline_and_comes_back(bridged: Appliance, broker: Mosquitto) -> None:
    def find_bridge() -> bool:
        told: dict[str, Any] = bridged.health()["parts"]["processes"].get("mqtt", {})
        return told.get("state") == "ok"

    wait_for(find_bridge, what="the bridge in /health")
    device = Device(broker, will=(STATUS, b"offline"))
    device.publish(f"/json/{KEY}/{BIN}/attrs", msgspec.json.encode({"fillingLevel": 0.37}))
    wait_for(lambda: read_card(bridged)["满溢度"] == "37 %", what="the reading on the card")
    device.vanish()
    wait_for(lambda: read_card(bridged).get("连接") == "离线", what="the last will on the card")
    bridged.parts()["mqtt"].kill()
    with Device(broker, 4) as again:
        again.publish(f"/ul/{KEY}/{BIN}/attrs", "fillingLevel|0.41")
        wait_for(lambda: read_card(bridged)["满溢度"] == "41 %", what="the reading after a crash of the bridge")
    assert "连接" not in read_card(bridged)
    counted = wait_for(lambda: (found := bridged.counters())["recorded"] == 3 and found, what="the recorder")
    assert (counted["accepted"], counted["rejected"]) == (3, 0)
