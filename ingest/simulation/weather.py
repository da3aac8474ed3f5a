"""Rain that moves across the county, what it floods, and the wind."""

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import numpy

from ingest.simulation.chance import Floats, Keys, draw
from ingest.simulation.schedule import DAY_S, HOUR_S

SLOT_S = DAY_S // 2
WET_CHANCE, DRY_CHANCE = 0.5, 0.3
WET_MONTHS = range(5, 10)
TRACK = 1.6
"""A storm's way, in widths of the county: it comes from outside and leaves."""

FLOOD_FROM_MM_H = 6.0
MOST_FLOODS = 3
MEMORY_S = 2 * DAY_S
"""Water stays turbid for so long at most."""


@dataclass(frozen=True)
class Storm:
    """One area of rain; places are in the county's box, (0, 0) south-west to (1, 1) north-east."""

    number: int
    begins: float
    lasts_s: float
    peak_mm_h: float
    heading: tuple[float, float]
    aside: float
    radius: float

    def fall(self, x: Floats, y: Floats, at: Floats) -> Floats:
        """Return the rain in mm/h at places and moments."""
        part = (at - self.begins) / self.lasts_s
        along = TRACK * (part - 0.5)
        east, north = self.heading
        dx = x - 0.5 - east * along + north * self.aside
        dy = y - 0.5 - north * along - east * self.aside
        strength = numpy.where((part > 0) & (part < 1), numpy.sin(math.pi * numpy.clip(part, 0, 1)), 0.0)
        return self.peak_mm_h * strength * numpy.exp(-(dx * dx + dy * dy) / (2 * self.radius**2))

    def pass_over(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Return when the storm is nearest to places, and how hard it then rains there (mm/h)."""
        east, north = self.heading
        part = numpy.clip(0.5 + ((x - 0.5) * east + (y - 0.5) * north) / TRACK, 0.02, 0.98)
        at = self.begins + part * self.lasts_s
        return at, self.fall(x, y, at)


@dataclass(frozen=True)
class Flood:
    """A spot under water for a while; `spot` is its position in the list that was asked about."""

    spot: int
    begins: float
    ends: float


@dataclass(frozen=True)
class Weather:
    """The weather of one county."""

    seed: int
    bbox: tuple[float, float, float, float]

    def scale(self, lon: Floats, lat: Floats) -> tuple[Floats, Floats]:
        """Return places (degrees) in the county's box."""
        west, south, east, north = self.bbox
        return (lon - west) / max(east - west, 1e-9), (lat - south) / max(north - south, 1e-9)

    def storms(self, start: float, end: float) -> list[Storm]:
        """Return the storms that begin in [start, end)."""
        slots = range(int(start // SLOT_S), int(end // SLOT_S) + 1)
        found = [_make_storm(self.seed, slot) for slot in slots]
        return [storm for storm in found if storm and start <= storm.begins < end]

    def rain(self, x: Floats, y: Floats, at: Floats) -> Floats:
        """Return the rain in mm/h at places of the box and moments that lie close together."""
        storms = self.storms(float(at.min()) - SLOT_S, float(at.max()) + 1)
        return sum((storm.fall(x, y, at) for storm in storms), numpy.zeros(len(at)))

    def runoff(self, x: Floats, y: Floats, at: Floats) -> Floats:
        """Return what rain upstream still does to the water (mm/h at its worst): a quick rise, a fall over hours."""
        total = numpy.zeros(len(at))
        for storm in self.storms(float(at.min()) - MEMORY_S, float(at.max()) + 1):
            worst_at, worst = storm.pass_over(x, y)
            since = at - worst_at
            total += worst * numpy.where(since < 0, numpy.exp(since / 1800), numpy.exp(-since / (5 * HOUR_S)))
        return total

    def floods(self, x: Floats, y: Floats, keys: Keys, start: float, end: float) -> list[Flood]:
        """Return the floods, among spots of the box, of the storms that begin in [start, end)."""
        found: list[Flood] = []
        for storm in self.storms(start, end):
            worst_at, worst = storm.pass_over(x, y)
            prone = numpy.where(worst >= FLOOD_FROM_MM_H, draw(self.seed, "flood", keys, storm.number), 2.0)
            for spot in numpy.argsort(prone, kind="stable")[:MOST_FLOODS]:
                if prone[spot] < 1:
                    begins = float(worst_at[spot]) + 600
                    found.append(Flood(int(spot), begins, begins + (80 + 100 * float(prone[spot])) * 60))
        return found


@lru_cache(maxsize=512)
def _make_storm(seed: int, slot: int) -> Storm | None:
    chance = [
        float(draw(seed, f"storm {purpose}", slot)[0]) for purpose in ("is", "at", "for", "peak", "to", "by", "r")
    ]
    month = datetime.fromtimestamp(slot * SLOT_S, UTC).month
    if chance[0] >= (WET_CHANCE if month in WET_MONTHS else DRY_CHANCE):
        return None
    angle = 2 * math.pi * chance[4]
    return Storm(
        number=slot,
        begins=(slot + 0.6 * chance[1]) * SLOT_S,
        lasts_s=(2 + 2 * chance[2]) * HOUR_S,
        peak_mm_h=10 + 30 * chance[3],
        heading=(math.cos(angle), math.sin(angle)),
        aside=0.5 * (chance[5] - 0.5),
        radius=0.2 + 0.15 * chance[6],
    )
