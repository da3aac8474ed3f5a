"""Which role may open which page and do which thing of the office, as one table.

What a role may do to a case is the flow's to say (`cases.flow`); what part of the county it sees is the viewer's area.
"""

from collections.abc import Mapping
from typing import Final

from dashboard.people.viewer import ROLES, Viewer

PAGES: Final = ("wall", "duty", "alarms", "briefing", "performance", "feeds", "handover", "people", "audit", "walls")
"""Pages that not everybody may open; each has the right of its name. `/report` and `/status` are the public's."""

DEEDS: Final = ("act", "alarm", "unmask", "hand_over", "roster", "patrols", "visits", "export", "exercise")
"""Things of the office.

act: do something to cases, as far as their flow lets the role. alarm: to alarms, as far as
`brain.alarm_requests` lets the role. unmask: see a name or phone number of a case that is
theirs. hand_over: sign the shift over. roster: say who is on duty. patrols: see and do the rounds. visits: see whom
care is for. export: take lists away as files. exercise: begin and end exercises.
"""

ROUND_PAGES: Final = {"tasks": "patrols", "care": "duty", "exercise": "exercise"}
"""Pages of which another right than one of their name decides; on `/care`, `visits` decides who sees persons."""

# A row a role, a column a right; the columns are those of PAGES and DEEDS.
_TABLE: Final = """
               wall duty alarms briefing performance feeds handover people audit walls act alarm unmask hand_over roster patrols visits export exercise
administrator  x    x    x      x        x           x        x     x      x     x     .   .     .      .         x      x       .      .      x
county_duty    x    x    x      x        x           x        x     .      .     x     x   x     x      x         x      x       x      x      x
dispatcher     x    x    x      x        x           x        x     .      .     .     x   x     x      x         .      x       .      x      .
unit           .    x    x      .        .           .        .     .      .     .     x   x     x      .         .      .       .      x      .
town_centre    x    x    x      x        x           .        x     .      .     x     x   x     x      x         x      x       x      x      .
village_centre x    x    x      .        .           .        .     .      .     .     x   x     x      .         .      x       x      .      .
grid_worker    .    x    .      .        .           .        .     .      .     .     x   .     x      .         .      x       x      .      .
supervisor     x    x    x      x        x           x        x     .      x     .     x   x     .      .         .      x       .      x      x
leader         x    x    x      x        x           x        x     .      .     .     x   x     .      .         .      .       .      x      .
wall           x    .    .      .        .           .        .     .      .     .     .   .     .      .         .      .       .      .      .
"""  # noqa: E501 - a table


def _read_table(table: str) -> dict[str, frozenset[str]]:
    rights, *rows = (line.split() for line in table.strip().splitlines())
    return {
        role: frozenset(right for right, mark in zip(rights, marks, strict=True) if mark == "x")
        for role, *marks in rows
    }


RIGHTS: Final[Mapping[str, frozenset[str]]] = _read_table(_TABLE)
"""What each role may open and do."""

_RIGHT_OF: Final[Mapping[str, str]] = {**{page: page for page in PAGES}, "incident": "duty"}

# The API of a page is open to whom the page is; the longest beginning of a path decides. Everybody who is logged in
# gets what is not here: the county, its geometry, its warnings, the live stream.
_API: Final[Mapping[str, tuple[str, ...]]] = {
    "/api/cases": ("duty",),
    "/api/actions": ("act",),
    "/api/alarms": ("alarms",),
    "/api/alarms/actions": ("alarm",),
    "/api/reports": ("act",),
    "/api/similar": ("duty",),
    "/api/nearby": ("duty",),
    "/api/incidents": ("duty",),
    "/api/queue": ("duty",),
    "/api/briefing": ("briefing",),
    "/api/feeds": ("feeds",),
    "/api/performance": ("performance",),
    "/api/people": ("people",),
    "/api/audit": ("audit",),
    "/api/roster": ("duty",),
    "/api/handovers": ("handover",),
    "/api/views": ("duty",),
    "/api/exports": ("export",),
    "/api/exercises": ("exercise",),
    "/api/tasks": ("patrols",),
    "/api/wall": ("wall",),
    "/api/walls": ("walls",),
    **{f"/{page}": (right,) for page, right in ROUND_PAGES.items()},
}


def may(viewer: Viewer, right: str) -> bool:
    """Return whether a viewer may open a page or do a thing; a right that is not in the table is nobody's."""
    return right in RIGHTS.get(viewer.role, ())


def may_open(viewer: Viewer, page: str) -> bool:
    """Return whether a viewer may open a page of this name; one that is not in the table is everybody's."""
    right = _RIGHT_OF.get(page)
    return right is None or may(viewer, right)


def may_reach(viewer: Viewer, path: str) -> bool:
    """Return whether a viewer may ask for an address: a page, or what belongs to one."""
    page = path.strip("/").partition("/")[0]
    if page in _RIGHT_OF:
        return may_open(viewer, page)
    beginnings = [beginning for beginning in _API if path == beginning or path.startswith(f"{beginning}/")]
    if not beginnings:
        return True
    return any(may(viewer, right) for right in _API[max(beginnings, key=len)])


assert set(RIGHTS) == set(ROLES)
