"""Incident mode over the whole product: who begins and ends it, what walls are told, and the log as of any moment."""

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from geo.county import County
from tests.appliance import Appliance, envelope, report, wait_for
from tests.dashboard.test_acting import AsRole, as_role, ask, drive

__all__ = ["as_role"]  # a fixture

PHONE = "13812345678"
PLACE = {"category": "0102", "severity": 1, "title": "王小明家起火"}
BEGIN = ("begin_incident", {"note": f"有人被困，报警人电话{PHONE}"})


def place(product: Appliance, as_role: AsRole, county: County, case_id: str, cell: int = 0) -> str:
    point = county.cells.geometry.iloc[cell].representative_point()
    product.post(report(case_id, point.x, point.y, **PLACE))
    wait_for(lambda: as_role("county_duty").get(f"/api/cases/{case_id}").status_code == 200, what=case_id)
    return case_id


def read(client: httpx.Client, case_id: str, at: int | None = None) -> dict[str, Any]:
    answer = client.get(f"/api/incidents/{case_id}", params={} if at is None else {"at": at})
    told: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
    return told


def read_frame(client: httpx.Client) -> str:
    """The snapshot of `/live`, as it came."""
    with client.stream("GET", "/live") as stream:
        return next(line for line in stream.iter_lines() if line.startswith("data: "))[6:]


def log_of(told: dict[str, Any]) -> list[str]:
    return [line["action"] for line in told["log"]]


@pytest.mark.parametrize("role", ["dispatcher", "unit", "town_centre", "village_centre", "grid_worker", "leader"])
def test_who_answers_for_less_than_the_county_begins_none(
    product: Appliance, as_role: AsRole, county: County, role: str
) -> None:
    case_id = place(product, as_role, county, f"INC-{role}")
    expects = as_role("county_duty").get(f"/api/cases/{case_id}").json()["version"]
    answer = ask(as_role(role), case_id, "begin_incident", expects, note="x")
    assert answer.status_code in (403, 404) and answer.json()["result"] == "refused"
    assert as_role("county_duty").get(f"/api/incidents/{case_id}").status_code == 404


def test_it_needs_a_reason_an_open_case_and_no_second_beginning(
    product: Appliance, as_role: AsRole, county: County
) -> None:
    officer, case_id = as_role("county_duty"), place(product, as_role, county, "INC-1")
    missing = ask(officer, case_id, "begin_incident")
    assert (missing.status_code, missing.json()["field"]) == (422, "note")
    forged = ask(officer, case_id, "begin_incident", note="x", details={"forces": {"workers": []}})
    assert (forged.status_code, forged.json()["field"]) == (422, "forces")
    assert ask(officer, case_id, "end_incident", note="x").status_code == 403
    drive(officer, case_id, BEGIN)
    assert ask(officer, case_id, "begin_incident", note="again").status_code == 403
    drive(officer, case_id, ("void", {"note": "误报"}))
    assert ask(officer, case_id, "begin_incident", note="x").status_code == 403
    told = wait_for(lambda: (told := read(officer, case_id)) and told["ended_at"] and told, what="its end")
    assert told["conclusion"] == "误报"


def test_what_walls_are_told_names_nobody(product: Appliance, as_role: AsRole, county: County) -> None:
    officer, case_id = as_role("county_duty"), place(product, as_role, county, "INC-2")
    drive(officer, case_id, BEGIN, ("join", {"details": {"units": ["U02", "U03"]}}), ("note", {"note": "王小明已送医"}))

    def find() -> dict[str, Any] | None:
        incidents: list[dict[str, Any]] = json.loads(read_frame(officer))["incidents"]
        return next((one for one in incidents if one["case_id"] == case_id and len(one["log"]) == 2), None)

    told = wait_for(find, what="the frame")
    assert [call["unit"] for call in told["calls"]] == ["U02", "U03"]
    assert all(call["clock"] is None or call["clock"]["due_at"] for call in told["calls"])
    assert log_of(told) == ["begin_incident", "join"]  # somebody's words are for the desk
    assert (told["ladder"][0]["state"], told["ladder"][0]["standing"]) == ("reported", "now")
    assert len(told["forces"]["cameras"]) > 0
    frame = read_frame(officer)
    assert not any(words in frame for words in ("王小明", PHONE, "有人被困"))
    drive(officer, case_id, ("end_incident", {"note": "火已扑灭"}))
    wait_for(
        lambda: case_id not in {one["case_id"] for one in json.loads(read_frame(officer))["incidents"]}, what="over"
    )


