"""CloudEvents over HTTP to records: every field's refusal, and what a body may look like."""

import base64
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ingest.connectors import Delivery, Parsed, Refusal, http_events
from ingest.connectors.http_events import BATCH, BINARY, LINES, ONE
from ingest.reception import LARGEST_EVENT_BYTES, Reception
from ingest.records import (
    AlarmAcked,
    AlarmActed,
    AlarmCleared,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    Reading,
    Reporter,
    WorkerLocated,
)

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RECEPTION = Reception(
    county_code="339901",
    zone=ZoneInfo("Asia/Shanghai"),
    categories=frozenset({"0102", "D01"}),
    declared_feeds={},
    asset_points={"BIN-1": (120.5, 29.5)},
    cell_points={"339901001001001": (120.2, 29.6)},
)
DATA: dict[str, dict[str, Any]] = {
    "case.reported": {
        "category": "0102",
        "title": "暴露垃圾",
        "lon": 120.1,
        "lat": 29.7,
        "reported_at": "2026-11-22T07:00:00Z",
        "channel": "hotline",
    },
    "case.acted": {"case_id": "C-1", "action": "dispatch", "actor": "duty", "at": "2026-11-22T07:00:00Z"},
    "iot.observed": {"id": "BIN-1", "type": "WasteContainer", "fillingLevel": 0.5},
    "worker.located": {"worker_id": "W-1", "lon": 120.1, "lat": 29.7, "at": "2026-11-22T07:00:00Z", "on_duty": True},
    "alarm.raised": {"alarm_id": "A-1", "severity": 1, "subject": "水位", "at": "2026-11-22T07:00:00Z"},
    "alarm.acked": {"alarm_id": "A-1", "severity": 1, "subject": "水位", "at": "2026-11-22T07:00:00Z"},
    "alarm.acted": {"alarm_id": "A-1", "action": "shelve", "actor": "duty", "at": "2026-11-22T07:00:00Z"},
}


