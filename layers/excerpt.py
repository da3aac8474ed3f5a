"""The live state of a part of the county: what lies in an area, or what one unit has of it.

An excerpt folds no records. It mirrors the county's state, thing by thing as they change, so it is always the
county's state restricted, whatever came late, twice or out of order.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from brain.alarm_book import Entry
from brain.alarm_rules import CaseRule
from cases.fold import CaseState, Step
from geo.county import County
from ingest.records import EXERCISE
from layers.places import Asset, feature_id
from layers.series import HOUR_MS
from layers.state import LiveState
from layers.things import Case, Changes, Feed, Worker

SHARED_FEEDS = ("cases", "workers", "alerts", "rounds")


@dataclass(frozen=True)
class Scope:
    """What somebody may see: an area by its code (empty: the county), and of its cases only a unit's (None: all)."""

    area: str = ""
    unit: str | None = None


COUNTY = Scope()


def list_units(steps: Iterable[Step], state: CaseState) -> set[str]:
    """Return the units that have or had a case; a request that was overtaken or undone has given it to nobody."""
    void = {*state.overtaken, *state.undone}
    units = {step.unit for step in steps if step.key not in void} | {part.unit for part in state.parts}
    return {unit for unit in units | {state.unit} if unit}


class Excerpt(LiveState):
    """The county's live state restricted to a scope, as of its last `follow`.

    `whole` is the county's. Warnings, their times and the hours of sensors are shared with it; whoever lets an
    excerpt advance has let the county's state advance to the same moment before.
    """

    def __init__(self, county: County, whole: LiveState, scope: Scope):
        super().__init__(county)
        self.scope = scope
        self._whole = whole
        places = self.places
        self.cells = dict.fromkeys(
            cell for cell, code in enumerate(places.cell_codes) if code.startswith(scope.area)
        ).keys()
        self.towns = sorted({town for cell in self.cells if (town := places.cell_towns[cell]) is not None})
        self.assets = {asset.id: asset for asset in places.assets if self._holds_place(asset.cell)}
        self.assets_by_kind = {}
        for asset in self.assets.values():
            self.assets_by_kind.setdefault(asset.kind, []).append(asset.id)
        self.only_assets = self.assets
        self.hours = whole.hours
        self.alert_book = whole.alert_book
        self.rounds = whole.rounds
        self.wall_orders = whole.wall_orders
        self.exercises = whole.exercises
        self.drilled_readings = whole.drilled_readings
        # A source's word on cases reaches the whole county: that a town has none is as fresh as the source.
        self.feeds |= {key: whole.feeds[key] for key in SHARED_FEEDS}
        self.devices = {id: device for id, device in whole.devices.items() if id in self.assets}
        self._take_time()
        self.follow(_name_everything(whole))

    def advance(self, now_ms: int) -> None:
        """Move the clock to where the county's stands."""
        self._take_time()
        super().advance(now_ms)

    def follow(self, changes: Changes) -> bool:
        """Mirror what has changed in the county; False if the excerpt must be made anew instead.

        That is when a sensor known only from events has left the area: layers of assets never let one go.
        """
        if any(id in self.assets and not self._holds_place(asset.cell) for id, asset in changes.assets.items()):
            return False
        for asset in changes.assets.values():
            self._mirror_asset(asset)
        for feed, features in changes.features.items():
            if feed == "cases":
                for case in features:
                    self._mirror_case(case)
            elif feed == "workers":
                for worker in features:
                    self._mirror_worker(worker)
            elif feed in ("alerts", EXERCISE):
                self._changes.features.setdefault(feed, set()).update(features)
            elif feed == "alarms":
                for alarm in features:
                    self._mirror_alarm(alarm)
            elif feed == "rounds":
                self._changes.cells.update(features.intersection(self.cells))
            else:
                for asset_id in features & self.assets.keys():
                    self._mirror_sensor(feed, asset_id)
        return True

    def holds_case(self, case: Case) -> bool:
        """Return whether a case belongs to the scope."""
        unit = self.scope.unit
        return self._holds_place(case.cell) and (unit is None or unit in list_units(case.steps, case.state))

    def holds_alarm(self, entry: Entry) -> bool:
        """Return whether an alarm belongs to the scope; of those about cases a unit has its own cases'."""
        if not self._holds_place(self.find_cell(entry.alarm.cell_code)):
            return False
        if self.scope.unit is None or not isinstance(self.alarm_rules.by_key.get(entry.rule or ""), CaseRule):
            return True
        case = self._whole.cases.get(feature_id(f"case:{entry.thing}"))
        return case is not None and self.holds_case(case)

    def _holds_place(self, cell: int | None) -> bool:
        # What lies outside the county is in the county's books alone; a unit of the county has its share of it.
        return cell in self.cells if cell is not None else not self.scope.area

    def _take_time(self) -> None:
        whole = self._whole
        self.clock_ms, self.now_ms, self.newest_ms = whole.clock_ms, whole.now_ms, whole.newest_ms

    def _mirror_asset(self, asset: Asset) -> None:
        if not self._holds_place(asset.cell):
            return
        if asset.id not in self.assets:
            self.assets_by_kind.setdefault(asset.kind, []).append(asset.id)
            for feed, latest in self._whole.readings.items():
                if asset.id in latest:
                    self._mirror_sensor(feed, asset.id)
        self.assets[asset.id] = self._changes.assets[asset.id] = asset

    def _mirror_case(self, id: int) -> None:
        known, case = self.cases.get(id), self._whole.cases.get(id)
        case = case if case and self.holds_case(case) else None
        if case is not known:
            self._replace_case(known, case)

    def _mirror_worker(self, id: int) -> None:
        worker: Worker | None = self._whole.workers.get(id)
        if worker and self._holds_place(worker.cell):
            self.put_worker(worker)
        elif self.workers.pop(id, None):
            self._changes.add("workers", id)

    def _mirror_alarm(self, id: int) -> None:
        entry = self._whole.alarms.get(id)
        if entry is not None and self.holds_alarm(entry):
            self.alarms[id] = entry
        elif self.alarms.pop(id, None) is None:
            return
        self._changes.add("alarms", id)

    def _mirror_sensor(self, feed: str, asset: int) -> None:
        whole = self._whole
        device = whole.devices.get(asset)
        if device:
            self.put_device(device)
        sensed = whole.readings.get(feed, {}).get(asset)
        if sensed is None or sensed is self.readings.get(feed, {}).get(asset):
            self._changes.add(feed, asset)  # it fell silent, or its device spoke
            return
        own = self.feeds.setdefault(feed, Feed(feed, HOUR_MS))
        own.hear(sensed.received_ms, whole.feeds[feed].origin())
        own.received += 1
        self.reach(feed, sensed.observed_ms)
        self.put_reading(sensed)


def _name_everything(state: LiveState) -> Changes:
    announced = {id: asset for id, asset in state.assets.items() if asset.announced}
    features = {feed: set(latest) for feed, latest in state.readings.items()}
    others = {"cases": set(state.cases), "workers": set(state.workers), "alarms": set(state.alarms)}
    return Changes(features=features | others, assets=announced)
