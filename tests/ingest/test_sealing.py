"""Who reported a case is in clear nowhere but in the answer to somebody who may know: keys, places, files, commands."""

import json
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest
from sqlalchemy import Engine

from geo.county import County
from ingest.__main__ import main
from ingest.answers import Reporter
from ingest.backups.backup import back_up
from ingest.backups.restore import restore
from ingest.connectors import Delivery, http_events, open311
from ingest.embedded import start_redis
from ingest.history import read_reporters
from ingest.migrations import upgrade_database
from ingest.personal import IN_CLEAR, SEALED, count_by_key, seal_all
from ingest.pipeline import Preparation, as_connector
from ingest.recorder import Recorder
from ingest.records import CaseReported, ShiftPlanned
from ingest.rejected.retrying import Outcome, Retrial
from ingest.rejected.stream import RejectedStream, open_body
from ingest.rows.rounds import CarePerson, open_person, read_persons, replace_persons, seal_person
from ingest.rows.shifts import Duty, read_roster
from ingest.sealing import (
    FILE,
    MARK,
    SEAL_BYTES,
    Keyring,
    Unreadable,
    find_keyring,
    locate_keys,
    provide_keyring,
    renew_key,
    seal_phone,
    seal_reporter,
)
from ingest.senders import Sender
from ingest.settings import SettingError, Settings, read_settings
from ingest.store import name_database, open_database
from ingest.stream import KEEP_BODY_BYTES, Streams, connect
from ingest.tables import metadata, reporters
from tests.appliance import ROOT, envelope, report
from tests.ingest.samples import NOON, Writer, read_rows
from tests.ingest.samples import report as report_record
from tests.ingest.serving import Ingest

PERSON = {"name": "何翠英", "phone": "13905750001", "email": "hecuiying@example.org"}
SECRETS = [secret.encode() for secret in PERSON.values()] + [json.dumps(PERSON["name"])[1:-1].encode()]


def point(county: County) -> tuple[float, float]:
    inside = county.cells.geometry.iloc[0].representative_point()
    return inside.x, inside.y


def test_what_is_sealed_opens_in_its_place_only() -> None:
    keyring = Keyring.make()
    sealed = keyring.seal("13905750001", "hotline", "r1", "phone")
    assert sealed.startswith(f"{MARK}{keyring.keys[0].id}.")
    assert keyring.seal("13905750001", "hotline", "r1", "phone") != sealed
    assert keyring.open(sealed, "hotline", "r1", "phone") == "13905750001"
    for place in [
        ("hotline", "r2", "phone"),
        ("app", "r1", "phone"),
        ("hotline", "r1", "name"),
        ("hotline", "r1phone"),
    ]:
        with pytest.raises(Unreadable, match="altered, or moved"):
            keyring.open(sealed, *place)
    with pytest.raises(Unreadable, match="cannot be read with this key"):
        Keyring.make().open(sealed, "hotline", "r1", "phone")
    assert keyring.open("13905750001", "hotline", "r1", "phone") == "13905750001"  # of before there were keys


def test_no_altered_text_opens_and_none_crashes() -> None:
    keyring = Keyring.make()
    sealed = keyring.seal("张三丰", "a", "b", "name")
    body = keyring.seal_bytes(b"\x00\xffbody", "a", "b", "body")
    assert len(body) == len(b"\x00\xffbody") + SEAL_BYTES
    assert keyring.open_bytes(body, "a", "b", "body") == b"\x00\xffbody"
    altered = 0
    for place in range(len(MARK), len(sealed)):
        for char in "A0.":
            changed = f"{sealed[:place]}{char}{sealed[place + 1 :]}"
            try:
                assert keyring.open(changed, "a", "b", "name") == "张三丰"  # base64's last bits mean nothing
            except Unreadable:
                altered += 1
    assert altered > 2 * (len(sealed) - len(MARK) - 2)
    for short in range(len(MARK), len(sealed) - 2):
        with pytest.raises(Unreadable):
            keyring.open(sealed[:short], "a", "b", "name")
    for short in range(len(MARK), len(body)):
        with pytest.raises(Unreadable):
            keyring.open_bytes(body[:short], "a", "b", "body")


