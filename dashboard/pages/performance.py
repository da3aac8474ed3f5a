"""The page of performance: white, to be read and printed; every score opens to its parts, sums and cases."""

from collections.abc import Callable, Sequence
from datetime import datetime

from dash import html
from dash.development.base_component import Component
from sqlalchemy import Engine

from cases.indicators import Indicator
from cases.scores import Part, Score
from dashboard.factbook import FactBook
from dashboard.pages.briefing import name_town, say_ids, say_value
from dashboard.panels.frame import lay_navigation, lay_root, mark, name_county, name_place
from dashboard.people.permissions import may
from dashboard.people.viewer import find_viewer
from dashboard.performance import DAYS, MOST_IDS, Chain, Performance, read_performance
from dashboard.text import text
from geo.county import County

MOST_CHAINS = 10
MOST_ROWS, MOST_WORST = 30, 5  # of a longer list the best and the worst: a browser draws, and a person reads, no more
ROLES = ("inspector", "clerk", "chief", "dispatcher")
LINKS = ("cell", "village", "room", "town")


def lay_out(
    county: County, lang: str, engine: Engine, book: FactBook, asked: str | None, days: str | None, area: str = ""
) -> Component:
    """Return the page for the days before the moment asked for, of an area; reads SQL, so call it in a thread."""
    span = int(days) if days in {str(each) for each in DAYS} else DAYS[-1]
    try:
        found = read_performance(engine, county, book, asked, span, area)
    except ValueError:
        found = read_performance(engine, county, book, None, span, area)
    local = found.as_of.astimezone(county.time_zone)
    return lay_root(
        "performance",
        lang,
        [
            _lay_head(county, lang, found, local, span),
            html.Main(_lay_body(found, county, lang)),
            html.Footer(
                [
                    html.P(text(lang, "performance.footer")),
                    html.P(text(lang, "briefing.source", county=name_county(county, lang), code=county.code,
                                at=f"{local:%Y-%m-%d %H:%M}", zone=str(county.time_zone))),
                ]
            ),
        ],
    )  # fmt: skip


def _lay_head(county: County, lang: str, found: Performance, local: datetime, span: int) -> Component:
    badges = [
        html.Span(text(lang, f"common.{origin}"), className="badge", **mark(data_origin=origin))
        for origin in found.origins
        if origin != "live"
    ]
    spans = [
        html.A(
            text(lang, "performance.days", n=days),
            href=f"/performance?lang={lang}&days={days}&as_of={local:%Y-%m-%dT%H:%M}",
            **(mark(aria_current="true") if days == span else {}),
        )
        for days in DAYS
    ]
    return html.Header(
        [
            html.Div(
                [html.H1(name_place(county, lang)), html.Span(text(lang, "performance.heading"))], className="name"
            ),
            html.Div(badges, className="badges"),
            html.Div([*spans, *_lay_export(lang, local, span)], className="spans"),
            html.Div(
                [f"{text(lang, 'briefing.as_of')} ", html.Time(f"{local:%Y-%m-%d %H:%M}", dateTime=local.isoformat())],
                className="moment",
            ),
            lay_navigation("performance", lang),
        ],
        className="head",
    )


def _lay_export(lang: str, local: datetime, span: int) -> list[Component]:
    """Return the link to the tables as a file, for whom that is."""
    viewer = find_viewer()
    if viewer is None or not may(viewer, "export"):
        return []
    address = f"/api/exports/performance.csv?lang={lang}&days={span}&as_of={local:%Y-%m-%dT%H:%M}"
    return [html.A(text(lang, "export.save"), href=address, download="")]


def _lay_body(found: Performance, county: County, lang: str) -> list[Component]:
    def name_area(code: str) -> str:
        return name_town(county, code, lang)

    def name_unit_of(code: str) -> str:
        unit = county.units.get(code)
        return code if unit is None else getattr(unit, lang)

    return [
        html.Section(
            [html.H2(text(lang, "performance.indicators"))]
            + [_lay_indicator(indicator, lang) for indicator in found.indicators],
            className="indicators",
        ),
        lay_scores("towns", found.towns, name_area, lang),
        lay_scores("units", found.units, name_unit_of, lang),
        *(lay_scores(role, found.roles[role], str, lang) for role in ROLES),
        _lay_chains(found, name_area, lang),
    ]


