"""What an import reads: area files and tables of anybody's making, their columns renamed by templates.

An input is given as `FILE FIELD=TEMPLATE …`. A template is Python format text over the file's columns, so
`code={ward:0>3}` pads a number and `town={code:.5}` takes a code's first five characters; without braces it is a
constant. A field without a template is the column of the same name, where there is one.
"""

import csv
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas
import numpy
import pandas
import pyarrow
import pyogrio.errors
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from geo.crs import CrsError, to_wgs84

AREA_FIELDS = (
    "code",
    "name",
    "name_en",
    "town",
    "town_name",
    "town_name_en",
    "village",
    "village_name",
    "village_name_en",
)

# Fields that say how to read a file and are no columns of the result.
_READING = ("crs", "encoding", "layer")


class SourceError(ValueError):
    """An input that cannot be used; the message names the file, the field and the reason in one line."""


@dataclass(frozen=True)
class Source:
    """A file and the templates of its fields; `crs`, `encoding` and `layer` say how to read it."""

    file: Path
    templates: Mapping[str, str]
    crs: str | None = None
    encoding: str | None = None
    layer: str | None = None


@dataclass(frozen=True)
class Defect:
    """A row of an area file that was repaired or refused. `row` counts from 1 and leaves the header out."""

    file: str
    row: int
    kind: str
    reason: str


@dataclass(frozen=True)
class Drawing:
    """The areas of one file, in WGS 84 and valid: one dictionary of `AREA_FIELDS` and one shape for each."""

    rows: list[dict[str, str]]
    shapes: list[BaseGeometry]
    defects: list[Defect]


def parse_source(words: Sequence[str], fields: Collection[str] | None) -> Source:
    """Return the source that `FILE FIELD=TEMPLATE …` describes; `fields` are those allowed (None: any)."""
    file, *assignments = words
    templates: dict[str, str] = {}
    for word in assignments:
        field, equals, template = word.partition("=")
        if not equals:
            raise SourceError(f"{file}: {word!r} must be FIELD=TEMPLATE")
        if fields is not None and field not in {*fields, *_READING}:
            raise SourceError(f"{file}: unknown field {field!r}; known are {', '.join((*fields, *_READING))}")
        templates[field] = template
    reading = {key: templates.pop(key) for key in _READING if key in templates}
    return Source(Path(file), templates, **reading)


def read_drawing(source: Source) -> Drawing:
    """Return the areas of a GeoJSON, Shapefile, GeoPackage or GeoParquet file.

    Rows without a polygon, and rows whose code template gives nothing, are refused; broken rings are repaired;
    rows of one code are parts of one area. Raises `SourceError` when the file as a whole is of no use.
    """
    frame = _read_geo_file(source)
    columns = frame.drop(columns=frame.geometry.name)
    fields = _fill_templates(source, columns.to_dict("records"), list(columns.columns), AREA_FIELDS)
    shapes = _convert_shapes(source, frame)
    defects: list[Defect] = []
    merged: dict[object, tuple[dict[str, str], list[BaseGeometry]]] = {}
    for number, (row, shape) in enumerate(zip(fields, shapes, strict=True), start=1):
        polygon, kind, reason = _repair(shape)
        if polygon is not None and "code" in row and not row["code"]:
            polygon, kind, reason = None, "refused", "code is empty"
        if kind:
            defects.append(Defect(source.file.name, number, kind, reason))
        if polygon is not None:
            merged.setdefault(row.get("code", number), (row, []))[1].append(polygon)
    if not merged:
        raise SourceError(f"{source.file}: no usable area among {len(frame)} rows")
    unions = [parts[0] if len(parts) == 1 else shapely.union_all(parts) for _row, parts in merged.values()]
    return Drawing([row for row, _parts in merged.values()], unions, defects)


def read_table(source: Source, fields: Collection[str]) -> list[dict[str, str]]:
    """Return the rows of a CSV file, each with its `fields` and whatever else a template names, all text.

    `lon` and `lat` are converted to WGS 84 where the source says a `crs`. Raises `SourceError`.
    """
    try:
        with source.file.open(encoding=source.encoding or "utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            rows = [{key: value or "" for key, value in row.items() if key} for row in reader]
            columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, LookupError, csv.Error) as error:
        raise SourceError(f"{source.file}: cannot be read as CSV: {error}") from None
    if not rows:
        raise SourceError(f"{source.file}: no rows")
    filled = _fill_templates(source, rows, columns, fields)
    for field in fields:
        if field not in filled[0]:
            raise SourceError(f"{source.file}: {field} is missing; say {field}=TEMPLATE over {', '.join(columns)}")
    if "lon" in filled[0] and "lat" in filled[0]:
        _convert_points(source, filled)
    return filled


