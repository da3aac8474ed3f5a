"""Alarm rules for tests: the demo county with an alarms.toml of its own."""

import tomllib
from dataclasses import replace

from brain.alarm_rules import AlarmRules, read_alarm_rules
from geo.county import County


def read(county: County, toml: str) -> AlarmRules:
    return read_alarm_rules(replace(county, alarm_settings=tomllib.loads(toml)))
