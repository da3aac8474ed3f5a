"""What the desk is told of one case, over HTTP on a real Valkey and SQLite."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from geo.county import County
from ingest.embedded import start_redis
from ingest.records import CaseActed
from tests.dashboard.serving import as_viewer, serving
from tests.dashboard.viewing import posting, record_all
from tests.layers.worlds import asset_of, locate, report, sense

NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)
UPWARDS = {"code": "escalate", "rule": {"zh": "镇里超时", "en": "Late in the town"}, "lower": "town", "upper": "county"}


def act(number: int, action: str, at: datetime, **said: Any) -> CaseActed:
    """A fact about a case: what is said beside unit, note and actor are its details."""
    own = {name: said.pop(name) for name in ("unit", "note", "actor") if name in said}
    return CaseActed(
        source="test",
        id=f"{number}-{action}-{at:%d%H%M%S}",
        received_at=at,
        case_id=f"C{number}",
        action=action,
        at=at,
        details=said,
        **({"actor": "张三"} | own),
    )


@pytest.fixture(scope="module")
def api(county: County, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Cases recorded in SQL (1 to 4), one that only the streams have (5), and things around them."""
    folder = tmp_path_factory.mktemp("casefile")
    server = start_redis(folder)
    parts = server.url, f"sqlite:///{folder / 'county.db'}"
    now = datetime.now(UTC)  # a worker seen when the tests were collected may be silent by the time they run
    old = NOW - 30 * HOUR
    worker = str(county.cells["responsible"].iloc[0])
    recorded = [
        report(county, 1, at=old, cell=0, severity=2, category="0102", people=7, media=["/media/1/a", "urn:else:b"]),
        act(1, "accept", old + HOUR, role="dispatcher"),
        act(1, "file", old + 2 * HOUR, actor=worker),
        act(1, "dispatch", old + 3 * HOUR, unit="U02", note="请回电13812345678"),
        act(1, "join", old + 4 * HOUR, units=["U01", "U05"]),
        act(1, "part_done", old + 5 * HOUR, unit="U05"),
        act(1, "hand_back", old + 6 * HOUR, unit="U02", note="不属于"),
        act(1, "supervise", old + 7 * HOUR, card="red"),
        report(county, 2, at=old, cell=0, category="0102"),
        act(2, "accept", old + HOUR),
        act(2, "dispatch", old + 2 * HOUR, unit="U02"),
        act(2, "suspend", old + 3 * HOUR),
        report(county, 3, at=old, cell=0, category="D04"),
        act(3, "sang", old + HOUR),
        act(3, "close", old + 2 * HOUR),
        act(2, "escalate", old + 4 * HOUR, actor="steward", level="town", note="村里超时，上交镇街"),
        act(2, "grade", old + 5 * HOUR, actor="steward", grade="major", why={"code": "made up"}),
        act(2, "escalate", old + 6 * HOUR, actor="steward", level="county", why=UPWARDS),
        report(county, 4, at=old, cell=None),
        sense("waste", asset_of(county, "bin"), 0.95, at=now),
        locate(
            worker, now, lon=float(report(county, 9, cell=0).lon or 0), lat=float(report(county, 9, cell=0).lat or 0)
        ),
    ]

    async def post(*records: Any) -> None:
        async with posting(parts[0]) as send:
            await send(*records)

    asyncio.run(post(*recorded))
    record_all(*parts)
    asyncio.run(post(report(county, 5, at=NOW, cell=0, title="新案 13812345678"), act(5, "accept", NOW)))
    with serving(county, *parts) as client:
        yield client
    server.stop()


def read(api: httpx.Client, number: int, lang: str = "zh", **headers: str) -> dict[str, Any]:
    told: dict[str, Any] = (
        api.get(f"/api/cases/C{number}", params={"lang": lang}, headers=headers).raise_for_status().json()
    )
    return told


