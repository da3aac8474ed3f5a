"""How a case goes on after its report: the actions, by whom, and when; every life is legal in the built-in flows."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ingest.simulation.schedule import DAY_S, HOUR_S

LONGEST_S = 20 * DAY_S
"""No invented case is open for longer."""

SELF_HANDLED, VOIDED, RETURNED, SUSPENDED, HANDED_BACK, EXTENDED, FORGOTTEN = 0.55, 0.03, 0.06, 0.04, 0.04, 0.03, 0.06
VERIFIED_FIRST = 0.35
NIGHT_ENDS, NIGHT_BEGINS = 7, 21
COMPLEXITIES = {"simple": "village", "complex": "town", "difficult": "county"}
ROLES = {
    "受理员": "dispatcher",
    "派遣员": "dispatcher",
    "值班长": "county_duty",
    "村综治中心": "village_centre",
    "镇综治中心": "town_centre",
    "督查室": "supervisor",
}
"""In which role the invented staff acts, by how they are called."""
DONE = ("已现场处置完毕", "已整改到位，恢复原状", "已清理干净并拍照存档", "已维修完成")


@dataclass(frozen=True)
class Step:
    """One action: when (epoch seconds), which (see `cases.flow`), by whom, and what is said with it."""

    at: float
    action: str
    actor: str
    unit: str | None = None
    note: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Beginning:
    """What decides a case's life; `local_hour` is the hour of its report, `limit_s` its class's time limit.

    `units` are all that could handle it, `unit` the one that does first.
    """

    at: float
    local_hour: float
    channel: str
    severity: int
    limit_s: float
    dispute: bool
    unit: str
    worker: str
    units: Sequence[str] = ()


def tell_life(case: Beginning, chance: random.Random) -> list[Step]:
    """Return a case's actions in the order of time, at least 20 s apart."""
    lot = chance.random()
    small = case.severity == 4 and case.channel in ("grid_worker", "patrol") and not case.dispute
    if small and chance.random() < SELF_HANDLED:
        steps = _handle_oneself(case, chance)
    elif lot < VOIDED:
        steps = _void(case, chance)
    elif case.dispute:
        steps = _mediate(case, chance, lot)
    else:
        steps = _go_through(case, chance, lot)
    return _in_order(case.at, steps)


def tell_merge(at: float, into: str, chance: random.Random) -> list[Step]:
    """Return the life of a report that somebody else had made before: accepted, seen to be the same, merged."""
    accepted = at + chance.uniform(2, 15) * 60
    return _in_order(
        at,
        [
            Step(accepted, "accept", _staff("受理员", 8, chance)),
            Step(accepted + chance.uniform(1, 10) * 60, "merge", _staff("受理员", 8, chance), details={"into": into}),
        ],
    )


def _handle_oneself(case: Beginning, chance: random.Random) -> list[Step]:
    """自处理: the grid worker who found it puts it right."""
    done = case.at + chance.uniform(8, 70) * 60
    return [
        Step(done, "self_handle", case.worker, note="网格员自行处置"),
        Step(done + chance.uniform(3, 45) * 60, "close", "村综治中心"),
    ]


def _void(case: Beginning, chance: random.Random) -> list[Step]:
    accepted = case.at + chance.uniform(2, 25) * 60
    return [
        Step(accepted, "accept", _staff("受理员", 8, chance)),
        Step(accepted + chance.uniform(10, 90) * 60, "void", _staff("值班长", 4, chance), note="经核实不属实"),
    ]


def _go_through(case: Beginning, chance: random.Random, lot: float) -> list[Step]:
    lasts = _draw_length(case, chance)
    accept = case.at + min(0.05 * lasts, 6 * 60 * chance.uniform(0.3, 2))
    steps = []
    if case.channel in ("hotline", "app") and chance.random() < VERIFIED_FIRST:
        steps.append(Step(accept, "send_verify", _staff("受理员", 8, chance)))
        steps.append(Step(accept := accept + 0.04 * lasts, "verify_site", case.worker, note="现场情况属实"))
        accept += 60
    file = accept + min(0.05 * lasts, 10 * 60 * chance.uniform(0.3, 2))
    dispatch = file + min(0.06 * lasts, 15 * 60 * chance.uniform(0.3, 2))
    late = chance.uniform(1, 7) * DAY_S if lot > 1 - FORGOTTEN else 0.0
    pause = 0.0
    unit = case.unit
    steps += [
        Step(accept, "accept", _staff("受理员", 8, chance)),
        Step(file, "file", _staff("值班长", 4, chance)),
        Step(dispatch, "dispatch", _staff("派遣员", 6, chance), unit, details={"platform": "auto"}),
    ]
    if case.severity <= 2:
        steps += _call_in(case, dispatch, lasts, chance)
    lot -= VOIDED
    taken = dispatch + 0.03 * lasts
    if 0 <= lot < HANDED_BACK and len(case.units) > 1:
        unit = chance.choice([other for other in case.units if other != case.unit])
        steps.append(Step(taken, "hand_back", _crew(case.unit, chance), case.unit, "不属于本单位职责"))
        steps.append(Step(taken := taken + 0.03 * lasts, "dispatch", _staff("派遣员", 6, chance), unit))
        taken += 0.02 * lasts
    steps.append(Step(taken, "take", _crew(unit, chance), unit))
    lot -= HANDED_BACK
    if 0 <= lot < SUSPENDED:
        pause = chance.uniform(0.6, 4) * DAY_S
        steps.append(Step(taken + 0.15 * lasts, "suspend", _staff("值班长", 4, chance), None, "待施工条件具备"))
        steps.append(Step(taken + 0.15 * lasts + pause, "resume", _staff("值班长", 4, chance)))
    elif SUSPENDED <= lot < SUSPENDED + EXTENDED:
        extra = {"extra": {"amount": 1, "unit": "working_days"}}
        steps.append(Step(taken + 0.2 * lasts, "extend", _staff("值班长", 4, chance), None, "需协调多方", extra))
    if late:
        warned = min(case.at + case.limit_s * 1.3, case.at + lasts + 0.9 * late)
        steps.append(Step(warned, "supervise", "督查室", None, "超期未办结", {"card": "yellow"}))
    gone = pause + late
    if SUSPENDED + EXTENDED <= lot < SUSPENDED + EXTENDED + RETURNED:
        back = case.at + 0.5 * lasts
        steps.append(Step(back, "handle", _crew(unit, chance), unit, chance.choice(DONE)))
        steps.append(Step(back + 0.05 * lasts, "return", case.worker, None, "核查未通过，退回重新处置"))
    handle = case.at + lasts * chance.uniform(0.74, 0.84) + gone
    steps.append(Step(handle, "handle", _crew(unit, chance), unit, chance.choice(DONE)))
    steps.append(Step(case.at + 0.88 * lasts + gone, "send_check", _staff("受理员", 8, chance)))
    steps.append(Step(case.at + 0.94 * lasts + gone, "check", case.worker))
    steps.append(Step(case.at + lasts + gone, "close", _staff("值班长", 4, chance)))
    return steps


