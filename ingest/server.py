"""The ingest service: events in over HTTP, and word of how it is."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Any, Final

import msgspec
import uvicorn
from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from geo.builtin import provide_demo
from geo.county import PackError, load_county
from ingest.connectors import Delivery, http_events
from ingest.garbage import search_rarely
from ingest.health import Traffic, read_health, render_metrics
from ingest.keys import keys_match, provide_key
from ingest.openapi import describe_api
from ingest.pipeline import Connector, Preparation, UnreadableBody, as_connector, stream_batch
from ingest.settings import SettingError, Settings
from ingest.store import name_database, open_database
from ingest.stream import AsyncStreams, StreamUnavailable, connect_async
from ingest.supervisor import EXIT_HOPELESS

LARGEST_BODY_BYTES: Final = 8 * 1024 * 1024
BODIES_AT_ONCE: Final = 32
BODY_TIMEOUT_S: Final = 30
PREPARE_IN_THREAD_BYTES: Final = 256 * 1024  # about 3 ms of parsing; more would hold up the other requests
RETRY_AFTER_S: Final = 2
HEALTH_TIMEOUT_S: Final = 2.0
STOP_WITHIN_S: Final = 5

log = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()


@dataclass
class Desk:
    """What every request needs; one a process. `watch` is a second way to Redis that gives up sooner."""

    preparation: Preparation
    streams: AsyncStreams
    watch: AsyncStreams
    database: Engine
    key: str
    traffic: Traffic = field(default_factory=Traffic)
    bodies: int = 0
    away: bool = False


class JsonResponse(Response):
    """A struct or dictionary as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content encoded."""
        return _encoder.encode(content)


def create_app(desk: Desk) -> Starlette:
    """Return the service as an ASGI application; it closes the desk's connections when it stops."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await desk.streams.client.aclose()
        await desk.watch.client.aclose()
        desk.database.dispose()

    app = Starlette(
        routes=[
            Route("/", show_index),
            Route("/v1/events", _door(as_connector(http_events)), methods=["POST"]),
            Route("/health", show_health),
            Route("/metrics", show_metrics),
            Route("/openapi.json", show_api),
        ],
        exception_handlers={HTTPException: _answer_error},
        lifespan=lifespan,
    )
    app.state.desk = desk
    return app


