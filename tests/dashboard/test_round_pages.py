"""`/tasks` and `/care` on the whole product, as grid workers, centres and others see them; the register's commands."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from cases.rounds import Plan, read_rounds
from dashboard.__main__ import main
from dashboard.care import (
    CODE_CHARACTERS,
    BadRegister,
    invent_register,
    make_code,
    provide_demo_register,
    read_register,
    tell_counts,
)
from dashboard.people.audit import open_audit
from dashboard.people.unmasking import MOST_UNMASKED
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.rows.rounds import open_person, read_checks, read_persons
from ingest.sealing import Keyring, provide_keyring
from ingest.settings import Settings
from ingest.store import name_database, open_database
from tests.appliance import Appliance, envelope, wait_for

NAME, PHONE, ADDRESS = "何翠英", "13905750001", "东街1号"
HEADLINE = "number,group,cell_code,name,phone,address,next_visit\n"
YESTERDAY = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()


def cell_of(county: County, place: int = 0) -> str:
    return str(county.cells.index[place])


def other_cell(county: County) -> str:
    """A cell of another town than the first."""
    return next(code for code in map(str, county.cells.index) if code[:9] != cell_of(county)[:9])


def inside(county: County, cell: str) -> dict[str, float]:
    point = county.cells.geometry.loc[cell].representative_point()
    return {"lon": round(point.x, 6), "lat": round(point.y, 6)}


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path, county: County) -> Iterator[Appliance]:
    """The product, with seven persons in the register: six in the first cell, one in another town."""
    running = Appliance(tmp_path_factory.mktemp("rounds") / "data", demo_folder).start()
    here, there = cell_of(county), other_cell(county)
    rows = [f"N{number},elderly_alone,{here},王{number}号,,,\n" for number in range(4)]
    rows += [f"N4,elderly_alone,{here},{NAME},{PHONE},{ADDRESS},{YESTERDAY}\n", f"N5,disabled,{here},赵七,,,\n"]
    rows += [f"N6,disabled,{there},钱八九,13905750009,,\n"]
    import_register(running, "".join([HEADLINE, *rows]))
    # The turns before the present ones are done, or on their first days a check-in would make up for those.
    for plan in read_rounds(county).patrols:
        assert running.post(walked(county, plan, 1))["accepted"] == 1
    yield running
    running.stop()


def walked(county: County, plan: Plan, turns_ago: int) -> dict[str, Any]:
    """A check-in in the first cell, towards the end of a turn of the past."""
    day = plan.find_turn(datetime.now(county.time_zone).date()) - timedelta(days=3 + (turns_ago - 1) * plan.every_days)
    at = datetime.combine(day, time(12), county.time_zone)
    data = {"plan": plan.key, "cell_code": cell_of(county), "worker": "GW-0001", "at": at.isoformat()}
    return envelope("task.checked", f"{plan.key}-{turns_ago}", data)


def import_register(product: Appliance, text: str) -> int:
    file = product.data_dir.parent / "register.csv"
    file.write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patched:
        for name in ("DATA_DIR", "COUNTY"):
            patched.setenv(name, product.environ[name])
        for name in ("DATABASE_URL", "REDIS_URL"):
            patched.delenv(name, raising=False)
        return main(["care", "import", str(file)])


@contextmanager
def browsing(product: Appliance, role: str) -> Iterator[httpx.Client]:
    cookies = {"demo_viewer": role}
    with httpx.Client(base_url=product.web_url, timeout=20, cookies=cookies, follow_redirects=True) as client:
        yield client


def find_forms(page: str) -> list[dict[str, str]]:
    """What a page's script is told of each task that can be checked in."""
    forms = re.findall(r"<form data-task=[^>]*>", page)
    return [{name: unescape(value) for name, value in re.findall(r'data-(\w+)="([^"]*)"', form)} for form in forms]


def find_unmasking(page: str, person: str) -> dict[str, str]:
    """The hidden fields of the form that asks for somebody in clear."""
    forms = re.findall(r"<form method=\"post\".*?</form>", page, re.DOTALL)
    field = re.compile(r'<input type="hidden" name="(\w+)"(?: value="([^"]*)")?>')
    hidden = [{name: unescape(value) for name, value in field.findall(form)} for form in forms]
    return next(one for one in hidden if one.get("person") == person)


def find_task(page: str, plan: str, person: str | None = None) -> dict[str, str]:
    return next(form for form in find_forms(page) if form["plan"] == plan and person in (None, form["person"]))


