"""The watch at work: holds what comes in against the county's alarm rules, and publishes what begins and ends.

It begins with what SQL knows, follows every partition from there, and looks at cases in SQL once a second. What it
says goes through ingest like everybody's, with ids made of what is said, so that a restart says nothing twice. Of
several, one works, by a lease. It keeps nothing itself: while ingest is away it remembers what it has to say.
"""

import hashlib
import logging
import threading
import time
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from brain.alarm_book import KEEP_MS, AlarmBook, Entry, make_step, read_step
from brain.alarm_cases import draft_report, has_place
from brain.alarm_duties import decide
from brain.alarm_probes import Finding, PublicWarning, WatchedCase
from brain.alarm_rules import AlarmRules, CaseRule, read_alarm_rules
from brain.alarm_watch import Watch
from brain.alarms import ESCALATE
from cases.deadlines import list_deadlines
from cases.open_cases import Held, OpenCases
from cases.rulebook import read_rulebook
from cases.steward import is_history
from geo.county import County, PackError
from geo.outlines import Outlines
from ingest.alert_life import KEPT, end_of, last_end_of, list_standing, name_hazard
from ingest.answers import LatestReading
from ingest.door import Door, IngestAway
from ingest.formats.cap_codes import read_area_codes
from ingest.history import load_snapshot
from ingest.keys import find_key
from ingest.lease import Lease
from ingest.pack import open_county
from ingest.records import AlertIssued, AnyRecord, Origin, Reading, decode_record, name_feed
from ingest.rows.alarms import AnyAlarm
from ingest.sender import CloudEvent, stop_on_signals
from ingest.settings import SettingError, Settings
from ingest.signs import LifeSign
from ingest.store import name_database, open_database
from ingest.stream import START, StreamGap, Streams, StreamUnavailable, connect, order_id
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import as_ms, as_time

log = logging.getLogger(__name__)

SOURCE: Final = "urn:county-brain:watch"
ACTOR: Final = "watch"
PART: Final = "alarms"
BLOCK_MS: Final = 250
READ_AT_MOST: Final = 1000
LOOK_EVERY_S: Final = 1.0
PAUSE_S: Final = 1.0
POST_AT_ONCE: Final = 200
REPEAT_AFTER_S: Final = 30.0
"""When a duty is done again that ingest has accepted and no stream has brought."""
CASE_DAYS: Final = 60


class About(NamedTuple):
    """What is said of a thing with its alarm."""

    name: str
    origin: Origin = "live"
    lon: float | None = None
    lat: float | None = None


