"""The grown shape on a real cluster: several ingest and recorder processes share the work, and none is missed."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime, timedelta
from itertools import cycle, repeat
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest
from sqlalchemy import Engine, select

import ingest.sharing as sharing_module
from geo.county import County
from ingest.arrivals import Arrival
from ingest.backups.stream_archive import is_empty, load_streams, save_streams
from ingest.cluster import read_cluster_url
from ingest.migrations import upgrade_database
from ingest.rows.cases import write_cases
from ingest.sharing import Sharing
from ingest.signs import note_alive, read_signs
from ingest.store import open_database
from ingest.stream import (
    START,
    AsyncStreams,
    Entry,
    Rejection,
    Streams,
    StreamUnavailable,
    connect,
    connect_async,
    digest_event,
    stream_key,
)
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import case_actions, cases
from tests.appliance import KEY, ROOT, free_port, wait_for
from tests.faults.accounts import check_ids, check_readings, check_states, find_differences, read_screen
from tests.faults.load import Book, Event, Writer
from tests.faults.plant import Program
from tests.ingest.samples import act, report
from tests.valkey_cluster import Node, ValkeyCluster, run_cluster

PARTITIONS = 8
BATCHES = 80  # of some forty events
TODAY = date(2026, 11, 21)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyCluster]:
    """Three masters; the tests of this module use keys of their own or look at what they added only."""
    with run_cluster(tmp_path_factory.mktemp("cluster"), password="its-password") as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def empty(cluster: ValkeyCluster) -> None:
    for node in cluster.nodes:
        node.client.flushall()


def entries(*ids: str) -> list[Entry]:
    return [Entry(digest_event("s", id), "waste", b"{}") for id in ids]


# -- the client


def test_partitions_are_on_all_nodes_and_read_together(cluster: ValkeyCluster) -> None:
    client = connect(cluster.url)
    streams = Streams(client, PARTITIONS)
    for partition in range(PARTITIONS):
        assert streams.append(partition, entries("a", "b", "a"), TODAY) == [2]
    assert all(node.client.dbsize() for node in cluster.nodes)
    messages = streams.read_after(dict.fromkeys(range(PARTITIONS), START), 1_000, count=10)
    assert [message.partition for message in messages] == sorted(list(range(PARTITIONS)) * 2)
    assert streams.read_after({message.partition: message.stream_id for message in messages}, 20, count=10) == []
    streams.reject([Rejection("why", "field", "s", "1", b"body", "http")], datetime.now(UTC))
    tallies = streams.read_tallies()
    assert (tallies.received, tallies.accepted, tallies.duplicate, tallies.rejected) == (25, 16, 8, 1)
    last = {message.partition: message.stream_id for message in messages}
    assert streams.trim(3, last[3], timedelta(0), longest=1) == 1
    client.close()


def test_a_waiting_reader_gets_what_comes_on_any_node(cluster: ValkeyCluster) -> None:
    async def read_and_write() -> list[int]:
        client, other = connect_async(cluster.url), connect_async(cluster.url)
        streams, found = AsyncStreams(client, PARTITIONS), []
        positions = dict.fromkeys(range(PARTITIONS), START)
        for partition in range(PARTITIONS):
            waiting = asyncio.create_task(streams.read_after(positions, 5_000, count=10))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            await AsyncStreams(other, PARTITIONS).append(partition, entries("a"), TODAY)
            (message,) = await waiting
            positions[message.partition] = message.stream_id
            found.append(message.partition)
        await client.aclose()
        await other.aclose()
        return found

    assert asyncio.run(read_and_write()) == list(range(PARTITIONS))


def test_signs_of_life_and_memory_are_those_of_the_cluster(cluster: ValkeyCluster) -> None:
    async def ask() -> tuple[Any, Any]:
        client = connect_async(cluster.url)
        answers = await read_signs(client), await client.info("memory")
        await client.aclose()
        return answers

    client = connect(cluster.url)
    note_alive(client, "mqtt@north")
    signs, memory = asyncio.run(ask())
    assert signs["mqtt@north"].state == "ok"
    assert sorted(memory) == sorted(f"127.0.0.1:{node.port}" for node in cluster.nodes)
    assert all(told["used_memory"] > 0 for told in memory.values())
    client.close()


def test_a_slot_that_moves_is_followed(cluster: ValkeyCluster) -> None:
    client = connect(cluster.url)
    streams, reader = Streams(client, PARTITIONS), Streams(connect(cluster.url), PARTITIONS)
    key = stream_key(0)
    owner = next(node for node in cluster.nodes if node.owns(key))
    heir = next(node for node in cluster.nodes if node is not owner)
    assert streams.append(0, entries("a"), TODAY) == []
    cluster.move_slot(key, owner, heir)
    assert streams.append(0, entries("a", "b"), TODAY) == [0]
    assert len(streams.read_after({0: START}, 100, count=10)) == 2
    assert len(reader.read_after({0: START}, 100, count=10)) == 2  # it has not heard of the move
    assert heir.client.xlen(key) == 2
    cluster.move_slot(key, heir, owner)
    assert streams.append(0, entries("c"), TODAY) == []
    client.close()
    reader.client.close()


def test_a_node_that_is_away_takes_only_its_own_partitions_with_it(cluster: ValkeyCluster) -> None:
    client = connect(cluster.url)
    streams = Streams(client, PARTITIONS)
    client_of_cluster: Any = client
    gone = cluster.nodes[1]
    lost = [p for p in range(PARTITIONS) if client_of_cluster.get_node_from_key(stream_key(p)).port == gone.port]
    assert 0 < len(lost) < PARTITIONS
    gone.kill()
    for partition in range(PARTITIONS):
        if partition in lost:
            with pytest.raises(StreamUnavailable):
                streams.append(partition, entries("a"), TODAY)
        else:
            assert streams.append(partition, entries("a"), TODAY) == []
    gone.start()
    cluster.wait_until_whole()
    assert [streams.append(partition, entries("a"), TODAY) == [] for partition in range(PARTITIONS)] == [
        partition in lost for partition in range(PARTITIONS)
    ]
    client.close()


def test_no_write_is_ever_tried_twice(cluster: ValkeyCluster) -> None:
    sync: Any = connect(cluster.url)
    assert sync.retry.get_retries() == 0
    for node in sync.get_nodes():
        kwargs = sync.get_redis_connection(node).connection_pool.connection_kwargs
        assert kwargs["retry"].get_retries() == 0
    sync.close()
    client: Any = connect_async(cluster.url)
    assert client.retry.get_retries() == 0


def test_tls_is_spoken_and_the_certificate_looked_at(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path)
    with run_cluster(tmp_path / "nodes", size=1) as one, speaking_tls(one.nodes[0], certificate, key) as port:
        one.nodes[0].client.config_set("cluster-announce-port", port)
        url = f"rediss+cluster://127.0.0.1:{port}"
        client = connect(f"{url}?ssl_ca_certs={certificate}")
        assert Streams(client, PARTITIONS).append(0, entries("a"), TODAY) == []
        client.close()

        async def ask() -> int:
            client = connect_async(f"{url}?ssl_ca_certs={certificate}")
            tallies = await AsyncStreams(client, PARTITIONS).read_tallies()
            await client.aclose()
            return tallies.accepted

        assert asyncio.run(ask()) == 1
        with pytest.raises(StreamUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            connect(url)


def make_certificate(folder: Path) -> tuple[Path, Path]:
    certificate, key = folder / "cert.pem", folder / "key.pem"
    words = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=node -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*words.split(), "-out", certificate, "-keyout", key], check=True, capture_output=True)
    return certificate, key


@contextmanager
def speaking_tls(node: Node, certificate: Path, key: Path) -> Iterator[int]:
    """Lend a node TLS, which the bundled server lacks; yield the port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    loop = asyncio.new_event_loop()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", node.port)
        await asyncio.gather(pass_on(reader, inner_writer), pass_on(inner_reader, writer), return_exceptions=True)

    server = loop.run_until_complete(asyncio.start_server(serve, "127.0.0.1", 0, ssl=context))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
            loop.run_until_complete(asyncio.wait([task]))
        loop.close()


