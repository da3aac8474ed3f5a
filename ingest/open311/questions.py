"""What a client asks for in a URL, read and judged."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from ingest.open311.requests import Circle, RequestFilter
from ingest.reception import FieldError

LONGEST_SPAN: Final = timedelta(days=90)
MOST_REQUESTS: Final = 1_000
LARGEST_PAGE: Final = 100_000
LARGEST_RADIUS_M: Final = 50_000.0

_STATUSES: Final = {"open": True, "closed": False}


class Page(NamedTuple):
    """Which part of a list."""

    limit: int
    offset: int


class Question:
    """The parameters of a URL; every method raises `FieldError` naming the parameter that cannot be read."""

    def __init__(self, parameters: Mapping[str, str], zone: ZoneInfo, now: datetime) -> None:
        self._parameters = parameters
        self._zone = zone
        self._now = now

    def read_filter(self) -> RequestFilter:
        """Return which requests are asked for; `service_request_id` overrides everything else, as the standard says."""
        case_ids = self.read_list("service_request_id")
        if case_ids is not None:
            return RequestFilter(case_ids=case_ids)
        changed_from, changed_to = self._read_time("updated_after"), self._read_time("updated_before")
        asks_changes = changed_from is not None or changed_to is not None
        asks_dates = self._read("start_date") or self._read("end_date")
        # Who asks what has changed wants old reports, too: the 90 days bound only a list by date of report.
        start, end = self.read_span() if asks_dates or not asks_changes else (None, None)
        return RequestFilter(
            categories=self.read_list("service_code"),
            is_open=self._read_status(),
            reported_from=start,
            reported_to=end,
            changed_from=changed_from,
            changed_to=changed_to,
            near=self._read_circle(),
        )

    def read_page(self) -> Page:
        """Return the part asked for: `page` (from 1) of `page_size` requests."""
        size = self._read_integer("page_size", MOST_REQUESTS, MOST_REQUESTS)
        return Page(size, (self._read_integer("page", 1, LARGEST_PAGE) - 1) * size)

    def read_span(self) -> tuple[datetime, datetime]:
        """Return `start_date` and `end_date`; 90 days are put in for one that is missing."""
        start, end = self._read_time("start_date"), self._read_time("end_date")
        if end is None:
            end = self._now if start is None else start + LONGEST_SPAN
        if start is None:
            start = end - LONGEST_SPAN
        if start > end:
            raise FieldError("end_date", "is before start_date")
        if end - start > LONGEST_SPAN:
            raise FieldError("start_date", f"start_date to end_date may span {LONGEST_SPAN.days} days")
        return start, end

    def read_list(self, name: str) -> list[str] | None:
        """Return the parts of a parameter between its commas; None where it is not given."""
        text = self._read(name)
        if text is None:
            return None
        parts = list(dict.fromkeys(part for part in (part.strip() for part in text.split(",")) if part))
        if len(parts) > MOST_REQUESTS:
            raise FieldError(name, f"{len(parts)} are more than {MOST_REQUESTS}")
        return parts

    def _read_status(self) -> bool | None:
        wanted = {self._read_choice(status) for status in self.read_list("status") or _STATUSES}
        return wanted.pop() if len(wanted) == 1 else None

    def _read_choice(self, status: str) -> bool:
        if status not in _STATUSES:
            raise FieldError("status", f"must be open or closed, not {status!r}")
        return _STATUSES[status]

    def _read_circle(self) -> Circle | None:
        lat, lon = self._read_number("lat", 90), self._read_number("long", 180)
        radius_m = self._read_number("radius", LARGEST_RADIUS_M)
        if lat is None and lon is None and radius_m is None:
            return None
        if lat is None or lon is None or radius_m is None:
            raise FieldError("radius", "lat, long and radius (in metres) go together")
        return Circle(lon, lat, radius_m)

    def _read_number(self, name: str, most: float) -> float | None:
        text = self._read(name)
        if text is None:
            return None
        try:
            number = float(text)
        except ValueError:
            raise FieldError(name, f"{text!r} is no number") from None
        if not -most <= number <= most:
            raise FieldError(name, f"must be between -{most:g} and {most:g}, not {text}")
        return number

    def _read_integer(self, name: str, default: int, most: int) -> int:
        text = self._read(name)
        if text is None:
            return default
        if not text.isdecimal() or len(text) > 9 or not 1 <= int(text) <= most:
            raise FieldError(name, f"must be a whole number from 1 to {most}, not {text!r}")
        return int(text)

    def _read_time(self, name: str) -> datetime | None:
        text = self._read(name)
        if text is None:
            return None
        try:
            # A plus sign that was not escaped has become a space; no moment has one before its zone.
            moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=self._zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise FieldError(name, f"{text!r} is no date and time like 2026-11-22T08:00:00+08:00") from None

    def _read(self, name: str) -> str | None:
        return self._parameters.get(name, "").strip() or None
