"""Records to their cells, their case ids and their partitions."""

from collections.abc import Sequence
from functools import lru_cache

import numpy

from geo.county import County
from geo.lookup import OUTSIDE, CellLookup
from ingest.reception import Reception
from ingest.records import (
    AlarmAcked,
    AlarmCleared,
    AlarmRaised,
    AnyRecord,
    CaseActed,
    CaseReported,
    Placed,
)
from ingest.stream import choose_partition, digest_event

TOWN_DIGITS = 9


class Placer:
    """Finds the cell of records and mints the ids of cases reported without one."""

    def __init__(self, county: County, reception: Reception) -> None:
        self._codes = [str(code) for code in county.cells.index]
        self._lookup = CellLookup(county.cells)
        self._county_code = reception.county_code
        self._zone = reception.zone

    def place(self, records: Sequence[AnyRecord]) -> None:
        """Fill in `cell_code` (None outside the county) and missing case ids, in place, all at once."""
        placed = [record for record in records if isinstance(record, Placed)]
        lon = numpy.array([record.lon for record in placed], dtype=float)
        lat = numpy.array([record.lat for record in placed], dtype=float)
        for record, position in zip(placed, self._lookup.find_cells(lon, lat).tolist(), strict=True):
            record.cell_code = None if position == OUTSIDE else self._codes[position]
            if isinstance(record, CaseReported) and not record.case_id:
                record.case_id = self._mint_case_id(record)

    def _mint_case_id(self, report: CaseReported) -> str:
        # Made of what identifies the event, so that a repeat of it names the same case.
        day = report.reported_at.astimezone(self._zone)
        digest = digest_event(report.source, report.id).hex()[:8]
        return f"{report.cell_code or self._county_code}-{day:%Y%m%d}-{digest}"


def find_partition(record: AnyRecord, partitions: int) -> int:
    """Return a record's partition: that of its town, or else of its case, its alarm or itself."""
    if isinstance(record, Placed) and record.cell_code:
        return _partition_of_town(record.cell_code[:TOWN_DIGITS], partitions)
    if isinstance(record, CaseReported | CaseActed):
        return choose_partition(record.case_id, partitions)
    if isinstance(record, AlarmRaised | AlarmAcked | AlarmCleared):
        return choose_partition(record.alarm_id, partitions)
    return choose_partition(record.id, partitions)


_partition_of_town = lru_cache(maxsize=4096)(choose_partition)