def test_the_log_as_of_a_moment_is_what_was_known_then(product: Appliance, as_role: AsRole, county: County) -> None:
    officer, case_id = as_role("county_duty"), place(product, as_role, county, "INC-3")
    cell = str(county.cells.index[0])
    drive(officer, case_id, BEGIN)
    wait_for(lambda: read(officer, case_id), what="the recorder")
    alarm = {"alarm_id": "bin_fire:bin-7", "severity": 1, "subject": "高温", "rule": "bin_fire", "thing": "bin-7"}
    product.post(envelope("alarm.raised", "r-1", alarm | {"cell_code": cell, "at": datetime.now(UTC).isoformat()}))
    far = alarm | {"alarm_id": "bin_fire:bin-8", "cell_code": str(county.cells.index[-1])}
    product.post(envelope("alarm.raised", "r-2", far | {"at": datetime.now(UTC).isoformat()}))
    live = wait_for(lambda: (told := read(officer, case_id)) and told["alarms"] and told, what="the alarm")
    assert live["alarm_counts"] == [1, 0, 0, 0] and [one["id"] for one in live["alarms"]] == ["bin_fire:bin-7"]
    assert log_of(live) == ["report", "begin_incident", "raise"]
    assert live["reason"] == "有人被困，报警人电话138****5678"
    # A second is as fine as a moment is asked for, so what follows is of a later one.
    wait_for(lambda: datetime.now(UTC).timestamp() > live["as_of"] + 1, what="the next second")
    drive(officer, case_id, ("join", {"details": {"units": ["U02"]}}), ("end_incident", {"note": "已控制"}))
    ended = wait_for(lambda: (told := read(officer, case_id)) and told["last_at"] and told, what="its end")
    assert log_of(ended)[-2:] == ["join", "end_incident"] and ended["conclusion"] == "已控制"
    then = read(officer, case_id, live["as_of"])
    assert {name: then[name] for name in ("log", "calls", "ladder", "alarms")} == {
        name: live[name] for name in ("log", "calls", "ladder", "alarms")
    }
    assert then["ended_at"] is None and then["conclusion"] is None
    assert then["forces"]["cameras"] and then["forces_at"] == then["begun_at"]
    # What comes after its end is no part of it.
    drive(officer, case_id, ("note", {"note": "次日回访"}))
    wait_for(lambda: officer.get(f"/api/cases/{case_id}").json()["recorded"], what="the note")
    again = read(officer, case_id)
    assert {**again, "version": 0, "actions": []} == {**ended, "version": 0, "actions": []}
    assert officer.get(f"/api/incidents/{case_id}", params={"at": ended["first_at"] - 60}).status_code == 422


def test_it_is_for_who_may_see_the_case(product: Appliance, as_role: AsRole, county: County) -> None:
    case_id = place(product, as_role, county, "INC-4", cell=len(county.cells) - 1)
    drive(as_role("county_duty"), case_id, BEGIN)
    wait_for(lambda: read(as_role("county_duty"), case_id), what="the recorder")
    assert as_role("supervisor").get(f"/api/incidents/{case_id}").status_code == 200
    assert as_role("town_centre").get(f"/api/incidents/{case_id}").status_code == 404
    assert as_role("unit").get(f"/api/incidents/{case_id}").status_code == 404
    assert as_role("wall").get(f"/api/incidents/{case_id}").status_code == 403
    assert as_role("wall").get(f"/incident/{case_id}").status_code == 403
    assert case_id not in read_frame(as_role("town_centre"))
