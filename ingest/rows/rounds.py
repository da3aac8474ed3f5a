"""Rounds in SQL: check-ins, written append-only, and the register of those whom care is for, with its seals."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, Engine, delete, func, insert, select

from ingest.arrivals import Arrival
from ingest.records import TaskChecked
from ingest.rows.known import KEY, split_known
from ingest.sealing import Keyring
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import as_ms, as_time, care_persons, task_checks

COLUMNS: Final = (
    *(*KEY, "plan", "cell_code", "person", "worker", "at", "received_at", "lon", "lat", "note", "origin"),
)
INSERT: Final = insert_sql(task_checks, COLUMNS)
ROWS_AT_ONCE: Final = 500
SEALED: Final = ("name", "phone", "address")


class Check(msgspec.Struct, frozen=True, gc=False):
    """One check-in, as plans count it."""

    plan: str
    cell_code: str
    worker: str
    at: datetime
    person: str | None = None
    located: bool = True
    origin: str = "live"
    received_at: datetime | None = None


class CareEntry(msgspec.Struct, frozen=True, gc=False):
    """What of one of the register says when a visit is due, and nothing of who it is."""

    person: str
    care_group: str
    cell_code: str
    next_visit: str | None = None


class CarePerson(msgspec.Struct, frozen=True):
    """One of the register; name, phone and address are sealed for (`care`, person, field), in clear only before that.

    person: a code. next_visit: the county's day, as 2026-11-22, where one is agreed.
    """

    person: str
    care_group: str
    cell_code: str
    name: str
    phone: str | None = None
    address: str | None = None
    next_visit: str | None = None
    origin: str = "live"


def write_checks(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the check-ins among `arrivals` and return those that were there already, which change nothing."""
    checked = (arrival for arrival in arrivals if isinstance(arrival.record, TaskChecked))
    new, repeated = split_known(connection, task_checks, checked)
    records = [arrival.record for arrival in new.values()]
    execute_rows(connection, INSERT, [_as_row(record) for record in records if isinstance(record, TaskChecked)])
    return repeated


def _as_row(record: TaskChecked) -> Row:
    lon, lat = (record.lon, record.lat) if record.located else (None, None)
    return (
        *(record.source, record.id, record.plan, record.task_cell, record.person, record.worker),
        *(as_ms(record.at), as_ms(record.received_at), lon, lat, record.note, record.origin),
    )


def read_checks(engine: Engine, since: datetime, area: str = "", visits: bool = True) -> list[Check]:
    """Return the check-ins in an area's cells (all of them where it is empty) since a moment, in their order.

    visits: also those at persons.
    """
    check = task_checks.c
    columns = (check.plan, check.cell_code, check.worker, check.at, check.person, check.lon, check.origin)
    query = select(*columns, check.received_at).where(check.at >= as_ms(since)).order_by(check.at, check.id)
    if area:
        query = query.where(check.cell_code.startswith(area, autoescape=True))
    if not visits:
        query = query.where(check.person.is_(None))
    with engine.connect() as connection:
        rows = connection.execute(query).all()
    return [
        Check(plan, cell, worker, as_time(at), person, lon is not None, origin, as_time(received_at))
        for plan, cell, worker, at, person, lon, origin, received_at in rows
    ]


def read_last_visits(engine: Engine, area: str = "") -> dict[tuple[str, str], datetime]:
    """Return when each person of an area was visited last, by plan and person's code."""
    check = task_checks.c
    query = select(check.plan, check.person, func.max(check.at)).where(check.person.is_not(None))
    if area:
        query = query.where(check.cell_code.startswith(area, autoescape=True))
    with engine.connect() as connection:
        rows = connection.execute(query.group_by(check.plan, check.person)).all()
    return {(plan, str(person)): as_time(at) for plan, person, at in rows}


def read_entries(engine: Engine) -> list[CareEntry]:
    """Return whom care is for without who they are, by cell and code."""
    person = care_persons.c
    columns = (person.person, person.care_group, person.cell_code, person.next_visit)
    with engine.connect() as connection:
        rows = connection.execute(select(*columns).order_by(person.cell_code, person.person)).all()
    return [CareEntry(*row) for row in rows]


def read_persons(engine: Engine, area: str = "") -> list[CarePerson]:
    """Return those of an area's register, sealed, by cell and code."""
    person = care_persons.c
    query = select(care_persons).order_by(person.cell_code, person.person)
    if area:
        query = query.where(person.cell_code.startswith(area, autoescape=True))
    with engine.connect() as connection:
        return [CarePerson(**row._mapping) for row in connection.execute(query)]


def find_person(engine: Engine, code: str) -> CarePerson | None:
    """Return one of the register, sealed, by their code."""
    with engine.connect() as connection:
        row = connection.execute(select(care_persons).where(care_persons.c.person == code)).first()
    return None if row is None else CarePerson(**row._mapping)


def count_persons(engine: Engine, area: str = "") -> Counter[tuple[str, str]]:
    """Return how many there are of each group in each cell of an area, by cell and group."""
    person = care_persons.c
    query = select(person.cell_code, person.care_group, func.count()).group_by(person.cell_code, person.care_group)
    if area:
        query = query.where(person.cell_code.startswith(area, autoescape=True))
    with engine.connect() as connection:
        return Counter({(cell, group): number for cell, group, number in connection.execute(query)})


def replace_persons(engine: Engine, persons: Iterable[CarePerson]) -> int:
    """Make the register these sealed ones and nobody else, all at once; return how many were there before."""
    rows = [msgspec.structs.asdict(person) for person in persons]
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA secure_delete = ON")  # who is no more in it is not in the file either
        before = connection.execute(delete(care_persons)).rowcount
        for start in range(0, len(rows), ROWS_AT_ONCE):
            connection.execute(insert(care_persons), rows[start : start + ROWS_AT_ONCE])
    return before


def seal_person(keyring: Keyring, person: CarePerson) -> CarePerson:
    """Return somebody with name, phone and address sealed."""
    clear = {name: getattr(person, name) for name in SEALED}
    sealed = {name: text and keyring.seal(text, "care", person.person, name) for name, text in clear.items()}
    return msgspec.structs.replace(person, **sealed)


def open_person(keyring: Keyring, person: CarePerson) -> Mapping[str, str]:
    """Return somebody's name, phone and address in clear, empty where not known; raises `sealing.Unreadable`."""
    sealed = {name: getattr(person, name) or "" for name in SEALED}
    return {name: keyring.open(text, "care", person.person, name) for name, text in sealed.items()}
