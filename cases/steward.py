"""The steward: does by itself what the county's rules say about its cases, as requests that anybody can overtake.

It reads SQL twice a second, folds, asks the rules (`cases.duties`) and publishes through ingest like everybody else:
one thing a case at a time, with `expects`, and with an id made of case, version and rule. So a person who was faster
wins, and several stewards, a restart or a repeat do nothing twice. It keeps nothing.
"""

import argparse
import hashlib
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.duties import Deed, decide, look_at
from cases.fold import STEWARD, CaseState, Step, fold, read_step
from cases.rulebook import Rulebook, read_rulebook
from cases.supervision import RULE_DETAIL
from geo.builtin import provide_demo
from geo.county import County, PackError, load_county
from ingest.answers import Case
from ingest.history import list_changed_cases, list_open_cases, read_steps_as_of
from ingest.keys import find_key
from ingest.sender import CloudEvent, Reply, stop_on_signals
from ingest.settings import SettingError, Settings
from ingest.signs import SIGN_EVERY_S, note_alive, note_gone
from ingest.store import name_database, open_database
from ingest.stream import StreamUnavailable, connect
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import as_ms

log = logging.getLogger(__name__)
# It would write a line for every request.
logging.getLogger("httpx").setLevel(logging.WARNING)

SOURCE: Final = "urn:county-brain:steward"
SIMULATED: Final = "simulated"
LOOK_EVERY_S: Final = 0.5
MOST_DEEDS: Final = 10
"""In one look, so twenty a second: an old database that meets new rules is worked off, not flooded."""
LOOKED_AT_ONCE: Final = 100
"""Of the cases to which nothing has come, so many are looked at in turn: time alone may ask for something."""
OVERLAP: Final = timedelta(seconds=10)
"""How far back a look reaches: what was received first may be recorded last."""
EVERYTHING_EVERY_S: Final = 60.0
REPEAT_AFTER_S: Final = 30.0
"""When something is asked for again that ingest has accepted and SQL does not have yet."""
TIMEOUT_S: Final = 8.0


class IngestAway(RuntimeError):  # noqa: N818 - it says what is the case
    """Ingest cannot be reached, or takes nothing now."""


@dataclass(frozen=True)
class Held:
    """A case as it was read last."""

    case: Case
    steps: tuple[Step, ...]
    state: CaseState
    changed_at: datetime


