"""(j) What a queue of 100,000 open cases costs: the server a window, the browser a scroll and a live update.

The peer is the same cases in a plain Dash AG Grid: `rowData` by a callback, renewed by an interval.
"""

import json
import logging
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dash_ag_grid
from dash import Dash, Input, Output, dcc, html
from playwright.sync_api import Page, sync_playwright
from werkzeug.serving import make_server

from bench.map_update import MainThread
from bench.table import print_table
from dashboard.queue import Filters, Line, Question, find_changes, make_order, pick_window
from geo.builtin import provide_demo
from geo.county import County, load_county
from ingest.migrations import upgrade_database
from ingest.records import CaseReported
from ingest.store import open_database
from ingest.tables import as_ms
from layers.state import LiveState
from tests.appliance import ROOT, Appliance, act
from tests.browser import chromium
from tests.ingest.samples import Writer

CASES = 100_000
BATCH = 2_000
TURNS = 15
SCROLLS = 30
UPDATES = 10
AIM_SERVER_MS = 50
WORDS = ("井盖", "路灯", "垃圾", "占道", "积水")


def run() -> list[dict[str, object]]:
    """Return a row for each question to the server, and one for each thing done in the browser."""
    county = load_county(provide_demo(ROOT / ".setup" / "demo-county"))
    reports = make_reports(county)
    return [*measure_server(county, reports), *measure_browser(county, reports)]


