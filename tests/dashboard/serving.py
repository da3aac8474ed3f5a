"""The web API on a real server in a thread: everything but the pages, and in place of log-in whoever a test says."""

import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import uvicorn
from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.__main__ import HubServer
from dashboard.api import make_router
from dashboard.live import Hub
from dashboard.people.audit_page import make_audit_router
from dashboard.people.sheets import Sheets
from dashboard.people.unmasking import make_unmasking_router, open_persons
from dashboard.people.viewer import Viewer, current_viewer
from dashboard.queue_api import make_queue_router
from geo.county import County
from ingest.settings import Settings
from ingest.store import name_database, open_database

OFFICER = Viewer("officer", "Officer", "county_duty")
VIEWER_HEADER = "x-viewer"


class AsViewer:
    """Sets the viewer as log-in does: `viewer`, or for one request whom its header `x-viewer` names.

    The header is "role", "role,area" or "role,area,unit" (see `as_viewer`).
    """

    def __init__(self, app: ASGIApp, viewer: Viewer = OFFICER) -> None:
        self._app, self._viewer = app, viewer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            role, area, unit, *_ = [*Headers(scope=scope).get(VIEWER_HEADER, "").split(","), "", "", ""]
            current_viewer.set(Viewer(f"test-{role}", role, role, area, unit or None) if role else self._viewer)
        await self._app(scope, receive, send)


def as_viewer(role: str, area: str = "", unit: str = "") -> dict[str, str]:
    """Return the headers that make one request somebody else's, where `AsViewer` stands in for log-in."""
    return {VIEWER_HEADER: f"{role},{area},{unit}"}


@contextmanager
def serving(
    county: County, redis_url: str, database_url: str, viewer: Viewer = OFFICER, data_dir: Path | None = None
) -> Iterator[httpx.Client]:
    """Yields a client of a running web API; its `base_url` is the server's. Every request is `viewer`'s.

    data_dir: where the keys of personal data and the head of the audit log are; a folder of its own by default.
    """
    if data_dir is None:
        with (
            tempfile.TemporaryDirectory() as folder,
            serving(county, redis_url, database_url, viewer, Path(folder)) as client,
        ):
            yield client
        return
    hub = Hub(county, redis_url, database_url)
    engine = open_database(database_url, read_only=True)
    app = FastAPI(openapi_url="/api/openapi.json")
    persons = open_persons(Settings(data_dir=data_dir, database_url=database_url), county, engine)
    app.include_router(make_router(hub, county, engine, persons))
    app.include_router(make_queue_router(hub, county, engine))
    app.include_router(make_unmasking_router(persons))
    app.include_router(make_audit_router(Sheets(county, "zh", logs_out=False), persons.audit))
    app.add_middleware(AsViewer, viewer=viewer)
    with running(app, hub) as url, httpx.Client(base_url=url, timeout=20) as client:
        while client.get("/health").status_code == 503:
            time.sleep(0.05)
        yield client
    engine.dispose()


@contextmanager
def serving_screens(county: County, settings: Settings) -> Iterator[str]:
    """Yields the address of a running web process as it is: pages, API and log-in; Redis may be away."""
    # Imported here: most tests of the API need neither Dash nor its pages.
    from dashboard.factory import make_app

    assert settings.redis_url is not None
    hub = Hub(county, settings.redis_url, name_database(settings))
    engine = open_database(name_database(settings), read_only=True)
    with running(make_app(settings, county, hub, engine), hub) as url:
        yield url
    engine.dispose()


@contextmanager
def running(app: FastAPI, hub: Hub | None = None) -> Iterator[str]:
    """Yields the address of an application that runs in a thread, as soon as it answers anything."""
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3)
    server = uvicorn.Server(config) if hub is None else HubServer(config, hub)
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield url
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
    assert not thread.is_alive()
