"""The simulator: sends the events of an invented county to ingest, first of the days past, then as they happen."""

import argparse
import logging
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import msgspec

from geo.county import County, PackError
from ingest.keys import find_key
from ingest.pack import open_county
from ingest.sender import BATCH_SIZE, CloudEvent, Sender, SendError, SendStoppedError, stop_on_signals
from ingest.settings import SettingError, Settings
from ingest.simulation.air import Air
from ingest.simulation.bins import Bins
from ingest.simulation.cases import Cases
from ingest.simulation.declared import Declared
from ingest.simulation.rounds import Rounds
from ingest.simulation.schedule import LIVE, RECENT, THINNED, Cadence, Happening, write_time
from ingest.simulation.traffic import Traffic
from ingest.simulation.water import Water
from ingest.simulation.weather import Weather
from ingest.simulation.workers import Workers
from ingest.supervisor import EXIT_HOPELESS

log = logging.getLogger(__name__)

SOURCE = "urn:county-brain:simulator"
SEED = 1

STATE_FILE = "simulator.json"
SAVE_EVERY_S = 5.0

WINDOW_S, THINNED_WINDOW_S = 600.0, 7200.0
"""A long span is told in pieces of this length, so that memory stays small."""

TICK_S = 1.0
CASE_DAYS = 8
HISTORY_DAYS = 90
"""The last week or so comes first, so that the screens fill at once; what is older follows."""

ROUND_DAYS = 28
"""So many days of rounds follow first, or what was done then would look missed for minutes."""

READING_HOURS = 26
REPORTS_WAIT_HOURS = 24
SETTLED_S = 360.0
"""The last minutes before the present are told in full, so that everything near it is fresh."""

RECENT_S = 1800.0

LONG_GAP_S = 1800.0


class Domain(Protocol):
    """One kind of thing that sends readings."""

    def happen(self, start: float, end: float, every_s: int) -> list[Happening]:
        """Return what its things say in [start, end), each every `every_s` seconds."""


class Simulation:
    """One county with everything in it that sends events; the same seed gives the same events."""

    def __init__(self, county: County, seed: int = SEED) -> None:
        self._county, self._seed = county, seed
        weather = Weather(seed, county.bbox)
        self._traffic = Traffic(county, seed, weather)
        self._bins = Bins(county, seed)
        self._air = Air(county, seed, weather)
        self._water = Water(county, seed, weather)
        self._workers = Workers(county, seed)
        self._declared = [Declared(county, seed, feed) for feed in county.feeds.values() if feed.declared]
        self._cases = Cases(county, seed, self._traffic)
        self._rounds = Rounds(county, seed)

    def tell(self, start: float, end: float, cadence: Cadence = LIVE, cases: bool = True) -> Iterator[CloudEvent]:
        """Yield the events of [start, end) (epoch seconds) in the order of time.

        However a span is cut, its pieces together give the same events.
        """
        window_s = THINNED_WINDOW_S if cadence is THINNED else WINDOW_S
        begin = start
        while begin < end:
            finish = min(begin + window_s, end)
            happenings = self._tell_readings(begin, finish, cadence)
            if cases:
                happenings += self._cases.happen(begin, finish) + self._rounds.happen(begin, finish)
            yield from as_events(happenings)
            begin = finish

    def tell_cases(self, start: float, end: float) -> Iterator[CloudEvent]:
        """Yield what became, before `end`, of the cases open at `start` or reported since, in the order of time."""
        yield from as_events(self._cases.find_open(start))
        begin = start
        while begin < end:
            finish = min(begin + 3600.0, end)
            yield from as_events(self._cases.happen(begin, finish))
            begin = finish

    def tell_rounds(self, start: float, end: float) -> Iterator[CloudEvent]:
        """Yield the check-ins on rounds in a span, in the order of time."""
        yield from as_events(self._rounds.happen(start, end))

    def look_back(self) -> Cases:
        """Return the same cases once more, to be told from another time than the present."""
        return Cases(self._county, self._seed, self._traffic)

    def _tell_readings(self, start: float, end: float, cadence: Cadence) -> list[Happening]:
        domains: tuple[tuple[Domain, int | None], ...] = (
            (self._bins, cadence.bins),
            (self._traffic, cadence.traffic),
            (self._air, cadence.air),
            (self._water, cadence.water),
            (self._workers, cadence.workers),
            *((feed, cadence.declared) for feed in self._declared),
        )
        return [
            happening
            for domain, every_s in domains
            if every_s is not None
            for happening in domain.happen(start, end, every_s)
        ]