def check_in(client: httpx.Client, task: dict[str, str], place: Any = None, **fields: Any) -> httpx.Response:
    """What the page's script sends for a task, with the token of who is asking."""
    me, now = client.get("/api/me").json(), datetime.now(UTC).isoformat()
    check = {name: task[name] for name in ("plan", "cell", "person")} | (place or {})
    check |= {"id": str(uuid4()), "worker": me["name"], "made_at": now, "sent_at": now}
    return client.post("/api/tasks/checks", json=check | fields, headers={"X-CSRF-Token": me["csrf"]})


def why(refusal: httpx.Response) -> tuple[int, str]:
    return refusal.status_code, refusal.json()["reason"]


def test_a_worker_sees_one_list_checks_in_and_it_is_done(product: Appliance, county: County) -> None:
    with browsing(product, "grid_worker") as worker:
        page = worker.get("/tasks?lang=en").text
        assert set(re.findall(r'<li class="\w+" data-plan="(\w+)"', page)) == {"daily", "safety", "care"}
        task, place, id = find_task(page, "daily"), inside(county, cell_of(county)), str(uuid4())
        answer = check_in(worker, task, place, id=id)
        assert answer.status_code == 202, answer.text
        assert abs(answer.json()["taken_at"] / 1000 - datetime.now(UTC).timestamp()) < 60

        def done() -> str:
            page = worker.get("/tasks?lang=en").text
            return page if re.search(r'class="done" data-plan="daily"', page) else ""

        assert "demo-grid_worker" in wait_for(done, what="the recorder")
        before = product.counters()
        assert check_in(worker, task, place, id=id).status_code == 202  # the answer was lost, so it comes again
        after = product.counters()
        assert after["accepted"] == before["accepted"] and after["duplicate"] == before["duplicate"] + 1


def test_a_check_in_counts_from_when_it_was_made_whatever_the_phones_clock(product: Appliance, county: County) -> None:
    made = datetime.now(UTC) - timedelta(days=400)
    times = {"made_at": made.isoformat(), "sent_at": (made + timedelta(minutes=90)).isoformat()}
    with browsing(product, "grid_worker") as worker:
        task = find_task(worker.get("/tasks").text, "safety")
        assert check_in(worker, task, inside(county, cell_of(county)), note="waited", **times).status_code == 202

    def find() -> datetime | None:
        engine = open_database(f"sqlite:///{product.data_dir / 'county.db'}", read_only=True)
        try:
            checks = read_checks(engine, datetime.now(UTC) - timedelta(days=1), cell_of(county))
            return next((check.at for check in checks if check.plan == "safety"), None)
        finally:
            engine.dispose()

    waited = datetime.now(UTC) - (wait_for(find, what="the recorder") or made)
    assert timedelta(minutes=90) <= waited < timedelta(minutes=92)


def test_a_patrol_needs_a_place_in_the_cell(product: Appliance, county: County) -> None:
    with browsing(product, "grid_worker") as worker:
        task = {"plan": "safety", "cell": cell_of(county), "person": ""}
        assert why(check_in(worker, task)) == (422, "place_needed")
        refusal = check_in(worker, task, inside(county, other_cell(county)))
        assert why(refusal) == (422, "too_far") and refusal.json()["values"]["metres"] > 200
        for bad in ({"lon": "nan", "lat": "nan"}, {"lon": 1e9, "lat": 0}, {"lon": "x", "lat": ""}):
            assert check_in(worker, task, bad).status_code == 422


def test_nobody_checks_in_elsewhere_or_without_being_a_walker(product: Appliance, county: County) -> None:
    there = other_cell(county)
    with browsing(product, "grid_worker") as worker:
        task, place = {"plan": "daily", "cell": there, "person": ""}, inside(county, there)
        assert why(check_in(worker, task, place)) == (422, "unknown_task")
        assert why(check_in(worker, task | {"plan": "none"}, place)) == (422, "unknown_task")
        assert why(check_in(worker, task, place, worker="somebody-else")) == (401, "sign_in_again")
        assert worker.post("/api/tasks/checks", json={}).status_code == 403  # without a token
        care = find_task(worker.get("/tasks").text, "care")
        theirs = next(one.person for one in persons_of(product) if one.cell_code == there)
        assert why(check_in(worker, care, person=theirs)) == (422, "unknown_task")
    with browsing(product, "county_duty") as officer:
        assert find_forms(officer.get(f"/tasks?area={cell_of(county)}").text) == []
        task = {"plan": "daily", "cell": cell_of(county), "person": ""}
        assert why(check_in(officer, task, inside(county, cell_of(county)))) == (422, "not_yours")
    with browsing(product, "leader") as leader:
        assert check_in(leader, task, inside(county, cell_of(county))).status_code == 403


