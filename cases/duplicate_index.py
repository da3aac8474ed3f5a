"""Where to look for duplicates among a hundred thousand cases: a hash of squares, and of cells."""

import math
from collections.abc import Iterator
from typing import Any, Final

from cases.duplicates import (
    METRES_PER_DEGREE,
    DuplicateRules,
    Likeness,
    Report,
    find_likely_duplicates,
    find_repeats,
)
from cases.wording import Vocabulary

Square = tuple[int, int]
_NOWHERE: Final[dict[str, Report]] = {}


class DuplicateIndex:
    """Reports by place; to put and to remove one costs the same however many there are.

    A query looks at the squares that the box around its circle touches. `vocabulary` tells how rare words are among
    the reports that are in here.
    """

    def __init__(self, rules: DuplicateRules) -> None:
        self.rules = rules
        self.vocabulary = Vocabulary()
        self._reach_m = max(rules.radius_m, rules.repeat_radius_m)
        self._degrees = self._reach_m / METRES_PER_DEGREE
        self._reports: dict[str, Report] = {}
        self._by_square: dict[Square, dict[str, Report]] = {}
        self._by_cell: dict[str, dict[str, Report]] = {}
        self._placeless: dict[str, dict[str, Report]] = {}

    def __len__(self) -> int:
        return len(self._reports)

    def put(self, report: Report) -> None:
        """Take a report in, in place of what was known under its number."""
        known = self._reports.get(report.case_id)
        if known == report:
            return
        if known is not None:
            self.remove(report.case_id)
        self._reports[report.case_id] = report
        self.vocabulary.add(report.text)
        for shelf, key in self._find_shelves(report):
            shelf.setdefault(key, {})[report.case_id] = report

    def remove(self, case_id: str) -> None:
        """Let a report go; one that is not in here needs nothing done."""
        report = self._reports.pop(case_id, None)
        if report is None:
            return
        self.vocabulary.remove(report.text)
        for shelf, key in self._find_shelves(report):
            del shelf[key][case_id]
            if not shelf[key]:
                del shelf[key]

    def find_duplicates(self, report: Report) -> list[Likeness]:
        """Return the reports that may tell of the same thing, the likeliest first."""
        return find_likely_duplicates(report, self.list_near(report), self.rules, self.vocabulary)

    def find_repeats(self, report: Report) -> list[Likeness]:
        """Return the ended cases of the same class and place, the latest first."""
        return find_repeats(report, self.list_near(report), self.rules)

    def list_near(self, report: Report) -> Iterator[Report]:
        """Yield every report that may be near: in the box around it, or in its cell where points are unknown."""
        cell = report.cell_code or ""
        if report.lon is None or report.lat is None:
            yield from self._by_cell.get(cell, _NOWHERE).values()
            return
        yield from self._placeless.get(cell, _NOWHERE).values()
        half_lat = self._reach_m / METRES_PER_DEGREE
        half_lon = half_lat / max(math.cos(math.radians(report.lat)), 0.01)
        west, south = self._find_square(report.lon - half_lon, report.lat - half_lat)
        east, north = self._find_square(report.lon + half_lon, report.lat + half_lat)
        for column in range(west, east + 1):
            for row in range(south, north + 1):
                yield from self._by_square.get((column, row), _NOWHERE).values()

    def _find_square(self, lon: float, lat: float) -> Square:
        return math.floor(lon / self._degrees), math.floor(lat / self._degrees)

    def _find_shelves(self, report: Report) -> Iterator[tuple[dict[Any, dict[str, Report]], Square | str]]:
        """Yield where a report lies, as shelf and key."""
        if report.lon is not None and report.lat is not None:
            yield self._by_square, self._find_square(report.lon, report.lat)
        elif report.cell_code is not None:
            yield self._placeless, report.cell_code
        if report.cell_code is not None:
            yield self._by_cell, report.cell_code
