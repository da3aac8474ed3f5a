"""The sheet of a hand-over: what is open, what changed and what waits at a desk, as of a moment; read from SQL.

Only what had been received by the moment counts, so the same moment gives the same sheet for as long as SQL keeps it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, func, select

from cases.clocks import Colour
from cases.fold import CaseState, Step, fold, read_step
from cases.rulebook import Rulebook
from geo.county import County
from ingest.answers import Case
from ingest.case_state import REOPENING, pick_effective
from ingest.history import cases_as_of, read_alerts, read_heartbeat, read_steps_as_of
from ingest.masking import mask_text
from ingest.records import EXERCISE
from ingest.silence import judge_silence
from ingest.tables import as_ms, as_time, feed_minutes, feed_totals, latest_readings
from layers.alert_book import AlertBook
from layers.things import Alert

MOST_OF_A_KIND: Final = 20  # cases that are listed for one reason
MOST_SEVERE: Final = 40
MOST_IDS: Final = 2_500  # of open cases: an event may have so many values and no more
MOST_WARNINGS: Final = 40
SEVERE: Final = 2
LONGEST_TITLE: Final = 60
RECORDED_AFTER: Final = timedelta(seconds=1)
DECIDERS: Final[Mapping[bool, frozenset[str]]] = {
    False: frozenset({"county_duty", "dispatcher", "supervisor", "leader"}),
    True: frozenset({"town_centre"}),
}
"""Whose turn it is where a case waits for a decision of the county's desk, and of one of an area."""

SHARED_FEEDS: Final = frozenset({"cases", "workers", "alerts"})
"""Feeds that are one for the whole county: an area has no word of its own on them."""

CARD_MARKS: Final = ("card_red", "card_yellow", "card_ordinary")
MARKS: Final = ("severe", "overdue", *CARD_MARKS, "pending", "suspended", "escalated", "ended")
"""Why a case is on the list, the weightiest first."""


class Sheet(msgspec.Struct, frozen=True):
    """What is handed over; the fields are those of `ShiftHandedOver`.

    Rows of `cases`: case_id, category, severity, title (masked), state, unit, cell, reported_at and due_at (epoch s),
    colour of the clock, marks (see `MARKS`), until (of a suspended one, as it was said). The most urgent come first.
    """

    since: datetime
    as_of: datetime
    figures: dict[str, int]
    open_case_ids: list[str]
    cases: list[dict[str, Any]]
    warnings: list[dict[str, Any]]
    feeds: list[dict[str, Any]]


@dataclass(frozen=True)
class Stood:
    """A case as it stood at the moment, with what was done to it in the time of the sheet."""

    case: Case
    state: CaseState
    colour: Colour | None
    due_ms: int | None
    marks: tuple[str, ...]
    until: str | None
    reopened: bool

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """Its place in line: by why it is listed, then severity, then deadline."""
        first = min((MARKS.index(mark) for mark in self.marks), default=len(MARKS))
        return first, self.case.severity, self.due_ms or float("inf"), self.case.case_id


def find_moment(engine: Engine, now: datetime) -> datetime:
    """Return up to when everything received is recorded, in whole seconds; now where no recorder has been seen."""
    beat = read_heartbeat(engine)
    if beat is None:
        return now.replace(microsecond=0)
    recorded = beat.at - timedelta(milliseconds=beat.lag_ms) - RECORDED_AFTER
    return min(now, recorded).replace(microsecond=0)


