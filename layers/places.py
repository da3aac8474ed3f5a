"""The county's fixed places as the layers need them: positions instead of codes, names in both languages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import blake2b
from typing import Any

from geo.assets import list_former_ids
from geo.county import County
from layers.contract import Title

# Feature ids of things that the pack does not number (cases, workers, assets known only from events) are
# 48-bit hashes of their names: the same in every process, far above any position, exact in a double.
_HASH_BYTES = 6
KIND_OF_FEED = {"waste": "bin", "traffic": "detector", "air": "air_station", "water": "water_station"}


def feature_id(name: str) -> int:
    """Return the feature id of something that has a name and no position in the pack; at least 2³²."""
    return int.from_bytes(blake2b(name.encode(), digest_size=_HASH_BYTES).digest()) | 1 << 32


@dataclass(frozen=True)
class Asset:
    """A thing with a place: from the pack (`announced` False), or known only from events.

    `details` holds the pack's extra columns that are not empty.
    """

    id: int
    asset_id: str
    kind: str
    name: Title
    lon: float
    lat: float
    cell: int | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    announced: bool = False


@dataclass(frozen=True)
class Places:
    """Cells, towns and assets by position.

    area_titles: the own name of every area, by its code.
    asset_of_name: the feature id of an asset by its id, and by those it had before.
    cell_points: lon and lat of a point inside each cell: where reports are put that are given by their cell alone.
    cell_titles: the name of each cell, with its village and town where the pack names them.
    cell_towns: for each cell the position of its town in `towns`, or None.
    """

    area_titles: Mapping[str, Title]
    cell_codes: tuple[str, ...]
    cell_points: tuple[tuple[float, float], ...]
    cell_of_code: Mapping[str, int]
    cell_titles: tuple[Title, ...]
    cell_responsible: tuple[str | None, ...]
    cell_towns: tuple[int | None, ...]
    town_codes: tuple[str, ...]
    town_titles: tuple[Title, ...]
    assets: tuple[Asset, ...]
    asset_of_name: Mapping[str, int]


@cache
def index_places(county: County) -> Places:
    """Return the places of a county; made once, however often the live state is begun anew."""
    areas = county.areas
    names = {
        code: Title(_text(zh) or str(code), _text(en) or _text(zh) or str(code))
        for code, zh, en in zip(areas.index, areas["name"], areas["name_en"], strict=True)
    }
    parents = {code: _text(parent) for code, parent in areas["parent"].items()}
    levels = dict(areas["level"].items())
    towns = tuple(code for code, level in levels.items() if level == "town")
    town_of_code = {code: position for position, code in enumerate(towns)}
    cells = tuple(str(code) for code in county.cells.index)
    inside = county.cells.geometry.representative_point()
    chains = [_ancestors(code, parents) for code in cells]
    cell_of_code = {code: position for position, code in enumerate(cells)}
    assets = tuple(_read_assets(county, cell_of_code))
    return Places(
        area_titles=names,
        cell_codes=cells,
        cell_points=tuple(zip(inside.x.tolist(), inside.y.tolist(), strict=True)),
        cell_of_code=cell_of_code,
        cell_titles=tuple(_join_names(code, chain, names, levels) for code, chain in zip(cells, chains, strict=True)),
        cell_responsible=tuple(_text(value) for value in county.cells["responsible"]),
        cell_towns=tuple(
            next((town_of_code[code] for code in chain if code in town_of_code), None) for chain in chains
        ),
        town_codes=towns,
        town_titles=tuple(names[code] for code in towns),
        assets=assets,
        asset_of_name=_name_assets(county, {asset.asset_id: asset.id for asset in assets}),
    )


def _ancestors(code: str, parents: Mapping[str, str | None]) -> list[str]:
    chain: list[str] = []
    above = parents.get(code)
    while above and above not in chain:
        chain.append(above)
        above = parents.get(above)
    return chain


def _join_names(code: str, chain: list[str], names: Mapping[str, Title], levels: Mapping[str, str]) -> Title:
    """Return town, village and cell in the order each language says them; nothing is said twice."""
    here = names[code]
    above = [names[area] for area in reversed(chain) if area in names and levels[area] != "county"]
    above = [title for title in above if not here.zh.startswith(title.zh)]
    return Title(
        " ".join([*(title.zh for title in above), here.zh]),
        ", ".join([here.en, *(title.en for title in reversed(above))]),
    )


def _name_assets(county: County, present: Mapping[str, int]) -> dict[str, int]:
    # What was recorded before the pack knew of a new id still has the old one.
    return {**present, **{former: present[id] for former, id in list_former_ids(county.assets).items()}}


def _read_assets(county: County, cell_of_code: Mapping[str, int]) -> list[Asset]:
    fixed = {"kind", "name", "name_en", "lon", "lat", "cell_code", "former_ids"}
    extra = [column for column in county.assets.columns if column not in fixed]
    rows = county.assets.reset_index().to_dict("records")
    assets = []
    for position, row in enumerate(rows):
        name = _text(row["name"]) or str(row["asset_id"])
        assets.append(
            Asset(
                id=position,
                asset_id=str(row["asset_id"]),
                kind=str(row["kind"]),
                name=Title(name, _text(row.get("name_en")) or name),
                lon=float(row["lon"]),
                lat=float(row["lat"]),
                cell=cell_of_code.get(_text(row.get("cell_code")) or ""),
                details={column: row[column] for column in extra if _text(row[column])},
            )
        )
    return assets


def _text(value: object) -> str | None:
    """Return a table's text, or None for an empty one (pandas has several kinds of nothing)."""
    if value is None or value != value:  # NaN is the only value that differs from itself
        return None
    return str(value) or None
