"""Polling real servers and folders into a real ingest: what is asked, what is sent, and what survives a crash."""

import gzip
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from geo.county import County
from ingest.files.mapping import read_mapping
from ingest.polling.cursor import Highest, write_question
from ingest.polling.poll import Poll
from ingest.polling.poller import poll_forever
from ingest.polling.sources import Cursor, DeclarationError, find_declarations, read_sources
from ingest.polling.state import load_state, read_conditions, save_state
from ingest.replay import Progress, replay
from ingest.sender import Sender
from ingest.settings import SettingError, Settings
from tests.appliance import KEY, ROOT, wait_for
from tests.ingest.samples import MAPPING
from tests.ingest.serving import Answer, Ingest, OtherSystem, Request, run_other_system

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Ingest]:
    running = Ingest(tmp_path_factory.mktemp("polled"), demo_folder)
    yield running
    running.stop()


@pytest.fixture
def system() -> Iterator[OtherSystem]:
    with run_other_system() as running:
        yield running


class Desk:
    """One test's source, with rows whose ids are nobody else's, and what ingest counted since it began."""

    def __init__(self, folder: Path, ingest: Ingest, county: County, system: OtherSystem) -> None:
        self.folder, self.ingest, self.system = folder, ingest, system
        self._point = county.cells.geometry.iloc[0].representative_point()
        self._before = ingest.counters()
        (folder / "mapping.toml").write_text(MAPPING)
        (folder / "states").mkdir()

    def row(self, number: int, **changes: Any) -> dict[str, Any]:
        when = (NOON + timedelta(seconds=number)).isoformat()
        name = f"{self.folder.name}-{number}"
        return {"number": name, "when": when, "lon": self._point.x, "lat": self._point.y} | changes

    def declare(self, text: str) -> Path:
        path = self.folder / "polls.toml"
        path.write_text('[[source]]\nname = "other"\nmapping = "mapping.toml"\n' + text.replace("URL", self.system.url))
        return path

    def poll(self, text: str = 'url = "URL/rows"', key: str | None = KEY) -> Poll:
        source = read_sources(self.declare(text))[0]
        return Poll(source, self.folder / "states", self.ingest.url, key, threading.Event())

    def count(self) -> tuple[int, int, int]:
        """What ingest accepted, had already, and refused since the test began."""
        now = self.ingest.counters()
        accepted, duplicate, rejected = (
            now[name] - self._before[name] for name in ("accepted", "duplicate", "rejected")
        )
        return accepted, duplicate, rejected

    def error(self, poll: Poll) -> str:
        """Poll and return what went wrong."""
        assert poll.run_once() is False
        reason = poll.state.condition.last_error
        assert reason is not None
        return reason


@pytest.fixture
def desk(tmp_path: Path, ingest: Ingest, county: County, system: OtherSystem) -> Desk:
    return Desk(tmp_path, ingest, county, system)


def as_json(rows: Any) -> Answer:
    return Answer(json.dumps(rows).encode(), headers={"Content-Type": "application/json"})


def test_a_list_is_asked_sent_and_not_sent_again(desk: Desk) -> None:
    desk.system.answer = lambda _: as_json({"data": {"items": [desk.row(1), desk.row(2)]}})
    (desk.folder / "mapping.toml").write_text(f'{MAPPING}[file]\nrows = "data.items"\n')
    poll = desk.poll()
    assert poll.run_once()
    assert desk.count() == (2, 0, 0)
    assert poll.run_once()
    assert desk.count() == (2, 0, 0)
    assert poll.state.condition.unchanged == 2
    desk.system.answer = lambda _: as_json({"data": {"items": [desk.row(2), desk.row(3)]}})
    assert desk.poll().run_once()  # another process
    assert desk.count() == (3, 0, 0)


def test_a_bad_row_is_refused_once_and_again_when_it_changed(desk: Desk) -> None:
    rows: list[Any] = [desk.row(1), desk.row(2, lon=None, lat=None), "no row", desk.row(3)]
    desk.system.answer = lambda _: as_json(rows)
    poll = desk.poll()
    assert poll.run_once()
    assert poll.run_once()
    assert desk.count() == (2, 0, 2)
    rows[1] = desk.row(2)
    assert poll.run_once()
    assert desk.count() == (3, 0, 2)