def _read_geo_file(source: Source) -> geopandas.GeoDataFrame:
    options = {key: value for key in ("encoding", "layer") if (value := getattr(source, key))}
    if not source.file.is_file():
        raise SourceError(f"{source.file}: no such file")
    try:
        if source.file.suffix.lower() in (".parquet", ".geoparquet"):
            frame = geopandas.read_parquet(source.file)
        else:
            frame = geopandas.read_file(source.file, engine="pyogrio", on_invalid="ignore", **options)
    except (pyogrio.errors.DataSourceError, pyarrow.ArrowInvalid, OSError, ValueError, LookupError) as error:
        raise SourceError(f"{source.file}: cannot be read: {str(error).splitlines()[0]}") from None
    if not isinstance(frame, geopandas.GeoDataFrame) or not len(frame):
        raise SourceError(f"{source.file}: no areas in it")
    return frame


def _fill_templates(
    source: Source, rows: Sequence[Mapping[Any, Any]], columns: Sequence[str], fields: Collection[str]
) -> list[dict[str, str]]:
    templates = {field: f"{{{field}}}" for field in fields if field in columns} | dict(source.templates)
    texts = [{str(key): _to_text(value) for key, value in row.items()} for row in rows]
    try:
        return [{field: template.format_map(row).strip() for field, template in templates.items()} for row in texts]
    except KeyError as error:
        column = error.args[0]
        raise SourceError(f"{source.file}: column {column!r} is missing; there are {', '.join(columns)}") from None
    except (ValueError, IndexError, AttributeError) as error:
        raise SourceError(f"{source.file}: a template is no good: {error}") from None


def _to_text(value: Any) -> str:
    """Return a cell of a table as text: nothing for no value, 12 for 12.0 (whole columns turn real over one gap)."""
    if value is None or (pandas.api.types.is_scalar(value) and pandas.isna(value)):
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _convert_shapes(source: Source, frame: geopandas.GeoDataFrame) -> list[BaseGeometry | None]:
    """Return the shapes in WGS 84. The declared system outranks the file's own label: GCJ-02 files say WGS 84."""
    if source.crs is None:
        if frame.crs is None:
            raise SourceError(f"{source.file}: says no coordinate system; add crs=NAME")
        converted = frame.geometry.to_crs(4326).force_2d().array
    else:
        flat = frame.geometry.force_2d().array
        try:
            converted = shapely.transform(flat, lambda xy: _convert(xy, source.crs or ""))
        except CrsError as error:
            raise SourceError(f"{source.file}: {error}") from None
    shapes = list(converted)
    west, south, east, north = shapely.total_bounds([shape for shape in shapes if shape is not None])
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        raise SourceError(f"{source.file}: coordinates reach ({east:.0f}, {north:.0f}), no degrees; add crs=NAME")
    return shapes


def _convert(points: NDArray[numpy.float64], crs: str) -> NDArray[numpy.float64]:
    return numpy.column_stack(to_wgs84(points[:, 0], points[:, 1], crs))


def _convert_points(source: Source, rows: list[dict[str, str]]) -> None:
    lon, lat = ([_to_number(source, number, row, key) for number, row in enumerate(rows, 1)] for key in ("lon", "lat"))
    try:
        lon_84, lat_84 = to_wgs84(lon, lat, source.crs or "wgs84")
    except CrsError as error:
        raise SourceError(f"{source.file}: {error}") from None
    for row, east, north in zip(rows, lon_84.tolist(), lat_84.tolist(), strict=True):
        row["lon"], row["lat"] = f"{east:.6f}", f"{north:.6f}"


def _to_number(source: Source, number: int, row: Mapping[str, str], field: str) -> float:
    try:
        value = float(row[field])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SourceError(f"{source.file}: row {number}: {field} {row[field]!r} is no number")
    return value


def _repair(shape: BaseGeometry | None) -> tuple[BaseGeometry | None, str, str]:
    """Return the polygons of a shape, and what was done to it and why (both empty for a good one)."""
    if shape is None or shape.is_empty:
        return None, "refused", "no geometry"
    if shape.geom_type not in ("Polygon", "MultiPolygon", "GeometryCollection"):
        return None, "refused", f"a {shape.geom_type} is no area"
    if shape.is_valid and shape.geom_type != "GeometryCollection":
        return shape, "", ""
    reason = shapely.is_valid_reason(shape)
    parts = shapely.get_parts(shapely.make_valid(shape, method="structure", keep_collapsed=False))
    polygons = [part for part in parts if part.geom_type in ("Polygon", "MultiPolygon") and part.area > 0]
    if not polygons:
        return None, "refused", f"nothing left of it: {reason}"
    return shapely.union_all(polygons), "repaired", reason