def make_sheet(
    engine: Engine, county: County, rulebook: Rulebook, area: str, since: datetime, as_of: datetime
) -> Sheet:
    """Return the sheet of an area (empty: the county) as of a moment; blocking, so call it in a thread."""
    # In a county whose clock follows its data, a record counts as received when it happened.
    received_by = datetime.now(UTC) if county.clock_anchor == "data" else as_of
    known = [case for case in cases_as_of(engine, received_by, since, area) if case.reported_at <= as_of]
    rows = read_steps_as_of(engine, [case.case_id for case in known], received_by)
    moment_ms, since_ms = as_ms(as_of), as_ms(since)
    stood = [
        _look(
            rulebook,
            case,
            [step for row in rows.get(case.case_id, ()) if (step := read_step(row)).at_ms <= moment_ms],
            (since_ms, moment_ms),
            DECIDERS[bool(area)],
        )
        for case in known
    ]
    stood.sort(key=lambda one: one.rank)
    return Sheet(
        since=since,
        as_of=as_of,
        figures=_count(stood, since_ms, moment_ms),
        open_case_ids=[one.case.case_id for one in stood if one.state.is_open][:MOST_IDS],
        cases=[_describe_case(one) for one in _pick_listed(stood)],
        warnings=_list_warnings(engine, county, as_of),
        feeds=_list_quiet_feeds(engine, county, area, as_of),
    )


def _look(
    rulebook: Rulebook, case: Case, steps: Sequence[Step], span_ms: tuple[int, int], deciders: frozenset[str]
) -> Stood:
    since_ms, moment_ms = span_ms
    flow = rulebook.flow_of(case.category)
    state = fold(flow, steps)
    clock = rulebook.run_clock(case.category, case.severity, as_ms(case.reported_at), state)
    colour = None if clock is None else clock.colour(moment_ms)
    here = flow.states[state.state]
    deeds = [step for step in pick_effective(steps).deeds if since_ms < step.at_ms <= moment_ms]
    severe = case.severity <= SEVERE
    marks = {
        "severe": severe and state.is_open,
        "overdue": colour == "red" and state.is_open,
        **{mark: state.is_open and state.card == mark.removeprefix("card_") for mark in CARD_MARKS},
        "pending": state.is_open and not here.paused and here.owner in deciders,
        "suspended": here.paused,
        "escalated": any(_has_effect(flow.actions, step, "escalate") for step in deeds),
        "ended": severe and state.ended_ms is not None and state.ended_ms > since_ms,
    }
    return Stood(
        case=case,
        state=state,
        colour=colour,
        due_ms=None if clock is None else clock.due_ms,
        marks=tuple(mark for mark in MARKS if marks[mark]),
        until=_find_until(steps) if here.paused else None,
        reopened=any(step.action in REOPENING for step in deeds),
    )


def _has_effect(actions: Mapping[str, Any], step: Step, effect: str) -> bool:
    action = actions.get(step.action)
    return action is not None and action.effect == effect


def _find_until(steps: Iterable[Step]) -> str | None:
    """Return until when a case is suspended, as the last who said so did."""
    said = [(step.at_ms, step.order, str(step.details["until"])) for step in steps if step.details.get("until")]
    return max(said)[2][:LONGEST_TITLE] if said else None


def _count(stood: Sequence[Stood], since_ms: int, moment_ms: int) -> dict[str, int]:
    """Return the figures: those of the moment count open cases, the others what was done since."""
    present = [one for one in stood if one.state.is_open]
    marks = Counter(mark for one in stood for mark in one.marks)
    ended = Counter(
        one.state.ended_by
        for one in stood
        if one.state.ended_ms is not None and since_ms < one.state.ended_ms <= moment_ms
    )
    new = [one for one in stood if since_ms < as_ms(one.case.reported_at) <= moment_ms]
    severities = Counter(one.case.severity for one in present)
    return {
        "open": len(present),
        **{f"open_{severity}": severities[severity] for severity in (1, 2, 3, 4)},
        **{mark: marks[mark] for mark in ("overdue", *CARD_MARKS, "pending", "suspended")},
        "near": sum(one.colour == "yellow" for one in present),
        "reported": len(new),
        "reported_severe": sum(one.case.severity <= SEVERE for one in new),
        "closed": ended["close"],
        "voided": ended["void"],
        "merged": ended["merge"],
        "reopened": sum(one.reopened for one in stood),
        "escalated": marks["escalated"],
    }