@pytest.mark.parametrize(
    ("content_type", "write"),
    [
        ("application/json", lambda rows: json.dumps(rows).encode()),
        ("application/x-ndjson", lambda rows: "\n".join(map(json.dumps, rows)).encode()),
        ("text/csv; charset=utf-8", lambda rows: _as_csv(rows).encode("utf-8-sig")),
        ("application/geo+json", lambda rows: json.dumps(_as_features(rows)).encode()),
        ("application/vnd.apache.parquet", lambda rows: _as_parquet(rows)),
    ],
)
def test_every_format(desk: Desk, content_type: str, write: Callable[[list[dict[str, Any]]], bytes]) -> None:
    body = write([desk.row(1), desk.row(2)])
    desk.system.answer = lambda _: Answer(body, headers={"Content-Type": content_type})
    assert desk.poll().run_once()
    assert desk.count() == (2, 0, 0)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".jsonl.gz", ".json", ".geojson", ".parquet"])
def test_every_kind_of_file_can_be_replayed(desk: Desk, suffix: str) -> None:
    rows = [desk.row(1), desk.row(2)]
    bodies = {
        ".csv": lambda: _as_csv(rows).encode(),
        ".jsonl": lambda: "\n".join(map(json.dumps, rows)).encode(),
        ".jsonl.gz": lambda: gzip.compress("\n".join(map(json.dumps, rows)).encode()),
        ".json": lambda: json.dumps(rows).encode(),
        ".geojson": lambda: json.dumps(_as_features(rows)).encode(),
        ".parquet": lambda: _as_parquet(rows),
    }
    file = desk.folder / f"rows{suffix}"
    file.write_bytes(bodies[suffix]())
    progress = Progress()
    with Sender(desk.ingest.url, KEY) as sender:
        replay(file, read_mapping(desk.folder / "mapping.toml"), sender, progress)
    assert (desk.count(), progress.rows, progress.complete) == ((2, 0, 0), 2, True)


def test_the_example_takes_a_real_export_from_its_folder(desk: Desk, shared: Path) -> None:
    pandas = pytest.importorskip("pandas")
    rows = pandas.read_parquet(shared / "data" / "chicago_sanitation_311" / "chicago_sanitation_311.parquet")
    rows = rows[rows["nature"].isin(["Garbage in alley", "Garbage in yard"])].head(3_000)
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    for month, part in rows.groupby(rows["creation_date"].astype(str).str[:7]):
        part.to_csv(inbox / f"{month}.csv", index=False)
    (declared,) = read_sources(ROOT / "examples" / "chicago" / "polls.toml")
    source = msgspec.structs.replace(declared, folder=str(inbox), ready="renamed")
    poll = Poll(source, desk.folder / "states", desk.ingest.url, KEY, threading.Event())
    assert poll.run_once()
    placed = rows[rows["longitude"].notna()]
    assert desk.count()[0] == placed["sr_number"].nunique() > 2_900
    assert desk.count()[2] == len(rows) - len(placed)
    assert poll.state.condition.rows == len(rows)


def _as_csv(rows: list[dict[str, Any]]) -> str:
    return "\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)])


def _as_features(rows: list[dict[str, Any]]) -> dict[str, Any]:
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row.pop("lon"), row.pop("lat")]},
            "properties": row,
        }
        for row in rows
    ]
    return {"type": "FeatureCollection", "features": features}


def _as_parquet(rows: list[dict[str, Any]]) -> bytes:
    pandas = pytest.importorskip("pandas")
    body: bytes = pandas.DataFrame(rows).to_parquet()
    return body


PAGES = {
    "link": '{ link = "next" }',
    "header": '{ link = "header" }',
    "page": '{ page = "page" }',
    "offset": '{ offset = "skip", size = 3 }',
}


@pytest.mark.parametrize("way", PAGES)
def test_every_way_of_paging(desk: Desk, way: str) -> None:
    rows = [desk.row(number) for number in range(7)]

    def answer(request: Request) -> Answer:
        begin = (int(request.query.get("page", 1)) - 1) * 3 or int(request.query.get("skip", 0))
        following = f"/rows?skip={begin + 3}" if begin + 3 < len(rows) else None
        page = as_json({"rows": rows[begin : begin + 3], "next": following})
        if following:
            page.headers["Link"] = f'<{following}>; rel="next"'
        return page

    desk.system.answer = answer
    (desk.folder / "mapping.toml").write_text(f'{MAPPING}[file]\nrows = "rows"\n')
    assert desk.poll(f'url = "URL/rows"\npaging = {PAGES[way]}').run_once()
    assert desk.count() == (7, 0, 0)
    assert len(desk.system.requests) == (4 if way == "page" else 3)


