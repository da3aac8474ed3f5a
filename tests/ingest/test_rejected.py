"""What was refused, seen and tried again by the command that a person uses, against a real ingest and recorder."""

import argparse
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Engine, text

from geo.county import County
from ingest.connectors import Delivery, http_events
from ingest.files.mapping import read_mapping
from ingest.health import settle_counters
from ingest.history import read_counters
from ingest.migrations import upgrade_database
from ingest.pipeline import Preparation
from ingest.recorder import Recorder
from ingest.records import encode_record
from ingest.rejected import command as rejected
from ingest.rejected.retrying import Outcome, Retrial, remap
from ingest.rejected.stream import RECORDER, RejectedStream
from ingest.replay import Progress, replay
from ingest.sealing import Keyring
from ingest.sender import Sender as Poster
from ingest.senders import Sender
from ingest.settings import Settings
from ingest.store import open_database
from ingest.stream import REJECTED_BYTES_KEY, REJECTED_KEY, Entry, Rejection, Streams, connect, digest_event
from tests.appliance import KEY, report
from tests.ingest.samples import MAPPING
from tests.ingest.samples import report as report_record
from tests.ingest.serving import Ingest

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
Command = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def ingest(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Ingest]:
    running = Ingest(tmp_path_factory.mktemp("rejected"), demo_folder)
    yield running
    running.stop()


@pytest.fixture
def streams(ingest: Ingest) -> Iterator[Streams]:
    client = connect(ingest.redis.url)
    client.flushall()
    yield Streams(client, 4)
    client.close()


