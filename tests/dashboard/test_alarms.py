"""The API of alarms over the whole product: the list, what is done and who was faster, the case, the load."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from geo.county import County
from tests.appliance import Appliance, envelope, wait_for

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


def begin(product: Appliance, as_role: AsRole, county: County, rule: str = "bin_fire", cell: int = 0) -> str:
    """Raise an alarm as the watch does; its id has what an address must not lose."""
    thing = f"urn:x/{next(numbers)} a?b"
    alarm_id = f"{rule}:{thing}"
    now = datetime.now(UTC).isoformat()
    place = {"cell_code": str(county.cells.index[cell])} if cell >= 0 else {}
    data = {"alarm_id": alarm_id, "severity": 2, "subject": "高温", "at": now, "rule": rule, "thing": thing, **place}
    product.post(envelope("alarm.raised", alarm_id, data | {"value": 81.5}))
    wait_for(lambda: as_role("county_duty").get(address(alarm_id)).status_code == 200, what=alarm_id)
    return alarm_id


def address(alarm_id: str, more: str = "") -> str:
    return f"/api/alarms/{quote(alarm_id)}{more}"


def read(client: httpx.Client, alarm_id: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get(address(alarm_id)).json()
    return told


def ask(client: httpx.Client, alarm_id: str, action: str, expects: int | None = None, **said: Any) -> httpx.Response:
    if expects is None:
        expects = client.get(address(alarm_id)).json()["version"]
    return client.post(address(alarm_id, "/actions"), json={"action": action, "expects": expects, **said})


def test_the_list_holds_what_stands_and_takes_filters(product: Appliance, as_role: AsRole, county: County) -> None:
    officer, alarm_id = as_role("county_duty"), begin(product, as_role, county)
    told = officer.get("/api/alarms?severity=2&state=unacked&rule=bin_fire").json()
    [row] = [row for row in told["alarms"] if row["alarm_id"] == alarm_id]
    assert (row["name"]["en"], row["state"], row["count"]) == ("Bin overheated", "unacked", 1)
    assert {"ack", "assign", "shelve", "to_case"} <= set(row["actions"])
    assert any(alarm_id in line["alarm_ids"] for line in told["lines"])
    assert officer.get("/api/alarms?severity=4").json()["total"] == 0
    for query in ("severity=5", "state=loud"):
        answer = officer.get(f"/api/alarms?{query}")
        assert (answer.status_code, query.partition("=")[0] in answer.json()["detail"]) == (422, True)


def test_the_first_to_acknowledge_counts_and_the_second_is_told(
    product: Appliance, as_role: AsRole, county: County
) -> None:
    alarm_id = begin(product, as_role, county)
    version = read(as_role("county_duty"), alarm_id)["version"]
    first = ask(as_role("county_duty"), alarm_id, "ack", version, id="mine", note="电话13812345678")
    again = ask(as_role("county_duty"), alarm_id, "ack", version, id="mine")
    second = ask(as_role("supervisor"), alarm_id, "ack", version)
    assert (first.status_code, first.json()["state"], again.json()["result"]) == (200, "acked", "applied")
    assert (second.status_code, second.json()["changed_action"]) == (409, "ack")
    assert second.json()["changed_by"] == read(as_role("county_duty"), alarm_id)["acked_by"]
    wait_for(lambda: len(read(as_role("county_duty"), alarm_id)["history"]) == 2, what="the recorder")
    told = read(as_role("county_duty"), alarm_id)
    assert [step["action"] for step in told["history"]] == ["ack", "raise"]
    assert told["history"][0]["note"] == "电话138****5678"
    assert (told["value"], told["rule_says"]["at_least"]) == (81.5, 70)
    assert told["rule_says"]["response"]["en"].startswith("Send the nearest")


@pytest.mark.parametrize(
    ("role", "action", "said", "status", "field"),
    [
        ("leader", "ack", {}, 403, None),
        ("leader", "comment", {"note": "看到了"}, 200, None),
        ("county_duty", "comment", {}, 422, "note"),
        ("county_duty", "shelve", {"note": "维修", "details": {"minutes": 61}}, 422, "minutes"),
        ("county_duty", "shelve", {"note": "维修", "details": {"minutes": 30}}, 200, None),
        ("county_duty", "assign", {"details": {"to": "wang"}}, 200, None),
        ("county_duty", "unshelve", {}, 403, None),
        ("county_duty", "explode", {}, 403, None),
        ("county_duty", "to_case", {"details": {"category": "9999"}}, 422, "category"),
        ("grid_worker", "ack", {}, 403, None),
    ],
)
def test_what_may_be_done_is_the_roles_and_the_rules(
    product: Appliance, as_role: AsRole, county: County,
    role: str, action: str, said: dict[str, Any], status: int, field: str | None,
) -> None:  # fmt: skip
    alarm_id = begin(product, as_role, county)
    version = read(as_role("county_duty"), alarm_id)["version"]
    answer = ask(as_role(role), alarm_id, action, version, **said)
    assert answer.status_code == status, answer.text
    assert answer.json().get("field") == field


def test_an_alarm_becomes_one_case_in_one_action(product: Appliance, as_role: AsRole, county: County) -> None:
    officer, alarm_id = as_role("county_duty"), begin(product, as_role, county)
    answer = ask(officer, alarm_id, "to_case")
    assert answer.status_code == 200, answer.text
    wait_for(lambda: officer.get(f"/api/cases/{answer.json()['case_id']}").status_code == 200, 20, "the case")
    case = officer.get(f"/api/cases/{answer.json()['case_id']}").json()
    assert case["category"] == "0115"
    assert ask(officer, alarm_id, "to_case").status_code == 403
    nowhere = begin(product, as_role, county, "feed_silent", cell=-1)
    refused = ask(officer, nowhere, "to_case", details={"category": "0107"})
    assert (refused.status_code, refused.json()["field"]) == (422, "place")


def test_an_area_sees_its_own(product: Appliance, as_role: AsRole, county: County) -> None:
    town = as_role("town_centre")
    area = town.get("/api/me").json()["area"]
    codes = [str(code) for code in county.cells.index]
    mine = next(place for place, code in enumerate(codes) if code.startswith(area))
    other = next(place for place, code in enumerate(codes) if not code.startswith(area))
    seen, hidden = (begin(product, as_role, county, cell=cell) for cell in (mine, other))
    assert ask(town, seen, "ack").status_code == 200
    assert town.get(address(hidden)).status_code == 404
    assert ask(town, hidden, "ack", 1).status_code == 404
    assert hidden not in town.get("/api/alarms").text


def test_several_at_once(product: Appliance, as_role: AsRole, county: County) -> None:
    officer = as_role("county_duty")
    ids = [begin(product, as_role, county) for _ in range(3)]
    alarms = [{"alarm_id": id, "expects": read(officer, id)["version"]} for id in ids]
    alarms[2]["expects"] = 1
    outcomes = officer.post("/api/alarms/actions", json={"action": "ack", "alarms": alarms}).json()["outcomes"]
    assert [outcome["result"] for outcome in outcomes] == ["applied", "applied", "overtaken"]


def test_the_load_is_held_against_its_limits(product: Appliance, as_role: AsRole, county: County) -> None:
    officer = as_role("county_duty")
    alarm_id = begin(product, as_role, county, "water_oxygen")
    wait_for(lambda: len(read(officer, alarm_id)["history"]) == 1, what="the recorder")
    load = officer.get("/api/alarms/load").json()
    assert load["announced"] >= 1 and load["peak_limit"] == 10
    assert {"zh": "溶解氧过低", "en": "Too little oxygen in the water"} in [row["name"] for row in load["worst"]]
    assert sum(share["share"] for share in load["shares"]) == pytest.approx(1)
    now = int((datetime.now(UTC) - timedelta(days=40)).timestamp())
    assert officer.get(f"/api/alarms/load?from={now}").status_code == 422
