"""A flood is one line a group: worst severity, count, and the worst member first."""

import pytest

from brain.alarm_groups import By, list_lines
from brain.alarm_rules import read_alarm_rules
from brain.alarms import Alarm
from geo.county import County

ALARMS = {
    "bin_tilt:B1": Alarm(
        active=True, acked=False, severity=4, raised_ms=10, occurrences=1, cell_code="339901001001001"
    ),
    "bin_overflow:B1": Alarm(
        active=True, acked=True, severity=4, raised_ms=20, occurrences=1, cell_code="339901001001001"
    ),
    "bin_overflow:B2": Alarm(
        active=True, acked=False, severity=3, raised_ms=5, occurrences=1, cell_code="339901002001001"
    ),
    "jam:D1": Alarm(active=False, acked=False, severity=3, raised_ms=30, occurrences=1, cell_code="339901002001001"),
    "outside:X": Alarm(active=True, acked=True, severity=1, raised_ms=1, occurrences=1),
    "jam:D2": Alarm(active=False, acked=True, severity=1, raised_ms=40, occurrences=1),
    "jam:D3": Alarm(active=True, acked=False, severity=1, raised_ms=40, occurrences=1, shelved_until_ms=200),
}


@pytest.mark.parametrize(
    ("by", "lines"),
    [
        (
            "alarm",
            [
                ("alarm", "outside:X", 1, 1, 0),
                ("alarm", "jam:D1", 3, 1, 1),
                ("alarm", "bin_overflow:B2", 3, 1, 1),
                ("alarm", "bin_tilt:B1", 4, 1, 1),
                ("alarm", "bin_overflow:B1", 4, 1, 0),
            ],
        ),
        (
            "cause",
            [("alarm", "outside:X", 1, 1, 0), ("alarm", "jam:D1", 3, 1, 1), ("cause", "bin_round", 3, 3, 2)],
        ),
        (
            "rule",
            [
                ("alarm", "outside:X", 1, 1, 0),
                ("alarm", "jam:D1", 3, 1, 1),
                ("rule", "bin_overflow", 3, 2, 1),
                ("alarm", "bin_tilt:B1", 4, 1, 1),
            ],
        ),
        ("area", [("alarm", "outside:X", 1, 1, 0), ("area", "339901002", 3, 2, 2), ("area", "339901001", 4, 2, 1)]),
    ],
)
def test_lines(county: County, by: By, lines: list[tuple[str, str, int, int, int]]) -> None:
    found = list_lines(ALARMS, read_alarm_rules(county), 100, by)
    assert [(line.by, line.key, line.severity, line.count, line.unacked) for line in found] == lines


def test_the_worst_member_comes_first(county: County) -> None:
    lines = list_lines(ALARMS, read_alarm_rules(county), 100, "cause")
    assert lines[-1].alarm_ids == ("bin_overflow:B2", "bin_tilt:B1", "bin_overflow:B1")


def test_what_was_shelved_is_back_when_its_time_is_over(county: County) -> None:
    assert "jam:D3" in {line.key for line in list_lines(ALARMS, read_alarm_rules(county), 200)}
