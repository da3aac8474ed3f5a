"""How the screens write: every deed of a person becomes an event that goes through ingest like anybody's."""

import secrets
from datetime import UTC, datetime
from typing import Any, Final

import httpx
import msgspec

from ingest.keys import find_key
from ingest.records import Origin
from ingest.settings import Settings

SOURCE: Final = "urn:county-brain:desk"
TIMEOUT_S: Final = 8.0


class PublishRefused(ValueError):  # noqa: N818 - it says what happened
    """Ingest took the request and refused the event; the message is its reason, which names the field."""


class PublishAway(RuntimeError):  # noqa: N818 - it says what is the case
    """Ingest cannot be reached or cannot take events now; nothing was accepted."""


class Publisher:
    """Posts events to ingest with the local key; one a process."""

    def __init__(self, settings: Settings):
        self._settings = settings
        self._client = httpx.AsyncClient(base_url=settings.ingest_url, timeout=TIMEOUT_S)

    async def publish(self, kind: str, data: dict[str, Any], id: str | None = None, origin: Origin = "live") -> str:
        """Publish one event of a type of the contract and return its id, once ingest has accepted it.

        id: one of the caller's own where it may come again: an event that is there already counts as published.
        Raises `PublishRefused` or `PublishAway`.
        """
        id = id or make_event_id()
        event = {"specversion": "1.0", "source": SOURCE, "id": id, "type": kind, "data": data, "origin": origin}
        headers = {
            "Authorization": f"Bearer {find_key(self._settings) or ''}",
            "Content-Type": "application/cloudevents+json",
        }
        try:
            answer = await self._client.post("/v1/events", content=msgspec.json.encode(event), headers=headers)
        except httpx.HTTPError as error:
            raise PublishAway(f"ingest cannot be reached: {type(error).__name__}") from None
        if answer.status_code != 202:
            raise PublishAway(f"ingest answered {answer.status_code}")
        for rejection in answer.json()["rejected"]:
            raise PublishRefused(rejection["reason"])
        return id

    async def close(self) -> None:
        """Let the connections go."""
        await self._client.aclose()


def make_event_id() -> str:
    """Return an id that nobody has given yet and that sorts by time."""
    return f"{datetime.now(UTC):%Y%m%d%H%M%S%f}-{secrets.token_hex(6)}"
