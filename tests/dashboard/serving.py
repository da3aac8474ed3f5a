"""The web API on a real server in a thread: everything but the pages."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import uvicorn
from fastapi import FastAPI

from dashboard.__main__ import HubServer
from dashboard.api import make_router
from dashboard.live import Hub
from geo.county import County
from ingest.store import open_database


@contextmanager
def serving(county: County, redis_url: str, database_url: str) -> Iterator[httpx.Client]:
    """Yields a client of a running web API; its `base_url` is the server's."""
    hub = Hub(county, redis_url, database_url)
    engine = open_database(database_url, read_only=True)
    app = FastAPI(openapi_url="/api/openapi.json")
    app.include_router(make_router(hub, county, engine))
    server = HubServer(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3), hub)
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=[[listener]])
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{listener.getsockname()[1]}", timeout=20) as client:
            while client.get("/health").status_code == 503 and thread.is_alive():
                time.sleep(0.05)
            yield client
    finally:
        server.should_exit = True
        thread.join(20)
        listener.close()
        engine.dispose()
    assert not thread.is_alive()
