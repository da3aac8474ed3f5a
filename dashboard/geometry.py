"""The county's geometry as browsers draw it: simplified, rounded, numbered and compressed once, at start."""

import gzip
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import geopandas
import msgspec
import numpy
import shapely

from geo.county import County

DECIMALS = 5  # of degrees: about a metre
# A wall is at most 7,680 px wide: what is smaller than a third of a pixel of the whole county is not seen.
PARTS_OF_EXTENT = 20_000
PARTS = ("cells", "villages", "towns", "county", "roads", "rivers", "assets")
LEVELS = {"cells": "cell", "villages": "village", "towns": "town", "county": "county"}


@dataclass(frozen=True)
class PreparedPart:
    """One GeoJSON FeatureCollection: gzipped, plain, and its ETag."""

    compressed: bytes
    plain: bytes
    etag: str


def prepare_geometry(county: County) -> dict[str, PreparedPart]:
    """Return every part that the pack has, by name; takes seconds for large counties, so not on the event loop."""
    west, south, east, north = county.bbox
    tolerance = math.hypot(east - west, north - south) / PARTS_OF_EXTENT
    makers: dict[str, Callable[[], list[dict[str, Any]] | None]] = {
        **{part: lambda level=level: _areas(county, level, tolerance) for part, level in LEVELS.items()},  # type: ignore[misc]
        "roads": lambda: _lines(county.roads, tolerance),
        "rivers": lambda: _lines(county.rivers, tolerance),
        "assets": lambda: _assets(county),
    }
    prepared = {}
    for part, make in makers.items():
        features = make()
        if features is not None:
            prepared[part] = _prepare(features)
    return prepared


def _prepare(features: list[dict[str, Any]]) -> PreparedPart:
    plain = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    digest = hashlib.sha256(plain).hexdigest()[:16]
    return PreparedPart(gzip.compress(plain, 9, mtime=0), plain, f'"{digest}"')


def _areas(county: County, level: str, tolerance: float) -> list[dict[str, Any]]:
    """Return the areas of a level; a cell's id is its position, and neighbours still share their borders."""
    rows = county.cells if level == "cell" else county.areas[county.areas["level"] == level]
    outlines = _simplify_coverage(rows.geometry.to_numpy(), tolerance)
    return [
        _feature(position, {"code": code, "name": name, "name_en": name_en or name}, outline)
        for position, (code, name, name_en, outline) in enumerate(
            zip(rows.index, rows["name"], rows["name_en"], outlines, strict=True)
        )
    ]


def _simplify_coverage(outlines: Any, tolerance: float) -> Any:
    """Return simplified polygons whose shared borders stay shared; one that would vanish keeps its outline."""
    if not len(outlines):
        return outlines
    # coverage_simplify's tolerance is the root of an area (Visvalingam-Whyatt), in degrees here.
    simple = shapely.coverage_simplify(outlines, tolerance)
    bad = shapely.is_empty(simple) | ~shapely.is_valid(simple)
    return numpy.where(bad, outlines, simple)


def _lines(lines: geopandas.GeoDataFrame | None, tolerance: float) -> list[dict[str, Any]] | None:
    if lines is None:
        return None
    columns = [column for column in ("name", "name_en", "class") if column in lines]
    rows = lines[columns].to_dict("records")
    shapes = shapely.simplify(lines.geometry.to_numpy(), tolerance)
    return [_feature(position, row, shape) for position, (row, shape) in enumerate(zip(rows, shapes, strict=True))]


def _assets(county: County) -> list[dict[str, Any]]:
    """Return the assets that are drawn; a roster line of a grid worker is no thing on the map."""
    rows = county.assets.reset_index()
    drawn = rows[rows["kind"] != "grid_worker"]
    return [
        _feature(
            int(position),
            {"asset_id": row["asset_id"], "kind": row["kind"], "name": row["name"], "name_en": row["name_en"]},
            shapely.Point(row["lon"], row["lat"]),
        )
        for position, row in zip(drawn.index, drawn.to_dict("records"), strict=True)
    ]


def _feature(id: int, properties: dict[str, Any], shape: Any) -> dict[str, Any]:
    known = {name: value for name, value in properties.items() if isinstance(value, str) and value}
    geometry = shapely.geometry.mapping(shape)
    return {
        "type": "Feature",
        "id": id,
        "properties": known,
        "geometry": {"type": geometry["type"], "coordinates": _round(geometry["coordinates"])},
    }


def _round(coordinates: Any) -> Any:
    """Return nested coordinates rounded; a position that repeats the one before it is left out of a line."""
    if isinstance(coordinates[0], float):
        return [round(degrees, DECIMALS) for degrees in coordinates]
    rounded = [_round(part) for part in coordinates]
    if not isinstance(coordinates[0][0], float):
        return rounded
    kept = [at for at, before in zip(rounded[1:], rounded[:-1], strict=True) if at != before]
    line = [rounded[0], *kept]
    return line if len(line) >= min(len(rounded), 4) else rounded
