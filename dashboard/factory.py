"""The Dash application: its server, its routes and its screens."""

import asyncio
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from dash import Dash, Input, Output, State, dcc, html
from dash.backends._fastapi import FastAPIDashServer
from dash.development.base_component import Component
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from sqlalchemy import Engine

from dashboard import ids
from dashboard.briefing import make_briefing_router
from dashboard.feeds import make_feeds_router
from dashboard.pages import briefing, duty, feeds, wall
from dashboard.panels.frame import name_county
from dashboard.places import make_places_router
from dashboard.text import choose_language, text
from geo.county import County
from ingest.settings import Settings

if TYPE_CHECKING:
    from dashboard.live import Hub

SCREENS = ("wall", "duty", "briefing", "feeds")
LIGHT_SCREENS = ("briefing",)

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
        """Return the FastAPI application; `/` leads to the wall."""
        app = FastAPI(title="County Brain", openapi_url="/api/openapi.json", docs_url=None, redoc_url=None)
        app.add_api_route("/", _redirect_to_wall, include_in_schema=False)
        return app


class Screens(Dash):
    """Dash with a page frame that is in the right language, theme and title from its first byte."""

    county: County
    default_language: str

    def interpolate_index(self, *arguments: Any, **parts: Any) -> str:
        """Return the HTML of the page that is asked for."""
        request = self.backend.request_adapter()
        screen = str(request.path).strip("/")
        lang = choose_language(request.args.get("lang"), self.default_language)
        parts["title"] = make_title(screen, self.county, lang)
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
    _register_pages(dash, settings, county, engine)
    duty.register_callbacks(dash, county, hub)
    # Dash collects assets and callbacks at the first request to one of its own addresses; a page comes before that.
    dash._setup_server()  # type: ignore[no-untyped-call]
    app: FastAPI = dash.server
    _include_routers(app, settings, county, hub, engine)
    return app


def make_title(screen: str, county: County, lang: str) -> str:
    """Return what a browser's tab says about a screen."""
    if screen not in SCREENS:
        return name_county(county, lang)
    return text(lang, f"common.title_{screen}", county=name_county(county, lang))


def _register_pages(dash: Dash, settings: Settings, county: County, engine: Engine) -> None:
    @dash.callback(Output(ids.PAGE, "children"), Input(ids.URL, "pathname"), State(ids.URL, "search"))
    async def show_page(pathname: str | None, search: str | None) -> Component:
        query = {name: values[-1] for name, values in parse_qs((search or "").lstrip("?")).items()}
        lang = choose_language(query.get("lang"), settings.ui_lang)
        match (pathname or "").strip("/"):
            case "wall":
                return wall.lay_out(county, lang, query.get("scene", "overview"))
            case "duty":
                return duty.lay_out(county, lang, query)
            case "briefing":
                return await asyncio.to_thread(briefing.lay_out, county, lang, engine, query.get("as_of"))
            case "feeds":
                return feeds.lay_out(county, lang)
            case _:
                return _lay_not_found(lang)


def _include_routers(app: FastAPI, settings: Settings, county: County, hub: "Hub", engine: Engine) -> None:
    # Imported here: the web API is another module's, and this one is usable (and tested) page by page.
    from dashboard.api import make_router

    app.include_router(make_router(hub, county, engine))
    app.include_router(make_places_router(county))
    app.include_router(make_briefing_router(county, engine))
    app.include_router(make_feeds_router(county, engine, settings, hub.redis_url))


def _lay_not_found(lang: str) -> Component:
    links = [html.A(text(lang, f"common.page_{screen}"), href=f"/{screen}?lang={lang}") for screen in SCREENS]
    return html.Main(
        [html.H1(text(lang, "common.not_found")), html.P(text(lang, "common.not_found_hint")), html.Nav(links)],
        className="not-found",
    )


def _as_locale(lang: str) -> str:
    return "zh-CN" if lang == "zh" else lang


async def _redirect_to_wall() -> RedirectResponse:
    return RedirectResponse("/wall")
