"""What the live state holds: cases, readings, workers and feeds as plain data, times in epoch milliseconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from cases.clocks import Colour
from cases.deadlines import Deadline
from cases.fold import CaseState, Step
from geo.outlines import Polygons
from ingest.records import EXERCISE
from ingest.silence import FeedState, judge_silence
from ingest.tables import as_time
from layers.contract import Title
from layers.places import Asset
from layers.series import HOUR_MS

KEEP_MS = 49 * HOUR_MS  # how long what has ended stays: two days to compare, and the hour that is running
ORIGINS = ("live", "replayed", "simulated")  # the last is the worst; an exercise is no feed's origin
NEW = CaseState()  # of a case that nobody has acted on


@dataclass(frozen=True)
class Case:
    """One case as the screens know it: no description, no person; a title is never for a wall.

    `kept_by` orders the reports of one case: the one received first counts. `clocks` are those that run for it, the one
    that ends first at the front, as far as screens need them (`cases.clocks` has the rest).
    """

    id: int
    case_id: str
    category: str
    severity: int
    channel: str
    cell: int | None
    lon: float | None
    lat: float | None
    reported_ms: int
    origin: str
    kept_by: tuple[int, str, str]
    title: str = ""
    people: int | None = None
    steps: frozenset[Step] = frozenset()
    state: CaseState = NEW
    clocks: tuple[Deadline, ...] = ()

    @property
    def first_clock(self) -> Deadline | None:
        """The clock that ends first; None without a limit."""
        return self.clocks[0] if self.clocks else None

    @property
    def whole_clock(self) -> Deadline | None:
        """The clock of the whole case; None without a limit."""
        return next((clock for clock in self.clocks if clock.kind == "total"), None)

    def clock_colour(self, now_ms: int) -> Colour | None:
        """Return the whole case's light at a moment, after its end the one at which it ended; None without a limit."""
        clock = self.whole_clock
        return clock and clock.colour(self._limit_moment(now_ms))

    def first_colour(self, now_ms: int) -> Colour | None:
        """Return the light of the clock that ends first, likewise."""
        clock = self.first_clock
        return clock and clock.colour(self._limit_moment(now_ms))

    def _limit_moment(self, now_ms: int) -> int:
        return now_ms if self.state.ended_ms is None else min(now_ms, self.state.ended_ms)

    @property
    def reported_at(self) -> datetime:
        """When it was reported, UTC."""
        return as_time(self.reported_ms)

    @property
    def is_open(self) -> bool:
        """Whether the case still needs somebody."""
        return self.state.is_open

    @property
    def is_exercise(self) -> bool:
        """Whether it belongs to an exercise: shown as such, worked on like any other, and counted nowhere."""
        return self.origin == EXERCISE


@dataclass(frozen=True)
class Sensed:
    """The newest reading of one asset of one feed; one that came twice is equal to itself."""

    asset: int
    feed: str
    observed_ms: int
    received_ms: int = field(compare=False)
    value: float | None
    attributes: Mapping[str, Any]

    @property
    def observed_at(self) -> datetime:
        """When it was observed, UTC."""
        return as_time(self.observed_ms)

    @property
    def rank(self) -> tuple[int, int, float, str]:
        """What decides which reading is kept, as in SQL: a correction of the same moment is received later."""
        value = float("-inf") if self.value is None else self.value
        return self.observed_ms, self.received_ms, value, repr(sorted(self.attributes.items()))


@dataclass(frozen=True)
class Drilled:
    """The newest reading of a sensor of an exercise: it stands beside the real ones, and in none of their figures."""

    sensed: Sensed
    name: str
    unit: str
    cell: int | None
    lon: float
    lat: float


@dataclass(frozen=True)
class Device:
    """What was said last of whether an asset's device is within reach."""

    asset: int
    at_ms: int
    online: bool

    @property
    def rank(self) -> tuple[int, bool]:
        """What decides which word is kept: the latest; of one moment, that it is within reach."""
        return self.at_ms, self.online


@dataclass(frozen=True)
class Worker:
    """Where a grid worker was seen last."""

    id: int
    worker_id: str
    at_ms: int
    on_duty: bool
    lon: float | None
    lat: float | None
    cell: int | None

    @property
    def seen_at(self) -> datetime:
        """When the worker was seen, UTC."""
        return as_time(self.at_ms)

    @property
    def rank(self) -> tuple[int, bool, float, float]:
        """What decides which place is kept."""
        return self.at_ms, self.on_duty, self.lon or 0.0, self.lat or 0.0


@dataclass(frozen=True)
class Alert:
    """One hazard of a warning as the screens show it.

    `touches` says whether its areas touch the county (None: they do not say), `polygons` where, as (lon, lat) rings.
    Where no end is stated (`end_stated` False) `ends_ms` is our own.
    """

    id: int
    level: int
    exercise: bool
    event: Title
    headline: Title
    description: Title
    instruction: Title
    area: Title
    issuer: Title
    contact: str
    web: str
    severity: str
    urgency: str
    certainty: str
    source: str
    identifier: str
    sent_ms: int
    begins_ms: int
    ends_ms: int
    end_stated: bool
    touches: bool | None
    polygons: Polygons

    @property
    def sent_at(self) -> datetime:
        """When it was sent, UTC."""
        return as_time(self.sent_ms)

    @property
    def ends_at(self) -> datetime:
        """When it is over, UTC."""
        return as_time(self.ends_ms)

    @property
    def rank(self) -> tuple[bool, int, int, int]:
        """What comes first: warnings before exercises, the worst, the newest."""
        return self.exercise, self.level, -self.sent_ms, self.id


@dataclass
class Feed:
    """The age of a source: newest moment it speaks of, last sign of life, and the same by origin."""

    key: str
    stale_after_ms: int
    newest_ms: int | None = None
    heard_ms: int | None = None
    received: int = 0
    heard_by_origin: dict[str, int] = field(default_factory=dict)

    def hear(self, received_ms: int, origin: str) -> None:
        """Take a sign of life in."""
        self.heard_ms = max(self.heard_ms or received_ms, received_ms)
        self.heard_by_origin[origin] = max(self.heard_by_origin.get(origin, received_ms), received_ms)

    def origin(self) -> str:
        """Return the worst origin heard within two days of the last message."""
        since = (self.heard_ms or 0) - KEEP_MS
        heard = [origin for origin, at_ms in self.heard_by_origin.items() if at_ms >= since]
        return max(heard, key=rank_origin, default="live")

    def state(self, now_ms: int) -> FeedState:
        """Return whether the feed speaks: late after its limit, silent after twice that."""
        return judge_silence(None if self.heard_ms is None else now_ms - self.heard_ms, self.stale_after_ms)


@dataclass
class Changes:
    """What changed since the last look: cells, features by feed, and assets never announced before."""

    cells: set[int] = field(default_factory=set)
    features: dict[str, set[int]] = field(default_factory=dict)
    assets: dict[int, Asset] = field(default_factory=dict)

    def add(self, feed: str, feature: int) -> None:
        """Note that a feature of a feed changed."""
        self.features.setdefault(feed, set()).add(feature)


def rank_origin(origin: str) -> int:
    """Return how far an origin is from being real."""
    return ORIGINS.index(origin)
