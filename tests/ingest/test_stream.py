"""The streams against a real Valkey: de-duplication, counters, gaps, trimming, and a server that fails."""

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.embedded import start_redis
from ingest.stream import (
    APPEND_AT_MOST,
    KEEP_BODY_BYTES,
    REJECTED_BYTES_KEY,
    REJECTED_KEY,
    START,
    AsyncStreams,
    Entry,
    Message,
    Reason,
    Rejection,
    StreamGap,
    Streams,
    StreamUnavailable,
    Tallies,
    choose_partition,
    connect,
    connect_async,
    digest_event,
    order_id,
)

TODAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)


def make_entries(*ids: str) -> list[Entry]:
    return [Entry(digest_event("test", id), "workers", f'{{"id":"{id}"}}'.encode()) for id in ids]


def make_rejection(body: bytes = b"{}") -> Rejection:
    return Rejection("data.lon: missing", "data.lon", "src", "7", body, "http_events")


@pytest.fixture
def streams(redis_url: str) -> Iterator[Streams]:
    client = connect(redis_url)
    yield Streams(client, partitions=4)
    client.close()


def total(tallies: Tallies) -> Tallies:
    return replace(tallies, by_feed={})


def last_id(streams: Streams, partition: int = 0) -> str:
    return streams.describe(partition).last_id


def fill(streams: Streams, count: int, partition: int = 0) -> list[str]:
    """Add messages one millisecond apart, long ago, and return their ids."""
    ids = [f"{1_700_000_000_000 + number}-0" for number in range(count)]
    for id in ids:
        streams.client.xadd(f"events:{{{partition}}}", {"record": "{}"}, id=id)
    return ids


def test_a_batch_is_read_back_in_order(streams: Streams) -> None:
    assert streams.append(2, make_entries("a", "b", "c"), TODAY) == []
    messages = streams.read_after(dict.fromkeys(range(4), START), block_ms=10, count=100)
    assert [message.record for message in messages] == [b'{"id":"a"}', b'{"id":"b"}', b'{"id":"c"}']
    assert {message.partition for message in messages} == {2}
    assert streams.read_after({2: messages[1].stream_id}, block_ms=10, count=100) == messages[2:]


def test_nothing_new_is_an_empty_list(streams: Streams) -> None:
    assert streams.read_after({0: START, 1: START}, block_ms=10, count=100) == []


def test_count_limits_each_partition(streams: Streams) -> None:
    streams.append(0, make_entries("a", "b", "c"), TODAY)
    streams.append(1, make_entries("d", "e"), TODAY)
    found = streams.read_after({0: START, 1: START}, block_ms=10, count=2)
    assert [message.partition for message in found] == [0, 0, 1, 1]


@pytest.mark.parametrize(("days", "known"), [(0, True), (1, True), (2, False)])
def test_a_repeat_is_known_today_and_tomorrow(streams: Streams, days: int, known: bool) -> None:
    streams.append(0, make_entries("a"), TODAY)
    assert streams.append(0, make_entries("a", "b"), TODAY + timedelta(days=days)) == ([0] if known else [])


def test_a_repeat_inside_a_batch_is_known_too(streams: Streams) -> None:
    assert streams.append(0, make_entries("a", "a", "b", "a"), TODAY) == [1, 3]
    assert total(streams.read_tallies()) == Tallies(received=4, accepted=2, duplicate=2, rejected=0)


