"""The clock of a case or of one of its steps: how much of its limit it has used, and when it will be used up.

It begins with an event (a report, a step entered), runs by the limit's unit, stands still while the case is suspended
(挂账) and is lengthened by what was granted (延时). Green to 80 %, yellow to 100 %, red beyond: the lights of 数字城管.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from cases.calendars import Span, WorkCalendar
from cases.limits import Limit

Colour = Literal["green", "yellow", "red", "stopped"]
Stop = tuple[int, int | None]
NEAR_PERCENT: Final = 80


class Allowance(NamedTuple):
    """So many milliseconds, of working time or of all time."""

    working: bool
    length_ms: int


@dataclass(frozen=True, slots=True)
class Clock:
    """One clock; moments are epoch ms.

    stops: the pauses since the start, in order and apart, the last without an end while it lasts. near_ms, due_ms: the
    first moments at which 80 % and 100 % are used; None while it is not known when, because the clock stands still.
    The light changes after them, also in a night in which no more is used: it is late after the deadline told.
    """

    limit: Limit
    calendar: WorkCalendar
    started_ms: int
    stops: tuple[Stop, ...]
    extensions: tuple[Span, ...]
    ended_ms: int | None
    allowances: tuple[Allowance, ...]
    near_ms: int | None
    due_ms: int | None

    @property
    def stopped(self) -> bool:
        """Whether the clock stands still until somebody resumes the case."""
        return bool(self.stops) and self.stops[-1][1] is None

    def colour(self, now_ms: int) -> Colour:
        """Return the light at a moment; after the end the light at which it ended."""
        now_ms = self._limit_moment(now_ms)
        if any(start <= now_ms and (end is None or now_ms < end) for start, end in self.stops):
            return "stopped"
        if self.near_ms is None or now_ms <= self.near_ms:
            return "green"
        return "yellow" if self.due_ms is None or now_ms <= self.due_ms else "red"

    def used_share(self, now_ms: int) -> float:
        """Return the share of the limit that is used at a moment: 0 at the start, 1 when due, more beyond."""
        now_ms = self._limit_moment(now_ms)
        *earlier, last = self.allowances
        used_ms, at_ms = 0, self.started_ms
        for allowance in earlier:
            end_ms = _reach(self.calendar, self.stops, at_ms, allowance)
            if end_ms is None or end_ms >= now_ms:
                last = allowance
                break
            used_ms, at_ms = used_ms + allowance.length_ms, end_ms
        used_ms += _count(self.calendar, self.stops, at_ms, now_ms, last.working)
        return used_ms / sum(allowance.length_ms for allowance in self.allowances)

    def _limit_moment(self, now_ms: int) -> int:
        return now_ms if self.ended_ms is None else min(now_ms, self.ended_ms)


def run_clock(
    limit: Limit | None,
    calendar: WorkCalendar,
    started_ms: int,
    stops: Iterable[Stop] = (),
    extensions: Iterable[Span] = (),
    ended_ms: int | None = None,
) -> Clock | None:
    """Return the clock of a case that began, paused, was given more time and ended at these moments (epoch ms).

    stops: (start, end), the end None while it lasts; in any order, and they may overlap. extensions: what was
    granted, in that order; each is used up by its own unit after what was there before. None without a limit.
    """
    if limit is None:
        return None
    granted = tuple(extensions)
    pauses = _tidy_stops(stops, started_ms, ended_ms)
    allowances = _add_up(calendar, [limit.span, *granted])
    near = _take(allowances, NEAR_PERCENT)
    return Clock(
        limit=limit,
        calendar=calendar,
        started_ms=started_ms,
        stops=pauses,
        extensions=granted,
        ended_ms=ended_ms,
        allowances=allowances,
        near_ms=_reach_all(calendar, pauses, started_ms, near),
        due_ms=_reach_all(calendar, pauses, started_ms, allowances),
    )


def _add_up(calendar: WorkCalendar, spans: Sequence[Span]) -> tuple[Allowance, ...]:
    """Return spans as allowances, neighbours that count the same time as one."""
    added: list[Allowance] = []
    for span in spans:
        length_ms = calendar.measure_ms(span)
        if added and added[-1].working == span.is_working:
            length_ms += added.pop().length_ms
        added.append(Allowance(span.is_working, length_ms))
    return tuple(added)


def _take(allowances: Sequence[Allowance], percent: int) -> list[Allowance]:
    """Return the first so many per cent of what is allowed in all."""
    left_ms = sum(allowance.length_ms for allowance in allowances) * percent // 100
    taken = []
    for allowance in allowances:
        taken.append(Allowance(allowance.working, min(allowance.length_ms, left_ms)))
        left_ms -= taken[-1].length_ms
    return taken


def _reach_all(
    calendar: WorkCalendar, stops: Sequence[Stop], start_ms: int, allowances: Iterable[Allowance]
) -> int | None:
    """Return the first moment at which all allowances are used, one after the other; None where a stop never ends."""
    at_ms: int | None = start_ms
    for allowance in allowances:
        if at_ms is not None and allowance.length_ms:
            at_ms = _reach(calendar, stops, at_ms, allowance)
    return at_ms


def _reach(calendar: WorkCalendar, stops: Sequence[Stop], start_ms: int, allowance: Allowance) -> int | None:
    working, left_ms = allowance
    for stop_ms, resume_ms in stops:
        ran_ms = calendar.count_ms(start_ms, stop_ms, working)
        if ran_ms >= left_ms:
            break
        if resume_ms is None:
            return None
        if resume_ms > start_ms:
            start_ms, left_ms = resume_ms, left_ms - ran_ms
    return calendar.reach_ms(start_ms, left_ms, working)


def _count(calendar: WorkCalendar, stops: Sequence[Stop], start_ms: int, end_ms: int, working: bool) -> int:
    """Return the milliseconds between two moments that are in no stop."""
    counted_ms = calendar.count_ms(start_ms, end_ms, working)
    for stop_ms, resume_ms in stops:
        resumed_ms = end_ms if resume_ms is None else min(resume_ms, end_ms)
        counted_ms -= calendar.count_ms(max(stop_ms, start_ms), resumed_ms, working)
    return counted_ms


def _tidy_stops(stops: Iterable[Stop], started_ms: int, ended_ms: int | None) -> tuple[Stop, ...]:
    """Return stops in order and within the clock's time, those that touch as one; an ended clock has none open."""
    tidy: list[Stop] = []
    for stop_ms, resume_ms in sorted(stops, key=lambda stop: stop[0]):
        begin_ms, end_ms = max(stop_ms, started_ms), resume_ms
        if ended_ms is not None:
            end_ms = ended_ms if end_ms is None else min(end_ms, ended_ms)
        if end_ms is not None and end_ms <= begin_ms:
            continue
        if tidy and (tidy[-1][1] is None or begin_ms <= tidy[-1][1]):
            begin_ms, last_ms = tidy.pop()
            end_ms = None if last_ms is None or end_ms is None else max(last_ms, end_ms)
        tidy.append((begin_ms, end_ms))
    return tuple(tidy)
