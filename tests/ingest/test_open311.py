"""GeoReport v2 as a client meets it: the real ingest service, Valkey, SQLite, and a recorder that works when told."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from geo.county import County, load_county
from ingest.case_state import STEWARD_SOURCE
from ingest.embedded import start_redis
from ingest.history import read_case, read_reporters
from ingest.migrations import upgrade_database
from ingest.open311.forms import LARGEST_FORM_BYTES, MOST_FIELDS
from ingest.recorder import Recorder
from ingest.rows.deadlines import write_deadlines
from ingest.sealing import find_keyring
from ingest.settings import Settings
from ingest.store import open_database
from ingest.stream import REJECTED_KEY, Streams, connect
from ingest.tables import as_ms
from tests.appliance import act, envelope, free_port, wait_for
from tests.ingest.samples import read_refused

ROOT = Path(__file__).resolve().parents[2]
KEY = "key-of-the-tests"
PARTITIONS = 4
MORE_ATTRIBUTES = """
[[categories.attributes]]
code = "kinds"
zh = "哪些垃圾？"
en = "Which kinds of waste?"
datatype = "multivaluelist"
required = true
values = [{ key = "plastic", zh = "塑料" , en = "Plastic" }, { key = "rubble", zh = "渣土", en = "Rubble" }]
"""
Fields = dict[str, Any]


class Service:
    """`python -m ingest serve` with a Valkey, a SQLite file and a recorder that steps when a test says so."""

    def __init__(self, folder: Path, pack: Path) -> None:
        self.folder = folder
        self.county = load_county(pack)
        self.url = f"sqlite:///{folder / 'county.db'}"
        upgrade_database(self.url)
        self.engine = open_database(self.url)
        self.redis = start_redis(folder)
        self.redis_client = connect(self.redis.url)
        self.recorder = Recorder(Streams(self.redis_client, PARTITIONS), self.engine)
        self.environ = {
            **os.environ,
            "COUNTY": str(pack),
            "DATA_DIR": str(folder),
            "DATABASE_URL": self.url,
            "REDIS_URL": self.redis.url,
            "INGEST_PORT": str(free_port()),
            "INGEST_KEY": KEY,
            "PARTITIONS": str(PARTITIONS),
        }
        base_url = f"http://127.0.0.1:{self.environ['INGEST_PORT']}"
        self.client = httpx.Client(base_url=base_url, trust_env=False, timeout=30)
        self.log = folder / "ingest.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ingest", "serve"], cwd=ROOT, env=self.environ, stderr=log
            )
        wait_for(self._answers, what="the service")

    def _answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.client.get("/open311/discovery.json").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)
        self.redis_client.close()
        self.redis.stop()
        self.engine.dispose()
        self.client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        answer = self.client.get(f"/open311/v2/{path}.json", params=parameters)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, fields: Fields, format: str = "json", **headers: str) -> httpx.Response:
        return self.client.post(f"/open311/v2/requests.{format}", data={"api_key": KEY, **fields}, headers=headers)

    def create(self, fields: Fields, **headers: str) -> str:
        answer = self.send(fields, **headers)
        assert answer.status_code == 200, answer.text
        (receipt,) = answer.json()
        return str(receipt["service_request_id"])

    def act(self, case_id: str, action: str, **changes: Any) -> None:
        event = act(case_id, action, **changes)
        event["id"] = f"{case_id}-{next(_numbers)}"
        self.post_event(event)

    def post_event(self, event: dict[str, Any]) -> None:
        headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/cloudevents+json"}
        assert self.client.post("/v1/events", json=event, headers=headers).json()["accepted"] == 1

    def record(self) -> None:
        while self.recorder.step():
            pass

    def counters(self) -> dict[str, int]:
        counted: dict[str, int] = self.client.get("/health").json()["counters"]
        return counted

    def rejected(self) -> list[dict[str, str]]:
        return [read_refused(fields, self.folder) for _, fields in self.redis_client.xrange(REJECTED_KEY)]


_numbers = count(1)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("open311")
    pack = folder / "pack"
    shutil.copytree(demo_folder, pack)
    settings = (pack / "county.toml").read_text()
    before, code, after = settings.partition('code = "0103"\n')
    first, rest = after.split("\n\n", 1)
    (pack / "county.toml").write_text(f"{before}{code}{first}\n{MORE_ATTRIBUTES}\n{rest}")
    running = Service(folder, pack)
    yield running
    running.stop()


@pytest.fixture
def fields(service: Service) -> Fields:
    """A form that nobody sent before, from the middle of a cell."""
    number = next(_numbers)
    point = service.county.cells.geometry.iloc[number % 50].representative_point()
    return {
        "service_code": "0102",
        "lat": f"{point.y:.7f}",
        "long": f"{point.x:.7f}",
        "description": f"村口垃圾没人清 {number}",
    }


def read_xml(answer: httpx.Response, status: int = 200) -> tuple[str, Any]:
    """The root's name, and the content as JSON would have it, but every value a text or None."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "text/xml; charset=utf-8"
    assert answer.content.startswith(b"<?xml version=")
    root = ElementTree.fromstring(answer.content)
    return root.tag, _as_tree(root)


