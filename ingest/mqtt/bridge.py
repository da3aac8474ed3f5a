"""The MQTT door: from a broker's topics to the streams, as a process of its own.

What the broker sent with QoS 1 is acknowledged only after the streams have it; until then the broker keeps it, and
delivers it again whenever we come back. While Redis is away nothing is acknowledged and soon nothing read: here waits
a batch and what the link may read beside it, the rest at the broker. A message that we took but could not acknowledge
comes again, and is a duplicate by its identity (`ingest.formats.devices`, `ingest.mqtt.sightings`).
"""

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

import uvloop

from geo.county import PackError
from ingest.connectors import Delivery, Refusal, mqtt
from ingest.formats.devices import RETAINED
from ingest.garbage import search_rarely
from ingest.guard.pressure import LOOK_EVERY_S, Limits, Pressure
from ingest.guard.rates import Rates
from ingest.keys import provide_key
from ingest.mqtt.link import Broker, BrokerRefused, Link, Publish, Unreadable, open_link
from ingest.mqtt.sightings import Sightings
from ingest.pack import open_county
from ingest.pipeline import Batch, Preparation, as_connector, stream_batch
from ingest.records import AnyRecord, DeviceSeen, Reading
from ingest.sealing import provide_keyring
from ingest.sender_file import locate_senders
from ingest.senders import Sender, Senders
from ingest.settings import SettingError, Settings
from ingest.signs import SIGN_EVERY_S, State, note_alive_async, note_gone_async
from ingest.store import name_database, open_database
from ingest.stream import AsyncStreams, StreamUnavailable, connect_async
from ingest.supervisor import EXIT_HOPELESS

TOPICS: Final = (
    "ce/#",
    "v1.1/Observations",
    "v1.1/+/Observations",
    "v1.0/Observations",
    "v1.0/+/Observations",
    "/json/+/+/attrs",
    "/ul/+/+/attrs",
    "/+/+/attrs",
    "gg/v1/#",
)
SHORTEST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 15.0

BROKER: Final = Sender("mqtt")
"""Who sends what has no key of its own in its topic: the broker has let it through, and answers for it."""
UNKNOWN: Final = Sender("unknown")
"""Who sends with a key that is nobody's."""

DOOR: Final = as_connector(mqtt)

log = logging.getLogger(__name__)