def event(kind: str, *, envelope: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """A good event with changed data; `...` leaves a field out."""
    data = {name: value for name, value in (DATA[kind] | changes).items() if value is not ...}
    given = {"specversion": "1.0", "id": "e-1", "source": "test", "type": kind, "data": data} | (envelope or {})
    return {name: value for name, value in given.items() if value is not ...}


def parse(body: bytes, content_type: str, reception: Reception = RECEPTION) -> Parsed:
    return http_events.parse(Delivery(body=body, content_type=content_type, received_at=NOW), reception)


def read(given: object) -> AnyRecord | Refusal:
    (item,) = parse(json.dumps(given).encode(), ONE).items
    return item


def accept(given: object) -> AnyRecord:
    record = read(given)
    assert not isinstance(record, Refusal), record
    return record


def refuse(given: object) -> Refusal:
    refusal = read(given)
    assert isinstance(refusal, Refusal), refusal
    assert refusal.body == json.dumps(given).encode()
    assert refusal.reason.startswith(f"{refusal.field}: ")
    return refusal


def test_a_report() -> None:
    report = accept(
        event(
            "case.reported",
            envelope={"origin": "replayed"},
            case_id="C-7",
            severity=2,
            people=3,
            reporter={"name": "张三", "phone": "13800000000"},
            media=["https://127.0.0.1/a.jpg"],
            description="路口",
        )
    )
    assert report == CaseReported(
        source="test",
        id="e-1",
        received_at=NOW,
        origin="replayed",
        lon=120.1,
        lat=29.7,
        case_id="C-7",
        category="0102",
        title="暴露垃圾",
        reported_at=datetime(2026, 11, 22, 7, tzinfo=UTC),
        channel="hotline",
        description="路口",
        severity=2,
        people=3,
        reporter=Reporter(name="张三", phone="13800000000"),
        media=["https://127.0.0.1/a.jpg"],
    )


def test_an_action_keeps_what_it_needs() -> None:
    action = accept(event("case.acted", unit="U01", note="请处理", limit_hours=4))
    assert action == CaseActed(
        source="test",
        id="e-1",
        received_at=NOW,
        case_id="C-1",
        action="dispatch",
        actor="duty",
        at=datetime(2026, 11, 22, 7, tzinfo=UTC),
        unit="U01",
        note="请处理",
        details={"limit_hours": 4},
    )


def test_a_reading() -> None:
    reading = accept(event("iot.observed", envelope={"origin": "simulated", "time": "2026-11-22T06:00:00Z"}))
    assert reading == Reading(
        source="test",
        id="e-1",
        received_at=NOW,
        origin="simulated",
        lon=120.5,
        lat=29.5,
        feed="waste",
        asset_id="BIN-1",
        observed_at=datetime(2026, 11, 22, 6, tzinfo=UTC),
        value=0.5,
        attributes={"fillingLevel": 0.5},
    )


def test_a_worker() -> None:
    located = accept(event("worker.located", cell_code="339901001001001", lon=..., lat=...))
    assert isinstance(located, WorkerLocated)
    assert (located.worker_id, located.on_duty, located.lon, located.lat) == ("W-1", True, 120.2, 29.6)


@pytest.mark.parametrize("kind", [AlarmRaised, AlarmAcked, AlarmCleared])
def test_an_alarm(kind: type[AlarmRaised | AlarmAcked | AlarmCleared]) -> None:
    name = str(kind.__struct_config__.tag)
    alarm = accept(event("alarm.raised", envelope={"type": name}, actor="duty", note="已到场"))
    assert alarm == kind(
        source="test",
        id="e-1",
        received_at=NOW,
        alarm_id="A-1",
        severity=1,
        subject="水位",
        at=datetime(2026, 11, 22, 7, tzinfo=UTC),
        actor="duty",
        note="已到场",
    )


def test_an_alarm_of_a_rule_says_what_it_is_about_and_where() -> None:
    told: dict[str, Any] = {"rule": "bin_fire", "thing": "bin-7", "value": 81.5}
    alarm = accept(event("alarm.raised", **told, cell_code="339901001001001"))
    assert isinstance(alarm, AlarmRaised)
    assert (alarm.rule, alarm.thing, alarm.value, alarm.lon, alarm.lat) == (*told.values(), 120.2, 29.6)


def test_what_else_is_done_about_an_alarm() -> None:
    shelved = accept(event("alarm.acted", note="维修", expects=3, details={"minutes": 30}))
    assert shelved == AlarmActed(
        source="test",
        id="e-1",
        received_at=NOW,
        alarm_id="A-1",
        action="shelve",
        actor="duty",
        at=datetime(2026, 11, 22, 7, tzinfo=UTC),
        note="维修",
        expects=3,
        details={"minutes": 30},
    )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"specversion": ...}, "specversion"),
        ({"specversion": "0.3"}, "specversion"),
        ({"id": ...}, "id"),
        ({"id": ""}, "id"),
        ({"id": 7}, "id"),
        ({"source": ...}, "source"),
        ({"type": ...}, "type"),
        ({"type": "case.deleted"}, "type"),
        ({"origin": "dreamt"}, "origin"),
        ({"time": "today"}, "time"),
        ({"data": ...}, "data"),
        ({"data": []}, "data"),
    ],
)
def test_an_envelope_is_checked_by_field(changes: dict[str, Any], field: str) -> None:
    assert refuse(event("case.reported", envelope=changes)).field == field


