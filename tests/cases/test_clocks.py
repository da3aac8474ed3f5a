"""Limits, clocks and their explanations: which rule, when due, which light, and why."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cases.calendars import Span, Unit, WorkCalendar
from cases.clocks import Clock, Stop, run_clock
from cases.explanation import explain
from cases.flow import load_built_in
from cases.limits import LimitRules, read_limits
from dashboard.clock_lines import tell_clock, tell_span
from geo.pack import Name, PackError
from geo.profile import Calendar, Profile, read_profile
from ingest.tables import as_ms

SHANGHAI = ZoneInfo("Asia/Shanghai")
MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
TEMPLATE = Path(__file__).resolve().parents[2] / "geo" / "template"
CALENDAR = WorkCalendar(
    Calendar((1, 2, 3, 4, 5), ((time(8, 30), time(12)), (time(14), time(17, 30))), frozenset(), frozenset()), SHANGHAI
)
STATES = {key: tuple(flow.states) for key, flow in load_built_in().items()}


def at(text: str) -> int:
    """Return a moment of the county's clocks in epoch ms."""
    return as_ms(datetime.fromisoformat(text).replace(tzinfo=SHANGHAI))


def make_profile(*codes: str, **hours: float) -> Profile:
    """Return a county with these classes, those in `hours` (as `c0102`) with a limit of their own."""
    rows: list[dict[str, Any]] = [{"code": code, "zh": code} for code in codes]
    rows += [{"code": code[1:], "zh": code, "limit_hours": limit} for code, limit in hours.items()]
    return read_profile({"code": "339901", "name": {"zh": "云溪县"}, "categories": rows})


def read(*rows: Mapping[str, Any], **hours: float) -> LimitRules:
    """Return the limits of these rows, for a county of classes 0101, 0102, 0201 and D01."""
    return read_limits({"limits": list(rows)}, make_profile("0101", "0102", "0201", "D01", **hours).categories, STATES)


def hours(amount: float, **row: Any) -> dict[str, Any]:
    """Return a row with a limit of plain hours."""
    return {"limit": {"amount": amount, "unit": "hours"}, **row}


def run(
    amount: float, unit: Unit, started: str, ended: str | None = None, stops: list[Stop] | None = None, *more: Span
) -> Clock:
    """Return a clock of a limit from a moment on."""
    limit = read({"limit": {"amount": amount, "unit": unit}}).find("0102", 3)
    clock = run_clock(limit, CALENDAR, at(started), stops or [], more, None if ended is None else at(ended))
    assert clock is not None
    return clock


# --- Which rule -------------------------------------------------------------------------------------------------------


def test_the_most_specific_rule_wins() -> None:
    rules = read(
        hours(10),
        hours(9, severities=[1, 2]),
        hours(8, flow="urban"),
        hours(7, categories=["01"]),
        hours(6, categories=["01", "02"], severities=[1]),
        hours(5, categories=["0102"]),
        hours(4, categories=["0102"], flow="urban"),
        hours(3, categories=["0102"], severities=[1], flow="urban"),
    )

    def find(category: str, severity: int, flow: str = "") -> float:
        limit = rules.find(category, severity, flow=flow)
        assert limit is not None
        return limit.span.amount

    assert find("D01", 4) == 10
    assert find("D01", 2) == 9
    assert find("D01", 2, "urban") == 9  # the severity before the flow
    assert find("D01", 4, "urban") == 8
    assert find("0101", 2, "urban") == 7  # the class before both
    assert find("0101", 1) == 6
    assert find("0102", 1) == 5
    assert find("0102", 2, "urban") == 4
    assert find("0102", 1, "urban") == 3


def test_a_choice_says_why() -> None:
    rules = read(hours(7, categories=["01"], severities=[1], source="通知 3 号", verified=True), hours(5))
    limit = rules.find("0102", 1)
    assert limit is not None
    assert (limit.beginning, limit.by_severity, limit.by_flow) == ("01", True, False)
    assert (limit.rule.place, limit.rule.source, limit.rule.verified) == ("cases.toml: limits[1]", "通知 3 号", True)
    other = rules.find("0102", 2)
    assert other is not None
    assert (other.beginning, other.by_severity, other.rule.verified) == ("", False, False)


