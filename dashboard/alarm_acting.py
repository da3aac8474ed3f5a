"""Acting on alarms: a person's request is checked, published through ingest, and answered when the streams have it.

As with cases (`dashboard.acting`), `expects` is the version that the person saw, and the fold decides who was first.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from sqlalchemy import Engine

from brain.alarm_book import AlarmBook, Entry, read_step
from brain.alarm_cases import draft_report, has_place
from brain.alarm_requests import check_request
from brain.alarm_rules import AlarmRules, CaseRule
from brain.alarms import ACK, TO_CASE
from cases.fold import Step
from cases.requests import Asker, BadField, NotLegal, Request
from dashboard.live import Hub
from dashboard.people.viewer import Viewer
from dashboard.publishing import SOURCE, Publisher, PublishRefused, make_event_id
from dashboard.scope import find_scope
from geo.county import County
from ingest.case_state import make_action_key
from ingest.rows.alarms import read_alarm_steps
from ingest.tables import as_ms
from layers.places import feature_id
from layers.state import LiveState

SEEN_WITHIN_S: Final = 3.0
LOOK_EVERY_S: Final = 0.03
MOST_AT_ONCE: Final = 200


class AlarmDeed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The body of a request; `id` is one of the browser's own, so that one that is sent again is done once."""

    action: str
    expects: int
    note: str | None = None
    details: dict[str, Any] = {}
    id: str | None = None


