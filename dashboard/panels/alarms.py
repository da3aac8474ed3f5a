"""Alarms on the wall: the panel of what stands, the call above the map, and the button of the voice."""

import json

from dash import html
from dash.development.base_component import Component

from brain.alarm_rules import AlarmRules
from dashboard.panels.frame import mark, slot
from dashboard.text import text


def lay_alarm_panel(lang: str) -> Component:
    """Return the panel of the alarms that need somebody, with their number by severity in its head."""
    return html.Div(
        [
            html.Div(
                [
                    html.H2([text(lang, "wall.alarms"), slot("alarms-flood", "Small", "flood")]),
                    slot("alarm-counts", "Ul", "alarm-counts"),
                ],
                className="head",
            ),
            slot("alarms", "Ol", "alarm-list"),
            slot("alarms-more", "P", "more"),
        ],
        className="panel alarms-panel",
        **mark(data_panel="alarms"),
    )


def lay_alarm_call(lang: str) -> Component:
    """Return the bar above the map that names the worst alarm while a severe one waits for somebody, in any scene."""
    return slot(
        "alarm-call", "Div", "alarm-call", hidden=True, role="alert", **mark(aria_label=text(lang, "wall.alarms"))
    )


def lay_voice_button() -> Component:
    """Return the button that mutes the wall, and says why it is silent."""
    return slot("voice", "Button", "voice", type="button")


def describe_groups(rules: AlarmRules) -> str:
    """Return what an alarm's rule is grouped by in a flood, as JSON by rule: rules of one cause are one group."""
    groups: dict[str, list[str]] = {}
    for key in rules.by_key:
        groups.setdefault(rules.causes.get(key, key), []).append(key)
    described = {
        rule: {
            "key": group,
            "zh": " / ".join(rules.by_key[key].zh for key in members),
            "en": " / ".join(rules.by_key[key].name.en for key in members),
        }
        for group, members in groups.items()
        for rule in members
    }
    return json.dumps(described, ensure_ascii=False)