def test_a_class_without_a_rule_keeps_its_plain_hours() -> None:
    rules = read(hours(2, categories=["03"], severities=[1]), c0301=72)
    assert [limit.span for severity in (1, 2) if (limit := rules.find("0301", severity))] == [
        Span(2, "hours"),
        Span(72, "hours"),
    ]
    default = rules.find("0301", 2)
    assert default is not None
    assert default.rule.place == "county.toml: categories: 0301: limit_hours"
    assert rules.find("0301", 2, "handling") is None  # hours to close are no limit of a step
    assert rules.find("0102", 2) is None
    assert read().find("0102", 1) is None


def test_a_step_may_have_a_share_of_the_whole() -> None:
    share = {"step": "handling", "share": 0.5}
    rules = read({"limit": {"amount": 4, "unit": "working_hours"}, "categories": ["01"]}, share, c0301=6)
    limit = rules.find("0102", 3, "handling", "urban")
    assert limit is not None
    assert (limit.span, limit.share, limit.rule.place) == (Span(2, "working_hours"), 0.5, "cases.toml: limits[2]")
    own = rules.find("0301", 3, "handling")
    assert own is not None
    assert own.span == Span(3, "hours")
    assert rules.find("0201", 3, "handling") is None  # half of nothing


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"limits": {}}, "cases.toml: limits must be a list of tables"),
        ([4], r"limits\[1\]: Expected `object`"),
        (
            [hours(4), hours(5)],
            r"limits\[2\]: class any, severity any, step total is already in cases.toml: limits\[1\]",
        ),
        ([hours(4, severities=[1, 2]), hours(5, severities=[2], step="total")], r"severity 2, step total is already"),
        ([{}], r"limits\[1\]: one of limit and share"),
        ([hours(4, share=0.5)], r"limits\[1\]: one of limit and share"),
        ([{"limit": 4}], r"limits\[1\].limit: Expected `object"),
        ([{"limit": {"amount": 4}}], r"limits\[1\].limit.unit: missing"),
        ([hours(-4)], r"limits\[1\].limit: amount must be above 0"),
        ([{"limit": {"amount": 4, "unit": "工作时"}}], r"limits\[1\].limit.unit: Invalid enum value"),
        ([{"share": 0.5}], r"limits\[1\].share: only a step"),
        ([{"share": 2, "step": "handling"}], r"limits\[1\].share: Expected `float` <= 1"),
        ([{"share": True, "step": "handling"}], r"limits\[1\].share: Expected `float"),
        ([hours(4, categories="0102")], r"limits\[1\].categories: Expected `array`"),
        ([hours(4, categories=["9"])], r"limits\[1\].categories: '9' begins no code"),
        ([hours(4, categories=[])], r"limits\[1\].categories: Expected `array` of length >= 1"),
        ([hours(4, severities=[1, 5])], r"limits\[1\].severities\[2\]: Expected `int` <= 4"),
        ([hours(4, severities=[True])], r"limits\[1\].severities\[1\]: Expected `int`"),
        ([hours(4, severity=[1])], r"limits\[1\].severity: there is no such field"),
        ([hours(4, step="sang")], r"limits\[1\].step: 'sang' is neither total nor a state"),
        ([hours(4, step="mediating", flow="urban")], r"limits\[1\].step: 'mediating' is neither"),
        ([hours(4, flow="rural")], r"limits\[1\].flow: there is no flow 'rural'"),
    ],
)
def test_bad_limits_are_refused(rows: Any, said: str) -> None:
    settings = rows if isinstance(rows, dict) else {"limits": rows}
    with pytest.raises(PackError, match=said):
        read_limits(settings, make_profile("0102").categories, STATES)


def test_bad_hours_of_a_class_are_refused() -> None:
    with pytest.raises(PackError, match=r"county\.toml: categories: 0102: limit_hours: amount"):
        read_limits({}, make_profile(c0102=1e9).categories, STATES)


