"""What stands before the streams at every HTTP door: the key, the rate, the body, room for it, and its turn.

A door that only carries bodies is `open_door(connector)`. One that answers in its own words calls the steps:

    sender = admit(desk, read_bearer(request))                 # 401, 429, 503
    content_type = check_content_type(request, CONTENT_TYPES)  # 415
    async with hold_body(desk, request) as body:               # 400, 408, 413, 415, 503
        answer, status = await take(desk, sender, connector, Delivery(...))  # 400, 413, 503

Each raises `HTTPException` with the status in the comment, whose `detail` is a sentence for the sender.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Engine
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from geo.county import County
from ingest.connectors import Delivery
from ingest.guard.expansion import BrokenEncoding, TooMuch, UnknownEncoding, open_expansion
from ingest.guard.pressure import Pressure
from ingest.guard.rates import Rates
from ingest.guard.room import BodyRoom, Gate, NoRoom, Share
from ingest.guard.weight import MOST_MARKS, count_marks
from ingest.pipeline import Answer, Batch, Connector, Preparation, UnreadableBody, stream_batch
from ingest.records import URGENT_FEEDS
from ingest.senders import Sender, Senders
from ingest.stream import AsyncStreams, StreamUnavailable

LARGEST_BODY_BYTES: Final = 8 * 1024 * 1024
SLOWEST_BYTES_PER_S: Final = 128 * 1024  # what comes as fast is given its time: a large body is no slow sender
PREPARE_IN_THREAD_BYTES: Final = 256 * 1024  # about 3 ms of parsing; more would hold up the other requests
APPENDS_AT_ONCE: Final = 32
LONGEST_TURN_S: Final = 5.0
RETRY_AFTER_S: Final = 2
RETRY_UNDER_PRESSURE_S: Final = 5

log = logging.getLogger(__name__)

_encoder = msgspec.json.Encoder()

# Two: a body may become thirty times its size while it is parsed.
_large_bodies = ThreadPoolExecutor(2, "prepare")


@dataclass
class Desk:
    """What every request needs; one a process. `watch` is a second way to Redis that gives up sooner."""

    county: County
    preparation: Preparation
    streams: AsyncStreams
    watch: AsyncStreams
    database: Engine
    senders: Senders
    pressure: Pressure
    room: BodyRoom
    body_timeout_s: float
    rates: Rates = field(default_factory=Rates)
    language: str = "zh"
    gate: Gate = field(default_factory=lambda: Gate(APPENDS_AT_ONCE, LONGEST_TURN_S))
    answers: Counter[int] = field(default_factory=Counter)
    away: bool = False


class JsonResponse(Response):
    """A struct or dictionary as JSON."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """Return the content encoded."""
        return _encoder.encode(content)


def open_door(connector: Connector) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint that takes bodies for a connector and answers with what became of each event."""

    async def endpoint(request: Request) -> Response:
        desk: Desk = request.app.state.desk
        sender = admit(desk, read_bearer(request))
        content_type = check_content_type(request, connector.CONTENT_TYPES)
        async with hold_body(desk, request) as body:
            delivery = Delivery(
                body=body,
                received_at=datetime.now(UTC),
                content_type=content_type,
                headers=dict(request.headers),
            )
            answer, status = await take(desk, sender, connector, delivery)
        return JsonResponse(answer, status)

    return endpoint


def read_bearer(request: Request) -> str:
    """Return the key in `Authorization: Bearer KEY`; empty where there is none."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def admit(desk: Desk, key: str) -> Sender:
    """Return whose key it is, if they may send now."""
    sender = desk.senders.find(key)
    if sender is None:
        headers = {"WWW-Authenticate": "Bearer", "Connection": "close"}
        raise HTTPException(401, "send your key as `Authorization: Bearer KEY`", headers)
    if desk.pressure.on_everything:
        raise _postpone(desk.pressure.on_everything, RETRY_UNDER_PRESSURE_S)
    if desk.pressure.on_readings and sender.feeds and not sender.feeds & URGENT_FEEDS:
        raise _postpone(desk.pressure.on_readings, RETRY_UNDER_PRESSURE_S)
    wait_s = desk.rates.find_wait(sender)
    if wait_s:
        reason = f"{sender.name} may send {sender.events_per_s:g} events a second"
        raise HTTPException(429, reason, {"Retry-After": str(wait_s)})
    # A request counts as one event even if nothing comes of it; the rest is charged when it is taken.
    desk.rates.charge(sender, 1)
    return sender


def check_content_type(request: Request, known: Sequence[str]) -> str:
    """Return the request's media type in lower case, without parameters, if it is one of those known."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in known:
        raise HTTPException(415, f"send one of {', '.join(known)}", {"Connection": "close"})
    return content_type


