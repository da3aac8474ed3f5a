"""A decoded message on its way from a stream to SQL."""

from typing import NamedTuple

from ingest.records import AnyRecord


class Arrival(NamedTuple):
    """A record with its place in the streams."""

    partition: int
    stream_id: str
    record: AnyRecord
