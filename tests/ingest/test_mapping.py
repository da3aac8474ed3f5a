"""Mapping files: what they make of a row, and what they say when something in them is wrong."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ingest.files.mapping import Mapping, MappingError, read_mapping, read_row
from ingest.files.mapping_sheets import shape_sheet
from ingest.files.sheets import UNREADABLE, SheetError, open_sheet

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

BASE = """
source = "urn:test"
type = "case.reported"
id = "{number}"
[time]
column = "when"
zone = "Asia/Shanghai"
"""


def compile_mapping(folder: Path, text: str, base: str = BASE) -> Mapping:
    path = folder / "mapping.toml"
    path.write_text(base + text, encoding="utf-8")
    return read_mapping(path)


def make(mapping: Mapping, row: dict[str, Any]) -> dict[str, Any]:
    event: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(mapping.make_event(row)))
    return event


def test_every_kind_of_field(tmp_path: Path) -> None:
    mapping = compile_mapping(
        tmp_path,
        """
[data]
plain = { column = "a" }
constant = 4
words = "always"
template = "{a}-{b}"
braces = "{{a}}"
speed = { column = "mph", factor = 1.609344, round = 1 }
celsius = { column = "f", factor = 0.5, offset = -16 }
clipped = { column = "mph", clip = [0, 50] }
number = { column = "text", type = "number" }
whole = { column = "text", type = "integer" }
yes = { column = "flag", type = "boolean" }
kind = { column = "a", table = "kinds", default = "other" }
kept = { column = "b", table = "kinds" }
highest = { highest = ["x", "y"] }
at = { time = true }
other_at = { time = "later" }
location = { point = ["lon", "lat"] }
nested = { object = { one = 1, two = "{a}" } }
list = [1, "{a}"]
[tables.kinds]
"A" = "0102"
""",
    )
    row = {
        "number": 7, "when": "2026-03-01T08:00:00", "later": datetime(2026, 3, 1, 9),  # noqa: DTZ001 - a file without zones
        "a": "A", "b": "B", "mph": 60,
        "f": 50, "text": "12", "flag": "yes", "x": 0.2, "y": 0.7, "lon": "120.1", "lat": 29.7,
    }  # fmt: skip
    event = make(mapping, row)
    assert {name: event[name] for name in ("id", "source", "type", "time", "origin", "specversion")} == {
        "id": "7", "source": "urn:test", "type": "case.reported", "time": "2026-03-01T00:00:00Z",
        "origin": "replayed", "specversion": "1.0",
    }  # fmt: skip
    assert event["data"] == {
        "plain": "A", "constant": 4, "words": "always", "template": "A-B", "braces": "{a}", "speed": 96.6,
        "celsius": 9.0, "clipped": 50.0, "number": 12.0, "whole": 12, "yes": True, "kind": "0102", "kept": "B",
        "highest": 0.7, "at": "2026-03-01T00:00:00Z", "other_at": "2026-03-01T01:00:00Z",
        "location": {"type": "Point", "coordinates": [120.1, 29.7]}, "nested": {"one": 1, "two": "A"},
        "list": [1, "A"],
    }  # fmt: skip


def test_what_a_row_does_not_have_is_absent_and_what_cannot_be_read_goes_as_it_is(tmp_path: Path) -> None:
    mapping = compile_mapping(
        tmp_path,
        """
