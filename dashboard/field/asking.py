"""How the field's routes are asked and answer: bodies of a bounded size in, JSON out, strangers held back."""

from typing import Any, Final, TypeVar

import msgspec
from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from dashboard.field.pace import Pace
from dashboard.people.attempts import name_network
from dashboard.people.forms import name_address
from dashboard.people.viewer import find_viewer
from dashboard.replies import JsonResponse, read_body, receive_body

LARGEST_JSON_BYTES: Final = 64 * 1024
AWAY_RETRY_S: Final = 5
PICTURE: Final = {"content": {"image/*": {"schema": {"type": "string", "format": "binary"}}}, "required": True}
"""What OpenAPI is told of a body that is a picture."""

T = TypeVar("T")


def name_asker(request: Request) -> str:
    """Return by what an asker is counted."""
    return name_network(name_address(request))


def hold_back(pace: Pace, request: Request) -> None:
    """Raise 429 where a stranger asks too often; who is logged in is no stranger."""
    if find_viewer() is None and (wait_s := pace.take(name_asker(request))):
        raise HTTPException(429, "too often: wait a little", {"Retry-After": str(wait_s)})


async def read_struct(request: Request, kind: type[T]) -> T:
    """Return the struct that a body of JSON holds; raises `HTTPException` 422 where it does not."""
    return read_body(await receive_body(request, LARGEST_JSON_BYTES, "body"), kind)


def refuse(status: int, field: str, reason: str) -> Response:
    """Return why something was not taken: `field` says what of it, `reason` is a key of the catalogue."""
    headers = {"Retry-After": str(AWAY_RETRY_S)} if status == 503 else {}
    return JsonResponse({"field": field, "reason": reason}, status, headers)


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
