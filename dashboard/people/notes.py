"""Writing down who did what: one call for whoever does something that has to be answered for."""

import asyncio
from collections.abc import Mapping
from typing import Any

from dashboard.people.audit import Audit
from dashboard.people.viewer import Viewer


async def record(
    notes: Audit,
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
