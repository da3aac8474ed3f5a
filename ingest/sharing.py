"""How several recorders divide the partitions: each says that it is there, and all count alike who is.

The signs of life (`ingest.signs`) are the list: of the n recorders whose sign is fresh and well, in order of their
names, the k-th takes every n-th partition. While one comes or goes, two may follow the same partition for some
seconds; watermarks are moved by compare-and-set, so what is recorded is recorded once all the same.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

import redis

from ingest.signs import State, list_signs, note_alive, note_gone

log = logging.getLogger(__name__)

PART = "recorder"
GONE_AFTER = timedelta(seconds=8)  # signs are left every two seconds
"""Who has left no sign for so long is taken for dead by the other recorders."""


class Sharing:
    """One recorder among those on the same streams; `name` must be its own, empty for one that is alone.

    Nothing is raised while Redis is away: then the share stays as it is.
    """

    def __init__(self, client: "redis.Redis", name: str = "") -> None:
        self.part = f"{PART}@{name}" if name else PART
        self._client = client
        self._alive = [self.part]

    def note(self, state: State = "ok", reason: str | None = None, last_message_at: datetime | None = None) -> None:
        """Leave a sign of life; only an `ok` one keeps a share of the partitions."""
        note_alive(self._client, self.part, state, reason, last_message_at)

    def leave(self) -> None:
        """Give the share to the others at once."""
        note_gone(self._client, self.part)

    def look(self) -> bool:
        """Find out who is there by now; return whether that has changed."""
        try:
            signs, now = list_signs(self._client)
        except (redis.RedisError, OSError):
            return False
        others = {
            part
            for part, sign in signs.items()
            if part.partition("@")[0] == PART and sign.state == "ok" and now - sign.at < GONE_AFTER
        }
        alive = sorted(others | {self.part})
        changed = alive != self._alive
        if changed:
            log.info("recorders at work: %s", ", ".join(alive))
        self._alive = alive
        return changed

    def choose(self, partitions: Iterable[int]) -> set[int]:
        """Return those of the partitions that are this recorder's."""
        rank, size = self._alive.index(self.part), len(self._alive)
        return {partition for partition in partitions if partition % size == rank}
