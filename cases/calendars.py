"""Working time: how long a limit is, when it runs out, and how much of it a span of time has used.

A county's offices work at the hours of `geo.profile.Calendar`, on its weekdays, less China's statutory holidays, plus
the weekends worked instead. What the pack itself lists outranks the statutory days, those outrank the weekday.

**A working day is the working time of one day**, from any moment on: two working days from Tuesday 10:00 are up on
Thursday 10:00. The law lets a term run to the end of its last day; so whoever keeps these keeps the law's, too.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, Literal, NamedTuple

import msgspec

from cases.holidays import HOLIDAYS, MAKE_UP_DAYS, YEARS
from cases.tables import split_fault
from geo.pack import Name, PackError
from geo.profile import Calendar
from ingest.tables import EPOCH, HOUR_MS, as_ms, as_time

Unit = Literal["minutes", "hours", "days", "working_minutes", "working_hours", "working_days"]
WORKING: Final = "working_"
MINUTE_MS: Final = 60_000
DAY_MS: Final = 24 * HOUR_MS
LONGEST_DAYS: Final = 3650

_UNIT_MS: Final = {"minutes": MINUTE_MS, "hours": HOUR_MS, "days": DAY_MS}


class Span(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A length of time in a unit; raises `ValueError` unless it is longer than nothing and at most ten years."""

    amount: int | float
    unit: Unit

    def __post_init__(self) -> None:
        if not 0 < self.amount * _UNIT_MS[self.plain_unit] <= LONGEST_DAYS * DAY_MS:
            raise ValueError(f"amount must be above 0 and at most {LONGEST_DAYS} days, not {self.amount!r}")

    @property
    def is_working(self) -> bool:
        """Whether only working time counts."""
        return self.unit.startswith(WORKING)

    @property
    def plain_unit(self) -> str:
        """`minutes`, `hours` or `days`, whether working or not."""
        return self.unit.removeprefix(WORKING)


def read_span(value: object) -> Span:
    """Return the span of `{amount, unit}`; raises `ValueError` with the reason where it is none."""
    try:
        return msgspec.convert(value, Span)
    except msgspec.ValidationError as error:
        field, reason = split_fault(error)
        raise ValueError(f"{field[1:]}: {reason}" if field else reason) from None


class DayException(NamedTuple):
    """A day, off or worked, that its weekday does not decide; `name` is None where the county itself says so."""

    day: date
    worked: bool
    name: Name | None