# --- When due, and which light ----------------------------------------------------------------------------------------


def test_without_a_limit_there_is_no_clock() -> None:
    assert run_clock(None, CALENDAR, 0) is None


def test_the_lights_of_a_working_clock() -> None:
    clock = run(5, "working_hours", "2026-11-24T11:00")
    assert (clock.near_ms, clock.due_ms) == (at("2026-11-24T17:00"), at("2026-11-25T09:00"))
    assert not clock.stopped
    for moment, colour, share in [
        ("2026-11-24T10:00", "green", 0),
        ("2026-11-24T13:00", "green", 0.2),
        ("2026-11-24T17:00", "green", 0.8),
        ("2026-11-24T17:00:00.001", "yellow", 0.8),
        ("2026-11-24T23:00", "yellow", 0.9),
        ("2026-11-25T09:00", "yellow", 1),
        ("2026-11-25T09:00:00.001", "red", 1),
        ("2026-11-25T11:00", "red", 1.4),
    ]:
        assert clock.colour(at(moment)) == colour, moment
        assert clock.used_share(at(moment)) == pytest.approx(share, abs=1e-6), moment


def test_time_suspended_does_not_count() -> None:
    stops: list[Stop] = [(at("2026-11-24T10:00"), at("2026-11-26T15:00"))]
    clock = run(4, "working_hours", "2026-11-24T09:00", None, stops)
    assert clock.due_ms == at("2026-11-27T09:00")  # an hour on Tuesday, 2.5 on Thursday, half of one on Friday
    assert clock.colour(at("2026-11-25T10:00")) == "stopped"
    assert clock.used_share(at("2026-11-25T10:00")) == clock.used_share(at("2026-11-26T15:00")) == 0.25
    assert clock.colour(at("2026-11-26T15:00")) == "green"
    assert not clock.stopped


def test_nobody_knows_when_a_stopped_clock_is_due() -> None:
    clock = run(4, "hours", "2026-11-24T09:00", None, [(at("2026-11-24T12:30"), None)])
    assert clock.stopped
    assert (clock.near_ms, clock.due_ms) == (at("2026-11-24T12:12"), None)
    assert clock.colour(at("2026-11-24T12:20")) == "yellow"
    assert clock.colour(at("2029-01-01T00:00")) == "stopped"
    assert clock.used_share(at("2029-01-01T00:00")) == 0.875
    late = run(4, "hours", "2026-11-24T09:00", None, [(at("2026-11-24T14:00"), None)])
    assert late.due_ms == at("2026-11-24T13:00")  # it was late before it was suspended
    assert late.used_share(at("2026-11-25T00:00")) == 1.25


def test_what_was_granted_is_added() -> None:
    more = run(4, "working_hours", "2026-11-24T09:00", None, [], Span(2, "working_hours"), Span(1, "working_days"))
    assert more.due_ms == at("2026-11-25T17:00")
    mixed = run(2, "hours", "2026-11-24T11:00", None, [], Span(1, "working_hours"))
    assert mixed.due_ms == at("2026-11-24T15:00")  # two hours to 13:00, then one from 14:00
    assert mixed.used_share(at("2026-11-24T14:30")) == pytest.approx(2.5 / 3)
    assert mixed.near_ms == at("2026-11-24T14:24")
    assert mixed.used_share(at("2026-11-24T16:00")) == pytest.approx(4 / 3)


def test_a_pause_that_begins_when_all_is_used_delays_nothing() -> None:
    pause = (at("2026-11-24T13:00"), at("2026-11-24T15:00"))
    assert run(4, "hours", "2026-11-24T09:00", None, [pause]).due_ms == at("2026-11-24T13:00")
    assert run(4, "hours", "2026-11-24T09:00", None, [(pause[0], None)]).due_ms == at("2026-11-24T13:00")


def test_a_pause_before_what_was_granted_is_not_counted_twice() -> None:
    pause = (at("2026-11-24T10:00"), at("2026-11-24T11:00"))
    clock = run(2, "hours", "2026-11-24T09:00", None, [pause], Span(2, "working_hours"))
    assert clock.due_ms == at("2026-11-24T16:00")  # two hours to noon, then two from 14:00
    assert clock.used_share(at("2026-11-24T15:00")) == 0.75


