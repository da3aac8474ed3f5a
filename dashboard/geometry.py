"""The county's geometry as browsers draw it: simplified, rounded, numbered and compressed once, at start."""

import gzip
import hashlib
import math
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
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


class FeatureCollection(msgspec.Struct, tag_field="type", tag="FeatureCollection"):
    """A GeoJSON feature collection."""

    features: list[Feature]


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
        **{part: lambda level=level: make_areas(county, level, tolerance) for part, level in LEVELS.items()},  # type: ignore[misc]
        "roads": lambda: make_lines(county.roads, tolerance),
        "rivers": lambda: make_lines(county.rivers, tolerance),
        "assets": lambda: _assets(county),
    }
    return {part: _prepare(make()) for part, make in makers.items()}


def cut_geometry(parts: Mapping[str, PreparedPart], county: County, area: str) -> dict[str, PreparedPart]:
    """Return the parts as the viewers of an area get them: its own cells, villages and assets, all else as it is.

    The outlines of the county and its towns, its roads and rivers are on any printed map, and a map needs them.
    """
    codes = {
        "cells": county.cells.index,
        "villages": county.areas.index[county.areas["level"] == "village"],
        "assets": county.assets["cell_code"],
    }
    own = {
        part: {place for place, code in enumerate(column) if isinstance(code, str) and code.startswith(area)}
        for part, column in codes.items()
    }
    return {name: _cut(part, own[name]) if name in own else part for name, part in parts.items()}


def name_revision(county: County, area: str) -> str:
    """Return under what name a browser keeps an area's geometry: nobody is shown what was kept for somebody else."""
    return f"{county.revision}-{area}" if area else county.revision


def _cut(part: PreparedPart, own: Container[int]) -> PreparedPart:
    features = msgspec.json.decode(part.plain, type=FeatureCollection).features
    return _prepare([feature for feature in features if feature.id in own])


def _prepare(features: list[Feature]) -> PreparedPart:
    plain = msgspec.json.encode(FeatureCollection(features))
    digest = hashlib.sha256(plain).hexdigest()[:16]
    return PreparedPart(gzip.compress(plain, 6, mtime=0), plain, f'"{digest}"')


def make_areas(county: County, level: str, tolerance: float) -> list[Feature]:
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


def make_lines(lines: geopandas.GeoDataFrame | None, tolerance: float) -> list[Feature]:
    """Return lines, simplified; none where the pack has none."""
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
