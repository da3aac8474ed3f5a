"""What a clock went by, so that every deadline can be told with its rule, its start, its calendar and its pauses."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from cases.calendars import DayException, Span
from cases.clocks import Clock, Colour, Stop
from cases.limits import Limit
from geo.pack import Name
from ingest.tables import as_time


@dataclass(frozen=True)
class DaysApart:
    """Days in a row that differ from their weekdays for one reason: off or worked; `name` as in `DayException`."""

    first: date
    last: date
    worked: bool
    name: Name | None


@dataclass(frozen=True)
class Explanation:
    """Everything that made a deadline; moments in epoch ms, days and hours in the county's time zone.

    event: what started the clock. step: the step's name, None for the whole case. working: whether any of it counts
    working time; only then are there `days_apart` (between the start and the deadline, or now where that is open) and
    `lacking_years`, whose holidays are unknown. weekdays: ISO, Monday 1. hours: as "08:30". day_ms: a working day.
    """

    limit: Limit
    event: Name
    step: Name | None
    started_ms: int
    near_ms: int | None
    due_ms: int | None
    ended_ms: int | None
    used_share: float
    colour: Colour
    working: bool
    weekdays: tuple[int, ...]
    hours: tuple[tuple[str, str], ...]
    day_ms: int
    days_apart: tuple[DaysApart, ...]
    lacking_years: tuple[int, ...]
    stops: tuple[Stop, ...]
    extensions: tuple[Span, ...]


def explain(clock: Clock, now_ms: int, event: Name, step: Name | None = None) -> Explanation:
    """Return what a clock goes by.

    event: what started it, in words (上报, or the state that was entered). step: the state's name for a step's clock.
    """
    calendar = clock.calendar
    working = any(allowance.working for allowance in clock.allowances)
    days = list(_list_days(clock, now_ms)) if working else []
    exceptions = (calendar.find_exception(day) for day in days)
    return Explanation(
        limit=clock.limit,
        event=event,
        step=step,
        started_ms=clock.started_ms,
        near_ms=clock.near_ms,
        due_ms=clock.due_ms,
        ended_ms=clock.ended_ms,
        used_share=clock.used_share(now_ms),
        colour=clock.colour(now_ms),
        working=working,
        weekdays=tuple(sorted(calendar.calendar.working_days)),
        hours=tuple((f"{start:%H:%M}", f"{end:%H:%M}") for start, end in calendar.hours),
        day_ms=calendar.day_ms,
        days_apart=tuple(_gather(exception for exception in exceptions if exception is not None)),
        lacking_years=tuple(sorted({day.year for day in days if calendar.lacks(day.year)})),
        stops=clock.stops,
        extensions=clock.extensions,
    )


def _list_days(clock: Clock, now_ms: int) -> Iterable[date]:
    zone = clock.calendar.time_zone
    end_ms = now_ms if clock.due_ms is None else clock.due_ms
    first, last = (as_time(ms).astimezone(zone).date() for ms in (clock.started_ms, max(end_ms, clock.started_ms)))
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _gather(exceptions: Iterable[DayException]) -> list[DaysApart]:
    """Return days in a row with one reason as one."""
    gathered: list[DaysApart] = []
    for day, worked, name in exceptions:
        first = day
        if gathered:
            before = gathered[-1]
            if (before.worked, before.name) == (worked, name) and before.last + timedelta(days=1) == day:
                first = gathered.pop().first
        gathered.append(DaysApart(first, day, worked, name))
    return gathered
