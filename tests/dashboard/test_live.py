"""The hub, end to end: a real Valkey, a real database, the recorder, and viewers of every kind."""

import asyncio
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboard.live import Hub, keep_abreast, running
from dashboard.ring import Ring
from geo.county import County
from ingest.embedded import EmbeddedRedis, start_redis
from ingest.stream import Message, connect
from layers import LAYERS, open_cases
from tests.dashboard.viewing import PARTITIONS, fold_events, has_case, now, posting, record_all, run, viewing
from tests.layers.worlds import act, asset_of, locate, report, sense


@pytest.fixture
def restarting(tmp_path: Path) -> Iterator[list[EmbeddedRedis]]:
    """A Valkey that the test stops and starts on the same data."""
    servers = [start_redis(tmp_path)]
    yield servers
    servers[-1].stop()


def test_a_posted_case_reaches_the_viewer(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post, viewing(hub) as viewer:
            await viewer.until(lambda events: events)
            await post(report(county, 1, at=now(), cell=7, severity=2))
            events = await viewer.until(has_case("C1"))
            assert events[0].name == "snapshot"
            assert fold_events(events)["grid"][7] == (1, 2)
            await post(act(1, "close", now()))
            events = await viewer.until(has_case("C1", "closed"))
            assert fold_events(events)["grid"][7] == (0, 0)
            assert fold_events(events)["open_cases"] == {}
            assert len(fold_events(events)["case_heatmap"]) == 1
        assert viewer.headers["x-accel-buffering"] == "no"
        assert viewer.headers["cache-control"].startswith("no-cache")

    run(scenario())


def test_no_person_and_no_text_is_in_any_frame(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post, viewing(hub) as viewer:
            secret = {
                "reporter": {"name": "张三丰", "phone": "13812345678"},
                "title": "张三丰家漏水",
                "description": "急",
            }
            record = report(county, 1, at=now(), **{k: v for k, v in secret.items() if k != "reporter"})
            await post(record)
            await viewer.until(has_case("C1"))
            assert "张三丰".encode() not in viewer.body
            assert b"13812345678" not in viewer.body

    run(scenario())


def test_a_compressed_stream_says_the_same(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with (
            running(hub),
            posting(redis_url) as post,
            viewing(hub) as plain,
            viewing(hub, compressed=True) as pressed,
        ):
            await plain.until(lambda events: events)
            await pressed.until(lambda events: events)
            for number in range(5):
                await post(report(county, number, at=now(), cell=number))
                await plain.until(has_case(f"C{number}"))
            await pressed.until(has_case("C4"))
            assert fold_events(pressed.events()) == fold_events(plain.events())
            assert pressed.headers["content-encoding"] == "gzip"
            assert len(pressed.body) < len(plain.body) / 3

    run(scenario())


def test_a_viewer_that_comes_back_misses_nothing(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post:
            async with viewing(hub) as first:
                await post(report(county, 1, at=now()))
                await first.until(has_case("C1"))
            before = first.events()
            await post(report(county, 2, at=now(), cell=1))
            async with viewing(hub) as watcher:
                await watcher.until(has_case("C2"))
                async with viewing(hub, last_id=before[-1].id) as second:
                    await post(report(county, 3, at=now(), cell=2))
                    await second.until(has_case("C3"))
                    after = second.events()
                    await watcher.until(has_case("C3"))
                    assert {event.name for event in after} <= {"delta", "beat"}
                    numbers = [event.data["seq"] for event in [*before, *after]]
                    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                    assert fold_events([*before, *after]) == fold_events(watcher.events())

    run(scenario())


@pytest.mark.parametrize("last_id", ["", "nonsense", "0badcafe-3", "-", "x-²", "x-" + "9" * 40])
def test_an_unknown_position_gets_a_snapshot(county: County, redis_url: str, sqlite_url: str, last_id: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), viewing(hub, last_id=last_id) as viewer:
            events = await viewer.until(lambda events: events)
            assert events[0].name == "snapshot"
            assert events[0].data["revision"] == county.revision
            assert set(events[0].data["layers"]) == set(LAYERS)

    run(scenario())


def test_a_slow_viewer_skips_and_holds_nobody_up(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url, ring=Ring(most_frames=3))
        async with running(hub), posting(redis_url) as post, viewing(hub) as fast, viewing(hub) as slow:
            await fast.until(lambda events: events)
            await slow.until(lambda events: events)
            slow.gate.clear()
            for number in range(8):
                await post(report(county, number, at=now(), cell=number))
                await fast.until(has_case(f"C{number}"))
            stalled = len(slow.body)
            frames, _ = hub.ring_size()
            assert frames <= 3
            assert not has_case("C7")(slow.events())
            slow.gate.set()
            events = await slow.until(has_case("C7"))
            assert stalled < len(slow.body)
            assert [event.name for event in events].count("snapshot") == 2
            assert [event.name for event in fast.events()].count("snapshot") == 1
            await fast.until(lambda events: events[-1].data["seq"] >= slow.events()[-1].data["seq"])
            assert fold_events(events)["grid"] == fold_events(fast.events())["grid"]
            assert hub.tally.skips == 1

    run(scenario())


def test_a_new_hub_gives_a_snapshot_that_has_everything(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        async with posting(redis_url) as post:
            first = Hub(county, redis_url, sqlite_url)
            async with running(first), viewing(first) as viewer:
                await post(report(county, 1, at=now(), cell=3))
                await viewer.until(has_case("C1"))
            last_id = viewer.events()[-1].id
            await asyncio.to_thread(record_all, redis_url, sqlite_url)
            await post(report(county, 2, at=now(), cell=4))
            second = Hub(county, redis_url, sqlite_url)
            async with running(second), viewing(second, last_id=last_id) as viewer:
                # A snapshot may have a case that came since the last tick; its cell is counted with the next.
                events = await viewer.until(lambda events: events and fold_events(events)["grid"].get(4) == (1, 3))
                assert events[0].name == "snapshot"
                assert events[0].id.split("-")[0] != last_id.split("-")[0]
                assert has_case("C2")(events)
                grid = fold_events(events)["grid"]
                assert (grid[3], grid[5]) == ((1, 3), (0, 0))

    run(scenario())


def test_the_live_state_equals_the_state_from_sql(county: County, redis_url: str, database_url: str) -> None:
    moment = now() - timedelta(minutes=30)

    def minute(count: int) -> datetime:
        return moment + timedelta(minutes=count)

    records = [
        *(report(county, number, at=minute(0), cell=number, severity=1 + number % 4) for number in range(12)),
        report(county, 12, at=moment - timedelta(days=4)),
        *(act(number, "dispatch", minute(1), "U01") for number in range(12)),
        *(act(number, "close", minute(2)) for number in range(0, 12, 3)),
        act(0, "reopen", minute(3)),
        act(99, "accept", minute(3)),
        *(sense("waste", asset_of(county, "bin", number), 0.1 * number, at=minute(4)) for number in range(9)),
        *(sense("traffic", asset_of(county, "detector", 1), 30.0 + number, at=minute(number)) for number in range(9)),
        sense("traffic", "D-NEW", 20.0, at=minute(4), lon=120.4, lat=29.6, attributes={"name": "东门"}),
        locate("W1", minute(5)),
    ]

    async def facts_of(hub: Hub, folded: int) -> dict[str, Any]:
        while hub.tally.folded < folded:
            await hub.wait()
        return await hub.ask(lambda state: state.facts())

    async def scenario() -> None:
        stand = now()
        live = Hub(county, redis_url, database_url, clock=lambda: stand)
        async with running(live), posting(redis_url) as post:
            await live.ready.wait()
            await post(*records)
            followed = await facts_of(live, len(records))
        await asyncio.to_thread(record_all, redis_url, database_url)
        anew = Hub(county, redis_url, database_url, clock=lambda: stand)
        async with running(anew):
            loaded = await facts_of(anew, 0)
            assert anew.tally.folded == 0
        for facts in (followed, loaded):
            feed = facts["feeds"]["cases"]
            feed.heard_ms, feed.heard_by_origin = None, {}  # the snapshot does not say when actions were received
        assert loaded == followed

    run(scenario())


def test_redis_may_go_and_come_back(
    county: County, restarting: list[EmbeddedRedis], sqlite_url: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        port = re.search(r":(\d+)", restarting[0].url)
        hub = Hub(county, restarting[0].url, sqlite_url)
        async with running(hub), posting(restarting[0].url) as post, viewing(hub) as viewer:
            await post(report(county, 1, at=now()))
            await viewer.until(has_case("C1"))
            await asyncio.to_thread(restarting[0].stop)
            await viewer.until(lambda events: any(event.data.get("stream") == "away" for event in events))
            assert await hub.ask(lambda state: len(state.cases)) == 1  # what is known stays
            restarting.append(await asyncio.to_thread(start_redis, tmp_path))
            again = re.search(r":(\d+)", restarting[1].url)
            if port and again and port.group() != again.group():
                hub.redis_url = restarting[1].url
            async with posting(hub.redis_url) as post_again:
                await post_again(report(county, 2, at=now(), cell=1))
                events = await viewer.until(has_case("C2"))
            await viewer.until(lambda events: events[-1].data.get("stream") == "ok")
            assert [event.name for event in events].count("snapshot") == 1
            assert viewer.events()[-1].id.split("-")[0] == events[0].id.split("-")[0]

    run(scenario())


def test_a_gap_in_the_stream_leads_to_sql(county: County, redis_url: str, sqlite_url: str) -> None:
    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post, viewing(hub) as viewer:
            await post(report(county, 1, at=now()))
            await viewer.until(has_case("C1"))
            await post(report(county, 2, at=now(), cell=1), report(county, 3, at=now(), cell=1))
            await asyncio.to_thread(record_all, redis_url, sqlite_url)
            epoch = viewer.events()[0].id.split("-")[0]
            client = connect(redis_url)
            for partition in range(PARTITIONS):
                client.xtrim(f"events:{{{partition}}}", maxlen=1, approximate=False)
            client.close()
            hub._positions = dict.fromkeys(range(PARTITIONS), "1-0")  # a hub that slept while streams were trimmed
            await viewer.until(lambda events: events[-1].id.split("-")[0] != epoch)
            await post(*(report(county, number, at=now(), cell=number) for number in range(10, 20)))
            events = await viewer.until(has_case("C19"))
            assert hub.tally.gaps >= 1
            cases = await hub.ask(lambda state: {case.case_id for case in state.cases.values()})
            assert {"C1", "C2", "C3"} | {f"C{number}" for number in range(10, 20)} == cases
            assert fold_events(events)["grid"][1] == (2, 3)

    run(scenario())


def test_a_quiet_hub_beats(county: County, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboard.channels.BEAT_S", 0.3)

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), viewing(hub) as viewer:
            events = await viewer.until(lambda events: any(event.name == "beat" for event in events))
            beat = next(event for event in events if event.name == "beat")
            assert set(beat.data) == {"seq", "now", "as_of", "stream"}

    run(scenario())


def test_a_failing_layer_does_not_take_the_others_with_it(
    county: County, redis_url: str, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    async def scenario() -> None:
        hub = Hub(county, redis_url, sqlite_url)
        async with running(hub), posting(redis_url) as post, viewing(hub) as viewer:
            await viewer.until(lambda events: events)
            with monkeypatch.context() as broken:
                broken.setattr(open_cases, "compute", fail)
                await post(report(county, 1, at=now()))
                events = await viewer.until(has_case("C1"))
                layers = next(event.data["layers"] for event in events if has_case("C1")([event]))
                assert layers["open_cases"]["unavailable"] == "ZeroDivisionError"
                assert layers["grid"]["values"][0] == 1
            await post(report(county, 2, at=now(), cell=1))
            events = await viewer.until(has_case("C2"))
            layers = next(event.data["layers"] for event in events if has_case("C2")([event]))
            assert layers["open_cases"]["unavailable"] is None
            assert len(fold_events(events)["open_cases"]) == 2

    run(scenario())


def test_partitions_are_read_abreast_while_there_is_a_backlog() -> None:
    ahead = [Message(0, f"{ms}-0", b"") for ms in (10, 500, 900)]
    behind = [Message(1, f"{ms}-0", b"") for ms in (11, 12, 13, 14)]
    kept = keep_abreast([*ahead, *behind], 4)
    assert [message.stream_id for message in kept] == ["10-0", "11-0", "12-0", "13-0", "14-0"]
    assert keep_abreast([*ahead, *behind], 5) == [*ahead, *behind]
    assert keep_abreast([], 5) == []
