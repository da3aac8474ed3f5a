"""`/live`: one viewer's stream of server-sent events, a cursor into the ring of its scope's channel."""

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Send
from starlette.types import Scope as Connection

from dashboard.channels import Channel
from dashboard.frames import GZIP_START, deflate
from dashboard.live import Hub, HubAway
from dashboard.people.viewer import get_viewer
from dashboard.ring import Frame, FrameId, read_frame_id
from dashboard.scope import find_scope
from layers.excerpt import COUNTY, Scope

SEND_TIMEOUT_S = 30.0  # a viewer that takes nothing for so long is gone
MOST_BYTES_AT_ONCE = 256 * 1024
HELLO = b": county brain\nretry: 1000\n\n"
HEADERS = {
    "content-type": "text/event-stream; charset=utf-8",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "vary": "accept-encoding",
}


class LiveResponse(Response):
    """An endless response; written against ASGI itself because that costs a viewer least.

    A viewer that is slow waits in its own `send`; when it comes back and its frames have left the ring, it gets
    a snapshot. Nothing is queued for it meanwhile.
    """

    def __init__(self, hub: Hub, last_id: str | None, compressed: bool, scope: Scope = COUNTY):
        super().__init__(status_code=200)
        self._hub = hub
        self._scope = scope
        self._cursor = read_frame_id(last_id)
        self._compressed = compressed
        headers = HEADERS | ({"content-encoding": "gzip"} if compressed else {})
        self.raw_headers = [(name.encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
        """Send until the viewer leaves, falls silent for too long, or the hub stops."""
        sender = asyncio.create_task(self._send_all(send))
        leaver = asyncio.create_task(_leaves(receive))
        self._hub.tally.viewers += 1
        try:
            done, _ = await asyncio.wait({sender, leaver}, return_when=asyncio.FIRST_COMPLETED)
            if sender in done:
                sender.result()
        except (TimeoutError, OSError, HubAway):
            pass  # the viewer is gone, or we are: there is nothing to tell
        finally:
            self._hub.tally.viewers -= 1
            for task in (sender, leaver):
                task.cancel()
            await asyncio.gather(sender, leaver, return_exceptions=True)

    async def _send_all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        await _send_chunk(send, GZIP_START + deflate(HELLO) if self._compressed else HELLO)
        async with self._hub.watch(self._scope) as channel:
            async for chunk in self._chunks(channel):
                await _send_chunk(send, chunk)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, channel: Channel) -> AsyncIterator[bytes]:
        hub = self._hub
        while not hub.stopping:
            frames = None if self._cursor is None else channel.frames_after(self._cursor)
            if frames is None:
                hub.tally.skips += self._cursor is not None
                frames = [await channel.snapshot()]
            if frames:
                chunk, self._cursor = self._join(frames)
                yield chunk
            else:
                await channel.wait()

    def _join(self, frames: list[Frame]) -> tuple[bytes, FrameId]:
        """Return as many frames as go at once, at least one, and the id of the last of them."""
        parts: list[bytes] = []
        size = 0
        for frame in frames:
            part = frame.deflated if self._compressed else frame.text
            if parts and size + len(part) > MOST_BYTES_AT_ONCE:
                break
            parts.append(part)
            size += len(part)
        return b"".join(parts), frames[len(parts) - 1].id


def make_live_response(hub: Hub, request: Request) -> LiveResponse:
    """Return the stream for a request: from the `Last-Event-ID` header or `?last=` on, else from a snapshot."""
    last_id = request.headers.get("last-event-id") or request.query_params.get("last")
    return LiveResponse(hub, last_id, "gzip" in request.headers.get("accept-encoding", ""), find_scope(get_viewer()))


async def _send_chunk(send: Send, chunk: bytes) -> None:
    async with asyncio.timeout(SEND_TIMEOUT_S):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})


async def _leaves(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
