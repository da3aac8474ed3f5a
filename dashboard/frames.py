"""What the screens have been told, and the next thing to tell them: the wire format of `/live`.

`Screen` remembers what was sent last for every feature, so a delta holds only what looks different, and a
snapshot is exactly the sum of the deltas before it. The format is in `docs/architecture.md`.
"""

import heapq
import logging
import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from brain.alarm_load import is_flood
from dashboard.figures import Figures
from dashboard.incident_frames import Incidents
from dashboard.release import name_release
from dashboard.ring import Frame, FrameId
from ingest.records import WallOrdered
from ingest.tables import as_ms, as_time
from layers import LAYERS
from layers.alarm_words import find_point, name_alarm
from layers.contract import Frame as LayerFrame
from layers.contract import Layer, Paint, Spec, View
from layers.places import Asset, feature_id
from layers.state import LiveState
from layers.things import Alert, Case, Changes

CASES_IN_SNAPSHOT = 60
FIGURES_EVERY_MS = 1000
CHARTS_EVERY_MS = 5000
DECIMALS = 5  # of degrees: about a metre
# Deflate blocks that each end on a byte and refer to nothing before them may follow each other in any order,
# so all viewers share one compression of each frame; this begins their gzip stream.
GZIP_START = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

Row = tuple[float | None, int, float | None, float | None]  # value, mark, lon, lat
Message = dict[str, Any]
T = TypeVar("T")

log = logging.getLogger(__name__)


def encode_frame(id: FrameId, event: str, message: Message) -> Frame:
    """Return a message as a server-sent event, plain and compressed."""
    text = b"id: %s\nevent: %s\ndata: %s\n\n" % (str(id).encode(), event.encode(), msgspec.json.encode(message))
    return Frame(id, text, deflate(text))


def deflate(text: bytes) -> bytes:
    """Return one deflate block of its own."""
    press = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return press.compress(text) + press.flush(zlib.Z_FULL_FLUSH)


class WholeFrame:
    """The frame of every feature, kept up by frames of some: a part equals the whole restricted.

    Only for layers whose features never leave.
    """

    def __init__(self) -> None:
        self._ids: list[int] = []
        self._columns: dict[str, list[Any]] = {}
        self._places: dict[int, int] = {}
        self._newest_at: datetime | None = None

    def take(self, frame: LayerFrame, complete: bool) -> None:
        """Take a frame in: the whole one, or a part."""
        self._newest_at = frame.newest_at
        if complete:
            self._ids = list(frame.ids)
            self._columns = {name: list(column) for name, column in frame.columns.items()}
            self._places = {feature: place for place, feature in enumerate(self._ids)}
            return
        for position, feature in enumerate(frame.ids):
            place = self._places.setdefault(feature, len(self._ids))
            known = place < len(self._ids)
            if not known:
                self._ids.append(feature)
            for name, column in frame.columns.items():
                if known:
                    self._columns[name][place] = column[position]
                else:
                    self._columns[name].append(column[position])

    def frame(self) -> LayerFrame:
        """Return the whole frame; it changes with the next `take`."""
        return LayerFrame(self._ids, self._columns, self._newest_at)


