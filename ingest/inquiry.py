"""Questions to a database that may hang: answered in time, or not at all."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from sqlalchemy import Engine

ANSWER_WITHIN_S: Final = 3.0

T = TypeVar("T")

# One thread: while a database hangs, questions about it wait in line here and nobody else is short of threads.
_thread = ThreadPoolExecutor(1, "inquiry")


async def ask_database(database: Engine, question: Callable[[Engine], T]) -> T:
    """Return the answer; raises `SQLAlchemyError` or `TimeoutError` where there is none in time."""
    async with asyncio.timeout(ANSWER_WITHIN_S):
        return await asyncio.get_running_loop().run_in_executor(_thread, question, database)
