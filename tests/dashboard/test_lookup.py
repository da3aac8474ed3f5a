"""Who holds a token, as the screens' event loop knows it."""

import asyncio
import threading

import pytest
from sqlalchemy.exc import OperationalError

from dashboard.people.lookup import Lookup, SessionsAway, digest_token


class Table:
    """A table of tokens that counts how often it is read, and may be away."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.reads = 0
        self.is_away = False

    def read_all(self) -> dict[str, str]:
        self.reads += 1
        if self.is_away:
            raise OperationalError("SELECT", {}, Exception("away"))
        return dict(self.rows)

    def add(self, token: str) -> None:
        self.rows[digest_token(token)] = token


def test_a_token_made_right_after_one_was_missed_is_found() -> None:
    table = Table()

    async def ask() -> None:
        lookup = Lookup(table.read_all)
        for token in ("first", "second", "third"):
            assert await lookup.find("made up") is None
            table.add(token)
            assert await lookup.find(token) == token

    asyncio.run(ask())


def test_however_many_ask_share_one_look() -> None:
    table = Table()
    table.add("known")

    async def ask() -> list[str | None]:
        lookup = Lookup(table.read_all)
        return await asyncio.gather(*(lookup.find(token) for token in ["known", "made up"] * 50))

    assert asyncio.run(ask()) == ["known", None] * 50
    assert table.reads == 1


def test_while_the_table_is_away_the_last_answer_stands() -> None:
    table = Table()
    table.add("known")

    async def ask() -> None:
        lookup = Lookup(table.read_all)
        table.is_away = True
        with pytest.raises(SessionsAway):
            await lookup.find("known")
        table.is_away = False
        assert await lookup.find("known") == "known"
        table.is_away = True
        lookup.forget()
        assert await lookup.find("known") == "known"
        assert await lookup.find("made up") is None

    asyncio.run(ask())


def test_what_was_ended_is_gone_once_it_is_looked_up() -> None:
    table = Table()
    table.add("known")

    async def ask() -> None:
        lookup = Lookup(table.read_all)
        assert await lookup.find("known") == "known"
        table.rows.clear()
        lookup.forget()
        assert await lookup.find("known") is None

    asyncio.run(ask())


def test_what_was_ended_during_a_look_is_gone_for_the_next() -> None:
    table = Table()
    table.add("known")
    began, may_end = threading.Event(), threading.Event()

    def read_slowly() -> dict[str, str]:
        rows = table.read_all()
        began.set()
        may_end.wait()
        return rows

    async def ask() -> None:
        lookup = Lookup(read_slowly)
        looking = asyncio.create_task(lookup.find("known"))
        await asyncio.to_thread(began.wait)
        table.rows.clear()
        lookup.forget()
        may_end.set()
        assert await looking == "known"
        assert await lookup.find("known") is None

    asyncio.run(ask())
