"""Incidents: the picture of a moment is made of what was known then, whenever it is asked for."""

import random
from typing import Any

import pytest

from brain.alarms import ACK, CLEAR, RAISE
from brain.incidents import WORSEN, Facts, Heard, Picture, recall, see
from cases.fold import Step
from cases.rulebook import Rulebook, read_rulebook
from geo.county import County

BEGAN_MS = 1_795_000_000_000
MINUTE_MS = 60_000
CASE = ("0115", 1, BEGAN_MS - 10 * MINUTE_MS)


@pytest.fixture(scope="module")
def rulebook(county: County) -> Rulebook:
    return read_rulebook(county)


def do(number: int, action: str, minute: float, unit: str | None = None, late_min: float = 0, **details: Any) -> Heard:
    at_ms = BEGAN_MS + round(minute * MINUTE_MS)
    step = Step(at_ms, number, action, unit, "wang", {"role": "county_duty", **details}, f"s {number}")
    return Heard(step, at_ms + round(late_min * MINUTE_MS))


def tell(*deeds: Heard, **around: tuple[Heard, ...]) -> Facts:
    return Facts(*CASE, tuple(deeds), around)


def names(picture: Picture) -> list[str]:
    return [line.action for line in picture.lines]


def test_units_ladder_and_log_of_an_incident(rulebook: Rulebook) -> None:
    picture = see(
        rulebook,
        tell(
            do(1, "accept", -8),
            do(2, "file", -7),
            do(3, "dispatch", -6, "U01"),
            do(4, "begin_incident", 0),
            do(5, "join", 1, units=["U02", "U03"]),
            do(6, "part_done", 5, "U02"),
            fire=(do(11, RAISE, -3, severity=1), do(12, CLEAR, 6), do(13, RAISE, 7, severity=2)),
            jam=(do(21, RAISE, 2, severity=4), do(22, RAISE, 3, severity=4), do(23, CLEAR, 4), do(24, ACK, 5)),
        ),
    )
    assert [(call.unit, call.lead, call.done_ms is not None) for call in picture.calls] == [
        ("U01", True, False),
        ("U02", False, True),
        ("U03", False, False),
    ]
    assert picture.calls[0].clock is not None and picture.calls[0].since_ms == BEGAN_MS - 6 * MINUTE_MS
    standing = [(rung.state, rung.standing) for rung in picture.ladder]
    assert standing[:4] == [("reported", "done"), ("accepted", "done"), ("filed", "done"), ("dispatched", "now")]
    assert {said for _, said in standing[4:]} == {"next"} and standing[-1][0] == "closed"
    # What came around before it began is in the picture but no line; that it was told again while it stood neither.
    assert names(picture)[3:] == ["begin_incident", "join", RAISE, CLEAR, "part_done", CLEAR, RAISE]
    assert {id: alarm.active for id, alarm in picture.alarms.items()} == {"fire": True, "jam": False}
    assert picture.begun is not None and picture.begun.key == "s 4" and picture.ended is None


def test_a_case_that_ends_ends_its_incident(rulebook: Rulebook) -> None:
    picture = see(rulebook, tell(do(1, "begin_incident", 0), do(2, "void", 3), do(3, "note", 4)))
    assert picture.state.incidents == ((BEGAN_MS, BEGAN_MS + 3 * MINUTE_MS),)
    assert picture.ended is not None and picture.ended.key == "s 2"
    again = see(rulebook, tell(do(1, "begin_incident", 0), do(2, "end_incident", 3), do(3, "begin_incident", 9)))
    assert again.begun is not None and again.begun.key == "s 3" and again.ended is None


def test_a_log_tells_that_an_alarm_that_stands_grew_worse(rulebook: Rulebook) -> None:
    fire = (do(11, RAISE, 1, severity=3), do(12, RAISE, 2, severity=1), do(13, RAISE, 3, severity=2))
    picture = see(rulebook, tell(do(1, "begin_incident", 0), fire=fire))
    worse = [(line.action, line.at_ms, line.severity) for line in picture.lines[1:]]
    assert worse == [(RAISE, BEGAN_MS + MINUTE_MS, 3), (WORSEN, BEGAN_MS + 2 * MINUTE_MS, 1)]
    recalled = [(line.action, line.at_ms) for line in recall("fire", picture.alarms["fire"])]
    assert recalled == [(action, at_ms) for action, at_ms, _ in worse]  # a wall, which knows no more, tells the same
    again = see(rulebook, tell(fire=(*fire, do(14, CLEAR, 4), do(15, RAISE, 5, severity=1))))
    assert [line.action for line in recall("fire", again.alarms["fire"])] == [RAISE]


def test_what_is_told_late_was_not_known_before(rulebook: Rulebook) -> None:
    facts = tell(do(1, "begin_incident", 0), do(3, "note", 8), do(4, "dispatch", 2, "U01", late_min=9))
    assert names(see(rulebook, facts.until(BEGAN_MS + 8 * MINUTE_MS))) == ["begin_incident", "note"]
    assert names(see(rulebook, facts)) == ["begin_incident", "dispatch", "note"]


@pytest.mark.parametrize("seed", range(20))
def test_a_replay_shows_at_each_moment_what_was_shown_then(rulebook: Rulebook, seed: int) -> None:
    """Facts come one by one, some late, and a picture is drawn after each; later the whole log is asked for each."""
    chance = random.Random(seed)
    live: dict[int, Picture] = {}
    deeds = [do(-1, "begin_incident", 0)]
    alarms: dict[str, list[Heard]] = {"fire": [], "jam": []}
    orders: list[Heard] = []
    facts = tell(*deeds)
    actions = [
        "accept",
        "file",
        "dispatch",
        "take",
        "join",
        "part_done",
        "note",
        "handle",
        "suspend",
        "resume",
        "close",
    ]
    for number in range(60):
        late_ms = chance.choice([0, 0, 0, 90_000, 3_600_000])
        known_ms = BEGAN_MS + number * 30_000
        kind = chance.random()
        action = chance.choice([*actions, "begin_incident", "end_incident", "reopen"])
        details: dict[str, Any] = {"role": "county_duty", "units": ["U02", "U03"], "severity": chance.randint(1, 4)}
        if chance.random() < 0.3:
            details["expects"] = chance.randint(0, number)
        if kind < 0.3:
            action = chance.choice([RAISE, CLEAR, ACK])
        step = Step(known_ms - late_ms, number, action, chance.choice(["U01", "U02", None]), "", details, f"s {number}")
        heard = Heard(step, known_ms)
        if kind < 0.3:
            alarms[chance.choice(["fire", "jam"])].append(heard)
        elif kind < 0.4:
            orders.append(heard)
        else:
            deeds.append(heard)
        known = {id: tuple(told) for id, told in alarms.items() if told}
        facts = Facts(*CASE, tuple(deeds), known, tuple(orders))
        live[known_ms] = see(rulebook, facts)
    for known_ms, picture in live.items():
        assert see(rulebook, facts.until(known_ms)) == picture
    assert any(picture.begun for picture in live.values())
