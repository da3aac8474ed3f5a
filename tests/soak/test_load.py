"""What the soak's load tells: everything of the county's own moment, which is a second later with each update."""

import re
from datetime import UTC, datetime, timedelta

from geo.county import County
from ingest.sender import CloudEvent
from soak.load import BEGINS_AGO, Load


def list_moments(event: CloudEvent) -> list[datetime]:
    """All moments in an event; not when a bin was last emptied, which is hours before it is told."""
    told = [value for name, value in event.data.items() if name != "dateLastEmptying"]
    moments = [
        value for value in [event.time, *told] if isinstance(value, str) and re.match(r"\d{4}-\d\d-\d\dT", value)
    ]
    return [datetime.fromisoformat(moment) for moment in moments]


def test_what_is_told_is_of_the_countys_moment_whatever_a_sensors_times_are_called(county: County) -> None:
    load = Load("http://127.0.0.1:9", county, 50, remembered_h=2)
    began = datetime.now(UTC) - BEGINS_AGO
    hours = [[*load.pass_hour()] for _ in range(2)]
    for hour, ago in zip(hours, (2, 1), strict=True):
        since, until = began - timedelta(hours=ago), began - timedelta(hours=ago - 1)
        slack = timedelta(minutes=5)  # a detector tells of the minutes before
        assert all(since - slack < moment <= until for event in hour for moment in list_moments(event))
        kinds = {str(event.data.get("type", event.type)) for event in hour}
        assert kinds >= {"WasteContainer", "TrafficFlowObserved", "AirQualityObserved", "case.reported", "case.acted"}
    ids = [event.id for hour in hours for event in hour]
    assert len(set(ids)) == len(ids)
