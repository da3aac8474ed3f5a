"""Acting on cases over the whole product: what is applied, what is refused and why, and who was faster."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import httpx
import pytest

from geo.county import County
from tests.appliance import Appliance, act, report, wait_for

numbers = count(1)
AsRole = Callable[[str], httpx.Client]


@pytest.fixture(scope="module")
def as_role(product: Appliance) -> Iterator[AsRole]:
    """Returns a client that is somebody of a role, with the token that a page of ours has."""
    clients: dict[str, httpx.Client] = {}

    def choose(role: str) -> httpx.Client:
        if role not in clients:
            client = httpx.Client(base_url=product.web_url, timeout=20, cookies={"demo_viewer": role})
            client.get("/api/me")
            client.headers["x-csrf-token"] = client.cookies["csrf"]
            clients[role] = client
        return clients[role]

    yield choose
    for client in clients.values():
        client.close()


@pytest.fixture
def case_id(product: Appliance, as_role: AsRole, county: County) -> str:
    """A new case of the county's first cell, which every role of the demo sees."""
    return begin(product, as_role, county, 0)


def begin(product: Appliance, as_role: AsRole, county: County, cell: int, **changes: Any) -> str:
    number = f"ACT-{next(numbers)}"
    point = county.cells.geometry.iloc[cell].representative_point()
    product.post(report(number, point.x, point.y, **changes))
    wait_for(lambda: as_role("county_duty").get(f"/api/cases/{number}").status_code == 200, what=number)
    return number


def ask(client: httpx.Client, case_id: str, action: str, expects: int | None = None, **said: Any) -> httpx.Response:
    """Ask for an action; `expects` is by default what the case has now."""
    if expects is None:
        expects = client.get(f"/api/cases/{case_id}").json()["version"]
    return client.post(f"/api/cases/{case_id}/actions", json={"action": action, "expects": expects, **said})


def drive(client: httpx.Client, case_id: str, *actions: str | tuple[str, dict[str, Any]]) -> None:
    for action in actions:
        name, said = (action, {}) if isinstance(action, str) else action
        answer = ask(client, case_id, name, **said)
        assert answer.status_code == 200, (name, answer.text)


