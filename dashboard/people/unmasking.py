"""Who reported a case: shown masked, and in clear only to those whose work needs it, each time with a noted reason."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, HTTPException, Request, Response
from sqlalchemy import Engine

from cases.fold import CaseState, fold, read_step
from cases.rulebook import Rulebook, read_rulebook
from dashboard.people.accounts import AREA_DIGITS
from dashboard.people.audit import Audit, open_audit
from dashboard.people.forms import name_address
from dashboard.people.permissions import may
from dashboard.people.viewer import Viewer, get_viewer
from dashboard.replies import JsonResponse, read_body, shield
from dashboard.scope import sees_file
from geo.county import County
from ingest.answers import CaseFile, Reporter
from ingest.case_state import REPORT
from ingest.history import read_case, read_reporters
from ingest.sealing import Keyring, find_keyring
from ingest.settings import Settings

VIEWED: Final = "case.view"
UNMASKED: Final = "case.unmask"
REFUSED: Final = "case.unmask_refused"

VIEW_NOTED_EVERY: Final = timedelta(minutes=10)
MOST_UNMASKED: Final = 20
UNMASKED_WITHIN: Final = timedelta(minutes=10)

SHORTEST_REASON: Final = 2

DISPUTE: Final = "dispute"


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request: why somebody must know who reported a case."""

    reason: Annotated[str, msgspec.Meta(max_length=300)]


class NotAllowed(Exception):  # noqa: N818 - it says what is the case
    """Somebody may not see this in clear; the message is the word that the audit log has for why."""


@dataclass(frozen=True)
class Persons:
    """Reporters as people may see them; one a process. What is read blocks and may raise SQLAlchemy's errors."""

    engine: Engine
    audit: Audit
    keyring: Keyring
    rulebook: Rulebook
    _turns: asyncio.Lock = field(default_factory=asyncio.Lock)

    def read(self, case_id: str) -> list[Reporter]:
        """Return who reported a case, in clear: to be masked, or for whom `unmask` lets."""
        return read_reporters(self.engine, case_id, self.keyring)

    def may_unmask(self, viewer: Viewer, file: CaseFile) -> bool:
        """Return whether somebody's work with this case needs its persons in clear.

        The role must be one that deals with persons at all (`dashboard.people.permissions`), its area must hold the
        case, and of the units only those are let in that have the case now.
        """
        if not may(viewer, "unmask") or not viewer.sees_cell(file.case.cell_code):
            return False
        if viewer.role == "unit":
            return viewer.unit is not None and viewer.unit in _list_handling(self._fold(file))
        return bool(viewer.area) or viewer.role not in AREA_DIGITS

    def note_view(self, viewer: Viewer, file: CaseFile, reporters: list[Reporter], address: str) -> None:
        """Write down that somebody opened a file with persons or a dispute in it, every `VIEW_NOTED_EVERY` at most."""
        case = file.case
        if not reporters and self.rulebook.flow_of(case.category).key != DISPUTE:
            return
        if not self.audit.has_noted(viewer.name, VIEWED, case.case_id, VIEW_NOTED_EVERY):
            self.audit.note(viewer.name, viewer.role, VIEWED, case.case_id, address)

    async def unmask(self, viewer: Viewer, case_id: str, reason: str, address: str) -> list[Reporter]:
        """Return who reported a case, in clear, once that this was asked for is on record.

        Raises `HTTPException`: 404, 403, or 429 for who asks more than `MOST_UNMASKED` times in `UNMASKED_WITHIN`.
        """
        file = await asyncio.to_thread(read_case, self.engine, case_id)
        if file is None:
            raise HTTPException(404, "no such case has been recorded")
        async with self._turns:  # so that many at once cannot all be the last one allowed
            try:
                await asyncio.to_thread(self._allow, viewer, file, reason, address)
            except NotAllowed as refusal:
                details = {"reason": reason, "why": str(refusal)}
                await asyncio.to_thread(self.audit.note, viewer.name, viewer.role, REFUSED, case_id, address, details)
                if str(refusal) == "too_often":
                    headers = {"Retry-After": str(int(UNMASKED_WITHIN.total_seconds()))}
                    raise HTTPException(429, "you have asked for too many persons lately", headers) from None
                if not sees_file(viewer, file, self.rulebook):
                    raise HTTPException(404, "no such case has been recorded") from None
                raise HTTPException(403, "your work with this case does not need its persons in clear") from None
        return await asyncio.to_thread(self.read, case_id)

    def _allow(self, viewer: Viewer, file: CaseFile, reason: str, address: str) -> None:
        """Put on record that somebody sees persons now; raises `NotAllowed` instead."""
        if not may(viewer, "unmask"):
            raise NotAllowed("role")
        if not self.may_unmask(viewer, file):
            raise NotAllowed("scope")
        if self.audit.count_lately(viewer.name, UNMASKED, UNMASKED_WITHIN) >= MOST_UNMASKED:
            raise NotAllowed("too_often")
        self.audit.note(viewer.name, viewer.role, UNMASKED, file.case.case_id, address, {"reason": reason})

    def _fold(self, file: CaseFile) -> CaseState:
        steps = (read_step(row) for row in file.actions if row.action != REPORT)
        return fold(self.rulebook.flow_of(file.case.category), steps)


def open_persons(settings: Settings, county: County, engine: Engine) -> Persons:
    """Return the reporters of a county; `engine` is for reading and stays the caller's."""
    return Persons(engine, open_audit(settings), find_keyring(settings), read_rulebook(county))


def make_unmasking_router(persons: Persons) -> APIRouter:
    """Return `POST /api/cases/{case_id}/reporter`; its lifespan closes the audit log."""

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(persons.audit.close)

    router = APIRouter(lifespan=lifespan)

    @router.post("/api/cases/{case_id}/reporter", response_class=Response, summary="Who reported a case, in clear")
    async def unmask(request: Request, case_id: str) -> Response:
        reason = read_body(await request.body(), Wish).reason.strip()
        if len(reason) < SHORTEST_REASON:
            raise HTTPException(422, "reason: say why in a few words")
        reporters = await shield(persons.unmask(get_viewer(), case_id, reason, name_address(request)))
        told = [
            {"name": one.name, "phone": one.phone, "email": one.email, "unreadable": one.unreadable is not None}
            for one in reporters
        ]
        return JsonResponse({"reporters": told})

    return router


def _list_handling(state: CaseState) -> set[str | None]:
    """Return the units that have a case now; none when it has ended."""
    if state.ended_ms is not None:
        return set()
    return {state.unit, *(part.unit for part in state.parts if part.done_ms is None)}
