"""Answers of the web API, and what it makes of a body and of parts that are away: the same at every route."""

from collections.abc import Awaitable, Mapping
from typing import Any, TypeVar

import msgspec
from fastapi import HTTPException, Response
from sqlalchemy.exc import SQLAlchemyError

from dashboard.live import HubAway
from dashboard.publishing import PublishAway, PublishRefused

T = TypeVar("T")


class JsonResponse(Response):
    """A struct or dictionary as JSON, never cached: everything here is live."""

    media_type = "application/json"

    def __init__(self, content: Any, status_code: int = 200, headers: Mapping[str, str] | None = None):
        super().__init__(msgspec.json.encode(content), status_code, {"Cache-Control": "no-store", **(headers or {})})


def read_body(body: bytes, kind: type[T]) -> T:
    """Return a body of JSON as a struct; raises `HTTPException` 422 saying what is wrong with it."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.DecodeError as error:
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
