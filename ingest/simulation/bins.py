"""Smart bins: filled by kind of waste and time of day, emptied on rounds that are sometimes late."""

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy
import pandas
from numpy.typing import NDArray

from geo.county import County
from ingest.simulation.chance import Floats, Keys, as_keys, draw, draw_normal, drift
from ingest.simulation.faults import listen
from ingest.simulation.places import pick_places
from ingest.simulation.schedule import DAY_S, HOUR_S, Happening, write_time

# By kind of waste: bins filled a day, days between two rounds. Kinds and names are WasteContainer's; rates are ours.
KINDS: dict[str, tuple[float, int]] = {
    "organic": (0.50, 1),
    "inorganic": (0.45, 1),
    "other": (0.45, 1),
    "plastic": (0.20, 3),
    "paper": (0.22, 3),
    "glass": (0.09, 7),
    "metal": (0.08, 7),
    "oil": (0.08, 7),
    "batteries": (0.05, 7),
    "electronics": (0.06, 7),
    "hazardous": (0.06, 7),
}
MISSED_ROUNDS = 0.05
REMEMBERED_DAYS = 16
"""So far back is looked for the last emptying; longer than twice the rarest round."""

# Share of a day's waste by hour: breakfast, noon, and most after supper.
_BY_HOUR = numpy.array([1, 1, 0, 0, 1, 3, 7, 10, 7, 4, 4, 6, 7, 5, 3, 3, 4, 6, 9, 10, 8, 5, 3, 2], dtype=float)
_FILLED_BY = numpy.concatenate([[0.0], numpy.cumsum(_BY_HOUR) / _BY_HOUR.sum()])
_STATUSES = ("ok", "lidOpen", "burning")


@dataclass(frozen=True)
class _Day:
    """One local day of every bin: the level at midnight, what comes in, and the round (`inf`: none)."""

    level: Floats
    inflow: Floats
    emptied_hour: Floats
    emptied_before: Floats


