"""Files that officers take away: the desk's list and the tables of performance, as CSV that spreadsheets read right."""

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI

from dashboard.api import make_router
from dashboard.exports.csv_text import encode_rows
from dashboard.exports.queue_rows import COLUMNS
from dashboard.exports.routes import make_exports_router
from dashboard.factbook import FactBook
from dashboard.live import Hub
from dashboard.pages import duty
from dashboard.people.audit import Audit, Deed
from dashboard.people.unmasking import open_persons
from dashboard.people.viewer import Viewer, current_viewer
from dashboard.performance import make_performance_router
from dashboard.queue_api import make_queue_router
from dashboard.text import text
from geo.county import County
from ingest.arrivals import Arrival
from ingest.embedded import start_redis
from ingest.rows.cases import write_cases
from ingest.settings import Settings
from ingest.store import open_database
from tests.dashboard.serving import AsViewer, as_viewer, running
from tests.dashboard.test_live import record_all
from tests.dashboard.viewing import posting
from tests.layers.worlds import act, report

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
FORMULA = '=HYPERLINK("http://evil","看")'
Table = list[list[str]]


class Office:
    """A running web API with exports, and its audit log."""

    def __init__(self, url: str, notes: Audit, database_url: str) -> None:
        self.url, self.notes, self.database_url = url, notes, database_url

    def get(self, address: str, role: str = "county_duty", area: str = "", unit: str = "") -> httpx.Response:
        return httpx.get(f"{self.url}{address}", headers=as_viewer(role, area, unit), timeout=20)

    def save(
        self, address: str, role: str = "county_duty", area: str = "", unit: str = ""
    ) -> tuple[dict[str, str], Table]:
        """The lines at the head of a file, by name, and the rows below."""
        answer = self.get(f"/api/exports/{address}", role, area, unit)
        assert answer.status_code == 200, answer.text
        rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))
        end = rows.index([])
        return dict(rows[:end]), rows[end + 1 :]

    def noted(self) -> Deed:
        return self.notes.read(deed="export.", limit=1)[0]


