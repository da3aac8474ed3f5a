"""The wall: the whole county on one screen that never scrolls."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from dash import dcc, html
from dash.development.base_component import Component
from plotly.io.json import to_json_plotly

from brain.alarm_rules import read_alarm_rules
from dashboard.charts import CONFIG, WALL_CHARTS, draw_skeleton
from dashboard.pages.incident import lay_incident_part, name_actors
from dashboard.panels.alarms import describe_groups, lay_alarm_call, lay_alarm_panel, lay_voice_button
from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, list_feeds, mark, slot
from dashboard.people.demo import DemoViewer
from dashboard.people.permissions import may
from dashboard.people.viewer import ROLES, Viewer, find_viewer
from dashboard.people.walls import name_wall
from dashboard.release import name_release
from dashboard.scenes import EXTREMES, FIGURES, INCIDENT_PANELS, PANELS, Scene, Scenes
from dashboard.text import text
from geo.county import County
from layers import LAYERS


def lay_out(county: County, lang: str, scenes: Scenes, asked: str | None = None) -> Component:
    """Return the wall's skeleton: every panel there is, those of the first scene in their places.

    asked: the one scene to show; None, or one that there is not: the scenes take turns.
    """
    asked = asked if asked in scenes.by_key else None
    viewer = find_viewer()
    # Without log-in a wall says itself what it is called; of those logged in only walls have a name.
    wall = "" if isinstance(viewer, DemoViewer) else viewer and name_wall(viewer)
    scene = scenes.by_key[asked or scenes.rotation[0]]
    parked = [panel for panel in PANELS if panel not in (*scene.left, *scene.right, *scene.below)]
    return lay_root(
        "wall",
        lang,
        [
            lay_header("wall", county, lang, heading=_lay_turn(lang)),
            lay_lost_banner(),
            slot("calm", "Div", "calm", hidden=True, role="alert"),
            _lay_region("left", scene.left, lang),
            _lay_map(lang),
            _lay_region("right", scene.right, lang),
            _lay_region("below", scene.below, lang),
            _lay_region("parked", parked, lang, hidden=True),
        ],
        scene=scene.key,
        fixed=asked or "",
        release=name_release(),
        scenes=describe_scenes(scenes, county),
        feeds=list_feeds(county),
        groups=describe_groups(read_alarm_rules(county)),
        voice=json.dumps(scenes.voice.describe()),
        roles=name_roles(lang),
        actors=name_actors(lang),
        **({} if wall is None else {"wall": wall}),
    )


def name_roles(lang: str) -> str:
    """Return what those are called who may send something to a wall, as JSON by role: no wall shows a name."""
    roles = [role for role in ROLES if may(Viewer("", "", role), "walls")]
    return json.dumps({role: text(lang, f"people.role_{role}") for role in roles}, ensure_ascii=False)


def describe_scenes(scenes: Scenes, county: County) -> str:
    """Return the scenes as JSON for TypeScript; `turn` is a scene's place in the rotation, `box` what its map shows."""
    described = [
        {
            **msgspec.to_builtins(scene),
            "en": scene.name.en,
            "turn": scenes.rotation.index(scene.key) if scene.key in scenes.rotation else None,
            "box": _find_box(scene, county),
        }
        for scene in scenes.by_key.values()
    ]
    return msgspec.json.encode(described).decode()


def _find_box(scene: Scene, county: County) -> tuple[float, ...] | None:
    return tuple(county.areas.geometry[scene.place].bounds) if scene.place else None


def _lay_turn(lang: str) -> Component:
    """Return the name of the scene, its turn, and the means to stop or move the rotation."""
    return html.Div(
        [
            *(
                html.Button(sign, type="button", title=text(lang, f"wall.{deed}"), **mark(data_deed=deed))
                for deed, sign in (("previous", "‹"), ("pause", "Ⅱ"), ("next", "›"))
            ),
            slot("scene", "Span", "scene"),
            slot("skipped", "Span", "skipped"),
            slot("wall-name", "Span", "wall-name", title=text(lang, "wall.name"), hidden=True),
        ],
        className="turn",
    )


def _lay_region(name: str, panels: Any, lang: str, **attributes: Any) -> Component:
    return html.Section(
        [_lay_panel(panel, lang) for panel in panels], className=name, **mark(data_region=name), **attributes
    )


