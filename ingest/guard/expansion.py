"""Bodies that came compressed, expanded no further than they may grow."""

import zlib
from typing import Final, Protocol

LARGEST_RATIO: Final = 200
"""Repetitive NDJSON shrinks to a fiftieth; only what was made to be a burden shrinks to a thousandth."""

RATIO_FROM_BYTES: Final = 1024 * 1024

_GZIP: Final = 16 + zlib.MAX_WBITS


class UnknownEncoding(ValueError):  # noqa: N818 - they say what is the case
    """A `Content-Encoding` that is not read here."""


class BrokenEncoding(ValueError):  # noqa: N818
    """Bytes that are not what the `Content-Encoding` says."""


class TooMuch(ValueError):  # noqa: N818
    """More bytes than a body may have, or so many out of so few that it was made for that."""


class Expansion(Protocol):
    """Takes a body's pieces as they come; the pieces it returns are the body."""

    def expand(self, piece: bytes) -> bytes:
        """Return what a piece expands to; raises `TooMuch`, `BrokenEncoding`."""

    def finish(self) -> None:
        """Raise `BrokenEncoding` if there should have been more."""


def open_expansion(encoding: str, largest: int) -> Expansion:
    """Return the expansion for a `Content-Encoding`, to at most `largest` bytes; raises `UnknownEncoding`."""
    match encoding.strip().lower():
        case "" | "identity":
            return _Identity(largest)
        case "gzip" | "x-gzip":
            return _Gzip(largest)
    raise UnknownEncoding("send the body as it is, or compressed with gzip")


class _Identity:
    def __init__(self, largest: int) -> None:
        self._left = largest

    def expand(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise TooMuch
        return piece

    def finish(self) -> None:
        pass


class _Gzip:
    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._came = self._size = 0
        self._decompressor = zlib.decompressobj(_GZIP)

    def expand(self, piece: bytes) -> bytes:
        try:
            expanded = self._decompressor.decompress(piece, self._largest - self._size + 1)
        except zlib.error as error:
            raise BrokenEncoding(f"not gzip: {error}") from None
        self._came += len(piece)
        self._size += len(expanded)
        is_bomb = self._size > RATIO_FROM_BYTES and self._size > self._came * LARGEST_RATIO
        if self._size > self._largest or self._came > self._largest or is_bomb:
            raise TooMuch
        if self._decompressor.unused_data:
            raise BrokenEncoding("not gzip: there is something after its end")
        return expanded

    def finish(self) -> None:
        if not self._decompressor.eof:
            raise BrokenEncoding("not gzip: it ends too soon")
