"""The doors: one module each, from bytes in one outside format to records or refusals.

A connector owns no Redis, no clock, no sleep and no retry. It has

- `NAME`, what `events:rejected` calls the door;
- `CONTENT_TYPES`, the media types of the bodies it reads;
- `parse(body, content_type, reception, received_at) -> Parsed`, which raises nothing, whatever the bytes.

`tests/contracts/test_connectors.py` holds every module in this package to that.
"""

from typing import NamedTuple

from ingest.records import AnyRecord


class Refusal(NamedTuple):
    """One event that was not taken; `reason` is a sentence for its sender that begins with `field`.

    `body` is the event's own bytes as they came; `id` and `source` are None where it did not say.
    """

    reason: str
    field: str
    id: str | None
    source: str | None
    body: bytes


class Parsed(NamedTuple):
    """A body's events in order, each a record or a refusal.

    `unreadable` says why the body is not of its format at all (HTTP 400); `items` is empty then.
    Records are not placed yet, and a case reported without an id has an empty `case_id`.
    """

    items: list[AnyRecord | Refusal]
    unreadable: str | None = None
