"""Which cases repeat one that had been closed before (重复发生): the same class at the same place."""

import math
from collections import defaultdict
from collections.abc import Iterable

from cases.duplicates import METRES_PER_DEGREE, DuplicateRules, Report, measure_repeat
from cases.flow import CLOSE
from ingest.answers import Case
from ingest.tables import as_ms


def find_repeated(cases: Iterable[Case], rules: DuplicateRules) -> frozenset[str]:
    """Return the numbers of the cases before whose report one of the same class near by had been closed.

    How near and how lately is the rules' `repeat_radius_m` and `repeat_days`; only the cases given are known.
    """
    placed = [(case, case.lon, case.lat) for case in cases if case.lon is not None and case.lat is not None]
    # Squares of one size for all, at least as wide as the radius where the meridians are closest.
    height = rules.repeat_radius_m / METRES_PER_DEGREE
    width = height / max(min((math.cos(math.radians(lat)) for _, _, lat in placed), default=1.0), 0.01)
    reports = [(_as_report(case), math.floor(lon / width), math.floor(lat / height)) for case, lon, lat in placed]
    closed: defaultdict[tuple[str, int, int], list[Report]] = defaultdict(list)
    for report, column, row in reports:
        if report.ended_ms is not None:
            for east, north in _AROUND:
                closed[report.category, column + east, row + north].append(report)
    return frozenset(
        report.case_id
        for report, column, row in reports
        if any(
            measure_repeat(report, other, rules) is not None for other in closed.get((report.category, column, row), ())
        )
    )


_AROUND = [(east, north) for east in (-1, 0, 1) for north in (-1, 0, 1)]


def _as_report(case: Case) -> Report:
    """Return what of a case is compared; a merged or voided one was never dealt with."""
    return Report(
        case_id=case.case_id,
        category=case.category,
        reported_ms=as_ms(case.reported_at),
        lon=case.lon,
        lat=case.lat,
        ended_ms=as_ms(case.closed_at) if case.closed_at is not None and case.last_action == CLOSE else None,
    )
