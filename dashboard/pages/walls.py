"""The walls: which there are, what each shows and when it drew last, and what is sent to one."""

from dash import html
from dash.development.base_component import Component

from dashboard.pages.wall import describe_scenes, name_roles
from dashboard.panels.frame import lay_header, lay_lost_banner, lay_root, mark, slot
from dashboard.people.permissions import may
from dashboard.people.viewer import find_viewer
from dashboard.scenes import Scenes
from dashboard.text import text
from geo.county import County

COLUMNS = ("name", "area", "shows", "since", "drawn", "screen", "machine")


def lay_out(county: County, lang: str, scenes: Scenes) -> Component:
    """Return the page's skeleton; its TypeScript reads `/api/walls` and fills it."""
    viewer = find_viewer()
    headings = [html.Th(text(lang, f"walls.column_{column}"), scope="col", className=column) for column in COLUMNS]
    return lay_root(
        "walls",
        lang,
        [
            lay_header("walls", county, lang),
            lay_lost_banner(),
            html.Main(
                [
                    html.Section(
                        [
                            html.Table([html.Thead(html.Tr([*headings, html.Th()])), slot("rows", "Tbody")]),
                            slot("none", "P", "none", hidden=True),
                            slot("said", "P", "said", role="status"),
                            slot("make", "Div", "make"),
                        ],
                        className="list",
                    ),
                    html.Section(
                        [slot("order", "Div", "order"), slot("map", "Div", "map")],
                        className="sending",
                        **mark(aria_live="off"),
                    ),
                ]
            ),
        ],
        scenes=describe_scenes(scenes, county),
        roles=name_roles(lang),
        maker="yes" if viewer and may(viewer, "people") else "",
    )
