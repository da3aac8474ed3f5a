"""The built-in fictional county, 云溪县 / Yunxi County: the same bytes every time."""

import csv
import io
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from geo.demo_areas import SEED, DemoArea, Town, draw_outline, make_areas
from geo.demo_assets import COLUMNS, Asset, make_assets, name_worker
from geo.demo_lines import DemoLine, make_rivers, make_roads
from geo.demo_names import Namer
from geo.geojson import write_features

_TEMPLATE: Final = Path(__file__).parent / "template"


def write_demo(folder: Path) -> None:
    """Write the demo county's pack into a folder, which is made where it does not exist.

    About 2,000 km² with 23 towns, 500 villages, 2,000 cells and 5,500 assets; nothing in it is real.
    """
    folder.mkdir(parents=True, exist_ok=True)
    landscape, names = _read_toml("landscape.toml"), _read_toml("names.toml")
    towns = _read_towns()
    areas = make_areas(draw_outline(landscape["outline"]), towns, Namer(names, SEED))
    county = areas[0].geometry
    rivers = make_rivers(landscape["rivers"], county)
    roads = make_roads(landscape["expressways"], towns, areas, [(zh, en) for zh, en in names["streets"]])
    _write_areas(folder / "areas.geojson", areas)
    _write_lines(folder / "rivers.geojson", rivers)
    _write_lines(folder / "roads.geojson", roads)
    _write_assets(folder / "assets.csv", make_assets(areas, towns, roads, rivers))
    for name in ("county.toml", "cases.toml"):
        (folder / name).write_bytes((_TEMPLATE / name).read_bytes())


def _read_toml(name: str) -> dict[str, Any]:
    return tomllib.loads((_TEMPLATE / name).read_text(encoding="utf-8"))


def _read_towns() -> list[Town]:
    text = (_TEMPLATE / "towns.csv").read_text(encoding="utf-8")
    return [
        Town(
            code=row["code"],
            name=row["name"],
            name_en=row["name_en"],
            lon=float(row["lon"]),
            lat=float(row["lat"]),
            communities=int(row["communities"]),
            villages=int(row["villages"]),
        )
        for row in csv.DictReader(io.StringIO(text))
    ]


def _write_areas(path: Path, areas: Sequence[DemoArea]) -> None:
    cells = [area.code for area in areas if area.level == "cell"]
    workers = {code: name_worker(number) for number, code in enumerate(cells)}
    write_features(
        path,
        (
            (
                {
                    "code": area.code,
                    "level": area.level,
                    "name": area.name,
                    "name_en": area.name_en,
                    "parent": area.parent,
                    "responsible": workers.get(area.code),
                },
                area.geometry,
            )
            for area in areas
        ),
    )


def _write_lines(path: Path, lines: Sequence[DemoLine]) -> None:
    write_features(
        path, (({"name": one.name, "name_en": one.name_en, "class": one.kind}, one.geometry) for one in lines)
    )


def _write_assets(path: Path, assets: Sequence[Asset]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(assets)
    path.write_bytes(text.getvalue().encode())
