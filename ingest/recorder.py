"""The recorder: follows every partition and writes what passes into SQL, each message exactly once.

It keeps nothing between two batches but the watermarks, and those it loads from SQL. Whatever goes wrong, it
rolls back, waits, and reads again from the watermarks: the messages are still in the streams. Where several are at
work, each follows its share of the partitions (`ingest.sharing`).
"""

import argparse
import logging
import math
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
import redis
from sqlalchemy import Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from ingest.arrivals import Arrival
from ingest.garbage import search_rarely
from ingest.migrations import DatabaseTooNew, upgrade_database
from ingest.records import decode_record
from ingest.retention import keep_house
from ingest.rows.cases import RefusedRecord
from ingest.settings import SettingError, Settings
from ingest.sharing import PART, Sharing
from ingest.store import (
    Batch,
    Watermark,
    WatermarkMoved,
    add_to_counters,
    ensure_watermarks,
    load_watermarks,
    name_database,
    open_database,
    rewind_watermark,
    write_batch,
    write_heartbeat,
)
from ingest.stream import (
    KEEP_FOR_FOLLOWERS,
    LONGEST_STREAM,
    Message,
    Rejection,
    StreamGap,
    Streams,
    StreamUnavailable,
    connect,
    order_id,
    stream_key,
)
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import as_ms, as_time

log = logging.getLogger(__name__)

BLOCK_MS = 500  # also how long SIGTERM may have to wait
BATCH_AT_MOST = 16_000
GATHER_FROM_PER_S = 10_000  # messages; below that what counts is how soon each is recorded
LONGEST_GATHER_S = 0.1
RATE_OVER_S = 0.5
CHORES_EVERY_S = 2.0
REPORT_EVERY_S = 30.0
SHORTEST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0

# What one record may be guilty of; anything else a database says is its own trouble, and passes.
REFUSALS = (RefusedRecord, DataError, IntegrityError, OverflowError, UnicodeEncodeError)
TROUBLES = (StreamUnavailable, DBAPIError, OSError)


@dataclass(frozen=True)
class Refusal:
    """A message that can never be recorded, and why."""

    message: Message
    reason: str


