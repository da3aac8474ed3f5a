"""Walls that show without a log-in: a token's life, what a wall may do, and what one is sent."""

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from sqlalchemy import Engine, select

from dashboard.factory import make_app
from dashboard.frames import Screen
from dashboard.live import Hub
from dashboard.people.accounts import Accounts
from dashboard.people.gate import WALL_MAY_SEND
from dashboard.people.viewer import Viewer
from dashboard.people.wall_commands import add_arguments, run_command
from dashboard.people.walls import COOKIE, START, Walls
from geo.county import County
from ingest.embedded import start_redis
from ingest.migrations import upgrade_database
from ingest.records import WallOrdered
from ingest.settings import Settings
from ingest.store import name_database, open_database
from ingest.tables import as_ms, audit, walls
from layers.excerpt import Excerpt, Scope
from layers.state import LiveState
from tests.contracts.test_callbacks import find_routes
from tests.dashboard.serving import serving_screens
from tests.dashboard.test_people import PASSWORD, log_in
from tests.ingest.samples import Writer
from tests.layers.worlds import report

pytestmark = pytest.mark.usefixtures("quick_passwords")

MACHINE, OTHER_MACHINE = "a" * 32, "b" * 32
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    folder = tmp_path_factory.mktemp("walls")
    server = start_redis(folder)
    yield Settings(data_dir=folder, redis_url=server.url, auth="on", ui_lang="en")
    server.stop()


@pytest.fixture(scope="module")
def engine(settings: Settings, county: County) -> Iterator[Engine]:
    upgrade_database(name_database(settings))
    engine = open_database(name_database(settings))
    for name, role in (("admin", "administrator"), ("duty", "county_duty"), ("leader", "leader")):
        Accounts(engine).add(Viewer(name, name.title(), role), PASSWORD, must_change=False)
    town = str(county.cells.index[0])[:9]
    Accounts(engine).add(Viewer("town", "Town", "town_centre", town), PASSWORD, must_change=False)
    Writer(engine).write(*(report(county, number, at=datetime.now(UTC), cell=number) for number in range(400)))
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def site(settings: Settings, engine: Engine, county: County) -> Iterator[str]:
    with serving_screens(county, settings) as url:
        yield url


def open_client(site: str) -> httpx.Client:
    return httpx.Client(base_url=site, timeout=20)


def post(client: httpx.Client, path: str, body: Any) -> httpx.Response:
    return client.post(path, json=body, headers={"X-CSRF-Token": client.cookies.get("csrf") or ""})


def start(client: httpx.Client, token: str, machine: str = MACHINE) -> httpx.Response:
    client.get(START)  # brings the token that a foreign page lacks
    answer = post(client, START, {"token": token, "machine": machine})
    client.get("/api/wall")  # as the wall's page does; brings that of the wall
    return answer


def beat(client: httpx.Client, machine: str = MACHINE, **more: Any) -> httpx.Response:
    told = {"scene": "overview", "paused": False, "width": 1920, "height": 1080, "ratio": 1, "opened_at": 1}
    return post(client, "/api/wall/beat", {"beat": {"machine": machine, **told, **more}})


@pytest.fixture
def admin(site: str) -> Iterator[httpx.Client]:
    with open_client(site) as client:
        log_in(client, "admin")
        yield client


def make_wall(admin: httpx.Client, name: str, area: str = "") -> str:
    answer = post(admin, "/api/walls", {"name": name, "area": area})
    assert answer.status_code == 201, answer.text
    token: str = answer.json()["token"]
    return token


def test_a_token_opens_the_wall_and_nothing_else(site: str, admin: httpx.Client, engine: Engine) -> None:
    token = make_wall(admin, "hall")
    with engine.connect() as connection:
        row = connection.execute(select(walls).where(walls.c.name == "hall")).one()
    assert token not in str(row) and (row.area, row.made_by) == ("", "admin")
    with open_client(site) as wall:
        answer = start(wall, token)
        assert (answer.status_code, answer.json()) == (200, {"wall": "hall"})
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Max-Age=34560000" in cookie
        me = wall.get("/api/me").json()
        assert (me["name"], me["role"], me["permissions"], me["log_in"]) == ("wall:hall", "wall", ["wall"], False)
        assert [wall.get(path).status_code for path in ("/wall", "/api/county", "/duty", "/api/walls", "/people")] == [
            *(200, 200, 403, 403, 403)
        ]
        assert beat(wall).json() == {"wall": "hall"}


