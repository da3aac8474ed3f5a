"""The live state of a county: plain data, folded from records, without clock or I/O.

A fold here is a function of the *set* of records: late, repeated and out-of-order records leave the same state
as the same records once and in order. That holds because each thing keeps only a maximum (the newest reading,
the earliest report, all actions) and every count is taken back and made again when its thing changes.
Times inside are epoch milliseconds, as in SQL.
"""

import heapq
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import datetime

from brain.alarm_book import AlarmBook, Entry, make_step
from brain.alarm_rules import read_alarm_rules
from cases.clocks import Colour
from cases.deadlines import list_deadlines
from cases.duplicate_index import DuplicateIndex
from cases.duplicates import read_rules
from cases.fold import Step, fold
from cases.rounds import Cared
from cases.rulebook import read_rulebook
from geo.county import County
from ingest.answers import LatestReading
from ingest.case_state import REOPENING, make_action_key
from ingest.records import (
    EXERCISE,
    AlarmAcked,
    AlarmActed,
    AlarmCleared,
    AlarmRaised,
    AlertIssued,
    AnyRecord,
    CaseActed,
    CaseReported,
    DeviceSeen,
    ExerciseBegun,
    ExerciseEnded,
    Reading,
    TaskChecked,
    WallOrdered,
    WorkerLocated,
)
from ingest.rows.rounds import Check
from ingest.tables import as_ms, as_time
from layers.alert_book import AlertBook
from layers.alike import as_report
from layers.case_columns import CaseColumns
from layers.contract import Title
from layers.exercise_book import Exercise, ExerciseBook
from layers.places import KIND_OF_FEED, Asset, Places, feature_id, index_places
from layers.rounds_book import RoundsBook
from layers.series import HOUR_MS, HourlyLast, QuarterCounts
from layers.things import KEEP_MS, Alert, Case, Changes, Device, Drilled, Feed, Sensed, Worker, rank_origin

MOST_ORPHANS = 50_000  # actions whose report has not come
MOST_FORGOTTEN = 200_000  # ended cases that left, remembered so that a repeat does not bring them back
MOST_ANNOUNCED = 100_000  # assets known only from events
SEVERE = 2  # severities 1 and 2
LOCAL = "local"  # the sender that is our own desk


