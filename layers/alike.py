"""Cases of the live state as reports that can be compared: see `cases.duplicates`."""

from cases.duplicates import Report
from layers.places import Places
from layers.things import Case

Point = tuple[float | None, float | None]


def as_report(case: Case, places: Places) -> Report:
    """Return what of a case is compared."""
    lon, lat = find_point(places, case.cell, case.lon, case.lat)
    return Report(
        case_id=case.case_id,
        category=case.category,
        reported_ms=case.reported_ms,
        text=case.title,
        lon=lon,
        lat=lat,
        cell_code=None if case.cell is None else places.cell_codes[case.cell],
        ended_ms=case.state.ended_ms,
    )


def find_point(places: Places, cell: int | None, lon: float | None, lat: float | None) -> Point:
    """Return the point of a report, None and None for one that was given by its cell alone: it lies in the middle."""
    return (None, None) if cell is not None and (lon, lat) == places.cell_points[cell] else (lon, lat)
