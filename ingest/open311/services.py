"""What can be reported: the categories of the county pack as Open311 services."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from geo.county import County
from geo.profile import Attribute, Category, read_attributes

_COMMON: Final = Path(__file__).with_name("attributes.toml")


@dataclass(frozen=True)
class Service:
    """One class of case as Open311 offers it; `attributes` are what its report may or must say, by code."""

    category: Category
    attributes: Mapping[str, Attribute]


def list_services(county: County) -> dict[str, Service]:
    """Return a county's services by code, in the pack's order; what every report is asked comes last."""
    return {
        code: Service(category, {attribute.code: attribute for attribute in (*category.attributes, *list_common())})
        for code, category in county.categories.items()
    }


def is_private(service_code: str) -> bool:
    """Return whether a class is of disputes between persons, of which the public is told as little as can be.

    Classes of events have digits only, those of disputes begin with a letter (`docs/county-pack.md`).
    """
    return not service_code[:1].isdecimal()


@cache
def list_common() -> tuple[Attribute, ...]:
    """Return what every report may say, whatever its class."""
    return read_attributes(tomllib.loads(_COMMON.read_text(encoding="utf-8")), _COMMON.name)