def test_a_server_that_ignores_the_page_is_told_apart(desk: Desk) -> None:
    desk.system.answer = lambda _: as_json([desk.row(1)])
    assert "page 2 is the same" in desk.error(desk.poll('url = "URL/rows"\npaging = { page = "p" }'))
    assert len(desk.system.requests) == 2


def test_an_answer_that_did_not_change_is_not_read(desk: Desk) -> None:
    def answer(request: Request) -> Answer:
        if request.headers.get("if-none-match") == '"v1"':
            return Answer(status=304)
        page = as_json([desk.row(1)])
        page.headers |= {"ETag": '"v1"', "Last-Modified": format_datetime(NOON, usegmt=True)}
        return page

    desk.system.answer = answer
    assert desk.poll().run_once()
    poll = desk.poll()
    assert poll.run_once()
    assert [request.headers.get("if-none-match") for request in desk.system.requests] == [None, '"v1"']
    assert desk.system.requests[1].headers["if-modified-since"] == "Sun, 01 Mar 2026 12:00:00 GMT"
    assert poll.state.condition.rows == 1
    # Another mapping makes other events of it.
    (desk.folder / "mapping.toml").write_text(MAPPING.replace('id = "{number}"', 'id = "other-{number}"'))
    assert poll.run_once()
    assert desk.count() == (2, 0, 0)


def test_the_cursor_goes_up_with_an_overlap_so_that_nothing_of_its_instant_is_missed(desk: Desk) -> None:
    rows = [desk.row(1), desk.row(2)]

    def answer(request: Request) -> Answer:
        since = request.query.get("since", "")
        return as_json([row for row in rows if row["when"] > since])

    desk.system.answer = answer
    poll = desk.poll('url = "URL/rows"\ncursor = { field = "when", parameter = "since", overlap = 1 }')
    assert poll.run_once()
    # Two more come late, of the very instant that was the newest.
    rows.extend([desk.row(3, when=rows[1]["when"]), desk.row(4, when=rows[1]["when"])])
    assert poll.run_once()
    assert desk.count() == (4, 0, 0)
    assert [request.query.get("since") for request in desk.system.requests] == [None, "2026-03-01T12:00:01+00:00"]
    assert load_state(desk.folder / "states", "other").position.cursor == "2026-03-01T12:00:02+00:00"


def test_the_cursor_stays_where_a_later_page_failed(desk: Desk) -> None:
    broken = True

    def answer(request: Request) -> Answer:
        page = int(request.query["page"])
        if page == 2 and broken:
            return Answer(status=500)
        return as_json([desk.row(page)] if page < 3 else [])

    desk.system.answer = answer
    text = 'url = "URL/rows"\npaging = { page = "page" }\ncursor = { field = "when", parameter = "since" }'
    poll = desk.poll(text)
    assert desk.error(poll) == "HTTP 500"
    assert load_state(desk.folder / "states", "other").position.cursor is None
    broken = False
    assert poll.run_once()
    # What was taken of the first page is known by now: it is not even sent again.
    assert desk.count() == (2, 0, 0)
    assert poll.state.position.cursor == desk.row(2)["when"]


