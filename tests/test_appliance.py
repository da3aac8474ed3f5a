"""The product as a whole, as a user starts, uses, breaks and stops it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from functools import partial
from pathlib import Path

import psutil
import pytest
import sqlalchemy

from geo.county import County
from tests.appliance import ROOT, Appliance, act, envelope, free_port, report, wait_for


def centre(county: County, position: int = 0) -> tuple[float, float]:
    point = county.cells.geometry.iloc[position].representative_point()
    return point.x, point.y


def drain(appliance: Appliance) -> dict[str, int]:
    """Return the counters once everything accepted is recorded."""
    wait_for(lambda: (count := appliance.counters())["recorded"] == count["accepted"], what="the recorder")
    return appliance.counters()


def test_a_posted_case_is_counted_recorded_and_live(appliance: Appliance, county: County) -> None:
    answer = appliance.post(
        report("A-1", *centre(county)), report("A-1", *centre(county)), report("", 0, 0, severity=9)
    )
    assert (answer["received"], answer["accepted"], answer["duplicate"]) == (3, 1, 1)
    assert [refused["index"] for refused in answer["rejected"]] == [2]
    counters = drain(appliance)
    assert {name: counters[name] for name in ("received", "accepted", "duplicate", "rejected", "recorded")} == {
        "received": 3, "accepted": 1, "duplicate": 1, "rejected": 1, "recorded": 1,
    }  # fmt: skip
    with urllib.request.urlopen(f"{appliance.web_url}/live", timeout=10) as stream:
        frames = (json.loads(line.removeprefix(b"data:")) for line in stream if line.startswith(b"data:"))
        rows = next(rows for frame in frames if (rows := frame.get("cases")))  # the hub hears it when it hears it
    assert [row["case_id"] for row in rows] == ["A-1"]


def test_counters_and_records_survive_a_restart(appliance: Appliance, county: County) -> None:
    appliance.post(*(report(f"B-{number}", *centre(county, number)) for number in range(50)))
    before = drain(appliance)
    assert appliance.stop() == 0
    appliance.start()
    assert appliance.counters() == before
    assert appliance.post(report("B-7", *centre(county, 7)))["duplicate"] == 1


def test_a_crash_of_any_part_loses_nothing(appliance: Appliance, county: County) -> None:
    """A sender repeats what was not answered; every event it got an answer for is recorded once."""
    sent = 0
    for turn, part in enumerate(("record", "redis", "serve", "dashboard", "record")):
        for number in range(20):
            event = report(f"C-{turn}-{number}", *centre(county, number))
            wait_for(partial(_accepts, appliance, event), what=f"an answer after {part}")
            sent += 1
            if number == 10:
                appliance.parts()[part].kill()
    counters = drain(appliance)
    assert (counters["accepted"], counters["recorded"], counters["rejected"]) == (sent, sent, 0)
    with sqlalchemy.create_engine(f"sqlite:///{appliance.data_dir / 'county.db'}").connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT count(*) FROM cases")) == sent
    wait_for(lambda: _asks(appliance, "/api/cases?limit=1").get("total") == sent, what="the live state")


def _asks(appliance: Appliance, path: str) -> dict[str, object]:
    try:
        answer: dict[str, object] = appliance.get(path)
    except OSError:
        return {}
    return answer


def _accepts(appliance: Appliance, event: dict[str, object]) -> bool:
    try:
        answer = appliance.post(event)
    except OSError:
        return False
    return answer["accepted"] + answer["duplicate"] == 1


def test_it_says_degraded_and_recovers_while_redis_is_away(appliance: Appliance, county: County) -> None:
    redis = appliance.parts()["redis"]
    redis.suspend()
    try:
        wait_for(lambda: appliance.health()["status"] != "ok", what="degraded health")
        with pytest.raises(OSError):
            appliance.post(report("D-1", *centre(county)))
    finally:
        redis.resume()
    wait_for(lambda: _accepts(appliance, report("D-1", *centre(county))), what="recovery")
    assert drain(appliance)["accepted"] == 1


def test_nothing_outlives_it(appliance: Appliance) -> None:
    assert appliance.process is not None
    parts = psutil.Process(appliance.process.pid).children(recursive=True)
    assert len(parts) >= 4
    appliance.stop(signal.SIGKILL)
    wait_for(lambda: not any(part.is_running() for part in parts), what="the parts to end")


def test_a_late_action_and_an_early_one_close_their_cases(appliance: Appliance, county: County) -> None:
    appliance.post(act("E-1", "close"))
    appliance.post(report("E-1", *centre(county)), report("E-2", *centre(county)))
    appliance.post(act("E-2", "dispatch", unit="U01"))
    drain(appliance)
    wait_for(lambda: appliance.get("/api/cases")["total"] == 1, what="one open case")
    assert appliance.get("/api/cases")["cases"][0]["case_id"] == "E-2"


def test_a_report_from_outside_the_county_is_an_answer(appliance: Appliance) -> None:
    assert appliance.post(report("F-1", 0.0, 0.0))["accepted"] == 1
    drain(appliance)
    wait_for(lambda: appliance.get("/api/cases")["total"] == 1, what="the case")


def test_a_refusal_names_field_and_reason_and_keeps_the_bytes(appliance: Appliance, county: County) -> None:
    answer = appliance.post(envelope("case.reported", "G-1", {"title": "x"}), report("G-2", *centre(county)))
    assert answer["accepted"] == 1
    assert "category" in answer["rejected"][0]["reason"] or "data." in answer["rejected"][0]["reason"]


@pytest.fixture
def environ(tmp_path: Path, demo_folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "COUNTY": str(demo_folder),
        "DATA_DIR": str(tmp_path / "data"),
        "WEB_PORT": str(free_port()),
        "INGEST_PORT": str(free_port()),
        "SIMULATOR": "0",
    }


def refuse(environ: dict[str, str], *arguments: str) -> str:
    """Run `app.py` where it cannot start; return its one line."""
    ended = subprocess.run(
        [sys.executable, "app.py", *arguments], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60
    )
    assert ended.returncode not in (0, 1), ended.stderr
    assert "Traceback" not in ended.stderr
    lines = [line for line in ended.stderr.splitlines() if line.startswith("county-brain:")]
    assert len(lines) == 1, ended.stderr
    return lines[0]


@pytest.mark.parametrize("name", ["WEB_PORT", "INGEST_PORT"])
def test_a_port_in_use_is_one_clear_line(environ: dict[str, str], name: str) -> None:
    with socket.create_server(("127.0.0.1", int(environ[name]))):
        assert f"{name} {environ[name]}" in refuse(environ)


def test_an_unwritable_data_folder_is_one_clear_line(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refuse(environ | {"DATA_DIR": str(tmp_path / "file" / "data")})


def test_a_broken_pack_is_one_clear_line(environ: dict[str, str], tmp_path: Path, demo_folder: Path) -> None:
    assert "county.toml" in refuse(environ, "--county", str(tmp_path))
    (tmp_path / "county.toml").write_text(
        (demo_folder / "county.toml").read_text().replace('code = "339901"', 'code = "33"', 1)
    )
    assert "code" in refuse(environ, "--county", str(tmp_path))


def test_a_bad_setting_is_one_clear_line(environ: dict[str, str]) -> None:
    assert "WEB_PORT" in refuse(environ, "--port", "eighty")


def test_a_wrong_key_is_refused(appliance: Appliance) -> None:
    request = urllib.request.Request(
        f"{appliance.ingest_url}/v1/events",
        b"[]",
        {"Content-Type": "application/cloudevents-batch+json", "Authorization": "Bearer wrong"},
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=10)
    assert refusal.value.code == 401