[data]
lon = { column = "lon", type = "number" }
lat = { column = "lat", type = "number" }
title = "{street} {house}"
location = { point = ["lon", "lat"] }
at = { time = true }
""",
    )
    event = make(
        mapping, {"number": None, "when": "yesterday", "lon": None, "lat": "north", "street": "A", "house": None}
    )
    assert event["data"] == {"lat": "north", "at": "yesterday"}
    assert "id" not in event
    assert "time" not in event


@pytest.mark.parametrize(
    ("format", "value"),
    [("%d.%m.%Y %H:%M", "01.03.2026 08:00"), ("epoch_s", 1772323200), ("epoch_ms", "1772323200000")],
)
def test_times_in_other_forms(tmp_path: Path, format: str, value: object) -> None:
    base = BASE.replace('column = "when"', f'column = "when"\nformat = "{format}"')
    mapping = compile_mapping(tmp_path, "[data]\nat = { time = true }", base)
    assert mapping.moment({"when": value}) == datetime(2026, 3, 1, tzinfo=UTC)


def test_a_shift_moves_every_time_and_marks_the_id(tmp_path: Path) -> None:
    mapping = compile_mapping(tmp_path, "[data]\nat = { time = true }")
    event = mapping.make_event({"number": 1, "when": "2026-03-01"}, lambda moment: moment + timedelta(days=1), "@9")
    assert (event.id, event.time, event.data["at"]) == ("1@9", "2026-03-01T16:00:00Z", "2026-03-01T16:00:00Z")


@pytest.mark.parametrize(
    ("where", "row", "taken"),
    [
        ('status = "open"', {"status": "open"}, True),
        ('status = "open"', {"status": "closed"}, False),
        ('status = ["a", "b"]', {"status": "b"}, True),
        ("status = { present = true }", {"status": None}, False),
        ("status = { present = false }", {"status": None}, True),
        ("status = { above = 3, below = 5 }", {"status": "4"}, True),
        ("status = { above = 3 }", {"status": 3}, False),
        ("status = { below = 3 }", {"status": None}, False),
    ],
)
def test_conditions(tmp_path: Path, where: str, row: dict[str, Any], taken: bool) -> None:
    assert compile_mapping(tmp_path, f"[where]\n{where}\n[data]\na = 1").takes(row) is taken


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[data]\nlon = { colum = 'x' }", "data.lon: needs exactly one of"),
        ("[data]\nlon = { column = 'x', facto = 2 }", "data.lon.facto: there is no such key"),
        ("[data]\nlon = { column = 'x', factor = 'two' }", "data.lon.factor: must be a number"),
        ("[data]\nlon = { column = 'x', type = 'float' }", "data.lon.type: must be one of"),
        ("[data]\nlon = { column = 'x', table = 't' }", "data.lon.table: there is no [tables.t]"),
        ("[data]\nlon = { point = ['x'] }", "data.lon.point: must be a list of 2"),
        ("[data]\nlon = '{x'", "data.lon: "),
        ("[data]\na = 1\n[where]\nb = { over = 1 }", "where.b.over: there is no such key"),
        ("[data]\na = 1\n[join]\nfile = 'x.csv'", "join.on: is missing"),
        ("[dat]\na = 1", "dat: there is no such key"),
        ("[data]\na = 1\n[file]\nformat = 'xls'", "file.format: must be one of"),
        ("[data]\na = 1\n[file]\nencoding = 'x'", "file.encoding: 'x' is not"),
        ("[data]\na = 1\n[file]\ndelimiter = '||'", "file.delimiter: must be one character"),
        ("", "data: is missing"),
    ],
)
def test_a_bad_mapping_is_one_line_that_names_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(MappingError) as caught:
        compile_mapping(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'mapping.toml'}: {message}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"Asia/Shanghai"', '"Asia/Nowhere"', "time.zone: 'Asia/Nowhere' is not a time zone's name"),
        ('column = "when"', 'column = "when"\nrebase = "later"', "time.rebase: must be"),
        ('source = "urn:test"', 'source = "urn:test"\nspeed = "fast"', "speed: must be"),
    ],
)
def test_a_bad_head_too(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(MappingError, match=message.replace("(", r"\(")):
        compile_mapping(tmp_path, "[data]\na = 1", BASE.replace(old, new))


def test_a_column_that_is_not_in_the_file_is_named(tmp_path: Path) -> None:
    mapping = compile_mapping(tmp_path, '[data]\nlon = { column = "longitud" }')
    file = tmp_path / "rows.csv"
    file.write_text("number,when,longitude\n1,2026-03-01,120\n")
    with pytest.raises(
        MappingError, match=r"data.lon.column: there is no column 'longitud' in rows.csv; it has .*longitude"
    ):
        shape_sheet(open_sheet(file), mapping, tmp_path)


def test_wide_files_are_melted_and_joined(tmp_path: Path) -> None:
    (tmp_path / "wide.csv").write_text("when,101,102\n2026-03-01,60,\n2026-03-02,61,33\n")
    (tmp_path / "sensors.csv").write_text("sensor,lon,lat\n101,1.5,2.5\n102,1.6,2.6\n")
    mapping = compile_mapping(
        tmp_path,
        """
