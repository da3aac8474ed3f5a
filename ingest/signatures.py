"""What a hand-over and its taking over are sealed by.

A hand-over carries the digest of its content; taking it over names the digest of what was handed over and has one of
its own. So whatever is changed later, in the one or the other, shows.
"""

from hashlib import sha256
from typing import Final

import msgspec

from ingest.records import ShiftHandedOver, ShiftTakenOver

ASIDE: Final = frozenset({"digest", "source", "id", "received_at", "origin", "sender"})
"""The fields that nobody signs: the digest itself and the envelope's."""


def digest_content(record: ShiftHandedOver | ShiftTakenOver) -> str:
    """Return the SHA-256 of what somebody signed, in hex: of every field but those of `ASIDE`."""
    content = {name: value for name, value in msgspec.structs.asdict(record).items() if name not in ASIDE}
    return sha256(msgspec.json.encode([type(record).__name__, content], order="deterministic")).hexdigest()
