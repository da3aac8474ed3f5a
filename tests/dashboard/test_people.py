"""Log-in on a real web process: who gets in, as whom, for how long, and what a foreign page cannot do."""

import http.client
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import Engine, select, text, update

from dashboard.people import attempts
from dashboard.people.accounts import AccountError, Accounts
from dashboard.people.attempts import MOST_FAILURES, WITHIN_S, Attempts
from dashboard.people.gate import SESSION_COOKIE
from dashboard.people.passwords import NOBODYS_HASH
from dashboard.people.permissions import PAGES, RIGHTS
from dashboard.people.viewer import ROLES, Viewer
from geo.county import County
from ingest.migrations import upgrade_database
from ingest.settings import Settings
from ingest.store import open_database
from ingest.tables import accounts as account_table
from ingest.tables import as_ms
from ingest.tables import sessions as session_table
from tests.appliance import wait_for
from tests.dashboard.serving import serving_screens

pytestmark = pytest.mark.usefixtures("quick_passwords")

PASSWORD = "a quiet river in spring"
OTHER_PASSWORD = "three tall pines by the road"
FIELD = re.compile(r'name="csrf" value="([0-9a-f]{64})"')


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("people")
    return Settings(data_dir=folder, redis_url=f"unix://{folder / 'no.sock'}", auth="on", ui_lang="en")


@pytest.fixture(scope="module")
def engine(settings: Settings) -> Iterator[Engine]:
    url = f"sqlite:///{settings.data_dir / 'county.db'}"
    upgrade_database(url)
    engine = open_database(url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def site(county: County, settings: Settings, engine: Engine) -> Iterator[str]:
    with serving_screens(county, settings) as url:
        yield url


@pytest.fixture(scope="module")
def everybody(engine: Engine, county: County) -> Accounts:
    """An account of each role, named like it."""
    accounts = Accounts(engine)
    cell = str(county.cells.index[0])
    areas = {"town_centre": cell[:9], "village_centre": cell[:12], "grid_worker": cell}
    for role in ROLES:
        unit = "U02" if role == "unit" else None
        accounts.add(Viewer(role, role.title(), role, areas.get(role, ""), unit), PASSWORD, must_change=False)
    return accounts


@pytest.fixture
def browser(site: str, everybody: Accounts) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=site, timeout=20) as client:
        yield client


def log_in(client: httpx.Client, name: str, password: str = PASSWORD, to: str = "/") -> httpx.Response:
    page = client.get("/login", params={"next": to})
    token = FIELD.search(page.text)
    assert token, page.text
    answer = client.post("/login", data={"name": name, "password": password, "next": to, "csrf": token[1]})
    client.get("/api/me")  # as any page does; brings the token of the log-in
    return answer


def send(client: httpx.Client, path: str, **fields: str) -> httpx.Response:
    """Post a form as the page at the same address would."""
    return client.post(path, data={"csrf": client.cookies["csrf"], **fields})


def test_nothing_is_open_without_log_in(browser: httpx.Client) -> None:
    for path in ("/", "/wall?scene=waste", "/duty", "/briefing", "/feeds", "/people", "/password", "/anything"):
        answer = browser.get(path)
        assert answer.status_code == 303 and answer.headers["location"].startswith("/login?next=%2F"), path
    for path in ("/live", "/api/me", "/api/county", "/api/cases", "/api/openapi.json", "/_dash-layout"):
        answer = browser.get(path)
        assert (answer.status_code, answer.json()) == (401, {"detail": "log in first"}), path
    assert browser.post("/_dash-update-component", json={}).status_code == 401
    assert browser.post("/api/cases/x/actions", json={}).status_code == 401


@pytest.mark.parametrize("host", ["x/assets/y?", "x/login?", "x/login#", "127.0.0.1/health?"])
def test_no_host_name_opens_anything(browser: httpx.Client, host: str) -> None:
    assert browser.get("/api/cases", headers={"host": host}).status_code in (400, 401)
    assert browser.get("/duty", headers={"host": host}).status_code in (303, 400)


