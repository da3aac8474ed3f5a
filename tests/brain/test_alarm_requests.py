"""Who may do what to an alarm, and what must be said with it."""

from typing import Any

import pytest

from brain.alarm_duties import decide
from brain.alarm_requests import check_request, list_legal
from brain.alarm_rules import AnyRule
from brain.alarms import TO_CASE, Alarm, fold
from cases.fold import Step
from cases.requests import Asker, BadField, NotLegal, Request
from geo.county import County
from tests.brain.alarm_packs import read

MINUTE = 60_000
OFFICER, LEADER, WALL = Asker("wang", "county_duty"), Asker("zhou", "leader"), Asker("east", "wall")
RULE = """
[[readings]]
key = "noise"
zh = "噪声"
severity = 2
feed = "noise"
at_least = 70
shelve_at_most_min = 60
escalate = [{ after_min = 5, to = "supervisor" }, { after_min = 15, to = "leader" }]
case = { category = "0301", after_min = 20 }
"""


def make(*actions: tuple[int, str, dict[str, Any]]) -> Alarm:
    return fold(
        Step(minute * MINUTE, order, action, None, "wang", details, str(order))
        for order, (minute, action, details) in enumerate(actions)
    )


RAISED = (0, "raise", {"severity": 2})


@pytest.fixture(scope="module")
def rule(county: County) -> AnyRule:
    return read(county, RULE).by_key["noise"]


def test_what_is_offered(rule: AnyRule) -> None:
    assert list_legal(make(RAISED), rule, OFFICER, 0) == ["ack", "assign", "comment", "shelve", "to_case"]
    over = make(RAISED, (1, "ack", {}), (2, "clear", {}))
    assert list_legal(over, rule, OFFICER, 0) == ["comment", "shelve"]
    shelved = make(RAISED, (1, "shelve", {"minutes": 30}), (1, "ack", {}), (2, "to_case", {"case_id": "C"}))
    assert list_legal(shelved, rule, OFFICER, 2 * MINUTE) == ["assign", "comment", "shelve", "unshelve"]
    assert list_legal(make(RAISED), rule, LEADER, 0) == ["comment"]
    assert list_legal(make(RAISED), rule, WALL, 0) == list_legal(Alarm(), rule, OFFICER, 0) == []


@pytest.mark.parametrize(
    "request_",
    [
        Request("ack"),
        Request("assign", details={"to": "zhao"}),
        Request("comment", note="看过"),
        Request("shelve", note="维修", details={"minutes": 60}),
        Request("to_case", details={"case_id": "C-1"}),
    ],
)
def test_what_is_in_order(rule: AnyRule, request_: Request) -> None:
    check_request(make(RAISED), rule, request_, OFFICER, 0)


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (Request("ack", details={"to": "x"}), "to"),
        (Request("ack", note="长" * 2001), "note"),
        (Request("assign"), "to"),
        (Request("assign", details={"to": 7}), "to"),
        (Request("comment"), "note"),
        (Request("shelve", details={"minutes": 30}), "note"),
        (Request("shelve", note="x"), "minutes"),
        (Request("shelve", note="x", details={"minutes": 61}), "minutes"),
        (Request("shelve", note="x", details={"minutes": 0}), "minutes"),
        (Request("shelve", note="x", details={"minutes": True}), "minutes"),
        (Request("ack", details={"expects": 1}), "expects"),
    ],
)
def test_what_is_wrong_is_named(rule: AnyRule, request_: Request, field: str) -> None:
    with pytest.raises(BadField) as problem:
        check_request(make(RAISED), rule, request_, OFFICER, 0)
    assert problem.value.name == field


def test_what_may_not_be(county: County, rule: AnyRule) -> None:
    for alarm, asker, action in (
        (make(RAISED), LEADER, "ack"),
        (make(RAISED), OFFICER, "raise"),
        (make(RAISED, (1, "ack", {})), OFFICER, "ack"),
        (make(RAISED), OFFICER, "unshelve"),
    ):
        with pytest.raises(NotLegal):
            check_request(alarm, rule, Request(action), asker, 2 * MINUTE)
    never = read(county, RULE.replace("shelve_at_most_min = 60", "shelve_at_most_min = 0")).by_key["noise"]
    with pytest.raises(NotLegal):
        check_request(make(RAISED), never, Request("shelve", note="x", details={"minutes": 1}), OFFICER, 0)


def test_it_goes_up_the_ladder_until_somebody_acknowledges(rule: AnyRule) -> None:
    def due(minute: float, *actions: tuple[int, str, dict[str, Any]]) -> Any:
        duty = decide("noise:M", make(RAISED, *actions), rule, int(minute * MINUTE))
        return duty and (duty.action, dict(duty.details))

    up = (5, "escalate", {"rung": 1})
    assert due(4.9) is None
    assert due(5) == ("escalate", {"rung": 1, "to": "supervisor"})
    assert due(14.9, up) is None
    assert due(15, up) == ("escalate", {"rung": 2, "to": "leader"})
    assert due(19, up, (15, "escalate", {"rung": 2})) is None
    assert due(19, up, (6, "ack", {})) is None
    assert due(19, (1, "shelve", {"minutes": 60})) is None
    # Chattering does not start the ladder anew, and what was over is escalated until somebody has seen it.
    assert due(5, (1, "clear", {}), (4, "raise", {})) == due(5, (1, "clear", {})) == due(5)


def test_it_becomes_a_case_by_rule_once(rule: AnyRule) -> None:
    acked = make(RAISED, (1, "ack", {}))
    assert decide("noise:M", acked, rule, 19 * MINUTE) is None
    duty, same = (decide("noise:M", acked, rule, minute * MINUTE) for minute in (20, 40))
    assert duty == same
    assert duty is not None
    assert (duty.action, duty.details) == ("to_case", {"category": "0301"})
    assert decide("noise:M", make(RAISED, (1, "ack", {}), (2, "clear", {})), rule, 40 * MINUTE) is None
    assert decide("noise:M", make(RAISED, (1, "ack", {}), (2, "to_case", {"case_id": "C"})), rule, 40 * MINUTE) is None
    other = decide("noise:N", acked, rule, 20 * MINUTE)
    assert other is not None
    assert other.key != duty.key


def test_an_alarm_about_a_case_makes_no_other(county: County) -> None:
    alarm = fold([Step(1, 1, "raise", key="r")])
    rules = read(county, "").by_key
    assert TO_CASE in list_legal(alarm, rules["bin_fire"], OFFICER, 2)
    assert TO_CASE not in list_legal(alarm, rules["severe_case"], OFFICER, 2)