LISTS = {
    "services": "service",
    "service_requests": "request",
    "service_request_updates": "request_update",
    "attributes": "attribute",
    "values": "value",
    "endpoints": "endpoint",
    "formats": "format",
    "errors": "error",
}


def _as_tree(element: ElementTree.Element) -> Any:
    assert not element.attrib
    if element.tag in LISTS:
        assert {child.tag for child in element} <= {LISTS[element.tag]}
        return [_as_tree(child) for child in element]
    return {child.tag: _as_tree(child) for child in element} if len(element) else element.text


def as_texts(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: as_texts(part) for name, part in content.items()}
    if isinstance(content, list):
        return [as_texts(part) for part in content]
    return content if content is None else str(content).lower() if isinstance(content, bool) else str(content)


def read_error(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    ((code, description),) = [error.values() for error in answer.json()]
    assert code == status
    return str(description)


def test_discovery_leads_to_the_services(service: Service) -> None:
    discovered = service.client.get("/open311/discovery.json").json()
    for path in ("/open311/discovery.xml", "/open311/discovery", "/open311/v2/discovery.xml"):
        assert read_xml(service.client.get(path)) == ("discovery", as_texts(discovered))
    (endpoint,) = discovered["endpoints"]
    assert endpoint["specification"] == "http://wiki.open311.org/GeoReport_v2"
    assert endpoint["formats"] == ["text/xml", "application/json"]
    assert endpoint["type"] == "test"
    assert datetime.fromisoformat(endpoint["changeset"]).tzinfo
    assert datetime.fromisoformat(endpoint["changeset"]) < datetime.now().astimezone()
    assert discovered["contact"] and discovered["key_service"]
    assert service.client.get(f"{endpoint['url']}/services.json").status_code == 200


def test_services_are_the_categories_of_the_pack(service: Service) -> None:
    services = service.get("services")
    assert [row["service_code"] for row in services] == list(service.county.categories)
    row = next(row for row in services if row["service_code"] == "0102")
    assert (row["service_name"], row["group"], row["type"], row["metadata"]) == (
        "暴露垃圾",
        "市容环境",
        "realtime",
        True,
    )
    assert "Exposed waste" in row["keywords"].split(",")
    assert row["description"] == "市容环境：暴露垃圾。由综合执法受理。"
    assert read_xml(service.client.get("/open311/v2/services.xml")) == ("services", as_texts(services))
    english = service.client.get(
        "/open311/v2/services", headers={"Accept": "application/json", "Accept-Language": "en"}
    )
    assert [row["service_name"] for row in english.json()][1] == "Exposed waste"


def test_a_definition_has_the_attributes_of_the_pack_and_the_common_ones(service: Service) -> None:
    definition = service.get("services/0103", lang="en")
    kinds, *others = definition["attributes"]
    assert (kinds["code"], kinds["datatype"], kinds["required"]) == ("kinds", "multivaluelist", True)
    assert kinds["values"] == [{"key": "plastic", "name": "Plastic"}, {"key": "rubble", "name": "Rubble"}]
    assert [(row["code"], row["order"]) for row in others] == [("severity", 2), ("people", 3), ("contact_allowed", 4)]
    answer = service.client.get("/open311/v2/services/0103.xml?lang=en")
    assert read_xml(answer) == ("service_definition", as_texts(definition))
    assert [row["code"] for row in service.get("services/0102")["attributes"]] == [row["code"] for row in others]


def test_a_request_is_found_before_it_is_recorded_and_after(service: Service, fields: Fields) -> None:
    form = fields | {
        "first_name": "三",
        "last_name": "张",
        "phone": "13800001234",
        "email": "zs@example.org",
        "media_url": "https://example.org/1.jpg",
        "address_string": "老樟树旁",
        "account_id": "account-9",
        "attribute[severity]": "2",
        "attribute[people]": "12",
        "attribute[contact_allowed]": "yes",
        "attribute[unheard_of]": "kept",
    }
    (receipt,) = service.send(form).json()
    case_id = receipt["service_request_id"]
    assert receipt["account_id"] == "account-9"
    assert receipt["service_notice"] == "已收到。请凭编号查询办理情况。"
    (before,) = service.get(f"requests/{case_id}")
    assert read_case(service.engine, case_id) is None
    assert service.get("requests", service_request_id=f"nobody,{case_id}") == [before]
    service.record()
    (after,) = service.get(f"requests/{case_id}")
    assert after == before

    cell = case_id.partition("-")[0]
    asked_at = datetime.fromisoformat(after["requested_datetime"])
    assert asked_at.utcoffset() == timedelta(hours=8)
    assert after == {
        "service_request_id": case_id,
        "status": "open",
        "status_notes": "上报",
        "service_name": "暴露垃圾",
        "service_code": "0102",
        "description": fields["description"],
        "agency_responsible": None,
        "service_notice": receipt["service_notice"],
        "requested_datetime": after["requested_datetime"],
        "updated_datetime": after["requested_datetime"],
        "expected_datetime": None,
        "address": after["address"],
        "address_id": cell,
        "zipcode": None,
        "lat": float(fields["lat"]),
        "long": float(fields["long"]),
        "media_url": "https://example.org/1.jpg",
        "grid_code": cell,
    }
    assert after["address"].startswith("云溪县")
    assert after["address"].endswith(service.county.areas.loc[cell, "name"])

    file = read_case(service.engine, case_id)
    assert file is not None
    assert (file.case.severity, file.case.people, file.case.channel) == (2, 12, "app")
    assert file.case.title == f"暴露垃圾：{fields['description']}"
    assert file.actions[0].details["details"] == {
        "attributes": {"contact_allowed": "yes", "unheard_of": "kept"},
        "address_string": "老樟树旁",
    }
    (reporter,) = read_reporters(service.engine, case_id, find_keyring(Settings(data_dir=service.folder)))
    assert (reporter.name, reporter.phone, reporter.email) == ("张三", "13800001234", "zs@example.org")


def test_xml_says_the_same_as_json(service: Service, fields: Fields) -> None:
    root, (receipt,) = read_xml(service.send(fields | {"description": "<b>&\x0b坑 ]]>"}, "xml"))
    assert root == "service_requests"
    assert set(receipt) == {"service_request_id", "service_notice", "account_id"}
    case_id = receipt["service_request_id"]
    (request,) = service.get(f"requests/{case_id}")
    assert request["description"] == "<b>&\x0b坑 ]]>"
    told = as_texts([request | {"description": "<b>&坑 ]]>"}])
    assert read_xml(service.client.get(f"/open311/v2/requests/{case_id}.xml")) == ("service_requests", told)
    answer = service.client.get(f"/open311/v2/requests.xml?service_request_id={case_id}")
    assert read_xml(answer) == ("service_requests", told)


def test_the_deadline_is_told_once_it_is_reckoned(service: Service, fields: Fields) -> None:
    case_id = service.create(fields)
    service.record()
    with service.engine.begin() as connection:
        write_deadlines(connection, {case_id: as_ms(datetime(2026, 11, 24, 2, 30, tzinfo=UTC))})
    (told,) = service.get(f"requests/{case_id}")
    assert told["expected_datetime"] == "2026-11-24T10:30:00+08:00"
    assert read_xml(service.client.get(f"/open311/v2/requests/{case_id}.xml"))[1] == as_texts([told])
    assert told in service.get("requests", page_size=1)
    service.act(case_id, "close")
    service.record()
    assert service.get(f"requests/{case_id}")[0]["expected_datetime"] is None


def test_a_token_is_the_id_itself(service: Service, fields: Fields) -> None:
    case_id = service.create(fields)
    assert service.get(f"tokens/{case_id}") == [{"service_request_id": case_id, "token": case_id}]
    answer = service.client.get(f"/open311/v2/tokens/{case_id}.xml")
    assert read_xml(answer) == ("service_requests", [{"service_request_id": case_id, "token": case_id}])
    assert "token" in read_error(service.client.get("/open311/v2/tokens/nobody.json"), 404)


def test_a_form_sent_again_is_the_same_request(service: Service, fields: Fields) -> None:
    # With a moment of its own, so that no hour can strike between the two.
    form = fields | {"requested_datetime": "2026-11-22T08:00:00+08:00"}
    before = service.counters()
    first = service.create(form)
    assert service.create(form) == first
    assert service.send(dict(reversed(form.items())), "xml").text.count(first) == 1
    other = service.create(form | {"description": "another"})
    keyed = service.create(form, **{"Idempotency-Key": "a"})
    assert service.create(form, **{"Idempotency-Key": "a"}) == keyed
    assert len({first, other, keyed, service.create(form, **{"Idempotency-Key": "b"})}) == 4
    service.record()
    after = service.counters()
    assert after["accepted"] - before["accepted"] == 4
    assert after["duplicate"] - before["duplicate"] == 3
    assert after["recorded"] == after["accepted"]
    (request,) = service.get(f"requests/{first}")
    assert request["requested_datetime"] == "2026-11-22T08:00:00+08:00"


def test_a_multipart_form_and_a_cell_instead_of_a_point(service: Service, fields: Fields) -> None:
    cell = str(service.county.cells.index[7])
    parts = {"service_code": "0102", "address_id": cell, "api_key": KEY, "description": fields["description"]}
    files = {name: (None, text) for name, text in parts.items()}
    answer = service.client.post("/open311/v2/requests.json", files=files)
    assert answer.status_code == 200, answer.text
    (request,) = service.get(f"requests/{answer.json()[0]['service_request_id']}")
    assert (request["grid_code"], request["description"]) == (cell, fields["description"])
    picture = files | {"media": ("1.jpg", b"JFIF", "image/jpeg")}
    assert "media_url" in read_error(service.client.post("/open311/v2/requests.json", files=picture), 400)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"service_code": None}, "service_code"),
        ({"service_code": "9999"}, "service_code"),
        ({"lat": None}, "lat"),
        ({"lat": None, "long": None}, "lat"),
        ({"lat": None, "long": None, "address_string": "村委会门口"}, "lat"),
        ({"lat": None, "long": None, "address_id": "123"}, "address_id"),
        ({"lat": "91"}, "lat"),
        ({"long": "nan"}, "long"),
        ({"long": "120,3"}, "long"),
        ({"crs": "gcj-2"}, "crs"),
        ({"description": "长" * 4001}, "description"),
        ({"description": "a\0b"}, "description"),
        ({"media_url": "javascript:alert(1)"}, "media_url"),
        ({"requested_datetime": "yesterday"}, "requested_datetime"),
        ({"requested_datetime": "2099-01-01T00:00:00Z"}, "requested_datetime"),
        ({"attribute[severity]": "5"}, "attribute[severity]"),
        ({"attribute[people]": "-1"}, "attribute[people]"),
        ({"attribute[people]": ["1", "2"]}, "attribute[people]"),
        ({"service_code": "0103"}, "attribute[kinds]"),
        ({"service_code": "0103", "attribute[kinds][]": ["plastic", "gold"]}, "attribute[kinds]"),
        ({"phone": ["1", "2"]}, "phone"),
        ({"phone": "1" * 201}, "phone"),
        ({"account_id": "1" * 201}, "account_id"),
    ],
)
def test_what_is_wrong_with_a_form_is_named_counted_and_kept(
    service: Service, fields: Fields, changes: Fields, named: str
) -> None:
    before = service.counters()
    form = {name: text for name, text in (fields | changes).items() if text is not None}
    assert read_error(service.send(form), 400).startswith(f"{named}: ")
    after = service.counters()
    assert after["rejected"] == before["rejected"] + 1
    assert after["received"] == after["accepted"] + after["duplicate"] + after["rejected"]
    kept = service.rejected()[-1]
    assert (kept["field"], kept["door"], kept["sender"]) == (named, "open311", "local")
    assert kept["content_type"] == "application/x-www-form-urlencoded"
    assert KEY not in kept["body"] and "api_key" not in kept["body"]
    assert f"description={'' if 'description' in changes else '%E6%9D%91'}" in kept["body"]


