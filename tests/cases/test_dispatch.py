"""Dispatch and triage rules: who is proposed, why, and what the steward then does by itself."""

from collections.abc import Sequence
from datetime import UTC, datetime, time
from typing import Any

import pytest

from cases.dispatch import PLATFORM_RULE, UNLISTED_RULE, Facts, lies_within, list_hand_backs, read_hours
from cases.duties import Deed, decide, leads_to_unit, look_at
from cases.flow import LEVELS, load_built_in
from cases.fold import CaseState, Step, fold
from cases.rulebook import Rulebook, read_rulebook
from geo.county import County
from geo.pack import Name, PackError
from ingest.answers import Case
from ingest.case_state import STEWARD
from ingest.reasons import Reason
from ingest.tables import as_ms, as_time
from tests.cases.packs import case, read
from tests.cases.test_matters import REFUSING

NOON = datetime(2026, 11, 20, 4, tzinfo=UTC)  # 12:00 in the county
RULES = """
[[dispatch_rules]]
key = "night"
zh = "夜间"
unit = "U07"
categories = ["04"]
areas = ["339901001"]
severities = [3, 4]
channels = ["hotline"]
levels = ["village"]
hours = "18:00-08:00"
automatic = true
[[dispatch_rules]]
key = "day"
zh = "日间"
unit = "U08"
co_units = ["U05"]
categories = ["04"]
"""


@pytest.fixture(scope="module")
def demo(county: County) -> Rulebook:
    return read_rulebook(county)


def facts(category: str = "0404", at: datetime = NOON, **changes: Any) -> Facts:
    told: dict[str, Any] = {"severity": 3, "level": "village", "channel": "hotline", "cell_code": "339901001001001"}
    return Facts(category=category, at=at, **told | changes)


def test_every_class_of_the_demo_has_a_rule_of_its_own_in_words(demo: Rulebook, county: County) -> None:
    platforms = set()
    for category in county.categories:
        for severity in (1, 2, 3, 4):
            for channel in ("hotline", "grid_worker"):
                found = demo.dispatch.propose(facts(category, severity=severity, channel=channel))
                assert found is not None and found.rule != PLATFORM_RULE, category
                assert found.name.zh and found.name.en != found.name.zh and found.why, category
                same = {unit.code for unit in county.units.values() if unit.platform == found.platform}
                assert found.units[0] == found.unit and set(found.units) == same
                assert found.unit not in found.co_units
                platforms.add(found.platform)
    assert platforms == {"综治工作", "市场监管", "综合执法", "便民服务"}


def test_what_a_worker_finds_small_is_never_sent_away_by_itself(demo: Rulebook, county: County) -> None:
    minor = [
        code for code in county.categories if (m := demo.matters.admit(code, NOON.date()).matter) and not m.confirm
    ]
    assert minor
    for code in minor:
        found = demo.dispatch.propose(facts(code, severity=4, channel="grid_worker"))
        assert found is not None and not found.automatic, code


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({}, "night"),
        ({"category": "0504"}, PLATFORM_RULE),
        ({"cell_code": "339901002001001"}, "day"),
        ({"cell_code": None}, "day"),
        ({"severity": 2}, "day"),
        ({"channel": "app"}, "day"),
        ({"level": "town"}, "day"),
        ({"at": NOON}, "day"),
        ({"at": datetime(2026, 11, 20, 10, tzinfo=UTC)}, "night"),  # 18:00 to the second
        ({"at": datetime(2026, 11, 20, 9, 59, 59, tzinfo=UTC)}, "day"),
        ({"at": datetime(2026, 11, 20, 16, tzinfo=UTC)}, "night"),  # midnight
        ({"at": datetime(2026, 11, 21, 0, 0, tzinfo=UTC)}, "day"),  # 08:00
    ],
)
def test_every_condition_counts(county: County, changes: dict[str, Any], rule: str) -> None:
    dispatch = read(county, RULES).dispatch
    found = dispatch.propose(facts(**{"at": datetime(2026, 11, 20, 15, tzinfo=UTC)} | changes))
    assert found is not None and found.rule == rule


def test_a_proposal_says_why(county: County) -> None:
    found = read(county, RULES).dispatch.propose(facts(at=datetime(2026, 11, 20, 15, 30, tzinfo=UTC)))
    assert found is not None and found.automatic
    assert found.why == (
        ("category", "0404"),
        ("area", "339901001001001"),
        ("level", "village"),
        ("severity", "3"),
        ("channel", "hotline"),
        ("hours", "23:30"),
    )


def test_who_handed_back_comes_last(county: County) -> None:
    dispatch = read(county, RULES).dispatch
    night = datetime(2026, 11, 20, 15, tzinfo=UTC)
    assert [(found := dispatch.propose(facts(at=night), without)) and found.rule for without in
            (["U07"], ["U07", "U08"], ["U08"])] == ["day", PLATFORM_RULE, "night"]  # fmt: skip
    last = dispatch.propose(facts(at=night), ["U07", "U08", "U05"])
    assert last is not None and last.units == ("U06", "U09", "U10", "U11")
    everybody = ["U06", "U07", "U08", "U09", "U10", "U11"]
    none_left = dispatch.propose(facts(at=night), everybody)
    assert none_left is not None and none_left.unit == "U06"  # somebody has to


