"""A decoded message on its way from a stream to SQL."""

import msgspec

from ingest.records import AnyRecord


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A record with its place in the streams."""

    partition: int
    stream_id: str
    record: AnyRecord
