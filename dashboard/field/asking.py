"""How the field's routes are asked and answer: bodies of a bounded size in, JSON out, strangers held back."""

import ipaddress
from typing import Any, Final

import msgspec
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dashboard.field.pace import Pace
from dashboard.people.viewer import find_viewer

LARGEST_JSON_BYTES: Final = 64 * 1024
AWAY_RETRY_S: Final = 5
NO_STORE: Final = {"Cache-Control": "no-store"}
PICTURE: Final = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "required": True}
"""What OpenAPI is told of a body that is a picture."""


def name_address(request: Request) -> str:
    """Return by what an asker is counted: the address, of IPv6 the network that one customer has."""
    host = request.client.host if request.client else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


def hold_back(pace: Pace, request: Request) -> None:
    """Raise 429 where a stranger asks too often; who is logged in is no stranger."""
    if find_viewer() is None and (wait_s := pace.take(name_address(request))):
        raise HTTPException(429, "too often: wait a little", {"Retry-After": str(wait_s)})


async def read_body(request: Request, most: int, field: str) -> bytes:
    """Return the body of a request; raises `HTTPException` 413 beyond `most` bytes, naming the field."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"{field}: more than {most} bytes")
    return bytes(body)


async def read_struct(request: Request, kind: type[Any]) -> Any:
    """Return the struct that a body of JSON holds; raises `HTTPException` 422 where it does not."""
    try:
        return msgspec.json.decode(await read_body(request, LARGEST_JSON_BYTES, "body"), type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise HTTPException(422, str(error)) from None


def answer(content: Any, status: int = 200) -> Response:
    """Return an answer of JSON, never cached."""
    return Response(msgspec.json.encode(content), status, NO_STORE, "application/json")


def refuse(status: int, field: str, reason: str) -> Response:
    """Return why something was not taken: `field` says what of it, `reason` is a key of the catalogue."""
    response = answer({"field": field, "reason": reason}, status)
    if status == 503:
        response.headers["Retry-After"] = str(AWAY_RETRY_S)
    return response


def answer_gzipped(
    request: Request, plain: bytes, compressed: bytes, media_type: str, headers: dict[str, str]
) -> Response:
    """Return something that was made once, gzipped where the asker takes that."""
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return Response(plain, headers=headers, media_type=media_type)
    return Response(compressed, headers={**headers, "Content-Encoding": "gzip"}, media_type=media_type)


def describe_body(kind: type[Any]) -> dict[str, Any]:
    """Return what OpenAPI is told of a body that is JSON of a struct."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="{name}")

    def inline(part: Any) -> Any:
        if isinstance(part, dict):
            return (
                inline(parts[part["$ref"]]) if "$ref" in part else {key: inline(value) for key, value in part.items()}
            )
        return [inline(value) for value in part] if isinstance(part, list | tuple) else part

    return {"content": {"application/json": {"schema": inline(schema)}}, "required": True}