def read(client: httpx.Client, case_id: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get(f"/api/cases/{case_id}").json()
    return told


def test_what_is_applied_is_told_at_once_with_the_role_and_recorded(as_role: AsRole, case_id: str) -> None:
    officer = as_role("county_duty")
    answer = ask(officer, case_id, "accept", note="属实，回电13812345678")
    assert (answer.status_code, answer.json()["result"]) == (200, "applied")
    assert (answer.json()["state"], answer.json()["version"]) == ("accepted", 1)
    told = read(officer, case_id)
    assert (told["state"], told["version"]) == ("accepted", 1)
    wait_for(lambda: read(officer, case_id)["recorded"], what="the recorder")
    deed = read(officer, case_id)["actions"][-1]
    assert (deed["action"], deed["role_name"], deed["state"], deed["mark"]) == ("accept", "县级值班员", "accepted", "")
    assert deed["note"] == "属实，回电138****5678"


@pytest.mark.parametrize(
    ("action", "said", "field"),
    [
        ("void", {}, "note"),
        ("void", {"note": "x" * 2001}, "note"),
        ("dispatch", {}, "unit"),
        ("dispatch", {"unit": "U99"}, "unit"),
        ("join", {"details": {"units": ["U01", "U99"]}}, "units"),
        ("join", {"details": {"units": [["U01"]]}}, "units"),
        ("supervise", {"details": {"card": "green"}}, "card"),
        ("escalate", {"note": "大", "details": {"level": "cell"}}, "level"),
        ("merge", {"details": {"into": "NO-SUCH"}}, "into"),
        ("merge", {"details": {"into": "@self"}}, "into"),
        ("note", {"note": "看", "unit": "U05"}, "unit"),
        ("note", {"note": "看", "details": {"level": "county"}}, "level"),
        ("note", {"note": "看", "details": {"expects": 7}}, "expects"),
        ("note", {"note": "看", "details": {"undoes": "x"}}, "undoes"),
    ],
)
def test_a_bad_field_is_named_and_nothing_is_done(
    as_role: AsRole, case_id: str, action: str, said: dict[str, Any], field: str
) -> None:
    officer = as_role("county_duty")
    if action == "dispatch":
        drive(officer, case_id, "accept")
    before = read(officer, case_id)["version"]
    said = json.loads(json.dumps(said).replace("@self", case_id))
    answer = ask(officer, case_id, action, **said)
    assert (answer.status_code, answer.json()["field"]) == (422, field), answer.text
    assert answer.json()["reason"]
    assert read(officer, case_id)["version"] == before


def test_an_unreadable_request_is_refused(as_role: AsRole, case_id: str) -> None:
    officer = as_role("county_duty")
    url = f"/api/cases/{case_id}/actions"
    for body in (
        {"action": "accept"},
        {"action": "accept", "expects": "0"},
        {"action": "accept", "expects": 0, "x": 1},
    ):
        assert officer.post(url, json=body).status_code == 422
    assert officer.post(url, content=b"{").status_code == 422
    assert read(officer, case_id)["version"] == 0


def test_what_is_not_the_roles_to_do_is_refused(as_role: AsRole, case_id: str) -> None:
    for role, action in (("grid_worker", "accept"), ("supervisor", "accept"), ("county_duty", "close")):
        assert ask(as_role(role), case_id, action, note="x").status_code == 403
    assert read(as_role("county_duty"), case_id)["version"] == 0


def test_without_the_token_nothing_is_done(product: Appliance, as_role: AsRole, case_id: str) -> None:
    with httpx.Client(base_url=product.web_url, cookies={"demo_viewer": "county_duty"}) as foreign:
        assert foreign.post(f"/api/cases/{case_id}/actions", json={"action": "accept", "expects": 0}).status_code == 403
    assert read(as_role("county_duty"), case_id)["version"] == 0


def test_out_of_scope_a_case_does_not_exist(product: Appliance, as_role: AsRole, county: County) -> None:
    first = str(county.cells.index[0])
    elsewhere = next(n for n, code in enumerate(county.cells.index) if not str(code).startswith(first[:9]))
    far = begin(product, as_role, county, elsewhere)
    for role in ("town_centre", "village_centre", "grid_worker", "unit"):
        assert as_role(role).get(f"/api/cases/{far}").status_code == 404
        assert ask(as_role(role), far, "note", 0, note="看到了").status_code == 404
    assert ask(as_role("county_duty"), "NO-SUCH", "accept", 0).status_code == 404
    assert read(as_role("county_duty"), far)["version"] == 0


def test_a_unit_does_what_its_own_cases_need(as_role: AsRole, case_id: str) -> None:
    officer, unit = as_role("county_duty"), as_role("unit")  # U02 in the demo
    drive(officer, case_id, "accept", ("dispatch", {"unit": "U01"}))
    assert unit.get(f"/api/cases/{case_id}").status_code == 404
    drive(officer, case_id, ("hand_back", {"note": "不是"}), ("dispatch", {"unit": "U02"}))
    told = read(unit, case_id)
    assert [offer["action"] for offer in told["actions_legal"]] == ["take", "handle", "hand_back", "note"]
    assert told["is_turn"] and told["actions_legal"][0]["forward"]
    drive(unit, case_id, "take", ("handle", {"note": "清运完毕"}))
    told = read(unit, case_id)
    assert (told["state"], told["unit"]) == ("handled", "环境卫生管理所")
    assert [offer["action"] for offer in told["actions_legal"]] == ["note"]


def test_a_co_handling_unit_reports_its_own_part_only(as_role: AsRole, case_id: str) -> None:
    officer, unit = as_role("county_duty"), as_role("unit")
    called = {"details": {"units": ["U02", "U05"]}}
    drive(officer, case_id, "accept", ("dispatch", {"unit": "U01"}), ("join", called))
    told = read(unit, case_id)
    assert [offer["action"] for offer in told["actions_legal"]] == ["part_done", "note"]
    assert told["actions_legal"][0]["needs"][0] == {
        "field": "unit",
        "kind": "unit",
        "words": ["U02"],
        "proposed": "U02",
    }
    assert ask(unit, case_id, "part_done", unit="U05").json()["field"] == "unit"
    assert ask(unit, case_id, "handle", note="完").status_code == 403
    drive(unit, case_id, ("part_done", {"unit": "U02"}))
    parts = {part["unit_code"]: part["done_at"] is not None for part in read(officer, case_id)["parts"]}
    assert parts == {"U02": True, "U05": False}


def test_the_second_of_two_officers_is_told_who_did_what(as_role: AsRole, case_id: str) -> None:
    officer, dispatcher = as_role("county_duty"), as_role("dispatcher")
    seen = read(officer, case_id)["version"]
    assert read(dispatcher, case_id)["version"] == seen
    assert ask(dispatcher, case_id, "send_verify", seen).status_code == 200
    late = ask(officer, case_id, "accept", seen)
    assert late.status_code == 409
    told = late.json()
    assert (told["result"], told["changed_action"], told["state"]) == ("overtaken", "send_verify", "verifying")
    assert (told["changed_by"], told["changed_role"]) == ("demo-dispatcher", "dispatcher")
    assert abs(told["changed_at"] - time.time()) < 60
    assert read(officer, case_id)["state"] == "verifying"


def test_of_many_at_the_same_moment_exactly_one_counts(as_role: AsRole, case_id: str) -> None:
    roles = ["county_duty", "dispatcher", "town_centre"]
    clients = [as_role(role) for role in roles]
    start = threading.Barrier(len(clients))
    answers: list[httpx.Response] = []

    def race(client: httpx.Client) -> None:
        start.wait()
        answers.append(ask(client, case_id, "accept", 0))

    threads = [threading.Thread(target=race, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    assert all(answer.json()["changed_action"] == "accept" for answer in answers if answer.status_code == 409)
    told = read(clients[0], case_id)
    assert (told["state"], told["version"]) == ("accepted", 1)


def test_what_is_sent_again_is_done_once(as_role: AsRole, case_id: str) -> None:
    officer = as_role("county_duty")
    first = ask(officer, case_id, "accept", 0, id="browser-1-" + case_id)
    again = ask(officer, case_id, "accept", 0, id="browser-1-" + case_id)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json() == first.json()
    assert read(officer, case_id)["version"] == 1


def test_the_last_action_is_taken_back_by_who_did_it(as_role: AsRole, case_id: str) -> None:
    officer, dispatcher = as_role("county_duty"), as_role("dispatcher")
    drive(officer, case_id, "accept")
    assert read(officer, case_id)["undo"]["action"] == "accept"
    assert read(dispatcher, case_id)["undo"] is None
    assert ask(dispatcher, case_id, "undo").status_code == 403
    drive(officer, case_id, "undo")
    told = read(officer, case_id)
    assert (told["state"], told["version"], told["undo"]) == ("reported", 2, None)
    assert [(deed["action"], deed["mark"]) for deed in told["actions"][1:]] == [("accept", "undone"), ("undo", "")]
    assert ask(officer, case_id, "undo").status_code == 403


def test_what_the_flow_does_not_let_go_is_not_taken_back(as_role: AsRole, case_id: str) -> None:
    officer = as_role("county_duty")
    drive(officer, case_id, "verify_site")
    assert read(officer, case_id)["undo"] is None
    assert ask(officer, case_id, "undo").status_code == 403


def test_a_case_is_merged_into_one_that_stands(
    product: Appliance, as_role: AsRole, county: County, case_id: str
) -> None:
    officer = as_role("county_duty")
    other = begin(product, as_role, county, 0)
    drive(officer, other, ("merge", {"details": {"into": case_id}}))
    assert read(officer, other)["merged_into"] == case_id
    assert read(officer, case_id)["merged_cases"] == [other]
    third = begin(product, as_role, county, 0)
    refused = ask(officer, third, "merge", details={"into": other})
    assert (refused.status_code, refused.json()["field"]) == (422, "into")
    assert "merged" in refused.json()["reason"]


def test_who_confirms_a_proposal_gives_the_case_its_level(product: Appliance, as_role: AsRole, county: County) -> None:
    officer = as_role("county_duty")
    for confirms in (True, False):
        gas_leak = begin(product, as_role, county, 0, category="0403")
        drive(officer, gas_leak, "accept")
        proposal = read(officer, gas_leak)["proposal"]
        drive(officer, gas_leak, ("dispatch", {"unit": proposal["unit"] if confirms else "U02"}))
        assert (proposal["level"], read(officer, gas_leak)["level"]) == ("county", "county" if confirms else "town")


def test_many_cases_at_once_each_have_their_own_outcome(product: Appliance, as_role: AsRole, county: County) -> None:
    officer = as_role("county_duty")
    one, two, three = (begin(product, as_role, county, 0) for _ in range(3))
    drive(officer, two, "accept")
    cases = [{"case_id": one, "expects": 0}, {"case_id": two, "expects": 0}, {"case_id": three, "expects": 0}]
    cases.append({"case_id": "NO-SUCH", "expects": 0})
    answer = officer.post("/api/actions", json={"cases": cases, "action": "accept"})
    outcomes = {outcome["case_id"]: outcome["result"] for outcome in answer.json()["outcomes"]}
    assert outcomes == {one: "applied", two: "overtaken", three: "applied", "NO-SUCH": "refused"}
    assert officer.post("/api/actions", json={"cases": [], "action": "accept"}).status_code == 422


def test_a_fact_from_elsewhere_counts_and_is_marked(product: Appliance, as_role: AsRole, case_id: str) -> None:
    officer = as_role("county_duty")
    product.post(act(case_id, "handle", actor="张三", unit="U02", note="完成"))
    wait_for(lambda: read(officer, case_id)["state"] == "handled", what="the fact")
    deed = read(officer, case_id)["actions"][-1]
    assert (deed["mark"], deed["unit"], deed["role_name"]) == ("irregular", "环境卫生管理所", None)
    assert "张三" not in officer.get(f"/api/cases/{case_id}").text
