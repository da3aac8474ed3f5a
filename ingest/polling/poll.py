"""One polled source: reading what is new, sending it, and writing down how far that got."""

import logging
import os
import random
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec
from msgspec import UNSET

from ingest.files.mapping import Mapping, MappingError, read_mapping
from ingest.files.mapping_sheets import shape_sheet
from ingest.files.sheets import Row, Sheet, SheetError, open_sheet
from ingest.polling.cursor import Highest, write_question
from ingest.polling.folder import FolderWatch
from ingest.polling.sources import Source
from ingest.polling.state import FileMark, State, Taken, load_state, save_state
from ingest.polling.web import PollError, fetch_pages
from ingest.sender import BATCH_SIZE, CloudEvent, Sender, SendError

log = logging.getLogger(__name__)

SHORTEST_PAUSE_S: Final = 2.0
LONGEST_PAUSE_S: Final = 15 * 60.0
LONGEST_ASKED_S: Final = 3600.0
SETTLE_S: Final = 5.0

TROUBLES = (PollError, MappingError, SheetError, SendError, OSError)


class Poll:
    """One source: `run_once` reads what is new and sends it."""

    def __init__(self, source: Source, folder: Path, url: str, key: str | None, stop: threading.Event) -> None:
        """`folder` holds the states; `url` is ingest's address."""
        self.source = source
        self.state: State = load_state(folder, source.name)
        self._folder = folder
        self._url = url
        self._key = key
        self._stop = stop
        self._watch = FolderWatch(source)
        self.is_growing = False
        self._random = random.Random()

    def run_once(self) -> bool:
        """Read what is new and send it; return whether nothing went wrong. Raises `SendStoppedError`, `StopError`."""
        condition = self.state.condition
        begun = datetime.now(UTC)
        before = msgspec.structs.replace(condition)
        try:
            with Sender(self._url, self._find_key(), self._stop) as sender:
                try:
                    self._read(sender)
                finally:
                    for name in ("received", "accepted", "duplicate", "rejected"):
                        setattr(condition, name, getattr(condition, name) + getattr(sender.tally, name))
        except TROUBLES as trouble:
            condition.failures += 1
            self._note_error(str(trouble))
            condition.next_at = datetime.now(UTC) + timedelta(seconds=self._choose_pause(trouble))
        else:
            if condition.failures:
                log.info("%s: it answers again", self.source.name)
            condition.failures = 0
            condition.last_success_at = begun
            pause_s = min(SETTLE_S, self.source.interval_s) if self.is_growing else self.source.interval_s
            condition.next_at = max(begun + timedelta(seconds=pause_s), datetime.now(UTC))
        condition.polls += 1
        self._report(before)
        try:
            self._save()
        except OSError as trouble:
            # Known here, and sent again after a restart: better than to stop.
            self._note_error(f"its state cannot be written: {trouble}")
        return condition.failures == 0

    def wait_s(self) -> float:
        """Return how long it is until the source is to be asked again."""
        next_at = self.state.condition.next_at
        return 0.0 if next_at is None else max(0.0, (next_at - datetime.now(UTC)).total_seconds())

    def _read(self, sender: Sender) -> None:
        mapping = read_mapping(Path(self.source.mapping))
        if mapping.time.rebase:
            raise MappingError(f'{mapping.path}: time.rebase: a polled source tells its own times; leave "now" out')
        if self.source.folder is None:
            self._read_web(mapping, sender)
        else:
            self._read_folder(mapping, sender)

    def _read_web(self, mapping: Mapping, sender: Sender) -> None:
        position, cursor = self.state.position, self.source.cursor
        if position.mapping != mapping.digest:
            # Another mapping may make more of the same answer.
            position.asked = ""
        question = None if cursor is None else write_question(cursor, position.cursor, mapping.time.zone)
        highest = None if cursor is None else Highest(cursor, position.cursor, mapping.time.zone, datetime.now(UTC))
        beside = Path(self.source.mapping).parent
        page = None
        for page in fetch_pages(self.source, mapping.layout, question, position, self._stop):
            sheet = page.sheet if highest is None else _follow(page.sheet, highest)
            self._send(shape_sheet(sheet, mapping, beside, strict=False), mapping, sender)
            if highest is not None and cursor is not None and cursor.ascending:
                position.cursor = highest.text
                self._save()
        if page is None:
            return
        position.mapping = mapping.digest
        position.asked, position.etag, position.modified = page.asked, page.etag, page.modified
        if highest is not None:
            position.cursor = highest.text

    def _read_folder(self, mapping: Mapping, sender: Sender) -> None:
        files, self.is_growing = self._watch.look(self.state.position, mapping.digest)
        for name, mark in files:
            path = self._watch.open_path(name)
            try:
                self._send(shape_sheet(open_sheet(path, mapping.layout), mapping, path.parent), mapping, sender)
            except (SheetError, MappingError) as fault:
                if not path.exists():
                    continue
                mark = FileMark(mark.size, mark.mtime_ns, str(fault), mapping.digest)
                self._note_error(f"{name} is left until it or the mapping changes: {fault}")
            self.state.position.files[name] = mark
            self._save()

    def _send(self, sheet: Sheet, mapping: Mapping, sender: Sender) -> None:
        """Send a sheet's rows, but for those that came the last times and are still the same."""
        position, condition = self.state.position, self.state.condition
        taken = Taken(position.taken)
        batch: dict[str, CloudEvent] = {}
        for row in sheet.rows:
            condition.rows += 1
            if not mapping.takes(row):
                condition.left_out += 1
                continue
            event = mapping.make_event(row, origin=self.source.origin)
            digest = _digest(event)
            if digest in batch or taken.has(digest):
                condition.unchanged += 1
                continue
            batch[digest] = event
            if len(batch) == BATCH_SIZE:
                sender.send(list(batch.values()))
                taken.add(batch)
                batch = {}
        sender.send(list(batch.values()))
        taken.add(batch)
        position.taken = taken.as_list()

    def _find_key(self) -> str | None:
        if self.source.key_from is None:
            return self._key
        key = os.environ.get(self.source.key_from)
        if not key:
            raise PollError(f"key_from: the environment has no {self.source.key_from}")
        return key

    def _choose_pause(self, trouble: Exception) -> float:
        """Return when to try again: later each time, never all at once, and not before the source wants it."""
        longest = max(self.source.interval_s, LONGEST_PAUSE_S)
        pause_s = min(SHORTEST_PAUSE_S * 2.0 ** min(self.state.condition.failures - 1, 30), longest)
        asked_s = getattr(trouble, "retry_after_s", None) or 0.0
        return max(pause_s * self._random.uniform(0.5, 1.0), min(asked_s, LONGEST_ASKED_S))

    def _note_error(self, reason: str) -> None:
        self.state.condition.last_error = reason
        self.state.condition.last_error_at = datetime.now(UTC)
        log.error("%s: %s", self.source.name, reason)

    def _report(self, before: "msgspec.Struct") -> None:
        names = ("rows", "unchanged", "accepted", "duplicate", "rejected")
        counts = {name: getattr(self.state.condition, name) - getattr(before, name) for name in names}
        notable = counts["accepted"] or counts["rejected"] or self.state.condition.failures
        told = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing new"
        if self.state.condition.failures:
            told += f", failed {self.state.condition.failures} times in a row"
        next_at = f"{self.state.condition.next_at:%H:%M:%S}Z"
        log.log(logging.INFO if notable else logging.DEBUG, "%s: %s; next at %s", self.source.name, told, next_at)

    def _save(self) -> None:
        save_state(self._folder, self.state)


def _follow(sheet: Sheet, highest: Highest) -> Sheet:
    def note(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            highest.note(row)
            yield row

    return replace(sheet, rows=note(sheet.rows))


def _digest(event: CloudEvent) -> str:
    """Return a digest of all that an event says; of the row only what the mapping made of it counts."""
    bare = msgspec.structs.replace(event, mapping=UNSET, row=event.row if event.id is UNSET else UNSET)
    return blake2b(msgspec.json.encode(bare), digest_size=8).hexdigest()
