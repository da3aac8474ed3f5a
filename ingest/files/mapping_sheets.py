"""Sheets as a mapping sees them: melted, joined, sorted, and known to have every column that it names."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from ingest.files.mapping import Join, Mapping, MappingError
from ingest.files.sheets import Sheet


def shape_sheet(sheet: Sheet, mapping: Mapping, beside: Path, join: Path | None = None, strict: bool = True) -> Sheet:
    """Return a sheet's rows as the mapping sees them; raises `MappingError` or `SheetError`.

    The second file of `[join]` is `join`, or else looked for beside the mapping and in the folder `beside`. Only
    `strict` asks a sheet without a header for every column: an answer of one row may well lack some.
    """
    if mapping.wide:
        sheet = _melt(sheet, mapping)
    if mapping.join:
        sheet = _join(sheet, mapping.join, _find_join(mapping, mapping.join, beside, join))
    if strict or sheet.header:
        mapping.check_columns(Path(sheet.name).name, sheet.columns)
    if mapping.time.sort:
        earliest = datetime.min.replace(tzinfo=UTC)
        sheet = replace(sheet, rows=iter(sorted(sheet.rows, key=lambda row: mapping.moment(row) or earliest)))
    return sheet


def _melt(sheet: Sheet, mapping: Mapping) -> Sheet:
    wide = mapping.wide
    assert wide is not None
    for column in (*wide.keep, *wide.columns):
        if column not in sheet.columns:
            raise MappingError(f"{mapping.path}: wide: there is no column {column!r} in {Path(sheet.name).name}")
    columns = wide.columns or tuple(column for column in sheet.columns if column not in wide.keep)
    count = None if sheet.count is None else sheet.count * len(columns)
    return replace(sheet, columns=(*wide.keep, wide.name, wide.value), rows=wide.melt(sheet.rows, columns), count=count)


def _join(sheet: Sheet, join: Join, path: Path) -> Sheet:
    added = join.load(path)
    columns = tuple(dict.fromkeys([*sheet.columns, *next(iter(added.values()), {})]))
    rows = ({**added.get(str(row.get(join.on)), {}), **row} for row in sheet.rows)
    return replace(sheet, columns=columns, rows=rows)


def _find_join(mapping: Mapping, join: Join, beside: Path, given: Path | None) -> Path:
    """Return the second file: the given one, or the mapping's, beside the mapping or beside the data."""
    places = [given] if given else [mapping.path.parent / join.file, beside / join.file]
    for place in places:
        if place.is_file():
            return place
    raise MappingError(f"{mapping.path}: join.file: there is no {' nor '.join(str(place) for place in places)}")
