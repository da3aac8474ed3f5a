"""A lift: what a phone sends arrives, and the answers are lost on the way back."""

from typing import Any

from playwright.sync_api import BrowserContext, Page

from tests.appliance import wait_for


def send_from_a_lift(phone: BrowserContext, page: Page, path: str) -> None:
    """Give a phone its network back, but no answers at first; then all of it. Ends once it may send for good.

    The page sends, and its service worker does; which of them is first is the browser's affair. Both are lost.
    """
    lost: list[str | None] = []

    def lose(route: Any) -> None:
        route.fetch()
        lost.append(route.request.post_data)
        route.abort()

    def wait_for_another(more_than: int) -> None:
        wait_for(lambda: len(lost) > more_than or page.wait_for_timeout(50), what="an answer to lose")

    phone.route(path, lose)
    phone.set_offline(False)
    wait_for_another(0)
    tried = len(lost)
    page.get_by_role("button", name="立即发送").click()
    wait_for_another(tried)
    phone.unroute(path, lose)
    page.evaluate("() => dispatchEvent(new Event('online'))")