@asynccontextmanager
async def hold_body(desk: Desk, request: Request, largest: int = LARGEST_BODY_BYTES) -> AsyncIterator[bytes]:
    """Yield the request's body, decompressed; its bytes count as in flight until the block ends.

    Where the body itself says who sends it, let `largest` be small.
    """
    with desk.room.share() as share:
        try:
            body = await _read_body(request, largest, desk.body_timeout_s, share)
        except NoRoom as reason:
            raise _postpone(str(reason), RETRY_AFTER_S) from None
        yield body


async def take(desk: Desk, sender: Sender, connector: Connector, delivery: Delivery) -> tuple[Answer, int]:
    """Put a delivery's events into the streams; return what became of each, and the status that says it.

    202, or 403 where all of it is what this sender may not send: that is counted and kept as rejected, too.
    """
    batch = await _prepare(desk, sender, connector, delivery)
    if desk.pressure.on_readings and not batch.is_urgent:
        raise _postpone(desk.pressure.on_readings, RETRY_UNDER_PRESSURE_S)
    try:
        async with desk.gate.pass_through(batch.is_urgent):
            answer = await stream_batch(desk.streams, batch, delivery.received_at)
    except NoRoom as reason:
        raise _postpone(str(reason), RETRY_AFTER_S) from None
    except StreamUnavailable as error:
        _note_away(desk, str(error))
        raise _postpone("nothing was taken for certain: send all of it again", RETRY_AFTER_S) from None
    _note_away(desk, None)
    desk.rates.charge(sender, batch.received - 1)
    return answer, 403 if batch.is_out_of_scope else 202


async def _prepare(desk: Desk, sender: Sender, connector: Connector, delivery: Delivery) -> Batch:
    try:
        if len(delivery.body) <= PREPARE_IN_THREAD_BYTES:
            return _prepare_now(desk, sender, connector, delivery)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(_large_bodies, _prepare_now, desk, sender, connector, delivery)
    except UnreadableBody as error:
        raise HTTPException(400, str(error)) from None


def _prepare_now(desk: Desk, sender: Sender, connector: Connector, delivery: Delivery) -> Batch:
    size = len(delivery.body)  # shorter than so many marks, it need not be looked through
    if size > MOST_MARKS and "json" in delivery.content_type and count_marks(delivery.body) > MOST_MARKS:
        raise HTTPException(413, f"a body may have {MOST_MARKS} values and names: send fewer events at once")
    return desk.preparation.prepare(connector, delivery, sender)


async def _read_body(request: Request, largest: int, timeout_s: float, share: Share) -> bytes:
    # Too long a body is refused as soon as that is known, not after it was all taken in.
    announced = request.headers.get("content-length", "0")
    if announced.isdecimal() and int(announced) > largest:
        raise _too_large(largest)
    chunks = []
    try:
        expansion = open_expansion(request.headers.get("content-encoding", ""), largest)
        async with asyncio.timeout(timeout_s) as limit:
            async for chunk in request.stream():
                limit.reschedule((limit.when() or 0) + len(chunk) / SLOWEST_BYTES_PER_S)
                expanded = expansion.expand(chunk)
                share.grow(len(expanded))
                chunks.append(expanded)
        expansion.finish()
    except UnknownEncoding as reason:
        raise HTTPException(415, str(reason), {"Accept-Encoding": "gzip", "Connection": "close"}) from None
    except TooMuch:
        raise _too_large(largest) from None
    except BrokenEncoding as reason:
        raise HTTPException(400, str(reason), {"Connection": "close"}) from None
    except ClientDisconnect:
        raise HTTPException(400, "the sender went away") from None
    except TimeoutError:
        too_long = f"the body took more than {timeout_s:g} s, and a second for each {SLOWEST_BYTES_PER_S >> 10} KB"
        raise HTTPException(408, too_long, {"Connection": "close"}) from None
    return b"".join(chunks)


def _too_large(largest: int) -> HTTPException:
    return HTTPException(413, f"a body may have {largest} bytes", {"Connection": "close"})


def _postpone(reason: str, seconds: int) -> HTTPException:
    return HTTPException(503, reason, {"Retry-After": str(seconds)})


def _note_away(desk: Desk, reason: str | None) -> None:
    if reason and not desk.away:
        log.error("refusing events: %s", reason)
    elif desk.away and not reason:
        log.info("taking events again")
    desk.away = reason is not None
