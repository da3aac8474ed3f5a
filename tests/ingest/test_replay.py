"""Replay against the real ingest: counts, order of things, stops and outages."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from geo.county import County
from tests.appliance import KEY, ROOT, Appliance, wait_for
from tests.ingest.samples import MAPPING


def write_rows(folder: Path, county: County, count: int) -> Path:
    """Rows that take a minute each, the fifth without a place and the seventh a repeat of the sixth."""
    point = county.cells.geometry.iloc[0].representative_point()
    lines = ["number,when,lon,lat"]
    for row in range(count):
        place = "," if row == 4 else f"{point.x},{point.y}"
        lines.append(f"R-{5 if row == 6 else row},2026-03-01 {row // 60 % 24:02d}:{row % 60:02d}:00,{place}")
    path = folder / "rows.csv"
    path.write_text("\n".join(lines))
    (folder / "mapping.toml").write_text(MAPPING)
    return path


def start_replay(appliance: Appliance, file: Path, *options: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "ingest", "replay", str(file), "--mapping", str(file.parent / "mapping.toml"), *options],
        cwd=ROOT,
        env=appliance.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def read_counts(text: str) -> dict[str, int]:
    words = [line.split() for line in text.splitlines()]
    return {row[0]: int(row[1].replace(",", "")) for row in words if len(row) > 1 and row[1].replace(",", "").isdigit()}


def test_a_replay_delivers_and_says_what_became_of_it(appliance: Appliance, county: County, tmp_path: Path) -> None:
    file = write_rows(tmp_path, county, 1200)
    first = start_replay(appliance, file)
    out, _ = first.communicate(timeout=60)
    assert first.returncode == 0
    assert read_counts(out) == {"rows": 1200, "received": 1200, "accepted": 1198, "duplicate": 1, "rejected": 1}
    assert "1 × data.lon" in out
    again = start_replay(appliance, file, "--limit", "10")
    out, _ = again.communicate(timeout=60)
    assert read_counts(out) == {"rows": 10, "received": 10, "accepted": 0, "duplicate": 9, "rejected": 1}
    counters = appliance.counters()
    assert (counters["received"], counters["accepted"], counters["duplicate"], counters["rejected"]) == (
        1210,
        1198,
        10,
        2,
    )


def test_nothing_is_lost_or_doubled_when_ingest_and_redis_die(
    appliance: Appliance, county: County, tmp_path: Path
) -> None:
    file = write_rows(tmp_path, county, 40_000)
    running = start_replay(appliance, file)
    wait_for(lambda: appliance.counters()["accepted"] > 2_000, what="the first rows")
    appliance.parts()["serve"].kill()
    wait_for(lambda: is_answering(appliance), what="ingest to come back")
    appliance.parts()["redis"].kill()
    out, errors = running.communicate(timeout=240)
    assert running.returncode == 0, errors
    assert read_counts(out)["rows"] == 40_000
    wait_for(lambda: is_answering(appliance) and (count := appliance.counters())["recorded"] == count["accepted"] > 0)
    counters = appliance.counters()
    assert counters["accepted"] == 39_998
    assert counters["received"] == counters["accepted"] + counters["duplicate"] + counters["rejected"]


def is_answering(appliance: Appliance) -> bool:
    try:
        return bool(appliance.counters())
    except (OSError, ValueError, KeyError):
        return False


def test_ctrl_c_stops_with_the_counts_so_far(appliance: Appliance, county: County, tmp_path: Path) -> None:
    file = write_rows(tmp_path, county, 1200)
    # A row a minute at 600 times: ten rows a second.
    running = start_replay(appliance, file, "--speed", "600")
    wait_for(lambda: appliance.counters()["received"] >= 8, what="the first rows")
    running.send_signal(signal.SIGINT)
    out, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "stopped before the end; data time reached 2026-02-28" in out
    assert read_counts(out)["received"] == appliance.counters()["received"] < 1200


def test_in_step_with_the_clock(appliance: Appliance, county: County, tmp_path: Path) -> None:
    file = write_rows(tmp_path, county, 31)
    begun = time.monotonic()
    running = start_replay(appliance, file, "--speed", "900")
    running.communicate(timeout=60)
    # Thirty minutes at 900 times: not sooner than two seconds.
    assert time.monotonic() - begun >= 2
    assert appliance.counters()["received"] == 31


def test_a_wrong_key_and_a_wrong_file_are_one_line(appliance: Appliance, county: County, tmp_path: Path) -> None:
    file = write_rows(tmp_path, county, 3)
    refused = start_replay(appliance, file, "--key", f"not-{KEY}")
    _, errors = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert "HTTP 401" in errors
    assert "Traceback" not in errors
    absent = start_replay(appliance, tmp_path / "absent.csv")
    _, errors = absent.communicate(timeout=60)
    assert absent.returncode == 2
    assert errors.splitlines() == [f"county-brain: {tmp_path / 'absent.csv'}: there is no such file"]


def test_it_waits_for_an_ingest_that_is_not_there_yet_and_can_be_stopped(tmp_path: Path, county: County) -> None:
    file = write_rows(tmp_path, county, 3)
    environ = {**os.environ, "DATA_DIR": str(tmp_path / "data"), "INGEST_KEY": KEY}
    command = [sys.executable, "-m", "ingest", "replay", str(file), "--mapping", str(tmp_path / "mapping.toml")]
    # Port 9 (discard) answers nobody.
    running = subprocess.Popen(
        [*command, "--url", "http://127.0.0.1:9"], cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True
    )
    assert running.stderr is not None
    assert "waiting" in running.stderr.readline()
    running.terminate()
    assert running.wait(30) == 130
