"""Senders: made, listed, renewed and removed on the command line; found by key; bound by feed and area."""

import itertools
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingest.keys import digest_key, make_key
from ingest.records import AlarmRaised, AnyRecord, CaseActed, Reading, WorkerLocated
from ingest.sender_file import Enrolment, SenderFileError, change_enrolments, read_enrolments
from ingest.senders import LOCAL, Sender, Senders

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingest", "senders", *words],
        cwd=ROOT,
        env={**os.environ, "DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_sender_lives_on_the_command_line(tmp_path: Path) -> None:
    added = command(tmp_path, "add", "bins-1", "--feeds", "waste, cases", "--areas", "330681001", "--rate", "2.5")
    assert added.returncode == 0, added.stderr
    key = added.stdout.split()[-1]
    file = tmp_path / "senders.toml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert key not in file.read_text()
    listed = command(tmp_path, "list").stdout
    assert "bins-1\twaste,cases\t330681001\t2.5 events/s" in listed
    assert key not in listed
    assert Senders(file, "l").find(key) == Sender("bins-1", frozenset({"waste", "cases"}), ("330681001",), 2.5)
    assert command(tmp_path, "add", "bins-1").returncode == 1
    renewed = command(tmp_path, "renew", "bins-1").stdout.split()[-1]
    senders = Senders(file, "l")
    assert senders.find(key) is None
    found = senders.find(renewed)
    assert found is not None
    assert found.events_per_s == 2.5
    assert command(tmp_path, "remove", "bins-1").returncode == 0
    assert Senders(file, "l").find(renewed) is None
    assert command(tmp_path, "remove", "bins-1").stderr == "county-brain: there is no sender bins-1\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["add", "Bins"], "'Bins'"),
        (["add", "local"], "local"),
        (["add", "a", "--areas", "town"], "areas"),
        (["add", "a", "--feeds", "what ever"], "feeds"),
        (["add", "a", "--rate", "0"], "events_per_s"),
    ],
)
def test_what_makes_no_sense_is_named_and_not_written(tmp_path: Path, words: list[str], named: str) -> None:
    said = command(tmp_path, *words)
    assert said.returncode == 1
    assert named in said.stderr
    assert "Traceback" not in said.stderr
    assert not (tmp_path / "senders.toml").exists()


def enrol(path: Path, **keys: str) -> None:
    with change_enrolments(path) as enrolments:
        enrolments.clear()
        enrolments.update({name: Enrolment(key_sha256=digest_key(key).hex()) for name, key in keys.items()})


def test_a_changed_file_counts_within_a_second_and_not_before(tmp_path: Path) -> None:
    path, now = tmp_path / "senders.toml", [0.0]
    senders = Senders(path, "local-key", lambda: now[0])
    assert senders.find("local-key") is LOCAL
    enrol(path, a="key-a")
    assert senders.find("key-a") is None
    now[0] = 1.0
    assert senders.find("key-a") == Sender("a")
    enrol(path, b="key-b")
    now[0] = 2.0
    assert (senders.find("key-a"), senders.find("key-b")) == (None, Sender("b"))


@pytest.mark.parametrize("damage", ["[a", '[a]\nkey_sha256 = "12"', "[a]\nkey = 1", b"\xff", None])
def test_a_broken_file_changes_nothing_and_is_said(tmp_path: Path, damage: str | bytes | None) -> None:
    path, now = tmp_path / "senders.toml", itertools.count(0.0, 2.0)
    enrol(path, a="key-a")
    senders = Senders(path, "local-key", lambda: next(now))
    assert senders.fault is None
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage if isinstance(damage, bytes) else damage.encode())
    assert senders.find("key-a") == Sender("a")
    assert senders.fault
    assert str(path) in senders.fault
    path.write_text("")
    assert senders.find("key-a") is None
    assert senders.fault is None


def test_no_two_senders_have_one_key_and_none_is_called_local(tmp_path: Path) -> None:
    path = tmp_path / "senders.toml"
    enrol(path, a="key", b="key")
    with pytest.raises(SenderFileError, match="a and b have the same key"):
        read_enrolments(path)
    path.write_text(f'[local]\nkey_sha256 = "{digest_key(make_key()).hex()}"\n')
    with pytest.raises(SenderFileError, match="local"):
        read_enrolments(path)


def reading(feed: str = "waste", cell: str | None = "330681001002003") -> Reading:
    return Reading(
        source="s", id="1", received_at=NOW, feed=feed, asset_id="a", observed_at=NOW, lon=120, lat=29, cell_code=cell
    )


ACTION = CaseActed(source="s", id="1", received_at=NOW, case_id="c", action="accept", actor="a", at=NOW)
ALARM = AlarmRaised(source="s", id="1", received_at=NOW, alarm_id="a", severity=1, subject="s", at=NOW)
LOCATED = WorkerLocated(source="s", id="1", received_at=NOW, worker_id="w", at=NOW, on_duty=True, lon=120, lat=29)


@pytest.mark.parametrize(
    ("sender", "record", "named"),
    [
        (Sender("a"), ACTION, None),
        (Sender("a", feeds=frozenset({"waste"})), reading(), None),
        (Sender("a", feeds=frozenset({"waste"})), reading("air"), "air"),
        (Sender("a", feeds=frozenset({"waste"})), ALARM, "alarms"),
        (Sender("a", areas=("330681001",)), reading(), None),
        (Sender("a", areas=("330681001", "330681002")), reading(cell="330681003001001"), "330681003001001"),
        (Sender("a", areas=("330681001",)), reading(cell=None), "outside the county"),
        (Sender("a", areas=("330681001",)), LOCATED, "outside the county"),
        # What has no place passes areas only where the feeds name it.
        (Sender("a", areas=("330681001",)), ACTION, "without a place"),
        (Sender("a", areas=("330681001",)), ALARM, "without a place"),
        (Sender("a", feeds=frozenset({"cases"}), areas=("330681001",)), ACTION, None),
    ],
)
def test_a_sender_is_bound_by_feed_and_area(sender: Sender, record: AnyRecord, named: str | None) -> None:
    objection = sender.find_objection(record)
    assert (objection is None) if named is None else (objection is not None and named in objection)
