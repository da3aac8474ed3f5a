"""(e) MQTT messages a second through to the streams, QoS 0 and 1, as a ratio to Mosquitto's own rate."""

import json
import multiprocessing
import socket
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path

import psutil
import redis

from bench.table import print_table
from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.child import start_child
from ingest.embedded import start_redis
from tests.appliance import KEY, ROOT, wait_for
from tests.broker import Mosquitto

MESSAGES = 60_000
REPEATS = 2
IN_FLIGHT = 1_000  # QoS 1: unacknowledged at the publisher
TOPIC = "ce/bench"
PARTITIONS = 4
CONNECT = b"\x10\x0c\0\4MQTT\4\2\2\x58\0\0"  # 3.1.1, clean session, 600 s, no client id
SUBSCRIBE = b"\x82\x0d\0\1\0\x08" + TOPIC.encode() + b"\1"  # QoS 1
ANSWERS_BYTES = 4 + 5  # to those two


def run() -> list[dict[str, object]]:
    """Return one row a QoS and repeat: messages/s into the streams, from publisher to a bare subscriber, the ratio."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    rows = [measure(county, qos, number) for qos in (0, 1) for number in range(REPEATS)]
    medians = [
        {
            "qos": qos,
            "run": "median",
            "ratio": round(statistics.median(float(str(row["ratio"])) for row in rows if row["qos"] == qos), 3),
        }
        for qos in (0, 1)
    ]
    return [*rows, *medians]


def measure(county: County, qos: int, number: int) -> dict[str, object]:
    """Measure one run on a fresh broker and fresh streams."""
    with tempfile.TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        limits_per_s = [measure_limit(broker, county, qos)]
        with run_bridge(Path(folder), broker, county) as (streams, bridge):
            spent_before = sum(bridge.cpu_times()[:2])
            with publishing(broker, county, qos) as began:
                wait_for(lambda: count_received(streams) >= MESSAGES, 120, "the streams")
                rate_per_s = MESSAGES / (time.perf_counter() - began)
            spent_s = sum(bridge.cpu_times()[:2]) - spent_before
        # Before and after, because other work on the machine comes and goes.
        limit_per_s = statistics.mean([*limits_per_s, measure_limit(broker, county, qos)])
    return {
        "qos": qos,
        "run": number + 1,
        "messages_per_s": round(rate_per_s),
        "mosquitto_per_s": round(limit_per_s),
        "ratio": round(rate_per_s / limit_per_s, 3),
        "bridge_us": round(spent_s / MESSAGES * 1e6, 1),
    }


@contextmanager
def run_bridge(folder: Path, broker: Mosquitto, county: County) -> Iterator[tuple["redis.Redis", psutil.Process]]:
    """Run an embedded server and the bridge; yield a client and the bridge's process."""
    server = start_redis(folder)
    environ = {
        "REDIS_URL": server.url,
        "DATA_DIR": str(folder),
        "COUNTY": str(county.folder),
        "INGEST_KEY": KEY,
        "MQTT_URL": broker.url,
        "PARTITIONS": str(PARTITIONS),
    }
    process = start_child([sys.executable, "-m", "ingest", "mqtt"], environ)
    client = redis.Redis.from_url(server.url)
    try:
        wait_for(lambda: b'"ok"' in (client.hget("parts", "mqtt") or b""), 60, "the bridge")
        yield client, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()
        server.stop()


def measure_limit(broker: Mosquitto, county: County, qos: int) -> float:
    """Return the messages a second from the publisher to a subscriber that only acknowledges."""
    with socket.create_connection(("127.0.0.1", broker.port)) as connection:
        connection.sendall(CONNECT + SUBSCRIBE)
        connection.recv(ANSWERS_BYTES, socket.MSG_WAITALL)
        with publishing(broker, county, qos) as began:
            received, data = 0, b""
            while received < MESSAGES:
                messages, data = split_packets(data + connection.recv(262144))
                received += len(messages)
                if qos:
                    place = 2 + len(TOPIC)
                    connection.sendall(b"".join(b"\x40\x02" + message[place : place + 2] for message in messages))
            return MESSAGES / (time.perf_counter() - began)


def split_packets(data: bytes) -> tuple[list[bytes], bytes]:
    """Return the whole packets in `data`, each from after its length, and what remains."""
    packets, at = [], 0
    while len(data) - at >= 4:
        length, start, shift = 0, at + 1, 0
        while True:
            digit = data[start]
            length |= (digit & 0x7F) << shift
            start, shift = start + 1, shift + 7
            if digit < 0x80:
                break
        if start + length > len(data):
            break
        packets.append(data[start : start + length])
        at = start + length
    return packets, data[at:]


@contextmanager
def publishing(broker: Mosquitto, county: County, qos: int) -> Iterator[float]:
    """Publish from a process of its own; yield when it begins."""
    ready, go = multiprocessing.Event(), multiprocessing.Event()
    publisher = multiprocessing.Process(target=publish_all, args=(broker.port, list_payloads(county), qos, ready, go))
    publisher.start()
    assert ready.wait(60)
    go.set()
    try:
        yield time.perf_counter()
    finally:
        publisher.join(60)


def publish_all(port: int, payloads: list[bytes], qos: int, ready: Event, go: Event) -> None:
    """Publish every payload, by packets made beforehand; of QoS 1 some are under way at a time."""
    packets = [encode_publish(payload, qos, number % 65_535 + 1) for number, payload in enumerate(payloads)]
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.sendall(CONNECT)
        assert len(connection.recv(4)) == 4
        ready.set()
        go.wait()
        if not qos:
            connection.sendall(b"".join(packets))
            return
        sent = acknowledged_bytes = 0
        while acknowledged_bytes < 4 * len(packets):
            window = IN_FLIGHT - (sent - acknowledged_bytes // 4)
            if window >= IN_FLIGHT // 2 and sent < len(packets):
                connection.sendall(b"".join(packets[sent : sent + window]))
                sent = min(sent + window, len(packets))
            acknowledged_bytes += len(connection.recv(65536))


def encode_publish(payload: bytes, qos: int, packet_id: int) -> bytes:
    """Return a PUBLISH of 3.1.1."""
    topic = TOPIC.encode()
    body = struct.pack("!H", len(topic)) + topic + (struct.pack("!H", packet_id) if qos else b"") + payload
    length, digits = len(body), bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | 0x80 if length else digit)
        if not length:
            return bytes([0x30 | qos << 1, *digits]) + body


def list_payloads(county: County) -> list[bytes]:
    """Return readings of bins, each bin reporting in turn, as CloudEvents that were never sent before."""
    bins = list(county.assets.index[county.assets["kind"] == "bin"])
    start = datetime.now(UTC) - timedelta(hours=1)
    return [
        json.dumps(
            {
                "specversion": "1.0",
                "id": f"b-{start.timestamp()}-{number}",
                "source": "urn:bench",
                "type": "iot.observed",
                "data": {
                    "id": bins[number % len(bins)],
                    "type": "WasteContainer",
                    "fillingLevel": number % 100 / 100,
                    "binLoggedTime": (start + timedelta(milliseconds=number)).isoformat(),
                },
            },
            separators=(",", ":"),
        ).encode()
        for number in range(MESSAGES)
    ]


def count_received(streams: "redis.Redis") -> int:
    """Return how many messages the streams have counted."""
    return sum(
        int(value)
        for partition in range(PARTITIONS)
        for name, value in streams.hgetall(f"tally:{{{partition}}}").items()
        if name == b"received"
    )


if __name__ == "__main__":
    print_table(run())
