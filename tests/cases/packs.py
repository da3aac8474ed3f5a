"""County packs for rules: the demo's with some tables of `cases.toml` in other words."""

import tomllib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cases.rulebook import Rulebook, read_rulebook
from geo.county import County
from ingest.answers import Case


def rewrite(county: County, toml: str, *without: str) -> County:
    """The county with the tables that `toml` gives in place of its own, and without those named."""
    settings = {key: value for key, value in county.case_settings.items() if key not in without}
    return replace(county, case_settings=settings | tomllib.loads(toml))


def read(county: County, toml: str, *without: str) -> Rulebook:
    return read_rulebook(rewrite(county, toml, *without))


def case(category: str = "0102", severity: int = 3, **changes: Any) -> Case:
    """A case as SQL tells of one, reported at ten on a working Friday of the demo county."""
    at = datetime(2026, 11, 20, 2, tzinfo=UTC)
    row: dict[str, Any] = {
        "case_id": "C-1",
        "source": "urn:tests",
        "event_id": "C-1",
        "origin": "live",
        "category": category,
        "title": "x",
        "severity": severity,
        "channel": "hotline",
        "people": None,
        "lon": 120.376,
        "lat": 29.684,
        "cell_code": "339901001001001",
        "reported_at": at,
        "received_at": at,
        "last_action": "report",
        "last_action_at": at,
        "last_unit": None,
        "closed_at": None,
        "changed_at": at,
    }
    return Case(**row | changes)