def test_a_visit_is_told_by_a_code_and_puts_the_next_one_off(product: Appliance, county: County) -> None:
    person = next(one for one in persons_of(product) if one.next_visit == YESTERDAY)
    with browsing(product, "grid_worker") as worker:
        page = worker.get("/tasks?lang=en").text
        assert "何**" in page and "139****0001" in page
        assert NAME not in page and PHONE not in page and ADDRESS not in page
        assert check_in(worker, find_task(page, "care", person.person)).status_code == 202  # indoors: no place

        def is_gone() -> bool:  # two weeks ahead
            return all(form["person"] != person.person for form in find_forms(worker.get("/tasks").text))

        wait_for(is_gone, what="the recorder")


def test_the_centre_sees_coverage_misses_and_who_answers(product: Appliance, county: County) -> None:
    cell = cell_of(county)
    assert product.post(walked(county, read_rounds(county).plans["daily"], 2))["accepted"] == 1
    with browsing(product, "town_centre") as centre:

        def covered() -> str | None:
            page = centre.get(f"/tasks?lang=en&area={cell[:12]}").text
            row = re.search(rf'<tr data-area="{cell}">.*?</tr>', page, re.DOTALL)
            assert row is not None
            return row.group() if "2/4" in row.group() else None

        row = wait_for(covered, what="the recorder") or ""
        assert "50.0 %" in row and "GW-0001" in row
        page = centre.get("/tasks?lang=en").text
        villages = set(re.findall(r'data-area="(\d+)"', page))
        assert villages == {code[:12] for code in map(str, county.cells.index) if code.startswith(cell[:9])}
        missed = re.findall(r'data-missed="(\d+)"', page)
        assert missed and all(code.startswith(cell[:9]) for code in missed)
        assert centre.get(f"/tasks?area={other_cell(county)}").status_code == 404
        assert centre.get(f"/care?area={other_cell(county)}").status_code == 404
        assert centre.get("/tasks?area=339901").status_code == 404
    with browsing(product, "county_duty") as officer:
        page = officer.get("/tasks?lang=zh").text
        assert {len(code) for code in re.findall(r'data-area="(\d+)"', page)} == {9}


@pytest.mark.parametrize(
    ("role", "tasks", "care"),
    [
        ("grid_worker", 200, 200),
        ("supervisor", 200, 200),
        ("unit", 403, 200),
        ("leader", 403, 200),
        ("wall", 403, 403),
    ],
)
def test_who_may_open_which_page(product: Appliance, role: str, tasks: int, care: int) -> None:
    with browsing(product, role) as client:
        assert (client.get("/tasks").status_code, client.get("/care").status_code) == (tasks, care)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_without_the_right_there_are_counts_alone_and_none_below_five(
    product: Appliance, county: County, lang: str
) -> None:
    cell = cell_of(county)
    with browsing(product, "leader") as leader:
        page = leader.get(f"/care?lang={lang}&area={cell}").text
        counts = dict(re.findall(r'data-group="(\w+)">([^<]*?)</td>', page.replace("&lt;", "‹")))
        assert counts == {"elderly_alone": "5", "disabled": "‹5", "left_behind": "‹5", "in_need": "‹5"}
        assert "data-person" not in page and "何" not in page
        token = leader.cookies["csrf"]
        code = persons_of(product)[0].person
        form = {"csrf": token, "person": code, "reason": "to know", "area": cell}
        answer = leader.post(f"/care/unmask?lang={lang}", data=form)
        assert answer.status_code == 403 and NAME not in answer.text


def test_a_person_is_in_clear_with_a_reason_that_is_noted(product: Appliance, county: County) -> None:
    person = next(one for one in persons_of(product) if one.next_visit == YESTERDAY)
    theirs = next(one for one in persons_of(product) if one.cell_code == other_cell(county))
    with browsing(product, "village_centre") as centre:
        page = centre.get(f"/care?lang=en&area={cell_of(county)}").text
        assert 'data-group="disabled">1<' in page and NAME not in page
        form = find_unmasking(page, person.person)
        answer = centre.post("/care/unmask?lang=en", data=form | {"reason": " "})
        assert answer.status_code == 422 and NAME not in answer.text
        answer = centre.post("/care/unmask?lang=en", data=form | {"reason": "she does not open"})
        assert answer.status_code == 200 and all(word in answer.text for word in (NAME, PHONE, ADDRESS))
        assert answer.headers["cache-control"] == "no-store"
        answer = centre.post("/care/unmask?lang=en", data=form | {"reason": "curious", "person": theirs.person})
        assert answer.status_code == 404 and "钱八九" not in answer.text
        for _ in range(MOST_UNMASKED - 1):
            assert centre.post("/care/unmask?lang=en", data=form | {"reason": "again"}).status_code == 200
        assert centre.post("/care/unmask?lang=en", data=form | {"reason": "again"}).status_code == 429
    audit = open_audit(Settings(data_dir=product.data_dir))
    deeds = audit.read(actor="demo-village_centre")[::-1]
    audit.close()
    assert (deeds[0].deed, deeds[0].subject) == ("care.unmask", person.person)
    assert deeds[0].details == {"reason": "she does not open"}
    assert (deeds[1].deed, deeds[1].details["why"]) == ("care.unmask_refused", "scope")
    assert deeds[-1].details["why"] == "too_often"