def test_rows_in_order_let_the_cursor_move_page_by_page(desk: Desk) -> None:
    desk.system.answer = lambda request: as_json([desk.row(1)]) if request.query["page"] == "1" else Answer(status=500)
    cursor = '{ field = "when", parameter = "since", ascending = true }'
    poll = desk.poll(f'url = "URL/rows"\npaging = {{ page = "page" }}\ncursor = {cursor}')
    assert desk.error(poll) == "HTTP 500"
    assert load_state(desk.folder / "states", "other").position.cursor == desk.row(1)["when"]


ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("options", "values", "question"),
    [
        ({}, ["2026-03-01T08:00:00Z", "2026-03-01T09:00:00Z", "2026-03-01T08:30:00Z"], "2026-03-01T08:59:00Z"),
        ({}, ["2026-03-01T08:00:00+08:00", "2026-03-01T01:00:00Z"], "2026-03-01T00:59:00Z"),
        ({}, ["2026-03-01 08:00:00", None, "soon"], "2026-03-01 07:59:00"),
        ({"overlap": 0}, ["2026-03-01T08:00:00.250Z"], "2026-03-01T08:00:00.250000Z"),
        ({}, ["2026-03-01"], "2026-02-28"),
        ({"format": "%d.%m.%Y %H:%M"}, ["01.03.2026 08:00", "28.02.2026 09:00"], "01.03.2026 07:59"),
        ({}, ["2026-03-01T08:00:00Z", "2099-01-01T00:00:00Z"], "2026-03-01T07:59:00Z"),
        ({"kind": "number"}, [9, 10, "11", "x"], "10"),
        ({"kind": "number", "overlap": 0}, [1700000000123], "1700000000123"),
        ({"kind": "number", "overlap": 0.5}, [1.25], "0.75"),
        ({"kind": "text"}, ["b10", "b9"], "b9"),
        ({"value": "at gt {cursor}"}, ["2026-03-01T08:00:00Z"], "at gt 2026-03-01T07:59:00Z"),
        ({"start": "2026-01-01T00:00:00Z"}, [], "2026-01-01T00:00:00Z"),
        ({}, [], None),
    ],
)
def test_what_a_cursor_asks(options: dict[str, Any], values: list[Any], question: str | None) -> None:
    cursor = Cursor(field="at", parameter="since", **options)
    highest = Highest(cursor, None, ZONE, datetime(2026, 11, 22, tzinfo=UTC))
    for value in values:
        highest.note({"at": value})
    assert write_question(cursor, highest.text, ZONE) == question


def test_what_goes_wrong_is_said_and_the_next_try_waits(desk: Desk) -> None:
    poll = desk.poll('url = "URL/rows"\ntimeout_s = 1\nlargest_mb = 1')
    begun = time.monotonic()

    def drip(file: Any) -> None:
        for _ in range(30):
            file.write(b" ")
            file.flush()
            time.sleep(0.1)

    body = json.dumps([desk.row(1)]).encode()
    faults = {
        "HTTP 404": Answer(status=404),
        "RemoteProtocolError": Answer(body[:-9], length=len(body)),
        "not JSON": Answer(body[:-9]),
        "not a list of rows": Answer(b'{"error": "no such table"}'),
        "more than 1 MiB": Answer(gzip.compress(b" " * 2**22), headers={"Content-Encoding": "gzip"}),
        "not whole after 1 s": Answer(length=1000, write=drip),
        "points to another host": Answer(status=302, headers={"Location": "http://127.0.0.2/rows"}),
        "redirections": Answer(status=302, headers={"Location": "/rows"}),
    }
    for reason, answer in faults.items():
        desk.system.answer = lambda _, answer=answer: answer
        assert reason in desk.error(poll)
    assert time.monotonic() - begun < 20
    assert poll.state.condition.failures == len(faults)
    assert poll.wait_s() >= 60  # the eighth pause: half of 256 s or more
    desk.system.answer = lambda _: Answer(status=503, headers={"Retry-After": "1800"})
    desk.error(poll)
    assert 1700 < poll.wait_s() <= 1800
    desk.system.answer = lambda _: Answer(body)
    assert poll.run_once()
    assert (desk.count(), poll.state.condition.failures) == ((1, 0, 0), 0)


def test_a_next_link_to_another_host_is_not_followed(desk: Desk) -> None:
    desk.system.answer = lambda _: as_json({"rows": [desk.row(1)], "next": "http://127.0.0.2:9/rows"})
    (desk.folder / "mapping.toml").write_text(f'{MAPPING}[file]\nrows = "rows"\n')
    assert "another host, http://127.0.0.2:9" in desk.error(desk.poll('url = "URL/"\npaging = { link = "next" }'))


