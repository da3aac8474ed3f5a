"""The case that an alarm becomes: a report like anybody's, made by a rule or by a person. Pure."""

from datetime import datetime
from typing import Any

from brain.alarm_book import Entry
from brain.alarm_duties import name_case


def has_place(entry: Entry) -> bool:
    """Return whether an alarm is anywhere; a case has to be."""
    return entry.lon is not None or entry.alarm.cell_code is not None


def draft_report(entry: Entry, category: str, at: datetime) -> dict[str, Any]:
    """Return the data of the `case.reported` that makes a case of an alarm that has a place."""
    alarm = entry.alarm
    return {
        "case_id": name_case(entry.alarm_id, alarm),
        "category": category,
        "title": alarm.subject,
        "severity": alarm.severity,
        "channel": "iot",
        "reported_at": at.isoformat(),
        **({"cell_code": alarm.cell_code} if entry.lon is None else {"lon": entry.lon, "lat": entry.lat}),
    }
