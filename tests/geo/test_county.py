"""A pack loads whole, or is refused with one line that names file, field and reason."""

import json
import logging
from collections.abc import Callable
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from geo.assets import list_former_ids
from geo.county import PackError, check_county, load_county

COUNTY_TOML = 'code = "339901"\n[name]\nzh = "试验县"\n'
HEADER = "asset_id,kind,name,lon,lat,road_class,capacity_l\n"


def square(west: float, south: float, width: float = 0.01, height: float = 0.01) -> dict[str, Any]:
    east, north = west + width, south + height
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def make_area(code: str, level: str, geometry: dict[str, Any], **more: Any) -> dict[str, Any]:
    parent = None if level == "county" else code[:-3]
    properties = {"code": code, "level": level, "name": f"区{code}", "parent": parent, **more}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def make_areas() -> list[dict[str, Any]]:
    """One town, one village, and two cells side by side with a common border at longitude 120.01."""
    whole = square(120, 29, width=0.02)
    return [
        make_area("339901", "county", whole),
        make_area("339901100", "town", whole),
        make_area("339901100200", "village", whole),
        make_area("339901100200001", "cell", square(120, 29), responsible="GW-1", valid_from="2024-01-01"),
        make_area("339901100200002", "cell", square(120.01, 29)),
    ]


def write_pack(
    folder: Path,
    areas: list[dict[str, Any]] | None = None,
    toml: str = COUNTY_TOML,
    assets: str | None = None,
    **collection: Any,
) -> Path:
    features = make_areas() if areas is None else areas
    body = {"type": "FeatureCollection", "features": features, **collection}
    (folder / "areas.geojson").write_text(json.dumps(body), encoding="utf-8")
    (folder / "county.toml").write_text(toml, encoding="utf-8")
    if assets is not None:
        (folder / "assets.csv").write_text(assets, encoding="utf-8")
    return folder


def test_small_pack_loads_with_defaults(tmp_path: Path) -> None:
    county = load_county(write_pack(tmp_path))
    assert (county.code, county.name.zh, county.name.en) == ("339901", "试验县", "试验县")
    assert county.time_zone.key == "Asia/Shanghai"
    assert list(county.cells.index) == ["339901100200001", "339901100200002"]
    first = county.cells.iloc[0]
    assert (first["responsible"], first["valid_from"], first["valid_to"]) == ("GW-1", date(2024, 1, 1), None)
    assert county.areas.loc["339901", "parent"] is None
    assert county.bbox == pytest.approx((120, 29, 120.02, 29.01))
    assert county.roads is None
    assert county.rivers is None
    assert county.assets.empty
    assert list(county.feeds) == ["cases", "waste", "traffic", "air", "water", "workers", "rounds", "alerts"]
    assert not any(feed.declared for feed in county.feeds.values())
    assert county.thresholds.bin_full_ratio == 0.8
    assert county.thresholds.road_speed_kmh["arterial"] == (40, 30, 20, 15)
    assert county.heat_window == timedelta(hours=24)
    assert county.clock_anchor == "system"
    assert county.fictional is False
    assert county.calendar.working_hours[0] == (time(8, 30), time(12))
    assert check_county(county) == []


def test_settings_are_typed(tmp_path: Path) -> None:
    toml = (
        COUNTY_TOML.replace("[name]", 'fictional = true\ntime_zone = "America/Chicago"\n[name]')
        + """
[clock]
anchor = "data"
[heat]
window_hours = 6
[calendar]
holidays = [2026-10-01]
[thresholds.free_flow_kmh]
branch = 40
[[categories]]
code = "0102"
zh = "暴露垃圾"
limit_hours = 4
[[units]]
code = "U01"
zh = "执法队"
en = "Team"
[[feeds]]
key = "waste"
stale_after_s = 60
[[feeds]]
key = "noise"
zh = "噪声"
unit = "dB"
"""
    )
    county = load_county(write_pack(tmp_path, toml=toml))
    assert county.time_zone.key == "America/Chicago"
    assert county.fictional is True
    assert county.clock_anchor == "data"
    assert county.heat_window == timedelta(hours=6)
    assert county.calendar.holidays == {date(2026, 10, 1)}
    assert county.thresholds.free_flow_kmh == {"expressway": 80, "arterial": 60, "branch": 40}
    assert (county.categories["0102"].en, county.categories["0102"].limit_hours) == ("暴露垃圾", 4)
    assert county.units["U01"].en == "Team"
    waste, noise = county.feeds["waste"], county.feeds["noise"]
    assert (waste.name.en, waste.stale_after, waste.declared) == ("Smart bins", timedelta(minutes=1), False)
    assert (noise.name.en, noise.unit, noise.declared) == ("噪声", "dB", True)


def test_unknown_keys_are_only_warned_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    toml = COUNTY_TOML + 'colour = "red"\n[[feeds]]\nkey = "noise"\nwhim = 1\n'
    with caplog.at_level(logging.WARNING):
        load_county(write_pack(tmp_path, toml=toml))
    assert "name.colour" in caplog.text
    assert "feeds.whim" in caplog.text


