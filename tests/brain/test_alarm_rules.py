"""What is built in holds for the demo county; a pack replaces, adds and leaves out; what is wrong is named."""

import re
from dataclasses import replace

import pytest

from brain.alarm_rules import ReadingRule, SilenceRule, read_alarm_rules
from geo.county import County
from geo.pack import PackError
from tests.brain.alarm_packs import read

NOISE = """
[[readings]]
key = "noise"
zh = "噪声超标"
severity = 4
feed = "noise"
at_least = 70
"""


def test_the_demo_has_all_that_its_feeds_allow(county: County) -> None:
    rules = read_alarm_rules(county)
    assert {"bin_burning", "jam", "air_heavy", "feed_silent", "severe_case", "warning"} <= rules.by_key.keys()
    assert "water_rise" not in rules.by_key  # the demo has no feed of water levels
    assert all(rule.source and rule.response_zh and rule.response_en for rule in rules.by_key.values())
    assert rules.causes["bin_overflow"] == rules.causes["bin_tilt"] == "bin_round"


def test_a_pack_replaces_adds_and_leaves_out(county: County) -> None:
    rules = read(
        county,
        """
        off = ["jam"]
        [[readings]]
        key = "noise"
        zh = "噪声超标"
        severity = 4
        feed = "noise"
        at_least = 70
        [[readings.where]]
        hours = "22:00-06:00"
        at_least = 55
        [[silences]]
        key = "feed_silent"
        zh = "断流"
        severity = 1
        of = "feed"
        """,
    )
    noise, silent = rules.by_key["noise"], rules.by_key["feed_silent"]
    assert isinstance(noise, ReadingRule)
    assert noise.where[0].at_least == 55
    assert isinstance(silent, SilenceRule)
    assert (silent.severity, silent.feeds, silent.escalate) == (1, (), ())
    assert "jam" not in rules.by_key


def test_a_county_without_the_class_of_case_keeps_the_rule(county: County) -> None:
    fewer = {**county.settings, "categories": [row for row in county.settings["categories"] if row["code"] != "0115"]}
    rules = read_alarm_rules(replace(county, settings=fewer))
    assert rules.by_key["bin_fire"].case is None


@pytest.mark.parametrize(
    ("toml", "says"),
    [
        (NOISE.replace("at_least = 70", "at_least = true"), "readings[1] 'noise'.at_least: Expected `float | null`"),
        (NOISE + "at_lest = 3", "readings[1] 'noise'.at_lest: there is no such field"),
        (NOISE.replace("severity = 4", "severity = 5"), "readings[1] 'noise'.severity: Expected `int` <= 4"),
        (NOISE.replace("severity = 4", ""), "readings[1] 'noise'.severity: is missing"),
        (NOISE.replace('zh = "噪声超标"', ""), "readings[1] 'noise'.zh: missing"),
        (NOISE.replace('feed = "noise"', 'feed = "smell"'), "readings[1] 'noise'.feed: 'smell' is no feed"),
        (NOISE.replace('feed = "noise"', 'feed = "cases"'), "readings[1] 'noise'.feed: 'cases' is no feed"),
        (NOISE.replace("at_least = 70", ""), "readings[1] 'noise'.at_least: either bounds"),
        (NOISE + 'words = ["loud"]', "readings[1] 'noise'.at_least: either bounds"),
        (NOISE + "at_most = 69\ndead_band = 1", "readings[1] 'noise'.at_most: must be below at_least"),
        (NOISE.replace("70", "inf"), "readings[1] 'noise'.at_least: bounds and dead_band must be finite"),
        (NOISE + "dead_band = -1", "readings[1] 'noise'.dead_band: Expected `float` >= 0"),
        (NOISE + "lasts_s = 60", "readings[1] 'noise'.within_s: must be at least lasts_s"),
        (NOISE + "lasts_s = 60\nwithin_s = 90\non_delay_s = 1", "readings[1] 'noise'.lasts_s: stands in place"),
        (NOISE + 'hours = "22-6"', "readings[1] 'noise'.hours: '22-6' is no span"),
        (NOISE + 'areas = ["44"]', "readings[1] 'noise'.areas: '44' begins no code of any area"),
        (NOISE + "[[readings.where]]\nat_least = 60", "readings[1] 'noise'.where[1]: areas, things or hours"),
        (
            NOISE + '[[readings.where]]\nhours = "1:00-2:00"\nat_most = 6',
            "'noise'.where[1].hours: '1:00-2:00' is no span",
        ),
        (NOISE + '[[readings.where]]\nareas = ["33"]\nat_most = 6', "'noise'.where[1].at_most: the rule itself has no"),
        (NOISE + 'escalate = [{ after_min = 5, to = "mayor" }]', "readings[1] 'noise'.escalate[1].to: Invalid enum"),
        (
            NOISE + 'escalate = [{ after_min = 5, to = "leader" }, { after_min = 5, to = "leader" }]',
            "readings[1] 'noise'.escalate: after_min must rise",
        ),
        (NOISE + 'case = { category = "9999" }', "readings[1] 'noise'.case.category: there is no class '9999'"),
        (NOISE + NOISE, "readings[2] 'noise'.key: is there twice"),
        (NOISE.replace('"noise"', '"a:b"', 1), "readings[1] 'a:b'.key: Expected `str` matching regex"),
        ('[[cases]]\nkey = "c"\nzh = "c"\non = "lost"', "cases[1] 'c'.on: Invalid enum value 'lost'"),
        ('[[cases]]\nkey = "c"\nzh = "c"\non = "overdue"\ncategories = ["77"]', "cases[1] 'c'.categories: '77' begins"),
        ('[[silences]]\nkey = "s"\nzh = "s"\nof = "feed"', "silences[1] 's'.severity: is missing"),
        ('off = ["noise"]', "off: 'noise' is no built-in rule"),
        ('readings = "x"', "readings must be a list of tables"),
        ("[[reading]]", "reading: unknown; known are off, readings"),
    ],
)
def test_what_is_wrong_is_named(county: County, toml: str, says: str) -> None:
    with pytest.raises(PackError, match=re.escape("alarms.toml: ") + ".*" + re.escape(says)):
        read(county, toml)
