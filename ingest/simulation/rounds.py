"""Rounds: who walks their cell and visits people by the pack's plans, most of them in time, some late, some not."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy

from geo.county import County
from ingest.simulation.care import invent_persons
from ingest.simulation.chance import Floats, Keys, as_keys, draw
from ingest.simulation.schedule import DAY_S, HOUR_S, Happening, write_time

FIRST_MONDAY: Final = 4
"""Days from 1970-01-01 to the Monday at which all turns begin, as `cases.rounds.FIRST_MONDAY` has it."""

DONE: Final = 0.94
"""The part of tasks that is done in time, on average: a few workers are much slacker than the others."""

MADE_UP: Final = 0.5
"""The part of patrols owed that is made up for while there is time."""

INDOORS: Final = 0.3
"""The part of visits without a place."""

LATEST_DAYS: Final = 2
"""A visit comes at most so late."""

ASTRAY_DEG: Final = 0.0016
"""How wide around the middle of a cell people are seen: some 170 m, so that nobody is farther off than counts."""

MOST_SCHEDULES: Final = 64
"""So many turns of plans are kept worked out."""

BEGINS_H, LASTS_H = 8.0, 9.5
"""The hours of the day in which people are about."""


class _Plan(NamedTuple):
    key: str
    kind: str
    every_days: int
    grace_days: int
    cells: tuple[str, ...]
    groups: tuple[str, ...]


class _Walks(NamedTuple):
    """A plan with its tasks of one turn as columns: of which cell (position) each is, and to whom a visit goes."""

    plan: _Plan
    cells: Keys
    persons: list[str]
    keys: Keys


class Rounds:
    """The rounds of one county. Persons are visited in a fictional one alone: their register is invented, too."""

    def __init__(self, county: County, seed: int) -> None:
        self._seed = seed
        self._zone = county.time_zone
        cells = county.cells
        self._codes = [str(code) for code in cells.index]
        inside = cells.geometry.representative_point()
        self._lon, self._lat = inside.x.to_numpy(), inside.y.to_numpy()
        workers = cells["responsible"].tolist() if "responsible" in cells else [None] * len(self._codes)
        self._workers = [name if isinstance(name, str) and name else "网格员" for name in workers]
        slack = draw(seed, "diligence", as_keys(self._codes)) ** 5  # a sixth on average, and seldom much
        self._diligence = 1.0 - (1.0 - DONE) * 6.0 * slack
        self._walks = list(self._list_walks(county))
        self._schedules: dict[tuple[str, int], tuple[Keys, Floats]] = {}

    def happen(self, start: float, end: float) -> list[Happening]:
        """Return the check-ins of [start, end) (epoch seconds); however a span is cut, they are the same."""
        return [happening for walks in self._walks for happening in self._tell(walks, start, end)]

    def _list_walks(self, county: County) -> Iterator[_Walks]:
        position = {code: place for place, code in enumerate(self._codes)}
        persons = list(invent_persons(county)) if county.fictional else []
        for plan in _list_plans(county.case_settings.get("patrols")):
            covered = [code for code in self._codes if not plan.cells or code.startswith(plan.cells)]
            if plan.kind == "patrol":
                cells, names = covered, [""] * len(covered)
                keys = as_keys(covered)
            else:
                known = set(covered)
                visited = [one for one in persons if one.care_group in plan.groups and one.cell_code in known]
                cells, names = [one.cell_code for one in visited], [one.person for one in visited]
                keys = as_keys(names)
            if cells:
                yield _Walks(plan, numpy.array([position[code] for code in cells]), names, keys)

    def _tell(self, walks: _Walks, start: float, end: float) -> Iterator[Happening]:
        plan = walks.plan
        offset_s = self._offset_s(start)
        first, last = (int((at + offset_s) // DAY_S - FIRST_MONDAY) // plan.every_days for at in (start, end))
        for turn in range(first - 1, last + 1):  # some come only in the turn after
            who, local = self._find_schedule(walks, turn)
            begin, stop = numpy.searchsorted(local, (start + offset_s, end + offset_s))
            if begin == stop:
                continue
            east, north, indoors = self._draw(walks, turn, "east", "north", "indoors")
            for place in range(begin, stop):
                one, at = int(who[place]), float(local[place]) - offset_s
                cell, person = int(walks.cells[one]), walks.persons[one]
                data: dict[str, Any] = {
                    "plan": plan.key,
                    "cell_code": self._codes[cell],
                    "worker": self._workers[cell],
                    "at": write_time(at),
                }
                if not person or indoors[one] >= INDOORS:
                    data["lon"] = round(float(self._lon[cell] + (east[one] - 0.5) * ASTRAY_DEG), 6)
                    data["lat"] = round(float(self._lat[cell] + (north[one] - 0.5) * ASTRAY_DEG), 6)
                if person:
                    data["person"] = person
                yield at, f"round/{plan.key}/{person or self._codes[cell]}/{turn}", "task.checked", data

    def _find_schedule(self, walks: _Walks, turn: int) -> tuple[Keys, Floats]:
        """Return who comes in a turn, and when in seconds of local time, in that order; kept while turns go on."""
        key = walks.plan.key, turn
        if key not in self._schedules:
            if len(self._schedules) >= MOST_SCHEDULES:
                self._schedules.clear()
            self._schedules[key] = self._make_schedule(walks, turn)
        return self._schedules[key]

    def _make_schedule(self, walks: _Walks, turn: int) -> tuple[Keys, Floats]:
        plan = walks.plan
        comes_draw, day_draw, hour = self._draw(walks, turn, "comes", "day", "hour")
        comes = comes_draw < self._diligence[walks.cells]
        if plan.kind == "patrol":
            # Who has missed a patrol may make up for it in the days after.
            (again,) = self._draw(walks, turn, "again")
            late = plan.every_days + numpy.floor(day_draw * plan.grace_days)
            day = numpy.where(comes, numpy.floor(day_draw * plan.every_days), late)
            comes |= (again < MADE_UP) & (plan.grace_days > 0)
        else:
            # Everybody has a day of their own in each turn.
            (own,) = self._draw(walks, 0, "own day")
            latest = min(LATEST_DAYS, plan.grace_days)
            day = numpy.floor(own * plan.every_days) + numpy.floor(day_draw**3 * (1 + latest))  # seldom late
        local = numpy.floor(
            (FIRST_MONDAY + turn * plan.every_days + day) * DAY_S + (BEGINS_H + LASTS_H * hour) * HOUR_S
        )
        who = numpy.flatnonzero(comes)
        order = numpy.argsort(local[who], kind="stable")
        return who[order], local[who][order]

    def _draw(self, walks: _Walks, turn: int, *purposes: str) -> list[Floats]:
        return [draw(self._seed, f"{purpose} {walks.plan.key}", walks.keys, turn) for purpose in purposes]

    def _offset_s(self, at: float) -> float:
        offset = datetime.fromtimestamp(at, self._zone).utcoffset()
        return offset.total_seconds() if offset else 0.0


def _list_plans(rows: Any) -> Iterator[_Plan]:
    """Yield a pack's plans, without those that `cases.rounds` will object to: to say so is not for here."""
    for row in rows if isinstance(rows, list) else ():
        match row:
            case {"kind": "patrol" | "visit" as kind, "key": str(key)} if every := _read_days(row.get("every")):
                cells, groups = (tuple(map(str, row.get(name, ()))) for name in ("cells", "groups"))
                yield _Plan(key, kind, every, _read_days(row.get("grace")), cells, groups)


def _read_days(span: object) -> int:
    match span:
        case {"amount": int(days), "unit": "days"} if days > 0:
            return days
    return 0
