"""Connections that cannot be held for nothing: bounds that uvicorn does not have.

uvicorn waits for ever for the end of a request's head, keeps headers of any size, queues any number of pipelined
requests, waits for ever for a client that does not read its answer, and counts connections by nobody. Here

- a head comes within `head_timeout_s` and has at most `LARGEST_HEAD_BYTES`;
- at most `MOST_PIPELINED` requests wait behind the one being answered;
- a client that is refused before it has sent all may finish, for a moment, or it would not read the answer;
- a request is read and answered within `REQUEST_TIMEOUT_S`, or its connection is cut;
- there are at most so many connections, in all and from one address; one more is closed at once.
"""

import asyncio
import resource
from collections import Counter
from typing import Any, ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

REQUEST_TIMEOUT_S: Final = 120.0
LARGEST_HEAD_BYTES: Final = 64 * 1024
MOST_PIPELINED: Final = 16
LINGER_S: Final = 5.0
LINGER_BYTES: Final = 16 * 1024 * 1024
OTHER_FILES: Final = 256  # open besides the connections: Redis, SQL, the listener, what Python needs


class TooManyRequests(RuntimeError):  # noqa: N818 - only the parser sees it, and answers 400
    """More requests at once on one connection than anybody needs."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with an end to everything; use it through `bound_connections`."""

    most: ClassVar[int]
    most_per_address: ClassVar[int]
    head_timeout_s: ClassVar[float]
    open_by_address: ClassVar[Counter[str]]

    _address: str | None = None
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _lingered_bytes = 0
    _in_message = False
    _message_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it where there are enough."""
        super().connection_made(_LingeringTransport(transport, self))  # type: ignore[arg-type]
        address = self.client[0] if self.client else ""
        if self.open_by_address.total() >= self.most or self.open_by_address[address] >= self.most_per_address:
            transport.abort()
            return
        self._address = address
        self.open_by_address[address] += 1
        self._set_deadline(self.head_timeout_s)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget a connection."""
        super().connection_lost(exc)
        self._clear_deadline()
        if self._address is not None:
            self.open_by_address[self._address] -= 1
            if not self.open_by_address[self._address]:
                del self.open_by_address[self._address]

    def data_received(self, data: bytes) -> None:
        """Take what came; it counts as head until a head is complete."""
        self._message_ended = False
        super().data_received(data)
        if self.transport.is_closing():
            self._lingered_bytes += len(data)
            if self._lingered_bytes > LINGER_BYTES:
                self.transport.abort()
            return
        # What came with the end of a body is that body's: it may be longer than any head.
        self._head_bytes = 0 if self._in_message or self._message_ended else self._head_bytes + len(data)
        if self._head_bytes > LARGEST_HEAD_BYTES:
            self.transport.abort()
        elif self._deadline is None and self._is_idle():
            # Either a head begins, or a body goes on that was refused before it was all here.
            self._set_deadline(self.head_timeout_s)

    def on_headers_complete(self) -> None:
        """Begin a request; one that must wait for too many others breaks the connection."""
        if len(self.pipeline) >= MOST_PIPELINED or self.transport.is_closing():
            raise TooManyRequests
        super().on_headers_complete()
        self._in_message = True
        self._head_bytes = 0
        self._set_deadline(REQUEST_TIMEOUT_S)

    def on_message_complete(self) -> None:
        """End what is read of a request."""
        super().on_message_complete()
        self._in_message = False
        self._message_ended = True
        if self.transport.is_closing():
            self.transport.close()

    def on_response_complete(self) -> None:
        """End a request; uvicorn's own time-out watches the quiet until the next begins."""
        if not self.transport.is_closing():  # who lingers has a deadline already
            self._clear_deadline()
        super().on_response_complete()
        if self.transport.is_closing():
            return
        if self.pipeline or not self._is_idle():
            self._set_deadline(REQUEST_TIMEOUT_S)

    def linger(self) -> bool:
        """Go on reading what nobody needs, if there is more to come, and return whether that is so."""
        if self._in_message:
            self.flow.resume_reading()
            self._set_deadline(LINGER_S)
        return self._in_message

    def _is_idle(self) -> bool:
        """Return whether no request is being read or answered."""
        return self.cycle is None or self.cycle.response_complete

    def _set_deadline(self, seconds: float) -> None:
        self._clear_deadline()
        self._deadline = self.loop.call_later(seconds, self.transport.abort)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


class _LingeringTransport:
    """A connection whose `close` waits for the request to end: bytes left unread would take the answer with them."""

    def __init__(self, transport: asyncio.Transport, protocol: BoundedProtocol) -> None:
        self._transport = transport
        self._protocol = protocol
        self._closing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, if this is not the end."""
        if not self._closing:
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Return whether this is the end, or soon will be."""
        return self._closing or self._transport.is_closing()

    def close(self) -> None:
        """Close once the request has come to its end; `BoundedProtocol` says when."""
        self._closing = True
        if self._transport.is_closing() or not self._protocol.linger():
            self._transport.close()


def bound_connections(most: int, most_per_address: int, head_timeout_s: float) -> type[BoundedProtocol]:
    """Return the protocol with these bounds, counting for itself; lets the process open as many files as it needs."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = most + OTHER_FILES
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    bounds: dict[str, Any] = {
        "most": min(most, needed - OTHER_FILES),
        "most_per_address": most_per_address,
        "head_timeout_s": head_timeout_s,
        "open_by_address": Counter(),
    }
    return type("Protocol", (BoundedProtocol,), bounds)
