"""Charts: Plotly figures as plain dictionaries, in the colours and type of `assets/tokens.css`.

A wall chart is drawn once as an empty skeleton and then updated in place by the page's live feed; a chart of
the briefing is drawn whole. All are dictionaries in Plotly's figure schema (the tests validate them against it).
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from dashboard.text import text

Figure = dict[str, Any]

TOKENS = Path(__file__).parents[1] / "assets" / "tokens.css"
CONFIG: Any = {"displayModeBar": False, "responsive": True, "showTips": False, "doubleClick": False}
PRINT_CONFIG: Any = {**CONFIG, "staticPlot": True}

WALL_CHARTS = {
    "cases_by_hour": "cases",
    "cases_by_class": "cases",
    "traffic_by_hour": "traffic",
    "bins_by_hour": "waste",
}
"""The wall's charts, and the feed that each lives by."""
_TOKEN = re.compile(r"--([a-z0-9-]+):\s*([^;]+);")


@cache
def read_tokens(theme: str) -> dict[str, str]:
    """Return the design tokens of a theme (`light` or `dark`) by name, without the leading dashes.

    The dark block of the file overrides the light one, as it does in the browser.
    """
    css = re.sub(r"/\*.*?\*/", "", TOKENS.read_text(encoding="utf-8"), flags=re.DOTALL)
    blocks = dict(re.findall(r'(:root|\[data-theme="dark"\])\s*\{([^}]*)\}', css.split("@media")[0]))
    tokens = dict(_TOKEN.findall(blocks[":root"]))
    if theme == "dark":
        tokens |= dict(_TOKEN.findall(blocks['[data-theme="dark"]']))
    return {name: " ".join(value.split()) for name, value in tokens.items()}


@cache
def make_template(theme: str) -> Figure:
    """Return the Plotly template of a theme: quiet axes, no background of its own, tabular numerals."""
    tokens = read_tokens(theme)
    axis = {
        "gridcolor": tokens["line"],
        "linecolor": tokens["line"],
        "zeroline": False,
        "ticks": "",
        "fixedrange": True,
        "automargin": False,
        "tickfont": {"color": tokens["text-mid"]},
    }
    return {
        "layout": {
            "font": {"family": tokens["font"].replace('"', ""), "color": tokens["text-high"], "size": 14},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": [tokens["series-1"], tokens["series-2"]],
            "xaxis": axis,
            "yaxis": axis,
            "margin": {"l": 40, "r": 8, "t": 8, "b": 28},
            "showlegend": False,
            "hovermode": "x unified",
            "hoverlabel": {"bgcolor": tokens["raised"], "bordercolor": tokens["line"]},
            "bargap": 0.25,
            "dragmode": False,
        }
    }


def draw_skeleton(key: str, lang: str) -> Figure:
    """Return a wall chart without data; raises `KeyError` for a chart that there is not.

    Trace names are those of the chart's series in the live feed, so that the page can fill them by name.
    """
    tokens = read_tokens("dark")
    first = tokens["series-1"]
    hours = {"type": "date", "tickformat": "%H:%M", "nticks": 5, "showgrid": False}
    traces: dict[str, list[Figure]] = {
        "cases_by_hour": [
            _bars("reported", text(lang, "common.series_reported"), first),
            _line("closed", text(lang, "common.series_closed"), tokens["text-high"]),
        ],
        "cases_by_class": [{**_bars("open", "", first), "orientation": "h"}],
        "traffic_by_hour": [_line("index", "", first)],
        "bins_by_hour": [_bars("to_empty", "", first)],
    }
    # The end of a scale is said, though its figure stands half outside the plot.
    scale = {"rangemode": "tozero", "nticks": 4, "ticklabeloverflow": "allow"}
    layout: Figure = {"template": make_template("dark"), "xaxis": hours, "yaxis": scale}
    if key == "cases_by_class":
        layout["xaxis"] = scale
        layout["yaxis"] = {"type": "category", "autorange": "reversed", "showgrid": False, "dtick": 1}
        layout["hovermode"] = "y unified"
    if key == "traffic_by_hour":
        layout["yaxis"] = {**scale, "range": [0, 1], "tickvals": [0, 0.3, 0.5, 0.7, 1], "tickformat": ".1f"}
    return {"data": traces[key], "layout": layout}


def draw_days(days: Sequence[str], series: Mapping[str, Sequence[float | None]], highest: float) -> Figure:
    """Return bars by day on a light ground, one trace a name, on a scale from 0 to `highest`."""
    tokens = read_tokens("light")
    colours = [tokens["series-1"], tokens["series-2"]]
    data = [
        {**_bars(name, name, colours[place % 2]), "x": list(days), "y": list(values)}
        for place, (name, values) in enumerate(series.items())
    ]
    layout = _light({"type": "category", "showgrid": False, "nticks": 8}, {"range": [0, highest], "dtick": highest / 5})
    layout |= {"showlegend": len(series) > 1, "legend": {"orientation": "h", "x": 0, "y": 1.18}}
    layout["margin"] = {"l": 40, "r": 8, "t": 26 if len(series) > 1 else 8, "b": 28}
    return {"data": data, "layout": layout}


def draw_ranking(names: Sequence[str], counts: Sequence[float], highest: float) -> Figure:
    """Return horizontal bars, the first name on top, on a scale from 0 to `highest`."""
    trace = {
        **_bars("value", "", read_tokens("light")["series-1"]),
        "orientation": "h",
        "y": list(names),
        "x": list(counts),
        "text": [f"{count:g}" for count in counts],
        "textposition": "outside",
        "cliponaxis": False,
    }
    layout = _light(
        {"range": [0, highest * 1.12], "dtick": highest / 5},
        {"type": "category", "autorange": "reversed", "showgrid": False, "automargin": True, "dtick": 1},
    )
    return {"data": [trace], "layout": layout | {"hovermode": "y unified"}}


def round_scale(highest: float) -> float:
    """Return the end of an axis that holds `highest`: 1, 2 or 5 times a power of ten, at least 5."""
    step = 1.0
    while True:
        for factor in (1, 2, 5):
            if factor * step >= max(highest, 5):
                return factor * step
        step *= 10


def _light(xaxis: Figure, yaxis: Figure) -> Figure:
    return {"template": make_template("light"), "xaxis": xaxis, "yaxis": yaxis, "font": {"size": 12}}


def _bars(key: str, name: str, colour: str) -> Figure:
    return {
        "type": "bar",
        "name": name,
        "meta": key,
        "x": [],
        "y": [],
        "marker": {"color": colour, "line": {"width": 0}},
        "hovertemplate": "%{value}<extra>%{fullData.name}</extra>",
    }


def _line(key: str, name: str, colour: str) -> Figure:
    return {
        "type": "scatter",
        "mode": "lines+markers",  # markers, so that a lone value between gaps is seen
        "marker": {"size": 4, "color": colour},
        "name": name,
        "meta": key,
        "x": [],
        "y": [],
        "connectgaps": False,
        "line": {"color": colour, "width": 3, "shape": "linear"},
    }
