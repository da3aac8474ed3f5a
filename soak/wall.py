"""The wall that soaks: opened in a Chromium of its own, turned from scene to scene, and looked at from outside."""

import time

import psutil
import redis
from playwright.sync_api import Browser

from soak.code import measure_code
from soak.devtools import open_page
from soak.samples import Sample
from tests.appliance import Appliance

MB = 1024 * 1024
LIVE = "() => window.countyBrain?.feed?.connection.state === 'live' && countyBrain.map?.isWhole"
COUNT_CONTEXTS = """
  window.soak = { contexts: [], lost: 0, updates: 0, scenes: 0 };
  const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
    const context = get.call(this, kind, ...rest);
    if (context && kind.startsWith("webgl") && !soak.contexts.some((one) => one.deref() === context)) {
      soak.contexts.push(new WeakRef(context));
      this.addEventListener("webglcontextlost", () => { soak.lost += 1 });
    }
    return context;
  };
"""
# The page itself turns, or a busy browser would hear of its turns late and show too few scenes.
LIVE_FAST = """(updatesAScene) => void countyBrain.feed.subscribe((_, kind) => {
  if (kind !== "delta" || ++soak.updates % updatesAScene) return;
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  soak.scenes += 1;
})"""
READ = """() => ({
  updates: soak.updates, scenes: soak.scenes, lost: soak.lost,
  contexts: soak.contexts.filter((one) => one.deref() && !one.deref().isContextLost()).length,
})"""


class SoakedWall:
    """One wall at `/wall`, with what it and its servers take."""

    def __init__(self, browser: Browser, appliance: Appliance, updates_a_scene: int) -> None:
        self.page = open_page(browser)
        self.page.call("Page.enable")
        self.page.call("Page.addScriptToEvaluateOnNewDocument", source=COUNT_CONTEXTS)
        self.page.call("Performance.enable")
        self.page.call("Emulation.setDeviceMetricsOverride", width=1920, height=1080, deviceScaleFactor=1, mobile=False)
        self.page.call("Page.navigate", url=f"{appliance.web_url}/wall?wall=soak")
        self.page.wait_for(LIVE)
        self.page.evaluate(LIVE_FAST, updates_a_scene)
        self._browser = browser
        self._appliance = appliance
        self._began = time.monotonic()
        self._machine = browser.new_browser_cdp_session()
        self._redis = redis.Redis(unix_socket_path=str(appliance.data_dir / "redis" / "server.sock"))

    def sample(self) -> Sample:
        """Collect the garbage, then look at everything."""
        self._collect_garbage()
        told = self.page.call("Performance.getMetrics")["metrics"]
        metrics = {metric["name"]: metric["value"] for metric in told}
        seen = self.page.evaluate(READ)
        parts = self._appliance.parts()
        return Sample(
            at_s=round(time.monotonic() - self._began, 1),
            updates=seen["updates"],
            scenes=seen["scenes"],
            heap_mb=round(metrics["JSHeapUsedSize"] / MB, 3),
            code_mb=round(measure_code(self._browser) / MB, 3),
            nodes=int(metrics["Nodes"]),
            listeners=int(metrics["JSEventListeners"]),
            documents=int(metrics["Documents"]),
            contexts=seen["contexts"],
            contexts_lost=seen["lost"],
            renderer_mb=self._measure_browser("renderer"),
            gpu_mb=self._measure_browser("GPU"),
            web_mb=_measure(parts["dashboard"]),
            ingest_mb=_measure(parts["serve"]),
            recorder_mb=_measure(parts["record"]),
            redis_mb=round(self._redis.info("memory")["used_memory"] / MB, 1),
        )

    def _collect_garbage(self) -> None:
        """Collect it in the page and in MapLibre's workers: left to themselves, these keep most of it for a while."""
        for session in (self.page, *self.page.workers.values()):
            session.call("HeapProfiler.collectGarbage")

    def _measure_browser(self, kind: str) -> float:
        """Return the memory of the largest process of a kind: Chromium keeps a spare renderer."""
        processes = self._machine.send("SystemInfo.getProcessInfo")["processInfo"]
        return max(_measure(psutil.Process(one["id"])) for one in processes if one["type"] == kind)


def _measure(process: psutil.Process) -> float:
    return round(process.memory_info().rss / MB, 1)
