"""The headers that tell a browser what a page of ours may do: run our scripts, talk to us, and nothing else."""

from collections.abc import Iterable
from typing import Final

_DIRECTIVES: Final = {
    "default-src": "'self'",
    # `script-src` is added: our files, and the few lines that Dash writes into its page, by their hashes.
    # React, Plotly, MapLibre and AG Grid place things by style attributes and sheets that they make as they go.
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data: blob:",
    "font-src": "'self' data:",
    "media-src": "'self' data: blob:",
    # MapLibre starts its worker from a blob; a service worker is a file.
    "worker-src": "'self' blob:",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def list_headers(script_hashes: Iterable[str]) -> list[tuple[bytes, bytes]]:
    """Return the headers of every answer, as ASGI has them; `script_hashes` as a policy writes them."""
    directives = _DIRECTIVES | {"script-src": " ".join(["'self'", *script_hashes])}
    headers = {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in directives.items()),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        # `no-referrer` would make browsers say "Origin: null" with our own forms.
        "referrer-policy": "same-origin",
        "permissions-policy": "geolocation=(self), camera=(self), microphone=(), payment=(), usb=()",
    }
    return [(name.encode(), value.encode()) for name, value in headers.items()]
