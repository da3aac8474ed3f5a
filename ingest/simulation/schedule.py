"""When things happen: local time, staggered readings, and how often each kind of thing speaks."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import numpy

from ingest.simulation.chance import Floats, Keys

DAY_S = 86_400
HOUR_S = 3_600

Happening = tuple[float, str, str, dict[str, Any]]
"""When (epoch seconds), the event's id, its type, its data; ids are unique, so these sort by time and id."""


@dataclass(frozen=True)
class Cadence:
    """Seconds between two messages of one thing, by domain; None means that the domain is silent."""

    bins: int | None
    traffic: int | None
    air: int | None
    water: int | None
    workers: int | None
    declared: int | None


LIVE = Cadence(bins=1800, traffic=120, air=300, water=600, workers=300, declared=300)
THINNED = Cadence(bins=8 * HOUR_S, traffic=2 * HOUR_S, air=HOUR_S, water=HOUR_S, workers=None, declared=HOUR_S)
"""For the past: enough for charts and sparklines, few enough to be told in seconds."""

RECENT = replace(THINNED, bins=LIVE.bins)
"""For the last half hour of the past: no bin may look silent when the county is first seen."""


@dataclass(frozen=True)
class LocalTime:
    """The county's time of day for some moments: hour 0-24 with fraction, day number, and whether it is weekend."""

    hour: Floats
    day: Keys
    weekend: Any
    month: int


def tell_local(zone: ZoneInfo, at: Floats) -> LocalTime:
    """Return local times; the zone's offset is that of the first moment, so ask for hours, not for months."""
    first = datetime.fromtimestamp(float(at[0]), zone)
    local = at + (first.utcoffset() or first - first).total_seconds()
    day = numpy.floor(local / DAY_S).astype(numpy.int64)
    # 1970-01-01 was a Thursday: day 0 is weekday 3 when Monday is 0.
    return LocalTime((local % DAY_S) / HOUR_S, day, (day + 3) % 7 >= 5, first.month)


def find_due(stagger: Floats, every_s: int, start: float, end: float) -> tuple[Keys, Floats]:
    """Return which things speak in [start, end) and when: each every `every_s` seconds, each at its own second.

    `stagger` (0-1) is the part of `every_s` by which each is late. The moments are whole seconds and do not
    depend on where a span is cut.
    """
    phase = numpy.floor(stagger * every_s)
    first = phase + numpy.ceil((start - phase) / every_s) * every_s
    who: list[Keys] = []
    when: list[Floats] = []
    index = numpy.arange(len(stagger))
    for turn in range(int((end - start) // every_s) + 1):
        at = first + turn * every_s
        due = at < end
        who.append(index[due])
        when.append(at[due])
    return numpy.concatenate(who), numpy.concatenate(when)


def write_time(at: float) -> str:
    """Return epoch seconds as RFC 3339 in UTC, whole seconds."""
    return _write_second(int(at))


@lru_cache(maxsize=8192)
def _write_second(second: int) -> str:
    return f"{datetime.fromtimestamp(second, UTC).isoformat()[:-6]}Z"


def bump(hour: Floats, peak: float, width: float) -> Floats:
    """Return a bell of height 1 around an hour of the day, both in hours."""
    return numpy.exp(-0.5 * ((hour - peak) / width) ** 2)
