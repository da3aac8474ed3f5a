"""The Dash application: its server, its routes and its screens."""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from dash import Dash, Input, Output, State, dcc, html
from dash.backends._fastapi import FastAPIDashServer
from dash.development.base_component import Component
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from plotly.offline import get_plotlyjs_version
from sqlalchemy import Engine

from brain.alarm_rules import read_alarm_rules
from cases.rulebook import read_rulebook
from dashboard import ids
from dashboard.briefing import make_briefing_router
from dashboard.exercises import make_exercise_router, open_exercise_desk
from dashboard.exports.routes import make_exports_router
from dashboard.factbook import FactBook
from dashboard.feeds import make_feeds_router
from dashboard.field.routes import make_field_router
from dashboard.pages import alarms, briefing, duty, feeds, handover, incident, incidents, performance, wall, walls
from dashboard.panels.frame import name_county
from dashboard.people.audit_page import make_audit_router
from dashboard.people.entrance import guard_app
from dashboard.people.permissions import PAGES, may, may_open
from dashboard.people.register import find_register
from dashboard.people.sheets import Sheets
from dashboard.people.unmasking import make_unmasking_router, open_persons
from dashboard.people.viewer import get_viewer
from dashboard.performance import make_performance_router
from dashboard.places import make_places_router
from dashboard.publishing import Publisher
from dashboard.queue_api import make_queue_router
from dashboard.release import read_bundle_version
from dashboard.rounds import make_rounds_router, open_desk
from dashboard.scenes import Scenes, read_scenes
from dashboard.scope import find_area
from dashboard.shifts import Shifts, make_shifts_router, open_shifts
from dashboard.standings import Standings, make_standings_router
from dashboard.text import choose_language, text
from dashboard.walls import make_walls_router, open_wall_desk
from geo.county import County
from ingest.settings import Settings

if TYPE_CHECKING:
    from dashboard.live import Hub

SCREENS = ("wall", "duty", "alarms", "briefing", "performance", "feeds", "handover", "walls")
LIGHT_SCREENS = ("briefing", "performance", "handover")

INDEX = """<!DOCTYPE html>
<html>
  <head>
    {%metas%}
    <title>{%title%}</title>
    {%favicon%}
    {%css%}
  </head>
  <body>
    {%app_entry%}
    <footer>{%config%}{%scripts%}{%renderer%}</footer>
  </body>
</html>"""


class QuietServer(FastAPIDashServer):
    """Dash's FastAPI backend without the WebSocket that it opens on every page (plotly/dash #3939).

    The application has no documentation pages: FastAPI's would fetch their scripts from a foreign host.
    """

    websocket_capability = False

    @staticmethod
    def create_app(name: str = "dashboard", config: dict[str, Any] | None = None) -> FastAPI:
        """Return the FastAPI application; `/` leads to the wall, or to the first page that the viewer may open."""
        app = FastAPI(title="County Brain", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)
        app.add_api_route("/", _redirect_to_first_page, include_in_schema=False)
        return app


