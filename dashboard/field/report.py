"""A report from the field, as its page sends it, checked and put into the words of the contract."""

from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from dashboard.people.viewer import Viewer
from geo.county import County
from geo.lookup import CellLookup
from geo.pack import Name, PackError
from geo.profile import Category
from ingest.open311.services import is_private

MOST_PHOTOS: Final = 3
LONGEST_TEXT: Final = 500
LONGEST_QUEUED: Final = timedelta(days=30)
TITLE_CHARACTERS: Final = 40
CHANNELS: Final = {
    "grid_worker": "grid_worker",
    "village_centre": "window",
    "town_centre": "window",
    "dispatcher": "hotline",
    "county_duty": "hotline",
    "unit": "patrol",
    "supervisor": "patrol",
    "leader": "superior",
}
"""By role, the channel of what the county's own people report here: they see every class and say how severe it is."""

Line = Annotated[str, Meta(max_length=60)]


class ReportRefused(ValueError):  # noqa: N818 - it says what happened
    """A report that cannot be taken; `field` names what is wrong and `reason` is a key of the catalogue's [report]."""

    def __init__(self, field: str, reason: str):
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Contact(msgspec.Struct, forbid_unknown_fields=True):
    """How the reporter can be reached: personal data."""

    name: Line = ""
    phone: Line = ""


