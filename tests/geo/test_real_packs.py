"""The documented commands, run as they stand in `examples/*/README.md`, on data that nobody here wrote."""

import json
import re
import shlex
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from pathlib import Path

import geopandas
import numpy
import pandas
import pytest
import shapely

from geo.__main__ import main
from geo.county import County, check_county, load_county
from geo.lookup import CellLookup

ROOT = Path(__file__).resolve().parents[2]

Import = Callable[..., County]


@pytest.fixture(scope="module")
def run_example(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Import:
    """Run the n-th command of an example's README, once, into a folder of the tests' own, and load the pack."""

    @cache
    def run(name: str, number: int = 0) -> County:
        text = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
        command = shlex.split(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)[number].replace("\\\n", " "))
        assert command[:3] == [".venv/bin/python", "-m", "geo"]
        out = tmp_path_factory.mktemp("packs") / f"{name}-{number}"
        command[command.index("--out") + 1] = str(out)
        with chdir(ROOT):
            assert main(command[3:]) == 0
        return load_county(out)

    return run


def count(county: County) -> dict[str, int]:
    return {str(level): int(number) for level, number in county.areas["level"].value_counts().items()}


def read_findings(county: County, kind: str) -> list[dict[str, object]]:
    findings = json.loads((county.folder / "report.json").read_text(encoding="utf-8"))["findings"]
    return [finding for finding in findings if finding["kind"] == kind]


def test_chicago_counts_per_ward_equal_an_independent_join(run_example: Import, shared: Path) -> None:
    county = run_example("chicago")
    assert check_county(county) == []
    assert count(county)["town"] == count(county)["village"] == 50
    assert (str(county.time_zone), county.clock_anchor) == ("America/Chicago", "data")
    folder = shared / "data" / "chicago_sanitation_311"
    complaints = pandas.read_parquet(folder / "chicago_sanitation_311.parquet").dropna(subset=["latitude"])
    points = geopandas.GeoDataFrame(
        geometry=geopandas.points_from_xy(complaints["longitude"], complaints["latitude"]), crs=4326
    )
    cells = CellLookup(county.cells).find_cells(points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    placed = pandas.Series([county.cells.index[cell][:9] if cell >= 0 else None for cell in cells])
    towns = county.areas[county.areas["level"] == "town"][["geometry"]]
    joined = geopandas.sjoin(points, towns, predicate="intersects")["code"]
    assert not joined.index.has_duplicates
    assert placed.dropna().to_dict() == joined.to_dict()

    # The untouched file agrees wherever it has one answer that does not hang on a tenth of a metre.
    wards = geopandas.read_file(folder / "chicago_wards_2015.geojson")
    borders = shapely.STRtree(shapely.boundary(numpy.asarray(wards.geometry)))
    near, _ward = borders.query(numpy.asarray(points.geometry), predicate="dwithin", distance=10 / 111_320)
    clear = ~points.index.isin(near)
    raw = geopandas.sjoin(points[clear], wards, predicate="within")["ward"].astype(int)
    assert not raw.index.has_duplicates
    assert placed[clear].dropna().str[6:].astype(int).to_dict() == raw.to_dict()
    assert clear.sum() > 60_000


def test_zhuji_is_the_same_from_wgs84_and_from_raw_gcj02(run_example: Import, shared: Path) -> None:
    county, raw = run_example("zhuji"), run_example("zhuji", 1)
    assert check_county(county) == []
    assert list(county.areas.index) == list(raw.areas.index)
    assert county.areas["name"].equals(raw.areas["name"])
    metres = shapely.hausdorff_distance(county.areas.geometry.array, raw.areas.geometry.array) * 111_320
    assert metres.max() < 1

    levels = count(county)
    assert (levels["town"], levels["village"]) == (23, 515)
    assert 2000 < levels["cell"] < 5000
    outline = geopandas.read_file(shared / "data/zhuji_admin/zhuji_boundary_wgs84.geojson").geometry[0]
    assert shapely.hausdorff_distance(county.areas.geometry["330681"], outline) * 111_320 < 0.2
    assert county.areas.geometry["330681"].symmetric_difference(outline).area < 1e-6 * outline.area


def test_zhuji_names_codes_and_seats_are_the_official_ones(run_example: Import, shared: Path) -> None:
    areas = run_example("zhuji").areas
    folder = shared / "data" / "zhuji_admin"
    towns = pandas.read_csv(folder / "towns.csv", dtype=str).set_index("code")["name"]
    villages = pandas.read_csv(folder / "villages.csv", dtype=str).set_index("code12")["name"]
    assert areas[areas["level"] == "town"]["name"].to_dict() == towns.to_dict()
    assert areas[areas["level"] == "village"]["name"].to_dict() == villages.to_dict()
    seats = pandas.read_csv(folder / "town_seat_points_geonames.csv", dtype={"town_code": str})
    missing = pandas.read_csv(ROOT / "examples/zhuji/town_seats_missing.csv", dtype={"code": str})
    assert set(seats["town_code"]) | set(missing["code"]) == set(towns.index)
    assert missing["source"].str.contains("unverified").all()
    for code, lon, lat in [
        *seats[["town_code", "lon", "lat"]].itertuples(index=False),
        *missing[["code", "lon", "lat"]].itertuples(index=False),
    ]:
        assert areas.geometry[code].contains(shapely.Point(lon, lat))


def test_zhuji_has_what_the_simulator_needs(run_example: Import) -> None:
    county = run_example("zhuji")
    assert county.assets["cell_code"].notna().all()
    kinds = county.assets["kind"].value_counts()
    assert kinds["grid_worker"] == len(county.cells)
    assert set(kinds.index) == {"bin", "detector", "camera", "air_station", "water_station", "grid_worker"}
    assert kinds["bin"] > 1000
    assert set(county.cells["responsible"]) <= set(county.assets.index)
    assert len(county.categories) > 20


def test_korea_tiles_again(run_example: Import) -> None:
    county = run_example("korea")
    assert count(county) == {"county": 1, "town": 145, "village": 1500, "cell": 15_297}
    assert [finding["text"] for finding in read_findings(county, "refused")] == ["ri.parquet row 1: code is empty"]
    assert read_findings(county, "lost") == []
    assert str(county.time_zone) == "Asia/Seoul"
    assert shapely.coverage_is_valid(county.cells.geometry.array)
    villages = county.areas[county.areas["level"] == "village"]
    assert shapely.coverage_is_valid(villages.geometry.array)
    gained = sum(float(str(one["area_m2"])) for one in read_findings(county, "filled"))
    assert gained < 0.002 * 1e6 * 100_000
    # What a browser has to hold: see the README.
    assert shapely.get_num_coordinates(county.cells.geometry.array).sum() < 400_000


@pytest.mark.parametrize(
    ("name", "kind", "assets", "zone"),
    [
        ("losangeles", "detector", 207, "America/Los_Angeles"),
        ("ankara", "bin", 76, "Europe/Istanbul"),
    ],
)
def test_counties_around_their_assets(run_example: Import, name: str, kind: str, assets: int, zone: str) -> None:
    county = run_example(name)
    assert check_county(county) == []
    assert len(county.assets) == assets
    assert set(county.assets["kind"]) == {kind}
    assert county.assets["cell_code"].notna().all()
    assert str(county.time_zone) == zone
    border = county.areas.geometry[county.code].boundary
    points = shapely.points(county.assets["lon"].to_numpy(float), county.assets["lat"].to_numpy(float))
    assert numpy.asarray(shapely.distance(points, border)).min() * 111_320 > 1900