def _call_in(case: Beginning, dispatch: float, lasts: float, chance: random.Random) -> list[Step]:
    """大事全网联动: it is graded major, and other units are called in, each with its own part."""
    others = [unit for unit in case.units if unit != case.unit]
    called = chance.sample(others, min(len(others), chance.randint(1, 2)))
    if not called:
        return []
    head = _staff("值班长", 4, chance)
    return [
        Step(dispatch + 0.005 * lasts, "grade", head, details={"grade": "major"}),
        Step(dispatch + 0.01 * lasts, "join", head, details={"units": called}),
        *(Step(case.at + (0.4 + 0.1 * n) * lasts, "part_done", _crew(unit, chance), unit)
          for n, unit in enumerate(called)),
    ]  # fmt: skip


def _mediate(case: Beginning, chance: random.Random, lot: float) -> list[Step]:
    """A dispute: registered, triaged, assessed, mediated (now and then by a second procedure), followed up."""
    lasts = _draw_length(case, chance) + (chance.uniform(1, 5) * DAY_S if lot > 1 - FORGOTTEN else 0.0)
    complexity = chance.choices(tuple(COMPLEXITIES), (0.6, 0.3, 0.1))[0]
    colour = chance.choices(("green", "yellow", "red"), (0.62, 0.28, 0.1))[0]
    level = {"level": COMPLEXITIES[complexity], "complexity": complexity}
    steps = [
        Step(case.at + 0.02 * lasts, "accept", "村综治中心"),
        Step(case.at + 0.06 * lasts, "triage", _staff("受理员", 8, chance), details=level),
        Step(case.at + 0.12 * lasts, "assess", "镇综治中心", details={"colour": colour}),
        Step(case.at + 0.2 * lasts, "mediate", "镇综治中心", case.unit, details={"kind": "people"}),
    ]
    unit = case.unit
    if chance.random() < 0.18:
        kind = chance.choice(("administrative", "judicial", "arbitration", "litigation"))
        unit = chance.choice(list(case.units) or [case.unit])
        note = "一方不同意继续调解，转入其他程序"
        steps.append(Step(case.at + 0.45 * lasts, "hand_over", "镇综治中心", unit, note, {"kind": kind}))
    if chance.random() < 0.1:
        steps.append(Step(case.at + 0.55 * lasts, "fail", _crew(unit, chance), unit, "双方分歧较大，未达成一致"))
        steps.append(Step(case.at + 0.6 * lasts, "mediate", "镇综治中心", unit, details={"kind": "judicial"}))
    steps.append(Step(case.at + 0.8 * lasts, "settle", _crew(unit, chance), unit, "双方达成书面协议"))
    if chance.random() < 0.25:
        steps.append(Step(case.at + 0.85 * lasts, "confirm", _crew(unit, chance), unit))
    satisfied = chance.random() < 0.93
    steps.append(Step(case.at + 0.93 * lasts, "follow_up", case.worker, details={"satisfied": satisfied}))
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
        ordered.append(Step(earliest, step.action, step.actor, step.unit, step.note, step.details))
    return ordered


def find_role(step: Step) -> str:
    """Return the role in which somebody acted: staff by how they are called, crews by their unit, else the worker."""
    crew = step.actor.startswith(step.unit or "处置")
    return ROLES.get(step.actor.rstrip("0123456789"), "unit" if crew else "grid_worker")


def _staff(role: str, count: int, chance: random.Random) -> str:
    return f"{role}{chance.randint(1, count):02d}"


def _crew(unit: str, chance: random.Random) -> str:
    return f"{unit or '处置'}-{chance.randint(1, 9):02d}"
