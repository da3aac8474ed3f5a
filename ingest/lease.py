"""A lease in Redis: of several processes that could do a thing one does it; another takes over when that is gone."""

import secrets
from typing import Final

import redis

from ingest.stream import StreamUnavailable

LASTS_S: Final = 15.0

_HOLD = """
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_LEAVE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end"


class Lease:
    """One process's claim to a name; it ends `lasts_s` after the last `hold`."""

    def __init__(self, client: "redis.Redis", name: str, lasts_s: float = LASTS_S) -> None:
        self._key, self._token = f"lease:{name}", secrets.token_hex(8)
        self._lasts_ms = int(lasts_s * 1000)
        self._hold, self._leave = client.register_script(_HOLD), client.register_script(_LEAVE)

    def hold(self) -> bool:
        """Take the lease or renew it; return whether it is ours now. Raises `StreamUnavailable`."""
        try:
            return bool(self._hold([self._key], [self._token, self._lasts_ms]))
        except redis.RedisError as error:
            raise StreamUnavailable(f"Redis: {error}") from error

    def leave(self) -> None:
        """Let another process have it at once; nothing where Redis is away."""
        try:
            self._leave([self._key], [self._token])
        except redis.RedisError:
            return
