"""The operators' alarms: the list with what is to be done, one alarm in the drawer, and the load that alarms are."""

import json

from dash import html
from dash.development.base_component import Component

from brain.alarm_requests import ACTIONS
from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.people.viewer import ROLES
from dashboard.text import text
from geo.county import County

SEVERITIES = (1, 2, 3, 4)


def lay_out(county: County, lang: str) -> Component:
    """Return the page's skeleton; its TypeScript reads `/api/alarms` and fills it."""
    return lay_root(
        "alarms",
        lang,
        [
            lay_header("alarms", county, lang),
            lay_lost_banner(),
            html.Section(
                [slot("verdict", "P", "verdict"), slot("figures", "Dl", "figures"), slot("worst", "Ol", "worst")],
                className="load",
                **mark(aria_label=text(lang, "alarms.load")),
            ),
            html.Main(
                [
                    html.Section(
                        [
                            html.Div(
                                [
                                    slot("total", "Span", "total", role="status"),
                                    html.Div([_lay_chip(lang, one) for one in SEVERITIES], className="chips"),
                                    slot("shelved", "Button", "chip", **mark(aria_pressed="false")),
                                ],
                                className="filters",
                            ),
                            slot("flood", "P", "flood", hidden=True, role="status"),
                            slot("lines", "Ol", "lines", tabIndex=0, **mark(aria_label=text(lang, "alarms.heading"))),
                            slot("none", "P", "none", hidden=True),
                        ],
                        className="list",
                    ),
                    html.Aside(
                        [slot("drawer", "Div", "alarm"), slot("said", "P", "said", role="status")],
                        className="drawer",
                        **mark(aria_label=text(lang, "alarms.drawer")),
                    ),
                ]
            ),
        ],
        feeds=list_feeds(county),
        actions=json.dumps({key: {"zh": one.name.zh, "en": one.name.en} for key, one in ACTIONS.items()}),
        roles=json.dumps({role: text(lang, f"people.role_{role}") for role in ROLES}),
    )


def _lay_chip(lang: str, severity: int) -> Component:
    label = text(lang, f"severity.{severity}")
    return html.Button(label, type="button", className="chip", **mark(data_severity=severity, aria_pressed="false"))
