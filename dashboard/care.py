"""The register of those whom care is for (重点关爱群体): its file, what may be told of it, and persons in clear.

Counts are for whoever may see a cell, fewer than `FEWEST` for nobody without the right `visits`: of three disabled
people in a row of houses everybody knows who they are. Persons are for that right alone, in their area, masked; in
clear one by one with a reason, which is written down first.
"""

import argparse
import asyncio
import csv
import hashlib
import hmac
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from fastapi import HTTPException
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.rounds import FEWEST, Rounds, read_rounds
from dashboard.people.accounts import AREA_DIGITS
from dashboard.people.audit import Audit, open_audit
from dashboard.people.permissions import may
from dashboard.people.unmasking import MOST_UNMASKED, UNMASKED_WITHIN
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.masking import mask_name, mask_phone
from ingest.migrations import upgrade_database
from ingest.rows.rounds import CarePerson, count_persons, find_person, open_person, replace_persons, seal_person
from ingest.sealing import Keyring, Unreadable, provide_keyring
from ingest.settings import SettingError, Settings
from ingest.simulation.care import invent_persons
from ingest.store import name_database, open_database

UNMASKED: Final = "care.unmask"
REFUSED: Final = "care.unmask_refused"
IMPORTED: Final = "care.import"
COLUMNS: Final = ("number", "group", "cell_code", "name", "phone", "address", "next_visit")
NEEDED: Final = ("number", "group", "cell_code", "name")
LONGEST: Final = 200
CODE_CHARACTERS: Final = 16
EXIT_FAILED: Final = 1
CELL_DIGITS: Final = 15


class BadRegister(ValueError):  # noqa: N818 - it says what it is
    """A file that cannot be the register; each line of the message names a line, a column and the reason."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say which words follow `care`."""
    actions = parser.add_subparsers(dest="action", required=True)
    importing = actions.add_parser("import", help="make the register what a CSV file says, and nobody else")
    importing.add_argument("file", type=Path, help=f"UTF-8, with the columns {', '.join(COLUMNS)}")
    actions.add_parser("status", help="how many there are of each group")


def run_command(arguments: argparse.Namespace, settings: Settings, county: County) -> int:
    """Do what `add_arguments` read; 0, or 1 with what is wrong."""
    url = name_database(settings)
    try:
        upgrade_database(url)
        engine = open_database(url)
        rounds = read_rounds(county)
        if arguments.action == "import":
            _import(arguments.file, settings, county, rounds, engine)
        _tell_status(rounds, engine)
        engine.dispose()
        return 0
    except SQLAlchemyError as error:
        sys.stderr.write(f"county-brain: database: {type(error).__name__}\n")
    except OSError as error:
        sys.stderr.write(f"county-brain: {error.strerror}\n")
    except (BadRegister, SettingError) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
    return EXIT_FAILED


def _import(file: Path, settings: Settings, county: County, rounds: Rounds, engine: Engine) -> None:
    keyring = provide_keyring(settings)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise BadRegister(f"{file.name}: is not UTF-8") from None
    persons = read_register(text, county, rounds, keyring)
    audit = open_audit(settings)
    try:
        audit.note("machine", "", IMPORTED, file.name, details={"persons": len(persons)})
    finally:
        audit.close()
    before = replace_persons(engine, (seal_person(keyring, person) for person in persons))
    sys.stdout.write(f"{len(persons)} persons in the place of {before}\n")


def _tell_status(rounds: Rounds, engine: Engine) -> None:
    totals: Counter[str] = Counter()
    for (_, group), number in count_persons(engine).items():
        totals[group] += number
    for key in sorted(totals.keys() | rounds.groups.keys()):
        sys.stdout.write(f"{key}\t{totals[key]}\n")


def read_register(text: str, county: County, rounds: Rounds, keyring: Keyring) -> list[CarePerson]:
    """Return the persons of a CSV file, in clear; raises `BadRegister` with everything that is wrong.

    A person's code is made of their number in the file (an identity number, say) and a secret: it is the same at the
    next import, and nobody gets back from it to the number, which is kept nowhere.
    """
    rows = csv.DictReader(text.splitlines())
    unknown = set(rows.fieldnames or ()) - set(COLUMNS)
    lacking = set(NEEDED) - set(rows.fieldnames or ())
    if unknown or lacking:
        raise BadRegister(f"columns: {', '.join(sorted(unknown | lacking))}: the columns are {', '.join(COLUMNS)}")
    faults: list[str] = []
    persons: dict[str, CarePerson] = {}
    for row in rows:
        said = {name: (row.get(name) or "").strip() for name in COLUMNS}
        fault = _find_fault(said, county, rounds)
        code = make_code(keyring, said["number"])
        if fault is None and code in persons:
            fault = "number: is in the file twice"
        if fault is not None:
            faults.append(f"line {rows.line_num}: {fault}")
            continue
        persons[code] = CarePerson(
            person=code,
            care_group=said["group"],
            cell_code=said["cell_code"],
            name=said["name"],
            phone=said["phone"] or None,
            address=said["address"] or None,
            next_visit=said["next_visit"] or None,
        )
    if faults:
        raise BadRegister("nothing was imported\n" + "\n".join(faults[:50]))
    return list(persons.values())


