"""The life of an alarm, by the states of ISA-18.2, and what two operators at once make of it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.alarms import fold
from cases.fold import Step

MINUTE = 60_000


def do(order: int, action: str, minute: float | None = None, actor: str = "watch", **details: Any) -> Step:
    at_ms = int((order if minute is None else minute) * MINUTE)
    return Step(at_ms, order, action, None, actor, details, key=f"{action} {order}")


@pytest.mark.parametrize(
    ("actions", "state"),
    [
        ("", "normal"),
        ("raise", "unacked"),
        ("raise raise", "unacked"),
        ("raise ack", "acked"),
        ("raise clear", "returned"),
        ("raise clear ack", "normal"),
        ("raise ack clear", "normal"),
        ("raise ack clear raise", "unacked"),
        ("raise clear raise", "unacked"),
        ("raise ack raise", "acked"),  # raised again while it stands: seen already
        ("ack", "normal"),
        ("clear", "normal"),
        ("escalate assign comment shelve to_case nonsense", "normal"),
    ],
)
def test_states(actions: str, state: str) -> None:
    assert fold(do(order, action) for order, action in enumerate(actions.split(), 1)).state == state


def test_what_is_raised_while_it_stands_only_counts() -> None:
    alarm = fold([do(1, "raise", severity=3, subject="满溢"), do(2, "raise", severity=3), do(3, "raise", severity=4)])
    assert (alarm.occurrences, alarm.repeats, alarm.severity, alarm.subject) == (1, 2, 3, "满溢")
    assert (alarm.raised_ms, alarm.seen_ms, alarm.version) == (MINUTE, 3 * MINUTE, MINUTE)


def test_growing_worse_is_news() -> None:
    alarm = fold([do(1, "raise", severity=3), do(2, "ack", actor="wang"), do(3, "raise", severity=1)])
    assert (alarm.state, alarm.severity, alarm.occurrences, alarm.unacked_ms) == ("unacked", 1, 1, 3 * MINUTE)


def test_an_end_told_before_its_beginning_ends_it_all_the_same() -> None:
    alarm = fold([do(1, "clear", minute=5), do(2, "raise", minute=4)])
    assert (alarm.state, alarm.occurrences) == ("returned", 1)
    alarm = fold([do(1, "raise", 1), do(2, "clear", 3), do(3, "raise", 2), do(4, "raise", 6), do(5, "clear", 4)])
    assert (alarm.state, alarm.occurrences) == ("unacked", 2)


def test_of_two_operators_at_once_the_second_is_told() -> None:
    first, second = do(2, "ack", actor="wang", expects=MINUTE), do(3, "ack", actor="li", expects=MINUTE)
    alarm = fold([do(1, "raise"), first, second])
    assert (alarm.acked_by, alarm.version, alarm.overtaken) == ("wang", MINUTE + 1, (second.key,))


def test_nobody_acknowledges_what_they_have_not_seen() -> None:
    blind = do(5, "ack", actor="wang", expects=MINUTE)
    alarm = fold([do(1, "raise"), do(3, "clear"), do(4, "raise"), blind])
    assert (alarm.state, alarm.overtaken) == ("unacked", (blind.key,))


def test_repeats_clearing_and_escalation_overtake_nobody() -> None:
    steps = [do(1, "raise"), do(2, "raise"), do(3, "escalate", rung=1), do(4, "clear"), do(5, "ack", expects=MINUTE)]
    assert fold(steps).state == "normal"


def test_shelving_ends_by_itself_and_raises_count_meanwhile() -> None:
    steps = [do(1, "raise"), do(2, "shelve", actor="wang", minutes=30, note="维修"), do(3, "clear"), do(4, "raise")]
    alarm = fold(steps)
    assert alarm.is_shelved(32 * MINUTE - 1)
    assert not alarm.needs_somebody(32 * MINUTE - 1)
    assert not alarm.is_shelved(32 * MINUTE)
    assert alarm.needs_somebody(32 * MINUTE)
    assert (alarm.state, alarm.occurrences, alarm.shelved_by) == ("unacked", 2, "wang")
    assert not fold([*steps, do(5, "unshelve")]).is_shelved(6 * MINUTE)


def test_what_was_done_stays_until_the_alarm_is_over_and_no_longer() -> None:
    steps = [
        do(1, "raise"),
        do(2, "assign", to="zhao"),
        do(3, "escalate", rung=1),
        do(4, "to_case", case_id="C-1"),
        do(5, "comment", actor="wang", note="传感器老化"),
        do(6, "clear"),
        do(7, "raise"),
    ]
    alarm = fold(steps)  # back before anybody acknowledged: the same trouble
    assert (alarm.assignee, alarm.rung, alarm.case_id, alarm.unacked_ms) == ("zhao", 1, "C-1", MINUTE)
    alarm = fold([*steps, do(8, "ack", actor="wang"), do(9, "clear"), do(10, "raise")])
    assert (alarm.assignee, alarm.rung, alarm.case_id, alarm.acked_by) == (None, 0, None, None)
    assert [comment.text for comment in alarm.comments] == ["传感器老化"]
    assert (alarm.occurrences, alarm.unacked_ms) == (3, 10 * MINUTE)


def test_an_acknowledged_alarm_is_not_escalated() -> None:
    assert fold([do(1, "raise"), do(2, "ack"), do(3, "escalate", rung=1)]).rung == 0


STEPS = st.lists(
    st.builds(
        lambda action, severity, expects, minute: (action, severity, expects, minute),
        st.sampled_from(["raise", "clear", "ack", "shelve", "unshelve", "assign", "escalate", "to_case", "comment"]),
        st.integers(1, 4),
        st.one_of(st.none(), st.integers(0, 5)),
        st.integers(0, 20),
    ),
    max_size=15,
).map(
    lambda rows: [
        do(order, action, minute, severity=severity, **({} if expects is None else {"expects": expects}))
        for order, (action, severity, expects, minute) in enumerate(rows)
    ]
)


@given(steps=STEPS, shuffle=st.randoms())
def test_order_of_arrival_and_repetition_do_not_matter(steps: list[Step], shuffle: Any) -> None:
    again = [*steps, *steps]
    shuffle.shuffle(again)
    assert fold(again) == fold(steps)


@given(steps=STEPS)
def test_what_always_holds(steps: list[Step]) -> None:
    alarm = fold(steps)
    raised = [step for step in steps if step.action == "raise" and step.key not in alarm.overtaken]
    assert alarm.occurrences <= len(raised)
    assert (alarm.occurrences > 0) == bool(raised)
    assert (alarm.unacked_ms is None) == alarm.acked
