"""The briefing: one white page of figures as of a moment, to be read, printed and believed."""

from collections.abc import Callable
from datetime import datetime

from dash import dcc, html
from dash.development.base_component import Component
from sqlalchemy import Engine

from cases.indicators import Indicator
from dashboard.briefing import MOST_IDS, Briefing, Figure, compare, make_briefing, name_unit
from dashboard.charts import PRINT_CONFIG, draw_days, draw_ranking, round_scale
from dashboard.factbook import FactBook
from dashboard.panels.frame import lay_navigation, lay_root, mark, name_county, name_place, slot
from dashboard.text import text
from geo.county import County


def lay_out(
    county: County, lang: str, engine: Engine, asked: str | None, area: str = "", book: FactBook | None = None
) -> Component:
    """Return the page as of the moment asked for, of an area (empty: the county); reads SQL, so call it in a thread.

    A text that is no moment is said on the page, which then shows the present.
    """
    wrong = None
    try:
        briefing = make_briefing(engine, county, asked, area=area, book=book)
    except ValueError:
        wrong, briefing = asked, make_briefing(engine, county, None, area=area, book=book)
    local = briefing.as_of.astimezone(county.time_zone)
    body = [_lay_empty(lang)] if briefing.empty else _lay_body(briefing, county, lang)
    children = [
        _lay_head(county, lang, briefing, local),
        *([html.P(text(lang, "briefing.as_of_bad", value=wrong), className="wrong", role="alert")] if wrong else []),
        html.Main(body),
        _lay_foot(county, lang, local),
    ]
    return lay_root("briefing", lang, children, as_of=f"{local:%Y-%m-%dT%H:%M}", zone=str(county.time_zone))


def _lay_head(county: County, lang: str, briefing: Briefing, local: datetime) -> Component:
    badges = [html.Span(text(lang, "common.fictional"), className="badge")] if county.fictional else []
    badges += [
        html.Span(text(lang, f"common.{origin}"), className="badge", **mark(data_origin=origin))
        for origin in briefing.origins
        if origin != "live"
    ]
    return html.Header(
        [
            html.Div([html.H1(name_place(county, lang)), html.Span(text(lang, "briefing.heading"))], className="name"),
            html.Div(badges, className="badges"),
            html.Div(
                [f"{text(lang, 'briefing.as_of')} ", html.Time(_say_moment(local), dateTime=local.isoformat())],
                className="moment",
            ),
            slot("tools", "Div", "tools"),
            lay_navigation("briefing", lang),
        ],
        className="head",
    )


def _lay_empty(lang: str) -> Component:
    return html.P(text(lang, "briefing.no_data"), className="lead")


def _lay_body(briefing: Briefing, county: County, lang: str) -> list[Component]:
    return [
        html.P(say_lead(briefing, county, lang), className="lead"),
        html.Section(
            [html.H2(text(lang, "briefing.figures"))]
            + [_lay_figure(figure, lang) for figure in briefing.figures.values()],
            className="figures",
        ),
        html.Section(_lay_charts(briefing, county, lang), className="charts"),
    ]


def say_lead(briefing: Briefing, county: County, lang: str) -> str:
    """Return the first sentences: what changed, and what needs attention."""
    value: Callable[[str], int] = lambda key: briefing.figures[key].now.numerator  # noqa: E731
    severe, overdue = value("severe_open"), value("overdue")
    sentences = [
        text(
            lang,
            "briefing.lead_severe" if severe else "briefing.lead_quiet",
            reported=value("reported_24h"),
            closed=value("closed_24h"),
            severe=severe,
        )
    ]
    if overdue:
        sentences.append(text(lang, "briefing.lead_overdue", overdue=overdue))
    change = compare(briefing.figures["reported_24h"].now, briefing.figures["reported_24h"].day)
    if change is not None:
        way = "same" if change == 0 else "more" if change > 0 else "less"
        sentences.append(text(lang, f"briefing.lead_change_{way}", n=f"{abs(change):.0f}"))
    if briefing.towns:
        code, count = briefing.towns[0]
        sentences.append(text(lang, "briefing.lead_town", town=name_town(county, code, lang), n=count))
    return (" " if lang == "en" else "").join(sentences)


def name_town(county: County, code: str | None, lang: str) -> str:
    """Return a town's name; a word of its own for what is outside the county."""
    if code is None or code not in county.areas.index:
        return text(lang, "common.outside") if code is None else code
    row = county.areas.loc[code]
    english = row["name_en"]
    return str(english) if lang == "en" and isinstance(english, str) and english else str(row["name"])


def name_class(county: County, code: str, lang: str) -> str:
    """Return a class's name; its code where the pack does not know it."""
    category = county.categories.get(code)
    if category is None:
        return code
    return category.en if lang == "en" else category.zh


