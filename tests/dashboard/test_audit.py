"""Who did and saw what: the log that only grows, who may see persons in clear, and the page and commands that tell."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from dashboard.__main__ import main
from dashboard.people.audit import HEAD_FILE, HEAD_LOST, Audit, Head, open_audit
from dashboard.people.unmasking import MOST_UNMASKED
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.sealing import FILE, provide_keyring, seal_reporter
from ingest.settings import Settings
from ingest.store import open_database
from tests.appliance import ROOT
from tests.dashboard.serving import as_viewer, serving
from tests.ingest.samples import NOON, Writer, act, minutes, report

ROWS = 6


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def audit(engine: Engine, tmp_path: Path, clock: Clock) -> Audit:
    """A log on either database with some rows; the head is in a folder of the test's own."""
    log = Audit(engine, engine, tmp_path / "kept" / HEAD_FILE, clock)
    for number in range(ROWS):
        clock.now = minutes(number)
        log.note("王芳", "county_duty", "case.view", f"c{number}", "192.0.2.7", {"seen": number})
    return log


@contextmanager
def tampering(engine: Engine) -> Iterator[Callable[[str], None]]:
    """Somebody who may do anything with the database, and does it past the triggers."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        else:
            connection.exec_driver_sql("DROP TRIGGER audit_no_update")
            connection.exec_driver_sql("DROP TRIGGER audit_no_delete")
        yield connection.exec_driver_sql  # type: ignore[misc]


def test_a_log_is_whole_and_read_newest_first(audit: Audit) -> None:
    finding = audit.verify()
    assert finding.fault is None
    assert finding.head is not None and finding.head.count == ROWS
    assert [(deed.number, deed.subject) for deed in audit.read(limit=2)] == [(6, "c5"), (5, "c4")]
    (deed,) = audit.read(before=2)
    assert (deed.at, deed.actor, deed.role, deed.deed, deed.subject, deed.address, deed.details) == (
        NOON, "王芳", "county_duty", "case.view", "c0", "192.0.2.7", {"seen": 0},
    )  # fmt: skip
    assert [deed.number for deed in audit.read_all()] == [1, 2, 3, 4, 5, 6]
    audit.note("admin", "administrator", "log_in", "admin")
    assert [deed.actor for deed in audit.read(actor="admin")] == ["admin"]
    assert len(audit.read(deed="case.")) == ROWS
    assert audit.read(deed="case_") == []
    assert [deed.number for deed in audit.read(subject="c3")] == [4]


TAMPERINGS = {
    "a changed row": (["UPDATE audit SET actor = '李四' WHERE number = 3"], 3, "row_changed"),
    "a changed time": (["UPDATE audit SET at = at + 1 WHERE number = 1"], 1, "row_changed"),
    "changed details": (["UPDATE audit SET details = '{}' WHERE number = 6"], 6, "row_changed"),
    "no hash at all": (["UPDATE audit SET previous = 'x' WHERE number = 1"], 1, "row_changed"),
    "a row less": (["DELETE FROM audit WHERE number = 4"], 4, "row_gone"),
    "the first row less": (["DELETE FROM audit WHERE number = 1"], 1, "row_gone"),
    "a gap that is closed": (
        [
            "DELETE FROM audit WHERE number = 4",
            "UPDATE audit SET number = 4 WHERE number = 5",
            "UPDATE audit SET number = 5 WHERE number = 6",
        ],
        4,
        "row_unlinked",
    ),
    "two rows swapped": (
        [
            "UPDATE audit SET number = 99 WHERE number = 2",
            "UPDATE audit SET number = 2 WHERE number = 5",
            "UPDATE audit SET number = 5 WHERE number = 99",
        ],
        2,
        "row_unlinked",
    ),
    "the tail less": (["DELETE FROM audit WHERE number > 4"], 5, "end_gone"),
    "everything less": (["DELETE FROM audit"], 1, "end_gone"),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_tampered_with_is_found_where_it_was(audit: Audit, engine: Engine, what: str) -> None:
    statements, row, fault = TAMPERINGS[what]
    with tampering(engine) as execute:
        for statement in statements:
            execute(statement)
    finding = audit.verify()
    assert (finding.row, finding.fault) == (row, fault)
    # More that is noted does not hide it.
    for _ in range(3):
        audit.note("王芳", "county_duty", "case.view")
    assert audit.verify().fault is not None


def test_a_chain_that_is_forged_from_some_row_on_does_not_end_in_the_head(
    audit: Audit, engine: Engine, tmp_path: Path, clock: Clock
) -> None:
    with tampering(engine) as execute:
        execute("DELETE FROM audit WHERE number > 4")
    forger = Audit(engine, engine, tmp_path / "forger" / HEAD_FILE, clock)
    forger.note("somebody", "", "else")  # with a row that says that the head was lost, it is as long as before
    assert forger.verify().fault is None
    assert (audit.verify().row, audit.verify().fault) == (6, "end_differs")
    audit.note("王芳", "county_duty", "case.view")
    assert (audit.verify().row, audit.verify().fault) == (6, "end_differs")


def test_a_lost_head_is_said_and_stays_on_record(audit: Audit, tmp_path: Path) -> None:
    head_file = tmp_path / "kept" / HEAD_FILE
    head_file.unlink()
    assert (audit.verify().row, audit.verify().fault) == (ROWS, "head_gone")
    audit.note("王芳", "county_duty", "case.view")
    assert audit.verify().fault is None
    assert [deed.deed for deed in audit.read(limit=2)] == ["case.view", HEAD_LOST]
    head_file.write_bytes(b"{")
    audit.note("王芳", "county_duty", "case.view")
    assert audit.verify().fault is not None


@pytest.mark.parametrize("statement", ["UPDATE audit SET actor = ''", "DELETE FROM audit WHERE number = 1"])
def test_the_database_itself_refuses_changes(audit: Audit, engine: Engine, statement: str) -> None:
    with pytest.raises(DatabaseError, match="only grows"), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    if engine.dialect.name == "postgresql":
        with pytest.raises(DatabaseError, match="only grows"), engine.begin() as connection:
            connection.exec_driver_sql("TRUNCATE audit")
    assert audit.verify().fault is None


def test_persons_do_not_get_into_the_log(audit: Audit) -> None:
    details = {
        "reason": "回访 13905750001，证件33068119900101123X",
        "more": [{"to": "he@example.org"}],
        "of": "330681001001001-20261121-ab12cd34",
    }
    audit.note("王芳\x1b[2J\ud800\x00", "county_duty", "case.unmask", "c1", "", details)
    (deed,) = audit.read(limit=1)
    assert deed.actor == "王芳 [2J  "
    assert deed.details == {
        "reason": "回访 139****0001，证件330*************3X",
        "more": [{"to": "h***@example.org"}],
        "of": "330681001001001-20261121-ab12cd34",
    }
    assert audit.verify().fault is None


def test_what_was_done_lately_is_known(audit: Audit, clock: Clock) -> None:
    clock.now = minutes(5)
    assert audit.has_noted("王芳", "case.view", "c5", timedelta(minutes=1))
    assert not audit.has_noted("王芳", "case.view", "c0", timedelta(minutes=5))
    assert not audit.has_noted("李四", "case.view", "c5", timedelta(hours=1))
    assert audit.count_lately("王芳", "case.view", timedelta(minutes=3)) == 3


NOTE_MANY = """
import sys
from pathlib import Path
from dashboard.people.audit import open_audit
from ingest.settings import Settings
audit = open_audit(Settings(data_dir=Path(sys.argv[1]), database_url=sys.argv[2]))
for number in range(25):
    audit.note(sys.argv[3], "", "case.view", str(number))