class WorkCalendar:
    """The working time of a county, exact to the millisecond, whatever the time zone's clocks do.

    Raises `PackError` for a calendar without any working time. Years are worked out when first asked for; a question
    within known years is two binary searches.
    """

    def __init__(self, calendar: Calendar, time_zone: tzinfo) -> None:
        self.calendar = calendar
        self.time_zone = time_zone
        self.hours = _merge(calendar.working_hours)
        if not calendar.working_days or not self.hours:
            raise PackError("county.toml: calendar: neither working_days nor working_hours may be empty")
        self._day_spans = [(_clock_ms(start), _clock_ms(end)) for start, end in self.hours]
        self.day_ms = sum(end - start for start, end in self._day_spans)
        self._known = _Table([], [], [], 0, 0, 0, -1)

    def is_working_day(self, day: date) -> bool:
        """Return whether offices work on a day of the county's time zone."""
        exception = self.find_exception(day)
        return day.isoweekday() in self.calendar.working_days if exception is None else exception.worked

    def find_exception(self, day: date) -> DayException | None:
        """Return what makes a day different; None where its weekday alone decides."""
        if day in self.calendar.extra_working_days:
            return DayException(day, True, None)
        if day in self.calendar.holidays:
            return DayException(day, False, None)
        if self.calendar.chinese_holidays:
            if day in MAKE_UP_DAYS:
                return DayException(day, True, MAKE_UP_DAYS[day])
            if day in HOLIDAYS:
                return DayException(day, False, HOLIDAYS[day])
        return None

    def lacks(self, year: int) -> bool:
        """Return whether a year's statutory holidays are unknown, so that only weekdays and the pack's lists count."""
        return self.calendar.chinese_holidays and year not in YEARS

    def add(self, start: datetime, span: Span) -> datetime:
        """Return the first moment (UTC) at which a span from an aware moment is used up.

        From outside working hours a working span begins at the next working moment.
        """
        return as_time(self.reach_ms(as_ms(start), self.measure_ms(span), span.is_working))

    def used(self, start: datetime, end: datetime, unit: Unit) -> float:
        """Return how many units of time lie between two aware moments; 0 where the end is not after the start."""
        span = Span(1, unit)
        return self.count_ms(as_ms(start), as_ms(end), span.is_working) / self.measure_ms(span)

    def measure_ms(self, span: Span) -> int:
        """Return a span's length: milliseconds of working time for a working span, of time otherwise."""
        unit_ms = self.day_ms if span.unit == "working_days" else _UNIT_MS[span.plain_unit]
        return max(1, round(span.amount * unit_ms))

    def count_ms(self, start_ms: int, end_ms: int, working: bool) -> int:
        """Return the milliseconds, working ones or all, between two moments in epoch ms; at least 0."""
        if end_ms <= start_ms:
            return 0
        if not working:
            return end_ms - start_ms
        table = self._cover(start_ms, end_ms)
        return table.sum_until(end_ms) - table.sum_until(start_ms)

    def reach_ms(self, start_ms: int, length_ms: int, working: bool) -> int:
        """Return the first moment (epoch ms) at which so many milliseconds, working ones or all, have passed."""
        if not working or length_ms <= 0:
            return start_ms + max(length_ms, 0)
        table = self._cover(start_ms, start_ms)
        while (end_ms := table.find_sum(table.sum_until(start_ms) + length_ms)) is None:
            table = self._cover(start_ms, table.end_ms)
        return end_ms

    def _cover(self, start_ms: int, end_ms: int) -> "_Table":
        """Return the working time of at least this span; tables are replaced, never changed: threads may share them."""
        table = self._known
        if start_ms < table.start_ms or end_ms >= table.end_ms:
            first, last = as_time(start_ms).year - 1, as_time(end_ms).year + 1
            if table.end_ms:
                first, last = min(first, table.first_year), max(last, table.last_year)
            self._known = table = self._work_out(first, last)
        return table

    def _work_out(self, first_year: int, last_year: int) -> "_Table":
        start_ms, end_ms = (as_ms(datetime(year, 1, 1, tzinfo=UTC)) for year in (first_year, last_year + 1))
        starts: list[int] = []
        ends: list[int] = []
        sums: list[int] = []
        total = 0
        for begins, ceases in self._list_working(start_ms, end_ms):
            total += ceases - begins
            starts.append(begins)
            ends.append(ceases)
            sums.append(total)
        return _Table(starts, ends, sums, start_ms, end_ms, first_year, last_year)

    def _list_working(self, start_ms: int, end_ms: int) -> Iterator[tuple[int, int]]:
        """Yield the spans of working time between two moments, in order, as (start, end) in epoch ms.

        Within one offset from UTC local days are all alike; where the offset changes the spans are cut, so that an
        hour which clocks skip does not count and one which they repeat counts twice.
        """
        for from_ms, to_ms, offset_ms in _list_offsets(start_ms, end_ms, self.time_zone):
            day_number = (from_ms + offset_ms) // DAY_MS
            while (midnight_ms := day_number * DAY_MS - offset_ms) < to_ms:
                if self.is_working_day(EPOCH.date() + timedelta(days=day_number)):
                    for opens_ms, closes_ms in self._day_spans:
                        begins = max(midnight_ms + opens_ms, from_ms)
                        ceases = min(midnight_ms + closes_ms, to_ms)
                        if begins < ceases:
                            yield begins, ceases
                day_number += 1


class _Table(NamedTuple):
    """Spans of working time in order (epoch ms), with the working milliseconds from the first to the end of each."""

    starts: list[int]
    ends: list[int]
    sums: list[int]
    start_ms: int
    end_ms: int
    first_year: int
    last_year: int

    def sum_until(self, at_ms: int) -> int:
        place = bisect_right(self.starts, at_ms) - 1
        return 0 if place < 0 else self.sums[place] - max(self.ends[place] - at_ms, 0)

    def find_sum(self, wanted: int) -> int | None:
        place = bisect_left(self.sums, wanted)
        return None if place == len(self.sums) else self.ends[place] - (self.sums[place] - wanted)


def _list_offsets(start_ms: int, end_ms: int, zone: tzinfo) -> Iterator[tuple[int, int, int]]:
    """Yield (from, to, offset from UTC) for each stretch between two moments in which a zone's offset is the same."""
    from_ms, offset_ms = start_ms, _find_offset(start_ms, zone)
    for day_ms in range(start_ms, end_ms, DAY_MS):
        if (later := _find_offset(day_ms, zone)) != offset_ms:
            changed_ms = _find_change(day_ms - DAY_MS, day_ms, zone)
            yield from_ms, changed_ms, offset_ms
            from_ms, offset_ms = changed_ms, later
    yield from_ms, end_ms, offset_ms


def _find_change(before_ms: int, after_ms: int, zone: tzinfo) -> int:
    """Return the first millisecond with the later of two offsets."""
    old = _find_offset(before_ms, zone)
    return (
        before_ms + 1 + bisect_left(range(before_ms + 1, after_ms), True, key=lambda ms: _find_offset(ms, zone) != old)
    )


def _find_offset(at_ms: int, zone: tzinfo) -> int:
    offset = as_time(at_ms).astimezone(zone).utcoffset()
    return 0 if offset is None else offset // timedelta(milliseconds=1)


def _merge(spans: tuple[tuple[time, time], ...]) -> tuple[tuple[time, time], ...]:
    """Return spans in order, those that touch or overlap as one."""
    merged: list[tuple[time, time]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            start, end = merged[-1][0], max(merged.pop()[1], end)
        merged.append((start, end))
    return tuple(merged)


def _clock_ms(clock: time) -> int:
    return ((clock.hour * 60 + clock.minute) * 60 + clock.second) * 1000 + clock.microsecond // 1000
