"""The web API over HTTP, on a real Valkey and SQLite."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import shapely

from dashboard.geometry import PARTS
from geo.county import County
from ingest.embedded import start_redis
from ingest.records import AlertArea, Reporter
from layers import LAYERS
from tests.appliance import free_port, wait_for
from tests.dashboard.serving import serving
from tests.dashboard.viewing import parse_events, posting, record_all
from tests.layers.worlds import act, asset_of, locate, report, sense, warn

ROOT = Path(__file__).resolve().parents[2]


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    folder = tmp_path_factory.mktemp("api")
    server = start_redis(folder)
    yield server.url, f"sqlite:///{folder / 'county.db'}"
    server.stop()


@pytest.fixture(scope="module")
def api(county: County, parts: tuple[str, str]) -> Iterator[httpx.Client]:
    """A web API with a handful of cases, sensors and a worker, recorded and live."""
    reporter = Reporter(name="张三丰", phone="13812345678")
    text = {"title": "漏水，回电13812345678", "description": "证件33068119900101123X", "reporter": reporter}
    old = now() - timedelta(hours=3)
    records = [
        report(county, 1, at=old, cell=0, severity=4, category="0102", **text),
        report(county, 2, at=old + timedelta(hours=1), cell=0, severity=1, category="0102", channel="app"),
        report(county, 3, at=now(), cell=900, severity=2, category="0406"),
        report(county, 4, at=old, cell=0),
        act(1, "dispatch", old + timedelta(minutes=9), unit="U01"),
        act(4, "close", now()),
        sense("waste", asset_of(county, "bin"), 0.9, at=now()),
        warn(1, now()),
        warn(2, now(), info={"areas": [AlertArea(geocodes=[("GB/T 2260", "330681")])]}),
        warn(3, now(), status="Test"),
        locate("W1", now(), lon=float(county.assets["lon"].iloc[0]), lat=float(county.assets["lat"].iloc[0])),
    ]

    async def post_all() -> None:
        async with posting(parts[0]) as post:
            await post(*records)

    asyncio.run(post_all())
    record_all(*parts)
    with serving(county, *parts) as client:
        yield client


def test_the_county_says_what_it_is(api: httpx.Client, county: County) -> None:
    facts = api.get("/api/county").json()
    assert facts["code"] == county.code
    assert facts["name"] == {"zh": county.name.zh, "en": county.name.en}
    west, south, east, north = facts["bbox"]
    assert west < east
    assert south < north
    assert facts["counts"]["cell"] == len(county.cells)
    assert facts["counts"]["county"] == 1
    assert facts["revision"] == county.revision
    assert [layer["key"] for layer in facts["layers"]] == list(LAYERS)
    assert all(layer["legend"] and layer["unit"]["zh"] for layer in facts["layers"])
    assert {category["code"] for category in facts["categories"]} == set(county.categories)


@pytest.mark.parametrize("part", PARTS)
def test_geometry_has_positions_as_ids(api: httpx.Client, county: County, part: str) -> None:
    answer = api.get(f"/api/geometry/{county.revision}/{part}")
    assert answer.status_code == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    features = answer.json()["features"]
    assert features
    if part == "assets":
        assert all(county.assets.index[one["id"]] == one["properties"]["asset_id"] for one in features)
    else:
        assert [one["id"] for one in features] == list(range(len(features)))
    if part == "cells":
        assert [one["properties"]["code"] for one in features] == list(county.cells.index)
    assert not re.search(rb"\.\d{6}", answer.content)


def test_geometry_is_not_sent_twice(api: httpx.Client, county: County) -> None:
    path = f"/api/geometry/{county.revision}/towns"
    first = api.get(path)
    again = api.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = api.get(path, headers={"Accept-Encoding": "identity"})
    assert plain.content == first.content


def test_simplified_cells_still_tile_the_county(api: httpx.Client, county: County) -> None:
    features = api.get(f"/api/geometry/{county.revision}/cells").json()["features"]
    cells = [shapely.geometry.shape(one["geometry"]) for one in features]
    assert all(cell.is_valid for cell in cells)
    area = county.cells.geometry.union_all().area
    assert sum(cell.area for cell in cells) == pytest.approx(area, rel=1e-3)
    assert shapely.union_all(cells).area == pytest.approx(sum(cell.area for cell in cells), rel=1e-5)


@pytest.mark.parametrize("path", ["/api/geometry/000000000000/cells", "/api/geometry/{revision}/moons"])
def test_unknown_geometry_is_not_found(api: httpx.Client, county: County, path: str) -> None:
    assert api.get(path.format(revision=county.revision)).status_code == 404


def test_a_cell_is_explained_in_both_languages(api: httpx.Client) -> None:
    chinese, english = (api.get("/api/explain/grid/0", params={"lang": lang}).json() for lang in ("zh", "en"))
    assert {fact["label"]: fact["value"] for fact in chinese["facts"]}["在办案件"] == "2"
    assert {fact["label"]: fact["value"] for fact in english["facts"]}["Open cases"] == "2"
    assert chinese["title"] != english["title"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/explain/moon/1", 404),
        ("/api/explain/grid/99999999", 404),
        ("/api/explain/grid/-1", 404),
        ("/api/explain/grid/x", 422),
        ("/api/explain/grid/0?lang=xx", 422),
    ],
)
def test_what_cannot_be_explained_is_an_error(api: httpx.Client, path: str, status: int) -> None:
    assert api.get(path).status_code == status


def list_ids(api: httpx.Client, **query: Any) -> list[str]:
    answer = api.get("/api/cases", params=query)
    assert answer.status_code == 200
    return [case["case_id"] for case in answer.json()["cases"]]


def test_the_queue_has_the_open_cases(api: httpx.Client, county: County) -> None:
    assert set(list_ids(api)) == {"C1", "C2", "C3"}
    assert list_ids(api, category="0406") == ["C3"]
    assert list_ids(api, severity=1) == ["C2"]
    assert set(list_ids(api, severity=[1, 4])) == {"C1", "C2"}
    assert list_ids(api, state="dispatched") == ["C1"]
    assert list_ids(api, channel="app") == ["C2"]
    assert set(list_ids(api, area=county.cells.index[0][:12])) == {"C1", "C2"}
    assert list_ids(api, area=county.cells.index[900]) == ["C3"]
    assert list_ids(api, text="C3") == ["C3"]
    assert list_ids(api, since=(now() - timedelta(minutes=30)).isoformat()) == ["C3"]
    everything = list_ids(api)
    assert list_ids(api, limit=1, offset=1) == everything[1:2]
    assert api.get("/api/cases", params={"limit": 1}).json()["total"] == 3


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "offset=-1", "since=yesterday", "since=2026-11-21T08:00:00"])
def test_a_bad_question_names_its_field(api: httpx.Client, query: str) -> None:
    answer = api.get(f"/api/cases?{query}")
    assert answer.status_code == 422
    assert query.split("=")[0] in answer.text


def test_a_case_is_shown_without_the_person(api: httpx.Client) -> None:
    answer = api.get("/api/cases/C1")
    case = answer.json()
    assert case["reporter"] == {"name": "张**", "phone": "138****5678", "email": None, "unreadable": False}
    assert case["title"] == "漏水，回电138****5678"
    assert (case["state"], case["cell"]) == ("dispatched", 0)
    assert [action["action"] for action in case["actions"]] == ["report", "dispatch"]
    for secret in ("张三丰", "13812345678", "33068119900101123X"):
        assert secret not in answer.text
        assert secret not in api.get("/api/cases").text
    assert api.get("/api/cases/nobody").status_code == 404


def test_warnings_are_told_in_full_and_whether_they_touch_the_county(api: httpx.Client) -> None:
    here, elsewhere = api.get("/api/alerts").json()["alerts"]
    assert (here["identifier"], here["touches_county"]) == ("warning-1", True)
    assert (elsewhere["identifier"], elsewhere["touches_county"]) == ("warning-2", False)
    assert here["instruction"] == "停止户外作业"
    assert api.get(f"/api/alerts/{here['id']}?lang=en").json()["event"] == "Rainstorm"
    assert api.get("/api/alerts/17").status_code == 404


def test_what_is_around_a_point(api: httpx.Client, county: County) -> None:
    lon, lat = float(county.assets["lon"].iloc[0]), float(county.assets["lat"].iloc[0])
    near = api.get("/api/nearby", params={"lon": lon, "lat": lat, "radius_m": 3000}).json()
    assert near[0]["distance_m"] == 0
    assert [one["distance_m"] for one in near] == sorted(one["distance_m"] for one in near)
    assert all(one["distance_m"] <= 3000 for one in near)
    kinds = {one["kind"] for one in near}
    assert {"bin", "worker"} <= kinds
    assert "grid_worker" not in kinds
    assert next(one for one in near if one["kind"] == "bin")["value"] == {"zh": "90 %", "en": "90 %"}
    assert api.get("/api/nearby", params={"lon": 400, "lat": lat}).status_code == 422


def test_health_is_of_every_part(api: httpx.Client) -> None:
    wait_for(lambda: api.get("/health").json()["status"] == "ok", 20, "health")
    health = api.get("/health").json()
    assert set(health["parts"]) == {"redis", "database", "feeds", "hub"}
    assert health["parts"]["redis"]["state"] == health["parts"]["database"]["state"] == "ok"
    cases = next(feed for feed in health["parts"]["feeds"] if feed["key"] == "cases")
    assert cases["state"] == "ok"
    counters = health["counters"]
    assert counters["received"] == counters["accepted"] + counters["duplicate"] + counters["rejected"] == 11
    assert counters["recorded"] == counters["accepted"]


def test_metrics_are_prometheus_text(api: httpx.Client) -> None:
    answer = api.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    for line in answer.text.splitlines():
        assert re.fullmatch(r'# TYPE \w+ (gauge|counter)|\w+(\{\w+="[^"]*"(,\w+="[^"]*")*\})? -?[\d.e+-]+', line), line
    assert "county_live_viewers 0" in answer.text


def test_every_json_path_is_described(api: httpx.Client) -> None:
    described = api.get("/api/openapi.json").json()["paths"]
    assert {"/api/county", "/api/cases", "/api/cases/{case_id}", "/api/nearby", "/health", "/live"} <= set(described)


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_live_begins_with_a_snapshot(api: httpx.Client, encoding: str) -> None:
    with api.stream("GET", "/live", headers={"Accept-Encoding": encoding}) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers.get("content-encoding", "identity") == encoding
        text = ""
        for chunk in stream.iter_text():
            text += chunk
            events = list(parse_events(text))
            if events:
                break
    assert events[0].name == "snapshot"
    assert {case["case_id"] for case in events[0].data["cases"]} == {"C1", "C2", "C3", "C4"}
    assert events[0].data["figures"]["open_cases"]["value"] == 3


def test_without_redis_and_sql_health_is_still_json(county: County, tmp_path: Path) -> None:
    port = free_port()
    environ = {
        **os.environ,
        "COUNTY": str(county.folder),
        "REDIS_URL": f"redis://127.0.0.1:{free_port()}",
        "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "WEB_PORT": str(port),
    }
    with subprocess.Popen([sys.executable, "-m", "dashboard", "live"], cwd=ROOT, env=environ) as process:
        try:
            health = wait_for(lambda: ask_health(port), 60, "an answer")
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert health["status"] == "down"
    assert health["parts"]["redis"]["state"] == health["parts"]["database"]["state"] == "down"
    assert health["parts"]["hub"]["state"] == "down"


def test_the_hub_alone_stops_at_once_with_viewers_on(county: County, parts: tuple[str, str]) -> None:
    port = free_port()
    environ = {**os.environ, "COUNTY": str(county.folder), "REDIS_URL": parts[0], "DATABASE_URL": parts[1]}
    environ["WEB_PORT"] = str(port)
    with subprocess.Popen([sys.executable, "-m", "dashboard", "live"], cwd=ROOT, env=environ) as process:
        wait_for(lambda: (ask_health(port) or {}).get("status") == "ok", 60, "health")
        heard = threading.Event()

        def watch() -> None:
            url = f"http://127.0.0.1:{port}/live"
            with contextlib.suppress(httpx.TransportError), httpx.stream("GET", url, timeout=60) as stream:
                for _ in stream.iter_raw():
                    heard.set()

        viewers = [threading.Thread(target=watch) for _ in range(3)]
        for viewer in viewers:
            viewer.start()
        assert heard.wait(20)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        for viewer in viewers:
            viewer.join(20)
            assert not viewer.is_alive()


def ask_health(port: int) -> dict[str, Any] | None:
    try:
        answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=20)
    except httpx.ConnectError:
        return None
    found: dict[str, Any] = answer.json()
    return found
