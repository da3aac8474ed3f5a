"""China's statutory holidays and the weekends worked instead (调休), as the State Council announces them each November.

The dates come from the library `chinesecalendar`; docs/decisions/0010-clocks.md says why from there.
"""

from datetime import date
from typing import Final

import chinese_calendar

from geo.pack import Name

YEARS: Final = frozenset(day.year for day in chinese_calendar.holidays)
"""The years whose arrangement the library knows."""

_NAMES: Final = {holiday.value: Name(holiday.chinese, holiday.value) for holiday in chinese_calendar.Holiday}

HOLIDAYS: Final[dict[date, Name]] = {day: _NAMES[name] for day, name in chinese_calendar.holidays.items()}
"""Every day off, weekends in the midst of a holiday included, with the holiday's name."""

MAKE_UP_DAYS: Final[dict[date, Name]] = {day: _NAMES[name] for day, name in chinese_calendar.workdays.items()}
"""Every Saturday or Sunday that is worked, with the name of the holiday that it makes up for."""
