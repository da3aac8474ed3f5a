"""The bounds before the streams, each by itself: rates, room, turns, expansion, weight, pressure."""

import asyncio
import gzip
import zlib

import pytest

from ingest.guard.expansion import BrokenEncoding, Expansion, TooMuch, UnknownEncoding, open_expansion
from ingest.guard.pressure import find_fullest
from ingest.guard.rates import Rates
from ingest.guard.room import SMALL_BODY_BYTES, BodyRoom, Gate, NoRoom
from ingest.guard.weight import count_marks
from ingest.senders import Sender

FAST = Sender("fast", events_per_s=100)
SLOW = Sender("slow", events_per_s=0.5)


def test_a_rate_is_kept_in_the_long_run_and_a_burst_allowed() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    taken = 0
    for _ in range(1000):  # 100 s
        while not rates.find_wait(FAST):
            rates.charge(FAST, 10)
            taken += 10
        now[0] += 0.1
    assert 100 * 100 <= taken <= 100 * 100 + 1000 + 10


def test_a_batch_larger_than_the_burst_is_taken_and_paid_off() -> None:
    now = [0.0]
    rates = Rates(lambda: now[0])
    assert rates.find_wait(SLOW) == 0
    rates.charge(SLOW, 100)
    wait_s = rates.find_wait(SLOW)
    assert wait_s == pytest.approx(192, abs=2)
    now[0] = wait_s - 3
    assert rates.find_wait(SLOW) == 3
    now[0] = wait_s
    assert rates.find_wait(SLOW) == 0
    assert rates.find_wait(Sender("other", events_per_s=1)) == 0
    assert rates.find_wait(Sender("any")) == 0


def test_large_bodies_leave_room_for_small_ones() -> None:
    room = BodyRoom(1 << 20)
    with room.share() as large:
        with pytest.raises(NoRoom):
            while True:
                large.grow(10_000)
        assert large.size <= (1 << 20) * 7 // 8
        with room.share() as small:
            small.grow(SMALL_BODY_BYTES)
            with pytest.raises(NoRoom):
                small.grow(SMALL_BODY_BYTES)
    with room.share() as again:
        again.grow((1 << 20) * 7 // 8)


def test_the_urgent_go_first_then_in_order() -> None:
    async def pass_all() -> list[str]:
        gate = Gate(1, 10)
        passed: list[str] = []

        async def pass_one(name: str) -> None:
            async with gate.pass_through(name.startswith("case")):
                passed.append(name)
                await asyncio.sleep(0)

        async with asyncio.TaskGroup() as group, gate.pass_through(False):
            for name in ("reading 1", "case 1", "reading 2", "case 2"):
                group.create_task(pass_one(name))
            await asyncio.sleep(0.01)
            assert passed == []
        return passed

    assert asyncio.run(pass_all()) == ["case 1", "case 2", "reading 1", "reading 2"]


def test_no_turn_in_time_is_said_and_no_place_is_lost() -> None:
    async def try_all() -> None:
        gate = Gate(2, 0.02)
        async with gate.pass_through(False), gate.pass_through(True):
            waiting = asyncio.create_task(gate.pass_through(False).__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(NoRoom):
                async with gate.pass_through(True):
                    pass
        async with gate.pass_through(False), gate.pass_through(False):
            pass

    asyncio.run(try_all())


def expand_all(expansion: Expansion, body: bytes, step: int) -> bytes:
    pieces = [expansion.expand(body[start : start + step]) for start in range(0, len(body), step)]
    expansion.finish()
    return b"".join(pieces)


@pytest.mark.parametrize("step", [1, 7, 100_000])
def test_gzip_is_expanded_in_any_pieces(step: int) -> None:
    text = b"".join(b"%d," % number for number in range(3000))
    assert expand_all(open_expansion("GZIP", 20_000), gzip.compress(text), step) == text
    assert expand_all(open_expansion("", 20_000), text, step) == text


@pytest.mark.parametrize(
    "body",
    [
        b"plain",
        b"",
        gzip.compress(b"text")[:-1],
        gzip.compress(b"text") + b"more",
        gzip.compress(b"1") + gzip.compress(b"2"),
        zlib.compress(b"text"),
    ],
)
def test_what_is_not_gzip_is_refused(body: bytes) -> None:
    with pytest.raises(BrokenEncoding, match="not gzip"):
        expand_all(open_expansion("gzip", 1000), body, 8)


def test_a_bomb_goes_off_in_a_small_room() -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    with pytest.raises(TooMuch):
        expand_all(open_expansion("gzip", 100_000_000), bomb, 65_536)
    with pytest.raises(TooMuch):
        expand_all(open_expansion("gzip", 1000), gzip.compress(bytes(range(256)) * 4), 65_536)
    with pytest.raises(TooMuch):
        expand_all(open_expansion("", 1000), b" " * 1001, 100)
    with pytest.raises(UnknownEncoding):
        open_expansion("br", 1000)


def test_json_is_weighed_by_its_marks() -> None:
    assert count_marks(b'{"a": [1, 2, {"b": null}]}') == 7
    assert count_marks("无标点".encode()) == 0


def test_the_fullest_node_counts() -> None:
    assert find_fullest({"used_memory": 50, "maxmemory": 100}) == 0.5
    assert find_fullest({"used_memory": 50, "maxmemory": 0}) == 0.0
    nodes = {"a": {"used_memory": 1, "maxmemory": 10}, "b": {"used_memory": 9, "maxmemory": 10}}
    assert find_fullest(nodes) == 0.9
