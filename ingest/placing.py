"""Records to their cells, their case ids and their partitions."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy

from geo.county import County
from geo.lookup import OUTSIDE, CellLookup
from ingest.reception import Reception
from ingest.records import (
    AlarmAcked,
    AlarmActed,
    AlarmCleared,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    DeviceSeen,
    ExerciseBegun,
    ExerciseEnded,
    Placed,
    ShiftHandedOver,
    ShiftTakenOver,
    WallOrdered,
)
from ingest.stream import choose_partition, digest_event

TOWN_DIGITS = 9
POINTS_KEPT = 65_536

Point = tuple[float | None, float | None]


class Placer:
    """Finds the cell of records and mints the ids of cases reported without one."""

    def __init__(self, county: County, reception: Reception) -> None:
        self._codes = [str(code) for code in county.cells.index]
        self._lookup = CellLookup(county.cells)
        self._cells: dict[Point, str | None] = {}
        self._county_code = reception.county_code
        self._zone = reception.zone

    def place(self, records: Sequence[AnyRecord]) -> None:
        """Fill in `cell_code` (None outside the county) and missing case ids, in place, all at once."""
        placed = [
            record
            for record in records
            if isinstance(record, Placed) or (isinstance(record, AlarmRaised) and record.lon is not None)
        ]
        points = [(record.lon, record.lat) for record in placed]
        cells = self._find_cells(points)
        for record, point in zip(placed, points, strict=True):
            record.cell_code = cells[point]
            if isinstance(record, CaseReported) and not record.case_id:
                record.case_id = self._mint_case_id(record)

    def _find_cells(self, points: Sequence[Point]) -> Mapping[Point, str | None]:
        """Return the cell of each point; most things that report stand still, so found ones are kept."""
        cells = self._cells
        if len(cells) > POINTS_KEPT:
            cells = self._cells = {}  # a new one: another thread may be reading the old
        new = list({point for point in points if point not in cells})
        if new:
            lon, lat = numpy.array(new, dtype=float).T
            for point, position in zip(new, self._lookup.find_cells(lon, lat).tolist(), strict=True):
                cells[point] = None if position == OUTSIDE else self._codes[position]
        return cells

    def _mint_case_id(self, report: CaseReported) -> str:
        # Made of what identifies the event, so that a repeat of it names the same case.
        day = report.reported_at.astimezone(self._zone)
        digest = digest_event(report.source, report.id).hex()[:8]
        return f"{report.cell_code or self._county_code}-{day:%Y%m%d}-{digest}"


def find_partition(record: AnyRecord, partitions: int) -> int:
    """Return a record's partition: that of its town, or else of its case, its alarm, its device or itself."""
    if isinstance(record, Placed) and record.cell_code:
        return _partition_of_cell(record.cell_code, partitions)
    if isinstance(record, CaseReported | CaseActed):
        return choose_partition(record.case_id, partitions)
    if isinstance(record, AlarmRaised | AlarmAcked | AlarmCleared | AlarmActed):
        return choose_partition(record.alarm_id, partitions)
    if isinstance(record, DeviceSeen):
        return choose_partition(record.asset_id, partitions)
    if isinstance(record, ShiftHandedOver | ShiftTakenOver):  # who signed first is told by one stream
        return choose_partition(f"{record.area} {record.date} {record.shift}", partitions)
    if isinstance(record, WallOrdered):
        return choose_partition(record.wall, partitions)
    if isinstance(record, ExerciseBegun | ExerciseEnded):
        return choose_partition(record.exercise, partitions)
    return choose_partition(record.id, partitions)


@lru_cache(maxsize=65_536)  # a county has thousands of cells
def _partition_of_cell(cell_code: str, partitions: int) -> int:
    return choose_partition(cell_code[:TOWN_DIGITS], partitions)
