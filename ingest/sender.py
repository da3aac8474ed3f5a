"""Posting CloudEvents to ingest over HTTP, as any sender would: with a key, in batches, until they are taken."""

import logging
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from types import FrameType, TracebackType
from typing import Any, Self

import httpx
import msgspec
from msgspec import UNSET, UnsetType

log = logging.getLogger(__name__)
# It would write a line for every batch.
logging.getLogger("httpx").setLevel(logging.WARNING)

BATCH_SIZE = 500
"""Events in one request: large enough to be cheap, small enough to be repeated without regret."""

SHORTEST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0
AWAY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers that mean "not now"; every other error is about the request itself and would only come again."""


class SendError(RuntimeError):
    """Ingest refuses what is sent as a whole; the message says what it answered."""


class SendStoppedError(RuntimeError):
    """The sender was told to stop before ingest took a batch."""


class CloudEvent(msgspec.Struct, kw_only=True):
    """One event in CloudEvents' JSON format; `origin`, `mapping` and `row` are our extension attributes.

    `row` is the text of the row that the event was made of, by the mapping file at `mapping`.

    An attribute that a file does not have stays `UNSET` and is left out, so that ingest refuses the event
    with its own reason and keeps what was sent.
    """

    id: str | UnsetType
    source: str | UnsetType
    type: str | UnsetType
    data: dict[str, Any]
    time: str | UnsetType = UNSET
    origin: str | UnsetType = UNSET
    mapping: str | UnsetType = UNSET
    row: str | UnsetType = UNSET
    specversion: str = "1.0"


class Rejection(msgspec.Struct):
    """One event of a batch that ingest refused, and why."""

    index: int
    reason: str
    id: str | None = None


class Reply(msgspec.Struct):
    """Ingest's answer to one batch: received = accepted + duplicate + rejected."""

    received: int
    accepted: int
    duplicate: int
    rejected: list[Rejection] = []


@dataclass
class Tally:
    """The sum of replies; `reasons` counts why events were rejected."""

    received: int = 0
    accepted: int = 0
    duplicate: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.received += reply.received
        self.accepted += reply.accepted
        self.duplicate += reply.duplicate
        self.rejected += len(reply.rejected)
        self.reasons.update(rejection.reason for rejection in reply.rejected)


class Sender:
    """Posts batches one after another, so that order is kept, and waits where ingest is away.

    A batch whose answer was lost is sent again with the same ids; ingest counts what it had taken already as
    duplicates, so nothing is lost and nothing doubled.
    """

    def __init__(
        self,
        url: str,
        key: str | None,
        stop: threading.Event | None = None,
        tally: Tally | None = None,
        timeout_s: float = 30.0,
    ) -> None:
        """`url` is ingest's address without a path; setting `stop` ends a wait with `SendStoppedError`."""
        headers = {"Content-Type": "application/x-ndjson"}
        if key:
            headers["Authorization"] = f"Bearer {key}"
        self._url = f"{url.rstrip('/')}/v1/events"
        self._client = httpx.Client(headers=headers, timeout=timeout_s, trust_env=False)
        self._encoder = msgspec.json.Encoder()
        self._reply = msgspec.json.Decoder(Reply)
        self.stop = stop or threading.Event()
        self.tally = Tally() if tally is None else tally

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def send(self, events: Sequence[CloudEvent]) -> None:
        """Deliver events in order, in batches of `BATCH_SIZE`, and add the answers to `tally`.

        Waits as long as ingest is away. Raises `SendError` where it refuses the request (a wrong key, say)
        and `SendStoppedError` when `stop` is set during a wait.
        """
        for begin in range(0, len(events), BATCH_SIZE):
            self._deliver(events[begin : begin + BATCH_SIZE])

    def _deliver(self, batch: Sequence[CloudEvent]) -> None:
        body = self._encoder.encode_lines(batch)
        pause_s = SHORTEST_PAUSE_S
        while True:
            try:
                response = self._client.post(self._url, content=body)
            except httpx.TransportError as reason:
                trouble = f"{type(reason).__name__}: {reason}"
                asked_s = None
            else:
                if response.status_code not in AWAY_STATUSES:
                    return self._settle(batch, response)
                trouble = f"HTTP {response.status_code}"
                asked_s = read_retry_after(response.headers.get("Retry-After"))
            if pause_s == SHORTEST_PAUSE_S:
                log.warning("%s does not take events now (%s): waiting", self._url, trouble)
            if self.stop.wait(pause_s if asked_s is None else min(asked_s, LONGEST_PAUSE_S)):
                raise SendStoppedError(f"stopped while {self._url} was away ({trouble})")
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    def _settle(self, batch: Sequence[CloudEvent], response: httpx.Response) -> None:
        if response.status_code == 413 and len(batch) > 1:
            middle = len(batch) // 2
            self._deliver(batch[:middle])
            self._deliver(batch[middle:])
            return
        if not response.is_success:
            raise SendError(f"{self._url} answered HTTP {response.status_code}: {response.text[:200].strip()}")
        try:
            self.tally.add(self._reply.decode(response.content))
        except msgspec.MsgspecError as reason:
            raise SendError(f"{self._url} gave an answer that ingest does not give: {reason}") from reason


def stop_on_signals() -> threading.Event:
    """Return an event that Ctrl-C and SIGTERM set from now on, instead of ending the process."""
    stop = threading.Event()

    def note(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, note)
    signal.signal(signal.SIGTERM, note)
    return stop


def read_retry_after(text: str | None) -> float | None:
    """Return the seconds that a `Retry-After` asks for, as a number or as a date; None where it is neither."""
    if not text:
        return None
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return max(0.0, (moment - datetime.now(moment.tzinfo)).total_seconds())
