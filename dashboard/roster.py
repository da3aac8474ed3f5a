"""The duty roster (值班表): who is on duty at a desk now, next and on some days; and plans as people write them."""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Engine, select

from cases.shifts import ShiftTable, Turn
from dashboard.people.accounts import normalize_name
from dashboard.people.demo import list_demo_viewers
from dashboard.people.permissions import may
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.masking import mask_phone
from ingest.rows.shifts import Duty, read_roster
from ingest.sealing import Keyring, Unreadable
from ingest.tables import accounts, as_ms

MOST_PLANS: Final = 500
COLUMNS: Final = ("date", "shift", "person", "phone")
NEEDED: Final = COLUMNS[:3]


class Plan(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Somebody is to be on duty in a shift, or no more (`withdrawn`); `person` is an account's name."""

    date: date
    shift: str
    person: str
    phone: str | None = None
    withdrawn: bool = False


class BadPlan(ValueError):  # noqa: N818 - it says what is the case
    """A plan that makes no sense; `field` and the reason say where, `line` in a file (1 is its heading)."""

    def __init__(self, field: str, reason: str, line: int | None = None):
        super().__init__(reason)
        self.field, self.reason, self.line = field, reason, line


@dataclass(frozen=True)
class Roster:
    """Who is on duty in a county; what is read blocks and may raise SQLAlchemy's errors.

    people: returns by account's name who could be on duty at the desk of an area.
    """

    engine: Engine
    table: ShiftTable
    keyring: Keyring
    people: Callable[[str], Mapping[str, Viewer]]

    def describe(self, area: str, now: datetime, first: date, days: int) -> dict[str, Any]:
        """Return the turn that is now, the next, and those of some days, each with who is on duty; numbers masked."""
        turn = self.table.find_turn(now)
        following = self.table.find_after(turn)
        asked = self.table.list_turns(first, days)
        everything = [turn, following, *asked]
        duties = read_roster(
            self.engine, min(one.date for one in everything), max(one.date for one in everything), area
        )
        people = self.people(area)
        told = [_describe_turn(one, duties, people, self) for one in everything]
        return {"area": area, "now": told[0], "next": told[1], "turns": told[2:]}

    def find_duty(self, area: str, day: date, shift: str, person: str) -> Duty | None:
        """Return who is on duty, by name; None where that person is not."""
        duties = read_roster(self.engine, day, day, area)
        return next((one for one in duties if (one.shift, one.person) == (shift, person)), None)

    def list_on_duty(self, area: str, turn: Turn) -> list[Duty]:
        """Return who is to be on duty in a turn."""
        return [one for one in read_roster(self.engine, turn.date, turn.date, area) if one.shift == turn.shift.key]

    def open_phone(self, duty: Duty) -> str | None:
        """Return somebody's number in clear; None where there is none that can be read."""
        try:
            return duty.phone and self.keyring.open(duty.phone, *duty.sealed_for)
        except Unreadable:
            return None

    def check(self, plans: Sequence[Plan], area: str) -> list[tuple[Plan, Viewer | None]]:
        """Return plans with the name as it is kept, each with whose it is; raises `BadPlan`.

        Who is withdrawn need not exist any more.
        """
        people = self.people(area)
        checked = []
        for plan in plans:
            if self.table.find(plan.shift) is None:
                known = ", ".join(shift.key for shift in self.table.shifts)
                raise BadPlan("shift", f"there is no shift {plan.shift!r}; known are {known}")
            name = normalize_name(plan.person)
            viewer = people.get(name)
            if viewer is None and not plan.withdrawn:
                raise BadPlan("person", f"no account {plan.person!r} may take a shift at this desk")
            checked.append((msgspec.structs.replace(plan, person=name), viewer))
        return checked


def find_people(engine: Engine, county: County, log_in: bool, lang: str) -> Callable[[str], Mapping[str, Viewer]]:
    """Return the function that names who could be on duty at a desk: accounts of that area that may hand shifts over.

    Without log-in these are the viewers of the demo.
    """

    def find(area: str) -> Mapping[str, Viewer]:
        if not log_in:
            found: Iterable[Viewer] = list_demo_viewers(county, lang).values()
        else:
            columns = (accounts.c.name, accounts.c.title, accounts.c.role, accounts.c.area, accounts.c.unit)
            with engine.connect() as connection:
                rows = connection.execute(select(*columns).where(accounts.c.disabled_at.is_(None))).all()
            found = [Viewer(*row) for row in rows]
        return {viewer.name: viewer for viewer in found if viewer.area == area and may(viewer, "hand_over")}

    return find


def read_plans(text: str) -> list[Plan]:
    """Return the plans of a CSV file with the columns date, shift, person and perhaps phone; raises `BadPlan`."""
    rows = csv.DictReader(io.StringIO(text.removeprefix("\ufeff").strip(), newline=None))
    names = [name.strip() for name in rows.fieldnames or ()]
    for name in NEEDED:
        if name not in names:
            raise BadPlan(name, f"the file has no column {name}; it needs {', '.join(NEEDED)}", 1)
    rows.fieldnames = names
    plans: list[Plan] = []
    for row in rows:
        values = {name: (row.get(name) or "").strip() for name in COLUMNS}
        try:
            day = date.fromisoformat(values["date"])
        except ValueError:
            raise BadPlan("date", f"{values['date'][:40]!r} is no day like 2026-11-22", rows.line_num) from None
        if len(plans) == MOST_PLANS:
            raise BadPlan("date", f"more than {MOST_PLANS} lines at once", rows.line_num)
        plans.append(Plan(date=day, shift=values["shift"], person=values["person"], phone=values["phone"] or None))
    if not plans:
        raise BadPlan("date", "the file has no line but its heading", 1)
    return plans


def _describe_turn(turn: Turn, duties: Sequence[Duty], people: Mapping[str, Viewer], roster: Roster) -> dict[str, Any]:
    here = [one for one in duties if (one.date, one.shift) == (turn.date.isoformat(), turn.shift.key)]
    return {
        "date": turn.date.isoformat(),
        "shift": turn.shift.key,
        "name": {"zh": turn.shift.name.zh, "en": turn.shift.name.en},
        "begins_at": as_ms(turn.begins) // 1000,
        "ends_at": as_ms(turn.ends) // 1000,
        "people": [
            {
                "person": one.person,
                "title": people[one.person].title if one.person in people else one.title or one.person,
                "role": people[one.person].role if one.person in people else one.role,
                "phone": mask_phone(roster.open_phone(one)),
            }
            for one in here
        ],
    }
