"""The desk's own intake: through a real ingest, for those who may, and refused in the words of the county's list."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from cases.rulebook import read_rulebook
from dashboard.field.number import read_number
from dashboard.intake import DeskIntake, make_intake_router
from dashboard.people.permissions import may_reach
from dashboard.people.viewer import Viewer
from dashboard.publishing import Publisher
from geo.county import County
from ingest.answers import CaseFile
from ingest.history import read_case, read_reporters
from ingest.sealing import find_keyring
from ingest.settings import Settings
from tests.appliance import KEY, Appliance, envelope, wait_for
from tests.dashboard.serving import OFFICER, AsViewer, as_viewer, running


@pytest.fixture(scope="module")
def engine(product: Appliance) -> Iterator[Engine]:
    with product.reading() as opened:
        yield opened


@contextmanager
def opening(county: County, engine: Engine, ingest_port: int) -> Iterator[httpx.Client]:
    """Yields a client of the intake alone, in front of the ingest at a port."""
    publisher = Publisher(Settings(ingest_port=ingest_port, ingest_key=KEY))
    app = FastAPI()
    app.include_router(make_intake_router(DeskIntake(county, read_rulebook(county), engine, publisher)))
    app.add_middleware(AsViewer, viewer=OFFICER)
    with running(app) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client


@pytest.fixture(scope="module")
def desk(product: Appliance, county: County, engine: Engine) -> Iterator[httpx.Client]:
    with opening(county, engine, product.ingest_port) as client:
        yield client


def a_report(county: County, **changes: Any) -> dict[str, Any]:
    inside = county.cells.geometry.iloc[0].representative_point()
    said = {"category": "0102", "lon": round(inside.x, 6), "lat": round(inside.y, 6)}
    return {name: value for name, value in (said | changes).items() if value is not None}


def wait_for_case(engine: Engine, case_id: str) -> CaseFile:
    return wait_for(lambda: read_case(engine, case_id), what=case_id)


def test_a_report_becomes_a_case_with_all_that_was_said(
    desk: httpx.Client, county: County, engine: Engine, product: Appliance
) -> None:
    said = a_report(
        county,
        title="  云城街道  垃圾成堆 ",
        description="三天没有人清",
        severity=2,
        people=12,
        channel="superior",
        reporter={"name": "张三", "phone": "13800000000"},
    )
    answer = desk.post("/api/reports", json=said)
    assert answer.status_code == 201, answer.text
    told = answer.json()
    assert read_number(told["number"]) == told["case_id"]
    file = wait_for_case(engine, told["case_id"])
    case = file.case
    assert (case.category, case.title, case.severity, case.people, case.channel, case.origin) == (
        *("0102", "云城街道 垃圾成堆", 2, 12, "superior", "live"),
    )
    assert (file.description, case.cell_code) == ("三天没有人清", county.cells.index[0])
    assert [row.actor for row in file.actions] == ["officer"]
    keys = find_keyring(Settings(data_dir=product.data_dir))
    assert [(one.name, one.phone) for one in read_reporters(engine, told["case_id"], keys)] == [("张三", "13800000000")]


def test_a_cell_is_place_enough_and_the_class_a_title(desk: httpx.Client, county: County, engine: Engine) -> None:
    cell = county.cells.index[3]
    answer = desk.post("/api/reports", json={"category": "0505", "cell_code": cell})
    case = wait_for_case(engine, answer.json()["case_id"]).case
    assert (case.cell_code, case.title, case.channel, case.severity) == (cell, "机动车乱停放", "hotline", 4)


def test_a_report_that_is_sent_again_is_one_case(desk: httpx.Client, county: County, engine: Engine) -> None:
    said = a_report(county, id="0f7c2d1e-desk-1", title="一次")
    first = desk.post("/api/reports", json=said).json()
    wait_for_case(engine, first["case_id"])
    assert desk.post("/api/reports", json=said).json() == first
    other = desk.post("/api/reports", json=said | {"title": "另一件"}).json()
    assert other != first
    assert len(wait_for_case(engine, first["case_id"]).actions) == 1


@pytest.mark.parametrize(
    ("changes", "status", "field"),
    [
        ({"category": "0777"}, 422, "category"),
        ({"category": None}, 422, "report"),
        ({"severity": 5}, 422, "severity"),
        ({"channel": "grid_worker"}, 422, "channel"),
        ({"lon": 0.0, "lat": 0.0}, 422, "place"),
        ({"lat": None}, 422, "place"),
        ({"lon": None, "lat": None}, 422, "place"),
        ({"lon": None, "lat": None, "cell_code": "339901"}, 422, "place"),
        ({"reporter": {"idcard": "1"}}, 422, "reporter"),
        ({"urgent": True}, 422, "report"),
        ({"title": "a\0b"}, 422, "event"),
    ],
)
def test_what_cannot_be_taken_is_named(
    desk: httpx.Client, county: County, changes: dict[str, Any], status: int, field: str
) -> None:
    answer = desk.post("/api/reports", json=a_report(county, **changes))
    assert (answer.status_code, answer.json()["field"]) == (status, field), answer.text
    assert answer.json()["reason"]


def test_no_json_is_no_report(desk: httpx.Client) -> None:
    assert desk.post("/api/reports", content=b"{").json() == {"field": "report", "reason": "is no JSON"}
    assert desk.post("/api/reports", content=b"x" * 70_000).status_code == 413


def test_clerks_take_reports_of_their_area_and_others_none(desk: httpx.Client, county: County) -> None:
    cell = str(county.cells.index[0])
    said = a_report(county)
    assert desk.post("/api/reports", json=said, headers=as_viewer("town_centre", cell[:9])).status_code == 201
    outside = desk.post("/api/reports", json=said, headers=as_viewer("village_centre", "339901999999"))
    assert (outside.status_code, outside.json()["field"]) == (403, "place")
    for role in ("unit", "grid_worker", "leader", "supervisor"):
        assert desk.post("/api/reports", json=said, headers=as_viewer(role)).status_code == 403
    for role, reached in (("county_duty", True), ("administrator", False), ("wall", False)):
        assert may_reach(Viewer("x", "x", role), "/api/reports") == reached


def test_a_report_can_be_added_to_an_open_case(
    desk: httpx.Client, county: County, engine: Engine, product: Appliance
) -> None:
    first = desk.post("/api/reports", json=a_report(county, description="桥头垃圾成堆")).json()["case_id"]
    assert wait_for_case(engine, first).case.title == "暴露垃圾：桥头垃圾成堆"
    said = a_report(county, joins=first, id="0f7c2d1e-desk-2", category="0103", reporter={"name": "李四"})
    added = desk.post("/api/reports", json=said).json()
    assert added["case_id"] == first and read_number(added["number"]) != first
    assert desk.post("/api/reports", json=said).json() == added
    file = wait_for(
        lambda: len(known.actions) == 2 and known if (known := read_case(engine, first)) else None, what="the second"
    )
    assert (file.case.category, file.case.title) == ("0102", "暴露垃圾：桥头垃圾成堆")
    keys = find_keyring(Settings(data_dir=product.data_dir))
    assert [one.name for one in read_reporters(engine, first, keys)] == ["李四"]


def test_nothing_is_added_to_what_has_ended_or_is_not_theirs(
    desk: httpx.Client, county: County, engine: Engine, product: Appliance
) -> None:
    there = county.cells.index[-1]
    ended = desk.post("/api/reports", json={"category": "0102", "cell_code": there}).json()["case_id"]
    wait_for_case(engine, ended)
    deed = {"case_id": ended, "action": "close", "actor": "somebody", "at": datetime.now(UTC).isoformat()}
    town = as_viewer("town_centre", str(county.cells.index[0])[:9])
    foreign = desk.post("/api/reports", json=a_report(county, joins=ended), headers=town)
    product.post(envelope("case.acted", "ended-at-the-desk", deed))
    wait_for(lambda: wait_for_case(engine, ended).case.closed_at, what="the end")
    for answer in (
        foreign,
        desk.post("/api/reports", json=a_report(county, joins=ended)),
        desk.post("/api/reports", json=a_report(county, joins="R000000NOSUCH")),
    ):
        assert (answer.status_code, answer.json()["field"]) == (422, "joins"), answer.text


def test_a_place_has_names_and_a_grid_worker(desk: httpx.Client, county: County) -> None:
    cell = str(county.cells.index[0])
    here = a_report(county)
    by_point = desk.get("/api/reports/place", params={"lon": here["lon"], "lat": here["lat"]}).json()
    assert by_point == desk.get("/api/reports/place", params={"cell_code": cell}).json()
    assert (by_point["cell_code"], by_point["cell"]) == (cell, county.cells["name"].iloc[0])
    assert by_point["responsible"]["worker_id"] == county.cells["responsible"].iloc[0]
    english = desk.get("/api/reports/place", params={"cell_code": cell, "lang": "en"}).json()
    assert english["town"] == county.areas.loc[cell[:9], "name_en"]
    assert desk.get("/api/reports/place", params={"lon": 0, "lat": 0}).json()["field"] == "place"
    elsewhere = as_viewer("village_centre", "339901999999")
    assert desk.get("/api/reports/place", params={"cell_code": cell}, headers=elsewhere).status_code == 403
    assert desk.get("/api/reports/place", params={"cell_code": cell}, headers=as_viewer("leader")).status_code == 403


def test_the_classes_are_those_of_the_matter_list(desk: httpx.Client, county: County) -> None:
    classes = {one["code"]: one for one in desk.get("/api/reports/classes", params={"lang": "en"}).json()["classes"]}
    assert classes.keys() == county.categories.keys()  # the demo's list routes what is not on it
    assert classes["0102"]["matter"] == "Daily cleaning" and classes["0102"]["admission"].startswith("Loose waste")
    assert desk.get("/api/reports/classes", headers=as_viewer("unit")).status_code == 403


def test_what_the_list_refuses_is_refused_in_its_words(county: County, engine: Engine, product: Appliance) -> None:
    rule = {"zh": "清单外不受理", "en": "not taken"}
    matter = {"code": "M1", "zh": "停车", "categories": ["05"]} | {
        field: {"zh": "x"} for field in ("admission", "standard", "exit")
    }
    refusing = {
        "version": "1",
        "valid_from": "2020-01-01",
        "unlisted": "refuse",
        "unlisted_rule": rule,
        "matters": [matter],
    }
    strict = replace(county, case_settings={"matter_lists": [refusing]})
    with opening(strict, engine, product.ingest_port) as desk:
        answer = desk.post("/api/reports", json=a_report(county))
        assert answer.status_code == 422
        assert answer.json() == {"field": "category", "reason": "not on the matter list", "rule": rule}
        assert desk.post("/api/reports", json=a_report(county, category="0505")).status_code == 201
        offered = {one["code"] for one in desk.get("/api/reports/classes").json()["classes"]}
        assert offered == {code for code in county.categories if code.startswith("05")}


def test_while_ingest_is_away_nothing_is_called_taken(county: County, engine: Engine) -> None:
    with opening(county, engine, 9) as desk:
        answer = desk.post("/api/reports", json=a_report(county))
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
