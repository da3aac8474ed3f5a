"""Working time against a model that walks minute by minute, with the State Council's own days as fixtures."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.calendars import DAY_MS, Span, Unit, WorkCalendar, read_span
from cases.holidays import YEARS
from geo.pack import PackError
from geo.profile import Calendar, read_profile

SHANGHAI = ZoneInfo("Asia/Shanghai")
OFFICE = ((time(8, 30), time(12)), (time(14), time(17, 30)))
NIGHT_SHIFT = ((time(0), time(3, 30)), (time(22), time(23, 45)))
MINUTE = timedelta(minutes=1)


def days(first: str, last: str) -> set[date]:
    """Return the days from one to another."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return {start + timedelta(days=number) for number in range((end - start).days + 1)}


# As announced: gov.cn 2024-11-12 and 2025-11-04. Not taken from the library.
OFF = (
    days("2025-01-28", "2025-02-04")
    | days("2025-10-01", "2025-10-08")
    | days("2026-02-15", "2026-02-23")
    | days("2026-09-25", "2026-09-27")
    | days("2026-10-01", "2026-10-07")
)
WORKED = {
    *map(date.fromisoformat, ("2025-01-26", "2025-02-08", "2025-09-28", "2025-10-11")),
    *map(date.fromisoformat, ("2026-02-14", "2026-02-28", "2026-09-20", "2026-10-10")),
}


def make_calendar(
    zone: ZoneInfo = SHANGHAI, hours: tuple[tuple[time, time], ...] = OFFICE, **more: object
) -> WorkCalendar:
    """Return a calendar of a five-day week; `more` are fields of `Calendar`."""
    fields: dict[str, object] = {"holidays": frozenset(), "extra_working_days": frozenset(), **more}
    return WorkCalendar(Calendar(working_days=(1, 2, 3, 4, 5), working_hours=hours, **fields), zone)  # type: ignore[arg-type]


def local(text: str, zone: ZoneInfo = SHANGHAI) -> datetime:
    """Return a moment by the clocks of a zone."""
    return datetime.fromisoformat(text).replace(tzinfo=zone)


# --- The days ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("year", [2025, 2026])
def test_statutory_holidays_and_make_up_days(year: int) -> None:
    calendar = make_calendar()
    listed = [day for day in OFF | WORKED if day.year == year]
    assert len(listed) > 15
    assert {day for day in listed if calendar.is_working_day(day)} == {day for day in WORKED if day.year == year}
    assert calendar.is_working_day(date(year, 12, 1))


def test_the_pack_outranks_the_state_and_the_state_the_weekday() -> None:
    calendar = make_calendar(
        holidays=frozenset({date(2026, 10, 10), date(2026, 12, 1)}),
        extra_working_days=frozenset({date(2026, 10, 2), date(2026, 12, 5)}),
    )
    assert not calendar.is_working_day(date(2026, 10, 10))  # a make-up day, which the county has off
    assert calendar.is_working_day(date(2026, 10, 2))  # National Day, which it works
    assert not calendar.is_working_day(date(2026, 12, 1))
    assert calendar.is_working_day(date(2026, 12, 5))


def test_a_county_elsewhere_has_no_chinese_holidays() -> None:
    profile = read_profile({"code": "170000", "name": {"zh": "芝加哥市"}, "time_zone": "America/Chicago"})
    calendar = WorkCalendar(profile.calendar, profile.time_zone)
    assert calendar.is_working_day(date(2026, 10, 1))
    assert not calendar.lacks(2500)
    assert read_profile({"code": "339901", "name": {"zh": "云溪县"}}).calendar.chinese_holidays


def test_years_that_the_library_lacks_are_said() -> None:
    calendar = make_calendar(holidays=frozenset({date(2500, 10, 1)}))
    assert {2025, 2026} <= YEARS
    assert not calendar.lacks(2026)
    assert calendar.lacks(2500)
    assert calendar.lacks(2003)
    assert not calendar.is_working_day(date(2500, 10, 1))  # the pack's own list still counts
    assert calendar.is_working_day(date(2500, 10, 4))  # a Monday


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"working_days": []}, "calendar.working_days is empty"),
        ({"working_hours": []}, "calendar.working_hours is empty"),
        ({"holidays": ["2026-05-01"], "extra_working_days": ["2026-05-01"]}, "2026-05-01 is in holidays and in"),
        ({"chinese_holidays": "yes"}, "calendar.chinese_holidays must be true or false"),
    ],
)
def test_a_bad_calendar_is_refused(table: dict[str, object], said: str) -> None:
    with pytest.raises(PackError, match=said):
        read_profile({"code": "339901", "name": {"zh": "云溪县"}, "calendar": table})
    with pytest.raises(PackError, match="calendar"):
        make_calendar(hours=())