def test_assets_are_placed_in_cells(tmp_path: Path) -> None:
    assets = HEADER + (
        "B1,bin,甲,120.005,29.005,,240\n"
        "D1,detector,乙,120.01,29.005,branch,\n"  # on the common border: the lower code
        "C1,camera,丙,121.5,29.005,,\n"
    )
    county = load_county(write_pack(tmp_path, assets=assets))
    assert county.assets["cell_code"].tolist() == ["339901100200001", "339901100200001", None]
    assert county.assets.loc["B1", "capacity_l"] == 240
    assert county.assets["capacity_l"].isna().tolist() == [False, True, True]
    assert county.assets.loc["B1", "name_en"] == "甲"


def test_sensors_of_a_declared_feed_are_assets(tmp_path: Path) -> None:
    toml = COUNTY_TOML + '[[feeds]]\nkey = "noise"\n'
    county = load_county(write_pack(tmp_path, toml=toml, assets=HEADER + "N1,noise,甲,120.005,29.005,,\n"))
    assert county.assets.loc["N1", "kind"] == "noise"


def test_revision_follows_every_file(tmp_path: Path) -> None:
    before = load_county(write_pack(tmp_path)).revision
    assert load_county(tmp_path).revision == before
    assert len(before) == 12
    (tmp_path / "rivers.geojson").write_text('{"type": "FeatureCollection", "features": []}')
    assert load_county(tmp_path).revision != before


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("code = ", ["county.toml", "TOML"]),
        ('[name]\nzh = "县"', ["county.toml", "code", "missing"]),
        ('code = "33990"\n[name]\nzh = "县"', ["county.toml", "code", "six digits"]),
        ('code = "339901"', ["county.toml", "name.zh", "missing"]),
        (COUNTY_TOML.replace("[name]", 'time_zone = "Mars/Crater"\n[name]'), ["time_zone", "Mars/Crater"]),
        (COUNTY_TOML + '[clock]\nanchor = "moon"', ["clock.anchor", "moon"]),
        (COUNTY_TOML + "[heat]\nwindow_hours = 0", ["heat.window_hours", "above 0"]),
        (COUNTY_TOML + '[calendar]\nworking_hours = ["12:00-08:00"]', ["calendar.working_hours", "ends before"]),
        (COUNTY_TOML + '[calendar]\nholidays = ["x"]', ["calendar.holidays"]),
        (COUNTY_TOML + '[[feeds]]\nzh = "噪声"', ["feeds[1].key", "missing"]),
        (COUNTY_TOML + '[[feeds]]\nkey = "noise"\nshape = "blob"', ["feeds[1].shape", "blob"]),
        (
            COUNTY_TOML + '[[categories]]\ncode = "0102"\nzh = "一"\n[[categories]]\ncode = "0102"\nzh = "二"',
            ["categories[2].code", "0102", "twice"],
        ),
        (COUNTY_TOML + '[[categories]]\ncode = "0102"\nzh = "一"\nlimit_hours = "4"', ["limit_hours", "number"]),
        (COUNTY_TOML + "[thresholds]\nbin_full_ratio = 80", ["bin_full_ratio", "at most 1"]),
        (COUNTY_TOML + "[thresholds.road_speed_kmh]\nbranch = [1, 2]", ["road_speed_kmh.branch", "four numbers"]),
    ],
)
def test_broken_settings_are_named(tmp_path: Path, toml: str, words: list[str]) -> None:
    write_pack(tmp_path, toml=toml)
    assert_refused(tmp_path, words)


Mutation = Callable[[list[dict[str, Any]]], Any]


