"""One incident: what, where and since when, the units with their clocks, the ladder, forces, alarms and the log.

The same page live, in the replay and on paper; its TypeScript asks `/api/incidents` for the moment that is shown.
"""

import json
from typing import Any
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component

from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.people.viewer import ROLES
from dashboard.text import text
from geo.county import County


def lay_out(county: County, lang: str, case_id: str) -> Component:
    """Return the page's skeleton."""
    return lay_root(
        "incident",
        lang,
        [
            lay_header("incident", county, lang, path=f"/incident/{quote(case_id, safe='')}"),
            lay_lost_banner(),
            slot("gone", "P", "gone", hidden=True, role="status"),
            html.Main(
                [
                    lay_incident_part("incident", lang, className="what"),
                    _lay_replay(lang),
                    html.Div(
                        [
                            lay_incident_part("incident_ladder", lang),
                            lay_incident_part("incident_calls", lang),
                            lay_incident_part("incident_forces", lang),
                            lay_incident_part("incident_alarms", lang),
                        ],
                        className="state",
                    ),
                    html.Section(
                        [lay_incident_part("incident_log", lang, scrolls=True), slot("entry", "Div", "entry")],
                        className="running",
                    ),
                ],
                hidden=True,
                **mark(data_slot="sheet"),
            ),
        ],
        case=case_id,
        feeds=list_feeds(county),
        actors=name_actors(lang),
    )


def lay_incident_part(key: str, lang: str, scrolls: bool = False, **attributes: Any) -> Component:
    """Return one part of an incident, on a wall or on the page: its title, and the place that TypeScript fills.

    scrolls: its list is longer than its place, and keys must reach it.
    """
    if key == "incident":
        return html.Section([slot(key, "Div", "incident-head")], **attributes)
    name = text(lang, f"incident.{key}")
    title = html.H2([name, slot(f"{key}-sum", "Small", "sum")])
    reach: dict[str, Any] = {"tabIndex": 0, **mark(aria_label=name)} if scrolls else {}
    return html.Section([title, slot(key, "Ol", f"incident-list {key.replace('_', '-')}", **reach)], **attributes)


def name_actors(lang: str) -> str:
    """Return what every role is called, as JSON: of who did something a log says no more."""
    return json.dumps({role: text(lang, f"people.role_{role}") for role in ROLES}, ensure_ascii=False)


def _lay_replay(lang: str) -> Component:
    """Return the means to look at an earlier moment, and to print."""
    return html.Section(
        [
            html.Button("‹", type="button", title=text(lang, "incident.earlier"), **mark(data_deed="earlier")),
            slot("slider", "Div", "slider"),
            html.Button("›", type="button", title=text(lang, "incident.later"), **mark(data_deed="later")),
            slot("moment", "Output", "moment"),
            slot("newest", "Button", "newest", type="button", hidden=True),
            slot("print", "Button", "print", type="button"),
        ],
        className="replay",
        **mark(aria_label=text(lang, "incident.replay")),
    )
