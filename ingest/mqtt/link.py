"""One connection to an MQTT broker: made, read and acknowledged, never repaired; who wants another opens another.

The protocol is paho's. Our event loop watches its socket (paho's "external event loop"), so there is no thread between
us: whoever does not `receive` stops the reading when some messages wait, and holds up the broker and not our memory -
by TCP, and in MQTT 5 by the messages that the broker may send unacknowledged.
"""

import asyncio
import socket
import ssl
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self, cast
from urllib.parse import unquote, urlsplit

import msgspec
from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

if TYPE_CHECKING:
    from paho.mqtt.client import SocketLike

KEEP_ALIVE_S: Final = 300
"""Who answers no ping for so long is gone. Long, because we hear no answer while we do not read; a broken line is found
by TCP's own probes."""
ANSWER_WITHIN_S: Final = 10.0
PROBE_AFTER_S: Final = 30
NEVER_EXPIRES_S: Final = 0xFFFFFFFF
RECEIVE_MAXIMUM: Final = 2_000
MOST_WAITING: Final = RECEIVE_MAXIMUM
MOST_WAITING_BYTES: Final = 8 * 1024 * 1024
LARGEST_KEPT_BYTES: Final = 1024 * 1024
"""Of a longer payload only so much is kept, for whoever refuses it."""
LARGEST_PACKET_BYTES: Final = 4 * 1024 * 1024
"""What is longer, a broker of MQTT 5 does not send us."""

_QOS: Final = 1  # what was published with QoS 2 comes as QoS 1, and de-duplication makes it "exactly once"
_PORTS: Final = {"mqtt": 1883, "mqtts": 8883}


class BrokerRefused(RuntimeError):  # noqa: N818 - it says what happened
    """The broker answered, and said no: credentials, client id, or every topic filter."""


class Unreadable(ConnectionError):  # noqa: N818 - it says what happened
    """What came is no MQTT to paho; a message that says too much in MQTT 5 may be readable in 3.1.1."""


class _OtherVersion(BrokerRefused):
    """The broker does not speak the version that we greeted it in."""


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message; `packet_id` is 0 for QoS 0, `properties` are the user's, names in lower case (empty in 3.1.1)."""

    topic: str
    payload: bytes
    packet_id: int = 0
    repeated: bool = False
    retained: bool = False
    content_type: str = ""
    properties: dict[str, str] = {}


@dataclass(frozen=True)
class Broker:
    """Where a broker is and who we are there; the password does not show when this is printed."""

    host: str
    port: int
    client_id: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def read_url(
        cls,
        url: str,
        client_id: str,
        ca_file: Path | None = None,
        cert_file: Path | None = None,
        key_file: Path | None = None,
    ) -> Self:
        """Return the broker of `mqtt://` or, with TLS, `mqtts://[user[:password]@]host[:port]`.

        ca_file: whom to trust instead of what the machine trusts; cert_file, key_file: who we are, where the broker
        asks for a certificate. Raises `ValueError` with a reason that holds nothing of the credentials.
        """
        try:
            parts = urlsplit(url)
            port = parts.port or _PORTS.get(parts.scheme)
        except ValueError:
            raise ValueError("host or port cannot be read") from None
        if port is None or not parts.hostname or parts.path.strip("/") or parts.query:
            raise ValueError("write mqtt://[user:password@]host[:port], or mqtts:// for TLS")
        return cls(
            host=parts.hostname,
            port=port,
            client_id=client_id,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            tls=_read_certificates(ca_file, cert_file, key_file) if parts.scheme == "mqtts" else None,
        )