def test_an_end_stops_the_clock_for_good() -> None:
    clock = run(4, "hours", "2026-11-24T09:00", "2026-11-24T12:30")
    assert clock.colour(at("2027-01-01T00:00")) == "yellow"
    assert clock.used_share(at("2027-01-01T00:00")) == 0.875
    assert run(4, "hours", "2026-11-24T09:00", "2026-11-24T13:00").colour(at("2027-01-01T00:00")) == "yellow"
    late = run(4, "hours", "2026-11-24T09:00", "2026-11-24T13:00:00.001")
    assert late.colour(at("2027-01-01T00:00")) == "red"
    suspended = run(4, "hours", "2026-11-24T09:00", "2026-11-26T09:00", [(at("2026-11-24T10:00"), None)])
    assert not suspended.stopped  # closed while it was suspended
    assert suspended.colour(at("2026-11-27T09:00")) == "green"


def test_stops_may_overlap_and_come_in_any_order() -> None:
    start = at("2026-11-24T09:00")
    hour = [start + number * HOUR_MS for number in range(-9, 9)]
    tidy = run(4, "hours", "2026-11-24T09:00", None, [(hour[12], None), (hour[4], hour[10]), (hour[9], hour[11])])
    assert tidy.stops == ((start, hour[11]), (hour[12], None))
    assert run(4, "hours", "2026-11-24T09:00", None, [(hour[1], hour[3])]).stops == ()
    assert run(4, "hours", "2026-11-24T09:00", None, [(hour[10], None), (hour[11], hour[12])]).stops == (
        (hour[10], None),
    )


# --- Against a model that walks minute by minute ----------------------------------------------------------------------

FIRST = datetime(2026, 9, 14, tzinfo=SHANGHAI)
WINDOW = 60 * 24 * 60
OFF = {date(2026, 9, day) for day in (25, 26, 27)} | {date(2026, 10, day) for day in range(1, 8)}
WORKED = {date(2026, 9, 20), date(2026, 10, 10)}


@cache
def walk() -> list[bool]:
    """Return of each minute of two months whether offices work."""
    minutes = []
    for number in range(WINDOW):
        clock = (FIRST.astimezone(UTC) + timedelta(minutes=number)).astimezone(SHANGHAI)
        works = clock.date() in WORKED or (clock.isoweekday() < 6 and clock.date() not in OFF)
        minute = clock.hour * 60 + clock.minute
        minutes.append(works and (510 <= minute < 720 or 840 <= minute < 1050))
    return minutes


