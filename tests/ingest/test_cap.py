"""CAP in: what is understood, what is refused, what hostile XML costs, and what SQL keeps."""

import re
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import select

from ingest.alert_life import LONGEST, UNDATED, end_of, last_end_of
from ingest.arrivals import Arrival
from ingest.connectors import Delivery, Parsed, Refusal, cap
from ingest.formats import cap_xml
from ingest.formats.cap_codes import read_area_codes, read_identifier, read_level
from ingest.history import load_snapshot
from ingest.migrations import upgrade_database
from ingest.reception import Reception
from ingest.records import AlertIssued, AlertReference
from ingest.store import Batch, ensure_watermarks, load_watermarks, open_database, write_batch
from ingest.tables import alerts, counters

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "connectors" / "cap"
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
RECEPTION = Reception("339901", ZoneInfo("Asia/Shanghai"), frozenset(), {}, {}, {})
ALERT = '<alert xmlns="urn:oasis:names:tc:emergency:cap:1.2">'


def parse(body: bytes | str, received_at: datetime = NOW) -> Parsed:
    body = body.encode() if isinstance(body, str) else body
    return cap.parse(Delivery(body=body, received_at=received_at), RECEPTION)


def read(name: str, **changes: str) -> AlertIssued:
    item = parse(change(name, **changes)).items[0]
    assert isinstance(item, AlertIssued), item
    return item


def refuse(name: str, **changes: str) -> Refusal:
    item = parse(change(name, **changes)).items[0]
    assert isinstance(item, Refusal)
    return item


def change(name: str, **changes: str) -> str:
    """A fixture with the text of some elements changed, the element left out where that is empty."""
    text = (FIXTURES / f"{name}.xml").read_text()
    for element, value in changes.items():
        text, count = re.subn(f"<{element}>[^<]*</{element}>", f"<{element}>{value}</{element}>" if value else "", text)
        assert count
    return text


# -- what is understood -------------------------------------------------------------------------------------


def test_an_alert_is_read_whole() -> None:
    alert = read("alert")
    assert (alert.source, alert.identifier) == ("yunxi.qxj", "33990141600000_20261122140000_0")
    assert alert.sent == datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert (alert.status, alert.kind, alert.scope) == ("Actual", "Alert", "Public")
    [info] = alert.infos
    assert (info.level, info.severity, info.urgency, info.certainty) == (2, "Severe", "Expected", "Likely")
    assert info.expires == datetime(2026, 11, 22, 14, tzinfo=UTC)
    assert info.areas[0].geocodes == [("GB/T 2260", "339901")]
    english, chinese = info.texts
    assert (chinese.event, chinese.area, chinese.issuer) == ("暴雨", "云溪县", "云溪县气象台")
    assert chinese.instruction == "停止户外作业，远离河道和山坡。"
    assert (english.event, english.language) == ("Rainstorm", "en-US")


def test_areas_come_as_lon_lat_and_references_as_triples() -> None:
    update = read("update")
    [area] = update.infos[0].areas
    assert area.polygons == [[(120.3, 29.6), (120.4, 29.6), (120.4, 29.7), (120.3, 29.7), (120.3, 29.6)]]
    assert area.circles == [(120.35, 29.55, 5.0)]
    sent = datetime(2026, 11, 22, 6, tzinfo=UTC)
    assert update.references == [AlertReference("yunxi.qxj", "33990141600000_20261122140000_0", sent)]
    assert len(read("cancel").references) == 2


def test_the_same_alert_again_has_the_same_identity_and_another_moment_another() -> None:
    assert read("alert").id == read("alert").id == read("alert", sent="2026-11-22T06:00:00+00:00").id
    assert read("alert").id != read("alert", sent="2026-11-22T14:00:01+08:00").id