def test_it_is_revoked_within_seconds_the_open_stream_too(site: str, admin: httpx.Client, engine: Engine) -> None:
    token = make_wall(admin, "gone")
    with open_client(site) as wall:
        start(wall, token)
        with wall.stream("GET", "/live") as stream:
            lines = stream.iter_lines()
            assert next(lines)
            began = time.monotonic()
            assert post(admin, "/api/walls/gone/revoke", {}).status_code == 200
            for _ in lines:
                pass
        assert time.monotonic() - began < 10
        answer = beat(wall)
        assert (answer.status_code, answer.json()["by"]) == (410, "administrator")
        page = wall.get("/wall?lang=en")
        assert page.status_code == 410 and "switched off" in page.text and "Administrator" in page.text
        assert "/login" not in page.text
        assert start(wall, token).status_code == 410
        assert wall.get("/api/county").status_code == 410
    with engine.connect() as connection:
        deeds = connection.execute(select(audit.c.deed).where(audit.c.subject == "gone").order_by(audit.c.number))
        assert list(deeds.scalars()) == ["wall.add", "wall.revoke"]
    assert post(admin, "/api/walls/gone/revoke", {}).status_code == 404
    make_wall(admin, "gone")  # its name is free again, its old token is not


def test_it_is_off_for_its_very_next_request(site: str, admin: httpx.Client) -> None:
    token = make_wall(admin, "off")
    with open_client(site) as wall:
        start(wall, token)
        assert beat(wall).status_code == 200  # so the gate has looked it up a moment ago
        assert post(admin, "/api/walls/off/revoke", {}).status_code == 200
        assert beat(wall).status_code == 410


def test_a_token_that_nobody_made_meets_a_calm_page(site: str) -> None:
    with open_client(site) as wall:
        assert start(wall, "made-up").status_code == 410
        wall.cookies.set(COOKIE, "made-up")
        page = wall.get("/wall?lang=en")
        assert page.status_code == 410 and "not known" in page.text and "/login" not in page.text


def test_a_second_machine_is_told_so_while_the_first_is_alive(site: str, admin: httpx.Client) -> None:
    token = make_wall(admin, "one")
    with open_client(site) as first, open_client(site) as second:
        start(first, token)
        assert beat(first).status_code == 200
        assert start(second, token, OTHER_MACHINE).status_code == 409
        assert second.cookies.get(COOKIE) is None
        assert second.get("/wall").status_code == 303  # it is no wall at all
        second.cookies.set(COOKIE, token)  # as from a time when the first was off
        second.get("/api/wall")
        assert beat(second, OTHER_MACHINE).status_code == 409
        assert beat(first).status_code == 200  # the same machine, its page opened anew


def test_a_wall_of_a_town_sees_its_town(site: str, admin: httpx.Client, county: County) -> None:
    town = str(county.cells.index[0])[:9]
    assert post(admin, "/api/walls", {"name": "bad", "area": "110101001"}).status_code == 422
    with open_client(site) as wall:
        start(wall, make_wall(admin, "town hall", town))
        assert wall.get("/api/county").json()["scope"]["code"] == town


def test_it_may_post_its_beat_and_nothing_else(
    site: str, admin: httpx.Client, county: County, settings: Settings, engine: Engine
) -> None:
    hub = Hub(county, settings.redis_url or "", name_database(settings))
    routes = list(find_routes(make_app(settings, county, hub, engine).routes))
    posts = {route.path for route in routes if isinstance(route, APIRoute) and route.methods - {"GET", "HEAD"}}
    assert {"/api/cases/{case_id}/actions", "/login", "/api/walls", "/api/wall/beat"} <= posts
    with open_client(site) as wall:
        start(wall, make_wall(admin, "reader"))
        for path in posts - WALL_MAY_SEND:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                headers = {"X-CSRF-Token": wall.cookies["csrf"]}
                address = path.replace("{", "").replace("}", "")
                answer = wall.request(method, address, json={}, headers=headers)
                assert answer.status_code == 403, (method, path, answer.status_code)
    assert {START, "/api/wall/beat", "/_dash-update-component"} == WALL_MAY_SEND


def test_its_beat_needs_the_token_of_its_page(site: str, admin: httpx.Client) -> None:
    with open_client(site) as wall:
        start(wall, make_wall(admin, "careful"))
        body = {"beat": {"machine": MACHINE, "scene": "", "paused": False, "width": 1, "height": 1, "ratio": 1}}
        assert wall.post("/api/wall/beat", json=body).status_code == 403
        assert beat(wall, ratio="large").status_code == 422


