"""Who may hand events in, and which."""

from dataclasses import dataclass

from ingest.records import AnyRecord, Placed, name_feed


@dataclass(frozen=True)
class Sender:
    """Somebody with a key; `feeds` and `areas` (beginnings of area codes) bound what they may tell, empty is all."""

    name: str
    feeds: frozenset[str] = frozenset()
    areas: tuple[str, ...] = ()
    events_per_s: float | None = None

    def find_objection(self, record: AnyRecord) -> str | None:
        """Return why a placed record is not this sender's to tell; None where it is."""
        if self.feeds and name_feed(record) not in self.feeds:
            return f"{self.name} may not send {name_feed(record)}"
        if self.areas and isinstance(record, Placed) and not (record.cell_code or "").startswith(self.areas):
            return f"{self.name} may not send for {record.cell_code or 'a place outside the county'}"
        return None

    @property
    def is_bounded(self) -> bool:
        """Whether there is anything that this sender may not tell."""
        return bool(self.feeds or self.areas)


LOCAL = Sender("local")
"""Our own parts, with the local key."""
