"""An exercise at the desk: who begins and ends one, what every screen is told, and that nothing counts it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from cases.rulebook import read_rulebook
from dashboard.briefing import Place, compute_briefing, describe_briefing, read_known
from dashboard.exercises import Beginning, draft_beginning
from dashboard.exports.csv_text import encode_rows
from dashboard.exports.performance_rows import list_tables
from dashboard.factbook import FactBook
from dashboard.people.permissions import may, may_reach
from dashboard.people.viewer import ROLES, Viewer
from dashboard.performance import describe_performance, read_performance
from dashboard.shift_sheet import make_sheet
from geo.county import County
from ingest.exercises import MARK
from ingest.migrations import upgrade_database
from ingest.records import AnyRecord
from ingest.settings import Settings
from ingest.store import name_database
from ingest.tables import cases
from tests.appliance import KEY, wait_for
from tests.dashboard.serving import serving_screens
from tests.dashboard.test_performance import PATH
from tests.ingest.samples import NOON, Writer, act, minutes, read_rows, report
from tests.ingest.serving import Ingest

WEEK_MIN = 7 * 24 * 60


def tell_lives(cell: str, mark: str = "", **more: Any) -> list[AnyRecord]:
    """Cases of a week: closed ones, one that was merged, one that is open and late."""
    told: list[AnyRecord] = []
    for number in range(6):
        case_id, begins = f"{mark}A{number}", -2 * 24 * 60 + 90 * number
        told.append(report(case_id, begins, cell_code=cell, severity=2 + number % 3, **more))
        for place, action in enumerate(PATH[: 7 if number < 4 else 3], 1):
            unit = "U02" if action in ("dispatch", "take", "handle") else None
            told.append(act(case_id, action, begins + 10 * place, unit=unit, actor=f"{action}er", **more))
    into = f"{mark}A1"
    return [*told, act(f"{mark}A5", "merge", -60, details={"into": into}, **more)]


def count_all(engine: Engine, county: County) -> dict[str, Any]:
    """Everything that is counted of cases at a desk, as it goes out."""
    book, at = FactBook(engine, county), NOON.isoformat()
    found = read_performance(engine, county, book, at, 7, clock=lambda: minutes(60))
    known = read_known(county, engine, book, at, "", lambda: minutes(60))
    place = Place(known.as_of, county.time_zone, known.origins)
    sheet = make_sheet(engine, county, read_rulebook(county), "", minutes(-480), NOON)
    return {
        "performance": describe_performance(found, county),
        "export": [encode_rows(table) for table in list_tables(found, county, "zh")],
        "briefing": describe_briefing(compute_briefing(known.facts, place), county, "zh"),
        "handover": (sheet.figures, sheet.open_case_ids, sheet.cases),
    }


def test_every_figure_is_the_same_with_and_without_a_whole_exercise_beside_it(engine: Engine, county: County) -> None:
    cell = str(county.cells.index[0])
    writer = Writer(engine)
    writer.write(*tell_lives(cell))
    alone = count_all(engine, county)
    writer.write(*tell_lives(cell, MARK, source="drill", origin="exercise"))
    assert count_all(engine, county) == alone
    assert len(read_rows(engine, cases)) == 12


def test_who_may_begin_one() -> None:
    able = {role for role in ROLES if may(Viewer("x", "X", role), "exercise")}
    assert able == {"administrator", "county_duty", "supervisor"}
    for role in ROLES:
        viewer = Viewer("x", "X", role)
        assert {may_reach(viewer, path) for path in ("/exercise", "/api/exercises", "/api/exercises/end")} == {
            role in able
        }


def test_one_ends_after_four_hours_where_nobody_says_otherwise() -> None:
    data = draft_beginning(Viewer("chen", "Chen", "county_duty"), Beginning("防汛"), NOON)
    assert data["until"] - data["at"] == timedelta(hours=4) and (data["actor"], data["role"]) == ("chen", "county_duty")


@pytest.fixture(scope="module")
def ingest(county: County, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ingest]:
    service = Ingest(tmp_path_factory.mktemp("exercise"), county.folder)
    yield service
    service.stop()


@pytest.fixture(scope="module")
def site(ingest: Ingest, county: County) -> Iterator[httpx.Client]:
    """A client of the whole site without log-in, behind a real ingest: the viewer is a duty officer."""
    port = int(ingest.url.rpartition(":")[2])
    settings = Settings(
        data_dir=ingest.folder, redis_url=ingest.redis.url, ingest_port=port, ingest_key=KEY, auth="demo", ui_lang="en"
    )
    upgrade_database(name_database(settings))
    with serving_screens(county, settings) as url, httpx.Client(base_url=url, timeout=20) as client:
        wait_for(lambda: client.get("/api/public/exercise").status_code == 200, what="the live state")
        yield client


def post(site: httpx.Client, path: str, body: Any) -> httpx.Response:
    return site.post(path, json=body, headers={"X-CSRF-Token": site.get("/api/me").json()["csrf"]})


def running(site: httpx.Client) -> Any:
    return site.get("/api/public/exercise").json()["exercise"]


def test_it_begins_is_played_beside_the_real_and_ends(site: httpx.Client, ingest: Ingest) -> None:
    assert running(site) is None
    answer = post(site, "/api/exercises", {"name": "防汛演练", "scenario": "flood"})
    assert answer.status_code == 202, answer.text
    assert running(site)["name"] == "防汛演练"
    assert post(site, "/api/exercises", {"name": "another"}).status_code == 409
    wait_for(lambda: site.get("/api/queue").json()["length"] == 1, what="the first report of the scenario")
    told = site.get("/api/queue").json()
    (row,) = told["rows"]
    assert row["exercise"] and row["case_id"].startswith(MARK) and told["open"] == 0
    file = site.get("/api/exports/queue.csv?lang=zh")
    assert "EXERCISE" in file.headers["content-disposition"]
    first, *rest = file.content.decode("utf-8-sig").splitlines()
    assert "演练 EXERCISE" in first and rest[-1].endswith('"演练"')
    assert post(site, "/api/exercises/end", {}).status_code == 202
    assert running(site) is None
    assert post(site, "/api/exercises/end", {}).status_code == 409
    again = site.get("/api/queue").json()["rows"]
    assert [one["exercise"] for one in again] == [True]  # what it left stays marked


def test_a_beginning_without_sense_is_refused_by_its_field(site: httpx.Client) -> None:
    for body, word in (({"name": ""}, "name"), ({"name": "x", "hours": 25}, "hours"), ({}, "name")):
        answer = post(site, "/api/exercises", body)
        assert answer.status_code == 422 and word in answer.text


def test_every_page_brings_the_watermark(site: httpx.Client) -> None:
    for page in ("wall", "duty", "alarms", "briefing", "performance", "feeds", "handover", "walls", "people", "tasks"):
        assert "/assets/exercise.js" in site.get(f"/{page}").text, page
    for page in ("report", "status", "exercise", "care", "wall-start"):
        assert "/assets/exercise.js" in site.get(f"/{page}", follow_redirects=True).text, page
