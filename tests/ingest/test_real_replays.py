"""Real data that nobody here wrote, by the documented commands, through the real product."""

import os
import re
import shlex
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import geopandas
import pandas
import pytest
import redis

from geo.county import County, load_county
from tests.appliance import ROOT, Appliance, wait_for
from tests.ingest.samples import read_refused

Running = tuple[Appliance, County]


def read_commands(name: str) -> list[list[str]]:
    text = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line) for line in lines if line.strip()]


def import_example(name: str, pack: Path) -> Path:
    """Import an example as its README says, into `pack`; return that folder."""
    command = read_commands(name)[0]
    command[command.index("--out") + 1] = str(pack)
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return pack


@pytest.fixture
def run_example(shared: Path, tmp_path: Path) -> Iterator[Callable[[str], Running]]:
    """Import an example as its README says and start the product on it."""
    started: list[Appliance] = []

    def run(name: str) -> Running:
        pack = import_example(name, tmp_path / "pack")
        started.append(Appliance(tmp_path / "data", pack).start())
        return started[0], load_county(pack)

    yield run
    for appliance in started:
        appliance.stop()


def replay(appliance: Appliance, name: str, number: int, *options: str) -> str:
    """Run the README's n-th replay and return what it printed, once all of it is recorded."""
    replays = [command for command in read_commands(name) if "replay" in command]
    environ = {**os.environ, **appliance.environ}
    done = subprocess.run(
        [*replays[number], *options], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    wait_for(lambda: (count := appliance.counters())["recorded"] == count["accepted"], 120, "the recorder")
    return done.stdout


def query(appliance: Appliance, sql: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(appliance.data_dir / "county.db") as connection:
        return connection.execute(sql).fetchall()


def test_chicago_counts_per_ward_equal_an_independent_join(run_example: Callable[[str], Running], shared: Path) -> None:
    appliance, county = run_example("chicago")
    printed = replay(appliance, "chicago", 0)
    counters = appliance.counters()
    rows = pandas.read_parquet(shared / "data" / "chicago_sanitation_311" / "chicago_sanitation_311.parquet")
    placed = rows.dropna(subset=["latitude", "longitude"]).sort_values("creation_date", kind="stable")
    once = placed.drop_duplicates("sr_number")
    assert len(rows) == 74_401
    assert {name: counters[name] for name in ("received", "accepted", "duplicate", "rejected", "recorded")} == {
        "received": 74_401, "accepted": len(once), "duplicate": len(placed) - len(once),
        "rejected": len(rows) - len(placed), "recorded": len(once),
    }  # fmt: skip
    assert counters["rejected"] == 24
    assert counters["duplicate"] == 375
    assert "24 × data.lon: missing" in printed

    points = geopandas.GeoDataFrame(
        once[["sr_number"]], geometry=geopandas.points_from_xy(once["longitude"], once["latitude"]), crs=4326
    )
    wards = county.areas[county.areas["level"] == "town"][["geometry"]]
    joined = geopandas.sjoin(points, wards, predicate="intersects")
    by_row = dict(zip(joined["sr_number"], joined["code"], strict=True))
    assert (
        dict(query(appliance, "SELECT case_id, substr(cell_code, 1, 9) FROM cases WHERE cell_code IS NOT NULL"))
        == by_row
    )
    in_sql = query(
        appliance, "SELECT substr(cell_code, 1, 9), count(*) FROM cases WHERE cell_code IS NOT NULL GROUP BY 1"
    )
    assert dict(in_sql) == joined["code"].value_counts().to_dict()
    assert len(in_sql) == 50

    numbers = set(rows.loc[rows["latitude"].isna(), "sr_number"])
    client = redis.Redis.from_url(appliance.parts()["serve"].environ()["REDIS_URL"])
    refused = client.xrange("events:rejected")
    assert len(refused) == 24
    for _, fields in refused:
        assert fields[b"field"] == b"data.lon"
        body = read_refused(fields, appliance.data_dir)["body"]
        assert any(number in body for number in numbers)

    replay(appliance, "chicago", 1)
    finished = rows.dropna(subset=["completion_date"])["sr_number"].nunique()
    closed = query(appliance, "SELECT count(*) FROM cases WHERE closed_at IS NOT NULL")
    unplaced = rows[rows["latitude"].isna() & rows["completion_date"].notna()]["sr_number"].nunique()
    assert closed == [(finished - unplaced,)]


def test_los_angeles_is_live_while_it_is_replayed(run_example: Callable[[str], Running], shared: Path) -> None:
    appliance, county = run_example("losangeles")
    # Ten steps of 207 detectors: five seconds at 600 times.
    replay(appliance, "losangeles", 0, "--limit", str(10 * 207))
    assert appliance.counters()["accepted"] == 2_070
    latest = query(appliance, "SELECT asset_id, value, observed_at FROM latest_readings WHERE feed = 'traffic'")
    assert {asset for asset, _, _ in latest} == set(county.assets.index)
    wide = pandas.read_parquet(shared / "data" / "la_loop_speed_week" / "los_speed_5min_wide.parquet")
    speeds = {asset: value for asset, value, _ in latest}
    for sensor in wide.columns[1:]:
        assert speeds[f"LA-{sensor}"] == pytest.approx(wide[sensor][9] * 1.609344, abs=0.06)
    spans = query(appliance, "SELECT (max(observed_at) - min(observed_at)) / 100 FROM readings")
    assert spans == [(45,)]
    origins = query(appliance, "SELECT DISTINCT origin FROM latest_readings")
    assert origins == [("replayed",)]


def test_ankara_shows_the_fullness_of_its_container_points(run_example: Callable[[str], Running], shared: Path) -> None:
    appliance, county = run_example("ankara")
    printed = replay(appliance, "ankara", 0)
    counters = appliance.counters()
    visits = pandas.read_parquet(shared / "data" / "evreka_ankara_containers" / "visits.parquet")
    known = visits[visits["sp_id"].map(lambda point: f"ANK-{point}" in county.assets.index)]
    assert counters["received"] == len(visits) == 66_725
    assert counters["rejected"] == len(visits) - len(known) == 1
    assert "ANK-15769" in printed
    last = known.drop_duplicates().sort_values("visit_at", kind="stable").groupby("sp_id").last()
    fuller = last[["fill_paper", "fill_plastic"]].max(axis=1)
    latest = dict(query(appliance, "SELECT asset_id, value FROM latest_readings WHERE feed = 'waste'"))
    assert latest == pytest.approx({f"ANK-{point}": value for point, value in fuller.items()})
    # One of the 76 points has no visit, and one visit is of a point that nobody placed.
    assert len(latest) == 75
