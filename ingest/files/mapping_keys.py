"""Checking the keys of a mapping file, with problems that name the key."""

from collections.abc import Iterable
from typing import Any


class KeyProblemError(ValueError):
    """A key that is missing, unknown or wrong; the message begins with its dotted name."""


def expect_keys(spec: dict[str, Any], key: str, needed: Iterable[str], optional: Iterable[str]) -> None:
    """Raise `KeyProblemError` for a key that is neither needed nor optional, or needed and not there."""
    needed, optional = tuple(needed), tuple(optional)
    dotted = f"{key}." if key else ""
    for name in spec:
        if name not in needed + optional:
            raise KeyProblemError(f"{dotted}{name}: there is no such key; known are {listed(needed + optional)}")
    for name in needed:
        if name not in spec:
            raise KeyProblemError(f"{dotted}{name}: is missing")


def expect_table(value: Any, key: str) -> dict[str, Any]:
    """Return the value if it is a table; raises `KeyProblemError`."""
    if not isinstance(value, dict):
        raise KeyProblemError(f"{key}: must be a table, not {value!r}")
    return value


def expect_list(value: Any, key: str, length: int | None = None) -> list[Any]:
    """Return the value if it is a list (of that length); raises `KeyProblemError`."""
    if not isinstance(value, list) or (length is not None and len(value) != length):
        raise KeyProblemError(f"{key}: must be a list{f' of {length}' if length else ''}, not {value!r}")
    return value


def listed(names: Iterable[str]) -> str:
    """Return names as text, the first twenty of many."""
    some = list(names)
    return ", ".join(some[:20]) + (f" and {len(some) - 20} more" if len(some) > 20 else "") or "nothing"