class Report(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What the page sends; `made_at` and `sent_at` are by the phone's clock, which may be wrong.

    id: made by the phone, and the same however often it sends. worker: the name of the account under which it was
    made, empty for a resident. joins: the case that it is added to. photos: ids that the photos were kept under.
    """

    id: Annotated[str, Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]
    made_at: datetime
    sent_at: datetime
    category: Annotated[str, Meta(max_length=20)]
    lon: Annotated[float, Meta(ge=-180, le=180)]
    lat: Annotated[float, Meta(ge=-90, le=90)]
    description: Annotated[str, Meta(max_length=LONGEST_TEXT)] = ""
    severity: Annotated[int, Meta(ge=1, le=4)] | None = None
    photos: Annotated[list[Annotated[str, Meta(pattern=r"^[0-9a-f]{32}$")]], Meta(max_length=MOST_PHOTOS)] = []
    contact: Contact | None = None
    joins: Annotated[str, Meta(max_length=200)] = ""
    worker: Annotated[str, Meta(max_length=200)] = ""


@dataclass(frozen=True)
class Place:
    """Where a point is: the cell's code, and the names of town, village and cell."""

    cell_code: str
    town: Name
    village: Name
    cell: Name


class Places:
    """Finds what a point in the county is called."""

    def __init__(self, county: County) -> None:
        areas = county.areas
        self._lookup = CellLookup(county.cells)
        rows = zip(areas.index, areas["name"], areas["name_en"], areas["parent"], strict=True)
        self._names: dict[str, Name] = {}
        self._parents: dict[str, str] = {}
        for code, zh, en, parent in rows:
            self._names[str(code)] = Name(str(zh), en if isinstance(en, str) and en else str(zh))
            self._parents[str(code)] = str(parent or "")

    def find(self, lon: float, lat: float) -> Place | None:
        """Return where a point is (degrees, WGS 84), None outside the county."""
        cell = self._lookup.find_cell(lon, lat)
        return None if cell is None else self.name(cell)

    def name(self, cell: str) -> Place:
        """Return what the place of a cell is called; raises `KeyError` for a code that no cell has."""
        village = self._parents[cell]
        town = self._parents.get(village, "")
        unknown = Name("", "")
        return Place(cell, self._names.get(town, unknown), self._names.get(village, unknown), self._names[cell])


def list_public(county: County) -> frozenset[str]:
    """Return the classes that a resident may report.

    Those that begin with what `[field] public` of the pack's `cases.toml` lists; without it every class of events but
    no dispute, which is registered where one can speak (and be heard) in private. Raises `PackError`.
    """
    table = county.case_settings.get("field", {})
    beginnings = table.get("public") if isinstance(table, dict) else None
    if beginnings is None:
        return frozenset(code for code in county.categories if not is_private(code))
    if not isinstance(beginnings, list) or not all(isinstance(beginning, str) for beginning in beginnings):
        raise PackError("cases.toml: field.public must be a list of beginnings of class codes")
    return frozenset(code for code in county.categories if code.startswith(tuple(beginnings)))


def read_report(body: bytes) -> Report:
    """Return the report in a body of JSON; raises `ReportRefused` naming the field that cannot be read."""
    try:
        report = msgspec.json.decode(body, type=Report)
    except msgspec.ValidationError as error:
        _, _, path = str(error).partition(" - at `$.")
        field = path.rstrip("`").partition(".")[0].partition("[")[0]
        raise ReportRefused(field or "report", "refused_unreadable") from None
    except (ValueError, RecursionError):
        raise ReportRefused("report", "refused_unreadable") from None
    contact = report.contact or Contact()
    said = {"description": report.description, "joins": report.joins, "contact": contact.name + contact.phone}
    wrong = [field for field, words in said.items() if "\0" in words]
    # At the ends of the calendar there is no other time zone to go to.
    times = {"made_at": report.made_at, "sent_at": report.sent_at}
    wrong += [field for field, moment in times.items() if moment.year in (MINYEAR, MAXYEAR)]
    if wrong:
        raise ReportRefused(wrong[0], "refused_unreadable")
    return report


def is_worker(viewer: Viewer | None) -> bool:
    """Return whether somebody reports as one of the county's own."""
    return viewer is not None and viewer.role in CHANNELS


def tell_made_at(made_at: datetime, sent_at: datetime, now: datetime) -> datetime:
    """Return when something was made, by our clock: as long ago as it waited by the phone's.

    A wrong clock is wrong twice by the same, so it does not matter.
    """
    waited = _as_utc(sent_at) - _as_utc(made_at)
    return now - min(max(waited, timedelta()), LONGEST_QUEUED)


def make_event(
    report: Report, number: str, category: Category, worker: Viewer | None, now: datetime, joined: str | None
) -> dict[str, object]:
    """Return the data of the `case.reported` that a report becomes.

    worker: who made it, None for a resident. joined: the case that it is added to, None for one of its own.
    """
    description = report.description.strip()
    data: dict[str, object] = {
        "case_id": joined or number,
        "category": category.code,
        "title": make_title(category.zh, description),
        "lon": report.lon,
        "lat": report.lat,
        "reported_at": tell_made_at(report.made_at, report.sent_at, now).isoformat(),
        "channel": "app" if worker is None else CHANNELS[worker.role],
        "media": [f"/media/{number}/{photo}" for photo in dict.fromkeys(report.photos)],
    }
    if description:
        data["description"] = description
    if worker is not None:
        data["actor"] = worker.name
        if report.severity is not None:
            data["severity"] = report.severity
    reporter = _name_reporter(report, worker)
    if reporter:
        data["reporter"] = reporter
    return data


def _name_reporter(report: Report, worker: Viewer | None) -> dict[str, str]:
    """Return who is to be asked: whoever left a name or a number, else the worker."""
    contact = report.contact or Contact()
    said = {"name": contact.name.strip(), "phone": contact.phone.strip()}
    left = {name: text for name, text in said.items() if text}
    return left or ({} if worker is None else {"name": worker.title})


def name_day(report: Report, zone: ZoneInfo) -> datetime:
    """Return the moment whose day is in a report's number: by the phone's clock, so that it never changes."""
    return _as_utc(report.made_at).astimezone(zone)


def _as_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def make_title(name: str, description: str) -> str:
    """Return the title of a report that has none: its class's name, and how the words begin."""
    words = " ".join(description.split())
    if not words:
        return name
    return f"{name}：{words if len(words) <= TITLE_CHARACTERS else f'{words[:TITLE_CHARACTERS]}…'}"