@pytest.mark.parametrize("path", ["/assets/../api/cases", "//api/cases", "/assets/%2e%2e/api/cases", "/api//cases"])
def test_no_detour_leads_in(site: str, path: str) -> None:
    connection = http.client.HTTPConnection(site.removeprefix("http://"))
    connection.request("GET", path)  # as it is: other clients tidy it up
    answer = connection.getresponse()
    assert answer.status in (303, 401, 404) and b'"cases"' not in answer.read()
    connection.close()


def test_what_is_public_is_open(browser: httpx.Client) -> None:
    assert browser.get("/health").headers["content-type"].startswith("application/json")
    assert browser.get("/metrics").status_code == 200
    for path in ("/login", "/assets/login.css", "/assets/tokens.css"):
        assert browser.get(path).status_code == 200, path


def test_log_in_leads_to_the_page_that_was_asked_for(browser: httpx.Client) -> None:
    to = browser.get("/briefing?lang=en").headers["location"]
    page = browser.get(to)
    assert 'name="next" value="/briefing?lang=en"' in page.text
    answer = log_in(browser, " COUNTY_duty", to="/briefing?lang=en")
    assert (answer.status_code, answer.headers["location"]) == (303, "/briefing?lang=en")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie
    assert browser.get("/briefing").status_code == 200
    me = browser.get("/api/me").json()
    assert (me["name"], me["role"], me["area"], me["unit"]) == ("county_duty", "county_duty", "", None)
    assert me["csrf"] == browser.cookies["csrf"] and set(me["permissions"]) == RIGHTS["county_duty"]


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\tx", "//[x"]
)
def test_it_never_leads_to_another_host(browser: httpx.Client, to: str) -> None:
    assert log_in(browser, "leader", to=to).headers["location"] == "/"


def test_only_a_digest_of_the_session_is_kept(browser: httpx.Client, engine: Engine) -> None:
    log_in(browser, "dispatcher")
    with engine.connect() as connection:
        kept = "\n".join(str(row) for row in connection.execute(select(session_table)))
        hashed = connection.scalar(select(account_table.c.password).where(account_table.c.name == "dispatcher"))
    assert browser.cookies[SESSION_COOKIE] not in kept
    assert hashed is not None and hashed.startswith("$argon2id$")


def test_a_password_costs_what_was_decided() -> None:
    assert NOBODYS_HASH.startswith("$argon2id$v=19$m=65536,t=3,p=4$")  # made before the tests' quick ones were there


def test_a_refusal_tells_nothing_of_the_account(browser: httpx.Client) -> None:
    answers = []
    for name in ("leader", "nobody-of-that-name"):
        started = time.monotonic()
        answer = log_in(browser, name, "not the password")
        answers.append((answer.status_code, answer.text.replace(name, "")))
        assert time.monotonic() - started >= 0.8  # what either check takes is less
    tokens = re.compile("[0-9a-f]{64}")
    assert tokens.sub("", answers[0][1]) == tokens.sub("", answers[1][1])
    assert answers[0][0] == answers[1][0] == 403
    assert SESSION_COOKIE not in browser.cookies


def test_what_was_typed_comes_back_as_text(browser: httpx.Client) -> None:
    answer = log_in(browser, '"><script>alert(1)</script>', "x")
    assert "<script>alert" not in answer.text and "&lt;script&gt;" in answer.text


def test_five_failures_lock_an_account_for_a_while(browser: httpx.Client, everybody: Accounts, engine: Engine) -> None:
    everybody.add(Viewer("clumsy", "Clumsy", "leader"), PASSWORD, must_change=False)
    for _ in range(5):
        assert everybody.verify("clumsy", "wrong wrong wrong")[1] is None
    assert log_in(browser, "clumsy").status_code == 403
    with engine.begin() as connection:
        past = as_ms(datetime.now(UTC) - timedelta(seconds=1))
        connection.execute(update(account_table).where(account_table.c.name == "clumsy").values(locked_until=past))
    assert log_in(browser, "clumsy").status_code == 303