def _door(connector: Connector) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that takes bodies for a connector."""

    async def take(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        _check_key(request, desk.key)
        content_type = _check_content_type(request, connector.CONTENT_TYPES)
        if desk.bodies >= BODIES_AT_ONCE:
            raise HTTPException(429, "too many requests at once", {"Retry-After": "1"})
        desk.bodies += 1
        try:
            body = await _read_body(request)
            headers = dict(request.headers)
            now = datetime.now(UTC)
            delivery = Delivery(body=body, received_at=now, content_type=content_type, headers=headers)
            return await _take_delivery(desk, connector, delivery)
        finally:
            desk.bodies -= 1

    return take


async def _take_delivery(desk: Desk, connector: Connector, delivery: Delivery) -> Response:
    now = delivery.received_at
    try:
        if len(delivery.body) > PREPARE_IN_THREAD_BYTES:
            batch = await asyncio.to_thread(desk.preparation.prepare, connector, delivery)
        else:
            batch = desk.preparation.prepare(connector, delivery)
        answer = await stream_batch(desk.streams, batch, now)
    except UnreadableBody as error:
        raise HTTPException(400, str(error)) from None
    except StreamUnavailable as error:
        _note_away(desk, str(error))
        raise HTTPException(
            503, "nothing was taken for certain: send all of it again", {"Retry-After": str(RETRY_AFTER_S)}
        ) from None
    _note_away(desk, None)
    desk.traffic.note(batch.records, now)
    desk.traffic.answers[202] += 1
    return JsonResponse(answer, 202)


async def show_index(_: Request) -> Response:
    """Say what this is and where the rest is."""
    return JsonResponse(
        {
            "name": "county brain: ingest",
            "events": "/v1/events",
            "health": "/health",
            "metrics": "/metrics",
            "openapi": "/openapi.json",
        }
    )


async def show_health(request: Request) -> Response:
    """Say how the service is; 503 with the same JSON while it cannot take events."""
    desk: Desk = request.app.state.desk
    health = await read_health(desk.watch, desk.database, desk.traffic)
    return JsonResponse(health, 503 if health.status == "down" else 200)


async def show_metrics(request: Request) -> Response:
    """Give the same figures to Prometheus."""
    desk: Desk = request.app.state.desk
    health = await read_health(desk.watch, desk.database, desk.traffic)
    return PlainTextResponse(
        render_metrics(health, desk.traffic), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


async def show_api(_: Request) -> Response:
    """Describe the service in OpenAPI."""
    return JsonResponse(describe_api(LARGEST_BODY_BYTES))


async def _answer_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    desk: Desk = request.app.state.desk
    desk.traffic.answers[error.status_code] += 1
    return JsonResponse({"error": error.detail}, error.status_code, dict(error.headers or {}))


def _check_key(request: Request, key: str) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not keys_match(given.strip(), key):
        raise HTTPException(
            401, "send the key as `Authorization: Bearer KEY`", {"WWW-Authenticate": "Bearer", "Connection": "close"}
        )


def _check_content_type(request: Request, known: Sequence[str]) -> str:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in known or request.headers.get("content-encoding", "identity") != "identity":
        raise HTTPException(415, f"send one of {', '.join(known)}, uncompressed", {"Connection": "close"})
    return content_type


async def _read_body(request: Request) -> bytes:
    # Too long a body is refused as soon as that is known, not after it was all taken in.
    announced = request.headers.get("content-length", "0")
    chunks, size = [], 0
    if announced.isdecimal() and int(announced) > LARGEST_BODY_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > LARGEST_BODY_BYTES:
                    raise _too_large()
                chunks.append(chunk)
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    except TimeoutError:
        raise HTTPException(408, f"the body took more than {BODY_TIMEOUT_S} s", {"Connection": "close"}) from None
    return b"".join(chunks)


def _too_large() -> HTTPException:
    return HTTPException(413, f"a body may have {LARGEST_BODY_BYTES} bytes", {"Connection": "close"})


def _note_away(desk: Desk, reason: str | None) -> None:
    if reason and not desk.away:
        log.error("refusing events: %s", reason)
    elif desk.away and not reason:
        log.info("taking events again")
    desk.away = reason is not None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the service is told everything by its settings."""


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Serve until SIGTERM or Ctrl-C; 0 then, `EXIT_HOPELESS` after one line for what cannot start."""
    try:
        with _listen(settings) as listener:
            desk = _open_desk(settings)
            log.info("ingest listens on %s, %d partitions", settings.ingest_url, settings.partitions)
            search_rarely()
            _serve(desk, listener)
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
    county = load_county(settings.county or provide_demo(settings.data_dir / "counties" / "demo"))
    try:
        clients = connect_async(settings.redis_url), connect_async(settings.redis_url, HEALTH_TIMEOUT_S)
    except ValueError as error:
        raise SettingError(f"REDIS_URL cannot be used: {error}") from error
    return Desk(
        preparation=Preparation(county, settings.partitions),
        streams=AsyncStreams(clients[0], settings.partitions, settings.rejected_kept),
        watch=AsyncStreams(clients[1], settings.partitions),
        database=open_database(name_database(settings), read_only=True),
        key=provide_key(settings),
    )


def _serve(desk: Desk, listener: socket.socket) -> None:
    config = uvicorn.Config(
        create_app(desk),
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=STOP_WITHIN_S,
    )
    # uvicorn raises the signal again once it has stopped in order; by then it means nothing any more.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore_signal)
    uvicorn.Server(config).run(sockets=[listener])


def _ignore_signal(_number: int, _frame: FrameType | None) -> None:
    pass
