"""An incident (大事全网联动): all that is known of a case in incident mode, as one picture. Pure: no I/O, no clock.

Nothing is stored but what everybody does anyway: the case's actions, the alarms' around it, the orders to walls. The
picture of a moment is made of what had been received by then (`Facts.until`), so it is the same whenever it is asked
for: live it is made of all there is, in a replay of less.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal

from brain.alarms import CLEAR, RAISE, Alarm
from brain.alarms import trace as trace_alarm
from cases.clocks import Clock
from cases.flow import BEFORE, Flow
from cases.fold import CaseState, Step, fold, trace
from cases.limits import PART_STEP, Limit
from cases.rulebook import Rulebook

AROUND_M: Final = 2000
"""So far from the place alarms are of the incident."""
ORDER: Final = "order"
"""The action of a line that tells what was sent to a wall."""
WORSEN: Final = "worsen"
"""The action of a line that tells that an alarm that stands has become more severe."""

About = Literal["case", "alarm", "wall"]


@dataclass(frozen=True)
class Heard:
    """Something that was done, and when we heard of it (epoch ms)."""

    step: Step
    received_ms: int


@dataclass(frozen=True)
class Facts:
    """What a picture is made of: a case, its actions without its reports, and what was done around it.

    alarms: the actions of each alarm within `AROUND_M`, by its id. orders: what was sent to walls about the case, the
    wall's name in `unit`.
    """

    category: str
    severity: int
    reported_ms: int
    deeds: tuple[Heard, ...]
    alarms: Mapping[str, tuple[Heard, ...]] = field(default_factory=dict)
    orders: tuple[Heard, ...] = ()

    def until(self, at_ms: int) -> "Facts":
        """Return what was known at a moment."""
        alarms = {id: kept for id, heard in self.alarms.items() if (kept := _known(heard, at_ms))}
        return replace(self, deeds=_known(self.deeds, at_ms), alarms=alarms, orders=_known(self.orders, at_ms))


@dataclass(frozen=True)
class Call:
    """A unit that was called: the one that has the case (`lead`), or one that has a part of it.

    clock: of its part, for the lead of the step it is in; None without a limit, and when it is done.
    """

    unit: str
    lead: bool
    since_ms: int
    done_ms: int | None
    clock: Clock | None


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: done, the present one, or to come; `limit` is what a step to come may take."""

    state: str
    standing: Literal["done", "now", "next"]
    entered_ms: int | None = None
    left_ms: int | None = None
    clock: Clock | None = None
    limit: Limit | None = None


@dataclass(frozen=True)
class Line:
    """One line of the running log. thing: the alarm's id, or the wall's name; empty for the case itself."""

    at_ms: int
    about: About
    action: str
    thing: str = ""
    severity: int | None = None
    step: Step | None = None


@dataclass(frozen=True)
class Picture:
    """The incident at one moment: where the case is, whom it was given to, its steps, alarms around, and the log.

    begun, ended: what began the latest stretch in incident mode, and what ended it; None where nothing has yet.
    """

    state: CaseState
    whole: Clock | None
    calls: tuple[Call, ...]
    ladder: tuple[Rung, ...]
    alarms: Mapping[str, Alarm]
    lines: tuple[Line, ...]
    begun: Step | None
    ended: Step | None


def see(rulebook: Rulebook, facts: Facts) -> Picture:
    """Return the picture that facts give."""
    steps = [heard.step for heard in facts.deeds]
    traced = {id: list(trace_alarm(heard.step for heard in known)) for id, known in facts.alarms.items()}
    alarms = {id: passed[-1][1] for id, passed in traced.items()}
    around = [line for id, passed in traced.items() for line in _list_turns(id, passed)]
    orders = [Line(one.step.at_ms, "wall", ORDER, one.step.unit or "", step=one.step) for one in facts.orders]
    return draw(rulebook, facts.category, facts.severity, facts.reported_ms, steps, alarms, [*around, *orders])


