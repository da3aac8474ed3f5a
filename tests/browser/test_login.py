"""Log-in as a person does it, in a real Chromium; and that no page of ours is in the way of its own security policy."""

import io
import re
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect

from dashboard.people.accounts import Accounts
from dashboard.people.commands import provide_administrator
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.embedded import start_redis
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.store import name_database, open_database
from tests.appliance import ROOT
from tests.dashboard.serving import serving_screens
from tests.ingest.samples import Writer
from tests.layers.worlds import report

PASSWORD = "a quiet river in spring"
LIVE = "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map"

pytestmark = pytest.mark.usefixtures("quick_passwords")


@dataclass(frozen=True)
class Site:
    """A web process with log-in: what it printed at its first start, and its accounts."""

    web_url: str
    printed: str
    accounts: Accounts

    def add_officer(self, name: str, must_change: bool) -> str:
        """Make an account and return its name."""
        return self.accounts.add(Viewer(name, name.title(), "county_duty"), PASSWORD, must_change).name


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, county: County, quick_passwords: None) -> Iterator[Site]:
    """Screens and log-in over some cases."""
    folder = tmp_path_factory.mktemp("login")
    server = start_redis(folder)
    settings = Settings(data_dir=folder, redis_url=server.url, auth="on", ui_lang="en")
    with redirect_stdout(io.StringIO()) as printed:
        provide_administrator(settings)
    engine = open_database(name_database(settings))
    Writer(engine).write(*(report(county, number, at=datetime.now(UTC), cell=number) for number in range(20)))
    with serving_screens(county, settings) as url:
        yield Site(url, printed.getvalue(), Accounts(engine))
    engine.dispose()
    server.stop()


@pytest.fixture
def demo(tmp_path: Path, county: County) -> Iterator[str]:
    """The address of a web process without log-in, and without anything behind it."""
    settings = Settings(data_dir=tmp_path, redis_url=f"unix://{tmp_path / 'no.sock'}")
    upgrade_database(name_database(settings))
    with serving_screens(county, settings) as url:
        yield url


