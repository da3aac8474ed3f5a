"""Calls made together: what many ask for at the same time costs little more than what one asks for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


class Gatherer(Generic[Asked, Answer]):
    """Makes one call at a time: what is asked while one is under way waits for its end and goes in the next.

    `call_all` gets what was asked, in order, and returns as many answers; what it raises is raised to all who asked.
    Nobody waits for company: with no call under way the next one starts at once.
    """

    def __init__(self, call_all: Callable[[Sequence[Asked]], Awaitable[Sequence[Answer]]]) -> None:
        self._call_all = call_all
        self._one_at_a_time = asyncio.Lock()
        self._gathered: list[Asked] = []
        self._next: asyncio.Task[Sequence[Answer]] | None = None

    async def call(self, asked: Asked) -> Answer:
        """Return the answer to `asked` out of the call it went with."""
        if self._next is None:
            self._gathered = []
            self._next = asyncio.create_task(self._call_next())
        position = len(self._gathered)
        self._gathered.append(asked)
        # Who gives up waiting must not take the others' call away.
        answers = await asyncio.shield(self._next)
        return answers[position]

    async def _call_next(self) -> Sequence[Answer]:
        async with self._one_at_a_time:
            self._next = None
            return await self._call_all(self._gathered)