def test_who_looks_after_walls(site: str, admin: httpx.Client, county: County) -> None:
    town = str(county.cells.index[0])[:9]
    with open_client(site) as wall:
        start(wall, make_wall(admin, "listed", town))
        beat(wall, drawn_at=5, heap_mb=80, version="abc")
    make_wall(admin, "elsewhere", str(county.cells.index[-1])[:9])
    with open_client(site) as duty, open_client(site) as officer, open_client(site) as leader:
        for client, name in ((duty, "duty"), (officer, "town"), (leader, "leader")):
            log_in(client, name)
        told = {one["name"]: one for one in duty.get("/api/walls").json()["walls"]}
        assert {"listed", "elsewhere"} <= told.keys()
        assert (told["listed"]["area"], told["listed"]["beat"]["heap_mb"]) == (town, 80)
        assert told["elsewhere"]["heard_at"] is None
        mine = {one["name"] for one in officer.get("/api/walls").json()["walls"]}
        assert "listed" in mine and "elsewhere" not in mine
        assert leader.get("/api/walls").status_code == leader.get("/walls").status_code == 403
        assert post(duty, "/api/walls", {"name": "own"}).status_code == 403
        assert post(duty, "/api/walls/listed/revoke", {}).status_code == 403
        assert post(officer, "/api/walls/elsewhere/orders", {"order": "release"}).status_code == 404


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"order": "scene", "scene": "circus"}, "scene"),
        ({"order": "place", "place": "110101001"}, "place"),
        ({"order": "case", "case_id": "nobody-reported"}, "case_id"),
        ({"order": "dance"}, "order"),
        ({"order": "release", "minutes": 0}, "minutes"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused(site: str, admin: httpx.Client, order: Any, said: str) -> None:
    if not any(one["name"] == "ordered" for one in admin.get("/api/walls").json()["walls"]):
        make_wall(admin, "ordered")
    answer = post(admin, "/api/walls/ordered/orders", order)
    assert answer.status_code == 422 and said in answer.json()["detail"], answer.text


def test_a_wall_of_a_town_is_sent_nothing_from_elsewhere(site: str, admin: httpx.Client, county: County) -> None:
    here, there = str(county.cells.index[0])[:9], str(county.cells.index[-1])[:9]
    make_wall(admin, "narrow", here)
    answer = post(admin, "/api/walls/narrow/orders", {"order": "place", "place": there})
    assert answer.status_code == 422 and "outside" in answer.json()["detail"]
    cases = admin.get("/api/cases?limit=1000").json()["cases"]
    outside = next(case["case_id"] for case in cases if not county.cells.index[case["cell"]].startswith(here))
    answer = post(admin, "/api/walls/narrow/orders", {"order": "case", "case_id": outside})
    assert answer.status_code == 422 and "outside" in answer.json()["detail"]


def test_walls_by_command(
    county: County, settings: Settings, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        add_arguments(parser)
        return run_command(parser.parse_args(words), settings, county)

    assert run("add", "by command") == 0
    address = capsys.readouterr().out.strip()
    token = address.partition("/wall-start#")[2]
    assert len(token) == 43 and Walls(engine).read_all()
    assert run("add", "by command") == 1 and "already" in capsys.readouterr().err
    assert run("add", "x", "--area", "110101") == 1
    assert run("revoke", "by command") == 0 and run("revoke", "by command") == 1
    assert run("list") == 0
    assert any(line.startswith("by command") and "revoked" in line for line in capsys.readouterr().out.splitlines())


# -- orders in the live state --------------------------------------------------------------------------------


def order(id: str, at_s: int = 0, kind: Any = "scene", sender: str = "local", **more: Any) -> WallOrdered:
    at = NOW + timedelta(seconds=at_s)
    told = {"actor": "duty", "role": "county_duty", "scene": "waste", **more}
    return WallOrdered(source="desk", id=id, received_at=at, wall="hall", order=kind, at=at, sender=sender, **told)


def test_the_latest_order_counts_whatever_comes_last(county: County) -> None:
    state = LiveState(county)
    for one in (order("2", 10), order("1", 0), order("2", 10), order("9", 20, sender="a-department")):
        state.apply(one)
    assert state.wall_orders["hall"].id == "2"
    excerpt = Excerpt(county, state, Scope(str(county.cells.index[0])[:9]))
    state.apply(order("3", 30, "release"))
    assert excerpt.wall_orders["hall"].id == "3"


def test_frames_tell_an_order_until_it_ends(county: County) -> None:
    state = LiveState(county)
    state.advance(as_ms(NOW))
    screen = Screen(state, "x")
    screen.delta("ok")
    state.apply(order("1", until=NOW + timedelta(minutes=1)))
    told = screen.delta("ok")["walls"]
    assert told == {
        "hall": {"order": "scene", "role": "county_duty", "scene": "waste", "at": as_ms(NOW) // 1000}
        | {"until": as_ms(NOW) // 1000 + 60}
    }
    assert "walls" not in screen.delta("ok") and screen.snapshot()["walls"] == told
    state.advance(as_ms(NOW) + 61_000)
    assert screen.delta("ok")["walls"] == {"hall": None}
    assert screen.snapshot()["walls"] == {}


def test_a_case_goes_to_a_wall_as_lists_tell_it(county: County) -> None:
    state = LiveState(county)
    case = report(county, 1, at=NOW)
    state.apply(case)
    state.apply(order("1", kind="case", scene=None, case_id=case.case_id))
    told = Screen(state, "x").delta("ok")["walls"]["hall"]
    assert told["case"]["category"] == case.category and "title" not in told["case"] and "actor" not in told
    elsewhere = Excerpt(county, state, Scope("nowhere"))
    assert Screen(elsewhere, "x").delta("ok")["walls"]["hall"]["case"] is None
