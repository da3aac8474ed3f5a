"""Everybody can use it: axe-core on every page, texts read from afar, keys alone, motion only where it is wanted.

docs/accessibility.md says what is asked and what is left out.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.people.accounts import Accounts
from dashboard.people.viewer import Viewer
from geo.county import County
from ingest.embedded import start_redis
from ingest.migrations import upgrade_database
from ingest.records import AlarmRaised, AnyRecord
from ingest.settings import Settings
from ingest.store import name_database, open_database
from tests.appliance import ROOT
from tests.dashboard.serving import serving_screens
from tests.ingest.samples import Writer
from tests.layers import worlds

AXE = (ROOT / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
FAULTS_OF_TEXTS = Path(__file__).with_name("legibility.js").read_text(encoding="utf-8")
RUN_AXE = """async () => (await axe.run({ resultTypes: ["violations"] })).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`))"""
# What is pressed by a listener of its own, or by nature.
NOTE_CLICKS = """{
  const listen = EventTarget.prototype.addEventListener;
  EventTarget.prototype.addEventListener = function (kind, ...rest) {
    if (kind === 'click' && this instanceof Element) this.dataset.pressed = '';
    return listen.call(this, kind, ...rest);
  };
}"""
# Within what is one stop of its own are the rows of the queue (j, k, Enter, x) and lists to choose from (arrows).
MARK_CONTROLS = """() => {
  const all = 'a[href], button, input, select, textarea, summary, [data-pressed], [tabindex="0"]';
  const oneStop = '.ag-root *, [role=listbox] *, [role=radiogroup] *';
  const controls = [...document.querySelectorAll(all)]
    .filter((one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled && !one.matches(oneStop));
  for (const one of controls) one.dataset.wanted = '';
  return controls.map((one) => one.outerHTML.slice(0, 120));
}"""
SEE_FOCUS = """() => {
  const here = document.activeElement;
  delete here.dataset.wanted;
  const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(here);
  const outlined = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 1;
  const seen = here === document.body || outlined || boxShadow !== 'none';
  here.dataset.stop ??= String(Math.random());
  return [here.dataset.stop + ' ' + here.outerHTML.slice(0, 160), seen || here.className.includes('ag-')];
}"""
NAME_MISSED = """() => [...document.querySelectorAll('[data-wanted]')]
  .filter((one) => one.isConnected && !one.querySelector('[data-stop]') && !one.closest('[data-stop]'))
  .map((one) => one.outerHTML.slice(0, 200))"""
NAME_MOVING = """() => [...document.querySelectorAll('*')].flatMap((one) => ['', '::before', '::after'].flatMap(
  (part) => {
  const { transitionDuration, animationName, animationDuration } = getComputedStyle(one, part || null);
  const longest = Math.max(...transitionDuration.split(',').map(parseFloat),
    ...(animationName === 'none' ? [0] : animationDuration.split(',').map(parseFloat)));
  return longest > 0.01 ? [`${one.outerHTML.slice(0, 100)} ${part}`] : [];
}))"""
BEYOND = """() => [...document.querySelectorAll('header, header *, .header, .header *')]
  .filter((one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 1)
  .map((one) => `${one.className} ${one.textContent.slice(0, 60)}`)"""
MAPPED = "() => window.countyBrain?.feed?.connection.state === 'live' && window.countyBrain.map?.isWhole"
SIZES = ((1920, 1080), (3840, 2160), (1080, 1920))
SCENES = tomllib.loads((ROOT / "dashboard/scenes.toml").read_text(encoding="utf-8"))["rotation"]
# A feed, whose things it reads, between which values, and how many minutes ago: one is silent.
SILENT = "water"
FEEDS = (
    ("waste", "bin", 0.05, 1.0, 1),
    ("traffic", "detector", 4.0, 60.0, 1),
    ("air", "air_station", 20.0, 180.0, 1),
    (SILENT, "water_station", 1.0, 6.0, 2000),
)

# A page, and what it shows when it is filled.
PAGES = {
    "alarms": "[data-slot=lines] li",
    "incident": "[data-screen=incidents] table",
    "briefing": "[data-screen=briefing] h2",
    "performance": "[data-section=towns]",
    "feeds": "[data-slot=rows] tr",
    "handover": "[data-slot=groups] *",
    "walls": "[data-slot=map] canvas",
    "report": "[data-slot=map][data-ready]",
    "status": "form",
    "tasks": "main h1",
    "care": "main h1",
    "nothing-of-that-name": ".not-found",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, county: County) -> Iterator[str]:
    """The address of the screens over a day of every feed, which stands still."""
    yield from serve(county, tmp_path_factory.mktemp("access"), make_day(county, datetime.now(UTC)))


@pytest.fixture(scope="module")
def grave_site(tmp_path_factory: pytest.TempPathFactory, county: County) -> Iterator[str]:
    """The same where an incident stands, with all that its scene has to say."""
    now = datetime.now(UTC)
    yield from serve(
        county, tmp_path_factory.mktemp("grave"), [*make_day(county, now), *make_incident(county, 240, now)]
    )


def serve(county: County, folder: Path, records: Iterable[AnyRecord]) -> Iterator[str]:
    """Write records and serve the screens over them; yield the address."""
    server = start_redis(folder)
    settings = Settings(data_dir=folder, redis_url=server.url)
    upgrade_database(name_database(settings))
    engine = open_database(name_database(settings))
    Writer(engine).write(*records)
    with serving_screens(county, settings) as url:
        yield url
    engine.dispose()
    server.stop()


def make_incident(county: County, number: int, now: datetime) -> Iterator[AnyRecord]:
    """Yield a case that has been an incident since yesterday: every unit called, one of them done, a card, notes."""
    units = list(county.units)
    begun = now - timedelta(hours=26)
    yield worlds.report(county, number, begun - timedelta(minutes=5), cell=70, severity=2)
    yield worlds.act(number, "dispatch", begun - timedelta(minutes=2), unit=units[0])
    yield worlds.act(number, "begin_incident", begun)
    yield worlds.act(number, "join", begun + timedelta(minutes=1), details={"units": units[1:]})
    yield worlds.act(number, "part_done", begun + timedelta(minutes=12), unit=units[1])
    yield worlds.act(number, "supervise", now - timedelta(minutes=10), details={"card": "red"})
    for minute in range(9, 1, -1):
        yield worlds.act(number, "note", now - timedelta(minutes=minute))


def make_day(county: County, now: datetime) -> Iterator[AnyRecord]:
    """Yield enough of everything to fill every panel: the worst first, names of every length."""
    classes = sorted(county.categories)
    for number in range(240):
        at = now - timedelta(minutes=6 * (240 - number))
        category = classes[number % len(classes)]
        yield worlds.report(county, number, at, cell=7 * number, severity=1 + number % 4, category=category)
        if number % 3 == 0:
            yield worlds.act(number, "accept", at + timedelta(minutes=3))
    yield worlds.act(201, "begin_incident", now - timedelta(hours=2))
    yield worlds.act(201, "end_incident", now - timedelta(hours=1))
    for feed, kind, least, most, minutes in FEEDS:
        for place, asset_id in enumerate(county.assets.index[county.assets["kind"] == kind][:60]):
            yield worlds.sense(
                feed, str(asset_id), least + (most - least) * place / 60, now - timedelta(minutes=minutes)
            )
    for number in range(40):
        yield worlds.locate(f"GW-{number:04}", now - timedelta(minutes=2))
    yield worlds.warn(1, now, sent=now)
    yield worlds.warn(2, now, sent=now, status="Exercise", info={"level": 1})
    for number, rule in enumerate(("bin_fire", "jam", "bin_overflow")):
        thing = f"{rule}:{county.assets.index[number]}"
        yield AlarmRaised(
            source="rules",
            id=thing,
            received_at=now,
            alarm_id=thing,
            severity=2 + number,
            subject="高温",
            at=now,
            rule=rule,
            cell_code=str(county.cells.index[number]),
        )


@pytest.fixture(scope="module")
def screen(chromium: Browser) -> Iterator[Page]:
    """One page for all tests, so that styles, fonts and scripts are fetched once."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    yield page
    page.close()


def open_page(page: Page, site: str, path: str, ready: str) -> None:
    page.goto(f"{site}/{path}")
    page.wait_for_selector(ready)


def open_wall(page: Page, site: str, lang: str) -> None:
    page.goto(f"{site}/wall?lang={lang}")
    page.wait_for_function(MAPPED)
    page.keyboard.press(" ")


def open_incident(page: Page, site: str, lang: str) -> None:
    """Open a wall, which shows by itself the incident that stands."""
    open_wall(page, site, lang)
    page.wait_for_selector("[data-screen][data-scene=incident] .incident-log .what")


def show_scene(page: Page, number: int) -> None:
    page.keyboard.press(str(number + 1))
    page.wait_for_selector(f"[data-screen][data-scene={SCENES[number]}]")


def find_barriers(page: Page) -> list[str]:
    """What axe-core finds serious or critical on a page as it is now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)
    found: list[str] = page.evaluate(RUN_AXE)
    return found


def resize(page: Page) -> Iterator[str]:
    """Give a page each size of a wall in turn; yield what it is called."""
    for width, height in SIZES:
        page.set_viewport_size({"width": width, "height": height})
        yield f"{width}×{height}"


def find_faults_of_texts(page: Page) -> list[str]:
    """What of a wall's texts is too small, cut or off the screen once it has settled."""
    for _ in range(20):  # charts and the map's scale follow the scene
        page.wait_for_timeout(500)
        count, found = page.evaluate(FAULTS_OF_TEXTS)
        if not found:
            break
    assert count > 50
    return list(found)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_serious(screen: Page, site: str, lang: str) -> None:
    found: dict[str, list[str]] = {}
    for path, ready in PAGES.items():
        open_page(screen, site, f"{path}?lang={lang}", ready)
        found[path] = find_barriers(screen)
    open_page(screen, site, f"duty?lang={lang}", ".duty .ag-row .case-light")
    found["duty"] = find_barriers(screen)
    screen.keyboard.press("j")
    screen.keyboard.press("Enter")
    screen.wait_for_selector(".case-drawer button:visible")
    screen.keyboard.press("?")
    found["duty, drawer and help"] = find_barriers(screen)
    screen.keyboard.press("Escape")
    screen.keyboard.press("r")
    screen.wait_for_selector("[data-slot=intake] input")
    found["duty, intake"] = find_barriers(screen)
    open_wall(screen, site, lang)
    for number, scene in enumerate(SCENES):
        show_scene(screen, number)
        found[f"wall {scene}"] = find_barriers(screen)
    assert {where: what for where, what in found.items() if what} == {}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_axe_finds_nothing_serious_in_an_incident(screen: Page, grave_site: str, lang: str) -> None:
    open_incident(screen, grave_site, lang)
    assert find_barriers(screen) == []
    for case in ("C201", "C240"):  # one that is over, one that runs
        open_page(screen, grave_site, f"incident/{case}?lang={lang}", ".incident-log .what")
        assert find_barriers(screen) == [], case


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_header_is_on_the_screen(screen: Page, site: str, lang: str) -> None:
    screen.set_viewport_size({"width": 1440, "height": 900})
    beyond: dict[str, list[str]] = {}
    desks = {**PAGES, "incident/C201": ".incident-log .what", "duty": ".duty .ag-row .case-light"}
    for path, ready in desks.items():
        open_page(screen, site, f"{path}?lang={lang}", ready)
        beyond[path] = screen.evaluate(BEYOND)
    assert {where: what for where, what in beyond.items() if what} == {}


def test_axe_finds_nothing_serious_around_log_in(
    screen: Page, tmp_path: Path, county: County, quick_passwords: None
) -> None:
    settings = Settings(data_dir=tmp_path, redis_url=f"unix://{tmp_path / 'no.sock'}", auth="on")
    upgrade_database(name_database(settings))
    engine = open_database(name_database(settings))
    Accounts(engine).add(Viewer("root", "管理员", "administrator"), "a quiet river in spring", must_change=False)
    engine.dispose()
    with serving_screens(county, settings) as url:
        for path in ("wall-start", "login", "report", "status"):
            screen.goto(f"{url}/{path}")
            assert find_barriers(screen) == [], path
        screen.goto(f"{url}/login")
        screen.get_by_label("账号").fill("root")
        screen.get_by_label("密码").fill("a quiet river in spring")
        screen.get_by_role("button", name="登录").click()
        screen.wait_for_selector(".viewer")
        for path in ("people", "audit", "password"):
            screen.goto(f"{url}/{path}")
            assert find_barriers(screen) == [], path
        screen.context.clear_cookies()


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_wall_is_read_from_afar(screen: Page, site: str, lang: str) -> None:
    faults: dict[str, list[str]] = {}
    for size in resize(screen):
        open_wall(screen, site, lang)
        for number, scene in enumerate(SCENES):
            show_scene(screen, number)
            faults[f"{scene} {size}"] = find_faults_of_texts(screen)
    assert {where: what for where, what in faults.items() if what} == {}


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_incident_is_read_from_afar(screen: Page, grave_site: str, lang: str) -> None:
    faults: dict[str, list[str]] = {}
    for size in resize(screen):
        open_incident(screen, grave_site, lang)
        faults[size] = find_faults_of_texts(screen)
    assert {where: what for where, what in faults.items() if what} == {}


def test_exactly_what_lives_by_a_silent_feed_steps_back(screen: Page, site: str) -> None:
    screen.set_viewport_size({"width": 1920, "height": 1080})
    open_wall(screen, site, "en")
    show_scene(screen, SCENES.index("environment"))
    stale = "[data-region]:not([data-region=parked]) [data-stale], .legend [data-stale]"
    screen.wait_for_selector(".legend [data-stale]")
    said = screen.locator(stale).evaluate_all("all => all.map(({ dataset }) => [dataset.feed, dataset.stale])")
    assert {feed for feed, _ in said} == {SILENT}
    assert len(said) == 2  # the worst stations, and the layer in the legend
    assert all(re.fullmatch(r"No new data since \d\d/\d\d, \d\d:\d\d", words) for _, words in said)
    assert "silent: Water quality" in screen.locator("[data-slot=feeds]").inner_text()


def test_keys_reach_every_control_of_a_desk(chromium: Browser, site: str) -> None:
    """By Tab alone; a list that has the desk's own keys is one stop, as are things on a map."""
    page = chromium.new_page(viewport={"width": 1440, "height": 900})
    page.set_default_timeout(60_000)
    page.add_init_script(NOTE_CLICKS)
    try:
        for path, ready in (
            ("alarms", PAGES["alarms"]),
            ("feeds", PAGES["feeds"]),
            ("walls", PAGES["walls"]),
            ("duty", ".duty .ag-row .case-light"),
        ):
            open_page(page, site, f"{path}?lang=en", ready)
            wanted = page.evaluate(MARK_CONTROLS)
            assert len(wanted) > 5
            first = None
            unseen: list[str] = []
            for _ in range(400):
                page.keyboard.press("Tab")
                stop, is_seen = page.evaluate(SEE_FOCUS)
                if stop == first:
                    break
                first = first or stop
                if not is_seen:
                    unseen.append(stop)
            assert page.evaluate(NAME_MISSED) == [], path
            assert unseen == [], path
    finally:
        page.close()


def test_help_and_the_form_give_the_focus_back(screen: Page, site: str) -> None:
    screen.set_viewport_size({"width": 1440, "height": 900})
    open_page(screen, site, "duty?lang=en", ".duty .ag-row .case-light")
    for opener, dialog in (("help-button", "help"), ("report", "intake")):
        button = screen.locator(f"[data-slot={opener}]")
        button.focus()
        screen.keyboard.press("Enter")
        expect(screen.locator(f"[data-slot={dialog}]")).to_be_visible()
        screen.keyboard.press("Escape")
        expect(screen.locator(f"[data-slot={dialog}]")).to_be_hidden()
        expect(button).to_be_focused()
    for sort in ("ascending", "descending"):  # the heads of columns are a mouse's; their key is `o`
        screen.keyboard.press("o")
        expect(screen.locator(f".ag-header-cell[aria-sort={sort}]")).to_have_attribute("col-id", "clock")


def test_nothing_moves_where_less_motion_is_wanted(screen: Page, site: str) -> None:
    screen.emulate_media(reduced_motion="reduce")
    try:
        for path in ("feeds", "report", "status"):
            open_page(screen, site, f"{path}?lang=en", PAGES[path])
            assert screen.evaluate(NAME_MOVING) == [], path
        open_page(screen, site, "duty?lang=en", ".duty .ag-row .case-light")
        assert screen.evaluate(NAME_MOVING) == []
        open_wall(screen, site, "en")
        screen.locator("[data-slot=stream] li").first.evaluate("row => row.classList.add('pulse')")
        assert screen.evaluate(NAME_MOVING) == []
        # A flight is a jump.
        assert not screen.evaluate("() => { countyBrain.map.focus(120.3, 29.6, 14);"
                                   " return countyBrain.map.maplibre.isMoving() }")  # fmt: skip
        assert screen.evaluate("countyBrain.map.maplibre.getZoom()") == 14
    finally:
        screen.emulate_media(reduced_motion="no-preference")
