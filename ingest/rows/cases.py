"""Reports and actions to SQL: every one becomes an action; the cases they touch are derived again."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from zlib import crc32

import msgspec
from sqlalchemy import Connection

from ingest.arrivals import Arrival
from ingest.case_state import REPORT, Action, CaseState, first_report, fold_case
from ingest.records import CaseActed, CaseReported
from ingest.rows.known import EventKey, split_known
from ingest.statements import Row, execute_rows, insert_sql, select_by_keys, select_of_keys
from ingest.tables import as_ms, case_actions, cases, reporters

ACTION_COLUMNS = (
    *("case_id", "source", "event_id", "origin", "action", "actor", "unit", "at", "received_at", "note", "details"),
    "waiting",
)
CASE_COLUMNS = (
    *("case_id", "source", "event_id", "origin", "category", "title", "description", "severity", "channel"),
    *("people", "lon", "lat", "cell_code", "media", "reported_at", "received_at"),
    *CaseState._fields,
)
# Any number that nothing else in the same PostgreSQL database locks, and how many locks all cases share.
CASE_LOCK = 330_681_003
CASE_LOCKS = 64
LOCK_CASES = "SELECT pg_advisory_xact_lock(%s, lock) FROM unnest(%s::int[]) AS lock"

# What a report's action keeps in `details`, so that a second report of one case is not lost; never the reporter.
REPORT_DETAILS = (
    "category",
    "title",
    "description",
    "severity",
    "channel",
    "people",
    "lon",
    "lat",
    "cell_code",
    "media",
    "details",
)

INSERT_ACTION = insert_sql(case_actions, ACTION_COLUMNS)
INSERT_REPORTER = insert_sql(reporters, ("source", "event_id", "case_id", "name", "phone", "email"))
UPSERT_CASE = insert_sql(
    cases,
    CASE_COLUMNS,
    "ON CONFLICT (case_id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in CASE_COLUMNS if column != "case_id"),
)
UPDATE_CASE = f"UPDATE cases SET {', '.join(f'{column} = ?' for column in CaseState._fields)} WHERE case_id = ?"
MARK_ARRIVED = "UPDATE case_actions SET waiting = FALSE WHERE waiting AND case_id = ?"
SELECT_REPORTED = select_of_keys(cases, ("case_id",), ("case_id",))
ACTION_FIELDS = [name.removesuffix("_json") for name in Action._fields]
SELECT_ACTIONS = select_of_keys(case_actions, ("case_id", *ACTION_FIELDS), ("case_id",))


class RefusedRecord(ValueError):  # noqa: N818 - it says what happened
    """A record that can never be recorded; the message says why."""


def write_cases(connection: Connection, arrivals: Sequence[Arrival]) -> list[Arrival]:
    """Write the reports and actions among `arrivals` and return those that were there already.

    Raises `RefusedRecord` for an action named `report`: that name is a report's own.
    """
    _lock_cases(connection, arrivals)
    kinds = CaseReported | CaseActed
    of_cases = (arrival for arrival in arrivals if isinstance(arrival.record, kinds))
    unknown, repeated = split_known(connection, case_actions, of_cases)
    new = {key: arrival.record for key, arrival in unknown.items() if isinstance(arrival.record, kinds)}
    if not new:
        return repeated
    reports = {key: record for key, record in new.items() if isinstance(record, CaseReported)}
    touched = {record.case_id for record in new.values()}
    reported = {record.case_id for record in reports.values()}
    known = {str(row[0]) for row in select_by_keys(connection, SELECT_REPORTED, _as_keys(touched - reported))}
    present = known | reported
    execute_rows(connection, INSERT_ACTION, [_action_row(record, present) for record in new.values()])
    execute_rows(connection, INSERT_REPORTER, [_reporter_row(record) for record in reports.values() if record.reporter])
    execute_rows(connection, MARK_ARRIVED, _as_keys(reported))
    _derive_cases(connection, present & touched, reports)
    return repeated


def _lock_cases(connection: Connection, arrivals: Iterable[Arrival]) -> None:
    """Make other recorders wait with the cases of these arrivals, because each case is derived from all its actions.

    A report and its actions may be in two partitions, and so with two recorders, neither of which sees what the
    other has not committed. SQLite has one writer at a time anyway. Locks are few, and taken in one order.
    """
    if connection.dialect.name != "postgresql":
        return
    records = (arrival.record for arrival in arrivals)
    cases = {record.case_id for record in records if isinstance(record, CaseReported | CaseActed)}
    locks = sorted({crc32(case_id.encode()) % CASE_LOCKS for case_id in cases})
    if locks:
        connection.exec_driver_sql(LOCK_CASES, (CASE_LOCK, locks))


def _derive_cases(connection: Connection, case_ids: Iterable[str], new: dict[EventKey, CaseReported]) -> None:
    """Write what the actions of each case make of it; a report among `new` that a case keeps becomes its row."""
    actions: dict[str, list[Action]] = defaultdict(list)
    for row in select_by_keys(connection, SELECT_ACTIONS, _as_keys(case_ids)):
        actions[row[0]].append(Action(*row[1:]))
    inserted: list[Row] = []
    updated: list[Row] = []
    for case_id, of_case in actions.items():
        kept, state = first_report(of_case), fold_case(of_case)
        if kept is None or state is None:
            continue
        report = new.get((kept.source, kept.event_id))
        if report is None:
            updated.append((*state, case_id))
        else:
            inserted.append((*_report_row(report), *state))
    execute_rows(connection, UPSERT_CASE, inserted)
    execute_rows(connection, UPDATE_CASE, updated)


def _as_keys(case_ids: Iterable[str]) -> list[tuple[str]]:
    # Sorted, so that two recorders at once lock rows in one order.
    return [(case_id,) for case_id in sorted(case_ids)]


def _action_row(record: CaseReported | CaseActed, present: set[str]) -> Row:
    if isinstance(record, CaseReported):
        details = {name: getattr(record, name) for name in REPORT_DETAILS}
        action, actor, unit, at, note = REPORT, record.actor, None, record.reported_at, None
    elif record.action == REPORT:
        raise RefusedRecord(f"action must not be {REPORT!r}: a report comes as case.reported")
    else:
        details = record.details
        action, actor, unit, at, note = record.action, record.actor, record.unit, record.at, record.note
    return (
        record.case_id,
        record.source,
        record.id,
        record.origin,
        action,
        actor,
        unit,
        as_ms(at),
        as_ms(record.received_at),
        note,
        msgspec.json.encode(details).decode() if details else "{}",
        record.case_id not in present,
    )


def _report_row(record: CaseReported) -> Row:
    return (
        record.case_id,
        record.source,
        record.id,
        record.origin,
        record.category,
        record.title,
        record.description,
        record.severity,
        record.channel,
        record.people,
        record.lon,
        record.lat,
        record.cell_code,
        msgspec.json.encode(record.media).decode(),
        as_ms(record.reported_at),
        as_ms(record.received_at),
    )


def _reporter_row(record: CaseReported) -> Row:
    assert record.reporter is not None
    reporter = record.reporter
    return (record.source, record.id, record.case_id, reporter.name, reporter.phone, reporter.email)
