"""Shifts for the browser: the roster, and hand-overs with their signatures; a desk's own, by the viewer's area.

A hand-over is an event that the outgoing officer signs, taking it over one that the incoming officer signs. What is
signed is what was shown: the sheet is made again as of the same moment, and refused where it is another by now.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, Final, TypeVar

import msgspec
from fastapi import APIRouter, HTTPException, Query, Request, Response
from sqlalchemy import Engine

from cases.rulebook import Rulebook, read_rulebook
from cases.shifts import ShiftTable, Turn, read_shifts
from dashboard.people.accounts import Accounts, Verdict
from dashboard.people.attempts import Attempts
from dashboard.people.audit import Audit, open_audit
from dashboard.people.forms import name_address
from dashboard.people.notes import record
from dashboard.people.permissions import may
from dashboard.people.register import Register
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.publishing import SOURCE, Publisher, make_event_id
from dashboard.replies import JsonResponse, read_body, shield
from dashboard.roster import BadPlan, Plan, Roster, find_people, read_plans
from dashboard.shift_sheet import Sheet, find_moment, make_sheet
from geo.county import County
from ingest.masking import mask_text
from ingest.records import ShiftHandedOver, ShiftTakenOver
from ingest.rows.shifts import HandOver, find_signature, list_hand_overs, read_hand_over
from ingest.sealing import find_keyring
from ingest.settings import Settings
from ingest.signatures import digest_content
from ingest.tables import as_ms

RECORDED_WITHIN_S: Final = 8.0
LOOK_EVERY_S: Final = 0.1
MOST_DAYS: Final = 42
LISTED_DAYS: Final = 60
FIRST_DAY, LAST_DAY = date(1971, 1, 1), date(9998, 12, 31)  # nearer the ends of the calendar sums overflow
AFTER_THE_END: Final = timedelta(hours=1)
"""So long after its end a shift that nobody handed over is the one that is offered."""
SIGNED_WITHIN: Final = timedelta(days=2)
LONGEST_PASSWORD: Final = 200
SHEETS_AT_ONCE: Final = 1
T = TypeVar("T")

Note = Annotated[str, msgspec.Meta(max_length=4_000)]


class Signing(msgspec.Struct, kw_only=True):
    """How somebody signs: their password again, or without log-in their word."""

    password: str = ""
    confirmed: bool = False


class Giving(Signing, kw_only=True, forbid_unknown_fields=True):
    """What is signed over: the sheet that was shown, by its moment and digest (`seen`), with notes."""

    date: date
    shift: str
    as_of: datetime
    seen: str
    notes: Note = ""
    case_notes: dict[str, Note] = {}


class Taking(Signing, kw_only=True, forbid_unknown_fields=True):
    """Taking over: `signed` is the digest of the hand-over that was shown."""

    signed: str
    remark: Note = ""


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """Whose number is asked for."""

    date: date
    shift: str
    person: str


class Plans(msgspec.Struct, forbid_unknown_fields=True):
    """Plans for the roster, as they are or as a file (CSV)."""

    plans: Annotated[list[Plan], msgspec.Meta(max_length=500)] = []
    csv: Annotated[str, msgspec.Meta(max_length=100_000)] = ""


@dataclass(frozen=True)
class Draft:
    """A sheet that nobody has signed: of which turn, and by what it is known when it is signed."""

    turn: Turn
    sheet: Sheet
    digest: str


@dataclass(frozen=True)
class Signed:
    """What became of a signature: `signed`, `overtaken` by somebody who was faster, or `pending` (accepted)."""

    result: str
    status: int
    found: HandOver | None = None


@dataclass(frozen=True)
class Shifts:
    """The shifts of a county's desks; one a process. What reads SQL blocks and may raise SQLAlchemy's errors.

    accounts: None where there is no log-in, and a word is enough; they count wrong passwords.
    notes: where signatures are written down.
    """

    engine: Engine
    county: County
    rulebook: Rulebook
    table: ShiftTable
    roster: Roster
    publisher: Publisher
    notes: Audit
    accounts: Accounts | None
    attempts: Attempts = field(default_factory=Attempts)
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(SHEETS_AT_ONCE))

    @property
    def needs_password(self) -> bool:
        """Whether who signs has to say their password again."""
        return self.accounts is not None

    def choose_turn(self, viewer: Viewer, now: datetime) -> Turn:
        """Return which shift a viewer would hand over now: the one running, or the one before while that is late.

        It is late for an hour, and for who was on duty in it longer: until the present one is over.
        """
        running = self.table.find_turn(now)
        before = self.table.find_before(running)
        if self.find(viewer.area, before) is not None:
            return running
        had_it = any(one.person == viewer.name for one in self.roster.list_on_duty(viewer.area, before))
        has_it = any(one.person == viewer.name for one in self.roster.list_on_duty(viewer.area, running))
        return before if (had_it and not has_it) or now - before.ends < AFTER_THE_END else running

    def find(self, area: str, turn: Turn) -> HandOver | None:
        """Return the hand-over of a turn of an area's desk."""
        return read_hand_over(self.engine, (area, turn.date.isoformat(), turn.shift.key))

    def find_waiting(self, area: str, now: datetime) -> list[HandOver]:
        """Return the hand-overs of the last two days that nobody has taken over."""
        since = now.astimezone(self.county.time_zone).date() - timedelta(days=2)
        return [one for one in list_hand_overs(self.engine, area, since) if one.taken is None]

    def list_recent(self, area: str, now: datetime) -> list[HandOver]:
        """Return the hand-overs of an area's desk of the last weeks, the latest first."""
        since = now.astimezone(self.county.time_zone).date() - timedelta(days=LISTED_DAYS)
        return list_hand_overs(self.engine, area, since)

    def read_turn(self, day: date, key: str) -> Turn:
        """Return a turn; raises `HTTPException` for a shift or a day that the county does not have."""
        if not FIRST_DAY <= day <= LAST_DAY:
            raise HTTPException(422, f"date: must lie between {FIRST_DAY} and {LAST_DAY}")
        shift = self.table.find(key)
        if shift is None:
            raise HTTPException(422, f"shift: there is none {key[:40]!r}")
        return self.table.make_turn(day, shift)

    def draft(self, viewer: Viewer, turn: Turn, as_of: datetime | None = None) -> Draft:
        """Return the sheet of a turn as of a moment (now, as far as it is recorded); from the hand-over before on."""
        moment = find_moment(self.engine, datetime.now(UTC)) if as_of is None else as_of
        before = self.find(viewer.area, self.table.find_before(turn))
        since = min(before.given.as_of if before is not None else turn.begins, moment)
        sheet = make_sheet(self.engine, self.county, self.rulebook, viewer.area, since, moment)
        return Draft(turn, sheet, sha256(msgspec.json.encode(sheet, order="deterministic")).hexdigest())

    async def draft_in_turn(self, viewer: Viewer, turn: Turn, as_of: datetime | None = None) -> Draft:
        """Return a draft; one is made at a time, because each folds every open case."""
        async with self._turns:
            return await asyncio.to_thread(self.draft, viewer, turn, as_of)

    async def give(self, viewer: Viewer, giving: Giving, address: str) -> Signed:
        """Sign a shift over; raises `HTTPException` for what cannot be signed so."""
        turn = self.read_turn(giving.date, giving.shift)
        now = datetime.now(UTC)
        if giving.as_of.tzinfo is None or not turn.begins <= giving.as_of <= now:
            raise HTTPException(422, "as_of: must lie between the shift's beginning and now, with a time zone")
        if now - turn.ends > SIGNED_WITHIN:
            raise HTTPException(422, "date: this shift ended too long ago to be signed over")
        await self._check(viewer, giving, address)
        draft = await self.draft_in_turn(viewer, turn, giving.as_of)
        if draft.digest != giving.seen:
            raise HTTPException(409, "sheet_changed")
        listed = {row["case_id"] for row in draft.sheet.cases}
        if unknown := giving.case_notes.keys() - listed:
            raise HTTPException(422, f"case_notes: {min(unknown)[:200]} is not on the sheet")
        unsigned = ShiftHandedOver(
            source=SOURCE,
            id=make_event_id(),
            received_at=now,
            date=giving.date.isoformat(),
            shift=giving.shift,
            area=viewer.area,
            person=viewer.name,
            title=viewer.title,
            at=now,
            notes=giving.notes.strip(),
            case_notes={case_id: note.strip() for case_id, note in giving.case_notes.items() if note.strip()},
            digest="",
            **{name: getattr(draft.sheet, name) for name in Sheet.__struct_fields__},
        )
        return await self._sign(viewer, unsigned, address)

    async def take(self, viewer: Viewer, turn: Turn, taking: Taking, address: str) -> Signed:
        """Sign that a shift was taken over; raises `HTTPException` for what cannot be signed so."""
        found = await asyncio.to_thread(self.find, viewer.area, turn)
        if found is None:
            raise HTTPException(404, "this shift was not handed over")
        if found.given.person == viewer.name:
            raise HTTPException(403, "own")
        if not found.unchanged:
            raise HTTPException(409, "altered")
        if found.given.digest != taking.signed:
            raise HTTPException(409, "sheet_changed")
        if found.taken is not None:
            return Signed("overtaken", 409, found)
        await self._check(viewer, taking, address)
        unsigned = ShiftTakenOver(
            source=SOURCE,
            id=make_event_id(),
            received_at=datetime.now(UTC),
            date=found.given.date,
            shift=found.given.shift,
            area=viewer.area,
            person=viewer.name,
            title=viewer.title,
            at=datetime.now(UTC),
            signed=found.given.digest,
            remark=taking.remark.strip(),
            digest="",
        )
        return await self._sign(viewer, unsigned, address)

    async def _check(self, viewer: Viewer, signing: Signing, address: str) -> None:
        """Raise `HTTPException` unless it is really the viewer who signs."""
        if self.accounts is None:
            if not signing.confirmed:
                raise HTTPException(422, "confirmed: say that you sign")
            return
        if not self.attempts.admit(address):
            raise HTTPException(429, "too_many")
        password = signing.password[:LONGEST_PASSWORD]
        async with self._turns:
            verdict, account = await asyncio.to_thread(self.accounts.verify, viewer.name, password)
        if account is None:
            await record(self.notes, viewer, "shift.sign_failed", viewer.name, {"why": verdict.value}, address)
            raise HTTPException(403, "password_wrong" if verdict is Verdict.WRONG else "locked")
        self.attempts.forgive(address)

    async def _sign(self, viewer: Viewer, unsigned: ShiftHandedOver | ShiftTakenOver, address: str) -> Signed:
        """Put a signature into the stream, and return what became of it once it is recorded."""
        given = isinstance(unsigned, ShiftHandedOver)
        name = "handed_over" if given else "taken_over"
        digest = digest_content(unsigned)
        slot = (unsigned.area, unsigned.date, unsigned.shift)
        # Written down first: the log is chained, so a digest there is a witness that nobody can change either.
        await record(self.notes, viewer, f"shift.{name}", " ".join(slot).strip(), {"digest": digest}, address)
        data = msgspec.to_builtins(msgspec.structs.replace(unsigned, digest=digest))
        for envelope in ("source", "id", "received_at", "origin", "sender", "type"):
            data.pop(envelope, None)
        await self.publisher.publish(f"shift.{name}", data, unsigned.id)
        deadline = asyncio.get_running_loop().time() + RECORDED_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            if await asyncio.to_thread(find_signature, self.engine, SOURCE, unsigned.id) is not None:
                found = await asyncio.to_thread(read_hand_over, self.engine, slot)
                counts = found.given if given and found else found.taken if found else None
                won = counts is not None and counts.id == unsigned.id
                return Signed("signed", 200, found) if won else Signed("overtaken", 409, found)
            await asyncio.sleep(LOOK_EVERY_S)
        return Signed("pending", 202)