class Watcher:
    """The alarms of one county; `engine`, `streams` and `door` stay the caller's."""

    def __init__(self, county: County, engine: Engine, streams: Streams, door: Door) -> None:
        self.book = AlarmBook()
        self._county, self._engine, self._streams, self._door = county, engine, streams, door
        self._rules: AlarmRules = read_alarm_rules(county)
        self._rulebook = read_rulebook(county)
        self._outlines = Outlines(county)
        self._names = {str(asset): str(name) for asset, name in county.assets["name"].items() if name == name}
        self._pending: deque[CloudEvent] = deque()
        self._done: dict[str, float] = {}
        self._looked_s = float("-inf")

    def begin(self, now: datetime) -> None:
        """Load what is known; raises `SQLAlchemyError` and `StreamUnavailable`."""
        snapshot = load_snapshot(self._engine, now - timedelta(milliseconds=KEEP_MS))
        recorded = {partition: mark.stream_id for partition, mark in snapshot.watermarks.items()}
        self._positions = {number: recorded.get(number, START) for number in range(self._streams.partitions)}
        self.catch_jumps()
        self.book = AlarmBook()
        for row in snapshot.alarm_steps:
            self.book.put(row.alarm_id, read_step(row))
        self._read_ahead()
        self._pending.clear()
        self._cases = OpenCases(self._rulebook, self._engine, CASE_DAYS, simulated=True)
        self._messages = {(message.source, message.id): message for message in snapshot.alerts}
        self._touching: dict[str, bool] = {}
        self._about: dict[str, About] = {}
        standing = [entry for entry in self.book.entries.values() if entry.alarm.active and entry.source == SOURCE]
        self._watch = Watch(self._county, self._rules, as_ms(now), [entry.alarm_id for entry in standing])
        for entry in standing:
            self._about[entry.thing or ""] = About(entry.alarm.subject, entry.origin, entry.lon, entry.lat)
        self._of_cases = {
            entry.thing or "" for entry in standing if isinstance(self._rules.by_key.get(entry.rule or ""), CaseRule)
        }
        for reading in snapshot.readings:
            self._take(_as_reading(reading), 0)

    def turn(self) -> None:
        """Read on, look where it is time, and publish.

        Raises `StreamUnavailable` (`StreamGap` where what is missing must be loaded), `IngestAway`, `SQLAlchemyError`.
        """
        messages = self._streams.read_after(self._positions, BLOCK_MS, READ_AT_MOST)
        for message in messages:
            milliseconds, sequence = order_id(message.stream_id)
            try:
                self._take(decode_record(message.record), milliseconds << 20 | sequence)
            except msgspec.DecodeError:
                continue  # the recorder refuses it and keeps the original
        self._positions |= {message.partition: message.stream_id for message in messages}
        # While there is a backlog, what seems silent may only not have been read.
        if len(messages) < READ_AT_MOST and time.monotonic() >= self._looked_s + LOOK_EVERY_S:
            self._looked_s = time.monotonic()
            try:
                self.look(datetime.now(UTC))
            finally:  # also while SQL is away
                self._publish()

    def look(self, now: datetime) -> None:
        """Let the clock, cases, warnings and duties have their say; raises `SQLAlchemyError`."""
        now_ms = as_ms(now)
        self._put_warnings(now)
        self._watch.advance(now_ms)
        self.book.advance(now_ms)
        self._note_findings()
        self._done = {key: at_s for key, at_s in self._done.items() if time.monotonic() < at_s + REPEAT_AFTER_S}
        for entry in self.book.entries.values():
            self._do_duty(entry, now)
        changed, gone = self._cases.read(now)  # last, for SQL may be away
        for case_id in changed:
            self._put_case(self._cases.held[case_id])
        gone |= self._of_cases - self._cases.held.keys()
        self._of_cases.clear()
        for case_id in gone:
            self._watch.end_case(case_id)
        self._note_findings()
        for case_id in gone:
            self._about.pop(case_id, None)

    def catch_jumps(self) -> None:
        """Begin again where a stream ends before our position: Redis came back without its memory."""
        for partition, position in self._positions.items():
            if order_id(self._streams.describe(partition).last_id) < order_id(position):
                self._positions[partition] = START

    def _read_ahead(self) -> None:
        """Take in what the streams have of alarms beyond SQL: what has been said is not to be said again."""
        positions = dict(self._positions)
        while messages := self._streams.read_after(positions, 1, READ_AT_MOST):
            for message in messages:
                record = decode_record(message.record)
                if isinstance(record, AnyAlarm):
                    milliseconds, sequence = order_id(message.stream_id)
                    self.book.put(record.alarm_id, make_step(record, milliseconds << 20 | sequence))
            positions |= {message.partition: message.stream_id for message in messages}

    def _take(self, record: AnyRecord, order: int) -> None:
        received_ms = as_ms(record.received_at)
        if isinstance(record, Reading):
            name = self._names.get(record.asset_id) or str(record.attributes.get("name") or record.asset_id)
            self._about[record.asset_id] = About(name, record.origin, record.lon, record.lat)
            self._watch.put_reading(record)
        elif isinstance(record, AnyAlarm):
            self.book.put(record.alarm_id, make_step(record, order))
        elif isinstance(record, AlertIssued):
            self._messages[record.source, record.id] = record
        feed = name_feed(record)
        if feed in self._county.feeds:
            self._about[feed] = About(self._county.feeds[feed].name.zh, record.origin)
        self._watch.hear(feed, received_ms)

    def _put_case(self, held: Held) -> None:
        case, state = held.case, held.state
        reported_ms = as_ms(case.reported_at)
        limits = list_deadlines(self._rulebook, case.category, case.severity, reported_ms, state, held.steps)
        due_ms = next((limit.due_ms for limit in limits if limit.kind == "total"), None)
        known = self._county.categories.get(case.category)
        name = f"{known.zh if known else case.category} {case.case_id}"
        self._about[case.case_id] = About(name, _as_origin(case.origin), case.lon, case.lat)
        self._watch.put_case(
            WatchedCase(
                case_id=case.case_id,
                category=case.category,
                severity=case.severity,
                cell_code=case.cell_code,
                reported_ms=reported_ms,
                answered=state.responded_ms is not None,
                due_ms=due_ms,
            )
        )

    def _put_warnings(self, now: datetime) -> None:
        self._messages = {key: one for key, one in self._messages.items() if now < last_end_of(one) + KEPT}
        in_force = []
        for message in list_standing(self._messages.values()):
            for place, info in enumerate(message.infos):
                if end_of(message, info) > now:
                    key = name_hazard(message, place)
                    if key not in self._touching:
                        areas = ((area.polygons, area.circles, read_area_codes(area.geocodes)) for area in info.areas)
                        self._touching[key] = self._outlines.cover(areas).touches is not False
                        text = info.texts[0]
                        self._about[key] = About(text.headline or text.event, message.origin)
                    if self._touching[key]:
                        in_force.append(PublicWarning(key, info.level, message.status == "Exercise"))
        self._watch.put_warnings(in_force)

    def _note_findings(self) -> None:
        self._pending.extend(self._make_event(finding) for finding in self._watch.take())

    def _do_duty(self, entry: Entry, now: datetime) -> None:
        rule = self._rules.by_key.get(entry.rule or "")
        if rule is None or entry.alarm.state == "normal":
            return
        duty = decide(entry.alarm_id, entry.alarm, rule, as_ms(now))
        if duty is None or duty.key in self._done:
            return
        self._done[duty.key] = time.monotonic()
        details = dict(duty.details)
        if duty.action != ESCALATE:
            if not has_place(entry):
                return
            report = draft_report(entry, details.pop("category"), now)
            details["case_id"] = report["case_id"]
            self._say("case.reported", f"{duty.key} report", report, entry.origin)
        data = {"alarm_id": entry.alarm_id, "action": duty.action, "actor": ACTOR, "details": details}
        self._say("alarm.acted", duty.key, {**data, "at": now.isoformat()}, entry.origin)

    def _make_event(self, finding: Finding) -> CloudEvent:
        about = self._about.get(finding.thing) or About(finding.thing)
        data: dict[str, Any] = {
            "alarm_id": finding.alarm_id,
            "severity": finding.severity,
            "subject": f"{finding.name.zh}：{about.name}"[:500],
            "at": as_time(finding.at_ms).isoformat(),
            "actor": ACTOR,
        }
        if finding.active:
            data |= {"rule": finding.rule, "thing": finding.thing, "value": finding.value}
            data |= {"lon": about.lon, "lat": about.lat} if about.lon is not None else {"cell_code": finding.cell_code}
        name = "\0".join((finding.alarm_id, str(int(finding.active)), str(finding.at_ms)))
        id = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
        kind = "alarm.raised" if finding.active else "alarm.cleared"
        return CloudEvent(id=id, source=SOURCE, type=kind, data=data, origin=about.origin)

    def _say(self, kind: str, id: str, data: dict[str, Any], origin: Origin) -> None:
        self._pending.append(CloudEvent(id=id, source=SOURCE, type=kind, data=data, origin=origin))

    def _publish(self) -> None:
        while self._pending:
            events = [event for event, _ in zip(self._pending, range(POST_AT_ONCE), strict=False)]
            for index, reason in self._door.post(events).items():
                log.warning("ingest refused %s: %s", events[index].type, reason)
            for _ in events:
                self._pending.popleft()