def test_secrets_come_from_the_environment_and_go_into_no_file(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'url = "URL/rows"\nheaders_from = { Authorization = "OTHER_TOKEN" }\nquery_from = { api_key = "OTHER_KEY" }'
    poll = desk.poll(text)
    assert desk.error(poll) == "headers_from.Authorization: the environment has no OTHER_TOKEN"
    monkeypatch.setenv("OTHER_TOKEN", "Bearer s3cret")
    monkeypatch.setenv("OTHER_KEY", "k3y")
    desk.system.answer = lambda _: Answer(status=403)
    desk.error(poll)
    (request,) = desk.system.requests
    assert (request.headers["authorization"], request.query["api_key"]) == ("Bearer s3cret", "k3y")
    for path in desk.folder.rglob("*.*"):
        assert path.is_dir() or not any(word in path.read_text() for word in ("s3cret", "k3y")), path


def test_a_wrong_key_is_a_fault_and_nothing_is_marked_as_had(desk: Desk) -> None:
    desk.system.answer = lambda _: as_json([desk.row(1)])
    assert "HTTP 401" in desk.error(desk.poll(key="wrong"))
    assert desk.poll().run_once()
    assert desk.count() == (1, 0, 0)


def test_a_source_that_hangs_or_is_away_holds_up_no_other(desk: Desk) -> None:
    release = threading.Event()

    def hang(_: Any) -> None:
        release.wait(20)

    def answer(request: Request) -> Answer:
        return Answer(length=9, write=hang) if request.path == "/slow" else as_json([desk.row(1)])

    desk.system.answer = answer
    names = ("slow", "gone", "good")
    urls = {"slow": f"{desk.system.url}/slow", "gone": "http://127.0.0.1:9/", "good": f"{desk.system.url}/rows"}
    (desk.folder / "polls.toml").write_text(
        "\n".join(f'[[source]]\nname = "{name}"\nmapping = "mapping.toml"\nurl = "{urls[name]}"' for name in names)
    )
    stop = threading.Event()
    states = desk.folder / "states"
    polls = [Poll(each, states, desk.ingest.url, KEY, stop) for each in read_sources(desk.folder / "polls.toml")]
    running = threading.Thread(target=poll_forever, args=(polls, stop))
    running.start()
    wait_for(lambda: desk.count() == (1, 0, 0), what="the good source")
    wait_for(lambda: polls[1].state.condition.failures, what="the source that is away")
    release.set()
    stop.set()
    running.join(20)
    assert not running.is_alive()


def test_a_folder_gives_each_whole_file_once(desk: Desk) -> None:
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    poll = desk.poll('folder = "inbox"\nglob = "*.csv*"')
    (inbox / "a.csv").write_text(_as_csv([desk.row(1)]))
    (inbox / "b.csv.part").write_text("half")
    (inbox / ".c.csv").write_text("hidden")
    assert poll.run_once()
    assert (desk.count(), poll.is_growing) == ((0, 0, 0), True)  # one look cannot tell whether it grows
    (inbox / "b.csv.part").rename(inbox / "b.csv")
    (inbox / "b.csv").write_text(_as_csv([desk.row(2), desk.row(3)]))
    assert poll.run_once()
    assert (desk.count(), poll.is_growing) == ((1, 0, 0), True)
    (inbox / "b.csv").write_text(_as_csv([desk.row(2), desk.row(3), desk.row(4)]))
    assert poll.run_once()
    assert desk.count() == (1, 0, 0)  # it grew since
    assert poll.run_once()
    assert (desk.count(), poll.is_growing) == ((4, 0, 0), False)
    # A file that goes on is read again: only what is new in it is sent. One that is gone is forgotten.
    (inbox / "b.csv").write_text(_as_csv([desk.row(number) for number in (2, 3, 4, 5)]))
    (inbox / "a.csv").unlink()
    again = desk.poll('folder = "inbox"\nglob = "*.csv*"')
    assert again.run_once()
    assert again.run_once()
    assert desk.count() == (5, 0, 0)
    assert list(again.state.position.files) == ["b.csv"]


def test_a_bad_file_is_left_and_tried_again_with_another_mapping(desk: Desk) -> None:
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    (inbox / "bad.csv").write_text("a,b\n1,2\n")
    (inbox / "bad.parquet").write_bytes(b"PAR1 and no more")
    (inbox / "good.csv").write_text(_as_csv([desk.row(1)]))
    (inbox / "other.csv").write_text(_as_csv([desk.row(2)]).replace("number,", "no,"))
    poll = desk.poll('folder = "inbox"\nready = "renamed"')
    assert poll.run_once()
    assert desk.count() == (1, 0, 0)
    faults = {name: mark.fault for name, mark in poll.state.position.files.items()}
    assert "there is no column" in str(faults["bad.csv"])
    assert faults["good.csv"] is None
    assert poll.run_once()
    assert desk.count() == (1, 0, 0)
    (desk.folder / "mapping.toml").write_text(MAPPING.replace("{number}", "{no}"))
    assert poll.run_once()
    assert desk.count() == (2, 0, 0)
    assert "there is no folder" in desk.error(desk.poll('folder = "nowhere"'))


def test_killed_at_any_moment_it_loses_and_doubles_nothing(desk: Desk) -> None:
    inbox = desk.folder / "inbox"
    inbox.mkdir()
    count, per_file = 6_000, 1_000
    path = desk.declare('folder = "inbox"\nready = "renamed"\ninterval_s = 1')
    environ = {**desk.ingest.environ, "DATA_DIR": str(desk.folder)}
    command = [sys.executable, "-m", "ingest", "poll", "--file", str(path)]
    for begin in range(0, count, per_file):
        rows = [desk.row(number) for number in range(begin, begin + per_file)]
        (inbox / f"{begin:06}.part").write_text(_as_csv(rows))
        (inbox / f"{begin:06}.part").rename(inbox / f"{begin:06}.csv")
    for reached in (1, 2_500, 4_000):
        running = subprocess.Popen(command, cwd=ROOT, env=environ)
        wait_for(lambda reached=reached: desk.count()[0] >= reached, what=f"row {reached}")
        running.kill()
        running.wait()
    running = subprocess.Popen(command, cwd=ROOT, env=environ)
    wait_for(lambda: desk.count()[0] == count, what="every row")
    second = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert "another poller is at work" in second.stderr
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0
    once = subprocess.run([*command, "--once"], cwd=ROOT, env=environ, timeout=60)
    assert once.returncode == 0
    accepted, duplicate, rejected = desk.count()
    assert (accepted, rejected) == (count, 0)
    # At most what was sent of one file and not yet written down, each time.
    assert duplicate <= 3 * per_file
    condition = read_conditions(desk.folder)["other"]
    assert condition.last_success_at is not None


def test_a_state_that_cannot_be_read_is_kept_aside(tmp_path: Path) -> None:
    (tmp_path / "other.json").write_text("{")
    state = load_state(tmp_path, "other")
    assert (state.position.cursor, (tmp_path / "other.bad").read_text()) == (None, "{")
    state.position.cursor = "7"
    save_state(tmp_path, state)
    assert load_state(tmp_path, "other").position.cursor == "7"
    assert msgspec.json.decode((tmp_path / "other.json").read_bytes())["name"] == "other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs either url or folder"),
        ('url = "http://x/"\nfolder = "y"', "needs either url or folder"),
        ('url = "ftp://x/"', "url: must be http"),
        ('url = "http://me:pw@x/"', "url: a password"),
        ('url = "http://x/"\nheaders = { X-Api-Key = "1" }', "headers.X-Api-Key: a secret"),
        ('url = "http://x/"\nquery = { token = "1" }', "query.token: a secret"),
        ('url = "http://x/"\npaging = { page = "p", offset = "o" }', "exactly one of link, page, offset"),
        ('url = "http://x/"\ncursor = { field = "a", parameter = "b", value = "c" }', "cursor.value: must contain"),
        ('url = "http://x/"\ninterval = 5', "unknown field `interval`"),
        ('url = "http://x/"\ninterval_s = 0', "interval_s"),
        ('folder = "x"\ncursor = { field = "a", parameter = "b" }', "cursor: a folder has none"),
    ],
)
def test_a_bad_declaration_is_one_line_that_names_the_key(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "polls.toml"
    path.write_text(f'[[source]]\nname = "a"\nmapping = "m.toml"\n{text}\n')
    with pytest.raises(DeclarationError) as caught:
        read_sources(path)
    assert str(caught.value).startswith(str(path))
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


def test_where_the_declarations_are(tmp_path: Path) -> None:
    pack, data = tmp_path / "pack", tmp_path / "data"
    pack.mkdir()
    data.mkdir()
    settings = Settings(county=pack, data_dir=data)
    assert find_declarations(settings) is None
    (pack / "polls.toml").touch()
    assert find_declarations(settings) == pack / "polls.toml"
    (data / "polls.toml").touch()
    assert find_declarations(settings) == data / "polls.toml"
    with pytest.raises(SettingError, match="POLLS"):
        find_declarations(Settings(polls=tmp_path / "none.toml"))
