"""Which cases repeat one that had been closed before (重复发生): the same class at the same place."""

import math
from collections import defaultdict
from collections.abc import Iterable

from cases.duplicates import DAY_MS, METRES_PER_DEGREE, DuplicateRules
from ingest.answers import Case
from ingest.tables import as_ms


def find_repeated(cases: Iterable[Case], rules: DuplicateRules) -> frozenset[str]:
    """Return the numbers of the cases before whose report one of the same class near by had ended.

    How near and how lately is the rules' `repeat_radius_m` and `repeat_days`; only the cases given are known.
    """
    degrees = rules.repeat_radius_m / METRES_PER_DEGREE
    squares: dict[tuple[str, int, int], list[Case]] = defaultdict(list)
    placed = [case for case in cases if case.lon is not None and case.lat is not None]
    for case in placed:
        if case.closed_at is not None:
            squares[_find_square(case, degrees)].append(case)
    return frozenset(case.case_id for case in placed if _repeats(case, squares, degrees, rules))


def _repeats(
    case: Case, squares: dict[tuple[str, int, int], list[Case]], degrees: float, rules: DuplicateRules
) -> bool:
    category, column, row = _find_square(case, degrees)
    latest = as_ms(case.reported_at)
    for east in (-1, 0, 1):
        for north in (-1, 0, 1):
            for other in squares.get((category, column + east, row + north), ()):
                ended = latest if other.closed_at is None else as_ms(other.closed_at)
                if 0 < latest - ended <= rules.repeat_days * DAY_MS and _is_near(case, other, degrees):
                    return True
    return False


def _find_square(case: Case, degrees: float) -> tuple[str, int, int]:
    assert case.lon is not None and case.lat is not None
    width = degrees / max(math.cos(math.radians(round(case.lat, 1))), 0.01)
    return case.category, math.floor(case.lon / width), math.floor(case.lat / degrees)


def _is_near(case: Case, other: Case, degrees: float) -> bool:
    assert case.lon is not None and case.lat is not None and other.lon is not None and other.lat is not None
    east = (case.lon - other.lon) * math.cos(math.radians(case.lat))
    return math.hypot(east, case.lat - other.lat) <= degrees
