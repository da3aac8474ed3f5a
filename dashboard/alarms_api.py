"""`/api/alarms`: the operators' list, one alarm with its history, what is done about it, and the load."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, HTTPException, Query, Response
from fastapi import Request as HttpRequest
from sqlalchemy import Engine

from brain.alarm_book import AlarmBook, Entry, read_step
from brain.alarm_groups import Line, list_lines
from brain.alarm_load import (
    FLOOD_SHARE_LIMIT,
    PEAK_LIMIT,
    RECOMMENDED_SHARES,
    STALE_LIMIT,
    TEN_MINUTES_MS,
    WORST_SHARE_LIMIT,
    Announcement,
    Load,
    is_flood,
    list_announcements,
    measure_load,
)
from brain.alarm_requests import list_legal
from brain.alarm_rules import AlarmRules, CaseRule, ReadingRule, Rule
from cases.requests import Asker
from dashboard.alarm_acting import AlarmActor, AlarmDeed, BulkAlarmDeed, Found
from dashboard.live import Hub
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.replies import JsonResponse, read_body, shield
from dashboard.scope import ask_in_scope, find_area
from ingest.exercises import is_exercise
from ingest.masking import mask_text
from ingest.rows.alarms import AlarmStep, read_alarm_steps, read_alarms_since
from ingest.tables import as_ms, as_time
from layers.alarm_words import find_point, name_alarm
from layers.state import LiveState

LOAD_OF: Final = timedelta(hours=8)
LONGEST_LOAD: Final = timedelta(days=31)
STATES: Final = ("unacked", "acked", "returned")
MOST_ROWS: Final = 1000


def make_alarms_router(hub: Hub, engine: Engine, rules: AlarmRules, actor: AlarmActor) -> APIRouter:
    """Return the routes of alarms; each answers for the present viewer."""
    router = APIRouter(prefix="/api/alarms")

    @router.get("", response_class=Response, summary="The operators' list of alarms")
    async def read_list(
        severity: str = "", state: str = "", area: str = "", rule: str = "", shelved: bool = False
    ) -> Response:
        severities, states = _read_list("severity", severity, "1234"), _read_list("state", state, STATES)
        names = frozenset(filter(None, rule.split(",")))
        asker = _make_asker(get_viewer())

        def look(live: LiveState) -> dict[str, Any]:
            now_ms = live.now_ms
            standing = [entry for entry in live.alarms.values() if entry.alarm.state != "normal"]
            wanted = {
                entry.alarm_id: entry
                for entry in standing
                if (not severities or str(entry.alarm.severity) in severities)
                and (not states or entry.alarm.state in states)
                and (not names or entry.rule in names)
                and (entry.alarm.cell_code or "").startswith(area)
                and entry.alarm.is_shelved(now_ms) == shelved
            }
            flood = is_flood((entry.alarm for entry in standing if not entry.is_exercise), now_ms)
            if shelved:
                lines = [_draw_shelved(entry) for entry in wanted.values()]
            else:
                alarms = {id: entry.alarm for id, entry in wanted.items()}
                lines = list_lines(alarms, rules, now_ms, "cause" if flood else "alarm")
            shown = [id for line in lines for id in line.alarm_ids][:MOST_ROWS]
            return {
                "now": now_ms // 1000,
                "flood": flood,
                "shelved": sum(entry.alarm.is_shelved(now_ms) for entry in standing),
                "total": len(wanted),
                "lines": [describe_line(line, rules) for line in lines],
                "alarms": [describe_alarm(live, wanted[id], asker) for id in shown],
            }

        return JsonResponse(await ask_in_scope(hub, look))

    @router.get("/load", response_class=Response, summary="The operators' load, as EEMUA 191 counts it")
    async def read_load(
        since: Annotated[int | None, Query(alias="from", ge=0)] = None,
        until: Annotated[int | None, Query(alias="to", ge=0)] = None,
        operators: Annotated[float, Query(gt=0, le=1000)] = 1,
    ) -> Response:
        area = find_area(get_viewer())
        to = datetime.now(UTC) if until is None else as_time(until * 1000)
        begin = to - LOAD_OF if since is None else as_time(since * 1000)
        if not timedelta(minutes=10) <= to - begin <= LONGEST_LOAD:
            raise HTTPException(422, f"from: must be ten minutes to {LONGEST_LOAD.days} days before to")
        load = await shield(asyncio.to_thread(_read_load, engine, begin, to, area, operators))
        return JsonResponse(describe_load(load, rules, begin, to))

    @router.post("/actions", response_class=Response, summary="Act on several alarms at once")
    async def act_on_all(sent: HttpRequest) -> Response:
        bulk = read_body(await sent.body(), BulkAlarmDeed)
        viewer = get_viewer()
        same: dict[str, Any] = {"action": bulk.action, "note": bulk.note, "details": bulk.details}
        deeds = [(one.alarm_id, AlarmDeed(expects=one.expects, **same)) for one in bulk.alarms]
        outcomes = await shield(asyncio.gather(*(actor.act(viewer, alarm_id, deed) for alarm_id, deed in deeds)))
        return JsonResponse({"outcomes": outcomes}, 200)

    @router.post("/{alarm_id:path}/actions", response_class=Response, summary="Act on an alarm")
    async def act(alarm_id: str, sent: HttpRequest) -> Response:
        deed = read_body(await sent.body(), AlarmDeed)
        outcome = await shield(actor.act(get_viewer(), alarm_id, deed))
        return JsonResponse(outcome, outcome.status)

    @router.get("/{alarm_id:path}", response_class=Response, summary="One alarm with its rule and history")
    async def read_alarm(alarm_id: str) -> Response:
        viewer = get_viewer()
        found = await shield(actor.find(viewer, alarm_id))
        if found is None:
            raise HTTPException(404, "no such alarm")
        steps = await shield(asyncio.to_thread(read_alarm_steps, engine, alarm_id))
        told = await ask_in_scope(hub, partial(_describe_found, found, _make_asker(viewer)))
        rule = rules.by_key.get(found.entry.rule or "")
        return JsonResponse(
            {
                **told,
                "value": found.entry.value,
                "rule_says": None if rule is None else describe_rule(rule),
                "history": [_describe_step(step, found) for step in reversed(steps)],
            }
        )

    return router


def describe_alarm(live: LiveState, entry: Entry, asker: Asker) -> dict[str, Any]:
    """Return one alarm for the desk: times in epoch seconds, and what the asker may do to it."""
    alarm, words, now_ms = entry.alarm, name_alarm(live, entry), live.now_ms
    rule, place = live.alarm_rules.by_key.get(entry.rule or ""), find_point(live, entry)
    return {
        "alarm_id": entry.alarm_id,
        "severity": alarm.severity,
        "state": alarm.state,
        "rule": entry.rule,
        "name": asdict(words.name),
        "thing": asdict(words.thing),
        "thing_id": entry.thing,
        "place": asdict(words.place),
        "raised_at": _as_s(alarm.raised_ms),
        "seen_at": _as_s(alarm.seen_ms),
        "cleared_at": _as_s(alarm.cleared_ms),
        "count": 1 + alarm.repeats,
        "acked_at": _as_s(alarm.acked_ms),
        "acked_by": alarm.acked_by,
        "assignee": alarm.assignee,
        "shelved_until": _as_s(alarm.find_shelf_end(now_ms)),
        "shelved_by": alarm.shelved_by if alarm.is_shelved(now_ms) else None,
        "escalated_to": rule.escalate[alarm.rung - 1].to if rule and 0 < alarm.rung <= len(rule.escalate) else None,
        "case_id": entry.thing if isinstance(rule, CaseRule) else alarm.case_id,
        "category": rule.case.category if rule and rule.case else None,
        "lon": None if place is None else place[0],
        "lat": None if place is None else place[1],
        "simulated": entry.origin == "simulated",
        "exercise": entry.is_exercise,
        "version": alarm.version,
        "actions": list_legal(alarm, rule, asker, now_ms),
    }


def describe_line(line: Line, rules: AlarmRules) -> dict[str, Any]:
    """Return one line of the list; a cause is called as the first of its rules."""
    named = [rule for key, rule in rules.by_key.items() if line.key in (key, rules.causes.get(key))]
    return {
        "by": line.by,
        "key": line.key,
        "name": [{"zh": rule.zh, "en": rule.en} for rule in named] if line.by != "alarm" else [],
        "severity": line.severity,
        "count": line.count,
        "unacked": line.unacked,
        "raised_at": line.raised_ms // 1000,
        "alarm_ids": line.alarm_ids,
    }


def describe_rule(rule: Rule) -> dict[str, Any]:
    """Return what a rule says: what is to be done, from where on, and what it does by itself."""
    told: dict[str, Any] = {
        "response": {"zh": rule.response_zh, "en": rule.response_en},
        "escalate": msgspec.to_builtins(rule.escalate),
        "shelve_at_most_min": rule.shelve_at_most_min,
        "source": rule.source,
        "verified": rule.verified,
    }
    if isinstance(rule, ReadingRule):
        names = ("measure", "at_least", "at_most", "words", "dead_band", "on_delay_s", "off_delay_s", "change_s")
        told |= {name: getattr(rule, name) for name in names}
    return told


def describe_load(load: Load, rules: AlarmRules, begin: datetime, to: datetime) -> dict[str, Any]:
    """Return the load with the limits that it is held against; moments in epoch seconds."""

    def name(rule: str) -> dict[str, str]:
        known = rules.by_key.get(rule)
        return {"zh": known.zh, "en": known.en} if known else {"zh": rule, "en": rule}

    return {
        "from": as_ms(begin) // 1000,
        "to": as_ms(to) // 1000,
        "announced": load.announced,
        "per_ten_minutes": load.per_ten_minutes,
        "verdict": load.verdict,
        "peak": load.peak,
        "peak_limit": PEAK_LIMIT,
        "flood_share": load.flood_share,
        "flood_share_limit": FLOOD_SHARE_LIMIT,
        "floods": [
            {"begin": flood.begin_ms // 1000, "end": flood.end_ms // 1000, "count": flood.count}
            for flood in load.floods
        ],
        "shares": [
            {"severity": severity, "share": share, "recommended": RECOMMENDED_SHARES[severity]}
            for severity, share in sorted(load.shares.items())
        ],
        "standing": len(load.standing),
        "stale": load.stale,
        "stale_limit": STALE_LIMIT,
        "chattering": load.chattering,
        "fleeting": load.fleeting,
        "worst": [
            {"rule": row.rule, "name": name(row.rule), "count": row.count, "share": row.share} for row in load.worst
        ],
        "worst_share_limit": WORST_SHARE_LIMIT,
        "median_ack_s": None if load.median_ack_ms is None else load.median_ack_ms / 1000,
    }


def _read_load(engine: Engine, begin: datetime, to: datetime, area: str, operators: float) -> Load:
    rows = read_alarms_since(engine, begin - timedelta(milliseconds=TEN_MINUTES_MS))
    announced: list[Announcement] = []
    rows = [row for row in rows if not is_exercise(row.alarm_id)]
    for alarm_id, group in groupby(sorted(rows, key=attrgetter("alarm_id", "order")), key=attrgetter("alarm_id")):
        steps = [read_step(row) for row in group]
        book = AlarmBook()
        for step in steps:
            book.put(alarm_id, step)
        if not area or (book.entries[alarm_id].alarm.cell_code or "").startswith(area):
            announced.extend(list_announcements(alarm_id, steps))
    from_ms, to_ms = as_ms(begin), as_ms(to)
    known = [
        each
        for each in announced
        if each.at_ms >= from_ms - TEN_MINUTES_MS or each.cleared_ms is None or each.cleared_ms >= to_ms
    ]
    return measure_load(known, from_ms, to_ms, operators)


def _draw_shelved(entry: Entry) -> Line:
    alarm = entry.alarm
    return Line("alarm", entry.alarm_id, (entry.alarm_id,), alarm.severity, int(not alarm.acked), alarm.raised_ms or 0)


def _describe_found(found: Found, asker: Asker, live: LiveState) -> dict[str, Any]:
    return describe_alarm(live, found.entry, asker)


def _describe_step(step: AlarmStep, found: Found) -> dict[str, Any]:
    details = step.details
    key = read_step(step).key
    return {
        "at": as_ms(step.at) // 1000,
        "action": step.action,
        "actor": step.actor,
        "note": mask_text(details["note"]) if isinstance(details.get("note"), str) else None,
        "to": details.get("to"),
        "minutes": details.get("minutes"),
        "case_id": details.get("case_id"),
        "severity": details.get("severity"),
        "value": details.get("value"),
        "overtaken": key in found.entry.alarm.overtaken,
    }


def _read_list(field: str, said: str, known: Iterable[str]) -> frozenset[str]:
    """Return the words of a filter, given by commas; raises `HTTPException` naming one that is none."""
    words = frozenset(filter(None, said.split(",")))
    for word in sorted(words - set(known)):
        raise HTTPException(422, f"{field}: must be of {', '.join(known)}, not {word!r}")
    return words


def _make_asker(viewer: Viewer) -> Asker:
    return Asker(viewer.name, viewer.role, viewer.unit)


def _as_s(ms: int | None) -> int | None:
    return None if ms is None else ms // 1000