def persons_of(product: Appliance) -> list[Any]:
    engine = open_database(f"sqlite:///{product.data_dir / 'county.db'}", read_only=True)
    try:
        return read_persons(engine)
    finally:
        engine.dispose()


def test_what_is_hidden_does_not_follow_from_what_is_shown() -> None:
    cells = ["339901001001001", "339901001001002", "339901001002001"]
    counts = {(cells[0], "a"): 7, (cells[1], "a"): 3, (cells[2], "a"): 4}
    assert tell_counts(counts, cells, ["a"], False) == {
        cells[0]: {"a": "7"},
        cells[1]: {"a": "<5"},
        cells[2]: {"a": "<5"},
    }
    villages = ["339901001001", "339901001002"]
    assert tell_counts(counts, villages, ["a"], False) == {villages[0]: {"a": "7+"}, villages[1]: {"a": "0+"}}
    assert tell_counts(counts, villages, ["a"], True) == {villages[0]: {"a": "10"}, villages[1]: {"a": "4"}}


def test_a_file_with_faults_changes_nothing_and_each_is_named(county: County) -> None:
    rounds, keyring, cell = read_rounds(county), Keyring.make(), cell_of(county)
    good = f"N1,disabled,{cell},赵七,,,\n"
    bad = f"N1,disabled,{cell},{NAME},,,\n,disabled,{cell},a,,,\nN3,rich,{cell},a,,,\nN4,disabled,1,a,,,\n"
    bad += f"N5,disabled,{cell},a,,,tomorrow\nN6,disabled,{cell},{'x' * 201},,,\n"
    with pytest.raises(BadRegister) as fault:
        read_register(HEADLINE + good + bad, county, rounds, keyring)
    lines = str(fault.value).splitlines()
    assert [line.split(": ")[:2] for line in lines[1:]] == [
        ["line 3", "number"],
        ["line 4", "number"],
        ["line 5", "group"],
        ["line 6", "cell_code"],
        ["line 7", "next_visit"],
        ["line 8", "name"],
    ]
    assert NAME not in str(fault.value)
    with pytest.raises(BadRegister, match="colour"):
        read_register("number,group,cell_code,name,colour\n", county, rounds, keyring)


def test_a_code_says_nothing_and_stays_the_same(county: County) -> None:
    keyring = Keyring.make()
    code = make_code(keyring, "330681195001010011")
    assert re.fullmatch(rf"P[0-9a-f]{{{CODE_CHARACTERS}}}", code)
    assert code == make_code(keyring, "330681195001010011")
    assert code != make_code(Keyring.make(), "330681195001010011")


def test_a_bad_file_is_refused_by_the_command_and_the_register_stays(
    product: Appliance, capsys: pytest.CaptureFixture[str]
) -> None:
    before = persons_of(product)
    assert import_register(product, HEADLINE + "N1,disabled,1,a,,,\n") == 1
    assert "line 2: cell_code" in capsys.readouterr().err
    assert persons_of(product) == before


def test_the_demos_register_is_of_nobody_and_made_once(county: County, tmp_path: Path) -> None:
    settings, rounds = Settings(data_dir=tmp_path), read_rounds(county)
    upgrade_database(name_database(settings))
    provide_demo_register(settings, county, rounds)
    engine = open_database(name_database(settings))
    persons = read_persons(engine)
    assert len(persons) == len(invent_register(county, rounds, date(2026, 11, 22))) > 1000
    keyring = provide_keyring(settings)
    clear = [open_person(keyring, person) for person in persons[:50]]
    assert all(one["phone"].startswith("1990000") and one["name"] == "模拟居民" for one in clear)
    assert {person.origin for person in persons} == {"simulated"}
    provide_demo_register(settings, county, rounds)
    assert read_persons(engine) == persons
    engine.dispose()
