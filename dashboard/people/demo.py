"""Who one can be where there is no log-in: one viewer of each role, with places and units that the county has."""

from typing import Final

from dashboard.people.viewer import ROLES, Viewer
from dashboard.text import text
from geo.county import County

COOKIE: Final = "demo_viewer"
DEFAULT_ROLE: Final = "county_duty"
_UNIT: Final = "U02"  # the demo county's sanitation office, which has the most to do; another county's first one


class DemoViewer(Viewer):
    """One who did not log in, but was picked."""


def list_demo_viewers(county: County, lang: str) -> dict[str, DemoViewer]:
    """Return by role who one can be; town, village and cell are those of the county's first cell, one in the other.

    A role for which the county has no unit or cell is left out.
    """
    cell = str(next(iter(county.cells.index), ""))
    areas = {"town_centre": cell[:9], "village_centre": cell[:12], "grid_worker": cell}
    unit = _UNIT if _UNIT in county.units else next(iter(county.units), None)
    viewers = {}
    for role in ROLES:
        area = areas.get(role, "")
        if role in areas and not area:
            continue
        place = _name_area(county, area, lang)
        if role == "unit":
            if unit is None:
                continue
            place = county.units[unit].en if lang == "en" else county.units[unit].zh
        title = text(lang, f"people.role_{role}")
        viewers[role] = DemoViewer(
            name=f"demo-{role}",
            title=f"{place} · {title}" if place else title,
            role=role,
            area=area,
            unit=unit if role == "unit" else None,
        )
    return viewers


def _name_area(county: County, code: str, lang: str) -> str:
    if code not in county.areas.index:
        return ""
    zh, en = county.areas.loc[code, ["name", "name_en"]]
    return str(en if lang == "en" and isinstance(en, str) and en else zh)