def _lay_panel(key: str, lang: str) -> Component:
    if key in WALL_CHARTS:
        return _lay_chart(key, lang)
    if key in INCIDENT_PANELS:
        return lay_incident_part(key, lang, className=f"panel {key}-panel", **mark(data_panel=key))
    match key:
        case "figures":
            figures = [_lay_figure(figure, lang) for figure in FIGURES]
            label = mark(aria_label=text(lang, "wall.figures"), data_panel="figures")
            return html.Div(figures, className="figures", role="list", **label)
        case "alerts":
            return _lay_alerts(lang)
        case "alarms":
            return lay_alarm_panel(lang)
        case "stream":
            return _lay_list(key, slot("stream", "Ol", "stream"), lang, feed="cases")
        case "ages":
            return _lay_list(key, slot("ages", "Ul", "feed-ages"), lang)
        case "health":
            return _lay_list(key, slot("health", "Ol", "health"), lang)
        case "towns":
            return _lay_list(key, slot("towns", "Ol", "ranking", **mark(data_chart_of="cases_by_town")), lang, "cases")
        case "town_scores" | "county_rates":
            return _lay_list(key, slot(key, "Ol", f"ranking {key.replace('_', '-')}"), lang)
        case "workers_by_town":
            ranking = slot(key, "Ol", "ranking", **mark(data_chart_of="workers_by_town"))
            return _lay_list(key, ranking, lang, "workers")
        case _:
            layer = EXTREMES[key]
            ranking = slot(key, "Ol", "ranking extremes", **mark(data_extremes_of=layer))
            return _lay_list(key, ranking, lang, LAYERS[layer].spec.feed)


def _lay_list(key: str, rows: Component, lang: str, feed: str | None = None) -> Component:
    title, unit = text(lang, f"wall.{key}"), text(lang, f"wall.{key}_unit")
    return html.Div(
        [html.H2([title, html.Small(unit)] if unit else title), rows],
        className=f"panel {key}-panel",
        **mark(data_panel=key, **({"data_feed": feed} if feed else {})),
    )


def _lay_figure(key: str, lang: str) -> Component:
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
        className="figure",
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
            slot("legend", "Div", "legend", role="group", **mark(aria_label=text(lang, "wall.legend"))),
            lay_alarm_call(lang),
            lay_voice_button(),
            slot("still", "Div", "still", hidden=True, role="alert"),
            slot("ordered", "Div", "ordered", hidden=True, role="status"),
        ],
        className="hero",
    )


def _lay_alerts(lang: str) -> Component:
    return html.Div(
        [
            html.H2(text(lang, "alert.in_force")),
            slot("alerts", "Ol", "alerts"),
            slot("alerts-more", "P", "more"),
        ],
        className="panel alerts-panel",
        hidden=True,
        **mark(data_panel="alerts", data_slot="alerts-panel", aria_live="polite"),
    )


def _lay_chart(key: str, lang: str) -> Component:
    """Return a chart's frame; the page hangs the chart itself into it when the map is drawn (charts.ts)."""
    title, unit = text(lang, f"wall.chart_{key}"), text(lang, f"wall.chart_{key}_unit")
    skeleton = draw_skeleton(key, lang)
    graph = dcc.Graph(figure=skeleton, config=CONFIG, className="plot", id=f"chart-{key}")
    return html.Figure(
        [
            html.Figcaption([html.H2(title), html.Small(unit), *_lay_key(skeleton["data"])]),
            html.Div(id=f"frame-{key}", className="frame", **mark(data_graph=to_json_plotly(graph))),
            html.P(text(lang, "common.no_data"), className="empty", **mark(data_part="empty")),
        ],
        className="panel chart",
        **mark(data_panel=key, data_chart=key, data_feed=WALL_CHARTS[key], aria_label=f"{title}, {unit}"),
    )


def _lay_key(traces: Sequence[Mapping[str, Any]]) -> list[Component]:
    """Return what bars and line of a chart stand for; nothing for the one series that the title names."""
    named = [trace for trace in traces if trace["name"]]
    return [html.Span(trace["name"], className="key", **mark(data_kind=trace["type"])) for trace in named]