def test_nobody_is_called_like_the_countys_rules(everybody: Accounts) -> None:
    with pytest.raises(AccountError, match="name_reserved"):
        everybody.add(Viewer(" Steward", "Steward", "leader"), PASSWORD)


def test_a_right_password_clears_earlier_failures(everybody: Accounts) -> None:
    everybody.add(Viewer("unsure", "Unsure", "leader"), PASSWORD)
    for _ in range(2):
        for _ in range(4):
            everybody.verify("unsure", "wrong wrong wrong")
        assert everybody.verify("unsure", PASSWORD)[1] is not None


def test_deeds_are_written_down(browser: httpx.Client, engine: Engine) -> None:
    log_in(browser, " Supervisor", "not the password")
    log_in(browser, "supervisor")
    browser.get("/duty")
    send(browser, "/logout")
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT actor, deed, subject, address FROM audit WHERE subject = 'supervisor' ORDER BY number")
        ).all()
    assert [tuple(row) for row in rows] == [
        ("", "log_in_failed", "supervisor", "127.0.0.1"),
        ("supervisor", "log_in", "supervisor", "127.0.0.1"),
        ("supervisor", "log_out", "supervisor", "127.0.0.1"),
    ]


def test_log_out_ends_it_for_good(browser: httpx.Client) -> None:
    log_in(browser, "leader")
    kept = browser.cookies[SESSION_COOKIE]
    assert send(browser, "/logout").headers["location"] == "/login"
    assert SESSION_COOKIE not in browser.cookies
    browser.cookies.set(SESSION_COOKIE, kept)
    assert browser.get("/api/me").status_code == 401


def test_each_log_in_has_a_token_of_its_own(browser: httpx.Client) -> None:
    browser.cookies.set(SESSION_COOKIE, "planted", domain="127.0.0.1", path="/")
    log_in(browser, "leader")
    assert "planted" not in browser.cookies[SESSION_COOKIE]


def test_a_first_password_has_to_be_changed(browser: httpx.Client, everybody: Accounts) -> None:
    everybody.add(Viewer("fresh", "Fresh", "county_duty"), PASSWORD)
    assert log_in(browser, "fresh").headers["location"].startswith("/password?")
    assert browser.get("/duty").headers["location"] == "/password"
    assert (browser.get("/api/cases").status_code, browser.get("/api/me").status_code) == (403, 200)
    assert "Fresh" not in browser.get("/report").text  # until then a stranger like any other
    browser.get("/password")
    for new, again, said in (
        ("short", "short", "too short"),
        ("fresh as a daisy today", "fresh as a daisy today", "account&#39;s name"),
        ("Password1234", "Password1234", "too common"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "too common"),
        (OTHER_PASSWORD, f"{OTHER_PASSWORD} ", "differ"),
        (PASSWORD, PASSWORD, "is the present one"),
    ):
        answer = send(browser, "/password", password=PASSWORD, new=new, again=again)
        assert answer.status_code == 422 and said in answer.text, new
    before = browser.cookies[SESSION_COOKIE]
    assert send(browser, "/password", password="not it", new=OTHER_PASSWORD, again=OTHER_PASSWORD).status_code == 403
    answer = send(browser, "/password", password=PASSWORD, new=OTHER_PASSWORD, again=OTHER_PASSWORD, next="/duty")
    assert (answer.status_code, answer.headers["location"]) == (303, "/duty")
    assert browser.get("/duty").status_code == 200
    browser.cookies.set(SESSION_COOKIE, before, domain="127.0.0.1", path="/")
    assert browser.get("/api/me").status_code == 401  # whoever knew the old password is out


