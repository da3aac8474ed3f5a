"""A county pack: the folder of text and GeoJSON that says what a county is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import geopandas
import pandas

LEVELS = ("county", "town", "village", "cell")


class PackError(ValueError):
    """A pack that cannot be used; the message names the file, the field and the reason in one line."""


@dataclass(frozen=True)
class Name:
    """A name in both languages; `en` falls back to `zh` when a pack gives none."""

    zh: str
    en: str


@dataclass(frozen=True, eq=False)
class County:
    """One county, loaded and checked.

    areas: GeoDataFrame indexed by `code` with `level`, `name`, `name_en`, `parent`, `responsible`,
        `valid_from`, `valid_to`, `geometry` (WGS 84, lon/lat).
    cells: the rows of `areas` whose level is `cell`, in file order; a cell's position here is its feature id
        on every map.
    assets: DataFrame indexed by `asset_id` with `kind`, `name`, `name_en`, `lon`, `lat`, `cell_code` and the
        pack's extra columns; a row's position is the asset's feature id on every map.
    settings: `county.toml` as read.
    revision: first 12 hex digits of SHA-256 over the pack's files; browsers cache geometry under it.
    """

    folder: Path
    code: str
    name: Name
    time_zone: ZoneInfo
    areas: geopandas.GeoDataFrame
    cells: geopandas.GeoDataFrame
    assets: pandas.DataFrame
    roads: geopandas.GeoDataFrame | None
    rivers: geopandas.GeoDataFrame | None
    settings: dict[str, Any]
    revision: str

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = self.areas.total_bounds
        return float(west), float(south), float(east), float(north)


def load_county(folder: Path) -> County:
    """Return the county in a pack's folder; raises `PackError` with one clear line for a broken pack."""
    raise NotImplementedError
