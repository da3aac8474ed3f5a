"""The peer: HTTP to a Redis stream as the documentation of FastStream and FastAPI shows it, done well.

Only the front half of the job: events are validated and published, and neither placed, de-duplicated, counted nor
recorded. It runs in an environment of its own, see `setup/install-bench-tools`.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from fastapi import FastAPI
from faststream.redis import RedisBroker
from pydantic import BaseModel

broker = RedisBroker(os.environ["REDIS_URL"])


class Event(BaseModel):
    """A CloudEvent of the contract."""

    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    data: dict[str, Any]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold the connection to Redis while the application runs."""
    app.state.client = await broker.connect()
    yield
    await broker.stop()


app = FastAPI(lifespan=lifespan)


@app.post("/event", status_code=202)
async def take_event(event: Event) -> dict[str, int]:
    """Publish one event."""
    await broker.publish(event, stream="peer")
    return {"accepted": 1}


@app.post("/events", status_code=202)
async def take_events(events: list[Event]) -> dict[str, int]:
    """Publish a batch of events in one pipeline."""
    async with app.state.client.pipeline(transaction=False) as pipeline:
        for event in events:
            await broker.publish(event, stream="peer", pipeline=pipeline)
        await pipeline.execute()
    return {"accepted": len(events)}