def test_a_sender_cannot_pass_a_sealed_text_off_as_somebodys() -> None:
    """A text that looks sealed is sealed like any other, so what comes out is what went in."""
    keyring = Keyring.make()
    stolen = keyring.seal("13905750001", "hotline", "r1", "phone")
    record = report_record("c1", reporter=None)
    record.reporter = type(report_record("c").reporter)(phone=stolen)  # type: ignore[misc]
    seal_reporter(keyring, record)
    assert record.reporter is not None and record.reporter.phone is not None
    assert keyring.open(record.reporter.phone, record.source, record.id, "phone") == stolen


def test_the_key_is_made_once_and_is_for_its_owner_only(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data")
    assert find_keyring(settings).keys == ()
    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(lambda _: provide_keyring(settings), range(32)))
    assert {ring.keys[0].id for ring in rings} == {find_keyring(settings).keys[0].id}
    assert [path.name for path in settings.data_dir.iterdir()] == [FILE]
    assert stat.S_IMODE((settings.data_dir / FILE).stat().st_mode) == 0o600
    elsewhere = read_settings({"DATA_DIR": str(tmp_path), "PERSONAL_KEY_FILE": str(tmp_path / "safe" / "key")})
    assert provide_keyring(elsewhere).keys[0].id == find_keyring(elsewhere).keys[0].id
    assert locate_keys(read_settings(elsewhere.as_environ())) == tmp_path / "safe" / "key"


def test_processes_that_start_at_once_share_one_key(tmp_path: Path) -> None:
    told = "import sys; from pathlib import Path; from ingest.settings import Settings; from ingest import sealing; "
    told += "print(sealing.provide_keyring(Settings(data_dir=Path(sys.argv[1]))).keys[0].id)"
    words = [sys.executable, "-c", told, str(tmp_path / "data")]
    started = [subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(3)]
    assert len({process.communicate()[0] for process in started}) == 1