def _pick_listed(stood: Sequence[Stood]) -> Iterable[Stood]:
    """Yield the cases to be listed, so many for each reason, so that none crowds out another."""
    listed: Counter[str] = Counter()
    for one in stood:
        if one.marks:
            listed[one.marks[0]] += 1
            if listed[one.marks[0]] <= (MOST_SEVERE if one.marks[0] == "severe" else MOST_OF_A_KIND):
                yield one


def _describe_case(one: Stood) -> dict[str, Any]:
    case = one.case
    told = {
        "case_id": case.case_id,
        "category": case.category,
        "severity": case.severity,
        "title": mask_text(case.title)[:LONGEST_TITLE],
        "state": one.state.state,
        "unit": one.state.unit,
        "cell": case.cell_code,
        "reported_at": as_ms(case.reported_at) // 1000,
        "due_at": None if one.due_ms is None else one.due_ms // 1000,
        "colour": one.colour,
        "until": one.until,
        "marks": list(one.marks),
    }
    return {name: value for name, value in told.items() if value is not None}


def _list_warnings(engine: Engine, county: County, as_of: datetime) -> list[dict[str, Any]]:
    book = AlertBook(county)
    for message in read_alerts(engine, as_of):
        if message.received_at <= as_of:
            book.put(message)
    book.advance(as_ms(as_of))
    return [_describe_warning(alert) for alert in book.shown.values()][:MOST_WARNINGS]


def _describe_warning(alert: Alert) -> dict[str, Any]:
    return {
        "level": alert.level,
        "exercise": alert.exercise,
        "zh": alert.event.zh,
        "en": alert.event.en,
        "area_zh": alert.area.zh,
        "area_en": alert.area.en,
        "ends_at": alert.ends_ms // 1000 if alert.end_stated else None,
    }


def _list_quiet_feeds(engine: Engine, county: County, area: str, as_of: datetime) -> list[dict[str, Any]]:
    """Return the feeds that were late, silent or never heard, by the rule of every screen."""
    heard = _find_heard(engine, as_of)
    if area:
        heard = {feed: at for feed, at in heard.items() if feed in SHARED_FEEDS} | _find_heard_here(engine, area, as_of)
    quiet = []
    for feed in county.feeds.values():
        at = heard.get(feed.key)
        state = judge_silence(None if at is None else max(timedelta(0), as_of - at), feed.stale_after)
        if state != "ok":
            at_s = None if at is None else as_ms(at) // 1000
            quiet.append({"key": feed.key, "zh": feed.name.zh, "en": feed.name.en, "state": state, "heard_at": at_s})
    return quiet


def _find_heard(engine: Engine, as_of: datetime) -> dict[str, datetime]:
    """Return when each feed was heard last before a moment, to the minute as far as SQL keeps minutes."""
    moment_ms = as_ms(as_of)
    minutes = select(feed_minutes.c.feed, func.max(feed_minutes.c.minute_at)).where(
        feed_minutes.c.minute_at <= moment_ms
    )
    totals = select(feed_totals.c.feed, func.max(feed_totals.c.received_at)).where(
        feed_totals.c.received_at <= moment_ms
    )
    heard: dict[str, int] = {}
    with engine.connect() as connection:
        for query in (minutes.group_by(feed_minutes.c.feed), totals.group_by(feed_totals.c.feed)):
            for feed, at_ms in connection.execute(query):
                heard[feed] = max(at_ms, heard.get(feed, 0))
    return {feed: as_time(at_ms) for feed, at_ms in heard.items() if at_ms}


def _find_heard_here(engine: Engine, area: str, as_of: datetime) -> dict[str, datetime]:
    """Return when an area's own sensors were heard last; one heard since the moment counts as heard then."""
    query = (
        select(latest_readings.c.feed, func.max(latest_readings.c.received_at))
        .where(latest_readings.c.cell_code.startswith(area, autoescape=True), latest_readings.c.origin != EXERCISE)
        .group_by(latest_readings.c.feed)
    )
    with engine.connect() as connection:
        return {feed: min(as_of, as_time(at_ms)) for feed, at_ms in connection.execute(query)}