def test_disabling_an_account_ends_its_log_ins(browser: httpx.Client, everybody: Accounts, site: str) -> None:
    everybody.add(Viewer("leaving", "Leaving", "county_duty"), PASSWORD, must_change=False)
    log_in(browser, "leaving")
    with browser.stream("GET", "/live") as live:
        assert live.status_code == 200
        everybody.disable("leaving")  # by another process, as far as the server can know
        started = time.monotonic()
        for _ in live.iter_raw():
            pass
        assert time.monotonic() - started < 20  # the stream ended: without a log-in it would go on for ever
    wait_for(lambda: browser.get("/api/me").status_code == 401, what="the end of the log-in")
    assert log_in(browser, "leaving").status_code == 403
    everybody.enable("leaving")
    assert browser.get("/api/me").status_code == 401
    assert log_in(browser, "leaving").status_code == 303


@pytest.mark.parametrize(
    ("role", "idle", "age", "open"),
    [
        ("county_duty", timedelta(minutes=29), timedelta(hours=11), True),
        ("county_duty", timedelta(minutes=31), timedelta(hours=11), False),
        ("county_duty", timedelta(), timedelta(hours=12, minutes=1), False),
        ("wall", timedelta(days=3), timedelta(days=3), True),
        ("wall", timedelta(), timedelta(days=31), False),
    ],
)
def test_a_log_in_ends_by_itself(
    browser: httpx.Client, engine: Engine, role: str, idle: timedelta, age: timedelta, open: bool
) -> None:
    log_in(browser, role)
    now = datetime.now(UTC)
    with engine.begin() as connection:
        times = {"used_at": as_ms(now - idle), "created_at": as_ms(now - age)}
        connection.execute(update(session_table).where(session_table.c.account == role).values(times))
    wait_for(lambda: (browser.get("/api/me").status_code == 200) == open, 5, "the limit")
    time.sleep(1.1)  # past what is remembered, for those that stay open
    assert (browser.get("/api/me").status_code == 200) == open


def test_reading_by_itself_is_no_use_and_a_touch_is(browser: httpx.Client, engine: Engine) -> None:
    log_in(browser, "unit")
    long_ago = as_ms(datetime.now(UTC) - timedelta(minutes=20))

    def used_at() -> int:
        with engine.connect() as connection:
            return connection.scalar(select(session_table.c.used_at).where(session_table.c.account == "unit")) or 0

    with engine.begin() as connection:
        connection.execute(update(session_table).where(session_table.c.account == "unit").values(used_at=long_ago))
    time.sleep(1.1)
    for path in ("/api/me", "/api/cases", "/assets/session.js"):
        browser.get(path)
    assert used_at() == long_ago
    assert browser.post("/api/me/active", headers={"x-csrf-token": browser.cookies["csrf"]}).status_code == 204
    assert used_at() > long_ago


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_foreign_page_changes_nothing(browser: httpx.Client, headers: dict[str, str]) -> None:
    log_in(browser, "leader")
    token = {"x-csrf-token": browser.cookies["csrf"]}
    assert browser.post("/api/me/active", headers=token).status_code == 204
    assert browser.post("/api/me/active", headers=token | headers).status_code == 403
    assert browser.post("/_dash-update-component", json={}, headers=headers).status_code == 403
    assert browser.post("/logout", data={"csrf": browser.cookies["csrf"]}, headers=headers).status_code == 403
    assert browser.get("/api/me").status_code == 200


def test_a_write_needs_the_token_of_the_log_in(browser: httpx.Client, site: str) -> None:
    log_in(browser, "leader")
    own, session = browser.cookies["csrf"], f"{SESSION_COOKIE}={browser.cookies[SESSION_COOKIE]}"
    assert browser.post("/api/me/active").status_code == 403
    for planted in ("", "0" * 64, "é" * 64):
        given = {"x-csrf-token": planted.encode(), "cookie": f"{session}; csrf={planted}".encode()}
        assert httpx.post(f"{site}/api/me/active", headers=given).status_code == 403
    assert send(browser, "/logout", csrf="0" * 64).status_code == 403
    assert browser.post("/api/me/active", headers={"x-csrf-token": own}).status_code == 204


