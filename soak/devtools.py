"""Pages that only Chromium's developer's tools speak to: Playwright starts the browser and leaves them alone.

Of a page that Playwright knows it follows the network, and Chromium then keeps 20 MB of what the page's stream brings:
of a wall a month's growth in half an hour, which is the observer's and not the wall's.
"""

import json
import time
from collections.abc import Callable
from typing import Any, Final

from playwright.sync_api import Browser, CDPSession

WITHIN_S: Final = 120.0
PAUSE_S: Final = 0.02


class Session:
    """What is said to a page or a worker, and what it answers; `workers` are a page's own."""

    def __init__(self, carry: Callable[[str], object], pause: Callable[[], object]) -> None:
        """carry: take a message there; pause: wait a moment and let answers come in."""
        self.workers: dict[str, Session] = {}
        self._carry, self._pause = carry, pause
        self._number = 0
        self._answers: dict[int, dict[str, Any]] = {}
        self._ended = False

    def call(self, method: str, **parameters: Any) -> Any:
        """Call a method of the protocol and return its result; None where the worker ends meanwhile.

        Raises `RuntimeError` with what is wrong, or for no answer in two minutes.
        """
        self._number += 1
        self._carry(json.dumps({"id": self._number, "method": method, "params": parameters}))
        until = time.monotonic() + WITHIN_S
        while self._number not in self._answers:
            if self._ended:
                return None
            if time.monotonic() > until:
                raise RuntimeError(f"{method}: no answer")
            self._pause()
        answer = self._answers.pop(self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def evaluate(self, function: str, *arguments: object) -> Any:
        """Return what a JavaScript function returns; raises `RuntimeError` with what it throws."""
        told = ", ".join(map(json.dumps, arguments))
        answer = self.call(
            "Runtime.evaluate", expression=f"({function})({told})", awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"].get("description", "an exception"))
        return answer["result"].get("value")

    def wait_for(self, function: str) -> None:
        """Return once a JavaScript function returns something true; raises `RuntimeError` if it does not soon."""
        until = time.monotonic() + WITHIN_S
        while not self.evaluate(function):
            if time.monotonic() > until:
                raise RuntimeError(f"waited {WITHIN_S:.0f} s for {function}")
            time.sleep(0.1)

    def hear(self, told: dict[str, Any]) -> None:
        """Take in what comes from there: an answer, or news of a worker."""
        if "id" in told:
            self._answers[told["id"]] = told
            return
        about = told["params"]
        match told["method"]:
            case "Target.attachedToTarget":
                self.workers[about["sessionId"]] = self._reach(about["sessionId"])
            case "Target.detachedFromTarget":
                if gone := self.workers.pop(about["sessionId"], None):
                    gone._ended = True
            case "Target.receivedMessageFromTarget" if about["sessionId"] in self.workers:
                self.workers[about["sessionId"]].hear(json.loads(about["message"]))

    def _reach(self, session: str) -> "Session":
        return Session(
            lambda message: self.call("Target.sendMessageToTarget", sessionId=session, message=message), self._pause
        )


def open_page(browser: Browser) -> Session:
    """Return a session with a new, empty page in a browser context of its own, which Playwright does not know."""
    devtools = browser.new_browser_cdp_session()
    context = devtools.send("Target.createBrowserContext")["browserContextId"]
    target = devtools.send("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
    session = devtools.send("Target.attachToTarget", {"targetId": target, "flatten": False})["sessionId"]
    page = Session(
        lambda message: devtools.send("Target.sendMessageToTarget", {"sessionId": session, "message": message}),
        lambda: pause(devtools),
    )

    def hear(told: dict[str, Any]) -> None:
        if told["sessionId"] == session:
            page.hear(json.loads(told["message"]))

    devtools.on("Target.receivedMessageFromTarget", hear)
    page.call("Target.setAutoAttach", autoAttach=True, waitForDebuggerOnStart=False, flatten=False)  # to its workers
    return page


def pause(devtools: CDPSession) -> None:
    """Wait a moment and let events come in: Playwright hears them while it asks something."""
    time.sleep(PAUSE_S)
    devtools.send("Browser.getVersion")