def test_what_national_feeds_publish_is_taken() -> None:
    alert = read("as-published")
    assert alert.sent == datetime(2026, 11, 22, 7, 9, 13, tzinfo=UTC)  # references have no fractions
    [info] = alert.infos
    assert (info.level, info.urgency, info.texts[0].language) == (3, "Unknown", "zh-CN")
    assert read_area_codes(info.areas[0].geocodes) == ["339901100"]


def test_blocks_that_say_other_things_stay_apart() -> None:
    text = change("alert").replace("2026-11-22T22:00:00+08:00", "2026-11-22T23:00:00+08:00", 1)
    item = parse(text).items[0]
    assert isinstance(item, AlertIssued)
    assert [len(info.texts) for info in item.infos] == [1, 1]


def test_a_chinese_encoding_is_read() -> None:
    text = change("alert").replace("UTF-8", "GB2312")
    item = parse(text.encode("gb2312")).items[0]
    assert isinstance(item, AlertIssued)
    assert item.infos[0].texts[1].event == "暴雨"


@pytest.mark.parametrize(
    ("identifier", "area", "agency", "serial"),
    [("33068141600000_20261122160000_0", "330681", "416", 0), ("33068133200000_20261122160000", "330681", "332", None)],
)
def test_a_chinese_identifier_is_understood(identifier: str, area: str, agency: str, serial: int | None) -> None:
    parts = read_identifier(identifier)
    assert parts is not None
    assert (parts.area_code, parts.agency, parts.unit, parts.extension, parts.serial) == (
        area,
        agency,
        "000",
        "00",
        serial,
    )
    assert parts.issued_at == datetime(2026, 11, 22, 8, tzinfo=UTC)  # written in Beijing time


@pytest.mark.parametrize(
    "identifier",
    ["KSTO1055887203", "33068141600000_20261322160000_0", "33068141600000_00000000000000_0", "３３0681" + "0" * 25],
)
def test_any_other_identifier_is_left_alone(identifier: str) -> None:
    assert read_identifier(identifier) is None


@pytest.mark.parametrize(
    ("severity", "title", "codes", "level"),
    [
        ("Extreme", "", [], 1),
        ("minor", "", [], 4),
        ("Unknown", "", [], 4),
        ("ORANGE", "", [], 2),
        ("红色", "", [], 1),
        ("Moderate", "大雾橙色预警信号", [], 2),
        ("Minor", "updates blue warning for flash floods", [], 4),
        ("Moderate", "关于红色旅游景区的通告", [], 3),
        ("Severe", "由橙色预警升级为红色预警", [], 2),
        ("Severe", "", [("awareness_level", "2; yellow; Moderate")], 3),
        ("Severe", "", [("vehicleColor", "red")], 2),
        ("Severe", "", [("预警级别", "Ⅰ级/红色")], 1),
        ("loud", "", [], None),
    ],
)
def test_the_level_is_the_issuers_colour_or_else_the_severity(
    severity: str, title: str, codes: list[tuple[str, str]], level: int | None
) -> None:
    assert read_level(severity, [title], codes) == level


@pytest.mark.parametrize(
    ("name", "value", "codes"),
    [
        ("GB/T 2260", "330681", ["330681"]),
        ("CPEAS Geographic Code", "330681100000", ["330681100"]),
        ("行政区划代码", "330600", ["330600"]),
        ("cell_code", "330681001001001", ["330681001001001"]),
        ("SAME", "006037", []),
        ("GB/T 2260", "3306", []),
    ],
)
def test_only_chinese_codes_are_area_codes(name: str, value: str, codes: list[str]) -> None:
    assert read_area_codes([(name, value)]) == codes


def test_no_end_no_day_after_the_last_and_the_end_of_time() -> None:
    undated = read("as-published")
    assert end_of(undated, undated.infos[0]) == undated.sent + UNDATED
    endless = read("alert", expires="9999-12-31T23:59:59-12:00")
    assert last_end_of(endless) == endless.sent + LONGEST
    clear = read("alert", responseType="AllClear")
    assert last_end_of(clear) == clear.sent
    assert last_end_of(read("cancel")) == read("cancel").sent