def simulate(
    county: County, start: datetime, end: datetime, seed: int = SEED, cadence: Cadence = LIVE
) -> Iterator[CloudEvent]:
    """Yield the events of a county between two moments in the order of time; no clock, no I/O.

    A case that was open at `start` goes on, though its report is not among the events.
    """
    return Simulation(county, seed).tell(start.timestamp(), end.timestamp(), cadence)


def as_events(happenings: Iterable[Happening]) -> Iterator[CloudEvent]:
    """Yield happenings as events in the order of time."""
    return map(as_event, sorted(happenings, key=_when))


def as_event(happening: Happening) -> CloudEvent:
    """Return a happening as a CloudEvent marked as simulated."""
    at, identity, kind, data = happening
    return CloudEvent(id=identity, source=SOURCE, type=kind, time=write_time(at), origin="simulated", data=data)


class State(msgspec.Struct):
    """How far a county has been told: everything before `told_until` (epoch seconds) is with ingest.

    The cases of the weeks before the first start are told up to `history_told`, and end at `history_ends`.
    """

    county: str
    seed: int
    told_until: float
    history_told: float = 0.0
    history_ends: float = 0.0


@dataclass
class _Run:
    """One run of the simulator; `told_until` moves on as ingest takes what was told."""

    simulation: Simulation
    sender: Sender
    state: State
    path: Path
    saved: float = 0.0

    def deliver(self, events: Iterator[CloudEvent]) -> int:
        """Send events in batches and return how many."""
        sent = 0
        batch: list[CloudEvent] = []
        for event in events:
            batch.append(event)
            if len(batch) == BATCH_SIZE:
                self.sender.send(batch)
                sent += len(batch)
                batch = []
                if self.sender.stop.is_set():
                    raise SendStoppedError("stopped")
        self.sender.send(batch)
        return sent + len(batch)

    def fill_past(self, now: float, fresh: bool) -> None:
        """Tell what came before now: all of it after a short pause, thinned after a long one or at first."""
        begun, told = time.monotonic(), self.state.told_until
        gap = now - told
        sent = 0
        if fresh:
            self.state.history_told, self.state.history_ends = now - HISTORY_DAYS * 86_400, now - CASE_DAYS * 86_400
            sent += self.deliver(self.simulation.tell_cases(now - CASE_DAYS * 86_400, now))
        elif gap > LONG_GAP_S:
            sent += self.deliver(_only_new(self.simulation.tell_cases(told, now), told))
        if fresh or gap > LONG_GAP_S:
            since = max(now - READING_HOURS * 3600, 0.0 if fresh else told)
            recent, settled = max(since, now - RECENT_S), now - SETTLED_S
            sent += self.deliver(self.simulation.tell(since, recent, THINNED, cases=False))
            sent += self.deliver(self.simulation.tell(recent, settled, RECENT, cases=False))
            sent += self.deliver(self.simulation.tell(settled, now, cases=False))
            rounds_since = self.state.history_ends if fresh else max(told, now - HISTORY_DAYS * 86_400)
            sent += self.deliver(self.simulation.tell_rounds(rounds_since, now))
        else:
            sent += self.deliver(self.simulation.tell(told, now))
        self.state.told_until = now
        self.save()
        log.info("told %d events of the past in %.1f s", sent, time.monotonic() - begun)

    def go_on(self, pace: "Pace") -> None:
        """Tell what happens as it happens, until told to stop; meanwhile tell older cases, an hour at a time."""
        older: Iterator[float] | None = self._tell_older()
        while not self.sender.stop.wait(TICK_S if older is None else 0.0):
            until = min(pace.now(), self.state.told_until + WINDOW_S)
            rejected = self.sender.tally.rejected
            self.deliver(self.simulation.tell(self.state.told_until, until))
            if self.sender.tally.rejected > rejected:
                log.warning("ingest rejected events: %s", self.sender.tally.reasons.most_common(3))
            self.state.told_until = until
            if older is not None and next(older, None) is None:
                older = None
            if time.monotonic() - self.saved > SAVE_EVERY_S:
                self.save()

    def _tell_older(self) -> Iterator[float]:
        """Tell the cases and rounds of the weeks before those of `fill_past`, from where it was stopped; yields hourly.

        What was done to a case comes well before its report: they travel in different partitions, and no screen is to
        show as open, not for a moment, what was closed weeks ago. `history_told` is how far the reports are.
        """
        state = self.state
        if state.history_told >= state.history_ends:
            return
        cases = self.simulation.look_back()
        for days in range(ROUND_DAYS, 0, -1):
            begin = state.history_ends - days * 86_400
            self.deliver(self.simulation.tell_rounds(begin, begin + 86_400))
            yield begin
        rounds_end = state.history_ends - ROUND_DAYS * 86_400
        waiting: deque[tuple[float, list[Happening]]] = deque()
        begin = state.history_told
        while begin < state.history_ends or waiting:
            if begin < state.history_ends:
                finish = min(begin + 3600.0, state.history_ends)
                # What went on into the last days was told with them.
                lives = [life for life in cases.tell_lives(begin, finish) if life[-1][0] < state.history_ends]
                self.deliver(as_event(item) for life in lives for item in life[1:])
                self.deliver(self.simulation.tell_rounds(begin, min(finish, rounds_end)))
                waiting.append((finish, [life[0] for life in lives]))
                begin = finish
            if len(waiting) > REPORTS_WAIT_HOURS or begin >= state.history_ends:
                finish, reports = waiting.popleft()
                self.deliver(map(as_event, reports))
                state.history_told = finish
            yield begin
        self.save()
        log.info("told the cases of %d days", HISTORY_DAYS)

    def save(self) -> None:
        """Write the state file, whole or not at all."""
        draft = self.path.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(self.state))
        draft.replace(self.path)
        self.saved = time.monotonic()


