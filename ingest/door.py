"""The door to ingest for our own parts that act by themselves: one request, one answer, no waiting."""

import logging
from collections.abc import Sequence
from typing import Final

import httpx
import msgspec

from ingest.sender import CloudEvent, Reply

# It would write a line for every request.
logging.getLogger("httpx").setLevel(logging.WARNING)

TIMEOUT_S: Final = 8.0


class IngestAway(RuntimeError):  # noqa: N818 - it says what is the case
    """Ingest cannot be reached, or takes nothing now."""


class Door:
    """Posts events to ingest; one a process."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {key or ''}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT_S, trust_env=False)

    def post(self, events: Sequence[CloudEvent]) -> dict[int, str]:
        """Publish events and return why which of them were refused, by place; raises `IngestAway`."""
        try:
            response = self._client.post("/v1/events", content=msgspec.json.Encoder().encode_lines(events))
            reply = msgspec.json.decode(response.content, type=Reply) if response.is_success else None
        except (httpx.HTTPError, msgspec.DecodeError) as error:
            raise IngestAway(f"ingest: {type(error).__name__}") from None
        if reply is None:
            raise IngestAway(f"ingest answered HTTP {response.status_code}")
        return {rejection.index: rejection.reason for rejection in reply.rejected}

    def close(self) -> None:
        """Let the connection go."""
        self._client.close()