def test_a_cluster_that_is_away_is_said_so_at_once() -> None:
    with pytest.raises(StreamUnavailable):
        connect(f"redis+cluster://127.0.0.1:{free_port()},127.0.0.1:{free_port()}")


@pytest.mark.parametrize(
    ("url", "nodes", "options"),
    [
        ("redis+cluster://a:7001,b:7002/", [("a", 7001), ("b", 7002)], {}),
        ("redis+cluster://a", [("a", 6379)], {}),
        ("redis+cluster://me:pw@a:1,[::1]:2", [("a", 1), ("::1", 2)], {"username": "me", "password": "pw"}),
        (
            "rediss+cluster://:p%40w@a:1?ssl_ca_certs=/ca.pem",
            [("a", 1)],
            {"password": "p@w", "ssl": True, "ssl_ca_certs": "/ca.pem"},
        ),
    ],
)
def test_a_url_names_nodes_and_options(url: str, nodes: list[tuple[str, int]], options: dict[str, Any]) -> None:
    assert read_cluster_url(url) == (nodes, options)


@pytest.mark.parametrize(
    "url", ["redis+cluster://a:1,", "redis+cluster://", "redis+cluster://a:1/3", "redis+cluster://a:x"]
)
def test_a_bad_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_cluster_url(url)


