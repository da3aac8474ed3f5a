"""All incidents, those that stand and those that were; each leads to its page, to be looked back at and printed."""

from collections.abc import Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from dash import html
from dash.development.base_component import Component
from sqlalchemy import Engine

from cases.rulebook import Rulebook
from dashboard.incident_list import MOST, Stretch, list_stretches
from dashboard.pages.briefing import name_class
from dashboard.panels.frame import lay_drill, lay_navigation, lay_root, lay_severity, mark, name_place
from dashboard.people.viewer import get_viewer
from dashboard.places import name_cell
from dashboard.text import text
from geo.county import County
from ingest.exercises import is_exercise
from ingest.masking import mask_text
from ingest.tables import as_ms, as_time

COLUMNS = ("severity", "what", "place", "begun", "lasted")


def lay_out(county: County, lang: str, engine: Engine, rulebook: Rulebook) -> Component:
    """Return the page as of now; reads SQL, so call it in a thread."""
    now = datetime.now(UTC)
    stretches = list_stretches(engine, rulebook, get_viewer())
    head = html.Header(
        [
            html.Div(
                [
                    html.H1(name_place(county, lang)),
                    html.Span(text(lang, "incidents.heading"), className="heading"),
                ],
                className="name",
            ),
            html.Span(text(lang, "incidents.as_of", at=f"{now.astimezone(county.time_zone):%Y-%m-%d %H:%M}")),
            lay_navigation("incident", lang, "/incident"),
        ],
        className="header",
    )
    return lay_root("incidents", lang, [head, html.Main(_lay_list(county, lang, stretches, as_ms(now)))])


def _lay_list(county: County, lang: str, stretches: Sequence[Stretch], now_ms: int) -> list[Component]:
    if not stretches:
        return [html.P(text(lang, "incidents.none"), className="none")]
    columns = html.Tr([html.Th(text(lang, f"incidents.{column}"), scope="col") for column in COLUMNS])
    rows = [_lay_row(county, lang, stretch, now_ms) for stretch in stretches]
    table = html.Table([html.Thead(columns), html.Tbody(rows)])
    return [table, html.P(text(lang, "incidents.footer", n=MOST), className="footer")]


def _lay_row(county: County, lang: str, stretch: Stretch, now_ms: int) -> Component:
    case = stretch.case
    begun = as_time(stretch.begun_ms).astimezone(county.time_zone)
    link = html.A(name_class(county, case.category, lang), href=f"/incident/{quote(case.case_id, safe='')}?lang={lang}")
    stands = stretch.ended_ms is None
    lasted = _say_span(lang, (stretch.ended_ms or now_ms) - stretch.begun_ms)
    return html.Tr(
        [
            html.Td(lay_severity(case.severity, lang)),
            html.Td([*lay_drill(is_exercise(case.case_id), lang), link, html.Small(mask_text(case.title))]),
            html.Td(name_cell(county, case.cell_code, lang)),
            html.Td(f"{begun:%Y-%m-%d %H:%M}"),
            html.Td(text(lang, "incidents.runs", span=lasted) if stands else lasted),
        ],
        **mark(data_stands=str(stands).lower()),
    )


def _say_span(lang: str, ms: int) -> str:
    """Return how long something lasted in its largest unit, minutes at least."""
    minutes = max(1, ms // 60_000)
    if minutes < 60:
        return text(lang, "common.span_minutes", n=minutes)
    if minutes < 2 * 24 * 60:
        return text(lang, "common.span_hours", n=minutes // 60)
    return text(lang, "common.span_days", n=minutes // (24 * 60))