class Bridge:
    """Takes messages to the streams; `state`, `reason` and `heard_at` say how it fares."""

    def __init__(
        self,
        preparation: Preparation,
        senders: Senders,
        streams: AsyncStreams,
        sightings: Sightings,
        pressure: Pressure,
        rates: Rates,
    ) -> None:
        self.state: State = "down"
        self.reason: str | None = "not connected yet"
        self.heard_at: datetime | None = None
        self.changed = asyncio.Event()
        self._preparation = preparation
        self._senders = senders
        self._streams = streams
        self._sightings = sightings
        self._pressure = pressure
        self._rates = rates
        self._slowed: set[str] = set()

    async def run(self, broker: Broker, topics: Sequence[str]) -> None:
        """Keep a connection to the broker and take what comes; ends only when cancelled."""
        pause_s = SHORTEST_PAUSE_S
        plain = False
        while True:
            began = time.monotonic()
            try:
                link = await open_link(broker, topics, plain)
                await self._serve(link, broker, only_once=plain)
                plain = False
            except (OSError, BrokerRefused) as error:
                # Refused credentials are no reason to end: the broker may learn them, and the rest of us goes on.
                self._note("down", f"broker {broker}: {str(error) or type(error).__name__}")
                # A message that nobody can read would come again for ever; 3.1.1 leaves off what cannot be read.
                plain = isinstance(error, Unreadable) and not plain
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause_s = SHORTEST_PAUSE_S
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _serve(self, link: Link, broker: Broker, only_once: bool) -> None:
        try:
            log.info("connected to %s by MQTT %s", broker, "5" if link.level == 5 else "3.1.1")
            if link.refused_filters:
                self._note("degraded", f"broker {broker} refuses us {' '.join(link.refused_filters)}")
            else:
                self._note("ok", None)
            while True:
                messages = await link.receive()
                await self.take(messages)
                link.acknowledge(messages)
                if only_once:
                    return
        finally:
            link.close()

    async def take(self, messages: Sequence[Publish]) -> None:
        """Return when the streams have all of it, however long Redis is away."""
        received_at = datetime.now(UTC)
        pause_s = SHORTEST_PAUSE_S
        healthy = self.state, self.reason
        while True:
            try:
                await self._stream(messages, received_at)
                break
            except StreamUnavailable as error:
                self._note("down", f"nothing is acknowledged: {error}")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
        self.heard_at = received_at
        self._note(*healthy)

    async def _stream(self, messages: Sequence[Publish], received_at: datetime) -> None:
        first_at = await self._sightings.recall(messages)
        batches, timeless = self._prepare(messages, received_at, first_at)
        await self._sightings.note(timeless)
        for sender, batch in sorted(batches.items(), key=_rank):
            await self._wait_for_turn(sender)
            await self._wait_for_room(batch)
            await stream_batch(self._streams, batch, datetime.now(UTC))
            self._rates.charge(sender, batch.received)

    async def _wait_for_turn(self, sender: Sender) -> None:
        """Return when the sender may send; others have gone before, but what comes after waits at the broker."""
        while wait_s := self._rates.find_wait(sender):
            reason = f"{sender.name} may send {sender.events_per_s:g} events a second and sends more: all wait for that"
            if sender.name not in self._slowed:
                self._slowed.add(sender.name)
                log.warning("%s", reason)
            healthy = self.state, self.reason
            self._tell("degraded", reason)
            await asyncio.sleep(wait_s)
            self._tell(*healthy)

    async def _wait_for_room(self, batch: Batch) -> None:
        """Return when the batch need not wait: cases and alarms go before readings."""
        pressure = self._pressure
        while reason := pressure.on_everything or (None if batch.is_urgent else pressure.on_readings):
            self._note("degraded", f"nothing is acknowledged: {reason}")
            await asyncio.sleep(LOOK_EVERY_S)

    def _prepare(
        self, messages: Iterable[Publish], received_at: datetime, first_at: Mapping[int, datetime]
    ) -> tuple[dict[Sender, Batch], list[tuple[Publish, datetime]]]:
        """Return what goes to the streams, by sender, and the messages that had no time with the one they got."""
        plain: dict[Sender, list[AnyRecord | Refusal]] = {}
        batches: dict[Sender, list[Batch]] = {}
        timeless: list[tuple[Publish, datetime]] = []
        for place, message in enumerate(messages):
            # A microsecond apart, so that two without a time that came together are two.
            at = first_at.get(message.packet_id, received_at + timedelta(microseconds=place))
            delivery, sender = self._identify(message, at)
            items = _read_items(delivery, sender, self._preparation)
            if any(_told_no_time(item) for item in items):
                timeless.append((message, at))
            if sender.is_bounded or any(isinstance(item, Refusal) for item in items):
                batch = self._preparation.sort(items, DOOR, delivery, sender)
                batches.setdefault(sender, []).append(batch)
            else:
                plain.setdefault(sender, []).extend(items)
        for sender, items in plain.items():
            # None of them can be refused any more, so no delivery has to answer for them.
            batch = self._preparation.sort(items, DOOR, Delivery(body=b"", received_at=received_at), sender)
            batches.setdefault(sender, []).append(batch)
        return {sender: _join(parts) for sender, parts in batches.items()}, timeless

    def _identify(self, message: Publish, received_at: datetime) -> tuple[Delivery, Sender]:
        topic, key = mask_key(message.topic)
        sender = BROKER if key is None else self._senders.find(key) or UNKNOWN
        headers = {**message.properties, RETAINED: "1"} if message.retained else message.properties
        delivery = Delivery(
            body=message.payload,
            received_at=received_at,
            content_type=message.content_type,
            headers=headers,
            topic=topic,
        )
        return delivery, sender

    def _note(self, state: State, reason: str | None) -> None:
        if (state, reason) == (self.state, self.reason):
            return
        if state == "ok":
            log.info("taking messages")
        else:
            log.error("%s", reason)
        self._tell(state, reason)

    def _tell(self, state: State, reason: str | None) -> None:
        self.state, self.reason = state, reason
        self.changed.set()


def mask_key(topic: str) -> tuple[str, str | None]:
    """Return a topic without the key that may be in it, and the key of an IoT agent's topic."""
    if not topic.startswith("/"):
        return topic, None
    parts = topic.split("/")
    place = 2 if parts[1] in ("json", "ul") and len(parts) > 3 else 1
    key, parts[place] = parts[place], "*"
    masked = "/".join(parts)
    return masked, key if mqtt.MEASURES.fullmatch(masked) else None