def open_shifts(
    settings: Settings, county: County, engine: Engine, publisher: Publisher, register: Register | None
) -> Shifts:
    """Return the shifts of a county; `engine` is for reading and stays the caller's, as the others do."""
    rulebook = read_rulebook(county)
    table = read_shifts(county.case_settings, county.time_zone)
    people = find_people(engine, county, register is not None, settings.ui_lang)
    accounts = None if register is None else register.accounts
    roster = Roster(engine, table, find_keyring(settings), people)
    return Shifts(engine, county, rulebook, table, roster, publisher, open_audit(settings), accounts)


def make_shifts_router(shifts: Shifts) -> APIRouter:
    """Return `/api/roster…` and `/api/handovers…`."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(shifts.notes.close)

    router = APIRouter(lifespan=lifespan)
    _add_roster(router, shifts)
    _add_hand_overs(router, shifts)
    return router


def _add_roster(router: APIRouter, shifts: Shifts) -> None:
    roster, zone = shifts.roster, shifts.county.time_zone

    @router.get("/api/roster", response_class=Response, summary="Who is on duty now, next, and from a day on")
    async def read(
        day: Annotated[date | None, Query(alias="date", ge=FIRST_DAY, le=LAST_DAY)] = None,
        days: Annotated[int, Query(ge=1, le=MOST_DAYS)] = 7,
    ) -> Response:
        now = datetime.now(UTC)
        first = day or now.astimezone(zone).date()
        return JsonResponse(await _in_thread(partial(roster.describe, get_viewer().area, now, first, days)))

    @router.post("/api/roster", response_class=Response, summary="Plan who is on duty: a list, or a file (CSV)")
    async def plan(request: Request) -> Response:
        viewer = _need("roster")
        sent = read_body(await request.body(), Plans)
        try:
            plans = [*sent.plans, *(read_plans(sent.csv) if sent.csv else ())]
            checked = await _in_thread(partial(roster.check, plans, viewer.area))
        except BadPlan as fault:
            return JsonResponse({"field": fault.field, "reason": fault.reason, "line": fault.line}, 422)
        for one, person in checked:
            await shield(shifts.publisher.publish("shift.planned", make_plan(one, person, viewer)))
        details = {"plans": len(checked)}
        await shield(record(shifts.notes, viewer, "roster.planned", viewer.area, details, name_address(request)))
        return JsonResponse({"planned": len(checked)})

    @router.post("/api/roster/phone", response_class=Response, summary="Somebody's number in clear; it is noted")
    async def read_phone(request: Request) -> Response:
        viewer = _need("unmask")
        asked = read_body(await request.body(), Asked)
        found = await _in_thread(partial(roster.find_duty, viewer.area, asked.date, asked.shift, asked.person))
        if found is None:
            raise HTTPException(404, "nobody of that name is on duty then")
        address = name_address(request)
        await shield(record(shifts.notes, viewer, "roster.unmask", found.person, {"date": found.date}, address))
        return JsonResponse({"phone": roster.open_phone(found)})


def _add_hand_overs(router: APIRouter, shifts: Shifts) -> None:
    @router.get("/api/handovers", response_class=Response, summary="The hand-overs of the viewer's desk, latest first")
    async def list_all() -> Response:
        found = await _in_thread(partial(shifts.list_recent, get_viewer().area, datetime.now(UTC)))
        return JsonResponse({"hand_overs": [describe_hand_over(one, full=False) for one in found]})

    @router.get("/api/handovers/draft", response_class=Response, summary="What a shift would be handed over with, now")
    async def read_draft(day: Annotated[date | None, Query(alias="date")] = None, shift: str = "") -> Response:
        viewer = _need("hand_over")
        now = datetime.now(UTC)
        turn = shifts.read_turn(day, shift) if day else await _in_thread(partial(shifts.choose_turn, viewer, now))
        draft = await shield(shifts.draft_in_turn(viewer, turn))
        return JsonResponse(describe_draft(draft))

    @router.post("/api/handovers", response_class=Response, summary="Sign a shift over")
    async def give(request: Request) -> Response:
        viewer = _need("hand_over")
        giving = read_body(await request.body(), Giving)
        return _tell(await shield(shifts.give(viewer, giving, name_address(request))))

    @router.get("/api/handovers/{day}/{shift}", response_class=Response, summary="One hand-over, as it was signed")
    async def read_one(day: date, shift: str) -> Response:
        turn = shifts.read_turn(day, shift)
        found = await _in_thread(partial(shifts.find, get_viewer().area, turn))
        if found is None:
            raise HTTPException(404, "this shift was not handed over")
        return JsonResponse(describe_hand_over(found))

    @router.post("/api/handovers/{day}/{shift}/taking", response_class=Response, summary="Sign that it was taken over")
    async def take(request: Request, day: date, shift: str) -> Response:
        viewer = _need("hand_over")
        taking = read_body(await request.body(), Taking)
        turn = shifts.read_turn(day, shift)
        return _tell(await shield(shifts.take(viewer, turn, taking, name_address(request))))


def make_plan(plan: Plan, person: Viewer | None, planner: Viewer) -> dict[str, Any]:
    """Return the data of a `shift.planned` event for the planner's desk."""
    told = {
        "date": plan.date.isoformat(),
        "shift": plan.shift,
        "person": plan.person,
        "title": person.title if person else None,
        "role": person.role if person else None,
        "phone": plan.phone,
        "withdrawn": plan.withdrawn,
        "area": planner.area,
        "actor": planner.name,
        "at": datetime.now(UTC).isoformat(),
    }
    return {name: value for name, value in told.items() if value is not None}