@pytest.fixture
def command(ingest: Ingest, demo_folder: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def run(*words: str, county: Path = demo_folder) -> tuple[int, str]:
        code = run_command(words, ingest.folder, county)
        return code, "".join(capsys.readouterr())

    return run


def run_command(words: Sequence[str], data_dir: Path, county: Path | None = None) -> int:
    parser = argparse.ArgumentParser()
    rejected.add_arguments(parser)
    # As beside a running product: the address of its Redis is found in the data folder.
    return rejected.run(parser.parse_args(words), Settings(county=county, data_dir=data_dir))


def counters(streams: Streams) -> tuple[int, int, int, int]:
    counted = streams.read_tallies()
    assert counted.received == counted.accepted + counted.duplicate + counted.rejected
    assert sum(each.received for each in counted.by_feed.values()) == counted.received
    return counted.received, counted.accepted, counted.duplicate, counted.rejected


def point(county: County) -> tuple[float, float]:
    inside = county.cells.geometry.iloc[0].representative_point()
    return inside.x, inside.y


def post(ingest: Ingest, *events: dict[str, Any]) -> None:
    ingest.post("\n".join(map(json.dumps, events)).encode())


def test_an_event_refused_by_the_pack_is_taken_once_the_pack_knows_better(
    ingest: Ingest, streams: Streams, command: Command, county: County, demo_folder: Path, tmp_path: Path
) -> None:
    post(ingest, report("A", *point(county), category="0977"), report("B", *point(county)), {"no": "event"})
    assert counters(streams) == (3, 1, 0, 2)
    code, told = command("list")
    lines = told.splitlines()
    assert (code, len(lines)) == (0, 3)
    assert lines[0].split() == ["id", "at", "door", "sender", "field", "reason"]
    assert "data.category: the county pack has no category '0977'" in lines[2]
    stream_id = lines[2].split()[0]
    assert command("retry", stream_id) == (
        1,
        f"{stream_id}  still refused: data.category: the county pack has no category '0977'\n1 still refused\n",
    )
    assert counters(streams) == (3, 1, 0, 2)
    pack = shutil.copytree(demo_folder, tmp_path / "pack")
    with (pack / "county.toml").open("a", encoding="utf-8") as file:
        file.write('\n[[categories]]\ncode = "0977"\nzh = "新"\nen = "new"\nplatform = "x"\n')
    assert command("retry", "--field", "data.category", "--dry-run", county=pack)[1].endswith("(nothing was done)\n")
    assert counters(streams) == (3, 1, 0, 2)
    code, told = command("retry", "--field", "data.category", county=pack)
    assert (code, told) == (0, f"{stream_id}  accepted\n1 accepted\n")
    assert counters(streams) == (3, 2, 0, 1)
    assert command("list")[1].count("\n") == 2
    assert command("retry", stream_id) == (1, f"{stream_id}  not in events:rejected\nnothing to try\n")
    ((_, kept),) = streams.client.xrange(REJECTED_KEY)
    assert int(streams.client.get(REJECTED_BYTES_KEY) or 0) == sum(map(len, kept.values()))


def test_rows_refused_for_their_mapping_are_tried_with_the_repaired_one(
    ingest: Ingest, streams: Streams, command: Command, county: County, tmp_path: Path
) -> None:
    lon, lat = point(county)
    rows = [f"R-{number},0{number + 1}.03.2026 08:00,{lon},{lat}" for number in range(3)]
    (tmp_path / "rows.csv").write_text("\n".join(["number,when,lon,lat", *rows, "R-3,?,,"]))
    mapping = tmp_path / "mapping.toml"
    mapping.write_text(MAPPING)  # which takes its times for ISO 8601
    with Poster(ingest.url, KEY) as sender:
        replay(tmp_path / "rows.csv", read_mapping(mapping), sender, Progress())
    assert counters(streams) == (4, 0, 0, 4)
    assert command("list", "--summary")[1].split()[4:7] == ["4", "http_events", "local"]
    stream_id = next(RejectedStream(streams).read()).stream_id
    code, told = command("show", stream_id)
    assert (code, f'{mapping}"' in told) == (0, True)
    mapping.write_text(MAPPING.replace('column = "when"', 'column = "when"\nformat = "%d.%m.%Y %H:%M"'))
    code, told = command("retry", "--reason", "REPORTED_AT", "--since", "1h")
    assert code == 1
    assert told.splitlines()[-1] == "3 accepted, 1 still refused"
    assert counters(streams) == (4, 3, 0, 1)
    records = [message.record for partition in range(4) for message in streams.read_first(partition, 9)]
    assert any(b'"R-1"' in record and b"2026-03-02T00:00:00Z" in record for record in records)


@pytest.mark.parametrize("row", [{"number": 7, "when": "2026-03-01T08:00:00"}, {"number": 7, "when": "soon"}])
def test_a_row_of_a_shifted_replay_keeps_its_shift(tmp_path: Path, row: dict[str, Any]) -> None:
    path = tmp_path / "mapping.toml"
    path.write_text(MAPPING.replace('column = "when"', 'column = "when"\nrebase = "now"'))
    mapping = read_mapping(path)
    event = mapping.make_event(row, lambda moment: moment.replace(year=2027), "@99")
    again = json.loads(remap(json.dumps(_as_dict(event)).encode(), NOW))
    assert again["id"] == "7@99"
    assert again["data"].get("reported_at") == ("soon" if row["when"] == "soon" else "2027-03-01T00:00:00Z")
    assert again["row"] == json.dumps(row, separators=(",", ":"))
    # Once the mapping can read the time, a row that told none is told as of when it was refused.
    if row["when"] == "soon":
        row_text = json.dumps({**row, "when": "01.03.2026"})
        path.write_text(path.read_text().replace('column = "when"', 'column = "when"\nformat = "%d.%m.%Y"'))
        again = json.loads(remap(json.dumps({**_as_dict(event), "row": row_text}).encode(), NOW))
        assert again["data"]["reported_at"] == "2026-11-22T08:00:00Z"


def _as_dict(event: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(event))
    return decoded


def test_what_is_accepted_meanwhile_or_was_before_a_crash_counts_as_duplicate(
    ingest: Ingest, streams: Streams, command: Command, county: County
) -> None:
    good = report("C", *point(county))
    bad = {**good, "data": {**good["data"], "lon": None}}
    post(ingest, bad)
    (refused,) = RejectedStream(streams).read()
    # As if a retry had died after the stream had the event, and before it was taken out here.
    preparation = Preparation(county, 4, Keyring.make())
    retrial = Retrial(streams, preparation, {})
    healed = refused._replace(rejection=refused.rejection._replace(body=json.dumps(good).encode()))
    post(ingest, good)
    assert counters(streams) == (2, 1, 0, 1)
    assert retrial.retry(healed) == Outcome("duplicate")
    assert counters(streams) == (2, 1, 1, 0)
    assert list(RejectedStream(streams).read()) == []
    assert command("list")[0] == 1


def test_scopes_are_those_of_today(streams: Streams, county: County) -> None:
    lon, lat = point(county)
    preparation = Preparation(county, 4, Keyring.make())
    narrow, wide = Sender("office", feeds=frozenset({"waste"})), Sender("office", feeds=frozenset({"waste", "cases"}))
    body = json.dumps(report("D", lon, lat)).encode()
    delivery = Delivery(body=body, received_at=datetime.now(UTC), content_type=http_events.ONE)
    batch = preparation.prepare(http_events, delivery, narrow)  # type: ignore[arg-type]
    streams.reject(list(batch.rejections.values()), NOW)
    (refused,) = RejectedStream(streams).read()

    def retry(**senders: Sender) -> Outcome:
        return Retrial(streams, preparation, senders).retry(refused)

    assert retry() == Outcome("still refused", "sender: office has no key any more")
    assert retry(office=narrow) == Outcome("still refused", "sender: office may not send cases")
    assert retry(office=wide) == Outcome("accepted")
    assert counters(streams) == (1, 1, 0, 0)
    assert {owner for owner, tally in streams.read_tallies().by_feed.items() if tally.received} == {("office", "cases")}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'county.db'}"
    upgrade_database(url)
    opened = open_database(url)
    yield opened
    opened.dispose()


