"""A real Redis Cluster on loopback: Valkey processes of the test's own, joined by a client alone."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from ingest.child import start_child
from ingest.embedded import find_server
from tests.appliance import free_port, wait_for

SLOTS = 16_384
NODE_TIMEOUT_MS = 1_000


class Node:
    """One Valkey in cluster mode; its data stay in `folder` when it is killed."""

    def __init__(self, folder: Path, password: str = "") -> None:
        folder.mkdir(parents=True)
        self.folder, self.password = folder, password
        self.port, self.bus_port = free_port(), free_port()
        self.client: Any = redis.Redis(port=self.port, password=password or None)
        self.start()

    def start(self) -> None:
        options = {
            "port": str(self.port),
            "cluster-port": str(self.bus_port),
            "bind": "127.0.0.1",
            "dir": str(self.folder),
            "logfile": str(self.folder / "server.log"),
            "appendonly": "yes",
            "appendfsync": "no",  # always written before the answer, which is what a kill may not lose
            "save": "",
            "cluster-enabled": "yes",
            "cluster-config-file": "nodes.conf",
            "cluster-node-timeout": str(NODE_TIMEOUT_MS),
            # A node that is away takes its own slots with it, and not those of the others.
            "cluster-require-full-coverage": "no",
            **({"requirepass": self.password, "primaryauth": self.password} if self.password else {}),
        }
        words = [str(find_server()), *(word for name, value in options.items() for word in (f"--{name}", value))]
        self.process: subprocess.Popen[bytes] = start_child(words)
        wait_for(self._answers, what="a node of the cluster")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def owns(self, key: str) -> bool:
        """Whether the node says that a key is its own, and not another's."""
        try:
            self.client.exists(key)
        except redis.ResponseError:  # MOVED
            return False
        return True

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False


class ValkeyCluster:
    """Nodes that know of each other, each with its share of the slots; `url` is for `REDIS_URL`."""

    def __init__(self, nodes: Sequence[Node], password: str = "") -> None:
        self.nodes = nodes
        account = f":{password}@" if password else ""
        # The first two: the others are to be found by asking.
        self.url = f"redis+cluster://{account}" + ",".join(f"127.0.0.1:{node.port}" for node in nodes[:2])

    def join(self) -> None:
        first, *others = self.nodes
        for node in others:
            node.client.execute_command("CLUSTER MEET", "127.0.0.1", first.port, first.bus_port)
        share = SLOTS // len(self.nodes) + 1
        for place, node in enumerate(self.nodes):
            start, end = place * share, min((place + 1) * share, SLOTS) - 1
            node.client.execute_command("CLUSTER ADDSLOTSRANGE", start, end)
        self.wait_until_whole()

    def move_slot(self, key: str, owner: Node, heir: Node) -> None:
        """Give a key's slot, with all that is in it, from one node to another."""
        slot = owner.client.execute_command("CLUSTER KEYSLOT", key)
        ids = {node: node.client.execute_command("CLUSTER MYID") for node in self.nodes}
        heir.client.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[owner])
        owner.client.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[heir])
        keys = owner.client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100)
        account = ["AUTH", owner.password] if owner.password else []
        owner.client.execute_command("MIGRATE", "127.0.0.1", heir.port, "", 0, 5_000, *account, "KEYS", *keys)
        for node in (heir, owner, *self.nodes):
            node.client.execute_command("CLUSTER SETSLOT", slot, "NODE", ids[heir])

    def wait_until_whole(self) -> None:
        wait_for(self._is_whole, what="the cluster to agree")

    def _is_whole(self) -> bool:
        infos = [node.client.cluster("info") for node in self.nodes]
        return all(
            info["cluster_state"] == "ok"
            and int(info["cluster_slots_ok"]) == SLOTS
            and int(info["cluster_known_nodes"]) == len(self.nodes)
            for info in infos
        )


@contextmanager
def run_cluster(folder: Path, size: int = 3, password: str = "") -> Iterator[ValkeyCluster]:
    """Run a cluster of masters, each with its share of the slots."""
    nodes = [Node(folder / f"node-{number}", password) for number in range(size)]
    try:
        cluster = ValkeyCluster(nodes, password)
        cluster.join()
        yield cluster
    finally:
        for node in nodes:
            node.client.close()
            node.kill()
