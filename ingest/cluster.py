"""Redis Cluster behind the same client as one server: a URL of several nodes, and the few commands that differ.

    redis+cluster://[user:password@]host:port[,host:port ...][?option=value]       rediss+cluster:// for TLS

Any reachable node tells where the others are. Options are redis-py's, such as `ssl_ca_certs=/path`. Every key that
a call of ours touches has one hash tag, so calls are the same as for one server; only reading several partitions at
once is not, and is split here. Redirections (a slot that moved) are followed, because what was redirected was not
done; nothing else is sent twice.
"""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import redis.asyncio.cluster
import redis.cluster
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

SCHEMES: Final = {"redis+cluster": "redis", "rediss+cluster": "rediss"}

COMMON: Final[Mapping[str, Any]] = {
    # Nodes named in the URL stay known, whatever addresses they call themselves.
    "dynamic_startup_nodes": False,
    # Everybody waits while redis-py asks anew where the slots are, perhaps of a machine that is switched off.
    "socket_connect_timeout": 2.0,
}
SHORTEST_PAUSE_S: Final = 0.002
LONGEST_PAUSE_S: Final = 0.03
CLOCK_KEY: Final = "parts"
"""The key whose node's clock is the cluster's: that of the signs of life."""

CLOSED_MEANWHILE: Final = (RuntimeError, AttributeError)
"""When one task finds a node away, redis-py 8.1 closes what others write to; so say uvloop, and asyncio, of that."""

# redis-py does not say of these what types they take.
_parse_url: Any = parse_url
_Node: Any = redis.cluster.ClusterNode


def is_cluster(url: str) -> bool:
    """Return whether a `REDIS_URL` names a cluster."""
    return urlsplit(url).scheme in SCHEMES


def read_cluster_url(url: str) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return a cluster's nodes (host, port) and the connection's options; raises `ValueError`."""
    parts = urlsplit(url)
    account, _, addresses = parts.netloc.rpartition("@")
    nodes: list[tuple[str, int]] = []
    options: dict[str, Any] = {}
    for address in addresses.split(","):
        host = f"{account}@{address}" if account else address
        options = dict(_parse_url(urlunsplit((SCHEMES[parts.scheme], host, parts.path, parts.query, ""))))
        name, port = options.pop("host", ""), options.pop("port", 6379)
        if not name:
            raise ValueError("every node of a cluster is HOST:PORT, with commas between")
        nodes.append((name, port))
    if options.pop("db", 0):
        raise ValueError("a cluster has no databases: leave the number out")
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    return nodes, options


def connect_cluster(url: str, **settings: Any) -> "Cluster":
    """Return a client for blocking use; asks the nodes where each slot is, and raises Redis' errors if none answers."""
    nodes, options = read_cluster_url(url)
    startup = [_Node(host, port) for host, port in nodes]
    with _as_connection_errors():
        return Cluster(startup_nodes=startup, retry=Retry(NoBackoff(), 0), **{**settings, **COMMON, **options})


def connect_cluster_async(url: str, **settings: Any) -> "AsyncCluster":
    """Return a client for use inside an event loop; it connects at its first command."""
    nodes, options = read_cluster_url(url)
    startup = [redis.asyncio.cluster.ClusterNode(host, port) for host, port in nodes]
    return AsyncCluster(startup_nodes=startup, retry=AsyncRetry(NoBackoff(), 0), **{**settings, **COMMON, **options})


