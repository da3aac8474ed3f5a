"""The pages without Dash: log-in, password, accounts, and those that say why there is nothing else to see."""

from functools import cache, partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse

from dashboard.people.forgery import current_token
from dashboard.people.permissions import PAGES, ROUND_PAGES, may
from dashboard.people.viewer import Viewer, find_viewer
from dashboard.people.walls import Wall
from dashboard.text import choose_language, text
from geo.county import County

NO_STORE: Final = {"cache-control": "no-store"}


class Sheets:
    """Makes the pages of one county; each is whole without a script."""

    def __init__(self, county: County, default_lang: str, logs_out: bool):
        self.county = county
        self.default_lang = default_lang
        self._logs_out = logs_out

    def choose_lang(self, request: Request) -> str:
        """Return the language that a page's address asks for."""
        return choose_language(request.query_params.get("lang"), self.default_lang)

    def show(self, request: Request, sheet: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Return a page of the catalogue's section `login` or `people` with what is to be said on it."""
        lang = self.choose_lang(request)
        other = "zh" if lang == "en" else "en"
        viewer = find_viewer()
        common = {
            "kind": sheet,
            "lang": lang,
            "locale": "zh-CN" if lang == "zh" else lang,
            "other": other,
            "other_address": f"{request.scope['path']}?lang={other}",
            "zone": str(self.county.time_zone),
            "county": self.county.name.en if lang == "en" else self.county.name.zh,
            "say": partial(text, lang),
            "token": current_token.get(),
            "viewer": viewer,
            "logs_out": self._logs_out,
            "pages": [(page, f"/{page}?lang={lang}") for page in _list_pages(viewer)],
            "notice": "",
        }
        body = _load_templates().get_template(f"{sheet}.html").render(common | values)
        return HTMLResponse(body, status, NO_STORE)

    def show_calm(self, request: Request, wall: Wall | None, away: bool) -> HTMLResponse:
        """Return what a wall shows in place of itself: it is switched off, not known, or cannot be told just now."""
        lang = self.choose_lang(request)
        key = "away" if away else "unknown" if wall is None or wall.revoked_at is None else "off"
        values = {}
        if wall is not None and wall.revoked_at is not None:
            at = f"{wall.revoked_at.astimezone(self.county.time_zone):%Y-%m-%d %H:%M}"
            values = {"by": text(lang, f"people.role_{wall.revoked_by}"), "at": at}
        said = {"heading": text(lang, f"wall.calm_{key}"), "message": text(lang, f"wall.calm_{key}_hint", **values)}
        return self.show(request, "wall_calm", 503 if away else 410, name=wall.name if wall else "", texts="{}", **said)

    def say(self, request: Request, key: str, status: int, **values: Any) -> HTMLResponse:
        """Return a page that says one thing: `login.<key>` under the heading `login.<key>_heading`."""
        lang = self.choose_lang(request)
        return self.show(
            request,
            "message",
            status,
            heading=text(lang, f"login.{key}_heading"),
            message=text(lang, f"login.{key}", **values),
            back=f"/?lang={lang}",
        )


def _list_pages(viewer: Viewer | None) -> list[str]:
    rights = {page: page for page in PAGES} | ROUND_PAGES
    return [page for page, right in rights.items() if viewer is not None and may(viewer, right)]


def choose_next(asked: str | None) -> str:
    """Return where to go after log-in: the address asked for if it is a path of ours, else `/`."""
    is_path = asked is not None and asked.startswith("/") and not asked.startswith("//")
    return asked if asked is not None and is_path and asked.isprintable() and "\\" not in asked else "/"


def name_login(request: Request) -> str:
    """Return the address of the log-in page that leads back to a request's."""
    query = request.scope["query_string"].decode("latin-1")
    asked = quote(request.scope["path"]) + (f"?{query}" if query else "")
    lang = request.query_params.get("lang")
    return f"/login?next={quote(asked, safe='')}" + (f"&lang={quote(lang)}" if lang else "")


@cache
def _load_templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
