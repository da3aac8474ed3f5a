"""The watch at work in the whole product: real ingest, recorder, SQL and screens, and a watch that is killed."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from brain.__main__ import main
from brain.watching import SOURCE
from geo.county import County
from ingest.history import read_case
from ingest.lease import Lease
from ingest.rows.alarms import AlarmStep, read_alarm_steps
from ingest.stream import connect
from ingest.supervisor import EXIT_HOPELESS
from tests.appliance import Appliance, act, envelope, report, wait_for

HOT = """
off = ["bin_fire", "feed_silent"]
[[readings]]
key = "hot"
zh = "高温"
en = "Hot"
severity = 2
feed = "waste"
measure = "temperature"
at_least = 70
dead_band = 10
escalate = [{ after_min = 0.01, to = "supervisor" }]
case = { category = "0107", after_min = 0 }
"""


def make_pack(folder: Path, demo: Path, alarms: str) -> Path:
    shutil.copytree(demo, folder)
    (folder / "alarms.toml").write_text(alarms, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    folder = tmp_path_factory.mktemp("watch")
    pack = make_pack(folder / "pack", demo_folder, HOT)
    appliance = Appliance(folder / "data", pack, {"ALARMS": "1"}).start()
    yield appliance
    assert appliance.stop() == 0


def measure(running: Appliance, asset: str, temperature: float, **changes: Any) -> None:
    moment = datetime.now(UTC).isoformat()
    data = {"type": "WasteContainer", "id": asset, "temperature": temperature, "dateObserved": moment}
    running.post(envelope("iot.observed", f"{asset} {moment}", data) | changes)


def read_steps(running: Appliance, alarm_id: str) -> list[AlarmStep]:
    with running.reading() as engine:
        return read_alarm_steps(engine, alarm_id)


def wait_steps(running: Appliance, alarm_id: str, *actions: str) -> list[AlarmStep]:
    def look() -> list[AlarmStep] | None:
        steps = read_steps(running, alarm_id)
        return steps if {step.action for step in steps} >= set(actions) else None

    return wait_for(look, 40, f"{actions} of {alarm_id}") or []


def see(running: Appliance, thing: str) -> list[dict[str, Any]]:
    """The alarms about a thing as a new screen is told them."""
    with httpx.stream("GET", f"{running.web_url}/live", timeout=10, trust_env=False) as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data:"))
    return [alarm for alarm in json.loads(line.removeprefix("data:"))["alarms"] if alarm["thing"] == thing]


def test_a_reading_beyond_its_bound_is_an_alarm_everywhere(running: Appliance, county: County) -> None:
    bin_id, name = str(county.assets.index[0]), str(county.assets["name"].iloc[0])
    measure(running, bin_id, 85.5, origin="simulated")
    steps = wait_steps(running, f"hot:{bin_id}", "raise", "escalate", "to_case")

    raised = steps[0]
    assert (raised.source, raised.origin, raised.details["value"]) == (SOURCE, "simulated", 85.5)
    assert (raised.details["subject"], raised.details["thing"]) == (f"高温：{name}", bin_id)
    assert raised.details["cell_code"] == county.assets["cell_code"].iloc[0]
    [shown] = see(running, name)
    assert (shown["state"], shown["severity"], shown["name_en"], shown["simulated"]) == ("unacked", 2, "Hot", True)

    [case_id] = [step.details["case_id"] for step in steps if step.action == "to_case"]
    with running.reading() as engine:
        file = wait_for(lambda: read_case(engine, case_id), 20, "the case")
        assert (file.case.category, file.case.severity, file.case.origin) == ("0107", 2, "simulated")


def test_what_chatters_is_one_alarm_and_a_killed_watch_repeats_and_loses_nothing(
    running: Appliance, county: County
) -> None:
    chattering, gone, new = (str(asset) for asset in county.assets.index[1:4])
    for temperature in (75, 65, 75, 61, 80):
        measure(running, chattering, temperature)
    measure(running, gone, 75)
    wait_steps(running, f"hot:{chattering}", "raise", "escalate", "to_case")
    wait_steps(running, f"hot:{gone}", "raise")

    running.parts()["watch"].kill()
    measure(running, chattering, 76)
    measure(running, gone, 20)  # while nobody watches
    measure(running, new, 90)
    wait_steps(running, f"hot:{gone}", "clear")
    wait_steps(running, f"hot:{new}", "raise")

    told = [step.action for step in read_steps(running, f"hot:{chattering}")]
    assert sorted(told) == ["escalate", "raise", "to_case"], "each thing was said once"
    assert [step.action for step in read_steps(running, f"hot:{gone}")].count("clear") == 1


def test_a_severe_case_that_nobody_answers_is_an_alarm_until_somebody_does(running: Appliance, county: County) -> None:
    point = county.cells.geometry.iloc[0].representative_point()
    running.post(report("W-1", point.x, point.y, severity=1, category="0107"))
    wait_steps(running, "severe_case:W-1", "raise")
    running.post(act("W-1", "dispatch", unit="sanitation"))
    wait_steps(running, "severe_case:W-1", "clear")


@pytest.mark.parametrize("command", ["check", "watch"])
def test_bad_rules_are_named_by_file_rule_and_field(
    command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, demo_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = HOT.replace('measure = "temperature"', 'measure = "temperature"\non_delay_s = "long"')
    monkeypatch.setenv("COUNTY", str(make_pack(tmp_path / "pack", demo_folder, bad)))
    monkeypatch.setenv("DATA_DIR", str(tmp_path))
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:9")
    assert main([command]) == EXIT_HOPELESS
    assert "alarms.toml: readings[1] 'hot'.on_delay_s" in caplog.text


def test_one_of_several_holds_the_lease_until_it_leaves(redis_url: str) -> None:
    first, second = (Lease(connect(redis_url), "alarms") for _ in range(2))
    assert (first.hold(), second.hold(), first.hold()) == (True, False, True)
    first.leave()
    assert (second.hold(), first.hold()) == (True, False)