def draw(
    rulebook: Rulebook,
    category: str,
    severity: int,
    reported_ms: int,
    steps: Iterable[Step],
    alarms: Mapping[str, Alarm],
    around: Iterable[Line],
) -> Picture:
    """Return the picture of a case; around: what is to stand in the log from the first beginning on."""
    flow, steps = rulebook.flow_of(category), list(steps)
    state = fold(flow, steps)
    passed = list(trace(flow, steps))
    begun, ended = _find_ends(passed)
    first_ms = state.incidents[0][0] if state.incidents else 0
    lines = [Line(step.at_ms, "case", step.action, step=step) for step, _ in passed]
    lines += [line for line in around if line.at_ms >= first_ms]

    def run(step: str, started_ms: int, ended_ms: int | None = None) -> Clock | None:
        return rulebook.run_step(category, severity, step, started_ms, state, ended_ms)

    calls = [
        Call(part.unit, False, part.since_ms, part.done_ms, None if part.done_ms else run(PART_STEP, part.since_ms))
        for part in state.parts
    ]
    if state.unit is not None:
        since_ms = _find_since(state.unit, passed)
        is_theirs = state.is_open and flow.states[state.state].owner == "unit"
        done_ms = state.handled_ms if not is_theirs and (state.handled_ms or 0) >= since_ms else None
        clock = run(state.state, state.since_ms or since_ms) if is_theirs else None
        calls.insert(0, Call(state.unit, True, since_ms, done_ms, clock))
    if not state.is_open:
        calls = [replace(call, clock=None) for call in calls]
    return Picture(
        state=state,
        whole=rulebook.run_clock(category, severity, reported_ms, state),
        calls=tuple(calls),
        ladder=tuple(_list_rungs(rulebook, flow, category, severity, reported_ms, state)),
        alarms=alarms,
        lines=tuple(sorted(lines, key=lambda line: (line.at_ms, line.step.order if line.step else 0, line.thing))),
        begun=begun,
        ended=ended,
    )


def recall(alarm_id: str, alarm: Alarm) -> Iterator[Line]:
    """Yield the lines of an alarm of which only what it is now is known: when it came last, grew worse, and went."""
    if alarm.raised_ms is not None:
        yield Line(alarm.raised_ms, "alarm", RAISE, alarm_id, alarm.severity)
    if alarm.worsened_ms is not None:
        yield Line(alarm.worsened_ms, "alarm", WORSEN, alarm_id, alarm.severity)
    if not alarm.active and alarm.cleared_ms is not None:
        yield Line(alarm.cleared_ms, "alarm", CLEAR, alarm_id, alarm.severity)


def _known(heard: tuple[Heard, ...], at_ms: int) -> tuple[Heard, ...]:
    return tuple(one for one in heard if one.received_ms <= at_ms)


def _list_turns(alarm_id: str, passed: Iterable[tuple[Step, Alarm]]) -> Iterator[Line]:
    """Yield when an alarm came, grew worse and went; that it was raised again as it stood is none."""
    was = Alarm()
    for step, alarm in passed:
        if alarm.active != was.active:
            yield Line(step.at_ms, "alarm", RAISE if alarm.active else CLEAR, alarm_id, alarm.severity, step)
        elif was.active and alarm.severity < was.severity:
            yield Line(step.at_ms, "alarm", WORSEN, alarm_id, alarm.severity, step)
        was = alarm


def _find_ends(passed: Iterable[tuple[Step, CaseState]]) -> tuple[Step | None, Step | None]:
    begun: Step | None = None
    ended: Step | None = None
    was = CaseState()
    for step, state in passed:
        if state.in_incident and not was.in_incident:
            begun, ended = step, None
        elif was.in_incident and not state.in_incident:
            ended = step
        was = state
    return begun, ended


def _find_since(unit: str, passed: Iterable[tuple[Step, CaseState]]) -> int:
    """Return since when the unit has the case that has it now."""
    since_ms, held_by = 0, None
    for step, state in passed:
        if state.unit != held_by:
            since_ms, held_by = step.at_ms, state.unit
    return since_ms


def _list_rungs(
    rulebook: Rulebook, flow: Flow, category: str, severity: int, reported_ms: int, state: CaseState
) -> Iterator[Rung]:
    way = [(key, since_ms or reported_ms) for key, since_ms in (*state.trail, (state.state, state.since_ms))]
    for (key, entered_ms), (_, left_ms) in pairwise(way):
        yield Rung(key, "done", entered_ms, left_ms)
    here, entered_ms = way[-1]
    if not state.is_open:
        yield Rung(here, "done", entered_ms)
        return
    yield Rung(here, "now", entered_ms, clock=rulebook.run_step(category, severity, here, entered_ms, state))
    if flow.states[here].paused and state.trail:
        here = state.trail[-1][0]
        yield Rung(here, "next", limit=rulebook.limits.find(category, severity, here, flow.key))
    seen = {here}
    while action := flow.find_forward(here):
        target = flow.find_target(here, action)
        if target is None or target == BEFORE or target in seen or target not in flow.states:
            return
        here = target
        seen.add(here)
        yield Rung(here, "next", limit=rulebook.limits.find(category, severity, here, flow.key))
