"""The steward at work: real ingest, recorder and database, and stewards that come and go."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from cases.__main__ import main
from cases.deadline_table import MOST_ROWS
from cases.duties import Deed
from cases.fold import CaseState, fold, read_step
from cases.rulebook import Rulebook, read_rulebook
from cases.steward import Steward, keep_looking, make_event
from geo.county import County
from geo.pack import Name
from ingest.answers import CaseAction
from ingest.arrivals import Arrival
from ingest.case_state import STEWARD, STEWARD_SOURCE
from ingest.door import Door
from ingest.history import read_case
from ingest.migrations import upgrade_database
from ingest.reasons import Reason, read_reason
from ingest.records import CaseActed, CaseReported
from ingest.rows.cases import write_cases
from ingest.rows.deadlines import read_deadlines, write_deadlines
from ingest.sender import CloudEvent
from ingest.signs import LifeSign
from ingest.store import open_database
from ingest.supervisor import EXIT_HOPELESS
from ingest.tables import as_ms
from tests.appliance import KEY, Appliance, act, report, wait_for

LON, LAT = 120.376, 29.684
MANUAL = "0107"
"""A class that no rule dispatches by itself, at whatever hour the test runs."""


@pytest.fixture(scope="module")
def rulebook(county: County) -> Rulebook:
    return read_rulebook(county)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, demo_folder: Path) -> Iterator[Appliance]:
    """The product with its steward; each test has cases of its own."""
    folder = tmp_path_factory.mktemp("steward") / "data"
    appliance = Appliance(folder, demo_folder, {"STEWARD": "1"}).start()
    yield appliance
    assert appliance.stop() == 0


class Books:
    """What SQL says of cases."""

    def __init__(self, appliance: Appliance, rulebook: Rulebook) -> None:
        self.engine = open_database(f"sqlite:///{appliance.data_dir.resolve() / 'county.db'}", read_only=True)
        self._rulebook = rulebook

    def actions(self, case_id: str) -> list[CaseAction]:
        file = read_case(self.engine, case_id)
        return [] if file is None else [row for row in file.actions if row.action != "report"]

    def state(self, case_id: str) -> CaseState:
        file = read_case(self.engine, case_id)
        assert file is not None
        flow = self._rulebook.flow_of(file.case.category)
        return fold(flow, (read_step(row) for row in file.actions if row.action != "report"))

    def names(self, case_id: str) -> list[str]:
        """The actions of a case that counted, in order."""
        if not self.actions(case_id):
            return []
        void = self.state(case_id).overtaken
        return [row.action for row in self.actions(case_id) if f"{row.source} {row.event_id}" not in void]

    def wait_for(self, case_id: str, *names: str) -> None:
        wait_for(lambda: self.names(case_id)[-len(names) :] == list(names), 30, f"{names} of {case_id}")


@pytest.fixture(scope="module")
def books(running: Appliance, rulebook: Rulebook) -> Books:
    return Books(running, rulebook)


def test_an_automatic_rule_dispatches_a_report_by_itself(running: Appliance, books: Books) -> None:
    assert running.post(report("S-1", LON, LAT))["accepted"] == 1
    books.wait_for("S-1", "accept", "file", "dispatch")
    state = books.state("S-1")
    assert (state.state, state.unit, state.grade, state.irregular, state.overtaken) == (
        "dispatched",
        "U02",
        None,
        (),
        (),
    )
    last = books.actions("S-1")[-1]
    assert (last.actor, last.source, last.details["rule"]) == (STEWARD, STEWARD_SOURCE, "dispatch:cleaning")
    reason = read_reason(last.details)
    assert reason is not None and last.note is None
    assert (reason.code, reason.rule.zh) == ("dispatch", "保洁类直派环卫所")
    told = {lang: running.get(f"/api/cases/S-1?lang={lang}")["actions"][-1]["note"] for lang in ("zh", "en")}
    assert told == {"zh": "自动派遣：保洁类直派环卫所", "en": f"Dispatched by itself: {reason.rule.en}"}


def test_what_a_worker_found_is_the_workers_and_closes_without_a_yes(running: Appliance, books: Books) -> None:
    running.post(report("S-2", LON, LAT, channel="grid_worker", severity=4))
    running.post(act("S-2", "self_handle", note="已清理"))
    books.wait_for("S-2", "self_handle", "close")
    assert books.state("S-2").version == 2


def test_a_major_case_goes_to_all_units_at_once(running: Appliance, books: Books) -> None:
    running.post(report("S-3", LON, LAT, category="0403", severity=1))
    books.wait_for("S-3", "grade", "accept", "file", "dispatch", "join")
    state = books.state("S-3")
    assert (state.grade, state.unit, state.level) == ("major", "U09", "county")
    assert [part.unit for part in state.parts] == ["U05", "U15"]


def test_a_unit_that_handed_back_is_not_proposed_again(running: Appliance, books: Books) -> None:
    running.post(report("S-4", LON, LAT))
    books.wait_for("S-4", "dispatch")
    running.post(act("S-4", "hand_back", note="不属于本单位职责", unit="U02"))
    books.wait_for("S-4", "hand_back")
    told = wait_for(lambda: seen if (seen := running.get("/api/cases/S-4"))["state"] == "filed" else None)
    assert told["proposal"]["unit"] != "U02"
    assert "U02" not in [unit["code"] for unit in told["proposal"]["units"]]
    assert [(each["unit"], each["reason"]) for each in told["proposal"]["handed_back"]] == [("U02", "不属于本单位职责")]
    # From here on it is a person's to say.
    running.post(report("S-4b", LON, LAT))
    books.wait_for("S-4b", "dispatch")
    assert books.names("S-4")[-1] == "hand_back"


def test_an_overdue_case_gets_its_card_once_and_goes_up(running: Appliance, books: Books) -> None:
    long_ago = (datetime.now(UTC) - timedelta(days=20)).isoformat()
    running.post(report("S-5", LON, LAT, channel="grid_worker", category=MANUAL, reported_at=long_ago))
    books.wait_for("S-5", "supervise", "escalate", "escalate")
    state = books.state("S-5")
    assert (state.card, state.level, state.responded_ms) == ("red", "county", None)
    running.post(act("S-5", "lift_card", note="已约谈"))
    books.wait_for("S-5", "lift_card")
    running.post(report("S-5b", LON, LAT))
    books.wait_for("S-5b", "dispatch")
    assert books.names("S-5").count("supervise") == 1


def test_invented_and_old_cases_are_left_alone(running: Appliance, books: Books) -> None:
    running.post(report("S-6", LON, LAT) | {"origin": "simulated"})
    old = (datetime.now(UTC) - timedelta(days=70)).isoformat()
    running.post(report("S-7", LON, LAT, reported_at=old))
    running.post(report("S-8", LON, LAT))
    books.wait_for("S-8", "dispatch")
    assert books.names("S-6") == books.names("S-7") == []


def test_many_stewards_that_are_killed_do_nothing_twice(running: Appliance, books: Books, rulebook: Rulebook) -> None:
    """Three look at the same cases all the time, and the one that is a process is killed in between."""
    stop = threading.Event()
    doors = [Door(running.ingest_url, KEY) for _ in range(2)]
    writer = open_database(str(books.engine.url))
    others = [
        threading.Thread(
            target=keep_looking, args=(Steward(rulebook, books.engine, writer, door), stop, LifeSign(None, STEWARD))
        )
        for door in doors
    ]
    for other in others:
        other.start()
    ids = [f"S-9-{number}" for number in range(8)]
    try:
        for number, case_id in enumerate(ids):
            running.post(report(case_id, LON, LAT, category="0401", severity=2))
            if number == len(ids) // 2:
                running.parts()["steward"].kill()
        for case_id in ids:
            books.wait_for(case_id, "grade", "accept", "file", "dispatch", "join")
    finally:
        stop.set()
        for other in others:
            other.join()
        for door in doors:
            door.close()
        writer.dispose()
    wait_for(lambda: "steward" in running.parts(), 40, "the steward's new process")
    running.post(report("S-9", LON, LAT))
    books.wait_for("S-9", "dispatch")  # all three have had their say by now
    for case_id in ids:
        assert books.names(case_id) == ["grade", "accept", "file", "dispatch", "join"]
        assert books.state(case_id).irregular == ()
    assert running.health()["parts"]["processes"]["steward"]["state"] == "ok"


def test_a_person_who_is_faster_wins(running: Appliance, books: Books, rulebook: Rulebook, county: County) -> None:
    """A steward that looked before a person acted asks for what is no longer true, and is overtaken."""
    running.post(report("S-10", LON, LAT, channel="grid_worker", category="0199", severity=4))
    running.post(act("S-10", "void", note="不属实"))
    books.wait_for("S-10", "void")
    event = make_event(
        "S-10", 0, Deed("accept", "dispatch:x", Reason(code="forward", rule=Name("迟到的", "late"))), datetime.now(UTC)
    )
    door = Door(running.ingest_url, KEY)
    assert door.post([event]) == {} and door.post([event]) == {}
    door.close()
    wait_for(lambda: len(books.actions("S-10")) == 2)
    state = books.state("S-10")
    assert (state.state, state.version, len(state.overtaken), state.irregular) == ("voided", 1, 1, ())


class Notebook(Door):
    """Notes what would be posted, and refuses what it is told to."""

    def __init__(self, refuses: str = "") -> None:
        super().__init__("http://127.0.0.1:9", KEY)
        self.events: list[CloudEvent] = []
        self._refuses = refuses

    def post(self, events: Sequence[CloudEvent]) -> dict[int, str]:
        self.events += events
        return {index: "no" for index, event in enumerate(events) if event.data["case_id"] == self._refuses}


def record(engine: Engine, *records: CaseReported | CaseActed) -> None:
    arrivals = [Arrival(0, f"0-{number}", record) for number, record in enumerate(records)]
    with engine.begin() as connection:
        write_cases(connection, arrivals)


def reported(number: int, at: datetime, **changes: Any) -> CaseReported:
    told: dict[str, Any] = {"origin": "live", "category": MANUAL, "severity": 3, "channel": "grid_worker"} | changes
    case_id = f"C-{number:02d}"
    return CaseReported(
        source="urn:tests",
        id=case_id,
        case_id=case_id,
        title="x",
        reported_at=at,
        received_at=at,
        **told,
    )


def test_an_old_database_is_worked_off_and_not_flooded(engine: Engine, rulebook: Rulebook) -> None:
    now = datetime.now(UTC)
    late = now - timedelta(days=30)
    record(engine, *(reported(number, late, severity=4 if number < 15 else 3) for number in range(25)))
    record(engine, reported(25, late, origin="simulated"), reported(26, now - timedelta(days=61)), reported(27, now))
    notebook = Notebook()
    steward = Steward(rulebook, engine, engine, notebook)
    assert [steward.look(now) for _ in range(5)] == [10, 10, 5, 0, 0]
    assert len({event.id for event in notebook.events}) == 25
    assert {event.data["case_id"] for event in notebook.events[:10]} == {f"C-{number}" for number in range(15, 25)}
    everywhere = Notebook()
    invented_too = Steward(rulebook, engine, engine, everywhere, simulated=True)
    assert sum(invented_too.look(now) for _ in range(5)) == 26
    assert {event.id for event in notebook.events} < {event.id for event in everywhere.events}


def test_what_changed_is_seen_and_what_ended_is_let_go(engine: Engine, rulebook: Rulebook) -> None:
    now = datetime.now(UTC)
    notebook = Notebook()
    steward = Steward(rulebook, engine, engine, notebook)
    assert steward.look(now) == 0
    record(engine, reported(1, now, severity=1))
    assert steward.look(now) == 1
    grade = notebook.events[0].data
    assert (grade["action"], grade["expects"], grade["actor"]) == ("grade", 0, STEWARD)

    def acted(action: str, expects: int | None = None, **details: Any) -> CaseActed:
        said = details if expects is None else {**details, "expects": expects}
        return CaseActed(
            source="urn:tests",
            id=action,
            received_at=now,
            case_id="C-01",
            action=action,
            actor="wang",
            at=now,
            details=said,
        )

    record(engine, acted("grade", 0, grade="major"))
    assert steward.look(now) == 1
    assert [event.data["action"] for event in notebook.events] == ["grade", "accept"]
    record(engine, acted("void", note="x"))
    assert [steward.look(now) for _ in range(3)] == [0, 0, 0]


def test_what_ingest_refuses_is_said_once(engine: Engine, rulebook: Rulebook, caplog: pytest.LogCaptureFixture) -> None:
    now = datetime.now(UTC)
    record(engine, reported(1, now, severity=1), reported(2, now, severity=1))
    steward = Steward(rulebook, engine, engine, Notebook("C-01"))
    assert [steward.look(now) for _ in range(3)] == [2, 0, 0]
    assert steward.deeds == 1
    assert [record.message for record in caplog.records] == ["ingest refused grade by rule grade:severity: no"]


FRIDAY = datetime(2026, 11, 20, 2, tzinfo=UTC)  # 10:00 in the demo county
RUBBLE = "0103"
"""Two working days in all."""


def done(case_id: str, action: str, at: datetime, **details: Any) -> CaseActed:
    said: dict[str, Any] = {"id": f"{case_id} {action}", "actor": "wang", "received_at": at, "details": details}
    return CaseActed(source="urn:tests", case_id=case_id, action=action, at=at, **said)


def test_the_deadline_of_an_open_case_is_in_sql_for_others_to_tell(engine: Engine, rulebook: Rulebook) -> None:
    steward = Steward(rulebook, engine, engine, Notebook())
    day, hour = timedelta(days=1), timedelta(hours=1)

    def after(at: datetime, *records: CaseReported | CaseActed) -> dict[str, int]:
        record(engine, *records)
        steward.look(at)
        return read_deadlines(engine)

    monday = FRIDAY + 3 * day
    tuesday = FRIDAY + 4 * day
    assert after(FRIDAY, reported(1, FRIDAY, category=RUBBLE)) == {"C-01": as_ms(tuesday)}  # over a weekend
    to_unit = [done("C-01", action, FRIDAY) for action in ("accept", "file", "dispatch")]
    assert after(FRIDAY, *to_unit) == {"C-01": as_ms(tuesday)}
    assert after(monday, done("C-01", "suspend", monday, note="x")) == {}
    assert after(monday + hour, done("C-01", "resume", monday + hour)) == {"C-01": as_ms(tuesday + hour)}
    more = done("C-01", "extend", monday + hour, note="x", extra={"amount": 1, "unit": "working_days"})
    assert after(monday + hour, more) == {"C-01": as_ms(tuesday + day + hour)}

    # One that comes after reads what is there; had it anything to write, it could not.
    reader = open_database(engine.url.render_as_string(hide_password=False), read_only=True)
    Steward(rulebook, reader, reader, Notebook()).look(monday + hour)
    reader.dispose()

    assert after(tuesday, done("C-01", "void", tuesday, note="x")) == {}


def test_many_deadlines_are_written_bit_by_bit_and_stale_ones_go(engine: Engine, rulebook: Rulebook) -> None:
    record(engine, *(reported(number, FRIDAY, category=RUBBLE) for number in range(MOST_ROWS + 1)))
    record(engine, reported(MOST_ROWS + 1, FRIDAY, category="a class without a limit"))
    with engine.begin() as connection:
        write_deadlines(connection, {"C-00": 1, "ended while nobody looked": 2})
    steward = Steward(rulebook, engine, engine, Notebook())
    steward.look(FRIDAY)
    assert len(read_deadlines(engine)) <= MOST_ROWS
    steward.look(FRIDAY)
    due_ms = as_ms(FRIDAY + timedelta(days=4))
    assert read_deadlines(engine) == {f"C-{number:02d}": due_ms for number in range(MOST_ROWS + 1)}


@pytest.mark.parametrize("away", ["database", "ingest"])
def test_what_is_away_is_waited_for_and_said_once(
    away: str, rulebook: Rulebook, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "cases.steward")
    url = f"sqlite:///{tmp_path / 'county.db'}"
    if away == "ingest":
        upgrade_database(url)
        writer = open_database(url)
        record(writer, reported(1, datetime.now(UTC), severity=1))
        writer.dispose()
    engine, stop = open_database(url, read_only=True), threading.Event()
    looks: list[str | None] = []

    class Counted(LifeSign):
        def tell(self, trouble: str | None) -> None:
            looks.append(trouble)
            if len(looks) == 3:
                stop.set()

    writer = open_database(url)
    keep_looking(Steward(rulebook, engine, writer, Door("http://127.0.0.1:9", KEY)), stop, Counted(None, STEWARD))
    said = {"database": "the database is away: OperationalError", "ingest": "ingest: ConnectError"}[away]
    assert looks == [said] * 3
    assert [record.message for record in caplog.records] == [said]
    engine.dispose()
    writer.dispose()


def test_a_bad_setting_or_pack_ends_it_for_good(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STEWARD", "sometimes")
    assert main(["steward"]) == EXIT_HOPELESS
    monkeypatch.setenv("STEWARD", "1")
    monkeypatch.setenv("COUNTY", str(tmp_path))
    assert main(["steward"]) == EXIT_HOPELESS