def test_a_list_value_of_the_pack_is_taken(service: Service, fields: Fields) -> None:
    form = fields | {"service_code": "0103", "attribute[kinds][]": ["plastic", "rubble"]}
    case_id = service.create(form)
    service.record()
    file = read_case(service.engine, case_id)
    assert file is not None
    assert file.actions[0].details["details"] == {"attributes": {"kinds": ["plastic", "rubble"]}}


def test_coordinates_of_a_chinese_map_are_converted(service: Service, fields: Fields) -> None:
    (plain,) = service.get(f"requests/{service.create(fields)}")
    (moved,) = service.get(f"requests/{service.create(fields | {'crs': 'gcj02'})}")
    assert 0.001 < abs(plain["long"] - moved["long"]) < 0.01


def test_the_key_may_come_by_three_ways_and_must_be_right(service: Service, fields: Fields) -> None:
    path = "/open311/v2/requests.json"
    before = service.counters()
    for keys in ({}, {"api_key": "wrong"}):
        assert "key" in read_error(service.client.post(path, data=fields | keys), 401)
    wrong = {"Authorization": "Bearer wrong"}
    assert service.send(fields, **wrong).status_code == 401
    assert service.client.post(f"{path}?api_key=wrong", data=fields).status_code == 401
    root, (error,) = read_xml(service.client.post("/open311/v2/requests.xml", data=fields), 401)
    assert (root, error["code"]) == ("errors", "401")
    assert service.counters() == before
    assert service.client.post(path, data=fields, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert service.client.post(f"{path}?api_key={KEY}", data=fields).status_code == 200
    assert service.send(fields).status_code == 200


def test_who_may_not_report_here_is_refused(service: Service, fields: Fields) -> None:
    command = [sys.executable, "-m", "ingest", "senders", "add", "bins", "--feeds", "waste"]
    said = subprocess.run(command, cwd=ROOT, env=service.environ, capture_output=True, text=True, check=True).stdout
    key = said.rsplit(": ", 1)[1].strip()
    # The service looks for new senders once a second.
    answer = wait_for(
        lambda: (
            (answer := service.client.post("/open311/v2/requests.json", data=fields | {"api_key": key})).status_code
            != 401
            and answer
        )
    )
    assert isinstance(answer, httpx.Response)
    assert "bins may not send cases" in read_error(answer, 403)
    assert service.rejected()[-1]["sender"] == "bins"


def test_other_errors_have_the_standards_body(service: Service, fields: Fields) -> None:
    client = service.client
    assert "service_code" in read_error(client.get("/open311/v2/services/9999.json"), 404)
    assert "service_request_id" in read_error(client.get("/open311/v2/requests/nobody.json"), 404)
    assert "jurisdiction_id" in read_error(client.get("/open311/v2/services.json?jurisdiction_id=city.gov"), 404)
    assert "jurisdiction_id" in read_error(service.send(fields | {"jurisdiction_id": "city.gov"}), 404)
    assert service.get("services", jurisdiction_id=service.county.code)
    assert "nothing" in read_error(client.get("/open311/v3/nothing.json"), 404)
    for path in ("requests/%00.json", "requests.json?service_code=%00"):
        assert "NUL" in read_error(client.get(f"/open311/v2/{path}"), 400)
    assert "nothing" in read_error(client.get("/open311/services.json"), 404)
    refusal = client.delete("/open311/v2/requests.json")
    assert "DELETE" in read_error(refusal, 405)
    assert refusal.headers["allow"] == "GET, POST"
    bearer = {"Authorization": f"Bearer {KEY}"}
    assert "urlencoded" in read_error(client.post("/open311/v2/requests.json", json={}, headers=bearer), 415)
    assert str(LARGEST_FORM_BYTES) in read_error(service.send(fields | {"x": "x" * LARGEST_FORM_BYTES}), 413)
    assert client.head("/open311/v2/services.xml").status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("&".join(f"f{number}=1" for number in range(30_000)).encode(), str(MOST_FIELDS)),
        (b"service_code=%ff%fe&lat=1", "UTF-8"),
        (b"service_code=\xff\xfe", "UTF-8"),
        (b"%00=1", "NUL"),
        (b"", "service_code"),
        (b"&&&==;%%%", "service_code"),
    ],
)
def test_hostile_forms_are_refused_and_hurt_nobody(service: Service, body: bytes, named: str) -> None:
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/x-www-form-urlencoded"}
    assert named in read_error(service.client.post("/open311/v2/requests.json", content=body, headers=headers), 400)
    assert service.process.poll() is None


