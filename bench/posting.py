"""Posts small bodies over many keep-alive connections at once, for as little CPU as an event loop can.

A ready-made client takes several times what the server takes for such a post, and both share the machine.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import cast
from urllib.parse import urlsplit

import uvloop

ACCEPTED = b"HTTP/1.1 202"


def make_requests(url: str, headers: Mapping[str, str], bodies: Sequence[bytes]) -> list[bytes]:
    """Return each body as a whole HTTP request to `url`."""
    to = urlsplit(url)
    lines = [f"POST {to.path} HTTP/1.1", f"Host: {to.netloc}", *(f"{name}: {said}" for name, said in headers.items())]
    head = "\r\n".join(lines).encode()
    return [b"%b\r\nContent-Length: %d\r\n\r\n%b" % (head, len(body), body) for body in bodies]


def post_all(url: str, requests: Sequence[bytes], connections: int) -> list[float]:
    """Send all requests, one at a time a connection; return each answer's delay in seconds, in no order.

    Raises `AssertionError` for an answer that is not 202.
    """
    return uvloop.run(_post_all(url, requests, connections))


async def _post_all(url: str, requests: Sequence[bytes], connections: int) -> list[float]:
    loop = asyncio.get_running_loop()
    address = urlsplit(url)
    waiting, delays_s = iter(requests), list[float]()
    posters = [_Poster(waiting, delays_s, loop.create_future()) for _ in range(connections)]
    for poster in posters:
        await loop.create_connection(lambda poster=poster: poster, address.hostname, address.port)  # type: ignore[misc]
    await asyncio.gather(*(poster.done for poster in posters))
    return delays_s


class _Poster(asyncio.Protocol):
    """One connection: sends the next request as soon as the answer to the last is whole."""

    def __init__(self, waiting: Iterator[bytes], delays_s: list[float], done: "asyncio.Future[None]") -> None:
        self._waiting = waiting
        self._delays_s = delays_s
        self._received = b""
        self._sent_at = 0.0
        self.done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast(asyncio.Transport, transport)
        self._send_next()

    def data_received(self, data: bytes) -> None:
        """Take in a piece of an answer."""
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < _read_length(head):
            return
        if not head.startswith(ACCEPTED):
            self._finish(AssertionError(self._received[:500]))
            return
        self._received = b""
        self._delays_s.append(time.perf_counter() - self._sent_at)
        self._send_next()

    def connection_lost(self, error: Exception | None) -> None:
        """Fail if anything is still to be answered."""
        self._finish(error or AssertionError("the server closed the connection"))

    def _send_next(self) -> None:
        request = next(self._waiting, None)
        if request is None:
            self._finish(None)
            return
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _finish(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
        self._transport.close()


def _read_length(head: bytes) -> int:
    _, _, after = head.lower().partition(b"content-length: ")
    return int(after.partition(b"\r\n")[0])
