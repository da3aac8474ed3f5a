"""Cursors: the highest value of a column, how it is found, and how it is asked from."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from zoneinfo import ZoneInfo

from ingest.files.sheets import Row, pick
from ingest.polling.sources import Cursor
from ingest.reception import FURTHEST_AHEAD

DEFAULT_OVERLAP: Final = {"time": 60.0, "number": 1.0, "text": 0.0}

Mark = datetime | Decimal | str
"""A cursor's value as something that has an order."""


class Highest:
    """Follows the highest value of a cursor's column through rows, from where it stood."""

    def __init__(self, cursor: Cursor, stands_at: str | None, zone: ZoneInfo, now: datetime) -> None:
        """`zone` is of times that have none; those of more than a day after `now` are a wrong clock's: not followed."""
        self._cursor = cursor
        self._zone = zone
        self._latest = now + FURTHEST_AHEAD
        self._find = pick(cursor.field)
        self.text = stands_at
        self._mark = None if stands_at is None else read_mark(cursor, stands_at, zone)

    def note(self, row: Row) -> None:
        """Look at one row."""
        value = self._find(row)
        mark = read_mark(self._cursor, value, self._zone)
        if mark is None or (isinstance(mark, datetime) and mark > self._latest):
            return
        if self._mark is None or mark > self._mark:  # type: ignore[operator]  # one cursor's marks are of one kind
            self._mark, self.text = mark, value.isoformat() if isinstance(value, datetime) else str(value)


def read_mark(cursor: Cursor, value: Any, zone: ZoneInfo) -> Mark | None:
    """Return a value as a mark; None where it is none of the cursor's kind."""
    if value is None or isinstance(value, bool):
        return None
    try:
        match cursor.kind:
            case "text":
                return str(value)
            case "number":
                number = Decimal(str(value))
                return number if number.is_finite() else None
        moment = _parse_time(cursor, value)
    except (ValueError, InvalidOperation):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


def write_question(cursor: Cursor, stands_at: str | None, zone: ZoneInfo) -> str | None:
    """Return what to put into the query: the cursor less its overlap, in the form in which the source writes it.

    Where nothing was had yet it is `cursor.start`, as that is, or None.
    """
    if stands_at is None:
        return None if cursor.start is None else cursor.value.replace("{cursor}", str(cursor.start))
    overlap = DEFAULT_OVERLAP[cursor.kind] if cursor.overlap is None else cursor.overlap
    match cursor.kind:
        case "text":
            text = stands_at
        case "number":
            text = f"{Decimal(stands_at) - Decimal(str(overlap)).normalize():f}"
        case "time":
            text = _write_time(cursor, stands_at, overlap, zone)
    return cursor.value.replace("{cursor}", text)


def _parse_time(cursor: Cursor, value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if cursor.format:
        return datetime.strptime(str(value), cursor.format)  # noqa: DTZ007 - the zone is set by `read_mark`
    return datetime.fromisoformat(str(value))


def _write_time(cursor: Cursor, stands_at: str, overlap_s: float, zone: ZoneInfo) -> str:
    moment = _parse_time(cursor, stands_at)
    # By way of UTC: an hour may be missing or come twice on the source's clock.
    aware = (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC) - timedelta(seconds=overlap_s)
    earlier = aware.astimezone(moment.tzinfo or zone)
    if moment.tzinfo is None:
        earlier = earlier.replace(tzinfo=None)
    if cursor.format:
        return earlier.strftime(cursor.format)
    if len(stands_at) == len("2026-01-01"):
        return earlier.date().isoformat()
    text = earlier.isoformat(
        sep="T" if "T" in stands_at else " ", timespec="auto" if earlier.microsecond else "seconds"
    )
    return text.replace("+00:00", "Z") if stands_at.endswith("Z") else text
