"""Shifts (班次): the hours of the desks, from the pack's `[[shifts]]` in `cases.toml`, and which a moment is in.

Times of day are county time. A shift that ends at or before its beginning goes on into the next day; its date is the
day on which it begins.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from geo.pack import Name, PackError

DAY: Final = timedelta(days=1)
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,19}")
_KNOWN: Final = frozenset({"key", "zh", "en", "begins", "ends"})


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
    tables = settings.get("shifts", [])
    if not isinstance(tables, list):
        raise PackError("cases.toml: shifts must be a list of tables")
    shifts = tuple(_read_shift(table, f"cases.toml: shifts[{place}]") for place, table in enumerate(tables, 1)) or USUAL
    shifts = tuple(sorted(shifts, key=lambda shift: shift.begins))
    if len({shift.key for shift in shifts}) != len(shifts):
        raise PackError("cases.toml: shifts: two have the same key")
    for shift, following in zip(shifts, (*shifts[1:], shifts[0]), strict=True):
        if shift.ends != following.begins:
            raise PackError(
                f"cases.toml: shifts: {shift.key} ends at {shift.ends:%H:%M}, and {following.key}, the next, "
                f"begins at {following.begins:%H:%M}"
            )
    return ShiftTable(shifts, time_zone)


def _read_shift(table: Any, where: str) -> Shift:
    if not isinstance(table, Mapping):
        raise PackError(f"{where} must be a table")
    for name in table.keys() - _KNOWN:
        raise PackError(f"{where}.{name}: unknown; known are {', '.join(sorted(_KNOWN))}")
    for name in ("key", "zh", "begins", "ends"):
        if not isinstance(table.get(name), str):
            raise PackError(f"{where}.{name} must be a text")
    if not _KEY.fullmatch(table["key"]):
        raise PackError(f"{where}.key must be a small letter, then small letters, digits and _")
    begins, ends = (_read_time(table[name], f"{where}.{name}") for name in ("begins", "ends"))
    return Shift(table["key"], Name(table["zh"], str(table.get("en") or table["zh"])), begins, ends)


def _read_time(said: str, where: str) -> time:
    if not re.fullmatch(r"\d\d:\d\d", said):
        raise PackError(f'{where} must be like "08:00"')
    try:
        return time.fromisoformat("00:00" if said == "24:00" else said)
    except ValueError:
        raise PackError(f'{where} must be like "08:00"') from None