# -- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("version-1.1", {}, "alert: its namespace must be urn:oasis:names:tc:emergency:cap:1.2, not urn:oasis"),
        ("swapped", {}, "info[0].area[0].polygon[0]: latitude 120.3 is beyond 90; CAP writes lat,lon"),
        ("alert", {"identifier": ""}, "identifier: missing"),
        ("alert", {"identifier": "x" * 300}, "identifier: longer than 256"),
        ("alert", {"sender": ""}, "sender: missing"),
        ("alert", {"sent": "2026-11-24T00:00:00+08:00"}, "sent: 2026-11-24T00:00:00+08:00 is more than a day ahead"),
        ("alert", {"sent": "yesterday"}, "sent: 'yesterday' is no time"),
        ("alert", {"status": "Real"}, "status: 'Real' is none of Actual, Exercise"),
        ("alert", {"msgType": "Shout"}, "msgType: 'Shout' is none of"),
        ("alert", {"scope": ""}, "scope: missing"),
        ("alert", {"event": ""}, "info[0].event: missing"),
        ("alert", {"severity": "Loud", "headline": "Rain"}, "info[0].severity: 'Loud' is none of CAP's"),
        ("alert", {"expires": "2026-02-30T00:00:00+08:00"}, "info[0].expires: '2026-02-30T00:00:00+08:00': day"),
        ("update", {"references": "only-one"}, "references[0]: 'only-one' is not sender,identifier,sent"),
        ("update", {"circle": "29.5,120.3"}, "info[0].area[0].circle[0]: '29.5,120.3' is not 'lat,lon radius'"),
        ("update", {"circle": "29.5,120.3 -1"}, "info[0].area[0].circle[0]: a radius of -1 km"),
        ("update", {"polygon": "29.5,120.3 nan,1 2,3 29.5,120.3"}, "info[0].area[0].polygon[0]: 'nan' is no number"),
        ("update", {"polygon": "29.5,120.3 29.6,120.3"}, "info[0].area[0].polygon[0]: a polygon needs at least three"),
    ],
)
def test_a_bad_alert_is_refused_with_its_field(name: str, changes: dict[str, str], reason: str) -> None:
    refusal = refuse(name, **changes)
    assert refusal.reason.startswith(reason)
    assert refusal.reason.startswith(f"{refusal.field}: ")
    assert refusal.feed == "alerts"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "no element found"),
        ("{}", "not well-formed"),
        ("<rss/>", "the root is 'rss', not 'alert'"),
        ('<?xml version="1.0" encoding="klingon"?><alert/>', "encoding"),
        ('<?xml version="1.0" encoding="gbk"?><alert>\xff</alert>', "not in the encoding that it names"),
    ],
)
def test_what_is_no_cap_is_unreadable(body: str, reason: str) -> None:
    parsed = parse(body.encode("latin-1"))
    assert parsed.items == []
    assert parsed.unreadable and reason in parsed.unreadable


def _laugh(times: int) -> str:
    entities = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, times))
    return f'<!DOCTYPE a [<!ENTITY l0 "lol">{entities}]>{ALERT}&l{times - 1};</alert>'


