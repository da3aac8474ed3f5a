"""Notifications of context brokers to readings: every form says the same, and only what would lie is refused."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.connectors import Delivery, Parsed, Refusal, ngsi_ld, ngsi_v2
from ingest.formats.units import convert_unit
from ingest.guard.weight import MOST_EVENTS
from ingest.reception import LARGEST_EVENT_BYTES, Reception
from ingest.records import Reading

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "connectors"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
SEEN = "2026-11-22T07:20:00Z"
POINT = {"type": "Point", "coordinates": [120.3, 29.6]}
RECEPTION = Reception(
    county_code="339901",
    zone=ZoneInfo("Asia/Shanghai"),
    categories=frozenset(),
    declared_feeds={"noise": "dB", "parking": None},
    asset_points={"B-1": (120.5, 29.5), "B-2": (120.6, 29.5)},
    cell_points={"339901001001001": (120.2, 29.6)},
    present_ids={"OLD-1": "B-1"},
)


def parse(door: Any, body: bytes) -> Parsed:
    parsed: Parsed = door.parse(Delivery(body=body, received_at=NOW, content_type="application/json"), RECEPTION)
    return parsed


def notify(door: Any, *entities: object, **envelope: object) -> list[Reading | Refusal]:
    parsed = parse(door, json.dumps({**envelope, "data": entities}).encode())
    assert parsed.unreadable is None
    return [item for item in parsed.items if isinstance(item, Reading | Refusal)]


def read(door: Any, entity: dict[str, Any], **envelope: object) -> Reading:
    (item,) = notify(door, entity, **envelope)
    assert isinstance(item, Reading), item
    return item


def refuse(door: Any, entity: object) -> Refusal:
    (item,) = notify(door, entity)
    assert isinstance(item, Refusal), item
    assert item.reason.startswith(f"{item.field}: ")
    return item


def ld(kind: str = "AirQualityObserved", id: str = "A-1", **attributes: Any) -> dict[str, Any]:
    """An NGSI-LD entity, its place and time given unless `...` takes them away."""
    given = {"location": POINT, "dateObserved": SEEN} | attributes
    return {"id": id, "type": kind} | {name: value for name, value in given.items() if value is not ...}


def readings(door: Any, folder: str, file: str) -> dict[str, Reading]:
    items = parse(door, (FIXTURES / folder / file).read_bytes()).items
    return {item.asset_id: item for item in items if isinstance(item, Reading)}


# -- the published oddities


def test_normalized_ld_with_the_oddities_of_the_published_examples() -> None:
    seen = readings(ngsi_ld, "ngsi_ld", "normalized.jsonld")
    assert list(seen) == ["B-1", "T-60821110", "A-1", "waterqualityobserved:D1", "N-1"]
    bin, traffic, air, water, noise = seen.values()
    assert (bin.feed, bin.value, bin.observed_at.hour) == ("waste", 0.8, 7)
    assert bin.attributes["storedWasteKind"] == "organic"
    assert bin.attributes["refDevice"] == "urn:ngsi-ld:Device:7"
    assert (traffic.value, traffic.lon) == (36, 120.1)
    assert traffic.lat == pytest.approx(29.7)
    assert traffic.observed_at == datetime(2026, 11, 22, 7, 15, tzinfo=UTC), "the end that has a zone"
    assert air.observed_at == datetime(2026, 11, 22, 4, tzinfo=UTC), "the interval's end, in the county's zone"
    assert {name: air.attributes[name] for name in ("co", "no2", "pm25", "windDirection", "relativeHumidity")} == {
        "co": 0.5,
        "no2": 69,
        "pm25": 35,
        "windDirection": -174,
        "relativeHumidity": 0.54,
    }
    assert (water.value, water.attributes["NO3"]) == (3.2, 0.01)
    assert (noise.feed, noise.value, noise.unit, noise.source) == ("noise", 61.5, "dB", "ngsi:Observation")


def test_concise_ld_with_instances_languages_and_full_names() -> None:
    seen = readings(ngsi_ld, "ngsi_ld", "concise.json")
    assert list(seen) == ["B-1", "B-2", "A-1", "N-1"]
    assert (seen["B-1"].value, seen["B-1"].observed_at.minute) == (0.4, 20), "the main value's own time"
    assert seen["B-1"].attributes == {"fillingLevel": 0.4, "temperature": 21, "name": "东门"}
    assert seen["B-2"].value == 0.3
    assert (seen["A-1"].feed, seen["A-1"].value) == ("air", 35), "the default instance"
    assert seen["N-1"].attributes == {"height": 4}


def test_normalized_v2_with_the_oddities_of_the_published_examples() -> None:
    seen = readings(ngsi_v2, "ngsi_v2", "normalized.json")
    assert list(seen) == ["T-60821110", "wastecontainer:Fleming:12a", "waterqualityobserved:D1", "N-1"]
    bin = seen["wastecontainer:Fleming:12a"]
    assert (bin.value, bin.lon, bin.lat, bin.observed_at.minute) == (0.4, 120.4, 29.6, 20)
    assert bin.attributes["temperature"] is None
    assert seen["waterqualityobserved:D1"].value == 3.2
    assert seen["N-1"].observed_at == datetime(2026, 11, 22, 7, tzinfo=UTC)


def test_key_values_v2() -> None:
    seen = readings(ngsi_v2, "ngsi_v2", "keyvalues.json")
    assert [(asset, reading.value) for asset, reading in seen.items()] == [("B-1", 0.4), ("A-1", 35), ("N-1", 60)]
    assert (seen["A-1"].lon, seen["A-1"].lat) == (120.3, 29.6)


@pytest.mark.parametrize(
    ("door", "entity", "field", "reason"),
    [
        (ngsi_ld, ld(co=500), "co", "150 mg/m³"),
        (ngsi_ld, ld(CO={"value": 500, "unitCode": "GP"}), "co", "150 mg/m³"),
        (ngsi_ld, ld(no2={"value": 22, "unitCode": "61"}), "no2", "the unit '61'"),
        (ngsi_ld, ld(pm25={"value": "many"}), "pm25", "number"),
        (ngsi_v2, ld(pm25={"type": "Text", "value": "nan"}), "pm25", "number"),
        (ngsi_v2, ld(pm25={"type": "Text", "value": "1e999"}), "pm25", "number"),
        (ngsi_ld, ld("Observation", feed="noise", value={"value": 60, "unitCode": "KMH"}), "value", "dB"),
        (ngsi_ld, ld("WasteContainer", fillingLevel={"value": 250, "unitCode": "P1"}), "fillingLevel", "above 2"),
        (ngsi_ld, ld(dateObserved=..., pm25=35), "dateObserved", "missing"),
        (ngsi_ld, ld(location=..., pm25=35), "location", "no asset"),
        (ngsi_ld, ld(location={"type": "LineString", "coordinates": [[1]]}), "location", "geometry"),
        (ngsi_ld, ld(location={"type": "LineString", "coordinates": []}), "location", "geometry"),
        (ngsi_ld, ld(location={"type": "GeometryCollection", "geometries": []}), "location", "geometry"),
        (ngsi_ld, ld("Device"), "type", "unknown entity type 'Device'"),
        (ngsi_ld, {"id": "A-1"}, "type", "missing"),
        (ngsi_ld, {"type": "WasteContainer"}, "id", "missing"),
        (ngsi_ld, ["A-1"], "entity", "object"),
        (ngsi_ld, ld(note="\0"), "event", "NUL"),
        (ngsi_ld, ld(note="x" * LARGEST_EVENT_BYTES), "event", "bytes"),
        (ngsi_ld, {"id": "B-1", "type": "WasteContainer", "deletedAt": SEEN}, "deletedAt", "deleted"),
        (ngsi_v2, {"id": "B-1", "type": "WasteContainer", "alterationType": "entityDelete"}, "deletedAt", "deleted"),
        (ngsi_v2, ld("Observation", feed="rain", value=1), "feed", "rain"),
    ],
)
def test_what_would_lie_or_cannot_be_read_is_refused(door: Any, entity: object, field: str, reason: str) -> None:
    refusal = refuse(door, entity)
    assert refusal.field == field
    assert reason in refusal.reason


# -- one reading, many forms


FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "ld normalized": (
        ngsi_ld,
        {
            "id": "urn:ngsi-ld:AirQualityObserved:A-1",
            "type": "AirQualityObserved",
            "@context": "https://uri.etsi.org/ngsi-ld/v1/ngsi-ld-core-context.jsonld",
            "pm25": {"type": "Property", "value": 35.0, "unitCode": "GQ", "observedAt": SEEN, "modifiedAt": SEEN},
            "no2": {"type": "Property", "value": 0.022, "unitCode": "GP"},
            "location": {"type": "GeoProperty", "value": POINT},
            "dataProvider": {"type": "Property", "value": "first broker"},
            "createdAt": "2020-01-01T00:00:00Z",
        },
    ),
    "ld concise": (
        ngsi_ld,
        {
            "id": "A-1",
            "type": "AirQualityObserved",
            "pm25": {"value": 35, "observedAt": SEEN},
            "no2": 22,
            "location": POINT,
        },
    ),
    "ld simplified": (ngsi_ld, ld(pm25=35, no2=22, refDevice="urn:ngsi-ld:Device:7")),
    "v2 normalized": (
        ngsi_v2,
        {
            "id": "A-1",
            "type": "AirQualityObserved",
            "TimeInstant": {"type": "DateTime", "value": "2026-11-22T15:20:00+08:00"},
            "pm25": {"type": "Number", "value": 35, "metadata": {}},
            "no2": {"type": "Text", "value": "22"},
            "location": {"type": "geo:point", "value": "29.6,120.3"},
        },
    ),
    "v2 key-values": (ngsi_v2, ld(pm25=35, no2=22, dataProvider="second broker")),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_reading_is_the_same_reading(form: str) -> None:
    door, entity = FORMS[form]
    reading, plain = read(door, entity), read(ngsi_ld, ld(pm25=35, no2=22))
    assert (reading.source, reading.id) == (plain.source, plain.id)
    assert (reading.asset_id, reading.observed_at, reading.value) == (plain.asset_id, plain.observed_at, plain.value)


def test_another_value_time_or_asset_is_another_reading() -> None:
    entities = [ld(pm25=35), ld(pm25=36), ld(pm25=35, no2=1), ld(pm25=35, dateObserved="2026-11-22T07:20:01Z")]
    entities += [ld(pm25=35, id="A-2"), ld("WasteContainer", pm25=35)]
    read_all = [read(ngsi_ld, entity) for entity in entities]
    assert len({(reading.source, reading.id) for reading in read_all}) == 6


def test_a_reading_repeated_because_something_else_changed_is_the_same_one() -> None:
    first = read(ngsi_ld, ld(pm25=35, name="East"), notifiedAt="2026-11-22T07:21:00Z")
    again = read(ngsi_ld, ld(pm25=35, name="East gate"), notifiedAt="2026-11-22T07:50:00Z")
    assert first.id == again.id


def test_a_bin_that_tells_no_time_is_as_old_as_its_notification() -> None:
    entity = ld("WasteContainer", id="B-1", fillingLevel=0.5, dateObserved=...)
    first, again = (read(ngsi_ld, entity, notifiedAt=SEEN) for _ in range(2))
    assert (first.id, first.observed_at.minute) == (again.id, 20)
    assert read(ngsi_v2, entity).observed_at == NOW
    assert read(ngsi_ld, entity, notifiedAt=5).observed_at == NOW


def test_a_station_whose_observations_are_entities_of_their_own_is_one_asset() -> None:
    for ending in ("-2026-11-22T11:00:00", ":2026-11-22T11:00:00Z", "-2026-11-22T11:00:00.000+08:00"):
        assert read(ngsi_ld, ld(id=f"urn:ngsi-ld:AirQualityObserved:Station-7{ending}")).asset_id == "Station-7"


def test_a_former_id_is_the_asset_of_today() -> None:
    renamed = read(ngsi_ld, ld("WasteContainer", id="urn:ngsi-ld:WasteContainer:OLD-1", fillingLevel=0.5, location=...))
    present = read(ngsi_v2, ld("WasteContainer", id="B-1", fillingLevel=0.5))
    assert (renamed.asset_id, renamed.lon, renamed.id) == ("B-1", 120.5, present.id)


def test_the_identity_has_the_time_told_even_where_it_is_not_believed() -> None:
    entity = ld(pm25=35, dateObserved="2026-11-22T20:00:00Z")
    first = read(ngsi_ld, entity)
    body = json.dumps({"data": [entity]}).encode()
    (again,) = ngsi_ld.parse(Delivery(body=body, received_at=NOW.replace(minute=5)), RECEPTION).items
    assert isinstance(again, Reading)
    assert (first.observed_at, first.id) == (NOW, again.id)


# -- around the entities


def test_one_refused_entity_costs_the_others_nothing_and_is_a_notification_by_itself() -> None:
    good, bad = ld(pm25=35), ld(id="A-2", co=500)
    envelope = {"id": "urn:n:1", "type": "Notification", "subscriptionId": "s", "notifiedAt": SEEN}
    first, refusal, last = notify(ngsi_ld, good, bad, ld("WasteContainer", id="B-1", fillingLevel=1), **envelope)
    assert isinstance(first, Reading)
    assert isinstance(last, Reading)
    assert isinstance(refusal, Refusal)
    assert (refusal.id, refusal.source, refusal.feed) == ("A-2", "ngsi:AirQualityObserved", "air")
    assert json.loads(refusal.body) == {**envelope, "data": [bad]}
    assert parse(ngsi_ld, refusal.body).items == [refusal]


def test_a_refusal_names_its_feed_in_every_form() -> None:
    entity = {"id": "N-1", "type": "Observation", "value": 60}
    assert [refuse(ngsi_ld, entity | {"feed": feed}).feed for feed in ("noise", {"value": "noise"})] == ["noise"] * 2


def test_a_refusal_does_not_carry_a_huge_envelope() -> None:
    (refusal,) = notify(ngsi_ld, ld(co=500), subscriptionId="x" * 100_000, other="y" * 100_000)
    assert isinstance(refusal, Refusal)
    assert len(refusal.body) < 1_000


def test_an_entity_without_a_notification_is_taken() -> None:
    (reading,) = parse(ngsi_v2, json.dumps(ld(pm25=35)).encode()).items
    assert isinstance(reading, Reading)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b'{"data": [}', b"[" * 100_000])
def test_what_is_no_json_is_unreadable(body: bytes) -> None:
    assert parse(ngsi_ld, body).unreadable


@pytest.mark.parametrize("body", [b"[]", b"5", b"{}", b'{"data": {}}', b'{"data": 1}', b'{"type": "Notification"}'])
def test_json_that_is_no_notification_is_refused(body: bytes) -> None:
    (refusal,) = parse(ngsi_v2, body).items
    assert isinstance(refusal, Refusal)
    assert (refusal.field, refusal.body) == ("data", body)


def test_a_notification_has_a_largest_number_of_entities() -> None:
    assert parse(ngsi_ld, b'{"data": []}').items == []
    parsed = parse(ngsi_ld, b'{"data": [' + b"1," * MOST_EVENTS + b"1]}")
    assert "100000 entities" in (parsed.unreadable or "")


def test_coordinates_in_another_system_are_converted() -> None:
    reading = read(ngsi_ld, ld(location=..., lon={"value": 120.3}, lat=29.6, crs="gcj02", pm25=35))
    assert reading.lon is not None
    assert reading.lat is not None
    assert 0.003 < 120.3 - reading.lon < 0.007
    assert 0.001 < abs(29.6 - reading.lat) < 0.004


# -- attributes and units


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ({"type": "LanguageProperty", "languageMap": {"en": "East", "fr": "Est"}}, "East"),
        ({"languageMap": {"fr": "Est"}}, "Est"),
        ({"languageMap": {}}, None),
        ({"type": "VocabProperty", "vocab": "East"}, "East"),
        ({"type": "JsonProperty", "json": {"a": 1}}, {"a": 1}),
        ({"type": "ListProperty", "valueList": [1, 2]}, [1, 2]),
        ({"type": "ListRelationship", "objectList": ["urn:a"]}, ["urn:a"]),
        ({"type": "Relationship", "object": ["urn:a", "urn:b"]}, ["urn:a", "urn:b"]),
        ({"type": "Property", "value": "urn:ngsi-ld:null"}, None),
        ("urn:ngsi-ld:null", None),
        ([{"value": 1, "datasetId": "urn:a"}, {"value": 2, "datasetId": "urn:b", "observedAt": SEEN}], 2),
        ({"dataset": {"urn:a": 1}}, 1),
        ({"addressLocality": "云溪"}, {"addressLocality": "云溪"}),
        (["a", {"b": 1}], ["a", {"b": 1}]),
    ],
)
def test_kinds_of_ld_attributes(attribute: object, value: object) -> None:
    assert ngsi_ld.read_attribute("name", attribute).value == value


def test_the_newest_time_of_any_attribute_counts_where_the_main_value_has_none() -> None:
    no2, so2 = ({"value": 1, "observedAt": at} for at in ("2026-11-22T07:00:00Z", SEEN))
    assert read(ngsi_ld, ld(dateObserved=..., pm25=35, no2=no2, so2=so2)).observed_at.minute == 20
    assert read(ngsi_ld, ld(pm25={"value": 3, "observedAt": "2026-11-22T07:30:00Z"})).observed_at.minute == 20
    older = {"PM2.5": {"value": 3, "observedAt": "2026-11-22T07:10:00Z"}}
    assert read(ngsi_ld, ld(dateObserved=..., so2={"value": 1, "observedAt": SEEN}, **older)).observed_at.minute == 10


@pytest.mark.parametrize(
    ("value", "code", "unit", "converted"),
    [
        (0.022, "GP", "µg/m³", 22),
        (500, "GQ", "mg/m³", 0.5),
        (500, "ug/m3", "mg/m³", 0.5),
        (12, "µg/m³", "µg/m³", 12),
        (10, "MTS", "km/h", 36),
        (36, "km/h", "m/s", 10),
        (300, "KEL", "°C", 26.85),
        (212, "FAH", "°C", 100),
        (101.3, "KPA", "hPa", 1013),
        (3200, "H29", "mg/L", 3.2),
        (2, "MIN", "s", 120),
        (61, " 2N ", "dB", 61),
        (40, "P1", "1", 0.4),
        (7, "pH", "pH", 7),
    ],
)
def test_units_are_converted_where_arithmetic_is_enough(value: float, code: str, unit: str, converted: float) -> None:
    assert convert_unit("x", value, code, unit) == converted


def test_per_cent_said_by_the_unit_is_per_cent_however_small() -> None:
    level = {"value": 1.2, "unitCode": "P1"}
    assert read(ngsi_ld, ld("WasteContainer", fillingLevel=level)).value == 0.012
    assert read(ngsi_ld, ld("WasteContainer", fillingLevel={"value": 1.2, "unitCode": "C62"})).value == 1.2


def test_a_declared_feed_without_a_unit_takes_that_of_the_reading() -> None:
    value = {"value": 7, "unitCode": "C62", "observedAt": SEEN}
    assert read(ngsi_ld, ld("Observation", feed="parking", value=value)).unit == "C62"
