"""Exercises in SQL: written append-only, that one began and that somebody ended it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Engine, select

from ingest.arrivals import Arrival
from ingest.records import ExerciseBegun, ExerciseEnded, decode_record, encode_record
from ingest.rows.known import KEY, split_known
from ingest.statements import Row, execute_rows, insert_sql
from ingest.tables import as_ms, exercises

AnyExercise = ExerciseBegun | ExerciseEnded

COLUMNS: Final = (*KEY, "exercise", "at", "received_at", "record")
INSERT: Final = insert_sql(exercises, COLUMNS)


def write_exercises(connection: Connection, arrivals: Iterable[Arrival]) -> list[Arrival]:
    """Write the beginnings and ends among `arrivals` and return those that were there already, which change nothing."""
    told = (arrival for arrival in arrivals if isinstance(arrival.record, AnyExercise))
    new, repeated = split_known(connection, exercises, told)
    records = [arrival.record for arrival in new.values()]
    execute_rows(connection, INSERT, [_as_row(record) for record in records if isinstance(record, AnyExercise)])
    return repeated


def _as_row(record: AnyExercise) -> Row:
    text = encode_record(record).decode()
    return record.source, record.id, record.exercise, as_ms(record.at), as_ms(record.received_at), text


def read_exercises(engine: Engine, since: datetime | None = None) -> list[AnyExercise]:
    """Return what was told of exercises at or after a moment, of all time where none is given, in that order."""
    query = select(exercises.c.record).order_by(exercises.c.at, exercises.c.id)
    if since is not None:
        query = query.where(exercises.c.at >= as_ms(since))
    with engine.connect() as connection:
        records = [decode_record(text.encode()) for text in connection.execute(query).scalars()]
    return [record for record in records if isinstance(record, AnyExercise)]