@pytest.fixture(scope="module")
def office(county: County, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Four cases that are open, one of them with a formula for a title, and one that was closed long ago."""
    folder = tmp_path_factory.mktemp("export")
    server = start_redis(folder)
    database_url = f"sqlite:///{folder / 'county.db'}"
    settings = Settings(data_dir=folder, redis_url=server.url, database_url=database_url)
    old = NOW - 30 * 24 * HOUR

    async def post() -> None:
        async with posting(server.url) as send:
            await send(
                report(county, 1, at=NOW - 5 * HOUR, cell=0, severity=3, title=FORMULA),
                report(county, 2, at=NOW - 4 * HOUR, cell=0, severity=1, title="回电13812345678\n谢谢"),
                report(county, 3, at=NOW - 3 * HOUR, cell=900, severity=4, origin="simulated"),
                report(county, 4, at=NOW - 2 * HOUR, cell=None),
                report(county, 5, at=old, cell=0),
                act(5, "close", old + HOUR),
                act(3, "dispatch", NOW - HOUR, "U02"),
            )

    asyncio.run(post())
    record_all(server.url, database_url)
    engine = open_database(database_url, read_only=True)
    hub = Hub(county, server.url, database_url)
    persons = open_persons(settings, county, engine)
    app = FastAPI()
    app.include_router(make_router(hub, county, engine, persons))
    app.include_router(make_queue_router(hub, county, engine))
    book = FactBook(engine, county)
    app.include_router(make_performance_router(county, engine, book))
    app.include_router(make_exports_router(hub, county, engine, book, persons.audit))
    app.add_middleware(AsViewer)
    with running(app, hub) as url:
        yield Office(url, persons.audit, database_url)
    engine.dispose()
    server.stop()


def column(rows: Table, name: str, lang: str = "zh") -> list[str]:
    place = rows[0].index(text(lang, f"export.col_{name}"))
    return [row[place] for row in rows[1:]]


@pytest.mark.parametrize("query", ["", "sort=reported", "sort=-severity", "severity=1,3", "show=all", "show=ended"])
def test_the_file_is_the_list_in_its_order(office: Office, query: str) -> None:
    listed = [row["case_id"] for row in office.get(f"/api/queue?{query}").json()["rows"]]
    head, rows = office.save(f"queue.csv?{query}")
    assert column(rows, "case_id") == listed != []
    assert head["行数"] == f"{len(listed)}（共 {len(listed)}）"
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_spreadsheets_read_it_right_and_compute_nothing(office: Office) -> None:
    answer = office.get("/api/exports/queue.csv?sort=reported", "dispatcher")
    assert answer.content.startswith("\ufeff".encode())
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"].startswith('attachment; filename="queue-')
    _, rows = office.save("queue.csv?sort=reported", "dispatcher")
    assert column(rows, "title")[-1] == f"'{FORMULA}"
    assert column(rows, "category")[-1].startswith("0")  # with its name, so that the zero stays


@pytest.mark.parametrize("said", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\n-1", "＝1"])
def test_no_text_is_a_formula_and_numbers_stay_numbers(said: str) -> None:
    (row,) = csv.reader(io.StringIO(encode_rows([[said, -1.5, None, "3-1"]]).decode(), newline=""))
    assert row == [f"'{said}", "-1.5", "", "3-1"]


def test_the_first_lines_say_what_it_is(office: Office, county: County) -> None:
    head, rows = office.save("queue.csv?severity=1,4&q=C&lang=en", "supervisor")
    assert head["Content"] == "Cases of the duty queue"
    assert head["Filter"] == "Cases: Open; Severity: Critical, Minor; Words: C"
    assert head["Saved by"].startswith("supervisor · ")
    assert head["Data"] == ", ".join(sorted({text("en", "common.live"), text("en", "common.simulated")}))
    assert column(rows, "origin", "en").count(text("en", "common.simulated")) == 1
    assert head["As of"].startswith(f"{NOW.astimezone(county.time_zone):%Y-%m-%d}")


def test_persons_are_masked_and_lines_in_a_title_stay_in_their_cell(office: Office) -> None:
    _, rows = office.save("queue.csv", "dispatcher")
    assert column(rows, "title")[0] == "回电138****5678\n谢谢"
    assert "13812345678" not in office.get("/api/exports/queue.csv?show=all", "dispatcher").text
    head, _ = office.save("queue.csv?q=13812345678", "dispatcher")
    assert "13812345678" not in str(head)
    assert "13812345678" not in str(office.noted().details)


def test_a_town_takes_its_own_away_and_a_unit_what_it_has(office: Office, county: County) -> None:
    town = str(county.cells.index[0])[:9]
    for query in ("", "&show=all"):
        head, rows = office.save(f"queue.csv?sort=reported{query}", "town_centre", town)
        assert set(column(rows, "case_id")) == {"C1", "C2"} | ({"C5"} if query else set())
        assert head["范围"] == county.areas.loc[town, "name"]
        _, rows = office.save(f"queue.csv?sort=reported{query}", "unit", "", "U02")
        assert column(rows, "case_id") == ["C3"]
    _, rows = office.save("performance.csv", "town_centre", town)
    assert county.areas.loc[str(county.cells.index[900])[:9], "name"] not in str(rows)
    assert office.get("/api/exports/performance.csv", "unit", "", "U02").status_code == 403


def test_each_is_written_down_before_it_goes_out(office: Office) -> None:
    office.save("queue.csv?severity=1&lang=en", "leader")
    deed = office.noted()
    assert (deed.actor, deed.deed) == ("test-leader", "export.queue")
    assert deed.details == {"filter": "severity=1&lang=en", "rows": 1}
    office.save("performance.csv?days=7", "leader")
    deed = office.noted()
    assert deed.deed == "export.performance" and deed.details["rows"] > 10


def test_the_tables_of_performance_are_whole(office: Office, county: County) -> None:
    head, rows = office.save(f"performance.csv?days=7&as_of={NOW:%Y-%m-%dT%H:%M:%SZ}", "supervisor")
    assert head["内容"] == "综合评价（近 7 天）"
    titles = [row[0] if row else "" for row in rows]
    for section in ("indicators", "towns", "units", "inspector", "clerk", "chief", "dispatcher", "chains"):
        assert text("zh", f"performance.{section}") in titles
    reported = next(row for row in rows if row[:1] == [text("zh", "performance.rule_reported_24h")])
    shown = office.get(f"/api/performance?days=7&as_of={NOW:%Y-%m-%dT%H:%M:%SZ}").json()
    (figure,) = [one for one in shown["indicators"] if one["rule"] == "reported_24h"]
    assert reported[1:] == [str(figure["value"]), "件", str(figure["numerator"]), ""] and figure["numerator"] == 4
    assert shown["towns"][0]["value"] is None or str(shown["towns"][0]["value"]) in str(rows)
    units = rows[titles.index(text("zh", "performance.units")) :]
    assert units[2][:2] == ["1", county.units["U02"].zh]


@pytest.mark.parametrize(("address", "status", "named"), [
    ("queue.csv?severity=9", 422, "severity"),
    ("queue.csv?show=ended&mine=1", 422, "mine"),
    ("performance.csv?as_of=yesterday", 400, "as_of"),
    ("performance.csv?days=8", 422, "days"),
])  # fmt: skip
def test_a_bad_question_is_named_and_nothing_is_written_down(
    office: Office, address: str, status: int, named: str
) -> None:
    before = office.noted()
    answer = office.get(f"/api/exports/{address}", "dispatcher")
    assert answer.status_code == status and named in answer.text
    assert office.noted() == before


def test_who_saves_file_after_file_is_held_back(office: Office) -> None:
    answers = [office.get("/api/exports/queue.csv", "administrator") for _ in range(11)]
    assert [answer.status_code for answer in answers] == [200] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0
    assert office.get("/api/exports/queue.csv", "village_centre").status_code == 200


def test_a_list_longer_than_a_piece_is_whole_and_in_order(office: Office, county: County) -> None:
    """Of 1,203 that were closed long ago nothing is lost or told twice where one piece ends and the next begins."""
    old = NOW - 40 * 24 * HOUR
    numbers = range(1000, 2203)
    records = [report(county, number, at=old + timedelta(seconds=number), cell=number % 50) for number in numbers]
    records += [act(number, "close", old + HOUR) for number in numbers]
    engine = open_database(office.database_url)
    with engine.begin() as connection:
        write_cases(connection, [Arrival(0, f"9-{place}", record) for place, record in enumerate(records)])
    engine.dispose()
    until = int((NOW - 31 * 24 * HOUR).timestamp())
    head, rows = office.save(f"queue.csv?show=ended&sort=-reported&to={until}", "leader")
    assert column(rows, "case_id") == [f"C{number}" for number in numbers]
    assert head["行数"] == "1,203（共 1,203）"


def test_what_is_more_than_a_file_holds_is_said(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.exports.routes.MOST_ROWS", 2)
    for show, matching in (("open", 4), ("all", None)):
        head, rows = office.save(f"queue.csv?show={show}", "leader")
        assert len(rows) == 3
        assert head["行数"].startswith("2（共 ") and (matching is None or head["行数"] == f"2（共 {matching}）")


@pytest.mark.parametrize(("role", "shown"), [("leader", True), ("town_centre", True), ("grid_worker", False)])
def test_the_desk_has_the_link_for_whom_the_right_is(county: County, role: str, shown: bool) -> None:
    token = current_viewer.set(Viewer("x", "X", role))
    try:
        assert (text("zh", "export.save") in str(duty.lay_out(county, "zh"))) is shown
    finally:
        current_viewer.reset(token)
