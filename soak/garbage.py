"""The garbage of a page and of its workers: collected before a look at what they take.

MapLibre's workers make most of the garbage of a wall, in small blocks that their own collectors leave for a quarter of
an hour; until then it looks like a leak of the renderer.
"""

import json
from typing import Any, Final

from playwright.sync_api import CDPSession, Page

COLLECT: Final = "HeapProfiler.collectGarbage"


class Collector:
    """What collects the garbage of one page, through a session of its developer's tools."""

    def __init__(self, page: Page, devtools: CDPSession) -> None:
        self._page = page
        self._devtools = devtools
        self._workers: set[str] = set()
        self._collecting: set[str] = set()
        devtools.on("Target.attachedToTarget", lambda told: self._workers.add(told["sessionId"]))
        devtools.on("Target.detachedFromTarget", self._forget)
        devtools.on("Target.receivedMessageFromTarget", self._hear)
        # Not flat: a session of Playwright cannot speak to sessions below it in any other way.
        devtools.send("Target.setAutoAttach", {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": False})

    def collect(self) -> None:
        """Collect all garbage, and return once it is collected."""
        self._devtools.send(COLLECT)
        self._collecting = set(self._workers)
        for worker in tuple(self._workers):
            message = json.dumps({"id": 1, "method": COLLECT})
            self._devtools.send("Target.sendMessageToTarget", {"sessionId": worker, "message": message})
        while self._collecting:
            self._page.wait_for_timeout(20)

    def _hear(self, told: dict[str, Any]) -> None:
        if "id" in json.loads(told["message"]):  # others are events
            self._collecting.discard(told["sessionId"])

    def _forget(self, told: dict[str, Any]) -> None:
        self._workers.discard(told["sessionId"])
        self._collecting.discard(told["sessionId"])
