"""Shifts (班次): the hours of the desks, from the pack's `[[shifts]]` in `cases.toml`, and which a moment is in.

Times of day are county time. A shift that ends at or before its beginning goes on into the next day; its date is the
day on which it begins.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import msgspec

from cases.tables import FILE, Named, read_rows, read_time
from geo.pack import Name, PackError

DAY: Final = timedelta(days=1)


class _Row(Named, kw_only=True):
    key: Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]{0,19}$")]
    begins: str
    ends: str


@dataclass(frozen=True)
class Shift:
    """One shift of every day, in county time."""

    key: str
    name: Name
    begins: time
    ends: time


@dataclass(frozen=True)
class Turn:
    """One shift of one day: from `begins` to before `ends`, UTC."""

    date: date
    shift: Shift
    begins: datetime
    ends: datetime


USUAL: Final = (
    Shift("night", Name("夜班", "Night"), time(0), time(8)),
    Shift("early", Name("早班", "Early"), time(8), time(16)),
    Shift("late", Name("晚班", "Late"), time(16), time(0)),
)
"""For a pack that says nothing of shifts."""


@dataclass(frozen=True)
class ShiftTable:
    """The shifts of a county, in the order of the day; together they are the whole day, each hour once."""

    shifts: tuple[Shift, ...]
    time_zone: ZoneInfo

    def find(self, key: str) -> Shift | None:
        """Return a shift by its key."""
        return next((shift for shift in self.shifts if shift.key == key), None)

    def make_turn(self, day: date, shift: Shift) -> Turn:
        """Return a shift of a day."""
        end_day = day + DAY if shift.ends <= shift.begins else day
        begins, ends = (
            datetime.combine(on, at, self.time_zone).astimezone(UTC)
            for on, at in ((day, shift.begins), (end_day, shift.ends))
        )
        return Turn(day, shift, begins, ends)

    def list_turns(self, first: date, days: int) -> list[Turn]:
        """Return the turns of some days, in their order."""
        return [self.make_turn(first + DAY * place, shift) for place in range(days) for shift in self.shifts]

    def find_turn(self, at: datetime) -> Turn:
        """Return the turn that a moment is in."""
        today = at.astimezone(self.time_zone).date()
        turns = self.list_turns(today - DAY, 3)
        return max((turn for turn in turns if turn.begins <= at), key=lambda turn: turn.begins)

    def find_before(self, turn: Turn) -> Turn:
        """Return the turn before one."""
        return self.find_turn(turn.begins - timedelta(milliseconds=1))

    def find_after(self, turn: Turn) -> Turn:
        """Return the turn after one."""
        return self.find_turn(turn.ends)


def read_shifts(settings: Mapping[str, Any], time_zone: ZoneInfo) -> ShiftTable:
    """Return the shifts of a pack's `cases.toml`; raises `PackError` naming the bad field.

    Those of a pack must follow each other round the clock, so that somebody is answerable at every moment.
    """
    rows = read_rows(settings, "shifts", _Row)
    shifts = tuple(_make_shift(row, f"{FILE}: shifts[{number}]") for number, row in enumerate(rows, 1)) or USUAL
    shifts = tuple(sorted(shifts, key=lambda shift: shift.begins))
    if len({shift.key for shift in shifts}) != len(shifts):
        raise PackError(f"{FILE}: shifts: two have the same key")
    for shift, following in zip(shifts, (*shifts[1:], shifts[0]), strict=True):
        if shift.ends != following.begins:
            raise PackError(
                f"{FILE}: shifts: {shift.key} ends at {shift.ends:%H:%M}, and {following.key}, the next, "
                f"begins at {following.begins:%H:%M}"
            )
    return ShiftTable(shifts, time_zone)


def _make_shift(row: _Row, place: str) -> Shift:
    times = []
    for field, said in (("begins", row.begins), ("ends", row.ends)):
        try:
            times.append(read_time(said))
        except ValueError as reason:
            raise PackError(f"{place}.{field}: {reason}") from None
    return Shift(row.key, row.name, *times)