def list_filters(settings: Settings) -> list[str]:
    """Return the topic filters to subscribe to; shared among bridges of one name where `MQTT_SHARE` gives one."""
    topics = dict.fromkeys((*TOPICS, *settings.mqtt_topics))
    return [f"$share/{settings.mqtt_share}/{topic}" if settings.mqtt_share else topic for topic in topics]


def _read_items(delivery: Delivery, sender: Sender, preparation: Preparation) -> list[AnyRecord | Refusal]:
    if sender is UNKNOWN:
        return [Refusal("topic: the key in it is nobody's", "topic", None, None, delivery.body)]
    return DOOR.parse(delivery, preparation.reception).items


def _told_no_time(item: AnyRecord | Refusal) -> bool:
    """Return whether a record is of the moment it came at, to the microsecond: it had none of its own."""
    if isinstance(item, Reading):
        return item.observed_at == item.received_at
    return isinstance(item, DeviceSeen) and item.at == item.received_at


def _rank(entry: tuple[Sender, Batch]) -> tuple[bool, bool]:
    """Return what sorts batches: who may have to wait goes last, and cases and alarms go before readings."""
    sender, batch = entry
    return sender.events_per_s is not None, not batch.is_urgent


def _join(batches: Sequence[Batch]) -> Batch:
    """Return batches of one sender as one."""
    if len(batches) == 1:
        return batches[0]
    joined = Batch(batches[0].sender, sum(batch.received for batch in batches), {}, {})
    for batch in batches:
        for partition, entries in batch.entries.items():
            joined.entries.setdefault(partition, []).extend(entries)
        for rejection in batch.rejections.values():
            joined.rejections[len(joined.rejections)] = rejection
    return joined


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the bridge is told everything by its settings."""


def run(_: argparse.Namespace, settings: Settings) -> int:
    """Bridge until SIGTERM or Ctrl-C; 0 then, `EXIT_HOPELESS` after one line for what cannot start."""
    try:
        broker = _read_broker(settings)
        if settings.redis_url is None:
            raise SettingError("REDIS_URL is not set; `python app.py` starts a server of its own")
        county = open_county(settings)
        senders = Senders(locate_senders(settings), provide_key(settings))
        preparation = Preparation(county, settings.partitions, provide_keyring(settings))
    except (SettingError, PackError) as error:
        sys.stderr.write(f"county-brain: {error}\n")
        return EXIT_HOPELESS
    search_rarely()
    with suppress(asyncio.CancelledError):
        uvloop.run(_bridge(settings, settings.redis_url, broker, preparation, senders))
    log.info("the bridge has stopped")
    return 0


def _read_broker(settings: Settings) -> Broker:
    if settings.mqtt_url is None:
        raise SettingError("MQTT_URL is not set: it names the broker, like mqtt://user:password@host:1883")
    try:
        return Broker.read_url(
            settings.mqtt_url,
            settings.mqtt_client_id,
            settings.mqtt_ca_file,
            settings.mqtt_cert_file,
            settings.mqtt_key_file,
        )
    except ValueError as error:
        raise SettingError(f"MQTT_URL cannot be used: {error}") from None


async def _bridge(
    settings: Settings, redis_url: str, broker: Broker, preparation: Preparation, senders: Senders
) -> None:
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    client = connect_async(redis_url)
    streams = AsyncStreams(client, settings.partitions, settings.rejected_kept, settings.rejected_kept_mb)
    database = open_database(name_database(settings), read_only=True)
    pressure = Pressure(streams, database, Limits.of(settings))
    await pressure.look()
    bridge = Bridge(preparation, senders, streams, Sightings(client, broker.client_id), pressure, Rates())
    part = "mqtt" if broker.client_id == Settings.mqtt_client_id else f"mqtt@{broker.client_id}"
    beside = [asyncio.create_task(_tell(bridge, redis_url, part)), asyncio.create_task(pressure.watch())]
    try:
        await bridge.run(broker, list_filters(settings))
    finally:
        for task in beside:
            task.cancel()
        await note_gone_async(client, part)
        await client.aclose()
        database.dispose()


async def _tell(bridge: Bridge, redis_url: str, part: str) -> None:
    client = connect_async(redis_url)
    try:
        while True:
            bridge.changed.clear()
            await note_alive_async(client, part, bridge.state, bridge.reason, bridge.heard_at)
            with suppress(TimeoutError):
                async with asyncio.timeout(SIGN_EVERY_S):
                    await bridge.changed.wait()
    finally:
        await client.aclose()
