"""Areas and lines of a pack: GeoJSON read in one pass, checked row by row in columns."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final, Literal, TypeVar

import geopandas
import msgspec
import numpy
import numpy.typing
import pandas
import shapely

from geo.pack import CODE_LENGTHS, LEVELS, PackError, read_bytes

_WGS84: Final = "EPSG:4326"
_WGS84_NAMES: Final = ("CRS84", "EPSG::4326", "EPSG:4326")

Geometries = numpy.typing.NDArray[numpy.object_]


class _AreaProperties(msgspec.Struct):
    code: str
    level: str
    name: str
    name_en: str | None = None
    parent: str | None = None
    responsible: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class _LineProperties(msgspec.Struct):
    name: str | None = None
    name_en: str | None = None
    class_: str | None = msgspec.field(name="class", default=None)


class _CrsName(msgspec.Struct):
    name: str = ""


class _Crs(msgspec.Struct):
    properties: _CrsName


class _Area(msgspec.Struct):
    properties: _AreaProperties
    geometry: msgspec.Raw


class _Line(msgspec.Struct):
    properties: _LineProperties
    geometry: msgspec.Raw


_FeatureT = TypeVar("_FeatureT", _Area, _Line)


class _AreaCollection(msgspec.Struct):
    type: Literal["FeatureCollection"]
    features: list[_Area]
    crs: _Crs | None = None


class _LineCollection(msgspec.Struct):
    type: Literal["FeatureCollection"]
    features: list[_Line]
    crs: _Crs | None = None


def read_areas(path: Path, county_code: str) -> geopandas.GeoDataFrame:
    """Return the areas indexed by `code`, in file order (WGS 84).

    Raises `PackError` for anything that would leave a code, a parent or a polygon in doubt.
    """
    areas = _decode(path, _AreaCollection).features
    if not areas:
        raise PackError(f"{path.name}: no features")
    rows = [area.properties for area in areas]
    _check_codes(path.name, rows, county_code)
    labels = [f"area {row.code}" for row in rows]
    geometries = _read_geometries(path.name, [area.geometry for area in areas], labels, "Polygon")
    codes = [row.code for row in rows]
    # As objects None stays None; pandas would make it NaN.
    columns = {
        "level": [row.level for row in rows],
        "name": [row.name for row in rows],
        "name_en": [row.name_en or row.name for row in rows],
        "parent": pandas.Series([row.parent for row in rows], codes, dtype=object),
        "responsible": pandas.Series([row.responsible for row in rows], codes, dtype=object),
        "valid_from": pandas.Series([row.valid_from for row in rows], codes, dtype=object),
        "valid_to": pandas.Series([row.valid_to for row in rows], codes, dtype=object),
    }
    table = geopandas.GeoDataFrame(columns, geometry=geometries, crs=_WGS84, index=codes)
    return table.rename_axis("code")


def read_lines(path: Path) -> geopandas.GeoDataFrame | None:
    """Return lines with `name`, `name_en` and `class` (WGS 84), or None where the pack has no such file."""
    if not path.exists():
        return None
    lines = _decode(path, _LineCollection).features
    rows = [line.properties for line in lines]
    labels = [f"feature {number}" for number in range(1, len(rows) + 1)]
    geometries = _read_geometries(path.name, [line.geometry for line in lines], labels, "LineString")
    columns = {
        "name": [row.name or "" for row in rows],
        "name_en": [row.name_en or row.name or "" for row in rows],
        "class": [row.class_ or "" for row in rows],
    }
    return geopandas.GeoDataFrame(columns, geometry=geometries, crs=_WGS84)


_CollectionT = TypeVar("_CollectionT", _AreaCollection, _LineCollection)


def _decode(path: Path, kind: type[_CollectionT]) -> _CollectionT:
    try:
        collection = msgspec.json.decode(read_bytes(path), type=kind)
    except msgspec.ValidationError as error:
        raise PackError(f"{path.name}: {error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{path.name}: no valid JSON: {error}") from None
    crs = collection.crs.properties.name if collection.crs else "CRS84"
    if not crs.endswith(_WGS84_NAMES):
        raise PackError(f"{path.name}: crs must be WGS 84, not {crs!r}; `python -m geo import` converts")
    return collection


def _check_codes(file: str, rows: Sequence[_AreaProperties], county_code: str) -> None:
    levels: dict[str, str] = {}
    for row in rows:
        if row.level not in LEVELS:
            raise PackError(f"{file}: area {row.code}: level must be one of {', '.join(LEVELS)}, not {row.level!r}")
        if len(row.code) != CODE_LENGTHS[row.level] or not (row.code.isascii() and row.code.isdigit()):
            digits = CODE_LENGTHS[row.level]
            raise PackError(f"{file}: area {row.code!r}: code of a {row.level} must have {digits} digits")
        if row.code in levels:
            raise PackError(f"{file}: area {row.code}: code is there twice")
        levels[row.code] = row.level
    counties = [code for code, level in levels.items() if level == "county"]
    if counties != [county_code]:
        found = ", ".join(counties) or "none"
        raise PackError(f"{file}: level county: county.toml says {county_code}, the areas say {found}")
    if "cell" not in levels.values():
        raise PackError(f"{file}: level cell: there is none")
    for row in rows:
        _check_parent(file, row, levels)


def _check_parent(file: str, row: _AreaProperties, levels: dict[str, str]) -> None:
    if row.level == "county":
        return
    above = LEVELS[LEVELS.index(row.level) - 1]
    if row.parent is None:
        raise PackError(f"{file}: area {row.code}: parent is missing")
    if levels.get(row.parent) != above:
        raise PackError(f"{file}: area {row.code}: parent {row.parent!r} is no {above} of this pack")
    if not row.code.startswith(row.parent):
        raise PackError(f"{file}: area {row.code}: code does not start with its parent {row.parent}")


def _read_geometries(file: str, raws: Sequence[msgspec.Raw], labels: Sequence[str], kind: str) -> Geometries:
    """Return the geometries of one kind (single or multi), each valid and within the range of degrees."""
    texts = [bytes(raw).decode("utf-8") for raw in raws]
    geometries: Geometries = shapely.from_geojson(numpy.array(texts, dtype=object), on_invalid="ignore")
    _refuse(file, labels, geometries == None, "geometry cannot be read (a ring needs four points)")  # noqa: E711
    wanted = [getattr(shapely.GeometryType, name.upper()) for name in (kind, f"Multi{kind}")]
    wrong = ~numpy.isin(shapely.get_type_id(geometries), [int(one) for one in wanted])
    _refuse(file, labels, wrong | shapely.is_empty(geometries), f"geometry must be a {kind} or Multi{kind}")
    west, south, east, north = shapely.bounds(geometries).T
    inside = (west >= -180) & (east <= 180) & (south >= -90) & (north <= 90)
    _refuse(file, labels, ~inside, "geometry must be in degrees, longitude first")
    invalid = ~shapely.is_valid(geometries)
    if invalid.any():
        _refuse(file, labels, invalid, shapely.is_valid_reason(geometries[invalid.argmax()]))
    return geometries


def _refuse(file: str, labels: Sequence[str], bad: numpy.typing.NDArray[numpy.bool_], reason: str) -> None:
    if bad.any():
        more = f" ({bad.sum() - 1} more)" if bad.sum() > 1 else ""
        raise PackError(f"{file}: {labels[int(bad.argmax())]}: {reason}{more}")