def _find_fault(said: Mapping[str, str], county: County, rounds: Rounds) -> str | None:
    """Return what is wrong with a row, without its values: they are personal, and this may end in a log."""
    for name in NEEDED:
        if not said[name]:
            return f"{name}: required, but empty"
    for name, value in said.items():
        if len(value) > LONGEST:
            return f"{name}: longer than {LONGEST} characters"
    if said["group"] not in rounds.groups:
        return f"group: the pack has {', '.join(rounds.groups) or 'no care groups'}"
    if said["cell_code"] not in county.cells.index:
        return "cell_code: the county has no such cell"
    try:
        if said["next_visit"]:
            date.fromisoformat(said["next_visit"])
    except ValueError:
        return "next_visit: must be a day like 2026-11-22"
    return None


def make_code(keyring: Keyring, number: str) -> str:
    """Return the code of the person with a number."""
    digest = hmac.new(keyring.secret, f"care {number}".encode(errors="replace"), hashlib.sha256)
    return f"P{digest.hexdigest()[:CODE_CHARACTERS]}"


def invent_register(county: County, rounds: Rounds, today: date) -> list[CarePerson]:
    """Return persons that nobody can take for real ones, for the demo: always the same, but for the days agreed."""
    return [
        CarePerson(
            person=one.person,
            care_group=one.care_group,
            cell_code=one.cell_code,
            name="模拟居民",
            phone=f"1990000{one.lot % 10_000:04d}",
            address=f"模拟路{one.number}号",
            # With most nobody has agreed a day: the plan says when the next visit is due.
            next_visit=(today + timedelta(days=one.lot % 20 - 3)).isoformat() if one.lot % 7 == 0 else None,
            origin="simulated",
        )
        for one in invent_persons(county)
        if one.care_group in rounds.groups
    ]


def provide_demo_register(settings: Settings, county: County, rounds: Rounds) -> None:
    """Fill an empty register with invented persons; raises SQLAlchemy's errors where the database is away."""
    engine = open_database(name_database(settings))
    try:
        if not count_persons(engine):
            keyring = provide_keyring(settings)
            today = datetime.now(county.time_zone).date()
            replace_persons(engine, (seal_person(keyring, one) for one in invent_register(county, rounds, today)))
    finally:
        engine.dispose()


@dataclass(frozen=True)
class Clear:
    """A person in clear; `damaged` where the county's keys do not open them."""

    code: str
    name: str = ""
    phone: str = ""
    address: str = ""
    damaged: bool = False


@dataclass(frozen=True)
class Care:
    """The register as people may see it; one a process. What reads blocks and may raise SQLAlchemy's errors."""

    engine: Engine
    audit: Audit
    keyring: Keyring
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def mask(self, person: CarePerson) -> Clear:
        """Return a person as lists show them: 张**, 138****1234, and no address."""
        clear = self._open(person)
        return Clear(person.person, mask_name(clear.name) or "", mask_phone(clear.phone) or "", "", clear.damaged)

    async def unmask(self, viewer: Viewer, code: str, reason: str, address: str) -> Clear:
        """Return a person in clear, once that this was asked for is on record.

        Raises `HTTPException`: 403, 404, or 429 for who asks more than `MOST_UNMASKED` times in `UNMASKED_WITHIN`.
        """
        async with self._turns:  # so that many at once cannot all be the last one allowed
            return await asyncio.to_thread(self._unmask, viewer, code, reason, address)

    def _unmask(self, viewer: Viewer, code: str, reason: str, address: str) -> Clear:
        person = find_person(self.engine, code)
        problem = self._object(viewer, person)
        if problem is not None:
            status, why = problem
            self.audit.note(viewer.name, viewer.role, REFUSED, code, address, {"reason": reason, "why": why})
            raise HTTPException(status, why)
        assert person is not None
        self.audit.note(viewer.name, viewer.role, UNMASKED, code, address, {"reason": reason})
        return self._open(person)

    def _object(self, viewer: Viewer, person: CarePerson | None) -> tuple[int, str] | None:
        if not sees_persons(viewer):
            return 403, "role"
        if person is None or not viewer.sees_cell(person.cell_code):
            return 404, "scope"  # as if there were none
        if self.audit.count_lately(viewer.name, UNMASKED, UNMASKED_WITHIN) >= MOST_UNMASKED:
            return 429, "too_often"
        return None

    def _open(self, person: CarePerson) -> Clear:
        try:
            clear = open_person(self.keyring, person)
        except Unreadable:
            return Clear(person.person, damaged=True)
        return Clear(person.person, clear["name"], clear["phone"], clear["address"])


def sees_persons(viewer: Viewer) -> bool:
    """Return whether somebody's work is with the persons of their area."""
    return may(viewer, "visits") and (bool(viewer.area) or viewer.role not in AREA_DIGITS)


def tell_counts(
    counts: Mapping[tuple[str, str], int], parts: Sequence[str], groups: Iterable[str], exactly: bool
) -> dict[str, dict[str, str]]:
    """Return how many of each group are in each part, as may be shown; parts are all towns, all villages or all cells.

    Not exactly means: a cell's number only from `FEWEST` on, and of a part with several cells the sum of those shown,
    as "12+". So nothing that is hidden follows from what is shown.
    """
    digits = len(parts[0]) if parts else 0
    sums: Counter[tuple[str, str]] = Counter()
    for (cell, group), number in counts.items():
        sums[cell[:digits], group] += number if exactly or number >= FEWEST else 0

    def tell(number: int) -> str:
        if exactly:
            return str(number)
        if digits == CELL_DIGITS:
            return str(number) if number else f"<{FEWEST}"
        return f"{number}+"

    return {part: {group: tell(sums[part, group]) for group in groups} for part in parts}


def now_in(county: County) -> datetime:
    """Return the present in county time."""
    return datetime.now(UTC).astimezone(county.time_zone)