class Link:
    """A connection that has subscribed; whatever goes wrong with it raises `OSError` or `BrokerRefused`.

    `refused_filters` are the topics that the broker will not let us have.
    """

    def __init__(self, broker: Broker, filters: Sequence[str], protocol: MQTTProtocolVersion) -> None:
        self.level = int(protocol)
        self.refused_filters: list[str] = []
        self._broker = broker
        self._filters = filters
        self._loop = asyncio.get_running_loop()
        self._subscribed: asyncio.Future[None] = self._loop.create_future()
        self._tending: asyncio.Task[None] | None = None
        self._waiting: list[Publish] = []
        self._waiting_bytes = 0
        self._news = asyncio.Event()
        self._end: Exception | None = None
        self._client = _make_client(broker, protocol)
        self._client.on_connect = self._subscribe
        self._client.on_subscribe = self._note_filters
        self._client.on_message = self._keep
        self._client.on_disconnect = self._note_end

    async def open(self) -> None:
        """Take up our session at the broker and subscribe."""
        await self._connect_aside()
        self._client.on_socket_register_write = self._watch_writing
        self._client.on_socket_unregister_write = self._forget_writing
        self._client.on_socket_close = self._forget_reading
        self._resume()
        self._tending = asyncio.create_task(self._tend())
        await self._subscribed

    async def receive(self) -> list[Publish]:
        """Return the messages that are waiting, at least one, in the broker's order."""
        while not self._waiting:
            if self._end is not None:
                raise self._end
            self._news.clear()
            await self._news.wait()
        messages, self._waiting, self._waiting_bytes = self._waiting, [], 0
        self._resume()
        return messages

    def acknowledge(self, messages: Iterable[Publish]) -> None:
        """Tell the broker, as soon as it listens, that it may forget these messages."""
        for message in messages:
            if message.packet_id:
                self._client.ack(message.packet_id, _QOS)

    def close(self) -> None:
        """Say goodbye, if the broker listens, and end the connection; the session stays."""
        self._end = self._end or ConnectionAbortedError("closed")
        if self._tending is not None:
            self._tending.cancel()
        self._client.disconnect()
        self._client.loop_write()
        connection = self._client.socket()
        if connection is not None:  # the broker has no ear for it
            self._client.on_socket_close = self._client.on_socket_unregister_write = None
            self._loop.remove_reader(connection.fileno())
            self._loop.remove_writer(connection.fileno())
            connection.close()

    async def _connect_aside(self) -> None:
        """Connect in a thread, because paho blocks; one that nobody waits for, because a broker may hang."""
        connected: asyncio.Future[None] = self._loop.create_future()

        def settle(error: OSError | None) -> None:
            if connected.done():  # nobody waits any more
                self.close()
            elif error is None:
                connected.set_result(None)
            else:
                connected.set_exception(error)

        def connect() -> None:
            error = None
            try:
                self._connect()
            except UnicodeError as reason:
                error = OSError(f"{self._broker.host} is no host's name: {reason}")
            except OSError as reason:
                error = reason
            with suppress(RuntimeError):  # the process is ending, and the loop has
                self._loop.call_soon_threadsafe(settle, error)

        threading.Thread(target=connect, name="mqtt-connect", daemon=True).start()
        await connected

    def _connect(self) -> None:
        options: dict[str, Any] = {}
        if self.level == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
            properties.SessionExpiryInterval = NEVER_EXPIRES_S
            properties.ReceiveMaximum = RECEIVE_MAXIMUM
            properties.MaximumPacketSize = LARGEST_PACKET_BYTES
            options = {"clean_start": False, "properties": properties}
        self._client.connect(self._broker.host, self._broker.port, KEEP_ALIVE_S, **options)
        connection = cast(socket.socket, self._client.socket())
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if sys.platform == "linux":
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PROBE_AFTER_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PROBE_AFTER_S // 3)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)

    def _subscribe(self, client: Client, _: object, flags: object, reason: ReasonCode, properties: object) -> None:
        if reason.is_failure:
            kind = _OtherVersion if reason == "Unsupported protocol version" else BrokerRefused
            self._fail(kind(_put_in_words(reason)))
        elif self.level == MQTTProtocolVersion.MQTTv5:
            options = SubscribeOptions(qos=_QOS, retainHandling=SubscribeOptions.RETAIN_SEND_IF_NEW_SUB)
            client.subscribe([(filter, options) for filter in self._filters])
        else:
            client.subscribe([(filter, _QOS) for filter in self._filters])

    def _note_filters(
        self, client: Client, data: object, packet_id: int, reasons: list[ReasonCode], properties: object
    ) -> None:
        pairs = zip(self._filters, reasons, strict=False)
        self.refused_filters = [filter for filter, reason in pairs if reason.is_failure]
        if len(self.refused_filters) == len(self._filters):
            self._fail(BrokerRefused(f"every topic filter: {_put_in_words(reasons[0])}"))
        elif not self._subscribed.done():
            self._subscribed.set_result(None)

    def _keep(self, client: Client, data: object, message: MQTTMessage) -> None:
        kept = _read_message(message)
        self._waiting.append(kept)
        self._waiting_bytes += len(kept.payload)
        self._news.set()

    def _note_end(
        self, client: Client, data: object, flags: DisconnectFlags, reason: ReasonCode, properties: object
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            self._fail(BrokerRefused(_put_in_words(reason)))
        elif reason == "Unspecified error":  # paho's word for a connection that was lost
            self._fail(ConnectionResetError("it closed the connection"))
        elif reason == "Protocol error":
            self._fail(Unreadable("a message cannot be read"))
        else:
            self._fail(ConnectionError(_put_in_words(reason)))

    def _watch_writing(self, client: Client, data: object, connection: "SocketLike") -> None:
        self._loop.add_writer(connection.fileno(), client.loop_write)

    def _forget_writing(self, client: Client, data: object, connection: "SocketLike") -> None:
        self._loop.remove_writer(connection.fileno())

    def _forget_reading(self, client: Client, data: object, connection: "SocketLike") -> None:
        self._loop.remove_reader(connection.fileno())

    def _fail(self, error: Exception) -> None:
        if self._end is not None:
            return
        self._end = error
        self._news.set()
        if not self._subscribed.done():
            self._subscribed.set_exception(error)

    @property
    def _is_full(self) -> bool:
        return len(self._waiting) >= MOST_WAITING or self._waiting_bytes >= MOST_WAITING_BYTES

    def _resume(self) -> None:
        connection = self._client.socket()
        if connection is not None:
            self._loop.add_reader(connection.fileno(), self._read)
            self._loop.call_soon(self._read)  # TLS may hold what the socket no longer shows

    def _read(self) -> None:
        """Take what the broker has sent, until nothing more is here or enough waits."""
        while (connection := self._client.socket()) is not None:
            if self._is_full:
                self._loop.remove_reader(connection.fileno())
                return
            count = len(self._waiting)
            self._client.loop_read()
            has_more = isinstance(connection, ssl.SSLSocket) and connection.pending() > 0
            if len(self._waiting) == count and not has_more:
                return

    async def _tend(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._client.loop_misc()


async def open_link(broker: Broker, filters: Sequence[str], plain: bool = False) -> Link:
    """Return a connection that has subscribed to the topic filters, in MQTT 5 or else, or if `plain`, in 3.1.1.

    Raises what `Link` says.
    """
    if not plain:
        with suppress(_OtherVersion, ConnectionResetError):  # old brokers hang up on a version that they do not know
            return await _open_link(broker, filters, MQTTProtocolVersion.MQTTv5)
    return await _open_link(broker, filters, MQTTProtocolVersion.MQTTv311)


async def _open_link(broker: Broker, filters: Sequence[str], protocol: MQTTProtocolVersion) -> Link:
    link = Link(broker, filters, protocol)
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            await link.open()
    except BaseException:
        link.close()
        raise
    return link


def _make_client(broker: Broker, protocol: MQTTProtocolVersion) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        broker.client_id,
        clean_session=None if protocol == MQTTProtocolVersion.MQTTv5 else False,
        protocol=protocol,
        reconnect_on_failure=False,
        manual_ack=True,
    )
    client.username_pw_set(broker.username, broker.password)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    return client


def _read_message(message: MQTTMessage) -> Publish:
    try:
        topic = message.topic
    except UnicodeDecodeError:  # must not come (MQTT 5.0, 4.7.3); if it does, it is refused as nobody's topic
        topic = "\ufffd"
    content_type = getattr(message.properties, "ContentType", "")
    return Publish(
        topic=topic,
        payload=bytes(message.payload[:LARGEST_KEPT_BYTES]),
        packet_id=message.mid,
        repeated=message.dup,
        retained=message.retain,
        content_type=content_type.partition(";")[0].strip().lower(),
        properties={name.lower(): value for name, value in getattr(message.properties, "UserProperty", ())},
    )


def _put_in_words(reason: ReasonCode) -> str:
    if reason == "Session taken over":
        return "another client has our client id (MQTT_CLIENT_ID)"
    return str(reason).lower()


def _read_certificates(ca_file: Path | None, cert_file: Path | None, key_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
        if cert_file is not None:
            context.load_cert_chain(cert_file, key_file)
    except OSError as error:
        raise ValueError(f"MQTT_CA_FILE, MQTT_CERT_FILE or MQTT_KEY_FILE cannot be used: {error}") from error
    return context
