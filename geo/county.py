"""A county pack: the folder of text and GeoJSON that says what a county is."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import geopandas
import pandas

from geo.areas import read_areas, read_lines
from geo.assets import read_assets
from geo.lookup import CellLookup
from geo.pack import LEVELS, Name, PackError, read_bytes
from geo.profile import (
    Calendar,
    Category,
    ClockAnchor,
    Feed,
    Profile,
    Thresholds,
    Unit,
    parse_toml,
    read_profile,
)
from geo.topology import find_faults

__all__ = [
    "LEVELS",
    "Calendar",
    "Category",
    "County",
    "Feed",
    "Name",
    "PackError",
    "Thresholds",
    "Unit",
    "check_county",
    "load_county",
]

_FILES: Final = (
    "county.toml",
    "cases.toml",
    "scenes.toml",
    "alarms.toml",
    "areas.geojson",
    "assets.csv",
    "roads.geojson",
    "rivers.geojson",
    "basemap.pmtiles",
)


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
    case_settings: the optional `cases.toml` as read, empty where there is none; `cases.rulebook` knows what it means.
    scene_settings: the optional `scenes.toml`, likewise; `dashboard.scenes` knows what it means.
    alarm_settings: the optional `alarms.toml`, likewise; `brain.alarm_rules` knows what it means.
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
    case_settings: dict[str, Any]
    scene_settings: dict[str, Any]
    alarm_settings: dict[str, Any]
    revision: str

    @cached_property
    def profile(self) -> Profile:
        """`county.toml`, typed and with its defaults filled in."""
        return read_profile(self.settings)

    @property
    def bbox(self) -> tuple[float, float, float, float]:
        """West, south, east, north in degrees."""
        west, south, east, north = self.areas.total_bounds
        return float(west), float(south), float(east), float(north)

    @property
    def categories(self) -> Mapping[str, Category]:
        """What can be reported, by code."""
        return self.profile.categories

    @property
    def units(self) -> Mapping[str, Unit]:
        """Who handles, by code."""
        return self.profile.units

    @property
    def feeds(self) -> Mapping[str, Feed]:
        """Every feed by key: the built-in ones always, then those that the pack declares."""
        return self.profile.feeds

    @property
    def thresholds(self) -> Thresholds:
        """What counts as full or slow."""
        return self.profile.thresholds

    @property
    def calendar(self) -> Calendar:
        """When offices work."""
        return self.profile.calendar

    @property
    def heat_window(self) -> timedelta:
        """How far back the case heatmap looks."""
        return self.profile.heat_window

    @property
    def clock_anchor(self) -> ClockAnchor:
        """Where windows end: `system` at the present moment, `data` at the newest record."""
        return self.profile.clock_anchor

    @property
    def fictional(self) -> bool:
        """Whether the county exists only here; said on screen."""
        return self.profile.fictional


def load_county(folder: Path) -> County:
    """Return the county in a pack's folder; raises `PackError` with one clear line for a broken pack."""
    folder = Path(folder)
    if not folder.is_dir():
        raise PackError(f"{folder}: no such folder")
    settings = parse_toml(read_bytes(folder / "county.toml"))
    profile = read_profile(settings)
    areas = read_areas(folder / "areas.geojson", profile.code)
    cells = areas[areas["level"] == "cell"]
    declared = {feed.key for feed in profile.feeds.values() if feed.declared}
    return County(
        folder=folder,
        code=profile.code,
        name=profile.name,
        time_zone=profile.time_zone,
        areas=areas,
        cells=cells,
        assets=read_assets(folder / "assets.csv", CellLookup(cells), list(cells.index), declared),
        roads=read_lines(folder / "roads.geojson"),
        rivers=read_lines(folder / "rivers.geojson"),
        settings=settings,
        case_settings=_read_settings(folder / "cases.toml"),
        scene_settings=_read_settings(folder / "scenes.toml"),
        alarm_settings=_read_settings(folder / "alarms.toml"),
        revision=_digest_files(folder),
    )


def _read_settings(path: Path) -> dict[str, Any]:
    return parse_toml(read_bytes(path), path.name) if path.exists() else {}


def check_county(county: County) -> list[str]:
    """Return one line for each fault in the tiling of a loaded county; an empty list says it is sound.

    Cells must tile their village, villages their town, towns the county; gaps and overlaps are reported
    with their area in m² and the codes concerned.
    """
    return find_faults(county.areas)


def _digest_files(folder: Path) -> str:
    digest = hashlib.sha256()
    for name in _FILES:
        path = folder / name
        if path.exists():
            with path.open("rb") as file:
                digest.update(name.encode() + b"\0" + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:12]
