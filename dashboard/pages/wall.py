"""The wall: the whole county on one screen that never scrolls."""

import json

from dash import dcc, html
from dash.development.base_component import Component

from dashboard.charts import CONFIG, WALL_CHARTS, draw_skeleton
from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.text import text
from geo.county import County

# The six headline figures, and three more for a screen of twice the width.
FIGURES = ("open_cases", "severe_open", "new_today", "closed_ratio_24h", "bins_to_empty", "traffic_index")
MORE_FIGURES = ("closed_today", "aqi", "workers_on_duty")

# A scene is a choice of layers; every layer can be switched on and off by hand in every scene. Warnings are in all.
SCENES: dict[str, tuple[str, ...]] = {
    "overview": ("grid", "case_heatmap", "smart_bins", "traffic", "alerts"),
    "cases": ("case_heatmap", "open_cases", "case_clocks", "alerts"),
    "waste": ("smart_bins", "alerts"),
    "traffic": ("traffic", "alerts"),
    "environment": ("air", "water", "alerts"),
}


def lay_out(county: County, lang: str, scene: str = "overview") -> Component:
    """Return the wall's skeleton; an unknown scene is the overview."""
    scene = scene if scene in SCENES else "overview"
    return lay_root(
        "wall",
        lang,
        [
            lay_header(
                "wall", county, lang, heading=None if scene == "overview" else text(lang, f"wall.scene_{scene}")
            ),
            lay_lost_banner(),
            _lay_left(lang),
            _lay_map(lang),
            _lay_right(lang),
            html.Section([_lay_chart(key, lang) for key in WALL_CHARTS], className="charts"),
        ],
        scene=scene,
        feeds=list_feeds(county),
        layers=json.dumps(SCENES[scene]),
    )


def _lay_left(lang: str) -> Component:
    figures = [_lay_figure(key, lang, more=False) for key in FIGURES]
    figures += [_lay_figure(key, lang, more=True) for key in MORE_FIGURES]
    return html.Section(
        [
            html.Div(figures, className="figures", role="list", **mark(aria_label=text(lang, "wall.figures"))),
            html.Div(
                [
                    html.H2([text(lang, "wall.towns"), html.Small(text(lang, "wall.towns_unit"))]),
                    slot("towns", "Ol", "towns"),
                ],
                className="panel towns-panel",
                **mark(data_feed="cases"),
            ),
        ],
        className="left",
    )


def _lay_figure(key: str, lang: str, more: bool) -> Component:
    means = text(lang, f"wall.figure_{key}_means")
    return html.Div(
        [
            html.H2(text(lang, f"wall.figure_{key}")),
            html.Div(
                [
                    html.Span("–", className="value", **mark(data_part="value")),
                    html.Span(text(lang, f"wall.figure_{key}_unit"), className="unit", **mark(data_part="unit")),
                ],
                className="reading",
            ),
            html.Div(className="spark", **mark(data_part="spark")),
            html.Div(
                [
                    html.Span(className="change", **mark(data_part="change")),
                    html.Span(className="age", **mark(data_part="age")),
                ],
                className="small",
            ),
            html.P(means, className="means", hidden=True, **mark(data_part="means")),
        ],
        className="figure more" if more else "figure",
        role="listitem",
        tabIndex=0,
        title=means,
        **mark(data_figure=key),
    )


def _lay_map(lang: str) -> Component:
    return html.Main(
        [
            slot("map", "Div", "map", role="application", **mark(aria_label=text(lang, "wall.map"))),
            slot("layers", "Div", "layers", role="group", **mark(aria_label=text(lang, "wall.layers"))),
            slot("legend", "Div", "legend", **mark(aria_label=text(lang, "wall.legend"))),
        ],
        className="hero",
    )


def _lay_right(lang: str) -> Component:
    return html.Section(
        [
            html.Div(
                [
                    html.H2(text(lang, "alert.in_force")),
                    slot("alerts", "Ol", "alerts"),
                    slot("alerts-more", "P", "more"),
                ],
                className="panel alerts-panel",
                hidden=True,
                **mark(data_slot="alerts-panel", aria_live="polite"),
            ),
            html.Div(
                [html.H2(text(lang, "wall.stream")), slot("stream", "Ol", "stream")],
                className="panel stream-panel",
                **mark(data_feed="cases"),
            ),
            html.Div(
                [html.H2(text(lang, "wall.feeds")), slot("ages", "Ul", "feed-ages")],
                className="panel ages-panel",
            ),
        ],
        className="right",
    )


def _lay_chart(key: str, lang: str) -> Component:
    title, unit = text(lang, f"wall.chart_{key}"), text(lang, f"wall.chart_{key}_unit")
    return html.Figure(
        [
            html.Figcaption([html.H2(title), html.Small(unit)]),
            dcc.Graph(figure=draw_skeleton(key, lang), config=CONFIG, className="plot", id=f"chart-{key}"),
            html.P(text(lang, "common.no_data"), className="empty", **mark(data_part="empty")),
        ],
        className="panel chart",
        **mark(data_chart=key, aria_label=f"{title}, {unit}"),
    )