def test_what_is_on_no_list_goes_by_the_named_rule(county: County) -> None:
    rulebook = read(county, REFUSING)
    admission = rulebook.matters.admit("0404", NOON.date())
    found = rulebook.dispatch.propose(facts(), (), admission)
    assert found is not None
    assert (found.rule, found.unit, found.name.zh, found.automatic) == (UNLISTED_RULE, "U13", "转综治中心", False)


def test_who_follows_a_proposal_does_not_bring_down_what_has_gone_up(demo: Rulebook) -> None:
    found = demo.dispatch.propose(facts("0102"))
    assert found is not None and found.level == "town"
    assert [found.settle(level)["level"] for level in LEVELS] == ["town", "town", "town", "county"]


def test_hours_pass_midnight() -> None:
    night, day = read_hours("18:00-08:00"), read_hours("08:00-18:00")
    assert night is not None and day is not None
    for minute in range(0, 24 * 60, 5):
        moment = time(minute // 60, minute % 60)
        assert lies_within(night, moment) != lies_within(day, moment)


def test_hand_backs_are_told_with_their_unit() -> None:
    flow = load_built_in()["urban"]
    steps = tell(("accept", None), ("dispatch", "U02"), ("hand_back", None), ("dispatch", "U01"), ("hand_back", "U01"))
    assert [(each.unit, each.key) for each in list_hand_backs(flow, steps)] == [("U02", "s 3"), ("U01", "s 5")]


@pytest.mark.parametrize(
    ("changes", "complexity"),
    [
        ({"category": "D04"}, "simple"),
        ({"category": "D04", "people": 5}, "complex"),
        ({"category": "D04", "people": 30}, "difficult"),
        ({"category": "D04", "severity": 2}, "complex"),
        ({"category": "D12"}, "complex"),
        ({"category": "D12", "severity": 1}, "difficult"),
    ],
)
def test_disputes_are_triaged(demo: Rulebook, changes: dict[str, Any], complexity: str) -> None:
    found = demo.dispatch.triage(facts(**changes))
    assert found is not None and found.complexity == complexity
    assert found.rule == "simple" or found.why


def test_a_difficult_dispute_is_the_county_centres(demo: Rulebook) -> None:
    village, county_ = (demo.dispatch.propose(facts("D04", level=level)) for level in ("village", "county"))
    assert village is not None and county_ is not None
    assert (village.unit, county_.unit) == ("U14", "U13")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('key = "day"', 'key = "night"', r"dispatch_rules\[2\].key: 'night' is taken"),
        ('key = "day"', 'key = "platform"', r"dispatch_rules\[2\].key: 'platform' is taken"),
        ('key = "day"', 'key = ""', r"dispatch_rules\[2\].key: Expected `str` of length >= 1"),
        ('zh = "日间"', "", r"dispatch_rules\[2\].zh: missing"),
        ('unit = "U08"', 'unit = "U99"', r"dispatch_rules\[2\].unit: there is no unit 'U99'"),
        ('co_units = ["U05"]', 'co_units = ["U98"]', r"dispatch_rules\[2\].co_units: there is no unit 'U98'"),
        ('co_units = ["U05"]', 'co_units = ["U08"]', r"dispatch_rules\[2\].co_units: 'U08' leads already"),
        ('areas = ["339901001"]', 'areas = ["11"]', r"dispatch_rules\[1\].areas: '11'"),
        ('channels = ["hotline"]', 'channels = ["fax"]', r"dispatch_rules\[1\].channels\[1\]: .*'fax'"),
        ('levels = ["village"]', 'levels = ["moon"]', "dispatch_rules.*levels.*moon"),
        ("severities = [3, 4]", "severities = [5]", "dispatch_rules.*severities"),
        ('hours = "18:00-08:00"', 'hours = "18-8"', r"dispatch_rules\[1\].hours: '18-8' is no span"),
        ('hours = "18:00-08:00"', 'hours = "08:00-08:00"', r"dispatch_rules\[1\].hours"),
        ("automatic = true", 'automatic = "yes"', "dispatch_rules.*automatic"),
        ("automatic = true", "urgent = true", "urgent: there is no such field"),
    ],
)
def test_what_is_wrong_is_named(county: County, before: str, after: str, said: str) -> None:
    assert before in RULES
    with pytest.raises(PackError, match=said):
        read(county, RULES.replace(before, after, 1))


# -- what the rules then do --------------------------------------------------------------------------------------------


def tell(*actions: tuple[str, str | None], actor: str = "wang", **details: Any) -> list[Step]:
    """Actions, a second apart."""
    return [
        Step(as_ms(NOON) - 60_000 + number * 1000, number, action, unit, actor, details, f"s {number}")
        for number, (action, unit) in enumerate(actions, 1)
    ]


def ask(rulebook: Rulebook, one: Case, steps: Sequence[Step] = ()) -> Deed | None:
    state = fold(rulebook.flow_of(one.category), steps)
    return decide(rulebook, look_at(rulebook, one, tuple(steps), state, as_ms(NOON)))