def test_counters_are_kept_by_sender_and_feed_too(streams: Streams) -> None:
    entries = make_entries("a", "b", "a")
    streams.append(0, entries, TODAY, "waste-co")
    streams.append(1, [Entry(digest_event("test", "c"), "waste", b"{}")], TODAY, "waste-co")
    streams.append(0, make_entries("b"), TODAY)
    streams.reject([make_rejection(), make_rejection()._replace(sender="waste-co", feed="waste")], NOW)
    by_feed = streams.read_tallies().by_feed
    counts = {owner: (of.received, of.accepted, of.duplicate, of.rejected) for owner, of in by_feed.items()}
    assert (
        counts
        == {
            owner: (tally.received, tally.accepted, tally.duplicate, tally.rejected) for owner, tally in by_feed.items()
        }
        == {
            ("waste-co", "workers"): (3, 2, 1, 0),
            ("waste-co", "waste"): (2, 1, 0, 1),
            ("local", "workers"): (1, 0, 1, 0),
            ("local", ""): (1, 0, 0, 1),
        }
    )
    assert by_feed["local", "workers"].heard_at is None
    heard_at = by_feed["waste-co", "waste"].heard_at
    assert heard_at is not None and abs(heard_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_reasons_are_counted_by_field_with_the_latest_as_example(redis_url: str) -> None:
    async def ask() -> list[Reason]:
        client = connect_async(redis_url)
        streams = AsyncStreams(client, 4)
        other = make_rejection()._replace(field="data.a b", reason="data.a b: 坏", sender="waste-co", feed="waste")
        await streams.reject([make_rejection(), other, make_rejection()._replace(reason="data.lon: later")], NOW)
        reasons = await streams.read_reasons()
        await client.aclose()
        return reasons

    assert asyncio.run(ask()) == [
        Reason("local", "", "data.lon", 2, "data.lon: later", NOW),
        Reason("waste-co", "waste", "data.a b", 1, "data.a b: 坏", NOW),
    ]


def test_every_entry_keeps_its_own_bytes(streams: Streams) -> None:
    given = [("x", b""), ("case.reported", "桥\0\n".encode()), ("x", b"again"), ("iot.observed", b"\xff 7 \r\n9")]
    digests = [digest_event("test", id) for id in ("0", "1", "0", "3")]
    entries = [Entry(digest, feed, record) for digest, (feed, record) in zip(digests, given, strict=True)]
    assert streams.append(0, entries, TODAY) == [2]
    found = streams.read_after({0: START}, block_ms=10, count=10)
    assert [message.record for message in found] == [given[0][1], given[1][1], given[3][1]]


def test_a_batch_longer_than_one_call_keeps_its_indexes(streams: Streams) -> None:
    ids = [str(number) for number in range(APPEND_AT_MOST + 5)]
    assert streams.append(0, make_entries(*ids, ids[3], "new", ids[-1]), TODAY) == [len(ids), len(ids) + 2]
    assert streams.describe(0).length == len(ids) + 1


def test_what_was_seen_is_forgotten_in_time(streams: Streams) -> None:
    streams.append(0, make_entries("a"), TODAY)
    assert 2 * 86_400 < streams.client.ttl(f"seen:{{0}}:{TODAY}") <= 3 * 86_400


def test_sources_do_not_share_ids() -> None:
    assert digest_event("a", "b") != digest_event("b", "a")
    assert digest_event("a", "\0b") != digest_event("a\0", "c")
    assert len(digest_event("源", "编号")) == 16


def test_rejections_keep_reason_and_bytes(streams: Streams) -> None:
    streams.reject([make_rejection(b"\xff\x00"), make_rejection(b"x" * (KEEP_BODY_BYTES + 1))], NOW)
    (_, first), (_, second) = streams.client.xrange(REJECTED_KEY)
    assert first == {
        b"reason": b"data.lon: missing",
        b"field": b"data.lon",
        b"source": b"src",
        b"id": b"7",
        b"body": b"\xff\x00",
        b"door": b"http_events",
        b"sender": b"local",
        b"feed": b"",
        b"content_type": b"",
        b"topic": b"",
        b"at": b"2026-11-22T08:00:00.000+00:00",
    }
    assert len(second[b"body"]) == KEEP_BODY_BYTES
    assert total(streams.read_tallies()) == Tallies(received=2, accepted=0, duplicate=0, rejected=2)


def test_rejections_are_capped_but_counted(streams: Streams) -> None:
    capped = Streams(streams.client, 4, rejected_kept=100)
    capped.reject([make_rejection() for _ in range(2_000)], NOW)
    assert streams.client.xlen(REJECTED_KEY) == 100
    assert streams.read_tallies().rejected == 2_000


def test_rejections_are_kept_whole_up_to_a_sum_of_bytes(streams: Streams) -> None:
    capped = Streams(streams.client, 4, rejected_kept_mb=1)
    for number in range(20):
        capped.reject([make_rejection(b"%03d" % number + b"x" * 256 * 1024)], NOW)
    kept = [fields[b"body"] for _, fields in streams.client.xrange(REJECTED_KEY)]
    assert [body[:3] for body in kept] == [b"017", b"018", b"019"]
    assert {len(body) for body in kept} == {3 + 256 * 1024}
    assert int(streams.client.get(REJECTED_BYTES_KEY)) == sum(
        len(value) for _, fields in streams.client.xrange(REJECTED_KEY) for value in fields.values()
    )
    capped.reject([make_rejection() for _ in range(10)], NOW)
    assert streams.client.xlen(REJECTED_KEY) == 13
    assert streams.read_tallies().rejected == 30


def test_counters_add_up_while_many_write_the_same(redis_url: str) -> None:
    async def write() -> Tallies:
        client = connect_async(redis_url)
        streams = AsyncStreams(client, partitions=4)

        async def send(sender: int) -> None:
            for start in range(0, 200, 20):
                ids = [str(number) for number in range(start, start + 30)]
                await streams.append(sender % 2, make_entries(*ids), TODAY)
                await streams.reject([make_rejection()], NOW)
                seen = await streams.read_tallies()
                assert seen.received == seen.accepted + seen.duplicate + seen.rejected

        await asyncio.gather(*(send(sender) for sender in range(8)))
        tallies = await streams.read_tallies()
        await client.aclose()
        return tallies

    assert total(asyncio.run(write())) == Tallies(
        received=8 * 310, accepted=2 * 210, duplicate=8 * 300 - 420, rejected=80
    )


def test_everything_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    server = start_redis(tmp_path)
    streams = Streams(connect(server.url), 4)
    streams.append(1, make_entries("a", "b", "b"), TODAY)
    streams.reject([make_rejection()], NOW)
    before = streams.read_tallies()
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    with pytest.raises(StreamUnavailable):
        streams.append(1, make_entries("c"), TODAY)
    server = start_redis(tmp_path)
    try:
        streams = Streams(connect(server.url), 4)
        assert streams.read_tallies() == before
        assert streams.append(1, make_entries("a", "b", "c"), TODAY) == [0, 1]
        assert [message.record for message in streams.read_after({1: START}, 10, 10)] == [
            b'{"id":"a"}',
            b'{"id":"b"}',
            b'{"id":"c"}',
        ]
    finally:
        server.stop()


def test_a_full_server_takes_nothing_and_counts_nothing(streams: Streams) -> None:
    streams.append(0, make_entries("a"), TODAY)
    before = streams.read_tallies()
    streams.client.config_set("maxmemory", "1")
    with pytest.raises(StreamUnavailable, match="memory"):
        streams.append(0, make_entries("b", "c"), TODAY)
    with pytest.raises(StreamUnavailable):
        streams.reject([make_rejection()], NOW)
    streams.client.config_set("maxmemory", "0")
    assert streams.read_tallies() == before
    assert streams.append(0, make_entries("b", "c"), TODAY) == []


def test_scripts_that_the_server_forgot_are_sent_again(streams: Streams) -> None:
    streams.append(0, make_entries("a"), TODAY)
    streams.client.script_flush()
    assert streams.append(0, make_entries("a", "b"), TODAY) == [0]


def test_a_server_that_was_never_there() -> None:
    streams = Streams(connect("redis://127.0.0.1:1"), 4)
    for ask in (streams.read_tallies, lambda: streams.describe(0), lambda: streams.read_after({0: START}, 10, 10)):
        with pytest.raises(StreamUnavailable):
            ask()


def test_a_lost_reply_is_not_written_twice_by_itself(streams: Streams) -> None:
    # Without retries, a connection that breaks under a command is an error and not a second command.
    assert streams.client.connection_pool.connection_kwargs["retry"].get_retries() == 0


def test_trimming_keeps_the_watermark_and_what_is_after_it(streams: Streams) -> None:
    ids = fill(streams, 10)
    assert streams.trim(0, ids[6]) == 6
    assert streams.describe(0).first_id == ids[6]
    assert streams.trim(0, ids[6]) == 0


def test_trimming_keeps_what_followers_may_still_want(streams: Streams) -> None:
    old = fill(streams, 5)
    streams.append(0, make_entries("a", "b"), TODAY)
    watermark = last_id(streams)
    # Of the old ones the newest stays: a follower may stand on it.
    assert streams.trim(0, watermark) == 4
    assert streams.describe(0).first_id == old[-1]
    assert streams.describe(0).length == 3


def test_a_stream_too_long_is_trimmed_to_the_watermark(streams: Streams) -> None:
    streams.append(0, make_entries(*"abcdef"), TODAY)
    messages = streams.read_after({0: START}, 10, 10)
    assert streams.trim(0, messages[3].stream_id, longest=6) == 0
    assert streams.trim(0, messages[3].stream_id, longest=5) == 3
    assert streams.read_after({0: messages[3].stream_id}, 10, 10) == messages[4:]


def test_trimming_an_empty_or_unrecorded_stream_does_nothing(streams: Streams) -> None:
    assert streams.trim(3, START) == 0
    fill(streams, 3, partition=3)
    assert streams.trim(3, START) == 0
    assert streams.trim(3, START, longest=1) == 0


def test_a_reader_left_behind_is_told(streams: Streams) -> None:
    ids = fill(streams, 10)
    streams.trim(0, ids[6])
    with pytest.raises(StreamGap) as gap:
        streams.read_after({0: ids[2]}, 10, 100)
    assert (gap.value.partition, gap.value.position) == (0, ids[2])
    with pytest.raises(StreamGap):
        streams.read_after({0: START}, 10, 100)
    assert [message.stream_id for message in streams.read_after({0: ids[6]}, 10, 100)] == ids[7:]


def test_a_reader_that_lost_nothing_is_not_told(streams: Streams) -> None:
    ids = fill(streams, 4)
    assert len(streams.read_after({0: START}, 10, 100)) == 4
    assert len(streams.read_after({0: ids[0]}, 10, 100)) == 3


def test_readers_in_event_loops_see_the_same(redis_url: str, streams: Streams) -> None:
    ids = fill(streams, 6)

    async def read() -> tuple[list[Message], bool]:
        client = connect_async(redis_url)
        follower = AsyncStreams(client, 4)
        messages = await follower.read_after({0: ids[1], 1: START}, 10, 100)
        streams.trim(0, ids[5])
        try:
            await follower.read_after({0: ids[1]}, 10, 100)
        except StreamGap:
            return messages, True
        finally:
            await client.aclose()
        return messages, False

    messages, gap = asyncio.run(read())
    assert [message.stream_id for message in messages] == ids[2:]
    assert gap


def test_a_waiting_reader_is_woken(redis_url: str, streams: Streams) -> None:
    async def follow() -> list[Message]:
        client = connect_async(redis_url)
        waiting = asyncio.create_task(AsyncStreams(client, 4).read_after({0: START}, 5_000, 10))
        while not any(row["cmd"] == "xread" for row in await asyncio.to_thread(streams.client.client_list)):
            pass
        await asyncio.to_thread(streams.append, 0, make_entries("a"), TODAY)
        messages = await waiting
        await client.aclose()
        return messages

    assert [message.record for message in asyncio.run(follow())] == [b'{"id":"a"}']


def test_when_the_last_message_came(streams: Streams) -> None:
    assert streams.describe(0).last_at is None
    streams.append(0, make_entries("a"), TODAY)
    last_at = streams.describe(0).last_at
    assert last_at is not None
    assert abs(last_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_key_that_is_no_stream_is_said_and_not_taken_for_empty(streams: Streams) -> None:
    streams.client.set("events:{0}", "not a stream")
    with pytest.raises(StreamUnavailable, match="WRONGTYPE"):
        streams.describe(0)


@given(st.lists(st.tuples(st.integers(0, 2**63), st.integers(0, 2**31)), min_size=2, max_size=20))
def test_ids_sort_as_numbers(ids: list[tuple[int, int]]) -> None:
    texts = [f"{milliseconds}-{sequence}" for milliseconds, sequence in ids]
    assert [order_id(text) for text in sorted(texts, key=order_id)] == sorted(ids)


@given(st.text(), st.integers(1, 64))
def test_a_partition_is_always_the_same_one(key: str, partitions: int) -> None:
    assert choose_partition(key, partitions) == choose_partition(key, partitions) < partitions


def test_bodies_that_come_together_are_answered_each_for_its_own(redis_url: str, streams: Streams) -> None:
    async def send() -> list[list[int]]:
        client = connect_async(redis_url)
        together = AsyncStreams(client, 4)
        bodies = [("a", "b"), ("b", "c", "c"), (), ("d",), ("a", "d", "e")]
        answers = await asyncio.gather(
            *(together.append(0, make_entries(*ids), TODAY, f"sender-{number}") for number, ids in enumerate(bodies))
        )
        await client.aclose()
        return answers

    assert asyncio.run(send()) == [[], [0, 2], [], [], [0, 1]]
    assert streams.client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 2
    counted = streams.read_tallies()
    assert (counted.received, counted.accepted, counted.duplicate) == (9, 5, 4)
    by_sender = {sender: (tally.accepted, tally.duplicate) for (sender, _), tally in counted.by_feed.items()}
    assert by_sender == {"sender-0": (2, 0), "sender-1": (1, 2), "sender-3": (1, 0), "sender-4": (1, 2)}
