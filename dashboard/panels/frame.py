"""What every screen has in common: its root with the texts for TypeScript, its header, its places to fill."""

import json
from typing import Any, Final

from dash import html
from dash.development.base_component import Component

from dashboard.panels.viewer_menu import lay_viewer
from dashboard.people.permissions import may_open
from dashboard.people.viewer import find_viewer
from dashboard.scope import describe_area
from dashboard.text import pick_section, text
from geo.county import County

PAGES = ("wall", "duty", "alarms", "incident", "briefing", "performance", "feeds", "handover")
# A wall and a desk have no room to spare; from the briefing, which both lead to, it is one click.
UNLINKED = frozenset(
    {
        *(("wall", page) for page in ("alarms", "handover", "performance")),
        *(("alarms", page) for page in ("briefing", "performance", "handover")),
        *((page, "alarms") for page in ("briefing", "performance", "handover")),
        *(("incident", page) for page in ("briefing", "performance", "feeds", "handover")),
        *((page, "incident") for page in ("wall", "performance", "feeds")),
        ("duty", "performance"),
    }
)
SHARED_SECTIONS = (
    "common",
    "case_action",
    "severity",
    "channel",
    "kind",
    "mark",
    "feed",
    "feed_state",
    "alert",
    "alert_level",
    "cap_word",
)

SECTIONS_OF = {
    "duty": ("drawer", "intake", "incident"),
    "incident": ("duty", "drawer"),
    "wall": ("duty", "incident", "alarms"),
    "walls": ("wall",),
}
"""What a screen says beside its own section and the shared ones."""


SHAPES: Final = {1: "▲", 2: "◆", 3: "●", 4: "■"}
"""The shape of each severity, and of each level of a warning: never its colour alone."""


def lay_severity(severity: int, lang: str) -> Component:
    """Return the mark of a severity: shape and word, its colour by CSS."""
    shape = html.I(SHAPES.get(severity, "■"), **mark(aria_hidden="true"))
    return html.Span([shape, text(lang, f"severity.{severity}")], className="severity", **mark(data_severity=severity))


def lay_drill(is_exercise: bool, lang: str) -> list[Component | str]:
    """Return the word that marks what belongs to an exercise, and nothing for what is real."""
    return [html.Span(text(lang, "alert.exercise"), className="drill"), " "] if is_exercise else []


def lay_root(screen: str, lang: str, children: list[Component], **data: object) -> Component:
    """Return the root of a screen.

    `dashboard/map/main.ts` starts the TypeScript of the same name on it, which finds its language and texts in the
    root's attributes; `data` adds attributes (`scene="waste"` becomes `data-scene`).
    """
    texts = json.dumps(pick_section(lang, screen, *SECTIONS_OF.get(screen, ()), *SHARED_SECTIONS), ensure_ascii=False)
    attributes = mark(data_screen=screen, data_lang=lang, data_texts=texts)
    attributes |= mark(**{f"data_{name}": value for name, value in data.items()})
    return html.Div(children, className=f"screen {screen}", **attributes)


def mark(**attributes: object) -> dict[str, Any]:
    """Return `data-` and `aria-` attributes from their Python spelling: `data_part` becomes `data-part`."""
    return {name.replace("_", "-"): str(value) for name, value in attributes.items()}


def slot(name: str, tag: str = "Div", className: str = "", **attributes: Any) -> Component:  # noqa: N803
    """Return an empty element that the screen's TypeScript fills; it is found by `data-slot`."""
    make: type[Component] = getattr(html, tag)
    return make(className=className, **mark(data_slot=name), **attributes)


def name_county(county: County, lang: str) -> str:
    """Return the county's name in a language."""
    return county.name.en if lang == "en" else county.name.zh


def name_place(county: County, lang: str) -> str:
    """Return the name of what a screen shows: the viewer's area, else the county."""
    viewer = find_viewer()
    name: str = describe_area(county, viewer.area if viewer else "")["name"][lang]
    return name


def lay_header(
    screen: str, county: County, lang: str, heading: str | Component | None = None, path: str | None = None
) -> Component:
    """Return the header: name, clock, age of the data, feeds, where the data comes from, connection.

    path: where the screen is, if not at the path of its name.
    """
    fictional = [html.Span(text(lang, "common.fictional"), className="badge")] if county.fictional else []
    return html.Header(
        [
            html.Div(
                [
                    html.H1(name_place(county, lang)),
                    html.Span(heading or text(lang, f"{screen}.heading"), className="heading"),
                ],
                className="name",
            ),
            html.Div([*fictional, slot("origin", "Span", "badge origin", hidden=True)], className="badges"),
            slot("feeds", "Div", "feeds"),
            html.Div([slot("as-of", "Span", "as-of"), slot("connection", "Span", "connection")], className="ages"),
            *([slot("on-duty", "A", "on-duty", href=f"/handover?lang={lang}")] if screen == "duty" else []),
            slot("clock", "Div", "clock"),
            lay_navigation(screen, lang, path),
        ],
        className="header",
    )


def lay_navigation(screen: str, lang: str, path: str | None = None) -> Component:
    """Return the links to the other screens that the viewer may open and to the other language, and who they are."""
    viewer = find_viewer()
    links = [
        html.A(
            text(lang, f"common.page_{page}"),
            href=f"/{page}?lang={lang}",
            **(mark(aria_current="page") if f"/{page}" == (path or f"/{screen}") else {}),
        )
        for page in PAGES
        if (viewer is None or may_open(viewer, page)) and (screen, page) not in UNLINKED
    ]
    other = "zh" if lang == "en" else "en"
    links.append(
        html.A(
            text(lang, "common.other_language"),
            href=f"{path or '/' + screen}?lang={other}",
            lang=other,
            className="other",
        )
    )
    return html.Nav([*links, *lay_viewer(screen, lang)])


def lay_lost_banner() -> Component:
    """Return the banner that says, when the connection is lost, since when; the live feed shows and hides it."""
    return slot("lost", "Div", "lost", hidden=True, role="alert")


def list_feeds(county: County) -> str:
    """Return the names of the county's feeds as JSON by key, for the root's `data-feeds`."""
    names = {feed.key: {"zh": feed.name.zh, "en": feed.name.en} for feed in county.feeds.values()}
    return json.dumps(names, ensure_ascii=False)
