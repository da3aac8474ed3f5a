"""The demo county: the same bytes every time, sound, and of the size and shape it promises."""

from collections import Counter
from pathlib import Path

import numpy
import pytest
import shapely

from geo.cells import number_cells
from geo.county import County, check_county
from geo.demo import write_demo

FILES = ["areas.geojson", "assets.csv", "cases.toml", "county.toml", "rivers.geojson", "roads.geojson"]
METRIC = "EPSG:32651"


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    write_demo(folder)
    return folder


def test_same_bytes_every_time(fresh: Path, demo_folder: Path) -> None:
    for name in FILES:
        assert (fresh / name).read_bytes() == (demo_folder / name).read_bytes(), name
    assert sorted(path.name for path in fresh.iterdir()) == FILES


def test_nothing_is_amiss(county: County) -> None:
    assert check_county(county) == []
    assert shapely.coverage_is_valid(county.cells.geometry.to_numpy())
    assert set(county.areas.geom_type) == {"Polygon"}
    assert county.fictional is True


def test_coordinates_have_six_decimals(county: County) -> None:
    points = shapely.get_coordinates(county.areas.geometry.to_numpy())
    assert (points == numpy.round(points, 6)).all()


def test_size_and_counts(county: County) -> None:
    levels = Counter(county.areas["level"])
    assert (levels["county"], levels["town"]) == (1, 23)
    assert 480 <= levels["village"] <= 520
    assert 1_900 <= levels["cell"] <= 2_100
    area_km2 = county.areas.loc[[county.code]].to_crs(METRIC).area.iloc[0] / 1e6
    assert 1_900 < area_km2 < 2_100
    west, south, east, north = county.bbox
    assert 120 <= west < east <= 120.6
    assert 29.3 <= south < north <= 29.9


def test_codes_say_what_an_area_is(county: County) -> None:
    areas = county.areas
    towns = areas[areas["level"] == "town"]
    by_kind = Counter(name[-2:] if name.endswith("街道") else name[-1] for name in towns["name"])
    assert by_kind == {"街道": 5, "镇": 16, "乡": 2}
    for code, name in towns["name"].items():
        assert ("001" <= code[6:] <= "099") == name.endswith("街道")
        assert (code[6:] >= "200") == name.endswith("乡")
    villages = areas[areas["level"] == "village"]
    for code, name in villages["name"].items():
        assert (code[9:] < "200") == name.endswith("社区")
        assert (code[9:] >= "200") == name.endswith("村")
    assert villages["name"].is_unique
    assert villages["name_en"].is_unique
    assert areas["name_en"].str.isascii().all()


def test_cells_are_numbered_west_to_east_then_north_to_south(county: County) -> None:
    for village, cells in county.cells.groupby("parent"):
        expected = [f"{village}{number:03d}" for number in number_cells(list(cells.geometry))]
        assert list(cells.index) == expected


def test_cells_are_no_slivers_and_smaller_in_the_core(county: County) -> None:
    cells = county.cells.to_crs(METRIC)
    compactness = 4 * numpy.pi * cells.area / cells.length**2
    assert compactness.min() > 0.3
    assert cells.area.min() > 10_000
    core = cells.area[cells.index.str.startswith("339901001")]
    hills = cells.area[cells.index.str.startswith("339901201")]
    assert core.median() * 10 < hills.median()


def test_borders_are_organic(county: County) -> None:
    vertices = shapely.get_num_coordinates(county.cells.geometry.to_numpy())
    assert numpy.median(vertices) > 25


def test_assets(county: County) -> None:
    assets = county.assets
    kinds = Counter(assets["kind"])
    assert 2_300 <= kinds["bin"] <= 2_700
    assert kinds["detector"] == 400
    assert kinds["air_station"] >= 23
    assert kinds["water_station"] == 30
    assert kinds["camera"] == 300
    assert kinds["grid_worker"] == len(county.cells)
    assert assets["cell_code"].notna().all()
    bins = assets[assets["kind"] == "bin"]
    assert set(bins["waste_kind"]) == {"organic", "other", "plastic", "hazardous"}
    assert (bins["capacity_l"] > 0).all()
    assert set(assets.loc[assets["kind"] == "detector", "road_class"]) == {"expressway", "arterial", "branch"}


def test_every_cell_has_its_worker_who_has_a_number_and_no_name(county: County) -> None:
    workers = county.assets[county.assets["kind"] == "grid_worker"]
    assert workers["cell_code"].to_dict() == {row: code for code, row in county.cells["responsible"].items()}
    assert workers["name"].str.fullmatch(r"网格员 \d{4}").all()


def test_detectors_stand_on_roads_of_their_class(county: County) -> None:
    assert county.roads is not None
    roads = county.roads.to_crs(METRIC)
    detectors = county.assets[county.assets["kind"] == "detector"]
    for road_class, group in detectors.groupby("road_class"):
        lines = shapely.union_all(roads.geometry[roads["class"] == road_class].to_numpy())
        points = shapely.points(group["lon"].to_numpy(), group["lat"].to_numpy())
        places = type(roads.geometry)(points, crs="EPSG:4326").to_crs(METRIC)
        assert places.distance(lines).max() < 1


def test_roads_and_rivers_are_lines_with_names_and_classes(county: County) -> None:
    assert county.roads is not None
    assert county.rivers is not None
    assert set(county.roads["class"]) == {"expressway", "arterial", "branch", "village"}
    assert set(county.rivers["class"]) == {"river", "stream"}
    for lines in (county.roads, county.rivers):
        assert set(lines.geom_type) == {"LineString"}
        assert lines.geometry.is_simple.all()
        assert (lines["name"] != "").all()
        assert (lines["name_en"] != "").all()


def test_arterials_reach_every_town_seat_in_one_network(county: County) -> None:
    assert county.roads is not None
    network = county.roads[county.roads["class"] == "arterial"].to_crs(METRIC)
    joined = network.geometry.buffer(5).union_all()
    assert joined.geom_type == "Polygon"
    towns = county.areas[county.areas["level"] == "town"].to_crs(METRIC)
    assert towns.geometry.intersects(joined).all()


def test_category_table(county: County) -> None:
    categories = county.categories
    assert {f"D{number:02d}" for number in range(1, 29)} <= set(categories)
    assert sum(code.isdigit() for code in categories) >= 54
    platforms = {"综治工作", "市场监管", "综合执法", "便民服务"}
    assert {category.platform for category in categories.values()} == platforms
    assert {unit.platform for unit in county.units.values()} == platforms
    assert all(category.en.isascii() or "ç" in category.en for category in categories.values())
    assert all(category.source and category.limit_source for category in categories.values())
    assert categories["0406"].zh == "道路积水"
    assert county.feeds["noise"].declared is True
