"""Patrols: who walks their cell by the pack's plans, most of them in time. Visits to persons are nobody's invention."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy

from geo.county import County
from ingest.simulation.chance import as_keys, draw
from ingest.simulation.schedule import DAY_S, HOUR_S, Happening, write_time

FIRST_MONDAY: Final = 4
"""Days from 1970-01-01 to the Monday at which all turns begin, as `cases.rounds.FIRST_MONDAY` has it."""

DONE: Final = 0.94
"""How many of its turns a cell is walked in, on average; some workers are slacker than others."""

BEGINS_H, LASTS_H = 8.0, 9.5
"""The hours of the day in which people are about."""


class _Patrol(NamedTuple):
    key: str
    every_days: int
    cells: tuple[str, ...]


class Rounds:
    """The patrols of one county."""

    def __init__(self, county: County, seed: int) -> None:
        self._seed = seed
        self._zone = county.time_zone
        cells = county.cells
        self._codes = [str(code) for code in cells.index]
        self._keys = as_keys(self._codes)
        inside = cells.geometry.representative_point()
        self._lon, self._lat = inside.x.round(6).tolist(), inside.y.round(6).tolist()
        workers = cells["responsible"].tolist() if "responsible" in cells else [None] * len(self._codes)
        self._workers = [name if isinstance(name, str) and name else "网格员" for name in workers]
        self._diligence = 1.0 - (1.0 - DONE) * 2.0 * draw(seed, "diligence", self._keys)
        self._plans = _list_patrols(county.case_settings.get("patrols"))

    def happen(self, start: float, end: float) -> list[Happening]:
        """Return the check-ins of [start, end) (epoch seconds); however a span is cut, they are the same."""
        return [happening for plan in self._plans for happening in self._walk(plan, start, end)]

    def _walk(self, plan: "_Patrol", start: float, end: float) -> list[Happening]:
        key, every, begins = plan
        mine = numpy.array([not begins or code.startswith(begins) for code in self._codes])
        offset_s = self._offset_s(start)
        first, last = (int((at + offset_s) // DAY_S - FIRST_MONDAY) // every for at in (start, end))
        told: list[Happening] = []
        for turn in range(first, last + 1):
            lot = [draw(self._seed, f"{purpose} {key}", self._keys, turn) for purpose in ("walked", "day", "hour")]
            day = FIRST_MONDAY + turn * every + numpy.floor(lot[1] * every)
            at = numpy.floor(day * DAY_S + (BEGINS_H + LASTS_H * lot[2]) * HOUR_S - offset_s)
            due = mine & (lot[0] < self._diligence) & (at >= start) & (at < end)
            told += [self._tell(key, turn, who, float(at[who])) for who in numpy.flatnonzero(due).tolist()]
        return told

    def _tell(self, plan: str, turn: int, who: int, at: float) -> Happening:
        data = {
            "plan": plan,
            "cell_code": self._codes[who],
            "worker": self._workers[who],
            "at": write_time(at),
            "lon": self._lon[who],
            "lat": self._lat[who],
        }
        return at, f"round/{plan}/{self._codes[who]}/{turn}", "task.checked", data

    def _offset_s(self, at: float) -> float:
        offset = datetime.fromtimestamp(at, self._zone).utcoffset()
        return offset.total_seconds() if offset else 0.0


def _list_patrols(rows: Any) -> list[_Patrol]:
    """Return a pack's patrols, without those that `cases.rounds` will object to: to say so is not for here."""
    patrols = []
    for row in rows if isinstance(rows, list) else ():
        match row:
            case {"kind": "patrol", "key": str(key), "every": {"amount": int(every), "unit": "days"}} if every > 0:
                patrols.append(_Patrol(key, every, tuple(map(str, row.get("cells", ())))))
    return patrols
