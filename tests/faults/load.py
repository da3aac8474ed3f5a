"""Honest senders: each sends an event until it is told what became of it, and keeps a book of what it was told.

What was not answered counts as nothing, whatever may have become of it; it is sent again with the same id.
"""

import json
import random
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import httpx
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from geo.county import County
from tests.appliance import KEY, wait_for

Event = dict[str, Any]

SENDERS = 3
PAUSE_S = 0.25  # between two batches of a sender: about 40 events
GIVE_UP_AFTER_S = 3.0  # a sender that waits longer would rarely send twice what was taken once
TRY_AGAIN_AFTER_S = 0.2
BROKER_MAY_LOSE_S = 1.0  # Mosquitto writes its sessions down after it has acknowledged, however it is set
MQTT_PER_S = 40
MEASURES = {
    "WasteContainer": ("bin", "fillingLevel", 1.0),
    "TrafficFlowObserved": ("detector", "averageVehicleSpeed", 90.0),
    "AirQualityObserved": ("air_station", "pm25", 150.0),
    "WaterQualityObserved": ("water_station", "CODMn", 9.0),
}
"""By entity type: the kind of asset, what it measures and the most that it may tell."""


@dataclass
class Book:
    """What senders were told: (source, id) of each accepted event by its type, and of those refused."""

    accepted: dict[str, dict[tuple[str, str], Event]] = field(default_factory=dict)
    refused: set[tuple[str, str]] = field(default_factory=set)
    unsure: set[tuple[str, str]] = field(default_factory=set)
    """Events that a broker had taken and then lost: they may have come to us or not."""

    def note(self, event: Event, is_refused: bool = False) -> None:
        key = (event["source"], event["id"])
        if is_refused:
            self.refused.add(key)
        else:
            self.accepted.setdefault(event["type"], {})[key] = event["data"]

    def find(self, *kinds: str) -> dict[tuple[str, str], Event]:
        """The accepted events of some types."""
        return {key: data for kind in kinds for key, data in self.accepted.get(kind, {}).items()}

    def count(self) -> int:
        return sum(map(len, self.accepted.values()))


class Writer:
    """Makes up events of every type, reproducibly; no two actions of a case are of the same moment."""

    def __init__(self, source: str, county: County, seed: str):
        self.source = source
        self._chance = random.Random(seed)
        self._numbers = count(1)
        inside = county.cells.geometry.representative_point()
        self._places = list(zip(inside.x, inside.y, strict=True))
        assets = county.assets
        self._assets = {kind: list(assets.index[assets["kind"] == measure[0]]) for kind, measure in MEASURES.items()}
        self._open: list[str] = []

    def write_batch(self) -> list[Event]:
        """About forty events, in no order: reports, actions, readings, workers, alarms, and one that is wrong."""
        events = [self.write_reading() for _ in range(30)]
        for _ in range(2):
            events += self._write_case()
        events += [self._write_worker(), self._write_worker(), *self._write_alarm(), self._write_wrong()]
        self._chance.shuffle(events)
        return events + self._chance.sample(events, 2)  # and two of them twice

    def write_reading(self) -> Event:
        kind = self._chance.choice(list(MEASURES))
        _, name, most = MEASURES[kind]
        late = timedelta(hours=3) if self._chance.random() < 0.05 else timedelta(0)
        data = {
            "id": self._chance.choice(self._assets[kind]),
            "type": kind,
            name: round(self._chance.random() * most, 3),
            "dateObserved": (datetime.now(UTC) - late).isoformat(),
        }
        return self._wrap("iot.observed", data)

    def _write_case(self) -> Iterator[Event]:
        case_id = f"{self.source}-C{next(self._numbers)}"
        lon, lat = self._chance.choice(self._places)
        data = {"category": "0102", "title": "暴露垃圾", "lon": lon, "lat": lat, "channel": "hotline"}
        data |= {"case_id": case_id, "severity": self._chance.randint(1, 4), "reported_at": _now()}
        yield self._wrap("case.reported", data)
        self._open.append(case_id)
        if len(self._open) > 10:
            closing = self._open.pop(self._chance.randrange(10))
            for place, action in enumerate(("accept", "dispatch", "close")):
                at = datetime.now(UTC) + timedelta(milliseconds=place)
                unit = {"unit": "U01"} if action == "dispatch" else {}
                acted = {"case_id": closing, "action": action, "actor": "officer-1", "at": at.isoformat()}
                yield self._wrap("case.acted", acted | unit)

    def _write_worker(self) -> Event:
        lon, lat = self._chance.choice(self._places)
        data = {"worker_id": f"{self.source}-W{self._chance.randrange(40)}", "lon": lon, "lat": lat}
        return self._wrap("worker.located", data | {"at": _now(), "on_duty": self._chance.random() < 0.8})

    def _write_alarm(self) -> Iterator[Event]:
        alarm_id = f"{self.source}-A{next(self._numbers)}"
        kinds = ("alarm.raised", "alarm.acked", "alarm.cleared")
        for kind in kinds[: self._chance.randint(1, 3)]:
            yield self._wrap(kind, {"alarm_id": alarm_id, "severity": 2, "subject": "bin", "at": _now(), "actor": "o"})

    def _write_wrong(self) -> Event:
        return self._wrap("case.reported", {"category": "0102", "title": "nowhere"})

    def _wrap(self, kind: str, data: Event) -> Event:
        identity = f"{next(self._numbers)}"
        return {"specversion": "1.0", "id": identity, "source": self.source, "type": kind, "data": data}


