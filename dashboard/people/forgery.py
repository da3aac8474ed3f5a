"""Requests that a foreign page makes in somebody's name: told by where they come from, and by a token it lacks."""

import re
import secrets
from contextvars import ContextVar
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from starlette.datastructures import Headers

COOKIE: Final = "csrf"
HEADER: Final = "x-csrf-token"
FIELD: Final = "csrf"
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})

_TOKEN: Final = re.compile(r"[0-9a-f]{64}")
_PORT: Final = re.compile(r":\d+$")
_LOOPBACK: Final = re.compile(r"localhost|127(?:\.\d{1,3}){3}|\[::1\]")

current_token: ContextVar[str] = ContextVar("current_token", default="")
"""The token that a form on the page being made has to carry in its field `csrf`, a script in `X-CSRF-Token`."""


def is_own(headers: Headers) -> bool:
    """Return whether a request that changes something comes from a page of ours, or from no browser at all.

    Browsers say `Sec-Fetch-Site` where they trust the address (https, this machine), and `Origin` everywhere.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or origin.partition("://")[2] == headers.get("host")


def names_this_machine(host: str | None, own: str) -> bool:
    """Return whether a `Host` header names the machine that it is sent to, by its loopback address or by `own`.

    Any other name may lead here because its owner's DNS says so, and lets that owner's page pass for ours.
    """
    name = _PORT.sub("", host or "").lower()
    return name == own.lower() or _LOOPBACK.fullmatch(name) is not None


def choose_token(session_token: str | None, cookie: str | None) -> str:
    """Return the token that belongs to a log-in; without one, that of the cookie, or a new one.

    A log-in's is derived from its secret, so no cookie that somebody else could plant counts.
    """
    if session_token is not None:
        return sha256(f"csrf {session_token}".encode(errors="surrogatepass")).hexdigest()
    return cookie if cookie is not None and _TOKEN.fullmatch(cookie) else secrets.token_hex(32)


def is_token(given: str | None, cookie: str | None) -> bool:
    """Return whether a request carries the token of the present context, and its cookie the same one."""
    expected = current_token.get().encode()
    return all(
        text is not None and compare_digest(text.encode(errors="surrogatepass"), expected) for text in (given, cookie)
    )