class Screens(Dash):
    """Dash with a page frame that is in the right language, theme and title from its first byte."""

    county: County
    default_language: str

    def _config(self) -> dict[str, Any]:
        """Return what Dash's renderer is told: plotly.js with bars and lines alone, a quarter of the whole.

        Of `serve_locally` the renderer asks only whether to take the whole one from plotly's package.
        """
        url = f"{self.get_asset_url('build/plotly-basic.min.js')}?v={get_plotlyjs_version()}"
        return {**super()._config(), "serve_locally": False, "plotlyjs_url": url}  # type: ignore[no-untyped-call]

    def _load_bundle(self) -> str:
        """Return what brings in our own script, which is read while Dash still renders the page.

        The page names the version, so that no browser runs a script that it kept from before an upgrade.
        """
        url, version = self.get_asset_url("build/county-brain"), read_bundle_version()
        return (
            f'\n<link rel="stylesheet" href="{url}.css?v={version}">'
            f'\n<script type="module" async src="{url}.js?v={version}"></script>'
        )

    def interpolate_index(self, *arguments: Any, **parts: Any) -> str:
        """Return the HTML of the page that is asked for."""
        request = self.backend.request_adapter()
        screen = str(request.path).strip("/").partition("/")[0]
        lang = choose_language(request.args.get("lang"), self.default_language)
        parts["title"] = make_title(screen, self.county, lang)
        if screen == "wall":
            # The grid of the desk's pages is the largest of Dash's scripts, and a wall has no table.
            parts["scripts"] = "\n".join(line for line in parts["scripts"].splitlines() if "dash_ag_grid" not in line)
        parts["css"] += self._load_bundle()
        theme = "light" if screen in LIGHT_SCREENS else "dark"
        page: str = super().interpolate_index(*arguments, **parts)  # type: ignore[no-untyped-call]
        frame = f'<html lang="{_as_locale(lang)}" data-theme="{theme}">'
        script = f"<noscript><p>{text(lang, 'common.needs_script')}</p></noscript>"
        return page.replace("<html>", frame, 1).replace("<body>", f"<body>{script}", 1)


def make_app(settings: Settings, county: County, hub: "Hub", engine: Engine) -> FastAPI:
    """Return the ASGI application that serves the screens and the web API.

    The hub is started and stopped by the application's lifespan (see `dashboard.api`). Nothing a page needs
    comes from another host.
    """
    dash = Screens(
        "dashboard",
        backend=QuietServer,
        assets_folder="../assets",
        assets_path_ignore=["build"],
        serve_locally=True,
        suppress_callback_exceptions=True,
        title="County Brain",
        update_title="",
        index_string=INDEX,
        enable_mcp=False,
        add_log_handler=False,
        meta_tags=[{"name": "viewport", "content": "width=device-width, initial-scale=1"}],
    )
    dash.county, dash.default_language = county, settings.ui_lang
    dash.layout = html.Div([dcc.Location(id=ids.URL, refresh="callback-nav"), html.Div(id=ids.PAGE)])
    book = FactBook(engine, county)
    publisher = Publisher(settings)
    register = find_register(settings)
    shifts = open_shifts(settings, county, engine, publisher, register)
    scenes = read_scenes(county)
    _register_pages(dash, settings, county, engine, book, shifts, scenes)
    # Dash collects assets and callbacks at the first request to one of its own addresses; a page comes before that.
    dash._setup_server()  # type: ignore[no-untyped-call]
    app: FastAPI = dash.server
    sheets = Sheets(county, settings.ui_lang, settings.auth == "on")
    # Routes are tried in their order, and walls say most often that they are there.
    desk = open_wall_desk(settings, county, hub, publisher, scenes, register)
    app.include_router(make_walls_router(desk, sheets))
    _include_routers(app, settings, county, hub, engine, book, publisher, sheets)
    app.include_router(make_shifts_router(shifts))
    guard_app(app, settings, county, register, dash.csp_hashes())
    return app


def make_title(screen: str, county: County, lang: str) -> str:
    """Return what a browser's tab says about a screen."""
    if screen not in (*SCREENS, "incident"):
        return name_county(county, lang)
    return text(lang, f"common.title_{screen}", county=name_county(county, lang))


