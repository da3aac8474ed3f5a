"""Writing down who did what: one call for whoever does something that has to be answered for."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from dashboard.people.viewer import Viewer


class Notes(Protocol):
    """Where deeds are written down: `dashboard.people.audit.Audit`."""

    def note(
        self,
        actor: str,
        role: str,
        deed: str,
        subject: str = "",
        address: str = "",
        details: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one deed down; blocks."""


async def record(
    notes: Notes,
    viewer: Viewer,
    deed: str,
    subject: str = "",
    details: Mapping[str, Any] | None = None,
    address: str = "",
) -> None:
    """Write down what a viewer did, before they are told that it is done.

    Raises SQLAlchemy's errors where the database is away: what cannot be written down must not happen unseen.
    """
    await asyncio.to_thread(notes.note, viewer.name, viewer.role, deed, subject, address, details)
