"""The wall's scenes: which layers, figures and panels it shows together, and in what order they take turns.

Built in are those of `scenes.toml` beside this file; a county pack's own `scenes.toml` replaces one by its key, adds
others, and may give another `rotation`.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec

from cases.tables import Named, check_known, read_rows
from dashboard.charts import WALL_CHARTS
from dashboard.voice import Voice, read_voice
from geo.county import County
from geo.pack import PackError
from layers import LAYERS

FIGURES: Final = (
    "open_cases",
    "severe_open",
    "new_today",
    "closed_ratio_24h",
    "bins_to_empty",
    "traffic_index",
    "closed_today",
    "aqi",
    "workers_on_duty",
    "overdue",
    "nearly_due",
    "disputes_open",
)
"""Every headline figure that a scene may show; `dashboard.figures` computes them."""

EXTREMES: Final = {"fullest_bins": "smart_bins", "slowest_roads": "traffic", "worst_air": "air", "worst_water": "water"}
"""Panels that list the features of a layer with the highest values, by the layer's key."""

STANDINGS: Final = ("town_scores", "county_rates")
"""Panels of performance; `dashboard.standings` computes them."""

LISTS: Final = ("towns", "workers_by_town", "stream", "ages", "health")
"""Panels that list what the live feed tells."""

INCIDENT_PANELS: Final = (
    "incident",
    "incident_calls",
    "incident_ladder",
    "incident_forces",
    "incident_alarms",
    "incident_log",
)
"""Panels that tell of the incident that stands."""

PANELS: Final = ("figures", "alerts", "alarms", *LISTS, *STANDINGS, *EXTREMES, *WALL_CHARTS, *INCIDENT_PANELS)
"""Every panel that a scene may place."""

_FILE: Final = "scenes.toml"
_REGIONS: Final = ("left", "right", "below")


class Scene(Named):
    """One scene of the wall.

    feeds: the feeds it lives by; while all of them are silent it is left out of the rotation. place: the code of the
    area that the map shows; empty: the whole county.
    """

    key: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]*$")]
    layers: tuple[str, ...] = ()
    figures: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    feeds: tuple[str, ...] = ()
    place: str = ""
    dwell_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30


@dataclass(frozen=True)
class Scenes:
    """The scenes of a county by key, the keys of those that take turns, in their order, and when walls speak."""

    by_key: Mapping[str, Scene]
    rotation: Sequence[str]
    voice: Voice


def read_scenes(county: County) -> Scenes:
    """Return a county's scenes; raises `PackError` naming the bad field of `scenes.toml`."""
    built_in = tomllib.loads(Path(__file__).with_name(_FILE).read_text(encoding="utf-8"))
    own = county.scene_settings
    unknown = own.keys() - built_in.keys()
    if unknown:
        raise PackError(f"{_FILE}: there is no field {min(unknown)!r}")
    by_key = {scene.key: scene for settings in (built_in, own) for scene in read_rows(settings, "scenes", Scene, _FILE)}
    for scene in by_key.values():
        _check(scene, county)
    rotation = own.get("rotation", built_in["rotation"])
    if not isinstance(rotation, list) or not rotation:
        raise PackError(f"{_FILE}: rotation must be a list of scenes")
    check_known(rotation, by_key, "rotation", "scene", _FILE)
    return Scenes(by_key, rotation, read_voice(built_in, own, _FILE))


def _check(scene: Scene, county: County) -> None:
    where = f"scene {scene.key!r}: "
    check_known(scene.layers, LAYERS, f"{where}layers", "layer", _FILE)
    check_known(scene.figures, FIGURES, f"{where}figures", "figure", _FILE)
    check_known(scene.feeds, county.feeds, f"{where}feeds", "feed", _FILE)
    placed = [panel for region in _REGIONS for panel in getattr(scene, region)]
    for region in _REGIONS:
        check_known(getattr(scene, region), PANELS, f"{where}{region}", "panel", _FILE)
    twice = {panel for panel in placed if placed.count(panel) > 1}
    if twice:
        raise PackError(f"{_FILE}: {where}panel {min(twice)!r} is placed twice")
    if scene.place and scene.place not in county.areas.index:
        raise PackError(f"{_FILE}: {where}place: there is no area {scene.place!r}")
