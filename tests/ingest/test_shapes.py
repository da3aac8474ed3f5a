"""Entities read at a glance say what they say when read with care, whatever their values."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.formats import shapes
from ingest.formats.entities import read_entity
from ingest.formats.shapes import read_familiar
from ingest.reception import FieldError, Reception

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RECEPTION = Reception(
    county_code="339901",
    zone=ZoneInfo("Asia/Shanghai"),
    categories=frozenset(),
    declared_feeds={},
    asset_points={"BIN-1": (120.3, 29.7)},
    cell_points={"339901001001001": (120.31, 29.71)},
    present_ids={"BIN-OLD": "BIN-1"},
)
PLACE = {"type": "Point", "coordinates": [120.35, 29.7]}
BIN = {
    "id": "urn:ngsi-ld:WasteContainer:BIN-OLD",
    "type": "WasteContainer",
    "location": PLACE,
    "fillingLevel": 0.5,
    "cargoWeight": 12,
    "storedWasteKind": "organic",
    "dateObserved": "2026-11-22T07:59:00Z",
}
AIR = {
    "id": "A-1",
    "type": "AirQualityObserved",
    "@context": ["https://example.org/context.jsonld"],
    "location": PLACE,
    "pm25": 35.2,
    "windDirection": 90.5,
    "reliable": True,
    "dateObserved": "2026-11-22T07:00:00.250+00:00",
    "binLoggedTime": "yesterday",
}


def each(name: str, *values: Any) -> list[dict[str, Any]]:
    return [{name: value} for value in values]


# Each replaces what it names; None is JSON's null, `...` takes the field away.
CHANGES: list[dict[str, Any]] = [
    {},
    *each("id", "BIN-2", "", 5, None, "x" * 201, ...),
    *each("type", "Zeppelin", "TrafficFlowObserved", ["WasteContainer"], None, ...),
    *each("fillingLevel", 0, 1, True, 1.4, 1.6, 50, -0.1, 900, "0.5", None, [0.5], ...),
    *each("cargoWeight", 0, 1e300, 2**62, 2**63, -(2**63), {"deep": [1]}),
    *each("storedWasteKind", ["organic"], ["organic", "glass"], None, 7, 2**64, {"a": {"b": 1}}),
    *each("pm25", 0, 10_001, -1, "many"),
    *each("windDirection", 180, 181, 270.5, 361, -180, -181, "N"),
    *each("reliable", False, None, 1, [[[]]]),
    *each("location", None, ..., "here", [], {}, {"type": "Point"}, PLACE | {"type": "Line"}),
    *each("location", {"type": "LineString", "coordinates": [[120.3, 29.7], [120.5, 29.9]]}),
    *each(
        "location",
        *(
            PLACE | {"coordinates": coordinates}
            for coordinates in (
                [120.3, 29.7, 5.0],
                [120, 29],
                [200.0, 29.7],
                [120.3, 91.0],
                [120.3],
                "120.3,29.7",
                ["a", 1.0],
            )
        ),
    ),
    *each(
        "dateObserved",
        "2026-11-22T15:59:00+08:00",
        "2026-11-22T15:59:00",
        "2026-11-22T07:59:00.123456789Z",
        "2026-11-22T08:03:00Z",
        "2026-11-22T09:00:00Z",
        "2026-11-25T09:00:00Z",
        "1969-11-22T09:00:00Z",
        "2026-11-22T07:00:00Z/2026-11-22T07:30:00Z",
        "2026-11-22",
        "2026-W47-7T07:59:00Z",
        "2026-11-22T07:59Z",
        "2026-11-22t07:59:00z",
        "soon, or a good deal later",
        1_763_798_340,
        None,
        ...,
    ),
    {"measurand": ["NO2, 42, GQ, nitrogen dioxide"]},
    {"lon": 1.0, "lat": 2.0, "crs": "bd09"},
    {"dateObservedTo": "2026-11-22T07:30:00Z"},
    {"observedAt": None},
]


def change(entity: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (entity | changes).items() if value is not ...}


def tell(read: Any, entity: dict[str, Any]) -> Any:
    try:
        return read(entity, RECEPTION, NOW, NOW - timedelta(hours=1))
    except FieldError as error:
        return error.field, error.reason


@pytest.fixture(autouse=True)
def no_shapes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "_shapes", {})


@pytest.mark.parametrize("usual", [BIN, AIR])
@pytest.mark.parametrize("changes", CHANGES, ids=str)
def test_both_ways_say_the_same(usual: dict[str, Any], changes: dict[str, Any]) -> None:
    entity = change(usual, changes)
    careful = tell(read_entity, entity)
    assert [tell(read_familiar, each) for each in (entity, usual, entity, entity)] == [
        careful,
        tell(read_entity, usual),
        careful,
        careful,
    ]


@pytest.mark.parametrize("usual", [BIN, AIR])
def test_what_was_seen_once_is_read_at_a_glance(usual: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_familiar(usual, RECEPTION, NOW)
    monkeypatch.setattr(shapes, "read_entity", None)
    assert read_familiar(usual | {"id": "another"}, RECEPTION, NOW).attributes == first.attributes
    assert read_familiar(usual, RECEPTION, NOW) == first


def test_shapes_do_not_fill_the_memory() -> None:
    for number in range(shapes.SHAPES_KEPT + 10):
        read_familiar(BIN | {f"more{number}": 1.0}, RECEPTION, NOW)
    assert len(shapes._shapes) == shapes.SHAPES_KEPT


@pytest.mark.parametrize("names", [[f"n{number}" for number in range(200)], ["n" * 5_000]])
def test_a_monster_is_not_remembered(names: list[str]) -> None:
    read_familiar(BIN | dict.fromkeys(names, 1.0), RECEPTION, NOW)
    assert not shapes._shapes


@given(st.dictionaries(st.sampled_from(sorted(BIN | AIR)), st.one_of(st.none(), st.integers(), st.floats(), st.text())))
def test_whatever_it_holds_both_ways_agree(changes: dict[str, Any]) -> None:
    read_familiar(BIN, RECEPTION, NOW)
    entity = BIN | changes
    assert str(tell(read_familiar, entity)) == str(tell(read_entity, entity))
