"""What a report is like, asked over HTTP: real Valkey, SQLite and live state; each asker sees what is theirs."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cases.duplicates import DuplicateRules, Reason, ReasonKind, Report, find_likely_duplicates
from dashboard.api import make_live_router
from dashboard.likenesses import say_reason
from dashboard.live import Hub
from dashboard.people.viewer import Viewer, current_viewer
from dashboard.similar import make_similar_router
from geo.county import County
from ingest.answers import Reporter
from ingest.embedded import start_redis
from ingest.history import ended_cases_near
from ingest.records import CaseActed
from ingest.store import open_database
from ingest.tables import as_ms, cases
from layers.alike import as_report
from tests.dashboard.serving import as_viewer, running
from tests.dashboard.viewing import posting, record_all
from tests.layers.worlds import NOON, act, live, report

METRE = 1 / 111_320
PHONE = "13812345678"
OFFICER = as_viewer("county_duty")


class AsAsked:
    """In place of log-in: who a request's header says, and nobody without one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        asked = Headers(scope=scope).get("x-viewer") if scope["type"] == "http" else None
        if asked:
            role, area, unit = asked.split(",")
            current_viewer.set(Viewer(role, role, role, area, unit or None))
        await self._app(scope, receive, send)


def now() -> datetime:
    return datetime.now(UTC)


def ago(**span: float) -> datetime:
    return now() - timedelta(**span)


