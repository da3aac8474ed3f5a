"""CSV as Excel and WPS read it: UTF-8 behind a mark, every text in quotes, and none that is taken for a formula."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final

MARK: Final = "\ufeff".encode()
"""At the very front: without it Excel takes the bytes for the machine's old code page."""
MEDIA_TYPE: Final = "text/csv; charset=utf-8"
FORMULA_SIGNS: Final = tuple("=+-@＝＋－＠")

Cell = str | int | float | None
Row = Sequence[Cell]


def encode_rows(rows: Iterable[Row]) -> bytes:
    """Return some rows as they stand in the file."""
    text = StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([_defuse(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def _defuse(cell: Cell) -> Cell:
    """Return a cell that no spreadsheet computes: what anybody may have reported is a text, and stays one."""
    return f"'{cell}" if isinstance(cell, str) and cell.lstrip().startswith(FORMULA_SIGNS) else cell