class Painted:
    """One layer as the screens show it."""

    def __init__(self, layer: Layer):
        self.layer = layer
        self.rows: dict[int, Row] = {}
        self.unavailable: str | None = None
        self._complete = False
        self._whole = WholeFrame()

    def repaint(self, state: LiveState, changes: Changes) -> Message | None:
        """Return the columns of what looks different now, or None."""
        only = self._only(state, changes)
        if only is not None and not only:
            return None
        known, complete = self.unavailable, state.newest_at(self.spec.feed) is not None
        paint = self._try(lambda: self._paint(state, only))
        if paint is None:
            return None if known == self.unavailable else self._encode([], [])
        self._complete = complete
        return self._take(paint, only)

    def measure(self, state: LiveState) -> float | None:
        """Return the layer's headline value; None if it has none or fails."""
        headline = self._try(lambda: self.layer.headline(self._see_all(state)))
        return None if headline is None else headline.value

    def columns(self) -> Message:
        """Return the layer as a snapshot tells it."""
        return self._encode(list(self.rows.items()), [])

    @property
    def spec(self) -> Spec:
        """The layer's spec."""
        return self.layer.spec

    def _paint(self, state: LiveState, only: frozenset[int] | None) -> Paint:
        frame = self.layer.compute(state, View(state.as_of, only))
        if self.spec.geometry == "asset":
            self._whole.take(frame, only is None)
        return self.layer.draw(frame)

    def _see_all(self, state: LiveState) -> LayerFrame:
        if self.spec.geometry == "asset" and self._complete:
            return self._whole.frame()
        return self.layer.compute(state, View(state.as_of))

    def _only(self, state: LiveState, changes: Changes) -> frozenset[int] | None:
        """Return what to compute; None, everything, at first, when the feed is first heard and after a failure."""
        features = changes.cells if self.spec.geometry == "cell" else changes.features.get(self.spec.feed, set())
        unheard = state.newest_at(self.spec.feed) is None and bool(self.rows) and self.unavailable is None
        return frozenset(features) if self._complete or unheard else None

    def _try(self, work: Callable[[], T]) -> T | None:
        """Return what the layer's code makes, or None and a reason in `unavailable`.

        Layers are plug-ins: one that fails is shown as unavailable, and the rest goes on.
        """
        try:
            return work()
        except Exception as error:  # the one broad one: its fault must not spread
            if self.unavailable != type(error).__name__:
                log.exception("layer %s failed", self.spec.key)
            self.unavailable = type(error).__name__
            self._complete = False
            return None

    def _take(self, paint: Paint, only: frozenset[int] | None) -> Message | None:
        rows = dict(zip(paint.ids, _rows(paint), strict=True))
        changed = [(feature, row) for feature, row in rows.items() if self.rows.get(feature) != row]
        asked = self.rows.keys() if only is None else only & self.rows.keys()
        gone = [*(feature for feature in asked if feature not in rows), *paint.gone]
        self.rows.update(changed)
        for feature in gone:
            self.rows.pop(feature, None)
        recovered = self.unavailable is not None
        self.unavailable = None
        return self._encode(changed, gone, recovered) if changed or gone or recovered else None

    def _encode(self, rows: list[tuple[int, Row]], gone: list[int], recovered: bool = False) -> Message:
        columns: Message = {"ids": [id for id, _ in rows], "values": [row[0] for _, row in rows]}
        if self.spec.geometry == "point":
            columns |= {"lon": [row[2] for _, row in rows], "lat": [row[3] for _, row in rows]}
        if any(row[1] for _, row in rows) or len(self.spec.marks) > 1:
            columns["marks"] = [row[1] for _, row in rows]
        if gone:
            columns["gone"] = gone
        if self.unavailable or recovered:
            columns["unavailable"] = self.unavailable
        return columns