class Door:
    """Posts events to ingest; one a process."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {key or ''}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def post(self, events: Sequence[CloudEvent]) -> dict[int, str]:
        """Publish events and return why which of them were refused, by place; raises `IngestAway`."""
        try:
            response = self._client.post("/v1/events", content=msgspec.json.Encoder().encode_lines(events))
            reply = msgspec.json.decode(response.content, type=Reply) if response.is_success else None
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise IngestAway(f"ingest: {type(error).__name__}") from None
        if reply is None:
            raise IngestAway(f"ingest answered HTTP {response.status_code}")
        return {rejection.index: rejection.reason for rejection in reply.rejected}

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()


class Steward:
    """Looks after the cases of one county.

    engine: for reading SQL; it stays the caller's, like the door. days: how old a case may be. simulated: whether
    invented cases are looked after, too.
    """

    def __init__(self, rulebook: Rulebook, engine: Engine, door: Door, days: int = 60, simulated: bool = False) -> None:
        self._rulebook, self._engine, self._door = rulebook, engine, door
        self._age, self._simulated = timedelta(days=days), simulated
        self._held: dict[str, Held] = {}
        self._changed: set[str] = set()
        self._turn: list[str] = []
        self._changed_from: datetime | None = None
        self._everything_at = 0.0
        self._asked: dict[str, tuple[int, float]] = {}
        self._refused: dict[str, int] = {}
        self.deeds = 0

    def look(self, now: datetime) -> int:
        """Look once, and return how many things were asked for; raises `SQLAlchemyError` and `IngestAway`."""
        self._changed.update(self._read(now))
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

    def _read(self, now: datetime) -> list[str]:
        """Bring what is held up to date, and return the numbers of the cases that changed."""
        reported_from = now - self._age
        if self._changed_from is None or time.monotonic() >= self._everything_at:
            rows = list_open_cases(self._engine, reported_from)
            self._everything_at = time.monotonic() + EVERYTHING_EVERY_S
            there = {case.case_id for case, _ in rows}
            self._held = {case_id: held for case_id, held in self._held.items() if case_id in there}
            self._asked = {case_id: asked for case_id, asked in self._asked.items() if case_id in there}
            self._refused = {case_id: version for case_id, version in self._refused.items() if case_id in there}
        else:
            rows = list_changed_cases(self._engine, self._changed_from - OVERLAP, reported_from)
        if rows:
            newest = max(changed_at for _, changed_at in rows)
            self._changed_from = max(self._changed_from or newest, newest)
        rows = [(case, at) for case, at in rows if self._simulated or case.origin != SIMULATED]
        return self._hold(rows, now)

    def _hold(self, rows: Iterable[tuple[Case, datetime]], now: datetime) -> list[str]:
        """Take cases in, or let them go where they have ended; return the numbers of those that are new or changed."""
        fresh: dict[str, tuple[Case, datetime]] = {}
        for case, changed_at in rows:
            known = self._held.get(case.case_id)
            if case.closed_at is not None:
                self._held.pop(case.case_id, None)
            elif known is None or known.changed_at != changed_at or now - changed_at < 2 * OVERLAP:
                # Actions of one moment may be recorded one after the other: for a while it is read again.
                fresh[case.case_id] = case, changed_at
        steps = read_steps_as_of(self._engine, fresh, now + timedelta(days=1)) if fresh else {}
        changed = []
        for case_id, (case, changed_at) in fresh.items():
            of_case = tuple(read_step(row) for row in steps.get(case_id, ()))
            known = self._held.get(case_id)
            if known is not None and len(known.steps) == len(of_case) and known.case == case:
                continue
            state = fold(self._rulebook.flow_of(case.category), of_case)
            self._held[case_id] = Held(case, of_case, state, changed_at)
            changed.append(case_id)
        return changed

    def _order(self) -> list[Held]:
        """Return the cases to look at: those that changed, the worst and newest first, and some others in turn."""
        if not self._turn:
            self._turn = list(self._held)
        others, self._turn = self._turn[:LOOKED_AT_ONCE], self._turn[LOOKED_AT_ONCE:]
        first = [self._held[case_id] for case_id in self._changed if case_id in self._held]
        first.sort(key=lambda held: (held.case.severity, -as_ms(held.case.reported_at)))
        rest = [case_id for case_id in others if case_id in self._held and case_id not in self._changed]
        return [*first, *(self._held[case_id] for case_id in rest)]

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
        "note": deed.note,
        "expects": version,
        RULE_DETAIL: deed.rule,
    }
    if deed.unit:
        data["unit"] = deed.unit
    name = "\0".join((case_id, str(version), deed.action, deed.rule))
    id = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    return CloudEvent(id=id, source=SOURCE, type="case.acted", data=data)


def keep_looking(steward: Steward, stop: threading.Event, signs: "Signs") -> None:
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
        signs.tell(trouble)
        stop.wait(LOOK_EVERY_S if trouble is None else 4 * LOOK_EVERY_S)


class Signs:
    """Tells `/health` how the steward is; nothing where this machine is not told of the county's Redis."""

    def __init__(self, redis_url: str | None) -> None:
        self._client = None if redis_url is None else connect(redis_url)
        self._tell_at = 0.0

    def tell(self, trouble: str | None) -> None:
        """Leave a sign of life, every few seconds."""
        if self._client is not None and time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + SIGN_EVERY_S
            note_alive(self._client, STEWARD, "ok" if trouble is None else "degraded", trouble)

    def leave(self) -> None:
        """Take the sign away."""
        if self._client is not None:
            note_gone(self._client, STEWARD)
            self._client.close()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m cases steward`: it has none of its own."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Look after cases until SIGTERM or Ctrl-C; 0 then, `EXIT_HOPELESS` for what a restart cannot mend."""
    stop = stop_on_signals()
    try:
        county = load_county(settings.county or provide_demo(settings.data_dir / "counties" / "demo"))
        rulebook = read_rulebook(county)
        engine = open_database(name_database(settings), read_only=True)
        signs = Signs(settings.redis_url)
    except (SettingError, PackError, ValueError) as reason:
        log.error("%s", reason)
        return EXIT_HOPELESS
    except (StreamUnavailable, OSError) as reason:
        log.error("%s", reason)
        return 1
    door = Door(settings.ingest_url, find_key(settings))
    steward = Steward(rulebook, engine, door, settings.steward_days, settings.steward == "all")
    if is_history(county):
        log.info("this county's clock is its data, so its cases are history: there is nothing to do")
        while not stop.wait(LOOK_EVERY_S):
            signs.tell(None)
    else:
        keep_looking(steward, stop, signs)
    signs.leave()
    door.close()
    engine.dispose()
    return 0


def is_history(county: County) -> bool:
    """Return whether a county's moment is that of its newest record: what is long past is nobody's to act on."""
    return county.profile.clock_anchor == "data"