@pytest.fixture(scope="module")
def filed(service: Service) -> dict[str, str]:
    """Four recorded cases far from all others: `new`, `closed`, `old` (120 days ago) and a dispute."""
    lon, lat = service.county.cells.geometry.iloc[-1].representative_point().coords[0]
    now = datetime.now().astimezone()
    place = {"lat": f"{lat:.7f}", "long": f"{lon:.7f}", "service_code": "0509"}
    old = (now - timedelta(days=120)).isoformat()
    ids = {
        "new": service.create(place | {"description": "新的"}),
        "closed": service.create(place | {"description": "电话13812345678", "service_code": "0510"}),
        "old": service.create(place | {"description": "老的", "requested_datetime": old}),
        "dispute": service.create(place | {"description": "王家与李家吵架", "service_code": "D04"}),
    }
    service.act(ids["new"], "dispatch", unit="U02", note="内部:找老王")
    service.act(ids["closed"], "dispatch", unit="U01")
    service.act(ids["closed"], "close", note="已清理，问13812345678")
    service.act(ids["closed"], "check")
    service.act(ids["old"], "dispatch", unit="U05")
    service.record()
    return ids


def test_requests_are_listed_by_every_filter(service: Service, filed: dict[str, str]) -> None:
    names = {case_id: name for name, case_id in filed.items()}
    now = datetime.now().astimezone()

    def listed(**parameters: Any) -> set[str]:
        found = service.get("requests", **parameters)
        return {names[row["service_request_id"]] for row in found if row["service_request_id"] in names}

    ago = {days: (now - timedelta(days=days)).isoformat() for days in (0, 1, 110, 130)}
    soon = (now + timedelta(minutes=1)).isoformat()
    assert listed() == {"new", "closed"}
    assert listed(service_code="0509") == {"new"}
    assert listed(service_code="0509,0510") == {"new", "closed"}
    assert listed(service_code="D04") == set()
    assert listed(status="open") == {"new"}
    assert listed(status="closed") == {"closed"}
    assert listed(status="open,closed") == {"new", "closed"}
    assert listed(start_date=ago[130]) == {"old"}
    assert listed(start_date=ago[130], end_date=ago[110]) == {"old"}
    assert listed(end_date=ago[1]) == set()
    assert listed(start_date=ago[1], end_date=soon) == {"new", "closed"}
    assert listed(updated_after=ago[1]) == {"new", "closed", "old"}
    assert listed(updated_after=ago[1], status="open", service_code="0509") == {"new", "old"}
    assert listed(updated_before=ago[1]) == set()
    ids = ",".join(filed.values())
    assert listed(service_request_id=ids, status="closed", start_date=ago[1]) == set(filed)
    place = {"lat": service.county.cells.geometry.iloc[-1].representative_point().y}
    place["long"] = service.county.cells.geometry.iloc[-1].representative_point().x
    assert listed(**place, radius=50) == {"new", "closed"}
    near = service.get("requests", **(place | {"lat": place["lat"] + 0.0008}), radius=100)
    assert {row["service_request_id"] for row in near} == {filed["new"], filed["closed"]}
    assert service.get("requests", **(place | {"lat": place["lat"] + 0.001}), radius=100) == []