def test_a_backup_of_one_server_is_restored_into_a_cluster(
    cluster: ValkeyCluster, redis_url: str, tmp_path: Path
) -> None:
    one, many = (Streams(connect(url), PARTITIONS) for url in (redis_url, cluster.url))
    for partition in range(PARTITIONS):
        one.append(partition, entries("a", "b", "a"), TODAY)
    one.reject([Rejection("why", "field", "s", "1", b"body", "http")], datetime.now(UTC))
    watermarks = dict.fromkeys(range(PARTITIONS), START)
    for source, target in ((one, many), (many, None)):
        path = tmp_path / f"{target is None}.zip"
        with ZipFile(path, "w") as archive:
            saved = save_streams(source, watermarks, archive)
        assert saved == {str(partition): 2 for partition in range(PARTITIONS)} | {"rejected": 1}
        if target is not None:
            assert is_empty(target, range(PARTITIONS))
            with ZipFile(path) as archive:
                load_streams(target, range(PARTITIONS), archive)
    assert many.read_tallies() == one.read_tallies()
    assert many.read_after(watermarks, 1, count=10) == one.read_after(watermarks, 1, count=10)
    for streams in (one, many):
        streams.client.close()


# -- recorders


def test_recorders_divide_the_partitions_and_take_over(cluster: ValkeyCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    client = connect(cluster.url)
    names = ("b", "a", "c")
    recorders = {name: Sharing(client, name) for name in names}

    def shares() -> dict[str, set[int]]:
        for sharing in recorders.values():
            sharing.look()
        return {name: sharing.choose(range(PARTITIONS)) for name, sharing in recorders.items()}

    assert Sharing(client).choose(range(PARTITIONS)) == set(range(PARTITIONS))  # one alone takes all
    for sharing in recorders.values():
        sharing.note()
    assert shares() == {"a": {0, 3, 6}, "b": {1, 4, 7}, "c": {2, 5}}
    recorders.pop("c").leave()
    assert shares() == {"a": {0, 2, 4, 6}, "b": {1, 3, 5, 7}}
    recorders["b"].note("degraded", "OperationalError")  # the database is away, for it
    assert shares()["a"] == set(range(PARTITIONS))
    recorders["b"].note()
    assert shares()["a"] == {0, 2, 4, 6}
    monkeypatch.setattr(sharing_module, "GONE_AFTER", timedelta(milliseconds=1))
    time.sleep(0.01)
    assert shares()["a"] == set(range(PARTITIONS))  # the other is silent
    client.close()


def test_a_share_stays_while_redis_is_away(cluster: ValkeyCluster) -> None:
    client: Any = connect(cluster.url)
    one, other = Sharing(client, "1"), Sharing(client, "2")
    other.note()
    assert one.look() is True
    for node in cluster.nodes:
        node.kill()
    assert one.look() is False
    assert one.choose(range(PARTITIONS)) == {0, 2, 4, 6}
    for node in cluster.nodes:
        node.start()
    cluster.wait_until_whole()
    client.close()


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("first", ["report", "action"])
def test_a_report_and_its_action_written_at_once_by_two_recorders_meet(database_url: str, first: str) -> None:
    upgrade_database(database_url)
    engine = open_database(database_url)
    records: list[Any] = [report("C1"), act("C1", "close", at=5)]
    if first == "action":
        records.reverse()
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            write_cases(connection, [Arrival(0, "1-1", records[0])])
            later = pool.submit(write_in_own_transaction, engine, Arrival(1, "1-1", records[1]))
            wait_for(lambda: later.done() or is_waiting(engine), what="the second to be at the first's case")
            assert not later.done(), "it did not wait, and cannot have seen the other"
        later.result(30)
    with engine.connect() as connection:
        (closed_at,) = connection.scalars(select(cases.c.closed_at))
        assert list(connection.scalars(select(case_actions.c.waiting).where(case_actions.c.action == "close"))) == [
            False
        ]
    assert closed_at is not None
    engine.dispose()


def write_in_own_transaction(engine: Engine, arrival: Arrival) -> None:
    with engine.begin() as connection:
        write_cases(connection, [arrival])


def is_waiting(engine: Engine) -> bool:
    with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        return bool(connection.exec_driver_sql(query).scalar())


def test_a_url_that_cannot_be_used_ends_the_recorder_with_one_line(tmp_path: Path) -> None:
    environ = os.environ | {
        "REDIS_URL": "redis+cluster://here:x",
        "DATABASE_URL": f"sqlite:///{tmp_path / 'county.db'}",
    }
    ended = subprocess.run(
        [sys.executable, "-m", "ingest", "record"], cwd=ROOT, env=environ, capture_output=True, text=True, check=False
    )
    assert ended.returncode == EXIT_HOPELESS
    assert "REDIS_URL cannot be used" in ended.stderr and "Traceback" not in ended.stderr


# -- the whole


class Plant:
    """Two ingest and two recorder processes and a live hub, on one cluster and one PostgreSQL."""

    def __init__(self, folder: Path, county: Path, redis_url: str, database_url: str) -> None:
        self._folder = folder
        self._environ = {
            **os.environ,
            "COUNTY": str(county),
            "DATA_DIR": str(folder / "data"),
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "PARTITIONS": str(PARTITIONS),
            "INGEST_KEY": KEY,
        }
        self.ingest_urls = [f"http://127.0.0.1:{free_port()}" for _ in range(2)]
        self.ingests = [
            self._make(f"ingest-{number}", ["ingest", "serve"], INGEST_PORT=url.rpartition(":")[2])
            for number, url in enumerate(self.ingest_urls)
        ]
        self.recorders = {
            name: self._make(name, ["ingest", "record"], RECORDER_NAME=name) for name in ("north", "south")
        }
        self.live_url, self.live = self.make_hub("live")

    def make_hub(self, name: str, **settings: str) -> tuple[str, Program]:
        port = free_port()
        words = ["dashboard", "live", "--port", str(port)]
        return f"http://127.0.0.1:{port}", self._make(name, words, **settings)

    def start(self, stack: ExitStack, *programs: Program) -> None:
        for program in programs:
            program.start()
            stack.callback(program.kill)

    def health(self, url: str | None = None) -> dict[str, Any]:
        try:
            told: dict[str, Any] = httpx.get(f"{url or self.ingest_urls[1]}/health", trust_env=False).json()
            return told
        except httpx.TransportError:
            return {"status": "down"}

    def recorders_at_work(self) -> set[str]:
        """The names of the recorders that `/health` says are well."""
        processes = self.health().get("parts", {}).get("processes", {})
        return {name for name, part in processes.items() if part["state"] == "ok"}

    def read_log(self, name: str) -> str:
        return (self._folder / f"{name}.log").read_text()

    def _make(self, name: str, words: list[str], **settings: str) -> Program:
        return Program([sys.executable, "-m", *words], self._environ | settings, self._folder / f"{name}.log")


def post_until_answered(events: list[Event], urls: Iterator[str], book: Book) -> None:
    """Post a batch to one ingest after the other until it is answered, and note in the book what was said."""
    headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {KEY}"}
    body = "\n".join(map(json.dumps, events)).encode()
    for url in urls:
        try:
            answer = httpx.post(f"{url}/v1/events", content=body, headers=headers, timeout=5, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.1)
            continue
        if answer.status_code == 202:
            break
        assert answer.status_code == 503 and answer.headers["Retry-After"], (answer.status_code, answer.text)
        time.sleep(0.1)
    told = answer.json()
    refused = {each["index"] for each in told["rejected"]}
    assert told["received"] == len(events) == told["accepted"] + told["duplicate"] + len(refused)
    for index, event in enumerate(events):
        book.note(event, is_refused=index in refused)


def post_all(plant: Plant, county: County, book: Book, events: dict[int, Callable[[], None]]) -> None:
    """Post all batches by two senders at once; `events` is what happens when so many were answered."""
    answered, lock, faults = [0], threading.Lock(), []

    def send(number: int) -> None:
        writer, urls = Writer(f"urn:sender-{number}", county, f"cluster {number}"), cycle(plant.ingest_urls)
        try:
            for _ in range(BATCHES // 2):
                post_until_answered(writer.write_batch(), urls, book)
                with lock:
                    answered[0] += 1
        except BaseException as fault:  # noqa: BLE001 - for the test to see, whatever it is
            faults.append(fault)

    senders = [threading.Thread(target=send, args=[number], daemon=True) for number in range(2)]
    for sender in senders:
        sender.start()
    for number, happen in sorted(events.items()):
        wait_for(lambda number=number: faults or answered[0] >= number, what=f"{number} answers")  # type: ignore[misc]
        happen()
    for sender in senders:
        sender.join(60)
    assert not faults, faults
    assert answered[0] == BATCHES


def drain(plant: Plant) -> dict[str, int]:
    """Return the counters once everything that was accepted is recorded."""

    def find_drained() -> dict[str, int]:
        counters: dict[str, int] = plant.health().get("counters") or {}
        return counters if counters and counters["recorded"] == counters["accepted"] else {}

    return wait_for(find_drained, 60, "everything to be recorded")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_nothing_is_lost_or_doubled_when_parts_of_the_grown_shape_are_killed(
    cluster: ValkeyCluster, database_url: str, tmp_path: Path, demo_folder: Path, county: County
) -> None:
    plant, book = Plant(tmp_path, demo_folder, cluster.url, database_url), Book()
    north = plant.recorders["north"]

    def restart(part: Any) -> None:
        part.kill()
        time.sleep(0.5)
        part.start()

    with ExitStack() as stack:
        plant.start(stack, *plant.ingests, *plant.recorders.values(), plant.live)
        both = {"recorder@north", "recorder@south"}
        wait_for(lambda: plant.recorders_at_work() == both, what="two recorders")
        wait_for(lambda: plant.health(plant.live_url)["status"] != "down", what="the hub")
        post_all(
            plant,
            county,
            book,
            {
                BATCHES // 5: north.kill,  # for good: the other takes its share
                BATCHES * 2 // 5: lambda: restart(plant.ingests[0]),
                BATCHES * 3 // 5: lambda: restart(cluster.nodes[1]),
            },
        )
        counters = drain(plant)
        assert "recorders at work: recorder@south\n" in plant.read_log("south")
        north.start()
        wait_for(lambda: plant.read_log("south").rstrip().endswith("recorder@north, recorder@south"), what="north")
        writer = Writer("urn:late", county, "late")
        for url in cycle(plant.ingest_urls):
            post_until_answered(writer.write_batch(), repeat(url), book)
            if book.count() > counters["accepted"] + 200:
                break
        counters = drain(plant)
        assert counters["received"] == counters["accepted"] + counters["duplicate"] + counters["rejected"]
        assert counters["accepted"] == book.count()
        assert min(counters["duplicate"], counters["rejected"]) > 0
        check_database(database_url, book, counters)
        check_live(plant, stack)


def check_database(database_url: str, book: Book, counters: dict[str, int]) -> None:
    """What is in SQL is what senders were told, each event once, whichever recorder wrote it."""
    engine = open_database(database_url, read_only=True)
    check_ids(engine, book)
    with engine.connect() as connection:
        check_readings(connection)
        check_states(connection, book)
        own: dict[str, int] = dict(connection.exec_driver_sql("SELECT name, value FROM counters").tuples().all())
        by_feed = connection.exec_driver_sql("SELECT sum(recorded) FROM feed_totals").scalar()
    engine.dispose()
    assert own == {"recorded": counters["accepted"]}, "late duplicates, refusals or gaps"
    assert by_feed == counters["accepted"]


def check_live(plant: Plant, stack: ExitStack) -> None:
    """The hub that heard everything shows what one shows that has SQL only."""
    url, fresh = plant.make_hub("fresh", REDIS_URL="unix:///nowhere.sock")
    plant.start(stack, fresh)
    wait_for(lambda: plant.health(url)["status"] != "down", what="a hub that reads SQL only")
    differences: list[str] = []

    def agree() -> bool:
        differences[:] = find_differences(read_screen(url), read_screen(plant.live_url), "live")
        return not differences

    try:
        wait_for(agree, 20, "the live state to be that of SQL")
    except AssertionError:
        raise AssertionError(f"live is not what SQL gives: {differences[:20]}") from None