def test_where_it_stands_and_who_has_it(api: httpx.Client, county: County) -> None:
    told = read(api, 1)
    assert (told["state"], told["owner"], told["owner_name"], told["open"]) == ("filed", "dispatcher", "派遣员", True)
    assert (told["unit"], told["card"], told["level"], told["hand_backs"]) == (None, "red", "town", 1)
    assert (told["people"], told["media"], told["media_elsewhere"]) == (7, ["/media/1/a"], 1)
    assert told["cell_code"] == county.cells.index[0]
    assert told["responsible"]["worker_id"] == county.cells["responsible"].iloc[0]
    assert told["recorded"] and told["version"] == 7
    assert [(part["unit"], part["done_at"] is not None) for part in told["parts"]] == [
        ("综合行政执法队", False),
        ("交通警察大队", True),
    ]
    assert all(part["clock"]["due_at"] > part["since"] for part in told["parts"])


def test_nobody_is_named_in_the_history(api: httpx.Client) -> None:
    told = read(api, 1)
    assert [(deed["action"], deed.get("role_name")) for deed in told["actions"]][:4] == [
        ("report", None),
        ("accept", "派遣员"),
        ("file", "网格员"),
        ("dispatch", None),
    ]
    assert told["actions"][3]["note"] == "请回电138****5678"
    assert told["actions"][4]["details"] == {"units": ["综合行政执法队", "交通警察大队"]}
    assert [deed["state"] for deed in told["actions"]][:4] == ["reported", "accepted", "filed", "dispatched"]
    assert "张三" not in api.get("/api/cases/C1").text


@pytest.mark.parametrize(
    ("lang", "words"), [("zh", "镇里超时（由镇级上交县级）"), ("en", "Late in the town (Town → County)")]
)
def test_why_a_rule_acted_is_said_in_the_readers_language(api: httpx.Client, lang: str, words: str) -> None:
    """A note of before stays as it was written; a reason that is none of ours is not guessed at."""
    notes = [deed["note"] for deed in read(api, 2, lang)["actions"] if deed["action"] in ("escalate", "grade")]
    assert notes == ["村里超时，上交镇街", None, words]


def test_the_unit_that_handed_it_back_is_not_proposed_again(api: httpx.Client) -> None:
    told = read(api, 1)
    assert told["actions_legal"][0]["action"] == "dispatch"
    (need,) = told["actions_legal"][0]["needs"]
    assert (need["field"], need["proposed"]) == ("unit", told["proposal"]["unit"])
    assert need["proposed"] != "U02"
    assert read(api, 5)["proposal"]["unit"] == "U02"
    assert read(api, 5)["proposal"]["why"]


def test_the_clock_says_what_it_goes_by_and_stands_while_suspended(api: httpx.Client) -> None:
    running, stopped = read(api, 1, "en"), read(api, 2)
    assert running["clock"]["due_at"] > running["reported_at"]
    assert running["clock"]["colour"] in ("green", "yellow", "red")
    assert running["clock"]["explanation"][0] == "Whole case: limit of 2 working h"
    assert running["step_clock"]["step"] == "Filed"
    assert (stopped["clock"]["colour"], stopped["clock"]["stopped"]) == ("stopped", True)
    assert stopped["clock"]["due_at"] is None
    assert stopped["stops"] == [[stopped["since"], None]]
    assert any("挂账" in line for line in stopped["clock"]["explanation"])
    assert stopped["actions_legal"][0]["action"] == "resume"


def test_a_cards_clocks_explain_themselves_and_the_first_to_end_is_named(api: httpx.Client) -> None:
    told, english = read(api, 1), read(api, 1, "en")
    accept, handle = told["card_clocks"]["accept"], told["card_clocks"]["handle"]
    assert (accept["started_at"], handle["started_at"]) == (told["card_at"], told["card_at"])
    assert told["reported_at"] < accept["due_at"] < handle["due_at"]
    assert (accept["explanation"][0], handle["explanation"][0]) == ("督办签收时限 2 工作日", "督办办理时限 10 工作日")
    assert any("（督办）" in line for line in accept["explanation"])
    assert english["card_clocks"]["accept"]["explanation"][0] == "Answer to the card: limit of 2 working d"
    due = {"total": told["clock"], "step": told["step_clock"], "accept": accept, "handle": handle}
    assert told["first_clock"] == min(due, key=lambda kind: due[kind]["due_at"])
    assert read(api, 3)["card_clocks"] is None and read(api, 3)["first_clock"] == "total"