"""


def test_processes_and_threads_at_once_make_one_chain(database_url: str, tmp_path: Path) -> None:
    upgrade_database(database_url)
    words = [sys.executable, "-c", NOTE_MANY, str(tmp_path / "data"), database_url]
    processes = [subprocess.Popen([*words, f"process-{number}"], cwd=ROOT) for number in range(2)]
    log = open_audit(Settings(data_dir=tmp_path / "data", database_url=database_url))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: log.note(f"thread-{number % 4}", "", "case.view"), range(40)))
    assert [process.wait(60) for process in processes] == [0, 0]
    finding = log.verify()
    assert finding.fault is None
    assert finding.head is not None
    assert finding.head.count == 90
    kept = json.loads((tmp_path / "data" / HEAD_FILE).read_bytes())
    assert Head(**kept) == finding.head
    log.close()


def test_the_commands_tell_and_fail_as_they_should(
    audit: Audit, engine: Engine, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "kept"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    assert main(["audit", "verify"]) == 0
    told = capfd.readouterr().out
    head = json.loads((tmp_path / "kept" / HEAD_FILE).read_bytes())
    assert f"rows  {ROWS}\nhead  {head['hash']}\n" in told
    assert main(["audit", "list", "--subject", "c3"]) == 0
    told = capfd.readouterr().out
    assert told.count("\n") == 1 and "case.view  c3  192.0.2.7" in told
    assert main(["audit", "export"]) == 0
    rows = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5, 6]
    with tampering(engine) as execute:
        execute("DELETE FROM audit WHERE number = 6")
    assert main(["audit", "verify"]) == 1
    assert "NOT WHOLE at row 6" in capfd.readouterr().out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("unmasking")


@pytest.fixture(scope="module")
def api(county: County, folder: Path) -> Iterator[httpx.Client]:
    """A web API on a case with a person in the first cell, one without, and one with a person outside the county."""
    url = f"sqlite:///{folder / 'county.db'}"
    upgrade_database(url)
    keyring = provide_keyring(Settings(data_dir=folder))
    cell = str(county.cells.index[0])
    records = [report(case_id, cell_code=cell) for case_id in ("c1", "c2", "c3")]
    records += [report("outside", cell_code=None), report("nobody", cell_code=cell, reporter=None)]
    records += [report("dispute", cell_code=cell, reporter=None, category=_find_dispute(county))]
    for record in records:
        seal_reporter(keyring, record)
    engine = open_database(url)
    Writer(engine).write(*records, act("c1", "dispatch", 5, unit="U01"), act("c2", "dispatch", 5, unit="U02"))
    engine.dispose()
    # Redis is away: none of this needs it.
    with serving(county, "redis://127.0.0.1:1", url, data_dir=folder) as client:
        yield client


def _find_dispute(county: County) -> str:
    from cases.rulebook import read_rulebook

    rulebook = read_rulebook(county)
    return next(code for code in county.categories if rulebook.flow_of(code).key == "dispute")


def unmask(api: httpx.Client, case_id: str, *who: str, reason: str = "回访核实") -> httpx.Response:
    return api.post(f"/api/cases/{case_id}/reporter", json={"reason": reason}, headers=as_viewer(*who))


def read_log(folder: Path, **where: str) -> list[dict[str, Any]]:
    with sqlite3.connect(folder / "county.db") as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute("SELECT * FROM audit ORDER BY number")]
    return [row for row in rows if where.items() <= row.items()]


def test_a_file_shows_persons_masked_and_who_looked_is_noted_once(api: httpx.Client, folder: Path) -> None:
    for _ in range(3):
        case = api.get("/api/cases/c1").json()
        assert case["reporter"] == {"name": "何**", "phone": "139****0001", "email": None, "unreadable": False}
    for case_id in ("nobody", "dispute", "outside"):
        assert api.get(f"/api/cases/{case_id}").status_code == 200
    viewed = read_log(folder, deed="case.view")
    assert [(row["actor"], row["role"], row["subject"]) for row in viewed] == [
        ("officer", "county_duty", case_id) for case_id in ("c1", "dispute", "outside")
    ]
    assert viewed[0]["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    ("role", "area", "unit", "status"),
    [
        ("county_duty", "", "", 200),
        ("dispatcher", "", "", 200),
        ("town_centre", "town", "", 200),
        ("town_centre", "other", "", 404),
        ("town_centre", "", "", 403),
        ("village_centre", "village", "", 200),
        ("village_centre", "other", "", 404),
        ("grid_worker", "cell", "", 200),
        ("grid_worker", "other", "", 404),
        ("unit", "", "U01", 200),
        ("unit", "", "U02", 404),
        ("unit", "", "", 404),
        ("leader", "", "", 403),
        ("supervisor", "", "", 403),
        ("administrator", "", "", 403),
        ("wall", "", "", 403),
    ],
)
def test_persons_are_in_clear_for_those_whose_work_needs_them(
    api: httpx.Client, county: County, folder: Path, role: str, area: str, unit: str, status: int
) -> None:
    cell = str(county.cells.index[0])
    code = {"town": cell[:9], "village": cell[:12], "cell": cell, "other": "999999999"}.get(area, "")
    before = len(read_log(folder))
    answer = unmask(api, "c1", role, code, unit, reason="核实 13905750001")
    assert answer.status_code == status
    assert ("13905750001" in answer.text) is (status == 200)
    if status == 200:
        assert answer.json()["reporters"] == [
            {"name": "何翠英", "phone": "13905750001", "email": None, "unreadable": False}
        ]
        assert answer.headers["cache-control"] == "no-store"
    # Let or not, it is on record before the answer, and the record has no person in it.
    (row,) = read_log(folder)[before:]
    assert (row["actor"], row["role"], row["subject"]) == (f"test-{role}", role, "c1")
    assert row["deed"] == ("case.unmask" if status == 200 else "case.unmask_refused")
    assert json.loads(row["details"])["reason"] == "核实 139****0001"
    shown = api.get("/api/cases/c1", headers=as_viewer(role, code, unit))
    if shown.status_code == 200:
        assert shown.json()["may_unmask"] is (status == 200)


def test_what_lies_outside_the_county_is_the_countys(api: httpx.Client, county: County) -> None:
    assert unmask(api, "outside", "county_duty").status_code == 200
    assert unmask(api, "outside", "town_centre", str(county.cells.index[0])[:9]).status_code == 404


@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason": ""}', b'{"reason": "   "}', b'{"reason": 7}', b"[" * 9000])
def test_there_must_be_a_reason(api: httpx.Client, folder: Path, body: bytes) -> None:
    before = read_log(folder)
    assert api.post("/api/cases/c1/reporter", content=body).status_code == 422
    assert read_log(folder) == before


def test_what_is_not_there(api: httpx.Client) -> None:
    assert unmask(api, "unheard-of", "county_duty").status_code == 404
    assert unmask(api, "nobody", "county_duty").json() == {"reporters": []}


def test_nobody_looks_through_all_persons(api: httpx.Client, folder: Path) -> None:
    """Many at once do not get past the limit either; others may still ask."""
    headers = as_viewer("dispatcher")
    already = len(read_log(folder, actor="test-dispatcher", deed="case.unmask"))

    def ask(_: int) -> int:
        return api.post("/api/cases/c2/reporter", json={"reason": "all of them"}, headers=headers).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(MOST_UNMASKED + 5)))
    assert answers.count(200) == MOST_UNMASKED - already
    assert answers.count(429) == 5 + already
    refused = unmask(api, "c2", "dispatcher")
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")
    assert unmask(api, "c2", "county_duty").status_code == 200
    assert len(read_log(folder, actor="test-dispatcher", deed="case.unmask_refused")) == 6 + already


def test_without_the_key_a_file_opens_and_says_so(
    county: County, folder: Path, tmp_path: Path, api: httpx.Client
) -> None:
    url = f"sqlite:///{folder / 'county.db'}"
    with serving(county, "redis://127.0.0.1:1", url, data_dir=tmp_path) as other:
        case = other.get("/api/cases/c3").json()
        assert case["reporter"] == {"name": None, "phone": None, "email": None, "unreadable": True}
        (told,) = unmask(other, "c3", "county_duty").json()["reporters"]
        assert told == {"name": None, "phone": None, "email": None, "unreadable": True}
        # A key that is put there later is found without a restart.
        (tmp_path / FILE).write_bytes((folder / FILE).read_bytes())
        assert other.get("/api/cases/c3").json()["reporter"]["phone"] == "139****0001"


def test_the_page_is_for_those_who_audit(api: httpx.Client, folder: Path) -> None:
    assert unmask(api, "c3", "county_duty", reason="<b>why</b>").status_code == 200
    for role in ("administrator", "supervisor"):
        page = api.get("/audit?subject=c3&deed=case.unmask", headers=as_viewer(role))
        assert page.status_code == 200
        assert "查看上报人明文" in page.text
        assert "&lt;b&gt;why" in page.text and "<b>why" not in page.text
        assert page.text.count('data-deed="case.unmask"') == len(read_log(folder, subject="c3", deed="case.unmask"))
        (first, *_) = api.get("/api/audit?subject=c3&limit=1", headers=as_viewer(role)).json()["deeds"]
        assert first["details"] == {"reason": "<b>why</b>"}
    assert "Saw the reporter in clear" in api.get("/audit?lang=en", headers=as_viewer("supervisor")).text
    for who in (("county_duty",), ("leader",), ("wall",), ("supervisor", "330681001")):
        assert api.get("/audit", headers=as_viewer(*who)).status_code == 403
        assert api.get("/api/audit", headers=as_viewer(*who)).status_code == 403
    for path in ("/audit", "/api/audit"):
        assert api.get(f"{path}?before={10**30}", headers=as_viewer("supervisor")).status_code == 422


def test_the_page_checks_the_log(api: httpx.Client, folder: Path) -> None:
    unmask(api, "c3", "county_duty")
    whole = api.get("/audit?check=1", headers=as_viewer("supervisor")).text
    assert read_log(folder)[-1]["hash"] in whole
    with sqlite3.connect(folder / "county.db") as connection:
        connection.execute("DROP TRIGGER audit_no_update")
        connection.execute("UPDATE audit SET actor = 'nobody' WHERE number = 2")
    assert "第 2 行被改动" in api.get("/audit?check=1", headers=as_viewer("supervisor")).text
