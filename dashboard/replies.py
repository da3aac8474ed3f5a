"""Answers of the web API, and what it makes of a body and of parts that are away: the same at every route."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from fastapi import HTTPException, Response
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request

from dashboard.live import HubAway
from dashboard.publishing import PublishAway, PublishRefused

BODY_WITHIN_S: Final = 120.0  # a photo over a bad connection takes a while; who stalls is let go

T = TypeVar("T")


class JsonResponse(Response):
    """A struct or dictionary as JSON, never cached: everything here is live."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None):
        super().__init__(msgspec.json.encode(content), status_code, {"Cache-Control": "no-store", **(headers or {})})


async def receive_body(request: Request, most: int, field: str, count: Callable[[int], None] = lambda _: None) -> bytes:
    """Return the body of a request; raises `HTTPException` naming the field: 413 beyond `most` bytes, 408 if it stalls.

    count: is told the bytes of each piece before it is kept, and may raise.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_WITHIN_S):
            async for piece in request.stream():
                count(len(piece))
                body += piece
                if len(body) > most:
                    raise HTTPException(413, f"{field}: more than {most} bytes")
    except TimeoutError:
        raise HTTPException(408, f"{field}: not here after {BODY_WITHIN_S:g} s", {"Connection": "close"}) from None
    return bytes(body)


def read_body(body: bytes, kind: type[T]) -> T:
    """Return a body of JSON as a struct; raises `HTTPException` 422 saying what is wrong with it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HTTPException(422, str(error)) from None


async def shield(work: Awaitable[T]) -> T:
    """Return what some work gives; raises `HTTPException` 503 while a part is away, 422 for what ingest refuses."""
    try:
        return await work
    except PublishRefused as error:
        raise HTTPException(422, str(error)) from None
    except (HubAway, PublishAway) as error:
        raise HTTPException(503, str(error), {"Retry-After": "2"}) from None
    except SQLAlchemyError:
        raise HTTPException(503, "the database is away", {"Retry-After": "2"}) from None
