"""The steward: does by itself what the county's rules say about its cases, as requests that anybody can overtake.

It reads SQL twice a second, folds, asks the rules (`cases.duties`) and publishes through ingest like everybody else:
one thing a case at a time, with `expects`, and with an id made of case, version and rule. So a person who was faster
wins, and several stewards, a restart or a repeat do nothing twice. It keeps nothing; the
deadlines that it writes down for others (`cases.deadline_table`) follow from the cases.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.deadline_table import DeadlineTable
from cases.duties import Deed, decide, look_at
from cases.open_cases import Held, OpenCases
from cases.rulebook import Rulebook, read_rulebook
from cases.supervision import RULE_DETAIL
from geo.county import County, PackError
from ingest.case_state import STEWARD, STEWARD_SOURCE
from ingest.door import Door, IngestAway
from ingest.keys import find_key
from ingest.pack import open_county
from ingest.reasons import WHY_DETAIL
from ingest.sender import CloudEvent, stop_on_signals
from ingest.settings import SettingError, Settings
from ingest.signs import LifeSign
from ingest.store import name_database, open_database
from ingest.stream import StreamUnavailable
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import as_ms

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 0.5
MOST_DEEDS: Final = 10
"""In one look, so twenty a second: an old database that meets new rules is worked off, not flooded."""
LOOKED_AT_ONCE: Final = 100
"""Of the cases to which nothing has come, so many are looked at in turn: time alone may ask for something."""
REPEAT_AFTER_S: Final = 30.0
"""When something is asked for again that ingest has accepted and SQL does not have yet."""


class Steward:
    """Looks after the cases of one county.

    engine: for reading SQL, writer: for the deadlines; both stay the caller's, like the door. days: how old a case may
    be. simulated: whether invented cases are looked after, too.
    """

    def __init__(
        self, rulebook: Rulebook, engine: Engine, writer: Engine, door: Door, days: int = 60, simulated: bool = False
    ) -> None:
        self._rulebook, self._door = rulebook, door
        self._deadlines = DeadlineTable(rulebook, writer)
        self._cases = OpenCases(rulebook, engine, days, simulated)
        self._changed: set[str] = set()
        self._turn: list[str] = []
        self._asked: dict[str, tuple[int, float]] = {}
        self._refused: dict[str, int] = {}
        self.deeds = 0

    def look(self, now: datetime) -> int:
        """Look once, and return how many things were asked for; raises `SQLAlchemyError` and `IngestAway`."""
        changed, gone = self._cases.read(now)
        self._changed.update(changed)
        self._deadlines.keep(self._cases.held, changed)
        for case_id in gone:
            self._asked.pop(case_id, None)
            self._refused.pop(case_id, None)
        wanted: list[tuple[Held, Deed]] = []
        for held in self._order():
            if len(wanted) == MOST_DEEDS:
                break
            self._changed.discard(held.case.case_id)
            if self._is_waiting(held):
                continue
            subject = look_at(self._rulebook, held.case, held.steps, held.state, as_ms(now))
            if deed := decide(self._rulebook, subject):
                wanted.append((held, deed))
        if wanted:
            self._publish(wanted, now)
        return len(wanted)

    def _order(self) -> list[Held]:
        """Return the cases to look at: those that changed, the worst and newest first, and some others in turn."""
        held = self._cases.held
        if not self._turn:
            self._turn = list(held)
        others, self._turn = self._turn[:LOOKED_AT_ONCE], self._turn[LOOKED_AT_ONCE:]
        first = [held[case_id] for case_id in self._changed if case_id in held]
        first.sort(key=lambda one: (one.case.severity, -as_ms(one.case.reported_at)))
        rest = [case_id for case_id in others if case_id in held and case_id not in self._changed]
        return [*first, *(held[case_id] for case_id in rest)]

    def _is_waiting(self, held: Held) -> bool:
        """Return whether something was asked for on this very version that is still on its way, or was refused."""
        case_id, version = held.case.case_id, held.state.version
        if self._refused.get(case_id) == version:
            return True
        asked, at = self._asked.get(case_id, (-1, 0.0))
        return asked == version and time.monotonic() < at + REPEAT_AFTER_S

    def _publish(self, wanted: Sequence[tuple[Held, Deed]], now: datetime) -> None:
        events = [make_event(held.case.case_id, held.state.version, deed, now) for held, deed in wanted]
        refused = self._door.post(events)
        for index, (held, deed) in enumerate(wanted):
            self._asked[held.case.case_id] = held.state.version, time.monotonic()
            if index in refused:
                self._refused[held.case.case_id] = held.state.version
                log.warning("ingest refused %s by rule %s: %s", deed.action, deed.rule, refused[index])
        self.deeds += len(wanted) - len(refused)


def make_event(case_id: str, version: int, deed: Deed, now: datetime) -> CloudEvent:
    """Return a deed as an event; its id is the same whoever makes it, and whenever."""
    data: dict[str, Any] = {
        **deed.details,
        "case_id": case_id,
        "action": deed.action,
        "actor": STEWARD,
        "at": now.isoformat(),
        "expects": version,
        RULE_DETAIL: deed.rule,
        WHY_DETAIL: msgspec.to_builtins(deed.why),
    }
    if deed.unit:
        data["unit"] = deed.unit
    name = "\0".join((case_id, str(version), deed.action, deed.rule))
    id = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return CloudEvent(id=id, source=STEWARD_SOURCE, type="case.acted", data=data)


def keep_looking(steward: Steward, stop: threading.Event, sign: LifeSign) -> None:
    """Look until `stop` is set; what is away is waited for, and said once."""
    trouble: str | None = None
    while not stop.is_set():
        before = trouble
        try:
            steward.look(datetime.now(UTC))
            trouble = None
        except IngestAway as error:
            trouble = str(error)
        except SQLAlchemyError as error:
            trouble = f"the database is away: {type(error).__name__}"
        if trouble != before:
            log.log(logging.INFO if trouble is None else logging.WARNING, "%s", trouble or "at work again")
        sign.tell(trouble)
        stop.wait(LOOK_EVERY_S if trouble is None else 4 * LOOK_EVERY_S)


def run(settings: Settings) -> int:
    """Look after cases until SIGTERM or Ctrl-C; 0 then, `EXIT_HOPELESS` for what a restart cannot mend."""
    stop = stop_on_signals()
    try:
        county = open_county(settings)
        rulebook = read_rulebook(county)
        engine = open_database(name_database(settings), read_only=True)
        writer = open_database(name_database(settings))
        sign = LifeSign(settings.redis_url, STEWARD)
    except (SettingError, PackError, ValueError) as reason:
        log.error("%s", reason)
        return EXIT_HOPELESS
    except (StreamUnavailable, OSError) as reason:
        log.error("%s", reason)
        return 1
    door = Door(settings.ingest_url, find_key(settings))
    steward = Steward(rulebook, engine, writer, door, settings.steward_days, settings.steward == "all")
    if is_history(county):
        log.info("this county's clock is its data, so its cases are history: there is nothing to do")
        while not stop.wait(LOOK_EVERY_S):
            sign.tell(None)
    else:
        keep_looking(steward, stop, sign)
    sign.leave()
    door.close()
    engine.dispose()
    writer.dispose()
    return 0


def is_history(county: County) -> bool:
    """Return whether a county's moment is that of its newest record: what is long past is nobody's to act on."""
    return county.profile.clock_anchor == "data"