def test_pages_follow_one_another(service: Service, filed: dict[str, str]) -> None:
    whole = service.get("requests")
    assert len(whole) >= 3
    pages = [service.get("requests", page=page, page_size=2) for page in range(1, len(whole) // 2 + 2)]
    assert [row for page in pages for row in page] == whole
    times = [datetime.fromisoformat(row["requested_datetime"]) for row in whole]
    assert times == sorted(times, reverse=True)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"status": "fixed"}, "status"),
        ({"start_date": "1.4.2026"}, "start_date"),
        ({"start_date": "2026-01-01T00:00:00Z", "end_date": "2026-11-01T00:00:00Z"}, "start_date"),
        ({"start_date": "2026-11-02T00:00:00Z", "end_date": "2026-11-01T00:00:00Z"}, "end_date"),
        ({"end_date": "0001-01-01"}, "end_date"),
        ({"updated_after": "x"}, "updated_after"),
        ({"page": "0"}, "page"),
        ({"page_size": "1001"}, "page_size"),
        ({"lat": "29.6"}, "radius"),
        ({"lat": "x", "long": "120", "radius": "5"}, "lat"),
        ({"service_request_id": ",".join(map(str, range(1001)))}, "service_request_id"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(service: Service, parameters: Fields, named: str) -> None:
    answer = service.client.get("/open311/v2/requests.json", params=parameters)
    assert read_error(answer, 400).startswith(f"{named}: ")


def test_status_agency_and_notes_follow_the_actions(service: Service, filed: dict[str, str]) -> None:
    (new,) = service.get(f"requests/{filed['new']}")
    assert (new["status"], new["agency_responsible"], new["status_notes"]) == (
        "open",
        "环境卫生管理所",
        "派遣：环境卫生管理所",
    )
    (closed,) = service.get(f"requests/{filed['closed']}", lang="en")
    assert (closed["status"], closed["agency_responsible"]) == ("closed", "Law enforcement team")
    assert closed["status_notes"] == "Closed: Law enforcement team 已清理，问138****5678"
    assert datetime.fromisoformat(closed["updated_datetime"]) >= datetime.fromisoformat(closed["requested_datetime"])


@pytest.mark.parametrize(
    ("lang", "words"),
    [
        ("zh", "作废 不在网格事项清单（2026）内：清单外不受理"),
        ("en", "Voided Not on the list of matters (2026): Not taken"),
    ],
)
def test_a_citizen_is_told_why_a_rule_ended_a_report(service: Service, lang: str, words: str) -> None:
    case_id = service.create({"lat": "29.6", "long": "120.3", "service_code": "0402", "description": words})
    why = {"code": "unlisted", "rule": {"zh": "清单外不受理", "en": "Not taken"}, "version": "2026"}
    void = act(case_id, "void", actor="steward", note=None, why=why)
    service.post_event({**void, "id": f"{case_id}-void", "source": STEWARD_SOURCE})
    service.record()
    (told,) = service.get(f"requests/{case_id}", lang=lang)
    assert told["status_notes"] == words
    updates = service.get("servicerequestupdates", service_request_id=case_id, lang=lang)
    assert [update["description"] for update in updates] == [words]


def test_nothing_personal_is_told(service: Service, filed: dict[str, str]) -> None:
    (closed,) = service.get(f"requests/{filed['closed']}")
    assert closed["description"] == "电话138****5678"
    (dispute,) = service.get(f"requests/{filed['dispute']}")
    hidden = ("description", "lat", "long", "address_id", "grid_code", "media_url")
    assert [dispute[name] for name in hidden] == [None] * len(hidden)
    assert dispute["status"] == "open"
    cell = service.county.cells.iloc[-1]
    assert cell["name"] not in dispute["address"]
    everything = service.client.get("/open311/v2/requests.json").text
    everything += service.client.get("/open311/v2/servicerequestupdates.json").text
    for secret in ("13812345678", "13800001234", "zs@example.org", "张三", "老王", "王家", "老樟树", filed["dispute"]):
        assert secret not in everything


def test_updates_are_the_actions_of_listed_cases(service: Service, filed: dict[str, str]) -> None:
    ids = f"{filed['new']},{filed['closed']}"
    updates = service.get("servicerequestupdates", service_request_id=ids)
    assert [(row["service_request_id"], row["status"], row["description"]) for row in updates] == [
        (filed["new"], "open", "派遣：环境卫生管理所"),
        (filed["closed"], "open", "派遣：综合行政执法队"),
        (filed["closed"], "closed", "结案 已清理，问138****5678"),
        (filed["closed"], "closed", "核查"),
    ]
    assert len({row["update_id"] for row in updates}) == 4
    answer = service.client.get("/open311/v2/servicerequestupdates.xml", params={"service_request_id": ids})
    assert read_xml(answer) == ("service_request_updates", as_texts(updates))
    everything = service.get("servicerequestupdates")
    assert {filed["old"], filed["new"]} <= {row["service_request_id"] for row in everything}
    last = everything[-1]["updated_datetime"]
    later = (datetime.fromisoformat(last) + timedelta(seconds=1)).isoformat()
    assert service.get("servicerequestupdates", start_date=later) == []
    service.act(filed["dispute"], "accept", unit="U13", note="张三同意")
    service.record()
    assert filed["dispute"] not in {row["service_request_id"] for row in service.get("servicerequestupdates")}
    (of_dispute,) = service.get("servicerequestupdates", service_request_id=filed["dispute"])
    assert of_dispute["description"] == "受理：矛盾纠纷调处化解中心"


def test_cases_of_other_doors_are_listed_too(service: Service) -> None:
    cell = service.county.cells.iloc[100]
    point = cell.geometry.representative_point()
    now = datetime.now().astimezone().isoformat()
    data = {"category": "0102", "title": "垃圾，找13911112222", "lon": point.x, "lat": point.y, "channel": "hotline"}
    service.post_event(
        envelope("case.reported", "hotline.1/a", data | {"case_id": "hotline.1/a", "reported_at": now, "media": []})
    )
    service.record()
    (request,) = service.get("requests/hotline.1/a")
    assert request["description"] == "垃圾，找139****2222"


def test_openapi_describes_it(service: Service) -> None:
    paths = service.client.get("/openapi.json").json()["paths"]
    assert {"get", "post"} <= set(paths["/open311/v2/requests.{format}"])


def test_without_redis_or_database_it_says_come_again(tmp_path: Path, demo_folder: Path) -> None:
    service = Service(tmp_path, demo_folder)
    try:
        county: County = service.county
        point = county.cells.geometry.iloc[0].representative_point()
        form = {"service_code": "0102", "lat": point.y, "long": point.x}
        case_id = service.create(form)
        service.redis.stop()
        refusal = service.send(form | {"description": "other"})
        assert "send all of it again" in read_error(refusal, 503)
        assert int(refusal.headers["Retry-After"]) > 0
        # Whether the streams have it cannot be said now, so neither yes nor no is answered.
        unsure = service.client.get(f"/open311/v2/requests/{case_id}.json")
        assert "ask again" in read_error(unsure, 503)
        assert service.get("requests") == []
        with service.engine.begin() as connection:
            connection.exec_driver_sql("DROP TABLE cases")
        broken = service.client.get("/open311/v2/requests.xml")
        root, (error,) = read_xml(broken, 503)
        assert (root, error["code"]) == ("errors", "503")
        assert "database" in error["description"]
        assert service.get("services")
    finally:
        service.stop()
