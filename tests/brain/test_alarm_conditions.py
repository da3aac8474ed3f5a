"""Delays, duration and change, each against a plain count second by second."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.alarm_conditions import Condition, Extreme, Timing

Turns = Sequence[tuple[int, bool]]


def run(turns: Turns, timing: Timing, until: int, looks: Sequence[int] = ()) -> list[tuple[int, bool]]:
    """The moments at which the alarm began and ended; `looks`: when somebody asks besides."""
    condition, changes = Condition(), []

    def settle(at: int) -> None:
        if condition.settle(at, timing):
            changes.append((condition.changed_ms, condition.active))

    for at, turn in sorted([*turns, *((look, None) for look in looks), (until, None)], key=lambda pair: pair[0]):
        settle(at)
        if turn is not None:
            condition.turn(turn, at, timing)
            settle(at)
    return changes


@pytest.mark.parametrize(
    ("turns", "timing", "changes"),
    [
        ([(10, True), (20, False)], Timing(), [(10, True), (20, False)]),
        ([(10, True), (14, False), (20, True)], Timing(on_ms=5), [(25, True)]),
        ([(10, True), (30, False)], Timing(on_ms=5), [(15, True), (30, False)]),
        ([(10, True), (20, False), (23, True), (40, False)], Timing(off_ms=5), [(10, True), (45, False)]),
        ([(10, True), (30, False), (33, True)], Timing(on_ms=8, off_ms=5), [(18, True)]),
        # Six of each ten: 4 s, a pause, then 2 s more; then it is less than six of the last ten from 24 on.
        (
            [(10, True), (14, False), (16, True), (20, False)],
            Timing(lasts_ms=6, within_ms=10),
            [(18, True), (23, False)],
        ),
        ([(10, True), (14, False), (30, True), (34, False)], Timing(lasts_ms=6, within_ms=10), []),
    ],
)
def test_delays_and_duration(turns: Turns, timing: Timing, changes: list[tuple[int, bool]]) -> None:
    assert run(turns, timing, 100) == changes


TURNS = st.lists(st.tuples(st.integers(1, 80), st.booleans()), max_size=25, unique_by=lambda pair: pair[0]).map(sorted)
TIMINGS = st.one_of(
    st.builds(lambda on, off: Timing(on, off), st.integers(0, 20), st.integers(0, 20)),
    st.builds(
        lambda lasts, more, off: Timing(0, off, lasts, lasts + more),
        st.integers(1, 20),
        st.integers(0, 30),
        st.integers(0, 20),
    ),
)


def count_by_ticks(turns: Turns, timing: Timing, until: int) -> list[tuple[int, bool]]:
    """The same by looking at every tick: at tick t the signal is that of the stretch before it."""
    signal = [False] * (until + 1)
    for at, turn in turns:
        signal[at:] = [turn] * (until + 1 - at)
    changes: list[tuple[int, bool]] = []
    active = False
    for now in range(until + 1):
        for abnormal in (
            signal[now - 1] if now else False,
            signal[now],
        ):  # what held until now, then what holds from now
            since = now
            while since > 0 and signal[since - 1] == abnormal:
                since -= 1
            held = now - since
            seen = sum(signal[max(now - timing.within_ms, 0) : now])
            if timing.lasts_ms:
                begins = abnormal and seen >= timing.lasts_ms
                ends = not abnormal and seen < timing.lasts_ms and held >= timing.off_ms
            else:
                begins = abnormal and held >= timing.on_ms
                ends = not abnormal and held >= timing.off_ms
            if (begins and not active) or (ends and active):
                active = not active
                changes.append((now, active))
    return changes


@settings(deadline=None)
@given(turns=TURNS, timing=TIMINGS, looks=st.lists(st.integers(0, 130), max_size=10))
def test_it_is_what_a_plain_count_says_however_often_somebody_looks(
    turns: Turns, timing: Timing, looks: list[int]
) -> None:
    expected = count_by_ticks(turns, timing, 150)
    assert run(turns, timing, 150) == expected
    assert run(turns, timing, 150, looks) == expected


@given(
    values=st.lists(st.tuples(st.integers(0, 100), st.integers(-50, 50)), unique_by=lambda pair: pair[0]).map(sorted),
    window=st.integers(0, 40),
)
def test_a_change_is_measured_from_the_extreme_of_the_window(values: list[tuple[int, int]], window: int) -> None:
    rise, fall = Extreme(), Extreme(-1)
    for place, (at, value) in enumerate(values):
        seen = [earlier for when, earlier in values[: place + 1] if when >= at - window]
        assert rise.change(value, at, window) == value - min(seen)
        assert fall.change(value, at, window) == value - max(seen)
