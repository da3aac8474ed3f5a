"""The board of feeds: what Redis counted and SQL recorded, joined; silent ones first; honest while a source is away."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from geo.county import County
from ingest.arrivals import Arrival
from ingest.feeds import FeedBoard, list_expected, list_rows, read_board, read_feed_history
from ingest.health import Health, read_health, render_metrics
from ingest.migrations import upgrade_database
from ingest.recorder import Recorder
from ingest.records import AnyRecord, CaseReported, Reading, encode_record, name_feed
from ingest.rows.feeds import forget_feed_minutes, write_feeds
from ingest.silence import judge_silence
from ingest.store import open_database
from ingest.stream import (
    AsyncStreams,
    Entry,
    FeedTally,
    Reason,
    Rejection,
    Streams,
    connect,
    connect_async,
    digest_event,
)

NOW = datetime(2026, 11, 22, 8, 30, 20, tzinfo=UTC)


def reading(id: str, sender: str = "waste-co", **changes: Any) -> Reading:
    fields: dict[str, Any] = {
        "source": "urn:bins",
        "id": id,
        "received_at": NOW,
        "sender": sender,
        "feed": "waste",
        "asset_id": "B-1",
        "observed_at": NOW - timedelta(seconds=4),
        "value": 0.5,
    }
    return Reading(**(fields | changes))


def case(id: str) -> CaseReported:
    return CaseReported(
        source="urn:app",
        id=id,
        received_at=NOW,
        case_id=id,
        category="0102",
        title="x",
        reported_at=NOW - timedelta(minutes=2),
        channel="app",
    )


def arrive(*records: AnyRecord) -> list[Arrival]:
    return [Arrival(0, f"1-{number}", record) for number, record in enumerate(records)]


def test_what_was_recorded_has_rate_lag_and_hours(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    earlier = NOW - timedelta(hours=2)
    with engine.begin() as connection:
        lot = [reading(str(number), received_at=NOW - timedelta(minutes=2)) for number in range(9)]
        old = reading("old", received_at=earlier, observed_at=earlier)
        write_feeds(connection, arrive(*lot, case("c")), [], NOW)
        write_feeds(connection, arrive(old), arrive(reading("again")), earlier + timedelta(seconds=1))
        write_feeds(connection, arrive(reading("now", observed_at=NOW - timedelta(seconds=14))), [], NOW)
        write_feeds(connection, arrive(reading("ahead", observed_at=NOW + timedelta(minutes=1))), [], NOW)
    history = read_feed_history(engine, NOW)
    waste = history["waste-co", "waste"]
    assert (waste.recorded, waste.late_duplicate) == (12, 1)
    assert (waste.hours[-1], waste.hours[-3], sum(waste.hours)) == (11, 1, 12)
    assert waste.per_minute == 9 / 5  # the minute that runs now is not whole yet
    assert waste.lag is not None
    assert waste.lag.highest_s == 14
    assert waste.lag.mean_s == pytest.approx((9 * 4 + 14 + 0) / 11)
    assert waste.received_at == NOW
    assert history["local", "cases"].recorded == 1


def test_replayed_history_has_no_lag(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    with engine.begin() as connection:
        record = reading("r", origin="replayed", observed_at=NOW - timedelta(days=3000))
        write_feeds(connection, arrive(record), [], NOW)
    assert read_feed_history(engine, NOW)["waste-co", "waste"].lag is None


def test_minutes_are_forgotten_and_totals_are_not(database_url: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    with engine.begin() as connection:
        write_feeds(connection, arrive(reading("r")), [], NOW)
        assert forget_feed_minutes(connection, NOW + timedelta(minutes=1)) == 1
    waste = read_feed_history(engine, NOW)["waste-co", "waste"]
    assert (waste.recorded, sum(waste.hours)) == (1, 0)


def test_a_feed_is_late_after_its_limit_and_silent_after_twice_that() -> None:
    limit = timedelta(minutes=10)
    states = [judge_silence(timedelta(minutes=age), limit) for age in (0, 10, 11, 20, 21)]
    assert states == ["ok", "ok", "late", "late", "silent"]
    assert judge_silence(None, limit) == "never"


def test_rows_say_who_is_missing_and_the_silent_come_first() -> None:
    limit = timedelta(minutes=10)
    expected = {("waste-co", "waste"): limit, ("", "noise"): limit, ("", "cases"): limit}
    tallies = {
        ("waste-co", "waste"): FeedTally(5, 2, 1, NOW - timedelta(hours=1)),
        ("local", "cases"): FeedTally(3, 0, 0, NOW),
        ("waste-co", ""): FeedTally(0, 0, 4, None),
    }
    reasons = [Reason("waste-co", "waste", "data.co", 1, "data.co: 500 cannot be", NOW)]
    rows = list_rows(tallies, {}, reasons, expected, NOW)
    assert [(row.sender, row.feed, row.state) for row in rows] == [
        ("waste-co", "waste", "silent"),
        ("", "noise", "never"),
        ("waste-co", "", "never"),
        ("local", "cases", "ok"),
    ]
    assert (rows[0].received, rows[0].accepted, rows[0].duplicate, rows[0].rejected) == (8, 5, 2, 1)
    assert rows[0].reasons[0].example == "data.co: 500 cannot be"


def test_the_whole_way_adds_up(redis_url: str, database_url: str, county: County) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    client = connect(redis_url)
    streams = Streams(client, 1)
    records = [reading(str(number)) for number in range(5)]
    entries = [Entry(digest_event(r.source, r.id), name_feed(r), encode_record(r)) for r in records]
    streams.append(0, entries, NOW.date(), "waste-co")
    streams.append(0, entries[:2], NOW.date() + timedelta(days=5), "waste-co")  # forgotten by Redis, known to SQL
    streams.append(0, entries[:1], NOW.date(), "waste-co")
    streams.reject([Rejection("data.co: no", "data.co", "s", "i", b"{}", "http_events", "waste-co", "waste")], NOW)
    recorder = Recorder(streams, engine)
    while recorder.step():
        pass
    client.close()
    board = ask_board(redis_url, database_url, county)
    row = next(row for row in board.rows if row.sender == "waste-co")
    assert board.away == []
    assert (row.received, row.accepted, row.duplicate, row.rejected, row.recorded) == (9, 5, 3, 1, 5)
    assert row.state == "ok"
    assert row.reasons[0].count == 1
    health = ask_health(redis_url, database_url)
    (told,) = health.senders
    assert (told.received, told.accepted, told.duplicate, told.rejected, told.recorded) == (9, 5, 3, 1, 5)
    metrics = render_metrics(health, {})
    assert 'county_ingest_sender_events_total{sender="waste-co",feed="waste",outcome="recorded"} 5' in metrics
    assert 'county_ingest_sender_refused_total{sender="waste-co",feed="waste",field="data.co"} 1' in metrics
    assert 'county_ingest_sender_events_per_minute{sender="waste-co",feed="waste"} 0.000' in metrics


def test_the_board_says_what_is_away(tmp_path: Any, county: County) -> None:
    board = ask_board(f"unix://{tmp_path}/nobody", f"sqlite:///{tmp_path}/empty.db", county)
    assert board.away == ["database", "redis"]
    assert {row.feed for row in board.rows} == set(county.feeds)
    assert {row.state for row in board.rows} == {"never"}
    assert all(row.received is None and row.recorded is None for row in board.rows)


def test_a_bound_sender_is_expected_from_the_start(county: County) -> None:
    expected = list_expected(county, {"waste-co": {"waste"}, "anybody": set()})
    assert ("waste-co", "waste") in expected
    assert ("", "waste") not in expected
    assert ("", "traffic") in expected
    assert ("anybody", "") in expected
    heard = {("anybody", "air"): FeedTally(1, 0, 0, NOW)}
    assert ("anybody", "") not in {(row.sender, row.feed) for row in list_rows(heard, {}, [], expected, NOW)}
    assert ("anybody", "") in {(row.sender, row.feed) for row in list_rows({}, {}, [], expected, NOW)}


def ask_health(redis_url: str, database_url: str) -> Health:
    async def ask() -> Health:
        client = connect_async(redis_url)
        health = await read_health(AsyncStreams(client, 1), open_database(database_url, read_only=True))
        await client.aclose()
        return health

    return asyncio.run(ask())


def ask_board(redis_url: str, database_url: str, county: County) -> FeedBoard:
    async def ask() -> FeedBoard:
        client = connect_async(redis_url)
        board = await read_board(AsyncStreams(client, 1), open_database(database_url, read_only=True), county, {})
        await client.aclose()
        return board

    return asyncio.run(ask())
