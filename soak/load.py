"""The load: readings, places and cases of the demo county at a pace of its own, each update a second of its time.

The county's clock is its data, so that at fifty times the pace of life hours and midnights come and what is old is
forgotten as often as in a month; stamped with the present, hours would hold what a month has.
"""

import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, cycle, islice

import msgspec

from geo.county import County
from ingest.sender import CloudEvent, Sender, SendStoppedError
from ingest.simulator import simulate
from tests.appliance import KEY, act, report

BEGINS_AGO = timedelta(days=30)
"""When the county's time begins: a month of updates ends at the present."""
CASES_OPEN = 300
UPDATES_A_CASE = 200
"""A month of the demo county has some 5,000 new cases in 2.6 million updates; this is 2.5 times as many."""
EVENTS_AN_UPDATE = 5
"""As many as the demo county's simulator sends a second."""
HOUR_S = 3600
SEED = 3
TIMES = ("dateObserved", "dateObservedFrom", "dateObservedTo", "binLoggedTime", "dateLastEmptying", "observed_at", "at")


class Load:
    """Sends updates in a thread of its own, so many a second, until it is stopped; the county's size stays as it is.

    Every update brings new readings; some bring a new case too, and close the oldest. remembered_h: how long the
    county has lived before.
    """

    def __init__(self, url: str, county: County, updates_per_s: float, remembered_h: int) -> None:
        self._begins_at = datetime.now(UTC) - BEGINS_AGO
        self._second = -remembered_h * HOUR_S
        self._sender = Sender(url, KEY)
        self._pause_s = 1 / updates_per_s
        points = [*county.cells.geometry.representative_point()]
        # In the order of the cells, all open cases would lie in one town after another.
        random.Random(SEED).shuffle(points)
        self._points = cycle(points)
        hour = simulate(county, datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC))
        self._readings = [event for event in hour if not event.type.startswith("case.")]
        self._latest = {event.data["id"]: event for event in self._readings if event.type == "iot.observed"}
        self._numbers, self._cases = count(), count()
        self._open: deque[str] = deque()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Bring the county to its size, then go on in the thread; returns when that is sent."""
        self._sender.send([self._open_case() for _ in range(CASES_OPEN)])
        while self._second < 0:
            self._sender.send([*self.pass_hour()])
        self._sender.send([self._restamp(reading) for reading in self._readings])
        self._thread.start()

    def stop(self) -> None:
        """End the thread; raises what it failed with."""
        self._sender.stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        readings = cycle(self._readings)
        due = time.monotonic()
        try:
            while not self._sender.stop.wait(max(0.0, due - time.monotonic())):
                # A machine that cannot keep the pace is not to be given what it missed in one go.
                due = max(due, time.monotonic() - 1) + self._pause_s
                self._sender.send([*self._tell(readings)])
                self._second += 1
        except SendStoppedError:
            pass
        except Exception as error:  # noqa: BLE001 - `stop` raises it
            self._failure = error

    def _tell(self, readings: Iterator[CloudEvent]) -> Iterator[CloudEvent]:
        yield from (self._restamp(reading) for reading in islice(readings, EVENTS_AN_UPDATE))
        if self._second % UPDATES_A_CASE == 0:
            yield from self._turn_cases()

    def pass_hour(self) -> Iterator[CloudEvent]:
        """Yield an hour of what is remembered: one reading a sensor, and the cases that came and went."""
        yield from map(self._restamp, self._latest.values())
        for _ in range(HOUR_S // UPDATES_A_CASE):
            yield from self._turn_cases()
            self._second += UPDATES_A_CASE

    def _turn_cases(self) -> Iterator[CloudEvent]:
        yield self._open_case()
        yield self._as_event(act(self._open.popleft(), "close", at=_write(self._now())))

    def _restamp(self, event: CloudEvent) -> CloudEvent:
        now = self._now()
        later = now - datetime.fromisoformat(str(event.time))
        data = {name: _move(value, later) if name in TIMES else value for name, value in event.data.items()}
        return msgspec.structs.replace(event, id=f"{event.id}-{next(self._numbers)}", time=_write(now), data=data)

    def _open_case(self) -> CloudEvent:
        point, number = next(self._points), next(self._cases)
        case_id = f"soak-{number}"
        self._open.append(case_id)
        changes = {"severity": 1 + number % 4, "reported_at": _write(self._now())}
        return self._as_event(report(case_id, point.x, point.y, **changes))

    def _as_event(self, event: dict[str, object]) -> CloudEvent:
        return msgspec.convert(event | {"time": _write(self._now())}, CloudEvent)

    def _now(self) -> datetime:
        return self._begins_at + timedelta(seconds=self._second)


def _move(moment: str, later: timedelta) -> str:
    return _write(datetime.fromisoformat(moment) + later)


def _write(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
