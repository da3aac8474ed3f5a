"""Warnings to SQL: every message as it was taken, append-only; `layers.alert_book` folds what counts from them."""

from collections.abc import Iterable

from sqlalchemy import Connection

from ingest.alert_life import last_end_of
from ingest.arrivals import Arrival
from ingest.records import AlertIssued, encode_record
from ingest.rows.known import split_known
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import alerts, as_ms

COLUMNS = (
    *("source", "event_id", "identifier", "status", "kind", "sent_at", "ends_at", "received_at", "origin", "record"),
)
INSERT_ALERT = insert_sql(alerts, COLUMNS)


def write_alerts(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the alerts among `arrivals` and return those that were there already, which change nothing."""
    issued = (arrival for arrival in arrivals if isinstance(arrival.record, AlertIssued))
    new, repeated = split_known(connection, alerts, issued)
    rows = [_alert_row(arrival.record) for arrival in new.values() if isinstance(arrival.record, AlertIssued)]
    execute_rows(connection, INSERT_ALERT, rows)
    return repeated


def _alert_row(record: AlertIssued) -> Row:
    return (
        record.source,
        record.id,
        record.identifier,
        record.status,
        record.kind,
        as_ms(record.sent),
        as_ms(last_end_of(record)),
        as_ms(record.received_at),
        record.origin,
        encode_record(record).decode(),
    )
