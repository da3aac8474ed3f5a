"""The invented county: the same every time, sound by the standards' schemas, and breathing."""

import dataclasses
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import mean
from typing import Any

import jsonschema
import msgspec
import numpy
import pytest
import referencing
import shapely

from cases.flow import load_built_in
from cases.fold import Step as FlowStep
from cases.fold import fold
from cases.rulebook import read_rulebook
from geo.county import County
from ingest.case_state import CLOSING
from ingest.sender import CloudEvent
from ingest.simulation.case_life import Beginning, tell_life
from ingest.simulation.chance import as_keys, draw, drift
from ingest.simulation.faults import NOISY, SILENT, SOUND, STUCK, find_faults
from ingest.simulation.schedule import find_due
from ingest.simulation.traffic import VEHICLE_M, Traffic
from ingest.simulation.weather import Weather
from ingest.simulator import Simulation, read_state, simulate
from tests.appliance import ROOT, Appliance, wait_for

# A Wednesday.
MIDNIGHT = datetime(2026, 11, 17, 16, tzinfo=UTC)
ACTIONS = {action for flow in load_built_in().values() for action in flow.actions}


def hour_of(event: CloudEvent) -> int:
    return (datetime.fromisoformat(str(event.time)) + timedelta(hours=8)).hour


@pytest.fixture(scope="module")
def day(county: County) -> list[CloudEvent]:
    """Every case and every reading of one simulated day, the readings thinned by telling ten minutes in an hour."""
    simulation = Simulation(county)
    events: list[CloudEvent] = []
    for hour in range(24):
        start = MIDNIGHT.timestamp() + hour * 3600
        events += [event for event in simulation.tell(start, start + 600) if not event.type.startswith("case")]
    return events


@pytest.fixture(scope="module")
def week(county: County) -> list[CloudEvent]:
    """What became of a week's cases."""
    start = MIDNIGHT.timestamp()
    return list(Simulation(county).tell_cases(start - 7 * 86_400, start))


def test_the_same_seed_is_the_same_county_and_another_is_not(county: County) -> None:
    span = MIDNIGHT + timedelta(hours=9), MIDNIGHT + timedelta(hours=9, minutes=10)
    first = msgspec.json.encode(list(simulate(county, *span, seed=1)))
    assert first == msgspec.json.encode(list(simulate(county, *span, seed=1)))
    assert first != msgspec.json.encode(list(simulate(county, *span, seed=2)))


def test_however_time_is_cut_the_events_are_the_same(county: County) -> None:
    start = MIDNIGHT.timestamp() + 9 * 3600
    whole = [msgspec.json.encode(event) for event in Simulation(county).tell(start, start + 300)]
    simulation = Simulation(county)
    pieces = [
        event
        for part in range(0, 300, 7)
        for event in simulation.tell(start + part, min(start + part + 7, start + 300))
    ]
    assert [msgspec.json.encode(event) for event in pieces] == whole
    assert len({event.id for event in pieces}) == len(pieces)


def test_the_rate_is_a_county_s(county: County) -> None:
    for hour, low, high in ((3, 3, 9), (10, 5, 13)):
        start = MIDNIGHT.timestamp() + hour * 3600
        rate = sum(1 for _ in Simulation(county).tell(start, start + 1200)) / 1200
        assert low < rate < high


def test_every_entity_is_valid_by_its_smart_data_model(day: list[CloudEvent], shared: Path) -> None:
    entities: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in day:
        entities[str(event.data.get("type"))].append(msgspec.to_builtins(event.data))
    models = {"WasteContainer", "TrafficFlowObserved", "AirQualityObserved", "WaterQualityObserved"}
    assert models <= set(entities)
    for name, validator in make_validators(shared / "schemas"):
        for entity in [*entities[name][:200], *find_extremes(entities[name])]:
            validator.validate(entity)
        models.remove(name)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**entities[name][0], "location": {"type": "Point", "coordinates": ["east", "north"]}})
    assert not models