def say_change(now: Indicator, before: Indicator, lang: str) -> str:
    """Return a change in words and a sign: cases as a number, ratios in percentage points."""
    change = compare(now, before)
    if change is None:
        return text(lang, "briefing.no_basis")
    if change == 0 or (now.denominator is None and round(change) == 0):
        return text(lang, "briefing.same")
    sign = "+" if change > 0 else "−"
    if now.denominator is None:
        return f"{sign}{abs(change):,.0f}"
    return text(lang, "briefing.points", n=f"{sign}{abs(change):.2f}")


def _lay_figure(figure: Figure, lang: str) -> Component:
    now = figure.now
    changes = [
        html.Div(
            [html.Dt(text(lang, f"briefing.against_{basis}")), html.Dd(say_change(now, before, lang))],
            title=text(lang, f"briefing.basis_{basis}", value=say_value(before, lang)),
        )
        for basis, before in (("day", figure.day), ("week", figure.week))
    ]
    return html.Article(
        [
            html.H3(text(lang, f"briefing.indicator_{figure.key}")),
            html.P(say_value(now, lang), className="value"),
            html.Dl(changes, className="changes"),
            html.Details(
                [
                    html.Summary(text(lang, "briefing.definition")),
                    html.P(text(lang, f"briefing.rule_{figure.key}")),
                    html.P(_say_sum(now, lang), className="sum"),
                    html.P(say_ids(now, lang, MOST_IDS), className="ids"),
                ]
            ),
        ],
        className="figure",
        **mark(data_figure=figure.key),
    )


def say_value(indicator: Indicator, lang: str) -> str:
    """Return a figure with its unit."""
    if indicator.value is None:
        return "–"
    if indicator.denominator is None:
        return f"{indicator.value:,.0f} {text(lang, f'briefing.{name_unit(indicator)}')}"
    return f"{indicator.value:.2f} %"


def _say_sum(indicator: Indicator, lang: str) -> str:
    if indicator.denominator is None:
        return text(lang, "briefing.counted", n=f"{indicator.numerator:,}")
    return f"{indicator.numerator:,} ÷ {indicator.denominator:,} = {say_value(indicator, lang)}"


def say_ids(indicator: Indicator, lang: str, most: int) -> str:
    """Return the numbers of the cases counted, so many at most."""
    shown = indicator.counted[:most]
    if not shown:
        return ""
    left = len(indicator.counted) - len(shown)
    more = f" {text(lang, 'briefing.counted_more', n=f'{left:,}')}" if left else ""
    return f"{text(lang, 'briefing.counted_ids')}: {', '.join(shown)}{more}"


def _lay_charts(briefing: Briefing, county: County, lang: str) -> list[Component]:
    days = [f"{day:%m-%d}" for day in briefing.days]
    counts = {
        text(lang, "common.series_reported"): briefing.reported,
        text(lang, "common.series_closed"): briefing.closed,
    }
    # One scale for everything that counts cases, so that the pictures can be compared.
    towns = briefing.towns[:10]
    scale = round_scale(
        max([*briefing.reported, *briefing.closed, *[count for _, count in briefing.classes]], default=0)
    )
    town_scale = round_scale(max((count for _, count in towns), default=0))
    return [
        _lay_chart("by_day", lang, draw_days(days, counts, scale), "unit_cases"),
        _lay_chart("closed_loop", lang, draw_days(days, {"%": briefing.closed_ratio}, 100), "unit_percent"),
        _lay_chart(
            "by_class",
            lang,
            draw_ranking(
                [name_class(county, code, lang) for code, _ in briefing.classes],
                [count for _, count in briefing.classes],
                scale,
            ),
            "unit_cases",
        ),
        _lay_chart(
            "by_town",
            lang,
            draw_ranking(
                [name_town(county, code, lang) for code, _ in towns], [count for _, count in towns], town_scale
            ),
            "unit_cases",
        ),
    ]


def _lay_chart(key: str, lang: str, figure: dict[str, object], unit: str) -> Component:
    title = text(lang, f"briefing.chart_{key}")
    return html.Figure(
        [
            html.Figcaption([title, html.Small(text(lang, f"briefing.{unit}"))]),
            html.Div(dcc.Graph(figure=figure, config=PRINT_CONFIG, id=f"chart-{key}"), className="plot"),
        ],
        **mark(aria_label=title),
    )


def _lay_foot(county: County, lang: str, local: datetime) -> Component:
    source = text(
        lang,
        "briefing.source",
        county=name_county(county, lang),
        code=county.code,
        at=_say_moment(local),
        zone=str(county.time_zone),
    )
    sentences = (text(lang, "briefing.footer"), text(lang, "briefing.rounded"), source)
    return html.Footer([html.P(sentence) for sentence in sentences])


def _say_moment(local: datetime) -> str:
    return f"{local:%Y-%m-%d %H:%M}"
