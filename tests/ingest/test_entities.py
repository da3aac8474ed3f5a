"""Smart Data Model entities as readings: lenient in form, strict where a value would lie."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.formats.entities import MODELS, Observation, read_entity
from ingest.reception import FieldError, Reception

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
POINT = {"type": "Point", "coordinates": [120.1, 29.7]}
RECEPTION = Reception(
    county_code="339901",
    zone=ZoneInfo("Asia/Shanghai"),
    categories=frozenset({"0102"}),
    declared_feeds={"noise": "dB"},
    asset_points={"BIN-1": (120.5, 29.5)},
    cell_points={"339901001001001": (120.2, 29.6)},
)


def entity(kind: str, **fields: Any) -> dict[str, Any]:
    return {"id": "X-1", "type": kind, "location": POINT, "dateObserved": "2026-11-22T07:00:00Z"} | fields


def read(kind: str, **fields: Any) -> Observation:
    given = {name: value for name, value in entity(kind, **fields).items() if value is not ...}
    return read_entity(given, RECEPTION, NOW)


def refuse(kind: str, **fields: Any) -> FieldError:
    with pytest.raises(FieldError) as refusal:
        read(kind, **fields)
    assert str(refusal.value).startswith(f"{refusal.value.field}: ")
    return refusal.value


def test_a_bin() -> None:
    seen = read("WasteContainer", fillingLevel=0.7, storedWasteKind="paper", status="ok", temperature=21)
    assert seen == Observation(
        feed="waste",
        asset_id="X-1",
        observed_at=datetime(2026, 11, 22, 7, tzinfo=UTC),
        point=(120.1, 29.7),
        crs="wgs84",
        value=0.7,
        unit=None,
        attributes={"fillingLevel": 0.7, "storedWasteKind": "paper", "status": "ok", "temperature": 21},
    )


@pytest.mark.parametrize(
    ("kind", "fields", "feed", "value", "unit"),
    [
        ("TrafficFlowObserved", {"averageVehicleSpeed": 52, "intensity": 300}, "traffic", 52, "km/h"),
        ("AirQualityObserved", {"pm25": 35.5}, "air", 35.5, "µg/m³"),
        ("WaterQualityObserved", {"codMn": 3.2, "pH": 7.1}, "water", 3.2, "mg/L"),
    ],
)
def test_each_model_has_its_feed_value_and_unit(
    kind: str, fields: dict[str, float], feed: str, value: float, unit: str
) -> None:
    seen = read(kind, **fields)
    assert (seen.feed, seen.value, seen.unit, seen.attributes) == (feed, value, unit, fields)


@pytest.mark.parametrize(
    ("sent", "ratio"), [(0, 0), (0.42, 0.42), (1, 1), (1.2, 1.2), (1.5, 1.5), (42, 0.42), (100, 1), (120, 1.2)]
)
def test_a_filling_level_is_a_ratio_or_per_cent(sent: float, ratio: float) -> None:
    seen = read("WasteContainer", fillingLevel=sent)
    assert seen.value == pytest.approx(ratio)
    assert seen.attributes["fillingLevel"] == seen.value


def test_humidity_occupancy_and_reliability_may_be_per_cent() -> None:
    assert read("AirQualityObserved", relativeHumidity=64).attributes["relativeHumidity"] == 0.64
    assert read("AirQualityObserved", relativeHumidity=0.64).attributes["relativeHumidity"] == 0.64
    assert read("TrafficFlowObserved", occupancy=12).attributes["occupancy"] == 0.12


@pytest.mark.parametrize(
    ("kind", "field", "value", "reason"),
    [
        ("WasteContainer", "fillingLevel", -0.1, "below 0"),
        ("WasteContainer", "fillingLevel", 250, "above 2"),
        ("WasteContainer", "fillingLevel", "0.5", "expected a number, got a text"),
        ("WasteContainer", "fillingLevel", True, "expected a number, got true or false"),
        ("WasteContainer", "fillingLevel", [0.5], "expected a number, got a list"),
        ("WasteContainer", "cargoWeight", -1, "below 0"),
        ("TrafficFlowObserved", "averageVehicleSpeed", 251, "above 250 km/h"),
        ("TrafficFlowObserved", "averageVehicleSpeed", -1, "below 0 km/h"),
        ("TrafficFlowObserved", "intensity", -1, "below 0"),
        ("TrafficFlowObserved", "occupancy", 101, "above 1"),
        ("AirQualityObserved", "co", 500, "above 150 mg/m³"),
        ("AirQualityObserved", "pm25", -3, "below 0 µg/m³"),
        ("AirQualityObserved", "relativeHumidity", 140, "above 1"),
        ("AirQualityObserved", "windDirection", 400, "above 360 degrees"),
        ("WaterQualityObserved", "pH", 14.1, "above 14"),
        ("WaterQualityObserved", "pH", -0.1, "below 0"),
        ("WaterQualityObserved", "NH3", -1, "below 0 mg/L"),
    ],
)
def test_what_cannot_be_is_refused_by_name(kind: str, field: str, value: object, reason: str) -> None:
    error = refuse(kind, **{field: value})
    assert error.field == field
    assert reason in error.reason


@pytest.mark.parametrize("kind", MODELS)
def test_a_value_that_is_not_there_is_no_error(kind: str) -> None:
    assert read(kind).value is None
    assert read(kind, **{MODELS[kind].value: None}).value is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T07:00:00Z", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T15:00:00+08:00", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T15:00:00", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T06:00:00Z/2026-11-22T07:00:00Z", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T07:00:00Z/PT1H", datetime(2026, 11, 22, 7, tzinfo=UTC)),
        ("2026-11-22T14:00:00/2026-11-22T15:00:00", datetime(2026, 11, 22, 7, tzinfo=UTC)),
    ],
)
def test_times_are_instants_or_intervals_with_or_without_zone(text: str, expected: datetime) -> None:
    assert read("AirQualityObserved", dateObserved=text).observed_at == expected


@pytest.mark.parametrize("text", ["yesterday", "", "/", "2026-11-22", 1_763_769_600, None, ["2026-11-22T07:00:00Z"]])
def test_what_is_no_time_is_refused(text: object) -> None:
    assert refuse("AirQualityObserved", dateObserved=text).field == "dateObserved"


def test_a_time_is_neither_tomorrow_nor_before_1970() -> None:
    assert "ahead" in refuse("AirQualityObserved", dateObserved="2026-11-23T08:00:01Z").reason
    assert "1970" in refuse("AirQualityObserved", dateObserved="0001-01-01T00:00:00+08:00").reason


def test_a_clock_that_is_fast_by_minutes_is_believed_and_by_more_is_not() -> None:
    seen = read("AirQualityObserved", dateObserved="2026-11-22T08:05:00Z")
    assert (seen.observed_at, seen.attributes) == (NOW + timedelta(minutes=5), {})
    seen = read("AirQualityObserved", dateObserved="2026-11-23T07:59:59Z")
    assert (seen.observed_at, seen.attributes) == (NOW, {"deviceTime": "2026-11-23T07:59:59+00:00"})
    seen = read("Observation", feed="noise", value=60, dateObserved="2026-11-22T09:00:00Z")
    assert (seen.observed_at, seen.attributes) == (NOW, {"deviceTime": "2026-11-22T09:00:00+00:00"})


def test_a_bin_without_a_time_was_observed_when_it_came() -> None:
    given = entity("WasteContainer")
    del given["dateObserved"]
    assert read_entity(given, RECEPTION, NOW).observed_at == NOW
    event_at = datetime(2026, 11, 22, 5, tzinfo=UTC)
    assert read_entity(given, RECEPTION, NOW, event_at).observed_at == event_at
    given["binLoggedTime"] = "2026-11-22T06:00:00Z"
    assert read_entity(given, RECEPTION, NOW, event_at).observed_at == datetime(2026, 11, 22, 6, tzinfo=UTC)


def test_an_asset_needs_no_location() -> None:
    assert read("WasteContainer", id="BIN-1", location=...).point == (120.5, 29.5)
    named = read("WasteContainer", id="urn:ngsi-ld:WasteContainer:BIN-1", location=...)
    assert (named.asset_id, named.point) == ("BIN-1", (120.5, 29.5))
    assert "no asset 'BIN-2'" in refuse("WasteContainer", id="BIN-2", location=...).reason


def test_a_place_may_be_plain_numbers_or_a_cell() -> None:
    plain = read("WasteContainer", location=..., lon=120.3, lat=29, crs="gcj02")
    assert (plain.point, plain.crs) == ((120.3, 29.0), "gcj02")
    assert read("WasteContainer", location=..., cell_code="339901001001001").point == (120.2, 29.6)
    assert refuse("WasteContainer", location=..., cell_code="9").field == "cell_code"
    assert refuse("WasteContainer", location=..., lon=120.3, lat=29, crs="mars").field == "crs"


@pytest.mark.parametrize(
    ("location", "field"),
    [
        ("here", "location"),
        ({"type": "Polygon", "coordinates": []}, "location"),
        ({"type": "Point"}, "location.coordinates"),
        ({"type": "Point", "coordinates": [120]}, "location.coordinates"),
        ({"type": "Point", "coordinates": ["120", 29]}, "location.coordinates[0]"),
        ({"type": "Point", "coordinates": [29, 120]}, "location.coordinates[1]"),
    ],
)
def test_a_place_that_is_none_is_refused(location: object, field: str) -> None:
    assert refuse("AirQualityObserved", location=location).field == field


def test_older_forms_are_read_as_the_newer() -> None:
    assert read("WasteContainer", storedWasteKind=["paper"]).attributes["storedWasteKind"] == "paper"
    assert read("WasteContainer", storedWasteKind=["oil", "other"]).attributes["storedWasteKind"] == ["oil", "other"]
    assert read("AirQualityObserved", windDirection=270).attributes["windDirection"] == -90


def test_measurands_are_attributes_in_the_usual_units() -> None:
    lines = ["NO2, 0.022, GP, Nitrogen Dioxide", "CO, 500, GQ, Carbon Monoxide", "PM2.5, 12, GQ"]
    seen = read("AirQualityObserved", measurand=lines, pm10=40)
    assert seen.attributes == {"no2": pytest.approx(22), "co": 0.5, "pm25": 12, "pm10": 40}
    assert seen.value == 12
    assert read("WaterQualityObserved", measurand=["codMn, 4, M1, permanganate index"]).value == 4
    assert refuse("AirQualityObserved", measurand=["NO2, many"]).field == "measurand[0]"
    assert refuse("AirQualityObserved", measurand=["NO2, nan, GQ"]).field == "measurand[0]"
    assert refuse("AirQualityObserved", measurand=["CO, 500, GP"]).field == "co"
    assert refuse("AirQualityObserved", measurand="NO2, 22").field == "measurand"


def test_an_observation_of_a_declared_feed() -> None:
    given = {"type": "Observation", "feed": "noise", "id": "N-1", "lon": 120.1, "lat": 29.7, "value": 61}
    given |= {"observed_at": "2026-11-22T07:00:00Z", "attributes": {"laeq": 61}}
    assert read_entity(given, RECEPTION, NOW) == Observation(
        feed="noise",
        asset_id="N-1",
        observed_at=datetime(2026, 11, 22, 7, tzinfo=UTC),
        point=(120.1, 29.7),
        crs="wgs84",
        value=61.0,
        unit="dB",
        attributes={"laeq": 61},
    )
    assert read_entity(given | {"unit": "dB(A)"}, RECEPTION, NOW).unit == "dB(A)"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"feed": "waste"}, "feed"),
        ({"feed": "smell"}, "feed"),
        ({"value": None}, "value"),
        ({"value": "61"}, "value"),
        ({"attributes": [1]}, "attributes"),
        ({"unit": 5}, "unit"),
        ({"observed_at": None}, "dateObserved"),
        ({"id": ""}, "id"),
        ({"lat": 95}, "lat"),
    ],
)
def test_an_observation_is_checked_too(changes: dict[str, Any], field: str) -> None:
    given = {"type": "Observation", "feed": "noise", "id": "N-1", "lon": 120.1, "lat": 29.7, "value": 61}
    given |= {"observed_at": "2026-11-22T07:00:00Z"} | changes
    with pytest.raises(FieldError) as refusal:
        read_entity(given, RECEPTION, NOW)
    assert refusal.value.field == field


def test_what_a_later_reader_could_choke_on_is_refused() -> None:
    nested: list[Any] = []
    for _ in range(30):
        nested = [nested]
    assert "nested" in refuse("WasteContainer", extra=nested).reason
    assert "64 bits" in refuse("WasteContainer", extra={"n": 2**63}).reason
    assert refuse("Tree").field == "type"
    assert refuse("WasteContainer", id=7).field == "id"