@pytest.mark.parametrize(
    ("kind", "changes", "field"),
    [
        ("case.reported", {"category": ...}, "data.category"),
        ("case.reported", {"category": "9999"}, "data.category"),
        ("case.reported", {"title": ...}, "data.title"),
        ("case.reported", {"title": ""}, "data.title"),
        ("case.reported", {"lon": "120.1"}, "data.lon"),
        ("case.reported", {"lon": 181}, "data.lon"),
        ("case.reported", {"lat": -91}, "data.lat"),
        ("case.reported", {"lat": ...}, "data.lat"),
        ("case.reported", {"lon": None}, "data.lon"),
        ("case.reported", {"lon": ..., "lat": ...}, "data.lon"),
        ("case.reported", {"lon": ..., "lat": ..., "cell_code": "1"}, "data.cell_code"),
        ("case.reported", {"crs": "utm"}, "data.crs"),
        ("case.reported", {"reported_at": ...}, "data.reported_at"),
        ("case.reported", {"reported_at": "22.11.2026"}, "data.reported_at"),
        ("case.reported", {"reported_at": "2026-11-24T08:00:00Z"}, "data.reported_at"),
        ("case.reported", {"channel": "rumour"}, "data.channel"),
        ("case.reported", {"severity": 0}, "data.severity"),
        ("case.reported", {"severity": 5}, "data.severity"),
        ("case.reported", {"severity": "high"}, "data.severity"),
        ("case.reported", {"people": -1}, "data.people"),
        ("case.reported", {"reporter": "张三"}, "data.reporter"),
        ("case.reported", {"media": [7]}, "data.media[0]"),
        ("case.reported", {"case_id": ""}, "data.case_id"),
        ("case.acted", {"case_id": ...}, "data.case_id"),
        ("case.acted", {"action": ...}, "data.action"),
        ("case.acted", {"actor": ...}, "data.actor"),
        ("case.acted", {"actor": "steward"}, "data.actor"),
        ("case.acted", {"at": "soon"}, "data.at"),
        ("case.acted", {"at": "1969-12-31T00:00:00Z"}, "data.at"),
        ("case.acted", {"plan": 2**70}, "data.plan"),
        ("iot.observed", {"type": "Tree"}, "data.type"),
        ("iot.observed", {"fillingLevel": -1}, "data.fillingLevel"),
        ("iot.observed", {"id": "BIN-9"}, "data.location"),
        ("worker.located", {"worker_id": ...}, "data.worker_id"),
        ("worker.located", {"on_duty": "yes"}, "data.on_duty"),
        ("worker.located", {"lon": ...}, "data.lon"),
        ("alarm.raised", {"alarm_id": ...}, "data.alarm_id"),
        ("alarm.raised", {"severity": 9}, "data.severity"),
        ("alarm.raised", {"subject": 7}, "data.subject"),
        ("alarm.raised", {"at": ...}, "data.at"),
        ("alarm.raised", {"lon": 120.2}, "data.lat"),
        ("alarm.raised", {"cell_code": "1"}, "data.cell_code"),
        ("alarm.acked", {"expects": "3"}, "data.expects"),
        ("alarm.acted", {"action": "explode"}, "data.action"),
    ],
)
def test_data_is_checked_by_field(kind: str, changes: dict[str, Any], field: str) -> None:
    refusal = refuse(event(kind, **changes))
    assert refusal.field == field
    assert (refusal.id, refusal.source) == ("e-1", "test")


def test_reasons_are_for_people() -> None:
    assert refuse(event("case.reported", lon="x")).reason == "data.lon: Expected `float | null`, got `str`"
    assert refuse(event("case.reported", title=...)).reason == "data.title: required, but missing"
    assert refuse(event("case.reported", category="7")).reason == "data.category: the county pack has no category '7'"


def test_a_pack_without_categories_takes_every_class() -> None:
    reception = replace(RECEPTION, categories=frozenset())
    parsed = parse(json.dumps(event("case.reported", category="X9")).encode(), ONE, reception)
    assert isinstance(parsed.items[0], CaseReported)


def test_a_time_without_zone_is_the_countys() -> None:
    report = accept(event("case.reported", reported_at="2026-11-22T15:00:00"))
    assert isinstance(report, CaseReported)
    assert report.reported_at == datetime(2026, 11, 22, 7, tzinfo=UTC)


def test_foreign_coordinates_become_wgs84() -> None:
    wgs84 = 120.233333, 29.716666
    # Here GCJ-02 lies east of WGS 84 and BD-09 further east; the exact vectors are in the tests of geo.crs.
    body = json.dumps(
        [event("case.reported", lon=wgs84[0], lat=wgs84[1], crs=crs) for crs in ("wgs84", "cgcs2000", "gcj02", "bd09")]
    )
    items = parse(body.encode(), BATCH).items
    places = [(item.lon, item.lat) for item in items if isinstance(item, CaseReported)]
    assert places[0] == places[1] == wgs84
    for lon, lat in places[2:]:
        assert lon is not None and lat is not None
        assert 0.003 < wgs84[0] - lon < 0.02
        assert abs(wgs84[1] - lat) < 0.02
    assert places[2] != places[3]