def test_what_the_database_refused_is_recorded_once_it_was_mended(
    streams: Streams, engine: Engine, command: Command
) -> None:
    records = [report_record(f"case-{number}") for number in range(3)]
    entries = [Entry(digest_event(each.source, each.id), "cases", encode_record(each)) for each in records]
    streams.append(1, entries, NOW.date())
    streams.append(1, [Entry(digest_event("x", "y"), "cases", b"no record")], NOW.date())
    recorder = Recorder(streams, engine)
    broken = (
        "CREATE TRIGGER broken BEFORE INSERT ON cases WHEN new.case_id = 'case-1' BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    with engine.begin() as connection:
        connection.execute(text(broken))
    recorder.step()
    assert settle(streams, engine) == (4, 2, 0, 2, 2)
    stream_ids = [each.stream_id for each in RejectedStream(streams).read() if each.rejection.door == RECORDER]
    _, told = command("retry", "--door", "recorder")
    assert sorted(told.splitlines()[-1].split(", ")) == ["1 sent to the recorder again", "1 still refused"]
    # Not mended yet: it comes back, and counts as refused once.
    recorder.step()
    assert settle(streams, engine) == (4, 2, 0, 2, 2)
    with engine.begin() as connection:
        connection.execute(text("DROP TRIGGER broken"))
    (again,) = (each for each in RejectedStream(streams).read() if each.stream_id not in stream_ids)
    # As if a retry had died between its two steps: the second one puts nothing in twice.
    place = again.rejection.id.split(" ")[1]
    assert RejectedStream(streams).readmit(1, place, again.rejection.body)
    code, told = command("retry", again.stream_id)
    assert (code, told.splitlines()[-1]) == (0, "1 sent to the recorder again")
    recorder.step()
    assert settle(streams, engine) == (4, 3, 0, 1, 3)
    assert [each.rejection.body for each in RejectedStream(streams).read()] == [b"no record"]


def settle(streams: Streams, engine: Engine) -> tuple[int, int, int, int, int | None]:
    counted = settle_counters(streams.read_tallies(), read_counters(engine))
    assert counted.received == counted.accepted + counted.duplicate + counted.rejected
    return counted.received, counted.accepted, counted.duplicate, counted.rejected, counted.recorded


def test_show_gives_all_bytes_and_no_command_to_the_terminal(
    streams: Streams, ingest: Ingest, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    body = b"\xff\x00\x1b[31mred\r\n" + b"x" * 300_000
    streams.reject([Rejection("event: \x1b]0;owned\x07", "event", "", "", body, "http_events")], NOW)
    (refused,) = RejectedStream(streams).read()
    for words in (["show", refused.stream_id], ["list"], ["list", "--summary"]):
        run_command(words, ingest.folder)
        shown = capfdbinary.readouterr().out
        assert b"\x1b" not in shown
        assert b"x1b]0;owned" in shown
    run_command(["show", refused.stream_id, "--raw"], ingest.folder)
    assert capfdbinary.readouterr().out == body


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ((), 3),
        (("--door", "cap"), 1),
        (("--sender", "office"), 1),
        (("--field", "event"), 2),
        (("--reason", "NO JSON"), 1),
        (("--since", "2026-11-22T08:00:00Z"), 2),
        (("--since", "1h", "--door", "none"), 0),
        (("--limit", "1"), 1),
        (("--door", "http_events", "--field", "event"), 1),
    ],
)
def test_filters(streams: Streams, command: Command, words: tuple[str, ...], found: int) -> None:
    events = [
        Rejection("event: no JSON", "event", "", "1", b"{", "http_events"),
        Rejection("event: no CAP", "event", "", "2", b"<", "cap"),
        Rejection("data.lon: missing", "data.lon", "", "3", b"{}", "http_events", "office"),
    ]
    for number, event in enumerate(events):
        # Redis gives an entry's id by its own clock: ours decides here.
        fields: dict[Any, Any] = {**event._asdict(), "at": NOW.replace(hour=7 + number).isoformat()}
        at_ms = int(NOW.replace(hour=7 + number).timestamp() * 1000)
        streams.client.xadd(REJECTED_KEY, fields, id=f"{at_ms}-0")
    code, told = command("list", *words)
    assert (code, len(told.splitlines()) - 1) == (0 if found else 1, found)


def test_what_cannot_be_used_is_one_line(command: Command, streams: Streams) -> None:
    assert command("show", "no-id")[0] == 1
    code, told = command("retry")
    assert (code, told.count("\n")) == (2, 1)
    assert "say which" in told
    streams.reject([Rejection("x", "x", "", "", b"{}", "os")], NOW)
    assert "still refused: there is no door 'os'" in command("retry", "--all")[1]
