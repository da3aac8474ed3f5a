"""Area codes: 6 digits for a county, 3 more for each of town, village and cell, as GB/T 30428.1 numbers grids.

The order of cells inside a village, west to east and then north to south, is that of the Beijing standard on
unit grids (单元网格划分): closed polygons, each inside exactly one village.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geo.pack import CODE_LENGTHS

COUNTY_DIGITS = 6
STEP_DIGITS = 3
HIGHEST_SEQUENCE = 999

_LEVEL_BY_LENGTH = {digits: level for level, digits in CODE_LENGTHS.items()}

# Cells whose centroids lie closer together than this share of the mean cell width make one column.
_COLUMN_SHARE = 0.5


class CodeError(ValueError):
    """A code or sequence that breaks the 6 + 3 + 3 + 3 structure; the message says how."""


class CodeParts(NamedTuple):
    """The parts of a code; None below its level. `town`, `village` and `cell` are three digits each."""

    county: str
    town: str | None
    village: str | None
    cell: str | None


def level_of(code: str) -> str:
    """Return `county`, `town`, `village` or `cell`; raises `CodeError` for what is no code."""
    if not (code.isascii() and code.isdecimal()):
        raise CodeError(f"code {code!r} must be made of digits only")
    level = _LEVEL_BY_LENGTH.get(len(code))
    if level is None:
        raise CodeError(f"code {code!r} has {len(code)} digits; a code has 6, 9, 12 or 15")
    return level


def parent_of(code: str) -> str | None:
    """Return the code one level up, None for a county; raises `CodeError` for what is no code."""
    return None if level_of(code) == "county" else code[:-STEP_DIGITS]


def make_code(parent: str, sequence: int) -> str:
    """Return the code of the `sequence`-th area (0 to 999) inside `parent`.

    Raises `CodeError` when `parent` is no code or a cell's, or the sequence does not fit three digits.
    """
    if level_of(parent) == "cell":
        raise CodeError(f"code {parent!r} is a cell's; nothing lies inside a cell")
    if not 0 <= sequence <= HIGHEST_SEQUENCE:
        raise CodeError(f"sequence {sequence} inside {parent} must be from 0 to {HIGHEST_SEQUENCE}")
    return f"{parent}{sequence:03d}"


def split_code(code: str) -> CodeParts:
    """Return a code's parts; raises `CodeError` for what is no code."""
    level_of(code)
    ends = range(COUNTY_DIGITS, COUNTY_DIGITS + 3 * STEP_DIGITS, STEP_DIGITS)
    town, village, cell = (code[end : end + STEP_DIGITS] or None for end in ends)
    return CodeParts(code[:COUNTY_DIGITS], town, village, cell)


def number_cells(geometries: Sequence[BaseGeometry]) -> list[int]:
    """Return the 1-based number of each geometry of one village: west to east, then north to south.

    Each geometry stands for its centroid (it moves little when an outline does). Sorted by longitude,
    centroids make columns: one further east than half the mean cell width (root of the mean area) from the
    westernmost of the current column begins a new column. Columns are numbered from the west; inside a column the
    northernmost comes first; equal points go by their geometry's WKB. The numbers depend on the set of
    shapes only, not on the order they are given in.
    """
    if len(geometries) == 0:
        return []
    shapes: NDArray[numpy.object_] = numpy.asarray(geometries, dtype=object)
    points = shapely.get_coordinates(shapely.centroid(shapes))
    # fsum is exact, so the order of the shapes cannot move a column's edge by a rounding error.
    width = _COLUMN_SHARE * math.sqrt(math.fsum(shapely.area(shapes)) / len(shapes))
    columns = _find_columns(points[:, 0], width)
    ranked = sorted(
        range(len(shapes)),
        key=lambda index: (columns[index], -points[index, 1], points[index, 0], shapely.to_wkb(geometries[index])),
    )
    numbers = [0] * len(shapes)
    for number, index in enumerate(ranked, start=1):
        numbers[index] = number
    return numbers


def _find_columns(longitudes: NDArray[numpy.float64], width: float) -> list[int]:
    columns = [0] * len(longitudes)
    column = 0
    west = float(longitudes.min())
    for index in numpy.argsort(longitudes, kind="stable"):
        if longitudes[index] - west > width:
            column += 1
            west = float(longitudes[index])
        columns[index] = column
    return columns