class Cluster(redis.cluster.RedisCluster):
    """`redis.Redis` as far as this program uses it, over several nodes."""

    _callbacks: Mapping[str, Callable[..., Any]] = {}

    def execute_command(self, *words: Any, **options: Any) -> Any:
        """Send one command to the node that it concerns."""
        execute: Any = super().execute_command
        with _as_connection_errors():
            return execute(*words, **options)

    def xread(  # type: ignore[override]
        self, streams: Mapping[Any, Any], count: int | None = None, block: int | None = None
    ) -> dict[bytes, list[Any]]:
        """Return the messages after a position in each stream, waiting up to `block` ms for the first.

        Redis waits on streams of one slot only, so each is asked in turn, with pauses that grow while all are silent.
        """
        for pause_s in _pauses(block):
            reply: dict[bytes, list[Any]] = {}
            for key, position in streams.items():
                # The node is given: redis-py would ask a server which of the words are keys.
                words = _xread_words(key, position, count)
                reply |= self.execute_command(*words, target_nodes=self._find_node(key)) or {}
            if reply or not pause_s:
                return reply
            time.sleep(pause_s)
        return {}

    def time(self, **_: Any) -> Any:
        """Return the cluster's clock as seconds and microseconds."""
        return super().time(target_nodes=self._find_node(CLOCK_KEY))

    def set_response_callback(self, command: str, callback: Callable[..., Any]) -> None:
        """Have replies to `command` read by `callback`."""
        self._callbacks = {**self._callbacks, command: callback}

    def get_redis_connection(self, node: Any) -> Any:
        """Return the client of one node; it reads replies as this one was told to."""
        client: Any = super().get_redis_connection(node)
        client.response_callbacks.update(self._callbacks)
        return client

    def _find_node(self, key: str) -> Any:
        find: Any = self.get_node_from_key
        with _as_connection_errors():
            return find(key)


class AsyncCluster(redis.asyncio.cluster.RedisCluster):
    """`redis.asyncio.Redis` as far as this program uses it, over several nodes."""

    async def execute_command(self, *words: Any, **options: Any) -> Any:
        """Send one command to the node that it concerns."""
        with _as_connection_errors(*CLOSED_MEANWHILE):
            return await super().execute_command(*words, **options)

    async def xread(  # type: ignore[override]
        self, streams: Mapping[Any, Any], count: int | None = None, block: int | None = None
    ) -> dict[bytes, list[Any]]:
        """Return the messages after a position in each stream, as `Cluster.xread` does."""
        await self._learn()
        for pause_s in _pauses(block):
            reply: dict[bytes, list[Any]] = {}
            for key, position in streams.items():
                words = _xread_words(key, position, count)
                reply |= await self.execute_command(*words, target_nodes=self._find_node(key)) or {}
            if reply or not pause_s:
                return reply
            await asyncio.sleep(pause_s)
        return {}

    async def time(self, **_: Any) -> Any:
        """Return the cluster's clock as seconds and microseconds."""
        await self._learn()
        return await super().time(target_nodes=self._find_node(CLOCK_KEY))

    async def info(self, section: str | None = None, *_: str, **__: Any) -> Any:
        """Return what every node that takes writes tells of itself, by its address."""
        return await super().info(section, target_nodes=self.PRIMARIES)

    def set_response_callback(self, command: str, callback: Callable[..., Any]) -> None:
        """Have replies to `command` read by `callback`."""
        self.response_callbacks[command] = callback  # every node's connections share it

    async def _learn(self) -> None:
        with _as_connection_errors():
            await self.initialize()

    def _find_node(self, key: str) -> Any:
        with _as_connection_errors():
            return self.get_node_from_key(key)


@contextmanager
def _as_connection_errors(*others: type[Exception]) -> Iterator[None]:
    # What redis-py says of a cluster that cannot be asked is, oddly, no `RedisError`.
    try:
        yield
    except (redis.exceptions.RedisClusterException, *others) as error:  # type: ignore[misc]
        raise redis.ConnectionError(str(error)) from error


def _xread_words(key: Any, position: Any, count: int | None) -> list[Any]:
    return ["XREAD", *(["COUNT", count] if count else []), "STREAMS", key, position]


def _pauses(block_ms: int | None) -> Iterator[float]:
    """Yield the pause after each look, from short to long; 0 after the last, once `block_ms` is over."""
    end_s = time.monotonic() + (block_ms or 0) / 1000
    pause_s = SHORTEST_PAUSE_S
    while (left_s := end_s - time.monotonic()) > 0:
        yield min(pause_s, left_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    yield 0.0
