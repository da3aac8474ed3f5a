"""Reports that the streams have and SQL not yet: each for a fifth of a second, longer when the recorder is behind."""

import re
from collections.abc import Collection, Mapping
from typing import Final

from ingest.placing import TOWN_DIGITS
from ingest.records import CaseReported, decode_record
from ingest.store import Watermark
from ingest.stream import START, AsyncStreams, Message, choose_partition

READ_AT_ONCE: Final = 1_000
READ_AT_MOST: Final = 20_000  # messages of one partition: a second's worth at full speed

_CASE_ID: Final = re.compile(rb'"case_id":"([^"\\]+)"')


class RecorderBehindError(RuntimeError):
    """More waits to be recorded than is worth looking through: whether there is such a report is not known yet."""


async def find_arriving(
    streams: AsyncStreams, marks: Mapping[int, Watermark], case_ids: Collection[str], cells: Collection[str]
) -> list[CaseReported]:
    """Return the reports of some cases that came after the watermarks.

    Cases whose ids ingest made are found, for those name their cell and so their partition; `cells` are the county's.
    Raises `RecorderBehindError`, `StreamUnavailable` and `StreamGap`.
    """
    by_partition: dict[int, set[bytes]] = {}
    for case_id in case_ids:
        cell = case_id.partition("-")[0]
        key = cell[:TOWN_DIGITS] if cell in cells else case_id
        by_partition.setdefault(choose_partition(key, streams.partitions), set()).add(case_id.encode())
    found: list[CaseReported] = []
    for partition, wanted in by_partition.items():
        mark = marks.get(partition)
        found += await _read_reports(streams, partition, mark.stream_id if mark else START, wanted)
    return found


async def _read_reports(
    streams: AsyncStreams, partition: int, position: str, wanted: Collection[bytes]
) -> list[CaseReported]:
    found: list[CaseReported] = []
    for _ in range(READ_AT_MOST // READ_AT_ONCE):
        messages = await streams.read_after({partition: position}, block_ms=1, count=READ_AT_ONCE)
        found += [report for message in messages if (report := _read_report(message, wanted))]
        if len(messages) < READ_AT_ONCE or len(found) == len(wanted):
            return found
        position = messages[-1].stream_id
    raise RecorderBehindError(f"more than {READ_AT_MOST} messages wait to be recorded")


def _read_report(message: Message, wanted: Collection[bytes]) -> CaseReported | None:
    case_id = _CASE_ID.search(message.record)
    if case_id is None or case_id[1] not in wanted:
        return None
    record = decode_record(message.record)
    return record if isinstance(record, CaseReported) else None
