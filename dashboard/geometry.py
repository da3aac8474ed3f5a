"""The county's geometry as browsers draw it: simplified, rounded, numbered and compressed once, at start."""

import gzip
import hashlib
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import geopandas
import msgspec
import numpy
import shapely

from geo.county import County

DECIMALS = 5  # of degrees: about a metre
# A wall is at most 7,680 px wide: what is smaller than a third of a pixel of the whole county is not seen.
PARTS_OF_EXTENT = 20_000
TYPE_NAMES = {
    shapely.GeometryType.POINT: "Point",
    shapely.GeometryType.LINESTRING: "LineString",
    shapely.GeometryType.MULTILINESTRING: "MultiLineString",
    shapely.GeometryType.POLYGON: "Polygon",
    shapely.GeometryType.MULTIPOLYGON: "MultiPolygon",
}
PARTS = ("cells", "villages", "towns", "county", "roads", "rivers", "assets")
LEVELS = {"cells": "cell", "villages": "village", "towns": "town", "county": "county"}


class Geometry(msgspec.Struct):
    """A GeoJSON geometry."""

    type: str
    coordinates: list[Any]


class Feature(msgspec.Struct, tag_field="type", tag="Feature"):
    """A GeoJSON feature."""

    id: int
    properties: dict[str, str]
    geometry: Geometry


@dataclass(frozen=True)
class PreparedPart:
    """One GeoJSON FeatureCollection: gzipped, plain, and its ETag."""

    compressed: bytes
    plain: bytes
    etag: str


def prepare_geometry(county: County) -> dict[str, PreparedPart]:
    """Return every part by name, empty where the pack has none; takes seconds for large counties."""
    west, south, east, north = county.bbox
    tolerance = math.hypot(east - west, north - south) / PARTS_OF_EXTENT
    makers: dict[str, Callable[[], list[Feature]]] = {
        **{part: lambda level=level: _areas(county, level, tolerance) for part, level in LEVELS.items()},  # type: ignore[misc]
        "roads": lambda: _lines(county.roads, tolerance),
        "rivers": lambda: _lines(county.rivers, tolerance),
        "assets": lambda: _assets(county),
    }
    return {part: _prepare(make()) for part, make in makers.items()}


def _prepare(features: list[Feature]) -> PreparedPart:
    plain = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    digest = hashlib.sha256(plain).hexdigest()[:16]
    return PreparedPart(gzip.compress(plain, 6, mtime=0), plain, f'"{digest}"')


def _areas(county: County, level: str, tolerance: float) -> list[Feature]:
    """Return the areas of a level; a cell's id is its position, and neighbours still share their borders."""
    rows = county.cells if level == "cell" else county.areas[county.areas["level"] == level]
    outlines = _simplify_coverage(rows.geometry.to_numpy(), tolerance)
    properties = [
        {"code": code, "name": name, "name_en": name_en or name}
        for code, name, name_en in zip(rows.index, rows["name"], rows["name_en"], strict=True)
    ]
    return _features(range(len(rows)), properties, outlines)


def _simplify_coverage(outlines: Any, tolerance: float) -> Any:
    """Return simplified polygons whose shared borders stay shared; one that would vanish keeps its outline."""
    if not len(outlines):
        return outlines
    # coverage_simplify's tolerance is the root of an area (Visvalingam-Whyatt), in degrees here.
    simple = shapely.coverage_simplify(outlines, tolerance)
    bad = shapely.is_empty(simple) | ~shapely.is_valid(simple)
    return numpy.where(bad, outlines, simple)


def _lines(lines: geopandas.GeoDataFrame | None, tolerance: float) -> list[Feature]:
    if lines is None:
        return []
    columns = [column for column in ("name", "name_en", "class") if column in lines]
    shapes = shapely.simplify(lines.geometry.to_numpy(), tolerance)
    return _features(range(len(lines)), lines[columns].to_dict("records"), shapes)


def _assets(county: County) -> list[Feature]:
    """Return the assets that are drawn; a roster line of a grid worker is no thing on the map."""
    rows = county.assets.reset_index()
    drawn = rows[rows["kind"] != "grid_worker"]
    properties = drawn[["asset_id", "kind", "name", "name_en"]].to_dict("records")
    points = shapely.points(drawn["lon"].to_numpy(float), drawn["lat"].to_numpy(float))
    return _features(map(int, drawn.index), properties, points)


def _features(ids: Iterable[int], properties: Sequence[dict[Any, Any]], shapes: Any) -> list[Feature]:
    return [
        Feature(
            id=id,
            properties={name: value for name, value in known.items() if isinstance(value, str) and value},
            geometry=geometry,
        )
        for id, known, geometry in zip(ids, properties, _geometries(shapes), strict=True)
    ]


def _geometries(shapes: Any) -> list[Geometry]:
    """Return shapes of one family (points, lines or areas) as GeoJSON, with rounded coordinates."""
    if not len(shapes):
        return []
    kind, places, offsets = shapely.to_ragged_array(shapes)
    nested: list[Any] = numpy.round(places, DECIMALS).tolist()
    for ends in offsets:  # from positions to rings, from rings to polygons, …
        nested = [nested[start:end] for start, end in pairwise(ends.tolist())]
    return [Geometry(type=TYPE_NAMES[kind], coordinates=coordinates) for coordinates in nested]
