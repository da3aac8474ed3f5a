"""Records for tests of the live state and the layers, on the demo county."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from geo.county import County
from ingest.exercises import MARK
from ingest.records import (
    AlarmAcked,
    AlarmRaised,
    AlertArea,
    AlertInfo,
    AlertIssued,
    AlertKind,
    AlertReference,
    AlertText,
    AnyRecord,
    CaseActed,
    CaseReported,
    ExerciseBegun,
    Reading,
    TaskChecked,
    WorkerLocated,
)
from ingest.rows.rounds import CareEntry
from ingest.tables import as_ms
from layers.state import LiveState

NOON = datetime(2026, 11, 21, 4, 0, tzinfo=UTC)  # 12:00 in the demo county
NOON_MS = as_ms(NOON)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def report(
    county: County, number: int, at: datetime = NOON, cell: int | None = 0, severity: int = 3, **fields: Any
) -> CaseReported:
    """A report in the middle of a cell; `cell` None is outside the county."""
    place: dict[str, Any] = {"lon": 10.0, "lat": 50.0}
    if cell is not None:
        point = county.cells.geometry.iloc[cell].representative_point()
        place = {"lon": point.x, "lat": point.y, "cell_code": county.cells.index[cell]}
    defaults: dict[str, Any] = {
        "source": "test",
        "id": f"report-{number}",
        "received_at": at,
        "case_id": f"C{number}",
        "category": "0102",
        "title": "垃圾",
        "reported_at": at,
        "channel": "hotline",
        "severity": severity,
    }
    return CaseReported(**(defaults | place | fields))


def act(number: int, action: str, at: datetime, unit: str | None = None, **fields: Any) -> CaseActed:
    return CaseActed(
        source="test",
        id=f"{action}-{number}-{at:%d%H%M%S}",
        received_at=at,
        case_id=f"C{number}",
        action=action,
        actor="W1",
        at=at,
        unit=unit,
        **fields,
    )


def sense(feed: str, asset_id: str, value: float | None, at: datetime = NOON, **fields: Any) -> Reading:
    return Reading(
        source="test",
        id=f"{asset_id}-{at:%d%H%M%S}-{value}",
        received_at=at,
        feed=feed,
        asset_id=asset_id,
        observed_at=at,
        value=value,
        **fields,
    )


def locate(worker_id: str, at: datetime = NOON, on_duty: bool = True, lon: float = 120.4, lat: float = 29.6) -> Any:
    return WorkerLocated(
        source="test",
        id=f"{worker_id}-{at:%d%H%M%S}",
        received_at=at,
        worker_id=worker_id,
        at=at,
        on_duty=on_duty,
        lon=lon,
        lat=lat,
    )


def check_in(
    county: County, at: datetime = NOON, cell: int = 0, plan: str = "daily", person: str | None = None
) -> TaskChecked:
    """Somebody on a round of the demo's plans, in the middle of a cell."""
    point = county.cells.geometry.iloc[cell].representative_point()
    code = str(county.cells.index[cell])
    return TaskChecked(
        source="test",
        id=f"{plan}-{cell}-{person}-{at:%m%d%H%M}",
        received_at=at,
        lon=point.x,
        lat=point.y,
        cell_code=code,
        plan=plan,
        task_cell=code,
        worker="GW-0001",
        at=at,
        person=person,
    )


def care_for(county: County, cell: int, persons: int) -> list[CareEntry]:
    """So many elderly people in a cell, who were never visited and with whom no day is agreed."""
    code = str(county.cells.index[cell])
    return [CareEntry(f"P{cell}-{number}", "elderly_alone", code) for number in range(persons)]


def warn(
    number: int, at: datetime = NOON, kind: AlertKind = "Alert", of: Sequence[int] = (), **fields: Any
) -> AlertIssued:
    """A message about warning `number` of one issuer, in Chinese and English, for the whole demo county.

    of: the numbers of the warnings that it speaks of, sent at `at_of` (else at noon); `info` changes its hazard.
    """
    at_of = fields.pop("at_of", NOON)
    info: dict[str, Any] = {
        "level": 2,
        "severity": "Severe",
        "expires": at + timedelta(hours=6),
        "areas": [AlertArea(geocodes=[("GB/T 2260", "339901")])],
        "texts": [
            AlertText(
                "zh-CN",
                "暴雨",
                "云溪县气象台发布暴雨橙色预警",
                "大部降雨量将达50毫米",
                "停止户外作业",
                "云溪县",
                "云溪县气象台",
            ),
            AlertText("en-US", "Rainstorm", "Orange warning for rainstorm", "", "", "Yunxi County", "Observatory"),
        ],
    } | fields.pop("info", {})
    defaults: dict[str, Any] = {
        "source": "observatory",
        "id": f"warning-{number} {at:%d%H%M%S}",
        "received_at": at,
        "identifier": f"warning-{number}",
        "sent": at,
        "status": "Actual",
        "scope": "Public",
        "references": [AlertReference("observatory", f"warning-{one}", at_of) for one in of],
        "infos": [] if kind == "Cancel" else [AlertInfo(**info)],
    }
    return AlertIssued(kind=kind, **(defaults | fields))


