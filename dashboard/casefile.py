"""What the desk is told of one case: all that is recorded, where it stands now, and what may be done.

SQL has the words, photos and persons of a case, but runs some moments behind the streams; the live state has its
actions as soon as ingest has accepted them. Who acts must see the version that the next request is measured by, so
where both know a case the live state says how it stands. Times are epoch seconds, persons are masked.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Engine

from cases.fold import fold, read_step
from cases.guides import Guide
from cases.rulebook import read_rulebook
from dashboard.case_clocks import describe_clocks
from dashboard.case_history import describe_actions, key_of
from dashboard.case_offers import describe_offers
from dashboard.case_standing import Standing, as_row, describe_standing, name_role, name_unit, pick
from dashboard.live import Hub, HubAway
from dashboard.people.unmasking import Persons
from dashboard.people.viewer import Viewer
from dashboard.scope import find_scope, sees_file
from geo.county import County
from ingest.answers import CaseFile, Reporter
from ingest.case_state import REPORT
from ingest.history import read_case
from ingest.masking import mask_email, mask_name, mask_phone, mask_text
from ingest.tables import as_ms
from layers.places import feature_id
from layers.state import LiveState
from layers.things import Case as LiveCase

OWN_MEDIA: Final = "/media/"


@dataclass(frozen=True)
class LivePart:
    """What the live state knows of a case, if it does; `now_ms` is the county's clock, `merged` what it stands for."""

    now_ms: int
    case: LiveCase | None = None
    cell_code: str | None = None
    merged: tuple[str, ...] = ()


class CaseFiles:
    """Tells people of cases; one a process. engine: for reading SQL; it stays the caller's."""

    def __init__(self, hub: Hub, county: County, engine: Engine, persons: Persons) -> None:
        self._hub, self._county, self._engine, self._persons = hub, county, engine, persons
        self._rulebook = read_rulebook(county)

    async def tell(self, viewer: Viewer, case_id: str, lang: str, address: str) -> dict[str, Any] | None:
        """Return all that a viewer may be told of a case; None where there is none that is theirs to see.

        address: where the viewer asks from, for the audit log. Raises SQLAlchemy's errors.
        """
        live = await self._ask_live(viewer, case_id)
        recorded, reporters = await asyncio.to_thread(self._read, viewer, case_id, live.case is not None, address)
        file = recorded or _begin_file(live)
        if file is None:
            return None
        county, case, standing = self._county, file.case, self._stand(file, live)
        known = {key_of(row) for row in file.actions}
        guide = self._rulebook.guides.find(case.category)
        return {
            **describe_file(file, reporters, county, lang),
            **describe_standing(standing, county, lang),
            **describe_clocks(
                standing, case.category, case.severity, as_ms(case.reported_at), self._rulebook, county, lang
            ),
            **describe_offers(standing, file, viewer, self._rulebook, county, lang),
            "actions": describe_actions(file, standing, county, lang),
            "guide": guide and describe_guide(guide, county, lang),
            "responsible": describe_responsible(county, case.cell_code, lang),
            "merged_cases": live.merged,
            # False while SQL is behind: notes and photos may still come.
            "recorded": recorded is not None and all(step.key in known for step in standing.steps),
            "may_unmask": bool(reporters) and recorded is not None and self._persons.may_unmask(viewer, recorded),
        }

    async def _ask_live(self, viewer: Viewer, case_id: str) -> LivePart:
        try:
            return await self._hub.ask(partial(_look, case_id=case_id), find_scope(viewer))
        except HubAway:
            return LivePart(as_ms(datetime.now(UTC)))

    def _read(
        self, viewer: Viewer, case_id: str, is_seen: bool, address: str
    ) -> tuple[CaseFile | None, list[Reporter]]:
        file = read_case(self._engine, case_id)
        if file is None or not (is_seen or sees_file(viewer, file, self._rulebook)):
            return None, []
        reporters = self._persons.read(case_id)
        self._persons.note_view(viewer, file, reporters, address)
        return file, reporters

    def _stand(self, file: CaseFile, live: LivePart) -> Standing:
        flow = self._rulebook.flow_of(file.case.category)
        if live.case is not None:
            return Standing(flow, live.case.state, tuple(live.case.steps), live.now_ms)
        steps = [read_step(row) for row in file.actions if row.action != REPORT]
        return Standing(flow, fold(flow, steps), steps, live.now_ms)


