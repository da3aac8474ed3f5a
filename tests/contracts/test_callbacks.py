"""Every callback and every endpoint of ours is a coroutine: one that is not would stop the live feed while it runs."""

import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from dash import Dash, Input, Output, get_app, html
from fastapi import FastAPI
from fastapi.routing import APIRoute

from dashboard.factory import QuietServer, make_app
from dashboard.live import Hub
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.store import open_database


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, county: County) -> FastAPI:
    folder = tmp_path_factory.mktemp("web")
    database_url = f"sqlite:///{folder / 'county.db'}"
    upgrade_database(database_url)
    hub = Hub(county, f"unix://{folder / 'no.sock'}", database_url)
    return make_app(Settings(data_dir=Path(folder)), county, hub, open_database(database_url, read_only=True))


def find_blocking_callbacks(dash: Dash) -> list[str]:
    """Return the outputs of callbacks that run on the event loop and are no coroutine."""
    specs: dict[str, Any] = dash.callback_map
    return [
        output
        for output, spec in specs.items()
        if "callback" in spec and not inspect.iscoroutinefunction(spec["callback"])
    ]


def test_every_callback_is_a_coroutine(app: FastAPI) -> None:
    dash = get_app()  # type: ignore[no-untyped-call]
    assert sum("callback" in spec for spec in dash.callback_map.values()) >= 1
    assert find_blocking_callbacks(dash) == []


def find_routes(routes: Iterable[Any]) -> Iterator[APIRoute]:
    """Yield every API route, those of included routers too (FastAPI keeps these as they were)."""
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from find_routes(route.original_router.routes)


def test_every_endpoint_of_ours_is_a_coroutine(app: FastAPI) -> None:
    ours = [route for route in find_routes(app.routes) if route.endpoint.__module__.startswith("dashboard")]
    assert {"/", "/live", "/health", "/api/county", "/api/briefing"} <= {route.path for route in ours}
    assert [route.path for route in ours if not inspect.iscoroutinefunction(route.endpoint)] == []


def test_a_blocking_callback_would_be_found() -> None:
    dash = Dash("elsewhere", backend=QuietServer, add_log_handler=False)

    @dash.callback(Output("a", "children"), Input("b", "value"))
    def block(value: str) -> str:
        return value

    dash.layout = html.Div()
    dash._setup_server()  # type: ignore[no-untyped-call]
    assert find_blocking_callbacks(dash) == ["a.children"]