def describe_draft(draft: Draft) -> dict[str, Any]:
    """Return a draft as JSON."""
    sheet = msgspec.to_builtins(draft.sheet)
    return {"date": draft.turn.date.isoformat(), "shift": draft.turn.shift.key, "seen": draft.digest, **sheet}


def describe_hand_over(found: HandOver, full: bool = True) -> dict[str, Any]:
    """Return a hand-over as JSON, numbers in notes masked; `full` with all that was handed over, else its figures."""
    given, taken = found.given, found.taken
    told: dict[str, Any] = {
        "area": given.area,
        "date": given.date,
        "shift": given.shift,
        "since": given.since.isoformat(),
        "as_of": given.as_of.isoformat(),
        "figures": given.figures,
        "digest": given.digest,
        "unchanged": found.unchanged,
        "from": _describe_signature(given),
        "to": None if taken is None else {**_describe_signature(taken), "remark": mask_text(taken.remark)},
    }
    if not full:
        return told
    return {
        **told,
        **{name: getattr(given, name) for name in ("open_case_ids", "cases", "warnings", "feeds")},
        "notes": mask_text(given.notes),
        "case_notes": {case_id: mask_text(note) for case_id, note in given.case_notes.items()},
    }


def _describe_signature(signature: ShiftHandedOver | ShiftTakenOver) -> dict[str, Any]:
    return {"person": signature.person, "title": signature.title, "signed_at": as_ms(signature.at) // 1000}


def _tell(signed: Signed) -> Response:
    found = signed.found
    by = None if found is None else found.taken or found.given
    told = {
        "result": signed.result,
        "by": None if by is None else _describe_signature(by),
        "date": None if found is None else found.given.date,
        "shift": None if found is None else found.given.shift,
        "digest": None if found is None else found.given.digest,
    }
    return JsonResponse(told, signed.status)


def _need(right: str) -> Viewer:
    viewer = get_viewer()
    if not may(viewer, right):
        raise HTTPException(403, "your role may not do this")
    return viewer


async def _in_thread(work: Callable[[], T]) -> T:
    return await shield(asyncio.to_thread(work))