def test_a_cell_code_is_not_shifted() -> None:
    report = accept(event("case.reported", lon=..., lat=..., cell_code="339901001001001", crs="gcj02"))
    assert isinstance(report, CaseReported)
    assert (report.lon, report.lat) == (120.2, 29.6)


def test_a_batch_and_lines_keep_order_and_bytes() -> None:
    good, bad = event("worker.located"), event("worker.located", at=7)
    batch = parse(json.dumps([good, bad, 5, good]).encode(), BATCH)
    assert [isinstance(item, Refusal) for item in batch.items] == [False, True, True, False]
    assert [item.body for item in batch.items if isinstance(item, Refusal)] == [json.dumps(bad).encode(), b"5"]
    text = "\n".join([json.dumps(good), "", "{oops", json.dumps(bad) + "\r", "  "])
    lines = parse(b"\xef\xbb\xbf" + text.encode(), LINES)
    assert [isinstance(item, Refusal) for item in lines.items] == [False, True, True]
    assert [item.field for item in lines.items if isinstance(item, Refusal)] == ["event", "data.at"]


@pytest.mark.parametrize("content_type", [ONE, BATCH, LINES])
@pytest.mark.parametrize("body", [b"", b" ", b"<xml/>", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_is_unreadable(body: bytes, content_type: str) -> None:
    parsed = parse(body, content_type)
    assert parsed.items == []
    assert parsed.unreadable


@pytest.mark.parametrize(("body", "content_type"), [(b"[]", ONE), (b"{}", BATCH), (b"7", ONE), (b"null\n7", LINES)])
def test_json_of_another_shape_is_refused_and_kept(body: bytes, content_type: str) -> None:
    parsed = parse(body, content_type)
    assert parsed.unreadable is None
    assert all(isinstance(item, Refusal) for item in parsed.items)
    assert b"\n".join(item.body for item in parsed.items if isinstance(item, Refusal)) == body


def test_an_empty_batch_is_a_batch() -> None:
    assert parse(b"[]", BATCH) == ([], None)


def test_a_nul_is_refused_before_a_database_chokes_on_it() -> None:
    assert "NUL" in refuse(event("case.reported", title="a\0b")).reason
    # A backslash before it makes it six ordinary characters.
    report = accept(event("case.reported", title="a\\u0000b"))
    assert isinstance(report, CaseReported)
    assert report.title == "a\\u0000b"


def test_an_event_has_a_largest_size() -> None:
    assert "bytes" in refuse(event("iot.observed", note="x" * LARGEST_EVENT_BYTES)).reason


def test_the_documents_example_is_accepted() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "add-a-source.md").read_text()
    (example,) = re.findall(r"-d '(.*?)'\n", text, re.DOTALL)
    reading = accept(json.loads(example))
    assert isinstance(reading, Reading)
    assert (reading.asset_id, reading.value, reading.lon) == ("BIN-17", 0.62, 120.1)


# -- binary mode, and data in base64


HEADERS = {
    "content-type": "application/json",
    "ce-specversion": "1.0",
    "ce-id": "e-1",
    "ce-source": "test",
    "ce-type": "iot.observed",
    "ce-time": "2026-11-22T07:00:00Z",
    "ce-comexampleextension": "x",
}


def parse_binary(headers: dict[str, str], body: bytes | None = None) -> Parsed:
    if body is None:
        body = json.dumps(DATA["iot.observed"]).encode()
    return http_events.parse(Delivery(body=body, content_type=BINARY, headers=headers, received_at=NOW), RECEPTION)


def test_binary_mode_is_the_same_event() -> None:
    (binary,) = parse_binary(HEADERS).items
    assert binary == accept(event("iot.observed", envelope={"time": "2026-11-22T07:00:00Z"}))


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),  # the specification's own example
        ("%25", "%"),
        ("100%", "100%"),
        ('"a \\"quoted\\" %E6%9D%91"', 'a "quoted" 村'),
        ("plain", "plain"),
    ],
)
def test_a_header_is_percent_decoded_once(header: str, text: str) -> None:
    (record,) = parse_binary(HEADERS | {"ce-id": header}).items
    assert record.id == text


