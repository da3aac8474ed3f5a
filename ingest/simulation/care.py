"""Whom visits are paid to in a fictional county: persons that nobody can take for real ones, always the same."""

from collections.abc import Iterator
from typing import Final, NamedTuple

from geo.county import County

PERSONS: Final = 4
"""So many in a cell, on average."""


class Invented(NamedTuple):
    """Somebody whom care is for, the `number`th of the cell; `lot` is for what else is invented of them."""

    person: str
    care_group: str
    cell_code: str
    number: int
    lot: int


def invent_persons(county: County) -> Iterator[Invented]:
    """Yield the persons of a county's care groups, by cell; none where the pack has no groups."""
    rows = county.case_settings.get("care_groups")
    groups = [row["key"] for row in rows if isinstance(row, dict) and "key" in row] if isinstance(rows, list) else []
    for place, code in enumerate(map(str, county.cells.index) if groups else ()):
        for number in range(1, 1 + (place * 7 + 6) % (2 * PERSONS + 1)):
            lot = place * 31 + number * 17
            group = groups[0] if lot % 5 < 2 else groups[lot % len(groups)]
            yield Invented(f"demo-{code}-{number}", group, code, number, lot)
