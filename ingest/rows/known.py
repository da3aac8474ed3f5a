"""What SQL has already: the same for every table whose rows are events, each known by its source and id."""

from collections.abc import Iterable

from sqlalchemy import Connection, Table

from ingest.arrivals import Arrival
from ingest.statements import select_by_keys, select_of_keys

EventKey = tuple[str, str]
KEY = ("source", "event_id")


def split_known(
    connection: Connection, table: Table, arrivals: Iterable[Arrival]
) -> tuple[dict[EventKey, Arrival], list[Arrival]]:
    """Return the arrivals that a table does not have yet, by source and id, and those that it has or that came twice.

    table: one with the columns `source` and `event_id`. arrivals: of its own kinds only.
    """
    new: dict[EventKey, Arrival] = {}
    repeated: list[Arrival] = []
    for arrival in arrivals:
        key = (arrival.record.source, arrival.record.id)
        if key in new:
            repeated.append(arrival)
        else:
            new[key] = arrival
    if new:
        for row in select_by_keys(connection, select_of_keys(table, KEY, KEY), new.copy()):
            repeated.append(new.pop((row[0], row[1])))
    return new, repeated
