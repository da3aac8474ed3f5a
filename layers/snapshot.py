"""From what SQL remembers to the live state: the same fold as from records, fed with rows."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

from brain.alarm_book import read_step as read_alarm_step
from cases.fold import Step, read_step
from cases.rounds import Cared
from ingest.answers import Case as CaseRow
from ingest.answers import LatestReading, ReadingHour, Snapshot, WorkerPlace
from ingest.exercises import is_exercise
from ingest.records import EXERCISE, WallOrdered
from ingest.rows.exercises import AnyExercise
from ingest.rows.rounds import Check
from ingest.tables import as_ms
from layers.places import feature_id
from layers.state import LiveState, make_drilled
from layers.things import Case, Device, Sensed, Worker


def fold_snapshot(state: LiveState, snapshot: Snapshot, hours: Mapping[str, Iterable[ReadingHour]]) -> None:
    """Fold an SQL snapshot into an empty state; the streams are followed from the snapshot's watermarks.

    hours: the roll-ups of the last two days by feed, for those feeds whose hours the state keeps.
    """
    steps: dict[str, set[Step]] = defaultdict(set)
    for row_of_step in snapshot.steps:
        steps[row_of_step.case_id].add(read_step(row_of_step))
        if not is_exercise(row_of_step.case_id):
            state.reach("cases", as_ms(row_of_step.at))
    for row in snapshot.cases:
        state.hear("cases", as_ms(row.reported_at), as_ms(row.received_at), row.origin)
        state.put_case(_make_case(state, row, frozenset(steps.pop(row.case_id, ()))))
    for case_id, waiting in steps.items():
        for step in waiting:
            state.put_step(case_id, step)
    for reading in snapshot.readings:
        _fold_reading(state, reading)
    for worker in snapshot.workers:
        _fold_worker(state, worker)
    for alert in snapshot.alerts:
        state.hear("alerts", as_ms(alert.sent), as_ms(alert.received_at), alert.origin)
        state.alert_book.put(alert)
    for action in snapshot.alarm_steps:
        state.put_alarm_step(action.alarm_id, read_alarm_step(action))
    for device in snapshot.devices:
        state.put_device(Device(state.identify_asset(device.asset_id), as_ms(device.at), device.online))
    for feed, rows in hours.items():
        for row_of_hour in rows:
            asset = state.identify_asset(row_of_hour.asset_id)
            state.hours[feed].put(asset, as_ms(row_of_hour.last_at), row_of_hour.last_value)
    state.reopened_after_leaving = False  # the snapshot itself has every case that is open


def fold_rounds(state: LiveState, checks: Iterable[Check], entries: Iterable[Cared]) -> None:
    """Fold in the check-ins on rounds since `state.rounds` counts them, and whom visits are due to."""
    for check in checks:
        state.put_check(check)
    state.put_entries(entries)


def fold_orders(state: LiveState, orders: Iterable[WallOrdered]) -> None:
    """Fold in what was sent to walls."""
    for order in orders:
        state.put_order(order)


def fold_exercises(state: LiveState, told: Iterable[AnyExercise]) -> None:
    """Fold in what was told of exercises."""
    for record in told:
        state.put_exercise(record)


def find_newest(snapshot: Snapshot) -> datetime | None:
    """Return the newest moment that a snapshot speaks of, exercises aside; None for an empty one."""
    moments = [
        *(case.reported_at for case in snapshot.cases if case.origin != EXERCISE),
        *(step.at for step in snapshot.steps if not is_exercise(step.case_id)),
        *(reading.observed_at for reading in snapshot.readings if reading.origin != EXERCISE),
        *(worker.at for worker in snapshot.workers),
        *(alert.sent for alert in snapshot.alerts),
    ]
    return max(moments, default=None)


def _make_case(state: LiveState, row: CaseRow, steps: frozenset[Step]) -> Case:
    return Case(
        id=feature_id("case:" + row.case_id),
        case_id=row.case_id,
        category=row.category,
        severity=min(max(row.severity, 1), 4),
        channel=row.channel,
        cell=state.find_cell(row.cell_code),
        lon=row.lon,
        lat=row.lat,
        reported_ms=as_ms(row.reported_at),
        origin=row.origin,
        kept_by=(as_ms(row.received_at), row.source, row.event_id),
        title=row.title,
        people=row.people,
        steps=steps,
    )


def _fold_reading(state: LiveState, row: LatestReading) -> None:
    if row.origin == EXERCISE:
        state.put_drilled(make_drilled(state, row))
        return
    observed_ms = as_ms(row.observed_at)
    state.hear(row.feed, observed_ms, as_ms(row.received_at), row.origin)
    name = str(row.attributes.get("name") or row.asset_id)
    place, cell = (observed_ms, row.lon, row.lat), state.find_cell(row.cell_code)
    asset = state.find_asset(row.feed, row.asset_id, place, name, cell)
    state.put_reading(Sensed(asset, row.feed, observed_ms, as_ms(row.received_at), row.value, row.attributes))


def _fold_worker(state: LiveState, row: WorkerPlace) -> None:
    state.hear("workers", as_ms(row.at), as_ms(row.received_at), row.origin)
    place = row.lon, row.lat, state.find_cell(row.cell_code)
    identity = feature_id("worker:" + row.worker_id)
    state.put_worker(Worker(identity, row.worker_id, as_ms(row.at), row.on_duty, *place))
