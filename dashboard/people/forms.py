"""What an HTML form sends: few and short fields, and the token that proves that the form was ours."""

from typing import Final
from urllib.parse import parse_qsl

from fastapi import HTTPException
from starlette.requests import Request

from dashboard.people import forgery
from dashboard.replies import receive_body

LONGEST_BODY: Final = 8 * 1024
MOST_FIELDS: Final = 20


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form that was posted; the last of a name counts.

    Raises `HTTPException` for what is no form of ours.
    """
    body = await receive_body(request, LONGEST_BODY, "form")
    try:
        form = dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS))
    except ValueError:
        raise HTTPException(400, "this is no form") from None
    if "\0" in "".join(form.values()):  # which no database takes, and PostgreSQL calls an error of its own
        raise HTTPException(400, "this is no form")
    return form


def has_token(request: Request, form: dict[str, str]) -> bool:
    """Return whether a form carries the token that was put into it."""
    return forgery.is_token(form.get(forgery.FIELD), request.cookies.get(forgery.COOKIE))


def name_address(request: Request) -> str:
    """Return the network address that a request comes from."""
    return request.client.host if request.client else ""