def merge(number: int, into: int) -> CaseActed:
    return CaseActed(
        source="test", id=f"merge-{number}", received_at=now(), case_id=f"C{number}", action="merge", actor="D1",
        at=now(), details={"into": f"C{into}"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def place(county: County) -> dict[str, float]:
    """A point of cell 0 that is not the one of reports by cell alone."""
    inside = county.cells.geometry.iloc[0].representative_point()
    return {"lon": inside.x, "lat": inside.y + 3 * METRE}


@pytest.fixture(scope="module")
def parts(county: County, place: dict[str, float], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Valkey and SQLite with cases around the place, those of long ago in SQL only."""
    folder = tmp_path_factory.mktemp("similar")
    server = start_redis(folder)
    near = place | {"lat": place["lat"] + 20 * METRE}
    elsewhere = county.cells.geometry.iloc[900].representative_point()
    far = {"lon": elsewhere.x, "lat": elsewhere.y + 3 * METRE}
    dispute = next(code for code in county.categories if code.startswith("D"))
    records = [
        report(county, 1, ago(hours=2), title=f"东门街12号垃圾堆放，回电{PHONE}", **place),
        report(county, 2, ago(hours=1), title="东门街12号垃圾没人清", **near),
        report(county, 3, ago(hours=2), title="违章停车", category="0406", **place),
        report(county, 4, ago(days=1), title="东门街12号垃圾堆放", **place),
        report(county, 5, ago(days=70), title="东门街垃圾堆放", **place),
        report(county, 6, ago(hours=1), title="东门街12号垃圾堆放", **place),
        report(county, 7, ago(hours=1), cell=900, title="东门街12号垃圾堆放", **far),
        report(county, 8, ago(hours=1), title="东门街12号垃圾堆放", category=dispute, **place),
        report(county, 9, ago(days=80), title="东门街垃圾堆放", **place),
        act(1, "dispatch", ago(minutes=90), unit="U01"),
        act(4, "dispatch", ago(hours=20), unit="U01"),
        act(4, "close", ago(hours=5)),
        act(5, "close", ago(days=60)),
        act(9, "void", ago(days=60)),
        merge(6, into=1),
    ]

    async def post_all() -> None:
        async with posting(server.url) as post:
            await post(*records)

    database_url = f"sqlite:///{folder / 'county.db'}"
    asyncio.run(post_all())
    record_all(server.url, database_url)
    yield server.url, database_url
    server.stop()


@pytest.fixture(scope="module")
def api(county: County, parts: tuple[str, str]) -> Iterator[httpx.Client]:
    with serving(county, parts, parts[1]) as client:
        yield client


@contextmanager
def serving(county: County, parts: tuple[str, str], database_url: str) -> Iterator[httpx.Client]:
    """Yields a client of the routes; `database_url` is what they read, beside what the hub does."""
    hub = Hub(county, *parts)
    engine = open_database(database_url, read_only=True)
    app = FastAPI()
    app.include_router(make_live_router(hub, engine))
    app.include_router(make_similar_router(hub, county, engine, read_persons))
    app.add_middleware(AsAsked)
    with running(app, hub) as url, httpx.Client(base_url=url, timeout=20) as client:
        yield client
    engine.dispose()


def read_persons(case_id: str) -> list[Reporter]:
    return [Reporter("张三丰", PHONE)] if case_id in ("C1", "C2") else [Reporter(None, "13900000000")]


def ask(api: httpx.Client, headers: dict[str, str] = OFFICER, **query: Any) -> dict[str, Any]:
    answer = api.get(
        "/api/similar", params={"category": "0102", "text": "东门街12号垃圾堆放", **query}, headers=headers
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def numbers(rows: list[dict[str, Any]]) -> list[str]:
    return [row["case_id"] for row in rows]


def test_the_clerk_is_shown_what_it_may_be_again(api: httpx.Client, place: dict[str, float]) -> None:
    found = ask(api, **place)
    first, second, *others = found["duplicates"]
    assert (first["case_id"], second["case_id"]) == ("C1", "C2")
    assert first["likely"] and first["open"] and first["distance_m"] == 0
    assert second["distance_m"] == 20
    assert first["title"] == "东门街12号垃圾堆放，回电138****5678"
    assert first["state"] == "dispatched"
    assert "C6" not in numbers(others)  # merged: C1 stands for it
    assert "C7" not in numbers(others)
    ended = next(row for row in others if row["case_id"] == "C4")
    assert not ended["open"] and not ended["likely"]
    assert "5 小时前已办结" in [reason["text"] for reason in ended["reasons"]]
    assert found["likely"] == sum(row["likely"] for row in found["duplicates"])
    assert PHONE not in str(found)


def test_reasons_are_said_in_both_languages(api: httpx.Client, place: dict[str, float]) -> None:
    said = [
        {reason["kind"]: reason["text"] for reason in ask(api, lang=lang, **place)["duplicates"][1]["reasons"]}
        for lang in ("zh", "en")
    ]
    assert said[0]["metres"] == "相距 20 米" and said[1]["metres"] == "20 m away"
    assert said[0]["hours"] == "早 1 小时上报" and said[1]["hours"] == "Reported 1 h earlier"
    assert said[0]["class"] == "类别相同" and said[1]["class"] == "Same class"
    assert said[0]["words"].startswith("文字相似 ") and said[1]["words"].startswith("Words alike: ")


def test_repeats_come_from_sql_and_are_of_this_class(api: httpx.Client, place: dict[str, float]) -> None:
    found = ask(api, **place)
    assert numbers(found["repeats"]) == ["C4", "C5"]  # C9 was void
    assert found["repeated"] == 2
    assert found["repeats"][1]["reasons"][-1]["text"] == "60 天前在此处结过同类案件"
    assert ask(api, **place | {"category": "0406"})["repeats"] == []


def test_a_case_of_the_desk(api: httpx.Client) -> None:
    found = api.get("/api/cases/C2/similar", headers=OFFICER).json()
    first = found["duplicates"][0]
    assert first["case_id"] == "C1"
    assert first["reasons"][-1] == {"kind": "contact", "text": "同一上报人"}
    assert "C2" not in numbers(found["duplicates"])
    assert all(reason["kind"] != "contact" for row in found["duplicates"][1:] for reason in row["reasons"])
    assert "张" not in str(found)


def test_a_case_that_only_sql_remembers(api: httpx.Client) -> None:
    found = api.get("/api/cases/C5/similar", headers=OFFICER).json()
    assert found["duplicates"] == [] or "C1" not in numbers(found["duplicates"])
    assert found["repeats"] == []  # nothing was closed here before it


@pytest.mark.parametrize("case_id", ["C404", "C1"])
def test_a_case_that_is_not_theirs_is_not_there(api: httpx.Client, county: County, case_id: str) -> None:
    path = f"/api/cases/{case_id}/similar"
    other_town = str(county.cells.index[900])[:9]
    assert api.get(path, headers=as_viewer("town_centre", other_town)).status_code == 404
    assert api.get(path, headers=as_viewer("unit", "", "U02")).status_code == 404
    assert api.get(path, headers=as_viewer("wall")).status_code == 404
    assert api.get(path).status_code == 404


def test_each_sees_what_is_theirs(api: httpx.Client, county: County, place: dict[str, float]) -> None:
    own, other = (str(county.cells.index[cell])[:9] for cell in (0, 900))
    assert own != other
    assert numbers(ask(api, as_viewer("town_centre", own), **place)["duplicates"])[:2] == ["C1", "C2"]
    elsewhere = ask(api, as_viewer("town_centre", other), **place)
    assert elsewhere["duplicates"] == [] and elsewhere["repeats"] == []
    unit = ask(api, as_viewer("unit", "", "U01"), **place)
    assert set(numbers(unit["duplicates"])) == {"C1", "C4"}
    assert numbers(unit["repeats"]) == ["C4"]
    assert ask(api, as_viewer("unit", "", "U02"), **place)["duplicates"] == []


@pytest.mark.parametrize("headers", [{}, as_viewer("wall")])
def test_the_public_is_told_no_word(api: httpx.Client, place: dict[str, float], headers: dict[str, str]) -> None:
    question = place | {"category": "0102", "text": "东门街12号垃圾堆放"}
    answer = api.post("/api/public/similar", json=question, headers=headers)
    rows = answer.json()["duplicates"]
    assert answer.json().keys() == {"duplicates"}
    assert numbers(rows)[:2] == ["C1", "C2"]
    assert all(row.keys() == {"case_id", "category", "reported_at", "distance_m", "open"} for row in rows)
    assert all(row["distance_m"] % 10 == 0 and row["distance_m"] > 0 for row in rows)
    assert "C8" not in numbers(rows)  # a dispute
    assert "东门" not in answer.text
    assert "C8" in numbers(ask(api, category="", **place)["duplicates"])  # but the desk is told


def test_a_place_may_be_known_by_its_cell_alone(api: httpx.Client, county: County) -> None:
    question = {"cell_code": county.cells.index[0], "category": "0102", "text": "东门街12号垃圾堆放"}
    answer = api.post("/api/public/similar", json=question, headers=OFFICER)
    rows = {row["case_id"]: row for row in answer.json()["duplicates"]}
    assert {"C1", "C2"} <= rows.keys() and "C7" not in rows
    assert rows["C1"]["distance_m"] is None and {"kind": "cell", "text": "同一网格"} in rows["C1"]["reasons"]
    nowhere = api.post("/api/public/similar", json=question | {"cell_code": "339901"}, headers=OFFICER)
    assert (nowhere.status_code, "cell" in nowhere.text) == (422, True)


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"lat": None}, "lat"),
        ({"lon": 200}, "lon"),
        ({"category": "9999"}, "category"),
        ({"at": "2026-11-21T08:00:00"}, "at"),
        ({"text": "长" * 401}, "text"),
    ],
)
def test_a_bad_question_is_refused_by_name(
    api: httpx.Client, place: dict[str, float], query: dict[str, Any], field: str
) -> None:
    asked = {name: value for name, value in (place | query).items() if value is not None}
    for answer in (
        api.get("/api/similar", params=asked, headers=OFFICER),
        api.post("/api/public/similar", json=asked, headers=OFFICER),
    ):
        assert answer.status_code == 422
        assert field in answer.text


def test_what_is_no_question_is_refused(api: httpx.Client) -> None:
    for body, status in ((b"{", 422), (b"[" * 5000, 422), (b" " * 9000, 413)):
        assert api.post("/api/public/similar", content=body, headers=OFFICER).status_code == status


def test_a_stranger_who_asks_too_often_waits(county: County, parts: tuple[str, str], place: dict[str, float]) -> None:
    with serving(county, parts, parts[1]) as api:
        codes = [api.post("/api/public/similar", json=place).status_code for _ in range(61)]
        assert codes == [200] * 60 + [429]
        assert api.post("/api/public/similar", json=place, headers=OFFICER).status_code == 200


def test_without_the_database_the_live_state_answers(
    county: County, parts: tuple[str, str], place: dict[str, float], tmp_path: Path
) -> None:
    with serving(county, parts, f"sqlite:///{tmp_path / 'empty.db'}") as api:
        found = ask(api, **place)
        assert found["history"] == "away"
        assert numbers(found["duplicates"])[:2] == ["C1", "C2"]
        assert api.get("/api/cases/C5/similar", headers=OFFICER).status_code == 503


def test_what_ended_near_is_found_by_its_place(engine: Engine) -> None:
    def row(number: int, lon: float, lat: float, ended: datetime | None) -> dict[str, Any]:
        at, closed_at = as_ms(NOON - timedelta(days=90)), None if ended is None else as_ms(ended)
        plain = dict.fromkeys(("source", "origin", "category", "title", "channel", "last_action"), "")
        return plain | {
            "case_id": f"C{number}", "event_id": f"{number}", "severity": 3, "lon": lon, "lat": lat, "media": "[]",
            "reported_at": at, "received_at": at, "last_action_at": at, "changed_at": at, "closed_at": closed_at,
        }  # fmt: skip

    day = timedelta(days=1)
    rows = [
        row(1, 120.0, 29.5, NOON - 3 * day),
        row(2, 120.001, 29.501, NOON - day),
        row(3, 120.0, 29.5, None),
        row(4, 120.0, 29.5, NOON - 31 * day),
        row(5, 120.002, 29.5, NOON),
        row(6, 120.0, 29.6, NOON),
    ]
    with engine.begin() as connection:
        connection.execute(cases.insert(), rows)
    box = 119.999, 29.499, 120.001, 29.501
    found = ended_cases_near(engine, box, NOON - 30 * day)
    assert [case.case_id for case in found] == ["C2", "C1"]
    assert [case.case_id for case in ended_cases_near(engine, box, NOON - 30 * day, most=1)] == ["C2"]


def test_the_index_keeps_up_with_the_live_state(county: County, place: dict[str, float]) -> None:
    state = live(county, report(county, 1, **place))
    index = state.duplicates
    merged = CaseActed(
        source="test",
        id="m",
        received_at=NOON,
        case_id="C2",
        action="merge",
        actor="D",
        at=NOON,
        details={"into": "C1"},
    )
    unmerged = CaseActed(source="test", id="u", received_at=NOON, case_id="C2", action="unmerge", actor="D", at=NOON)
    for order, record in enumerate(
        [report(county, 2, **place), merged, report(county, 3, cell=5), act(1, "close", NOON), unmerged], 1
    ):
        state.apply(record, order)
        assert state.duplicates is index
        expected = {
            case.case_id: as_report(case, state.places)
            for case in state.cases.values()
            if case.state.merged_into is None
        }
        assert vars(index)["_reports"] == expected
        if record is merged:
            assert set(expected) == {"C1"}
    state.advance(state.now_ms + 50 * 3_600_000)
    assert set(vars(index)["_reports"]) == {"C2", "C3"}  # what is over leaves


def test_a_report_by_cell_alone_has_no_point(county: County) -> None:
    state = live(county, report(county, 1), report(county, 2, lon=120.0, lat=29.0))
    by_number = {case.case_id: as_report(case, state.places) for case in state.cases.values()}
    assert by_number["C1"].lon is None and by_number["C1"].cell_code == county.cells.index[0]
    assert (by_number["C2"].lon, by_number["C2"].lat) == (120.0, 29.0)


def test_a_telephone_number_that_two_share_is_not_said() -> None:
    ours, theirs = f"回电{PHONE} 东门街12号", f"{PHONE} 12号"
    one = Report("A", "0102", 0, ours, 120.0, 29.5)
    (found,) = find_likely_duplicates(one, [replace(one, case_id="B", text=theirs)], DuplicateRules())
    (words,) = [reason for reason in found.reasons if reason.kind == "words"]
    assert PHONE in words.words
    assert PHONE not in say_reason(words, "zh") and "12" in say_reason(words, "zh")


@pytest.mark.parametrize("kind", get_args(ReasonKind))
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_reason_can_be_said(kind: ReasonKind, lang: str) -> None:
    for value in (None, 0.2, 0.0, 1.0, 30.0, 500.0, -30.0):
        assert say_reason(Reason(kind, 0.5, value), lang).strip()