class Recorder:
    """Follows the streams; `step` is one batch, `run` goes on until told to stop."""

    def __init__(
        self,
        streams: Streams,
        engine: Engine,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        batch_at_most: int = BATCH_AT_MOST,
        stream_kept: timedelta = KEEP_FOR_FOLLOWERS,
        stream_longest: int = LONGEST_STREAM,
        name: str = "",
    ):
        self._streams = streams
        self._sharing = Sharing(streams.client, name)
        self._engine = engine
        self._clock = clock
        self._batch_at_most = batch_at_most
        self._stream_kept, self._stream_longest = stream_kept, stream_longest
        self._marks: dict[int, Watermark] = {}
        self._lag_ms = 0
        self._newest_at: datetime | None = None
        self._behind = False
        self._rate = Rate()
        self._chores_at = 0.0
        self._report_at = time.monotonic()
        self._recorded = 0

    def run(self, stop: threading.Event) -> None:
        """Record until `stop` is set; the batch at hand is finished first."""
        pause_s = SHORTEST_PAUSE_S
        while not stop.is_set():
            try:
                rate_per_s = self._rate.note(self.step(BLOCK_MS))
                pause_s = SHORTEST_PAUSE_S
                if rate_per_s > GATHER_FROM_PER_S and not self._behind:
                    stop.wait(choose_gather_s(rate_per_s))
            except WatermarkMoved:
                log.warning("another recorder is at work on the same partitions; next try in %.1f s", pause_s)
                self._marks = {}
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except TROUBLES as trouble:
                self._marks = {}
                log.error("%s: %s; next try in %.1f s", type(trouble).__name__, _first_line(trouble), pause_s)
                self._sharing.note("degraded", type(trouble).__name__, self._newest_at)
                stop.wait(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self._sharing.leave()

    def step(self, block_ms: int = 1) -> int:
        """Read one batch, waiting up to `block_ms` for its first message, record it, and return its size.

        Raises `StreamUnavailable` or a database error, then with nothing recorded of the batch or part of it,
        and the watermark where the records are; and `WatermarkMoved` if another recorder was faster.
        """
        if not self._marks:
            self._load_watermarks()
        messages = self._read(block_ms)
        if messages:
            self._record(messages)
            self._recorded += len(messages)
        self._lag_ms = self._measure_lag(messages)
        if time.monotonic() >= self._chores_at:
            self._do_chores()
            self._chores_at = time.monotonic() + CHORES_EVERY_S
        return len(messages)

    def _measure_lag(self, messages: Sequence[Message]) -> int:
        """Return how old the newest message of a batch is by now, in ms; 0 when nothing was waiting."""
        if not messages:
            return 0
        newest = {message.partition: message.stream_id for message in messages}
        newest_ms = max(order_id(stream_id)[0] for stream_id in newest.values())
        self._newest_at = as_time(newest_ms)
        return max(0, as_ms(self._clock()) - newest_ms)

    def _load_watermarks(self) -> None:
        with self._engine.begin() as connection:
            known = load_watermarks(connection)
            # Partitions that a smaller PARTITIONS no longer fills may still hold messages.
            partitions = range(max(self._streams.partitions, *(partition + 1 for partition in known), 0))
            ensure_watermarks(connection, partitions)
            marks = load_watermarks(connection)
        self._sharing.note(last_message_at=self._newest_at)
        self._sharing.look()
        self._marks = {partition: marks[partition] for partition in sorted(self._sharing.choose(marks))}
        for partition in self._marks:
            self._rewind_if_jumped(partition)

    def _read(self, block_ms: int) -> list[Message]:
        positions = {partition: mark.stream_id for partition, mark in self._marks.items()}
        if not positions:  # more recorders than partitions: this one is at hand
            time.sleep(block_ms / 1000)
            return []
        count = max(50, self._batch_at_most // len(positions))
        try:
            messages = self._streams.read_after(positions, block_ms, count)
        except StreamGap as gap:
            messages = self._read_from_first(gap.partition, count)
        # Whoever gets as many as were asked for has more to fetch.
        self._behind = max(Counter(message.partition for message in messages).values(), default=0) >= count
        return messages

    def _read_from_first(self, partition: int, count: int) -> list[Message]:
        """Read what a partition still has, where messages before that are gone."""
        if self._marks[partition].rewound_from is None:
            log.error("partition %d: messages were removed from the stream before they were recorded", partition)
            with self._engine.begin() as connection:
                add_to_counters(connection, {"gaps": 1})
        return self._streams.read_first(partition, count)

    def _record(self, messages: Sequence[Message]) -> None:
        """Record messages in one transaction; if SQL refuses one of them, find it by halving, and set it aside."""
        arrivals, refusals = decode_messages(messages)
        try:
            self._commit(arrivals, refusals)
        except REFUSALS as reason:
            if len(messages) == 1:
                self._record_again(messages[0], arrivals, reason)
                return
            middle = len(messages) // 2
            self._record(messages[:middle])
            self._record(messages[middle:])

    def _record_again(self, message: Message, arrivals: Sequence[Arrival], reason: Exception) -> None:
        """Try once more what another recorder may just have recorded as well, and set aside what is refused again."""
        if isinstance(reason, IntegrityError):
            try:
                self._commit(arrivals, [])
                return
            except REFUSALS as again:
                reason = again
        self._commit([], [Refusal(message, f"{type(reason).__name__}: {_first_line(reason)}")])

    def _commit(self, arrivals: Sequence[Arrival], refusals: Sequence[Refusal]) -> None:
        batch = Batch(arrivals, [refusal.message for refusal in refusals])
        with self._engine.begin() as connection:
            moved = write_batch(connection, batch, self._marks, self._clock())
            # Last, so that it happens once unless this process dies before the commit: then the message is in
            # events:rejected twice, and counted once.
            self._set_aside(refusals)
        self._marks |= moved
        if refusals:
            log.error("%d messages cannot be recorded: they are in events:rejected, with the reason", len(refusals))

    def _set_aside(self, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            message = refusal.message
            position = f"{stream_key(message.partition)} {message.stream_id}"
            rejection = Rejection(refusal.reason, field="", source="", id=position, body=message.record, door=PART)
            self._streams.set_aside(rejection, self._clock())

    def _do_chores(self) -> None:
        """Trim what is recorded, look for streams that jumped back and for other recorders, and tell how it goes."""
        for partition, mark in self._marks.items():
            self._streams.trim(partition, mark.stream_id, self._stream_kept, self._stream_longest)
        for partition in self._marks:
            self._rewind_if_jumped(partition)
        with self._engine.begin() as connection:
            write_heartbeat(connection, PART, self._clock(), self._lag_ms)
        self._sharing.note(last_message_at=self._newest_at)
        if self._sharing.look():
            self._marks = {}  # loaded again with the next step: the share is another
        elapsed_s = time.monotonic() - self._report_at
        if elapsed_s >= REPORT_EVERY_S:
            log.info("%.0f messages a second, %d ms behind", self._recorded / elapsed_s, self._lag_ms)
            self._report_at, self._recorded = time.monotonic(), 0

    def _rewind_if_jumped(self, partition: int) -> None:
        """Follow a stream from its start again if it ends before what is recorded of it.

        That is so after Redis lost its data, or its last second in a power cut. Everything in it is read
        again: what SQL has already changes nothing.
        """
        mark = self._marks[partition]
        last_id = self._streams.describe(partition).last_id
        if order_id(last_id) >= order_id(mark.stream_id):
            return
        log.error(
            "partition %d: the stream ends at %s, but is recorded up to %s: Redis has lost data; reading it again",
            partition,
            last_id,
            mark.stream_id,
        )
        with self._engine.begin() as connection:
            moved = rewind_watermark(connection, partition, mark, self._clock())
        self._marks[partition] = moved


def choose_gather_s(rate_per_s: float) -> float:
    """Return how long to let messages gather for the next batch: a microsecond for each a second beyond 10,000.

    A commit, and each asset's newest reading and hour, cost the same for a large batch as for a small one. So 20,000
    a second wait 10 ms, and 100,000 a second 90 ms.
    """
    return min(max(rate_per_s - GATHER_FROM_PER_S, 0.0) / 1e6, LONGEST_GATHER_S)


class Rate:
    """How many messages a second came lately: a mean that forgets within about `RATE_OVER_S`."""

    def __init__(self) -> None:
        self._per_s = 0.0
        self._at = time.monotonic()

    def note(self, messages: int) -> float:
        """Take in what came since the last call and return the rate."""
        elapsed_s = time.monotonic() - self._at
        self._at += elapsed_s
        kept = math.exp(-elapsed_s / RATE_OVER_S)
        self._per_s = self._per_s * kept + messages / max(elapsed_s, 1e-6) * (1 - kept)
        return self._per_s


def decode_messages(messages: Sequence[Message]) -> tuple[list[Arrival], list[Refusal]]:
    """Return the messages that hold a record, and the others with the reason."""
    arrivals: list[Arrival] = []
    refusals: list[Refusal] = []
    for message in messages:
        try:
            arrivals.append(Arrival(message.partition, message.stream_id, decode_record(message.record)))
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as reason:
            refusals.append(Refusal(message, f"no record: {reason}"))
    return arrivals, refusals


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the recorder's own arguments: it has none, everything is a setting."""


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Record until SIGTERM or SIGINT; 0 after a clean stop, `EXIT_HOPELESS` for what a restart cannot mend."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    if settings.redis_url is None:
        log.error("REDIS_URL is not set")
        return EXIT_HOPELESS
    url = name_database(settings)
    try:
        engine = open_database(url)
        _upgrade_when_possible(url, stop)
    except (SettingError, DatabaseTooNew) as reason:
        log.error("%s", reason)
        return EXIT_HOPELESS
    search_rarely()
    try:
        client = _connect_when_possible(settings.redis_url, stop)
    except ValueError as reason:
        log.error("REDIS_URL cannot be used: %s", reason)
        return EXIT_HOPELESS
    if client is None:
        return 0
    streams = Streams(client, settings.partitions, settings.rejected_kept, settings.rejected_kept_mb)
    recorder = Recorder(
        streams,
        engine,
        stream_kept=timedelta(seconds=settings.stream_kept_s),
        stream_longest=settings.stream_longest,
        name=settings.recorder_name or "",
    )
    house = threading.Thread(target=keep_house, args=[engine, settings.kept_days, stop], name="retention")
    house.start()
    recorder.run(stop)
    house.join()
    engine.dispose()
    return 0


def _upgrade_when_possible(url: str, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            upgrade_database(url)
            return
        except DBAPIError as trouble:
            log.error("database: %s; next try in %.1f s", _first_line(trouble), LONGEST_PAUSE_S)
            stop.wait(LONGEST_PAUSE_S)


def _connect_when_possible(url: str, stop: threading.Event) -> "redis.Redis | None":
    while not stop.is_set():
        try:
            return connect(url)
        except StreamUnavailable as trouble:
            log.error("%s; next try in %.1f s", trouble, LONGEST_PAUSE_S)
            stop.wait(LONGEST_PAUSE_S)
    return None


def _first_line(error: BaseException) -> str:
    # Only the first line: PostgreSQL adds the row on the next, and with it perhaps a person.
    text = str(error.orig if isinstance(error, DBAPIError) else error)
    return text.partition("\n")[0]
