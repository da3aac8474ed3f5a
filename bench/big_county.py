"""A made-up county as large as a wall may have to show, as a pack: 10,000 square cells and 99,000 assets."""

import csv
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shapely.geometry import box

from geo.geojson import write_features

CODE: Final = "339901"
BBOX: Final = (120.0, 29.5, 120.5, 29.95)
ACROSS: Final = {"county": 1, "town": 5, "village": 20, "cell": 100}
"""How many areas of a level lie side by side; a hundred times a hundred cells."""
BINS: Final = 50_000
DETECTORS: Final = 49_000


def write_big_county(folder: Path, demo: Path) -> Path:
    """Write the pack into a folder, with the demo county's rules, and return the folder."""
    folder.mkdir()
    for name in ("county.toml", "cases.toml"):
        shutil.copy(demo / name, folder)
    write_features(folder / "areas.geojson", _list_areas())
    dice = random.Random(7)
    with (folder / "assets.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["asset_id", "kind", "name", "lon", "lat", "waste_kind", "road_class"])
        for number in range(BINS + DETECTORS):
            lon, lat = round(dice.uniform(BBOX[0], BBOX[2]), 6), round(dice.uniform(BBOX[1], BBOX[3]), 6)
            own = ["bin", f"箱{number}", lon, lat, "other", ""]
            writer.writerow(
                [f"A{number}", *(own if number < BINS else ["detector", f"点{number}", lon, lat, "", "branch"])]
            )
    return folder


def _list_areas() -> Iterator[tuple[dict[str, Any], Any]]:
    west, south, east, north = BBOX
    codes: dict[tuple[str, int, int], str] = {}
    above = ""
    for level, across in ACROSS.items():
        children: dict[str, int] = {}
        for place in range(across * across):
            column, row = place % across, place // across
            parent = codes.get((above, column * ACROSS.get(above, 0) // across, row * ACROSS.get(above, 0) // across))
            children[parent or ""] = number = children.get(parent or "", 0) + 1
            code = f"{parent}{number:03}" if parent else CODE
            codes[level, column, row] = code
            x = [west + (east - west) * (column + i) / across for i in (0, 1)]
            y = [south + (north - south) * (row + i) / across for i in (0, 1)]
            name = f"{level[0].upper()}{place + 1}"
            yield {"code": code, "level": level, "name": name, "parent": parent}, box(x[0], y[0], x[1], y[1])
        above = level