[wide]
name = "number"
value = "mph"
[join]
file = "sensors.csv"
on = "number"
to = "sensor"
[data]
speed = { column = "mph", type = "number" }
location = { point = ["lon", "lat"] }
""",
    )
    events = [make(mapping, row) for row in shape_sheet(open_sheet(tmp_path / "wide.csv"), mapping, tmp_path).rows]
    assert [(event["id"], event["data"].get("speed")) for event in events] == [
        ("101", 60.0), ("102", None), ("101", 61.0), ("102", 33.0),
    ]  # fmt: skip
    assert events[1]["data"]["location"]["coordinates"] == [1.6, 2.6]


def test_rows_come_the_same_from_every_kind_of_file(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = [{"number": "1", "name": "网格"}, {"number": "2", "name": None}]
    (tmp_path / "a.csv").write_text("number,name\n1,网格\n2,\n", encoding="utf-8-sig")
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress("number,name\n1,网格\n2,\n".encode()))
    (tmp_path / "c.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pandas.DataFrame(rows).to_parquet(tmp_path / "d.parquet")
    for name in ("a.csv", "b.csv.gz", "c.jsonl", "d.parquet"):
        sheet = open_sheet(tmp_path / name)
        assert sheet.columns == ("number", "name")
        assert list(sheet.rows) == rows, name


def test_files_that_are_not_sheets(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text('[{"a": 1}, {"a"')
    (tmp_path / "scalar.json").write_text("7")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 9)[:-12])
    (tmp_path / "not.parquet").write_text("hello")
    (tmp_path / "notes.txt").write_text("hello")
    for name, reason in (
        ("missing.csv", "no such file"),
        ("broken.json", "not JSON"),
        ("scalar.json", "not a list of rows"),
        ("cut.csv.gz", "Compressed file ended"),
        ("not.parquet", "arquet"),
        ("notes.txt", "not a .csv"),
    ):
        with pytest.raises(SheetError, match=reason):
            list(open_sheet(tmp_path / name).rows)


def test_what_is_no_row_is_refused_by_itself(tmp_path: Path) -> None:
    (tmp_path / "some.jsonl").write_text('{"number": 1}\n{"numb\n\n[2]\n{"number": 3}\n')
    (tmp_path / "some.json").write_text('[{"number": 1}, 2, {"number": 3}]')
    mapping = compile_mapping(tmp_path, '[data]\na = "{number}"\n[where]\nnumber = { present = true }')
    lines = list(open_sheet(tmp_path / "some.jsonl").rows)
    assert lines == [{"number": 1}, {UNREADABLE: '{"numb'}, {UNREADABLE: "[2]"}, {"number": 3}]
    assert list(open_sheet(tmp_path / "some.json").rows)[1] == {UNREADABLE: "2"}
    assert all(map(mapping.takes, lines))
    event = make(mapping, lines[1])
    assert (event["row"], event["data"], "id" in event) == ('{"numb', {}, False)
    assert read_row(event["row"]) == lines[1]


def test_json_with_its_rows_inside_and_values_inside_those(tmp_path: Path) -> None:
    rows = [{"number": 1, "when": "2026-03-01", "at": {"name": "网格", "place": [120.1, 29.7]}, "a.b": "c"}]
    (tmp_path / "a.json").write_text(json.dumps({"data": {"items": rows}}))
    mapping = compile_mapping(
        tmp_path,
        """
[file]
rows = "data.items"
[data]
name = "{at.name}, {a.b}"
lon = { column = "at.place.0" }
location = { point = ["at.place.0", "at.place.1"] }
none = { column = "at.place.2" }
""",
    )
    sheet = shape_sheet(open_sheet(tmp_path / "a.json", mapping.layout), mapping, tmp_path)
    event = make(mapping, next(sheet.rows))
    assert event["data"] == {
        "name": "网格, c", "lon": 120.1, "location": {"type": "Point", "coordinates": [120.1, 29.7]}
    }  # fmt: skip
    assert (json.loads(event["row"]), event["mapping"]) == (rows[0], str(mapping.path))
    assert read_row(event["row"]) == rows[0]


def test_geojson_gives_each_feature_a_point(tmp_path: Path) -> None:
    square = {"type": "Polygon", "coordinates": [[[0, 0], [2, 0], [2, 2], [0, 2], [0, 0]]]}
    features = [
        {"type": "Feature", "id": 7, "geometry": {"type": "Point", "coordinates": [1.5, 2.5]}, "properties": {"a": ""}},
        {"type": "Feature", "geometry": square, "properties": {"id": "own"}},
        {"type": "Feature", "geometry": None, "properties": None},
        {"type": "Feature", "geometry": {"type": "Point", "coordinates": ["x"]}, "properties": {}},
        4,
    ]
    (tmp_path / "a.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    rows = list(open_sheet(tmp_path / "a.geojson").rows)
    assert [(row.get("id"), row.get("lon"), row.get("lat")) for row in rows] == [
        (7, 1.5, 2.5), ("own", 1.0, 1.0), (None, None, None), (None, None, None), (None, None, None),
    ]  # fmt: skip
    assert rows[4] == {UNREADABLE: "4"}


def test_csv_as_offices_write_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes("number;name\r\n1;网格\r\n".encode("gb18030"))
    mapping = compile_mapping(tmp_path, '[file]\nencoding = "gb18030"\ndelimiter = ";"\n[data]\na = "{name}"')
    assert list(open_sheet(tmp_path / "a.csv", mapping.layout).rows) == [{"number": "1", "name": "网格"}]


@pytest.mark.parametrize(
    "path", sorted(EXAMPLES.glob("*/*mapping*.toml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_the_examples_are_sound(path: Path) -> None:
    assert read_mapping(path).columns
