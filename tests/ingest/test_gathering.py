"""Calls made together: who is answered, with whom, and what happens when one fails or gives up."""

import asyncio
from collections.abc import Sequence

import pytest

from ingest.gathering import Gatherer


class Slow:
    """A call that waits to be let through, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.turns = asyncio.Semaphore(0)

    async def double(self, numbers: Sequence[int]) -> list[int]:
        self.calls.append(list(numbers))
        await self.turns.acquire()
        if 0 in numbers:
            raise ZeroDivisionError
        return [2 * number for number in numbers]


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_what_comes_during_a_call_goes_together_in_the_next() -> None:
    async def ask() -> None:
        slow = Slow()
        gatherer = Gatherer(slow.double)
        asked = [asyncio.create_task(gatherer.call(1))]
        await settle()
        asked += [asyncio.create_task(gatherer.call(number)) for number in (2, 3, 4)]
        await settle()
        assert slow.calls == [[1]]
        slow.turns.release()
        await settle()
        assert slow.calls == [[1], [2, 3, 4]]
        slow.turns.release()
        assert await asyncio.gather(*asked) == [2, 4, 6, 8]
        slow.turns.release()
        assert await gatherer.call(5) == 10

    asyncio.run(ask())


def test_a_failure_reaches_all_of_its_call_and_nobody_else() -> None:
    async def ask() -> None:
        slow = Slow()
        gatherer = Gatherer(slow.double)
        first = asyncio.create_task(gatherer.call(1))
        await settle()
        failing = [asyncio.create_task(gatherer.call(number)) for number in (2, 0)]
        for _ in range(3):
            slow.turns.release()
        assert await first == 2
        for task in failing:
            with pytest.raises(ZeroDivisionError):
                await task
        assert await gatherer.call(3) == 6

    asyncio.run(ask())


def test_who_gives_up_takes_nothing_from_the_others() -> None:
    async def ask() -> None:
        slow = Slow()
        gatherer = Gatherer(slow.double)
        waiting = [asyncio.create_task(gatherer.call(number)) for number in (1, 2)]
        await settle()
        waiting[0].cancel()
        slow.turns.release()
        assert await waiting[1] == 4
        with pytest.raises(asyncio.CancelledError):
            await waiting[0]

    asyncio.run(ask())