def alarm(county: County, alarm_id: str, at: datetime = NOON, cell: int | None = 0, **fields: Any) -> AlarmRaised:
    """The coming of an alarm `rule:thing` in a cell; `cell` None is nowhere."""
    rule, _, thing = alarm_id.partition(":")
    defaults: dict[str, Any] = {"severity": 2, "subject": "垃圾箱高温", "rule": rule, "thing": thing}
    return AlarmRaised(
        source="watch",
        id=f"{alarm_id} {at:%d%H%M%S}",
        received_at=at,
        alarm_id=alarm_id,
        at=at,
        cell_code=None if cell is None else str(county.cells.index[cell]),
        **(defaults | fields),
    )


def acknowledge(alarm_id: str, at: datetime = NOON) -> AlarmAcked:
    """Somebody has taken an alarm on."""
    return AlarmAcked(
        source="test",
        id=f"{alarm_id} acked {at:%d%H%M%S}",
        received_at=at,
        alarm_id=alarm_id,
        at=at,
        severity=2,
        subject="",
        actor="officer",
    )


def begin_exercise(id: str = "begin", at: datetime = NOON, **fields: Any) -> ExerciseBegun:
    """An exercise of four hours."""
    told = {"exercise": "k", "name": "防汛演练", "actor": "chen", "role": "county_duty"} | fields
    return ExerciseBegun(source="desk", id=id, received_at=at, at=at, until=at + timedelta(hours=4), **told)


def drill(county: County) -> list[AnyRecord]:
    """An exercise that runs: a case that is open, one that was closed, and a sensor."""
    point = county.cells.geometry.iloc[0].representative_point()
    place = {"lon": point.x, "lat": point.y, "cell_code": str(county.cells.index[0])}
    closed = act(9, "close", NOON)
    closed.case_id, closed.origin = f"{MARK}2", "exercise"
    return [
        begin_exercise(),
        report(county, 91, case_id=f"{MARK}1", severity=1, origin="exercise"),
        report(county, 92, case_id=f"{MARK}2", severity=2, origin="exercise"),
        closed,
        sense("air", f"{MARK}air", 480.0, origin="exercise", **place),
    ]


def asset_of(county: County, kind: str, place: int = 0) -> str:
    """The name of a county's n-th asset of a kind."""
    return str(county.assets.index[county.assets["kind"] == kind][place])


def live(county: County, *records: AnyRecord, now: datetime = NOON) -> LiveState:
    """A state after these records, at a moment."""
    state = LiveState(county)
    for record in records:
        state.apply(record, order=as_ms(record.received_at))
    state.advance(as_ms(now))
    return state


def busy_county(county: County) -> LiveState:
    """A state with something in every layer: data, faults, silence and nothing."""
    state = live(
        county,
        report(county, 1, cell=0, severity=1),
        report(county, 2, cell=0, severity=3),
        report(county, 3, cell=5, severity=4),
        report(county, 4, cell=None),
        report(county, 5, at=NOON - timedelta(days=3), cell=7),
        act(3, "close", NOON),
        sense("waste", asset_of(county, "bin", 0), 0.9),
        sense("waste", asset_of(county, "bin", 1), 0.2),
        sense("waste", asset_of(county, "bin", 2), 0.4, attributes={"status": "burning", "temperature": 300.0}),
        sense("waste", asset_of(county, "bin", 3), None, attributes={"status": "vandalized"}),
        sense("waste", asset_of(county, "bin", 4), 0.95, at=NOON - timedelta(days=1)),
        sense("waste", "BIN-OF-NOBODY", 0.5, lon=120.4, lat=29.6),
        sense("traffic", asset_of(county, "detector", 0), 12.0, attributes={"intensity": 240}),
        sense("traffic", asset_of(county, "detector", 1), 300.0),
        sense("traffic", asset_of(county, "detector", 2), 30.0, at=NOON - timedelta(days=1)),
        sense("air", asset_of(county, "air_station", 0), 80.0, attributes={"pm10": 60.0, "co": 0.6}),
        sense("water", asset_of(county, "water_station", 0), 3.0, attributes={"pH": 7.2, "NH3-N": 1.2}),
        locate("W1"),
        locate("W2", on_duty=False),
        locate("W3", at=NOON - timedelta(hours=9)),
        warn(1),
        warn(2, status="Exercise", info={"level": 1}),
        alarm(county, f"bin_burning:{asset_of(county, 'bin', 2)}", severity=1, origin="simulated"),
        alarm(county, "severe_case:C1", NOON + minutes(1)),
        acknowledge("severe_case:C1", NOON + minutes(2)),
        alarm(county, "feed_silent:water", cell=None, severity=3),
        *(check_in(county, NOON - timedelta(weeks=weeks), cell=0) for weeks in range(6)),
        *(check_in(county, NOON - timedelta(weeks=weeks), cell=1) for weeks in (1, 3)),
        check_in(county, NOON - timedelta(days=3), cell=2, plan="care", person="P2-0"),
        *drill(county),
        now=NOON + minutes(5),
    )
    state.put_entries([*care_for(county, 0, 2), *care_for(county, 2, 7)])
    return state