class Pace:
    """A clock that begins at a moment and runs `speed` times faster, but never passes the present."""

    def __init__(self, begins: float, speed: float) -> None:
        self._begins = begins
        self._speed = speed
        self._started = time.monotonic()

    def now(self) -> float:
        """Return the simulated present in epoch seconds."""
        return min(self._begins + (time.monotonic() - self._started) * self._speed, time.time())


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest simulate`."""
    parser.add_argument("--url", help="ingest's address (default: from the settings)")
    parser.add_argument("--key", help="the sender's key (default: from the settings)")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed is another county's fate")
    parser.add_argument("--speed", type=float, default=1.0, help="so many times faster, until it reaches the present")
    parser.add_argument("--since", type=datetime.fromisoformat, help="begin at this time instead of filling the past")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Simulate until stopped; returns 0 after a stop, `EXIT_HOPELESS` for a bad pack or setting."""
    stop = stop_on_signals()
    try:
        county = open_county(settings)
        key = arguments.key or find_key(settings)
    except (PackError, SettingError) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
        return EXIT_HOPELESS
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    path = settings.data_dir / STATE_FILE
    known = read_state(path, county.code, arguments.seed)
    state = known or State(county.code, arguments.seed, 0.0)
    with Sender(arguments.url or settings.ingest_url, key, stop) as sender:
        going = _Run(Simulation(county, arguments.seed), sender, state, path)
        try:
            if arguments.since is None:
                going.fill_past(time.time(), fresh=known is None)
            else:
                state.told_until = _as_utc(arguments.since, county).timestamp()
            going.go_on(Pace(state.told_until, arguments.speed))
        except SendStoppedError:
            log.info("stopped")
        except SendError as reason:
            sys.stderr.write(f"county-brain: {reason}\n")
            return 1
        if state.told_until:
            going.save()
    return 0


def read_state(path: Path, county_code: str, seed: int) -> State | None:
    """Return how far this county has been told with this seed; None where that is not known."""
    try:
        state = msgspec.json.decode(path.read_bytes(), type=State)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return state if (state.county, state.seed) == (county_code, seed) else None


def _only_new(events: Iterator[CloudEvent], told: float) -> Iterator[CloudEvent]:
    """Leave out what was told before."""
    mark = write_time(told)
    return (event for event in events if str(event.time) >= mark)


def _as_utc(moment: datetime, county: County) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=county.time_zone)).astimezone(UTC)


def _when(happening: Happening) -> tuple[float, str]:
    return happening[:2]