class LiveState:
    """Everything the layers draw, by feature id; see the module for what the fold promises."""

    def __init__(self, county: County):
        profile = county.profile
        self.places: Places = index_places(county)
        self.thresholds = profile.thresholds
        self.rulebook = read_rulebook(county)
        self.time_zone = county.time_zone
        self.data_clock = profile.clock_anchor == "data"
        self.heat_ms = int(profile.heat_window.total_seconds() * 1000)
        self.keep_ms = max(KEEP_MS, self.heat_ms)
        self.categories = {code: Title(row.zh, row.en) for code, row in profile.categories.items()}
        self.feed_titles = {key: Title(feed.name.zh, feed.name.en) for key, feed in profile.feeds.items()}
        self.units = {code: Title(row.zh, row.en) for code, row in profile.units.items()}
        self.feeds = {key: Feed(key, int(row.stale_after.total_seconds() * 1000)) for key, row in profile.feeds.items()}

        self.clock_ms = 0
        self.now_ms = 0
        self.newest_ms = 0
        self.cases: dict[int, Case] = {}
        self.hot: set[int] = set()
        self.open_by_cell: dict[int, list[int]] = {}
        self.open_by_town: Counter[int | None] = Counter()
        self.open_by_category: Counter[str] = Counter()
        self.open_by_severity: Counter[int] = Counter()
        self.open_by_light: Counter[Colour | None] = Counter()
        self.counts = {
            name: QuarterCounts() for name in ("reported", "closed", "severe_reported", "severe_closed", "answered")
        }
        self.readings: dict[str, dict[int, Sensed]] = {}
        self.hours: dict[str, HourlyLast] = {"waste": HourlyLast(), "traffic": HourlyLast()}
        self.workers: dict[int, Worker] = {}
        self.devices: dict[int, Device] = {}
        self.alert_book = AlertBook(county)
        self.alarm_rules = read_alarm_rules(county)
        self.alarm_book = AlarmBook()
        self.alarms: dict[int, Entry] = {}
        self.rounds = RoundsBook(county)
        self.wall_orders: dict[str, WallOrdered] = {}
        self.exercises = ExerciseBook()
        self._running: Exercise | None = None
        self.drilled_cases: set[int] = set()
        self.drilled_readings: dict[int, Drilled] = {}
        self.cells: Collection[int] = range(len(self.places.cell_codes))
        self.towns: Collection[int] = range(len(self.places.town_codes))
        self.only_assets: Collection[int] | None = None
        self.assets: dict[int, Asset] = {}
        self.assets_by_kind: dict[str, list[int]] = {}
        for asset in self.places.assets:
            self.assets[asset.id] = asset
            self.assets_by_kind.setdefault(asset.kind, []).append(asset.id)

        self._duplicate_rules = read_rules(county.case_settings)
        self._duplicates: DuplicateIndex | None = None
        self._columns: CaseColumns | None = None
        self.merged: dict[str, set[str]] = {}
        self._orphans: dict[str, frozenset[Step]] = {}
        self._forgotten: dict[int, None] = {}
        self._announced: dict[int, tuple[int, float, float]] = {}
        self._heat_ends: list[tuple[int, int]] = []
        self._forget_at: list[tuple[int, int]] = []
        self._turn_at: list[tuple[int, int]] = []
        self._lights: dict[int, Colour | None] = {}
        self._silent_at: list[tuple[int, str, int]] = []
        self._watched: set[tuple[str, int]] = set()
        self._changes = Changes()
        self.reopened_after_leaving = False

    # -- folding ------------------------------------------------------------------------------------------

    def apply(self, record: AnyRecord, order: int = 0) -> None:
        """Fold one record in; `order` ranks actions of the same moment and grows along the stream."""
        if isinstance(record, CaseReported):
            self._fold_report(record)
        elif isinstance(record, CaseActed):
            self._fold_action(record, order)
        elif isinstance(record, Reading):
            self._fold_reading(record)
        elif isinstance(record, WorkerLocated):
            self._fold_worker(record)
        elif isinstance(record, DeviceSeen):
            self.put_device(Device(self.identify_asset(record.asset_id), as_ms(record.at), record.online))
        elif isinstance(record, AlertIssued):
            self._fold_alert(record)
        elif isinstance(record, AlarmRaised | AlarmAcked | AlarmCleared | AlarmActed):
            self.put_alarm_step(record.alarm_id, make_step(record, order))
        elif isinstance(record, TaskChecked):
            self._fold_check(record)
        elif isinstance(record, WallOrdered):
            self.put_order(record)
        elif isinstance(record, ExerciseBegun | ExerciseEnded):
            self.put_exercise(record)

    def put_case(self, case: Case) -> None:
        """Take a case in, from a report or from SQL; actions that came before it are added."""
        if case.id in self._forgotten:
            return
        known = self.cases.get(case.id)
        steps = case.steps | self._orphans.pop(case.case_id, frozenset())
        if known:
            steps |= known.steps
            if known.kept_by < case.kept_by:
                case = known
        self._replace_case(known, self._fold_steps(case, steps))

    def put_step(self, case_id: str, step: Step) -> None:
        """Take one action of a case in, whether or not its report is known."""
        identity = feature_id("case:" + case_id)
        case = self.cases.get(identity)
        if case:
            if step not in case.steps:
                self._replace_case(case, self._fold_steps(case, case.steps | {step}))
            return
        self.reopened_after_leaving |= step.action in REOPENING
        if identity not in self._forgotten:
            self._orphans[case_id] = self._orphans.pop(case_id, frozenset()) | {step}
            if len(self._orphans) > MOST_ORPHANS:
                del self._orphans[next(iter(self._orphans))]

    def put_reading(self, sensed: Sensed) -> None:
        """Take a reading in; an older one than what is known only fills its hour."""
        if sensed.value is not None and sensed.feed in self.hours:
            self.hours[sensed.feed].put(sensed.asset, sensed.observed_ms, sensed.value)
        latest = self.readings.setdefault(sensed.feed, {})
        known = latest.get(sensed.asset)
        if known and (known.observed_ms > sensed.observed_ms or known.rank >= sensed.rank):
            return
        latest[sensed.asset] = sensed
        self._changes.add(sensed.feed, sensed.asset)
        self._watch(sensed.feed, sensed.asset, sensed.observed_ms)

    def put_worker(self, worker: Worker) -> None:
        """Take a worker's place in, if it is the newest one."""
        known = self.workers.get(worker.id)
        if known and known.rank >= worker.rank:
            return
        self.workers[worker.id] = worker
        self._changes.add("workers", worker.id)
        self._watch("workers", worker.id, worker.at_ms)

    def put_check(self, check: Check) -> None:
        """Take a check-in on a round in."""
        self.hear("rounds", as_ms(check.at), as_ms(check.received_at or check.at), check.origin)
        if self.rounds.put(check):
            self._note_rounds({check.cell_code})

    def put_entries(self, entries: Iterable[Cared]) -> None:
        """Take over whom visits are due to, in the place of those known before."""
        self._note_rounds(self.rounds.put_entries(entries))

    def put_order(self, order: WallOrdered) -> None:
        """Take an order to a wall in, if it is the latest; only our own desk knows who may give one."""
        known = self.wall_orders.get(order.wall)
        if order.sender == LOCAL and (known is None or _rank_order(known) < _rank_order(order)):
            self.wall_orders[order.wall] = order

    def put_exercise(self, record: ExerciseBegun | ExerciseEnded) -> None:
        """Take in that an exercise began or ended; only our own desk knows who may say so."""
        if record.sender == LOCAL:
            self.exercises.put(record)

    def put_drilled(self, drilled: Drilled) -> None:
        """Take in a reading of an exercise, if it is its sensor's newest."""
        known = self.drilled_readings.get(drilled.sensed.asset)
        if known is None and len(self.drilled_readings) >= MOST_ANNOUNCED:
            return
        if known is None or known.sensed.rank < drilled.sensed.rank:
            self.drilled_readings[drilled.sensed.asset] = drilled
            self._changes.add(EXERCISE, drilled.sensed.asset)

    def put_alarm_step(self, alarm_id: str, step: Step) -> None:
        """Take an action of an alarm in. Alarms are no feed: that there is none is no silence."""
        if self.alarm_book.put(alarm_id, step):
            self._show_alarm(alarm_id)

    def put_device(self, device: Device) -> None:
        """Take word of whether a device is within reach in, if it is the newest."""
        known = self.devices.get(device.asset)
        if known and known.rank >= device.rank:
            return
        self.devices[device.asset] = device
        asset = self.assets.get(device.asset)
        for feed in self.feeds:
            if device.asset in self.readings.get(feed, ()) or (asset and asset.kind == KIND_OF_FEED.get(feed, feed)):
                self._changes.add(feed, device.asset)

    def find_asset(
        self, feed: str, asset_id: str, place: tuple[int, float | None, float | None], name: str, cell: int | None
    ) -> int:
        """Return the feature id of an asset, announcing one that only events know.

        place: when (epoch ms) it was at which lon, lat; None where the reading has no place. cell: where that is.
        """
        identity = self.identify_asset(asset_id)
        if asset_id in self.places.asset_of_name:
            return identity
        at_ms, lon, lat = place
        if lon is not None and lat is not None and (at_ms, lon, lat) > self._announced.get(identity, (-1, 0.0, 0.0)):
            self._announce(identity, feed, asset_id, (at_ms, lon, lat), name, cell)
        return identity

    def identify_asset(self, asset_id: str) -> int:
        """Return the feature id of an asset: its position in the pack, or the hash of its name."""
        position = self.places.asset_of_name.get(asset_id)
        return feature_id("asset:" + asset_id) if position is None else position

    def find_cell(self, code: str | None) -> int | None:
        """Return the feature id of a cell; None for none and for one that is not in the pack."""
        return None if code is None else self.places.cell_of_code.get(code)

    def hear(self, key: str, at_ms: int, received_ms: int, origin: str) -> None:
        """Note a sign of life of a feed; a feed that nobody declared is listed too. By an exercise no feed speaks."""
        if origin == EXERCISE:
            return
        self.feeds.setdefault(key, Feed(key, HOUR_MS)).hear(received_ms, origin)
        self.reach(key, at_ms)

    def reach(self, key: str, at_ms: int) -> None:
        """Note the newest moment that a feed speaks of."""
        feed = self.feeds[key]
        feed.newest_ms = at_ms if feed.newest_ms is None else max(feed.newest_ms, at_ms)
        self.newest_ms = max(self.newest_ms, at_ms)

    def advance(self, now_ms: int) -> None:
        """Move the clock: let windows end, sensors fall silent and what is over leave.

        In a county whose clock is its data, the moment is the newest record's, whatever `now_ms` says.
        """
        self.clock_ms = now_ms
        self.now_ms = self.newest_ms if self.data_clock and self.newest_ms else now_ms
        self._cool()
        self._turn()
        self._forget()
        self._fall_silent()
        for alert in self.alert_book.advance(self.now_ms):
            self._changes.add("alerts", alert)
        for alarm_id in self.alarm_book.advance(self.now_ms):
            self._show_alarm(alarm_id)
        if self.rounds.advance(self.now_ms) and self.feeds["rounds"].newest_ms is not None:
            self._note_rounds(self.places.cell_codes)
        for table in self.hours.values():
            table.forget_before(self.now_ms - KEEP_MS)
        running = self.exercises.find_running(self.clock_ms)
        if running != self._running:
            self._running = running
            for asset in self.drilled_readings:  # they are shown while it runs
                self._changes.add(EXERCISE, asset)

    @property
    def changes(self) -> Changes:
        """What has changed since `take_changes`."""
        return self._changes

    def take_changes(self) -> Changes:
        """Return what changed since the last call, and start anew."""
        changes, self._changes = self._changes, Changes()
        return changes

    # -- asking -------------------------------------------------------------------------------------------

    @property
    def alerts(self) -> dict[int, Alert]:
        """The warnings in force that are shown, the worst first."""
        return self.alert_book.shown

    @property
    def as_of(self) -> datetime:
        """The moment the state stands at."""
        return as_time(self.now_ms)

    def stale_ms(self, feed: str) -> int:
        """Return after how long without a reading a sensor of this feed is late."""
        return self.feeds[feed].stale_after_ms

    def is_silent(self, feed: str, seen_ms: int | None) -> bool:
        """Return whether something was never seen, or not for twice its feed's limit."""
        return seen_ms is None or self.now_ms - seen_ms > 2 * self.stale_ms(feed)

    def offline_at(self, feed: str, asset: int) -> datetime | None:
        """Return since when a device is out of reach; None where it is not, or has sent a reading since."""
        device = self.devices.get(asset)
        if device is None or device.online:
            return None
        reading = self.readings.get(feed, {}).get(asset)
        return None if reading and reading.observed_ms > device.at_ms else as_time(device.at_ms)

    def newest_at(self, feed: str) -> datetime | None:
        """Return the newest moment that a feed speaks of; None for alarms, which are no feed."""
        newest_ms = self.feeds[feed].newest_ms if feed in self.feeds else None
        return None if newest_ms is None else as_time(newest_ms)

    def origin(self) -> str:
        """Return the worst origin on screen."""
        return max((feed.origin() for feed in self.feeds.values() if feed.heard_ms), key=rank_origin, default="live")

    def pick_assets(self, kinds: Collection[str], only: Collection[int] | None) -> list[int]:
        """Return the feature ids of the assets of some kinds, of all or of those asked for."""
        if only is None:
            return [asset for kind in kinds for asset in self.assets_by_kind.get(kind, ())]
        known = sorted(self.assets.keys() & only)
        return [asset for asset in known if self.assets[asset].kind in kinds]

    @property
    def duplicates(self) -> DuplicateIndex:
        """Where to look for cases that tell of the same thing; made when it is first asked for, then kept up."""
        if self._duplicates is None:
            self._duplicates = DuplicateIndex(self._duplicate_rules)
            for case in self.cases.values():
                self._index(self._duplicates, None, case)
        return self._duplicates

    @property
    def columns(self) -> CaseColumns:
        """The cases as columns, to find and order many of them at once; made when first asked for, then kept up."""
        if self._columns is None:
            self._columns = CaseColumns(self.places, self.categories, self.rulebook)
            for case in self.cases.values():
                self._columns.put(case)
        return self._columns

    def place_of(self, cell: int | None) -> Title | None:
        """Return the name of a cell's place; None outside the county."""
        return None if cell is None else self.places.cell_titles[cell]

    def facts(self) -> dict[str, object]:
        """Return everything that the fold promises to be the same for the same set of records."""
        return {
            "cases": {identity: replace(case, steps=frozenset()) for identity, case in self.cases.items()},
            "hot": self.hot,
            "open_by_cell": self.open_by_cell,
            "open_by_town": +self.open_by_town,
            "open_by_category": +self.open_by_category,
            "open_by_severity": +self.open_by_severity,
            "counts": {name: dict(series.counts) for name, series in self.counts.items()},
            "readings": self.readings,
            "hours": {feed: table.hours for feed, table in self.hours.items()},
            "workers": self.workers,
            "devices": self.devices,
            "alerts": self.alerts,
            "alarms": self.alarms,
            "rounds": dict(self.rounds.checks),
            "wall_orders": self.wall_orders,
            "exercises": self.exercises.facts(),
            "drilled_cases": self.drilled_cases,
            "drilled_readings": self.drilled_readings,
            "assets": self.assets,
            "feeds": {key: replace(feed, received=0) for key, feed in self.feeds.items()},
        }

    # -- inside -------------------------------------------------------------------------------------------

    def _receive(self, key: str, at_ms: int, record: AnyRecord) -> None:
        """Count what came of a feed, and note its sign of life."""
        self.hear(key, at_ms, as_ms(record.received_at), record.origin)
        if record.origin != EXERCISE:
            self.feeds[key].received += 1

    def _fold_report(self, record: CaseReported) -> None:
        reported_ms, received_ms = as_ms(record.reported_at), as_ms(record.received_at)
        self._receive("cases", reported_ms, record)
        self.put_case(
            Case(
                id=feature_id("case:" + record.case_id),
                case_id=record.case_id,
                category=record.category,
                severity=min(max(record.severity, 1), 4),
                channel=record.channel,
                cell=self.find_cell(record.cell_code),
                lon=record.lon,
                lat=record.lat,
                reported_ms=reported_ms,
                origin=record.origin,
                kept_by=(received_ms, record.source, record.id),
                title=record.title,
                people=record.people,
            )
        )

    def _fold_action(self, record: CaseActed, order: int) -> None:
        at_ms = as_ms(record.at)
        self._receive("cases", at_ms, record)
        key = make_action_key(record.source, record.id)
        step = Step(at_ms, order, record.action, record.unit, record.actor, record.details, key)
        self.put_step(record.case_id, step)

    def _fold_reading(self, record: Reading) -> None:
        observed_ms, received_ms = as_ms(record.observed_at), as_ms(record.received_at)
        if record.origin == EXERCISE:
            self.put_drilled(make_drilled(self, record))
            return
        self._receive(record.feed, observed_ms, record)
        name = str(record.attributes.get("name") or record.asset_id)
        place = (observed_ms, record.lon, record.lat)
        asset = self.find_asset(record.feed, record.asset_id, place, name, self.find_cell(record.cell_code))
        self.put_reading(Sensed(asset, record.feed, observed_ms, received_ms, record.value, record.attributes))

    def _fold_worker(self, record: WorkerLocated) -> None:
        at_ms = as_ms(record.at)
        self._receive("workers", at_ms, record)
        identity = feature_id("worker:" + record.worker_id)
        place = record.lon, record.lat, self.find_cell(record.cell_code)
        self.put_worker(Worker(identity, record.worker_id, at_ms, record.on_duty, *place))

    def _fold_alert(self, record: AlertIssued) -> None:
        self._receive("alerts", as_ms(record.sent), record)
        self.alert_book.put(record)

    def _fold_check(self, record: TaskChecked) -> None:
        self.feeds["rounds"].received += 1
        self.put_check(
            Check(
                record.plan,
                record.task_cell,
                record.worker,
                record.at,
                record.person,
                origin=record.origin,
                received_at=record.received_at,
            )
        )

    def _show_alarm(self, alarm_id: str) -> None:
        """Show an alarm as the book has it, or let it go."""
        identity, entry = feature_id("alarm:" + alarm_id), self.alarm_book.entries.get(alarm_id)
        if entry is None:
            self.alarms.pop(identity, None)
        else:
            self.alarms[identity] = entry
        self._changes.add("alarms", identity)

    def _note_rounds(self, codes: Iterable[str]) -> None:
        """Note that the rounds of some cells have changed."""
        for cell in map(self.find_cell, codes):
            if cell is not None:
                self._changes.add("rounds", cell)
                self._changes.cells.add(cell)

    def _fold_steps(self, case: Case, steps: frozenset[Step]) -> Case:
        state = fold(self.rulebook.flow_of(case.category), steps)
        clocks = list_deadlines(self.rulebook, case.category, case.severity, case.reported_ms, state, steps)
        return replace(case, steps=steps, state=state, clocks=clocks)

    def _replace_case(self, old: Case | None, new: Case | None) -> None:
        """Take the old case's counts back and count the new one."""
        if old == new:
            return
        for case, by in ((old, -1), (new, 1)):
            if case:
                if not case.is_exercise:
                    self._count(case, by)
                self._note_merged(case, by)
                self._changes.add("cases", case.id)
                if case.cell is not None:
                    self._changes.cells.add(case.cell)
        self._note_drilled(old, new)
        if new:
            self.cases[new.id] = new
            self._schedule(old, new)
            self._light(new)
        elif old:
            del self.cases[old.id]
            self.hot.discard(old.id)
        if self._duplicates is not None:
            self._index(self._duplicates, old, new)
        if self._columns is not None:
            if new:
                self._columns.put(new)
            elif old:
                self._columns.remove(old.id)

    def _note_drilled(self, old: Case | None, new: Case | None) -> None:
        """Know the cases of exercises: they are drawn apart from the real ones."""
        if new and new.is_exercise:
            self.drilled_cases.add(new.id)
            self._changes.add(EXERCISE, new.id)
        elif old and old.is_exercise:
            self.drilled_cases.discard(old.id)
            self._changes.add(EXERCISE, old.id)

    def _note_merged(self, case: Case, by: int) -> None:
        """Note for which case another stands, or that it does so no longer."""
        into = case.state.merged_into
        if into is None:
            return
        if by > 0:
            self.merged.setdefault(into, set()).add(case.case_id)
        else:
            self.merged[into].remove(case.case_id)
            if not self.merged[into]:
                del self.merged[into]

    def _index(self, index: DuplicateIndex, old: Case | None, new: Case | None) -> None:
        """Put a case where its duplicates are looked for, or take it away."""
        # Of merged cases the one that stands for them is compared, and no exercise with what is real.
        if new and new.state.merged_into is None and not new.is_exercise:
            index.put(as_report(new, self.places))
        elif old:
            index.remove(old.case_id)

    def _schedule(self, old: Case | None, case: Case) -> None:
        """Put a case on the heat map if its window is open; note when it cools, its light changes and it may leave."""
        cools_ms = case.reported_ms + self.heat_ms
        is_hot = cools_ms > self.now_ms and not case.is_exercise
        if is_hot and (old is None or old.reported_ms != case.reported_ms):
            self.hot.add(case.id)
            heapq.heappush(self._heat_ends, (cools_ms, case.id))
        if case.is_open:
            for turns_ms in _list_turns(case):
                if turns_ms >= self.now_ms:
                    heapq.heappush(self._turn_at, (turns_ms + 1, case.id))
        if not case.is_open:
            heapq.heappush(self._forget_at, (self._leaves_ms(case), case.id))

    def _leaves_ms(self, case: Case) -> int:
        return max(case.reported_ms + self.keep_ms, (case.state.ended_ms or 0) + KEEP_MS)

    def _count(self, case: Case, by: int) -> None:
        severe = case.severity <= SEVERE
        self.counts["reported"].add(case.reported_ms, by)
        if severe:
            self.counts["severe_reported"].add(case.reported_ms, by)
        if case.state.ended_ms is not None:
            self.counts["closed"].add(case.state.ended_ms, by)
            self.counts["answered"].add(case.reported_ms, by)
            if severe:
                self.counts["severe_closed"].add(case.state.ended_ms, by)
            return
        self.open_by_category[case.category] += by
        self.open_by_severity[case.severity] += by
        self.open_by_town[None if case.cell is None else self.places.cell_towns[case.cell]] += by
        if case.cell is not None:
            by_severity = self.open_by_cell.setdefault(case.cell, [0, 0, 0, 0])
            by_severity[case.severity - 1] += by
            if not any(by_severity):
                del self.open_by_cell[case.cell]

    def _announce(
        self, identity: int, feed: str, asset_id: str, place: tuple[int, float, float], name: str, cell: int | None
    ) -> None:
        if identity not in self.assets:
            if len(self._announced) >= MOST_ANNOUNCED:
                return
            self.assets_by_kind.setdefault(KIND_OF_FEED.get(feed, feed), []).append(identity)
        self._announced[identity] = place
        known = self.assets.get(identity)
        kind, title = KIND_OF_FEED.get(feed, feed), Title(name, name)
        asset = Asset(identity, asset_id, kind, title, place[1], place[2], cell, announced=True)
        if asset != known:
            self.assets[identity] = asset
            self._changes.assets[identity] = asset

    def _watch(self, feed: str, feature: int, seen_ms: int) -> None:
        """Note when a sensor or worker falls silent; one note each, renewed when it comes due."""
        if (feed, feature) not in self._watched:
            self._watched.add((feed, feature))
            heapq.heappush(self._silent_at, (seen_ms + 2 * self.stale_ms(feed) + 1, feed, feature))

    def _cool(self) -> None:
        while self._heat_ends and self._heat_ends[0][0] <= self.now_ms:
            _, identity = heapq.heappop(self._heat_ends)
            case = self.cases.get(identity)
            if identity in self.hot and (case is None or case.reported_ms + self.heat_ms <= self.now_ms):
                self.hot.discard(identity)
                self._changes.add("cases", identity)

    def _turn(self) -> None:
        """Name the cases whose clocks have become yellow or red: nothing else has told the screens."""
        while self._turn_at and self._turn_at[0][0] <= self.now_ms:
            turned_ms, identity = heapq.heappop(self._turn_at)
            case = self.cases.get(identity)
            if case and case.is_open and turned_ms - 1 in _list_turns(case):
                self._changes.add("cases", identity)
                self._light(case)

    def _light(self, case: Case) -> None:
        """Count an open case by the light of its clock as of now, and no longer by the one before."""
        if case.id in self._lights:
            self.open_by_light[self._lights.pop(case.id)] -= 1
        if case.is_open and not case.is_exercise:
            light = self._lights[case.id] = case.clock_colour(self.now_ms)
            self.open_by_light[light] += 1

    def _forget(self) -> None:
        while self._forget_at and self._forget_at[0][0] <= self.now_ms:
            _, identity = heapq.heappop(self._forget_at)
            case = self.cases.get(identity)
            if case and not case.is_open and self._leaves_ms(case) <= self.now_ms:
                self._replace_case(case, None)
                self._forgotten[identity] = None
        while len(self._forgotten) > MOST_FORGOTTEN:
            del self._forgotten[next(iter(self._forgotten))]

    def _fall_silent(self) -> None:
        while self._silent_at and self._silent_at[0][0] <= self.now_ms:
            _, feed, feature = heapq.heappop(self._silent_at)
            self._watched.discard((feed, feature))
            seen_ms = self._seen_ms(feed, feature)
            if seen_ms is None or self.is_silent(feed, seen_ms):
                self._changes.add(feed, feature)
            else:
                self._watch(feed, feature, seen_ms)

    def _seen_ms(self, feed: str, feature: int) -> int | None:
        """Return when something was seen; None for a worker who has left an excerpt's area."""
        if feed == "workers":
            worker = self.workers.get(feature)
            return worker.at_ms if worker else None
        return self.readings[feed][feature].observed_ms


def make_drilled(state: LiveState, reading: Reading | LatestReading) -> Drilled:
    """Return a reading of an exercise as the live state keeps it."""
    asset, name = feature_id("asset:" + reading.asset_id), str(reading.attributes.get("name") or reading.asset_id)
    observed_ms, received_ms = as_ms(reading.observed_at), as_ms(reading.received_at)
    sensed = Sensed(asset, reading.feed, observed_ms, received_ms, reading.value, reading.attributes)
    unit, cell = reading.unit or "", state.find_cell(reading.cell_code)
    return Drilled(sensed, name, unit, cell, reading.lon or 0.0, reading.lat or 0.0)


def _rank_order(order: WallOrdered) -> tuple[datetime, str, str]:
    return order.at, order.source, order.id


def _list_turns(case: Case) -> set[int]:
    """Return the moments (epoch ms) after which the light of one of its clocks changes."""
    return {ms for clock in case.clocks for ms in (clock.near_ms, clock.due_ms) if ms is not None}
