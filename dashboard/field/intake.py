"""Taking a report: checked, given its number, published, and only then called accepted."""

import asyncio
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from cases.rulebook import Rulebook
from dashboard.field.codes import Codes
from dashboard.field.number import make_number, show_number
from dashboard.field.photos import PhotoStore
from dashboard.field.report import (
    Places,
    Report,
    ReportRefused,
    is_worker,
    make_event,
    name_day,
)
from dashboard.field.status import find_report
from dashboard.people.viewer import Viewer
from dashboard.publishing import Publisher, PublishRefused
from geo.county import County
from ingest.history import read_case

MOST_ATTEMPTS: Final = 5
JOIN_WITHIN_M: Final = 500.0
METRES_A_DEGREE: Final = 111_195.0  # of latitude, on a sphere of 6,371 km

_FIELDS: Final = {"lon": "place", "lat": "place", "cell_code": "place", "reporter": "contact", "media": "photos"}
"""What the page calls the fields of the contract."""


class NotSignedIn(RuntimeError):  # noqa: N818 - it says what is the case
    """The report was made by a worker who is not, or no longer, who is asking."""


class Receipt(NamedTuple):
    """What is told to whoever made a report: its number as people read it, and the code that goes with it."""

    number: str
    code: str


@dataclass(frozen=True, eq=False)
class Intake:
    """Takes reports; `engine` reads what is recorded already, `public` are the classes that residents may report."""

    county: County
    places: Places
    photos: PhotoStore
    publisher: Publisher
    engine: Engine
    codes: Codes
    public: frozenset[str]
    rulebook: Rulebook

    async def take(self, report: Report, viewer: Viewer | None) -> Receipt:
        """Publish a report, once however often it comes, and return its receipt once ingest has accepted it.

        Raises `ReportRefused`, `NotSignedIn`, `dashboard.publishing.PublishAway` and `OSError`.
        """
        worker = self._find_worker(report, viewer)
        category = self.county.categories.get(report.category)
        if category is None or (worker is None and report.category not in self.public):
            raise ReportRefused("category", "refused_category")
        if self.rulebook.admit(report.category, datetime.now(UTC)).refused:
            raise ReportRefused("category", "refused_unlisted")
        if self.places.find(report.lon, report.lat) is None:
            raise ReportRefused("place", "refused_outside")
        number, joined = await asyncio.to_thread(self._look_up, report)
        await asyncio.to_thread(self._keep_photos, report)
        data = make_event(report, number, category, worker, datetime.now(UTC), joined)
        try:
            await self.publisher.publish("case.reported", data, id=number)
        except PublishRefused as refusal:
            field = str(refusal).partition(":")[0].removeprefix("data.").partition(".")[0]
            raise ReportRefused(_FIELDS.get(field, field), "refused_by_ingest") from refusal
        return Receipt(show_number(number), await asyncio.to_thread(self.codes.make, number))

    def _find_worker(self, report: Report, viewer: Viewer | None) -> Viewer | None:
        if not report.worker:
            return None
        if viewer is None or viewer.name != report.worker or not is_worker(viewer):
            raise NotSignedIn(report.worker)
        return viewer

    def _look_up(self, report: Report) -> tuple[str, str | None]:
        """Return a report's number, and the case that it is added to if that can still be."""
        try:
            return self._choose_number(report), self._find_joined(report)
        except SQLAlchemyError:
            # Ingest takes reports while the database is away, and so do we.
            return make_number(report.id, name_day(report, self.county.time_zone)), None

    def _choose_number(self, report: Report) -> str:
        """Return the first number that is free, or is that of this very report, which was sent before."""
        day = name_day(report, self.county.time_zone)
        for attempt in range(MOST_ATTEMPTS):
            number = make_number(report.id, day, attempt)
            known = find_report(self.engine, number)
            if known is None or (known.category, known.lon, known.lat) == (report.category, report.lon, report.lat):
                return number
        raise ReportRefused("report", "refused_number")

    def _find_joined(self, report: Report) -> str | None:
        """Return the case that a report asks to be added to: open, near and of its class; else it stands alone."""
        file = read_case(self.engine, report.joins) if report.joins else None
        if file is None or file.case.closed_at is not None or file.case.category != report.category:
            return None
        if file.case.lon is None or file.case.lat is None:
            return None
        east = (file.case.lon - report.lon) * METRES_A_DEGREE * math.cos(math.radians(report.lat))
        north = (file.case.lat - report.lat) * METRES_A_DEGREE
        return file.case.case_id if math.hypot(east, north) <= JOIN_WITHIN_M else None

    def _keep_photos(self, report: Report) -> None:
        for photo in report.photos:
            if not self.photos.keep(photo):
                raise ReportRefused("photos", "refused_photo_gone")
