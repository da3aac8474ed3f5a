"""A real Mosquitto as a child process, and what tests say to it by paho's client."""

import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.appliance import free_port, wait_for

# Mosquitto's own limits drop what waits beyond them, QoS 1 too: docs/mqtt.md gives the same lines.
LIMITS = ("max_queued_messages 1000000", "max_queued_bytes 0", "max_inflight_messages 2000")


def find_mosquitto() -> str:
    """Debian keeps it in /usr/sbin, which is not everybody's PATH."""
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    assert path, "no mosquitto: run setup/install-broker"
    return path


class Mosquitto:
    """A broker of the test's own, that may be stopped, killed and started again with what it has kept."""

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",), scheme: str = "mqtt"):
        self.port = free_port()
        self.folder = folder
        self.url = f"{scheme}://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._config = folder / "mosquitto.conf"
        own = [f"listener {self.port} 127.0.0.1", "persistence true", f"persistence_location {folder}/", "user root"]
        self._config.write_text("\n".join([*own, *LIMITS, *lines]) + "\n")

    def start(self) -> Self:
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen(
                [find_mosquitto(), "-c", str(self._config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        wait_for(self._answers, what="mosquitto")
        return self

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def _answers(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


class Device:
    """Somebody who publishes: by MQTT 3.1.1 or 5, with a last will if he leaves one."""

    def __init__(self, broker: Mosquitto, version: int = 5, will: tuple[str, bytes] | None = None, **login: Any):
        self.version = version
        protocol = MQTTProtocolVersion.MQTTv5 if version == 5 else MQTTProtocolVersion.MQTTv311
        self.client = paho.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        if will:
            self.client.will_set(*will, qos=1, retain=True)
        if "username" in login:
            self.client.username_pw_set(login["username"], login["password"])
        if "ca_file" in login:
            self.client.tls_set(str(login["ca_file"]), login.get("cert_file"), login.get("key_file"))
        connected = threading.Event()
        self.client.on_connect = lambda *_: connected.set()
        self.client.connect("127.0.0.1", broker.port)
        self.client.loop_start()
        assert connected.wait(10)

    def publish(
        self,
        topic: str,
        payload: str | bytes,
        qos: int = 1,
        retain: bool = False,
        content_type: str | None = None,
        properties: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Return when the broker has it."""
        said = None
        if self.version == 5 and (content_type or properties):
            said = Properties(PacketTypes.PUBLISH)
            if content_type:
                said.ContentType = content_type
            said.UserProperty = list(properties)
        self.client.publish(topic, payload, qos, retain, said).wait_for_publish(10)

    def vanish(self) -> None:
        """Break the connection without a word, so that the broker speaks the last will."""
        self.client._sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
        self.client.loop_stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Cable:
    """A TCP way to a broker that can lose what its client says, as a broken line does, and be pulled out.

    answer_to_5: what a client hears that greets in MQTT 5, before the line ends; None lets it through.
    """

    def __init__(self, broker: Mosquitto, answer_to_5: bytes | None = None):
        self.deaf = threading.Event()
        self._answer_to_5 = answer_to_5
        self._broker = broker
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        """Break every connection; the next one is sound."""
        for end in self._ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self._ends.clear()
        self.deaf.clear()

    def close(self) -> None:
        self._listener.close()
        self.pull()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near = self._listener.accept()[0]
                if self._answer_to_5 is not None and b"MQTT\5" in near.recv(4096, socket.MSG_PEEK):
                    near.recv(4096)
                    near.sendall(self._answer_to_5)
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._broker.port))
                self._ends += [near, far]
                threading.Thread(target=self._carry, args=(near, far, self.deaf), daemon=True).start()
                threading.Thread(target=self._carry, args=(far, near, threading.Event()), daemon=True).start()

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not deaf.is_set():
                    target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
