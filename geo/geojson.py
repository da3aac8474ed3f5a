"""Writing GeoJSON so that the same features are always the same bytes."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from shapely.geometry.base import BaseGeometry

Feature = tuple[Mapping[str, Any], BaseGeometry]


def write_features(path: Path, features: Iterable[Feature]) -> None:
    """Write (properties, geometry) pairs as one FeatureCollection, one feature a line, degrees to 6 decimals.

    Properties keep their order; those that are None are left out. Shells run counter-clockwise as RFC 7946 asks
    where they do so in the geometry given.
    """
    lines = (_encode_feature(properties, geometry) for properties, geometry in features)
    body = ",\n".join(lines)
    path.write_bytes(f'{{"type":"FeatureCollection","features":[\n{body}\n]}}\n'.encode())


def _encode_feature(properties: Mapping[str, Any], geometry: BaseGeometry) -> str:
    given = {key: value for key, value in properties.items() if value is not None}
    text = json.dumps(given, ensure_ascii=False, separators=(",", ":"))
    shape = geometry.__geo_interface__
    coordinates = _encode_coordinates(shape["coordinates"])
    return (
        f'{{"type":"Feature","properties":{text},"geometry":{{"type":"{shape["type"]}","coordinates":{coordinates}}}}}'
    )


def _encode_coordinates(value: Any) -> str:
    if isinstance(value[0], float):
        return f"[{value[0]:.6f},{value[1]:.6f}]"
    return "[" + ",".join(_encode_coordinates(part) for part in value) + "]"