def describe_file(file: CaseFile, reporters: Sequence[Reporter], county: County, lang: str) -> dict[str, Any]:
    """Return what was reported: free text and reporter masked, photos by their addresses here."""
    case = file.case
    own = [path for path in file.media if path.startswith(OWN_MEDIA)]
    return {
        "case_id": case.case_id,
        "category": case.category,
        "severity": case.severity,
        "channel": case.channel,
        "title": mask_text(case.title),
        "description": mask_text(file.description),
        "people": case.people,
        "reporter": _mask_reporter(reporters[0]) if reporters else None,
        "reporters": len(reporters),
        "media": own,
        "media_elsewhere": len(file.media) - len(own),
        "cell": find_cell(county, case.cell_code),
        "cell_code": case.cell_code,
        "cell_name": _name_area(county, case.cell_code, lang),
        "lon": case.lon,
        "lat": case.lat,
        "reported_at": int(case.reported_at.timestamp()),
        "received_at": int(case.received_at.timestamp()),
        "origin": case.origin,
    }


def describe_responsible(county: County, cell_code: str | None, lang: str) -> dict[str, Any] | None:
    """Return the worker of a cell, by the roster's name for them and with a masked number if it has one."""
    if cell_code is None or cell_code not in county.cells.index:
        return None
    worker = county.cells.loc[cell_code, "responsible"]
    if not isinstance(worker, str) or not worker:
        return None
    if worker not in county.assets.index:
        return {"worker_id": worker, "name": worker, "phone": None}
    row = county.assets.loc[worker]
    names = [row.get("name_en" if lang == "en" else "name"), row.get("name"), worker]
    phone = row.get("phone")
    return {
        "worker_id": worker,
        "name": next(name for name in names if isinstance(name, str) and name),
        "phone": mask_phone(phone) if isinstance(phone, str) else None,
    }


def describe_guide(guide: Guide, county: County, lang: str) -> dict[str, Any]:
    """Return a handling guide in a language; units by name, roles by their word."""
    return {
        "steps": [pick(step.name, lang) for step in guide.steps],
        "calls": [
            {
                "unit": name_unit(county, call.unit or None, lang),
                "role": name_role(call.role, lang),
                "phone": call.phone or None,
                "why": pick(call.name, lang),
            }
            for call in guide.calls
        ],
        "basis": [
            {
                "law": pick(basis.law, lang),
                "article": pick(basis.article, lang),
                "says": pick(basis.name, lang),
                "source": basis.source,
                "verified": basis.verified,
            }
            for basis in guide.basis
        ],
    }


def find_cell(county: County, code: str | None) -> int | None:
    """Return the feature id of a cell."""
    if code is None or code not in county.cells.index:
        return None
    return int(county.cells.index.get_loc(code))


def _look(live: LiveState, case_id: str) -> LivePart:
    case = live.cases.get(feature_id("case:" + case_id))
    if case is None:
        return LivePart(live.now_ms)
    code = None if case.cell is None else live.places.cell_codes[case.cell]
    return LivePart(live.now_ms, case, code, tuple(sorted(live.merged.get(case_id, ()))))


def _begin_file(live: LivePart) -> CaseFile | None:
    """Return what the live state knows of a case that the recorder has not written down yet."""
    if live.case is None:
        return None
    return CaseFile(case=as_row(live.case, live.cell_code), description=None, media=[], actions=[])


def _mask_reporter(reporter: Reporter) -> dict[str, Any]:
    return {
        "name": mask_name(reporter.name),
        "phone": mask_phone(reporter.phone),
        "email": mask_email(reporter.email),
        "unreadable": reporter.unreadable is not None,
    }


def _name_area(county: County, code: str | None, lang: str) -> str | None:
    if code is None or code not in county.areas.index:
        return code
    zh, en = county.areas.loc[code, ["name", "name_en"]]
    names: Iterable[object] = (en, zh) if lang == "en" else (zh,)
    return next((name for name in names if isinstance(name, str) and name), code)
