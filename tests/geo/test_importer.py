"""`python -m geo import`: every kind of file, every kind of fault, and the levels nobody drew."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas
import numpy
import pytest
import shapely
from pyproj import Transformer
from shapely import MultiPolygon, Point, Polygon, box
from shapely.geometry.base import BaseGeometry

from geo.__main__ import main
from geo.county import check_county, load_county
from geo.crs import wgs84_to_bd09, wgs84_to_gcj02

IDENTITY = ["--code", "339902", "--name", "测试县", "--name-en", "Test County"]
LON, LAT = 120.0, 29.7


def square(x: float, y: float, size: float = 0.02) -> Polygon:
    return box(LON + x, LAT + y, LON + x + size, LAT + y + size)


def write(path: Path, shapes: list[BaseGeometry], crs: object = "EPSG:4326", **columns: Any) -> Path:
    frame = geopandas.GeoDataFrame(columns or {"code": range(1, len(shapes) + 1)}, geometry=shapes, crs=crs)
    frame.to_file(path)
    return path


def move(shape: BaseGeometry, forward: Callable[..., Any]) -> BaseGeometry:
    return shapely.transform(shape, lambda xy: numpy.column_stack(forward(xy[:, 0], xy[:, 1])))


def write_csv(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def run(tmp_path: Path, *arguments: object, identity: list[str] = IDENTITY) -> geopandas.GeoDataFrame:
    """Import, insist on a sound pack, and return its areas by code."""
    out = tmp_path / "pack"
    assert main(["import", "--out", str(out), *identity, *map(str, arguments)]) == 0
    county = load_county(out)
    assert check_county(county) == []
    return county.areas


def refuse(capsys: pytest.CaptureFixture[str], tmp_path: Path, *arguments: object) -> str:
    """Import, insist on a refusal with no pack left, and return what it says."""
    capsys.readouterr()
    assert main(["import", "--out", str(tmp_path / "pack"), *IDENTITY, *map(str, arguments)]) == 1
    assert [path.name for path in tmp_path.iterdir() if "pack" in path.name] == []
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize("name", ["towns.geojson", "towns.shp", "towns.gpkg", "towns.parquet"])
def test_every_file_format(tmp_path: Path, name: str) -> None:
    frame = geopandas.GeoDataFrame(
        {"ward": [2, 1], "label": ["乙镇", "甲镇"]}, geometry=[square(0, 0), square(0.02, 0)], crs="EPSG:4326"
    )
    file = tmp_path / name
    frame.to_parquet(file) if name.endswith("parquet") else frame.to_file(file, encoding="utf-8")
    areas = run(tmp_path, "--towns", file, "code={ward}", "name={label}")
    towns = areas[areas["level"] == "town"]
    assert dict(towns["name"]) == {"339902001": "甲镇", "339902002": "乙镇"}
    assert areas["level"].value_counts().to_dict() == {"county": 1, "town": 2, "village": 2, "cell": 2}


@pytest.mark.parametrize("crs", ["gcj02", "bd09", "cgcs2000", "cgcs2000-gk", "cgcs2000-gk:120", "epsg:4547"])
def test_every_coordinate_system_gives_the_same_place(tmp_path: Path, crs: str) -> None:
    forward = {
        "gcj02": wgs84_to_gcj02,
        "bd09": wgs84_to_bd09,
        "cgcs2000": lambda lon, lat: (lon, lat),
        "cgcs2000-gk": Transformer.from_crs(4326, 4528, always_xy=True).transform,
        "cgcs2000-gk:120": Transformer.from_crs(4326, 4549, always_xy=True).transform,
        "epsg:4547": Transformer.from_crs(4326, 4547, always_xy=True).transform,
    }[crs]
    truth = shapely.segmentize(square(0, 0), 0.001)
    file = write(tmp_path / "county.gpkg", [move(truth, forward)], crs=None)
    areas = run(tmp_path, "--county", file, f"crs={crs}")
    assert shapely.hausdorff_distance(areas.geometry["339902"], truth) * 111_320 < 0.2


def test_the_declared_system_outranks_the_files_label(tmp_path: Path) -> None:
    file = write(tmp_path / "county.geojson", [move(square(0, 0), wgs84_to_gcj02)], crs="EPSG:4326")
    areas = run(tmp_path, "--county", file, "crs=gcj02")
    assert shapely.hausdorff_distance(areas.geometry["339902"], square(0, 0)) * 111_320 < 0.2


def test_projected_files_are_converted_by_their_label(tmp_path: Path) -> None:
    frame = geopandas.GeoDataFrame({"code": [1]}, geometry=[square(0, 0)], crs="EPSG:4326").to_crs(4549)
    frame.to_file(tmp_path / "county.shp")
    areas = run(tmp_path, "--county", tmp_path / "county.shp")
    assert shapely.hausdorff_distance(areas.geometry["339902"], square(0, 0)) * 111_320 < 0.2


def test_levels_come_from_columns_of_one_file(tmp_path: Path) -> None:
    codes = ["4401001", "4401002", "4402001", "4501001"]
    file = write(tmp_path / "cells.geojson", [square(0.02 * i, 0) for i in range(4)], ri=codes)
    templates = ["code={ri}", "name=cell {ri}", "town={ri:.2}", "town_name=T{ri:.2}", "village={ri:.4}"]
    areas = run(tmp_path, "--cells", file, *templates)
    assert areas[areas["level"] == "town"]["name"].to_dict() == {"339902044": "T44", "339902045": "T45"}
    assert list(areas[areas["level"] == "village"].index) == ["339902044001", "339902044002", "339902045001"]
    assert areas["name"]["339902044001002"] == "cell 4401002"


def test_official_codes_are_kept(tmp_path: Path) -> None:
    codes = ["339902101203007", "339902101203002"]
    file = write(tmp_path / "cells.geojson", [square(0, 0), square(0.02, 0)], code=codes)
    areas = run(tmp_path, "--cells", file, "town={code:.9}", "village={code:.12}")
    assert sorted(areas.index[areas["level"] == "cell"]) == sorted(codes)
    assert areas.geometry["339902101203007"].equals(square(0, 0))


def test_a_file_for_each_level_nests_by_place(tmp_path: Path) -> None:
    towns = write(tmp_path / "towns.geojson", [square(0, 0), square(0.02, 0)], name=["西镇", "东镇"], code=["A", "B"])
    villages = write(
        tmp_path / "villages.geojson",
        [box(LON, LAT, LON + 0.02, LAT + 0.01), box(LON, LAT + 0.01, LON + 0.02, LAT + 0.02), square(0.02, 0)],
        name=["南村", "北村", "东村"],
    )
    areas = run(tmp_path, "--towns", towns, "--villages", villages)
    parents = {
        row.name: areas["name"][row.parent] for row in areas[areas["level"] == "village"].itertuples(index=False)
    }
    assert parents == {"南村": "西镇", "北村": "西镇", "东村": "东镇"}


def test_seats_names_and_fishnet_make_what_nobody_drew(tmp_path: Path) -> None:
    county = write(tmp_path / "county.geojson", [square(0, 0, 0.1)])
    seats = write_csv(
        tmp_path / "seats.csv",
        [
            {"code": "339902101", "name": "西镇", "lon": LON + 0.02, "lat": LAT + 0.05},
            {"code": "339902102", "name": "东镇", "lon": LON + 0.07, "lat": LAT + 0.05},
            {"code": "339902102", "name": "东镇", "lon": LON + 0.09, "lat": LAT + 0.02},
        ],
    )
    names = write_csv(
        tmp_path / "villages.csv",
        [{"code": f"339902101{i:03d}", "name": f"{i}村"} for i in (201, 202, 203)]
        + [{"code": "339902102201", "name": "东村"}],
    )
    areas = run(tmp_path, "--county", county, "--town-seats", seats, "--village-names", names, "--fishnet", 1000)
    assert areas["level"].value_counts().drop("cell").to_dict() == {"county": 1, "town": 2, "village": 4}
    assert areas.geometry["339902101"].contains(Point(LON + 0.02, LAT + 0.05))
    assert areas.geometry["339902102"].contains(Point(LON + 0.09, LAT + 0.02))
    cells = areas[areas["level"] == "cell"]
    assert 90 < len(cells) < 140
    assert (
        cells["name"]
        == cells["parent"].map(areas["name"]) + "第" + cells.index.str[-3:].astype(int).astype(str) + "网格"
    ).all()
    features = json.loads((tmp_path / "pack" / "areas.geojson").read_text())["features"]
    marked = {f["properties"]["level"] for f in features if f["properties"].get("approximate")}
    assert marked == {"town", "village"}


def test_cells_are_numbered_inside_each_village(tmp_path: Path) -> None:
    file = write(tmp_path / "villages.geojson", [square(0, 0, 0.05), square(0.05, 0, 0.05)])
    areas = run(tmp_path, "--villages", file, "--fishnet", 1000)
    for _village, cells in areas[areas["level"] == "cell"].groupby("parent"):
        assert [int(code[-3:]) for code in cells.index] == list(range(1, len(cells) + 1))
        west = cells.geometry.centroid.x
        assert west.iloc[0] <= west.min() + 0.006
        assert west.iloc[-1] >= west.max() - 0.006


def test_overlaps_and_gaps_are_reported_with_codes_and_settled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = [
        square(0, 0),
        box(LON + 0.0199, LAT, LON + 0.045, LAT + 0.02),
        box(LON, LAT + 0.02005, LON + 0.045, LAT + 0.04),
    ]
    hole = box(LON + 0.03, LAT + 0.025, LON + 0.035, LAT + 0.03)
    shapes[2] = shapes[2] - hole
    closing = box(LON - 0.01, LAT, LON, LAT + 0.04)
    far = box(LON + 0.045, LAT, LON + 0.05, LAT + 0.04)
    file = write(tmp_path / "towns.geojson", [*shapes, closing, far])
    areas = run(tmp_path, "--towns", file)
    text = capsys.readouterr().err
    findings = json.loads((tmp_path / "pack" / "report.json").read_text())["findings"]
    [overlap] = [one for one in findings if one["kind"] == "overlap"]
    assert overlap["codes"] == ["339902001", "339902002"]
    assert overlap["area_m2"] == pytest.approx(0.0001 * 0.02 * 111_320**2 * 0.868, rel=0.02)
    [gap] = [one for one in findings if one["kind"] == "gap"]
    assert gap["codes"] == ["339902003"]
    assert hole.contains(Point(gap["lon"], gap["lat"]))
    assert [one["kind"] for one in findings if one["kind"] == "filled"]
    assert "overlap by" in text
    assert "gap of" in text
    assert areas.geometry["339902"].area == pytest.approx(0.06 * 0.04 - hole.area, rel=1e-6)


def test_broken_rings_are_repaired_or_refused_by_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bow_tie = Polygon([(LON, LAT), (LON + 0.02, LAT + 0.02), (LON + 0.02, LAT), (LON, LAT + 0.02)])
    spike = Polygon([(LON + 0.1, LAT), (LON + 0.2, LAT), (LON + 0.1, LAT)])
    shapes = [bow_tie, square(0.03, 0), spike, Point(LON, LAT), MultiPolygon()]
    file = write(tmp_path / "towns.geojson", shapes, ward=["1", "2", "3", "4", "5"])
    areas = run(tmp_path, "--towns", file, "code={ward}")
    assert list(areas.index[areas["level"] == "town"]) == ["339902001", "339902002"]
    text = capsys.readouterr().err
    assert "row 1: Self-intersection" in text
    assert "row 3: nothing left of it" in text
    assert "row 4: a Point is no area" in text
    assert "row 5: no geometry" in text


def test_rows_without_a_code_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "towns.geojson", [square(0, 0), square(0.02, 0)], ward=["", "2"])
    areas = run(tmp_path, "--towns", file, "code={ward}")
    assert list(areas.index[areas["level"] == "town"]) == ["339902002"]
    assert "row 1: code is empty" in capsys.readouterr().err


def test_strict_refuses_what_would_be_settled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "towns.geojson", [square(0, 0), square(0.019, 0)])
    message = refuse(capsys, tmp_path, "--towns", file, "--strict")
    assert "overlap by" in message
    assert message.splitlines()[-1].startswith("refused")
    assert main(["import", "--out", str(tmp_path / "sound"), *IDENTITY, "--towns",
                 str(write(tmp_path / "good.geojson", [square(0, 0), square(0.02, 0)])), "--strict"]) == 0  # fmt: skip


def test_simplified_borders_still_tile(tmp_path: Path) -> None:
    wavy = shapely.segmentize(square(0, 0, 0.05), 0.0005)
    file = write(tmp_path / "villages.geojson", [wavy, square(0.05, 0, 0.05)])
    areas = run(tmp_path, "--villages", file, "--simplify", 200)
    assert shapely.get_num_coordinates(areas.geometry["339902"]) < 20


def test_assets_and_an_outline_around_them(tmp_path: Path) -> None:
    sensors = write_csv(
        tmp_path / "sensors.csv",
        [{"sensor": i, "y": LAT + 0.01 * i, "x": LON + 0.02 * (i % 2)} for i in range(1, 6)],
    )
    areas = run(
        tmp_path, "--assets", sensors, "asset_id=S-{sensor}", "kind=detector", "name={sensor}号", "lon={x}", "lat={y}",
        "road_class=arterial", "--around-assets", 1500, "--fishnet", 1000,
    )  # fmt: skip
    county = load_county(tmp_path / "pack")
    assert list(county.assets.index) == [f"S-{i}" for i in range(1, 6)]
    assert county.assets["cell_code"].notna().all()
    assert set(county.assets["road_class"]) == {"arterial"}
    assert areas.geometry["339902"].distance(Point(LON + 0.02, LAT + 0.05)) == 0


def test_furniture_stands_in_its_county(tmp_path: Path) -> None:
    file = write(tmp_path / "county.geojson", [square(0, 0, 0.1)])
    areas = run(tmp_path, "--county", file, "--fishnet", 1000, "--furnish")
    assets = load_county(tmp_path / "pack").assets
    cells = areas[areas["level"] == "cell"]
    assert assets["cell_code"].notna().all()
    assert set(assets["kind"]) == {"bin", "detector", "camera", "air_station", "water_station", "grid_worker"}
    workers = assets[assets["kind"] == "grid_worker"]
    assert cells["responsible"].tolist() == workers.index.tolist()
    assert cells.index.tolist() == workers["cell_code"].tolist()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    file = write(tmp_path / "towns.geojson", [square(0, 0, 0.05), square(0.049, 0, 0.05)])
    for name in ("one", "two"):
        arguments = ["--towns", str(file), "--fishnet", "700", "--furnish"]
        assert main(["import", "--out", str(tmp_path / name), *IDENTITY, *arguments]) == 0
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == ["areas.geojson", "assets.csv", "county.toml", "report.json"]
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_settings_keep_their_own_and_borrow_the_rest(tmp_path: Path) -> None:
    settings = tmp_path / "my.toml"
    settings.write_text(
        'code = "110101"\ntime_zone = "Asia/Seoul"\n[name]\nzh = "甲"\n[heat]\nwindow_hours = 720\n'
        '[[categories]]\ncode = "0102"\nzh = "垃圾"\n',
        encoding="utf-8",
    )
    file = write(tmp_path / "county.geojson", [square(0, 0)])
    run(tmp_path, "--county", file, "--settings", settings, identity=[])
    county = load_county(tmp_path / "pack")
    assert county.code == "110101"
    assert county.heat_window.total_seconds() == 720 * 3600
    assert list(county.categories) == ["0102"]
    assert len(county.units) > 3
    assert not county.fictional


def test_a_template_that_leaves_nothing_else_known(tmp_path: Path) -> None:
    file = write(tmp_path / "county.geojson", [square(0, 0)])
    run(tmp_path, "--county", file)
    county = load_county(tmp_path / "pack")
    assert (county.name.zh, county.name.en, str(county.time_zone)) == ("测试县", "Test County", "Asia/Shanghai")
    assert "0102" in county.categories


def test_unusable_input_gives_one_clear_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path / "good.geojson", [square(0, 0)])
    empty = tmp_path / "empty.geojson"
    empty.write_text('{"type": "FeatureCollection", "features": []}')
    garbage = tmp_path / "garbage.geojson"
    garbage.write_text("no json")
    metric = write(tmp_path / "metric.gpkg", [box(500000, 3e6, 501000, 3e6 + 1000)], crs=None)
    far_seat = write_csv(tmp_path / "seat.csv", [{"code": "1", "name": "远", "lon": 100, "lat": 20}])
    bin_with_wrong_lon = ["asset_id=1", "kind=bin", "lon={name}"]
    cases: list[tuple[str, list[object]]] = [
        ("no such file", ["--towns", tmp_path / "missing.geojson"]),
        ("no areas in it", ["--towns", empty]),
        ("cannot be read", ["--towns", garbage]),
        ("column 'ward' is missing; there are code", ["--towns", good, "code={ward}"]),
        ("unknown field 'colour'", ["--towns", good, "colour={code}"]),
        ("must be FIELD=TEMPLATE", ["--towns", good, "code"]),
        ("unknown coordinate system 'mars'", ["--towns", good, "crs=mars"]),
        ("says no coordinate system", ["--towns", metric]),
        ("no degrees; add crs=NAME", ["--towns", metric, "crs=wgs84"]),
        ("nothing to import", ["--fishnet", "500"]),
        ("lies outside the county", ["--county", good, "--town-seats", far_seat]),
        ("asset_id is missing; say asset_id=TEMPLATE", ["--county", good, "--assets", far_seat]),
        ("row 1: lon '远' is no number", ["--county", good, "--assets", far_seat, *bin_with_wrong_lon]),
        ("be from 0 to 999", ["--county", good, "--fishnet", "20"]),
    ]
    for reason, arguments in cases:
        message = refuse(capsys, tmp_path, *arguments)
        assert reason in message, (arguments, message)
        assert len(message.splitlines()) == 1, message


def test_an_existing_folder_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "county.geojson", [square(0, 0)])
    run(tmp_path, "--county", file)
    before = (tmp_path / "pack" / "areas.geojson").read_bytes()
    assert main(["import", "--out", str(tmp_path / "pack"), *IDENTITY, "--county", str(file)]) == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "pack" / "areas.geojson").read_bytes() == before


def test_a_place_that_cannot_be_written_gives_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "county.geojson", [square(0, 0)])
    assert main(["import", "--out", str(file / "pack"), *IDENTITY, "--county", str(file)]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


def test_check_says_what_is_wrong_with_a_pack(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(tmp_path / "towns.geojson", [square(0, 0), square(0.02, 0)])
    run(tmp_path, "--towns", file)
    pack = tmp_path / "pack"
    assert main(["check", str(pack)]) == 0
    areas = json.loads((pack / "areas.geojson").read_text())
    cell = next(f for f in areas["features"] if f["properties"]["level"] == "cell")
    cell["geometry"] = shapely.geometry.mapping(square(0, 0, 0.019))
    (pack / "areas.geojson").write_text(json.dumps(areas))
    capsys.readouterr()
    assert main(["check", str(pack)]) == 1
    assert "gap" in capsys.readouterr().out
    assert main(["check", str(tmp_path / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err