class Bins:
    """The bins of one county."""

    def __init__(self, county: County, seed: int) -> None:
        self._seed = seed
        self._zone = county.time_zone
        self.places = pick_places(county, "bin")
        kinds = self.places.column("waste_kind", "other")
        self._kinds = [kind if kind in KINDS else "other" for kind in kinds]
        keys = self.places.keys
        self._rate = numpy.array([KINDS[kind][0] for kind in self._kinds]) * _tell_density(county, self.places.rows)
        self._rate = self._rate * (0.6 + 0.7 * draw(seed, "bin rate", keys))
        self._every = numpy.array([KINDS[kind][1] for kind in self._kinds], dtype=numpy.int64)
        # One round serves a village: its bins are emptied within the hour.
        village = as_keys(str(code)[:12] for code in self.places.rows["cell_code"])
        self._round_hour = 4.5 + 4.5 * draw(seed, "round", village) + draw(seed, "stop", keys)
        self._turn = numpy.floor(draw(seed, "turn", village) * self._every).astype(numpy.int64)
        self._days: dict[int, _Day] = {}

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return what the bins say in [start, end)."""
        heard = listen(self._seed, self.places, every_s, start, end)
        if not len(heard):
            return []
        who, at = heard.who, heard.at
        level, emptied_at = self.measure(who, heard.true_at)
        noise = numpy.where(heard.noisy, 0.3, 0.006) * draw_normal(self._seed, "level", self.places.keys[who], at)
        return self._tell(who, at, numpy.clip(level + noise, 0.0, 1.0), emptied_at)

    def measure(self, who: Keys, at: Floats) -> tuple[Floats, Floats]:
        """Return the true level (0-1, full is full) and the moment of the last emptying of bins (positions)."""
        offset = _offset_s(self._zone, float(at[0]))
        local = at + offset
        days = numpy.floor(local / DAY_S).astype(numpy.int64)
        hour = (local % DAY_S) / HOUR_S
        level, emptied_at = numpy.empty(len(who)), numpy.empty(len(who))
        for number in numpy.unique(days).tolist():
            on = days == number
            day, those, clock = self._day(number), who[on], hour[on]
            filled = numpy.interp(clock, range(25), _FILLED_BY)
            emptied = day.emptied_hour[those]
            done = clock >= emptied
            since = numpy.interp(numpy.where(done, emptied, 0.0), range(25), _FILLED_BY)
            left = numpy.where(done, 0.0, day.level[those])
            level[on] = left + day.inflow[those] * (filled - since)
            today = number * DAY_S + emptied * HOUR_S
            emptied_at[on] = numpy.where(done, today, day.emptied_before[those]) - offset
        return numpy.minimum(level, 1.0), emptied_at

    def _day(self, number: int) -> _Day:
        known = self._days.get(number)
        if known is None:
            if len(self._days) > 4:
                self._days.clear()
            known = self._days[number] = self._make_day(number)
        return known

    def _make_day(self, number: int) -> _Day:
        """Return a day, by going through the days before it: long enough ago every bin was empty once."""
        first = number - REMEMBERED_DAYS
        level = numpy.zeros(len(self._rate))
        emptied_before = numpy.full(len(self._rate), first * DAY_S, dtype=float)
        for day in range(first, number):
            inflow, hour = self._inflow(day), self._emptied_hour(day)
            emptied = numpy.isfinite(hour)
            rest = 1.0 - numpy.interp(numpy.where(emptied, hour, 0.0), range(25), _FILLED_BY)
            level = numpy.where(emptied, 0.0, level) + inflow * rest
            emptied_before = numpy.where(emptied, day * DAY_S + numpy.where(emptied, hour, 0) * HOUR_S, emptied_before)
        return _Day(level, self._inflow(number), self._emptied_hour(number), emptied_before)

    def _inflow(self, day: int) -> Floats:
        weekend = 1.12 if (day + 3) % 7 >= 5 else 1.0
        return self._rate * weekend * (0.75 + 0.5 * draw(self._seed, "inflow", self.places.keys, day))

    def _emptied_hour(self, day: int) -> Floats:
        """Return the hour of a day's round for each bin; `inf` where there is none or it is missed."""
        due = (day + self._turn) % self._every == 0
        missed = draw(self._seed, "missed", self.places.keys, day) < MISSED_ROUNDS
        late = 5.0 * (draw(self._seed, "late", self.places.keys, day) < 0.08)
        return numpy.where(due & ~missed, self._round_hour + late, numpy.inf)

    def _status(self, who: Keys, at: Floats) -> NDArray[numpy.int64]:
        """Return positions in `_STATUSES`: a lid left open for an hour, and very rarely a fire."""
        slot = numpy.floor(at / HOUR_S)
        chance = draw(self._seed, "status", self.places.keys[who], slot)
        return numpy.where(chance < 1 / 60_000, 2, numpy.where(chance < 1 / 3_000, 1, 0))

    def _tell(self, who: Keys, at: Floats, level: Floats, emptied_at: Floats) -> list[Happening]:
        places, kinds = self.places, self._kinds
        status = self._status(who, at)
        hour = (at + _offset_s(self._zone, float(at[0]))) % DAY_S / HOUR_S
        air = 14 + 6 * numpy.sin((hour - 9) / 24 * 2 * numpy.pi) + 5 * drift(self._seed, "air", [0], at, 3 * DAY_S)
        heat = numpy.where(status == 2, 70 + 60 * draw(self._seed, "fire", who, at), 3 * level)
        columns = zip(
            who.tolist(),
            at.tolist(),
            numpy.round(level, 3).tolist(),
            emptied_at.tolist(),
            status.tolist(),
            numpy.round(air + heat, 1).tolist(),
            strict=True,
        )
        return [
            (
                moment,
                f"{places.ids[position]}@{int(moment)}",
                "iot.observed",
                {
                    "type": "WasteContainer",
                    "id": places.ids[position],
                    "location": places.points[position],
                    "storedWasteKind": kinds[position],
                    "fillingLevel": full,
                    "status": _STATUSES[state],
                    "temperature": warm,
                    "dateLastEmptying": write_time(emptied),
                    "binLoggedTime": write_time(moment),
                },
            )
            for position, moment, full, emptied, state, warm in columns
        ]


def _tell_density(county: County, rows: pandas.DataFrame) -> Floats:
    """Return 0.75 (country) to 1.15 (town) for each bin: the smaller its cell, the more people."""
    west, south, east, north = county.cells.geometry.bounds.to_numpy().T
    size = dict(zip(county.cells.index, (east - west) * (north - south), strict=True))
    middle = float(numpy.median(list(size.values()))) or 1.0
    found = numpy.array([size.get(code, middle) for code in rows["cell_code"]], dtype=numpy.float64)
    density: Floats = numpy.clip(1.0 - 0.12 * numpy.log2(found / middle), 0.75, 1.15)
    return density


def _offset_s(zone: ZoneInfo, at: float) -> float:
    moment = datetime.fromtimestamp(at, zone)
    return (moment.utcoffset() or moment - moment).total_seconds()
