"""The figures of EEMUA 191 on a log counted by hand, and floods against a plain count second by second."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.alarm_load import Announcement, Flood, find_floods, list_announcements, measure_load
from cases.fold import Step

SECOND = 1000
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def come(
    alarm_id: str, minute: float, severity: int = 4, cleared: float | None = None, acked: float | None = None
) -> Announcement:
    at, clear, ack = (None if each is None else int(each * MINUTE) for each in (minute, cleared, acked))
    return Announcement(alarm_id, severity, at or 0, clear, ack)


# Two hours: twelve within the eleventh minute, one that chatters, one that is fleeting, and a few quiet ones.
LOG = [
    come("bin:1", -26 * 60.0, cleared=None),  # stands since yesterday: stale
    come("bin:2", -30.0, cleared=None),  # stands since before
    come("bin:3", -60.0, cleared=-10.0),
    *(
        come(f"jam:{number}", 10 + number / 12, severity=3, cleared=40.0, acked=11 + number / 12)
        for number in range(12)
    ),
    *(come("noise:M", 60 + number / 3, cleared=60 + number / 3 + 0.1) for number in range(4)),
    come("air:A", 90.0, severity=2, cleared=90.5),
    come("fire:B", 100.0, severity=1, cleared=None, acked=102.0),
    come("bin:9", 120.0),  # after the end
]


def test_a_log_counted_by_hand() -> None:
    load = measure_load(LOG, 0, 2 * HOUR)
    assert load.announced == 18
    assert load.per_ten_minutes == 1.5  # 18 in twelve times ten minutes
    assert load.verdict == "manageable"
    assert load.peak == 12
    # The eleventh of twelve comes at 10 min 50 s; from 20 min 35 s on fewer than five are younger than ten minutes.
    begin, end = 10 * MINUTE + 50 * SECOND, 20 * MINUTE + 35 * SECOND
    assert load.floods == (Flood(begin, end, 2),)
    assert load.flood_share == (end - begin) / (2 * HOUR)
    assert load.shares == {1: 1 / 18, 2: 1 / 18, 3: 12 / 18, 4: 4 / 18}
    assert load.standing == ("bin:1", "bin:2", "fire:B")
    assert load.stale == ("bin:1",)
    assert load.chattering == {"noise:M": 4}
    assert load.fleeting == {"air:A": 1}
    assert [(rule.rule, rule.count) for rule in load.worst] == [("jam", 12), ("noise", 4), ("air", 1), ("fire", 1)]
    assert load.worst[0].share == 12 / 18
    assert load.median_ack_ms == MINUTE


def test_operators_share_the_load() -> None:
    load = measure_load(LOG, 0, 2 * HOUR, operators=2)
    assert (load.per_ten_minutes, load.verdict, load.peak, load.floods) == (0.75, "acceptable", 6, ())


def test_no_alarm_is_no_load() -> None:
    load = measure_load([], 0, HOUR)
    assert (load.announced, load.peak, load.flood_share, load.worst, load.median_ack_ms) == (0, 0, 0, (), None)
    assert set(load.shares.values()) == {0}


@pytest.mark.parametrize(
    ("count", "verdict"), [(6, "acceptable"), (12, "manageable"), (60, "demanding"), (61, "unacceptable")]
)
def test_verdicts(count: int, verdict: str) -> None:
    assert measure_load([come(f"a:{n}", n * 0.9) for n in range(count)], 0, HOUR).verdict == verdict


def count_by_seconds(times_s: list[int], from_s: int, to_s: int, operators: int) -> list[tuple[int, int]]:
    """Floods by counting anew at every second."""
    flooded, floods = False, []
    for now in range(min([*times_s, from_s]), to_s):
        count = sum(now - 600 < at <= now for at in times_s)
        if not flooded and count > 10 * operators:
            flooded, begin = True, now
        elif flooded and count < 5 * operators:
            flooded = False
            floods.append((begin, now))
    if flooded:
        floods.append((begin, to_s))
    return [(max(begin, from_s), end) for begin, end in floods if end > from_s]


@settings(deadline=None, max_examples=40)
@given(
    bursts=st.lists(st.tuples(st.integers(-900, 3000), st.integers(1, 15), st.integers(1, 90)), max_size=6),
    operators=st.integers(1, 2),
)
def test_floods_are_what_a_plain_count_says(bursts: list[tuple[int, int, int]], operators: int) -> None:
    times_s = sorted(start + number * step for start, count, step in bursts for number in range(count))
    times_s = [at for at in times_s if at < 3600]
    floods = find_floods([at * SECOND for at in times_s], 0, 3600 * SECOND, operators)
    expected = count_by_seconds(times_s, 0, 3600, operators)
    assert [(flood.begin_ms // SECOND, flood.end_ms // SECOND) for flood in floods] == expected
    for flood, (begin, end) in zip(floods, expected, strict=True):
        assert flood.count == sum(begin <= at < end for at in times_s)


def test_announcements_of_one_alarm() -> None:
    def do(minute: int, action: str, **details: Any) -> Step:
        return Step(minute * MINUTE, minute, action, None, "wang", details, str(minute))

    steps = [
        do(1, "raise", severity=3),
        do(2, "raise", severity=3),  # while it stands: nothing is announced
        do(3, "clear"),
        do(4, "raise", severity=2),
        do(6, "ack"),
        do(7, "clear"),
        do(8, "shelve", minutes=10),
        do(9, "raise", severity=2),  # shelved: nobody hears of it
        do(10, "clear"),
        do(20, "raise", severity=2),
    ]
    assert list_announcements("jam:1", steps) == [
        come("jam:1", 1, 3, 3, 6),
        come("jam:1", 4, 2, 7, 6),
        come("jam:1", 20, 2),
    ]