def _register_pages(
    dash: Dash, settings: Settings, county: County, engine: Engine, book: FactBook, shifts: Shifts, scenes: Scenes
) -> None:
    rulebook = read_rulebook(county)

    @dash.callback(Output(ids.PAGE, "children"), Input(ids.URL, "pathname"), State(ids.URL, "search"))
    async def show_page(pathname: str | None, search: str | None) -> Component:
        query = {name: values[-1] for name, values in parse_qs((search or "").lstrip("?")).items()}
        lang = choose_language(query.get("lang"), settings.ui_lang)
        page, _, thing = (pathname or "").strip("/").partition("/")
        if not may_open(get_viewer(), page):
            return _lay_forbidden(lang)
        match page:
            case "incident" if thing:
                return incident.lay_out(county, lang, unquote(thing))
            case "incident":
                return await asyncio.to_thread(incidents.lay_out, county, lang, engine, rulebook)
            case _ if thing:
                return _lay_not_found(lang)
            case "wall":
                return wall.lay_out(county, lang, scenes, query.get("scene"))
            case "duty":
                return duty.lay_out(county, lang)
            case "alarms":
                return alarms.lay_out(county, lang)
            case "briefing":
                area = find_area(get_viewer())
                return await asyncio.to_thread(briefing.lay_out, county, lang, engine, query.get("as_of"), area, book)
            case "performance":
                area, asked, days = find_area(get_viewer()), query.get("as_of"), query.get("days")
                return await asyncio.to_thread(performance.lay_out, county, lang, engine, book, asked, days, area)
            case "walls":
                return walls.lay_out(county, lang, scenes)
            case "feeds":
                return feeds.lay_out(county, lang)
            case "handover":
                return await asyncio.to_thread(handover.lay_out, shifts, lang, query)
            case _:
                return _lay_not_found(lang)


def _include_routers(
    app: FastAPI,
    settings: Settings,
    county: County,
    hub: "Hub",
    engine: Engine,
    book: FactBook,
    publisher: Publisher,
    sheets: Sheets,
) -> None:
    # Imported here: the web API is another module's, and this one is usable (and tested) page by page.
    from dashboard.acting import Actor, make_acting_router
    from dashboard.alarm_acting import AlarmActor
    from dashboard.alarms_api import make_alarms_router
    from dashboard.api import make_router
    from dashboard.incidents import IncidentFiles, make_incidents_router
    from dashboard.intake import DeskIntake, make_intake_router
    from dashboard.similar import make_similar_router

    persons, rulebook, rules = open_persons(settings, county, engine), read_rulebook(county), read_alarm_rules(county)
    app.include_router(make_router(hub, county, engine, persons))
    app.include_router(make_unmasking_router(persons))
    app.include_router(make_audit_router(sheets, persons.audit))
    app.include_router(make_acting_router(Actor(hub, engine, county, rulebook, publisher), publisher))
    app.include_router(make_alarms_router(hub, engine, rules, AlarmActor(hub, engine, county, rules, publisher)))
    app.include_router(make_intake_router(DeskIntake(county, rulebook, engine, publisher)))
    app.include_router(make_incidents_router(IncidentFiles(hub, county, engine, rulebook)))
    app.include_router(make_queue_router(hub, county, engine))
    app.include_router(make_places_router(county))
    app.include_router(make_similar_router(hub, county, engine, persons.read))
    app.include_router(make_field_router(settings, county, engine, publisher))
    app.include_router(make_briefing_router(county, engine, book))
    app.include_router(make_performance_router(county, engine, book))
    app.include_router(make_standings_router(Standings(county, engine, book)))
    app.include_router(make_exports_router(hub, county, engine, book, persons.audit))
    app.include_router(make_feeds_router(county, engine, settings, hub.redis_url))
    app.include_router(make_exercise_router(open_exercise_desk(settings, county, hub, engine, publisher), sheets))
    app.include_router(make_rounds_router(settings, open_desk(settings, county, engine, publisher), sheets))


def _lay_not_found(lang: str) -> Component:
    links = [html.A(text(lang, f"common.page_{screen}"), href=f"/{screen}?lang={lang}") for screen in SCREENS]
    return html.Main(
        [html.H1(text(lang, "common.not_found")), html.P(text(lang, "common.not_found_hint")), html.Nav(links)],
        className="not-found",
    )


def _lay_forbidden(lang: str) -> Component:
    return html.Main(
        [html.H1(text(lang, "login.forbidden_heading")), html.P(text(lang, "login.forbidden"))], className="not-found"
    )


def _as_locale(lang: str) -> str:
    return "zh-CN" if lang == "zh" else lang


async def _redirect_to_first_page() -> RedirectResponse:
    viewer = get_viewer()
    return RedirectResponse(next((f"/{page}" for page in PAGES if may(viewer, page)), "/login"))