def _lay_indicator(indicator: Indicator, lang: str) -> Component:
    return html.Article(
        [
            html.H3(text(lang, f"performance.rule_{indicator.rule}")),
            html.P(say_value(indicator, lang), className="value"),
            html.P(say_sum(indicator), className="sum"),
        ],
        className="indicator",
        title=say_ids(indicator, lang, MOST_IDS),
    )


def lay_scores(section: str, scores: Sequence[Score], name: Callable[[str], str], lang: str) -> Component:
    """Return a ranking as a table; of a long one the best and the worst. name: what to call a subject."""
    title = html.H2(text(lang, f"performance.{section}"))
    if not scores:
        return html.Section([title, html.P(text(lang, "performance.none"))], className="scores")
    heads = [
        html.Th([text(lang, f"performance.part_{part.key}"), html.Small(f" {part.weight:.0f} %")], scope="col")
        for part in scores[0].parts
    ]
    ranked = list(enumerate(scores, 1))
    best, worst = ranked, []
    if len(ranked) > MOST_ROWS:
        measured = [row for row in ranked if row[1].value is not None]
        best, worst = measured[: MOST_ROWS - MOST_WORST], measured[MOST_ROWS - MOST_WORST :][-MOST_WORST:]
    rows = [_lay_score(rank, score, name, lang) for rank, score in best]
    if left := len(scores) - len(best) - len(worst):
        more = text(lang, "performance.left_out", n=f"{left:,}")
        rows.append(html.Tr(html.Td(more, colSpan=3 + len(heads)), className="gap"))
    rows += [_lay_score(rank, score, name, lang) for rank, score in worst]
    first = [html.Th(text(lang, f"performance.column_{column}"), scope="col") for column in ("rank", "who", "score")]
    table = html.Table([html.Thead(html.Tr([*first, *heads])), html.Tbody(rows)])
    means = html.P(text(lang, f"performance.means_{section}"), className="means")
    return html.Section([title, means, table], className="scores", **mark(data_section=section))


def _lay_score(rank: int, score: Score, name: Callable[[str], str], lang: str) -> Component:
    return html.Tr(
        [
            html.Td(str(rank), className="rank"),
            html.Th(name(score.subject), scope="row"),
            html.Td("–" if score.value is None else f"{score.value:.1f}", className="score"),
            *(_lay_part(part, lang) for part in score.parts),
        ]
    )


def _lay_part(part: Part, lang: str) -> Component:
    points = "–" if part.points is None else f"{part.points:.1f}"
    return html.Td([points, html.Small(say_sum(part.indicator))], title=say_ids(part.indicator, lang, MOST_IDS))


def _lay_chains(found: Performance, name: Callable[[str], str], lang: str) -> Component:
    measured = [chain for chain in found.chains if chain.value is not None]
    best, worst = measured[:MOST_CHAINS], measured[MOST_CHAINS:][-MOST_CHAINS:]
    weights = {link: getattr(found.weights, link) for link in LINKS}
    heads = [html.Th(text(lang, f"performance.column_{column}"), scope="col") for column in ("who", "bundle")]
    heads += [
        html.Th([text(lang, f"performance.link_{link}"), html.Small(f" {100 * weights[link]:.0f} %")], scope="col")
        for link in LINKS
    ]
    rows = [_lay_chain(chain, name) for chain in best]
    if worst:
        rows.append(html.Tr(html.Td("…", colSpan=len(heads)), className="gap"))
        rows += [_lay_chain(chain, name) for chain in worst]
    return html.Section(
        [
            html.H2(text(lang, "performance.chains")),
            html.P(text(lang, "performance.means_chains", n=len(measured)), className="means"),
            html.Table([html.Thead(html.Tr(heads)), html.Tbody(rows)]),
        ],
        className="scores",
        **mark(data_section="chains"),
    )


def _lay_chain(chain: Chain, name: Callable[[str], str]) -> Component:
    cells = ["–" if chain.links[link] is None else f"{chain.links[link]:.1f}" for link in LINKS]
    return html.Tr(
        [
            html.Th(name(chain.village), scope="row"),
            html.Td(f"{chain.value:.1f}", className="score"),
            *(html.Td(cell) for cell in cells),
        ]
    )


def say_sum(indicator: Indicator) -> str:
    """Return what a ratio was worked out from; a count's or median's number of cases."""
    if indicator.denominator is None:
        return f"n = {indicator.numerator:,}"
    return f"{indicator.numerator:,} ÷ {indicator.denominator:,}"