def find_extremes(entities: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The entities with the lowest and the highest value of each number, and one with each value of each text."""
    for name in {name for entity in entities for name in entity}:
        having = [entity for entity in entities if entity.get(name) is not None]
        if isinstance(having[0][name], int | float):
            yield min(having, key=lambda entity: entity[name])
            yield max(having, key=lambda entity: entity[name])
        else:
            yield from list({str(entity[name]): entity for entity in having}.values())[:50]


def make_validators(folder: Path) -> Iterator[tuple[str, Any]]:
    """The schemas of the shared folder; what they refer to is looked up there and nowhere else."""

    @cache
    def find(address: str) -> referencing.Resource[Any]:
        if address.endswith("common-schema.json"):
            return referencing.Resource.from_contents(json.loads((folder / "common-schema.json").read_text()))
        # Environment-schema.json is not in the folder; the one field that refers to it we do not send.
        return referencing.Resource.from_contents(
            {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "definitions": {"airQualityLevel": {"type": "string"}},
            }
        )

    registry: Any = referencing.Registry(retrieve=find)  # type: ignore[call-arg]
    for path in sorted(folder.glob("*.schema.json")):
        name = path.name.removesuffix(".schema.json")
        if name != "cloudevents":
            schema = json.loads(path.read_text())
            yield name, jsonschema.Draft202012Validator(schema, registry=registry)


def test_the_envelope_is_a_cloud_event(day: list[CloudEvent], week: list[CloudEvent], shared: Path) -> None:
    validator = jsonschema.Draft7Validator(json.loads((shared / "schemas" / "cloudevents.schema.json").read_text()))
    for event in [*day[:200], *week[:200]]:
        validator.validate(msgspec.to_builtins(event))
        assert (event.origin, event.source) == ("simulated", "urn:county-brain:simulator")


def test_roads_are_slow_in_the_rush_hours(day: list[CloudEvent]) -> None:
    speeds = defaultdict(list)
    for event in day:
        if event.data.get("type") == "TrafficFlowObserved":
            speeds[hour_of(event)].append(event.data["averageVehicleSpeed"])
    by_hour = {hour: mean(values) for hour, values in speeds.items()}
    assert by_hour[3] > by_hour[13] > by_hour[17]
    assert by_hour[13] > by_hour[8]


def test_speed_flow_and_occupancy_agree(county: County) -> None:
    traffic = Traffic(county, 1, Weather(1, county.bbox))
    who = numpy.arange(len(traffic.places.ids))
    flow = traffic.measure(who, numpy.full(len(who), MIDNIGHT.timestamp() + 17.7 * 3600))
    lanes = flow.flow_h / (flow.speed_kmh * flow.density_km)
    assert numpy.allclose(lanes, numpy.round(lanes))
    events = traffic.happen(MIDNIGHT.timestamp() + 17 * 3600, MIDNIGHT.timestamp() + 17 * 3600 + 120, 120)
    for _, _, _, data in events[:100]:
        assert 0 <= data["occupancy"] <= 1
        gap = 1000 / (data["occupancy"] / 0.0066) - VEHICLE_M if data["occupancy"] else None
        assert gap is None or abs(gap - data["averageGapDistance"]) < 0.02 * gap + 3


def test_bins_fill_and_are_emptied(county: County) -> None:
    events = [
        event
        for event in simulate(county, MIDNIGHT, MIDNIGHT + timedelta(hours=12))
        if event.data.get("type") == "WasteContainer"
    ]
    levels = defaultdict(list)
    emptied = defaultdict(set)
    for event in events:
        levels[event.data["id"]].append(event.data["fillingLevel"])
        emptied[event.data["id"]].add(event.data["dateLastEmptying"])
    dropped = {
        name for name, series in levels.items() if any(later < before - 0.2 for before, later in pairwise(series))
    }
    assert 0.2 < len(dropped) / len(levels) < 0.9
    assert sum(len(emptied[name]) == 2 for name in dropped) > 0.9 * len(dropped)
    full = [series[-1] >= 0.8 for series in levels.values()]
    assert 0.005 < mean(full) < 0.15
    kinds = defaultdict(list)
    for event in events:
        kinds[event.data["storedWasteKind"]].append(event.data["fillingLevel"])
    assert set(kinds) == {"organic", "other", "plastic", "hazardous"}


def test_the_hotline_peaks_at_ten_with_a_second_hump(county: County, week: list[CloudEvent]) -> None:
    start = MIDNIGHT.timestamp() - 35 * 86_400
    events = Simulation(county).tell_cases(start, start + 28 * 86_400)
    hours = Counter(
        hour_of(event) for event in events if event.type == "case.reported" and event.data["channel"] == "hotline"
    )
    assert max(hours, key=lambda hour: hours[hour]) in (9, 10)
    assert hours[15] > hours[13] < hours[10]
    assert hours[3] < hours[10] / 10


def test_cases_live_by_the_flow_and_most_close(county: County, week: list[CloudEvent]) -> None:
    reported = {event.data["case_id"]: event for event in week if event.type == "case.reported"}
    acted = defaultdict(list)
    for event in week:
        if event.type == "case.acted":
            assert event.data["action"] in ACTIONS
            acted[event.data["case_id"]].append(event)
    assert set(acted) <= set(reported)
    now = MIDNIGHT.timestamp()
    due = closed = in_work = 0
    for case_id, report in reported.items():
        steps = acted[case_id]
        times = [str(report.time), *(str(step.time) for step in steps)]
        assert times == sorted(times)
        assert len(set(times)) == len(times)
        ended = bool(steps) and steps[-1].data["action"] in CLOSING
        in_work += not ended
        limit = county.categories[report.data["category"]].limit_hours or 24
        if datetime.fromisoformat(str(report.time)).timestamp() + limit * 3600 < now:
            due += 1
            closed += ended
    assert 150 < in_work < 600
    assert 0.85 < closed / due < 0.99


def test_reports_lie_in_the_county_and_name_nobody(county: County, week: list[CloudEvent]) -> None:
    reports = [event.data for event in week if event.type == "case.reported"]
    outline = county.areas.geometry[county.code]
    shapely.prepare(outline)
    inside = [bool(shapely.contains_xy(outline, data["lon"], data["lat"])) for data in reports]
    assert mean(inside) > 0.98
    assert {data["severity"] for data in reports} == {1, 2, 3, 4}
    assert any(data["category"].startswith("D") and data["channel"] == "window" for data in reports)
    for data in reports:
        reporter = data.get("reporter")
        assert reporter is None or (reporter["name"] == "模拟" and reporter["phone"].startswith("1990000"))


def test_rain_floods_a_road_and_brings_cases_and_mud(county: County) -> None:
    weather = Weather(1, county.bbox)
    traffic = Traffic(county, 1, weather)
    flood = next(
        flood
        for flood in traffic.floods(MIDNIGHT.timestamp() - 20 * 86_400, MIDNIGHT.timestamp())
        if flood.ends - flood.begins > 3600
    )
    middle = (flood.begins + flood.ends) / 2
    who, at = numpy.array([flood.spot]), numpy.array([middle])
    assert traffic.measure(who, at).speed_kmh[0] < 8
    assert traffic.measure(who, numpy.array([flood.ends + 12 * 3600])).speed_kmh[0] > 8
    x, y = traffic.x[who], traffic.y[who]
    assert weather.runoff(x, y, at)[0] > 2
    events = Simulation(county).tell_cases(flood.begins, flood.ends)
    lon, lat = traffic.places.lon[flood.spot], traffic.places.lat[flood.spot]
    near = [
        event
        for event in events
        if event.type == "case.reported"
        and event.data["category"] in ("0406", "0404")
        and abs(event.data["lon"] - lon) < 0.004
        and abs(event.data["lat"] - lat) < 0.004
    ]
    assert len(near) >= 3


def test_sensors_fail_and_come_back() -> None:
    keys = as_keys(f"S{number}" for number in range(50_000))
    now = MIDNIGHT.timestamp()
    fault, true_at = find_faults(1, keys, numpy.full(50_000, now))
    assert set(fault.tolist()) == {SOUND, SILENT, STUCK, NOISY}
    assert 0.9 < (fault == SOUND).mean() < 1
    assert (true_at[fault == STUCK] < now).all()
    assert (true_at[fault != STUCK] == now).all()
    later, _ = find_faults(1, keys, numpy.full(50_000, now + 10 * 3600))
    assert not ((fault != SOUND) & (later == fault)).all()
    assert (later[fault != SOUND] == SOUND).mean() > 0.8


def test_workers_stay_in_their_cell_while_on_duty(county: County, day: list[CloudEvent]) -> None:
    located = [event for event in day if event.type == "worker.located"]
    homes = county.assets["cell_code"].to_dict()
    shapes = county.cells.geometry.to_dict()
    assert len(located) > 1000
    for event in located[::50]:
        assert shapes[homes[event.data["worker_id"]]].contains(shapely.Point(event.data["lon"], event.data["lat"]))
    by_hour = Counter(hour_of(event) for event in located if event.data["on_duty"])
    assert 0 < by_hour[3] < by_hour[10] / 5
    assert by_hour[10] > 5 * max(by_hour[20], 1)
    assert any(not event.data["on_duty"] for event in located)


def test_a_pack_without_equipment_has_cases_and_rounds_and_nothing_else(county: County) -> None:
    bare = dataclasses.replace(county, assets=county.assets.iloc[:0])
    start = MIDNIGHT + timedelta(hours=10)
    kinds = {event.type for event in simulate(bare, start, start + timedelta(hours=1)) if "feed" not in event.data}
    assert kinds == {"case.reported", "case.acted", "task.checked"}


def test_declared_feeds_speak(county: County, day: list[CloudEvent]) -> None:
    noise = [event.data["value"] for event in day if event.data.get("feed") == "noise"]
    assert noise
    assert 30 < min(noise) < max(noise) < 110


def test_a_life_is_in_order_whatever_the_case() -> None:
    import random

    for seed in range(300):
        chance = random.Random(seed)
        begin = Beginning(
            at=1e9 + seed,
            local_hour=chance.random() * 24,
            channel=chance.choice(["hotline", "grid_worker", "window"]),
            severity=chance.randint(1, 4),
            limit_s=chance.choice([3600.0, 7200.0, 86_400.0, 1_296_000.0]),
            dispute=chance.random() < 0.2,
            unit="U01",
            worker="GW-1",
        )
        steps = tell_life(begin, chance)
        assert all(later.at > before.at for before, later in pairwise(steps))
        assert steps[0].at > begin.at
        assert steps[-1].action in CLOSING
        assert all(step.action not in CLOSING for step in steps[:-1])


def test_every_life_is_legal_in_its_flow(county: County, week: list[CloudEvent]) -> None:
    rulebook = read_rulebook(county)
    categories = {event.data["case_id"]: event.data["category"] for event in week if event.type == "case.reported"}
    steps: dict[str, list[FlowStep]] = defaultdict(list)
    for order, event in enumerate(week):
        if event.type == "case.acted":
            data = event.data
            at_ms = int(datetime.fromisoformat(data["at"]).timestamp() * 1000)
            step = FlowStep(at_ms, order, data["action"], data.get("unit"), data["actor"], data, str(event.id))
            steps[data["case_id"]].append(step)
    used = set()
    for case_id, of_case in steps.items():
        flow = rulebook.flow_of(categories[case_id])
        state = fold(flow, of_case)
        assert not state.irregular, case_id
        assert not state.overtaken, case_id
        for step in of_case:
            used.add((flow.key, step.action))
            said = {**step.details, "unit": step.unit}
            assert all(said.get(need) is not None for need in flow.actions[step.action].needs), step.action
    assert {("urban", "merge"), ("urban", "join"), ("dispute", "mediate"), ("urban", "self_handle")} <= used


def test_chance_is_even_and_smooth() -> None:
    keys = numpy.arange(20_000)
    numbers = draw(1, "test", keys)
    assert 0 <= numbers.min() < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 0.01
    assert (draw(1, "test", keys) == numbers).all()
    assert abs(numpy.corrcoef(numbers, draw(1, "other", keys))[0, 1]) < 0.03
    path = drift(1, "test", [5], numpy.arange(0, 3600.0, 10), 600)
    assert numpy.abs(numpy.diff(path)).max() < 0.05


def test_due_moments_are_every_so_often() -> None:
    stagger = draw(1, "s", numpy.arange(50))
    who, at = find_due(stagger, 90, 1000.0, 1000.0 + 900)
    assert Counter(who.tolist()) == dict.fromkeys(range(50), 10)
    assert (at == numpy.floor(at)).all()
    assert ((at >= 1000) & (at < 1900)).all()


def test_the_simulator_fills_the_past_once_and_goes_on(appliance: Appliance, county: County) -> None:
    first = run_simulator(appliance)
    wait_for(lambda: read_state(appliance.data_dir / "simulator.json", county.code, 1), what="the past")
    told = appliance.counters()
    assert 20_000 < told["accepted"] < 70_000
    assert told["rejected"] == 0
    wait_for(lambda: appliance.counters()["received"] > told["received"], what="the present")
    first.terminate()
    assert first.wait(30) == 0
    before = appliance.counters()
    second = run_simulator(appliance)
    wait_for(lambda: appliance.counters()["received"] > before["received"], what="the second run")
    second.terminate()
    assert second.wait(30) == 0
    after = appliance.counters()
    # The past is not told again; at most what was done in the day of older cases in which it was stopped is.
    assert after["received"] - before["received"] < 20_000
    assert after["duplicate"] <= 6_000
    health = appliance.health()
    assert health["counters"]["rejected"] == 0


def run_simulator(appliance: Appliance) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "ingest", "simulate"], cwd=ROOT, env=appliance.environ)


def test_a_state_of_another_county_or_seed_is_not_ours(tmp_path: Path) -> None:
    path = tmp_path / "simulator.json"
    assert read_state(path, "339901", 1) is None
    path.write_text('{"county": "339901", "seed": 1, "told_until": 5.0}')
    state = read_state(path, "339901", 1)
    assert state is not None
    assert state.told_until == 5
    assert read_state(path, "339901", 2) is None
    path.write_text("{")
    assert read_state(path, "339901", 1) is None