def test_every_answer_has_the_headers(browser: httpx.Client) -> None:
    log_in(browser, "county_duty")
    for path in ("/duty", "/login", "/api/me", "/api/county", "/api/none", "/assets/base.css", "/health", "/people"):
        headers = browser.get(path).headers
        policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
        assert policy["frame-ancestors"] == "'none'" and policy["object-src"] == "'none'", path
        assert "unsafe" not in policy["script-src"], path
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["permissions-policy"].startswith("geolocation=(self)")


def test_what_is_not_everybodys_is_kept_nowhere(browser: httpx.Client) -> None:
    """Else the back button shows it after log-out."""
    log_in(browser, "county_duty")
    for path in ("/duty", "/people", "/api/me", "/api/cases", "/_dash-layout", "/anything"):
        assert browser.get(path).headers["cache-control"] == "no-store", path
    assert "no-store" not in browser.get("/assets/base.css").headers.get("cache-control", "")


def test_what_a_cache_may_keep_for_all_brings_no_cookie(browser: httpx.Client, county: County) -> None:
    for path in (
        "/report/files/base.css",
        f"/api/public/map/{county.revision}",
        "/status",
        "/assets/base.css",
    ):
        answer = browser.get(path)
        assert answer.status_code == 200 and "set-cookie" not in answer.headers, path


def test_no_body_is_without_end(browser: httpx.Client) -> None:
    log_in(browser, "county_duty")
    token = {"x-csrf-token": browser.cookies["csrf"]}
    # Dash calls whatever happens while it reads an error of its own.
    paths = {"/api/cases/C1/actions": 413, "/api/cases/C1/reporter": 413, "/_dash-update-component": 500}
    for path, status in paths.items():
        parts = (bytes(1 << 20) for _ in range(9))  # chunked: nothing says beforehand how much it is
        assert browser.post(path, content=parts, headers=token).status_code == status, path


def test_log_ins_that_are_over_are_forgotten(browser: httpx.Client, engine: Engine) -> None:
    def count(role: str) -> int:
        with engine.connect() as connection:
            return len(connection.execute(select(session_table).where(session_table.c.account == role)).all())

    for role in ("village_centre", "wall"):
        log_in(browser, role)
        browser.cookies.clear()
    long_ago = as_ms(datetime.now(UTC) - timedelta(hours=13))
    with engine.begin() as connection:
        connection.execute(update(session_table).values(used_at=long_ago, created_at=long_ago))
    walls = count("wall")
    log_in(browser, "leader")
    assert (count("village_centre"), count("wall")) == (0, walls)


def test_without_log_in_only_this_machine_is_answered(county: County, settings: Settings, engine: Engine) -> None:
    """A foreign name that leads here is a foreign page's (DNS rebinding), or a proxy's before other machines."""
    with serving_screens(county, replace(settings, auth="demo")) as url:
        port = urlsplit(url).port
        for host in (f"127.0.0.1:{port}", "localhost", f"LOCALHOST:{port}", f"[::1]:{port}"):
            assert httpx.get(f"{url}/api/me", headers={"host": host}).status_code == 200, host
        for host in (f"evil.example:{port}", "10.0.0.7", "localhost.evil.example", "127.0.0.1.evil.example", "[x"):
            for path in ("/api/me", "/duty", "/report"):
                assert httpx.get(url + path, headers={"host": host}).status_code == 403, host


@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_its_pages_and_no_other(browser: httpx.Client, role: str) -> None:
    log_in(browser, role)
    opened = {page for page in PAGES if browser.get(f"/{page}").status_code == 200}
    refused = {page for page in PAGES if browser.get(f"/{page}").status_code == 403}
    assert opened == RIGHTS[role] & set(PAGES) and opened | refused == set(PAGES)
    for page in ("duty", "briefing", "feeds"):
        laid = render(browser, f"/{page}")
        assert ("Your role may not open this page" in laid) == (page not in RIGHTS[role])
    expected = {"/api/cases": "duty", "/api/feeds": "feeds", "/api/briefing": "briefing", "/api/nearby": "duty"}
    for path, right in expected.items():
        assert (browser.get(path).status_code == 403) == (right not in RIGHTS[role]), path
    first = next(page for page in PAGES if page in RIGHTS[role])
    assert browser.get("/").headers["location"] == f"/{first}"


