"""Sensors that fail for some hours and come back: silent, stuck at a value, or noisy."""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from ingest.simulation.chance import Floats, Keys, draw
from ingest.simulation.places import Places
from ingest.simulation.schedule import DAY_S, HOUR_S, find_due

SOUND, SILENT, STUCK, NOISY = range(4)

FAULTS_PER_DAY = 0.008
SHORTEST_S, LONGEST_S = 1 * HOUR_S, 9 * HOUR_S


@dataclass(frozen=True)
class Heard:
    """Sensors (positions) that speak, when, the moment that their value is of, and whether it is noise."""

    who: Keys
    at: Floats
    true_at: Floats
    noisy: NDArray[numpy.bool_]

    def __len__(self) -> int:
        return len(self.who)


def listen(seed: int, places: Places, every_s: int, start: float, end: float) -> Heard:
    """Return who of the sensors speaks in [start, end): those that are due and not silent."""
    who, at = find_due(places.stagger, every_s, start, end)
    fault, true_at = find_faults(seed, places.keys[who], at)
    heard = fault != SILENT
    return Heard(who[heard], at[heard], true_at[heard], fault[heard] == NOISY)


def find_faults(seed: int, keys: Keys, at: Floats) -> tuple[NDArray[numpy.int64], Floats]:
    """Return each sensor's fault at a moment (`SOUND` for none) and the moment up to which its values are true.

    That is the moment itself, or for a stuck sensor the moment at which it stuck.
    """
    fault = numpy.zeros(len(keys), dtype=numpy.int64)
    true_at = at.copy()
    today = numpy.floor(at / DAY_S).astype(numpy.int64)
    # A fault may have begun yesterday: none lasts a day.
    for day in (today - 1, today):
        began = (day + draw(seed, "fault begins", keys, day)) * DAY_S
        lasts = SHORTEST_S + draw(seed, "fault lasts", keys, day) * (LONGEST_S - SHORTEST_S)
        faulty = draw(seed, "fault", keys, day) < FAULTS_PER_DAY
        active = faulty & (began <= at) & (at < began + lasts)
        kind = 1 + numpy.searchsorted([0.5, 0.75], draw(seed, "fault kind", keys, day), side="right")
        fault[active] = kind[active]
        stuck = active & (kind == STUCK)
        true_at[stuck] = began[stuck]
    return fault, true_at
