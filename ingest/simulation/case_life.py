"""How a case goes on after its report: the actions, by whom, and when."""

import math
import random
from dataclasses import dataclass

from ingest.simulation.schedule import DAY_S, HOUR_S

LONGEST_S = 20 * DAY_S
"""No invented case is open for longer."""

SELF_HANDLED, VOIDED, RETURNED, SUSPENDED, FORGOTTEN = 0.55, 0.03, 0.06, 0.04, 0.06
NIGHT_ENDS, NIGHT_BEGINS = 7, 21


@dataclass(frozen=True)
class Step:
    """One action: when (epoch seconds), which (see `cases.flow`), by whom, and what is noted."""

    at: float
    action: str
    actor: str
    unit: str | None = None
    note: str | None = None


@dataclass(frozen=True)
class Beginning:
    """What decides a case's life; `local_hour` is the hour of its report, `limit_s` its class's time limit."""

    at: float
    local_hour: float
    channel: str
    severity: int
    limit_s: float
    dispute: bool
    unit: str
    worker: str


def tell_life(case: Beginning, chance: random.Random) -> list[Step]:
    """Return a case's actions in the order of time, at least 20 s apart."""
    lot = chance.random()
    small = case.severity == 4 and case.channel in ("grid_worker", "patrol") and not case.dispute
    if small and chance.random() < SELF_HANDLED:
        steps = _handle_oneself(case, chance)
    elif lot < VOIDED:
        steps = _void(case, chance)
    else:
        steps = _go_through(case, chance, lot)
    return _in_order(case.at, steps)


def _handle_oneself(case: Beginning, chance: random.Random) -> list[Step]:
    """自处理: the grid worker who found it puts it right."""
    done = case.at + chance.uniform(8, 70) * 60
    return [
        Step(done, "handle", case.worker, note="网格员自行处置"),
        Step(done + chance.uniform(1, 6) * 60, "close", case.worker),
    ]


def _void(case: Beginning, chance: random.Random) -> list[Step]:
    accepted = case.at + chance.uniform(2, 25) * 60
    return [
        Step(accepted, "accept", _staff("受理员", 8, chance)),
        Step(accepted + chance.uniform(10, 90) * 60, "void", _staff("值班长", 4, chance), note="经核实不属实"),
    ]


def _go_through(case: Beginning, chance: random.Random, lot: float) -> list[Step]:
    lasts = _draw_length(case, chance)
    share = 1.0 if case.dispute else 0.5
    accept = case.at + min(0.05 * lasts, 12 * 60 * share * chance.uniform(0.3, 2))
    file = accept + min(0.05 * lasts, 20 * 60 * share * chance.uniform(0.3, 2))
    dispatch = file + min(0.06 * lasts, 30 * 60 * share * chance.uniform(0.3, 2))
    handle = case.at + lasts * chance.uniform(0.78, 0.88)
    check = case.at + lasts * chance.uniform(0.9, 0.95)
    steps = [
        Step(accept, "accept", _staff("受理员", 8, chance)),
        Step(file, "file", _staff("值班长", 4, chance)),
        Step(dispatch, "dispatch", _staff("派遣员", 6, chance), case.unit),
    ]
    if lot < VOIDED + RETURNED:
        back = dispatch + (handle - dispatch) * 0.5
        steps.append(Step(back, "handle", _crew(case, chance), case.unit))
        steps.append(Step(back + 0.05 * lasts, "return", case.worker, note="核查未通过，退回重新处置"))
    elif lot < VOIDED + RETURNED + SUSPENDED:
        pause = chance.uniform(0.6, 4) * DAY_S
        steps.append(Step(dispatch + 0.2 * lasts, "suspend", _staff("值班长", 4, chance), case.unit, "待施工条件具备"))
        steps.append(Step(dispatch + 0.2 * lasts + pause, "resume", _staff("值班长", 4, chance), case.unit))
        handle, check, lasts = handle + pause, check + pause, lasts + pause
    elif lot > 1 - FORGOTTEN:
        late = chance.uniform(1, 7) * DAY_S
        handle, check, lasts = handle + late, check + late, lasts + late
    steps.append(Step(handle, "handle", _crew(case, chance), case.unit))
    steps.append(Step(check, "check", case.worker))
    steps.append(Step(case.at + lasts, "close", _staff("值班长", 4, chance)))
    return steps


def _draw_length(case: Beginning, chance: random.Random) -> float:
    """Return seconds to the closing: most within the limit, and at night what can wait does."""
    middle = 0.3 if case.dispute else 0.42
    length = case.limit_s * middle * math.exp(chance.gauss(0, 0.55))
    night = case.local_hour >= NIGHT_BEGINS or case.local_hour < NIGHT_ENDS
    if night and case.severity > 2 and chance.random() < 0.5:
        length += ((NIGHT_ENDS - case.local_hour) % 24) * HOUR_S
    return min(max(length, 25 * 60), LONGEST_S - 8 * DAY_S)


def _in_order(begins: float, steps: list[Step]) -> list[Step]:
    ordered: list[Step] = []
    earliest = begins
    for step in sorted(steps, key=lambda step: step.at):
        earliest = max(float(int(step.at)), earliest + 20)
        ordered.append(Step(earliest, step.action, step.actor, step.unit, step.note))
    return ordered


def _staff(role: str, count: int, chance: random.Random) -> str:
    return f"{role}{chance.randint(1, count):02d}"


def _crew(case: Beginning, chance: random.Random) -> str:
    return f"{case.unit or '处置'}-{chance.randint(1, 9):02d}"
