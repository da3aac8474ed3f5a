"""Who is at the screen, in its header: name and role, and log-out; in the demo a menu of whom one can be instead."""

from typing import Final
from urllib.parse import urlencode

from dash import html
from dash.development.base_component import Component

from dashboard.people.demo import DemoViewer
from dashboard.people.forgery import FIELD, current_token
from dashboard.people.permissions import ROUND_PAGES, may
from dashboard.people.viewer import ROLES, Viewer, find_viewer
from dashboard.people.walls import WallViewer
from dashboard.text import text

OFFICE: Final = ("people", "audit")
"""Pages without a screen of their own kind, which few people need."""


def lay_viewer(screen: str, lang: str) -> list[Component]:
    """Return the viewer's corner of a header; nothing where nobody is known, and on a wall of the demo.

    Forms that a page of Dash sends as a browser does: the token is the value of the button that was pressed.
    """
    viewer = find_viewer()
    if viewer is None or isinstance(viewer, WallViewer):
        return []
    if isinstance(viewer, DemoViewer):
        # The wall has no room to spare, but who cannot open the desk must find the way back.
        return (
            []
            if screen == "wall" and may(viewer, "duty")
            else [_lay(viewer, lang, [_lay_demo_roles(viewer, screen, lang)])]
        )
    return [_lay(viewer, lang, _lay_account(viewer, lang))]


def _lay(viewer: Viewer, lang: str, behind: list[Component]) -> Component:
    role = text(lang, f"people.role_{viewer.role}")
    title = role if isinstance(viewer, DemoViewer) else viewer.title
    small = [html.Small(role)] if title != role else []
    rounds = [
        html.A(text(lang, f"common.page_{page}"), href=f"/{page}?lang={lang}")
        for page, right in (*ROUND_PAGES.items(), ("walls", "walls"))
        if may(viewer, right)
    ]
    behind = [*rounds, *behind]
    return html.Details([html.Summary([title, *small]), html.Div(behind, className="behind")], className="viewer")


def _lay_account(viewer: Viewer, lang: str) -> list[Component]:
    links = [html.A(text(lang, "login.own_password"), href=f"/password?lang={lang}")]
    links = [
        *(
            html.A(text(lang, f"common.page_{page}"), href=f"/{page}?lang={lang}")
            for page in OFFICE
            if may(viewer, page)
        ),
        *links,
    ]
    log_out = html.Button(text(lang, "login.log_out"), name=FIELD, value=current_token.get(), type="submit")
    return [*links, html.Form([log_out], method="post", action=f"/logout?lang={lang}")]


def _lay_demo_roles(viewer: Viewer, screen: str, lang: str) -> Component:
    buttons = []
    for role in ROLES:
        page = screen if role != "wall" else "wall"
        query = urlencode({"viewer": role, "next": f"/{page}?lang={lang}"})
        buttons.append(
            html.Button(
                text(lang, f"people.role_{role}"),
                name=FIELD,
                value=current_token.get(),
                type="submit",
                formAction=f"/demo-viewer?{query}",
                className="chosen" if role == viewer.role else "",
            )
        )
    return html.Form([html.P(text(lang, "login.demo_pick")), *buttons], method="post", action="/demo-viewer")
