"""Replaying a file as events: at the speed that ingest takes, or in step with an accelerated clock."""

import argparse
import logging
import math
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tqdm import tqdm

from ingest.files.mapping import Mapping, MappingError, parse_speed, read_mapping, stay
from ingest.files.mapping_fields import Shift
from ingest.files.mapping_sheets import shape_sheet
from ingest.files.sheets import Row, SheetError, open_sheet
from ingest.keys import find_key
from ingest.sender import BATCH_SIZE, CloudEvent, Sender, SendError, SendStoppedError, Tally, stop_on_signals
from ingest.settings import SettingError, Settings

log = logging.getLogger(__name__)

BATCHES_AHEAD = 3
"""Batches made while one is on its way; one at a time is sent, so order is kept."""

TICK_S = 0.1
"""A replay in step with the clock sends what is due at most so often."""

EXIT_BAD_FILE = 2
EXIT_REFUSED = 1
EXIT_STOPPED = 130


@dataclass
class Progress:
    """What a replay has done so far."""

    rows: int = 0
    left_out: int = 0
    newest: datetime | None = None
    complete: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command line of `python -m ingest replay`."""
    parser.add_argument("file", type=Path, help="a .csv, .jsonl, .json, .geojson (also .gz) or .parquet file")
    parser.add_argument("--mapping", type=Path, required=True, help="the TOML that says what its columns are")
    parser.add_argument(
        "--speed", type=_read_speed, help="max, or how many times faster than real time (default: the mapping's)"
    )
    parser.add_argument("--limit", type=int, help="stop after so many rows (wide files: after melting)")
    parser.add_argument("--join", type=Path, help="the second file, instead of the one that the mapping names")
    parser.add_argument("--url", help="ingest's address (default: from the settings)")
    parser.add_argument("--key", help="the sender's key (default: from the settings)")


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Replay a file and print the counts; returns 0 once every row was delivered."""
    progress, tally = Progress(), Tally()
    code = 0
    try:
        mapping = read_mapping(arguments.mapping)
        key = arguments.key or find_key(settings)
        with Sender(arguments.url or settings.ingest_url, key, stop_on_signals(), tally=tally) as sender:
            speed = arguments.speed or mapping.speed
            replay(arguments.file, mapping, sender, progress, speed, arguments.limit, arguments.join)
    except (MappingError, SheetError, SettingError) as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
        code = EXIT_BAD_FILE
    except SendError as reason:
        sys.stderr.write(f"county-brain: {reason}\n")
        code = EXIT_REFUSED
    except SendStoppedError:
        code = EXIT_STOPPED
    if progress.rows:
        sys.stdout.write(describe(progress, tally))
    return code or (0 if progress.complete else EXIT_STOPPED)


def replay(
    file: Path,
    mapping: Mapping,
    sender: Sender,
    progress: Progress,
    speed: float = math.inf,
    limit: int | None = None,
    join: Path | None = None,
) -> None:
    """Send every row of a file that the mapping wants, in order, and count in `progress` and `sender.tally`.

    `speed` infinite means as fast as ingest takes it. Stops early, with `progress.complete` False, when
    `sender.stop` is set. Raises `MappingError`, `SheetError` or `SendError`.
    """
    sheet = shape_sheet(open_sheet(file, mapping.layout), mapping, file.parent, join)
    rows = sheet.rows if limit is None else _take(sheet.rows, limit)
    count = limit if sheet.count is None or (limit is not None and limit < sheet.count) else sheet.count
    run = ""
    if mapping.time.rebase:
        run = f"@{int(time.time())}"
    with tqdm(total=count, unit=" rows", disable=not sys.stderr.isatty()) as bar, _Courier(sender) as courier:
        rows = _count(_choose(rows, mapping, progress), progress, bar)
        if math.isinf(speed):
            shift: Shift = stay
            if mapping.time.rebase:
                rows, shift = _end_now(rows, mapping)
            _send_at_once(rows, mapping, courier, progress, shift, run)
        else:
            _send_in_step(rows, mapping, courier, progress, _Pace(speed, mapping.time.rebase), run)
        courier.finish()
        progress.complete = not sender.stop.is_set()


def describe(progress: Progress, tally: Tally) -> str:
    """Return the counts of a replay as lines of text."""
    lines = [
        f"rows      {progress.rows:>9,}",
        f"received  {tally.received:>9,}",
        f"accepted  {tally.accepted:>9,}",
        f"duplicate {tally.duplicate:>9,}",
        f"rejected  {tally.rejected:>9,}",
    ]
    if progress.left_out:
        lines.insert(1, f"left out  {progress.left_out:>9,}  by [where]")
    lines += [f"  {count:>9,} × {reason}" for reason, count in tally.reasons.most_common(5)]
    if not progress.complete:
        lines.append(f"stopped before the end; data time reached {progress.newest or 'nothing'}")
    return "\n".join(lines) + "\n"