# --- Spans ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "amount", "unit", "end"),
    [
        ("2026-11-24T09:00", 2, "working_hours", "2026-11-24T11:00"),
        ("2026-11-24T11:00", 4, "working_hours", "2026-11-24T17:00"),  # over lunch
        ("2026-11-24T16:30", 2, "working_hours", "2026-11-25T09:30"),  # over night
        ("2026-11-24T08:30", 3.5, "working_hours", "2026-11-24T12:00"),  # to the minute at which lunch begins
        ("2026-11-24T12:30", 30, "working_minutes", "2026-11-24T14:30"),  # from within lunch
        ("2026-11-28T03:00", 1, "working_hours", "2026-11-30T09:30"),  # from a Saturday night
        ("2026-11-27T10:00", 1, "working_days", "2026-11-30T10:00"),  # a working day is one day's working time
        ("2026-11-28T10:00", 1, "working_days", "2026-11-30T17:30"),
        ("2026-09-30T16:30", 4, "working_hours", "2026-10-08T11:30"),  # over National Day
        ("2026-09-30T16:30", 3, "working_days", "2026-10-10T16:30"),  # to the Saturday worked instead
        ("2026-09-18T17:00", 1, "working_days", "2026-09-20T17:00"),  # a Sunday worked before it
        ("2025-09-30T17:00", 2, "working_days", "2025-10-10T17:00"),
        ("2026-02-13T17:00", 2, "working_days", "2026-02-24T17:00"),  # over the Spring Festival of 2026
        ("2025-01-27T17:00", 4, "working_days", "2025-02-08T17:00"),  # and of 2025
        ("2026-10-03T01:02:03.456", 36, "hours", "2026-10-04T13:02:03.456"),  # plain hours know no holiday
        ("2026-12-31T17:00", 1, "working_hours", "2027-01-01T09:00"),  # 2027 is not known: a Friday is a Friday
    ],
)
def test_where_a_span_ends(start: str, amount: float, unit: Unit, end: str) -> None:
    calendar = make_calendar()
    assert calendar.add(local(start), Span(amount, unit)) == local(end)
    assert calendar.used(local(start), local(end), unit) == pytest.approx(amount)


def test_it_is_exact_to_the_millisecond() -> None:
    calendar = make_calendar()
    start = local("2026-11-24T17:29:59.999")
    assert calendar.add(start, Span(1, "working_minutes")) == local("2026-11-25T08:30:59.999")
    assert calendar.used(start, local("2026-11-25T08:30:00.001"), "working_minutes") * 60_000 == pytest.approx(2)
    assert calendar.used(start, start - MINUTE, "working_hours") == 0


def test_a_far_deadline_and_a_far_past_are_worked_out() -> None:
    calendar = make_calendar()
    assert calendar.add(local("2026-11-24T10:00"), Span(3000, "working_days")).year == 2038
    assert calendar.add(local("1999-12-31T17:00"), Span(1, "working_days")) == local("2000-01-03T17:00")
    assert calendar.used(local("1999-12-31T17:00"), local("2026-11-24T10:00"), "working_days") > 6600


def test_hours_that_overlap_count_once() -> None:
    calendar = make_calendar(hours=((time(14), time(18)), (time(9), time(12)), (time(11), time(13))))
    assert calendar.hours == ((time(9), time(13)), (time(14), time(18)))
    assert calendar.measure_ms(Span(1, "working_days")) == 8 * 3_600_000


@pytest.mark.parametrize(
    "value",
    [
        {"amount": 0, "unit": "hours"},
        {"amount": -1, "unit": "hours"},
        {"amount": float("nan"), "unit": "hours"},
        {"amount": float("inf"), "unit": "hours"},
        {"amount": 1e6, "unit": "working_days"},
        {"amount": "4", "unit": "hours"},
        {"amount": True, "unit": "hours"},
        {"amount": 4, "unit": "weeks"},
        {"amount": 4, "unit": ["hours"]},
        {"amount": 4},
        4,
    ],
)
def test_what_is_no_span(value: object) -> None:
    with pytest.raises(ValueError, match=r"amount|unit|object"):
        read_span(value)


