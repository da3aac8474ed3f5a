"""The first lines of every file: what it holds, of where, by which filter, as of when, for whom, and whether real."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from dashboard.case_standing import name_role, name_unit
from dashboard.exports.csv_text import Row
from dashboard.people.viewer import Viewer
from dashboard.scope import describe_area
from dashboard.text import text
from geo.county import County
from ingest.records import EXERCISE


@dataclass(frozen=True)
class Heading:
    """What has to be known of a file by whoever is handed it; filter is in words, empty for none."""

    what: str
    filter: str
    as_of: datetime
    rows: int
    matching: int
    origins: Collection[str]


def lay_heading(heading: Heading, viewer: Viewer, county: County, lang: str) -> list[Row]:
    """Return the lines, an empty one last; of a file that has anything of an exercise in it the first says so."""
    local = heading.as_of.astimezone(county.time_zone)
    scope = [describe_area(county, viewer.area)["name"][lang], name_unit(county, viewer.unit, lang)]
    counted = text(lang, "export.counted", rows=f"{heading.rows:,}", matching=f"{heading.matching:,}")
    origins = [text(lang, f"common.{origin}") for origin in sorted(heading.origins)]
    lines = {
        "what": heading.what,
        "scope": " · ".join(filter(None, scope)),
        "filter": heading.filter or text(lang, "export.filter_none"),
        "as_of": f"{local:%Y-%m-%d %H:%M:%S} {county.time_zone}",
        "rows": counted,
        "by": f"{viewer.title} · {name_role(viewer.role, lang)}",
        "origin": text(lang, "export.comma").join(origins),
        "persons": text(lang, "export.persons_masked"),
    }
    drill = [[text(lang, "export.exercise")]] if EXERCISE in heading.origins else []
    return [*drill, *([text(lang, f"export.{key}"), said] for key, said in lines.items()), []]
