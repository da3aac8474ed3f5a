"""Chance without memory: numbers that look random and depend only on a seed, a purpose and some keys."""

import zlib
from collections.abc import Iterable

import numpy
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[numpy.float64]
Keys = NDArray[numpy.int64]

# Constants of splitmix64 (Steele, Lea, Flood 2014), as in the public-domain reference code.
_STEP = numpy.uint64(0x9E3779B97F4A7C15)
_MIX_1 = numpy.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = numpy.uint64(0x94D049BB133111EB)


def draw(seed: int, purpose: str, *keys: ArrayLike) -> Floats:
    """Return uniform numbers in [0, 1), one for each element of the keys (whole numbers, broadcast)."""
    state = numpy.array([zlib.crc32(purpose.encode()) + (seed << 32)], dtype=numpy.uint64)
    for key in keys:
        state = _mix(state ^ numpy.asarray(key, dtype=numpy.int64).astype(numpy.uint64))
    return (_mix(state) >> numpy.uint64(11)).astype(numpy.float64) * 2.0**-53


def draw_normal(seed: int, purpose: str, *keys: ArrayLike) -> Floats:
    """Return roughly normal numbers (mean 0, deviation 1, never beyond ±3): the sum of three uniform ones."""
    first, second, third = (draw(seed, f"{purpose}{number}", *keys) for number in range(3))
    return 2.0 * (first + second + third - 1.5)


def drift(seed: int, purpose: str, keys: ArrayLike, at: ArrayLike, period_s: float) -> Floats:
    """Return numbers in [0, 1) that wander smoothly in time: new every `period_s`, eased in between."""
    position = numpy.asarray(at, dtype=numpy.float64) / period_s
    step = numpy.floor(position).astype(numpy.int64)
    part = position - step
    eased = part * part * (3.0 - 2.0 * part)
    before, after = draw(seed, purpose, keys, step), draw(seed, purpose, keys, step + 1)
    return before + (after - before) * eased


def as_keys(names: Iterable[str]) -> Keys:
    """Return a whole number for each name, always the same one."""
    return numpy.array([zlib.crc32(str(name).encode()) for name in names], dtype=numpy.int64)


def _mix(state: NDArray[numpy.uint64]) -> NDArray[numpy.uint64]:
    state = state + _STEP
    state = (state ^ (state >> numpy.uint64(30))) * _MIX_1
    state = (state ^ (state >> numpy.uint64(27))) * _MIX_2
    return state ^ (state >> numpy.uint64(31))
