"""`task.checked` from the door to SQL, the register's seals, and the rounds that the simulator tells."""

import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from shapely import Point
from sqlalchemy import Engine

from cases.rounds import cover, cover_visits, list_tasks, read_rounds
from geo.county import County
from ingest.connectors import Refusal
from ingest.formats.events import read_events
from ingest.formats.rounds import METRES_A_DEGREE, measure_distance_m
from ingest.pipeline import Preparation
from ingest.placing import find_partition
from ingest.reception import Reception, open_reception
from ingest.records import TaskChecked, decode_record, encode_record, name_feed
from ingest.rows.rounds import (
    CareEntry,
    CarePerson,
    Check,
    count_persons,
    find_person,
    open_person,
    read_checks,
    read_last_visits,
    read_persons,
    replace_persons,
    seal_person,
)
from ingest.sealing import Keyring, Unreadable
from ingest.simulation.care import invent_persons
from ingest.simulator import Simulation
from ingest.tables import care_persons, task_checks
from tests.ingest.samples import NOON, Writer, count_rows, minutes, read_rows


@pytest.fixture(scope="module")
def reception(county: County) -> Reception:
    return open_reception(county)


def cell_of(county: County, place: int = 0) -> str:
    return str(county.cells.index[place])


def inside(county: County, place: int = 0) -> tuple[float, float]:
    point = county.cells.geometry.iloc[place].representative_point()
    return point.x, point.y


def tell(reception: Reception, **data: Any) -> TaskChecked | Refusal:
    said = {"plan": "daily", "worker": "GW-0001", "at": NOON.isoformat()} | data
    event = {"specversion": "1.0", "id": "1", "source": "urn:test", "type": "task.checked", "data": said}
    (item,) = read_events([json.dumps(event).encode()], reception, NOON)
    assert isinstance(item, TaskChecked | Refusal)
    return item


def test_a_check_in_becomes_a_record(county: County, reception: Reception) -> None:
    lon, lat = inside(county)
    record = tell(reception, cell_code=cell_of(county), lon=lon, lat=lat, note="ok")
    assert isinstance(record, TaskChecked)
    assert (record.plan, record.task_cell, record.worker, record.located) == ("daily", cell_of(county), "GW-0001", True)
    assert name_feed(record) == "rounds"
    assert decode_record(encode_record(record)) == record


def test_without_a_place_it_is_the_cells_and_says_so(county: County, reception: Reception) -> None:
    record = tell(reception, cell_code=cell_of(county))
    assert isinstance(record, TaskChecked)
    assert not record.located and record.lon is not None


def test_who_is_too_far_from_the_cell_is_refused_and_told_so(county: County, reception: Reception) -> None:
    west, _, _, _ = county.cells.geometry.iloc[0].bounds
    lat = inside(county)[1]
    refusal = tell(reception, cell_code=cell_of(county), lon=west - 0.02, lat=lat)
    assert isinstance(refusal, Refusal)
    assert (refusal.field, refusal.feed) == ("data.lon", "rounds")
    assert "m from cell" in refusal.reason


def test_just_outside_counts(county: County, reception: Reception) -> None:
    _, south, _, _ = county.cells.geometry.iloc[0].bounds
    shape = county.cells.geometry.iloc[0]
    lon = next(x for x, y in shape.exterior.coords if y == south)
    near, far = (south - metres / METRES_A_DEGREE for metres in (190, 210))
    assert isinstance(tell(reception, cell_code=cell_of(county), lon=lon, lat=near), TaskChecked)
    assert isinstance(tell(reception, cell_code=cell_of(county), lon=lon, lat=far), Refusal)


def test_a_place_in_amaps_coordinates_is_converted_first(county: County, reception: Reception) -> None:
    record = tell(reception, cell_code=cell_of(county), lon=inside(county)[0], lat=inside(county)[1], crs="gcj02")
    if isinstance(record, Refusal):  # it lies 400 to 600 m elsewhere
        assert record.field == "data.lon"
    else:
        assert record.lon != inside(county)[0]


def test_distance_is_in_metres_north_and_east() -> None:
    square = Point(120.0, 60.0).buffer(1e-9)
    assert measure_distance_m((120.0, 60.01), square) == pytest.approx(1112, rel=0.001)
    assert measure_distance_m((120.02, 60.0), square) == pytest.approx(1112, rel=0.001)  # half as long at 60° north


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"cell_code": "999"}, "data.cell_code"),
        ({}, "data.cell_code"),
        ({"plan": "No Plan"}, "data.plan"),
        ({"lon": 120.0}, "data.lat"),
        ({"person": "张三"}, "data.person"),
        ({"person": "138 0013 8000"}, "data.person"),
        ({"at": "1960-01-01T00:00:00Z"}, "data.at"),
        ({"note": "x" * 501}, "data.note"),
    ],
)
def test_a_bad_check_in_names_its_field(county: County, reception: Reception, data: dict[str, Any], field: str) -> None:
    said = data if field == "data.cell_code" else {"cell_code": cell_of(county)} | data
    refusal = tell(reception, **said)
    assert isinstance(refusal, Refusal)
    assert refusal.field == field