class AlarmTarget(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One alarm of a bulk request, as the person saw it."""

    alarm_id: str
    expects: int


class BulkAlarmDeed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The same deed to several alarms."""

    alarms: Annotated[list[AlarmTarget], msgspec.Meta(min_length=1, max_length=MOST_AT_ONCE)]
    action: str
    note: str | None = None
    details: dict[str, Any] = {}


class AlarmOutcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What became of a request: `applied`, `overtaken`, `pending` (accepted, not seen yet) or `refused`.

    version and state are the alarm's now; changed_* say who did what when somebody was faster; field and reason say
    what is wrong with a refused one.
    """

    alarm_id: str
    result: str
    status: int = 200
    version: int = 0
    state: str = ""
    case_id: str | None = None
    changed_by: str | None = None
    changed_action: str | None = None
    changed_at: int | None = None
    field: str | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Found:
    """An alarm as an action needs it; `sent`: this request, where it has come already."""

    entry: Entry
    last: Step | None = None
    sent: Step | None = None


class AlarmActor:
    """Does what people ask for; one a process."""

    def __init__(self, hub: Hub, engine: Engine, county: County, rules: AlarmRules, publisher: Publisher):
        self._hub, self._engine, self._publisher = hub, engine, publisher
        self._categories = county.categories
        self._rules = rules

    async def act(self, viewer: Viewer, alarm_id: str, deed: AlarmDeed) -> AlarmOutcome:
        """Return what became of a request; raises `HTTPException` only where a part is away."""
        key = make_action_key(SOURCE, deed.id or "")
        found = await self.find(viewer, alarm_id, key)
        if found is None:
            return AlarmOutcome(alarm_id=alarm_id, result="refused", status=404, reason="no such alarm")
        if found.sent is not None:  # sent again because its answer was lost
            return _tell(found, key)
        if deed.expects != found.entry.alarm.version:
            return _tell_overtaken(found)
        now = datetime.now(UTC)
        try:
            details, report = self._check(viewer, found.entry, deed, now)
            id = await self._publish(viewer, found.entry, deed, details, now)
        except BadField as error:
            return AlarmOutcome(alarm_id=alarm_id, result="refused", status=422, field=error.name, reason=error.reason)
        except NotLegal as error:
            return AlarmOutcome(alarm_id=alarm_id, result="refused", status=403, reason=str(error))
        except PublishRefused as error:
            return AlarmOutcome(alarm_id=alarm_id, result="refused", status=422, reason=str(error))
        outcome = await self._wait(viewer, alarm_id, make_action_key(SOURCE, id))
        if report is not None and outcome.result in ("applied", "pending"):
            report["actor"] = viewer.name
            await self._publisher.publish("case.reported", report, f"{id} report", found.entry.origin)
            outcome.case_id = report["case_id"]
        return outcome

    async def find(self, viewer: Viewer, alarm_id: str, key: str = "") -> Found | None:
        """Return an alarm that a viewer may see, from the live state or else from SQL; None where there is none."""
        seen = await self._hub.ask(partial(find_entry, alarm_id), find_scope(viewer))
        if seen is not None:
            found = await self._hub.ask(lambda live: _look(live.alarm_book, alarm_id, key))
            return found or Found(seen)
        known = await self._hub.ask(partial(find_entry, alarm_id))
        return None if known is not None else await asyncio.to_thread(self._read, viewer, alarm_id, key)

    def _read(self, viewer: Viewer, alarm_id: str, key: str) -> Found | None:
        book = AlarmBook()
        for row in read_alarm_steps(self._engine, alarm_id):
            book.put(alarm_id, read_step(row))
        found = _look(book, alarm_id, key)
        if found is None or (viewer.area and not viewer.sees_cell(found.entry.alarm.cell_code)):
            return None
        is_case = isinstance(self._rules.by_key.get(found.entry.rule or ""), CaseRule)
        return None if is_case and viewer.role == "unit" else found

    def _check(
        self, viewer: Viewer, entry: Entry, deed: AlarmDeed, now: datetime
    ) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the details that go with a request, and the report of the case that it makes.

        Raises `BadField` or `NotLegal`.
        """
        rule, details, report = self._rules.by_key.get(entry.rule or ""), dict(deed.details), None
        if deed.action == TO_CASE:
            category = details.pop("category", rule.case.category if rule and rule.case else None)
            if category not in self._categories:
                raise BadField("category", "is missing" if category is None else f"there is no class {category!r}")
            if not has_place(entry):
                raise BadField("place", "this alarm is nowhere, and a case must be somewhere")
            report = draft_report(entry, category, now)
            details["case_id"] = report["case_id"]
        asker = Asker(viewer.name, viewer.role, viewer.unit)
        check_request(entry.alarm, rule, Request(deed.action, None, deed.note, details), asker, as_ms(now))
        return details, report

    async def _publish(
        self, viewer: Viewer, entry: Entry, deed: AlarmDeed, details: dict[str, Any], now: datetime
    ) -> str:
        data: dict[str, Any] = {
            "alarm_id": entry.alarm_id,
            "actor": viewer.name,
            "at": now.isoformat(),
            "expects": deed.expects,
            **({"note": deed.note} if deed.note else {}),
        }
        if deed.action == ACK:
            kind, data = "alarm.acked", data | {"severity": entry.alarm.severity, "subject": entry.alarm.subject}
        else:
            details = {**details, "role": viewer.role}
            kind, data = "alarm.acted", data | {"action": deed.action, "details": details}
        return await self._publisher.publish(kind, data, deed.id or make_event_id(), entry.origin)

    async def _wait(self, viewer: Viewer, alarm_id: str, key: str) -> AlarmOutcome:
        """Return what became of an action that ingest has accepted, as soon as it comes by."""
        deadline = asyncio.get_running_loop().time() + SEEN_WITHIN_S
        while asyncio.get_running_loop().time() < deadline:
            found = await self.find(viewer, alarm_id, key)
            if found is not None and found.sent is not None:
                return _tell(found, key)
            await asyncio.sleep(LOOK_EVERY_S)
        return AlarmOutcome(alarm_id=alarm_id, result="pending", status=202)


def find_entry(alarm_id: str, live: LiveState) -> Entry | None:
    """Return an alarm of a scope's live state."""
    return live.alarms.get(feature_id("alarm:" + alarm_id))


def _look(book: AlarmBook, alarm_id: str, key: str) -> Found | None:
    entry = book.entries.get(alarm_id)
    return None if entry is None else Found(entry, book.find_last_deed(alarm_id), book.find_step(alarm_id, key))


def _tell(found: Found, key: str) -> AlarmOutcome:
    """Return what became of an action that the alarm has."""
    alarm = found.entry.alarm
    if key in alarm.overtaken:
        return _tell_overtaken(found)
    return AlarmOutcome(
        alarm_id=found.entry.alarm_id,
        result="applied",
        version=alarm.version,
        state=alarm.state,
        case_id=alarm.case_id,
    )


def _tell_overtaken(found: Found) -> AlarmOutcome:
    alarm, last = found.entry.alarm, found.last
    return AlarmOutcome(
        alarm_id=found.entry.alarm_id,
        result="overtaken",
        status=409,
        version=alarm.version,
        state=alarm.state,
        changed_by=last.actor if last else None,
        changed_action=last.action if last else None,
        changed_at=last.at_ms // 1000 if last else None,
    )