class _Courier:
    """Sends batches in a thread of its own, one after another, while the next ones are made."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="courier")
        self._under_way: deque[Future[None]] = deque()

    def __enter__(self) -> "_Courier":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)

    @property
    def stop(self) -> threading.Event:
        return self._sender.stop

    def take(self, batch: list[CloudEvent]) -> None:
        """Hand over a batch; waits when too many are under way. Raises what sending raised."""
        while len(self._under_way) >= BATCHES_AHEAD or (self._under_way and self._under_way[0].done()):
            self._under_way.popleft().result()
        if batch:
            self._under_way.append(self._thread.submit(self._sender.send, batch))

    def finish(self) -> None:
        """Wait until all that was handed over is delivered."""
        while self._under_way:
            self._under_way.popleft().result()


class _Pace:
    """When a row is due, and as what moment it is told, on a clock that runs `speed` times faster."""

    def __init__(self, speed: float, rebase: bool) -> None:
        self._speed = speed
        self._rebase = rebase
        self._begun = time.monotonic()
        self._begun_at = datetime.now(UTC)
        self._first: datetime | None = None

    def wait_s(self, moment: datetime | None) -> float:
        """Return how long it is until the moment is due; a row without a moment is due at once."""
        if moment is None:
            return 0.0
        return self._offset_s(moment) - (time.monotonic() - self._begun)

    def shift(self, moment: datetime) -> datetime:
        """Return the moment as it is told: shifted to the present, or as it was."""
        if not self._rebase:
            return moment
        return self._begun_at + timedelta(seconds=round(self._offset_s(moment), 3))

    def _offset_s(self, moment: datetime) -> float:
        self._first = self._first or moment
        return (moment - self._first).total_seconds() / self._speed


def _send_at_once(
    rows: Iterator[Row], mapping: Mapping, courier: _Courier, progress: Progress, shift: Shift, run: str
) -> None:
    batch: list[CloudEvent] = []
    for row in rows:
        if courier.stop.is_set():
            return
        batch.append(mapping.make_event(row, shift, run))
        if len(batch) == BATCH_SIZE:
            progress.newest = mapping.moment(row) or progress.newest
            courier.take(batch)
            batch = []
    courier.take(batch)


def _send_in_step(
    rows: Iterator[Row], mapping: Mapping, courier: _Courier, progress: Progress, pace: _Pace, run: str
) -> None:
    batch: list[CloudEvent] = []
    for row in rows:
        moment = mapping.moment(row)
        wait_s = pace.wait_s(moment)
        if wait_s > 0 or len(batch) == BATCH_SIZE:
            courier.take(batch)
            batch = []
        if courier.stop.wait(max(wait_s, TICK_S)) if wait_s > 0 else courier.stop.is_set():
            return
        batch.append(mapping.make_event(row, pace.shift, run))
        progress.newest = moment or progress.newest
    courier.take(batch)


def _end_now(rows: Iterator[Row], mapping: Mapping) -> tuple[Iterator[Row], Shift]:
    """Return the rows and the shift that makes the file's last moment the present."""
    kept = list(rows)
    last = max((moment for row in kept if (moment := mapping.moment(row))), default=None)
    if last is None:
        return iter(kept), stay
    distance = datetime.now(UTC) - last
    return iter(kept), lambda moment: moment + distance


def _choose(rows: Iterator[Row], mapping: Mapping, progress: Progress) -> Iterator[Row]:
    for row in rows:
        if mapping.takes(row):
            yield row
        else:
            progress.rows += 1
            progress.left_out += 1


def _count(rows: Iterator[Row], progress: Progress, bar: "tqdm[None]") -> Iterator[Row]:
    shown = 0
    for row in rows:
        yield row
        progress.rows += 1
        if progress.rows - shown >= BATCH_SIZE:
            if progress.newest:
                bar.set_postfix_str(f"{progress.newest:%Y-%m-%d %H:%M}", refresh=False)
            bar.update(progress.rows - shown)
            shown = progress.rows
    bar.update(progress.rows - shown)


def _take(rows: Iterator[Row], limit: int) -> Iterator[Row]:
    for _, row in zip(range(limit), rows, strict=False):
        yield row


def _read_speed(text: str) -> float:
    speed = parse_speed(text)
    if speed is None:
        raise argparse.ArgumentTypeError(f"must be max or a number above 0, not {text!r}")
    return speed