@settings(max_examples=50, deadline=None)
@given(
    start=st.integers(0, WINDOW // 3),
    limit=st.builds(Span, st.integers(1, 20), st.sampled_from(["working_hours", "hours", "working_days", "days"])),
    more=st.lists(st.builds(Span, st.integers(1, 8), st.sampled_from(["working_hours", "hours"])), max_size=2),
    stops=st.lists(st.tuples(st.integers(0, WINDOW // 2), st.none() | st.integers(1, 5000)), max_size=3),
    now=st.integers(0, WINDOW - 1),
)
def test_a_clock_agrees_with_walking(
    start: int, limit: Span, more: list[Span], stops: list[tuple[int, int | None]], now: int
) -> None:
    first_ms = as_ms(FIRST)
    pauses = [(begin, WINDOW if length is None else begin + length) for begin, length in stops]
    allowed = {"hours": 60, "working_hours": 60, "days": 24 * 60, "working_days": 7 * 60}
    pieces = [(span.is_working, int(span.amount * allowed[span.unit])) for span in [limit, *more]]
    total = sum(minutes for _, minutes in pieces)
    used, used_now, near, due = 0, None, None, None
    left = [[working, minutes] for working, minutes in pieces]
    for place in range(start, WINDOW):
        if place == max(now, start):
            used_now = used
        if due is None and used >= total:
            due = place
        if near is None and used >= total * 0.8:
            near = place
        if any(begin <= place < end for begin, end in pauses):
            continue
        working = left[0][0]
        if walk()[place] or not working:
            used += 1
            left[0][1] -= 1
            if left[0][1] == 0 and len(left) > 1:
                left.pop(0)
    rule = read({"limit": {"amount": limit.amount, "unit": limit.unit}}).find("0102", 3)
    spans: list[Stop] = [
        (first_ms + begin * MINUTE_MS, None if length is None else first_ms + (begin + length) * MINUTE_MS)
        for begin, length in stops
    ]
    clock = run_clock(rule, CALENDAR, first_ms + start * MINUTE_MS, spans, more)
    assert clock is not None
    now_ms = first_ms + now * MINUTE_MS
    if due is not None:
        assert clock.due_ms == first_ms + due * MINUTE_MS
    else:
        assert clock.due_ms is None or clock.due_ms >= first_ms + WINDOW * MINUTE_MS
    if near is not None and total % 5 == 0:
        assert clock.near_ms == first_ms + near * MINUTE_MS
    assert used_now is not None
    assert clock.used_share(now_ms) == pytest.approx(used_now / total)
    if now >= start and any(begin <= now < end for begin, end in pauses):
        assert clock.colour(now_ms) == "stopped"
    else:
        light = "red" if due is not None and now > due else "yellow" if near is not None and now > near else "green"
        assert clock.colour(now_ms) == light


# --- The explanation --------------------------------------------------------------------------------------------------


def explain_demo(
    lang: str, started: str, now: str, stops: list[Stop], more: list[Span], code: str = "0102"
) -> list[str]:
    clock = run_clock(read_demo().find(code, 3), CALENDAR, at(started), stops, more)
    assert clock is not None
    return tell_clock(explain(clock, at(now), Name("上报", "Reported")), lang, SHANGHAI)


def test_a_deadline_explains_itself() -> None:
    stops: list[Stop] = [(at("2026-10-08T09:00"), at("2026-10-08T10:00"))]
    more = [Span(2, "working_days")]
    lines = explain_demo("zh", "2026-09-30T16:30", "2026-10-09T12:00", stops, more)
    assert lines[0] == "全程时限 4 工作时"
    assert lines[1].startswith("按类别 0102确定（cases.toml: limits[")
    assert lines[2:] == [
        "暴露垃圾：4 工作时",
        "依据：a district's 立案结案标准 (事件类), renrendoc 191493937",
        "自 2026-09-30 16:30 起计（上报）",
        "只计工作时间：周一、周二、周三、周四、周五 08:30–12:00、14:00–17:30，一个工作日合 7 小时",
        "2026-10-01 至 2026-10-07 国庆节放假，不计时",
        "2026-10-10 国庆节调休上班，计时",
        "挂账 2026-10-08 09:00 至 2026-10-08 10:00，不计时",
        "已批准延时 2 工作日",
        "已用 58%",
        "2026-10-10 08:54 用到 80%",
        "2026-10-10 14:30 到期",
    ]
    english = explain_demo("en", "2026-09-30T16:30", "2026-10-09T12:00", stops, more)
    assert len(english) == len(lines)
    assert "2026-10-01 to 2026-10-07: National Day, does not count" in english
    assert "2026-10-10: worked instead of National Day, counts" in english


def test_a_clock_of_plain_hours_says_so_and_names_no_holiday() -> None:
    lines = explain_demo("en", "2026-09-30T16:30", "2026-09-30T17:00", [], [], "0403")
    assert "Every hour counts, day and night, holidays too" in lines
    assert not any("National Day" in line for line in lines)
    assert lines[1] == "Chosen by class 0403 (county.toml: categories: 0403: limit_hours)"


def test_an_unknown_year_and_an_open_stop_are_said() -> None:
    lines = explain_demo("zh", "2026-12-31T17:00", "2027-01-04T10:00", [(at("2027-01-01T11:00"), None)], [])
    assert "2027 年法定节假日安排尚未收录，仅按星期和本县所列日期计算" in lines
    assert "挂账自 2027-01-01 11:00 起，时钟停走" in lines
    assert lines[-2:] == ["已用 75%", "恢复办理后才能确定到期时间"]


def test_the_countys_own_days_are_told_apart() -> None:
    own = Calendar((1, 2, 3, 4, 5), CALENDAR.hours, frozenset({date(2026, 11, 25)}), frozenset({date(2026, 11, 28)}))
    limit = read({"limit": {"amount": 3, "unit": "working_days"}, "step": "handling"}).find("0102", 3, "handling")
    clock = run_clock(limit, WorkCalendar(own, SHANGHAI), at("2026-11-24T17:00"), ended_ms=at("2026-11-27T09:00"))
    assert clock is not None
    told = explain(clock, at("2026-11-27T10:00"), Name("签收", "Taken"), Name("处置中", "Being handled"))
    lines = tell_clock(told, "en", SHANGHAI)
    assert lines[0] == "Being handled: limit of 3 working d"
    assert "2026-11-25: day off in this county, does not count" in lines
    assert "2026-11-28: worked in this county, counts" in lines
    assert lines[-1] == "Ended at 2026-11-27 09:00: the clock has stopped"


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (Span(0.2, "working_hours"), "12 工作分钟"),
        (Span(1.5, "hours"), "90 分钟"),
        (Span(0.75, "days"), "18 小时"),
        (Span(0.05, "days"), "72 分钟"),
        (Span(1.5, "working_days"), "1.5 工作日"),
        (Span(4, "working_hours"), "4 工作时"),
    ],
)
def test_spans_are_said_in_whole_numbers(span: Span, said: str) -> None:
    assert tell_span(span, "zh") == said


# --- The demo county --------------------------------------------------------------------------------------------------


@cache
def read_demo() -> LimitRules:
    """Return the demo county's limits."""
    county, cases = (tomllib.loads((TEMPLATE / name).read_text("utf-8")) for name in ("county.toml", "cases.toml"))
    return read_limits(cases, read_profile(county).categories, STATES)


@cache
def demo_categories() -> tuple[str, ...]:
    county = tomllib.loads((TEMPLATE / "county.toml").read_text("utf-8"))
    return tuple(read_profile(county).categories)


def measure_week_share(span: Span) -> float:
    """Return a span's length in plain hours, a working day counting as a day."""
    return CALENDAR.measure_ms(span) / HOUR_MS * (24 / 7 if span.is_working else 1)


@pytest.mark.parametrize("code", demo_categories())
def test_the_demos_limits_are_complete_and_make_sense(code: str) -> None:
    rules = read_demo()
    flow = load_built_in()["dispute" if code.startswith("D") else "urban"]
    county = tomllib.loads((TEMPLATE / "county.toml").read_text("utf-8"))
    category = read_profile(county).categories[code]
    before = 0.0
    for severity in (1, 2, 3, 4):
        whole = rules.find(code, severity, flow=flow.key)
        assert whole is not None
        assert whole.rule.source
        length = measure_week_share(whole.span)
        assert length >= before  # the worse the sooner
        before = length
        for state in flow.states.values():
            step = rules.find(code, severity, state.key, flow.key)
            assert (step is None) == (state.ended or state.paused), state.key
            assert step is None or (step.rule.source and measure_week_share(step.span) <= length)
    plain = rules.find(code, 4, flow=flow.key)
    assert plain is not None  # what Open311 and the simulator go by is of the same size
    assert (
        plain.span.amount * {"minutes": 1 / 60, "hours": 1, "days": 24}[plain.span.plain_unit] == category.limit_hours
    )


def test_what_a_published_table_gives_is_marked_verified() -> None:
    published = {"0101": (20, "working_days"), "0102": (4, "working_hours"), "0103": (2, "working_days")}
    published |= {"0104": (2, "working_hours"), "0106": (4, "working_hours"), "0406": (4, "working_hours")}
    for code, (amount, unit) in published.items():
        limit = read_demo().find(code, 3)
        assert limit is not None
        assert (limit.span.amount, limit.span.unit, limit.rule.verified) == (amount, unit, True)
    other = read_demo().find("0501", 3)
    assert other is not None
    assert not other.rule.verified
