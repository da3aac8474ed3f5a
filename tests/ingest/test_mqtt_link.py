"""One connection to a real broker: how much it takes ahead, what it says to old brokers, and how it ends."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from ingest.mqtt.link import MOST_WAITING, Broker, Link, Publish, open_link
from tests.broker import Cable, Device, Mosquitto

FILTERS = ["link/#"]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path_factory.mktemp("broker")) as running:
        yield running


async def receive(link: Link, count: int) -> list[Publish]:
    messages: list[Publish] = []
    async with asyncio.timeout(30):
        while len(messages) < count:
            messages += await link.receive()
    return messages


@pytest.mark.parametrize("qos", [0, 1])
def test_who_does_not_receive_stops_the_reading(broker: Mosquitto, qos: int) -> None:
    count = 2 * MOST_WAITING + 500

    def publish() -> None:
        with Device(broker) as device:
            for number in range(count):
                device.client.publish("link/a", b"%d" % number, qos)
            device.publish("link/last", b"", 1)

    async def run() -> None:
        link = await open_link(Broker.read_url(broker.url, f"reading-{qos}"), FILTERS)
        await asyncio.to_thread(publish)
        # Two round trips with the broker later all would be here that is ever read ahead.
        (await open_link(Broker.read_url(broker.url, "other"), ["else"])).close()
        first = await link.receive()
        assert len(first) == MOST_WAITING
        if qos:
            with pytest.raises(TimeoutError):  # none is acknowledged, and the broker sends no more than we allowed
                async with asyncio.timeout(0.3):
                    await link.receive()
        link.acknowledge(first)
        messages = first
        while messages[-1].topic != "link/last":
            more = await receive(link, 1)
            link.acknowledge(more)
            messages += more
        assert [message.payload for message in messages[:-1]] == [b"%d" % number for number in range(count)]
        link.close()

    asyncio.run(run())


@pytest.mark.parametrize("plain", [False, True])
def test_what_was_not_acknowledged_comes_again(broker: Mosquitto, plain: bool) -> None:
    async def run() -> None:
        address = Broker.read_url(broker.url, f"again-{plain}")
        link = await open_link(address, FILTERS, plain)
        assert link.level == (4 if plain else 5)
        with Device(broker) as device:
            for number in range(3):
                device.publish("link/a", b"%d" % number)
        messages = await receive(link, 3)
        link.acknowledge(messages[:2])
        link.close()
        with Device(broker) as device:
            device.publish("link/a", b"meanwhile")
        link = await open_link(address, FILTERS, plain)
        found = [(message.payload, message.repeated) for message in await receive(link, 2)]
        assert found == [(b"2", True), (b"meanwhile", False)]
        link.close()

    asyncio.run(run())


@pytest.mark.parametrize("answer", [b"\x20\x02\x00\x01", b""])
def test_a_broker_that_does_not_know_mqtt_5_is_spoken_to_in_3_1_1(broker: Mosquitto, answer: bytes) -> None:
    cable = Cable(broker, answer_to_5=answer)

    async def run() -> None:
        link = await open_link(Broker.read_url(cable.url, "old"), FILTERS)
        assert link.level == 4
        with Device(broker) as device:
            device.publish("link/a", b"1")
        assert [message.payload for message in await receive(link, 1)] == [b"1"]
        link.close()

    asyncio.run(run())
    cable.close()


def test_nobody_waits_for_a_broker_that_hangs() -> None:
    """It takes the connection and says nothing: neither giving up nor closing waits for it."""

    async def run(hung: socket.socket) -> None:
        port = hung.getsockname()[1]
        opening = asyncio.create_task(open_link(Broker.read_url(f"mqtts://127.0.0.1:{port}", "hung"), FILTERS))
        connection = (await asyncio.to_thread(hung.accept))[0]
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        connection.close()

    with socket.create_server(("127.0.0.1", 0)) as hung:
        asyncio.run(run(hung))


def test_what_has_come_is_handed_over_before_the_end_is_told(broker: Mosquitto) -> None:
    async def run() -> None:
        address = Broker.read_url(broker.url, "twin")
        link = await open_link(address, FILTERS)
        with Device(broker) as device:
            device.publish("link/a", b"1")
        twin = await open_link(address, FILTERS)  # the broker ends the other connection of the name
        assert [message.payload for message in await receive(link, 1)] == [b"1"]
        with pytest.raises(ConnectionResetError):
            await receive(link, 1)
        link.close()
        twin.close()

    asyncio.run(run())