HOSTILE = {
    "a billion laughs": _laugh(12),
    "quadratic blow-up": f'<!DOCTYPE a [<!ENTITY x "{"a" * 500_000}">]>{ALERT}{"&x;" * 100_000}</alert>',
    "an external entity": f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>{ALERT}&x;</alert>',
    "an external DTD": f'<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd">{ALERT}</alert>',
    "a parameter entity": f'<!DOCTYPE a [<!ENTITY % x SYSTEM "http://127.0.0.1:9/a"> %x;]>{ALERT}</alert>',
    "an entity of nobody": f"{ALERT}&x;</alert>",
    "endless nesting": "<a>" * 600_000,
    "nesting inside a stranger": f"{ALERT}<s:a xmlns:s='s'>" + "<s:a>" * 300_000,
    "endless elements": ALERT + "<a/>" * 400_000,
    "endless text": f"{ALERT}<note>{'x' * 2_000_000}",
    "endless references": f"{ALERT}<note>{'&#65;' * 400_000}",
    "endless attributes": "<a " + " ".join(f"a{i}=''" for i in range(150_000)) + "/>",
    "endless namespaces": "<a " + " ".join(f"xmlns:a{i}='{i}'" for i in range(80_000)) + "/>",
    "too large a body": " " * 3_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_xml_is_refused_and_takes_little_memory(name: str) -> None:
    body = HOSTILE[name].encode()
    tracemalloc.start()
    parsed = parse(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert parsed.items == [] and parsed.unreadable
    assert peak < 64 * 1024 * 1024


def test_hostile_xml_is_given_up_at_the_first_excess(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much more comes after it: counted in elements, not in seconds."""
    started = 0
    start = cap_xml._Builder.start

    def count(self: cap_xml._Builder, tag: str, attributes: object) -> None:
        nonlocal started
        started += 1
        start(self, tag, attributes)

    monkeypatch.setattr(cap_xml._Builder, "start", count)
    parse("<a>" * 600_000)
    assert started == cap_xml.DEEPEST + 1
    started = 0
    parse(ALERT + "<a/>" * 400_000)
    assert started == cap_xml.MOST_ELEMENTS + 1
    started = 0
    parse(_laugh(12))
    assert started == 0


def test_a_picture_inside_is_not_kept() -> None:
    picture = f"<resource><derefUri>{'A' * 1_000_000}</derefUri></resource><area>"
    item = parse(change("alert").replace("<area>", picture)).items[0]
    assert isinstance(item, AlertIssued)


# -- what SQL keeps -----------------------------------------------------------------------------------------


@pytest.fixture
def deliveries() -> Iterator[list[AlertIssued]]:
    yield [read(name) for name in ("cancel", "alert", "alert", "exercise", "as-published")]


def test_every_message_is_recorded_once_and_comes_back_whole(database_url: str, deliveries: list[AlertIssued]) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    for round_ in range(2):  # the second time SQL has them all
        arrivals = [Arrival(0, f"{round_ + 1}-{place}", record) for place, record in enumerate(deliveries)]
        with engine.begin() as connection:
            ensure_watermarks(connection, [0])
            write_batch(connection, Batch(arrivals, []), load_watermarks(connection), NOW)
    unique = {record.id: record for record in deliveries}
    with engine.connect() as connection:
        rows = connection.execute(select(alerts)).all()
        counts = {row.name: row.value for row in connection.execute(select(counters))}
    assert {row.event_id for row in rows} == set(unique)
    assert (counts["recorded"], counts["late_duplicate"]) == (len(unique), 2 * len(deliveries) - len(unique))
    engine.dispose()

    reader = open_database(database_url, read_only=True)
    assert {record.id: record for record in load_snapshot(reader, NOW).alerts} == unique
    reader.dispose()


def test_a_snapshot_leaves_out_what_can_matter_no_more(database_url: str) -> None:
    """But never a cancellation of what still counts, however old it is."""
    old, far = NOW - timedelta(days=60), "2027-06-01T00:00:00+08:00"
    lasting = [
        read("alert", sent="2026-10-01T00:00:00+08:00", expires=far),
        read("cancel", sent="2026-10-02T00:00:00+08:00"),
    ]
    over = read("exercise", sent="2026-09-01T00:00:00+08:00", expires="2026-09-02T00:00:00+08:00")
    assert over.sent < old < lasting[0].sent
    upgrade_database(database_url)
    engine = open_database(database_url)
    arrivals = [Arrival(0, f"1-{place}", record) for place, record in enumerate((*lasting, over))]
    with engine.begin() as connection:
        ensure_watermarks(connection, [0])
        write_batch(connection, Batch(arrivals, []), load_watermarks(connection), NOW)
    assert [record.id for record in load_snapshot(engine, NOW).alerts] == [record.id for record in lasting]
    engine.dispose()
