"""What tests of the live stream need: records into the streams, and a viewer that reads as it is told."""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from dashboard.live import Hub
from dashboard.viewers import LiveResponse
from ingest.migrations import upgrade_database
from ingest.recorder import Recorder
from ingest.records import AnyRecord, encode_record, name_feed
from ingest.store import open_database
from ingest.stream import AsyncStreams, Entry, Streams, choose_partition, connect, connect_async, digest_event
from layers.excerpt import COUNTY, Scope

PARTITIONS = 4


@dataclass
class Event:
    """One server-sent event."""

    id: str
    name: str
    data: dict[str, Any]


@dataclass
class Viewer:
    """A viewer of `/live` at the ASGI interface; `gate` closed, it takes nothing more."""

    hub: Hub
    last_id: str | None = None
    compressed: bool = False
    scope: Scope = COUNTY
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    grown: asyncio.Event = field(default_factory=asyncio.Event)
    leave: asyncio.Event = field(default_factory=asyncio.Event)

    async def watch(self) -> None:
        self.gate.set()
        response = LiveResponse(self.hub, self.last_id, self.compressed, self.scope)
        await response({"type": "http"}, self._receive, self._send)

    async def _receive(self) -> dict[str, Any]:
        await self.leave.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.body += message["body"]
        self.grown.set()
        await self.gate.wait()

    def events(self) -> list[Event]:
        text = zlib.decompressobj(wbits=31).decompress(self.body) if self.compressed else self.body
        return list(parse_events(text.decode()))

    async def until(self, seen: Callable[[list[Event]], Any], what: str = "") -> list[Event]:
        """Wait for what is to be seen; the limit only ends a test that would hang."""
        async with asyncio.timeout(30):
            while not seen(self.events()):
                self.grown.clear()
                await self.grown.wait()
        return self.events()


def parse_events(text: str) -> Iterable[Event]:
    for block in text.split("\n\n")[:-1]:
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            yield Event(fields["id"], fields["event"], json.loads(fields["data"]))


def fold_events(events: Iterable[Event]) -> dict[str, dict[int, Any]]:
    """What a page shows after these events, by layer: value and mark of each feature."""
    shown: dict[str, dict[int, Any]] = {}
    for event in events:
        if event.name == "snapshot":
            shown = {}
        for key, columns in event.data.get("layers", {}).items():
            features = shown.setdefault(key, {})
            marks = columns.get("marks") or [0] * len(columns["ids"])
            features.update(zip(columns["ids"], zip(columns["values"], marks, strict=True), strict=True))
            for gone in columns.get("gone", []):
                features.pop(gone, None)
    return shown


@asynccontextmanager
async def viewing(
    hub: Hub, last_id: str | None = None, compressed: bool = False, scope: Scope = COUNTY
) -> AsyncIterator[Viewer]:
    viewer = Viewer(hub, last_id, compressed, scope)
    task = asyncio.create_task(viewer.watch())
    try:
        yield viewer
    finally:
        viewer.gate.set()
        viewer.leave.set()
        await asyncio.wait_for(task, 10)


@asynccontextmanager
async def posting(redis_url: str) -> AsyncIterator[Callable[..., Any]]:
    """Yields a coroutine function that puts records into the streams as ingest does."""
    client = connect_async(redis_url)
    streams = AsyncStreams(client, PARTITIONS)

    async def post(*records: AnyRecord) -> None:
        for record in records:
            code = getattr(record, "cell_code", None)
            key = code[:9] if code else getattr(record, "case_id", record.id)
            entry = Entry(digest_event(record.source, record.id), name_feed(record), encode_record(record))
            await streams.append(choose_partition(key, PARTITIONS), [entry], record.received_at.date())

    try:
        yield post
    finally:
        await client.aclose()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 120))


def now() -> datetime:
    return datetime.now(UTC)


def record_all(redis_url: str, database_url: str) -> None:
    """Record everything that is in the streams, with the real recorder."""
    upgrade_database(database_url)
    engine, client = open_database(database_url), connect(redis_url)
    recorder = Recorder(Streams(client, PARTITIONS), engine)
    while recorder.step():
        pass
    engine.dispose()
    client.close()


def has_case(case_id: str, state: str = "reported") -> Any:
    return lambda events: any(
        case["case_id"] == case_id and case["state"] == state
        for event in events
        for case in event.data.get("cases", [])
    )