class Screen:
    """Everything that the screens show, kept in step with a live state."""

    def __init__(self, state: LiveState, revision: str):
        self._state = state
        self._revision = revision
        self._layers = {key: Painted(layer) for key, layer in LAYERS.items()}
        self._figures = Figures(state)
        self._incidents = Incidents(state)
        self._sent: Message = {}
        self._feeds: dict[str, Message] = {}
        self._waiting_feeds: set[str] = set()
        self._figures_ms = 0
        self._charts_ms = 0
        self._flood = False

    def delta(self, stream: str) -> Message:
        """Return what changed since the last delta, without `seq`; empty if nothing did.

        stream: `ok` or `away`, whether the hub hears the streams.
        """
        state = self._state
        changes = state.take_changes()
        message: Message = {}
        layers = {
            key: columns
            for key, painted in self._layers.items()
            if (columns := painted.repaint(state, changes)) is not None
        }
        if layers:
            message["layers"] = layers
        if changes.assets:
            message["assets"] = [_describe_asset(asset) for asset in changes.assets.values()]
        cases = [state.cases[id] for id in changes.features.get("cases", ()) if id in state.cases]
        alerts = changes.features.get("alerts")
        if alerts:
            message["alerts"] = [_describe_alert(id, state.alerts.get(id)) for id in sorted(alerts)]
        alarms = changes.features.get("alarms")
        if alarms:
            message["alarms"] = [_describe_alarm(id, state) for id in sorted(alarms)]
        if cases:
            message["cases"] = [_describe_case(case) for case in _newest(cases)]
        incidents = self._incidents.tell(changes.features.get("cases", ()))
        if incidents:
            message["incidents"] = incidents
        self._waiting_feeds |= changes.features.keys()
        charts = self._tell_charts()  # first: they bring the figures' hours up to date
        message |= self._tell_figures() | charts
        message |= self._tell_orders()
        exercise = describe_exercise(state)
        if self._sent.get("exercise", {}) != exercise:  # that there is none is told, too
            self._sent["exercise"] = message["exercise"] = exercise
        for name, value in (("origin", state.origin()), ("stream", stream), ("flood", self._flood)):
            if self._sent.get(name) != value:
                self._sent[name] = message[name] = value
        return message

    def snapshot(self) -> Message:
        """Return everything that the deltas so far have told, without `seq`.

        Cases, warnings and alarms are as they are now: what came since the last delta is in them, and in the next one.
        """
        state = self._state
        return {
            "revision": self._revision,
            "release": name_release(),
            **self._sent,
            "layers": {key: painted.columns() for key, painted in self._layers.items()},
            "assets": [_describe_asset(asset) for asset in state.assets.values() if asset.announced],
            "cases": [_describe_case(case) for case in _newest(state.cases.values())],
            "alerts": [_describe_alert(id, alert) for id, alert in state.alerts.items()],
            "alarms": [
                _describe_alarm(id, state) for id, entry in state.alarms.items() if entry.alarm.state != "normal"
            ],
            "incidents": self._incidents.snapshot(),
            "feeds": list(self._feeds.values()),
        }

    def stamp(self, id: FrameId) -> Message:
        """Return what every frame begins with."""
        state = self._state
        return {"seq": id.seq, "now": state.clock_ms // 1000, "as_of": state.newest_ms // 1000 or None}

    def _tell_figures(self) -> Message:
        """Return the figures and feeds that differ, at most once a second."""
        state = self._state
        if 0 <= state.clock_ms - self._figures_ms < FIGURES_EVERY_MS:
            return {}
        self._figures_ms = state.clock_ms
        standing = (
            entry.alarm for entry in state.alarms.values() if entry.alarm.state != "normal" and not entry.is_exercise
        )
        self._flood = is_flood(standing, state.now_ms)
        self._figures.refresh(self._waiting_feeds, lambda key: self._layers[key].measure(state))
        self._waiting_feeds = set()
        told: dict[str, Any] = self._sent.setdefault("figures", {})
        figures = {key: figure for key, figure in self._figures.figures().items() if told.get(key) != figure}
        told.update(figures)
        feeds = {key: row for key, row in self._describe_feeds().items() if self._feeds.get(key) != row}
        self._feeds.update(feeds)
        return ({"figures": figures} if figures else {}) | ({"feeds": list(feeds.values())} if feeds else {})

    def _tell_charts(self) -> Message:
        """Return the charts that differ, at most every five seconds."""
        if 0 <= self._state.clock_ms - self._charts_ms < CHARTS_EVERY_MS:
            return {}
        self._charts_ms = self._state.clock_ms
        self._figures.refresh_hours()
        told: dict[str, Any] = self._sent.setdefault("charts", {})
        charts = {key: chart for key, chart in self._figures.charts().items() if told.get(key) != chart}
        told.update(charts)
        return {"charts": charts} if charts else {}

    def _tell_orders(self) -> Message:
        """Return what was sent to walls where it differs; null where a wall is on its own again."""
        told: dict[str, Any] = self._sent.setdefault("walls", {})
        in_force = {wall: _describe_order(order, self._state) for wall, order in list_orders(self._state).items()}
        changed = {wall: order for wall, order in in_force.items() if told.get(wall) != order}
        ended = dict.fromkeys(told.keys() - in_force.keys())
        for wall in ended:
            del told[wall]
        told.update(changed)
        return {"walls": {**changed, **ended}} if changed or ended else {}

    def _describe_feeds(self) -> dict[str, Message]:
        return {
            key: {
                "key": key,
                "newest_at": None if feed.newest_ms is None else feed.newest_ms // 1000,
                "heard_at": None if feed.heard_ms is None else feed.heard_ms // 1000,
                "state": feed.state(self._state.clock_ms),
                "origin": feed.origin(),
                "received": feed.received,
            }
            for key, feed in self._state.feeds.items()
        }


def describe_exercise(state: LiveState) -> Message | None:
    """Return the exercise that runs, as every screen says it; None where there is none. Nobody's name is in it."""
    running = state.exercises.find_running(state.clock_ms)
    if running is None:
        return None
    ends = as_time(running.ends_ms).astimezone(state.time_zone)
    return {"name": running.begun.name, "until": running.ends_ms // 1000, "ends": f"{ends:%H:%M}"}


def list_orders(state: LiveState) -> dict[str, WallOrdered]:
    """Return the orders in force, by wall."""
    return {
        wall: order
        for wall, order in state.wall_orders.items()
        if order.order != "release" and (order.until is None or as_ms(order.until) > state.clock_ms)
    }


def _describe_order(order: WallOrdered, state: LiveState) -> Message:
    """Return what a wall is to show; a case as lists on walls tell it, null where it is not the scope's to see."""
    told: Message = {
        "order": order.order,
        "role": order.role,
        "at": as_ms(order.at) // 1000,
        "until": None if order.until is None else as_ms(order.until) // 1000,
    }
    match order.order:
        case "scene":
            told["scene"] = order.scene
        case "place":
            title = state.places.area_titles.get(order.place or "")
            told |= {"place": order.place, "lon": order.lon, "lat": order.lat, "zoom": order.zoom}
            told["name"] = None if title is None else {"zh": title.zh, "en": title.en}
        case _:
            case = state.cases.get(feature_id(f"case:{order.case_id}"))
            told["case"] = None if case is None else _describe_case(case)
    return told


def _rows(paint: Paint) -> list[Row]:
    blank = [None] * len(paint.ids)
    marks = paint.marks or [0] * len(paint.ids)
    lon, lat = (
        blank if degrees is None else [round(d, DECIMALS) for d in degrees] for degrees in (paint.lon, paint.lat)
    )
    return list(zip(paint.values, marks, lon, lat, strict=True))


def _newest(cases: Any) -> list[Case]:
    return heapq.nlargest(CASES_IN_SNAPSHOT, cases, key=lambda case: (case.reported_ms, case.id))


def _describe_case(case: Case) -> Message:
    clock = case.whole_clock
    told = {
        "id": case.id,
        "case_id": case.case_id,
        "category": case.category,
        "severity": case.severity,
        "state": case.state.state,
        "channel": case.channel,
        "cell": case.cell,
        "lon": None if case.lon is None else round(case.lon, DECIMALS),
        "lat": None if case.lat is None else round(case.lat, DECIMALS),
        "reported_at": case.reported_ms // 1000,
        "near_at": None if clock is None or clock.near_ms is None else clock.near_ms // 1000,
        "due_at": None if clock is None or clock.due_ms is None else clock.due_ms // 1000,
        "stopped": clock is not None and clock.stopped,
    }
    return told | {"exercise": True} if case.is_exercise else told


def _describe_alert(id: int, alert: Alert | None) -> Message:
    """Return what a wall shows of a warning, its outline with it; None is one that counts no more."""
    if alert is None:
        return {"id": id, "over": True}
    return {
        "id": id,
        "level": alert.level,
        "exercise": alert.exercise,
        "event": alert.event.zh,
        "event_en": alert.event.en,
        "headline": alert.headline.zh,
        "headline_en": alert.headline.en,
        "area": alert.area.zh,
        "area_en": alert.area.en,
        "issuer": alert.issuer.zh,
        "issuer_en": alert.issuer.en,
        "sent_at": alert.sent_ms // 1000,
        "begins_at": alert.begins_ms // 1000,
        "ends_at": alert.ends_ms // 1000 if alert.end_stated else None,
        "outline": alert.polygons,
    }


def _describe_alarm(id: int, state: LiveState) -> Message:
    """Return what a wall shows of an alarm: nobody's name, and no case's title."""
    entry = state.alarms.get(id)
    if entry is None or entry.alarm.state == "normal":
        return {"id": id, "over": True}
    alarm, words = entry.alarm, name_alarm(state, entry)
    place = find_point(state, entry)
    return {
        "id": id,
        "severity": alarm.severity,
        "state": alarm.state,
        "rule": entry.rule,
        "name": words.name.zh,
        "name_en": words.name.en,
        "thing": words.thing.zh,
        "thing_en": words.thing.en,
        "place": words.place.zh,
        "place_en": words.place.en,
        "raised_at": None if alarm.raised_ms is None else alarm.raised_ms // 1000,
        "seen_at": None if alarm.seen_ms is None else alarm.seen_ms // 1000,
        "count": 1 + alarm.repeats,
        "acked": alarm.acked,
        "shelved_until": None if (ends_ms := alarm.find_shelf_end(state.now_ms)) is None else ends_ms // 1000,
        "lon": None if place is None else round(place[0], DECIMALS),
        "lat": None if place is None else round(place[1], DECIMALS),
        "simulated": entry.origin == "simulated",
        "exercise": entry.is_exercise,
    }


def _describe_asset(asset: Asset) -> Message:
    return {
        "id": asset.id,
        "asset_id": asset.asset_id,
        "kind": asset.kind,
        "name": asset.name.zh,
        "name_en": asset.name.en,
        "lon": round(asset.lon, DECIMALS),
        "lat": round(asset.lat, DECIMALS),
    }
