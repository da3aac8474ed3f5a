"""The doors: one module each, from bytes in one outside format to records or refusals.

A connector owns no Redis, no clock, no sleep and no retry. It has

- `NAME`, what `events:rejected` calls the door;
- `CONTENT_TYPES`, the media types of the bodies it reads; `("",)` where the carrier names none;
- `ALONE`, the one of them under which a refusal's `body`, delivered by itself, means the same event again;
- `parse(delivery, reception) -> Parsed`, which raises nothing, whatever the bytes.

`tests/contracts/test_connectors.py` holds every module in this package to that.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from ingest.records import AnyRecord


class Delivery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What came to a door, whole, and all that was said with it.

    `content_type` is in lower case and without parameters, names of `headers` are in lower case; `topic` is MQTT's.
    """

    body: bytes
    received_at: datetime
    content_type: str = ""
    headers: Mapping[str, str] = {}
    topic: str = ""


class Refusal(NamedTuple):
    """One event that was not taken; `reason` is a sentence for its sender that begins with `field`.

    `body` is the event's own bytes as they came; `id` and `source` are None where it did not say, `feed` is empty.
    """

    reason: str
    field: str
    id: str | None
    source: str | None
    body: bytes
    feed: str = ""


class Parsed(NamedTuple):
    """A body's events in order, each a record or a refusal.

    `unreadable` says why the body is not of its format at all (HTTP 400); `items` is empty then.
    Records are not placed yet, and a case reported without an id has an empty `case_id`.
    """

    items: list[AnyRecord | Refusal]
    unreadable: str | None = None
