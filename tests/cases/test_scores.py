"""Scores: weights and bands of the formulas, and the steps that they count, on cases folded from actions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from cases.facts import CaseFacts, state_facts
from cases.fold import Step
from cases.indicators import Period
from cases.passages import list_passages
from cases.rulebook import Rulebook, read_rulebook
from cases.scores import (
    CLERK_BANDS,
    UNIT_BANDS,
    Score,
    bundle_scores,
    grade_number,
    list_actors,
    score_area,
    score_chief,
    score_clerk,
    score_dispatcher,
    score_inspector,
    score_room,
    score_unit,
)
from geo.county import County
from ingest.answers import Case
from ingest.tables import as_ms

MONDAY = datetime(2026, 11, 16, 1, tzinfo=UTC)  # nine in the morning in the county
MONTH = Period(MONDAY - timedelta(days=1), MONDAY + timedelta(days=29))
PATH = ("send_verify", "verify_site", "accept", "file", "dispatch", "take", "handle", "send_check", "check", "close")
ACTORS = {
    "send_verify": "clerk", "accept": "clerk", "send_check": "clerk", "verify_site": "worker", "check": "worker",
    "file": "chief", "close": "chief", "dispatch": "sender", "take": "crew", "handle": "crew",
}  # fmt: skip
Told = tuple[Case, list[Step]]


@pytest.fixture(scope="module")
def rulebook(county: County) -> Rulebook:
    return read_rulebook(county)


def tell(number: int, minutes: float, path: tuple[str, ...] = PATH, unit: str = "U02", **fields: Any) -> Told:
    """Return a case of class 0102 reported on Monday morning, one action every so many minutes."""
    known: dict[str, Any] = {
        "case_id": f"C{number}", "source": "s", "event_id": str(number), "origin": "live", "category": "0102",
        "title": "t", "severity": 4, "channel": "hotline", "people": None, "lon": None, "lat": None,
        "cell_code": None, "reported_at": MONDAY, "received_at": MONDAY, "last_action": "report",
        "last_action_at": MONDAY, "last_unit": None, "closed_at": None, "changed_at": MONDAY,
    }  # fmt: skip
    steps = [
        Step(
            as_ms(MONDAY + timedelta(minutes=minutes * count)),
            count,
            action,
            unit if action in ("dispatch", "take", "handle", "hand_back") else None,
            ACTORS.get(action, "somebody"),
            {},
            f"{number}/{count}",
        )
        for count, action in enumerate(path, 1)
    ]
    return Case(**(known | fields)), steps


def state(rulebook: Rulebook, told: Told, hours: float = 240) -> CaseFacts:
    return state_facts(rulebook, *told, MONDAY + timedelta(hours=hours))


def test_stays_follow_each_other_and_the_present_one_is_open(rulebook: Rulebook) -> None:
    case, steps = tell(1, 5, PATH[:6])
    stays = list_passages(rulebook, case.category, case.severity, as_ms(case.reported_at), steps)
    assert [stay.state for stay in stays] == (
        ["reported", "verifying", "verified", "accepted", "filed", "dispatched", "handling"]
    )
    assert all(later.entered_ms == earlier.left_ms for earlier, later in pairwise(stays))
    assert stays[-1].left_ms is None and stays[-1].unit == "U02"
    assert stays[4].actor == "sender" and stays[4].action == "dispatch"


def test_a_steps_deadline_counts_neither_pauses_nor_what_was_granted(rulebook: Rulebook) -> None:
    case, steps = tell(1, 60, (*PATH[:6], "suspend", "resume", "extend", "handle"))
    steps[8] = replace(steps[8], details={"extra": {"amount": 1, "unit": "working_hours"}})
    stays = list_passages(rulebook, case.category, case.severity, as_ms(case.reported_at), steps)
    to_pause, pause, whole = stays[6:9]
    assert [stay.state for stay in stays[6:9]] == ["handling", "suspended", "handling"]
    assert to_pause.entered_ms == whole.entered_ms and pause.due_ms is None
    # Half of four working hours from 15:00, without the hour from 16:00 and with one more: Tuesday 10:00.
    assert whole.due_ms == as_ms(MONDAY + timedelta(hours=25))
    assert whole.on_time


def test_who_comes_after_is_not_blamed_for_who_was_before(rulebook: Rulebook) -> None:
    path = (*PATH[:5], "hand_back", "dispatch", "take", "handle", "return", "dispatch", "handle")
    case, steps = tell(1, 3, path)
    steps[6:] = [replace(step, unit=step.unit and "U05") for step in steps[6:]]
    steps[6] = replace(steps[6], actor="second")
    facts = [state(rulebook, (case, steps))]

    def points(score: Score) -> dict[str, float | None]:
        return {part.key: part.points for part in score.parts}

    assert points(score_dispatcher("second", facts, MONTH))["right_unit"] == 100
    assert points(score_dispatcher("sender", facts, MONTH))["right_unit"] == 50  # the first and the last are theirs
    assert points(score_unit("U05", facts, MONTH))["returned"] == 50
    assert points(score_unit("U02", facts, MONTH))["returned"] is None


def test_what_nobody_verified_or_dispatched_counts_against_cell_and_room(rulebook: Rulebook) -> None:
    waits = [state(rulebook, tell(1, 5, PATH[:1])), state(rulebook, tell(2, 5, PATH[:4]))]
    inspector = {part.key: part.points for part in score_inspector("worker", waits, MONTH).parts}
    assert inspector["verified_in_time"] == 50
    assert score_room("339901001", waits, MONTH).parts[0].points == 0
    assert score_dispatcher("sender", waits, MONTH).parts[1].points is None  # whose it was nobody can say


def test_facts_of_a_closed_case(rulebook: Rulebook) -> None:
    facts = state(rulebook, tell(1, 5))
    assert facts.ended_at == MONDAY + timedelta(minutes=50)
    assert facts.due_at is not None and facts.closed_at is not None and facts.closed_at < facts.due_at
    assert (facts.verified, facts.unit, facts.units, facts.level) == (True, "U02", ("U02",), "town")
    assert facts.responded_at == MONDAY + timedelta(minutes=5)
    assert facts.filed_at == MONDAY + timedelta(minutes=20)


def test_what_is_done_later_has_not_happened_yet(rulebook: Rulebook) -> None:
    facts = state(rulebook, tell(1, 5), hours=0.5)
    assert (facts.ended_at, facts.unit) == (None, "U02")


def test_a_unit_is_scored_by_four_parts(rulebook: Rulebook) -> None:
    cases = [
        state(rulebook, tell(1, 5)),
        state(rulebook, tell(2, 5, (*PATH[:7], "return", *PATH[6:]))),
        state(rulebook, tell(3, 300, PATH[:6])),  # never handled, long due
        state(rulebook, tell(4, 5, unit="U05")),
    ]
    score = score_unit("U02", cases, MONTH)
    parts = {part.key: part for part in score.parts}
    assert parts["unit_filed"].points == 100 and parts["unit_filed"].indicator.numerator == 3
    assert parts["closed"].points == pytest.approx(66.67)
    assert parts["returned"].points == pytest.approx(66.67)  # one of three handlings came back
    in_time = parts["handled_in_time"].indicator
    assert (in_time.numerator, in_time.denominator) == (3, 4)  # one was handled twice, and one never
    weights = [(part.weight, part.points) for part in score.parts if part.points is not None]
    assert score.value == pytest.approx(sum(w * p for w, p in weights) / 100, abs=0.01)


def test_each_role_is_scored_by_its_own_steps(rulebook: Rulebook) -> None:
    quick = state(rulebook, tell(1, 3, channel="grid_worker"))
    slow = state(rulebook, tell(2, 400))
    back = state(rulebook, tell(3, 3, (*PATH[:5], "hand_back", "dispatch", *PATH[5:])))
    cases = [quick, slow, back]
    for score in (
        score_clerk("clerk", cases, MONTH),
        score_chief("chief", cases, MONTH),
        score_dispatcher("sender", cases, MONTH),
        score_inspector("worker", cases, MONTH),
        score_area("339901", cases, MONTH),
    ):
        assert score.value is not None and 0 <= score.value <= 100, score.kind
    dispatcher = {part.key: part for part in score_dispatcher("sender", cases, MONTH).parts}
    assert dispatcher["right_unit"].points == 75  # the first of two of one case was handed back
    assert dispatcher["dispatched"].indicator.numerator == 4
    inspector = {part.key: part.points for part in score_inspector("worker", cases, MONTH).parts}
    assert inspector["missed"] == pytest.approx(33.33)  # the hotline had to report two of three
    assert score_clerk("nobody", cases, MONTH).parts[1].points is None
    assert list_actors(cases, frozenset({"dispatch"}), MONTH) == ["sender"]


@pytest.mark.parametrize(
    ("number", "unit", "clerk"),
    [(0, 100, 0), (50, 100, 0), (51, 90, 0), (100, 90, 0), (101, 75, 40), (150, 75, 40), (400, 60, 60), (600, 40, 75),
     (1000, 0, 75), (1300, 0, 90), (2001, 0, 100)],
)  # fmt: skip
def test_bands_of_a_month(number: int, unit: float, clerk: float) -> None:
    assert (grade_number(UNIT_BANDS, number, MONTH), grade_number(CLERK_BANDS, number, MONTH)) == (unit, clerk)


def test_bands_are_scaled_to_the_period() -> None:
    week = Period(MONDAY, MONDAY + timedelta(days=7.5))
    assert grade_number(UNIT_BANDS, 13, week) == 90


def test_one_score_is_shared_along_the_chain(rulebook: Rulebook) -> None:
    assert bundle_scores({"cell": 60, "village": 100}, {"cell": 0.25, "village": 0.75}) == 90
    assert bundle_scores({"cell": 60, "town": None}, {"cell": 1, "town": 9}) == 60
    assert bundle_scores({"town": None}, {"town": 1}) is None
    assert Score("area", "town", ()).value is None
    assert score_room("339901001", [state(rulebook, tell(1, 5))], MONTH).value == 100
