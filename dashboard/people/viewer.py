"""Who is asking: the person (or wall) behind a request, and what they may see."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

ROLES: Final = (
    "administrator",
    "county_duty",
    "dispatcher",
    "unit",
    "town_centre",
    "village_centre",
    "grid_worker",
    "supervisor",
    "leader",
    "wall",
)
"""Every role there is; `cases.flow` says by these names who may do what to a case."""


@dataclass(frozen=True)
class Viewer:
    """One person, or one wall, as a request sees them.

    name: the account's name, which becomes the `actor` of what they do. title: what screens call them.
    area: the code of the town, village or cell whose data they see; empty for the whole county.
    unit: the code of the organisation they work for; a viewer of role `unit` sees the cases that it has or had.
    """

    name: str
    title: str
    role: str
    area: str = ""
    unit: str | None = None

    def sees_cell(self, cell_code: str | None) -> bool:
        """Return whether what lies in a cell is theirs to see; what lies outside the county is the county's."""
        return not self.area or (cell_code is not None and cell_code.startswith(self.area))


current_viewer: ContextVar[Viewer] = ContextVar("current_viewer")
"""Set for every request that is let in, before any endpoint or callback runs; threads of `to_thread` see it."""


def get_viewer() -> Viewer:
    """Return who is asking; raises `LookupError` outside a request."""
    return current_viewer.get()


def find_viewer() -> Viewer | None:
    """Return who is asking, or None on a public page without log-in and outside a request."""
    return current_viewer.get(None)
