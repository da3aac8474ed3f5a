"""A table of a benchmark's rows."""

from collections.abc import Mapping, Sequence


def print_table(rows: Sequence[Mapping[str, object]]) -> None:
    """Print rows, each a mapping from column to value, under the columns of the first."""
    columns = list(rows[0])
    cells = [columns, *([_render(row.get(column, "")) for column in columns] for row in rows)]
    widths = [max(len(line[position]) for line in cells) for position in range(len(columns))]
    for line in cells:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _render(value: object) -> str:
    return (
        f"{value:,.3g}"
        if isinstance(value, float) and abs(value) < 1000
        else f"{value:,.0f}"
        if isinstance(value, float)
        else str(value)
    )