def test_it_goes_the_way_of_its_town(county: County) -> None:
    preparation = Preparation(county, 4, Keyring.make())
    record = tell(preparation.reception, cell_code=cell_of(county))
    assert isinstance(record, TaskChecked)
    preparation._placer.place([record])
    assert record.cell_code == cell_of(county)
    assert 0 <= find_partition(record, 4) < 4


def check(id: str, at: float = 0, **more: Any) -> TaskChecked:
    fields: dict[str, Any] = {
        "plan": "daily",
        "task_cell": "339901001001001",
        "worker": "W-1",
        "lon": 120.1,
        "lat": 29.7,
    }
    return TaskChecked(source="test", id=id, received_at=minutes(at), at=minutes(at), **fields | more)


def test_check_ins_are_recorded_once_and_read_by_area_and_time(engine: Engine) -> None:
    writer = Writer(engine)
    writer.write(check("1"), check("1"), check("2", at=5, task_cell="339901002001001", located=False))
    writer.write(check("2", at=5), check("3", at=9, plan="care", person="P1"))
    assert count_rows(engine, task_checks) == 3
    assert [row["lon"] for row in read_rows(engine, task_checks)] == [120.1, None, 120.1]
    assert read_checks(engine, minutes(1), "339901002") == [
        Check("daily", "339901002001001", "W-1", minutes(5), None, located=False, received_at=minutes(5))
    ]
    assert len(read_checks(engine, minutes(0))) == 3
    assert len(read_checks(engine, minutes(6))) == 1
    assert read_last_visits(engine, "339901001") == {("care", "P1"): minutes(9)}


def test_the_register_is_sealed_and_replaced_as_a_whole(engine: Engine) -> None:
    keyring = Keyring.make()
    clear = CarePerson("P1", "alone", "339901001001001", "何翠英", "13905750001", "东街1号", "2026-12-01")
    other = CarePerson("P2", "alone", "339901002001001", "王五")
    assert replace_persons(engine, [seal_person(keyring, clear), seal_person(keyring, other)]) == 0
    (row, _) = read_rows(engine, care_persons)
    assert not {"何翠英", "13905750001", "东街1号"} & {str(value) for value in row.values()}
    (person,) = read_persons(engine, "339901001")
    assert open_person(keyring, person) == {"name": "何翠英", "phone": "13905750001", "address": "东街1号"}
    with pytest.raises(Unreadable):
        open_person(Keyring.make(), person)
    assert count_persons(engine) == {("339901001001001", "alone"): 1, ("339901002001001", "alone"): 1}
    assert replace_persons(engine, [seal_person(keyring, other)]) == 2
    assert find_person(engine, "P1") is None and find_person(engine, "P2") is not None


def test_simulated_rounds_cover_most_and_not_all_however_time_is_cut(county: County) -> None:
    few = replace(county, cells=county.cells.iloc[::20])
    simulation = Simulation(few)
    end = datetime(2026, 11, 22, 4, tzinfo=UTC)
    start = end - timedelta(days=60)
    whole = list(simulation.tell_rounds(start.timestamp(), end.timestamp()))
    half = (start + timedelta(days=11, hours=3)).timestamp()
    assert whole == [*simulation.tell_rounds(start.timestamp(), half), *simulation.tell_rounds(half, end.timestamp())]
    assert len({event.id for event in whole}) == len(whole)
    preparation = open_reception(few)
    checks = []
    for event in whole:
        data = dict(event.data)
        record = tell(preparation, **data)
        assert isinstance(record, TaskChecked), record
        checks.append(Check(record.plan, record.task_cell, record.worker, record.at, record.person))
    today = end.date()
    rounds = read_rounds(few)
    patrols = cover(list_tasks(rounds, map(str, few.cells.index), checks, today - timedelta(days=21), today), today)
    visited: defaultdict[tuple[str, str], list[date]] = defaultdict(list)
    for check in checks:
        if check.person:
            visited[check.plan, check.person].append(check.at.astimezone(county.time_zone).date())
    persons = [CareEntry(one.person, one.care_group, one.cell_code) for one in invent_persons(few)]
    assert {person for _, person in visited} <= {one.person for one in persons}
    for coverage in (patrols, cover_visits(rounds, persons, visited, today)):
        assert coverage.due > 100
        assert 0.8 < (coverage.share or 0) < 1.0
        assert 0 < coverage.late < coverage.done / 2


def test_nobody_is_visited_where_people_may_be_real(county: County) -> None:
    real = replace(county, settings={**county.settings, "fictional": False})
    end = datetime(2026, 11, 22, 4, tzinfo=UTC).timestamp()
    events = list(Simulation(real).tell_rounds(end - 3 * 86_400, end))
    assert events and not any("person" in event.data for event in events)