def test_two_headers_that_are_no_utf_8_stay_different() -> None:
    first, second = (parse_binary(HEADERS | {"ce-id": f"%F{digit}"}).items[0].id for digit in "EF")
    assert first != second


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ce-id": None}, "ce-id"),
        ({"ce-source": None}, "ce-source"),
        ({"ce-type": None}, "ce-type"),
        ({"ce-specversion": None}, "ce-specversion"),
        ({"ce-specversion": "0.3"}, "ce-specversion"),
        ({"ce-id": ""}, "ce-id"),
        ({"ce-type": "nothing.known"}, "ce-type"),
        ({"ce-time": "yesterday"}, "ce-time"),
        ({"ce-data": "{}", "ce-id": None}, "ce-id"),
    ],
)
def test_a_missing_or_wrong_header_is_named(changes: dict[str, str | None], field: str) -> None:
    headers = {name: value for name, value in (HEADERS | changes).items() if value is not None}
    (refusal,) = parse_binary(headers).items
    assert isinstance(refusal, Refusal)
    assert refusal.field == field
    assert refusal.reason.startswith(f"{field}: ")


def test_a_refused_binary_event_can_be_delivered_in_structured_mode() -> None:
    (refusal,) = parse_binary(HEADERS, b'{"id": "BIN-1", "type": "WasteContainer", "fillingLevel": -1}').items
    assert isinstance(refusal, Refusal)
    assert (refusal.field, refusal.id, refusal.source) == ("data.fillingLevel", "e-1", "test")
    (again,) = parse(refusal.body, ONE).items
    assert again == refusal
    (mended,) = parse(refusal.body.replace(b": -1", b": 0.1"), ONE).items
    assert isinstance(mended, Reading)
    assert (mended.id, mended.value) == ("e-1", 0.1)


def test_a_binary_body_that_is_no_json_is_unreadable() -> None:
    assert parse_binary(HEADERS, b"level=5").unreadable
    assert parse_binary(HEADERS, b"").unreadable


def pack(data: bytes, **more: Any) -> dict[str, Any]:
    return event("iot.observed", envelope={"data": ..., "data_base64": base64.b64encode(data).decode(), **more})


@pytest.mark.parametrize("content_type", [..., "application/json", "application/json; charset=utf-8", "text/x+json"])
def test_json_in_base64_is_data(content_type: Any) -> None:
    data = json.dumps(DATA["iot.observed"]).encode()
    assert accept(pack(data, datacontenttype=content_type)) == accept(event("iot.observed"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        (pack(b"level=5"), "data_base64"),
        (pack(b"{}", datacontenttype="text/plain"), "datacontenttype"),
        (pack(b"{}") | {"data": {}}, "data_base64"),
        (pack(b"") | {"data_base64": "no!"}, "data_base64"),
        (pack(b"") | {"data_base64": 5}, "data_base64"),
        (pack(b"") | {"data_base64": None}, "data"),
        (pack(b'{"id": "BIN-1", "type": "Zeppelin"}'), "data.type"),
        (pack(b"x" * LARGEST_EVENT_BYTES), "event"),
    ],
)
def test_other_data_in_base64_is_refused(given: dict[str, Any], field: str) -> None:
    assert refuse(given).field == field


def test_lines_with_packed_data_among_them_are_all_read() -> None:
    packed, plain = pack(json.dumps(DATA["iot.observed"]).encode()), event("iot.observed")
    parsed = parse("\n".join(map(json.dumps, [plain, packed, plain])).encode(), LINES)
    assert [isinstance(item, Reading) for item in parsed.items] == [True, True, True]