def make_reports(county: County) -> list[CaseReported]:
    """Return the reports, spread over the county and the last 90 days; the same every time but for the clock."""
    cells, categories = county.cells, list(county.categories)
    points = list(cells.geometry.representative_point())
    now = datetime.now(UTC)
    reports = []
    for n in range(CASES):
        cell = n * 7919 % len(cells)
        at = now - timedelta(seconds=n * 7776000 // CASES + 60)
        title = f"{WORDS[n % len(WORDS)]}问题{n}"
        category = categories[n * 31 % len(categories)]
        place: dict[str, Any] = {"lon": points[cell].x, "lat": points[cell].y, "cell_code": str(cells.index[cell])}
        reports.append(
            CaseReported(
                source="bench",
                id=f"r-{n}",
                received_at=at,
                case_id=f"Q-{n}",
                category=category,
                title=title,
                reported_at=at,
                channel="hotline",
                severity=1 + n * 13 % 4,
                **place,
            )
        )
    return reports


def measure_server(county: County, reports: list[CaseReported]) -> list[dict[str, object]]:
    """Return milliseconds of CPU of the state's thread for each kind of question."""
    state = LiveState(county)
    for report in reports:
        state.apply(report)
    state.advance(as_ms(datetime.now(UTC)))
    town = str(county.cells.index[0])[:9]
    plain = Question()
    order = make_order(state, plain)
    questions: dict[str, Callable[[], object]] = {
        "server: a new order": lambda: make_order(state, plain),
        "server: a new order of a town's red ones": lambda: make_order(
            state, Question(Filters(areas=frozenset([town]), colours=frozenset(["red"])))
        ),
        "server: a new order by Chinese words": lambda: make_order(state, Question(Filters(text="井盖"))),
        "server: a new order by place": lambda: make_order(state, Question(line=Line("place"))),
        "server: a window of 100 rows": lambda: pick_window(state, order, 50_000, 100),
        "server: what changed, and the counts": lambda: find_changes(state, order),
    }
    rows: list[dict[str, object]] = []
    for name, ask in questions.items():
        took = statistics.median(_time(ask) for _ in range(TURNS))
        rows.append(
            {"what": name, "ours_ms": round(took, 1), "plain_dash_ms": "", "ratio": "", "aim": f"<= {AIM_SERVER_MS} ms"}
        )
    return rows


def measure_browser(county: County, reports: list[CaseReported]) -> list[dict[str, object]]:
    """Return milliseconds of CPU of the browser's main thread, ours beside the peer's."""
    with tempfile.TemporaryDirectory() as folder:
        fill_database(Path(folder) / "data", reports)
        appliance = Appliance(Path(folder) / "data", county.folder).start()
        try:
            ours = measure_ours(appliance, reports)
        finally:
            appliance.stop()
    peer = PlainGrid(reports)
    try:
        plain = measure_plain(peer)
    finally:
        peer.stop()
    return [
        {
            "what": f"browser: {name}",
            "ours_ms": round(ours[name], 1),
            "plain_dash_ms": round(plain[name], 1),
            "ratio": round(plain[name] / ours[name], 1),
            "aim": "<= 100 ms" if "scroll" in name else "> 10 x",
        }
        for name in ours
    ]


def fill_database(data_dir: Path, reports: list[CaseReported]) -> None:
    """Write the cases as the recorder would have."""
    data_dir.mkdir()
    url = f"sqlite:///{data_dir / 'county.db'}"
    upgrade_database(url)
    engine = open_database(url)
    writer = Writer(engine)
    for first in range(0, len(reports), BATCH):
        writer.write(*reports[first : first + BATCH])
    engine.dispose()


def measure_ours(appliance: Appliance, reports: list[CaseReported]) -> dict[str, float]:
    """Return what opening, a scroll and an update cost the desk; its map is part of it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        thread = MainThread(page)
        page.goto(f"{appliance.web_url}/duty")
        page.wait_for_selector(".duty .case-light", timeout=120_000)
        page.wait_for_timeout(15_000)  # the map draws 100,000 dots
        figures = {"a scroll by a screen": _scroll(page, thread)}
        idle = _idle(page, thread)
        busy, began = thread.read()["cpu"], time.monotonic()
        for n in range(UPDATES):
            appliance.post(act(reports[n].case_id, "accept"))
            page.wait_for_timeout(1500)
        spent = thread.read()["cpu"] - busy - idle * (time.monotonic() - began)
        figures["a case that changes"] = spent * 1000 / UPDATES
        browser.close()
    return figures


def measure_plain(peer: "PlainGrid") -> dict[str, float]:
    """Return the same of the peer."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium.PROGRAM, args=chromium.ARGUMENTS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        thread = MainThread(page)
        page.goto(peer.url)
        page.wait_for_selector(".ag-row [col-id=title]", timeout=120_000)
        page.wait_for_timeout(5000)
        figures = {"a scroll by a screen": _scroll(page, thread)}
        idle = _idle(page, thread)
        busy, began, done = thread.read()["cpu"], time.monotonic(), peer.answered
        for _ in range(UPDATES):
            page.evaluate("window.dash_clientside.set_props('tick', {n_intervals: Math.random()})")
            page.wait_for_timeout(1500)
        page.wait_for_timeout(5000)
        spent = thread.read()["cpu"] - busy - idle * (time.monotonic() - began)
        figures["a case that changes"] = spent * 1000 / max(1, peer.answered - done)
        browser.close()
    return figures


class PlainGrid:
    """The peer: a page as Dash AG Grid's documentation shows it, in a thread of its own."""

    def __init__(self, reports: list[CaseReported]) -> None:
        self.answered = 0
        self._rows = [json.loads(json.dumps(_describe(report))) for report in reports]
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server("127.0.0.1", 0, self._make_app().server, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()

    def _make_app(self) -> Dash:
        app = Dash(__name__, assets_folder="none", serve_locally=True, update_title="")
        grid = dash_ag_grid.AgGrid(
            id="grid",
            columnDefs=[{"field": name} for name in self._rows[0]],
            getRowId="params.data.case_id",
            dashGridOptions={"animateRows": False},
            style={"height": "95vh"},
        )
        app.layout = html.Div([grid, dcc.Interval(id="tick", interval=10**9, n_intervals=0)])

        @app.callback(Output("grid", "rowData"), Input("tick", "n_intervals"))
        def fill(_ticks: int) -> list[dict[str, Any]]:
            self._rows[self.answered] = self._rows[self.answered] | {"state": "accepted"}
            self.answered += 1
            return self._rows

        return app


def _describe(report: CaseReported) -> dict[str, Any]:
    names = ("case_id", "category", "severity", "title", "cell_code", "channel")
    return {name: getattr(report, name) for name in names} | {
        "state": "reported",
        "reported_at": report.reported_at.isoformat(),
    }


def _scroll(page: Page, thread: MainThread) -> float:
    """Return the milliseconds of CPU that a turn of the wheel costs the main thread."""
    page.mouse.move(300, 400)
    idle = _idle(page, thread)
    busy, began = thread.read()["cpu"], time.monotonic()
    for _ in range(SCROLLS):
        page.mouse.wheel(0, 600)
        page.wait_for_timeout(150)
    page.wait_for_timeout(1000)
    return (thread.read()["cpu"] - busy - idle * (time.monotonic() - began)) * 1000 / SCROLLS


def _idle(page: Page, thread: MainThread) -> float:
    before, began = thread.read()["cpu"], time.monotonic()
    page.wait_for_timeout(4000)
    return (thread.read()["cpu"] - before) / (time.monotonic() - began)


def _time(work: Callable[[], object]) -> float:
    began = time.thread_time()  # other work on the machine must not count
    work()
    return (time.thread_time() - began) * 1000


if __name__ == "__main__":
    print_table(run())
