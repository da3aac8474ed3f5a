"""Who may hand events in, which, and how many."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ingest.keys import digest_key
from ingest.records import AnyRecord, Placed, name_feed
from ingest.sender_file import Enrolment, SenderFileError, read_enrolments

LOOK_EVERY_S: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Sender:
    """Somebody with a key; `feeds` and `areas` (beginnings of area codes) bound what they may tell, empty is all.

    `events_per_s` is how many they may hand to one ingest process; None is any number.
    """

    name: str
    feeds: frozenset[str] = frozenset()
    areas: tuple[str, ...] = ()
    events_per_s: float | None = None

    def find_objection(self, record: AnyRecord) -> str | None:
        """Return why a placed record is not this sender's to tell; None where it is.

        What has no place by its kind (an action, an alarm) cannot be held against areas: who is bound to some may
        send it only where their feeds name it.
        """
        feed = name_feed(record)
        if self.feeds and feed not in self.feeds:
            return f"{self.name} may not send {feed}"
        if not self.areas:
            return None
        if not isinstance(record, Placed):
            return None if self.feeds else f"{self.name} is bound to areas and may not send {feed} without a place"
        if (record.cell_code or "").startswith(self.areas):
            return None
        return f"{self.name} may not send for {record.cell_code or 'a place outside the county'}"

    @property
    def is_bounded(self) -> bool:
        """Whether there is anything that this sender may not tell."""
        return bool(self.feeds or self.areas)


LOCAL = Sender("local")
"""Our own parts, with the local key."""


class Senders:
    """Finds senders by their keys; looks at most once a second whether their file has changed.

    A file that cannot be read or makes no sense changes nothing: the senders known before stay, and `fault` says what
    is wrong until it is mended. So a file that was there and is gone is a fault, too; an empty one is none.
    """

    def __init__(self, path: Path, local_key: str, clock: Callable[[], float] = time.monotonic) -> None:
        self.fault: str | None = None
        self._path = path
        self._local_digest = digest_key(local_key)
        self._clock = clock
        self._senders = {self._local_digest: LOCAL}
        self._mark: tuple[int, int, int] | None = None
        self._look_at = 0.0
        self.refresh()

    def find(self, key: str) -> Sender | None:
        """Return whose key it is; None where it is nobody's.

        Looked up by digest: the time it takes tells of the digest, and nobody can choose that.
        """
        if self._clock() >= self._look_at:
            self.refresh()
        return self._senders.get(digest_key(key))

    def list_feeds(self) -> dict[str, frozenset[str]]:
        """Return the feeds that each sender but our own parts is bound to, by name; empty for one that may send any."""
        return {sender.name: sender.feeds for sender in self._senders.values() if sender is not LOCAL}

    def refresh(self) -> None:
        """Read the file if it is another than last time."""
        self._look_at = self._clock() + LOOK_EVERY_S
        try:
            status = self._path.stat()
            mark = (status.st_mtime_ns, status.st_size, status.st_ino)
            if mark == self._mark:
                return
            enrolments = read_enrolments(self._path)
        except FileNotFoundError:
            self._note_fault(f"{self._path} is gone" if self._mark else None)
            return
        except OSError as error:
            self._note_fault(f"{self._path} cannot be read: {error.strerror}")
            return
        except SenderFileError as error:
            self._mark = mark
            self._note_fault(str(error))
            return
        self._mark = mark
        self._senders = {bytes.fromhex(each.key_sha256): as_sender(name, each) for name, each in enrolments.items()}
        self._senders[self._local_digest] = LOCAL
        self._note_fault(None)
        log.info("%d senders in %s", len(enrolments), self._path)

    def _note_fault(self, fault: str | None) -> None:
        if fault and fault != self.fault:
            log.error("%s: the senders known before stay", fault)
        self.fault = fault


def as_sender(name: str, enrolment: Enrolment) -> Sender:
    """Return an enrolled sender."""
    return Sender(name, frozenset(enrolment.feeds), tuple(enrolment.areas), enrolment.events_per_s)
