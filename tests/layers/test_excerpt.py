"""Excerpts: at any time, whatever happens in whatever order, the county's state restricted."""

import random
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from geo.county import County
from ingest.records import AnyRecord, DeviceSeen
from ingest.tables import as_ms
from layers.excerpt import Excerpt, Scope
from layers.state import LiveState
from layers.things import Case
from tests.layers.worlds import NOON, act, live, locate, minutes, report, sense, warn

UNITS = ("U01", "U02", "U03")


def cells_of(county: County, area: str) -> list[int]:
    return [place for place, code in enumerate(county.cells.index) if code.startswith(area)]


def towns_of(county: County) -> list[str]:
    return [str(code) for code in county.areas.index[county.areas["level"] == "town"]]


def assets_of(county: County, kind: str, area: str) -> list[str]:
    own = county.assets[(county.assets["kind"] == kind) & county.assets["cell_code"].fillna("").str.startswith(area)]
    return [str(name) for name in own.index]


def placed(county: County, cell: int) -> dict[str, Any]:
    point = county.cells.geometry.iloc[cell].representative_point()
    return {"lon": point.x, "lat": point.y, "cell_code": county.cells.index[cell]}


def invent(county: County, dice: random.Random, cells: list[int], minute: int) -> AnyRecord:
    """Something that may happen: of few cases, workers and sensors, so that they meet often, and late or early."""
    at = NOON + minutes(minute + dice.randint(-30, 0))
    number, cell = dice.randrange(40), dice.choice(cells)
    match dice.randrange(7):
        case 0 | 1:
            # The report received first decides which town's it is: one that comes late may move a case.
            first = {"id": f"report-{number}-{minute}", "received_at": at - minutes(dice.randrange(2000))}
            return report(county, number, at=at, cell=dice.choice([cell, cell, None]), severity=1 + number % 4, **first)
        case 2 | 3:
            return act(number, dice.choice(("dispatch", "handle", "close", "reopen", "void")), at, dice.choice(UNITS))
        case 4:
            worker = locate(f"W{number % 5}", at, on_duty=dice.random() < 0.8)
            return replace_record(worker, **placed(county, cell))
        case 5:
            return sense("waste", dice.choice(assets_of(county, "bin", "")[:40]), round(dice.random(), 2), at=at)
        case _:
            asset = assets_of(county, "bin", "")[number]
            return DeviceSeen(
                source="test", id=f"{asset}-{minute}", received_at=at, asset_id=asset, online=False, at=at
            )


def replace_record(record: Any, **fields: Any) -> Any:
    return type(record)(**{name: getattr(record, name) for name in record.__struct_fields__} | fields)


def restrict(whole: LiveState, cells: set[int], holds: Any) -> dict[str, Any]:
    """What an excerpt must say, worked out from the county's things anew."""
    cases = {id: case for id, case in whole.cases.items() if holds(case)}
    open_cases = [case for case in cases.values() if case.is_open]
    in_cell: dict[int, list[int]] = {}
    for case in open_cases:
        if case.cell is not None:
            in_cell.setdefault(case.cell, [0, 0, 0, 0])[case.severity - 1] += 1
    assets = {id: asset for id, asset in whole.assets.items() if asset.cell in cells}
    return {
        "cases": {id: replace(case, steps=frozenset()) for id, case in cases.items()},
        "hot": whole.hot & cases.keys(),
        "open_by_cell": in_cell,
        "open_by_severity": Counter(case.severity for case in open_cases),
        "open_by_category": Counter(case.category for case in open_cases),
        "assets": assets,
        "readings": {
            feed: own
            for feed, latest in whole.readings.items()
            if (own := {asset: sensed for asset, sensed in latest.items() if asset in assets})
        },
        "workers": {id: worker for id, worker in whole.workers.items() if worker.cell in cells},
        "devices": {asset: device for asset, device in whole.devices.items() if asset in assets},
        "alerts": whole.alerts,
    }


def said_by(excerpt: Excerpt) -> dict[str, Any]:
    facts = excerpt.facts()
    facts["readings"] = {feed: latest for feed, latest in excerpt.readings.items() if latest}
    return facts


