"""Signs of life in a real Valkey: told, read, silent, gone."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from ingest import signs
from ingest.signs import Sign, note_alive, note_alive_async, note_gone, read_signs
from ingest.stream import connect, connect_async


def read(url: str) -> Mapping[str, Sign]:
    async def ask() -> Mapping[str, Sign]:
        client = connect_async(url)
        try:
            return await read_signs(client)
        finally:
            await client.aclose()

    return asyncio.run(ask())


def test_parts_tell_how_they_are(redis_url: str) -> None:
    heard_at = datetime(2026, 11, 22, tzinfo=UTC)

    async def tell() -> None:
        client = connect_async(redis_url)
        await note_alive_async(client, "poll", last_message_at=heard_at)
        await client.aclose()

    with connect(redis_url) as client:
        note_alive(client, "mqtt", "degraded", reason="the broker is away")
        asyncio.run(tell())
        told = read(redis_url)
        assert list(told) == ["mqtt", "poll"]
        assert (told["mqtt"].state, told["mqtt"].reason) == ("degraded", "the broker is away")
        assert (told["poll"].state, told["poll"].last_message_at) == ("ok", heard_at)
        note_gone(client, "mqtt")
    assert list(read(redis_url)) == ["poll"]


@pytest.mark.parametrize(("age", "state"), [(timedelta(seconds=30), "down"), (timedelta(days=2), None)])
def test_who_falls_silent_is_down_and_later_forgotten(redis_url: str, age: timedelta, state: str | None) -> None:
    with connect(redis_url) as client:
        note_alive(client, "mqtt")
        (key,) = client.keys("*")
        told = msgspec.json.decode(client.hget(key, "mqtt"), type=Sign)
        client.hset(key, "mqtt", msgspec.json.encode(msgspec.structs.replace(told, at=told.at - age)))
        client.hset(key, "other", b"no sign")
    found = read(redis_url)
    assert [(name, sign.state) for name, sign in found.items()] == ([] if state is None else [("mqtt", state)])
    assert all("no sign of life since" in (sign.reason or "") for sign in found.values())


def test_no_redis_is_no_trouble() -> None:
    with connect("redis://127.0.0.1:1") as client:
        note_alive(client, "mqtt")
        note_gone(client, "mqtt")
    assert read("redis://127.0.0.1:1") == {}
    assert signs.SILENT_AFTER.total_seconds() / 3 > signs.SIGN_EVERY_S
