"""GeoReport's questions to SQL give the same answers on SQLite and PostgreSQL."""

from datetime import timedelta

from ingest.migrations import upgrade_database
from ingest.open311.requests import Circle, RequestFilter, find_requests, list_requests, list_updates
from ingest.rows.deadlines import read_deadlines, write_deadlines
from ingest.store import open_database
from ingest.tables import as_ms
from tests.ingest.samples import NOON, Writer, act, minutes, report


def test_filters_and_updates_on_either_database(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    writer = Writer(engine)
    writer.write(
        report("c-1", 0, lon=120.0, lat=29.0, media=["https://example.org/1.jpg"]),
        report("c-2", 10, lon=120.01, lat=29.0, category="0501"),
        report("c-3", 20, lon=120.0, lat=29.0, category="D01"),
        act("c-1", "dispatch", 30, unit="U01", note="inside"),
        act("c-1", "close", 40, note="done"),
        act("c-1", "reopen", 50),
        act("c-2", "void", 60, note="nothing there"),
        act("c-4", "dispatch", 60),
    )

    def listed(**where: object) -> list[str]:
        return [row.case_id for row in list_requests(engine, RequestFilter(**where), 10)]  # type: ignore[arg-type]

    assert listed() == ["c-2", "c-1"]
    assert listed(case_ids=["c-3", "c-1", "c-4"]) == ["c-3", "c-1"]
    assert listed(categories=["0501", "D01"]) == ["c-2"]
    assert listed(is_open=True) == ["c-1"]
    assert listed(reported_from=minutes(10), reported_to=minutes(10)) == ["c-2"]
    assert listed(changed_from=minutes(51)) == ["c-2"]
    assert listed(near=Circle(120.0, 29.0, 900)) == ["c-1"]
    assert listed(near=Circle(120.0, 29.0, 1100)) == ["c-2", "c-1"]  # a hundredth of a degree there is 972 m

    (first, second), marks = find_requests(engine, ["c-1", "c-2"])
    assert (second.case_id, second.closed_at, second.closing_note) == ("c-1", None, None)
    assert (first.closed_at, first.closing_note, first.last_unit) == (minutes(60), "nothing there", None)
    assert second.media == ["https://example.org/1.jpg"]
    assert marks[0].stream_id == writer.marks[0].stream_id

    with engine.begin() as connection:
        write_deadlines(connection, {"c-1": as_ms(minutes(90)), "c-2": as_ms(minutes(90)), "gone": 7})
        write_deadlines(connection, {"c-1": as_ms(minutes(95)), "gone": None, "nobody": None})
    assert read_deadlines(engine) == {"c-1": as_ms(minutes(95)), "c-2": as_ms(minutes(90))}
    # Of a case that is closed none is told, though its deadline may be there a moment longer.
    assert [row.due_at for row in list_requests(engine, RequestFilter(), 10)] == [None, minutes(95)]

    updates = list_updates(engine, None, NOON, minutes(60), 10)
    assert [(row.case_id, row.action, row.closed, row.note) for row in updates] == [
        ("c-1", "dispatch", False, None),
        ("c-1", "close", True, "done"),
        ("c-1", "reopen", False, None),
        ("c-2", "void", True, "nothing there"),
    ]
    assert [row.action for row in list_updates(engine, ["c-1"], minutes(45), minutes(60), 10)] == ["reopen"]
    assert [row.action for row in list_updates(engine, None, NOON, minutes(60), 2)] == ["dispatch", "close"]
    assert list_updates(engine, None, NOON + timedelta(hours=2), NOON + timedelta(hours=3), 10) == []
    # The office's own words, and what came too late to count, are nobody's news.
    writer.write(act("c-1", "note", 150), act("c-1", "close", 151, details={"expects": 0}), act("c-1", "file", 152))
    assert [row.action for row in list_updates(engine, None, minutes(140), minutes(160), 10)] == ["file"]
    engine.dispose()