def test_a_renewed_key_is_noticed_and_the_old_ones_go_on_opening(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    running = provide_keyring(settings)
    old, identity = running.seal("张三", "a", "b", "name"), running.secret
    renewed = renew_key(settings)
    assert len(renewed.keys) == 2
    new = running.seal("张三", "a", "b", "name")
    assert new.startswith(MARK + renewed.keys[-1].id) and not old.startswith(MARK + renewed.keys[-1].id)
    assert [ring.open(text, "a", "b", "name") for ring in (running, renewed) for text in (old, new)] == ["张三"] * 4
    assert running.secret == identity
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    (tmp_path / FILE).write_text("# nothing\n")
    assert running.open(new, "a", "b", "name") == "张三"
    (tmp_path / FILE).unlink()
    assert running.open(new, "a", "b", "name") == "张三"


@pytest.mark.parametrize(("content", "reason"), [("", "has no key"), ("# x\nAAAA\n", "line 2"), ("é" * 43, "line 1")])
def test_a_bad_file_is_said_and_not_written_over(tmp_path: Path, content: str, reason: str) -> None:
    (tmp_path / FILE).write_text(content)
    for read in (provide_keyring, find_keyring):
        with pytest.raises(SettingError, match=reason):
            read(Settings(data_dir=tmp_path))
    assert (tmp_path / FILE).read_text() == content


def test_the_identity_of_a_form_does_not_give_its_person_away(county: County) -> None:
    """Who knows all of a form but the phone cannot find that by computing identities for every phone."""
    lon, lat = point(county)
    form = f"service_code=0102&lat={lat}&long={lon}&phone=13905750001".encode()
    delivery = Delivery(body=form, received_at=datetime.now(UTC), content_type=open311.ALONE)

    def identify(keyring: Keyring) -> str:
        (record,) = open311.parse(delivery, Preparation(county, 4, keyring).reception).items
        assert isinstance(record, CaseReported)
        return record.id

    mine = Keyring.make()
    assert identify(mine) == identify(mine)
    assert identify(mine) != identify(Keyring.make())


@pytest.fixture
def ingest(tmp_path: Path, demo_folder: Path) -> Iterator[Ingest]:
    folder = tmp_path / "data"
    folder.mkdir()
    running = Ingest(folder, demo_folder)
    yield running
    running.stop()


def send_persons(ingest: Ingest, county: County) -> None:
    """Send a report that is taken, and three that are not: of no class, of no kind, and no JSON."""
    lon, lat = point(county)
    good = report("C1", lon, lat, reporter=PERSON)
    told = ingest.post(
        b"\n".join(
            [
                json.dumps(good).encode(),
                json.dumps(report("C2", lon, lat, reporter=PERSON, category="0977")).encode(),
                json.dumps(envelope("case.imagined", "C3", {"reporter": PERSON}), ensure_ascii=False).encode(),
                json.dumps(report("C4", lon, lat, reporter=PERSON), ensure_ascii=False).encode()[:-2],
            ]
        )
    )
    assert (told["accepted"], len(told["rejected"])) == (1, 3)


def test_nothing_at_rest_tells_who_reported(
    ingest: Ingest, county: County, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    send_persons(ingest, county)
    settings = Settings(data_dir=ingest.folder, redis_url=ingest.redis.url, county=county.folder)
    client, engine = connect(ingest.redis.url), open_database(name_database(settings))
    upgrade_database(name_database(settings))
    streams = Streams(client, 4)
    (message,) = [message for partition in range(4) for message in streams.read_first(partition, 9)]
    assert MARK.encode() in message.record
    refused = list(RejectedStream(streams).read())
    keyring = find_keyring(settings)
    assert [PERSON["phone"].encode() in open_body(each.rejection, keyring) for each in refused] == [True] * 3
    recorder = Recorder(streams, engine)
    while recorder.step():
        pass

    assert read_reporters(engine, "C1", keyring) == [Reporter(**PERSON)]
    (told,) = read_reporters(engine, "C1", Keyring.make())
    assert (told.name, told.phone) == (None, None)
    assert "cannot be read with this key" in str(told.unreadable)

    (ingest.folder / "audit.head").write_text("of a later moment than the rows")
    back_up(tmp_path / "plain.backup", settings)
    back_up(tmp_path / "with-key.backup", settings, with_personal_key=True)
    client.bgrewriteaof()
    engine.dispose()
    ingest.stop()
    for path in ingest.folder.rglob("*"):
        if path.is_file():
            assert not any(secret in path.read_bytes() for secret in SECRETS), path
    with ZipFile(tmp_path / "plain.backup") as archive, ZipFile(tmp_path / "with-key.backup") as with_key:
        assert not {f"files/{FILE}", "files/audit.head"} & set(archive.namelist())
        assert f"files/{FILE}" in with_key.namelist()
        for name in archive.namelist():
            assert not any(secret in archive.read(name) for secret in SECRETS), name
        assert PERSON["phone"].encode() not in b"".join(map(with_key.read, with_key.namelist()))

    for name, readable in (("plain", False), ("with-key", True)):
        server = start_redis(tmp_path / f"redis-{name}")
        there = Settings(data_dir=tmp_path / name, redis_url=server.url)
        restore(tmp_path / f"{name}.backup", there)
        restored = open_database(name_database(there))
        (told,) = read_reporters(restored, "C1", find_keyring(there))
        assert (told == Reporter(**PERSON)) is readable
        assert (told.unreadable is None) is readable
        assert stat.S_IMODE((there.data_dir / FILE).stat().st_mode) == 0o600 if readable else True
        restored.dispose()
        server.stop()


def test_what_was_refused_is_shown_and_tried_again(
    ingest: Ingest, county: County, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    send_persons(ingest, county)
    streams = Streams(connect(ingest.redis.url), 4)
    for name, value in ingest.environ.items():
        monkeypatch.setenv(name, value)
    refused = next(each for each in RejectedStream(streams).read() if each.rejection.id == "C2")
    keys, aside = ingest.folder / FILE, ingest.folder / "aside"

    assert main(["rejected", "show", refused.stream_id, "--raw"]) == 0
    assert json.loads(capfdbinary.readouterr().out)["data"]["reporter"] == PERSON
    keys.rename(aside)
    assert main(["rejected", "show", refused.stream_id]) == 0
    out = capfdbinary.readouterr().out.decode()
    assert "cannot be read with this key" in out and PERSON["phone"] not in out
    assert main(["rejected", "show", refused.stream_id, "--raw"]) == 2
    assert capfdbinary.readouterr().out == b""

    new = {"code": "0977", "zh": "新", "en": "new", "platform": "x"}
    known = replace(county, settings=county.settings | {"categories": [*county.settings["categories"], new]})
    outcome = Retrial(streams, Preparation(known, 4, Keyring.make()), {}).retry(refused)
    assert outcome.fate == "still refused" and "cannot be read with this key" in outcome.reason
    aside.rename(keys)
    keyring = provide_keyring(Settings(data_dir=ingest.folder))
    assert Retrial(streams, Preparation(known, 4, keyring), {}).retry(refused) == Outcome("accepted")
    records = [message.record for partition in range(4) for message in streams.read_first(partition, 9)]
    assert len(records) == 2
    assert not any(secret in record for record in records for secret in SECRETS)


def test_what_is_out_of_scope_is_sealed_and_readings_are_not(county: County) -> None:
    lon, lat = point(county)
    preparation = Preparation(county, 4, Keyring.make())

    def refuse(event: dict[str, Any], sender: Sender) -> Any:
        delivery = Delivery(
            body=json.dumps(event).encode(), received_at=datetime.now(UTC), content_type=http_events.ONE
        )
        (rejection,) = preparation.prepare(as_connector(http_events), delivery, sender).rejections.values()
        return rejection

    bounded = Sender("office", feeds=frozenset({"air"}))
    rejection = refuse(report("C9", lon, lat, reporter=PERSON), bounded)
    assert not any(secret in rejection.body for secret in SECRETS)
    assert b"13905750001" in open_body(rejection, preparation.keyring)
    with pytest.raises(Unreadable):
        open_body(rejection._replace(id="C8"), preparation.keyring)

    reading = {"type": "WasteContainer", "id": "B1", "fillingLevel": 9}
    assert b"fillingLevel" in refuse(envelope("iot.observed", "r1", reading), Sender("local")).body

    huge = refuse(report("C10", lon, lat, title="x" * KEEP_BODY_BYTES), Sender("local"))
    assert len(huge.body) == KEEP_BODY_BYTES
    assert len(open_body(huge, preparation.keyring)) == KEEP_BODY_BYTES - SEAL_BYTES


def test_rows_of_before_are_sealed_and_a_renewal_seals_them_anew(
    engine: Engine,
    database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    writer = Writer(engine)
    writer.write(
        *(report_record(f"c{number}", id=f"r{number}") for number in range(1_203)), report_record("none", reporter=None)
    )
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("DATABASE_URL", database_url)
    settings = read_settings()

    assert count_by_key(engine) == {IN_CLEAR: 2_406}
    assert main(["personal", "status"]) == 1
    assert "personal seal" in capsys.readouterr().out
    assert main(["personal", "seal"]) == 0
    assert capsys.readouterr().out.startswith("1,203 rows sealed")
    first = find_keyring(settings)
    assert count_by_key(engine) == {first.keys[0].id: 2_406}
    assert main(["personal", "status"]) == 0
    assert main(["personal", "seal"]) == 0
    assert "0 rows sealed" in capsys.readouterr().out

    assert main(["personal", "renew-key"]) == 0
    renewed = find_keyring(settings)
    assert count_by_key(engine) == {renewed.keys[1].id: 2_406}
    assert read_reporters(engine, "c7", renewed) == [Reporter("何翠英", "13905750001")]
    assert all(row["name"].startswith(MARK) and row["email"] is None for row in read_rows(engine, reporters))

    assert seal_all(engine, Keyring.make()) == (0, 1_203)
    (tmp_path / "data" / FILE).unlink()
    assert main(["personal", "status"]) == 1
    assert "cannot be read: its key is not here" in capsys.readouterr().out
    if engine.dialect.name == "sqlite":
        engine.dispose()
        for path in tmp_path.glob("county.db*"):
            assert not any(secret in path.read_bytes() for secret in SECRETS), path


def test_roster_and_care_are_sealed_anew_with_a_new_key_too(engine: Engine, tmp_path: Path) -> None:
    """Whatever a person's data is sealed in moves from the old key to the new, and the old key opens nothing then."""
    old = provide_keyring(Settings(data_dir=tmp_path))
    planned = ShiftPlanned(
        source="desk", id="p1", received_at=NOON, date="2026-11-22", shift="early", person="li", at=NOON
    )
    person = CarePerson("p-1", "alone", "330681001001001", "何翠英", "13905750001", "老樟树下 3 号")
    called = msgspec.structs.replace(planned, id="p2", person="he", phone="13905750001")
    seal_phone(old, called)
    case = report_record("c1")
    seal_reporter(old, case)
    Writer(engine).write(case, planned, called, msgspec.structs.replace(called, id="p3", phone="13905750001"))
    replace_persons(engine, [seal_person(old, person), msgspec.structs.replace(person, person="p-2", address=None)])
    assert count_by_key(engine) == {old.keys[0].id: 6, IN_CLEAR: 3}

    new = renew_key(Settings(data_dir=tmp_path))
    assert seal_all(engine, new) == (5, 0)
    assert count_by_key(engine) == {new.keys[1].id: 9}
    only_new = Keyring(new.keys[1:])
    phones = [duty.phone and only_new.open(duty.phone, *duty.sealed_for) for duty in read_duties(engine)]
    assert phones == ["13905750001", None]
    (first, second) = read_persons(engine)
    assert open_person(only_new, first) == {"name": "何翠英", "phone": "13905750001", "address": "老樟树下 3 号"}
    assert open_person(only_new, second)["address"] == ""
    assert read_reporters(engine, "c1", only_new) == [Reporter("何翠英", "13905750001")]
    assert seal_all(engine, new) == (0, 0)
    assert list_sealed(engine) <= {(one.table.name, column) for one in SEALED for column in one.columns}


def test_what_was_written_while_sealing_stays(engine: Engine) -> None:
    """The register was imported anew between reading and writing: the person of before is not put back."""
    before, after = (CarePerson("p-1", "alone", "330681001001001", name) for name in ("何翠英", "张三"))
    replace_persons(engine, [before])

    class Meanwhile(Keyring):
        def seal(self, text: str, *place: str) -> str:
            if text == "何翠英":
                replace_persons(engine, [after])
            return super().seal(text, *place)

    keyring = Meanwhile(Keyring.make().keys)
    seal_all(engine, keyring)
    assert open_person(keyring, read_persons(engine)[0])["name"] == "张三"


def read_duties(engine: Engine) -> list[Duty]:
    return read_roster(engine, date(2026, 11, 22), date(2026, 11, 22), "")


def list_sealed(engine: Engine) -> set[tuple[str, str]]:
    """Every column of the database in which a sealed text is."""
    return {
        (table.name, column)
        for table in metadata.tables.values()
        for row in read_rows(engine, table)
        for column, value in row.items()
        if isinstance(value, str) and value.startswith(MARK)
    }
