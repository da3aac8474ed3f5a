"""A town sees its town: in the live stream, in every answer of every route, on every page."""

import asyncio
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import httpx
import pytest
from fastapi import FastAPI

import dashboard.factory
from dashboard import ids
from dashboard.factory import SCREENS, make_app
from dashboard.geometry import PARTS, name_revision
from dashboard.live import Hub, running
from geo.county import County
from ingest.embedded import start_redis
from ingest.settings import Settings
from ingest.store import open_database
from layers import LAYERS
from layers.excerpt import Scope
from layers.places import feature_id
from tests.dashboard.serving import AsViewer, as_viewer
from tests.dashboard.serving import running as running_server
from tests.dashboard.viewing import fold_events, has_case, now, parse_events, posting, record_all, run, viewing
from tests.layers.test_excerpt import assets_of, cells_of, placed, replace_record, towns_of
from tests.layers.worlds import act, locate, report, sense, warn

# -- the hub's channels --------------------------------------------------------------------------------------


def test_a_town_hears_of_its_own_alone(county: County, redis_url: str, sqlite_url: str) -> None:
    town, other = towns_of(county)[:2]
    here, there = cells_of(county, town)[0], cells_of(county, other)[0]

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with (
            running(hub),
            posting(redis_url) as post,
            viewing(hub) as everywhere,
            viewing(hub, scope=Scope(town)) as inside,
            viewing(hub, scope=Scope(town)) as beside,
            viewing(hub, scope=Scope(other)) as outside,
        ):
            for viewer in (everywhere, inside, beside, outside):
                await viewer.until(lambda events: events)
            await post(report(county, 1, at=now(), cell=there), report(county, 2, at=now(), cell=here))
            await post(act(1, "close", now()), report(county, 3, at=now(), cell=here, severity=1))
            await inside.until(has_case("C3"))
            await beside.until(has_case("C3"))
            await outside.until(has_case("C1", "closed"))
            await everywhere.until(has_case("C3"))
            for viewer in (inside, beside):
                assert b"C1" not in viewer.body
            assert b"C2" not in outside.body and b"C3" not in outside.body
            shown = fold_events(inside.events())
            assert set(shown["grid"]) == set(cells_of(county, town))
            assert shown["grid"][here] == (2, 1)
            assert len(fold_events(everywhere.events())["grid"]) == len(county.cells)
            figures = await latest(inside, "figures", lambda told: told.get("open_cases", {}).get("value") == 2)
            assert figures["severe_open"]["value"] == 1
            charts = inside.events()[0].data["charts"]
            assert charts["cases_by_town"]["x"] == [town]
            assert inside.events()[0].data["revision"] == name_revision(county, town)
            # One town, one channel, one epoch; another town another.
            assert len(hub.channels()) == 3
            assert epoch_of(inside) == epoch_of(beside) != epoch_of(outside)

    run(scenario())


async def latest(viewer: Any, name: str, holds: Any) -> dict[str, Any]:
    """What a viewer was told last of each figure, once that holds."""

    def told(events: Any) -> dict[str, Any]:
        return {key: row for event in events for key, row in event.data.get(name, {}).items()}

    return told(await viewer.until(lambda events: holds(told(events))))


def epoch_of(viewer: Any) -> str:
    return str(viewer.events()[-1].id.split("-")[0])


def test_a_place_in_one_channel_means_nothing_in_another(county: County, redis_url: str, sqlite_url: str) -> None:
    town, other = towns_of(county)[:2]

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post:
            async with viewing(hub, scope=Scope(town)) as first:
                await post(report(county, 1, at=now(), cell=cells_of(county, town)[0]))
                last = (await first.until(has_case("C1")))[-1]
            await post(report(county, 2, at=now(), cell=cells_of(county, town)[0]))
            async with viewing(hub, last_id=last.id, scope=Scope(town)) as again:
                events = await again.until(has_case("C2"))
                assert {event.name for event in events} <= {"delta", "beat"}  # it was away, and has missed nothing
            async with viewing(hub, last_id=last.id, scope=Scope(other)) as elsewhere:
                (event, *_) = await elsewhere.until(lambda events: events)
                assert event.name == "snapshot" and "C1" not in json.dumps(event.data)

    run(scenario())


