"""What SQL says of tokens, for an event loop that is asked at every request."""

import asyncio
from collections.abc import Callable
from hashlib import sha256
from time import monotonic
from typing import Final, Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

LOOKED_UP_EVERY_S: Final = 1.0  # so long may what was ended elsewhere still count
READ_AT_MOST_EVERY_S: Final = 0.1  # with tokens made up, too

Kept = TypeVar("Kept")


class SessionsAway(RuntimeError):  # noqa: N818 - it says what is the case
    """The database is away and was so from the beginning: nobody can be told from anybody."""


class Lookup(Generic[Kept]):
    """What there is, by the digest of its token, read at most once a second however many ask.

    While the database is away the last answer stands.
    """

    def __init__(self, read_all: Callable[[], dict[str, Kept]]):
        self._read_all = read_all
        self._known: dict[str, Kept] | None = None
        self._looked_at = self._changed_at = float("-inf")
        self._lock = asyncio.Lock()

    async def find(self, token: str) -> Kept | None:
        """Return what a token stands for; raises `SessionsAway`.

        That there is none is never said of a time before it was asked: it was made a moment ago, perhaps.
        """
        digest, asked_at = digest_token(token), monotonic()
        found = (await self.read()).get(digest)
        return found or (await self._read_since(asked_at)).get(digest)

    async def read(self) -> dict[str, Kept]:
        """Return all there is by digest, as of a second ago at most; raises `SessionsAway`."""
        return await self._read_since(max(self._changed_at, monotonic() - LOOKED_UP_EVERY_S))

    async def _read_since(self, since: float) -> dict[str, Kept]:
        if self._known is not None and self._looked_at >= since:
            return self._known
        async with self._lock:
            if self._known is None or self._looked_at < since:  # nobody else read it meanwhile
                await asyncio.sleep(self._looked_at + READ_AT_MOST_EVERY_S - monotonic())
                started = monotonic()
                try:
                    self._known = await asyncio.to_thread(self._read_all)
                except SQLAlchemyError as error:
                    if self._known is None:
                        raise SessionsAway("the database is away, so nobody can be told from anybody") from error
                self._looked_at = started
            return self._known

    def put(self, digest: str, kept: Kept) -> None:
        """Have something known as it is by now, until it is read again."""
        if self._known is not None:
            self._known[digest] = kept

    def forget(self) -> None:
        """Have it read again for the next who asks: something was changed just now."""
        self._changed_at = monotonic()


def digest_token(token: str) -> str:
    """Return what stands for a token where it is kept: its SHA-256, in hex."""
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
