"""The feeds: which departments are connected, and whether what they send can be believed."""

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.text import text
from geo.county import County

STATES = ("silent", "never", "late", "ok")
COLUMNS = (
    *("state", "sender", "feed", "received", "accepted", "duplicate", "rejected", "recorded"),
    *("per_minute", "lag", "heard", "hours"),
)
NUMBERS = frozenset(("received", "accepted", "duplicate", "rejected", "recorded", "per_minute", "lag"))


def lay_out(county: County, lang: str) -> Component:
    """Return the page's skeleton; its TypeScript reads `/api/feeds` and fills it."""
    return lay_root(
        "feeds",
        lang,
        [
            lay_header("feeds", county, lang),
            lay_lost_banner(),
            html.Section(
                [
                    slot("sum", "P", "sum", **mark(aria_live="polite")),
                    html.Div([_lay_chip(state, lang) for state in STATES], className="chips", role="group"),
                    dcc.Input(
                        type="search",
                        id="feeds-search",
                        className="search",
                        placeholder=text(lang, "feeds.search"),
                        debounce=False,
                    ),
                ],
                className="summary",
            ),
            html.Main(
                [
                    html.Table(
                        [html.Thead(html.Tr([_lay_heading(column, lang) for column in COLUMNS])), slot("rows", "Tbody")]
                    ),
                    slot("none", "P", "none", hidden=True),
                    html.P(text(lang, "feeds.explained"), className="explained"),
                ]
            ),
        ],
        feeds=list_feeds(county),
    )


def _lay_chip(state: str, lang: str) -> Component:
    dot = html.Span("", className="dot", **mark(data_state=state))
    label: list[Component | str] = [dot, text(lang, f"feed_state.{state}"), html.B("0")]
    return html.Button(label, type="button", className="chip", **mark(data_state=state, aria_pressed="false"))


def _lay_heading(column: str, lang: str) -> Component:
    return html.Th(
        text(lang, f"feeds.column_{column}"),
        title=text(lang, f"feeds.means_{column}"),
        className="number" if column in NUMBERS else column,
        scope="col",
    )