def test_a_channel_that_nobody_watches_is_dropped(
    county: County, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboard.live.UNWATCHED_S", 0.2)
    monkeypatch.setattr("dashboard.channels.BEAT_S", 0.3)
    town = Scope(towns_of(county)[0])

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub):
            assert await hub.ask(lambda state: len(state.cells), town) == len(cells_of(county, town.area))
            async with viewing(hub, scope=town) as viewer:
                await viewer.until(lambda events: events)
                await asyncio.sleep(0.6)
                assert len(hub.channels()) == 2
            async with asyncio.timeout(20):
                while len(hub.channels()) > 1:
                    await hub.wait()  # a frame of the county: at the latest its next beat

    run(scenario())


def test_after_a_reload_every_channel_is_derived_anew(county: County, redis_url: str, sqlite_url: str) -> None:
    town, other = towns_of(county)[:2]

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post, viewing(hub, scope=Scope(town)) as viewer:
            await post(report(county, 1, at=now(), cell=cells_of(county, town)[0]))
            await post(report(county, 2, at=now(), cell=cells_of(county, other)[0]))
            await viewer.until(has_case("C1"))
            await asyncio.to_thread(record_all, redis_url, sqlite_url)
            before = epoch_of(viewer)
            await hub._load()
            events = await viewer.until(lambda events: events[-1].id.split("-")[0] != before)
            snapshot = [event for event in events if event.name == "snapshot"][-1]
            assert [case["case_id"] for case in snapshot.data["cases"]] == ["C1"]
            await post(report(county, 3, at=now(), cell=cells_of(county, town)[1]))
            await viewer.until(has_case("C3"))
            assert "C2" not in viewer.body.decode()

    run(scenario())