def _as_reading(row: LatestReading) -> Reading:
    return Reading(
        source="",
        id="",
        received_at=row.received_at,
        origin=_as_origin(row.origin),
        feed=row.feed,
        asset_id=row.asset_id,
        observed_at=row.observed_at,
        value=row.value,
        lon=row.lon,
        lat=row.lat,
        cell_code=row.cell_code,
        attributes=row.attributes,
    )


def _as_origin(text: str) -> Origin:
    origin: Origin = msgspec.convert(text, Origin)
    return origin


def keep_watching(watcher: Watcher, lease: Lease, stop: threading.Event, sign: LifeSign) -> None:
    """Watch until `stop` is set; what is away is waited for, and said once."""
    trouble: str | None = None
    begun = False
    while not stop.is_set():
        before = trouble
        try:
            if not lease.hold():
                begun = False
                stop.wait(PAUSE_S)
            elif not begun:
                watcher.begin(datetime.now(UTC))
                begun = True
                log.info("watching")
            else:
                if trouble is not None:
                    watcher.catch_jumps()
                watcher.turn()
            trouble = None
        except StreamGap as gap:
            begun, trouble = False, str(gap)
        except (IngestAway, StreamUnavailable) as error:
            trouble = str(error)
        except SQLAlchemyError as error:
            trouble = f"the database is away: {type(error).__name__}"
        if trouble != before:
            log.log(logging.INFO if trouble is None else logging.WARNING, "%s", trouble or "at work again")
        sign.tell(trouble)
        if trouble is not None:
            stop.wait(PAUSE_S)
    lease.leave()


def check(settings: Settings) -> int:
    """Say whether the county's alarm rules can be used: 0, or `EXIT_HOPELESS` naming file, rule and field."""
    try:
        rules = read_alarm_rules(open_county(settings))
    except PackError as reason:
        log.error("%s", reason)
        return EXIT_HOPELESS
    log.info("%d alarm rules: %s", len(rules.by_key), ", ".join(rules.by_key))
    return 0


def run(settings: Settings) -> int:
    """Watch until SIGTERM or Ctrl-C; 0 then, `EXIT_HOPELESS` for what a restart cannot mend."""
    stop = stop_on_signals()
    try:
        county = open_county(settings)
        if settings.redis_url is None:
            raise SettingError("REDIS_URL must say where the streams are")
        engine = open_database(name_database(settings), read_only=True)
        client = connect(settings.redis_url)
        door = Door(settings.ingest_url, find_key(settings))
        watcher = Watcher(county, engine, Streams(client, settings.partitions), door)
        sign = LifeSign(settings.redis_url, PART)
    except (SettingError, PackError, ValueError) as reason:
        log.error("%s", reason)
        return EXIT_HOPELESS
    except (StreamUnavailable, OSError) as reason:
        log.error("%s", reason)
        return 1
    if is_history(county):
        log.info("this county's clock is its data, so nothing of it can be late: there is nothing to watch")
        while not stop.wait(PAUSE_S):
            sign.tell(None)
    else:
        keep_watching(watcher, Lease(client, PART), stop, sign)
    sign.leave()
    door.close()
    client.close()
    engine.dispose()
    return 0