class HttpSender:
    """Posts batches and does not let go of one before it is answered."""

    def __init__(self, url: str, writer: Writer, book: Book):
        self._url = url
        self._writer = writer
        self._book = book
        self.tries = 0
        self.answered = 0
        self.postponed = 0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.send(self._writer.write_batch())
            stop.wait(PAUSE_S)

    def send(self, events: list[Event]) -> None:
        """Send a batch until it is answered; `Retry-After` is not heeded, so that it meets more of the trouble."""
        body = "\n".join(map(json.dumps, events)).encode()
        while (told := self._post(body)) is None:
            time.sleep(TRY_AGAIN_AFTER_S)
        assert told["received"] == len(events), told
        wrong = {each["index"]: each["reason"] for each in told["rejected"]}
        assert told["accepted"] + told["duplicate"] + len(wrong) == len(events), told
        for index, event in enumerate(events):
            self._book.note(event, is_refused=index in wrong)
        self.answered += 1

    def _post(self, body: bytes) -> Event | None:
        self.tries += 1
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {KEY}"}
        try:
            answer = httpx.post(
                f"{self._url}/v1/events", content=body, headers=headers, timeout=GIVE_UP_AFTER_S, trust_env=False
            )
        except httpx.TransportError:
            return None
        assert answer.status_code in (202, 503), (answer.status_code, answer.text)
        if answer.status_code == 503:
            self.postponed += 1
            return None
        told: Event = answer.json()
        return told


class MqttSender:
    """Publishes readings by QoS 1 and keeps each until the broker has taken it; some it publishes twice."""

    def __init__(self, port: int, writer: Writer, book: Book):
        self._port = port
        self._writer = writer
        self._book = book
        self._waiting: dict[int, Event] = {}
        self._answers: deque[tuple[float, int]] = deque()
        self._taken: list[tuple[float, Event]] = []
        self._broker_killed: list[float] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=writer.source, clean_session=False)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = lambda _client, _data, mid, *_: self._answers.append((time.monotonic(), mid))

    def run(self, stop: threading.Event) -> None:
        self._client.connect_async("127.0.0.1", self._port)
        self._client.loop_start()
        while not stop.is_set():
            event = self._writer.write_reading()
            for _ in range(1 + (int(event["id"]) % 10 == 0)):
                told = self._client.publish(f"ce/{event['type']}", json.dumps(event), qos=1)
                self._waiting[told.mid] = event
            self._collect()
            stop.wait(1 / MQTT_PER_S)

    def note_kill(self) -> None:
        """Note that the broker was killed just now."""
        self._broker_killed.append(time.monotonic())

    def finish(self) -> None:
        """Return once the broker has taken everything, with that in the book."""
        wait_for(self._collect, what="the broker to take what was published")
        self._client.disconnect()
        self._client.loop_stop()
        for taken_at, event in self._taken:
            self._book.note(event)
            if any(abs(taken_at - killed_at) < BROKER_MAY_LOSE_S for killed_at in self._broker_killed):
                self._book.unsure.add((event["source"], event["id"]))

    def _collect(self) -> bool:
        """Take out what the broker has taken; return whether that is all."""
        while self._answers:
            at, mid = self._answers.popleft()
            self._taken.append((at, self._waiting.pop(mid)))
        return not self._waiting


class Load:
    """All senders at work, from `start` to `stop`."""

    def __init__(self, ingest_url: str, broker_port: int, county: County, seed: int):
        self.book = Book()
        self._stop = threading.Event()
        self.http = [
            HttpSender(ingest_url, Writer(f"urn:http-{number}", county, f"{seed} {number}"), self.book)
            for number in range(SENDERS)
        ]
        self.mqtt = MqttSender(broker_port, Writer("urn:mqtt", county, f"{seed} mqtt"), self.book)
        self.faults: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=[sender], daemon=True) for sender in (*self.http, self.mqtt)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def count_refused(self) -> int:
        """How many requests were answered with 503 so far."""
        return sum(sender.postponed for sender in self.http)

    def stop(self) -> Book:
        """Return the book once everything sent is answered."""
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
            assert not thread.is_alive(), "a sender is not answered"
        assert not self.faults, self.faults
        self.mqtt.finish()
        return self.book

    def _run(self, sender: HttpSender | MqttSender) -> None:
        try:
            sender.run(self._stop)
        except BaseException as fault:  # noqa: BLE001 - for the test to see, whatever it is
            self.faults.append(fault)


def _now() -> str:
    return datetime.now(UTC).isoformat()