def test_what_is_out_of_turn_is_marked(api: httpx.Client) -> None:
    told = read(api, 3)
    assert [(deed["action"], deed["mark"]) for deed in told["actions"]] == [
        ("report", ""),
        ("sang", "irregular"),
        ("close", "irregular"),
    ]
    assert (told["flow"], told["state"], told["open"], told["step_clock"]) == ("dispute", "closed", False, None)


def test_each_role_is_offered_its_own(api: httpx.Client, county: County) -> None:
    first = str(county.cells.index[0])
    offers = {
        role: [offer["action"] for offer in read(api, 1, **as_viewer(role, area))["actions_legal"]]
        for role, area in (("county_duty", ""), ("supervisor", ""), ("grid_worker", first), ("administrator", ""))
    }
    assert offers["county_duty"][0] == "dispatch" and "lift_card" in offers["county_duty"]
    assert offers["supervisor"] == ["supervise", "lift_card", "note", "begin_incident"]
    assert offers["grid_worker"] == ["escalate", "note"]
    assert offers["administrator"] == []
    assert not read(api, 1, **as_viewer("supervisor"))["is_turn"]
    assert read(api, 1, **as_viewer("dispatcher"))["is_turn"]
    escalate = next(o for o in read(api, 1, **as_viewer("county_duty"))["actions_legal"] if o["action"] == "escalate")
    assert escalate["needs"][0] == {"field": "level", "kind": "word", "words": ["county"], "proposed": "county"}


def test_what_the_streams_alone_have_is_told_at_once(api: httpx.Client) -> None:
    told = read(api, 5)
    assert (told["state"], told["version"], told["recorded"]) == ("accepted", 1, False)
    assert told["title"] == "新案 138****5678"
    assert [deed["action"] for deed in told["actions"]] == ["report", "accept"]


def test_whoever_may_not_see_it_is_told_nothing(api: httpx.Client, county: County) -> None:
    first = str(county.cells.index[0])
    town = next(str(code) for code in county.cells.index if not str(code).startswith(first[:9]))[:9]
    for number in (1, 5):
        assert api.get(f"/api/cases/C{number}", headers=as_viewer("town_centre", town)).status_code == 404
        assert api.get(f"/api/cases/C{number}", headers=as_viewer("town_centre", first[:9])).status_code == 200
    assert api.get("/api/cases/C4", headers=as_viewer("town_centre", first[:9])).status_code == 404
    assert api.get("/api/cases/C1", headers=as_viewer("unit", "", "U05")).status_code == 200
    assert api.get("/api/cases/C1", headers=as_viewer("unit", "", "U09")).status_code == 404
    assert api.get("/api/cases/C0").status_code == 404


def test_the_guide_of_its_class_in_both_languages(api: httpx.Client) -> None:
    chinese, english = read(api, 1)["guide"], read(api, 1, "en")["guide"]
    assert chinese["calls"][0] == {"unit": "环境卫生管理所", "role": None, "phone": None, "why": "清扫、清运"}
    assert english["basis"][0]["article"] == "Art. 49" and english["basis"][0]["verified"] is False
    assert read(api, 3)["guide"]["steps"] != chinese["steps"]


def test_surroundings_tell_readings_and_what_is_wrong(api: httpx.Client, county: County) -> None:
    told = read(api, 1)
    url = "/api/nearby"
    near = api.get(url, params={"lon": told["lon"], "lat": told["lat"], "radius_m": 20_000}).json()
    by_kind: dict[str, list[Any]] = {}
    for one in near:
        by_kind.setdefault(one["kind"], []).append(one)
    assert max(len(of_kind) for of_kind in by_kind.values()) == 30
    assert by_kind["worker"][0]["name"].startswith("网格员")
    assert {one["case_id"] for one in by_kind["case"]} >= {"C1", "C2", "C5"}
    bins = {one["id"]: one for one in api.get(url, params=locate_bin(county)).json() if one["kind"] == "bin"}
    full = bins[int(county.assets.index.get_loc(asset_of(county, "bin")))]
    assert (full["mark"], full["value"]["zh"]) == ("full", "95 %")
    assert {one.get("mark") for one in bins.values()} == {"full", "silent"}


def locate_bin(county: County) -> dict[str, float]:
    row = county.assets.loc[asset_of(county, "bin")]
    return {"lon": float(row["lon"]), "lat": float(row["lat"]), "radius_m": 1000}