def test_a_unit_hears_of_the_cases_that_it_has_or_had(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        mine = Scope("", "U02")
        async with running(hub), posting(redis_url) as post, viewing(hub, scope=mine) as viewer:
            await viewer.until(lambda events: events)
            await post(*(report(county, number, at=now(), cell=number) for number in (1, 2, 3)))
            await post(act(1, "dispatch", now(), "U01"), act(2, "dispatch", now(), "U02"))
            await viewer.until(has_case("C2", "dispatched"))
            await post(act(2, "dispatch", now(), "U01"), act(3, "dispatch", now(), "U02"))
            await viewer.until(has_case("C3", "dispatched"))
            cases = await hub.ask(lambda state: {case.case_id for case in state.cases.values()}, mine)
            assert cases == {"C2", "C3"}
            assert b"C1" not in viewer.body
            # What stands in the streets is everybody's of the area.
            assert await hub.ask(lambda state: len(state.assets), mine) == len(county.assets)

    run(scenario())


def test_an_answer_knows_what_came_since_the_last_frame(county: County, redis_url: str, sqlite_url: str) -> None:
    town = towns_of(county)[0]

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post:
            assert await hub.ask(lambda state: len(state.cases), Scope(town)) == 0
            await post(report(county, 1, at=now(), cell=cells_of(county, town)[0]))
            async with asyncio.timeout(20):
                while not await hub.ask(lambda state: len(state.cases)):
                    pass
            assert await hub.ask(lambda state: len(state.cases), Scope(town)) == 1

    run(scenario())


def test_who_comes_to_the_county_takes_nothing_from_a_town(county: County, redis_url: str, sqlite_url: str) -> None:
    """The first viewer of the county comes while a town's are told: no change may be told to the one alone."""
    town = towns_of(county)[0]

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post, viewing(hub, scope=Scope(town)) as inside:
            await inside.until(lambda events: events)
            for number in range(12):
                await post(report(county, number, at=now(), cell=cells_of(county, town)[number]))
                async with viewing(hub) as viewer:
                    await viewer.until(has_case(f"C{number}"))
            events = await inside.until(has_case("C11"))
            told = {case["case_id"] for event in events for case in event.data.get("cases", [])}
            assert told == {f"C{number}" for number in range(12)}

    run(scenario())


# -- every route ---------------------------------------------------------------------------------------------

Access = Literal["scoped", "public", "county", "own"]


@dataclass(frozen=True)
class Rule:
    """What a route is, and requests that show it.

    scoped: answers by the viewer's area. public: says nothing that an area could be meant by. county: refused to the
    viewers of an area. own: about who asks, or about a report whose code is shown.
    asks: addresses, with a body for a POST. hides: for these a town is told 404 of what another has.
    """

    access: Access
    asks: tuple[str, ...] = ()
    hides: tuple[tuple[str, Any], ...] = ()


CASE_FILE = "/api/cases/{case_id}"
DEED = {"action": "note", "expects": 0, "note": "hello"}
RULES: dict[str, Rule] = {
    "/live": Rule("scoped"),  # tested of its own: it never ends
    "/api/county": Rule("scoped", ("/api/county",)),
    "/api/geometry/{revision}/{what}": Rule("scoped", tuple(f"/api/geometry/{{revision}}/{part}" for part in PARTS)),
    "/api/explain/{layer}/{feature_id}": Rule("scoped", hides=(("/api/explain/{layer}/{feature}", None),)),
    "/api/nearby": Rule("scoped", ("/api/nearby?lon={lon}&lat={lat}&radius_m=20000",)),
    "/api/alerts": Rule("public", ("/api/alerts",)),
    "/api/alerts/{alert_id}": Rule("public"),
    "/api/cases": Rule("scoped", ("/api/cases", "/api/cases?area={other}", "/api/cases?text={theirs}")),
    "/api/queue": Rule(
        "scoped", ("/api/queue", "/api/queue?show=all", "/api/queue?area={other}", "/api/queue?q={theirs}")
    ),
    "/api/queue/changes": Rule("scoped"),  # tested of its own: it goes on from a window
    "/api/queue/totals": Rule("scoped", ("/api/queue/totals?view=area%3D{other}",)),
    CASE_FILE: Rule("scoped", hides=(("/api/cases/{theirs}", None),)),
    f"{CASE_FILE}/actions": Rule("scoped", hides=(("/api/cases/{theirs}/actions", DEED),)),
    f"{CASE_FILE}/reporter": Rule("scoped", hides=(("/api/cases/{theirs}/reporter", {"reason": "to call back"}),)),
    f"{CASE_FILE}/similar": Rule("scoped", hides=(("/api/cases/{theirs}/similar", None),)),
    "/api/incidents/{case_id}": Rule("scoped", hides=(("/api/incidents/{theirs}", None),)),
    "/api/similar": Rule("scoped", ("/api/similar?lon={lon}&lat={lat}&category=0102&text=垃圾",)),
    "/api/actions": Rule("scoped"),  # tested of its own: it answers case by case
    # What an area sees of alarms: `tests.dashboard.test_alarms`.
    "/api/alarms": Rule("scoped", ("/api/alarms", "/api/alarms?area={other}")),
    "/api/alarms/load": Rule("scoped", ("/api/alarms/load",)),
    "/api/alarms/actions": Rule("scoped"),
    "/api/alarms/{alarm_id:path}/actions": Rule("scoped"),
    "/api/alarms/{alarm_id:path}": Rule("scoped"),
    "/api/reports": Rule("own"),  # it takes a report down, and says its number
    "/api/reports/classes": Rule("public", ("/api/reports/classes",)),  # the county's matter list
    "/api/reports/place": Rule("scoped"),  # refused outside the area: `tests.dashboard.test_intake`
    "/media/{number}/{photo}": Rule("scoped"),  # photos of a case's report: `tests.dashboard.test_field`
    "/api/briefing": Rule("scoped", ("/api/briefing",)),
    "/api/performance": Rule("scoped", ("/api/performance",)),
    "/api/wall/standing": Rule("scoped", ("/api/wall/standing",)),
    "/api/exports/queue.csv": Rule(
        "scoped",
        (
            "/api/exports/queue.csv",
            "/api/exports/queue.csv?show=all",
            "/api/exports/queue.csv?town={other}",
            "/api/exports/queue.csv?q={theirs}",
        ),
    ),
    "/api/exports/performance.csv": Rule("scoped", ("/api/exports/performance.csv",)),
    "/api/feeds": Rule("county", ("/api/feeds",)),
    "/exercise": Rule("county", ("/exercise",)),
    "/api/exercises": Rule("county", ("/api/exercises",)),
    "/api/exercises/end": Rule("county"),
    "/api/roster": Rule("scoped", ("/api/roster?days=7",)),
    "/api/roster/phone": Rule("scoped"),  # of the asker's own desk: `tests.browser.test_handover`
    "/api/handovers": Rule("scoped", ("/api/handovers",)),
    "/api/handovers/draft": Rule("scoped", ("/api/handovers/draft",)),
    "/api/handovers/{day}/{shift}": Rule("scoped"),
    "/api/handovers/{day}/{shift}/taking": Rule("scoped"),
    "/api/audit": Rule("county", ("/api/audit",)),
    "/audit": Rule("county", ("/audit",)),
    "/people": Rule("county"),  # `dashboard.people.permissions`: administrators alone, who have no area
    "/_dash-update-component": Rule("scoped"),  # tested of its own: the pages, the queue
    "/tasks": Rule("scoped", ("/tasks",)),
    # Walls, each with an area of its own: `tests.dashboard.test_walls`.
    "/api/walls": Rule("scoped", ("/api/walls",)),
    "/api/walls/{name}/orders": Rule("scoped"),
    "/api/walls/{name}/revoke": Rule("county"),  # administrators alone
    "/api/wall": Rule("own", ("/api/wall",)),
    "/api/wall/beat": Rule("own"),
    "/wall-start": Rule("own"),
    "/api/tasks/checks": Rule("scoped"),  # `tests.dashboard.test_round_pages`
    "/care": Rule("scoped", ("/care",)),
    "/care/unmask": Rule("scoped"),  # likewise
    # Names of towns and villages, which any map prints.
    "/api/places/{revision}": Rule("public", ("/api/places/{revision}",)),
    # How the system is: counters and ages, for whoever watches over it.
    "/health": Rule("public", ("/health",)),
    "/metrics": Rule("public", ("/metrics",)),
    "/api/openapi.json": Rule("public", ("/api/openapi.json",)),
    "/_dash-layout": Rule("public", ("/_dash-layout",)),
    "/_dash-dependencies": Rule("public", ("/_dash-dependencies",)),
    "/_reload-hash": Rule("public"),
    "/_favicon.ico": Rule("public"),
    "/": Rule("public"),
    "{path:path}": Rule("public"),  # the frame of every page, filled by a callback
    "/assets": Rule("public"),
    "/_dash-component-suites/{package_name}/{fingerprinted_path:path}": Rule("public"),
    # The public's own pages: they say nothing of any case but the asker's.
    "/report": Rule("public", ("/report",)),
    "/status": Rule("public", ("/status",)),
    "/report/files/{name}": Rule("public"),
    "/report/worker.js": Rule("public"),
    "/api/public/exercise": Rule("public", ("/api/public/exercise",)),
    "/api/public/map/{revision}": Rule("public"),
    "/api/public/place": Rule("public"),
    "/api/public/photos": Rule("public"),
    "/api/public/reports": Rule("public"),
    "/api/public/similar": Rule("public"),  # without a case's number: `tests.dashboard.test_similar`
    "/api/public/status": Rule("own"),
    # Log-in, and who one is.
    "/login": Rule("own"),
    "/logout": Rule("own"),
    "/password": Rule("own"),
    "/api/me": Rule("own"),
    "/api/me/active": Rule("own"),
    "/demo-viewer": Rule("own"),
}


@dataclass
class World:
    """A county with one case, one sensor and one worker in each of two towns, recorded and live."""

    county: County
    url: str
    app: FastAPI
    town: str
    other: str
    mine: str = "MINE-7001"
    theirs: str = "THEIRS-8002"
    asset: str = ""
    their_asset: str = ""
    their_cell: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def foreign(self) -> set[str]:
        """What must not be told in the first town."""
        case, worker = feature_id(f"case:{self.theirs}"), feature_id("worker:W-THEIRS")
        return {self.theirs, "W-THEIRS", self.their_asset, self.their_cell, str(case), str(worker)}


@pytest.fixture(scope="module")
def world(county: County, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("scope")
    server = start_redis(folder)
    database_url = f"sqlite:///{folder / 'county.db'}"
    town, other = towns_of(county)[:2]
    here, there = cells_of(county, town)[0], cells_of(county, other)[0]
    bin_, their_bin = assets_of(county, "bin", town)[0], assets_of(county, "bin", other)[0]
    at = now() - timedelta(hours=2)
    records = [
        report(county, 1, at=at, cell=here, case_id="MINE-7001"),
        report(county, 2, at=at, cell=there, case_id="THEIRS-8002", severity=1),
        replace_record(act(0, "dispatch", at + timedelta(minutes=1), "U02"), case_id="THEIRS-8002"),
        sense("waste", bin_, 0.9, at=now(), **placed(county, here)),
        sense("waste", their_bin, 0.8, at=now(), **placed(county, there)),
        replace_record(locate("W-MINE", now()), **placed(county, here)),
        replace_record(locate("W-THEIRS", now()), **placed(county, there)),
        warn(1, now()),
    ]

    async def post_all() -> None:
        async with posting(server.url) as post:
            await post(*records)

    asyncio.run(post_all())
    record_all(server.url, database_url)
    settings = Settings(data_dir=folder, redis_url=server.url, database_url=database_url)
    engine = open_database(database_url, read_only=True)
    hub = Hub(county, server.url, database_url)
    with pytest.MonkeyPatch.context() as patched:
        # The gate would hide what a route forgets; who asks is set as it sets it.
        patched.setattr(dashboard.factory, "guard_app", lambda app, *_, **__: app.add_middleware(AsViewer))
        app = make_app(settings, county, hub, engine)
    with running_server(app, hub) as url:
        world = World(county, url, app, town, other, asset=bin_, their_asset=their_bin)
        world.their_cell = str(county.cells.index[there])
        place = placed(county, there)
        world.fields = {
            "revision": name_revision(county, town),
            "other": other,
            "theirs": world.theirs,
            "lon": f"{place['lon']:.5f}",
            "lat": f"{place['lat']:.5f}",
        }
        yield world
    engine.dispose()
    server.stop()


@pytest.fixture
def browser(world: World) -> Iterator[httpx.Client]:
    """A town centre's officer."""
    with httpx.Client(base_url=world.url, headers=as_viewer("town_centre", world.town), timeout=20) as client:
        yield client


@pytest.fixture
def officer(world: World) -> Iterator[httpx.Client]:
    """The county's duty officer."""
    with httpx.Client(base_url=world.url, timeout=20) as client:
        yield client


def list_paths(routes: Any) -> set[str]:
    """Every path of an application, those of included routers too."""
    paths: set[str] = set()
    for route in routes:
        inner = getattr(route, "original_router", None)
        paths |= {route.path} if inner is None else list_paths(inner.routes)
    return paths


def assert_own(world: World, told: str, asked: str = "") -> None:
    """Nothing of another town is told, but what the question itself said."""
    found = {
        name for name in world.foreign() if name not in asked and re.search(rf"(?<!\w){re.escape(name)}(?!\w)", told)
    }
    cells = {code for code in re.findall(r"(?<!\d)\d{15}(?!\d)", told) if code in world.county.cells.index}
    found |= {code for code in cells if not code.startswith(world.town)}
    assert not found, (asked, sorted(found)[:5])


def test_every_route_has_a_rule(world: World) -> None:
    paths = list_paths(world.app.routes)
    assert len(paths) > 20
    assert paths - RULES.keys() == set(), "say in RULES whether it is scoped, public, county's or the asker's own"


def asks(access: Access) -> list[str]:
    return [ask for rule in RULES.values() if rule.access == access for ask in rule.asks]


@pytest.mark.parametrize("ask", [*asks("scoped"), *asks("public")])
def test_an_answer_holds_nothing_of_another_town(world: World, browser: httpx.Client, ask: str) -> None:
    address = ask.format(**world.fields)
    answer = browser.get(address)
    assert answer.status_code == 200
    assert_own(world, answer.text, address)


@pytest.mark.parametrize(
    "ask",
    [
        "/api/cases",
        "/api/queue",
        "/api/queue?show=all",
        "/api/nearby?lon={lon}&lat={lat}&radius_m=20000",
        "/api/similar?lon={lon}&lat={lat}&category=0102&text=垃圾",
        "/api/briefing",
        "/api/performance",
        "/api/exports/queue.csv",
        "/api/exports/queue.csv?show=all",
        *(f"/api/geometry/{{revision}}/{part}" for part in ("cells", "assets")),
    ],
)
def test_the_county_is_told_of_both_towns(world: World, officer: httpx.Client, ask: str) -> None:
    """What the other test looks for is there to be found."""
    told = officer.get(ask.format(**world.fields | {"revision": world.county.revision})).text
    with pytest.raises(AssertionError):
        assert_own(world, told)


@pytest.mark.parametrize("ask", asks("county"))
def test_what_is_the_countys_alone_is_refused(world: World, browser: httpx.Client, ask: str) -> None:
    assert browser.get(ask).status_code == 403
    with httpx.Client(base_url=world.url, headers=as_viewer("administrator"), timeout=20) as administrator:
        assert administrator.get(ask).status_code == 200


@pytest.mark.parametrize(("address", "body"), [hidden for rule in RULES.values() for hidden in rule.hides])
def test_another_towns_things_are_as_if_there_were_none(
    world: World, browser: httpx.Client, address: str, body: Any
) -> None:
    places = {
        "open_cases": feature_id(f"case:{world.theirs}"),
        "case_heatmap": feature_id(f"case:{world.theirs}"),
        "staff": feature_id("worker:W-THEIRS"),
        "smart_bins": world.county.assets.index.get_loc(world.their_asset),
        "grid": cells_of(world.county, world.other)[0],
    }
    for layer, feature in places.items():
        asked = address.format(**world.fields, layer=layer, feature=feature)
        nobody = asked.replace(world.theirs, "NOBODY-1").replace(str(feature), "999999999")
        theirs, none = (send(browser, one, body) for one in (asked, nobody))
        assert theirs.status_code == none.status_code == 404
        assert theirs.text.replace(world.theirs, "NOBODY-1").replace(str(feature), "999999999") == none.text
        if layer not in address and "{layer}" not in address:
            break


def send(client: httpx.Client, address: str, body: Any) -> httpx.Response:
    return client.get(address) if body is None else client.post(address, json=body)


def test_a_bulk_deed_reaches_no_other_town(world: World, browser: httpx.Client) -> None:
    cases = [{"case_id": world.theirs, "expects": 0}]
    (outcome,) = browser.post("/api/actions", json={"cases": cases, "action": "note", "note": "hi"}).json()["outcomes"]
    assert (outcome["result"], outcome["status"]) == ("refused", 404)


def test_a_town_is_told_of_its_own(world: World, browser: httpx.Client) -> None:
    assert [case["case_id"] for case in browser.get("/api/cases").json()["cases"]] == [world.mine]
    assert browser.get(f"/api/cases/{world.mine}").json()["case_id"] == world.mine
    facts = browser.get("/api/county").json()
    assert facts["scope"]["code"] == world.town
    whole, part = facts["bbox"], facts["scope"]["bbox"]
    assert whole[0] < part[0] < part[2] < whole[2]
    assert facts["scope"]["name"]["zh"] == world.county.areas.loc[world.town, "name"]
    near = placed(world.county, cells_of(world.county, world.town)[0])
    around = browser.get("/api/nearby", params={"lon": near["lon"], "lat": near["lat"], "radius_m": 20000}).json()
    assert {"MINE-7001", "W-MINE"} <= {one.get("case_id") or one.get("name") for one in around}
    briefing = browser.get("/api/briefing").json()
    figures = {figure["key"]: figure for figure in briefing["figures"]}
    assert (figures["open"]["value"], figures["severe_open"]["value"]) == (1, 0)
    assert briefing["charts"]["towns"] == [{"town": world.town, "count": 1}]


def test_geometry_is_kept_by_no_other_area(world: World, browser: httpx.Client, officer: httpx.Client) -> None:
    path = f"/api/geometry/{world.fields['revision']}/cells"
    answer = browser.get(path)
    assert answer.headers["cache-control"].startswith("private")
    assert officer.get(path).status_code == 404
    features = answer.json()["features"]
    assert [one["id"] for one in features] == cells_of(world.county, world.town)
    assets = browser.get(f"/api/geometry/{world.fields['revision']}/assets").json()["features"]
    assert world.asset in {one["properties"]["asset_id"] for one in assets}


def test_villages_and_cells_are_areas_too(world: World) -> None:
    cell = str(world.county.cells.index[cells_of(world.county, world.town)[0]])
    for role, area in (("village_centre", cell[:12]), ("grid_worker", cell)):
        listed = httpx.get(f"{world.url}/api/cases", headers=as_viewer(role, area)).json()
        assert [case["case_id"] for case in listed["cases"]] == [world.mine]
    neighbour = str(world.county.cells.index[cells_of(world.county, world.town)[1]])
    headers = as_viewer("grid_worker", neighbour)
    assert httpx.get(f"{world.url}/api/cases", headers=headers).json()["cases"] == []
    assert httpx.get(f"{world.url}/api/cases/{world.mine}", headers=headers).status_code == 404


def test_a_unit_sees_the_files_that_it_has_or_had(world: World) -> None:
    for unit, status in (("U02", 200), ("U01", 404), ("", 404)):
        headers = as_viewer("unit", "", unit)
        assert httpx.get(f"{world.url}/api/cases/{world.theirs}", headers=headers).status_code == status
        listed = httpx.get(f"{world.url}/api/cases", headers=headers).json()["cases"]
        assert [case["case_id"] for case in listed] == ([world.theirs] if status == 200 else [])
        assert httpx.get(f"{world.url}/api/briefing", headers=headers).status_code == 403


def test_the_live_stream_is_the_viewers(world: World, browser: httpx.Client) -> None:
    body = ""
    with browser.stream("GET", "/live", headers={"Accept-Encoding": "identity"}) as stream:
        for part in stream.iter_text():
            body += part
            if "event: snapshot" in body and body.endswith("\n\n"):
                break
    (snapshot,) = [event for event in parse_events(body) if event.name == "snapshot"]
    assert [case["case_id"] for case in snapshot.data["cases"]] == [world.mine]
    assert set(snapshot.data["layers"]) == set(LAYERS)
    codes = world.county.assets["cell_code"].fillna("")
    own = {place for place, code in enumerate(codes) if code.startswith(world.town)}
    assert own >= set(snapshot.data["layers"]["smart_bins"]["ids"]) > set()
    assert_own(world, body)


def ask_dash(client: httpx.Client, body: dict[str, Any]) -> str:
    answer = client.post("/_dash-update-component", json=body)
    assert answer.status_code == 200, answer.text
    return json.dumps(answer.json(), ensure_ascii=False)


def page_request(path: str) -> dict[str, Any]:
    return {
        "output": f"{ids.PAGE}.children",
        "outputs": {"id": ids.PAGE, "property": "children"},
        "inputs": [{"id": ids.URL, "property": "pathname", "value": path}],
        "state": [{"id": ids.URL, "property": "search", "value": ""}],
        "changedPropIds": [f"{ids.URL}.pathname"],
    }


@pytest.mark.parametrize("screen", SCREENS)
def test_pages_say_nothing_of_another_town(world: World, browser: httpx.Client, screen: str) -> None:
    page = ask_dash(browser, page_request(f"/{screen}"))
    assert_own(world, page)
    if screen != "feeds":
        assert str(world.county.areas.loc[world.town, "name"]) in page


def test_a_window_of_the_countys_queue_opens_nothing_to_a_town(
    world: World, browser: httpx.Client, officer: httpx.Client
) -> None:
    order = officer.get("/api/queue").json()["order"]
    theirs = feature_id(f"case:{world.theirs}")
    for address in (f"/api/queue?order={order}", f"/api/queue/changes?order={order}&rows={theirs}"):
        assert_own(world, browser.get(address).text, address)
    assert browser.get(f"/api/queue?order={order}").json()["length"] == 1


def test_no_callback_says_anything_of_another_town(world: World, browser: httpx.Client) -> None:
    """Every callback of every page is asked as a page asks first, with empty controls."""
    for callback in browser.get("/_dash-dependencies").json():
        if callback["clientside_function"] or callback["output"] == f"{ids.PAGE}.children":
            continue
        request = fill_in(callback)
        assert_own(world, browser.post("/_dash-update-component", json=request).text, json.dumps(request))


def fill_in(callback: dict[str, Any]) -> dict[str, Any]:
    """The request of a callback whose controls are all empty."""
    output = callback["output"]
    names = output.removeprefix("..").removesuffix("..").split("...")
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
    empty = {kind: [one | {"value": None} for one in callback[kind]] for kind in ("inputs", "state")}
    return {
        "output": output,
        "outputs": outputs if output.startswith("..") else outputs[0],
        **empty,
        "changedPropIds": [f"{one['id']}.{one['property']}" for one in callback["inputs"][:1]],
    }