@pytest.fixture
def page(page: Page) -> Page:
    """A small one: what it draws is not asked about here."""
    page.set_viewport_size({"width": 1024, "height": 640})
    return page


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the browser refused or a script failed at, on any page that is opened."""
    heard: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        if message.type == "error" and "Content Security Policy" in message.text:
            heard.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: heard.append(str(error)))
    return heard


def fill_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("Account").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def change_password(page: Page, old: str, new: str = PASSWORD) -> None:
    page.get_by_label("Present password").fill(old)
    page.get_by_label("New password", exact=True).fill(new)
    page.get_by_label("New password, once more").fill(new)
    page.get_by_role("button", name="Change password").click()


def test_from_the_first_password_to_the_desk_and_out(page: Page, site: Site, complaints: list[str]) -> None:
    printed = re.findall(r"The first account .*: admin (\S+)", site.printed)
    assert len(printed) == 1
    page.goto(f"{site.web_url}/people")
    fill_in(page, "admin", "not the password")
    expect(page.get_by_role("alert")).to_contain_text("not right")
    fill_in(page, "admin", printed[0])
    change_password(page, printed[0])
    expect(page.get_by_role("heading", name="Accounts")).to_be_visible()

    form = page.locator("main > form")
    form.get_by_label("Account").fill("duty.chen")
    form.get_by_label("Title").fill("陈警官")
    form.get_by_label("Role").select_option("county_duty")
    form.get_by_role("button", name="Add an account").click()
    first = page.locator("code").inner_text()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()

    page.goto(f"{site.web_url}/duty?lang=en")
    fill_in(page, "duty.chen", first)
    change_password(page, first)
    expect(page.locator(".viewer summary")).to_contain_text("陈警官")
    assert urlsplit(page.url).path == "/duty"
    assert page.get_by_role("link", name="Accounts").count() == 0
    page.locator(".viewer summary").click()
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto(f"{site.web_url}/duty")
    assert urlsplit(page.url).path == "/login"
    assert complaints == []


@pytest.fixture(scope="module")
def officer(site: Site) -> str:
    """An officer who has a password of their own already."""
    return site.add_officer("officer", must_change=False)


def test_it_works_without_a_script(chromium: Browser, site: Site) -> None:
    name = site.add_officer("plain", must_change=True)
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site.web_url}/feeds?lang=en")
    fill_in(page, name, PASSWORD)
    change_password(page, PASSWORD, "three tall pines by the road")
    assert urlsplit(page.url).path == "/feeds"
    context.close()


def test_every_screen_lives_within_its_policy(page: Page, site: Site, officer: str, complaints: list[str]) -> None:
    page.goto(f"{site.web_url}/wall?lang=en")
    fill_in(page, officer, PASSWORD)
    page.wait_for_function(LIVE)
    page.wait_for_selector("[data-slot=map] canvas")
    page.wait_for_selector("svg.main-svg")
    page.goto(f"{site.web_url}/duty?lang=en")
    page.wait_for_function(LIVE)
    page.wait_for_selector(".ag-row")
    page.locator(".ag-row").first.click()
    # Asked for the future it shows this very moment, not the last full minute, in which there may be nothing yet.
    page.goto(f"{site.web_url}/briefing?lang=en&as_of=2099-01-01T00:00")
    page.wait_for_selector("[data-screen=briefing] svg.main-svg")
    page.goto(f"{site.web_url}/feeds?lang=en")
    page.wait_for_selector(".feeds table tr td, .feeds [data-sender]")
    page.goto(f"{site.web_url}/report?lang=en")
    page.wait_for_load_state("networkidle")
    assert complaints == []
    # And it is heard: a script that somebody got into a page does not run.
    page.evaluate("document.body.append(Object.assign(document.createElement('script'), { text: 'window.evil = 1' }))")
    assert page.evaluate("window.evil") is None and len(complaints) == 1


def test_a_screen_whose_log_in_ends_says_so(page: Page, site: Site) -> None:
    officer = site.add_officer("leaving", must_change=False)
    page.route("**/assets/session.js*", look_often)
    page.goto(f"{site.web_url}/wall?lang=en")
    fill_in(page, officer, PASSWORD)
    page.wait_for_function(LIVE)
    site.accounts.disable(officer)
    page.wait_for_function(
        "() => window.countyBrain?.feed?.connection.state === 'lost' || location.pathname === '/login'"
    )
    page.wait_for_url("**/login?next=%2Fwall*")


def look_often(route: Route) -> None:
    """Let the page look twice a second whether the log-in goes on, and not every ten."""
    script = (ROOT / "assets" / "session.js").read_text(encoding="utf-8")
    route.fulfill(body=script.replace("10_000", "500"), content_type="text/javascript")


def test_the_demo_lets_one_be_anybody(page: Page, demo: str, complaints: list[str]) -> None:
    page.goto(f"{demo}/duty?lang=en")
    expect(page.locator(".viewer summary")).to_have_text("County duty officer")
    page.locator(".viewer summary").click()
    page.get_by_role("button", name="Town centre").click()
    expect(page.locator(".viewer summary")).to_have_text("Town centre")
    me = page.evaluate("async () => (await fetch('/api/me')).json()")
    assert (me["role"], len(me["area"]), me["log_in"]) == ("town_centre", 9, False)
    assert page.get_by_role("link", name="Feeds").count() == 0
    page.locator(".viewer summary").click()
    page.get_by_role("button", name="Wall", exact=True).click()
    expect(page.locator(".viewer summary")).to_have_text("Wall")
    page.goto(f"{demo}/duty?lang=en")
    expect(page.get_by_role("heading", name="Not allowed")).to_be_visible()
    page.goto(f"{demo}/wall?lang=en")
    page.locator(".viewer summary").click()
    page.get_by_role("button", name="Administrator").click()
    page.goto(f"{demo}/people?lang=en")
    expect(page.get_by_text("AUTH=demo")).to_be_visible()
    assert complaints == []