def live_on(rulebook: Rulebook, one: Case, steps: Sequence[Step] = ()) -> tuple[list[Deed], CaseState]:
    """Everything that the steward does to a case if nobody else does anything."""
    known, deeds = list(steps), []
    while deed := ask(rulebook, one, known):
        deeds.append(deed)
        number = len(known) + 1
        details = {**deed.details, "rule": deed.rule, "expects": number - 1}
        known.append(Step(as_ms(NOON), number, deed.action, deed.unit, STEWARD, details, f"s {number}"))
        assert len(deeds) < 20
    return deeds, fold(rulebook.flow_of(one.category), known)


def test_no_class_ends_in_what_the_flow_does_not_know(demo: Rulebook, county: County) -> None:
    """Whatever is reported, what the steward does is legal, ends, and leaves nothing overtaken."""
    for category in county.categories:
        for severity in (1, 3):
            deeds, state = live_on(demo, case(category, severity, reported_at=NOON))
            assert (state.irregular, state.overtaken) == ((), ()), category
            assert state.grade == ("major" if severity == 1 else state.grade)
            assert all(deed.why.rule.zh and deed.rule for deed in deeds)
            if state.grade == "major" and not category.startswith("D"):
                assert state.state == "dispatched" and state.unit, category


def test_a_rule_that_is_not_automatic_waits_for_a_person(demo: Rulebook) -> None:
    assert ask(demo, case("0110", 3, reported_at=NOON)) is None
    assert ask(demo, case("0102", 3, reported_at=NOON)) is not None


@pytest.mark.parametrize("state", ["verifying", "handled", "suspended", "self_handled", "returned", "dispatched"])
def test_what_others_have_in_hand_is_not_moved(state: str) -> None:
    assert not leads_to_unit(load_built_in()["urban"], state)


def test_the_desks_own_steps_lead_on() -> None:
    urban, dispute = load_built_in()["urban"], load_built_in()["dispute"]
    leading = [key for key in urban.states if leads_to_unit(urban, key)]
    assert leading == ["reported", "verified", "accepted", "filed"]
    assert not any(leads_to_unit(dispute, key) for key in dispute.states)


def test_after_a_hand_back_a_person_says_who_is_next(demo: Rulebook) -> None:
    steps = tell(("accept", None), ("dispatch", "U02"), ("hand_back", "U02"))
    assert ask(demo, case("0102", 3, reported_at=NOON), steps) is None


def test_what_the_list_refuses_is_voided_in_its_words_unless_somebody_took_it(county: County) -> None:
    rulebook = read(county, REFUSING)
    day = datetime(2026, 11, 19, 2, tzinfo=UTC)
    deed = ask(rulebook, case("0402", 3, reported_at=day))
    assert deed is not None and (deed.action, deed.rule) == ("void", "matters:unlisted")
    assert deed.why == Reason(code="unlisted", rule=Name("清单外不受理", "not taken"), version="1")
    taken = ask(rulebook, case("0402", 3, reported_at=day), tell(("accept", None)))
    assert taken is None or taken.action != "void"


def test_a_minor_matter_that_asks_for_no_yes_is_closed_when_settled(demo: Rulebook) -> None:
    settled = tell(("self_handle", None))

    def closes(category: str, severity: int, steps: Sequence[Step] = settled) -> bool:
        deed = ask(demo, case(category, severity, channel="grid_worker", reported_at=NOON), steps)
        return deed is not None and deed.action == "close"

    assert closes("0102", 4)
    assert not closes("0103", 4)  # its matter asks for a yes
    assert not closes("0102", 2)  # it is major
    graded = [*settled, *tell(("grade", None), grade="major")]
    assert not closes("0102", 4, [graded[0], Step(graded[0].at_ms, 2, "grade", None, "wang", {"grade": "major"}, "g")])


def test_a_grade_that_a_person_said_stays(demo: Rulebook) -> None:
    minor = [Step(as_ms(NOON) - 5000, 1, "grade", None, "wang", {"grade": "minor"}, "s 1")]
    assert ask(demo, case("0401", 3, reported_at=NOON), minor) is not None  # its rule is automatic
    deeds, state = live_on(demo, case("0101", 3, reported_at=NOON), minor)
    assert deeds == [] and state.grade == "minor"


def test_a_major_dispute_calls_the_others_in_and_is_moved_by_people(demo: Rulebook) -> None:
    deeds, state = live_on(demo, case("D01", 3, reported_at=NOON))
    assert [deed.action for deed in deeds] == ["grade", "join"]
    assert (state.state, [part.unit for part in state.parts]) == ("reported", ["U14"])


def test_nothing_is_done_to_what_ended_or_is_ahead_of_us(demo: Rulebook) -> None:
    assert ask(demo, case("0102", 1), tell(("void", None))) is None
    ahead = [Step(as_ms(NOON) + 1, 1, "note", None, "wang", {}, "s 1")]
    assert ask(demo, case("0102", 1), ahead) is None
    assert as_time(as_ms(NOON)) == NOON
