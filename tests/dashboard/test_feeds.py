"""The board of feeds over HTTP: names, ages, masked examples; one reading for many viewers."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from dashboard.factory import make_app
from dashboard.feeds import KEPT_S, Board, list_senders
from dashboard.live import Hub
from geo.county import County
from ingest.feeds import FeedBoard
from ingest.migrations import upgrade_database
from ingest.sender_file import FILE
from ingest.settings import Settings
from ingest.store import open_database
from ingest.stream import Entry, Rejection, Streams, connect, digest_event

NOW = datetime.now(UTC)
ENROLMENT = f'[sanitation]\nkey_sha256 = "{"0" * 64}"\nfeeds = ["waste"]\n'


@pytest.fixture
def client(tmp_path: Path, redis_url: str, county: County) -> Iterator[TestClient]:
    database_url = f"sqlite:///{tmp_path / 'county.db'}"
    upgrade_database(database_url)
    engine = open_database(database_url, read_only=True)
    (tmp_path / FILE).write_text(ENROLMENT)
    settings = Settings(data_dir=tmp_path, redis_url=redis_url)
    app = make_app(settings, county, Hub(county, redis_url, database_url), engine)
    with TestClient(app, "http://localhost") as client:
        yield client
    engine.dispose()


def read_rows(client: TestClient) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["sender"], row["feed"]): row for row in client.get("/api/feeds").json()["rows"]}


def test_rows_have_names_counters_and_masked_examples(client: TestClient, redis_url: str) -> None:
    connection = connect(redis_url)
    streams = Streams(connection, 4)
    streams.append(0, [Entry(digest_event("s", "1"), "air", b"{}")], NOW.date(), "bureau")
    reason = "data.note: 13812345678 cannot be"
    streams.reject([Rejection(reason, "data.note", "s", "2", b"{}", "http_events", "bureau", "air")], NOW)
    connection.close()
    rows = read_rows(client)
    air = rows["bureau", "air"]
    assert air["name"] == {"zh": "空气质量", "en": "Air quality"}
    assert (air["received"], air["accepted"], air["duplicate"], air["rejected"]) == (2, 1, 0, 1)
    assert air["state"] == "ok"
    assert air["reasons"][0]["example"] == "data.note: 138****5678 cannot be"
    assert rows["sanitation", "waste"]["state"] == "never"
    assert ("", "waste") not in rows


def test_a_broken_list_of_senders_names_nobody(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert list_senders(settings) == {}
    (tmp_path / FILE).write_text("[[")
    assert list_senders(settings) == {}
    (tmp_path / FILE).write_text(ENROLMENT)
    assert list_senders(settings) == {"sanitation": ["waste"]}


def test_many_viewers_cost_one_reading() -> None:
    read = []
    moments = iter([10.0, 10.0, 10.0, 10.0 + KEPT_S, 10.0 + KEPT_S])

    async def look() -> FeedBoard:
        read.append(1)
        return FeedBoard(NOW, [], [])

    async def ask() -> None:
        board = Board(look, lambda: next(moments))
        await asyncio.gather(board.get(), board.get(), board.get())
        assert len(read) == 1
        await board.get()
        assert len(read) == 2

    asyncio.run(ask())
