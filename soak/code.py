"""How much of a page's JavaScript heap is machine code and its tables: V8 makes more of it while functions get hot.

That is no leak (there are only so many functions), but on the way it looks like one. Only a memory dump of Chromium's
tracing tells it apart from objects.
"""

from typing import Any, Final

from playwright.sync_api import Browser

from soak.devtools import pause

SPACES: Final = ("code_space", "code_large_object_space", "trusted_space", "trusted_large_object_space")
TRACE: Final = {
    "traceConfig": {
        "includedCategories": ["disabled-by-default-memory-infra"],
        "excludedCategories": ["*"],
        "memoryDumpConfig": {"triggers": []},  # at request alone
    },
    "transferMode": "ReportEvents",
}


def measure_code(browser: Browser) -> int:
    """Return the bytes of code in the largest JavaScript heap of a browser, which is that of its one heavy page."""
    devtools = browser.new_browser_cdp_session()
    events: list[dict[str, Any]] = []
    ends: list[object] = []
    devtools.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    devtools.on("Tracing.tracingComplete", lambda told: ends.append(told))
    devtools.send("Tracing.start", TRACE)
    devtools.send("Tracing.requestMemoryDump", {"levelOfDetail": "light"})
    devtools.send("Tracing.end")
    while not ends:
        pause(devtools)
    devtools.detach()
    return max((_read_heap(event) for event in events if event["ph"] == "v"), default=(0, 0))[1]


def _read_heap(dump: dict[str, Any]) -> tuple[int, int]:
    """Return the bytes of objects and those of code in a process's heap, as its part of a memory dump says."""
    spaces = dump["args"]["dumps"].get("allocators", {})

    def read(space: str) -> int:
        told = spaces.get(f"v8/main/heap/{space}")  # other processes have none
        return int(told["attrs"]["allocated_objects_size"]["value"], 16) if told else 0

    return read("old_space"), sum(map(read, SPACES))