def render(client: httpx.Client, path: str) -> str:
    """Return the layout of a page, as Dash's renderer asks for it."""
    asked = {
        "output": "page.children",
        "outputs": {"id": "page", "property": "children"},
        "inputs": [{"id": "url", "property": "pathname", "value": path}],
        "state": [{"id": "url", "property": "search", "value": "?lang=en"}],
        "changedPropIds": ["url.pathname"],
    }
    answer = client.post("/_dash-update-component", json=asked)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_administrator_makes_accounts(browser: httpx.Client, county: County, site: str) -> None:
    log_in(browser, "administrator")
    assert "grid_worker" in browser.get("/people").text
    cell = str(county.cells.index[7])
    made = {"deed": "add", "name": "Wang.Li", "title": "王丽 <网格员>", "role": "grid_worker", "unit": ""}
    for area, said in (("", "15 digits"), ("999999999999999", "no town, village or cell"), (cell[:9], "15 digits")):
        answer = send(browser, "/people", area=area, **made)
        assert answer.status_code == 422 and said in answer.text, area
        assert 'value="王丽 &lt;网格员&gt;"' in answer.text  # what was typed is not lost
    answer = send(browser, "/people", area=cell, **made)
    password = re.search(r"<code>([\w-]{23})</code>", answer.text)
    assert answer.status_code == 200 and password
    assert send(browser, "/people", area=cell, **made).status_code == 422  # there is one already
    (noted,) = browser.get("/api/audit?deed=account_add&subject=wang.li").json()["deeds"]
    assert (noted["actor"], noted["details"]["area"]) == ("administrator", cell)
    with httpx.Client(base_url=site) as other:
        assert log_in(other, "wang.li", password[1]).headers["location"].startswith("/password")
        assert other.get("/api/me").json()["area"] == cell
        assert send(browser, "/people", deed="disable", name="wang.li").status_code == 303
        assert other.get("/api/me").status_code == 401
    assert send(browser, "/people", deed="disable", name="administrator").status_code == 422
    assert send(browser, "/people", deed="explode", name="wang.li").status_code == 422
    assert send(browser, "/people", deed="unlock", name="wang\0li").status_code == 400


def test_nobody_else_does(browser: httpx.Client) -> None:
    log_in(browser, "county_duty")
    answer = send(browser, "/people", deed="disable", name="leader")
    assert answer.status_code == 403


def test_an_address_has_so_many_attempts(
    everybody: Accounts, county: County, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server of its own, so that no other test is locked out with it."""
    monkeypatch.setattr(attempts, "MOST_FAILURES", 3)
    with serving_screens(county, settings) as url, httpx.Client(base_url=url, timeout=60) as client:
        page = FIELD.search(client.get("/login").text)
        assert page
        form = {"name": "nobody", "password": "not the password", "csrf": page[1]}
        # Without our token nothing is tried, so nothing is counted.
        assert {client.post("/login", data=form | {"csrf": "0" * 64}).status_code for _ in range(9)} == {403}
        with ThreadPoolExecutor(6) as together:
            posts = [together.submit(client.post, "/login", data=form) for _ in range(6)]
        assert sorted(post.result().status_code for post in posts) == [403] * 3 + [429] * 3


def test_attempts_are_forgotten_with_time() -> None:
    now = 0.0
    counted = Attempts(lambda: now)
    assert [counted.admit("a") for _ in range(MOST_FAILURES + 1)] == [True] * MOST_FAILURES + [False]
    assert counted.admit("b")
    counted.forgive("a")
    assert counted.admit("a") and not counted.admit("a")
    now = WITHIN_S
    assert counted.admit("a")


def test_a_customer_with_many_addresses_is_one() -> None:
    counted = Attempts(lambda: 0.0)
    tried = [counted.admit(f"2001:db8:1:2::{number:x}") for number in range(MOST_FAILURES + 1)]
    assert tried[-1] is False and counted.admit("2001:db8:1:3::1")
