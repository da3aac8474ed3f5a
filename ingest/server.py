"""The ingest service: events in over HTTP, and word of how it is."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from geo.county import PackError
from ingest.connectors import cap, http_events, ngsi_ld, ngsi_v2
from ingest.feeds import list_expected
from ingest.garbage import search_rarely
from ingest.guard.admission import LARGEST_BODY_BYTES, Desk, JsonResponse, open_door
from ingest.guard.connections import bound_connections
from ingest.guard.pressure import Limits, Pressure
from ingest.guard.room import BodyRoom
from ingest.health import Health, read_health, render_metrics
from ingest.keys import provide_key
from ingest.open311.routes import create_open311
from ingest.openapi import describe_api
from ingest.pack import open_county
from ingest.pipeline import Preparation, as_connector
from ingest.sealing import provide_keyring
from ingest.sender_file import locate_senders
from ingest.senders import Senders
from ingest.settings import SettingError, Settings
from ingest.store import name_database, open_database
from ingest.stream import AsyncStreams, connect_async
from ingest.supervisor import EXIT_HOPELESS

HEALTH_TIMEOUT_S: Final = 2.0
STOP_WITHIN_S: Final = 5

log = logging.getLogger(__name__)


def create_app(desk: Desk) -> Starlette:
    """Return the service as an ASGI application; it closes the desk's connections when it stops."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        watching = asyncio.create_task(desk.pressure.watch())
        yield
        watching.cancel()
        await desk.streams.client.aclose()
        await desk.watch.client.aclose()
        desk.database.dispose()

    app = Starlette(
        routes=[
            Route("/", show_index),
            Route("/v1/events", open_door(as_connector(http_events)), methods=["POST"]),
            Route("/ngsi-ld/notify", open_door(as_connector(ngsi_ld)), methods=["POST"]),
            Route("/v2/notify", open_door(as_connector(ngsi_v2)), methods=["POST"]),
            Route("/cap", open_door(as_connector(cap)), methods=["POST"]),
            Mount("/open311", create_open311(desk)),
            Route("/health", show_health),
            Route("/metrics", show_metrics),
            Route("/openapi.json", show_api),
        ],
        exception_handlers={HTTPException: _answer_error},
        middleware=[Middleware(AnswerCounter, answers=desk.answers)],
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


async def show_index(_: Request) -> Response:
    """Say what this is and where the rest is."""
    return JsonResponse(
        {
            "name": "county brain: ingest",
            "events": "/v1/events",
            "ngsi_ld": "/ngsi-ld/notify",
            "ngsi_v2": "/v2/notify",
            "open311": "/open311/discovery",
            "alerts": "/cap",
            "health": "/health",
            "metrics": "/metrics",
            "openapi": "/openapi.json",
        }
    )


async def show_health(request: Request) -> Response:
    """Say how the service is; 503 with the same JSON while it cannot take events."""
    desk: Desk = request.app.state.desk
    health = await _look(desk)
    return JsonResponse(health, 503 if health.status == "down" else 200)


async def show_metrics(request: Request) -> Response:
    """Give the same figures to Prometheus."""
    desk: Desk = request.app.state.desk
    health = await _look(desk)
    return PlainTextResponse(
        render_metrics(health, desk.answers), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


async def _look(desk: Desk) -> Health:
    warnings = [reason for reason in (desk.pressure.on_readings, desk.senders.fault) if reason]
    expected = list_expected(desk.county, desk.senders.list_feeds())
    health = await read_health(desk.watch, desk.database, warnings, expected)
    if desk.pressure.on_everything:
        health.status = "down"
    return health


async def show_api(_: Request) -> Response:
    """Describe the service in OpenAPI."""
    return JsonResponse(describe_api(LARGEST_BODY_BYTES))


class AnswerCounter:
    """Counts what the service answers, by status; to what is no request it says nothing."""

    def __init__(self, app: ASGIApp, answers: Counter[int]) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and note the status of its answer."""

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._answers[message["status"]] += 1
            await send(message)

        await self._app(scope, receive, note)


async def _answer_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JsonResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the service is told everything by its settings."""


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; 0 then, `EXIT_HOPELESS` after one line for what cannot start."""
    try:
        with _listen(settings) as listener:
            desk = _open_desk(settings)
            log.info("ingest listens on %s, %d partitions", settings.ingest_url, settings.partitions)
            search_rarely()
            _serve(desk, listener, settings)
    except (SettingError, PackError) as error:
        sys.stderr.write(f"county-brain: {error}\n")
        return EXIT_HOPELESS
    log.info("ingest has stopped")
    return 0


def _listen(settings: Settings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.ingest_host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.ingest_host, settings.ingest_port))
    except OSError as error:
        listener.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise SettingError(
            f"INGEST_PORT {settings.ingest_port} on {settings.ingest_host} cannot be used: {reason}"
        ) from error
    return listener


def _open_desk(settings: Settings) -> Desk:
    if settings.redis_url is None:
        raise SettingError("REDIS_URL is not set; `python app.py` starts a server of its own")
    county = open_county(settings)
    try:
        clients = connect_async(settings.redis_url), connect_async(settings.redis_url, HEALTH_TIMEOUT_S)
    except ValueError as error:
        raise SettingError(f"REDIS_URL cannot be used: {error}") from error
    watch = AsyncStreams(clients[1], settings.partitions)
    database = open_database(name_database(settings), read_only=True)
    return Desk(
        county=county,
        preparation=Preparation(county, settings.partitions, provide_keyring(settings)),
        streams=AsyncStreams(clients[0], settings.partitions, settings.rejected_kept, settings.rejected_kept_mb),
        watch=watch,
        database=database,
        senders=Senders(locate_senders(settings), provide_key(settings)),
        pressure=Pressure(watch, database, Limits.of(settings)),
        room=BodyRoom(settings.ingest_bodies_mb << 20),
        body_timeout_s=settings.ingest_body_timeout_s,
        language=settings.ui_lang,
    )


def _serve(desk: Desk, listener: socket.socket, settings: Settings) -> None:
    config = uvicorn.Config(
        create_app(desk),
        http=bound_connections(
            settings.ingest_connections, settings.ingest_connections_per_address, settings.ingest_head_timeout_s
        ),
        ws="none",
        log_config=None,
        log_level="error",  # a warning for every request that is none would fill the disk
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    # uvicorn raises the signal again once it has stopped in order; by then it means nothing any more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore_signal)
    uvicorn.Server(config).run(sockets=[listener])


def _ignore_signal(_number: int, _frame: FrameType | None) -> None:
    pass
