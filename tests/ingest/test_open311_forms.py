"""GeoReport's forms, answers and questions without a service: what no client, however odd, may break."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from urllib.parse import urlencode
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.county import County, load_county
from geo.pack import Name, PackError
from geo.profile import Attribute, read_attributes
from ingest.connectors import Delivery, Refusal, open311
from ingest.open311 import arriving
from ingest.open311.arriving import RecorderBehindError, find_arriving
from ingest.open311.formats import JSON, XML, render
from ingest.open311.forms import MULTIPART, URLENCODED
from ingest.open311.services import Service, list_services
from ingest.open311.wording import LANGUAGES, choose_language, name_action
from ingest.placing import find_partition
from ingest.reception import Reception
from ingest.records import CaseReported, encode_record
from ingest.store import Watermark
from ingest.stream import AsyncStreams, Entry, Streams, connect, connect_async, digest_event
from tests.ingest.samples import report

NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
CELL = "339901001001001"
SHANGHAI = ZoneInfo("Asia/Shanghai")
ATTRIBUTES = {
    attribute.code: attribute
    for attribute in (
        Attribute("bags", Name("几袋", "How many bags"), "number", True, {}),
        Attribute("when", Name("何时", "When"), "datetime", False, {}),
        Attribute(
            "kind", Name("何种", "Which"), "singlevaluelist", False, {"a": Name("甲", "A"), "b": Name("乙", "B")}
        ),
        Attribute(
            "kinds", Name("哪些", "Which"), "multivaluelist", False, {"a": Name("甲", "A"), "b": Name("乙", "B")}
        ),
        Attribute("story", Name("经过", "Story"), "text", False, {}),
    )
}


@pytest.fixture(scope="module")
def reception(county: County) -> Reception:
    category = county.categories["0102"]
    return Reception(
        county_code="339901",
        zone=SHANGHAI,
        categories=frozenset({"0102"}),
        declared_feeds={},
        asset_points={},
        cell_points={CELL: (120.2, 29.6)},
        services={"0102": Service(category, ATTRIBUTES)},
    )


def deliver(body: bytes, content_type: str = URLENCODED, at: datetime = NOW, **headers: str) -> Delivery:
    sent = {"content-type": content_type, **{name.replace("_", "-"): text for name, text in headers.items()}}
    return Delivery(body=body, received_at=at, content_type=content_type.partition(";")[0], headers=sent)


def form(**fields: str | list[str]) -> bytes:
    given = {"service_code": "0102", "lat": "29.6", "long": "120.2", "attribute[bags]": "1"} | fields
    return urlencode({name: text for name, text in given.items() if text != ""}, doseq=True).encode()


def read(body: bytes, reception: Reception, **delivered: str) -> CaseReported:
    (item,) = open311.parse(deliver(body, **delivered), reception).items
    assert isinstance(item, CaseReported), item
    return item


def refuse(body: bytes, reception: Reception, content_type: str = URLENCODED) -> Refusal:
    (item,) = open311.parse(deliver(body, content_type), reception).items
    assert isinstance(item, Refusal), item
    return item


def test_attributes_are_read_as_the_pack_declares_them(reception: Reception) -> None:
    said = {
        "attribute[bags]": "3",
        "attribute[when]": "2026-11-30T08:00:00",
        "attribute[kind]": "b",
        "attribute[kinds][]": ["a", "b"],
        "attribute[story]": "长" * 4000,
        "attribute[easting]": "512345",
        "attribute[blank]": " ",
        "attribute[]": "no code",
    }
    assert read(form(**said), reception).details["attributes"] == {
        "bags": 3.0,
        "when": "2026-11-30T08:00:00+08:00",
        "kind": "b",
        "kinds": ["a", "b"],
        "story": "长" * 4000,
        "easting": "512345",
    }


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("bags", ""),
        ("bags", " "),
        ("bags", "three"),
        ("bags", "9" * 400),
        ("when", "soon"),
        ("kind", "c"),
        ("kind", ["a", "b"]),
        ("kinds", ["a", "c"]),
        ("story", "长" * 4001),
        ("easting", "5" * 501),
    ],
)
def test_an_attribute_that_is_not_so_is_named(reception: Reception, code: str, text: str | list[str]) -> None:
    assert refuse(form(**{f"attribute[{code}]": text}), reception).field == f"attribute[{code}]"


def test_names_stand_as_they_are_said(reception: Reception) -> None:
    chinese = read(form(first_name="小明", last_name="欧阳"), reception)
    english = read(form(first_name="Ada", last_name="King"), reception)
    assert [record.reporter and record.reporter.name for record in (chinese, english)] == ["欧阳小明", "Ada King"]
    assert read(form(), reception).reporter is None


def test_the_title_is_the_service_and_the_first_words(reception: Reception) -> None:
    assert read(form(), reception).title == "暴露垃圾"
    assert read(form(description="桥 下\n有  垃圾"), reception).title == "暴露垃圾：桥 下 有 垃圾"
    assert read(form(description="长" * 41), reception).title == f"暴露垃圾：{'长' * 40}…"


def test_the_same_form_is_one_report_for_an_hour_of_the_county(reception: Reception) -> None:
    def id_at(hour: int, minute: int, body: bytes = form(), **headers: str) -> str:
        at = datetime(2026, 11, 22, hour, minute, tzinfo=UTC)
        (item,) = open311.parse(deliver(body, at=at, **headers), reception).items
        assert not isinstance(item, str)
        return str(item.id)

    assert id_at(8, 0) == id_at(8, 59) != id_at(9, 0)
    assert id_at(8, 0) != id_at(8, 0, form(phone="1"))
    assert id_at(8, 0) == id_at(8, 0, form() + b"&api_key=another")
    assert id_at(8, 0, idempotency_key="k") == id_at(15, 59, idempotency_key="k") != id_at(8, 0)
    assert id_at(16, 0, idempotency_key="k") != id_at(15, 59, idempotency_key="k")  # midnight, and so another case
    moment = form(requested_datetime="2026-11-22T07:00:00Z")
    assert id_at(8, 0, moment) == id_at(23, 0, moment)
    half_past = replace(reception, zone=ZoneInfo("Asia/Kolkata"))
    ids = [open311.parse(deliver(form(), at=NOW.replace(minute=minute)), half_past).items[0].id for minute in (29, 30)]
    assert ids[0] != ids[1]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"api_key=SECRET&lat=%ff", URLENCODED),
        (b"lat=1&api%5Fkey=SECRET", URLENCODED),
        (b"--x\r\nContent-Disposition: form-data; name=api_key\r\n\r\nSECRET\r\n--x--", f"{MULTIPART}; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="api_key"\r\n\r\nSECRET\r\n--x--', f"{MULTIPART}; boundary=x"),
    ],
)
def test_a_key_is_never_kept(reception: Reception, body: bytes, content_type: str) -> None:
    assert b"SECRET" not in refuse(body, reception, content_type).body


def test_a_refused_multipart_form_is_kept_as_one_that_can_be_read_again(reception: Reception) -> None:
    part = '--x\r\nContent-Disposition: form-data; name="{}"\r\n\r\n{}\r\n'
    body = "".join(part.format(*field) for field in (("service_code", "9999"), ("description", "桥&下"), ("lat", "1")))
    kept = refuse(f"{body}--x--\r\n".encode(), reception, f"{MULTIPART}; boundary=x").body
    assert kept == f"{body}--x--\r\n".encode()
    assert refuse(kept, reception).field == "service_code"


NAMES = st.sampled_from(["service_code", "lat", "long", "description", "attribute[bags]", "media_url", "api_key"])
FIELDS = st.lists(st.tuples(NAMES | st.text(), st.text() | st.sampled_from(["0102", "29.6", "120.2"])), max_size=12)


@given(fields=FIELDS)
def test_no_form_breaks_it(fields: list[tuple[str, str]]) -> None:
    odd = Reception("339901", SHANGHAI, frozenset(), {}, {}, {})
    (item,) = open311.parse(deliver(urlencode(fields, errors="replace").encode()), odd).items
    if isinstance(item, CaseReported):
        assert msgspec.json.decode(encode_record(item))["category"] == item.category
        assert -180 <= (item.lon or 0) <= 180


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda part: st.lists(part, max_size=3)))
def test_every_text_makes_readable_xml_and_json(content: object) -> None:
    def texts(part: object) -> str:
        if isinstance(part, list):
            return "".join(map(texts, part))
        return "" if part is None else str(part).lower() if isinstance(part, bool) else str(part)

    nested = {"services": content if isinstance(content, list) and not _is_nested(content) else [texts(content)]}
    root = ElementTree.fromstring(render("root", nested, XML))
    told = "".join(root.itertext())
    assert "\0" not in told
    wanted = texts(nested["services"]).replace("\r\n", "\n").replace("\r", "\n")
    assert told == "".join(letter for letter in wanted if letter in "\t\n" or _is_legal(letter))
    assert msgspec.json.decode(render("root", nested, JSON)) == nested


def _is_nested(content: list[object]) -> bool:
    return any(isinstance(part, list) for part in content)


def _is_legal(letter: str) -> bool:
    return letter >= " " and not "\ud800" <= letter <= "\udfff" and letter not in "\ufffe\uffff"


def test_languages_are_chosen_and_whole() -> None:
    assert choose_language("en", "zh-CN", "zh") == "en"
    assert choose_language("", "en-GB,zh;q=0.5", "zh") == "en"
    assert choose_language("fr", "", "en") == "en"
    assert name_action("zh", "unheard_of", None) == "有新进展"
    for lang in LANGUAGES:
        assert name_action(lang, "dispatch", "U") != name_action(lang, "unheard_of", "U")


def test_every_action_that_a_citizen_is_told_of_has_words() -> None:
    from cases.flow import load_built_in
    from ingest.open311.requests import INTERNAL
    from ingest.open311.wording import _load_words

    known = {action for flow in load_built_in().values() for action in flow.actions} | {"undo"}
    assert set(INTERNAL) <= known
    for lang in LANGUAGES:
        assert set(_load_words()[lang]["action"]) == known - set(INTERNAL) | {"report"}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"code": "a", "zh": "甲", "datatype": "colour"}, "datatype must be one of"),
        ({"code": "a", "zh": "甲", "datatype": "singlevaluelist"}, "a list must have some"),
        ({"code": "a", "zh": "甲", "values": [{"key": "1", "zh": "一"}]}, "anything else none"),
        ({"code": "a"}, "zh is missing"),
        ({"code": "a", "zh": "甲", "required": "yes"}, "required must be true or false"),
    ],
)
def test_a_packs_attribute_that_makes_no_sense_is_named(row: dict[str, object], reason: str) -> None:
    with pytest.raises(PackError, match=f"categories\\[3\\].attributes\\[1\\].*{reason}"):
        read_attributes({"attributes": [row]}, "categories[3]")


def test_the_demo_asks_what_its_pack_says(demo_folder: Path) -> None:
    services = list_services(load_county(demo_folder))
    assert list(services["0406"].attributes) == ["depth_cm", "severity", "people", "contact_allowed"]


@pytest.fixture
def streams(redis_url: str) -> Iterator[Streams]:
    client = connect(redis_url)
    yield Streams(client, 4)
    client.close()


def test_what_waits_to_be_recorded_is_looked_through_to_a_bound(
    streams: Streams, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arriving, "READ_AT_ONCE", 2)
    monkeypatch.setattr(arriving, "READ_AT_MOST", 6)
    asyncio.run(_look_through(streams, redis_url))


async def _look_through(streams: Streams, redis_url: str) -> None:
    client = connect_async(redis_url)
    waiting = AsyncStreams(client, 4)

    def send(number: int) -> CaseReported:
        record = report(f"{CELL}-20261122-{number:08x}", cell_code=CELL)
        entry = Entry(digest_event(record.source, record.id), "cases", encode_record(record))
        streams.append(find_partition(record, 4), [entry], date(2026, 11, 22))
        return record

    async def find(*case_ids: str, marks: dict[int, Watermark] | None = None) -> list[CaseReported]:
        return await find_arriving(waiting, marks or {}, case_ids, {CELL})

    sent = [send(number) for number in range(5)]
    assert await find(sent[4].case_id, "nobody") == [sent[4]]
    outside = report("339901-20261122-00000001", cell_code=None)
    streams.append(find_partition(outside, 4), [Entry(b"0" * 16, "cases", encode_record(outside))], date(2026, 11, 22))
    assert await find(outside.case_id) == [outside]
    partition = find_partition(sent[0], 4)
    (first, *_) = streams.read_first(partition, 1)
    assert await find(sent[0].case_id, marks={partition: Watermark(first.stream_id)}) == []
    sent += [send(number) for number in range(5, 8)]
    assert await find(sent[0].case_id) == [sent[0]]
    with pytest.raises(RecorderBehindError):
        await find(sent[7].case_id)
    await client.aclose()