# --- Against the model ------------------------------------------------------------------------------------------------

WINDOWS = {
    "national day 2025": (SHANGHAI, OFFICE, "2025-09-22", 30),
    "national day 2026": (SHANGHAI, OFFICE, "2026-09-14", 30),
    "spring festival 2025": (SHANGHAI, OFFICE, "2025-01-20", 25),
    "spring festival 2026": (SHANGHAI, OFFICE, "2026-02-09", 25),
    "clocks forward": (ZoneInfo("America/Los_Angeles"), NIGHT_SHIFT, "2026-03-05", 7),
    "clocks back": (ZoneInfo("America/Los_Angeles"), NIGHT_SHIFT, "2026-10-29", 7),
    "half an hour": (ZoneInfo("Australia/Lord_Howe"), NIGHT_SHIFT, "2026-04-02", 7),
    "China's last summer time": (SHANGHAI, NIGHT_SHIFT, "1991-09-10", 10),
    "a day left out": (ZoneInfo("Pacific/Apia"), OFFICE, "2011-12-27", 8),
}


@cache
def walk(name: str) -> tuple[WorkCalendar, datetime, list[bool]]:
    """Return a window's calendar, its first moment, and of each minute whether it is worked: the model.

    Every day of the week is worked where clocks change, so that the change falls into working time.
    """
    zone, hours, first, length = WINDOWS[name]
    chinese = zone is SHANGHAI and hours is OFFICE
    week = (1, 2, 3, 4, 5) if chinese else (1, 2, 3, 4, 5, 6, 7)
    calendar = WorkCalendar(Calendar(week, hours, frozenset(), frozenset(), chinese), zone)
    start = local(first, zone).astimezone(UTC)
    minutes = []
    for number in range(length * 24 * 60):
        clock = (start + number * MINUTE).astimezone(zone)
        day = clock.date()
        works = day in WORKED or (day.isoweekday() in week and day not in OFF) if chinese else True
        minutes.append(works and any(opens <= clock.time() < closes for opens, closes in hours))
    return calendar, start, minutes


@settings(deadline=None)
@given(st.sampled_from(sorted(WINDOWS)), st.data())
def test_used_and_add_agree_with_walking(name: str, data: st.DataObject) -> None:
    calendar, start, minutes = walk(name)
    places = st.integers(0, len(minutes))
    first, last = sorted((data.draw(places), data.draw(places)))
    begin, end = start + first * MINUTE, start + last * MINUTE
    worked = sum(minutes[first:last])
    assert calendar.used(begin, end, "working_minutes") == worked
    assert calendar.used(begin, end, "minutes") == last - first
    if worked:
        amount = data.draw(st.integers(1, worked))
        reached, place = 0, first
        while reached < amount:
            reached, place = reached + minutes[place], place + 1
        assert calendar.add(begin, Span(amount, "working_minutes")) == start + place * MINUTE


moments = st.integers(0, 24 * 365 * 86_400).map(lambda second: local("2004-01-01") + timedelta(seconds=second))
spans = st.builds(Span, st.floats(0.01, 400), st.sampled_from(get_args(Unit)))


@settings(deadline=None)
@given(moments, spans, st.sampled_from(sorted(WINDOWS)))
def test_add_undoes_used(start: datetime, span: Span, name: str) -> None:
    calendar, _, _ = walk(name)
    end = calendar.add(start, span)
    assert end > start
    assert calendar.used(start, end, span.unit) == pytest.approx(span.amount, abs=2 / DAY_MS * 1e3, rel=1e-6)
    assert calendar.used(start, end - timedelta(milliseconds=1), span.unit) < calendar.used(start, end, span.unit)


@settings(deadline=None)
@given(moments, moments, moments, st.sampled_from(get_args(Unit)))
def test_spans_of_time_add_up(one: datetime, two: datetime, three: datetime, unit: Unit) -> None:
    calendar, _, _ = walk("national day 2026")
    first, middle, last = sorted((one, two, three))
    parts = calendar.used(first, middle, unit) + calendar.used(middle, last, unit)
    assert calendar.used(first, last, unit) == pytest.approx(parts)