@pytest.mark.parametrize(
    ("mutate", "words"),
    [
        (lambda areas: areas[4]["properties"].update(code="339901100200001"), ["339901100200001", "twice"]),
        (lambda areas: areas[4]["properties"].update(code="33990110020000x"), ["code", "15 digits"]),
        (lambda areas: areas[4]["properties"].update(code="339901100200"), ["code", "15 digits"]),
        (lambda areas: areas[4]["properties"].update(code=339901), ["features[4].properties.code"]),
        (lambda areas: areas[4]["properties"].update(level="block"), ["339901100200002", "level", "block"]),
        (lambda areas: areas[4]["properties"].update(code="339901100201002"), ["does not start with its parent"]),
        (lambda areas: areas[4]["properties"].update(parent=None), ["339901100200002", "parent is missing"]),
        (lambda areas: areas[4]["properties"].update(parent="339901100"), ["parent", "no village"]),
        (lambda areas: areas[4]["properties"].pop("name"), ["name"]),
        (lambda areas: areas[4]["properties"].update(valid_to="soon"), ["valid_to"]),
        (lambda areas: areas.pop(2), ["339901100200", "no village"]),
        (lambda areas: areas.pop(0), ["county", "none"]),
        (lambda areas: areas.__delitem__(slice(3, 5)), ["level cell", "none"]),
        (lambda areas: areas.clear(), ["no features"]),
        (lambda areas: areas[4]["geometry"]["coordinates"][0].__delitem__(slice(1, 4)), ["339901100200002"]),
        (lambda areas: areas[4]["geometry"]["coordinates"][0].insert(2, [120, 29.02]), ["339901100200002", "elf"]),
        (lambda areas: areas[4].update(geometry={"type": "Point", "coordinates": [120, 29]}), ["be a Polygon"]),
        (lambda areas: areas[4].update(geometry=square(500_000, 3_000_000)), ["339901100200002", "degrees"]),
        (lambda areas: areas[4].update(geometry=None), ["339901100200002", "geometry"]),
    ],
)
def test_broken_areas_are_named(tmp_path: Path, mutate: Mutation, words: list[str]) -> None:
    areas = make_areas()
    mutate(areas)
    write_pack(tmp_path, areas)
    assert_refused(tmp_path, ["areas.geojson", *words])


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("B1,bin,甲,east,29,,", ["line 2 (B1)", "lon", "'east'", "no number"]),
        ("B1,bin,甲,,29,,", ["line 2 (B1)", "lon"]),
        ("B1,bin,甲,120,95,,", ["lat", "-90 to 90"]),
        ("B1,zeppelin,甲,120,29,,", ["kind", "zeppelin"]),
        (",bin,甲,120,29,,", ["asset_id", "empty"]),
        ("D1,detector,甲,120,29,alley,", ["road_class", "alley"]),
        ("B1,bin,甲,120,29,,\nB1,bin,乙,120,29,,", ["line 3 (B1)", "twice"]),
        ("B1,bin,甲,120,29,,,,,,", ["line 2", "11 fields under 7 columns"]),
    ],
)
def test_broken_assets_are_named(tmp_path: Path, row: str, words: list[str]) -> None:
    write_pack(tmp_path, assets=f"{HEADER}{row}\n")
    assert_refused(tmp_path, ["assets.csv", *words])


FORMER = "asset_id,kind,name,lon,lat,former_ids\n"


def test_an_asset_may_have_had_other_ids(tmp_path: Path) -> None:
    rows = "B1,bin,甲,120.005,29.005,OLD-1  OLD-2\nB2,bin,乙,120.005,29.005,\n"
    county = load_county(write_pack(tmp_path, assets=FORMER + rows))
    assert list_former_ids(county.assets) == {"OLD-1": "B1", "OLD-2": "B1"}


@pytest.mark.parametrize("second", ["OLD-1", "B1", "B2", "OLD-2 OLD-2"])
def test_a_former_id_is_nobody_else_s(tmp_path: Path, second: str) -> None:
    rows = f"B1,bin,甲,120.005,29.005,OLD-1\nB2,bin,乙,120.005,29.005,{second}\n"
    write_pack(tmp_path, assets=FORMER + rows)
    assert_refused(tmp_path, ["assets.csv", "former_ids", "there already"])


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    assert_refused(tmp_path / "nowhere", ["nowhere", "no such folder"])
    assert_refused(tmp_path, ["county.toml", "missing"])
    write_pack(tmp_path)
    (tmp_path / "areas.geojson").unlink()
    assert_refused(tmp_path, ["areas.geojson", "missing"])
    (tmp_path / "areas.geojson").write_text("{")
    assert_refused(tmp_path, ["areas.geojson", "JSON"])
    write_pack(tmp_path, crs={"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::4490"}})
    assert_refused(tmp_path, ["areas.geojson", "crs", "4490"])
    write_pack(tmp_path, assets="asset_id,kind,name,lon\n")
    assert_refused(tmp_path, ["assets.csv", "column lat"])
    (tmp_path / "assets.csv").write_bytes(HEADER.encode() + b"B1,bin,\xff,120,29,,\n")
    assert_refused(tmp_path, ["assets.csv", "UTF-8"])
    (tmp_path / "county.toml").write_bytes(b"\xff")
    assert_refused(tmp_path, ["county.toml", "UTF-8"])


def test_gaps_and_overlaps_are_found_with_their_area(tmp_path: Path) -> None:
    areas = make_areas()
    areas[4]["geometry"] = square(120.011, 29, width=0.009)
    faults = check_county(load_county(write_pack(tmp_path, areas)))
    assert len(faults) == 1
    assert "village 339901100200" in faults[0]
    assert "gap" in faults[0]
    gap_m2 = float(faults[0].split(" of ")[1].split(" m²")[0].replace(",", ""))
    assert gap_m2 == pytest.approx(97.4 * 1113, rel=0.01)

    areas[4]["geometry"] = square(120.009, 29, width=0.021)
    faults = check_county(load_county(write_pack(tmp_path, areas)))
    assert any("339901100200001 and 339901100200002 overlap by" in fault for fault in faults)
    assert any("outside it" in fault for fault in faults)


def test_an_area_without_children_is_a_fault(tmp_path: Path) -> None:
    areas = make_areas()
    areas.insert(3, make_area("339901100201", "village", square(120, 29, width=0.02)))
    faults = check_county(load_county(write_pack(tmp_path, areas)))
    assert "village 339901100201 has no areas below it" in faults


def assert_refused(folder: Path, words: list[str]) -> None:
    with pytest.raises(PackError) as refused:
        load_county(folder)
    message = str(refused.value)
    assert "\n" not in message
    for word in words:
        assert word in message
