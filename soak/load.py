"""The load: the readings, places and cases of the demo county at a pace of its own, stamped with the present."""

import threading
import time
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import cycle, islice

import msgspec

from geo.county import County
from ingest.sender import CloudEvent, Sender, SendStoppedError
from ingest.simulator import simulate
from tests.appliance import KEY, act, report

CASES_OPEN = 300
UPDATES_A_CASE = 200
"""A month of the demo county has some 5,000 new cases in 2.6 million updates; this is 2.5 times as many."""
EVENTS_AN_UPDATE = 5
"""As many as the demo county's simulator sends a second."""
TIMES = ("dateObserved", "binLoggedTime", "observed_at", "at")


class Load:
    """Sends updates in a thread of its own, so many a second, until it is stopped; the county's size stays as it is.

    Every update brings new readings; some bring a new case too, and close the oldest.
    """

    def __init__(self, url: str, county: County, updates_per_s: float) -> None:
        self._sent = 0
        self._sender = Sender(url, KEY)
        self._pause_s = 1 / updates_per_s
        self._points = cycle(county.cells.geometry.representative_point())
        hour = simulate(county, datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC))
        self._readings = [event for event in hour if not event.type.startswith("case.")]
        self._number = 0
        self._open: deque[str] = deque()
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Bring the county to its size, then go on in the thread; returns when that is sent."""
        events = [self._restamp(reading) for reading in self._readings]
        events += [self._open_case() for _ in range(CASES_OPEN)]
        for first in range(0, len(events), 500):
            self._sender.send(events[first : first + 500])
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
                self._sent += 1
        except SendStoppedError:
            pass
        except Exception as error:  # noqa: BLE001 - `stop` raises it
            self._failure = error

    def _tell(self, readings: Iterator[CloudEvent]) -> Iterator[CloudEvent]:
        yield from (self._restamp(reading) for reading in islice(readings, EVENTS_AN_UPDATE))
        if self._sent % UPDATES_A_CASE == 0:
            yield self._open_case()
            yield _as_event(act(self._open.popleft(), "close"))

    def _restamp(self, event: CloudEvent) -> CloudEvent:
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        data = {name: now if name in TIMES else value for name, value in event.data.items()}
        self._number += 1
        return msgspec.structs.replace(event, id=f"{event.id}-{self._number}", time=now, data=data)

    def _open_case(self) -> CloudEvent:
        point = next(self._points)
        self._number += 1
        case_id = f"soak-{self._number}"
        self._open.append(case_id)
        return _as_event(report(case_id, point.x, point.y, severity=1 + self._number % 4))


def _as_event(event: dict[str, object]) -> CloudEvent:
    return msgspec.convert(event | {"time": datetime.now(UTC).isoformat()}, CloudEvent)