@pytest.mark.parametrize("seed", range(3))
def test_an_excerpt_is_the_county_restricted_whatever_happens(county: County, seed: int) -> None:
    dice = random.Random(seed)
    towns = towns_of(county)[:3]
    cells = {town: cells_of(county, town) for town in towns}
    few = [cell for town in towns for cell in cells[town][:4]]
    whole = live(county)
    scopes = [Scope(town) for town in towns] + [Scope("", "U01"), Scope(towns[0], "U02")]
    scopes.append(Scope(str(county.cells.index[cells[towns[1]][0]])))
    excerpts = [Excerpt(county, whole, scope) for scope in scopes]
    for minute in range(0, 4000, 10):
        for order in range(3):
            whole.apply(invent(county, dice, few, minute), order=minute * 10 + order)
        whole.advance(as_ms(NOON + minutes(minute)))
        changes = whole.take_changes()
        for excerpt in excerpts:
            assert excerpt.follow(changes)
            excerpt.advance(whole.clock_ms)
        if minute % 400:
            continue
        for scope, excerpt in zip(scopes, excerpts, strict=True):
            own = set(cells_of(county, scope.area))

            def holds(case: Case, scope: Scope = scope, own: set[int] = own) -> bool:
                had = scope.unit is None or scope.unit in {step.unit for step in case.steps}
                return had and (case.cell in own if scope.area else True)

            said, anew = said_by(excerpt), said_by(Excerpt(county, whole, scope))
            for name, expected in restrict(whole, own, holds).items():
                if scope.area or name not in ("workers", "assets", "readings", "devices"):
                    assert said[name] == expected, (scope, name)
            assert {name: anew[name] for name in anew if name != "feeds"} == {
                name: said[name] for name in said if name != "feeds"
            }


def test_a_feed_without_anything_in_the_area_was_never_heard_there(county: County) -> None:
    town, other = towns_of(county)[:2]
    whole = live(
        county,
        sense("waste", assets_of(county, "bin", other)[0], 0.9),
        report(county, 1, cell=cells_of(county, other)[0]),
    )
    excerpt = Excerpt(county, whole, Scope(town))
    assert excerpt.feeds["waste"].state(excerpt.clock_ms) == "never"
    # That a town has no case is as fresh as the county's word on cases.
    assert excerpt.feeds["cases"].state(excerpt.clock_ms) == "ok"
    assert Excerpt(county, whole, Scope(other)).feeds["waste"].state(whole.clock_ms) == "ok"
    whole.advance(as_ms(NOON + timedelta(hours=9)))
    silent = Excerpt(county, whole, Scope(other))
    assert silent.feeds["waste"].state(silent.clock_ms) == "silent"


def test_a_sensor_known_only_from_events_comes_with_its_place(county: County) -> None:
    town, other = towns_of(county)[:2]
    here, there = placed(county, cells_of(county, town)[0]), placed(county, cells_of(county, other)[0])
    whole = live(county)
    excerpt = Excerpt(county, whole, Scope(town))
    whole.apply(sense("waste", "NEW", 0.5, **here))
    assert excerpt.follow(whole.take_changes())
    (asset,) = [asset for asset in excerpt.assets.values() if asset.announced]
    assert excerpt.readings["waste"][asset.id].value == 0.5
    assert excerpt.take_changes().assets == {asset.id: asset}
    # Where it goes elsewhere, the excerpt has to be made anew: a layer of assets never lets one go.
    whole.apply(sense("waste", "NEW", 0.6, at=NOON + minutes(1), **there))
    assert not excerpt.follow(whole.take_changes())
    assert asset.id not in Excerpt(county, whole, Scope(town)).assets
    assert asset.id in Excerpt(county, whole, Scope(other)).assets


def test_a_worker_who_leaves_is_gone(county: County) -> None:
    town, other = towns_of(county)[:2]
    whole = live(county)
    excerpt = Excerpt(county, whole, Scope(town))
    whole.apply(replace_record(locate("W1"), **placed(county, cells_of(county, town)[0])))
    excerpt.follow(whole.take_changes())
    excerpt.take_changes()
    assert len(excerpt.workers) == 1
    whole.apply(replace_record(locate("W1", NOON + minutes(1)), **placed(county, cells_of(county, other)[0])))
    excerpt.follow(whole.take_changes())
    assert not excerpt.workers
    assert len(excerpt.take_changes().features["workers"]) == 1
    whole.advance(as_ms(NOON + timedelta(hours=5)))
    excerpt.advance(whole.clock_ms)  # the note of when W1 would fall silent is still there


def test_warnings_are_everybodys(county: County) -> None:
    town = towns_of(county)[0]
    whole = live(county)
    excerpt = Excerpt(county, whole, Scope(town))
    whole.apply(warn(1))
    whole.advance(as_ms(NOON + minutes(1)))
    excerpt.follow(whole.changes)
    excerpt.advance(whole.clock_ms)
    assert len(excerpt.alerts) == 1
    assert excerpt.take_changes().features["alerts"] == set(excerpt.alerts)
