"""The wall's scenes: what every county has, what a pack may change, and what it is told that it got wrong."""

import tomllib
from dataclasses import replace
from typing import Any

import pytest

from dashboard.scenes import read_scenes
from geo.county import County
from geo.pack import PackError

OWN = """
rotation = ["overview", "flood"]

[[scenes]]
key = "flood"
zh = "防汛"
layers = ["water", "alerts"]
figures = ["open_cases"]
left = ["figures", "worst_water"]
dwell_s = 90
"""


def read(county: County, toml: str) -> Any:
    return read_scenes(replace(county, scene_settings=tomllib.loads(toml)))


def test_every_county_has_its_scenes(county: County) -> None:
    scenes = read_scenes(replace(county, scene_settings={}))
    assert scenes.rotation[0] == "overview"
    assert {"cases", "waste", "traffic", "environment", "force", "health"} <= scenes.by_key.keys()


def test_a_pack_composes_a_scene_of_its_own(county: County) -> None:
    scenes = read(county, OWN)
    assert scenes.rotation == ["overview", "flood"]
    flood = scenes.by_key["flood"]
    assert flood.layers == ("water", "alerts") and flood.dwell_s == 90
    assert flood.name.en == "防汛"  # English falls back
    assert "waste" in scenes.by_key  # still there for whoever asks


def test_a_pack_replaces_a_scene_by_its_key(county: County) -> None:
    town = county.areas.index[county.areas["level"] == "town"][0]
    scenes = read(county, f'[[scenes]]\nkey = "waste"\nzh = "保洁"\nplace = "{town}"')
    assert scenes.by_key["waste"].zh == "保洁" and scenes.by_key["waste"].left == ()
    assert scenes.rotation[2] == "waste"


def test_a_pack_says_when_its_walls_are_quiet(county: County) -> None:
    voice = read(county, "").voice
    assert (voice.quiet_hours, voice.quiet_severity) == ("22:00-07:00", 1)
    assert voice.describe() == {"quiet": ["22:00", "07:00"], "quiet_severity": 1}
    own = read(county, '[voice]\nquiet_hours = ""').voice
    assert own.describe() == {"quiet": None, "quiet_severity": 1}
    assert read(county, "[voice]\nquiet_severity = 0").voice.quiet_hours == "22:00-07:00"


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("voice = 1", "voice must be a table"),
        ('[voice]\nquiet_hours = "late"', "voice.quiet_hours: 'late' is no span like 22:00-07:00"),
        ('[voice]\nquiet_hours = "7:00-7:00"', "voice.quiet_hours: '7:00-7:00' is no span"),
        ("[voice]\nquiet_severity = 3", "voice.quiet_severity"),
        ("[voice]\nloud = true", "voice.loud: there is no such field"),
        ("scene = 1", "there is no field 'scene'"),
        ('rotation = ["nowhere"]', "rotation: there is no scene 'nowhere'"),
        ("rotation = []", "rotation must be a list of scenes"),
        ('scenes = "a"', "scenes must be a list of tables"),
        ('[[scenes]]\nzh = "甲"', "scenes[1].key: missing"),
        ('[[scenes]]\nkey = "A b"\nzh = "甲"', "scenes[1].key"),
        ('[[scenes]]\nkey = "a"', "scenes[1].zh: missing"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\ncolour = 1', "colour"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\nlayers = ["moon"]', "scene 'a': layers: there is no layer 'moon'"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\nfigures = ["moon"]', "scene 'a': figures: there is no figure 'moon'"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\nright = ["moon"]', "scene 'a': right: there is no panel 'moon'"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\nfeeds = ["moon"]', "scene 'a': feeds: there is no feed 'moon'"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\nplace = "99"', "scene 'a': place: there is no area '99'"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\ndwell_s = 1', "scenes[1].dwell_s"),
        ('[[scenes]]\nkey = "a"\nzh = "甲"\nleft = ["ages"]\nright = ["ages"]', "panel 'ages' is placed twice"),
    ],
)
def test_what_is_wrong_is_named(county: County, toml: str, problem: str) -> None:
    with pytest.raises(PackError) as caught:
        read(county, toml)
    assert str(caught.value).startswith("scenes.toml: ") and problem in str(caught.value)
