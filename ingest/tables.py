"""The SQL tables, and the two functions between their times and Python's.

Every time is BIGINT: milliseconds since 1970-01-01 UTC, on SQLite and PostgreSQL alike. What is variable in
shape (attributes, details, media) is JSON text. Why: `docs/decisions/0002-sql-times-and-ids.md`.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
HOUR_MS = 3_600_000


def as_ms(moment: datetime) -> int:
    """Return an aware datetime as whole milliseconds since 1970 UTC; what is finer is cut off, not rounded."""
    since = moment - EPOCH
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def as_time(ms: int) -> datetime:
    """Return milliseconds since 1970 as an aware UTC datetime."""
    return EPOCH + timedelta(milliseconds=ms)


metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite numbers rows by itself only for a column declared exactly INTEGER, which there holds 64 bits.
ROW_ID = BigInteger().with_variant(Integer(), "sqlite")

# One row a case: the kept report, and what its actions make of it.
cases = Table(
    "cases",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("description", Text),
    Column("severity", Integer, nullable=False),
    Column("channel", Text, nullable=False),
    Column("people", Integer),
    Column("lon", Double),
    Column("lat", Double),
    Column("cell_code", Text),
    Column("media", Text, nullable=False),
    Column("reported_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    # Derived from case_actions by `ingest.case_state.fold_case`.
    Column("last_action", Text, nullable=False),
    Column("last_action_at", BigInteger, nullable=False),
    Column("last_unit", Text),
    Column("closed_at", BigInteger),
    Column("changed_at", BigInteger, nullable=False),  # received_at of the newest of its actions
    Index("ix_cases_reported_at", "reported_at"),
    # Open cases (null) by cell are one stretch of it, cases closed in a time another.
    Index("ix_cases_closed_at_cell_code", "closed_at", "cell_code"),
    Index("ix_cases_changed_at", "changed_at"),
    Index("ix_cases_lon_lat", "lon", "lat"),  # what was dealt with at a place before
)

# Append-only. A report is an action too, so a case is wholly explained by its actions.
case_actions = Table(
    "case_actions",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("case_id", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text),
    Column("unit", Text),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("note", Text),
    Column("details", Text, nullable=False),
    Column("waiting", Boolean, nullable=False),  # its case's report has not come yet
    UniqueConstraint("source", "event_id"),
    Index("ix_case_actions_case_id_at", "case_id", "at"),
    Index("ix_case_actions_received_at", "received_at"),  # what has been done since: Open311's updates
)
Index(
    "ix_case_actions_waiting",
    case_actions.c.case_id,
    sqlite_where=text("waiting"),
    postgresql_where=text("waiting"),
)
Index(
    "ix_case_actions_incidents",
    case_actions.c.case_id,
    case_actions.c.at,
    sqlite_where=text("action = 'begin_incident'"),
    postgresql_where=text("action = 'begin_incident'"),
)

# Until when open cases are to be ended. Derived: only `cases.deadline_table` writes it, and no row is no deadline.
case_deadlines = Table(
    "case_deadlines",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("due_at", BigInteger, nullable=False),
)

# Personal data, apart from everything else; read by `ingest.history.read_reporters` and nothing else.
reporters = Table(
    "reporters",
    metadata,
    Column("source", Text, primary_key=True),
    Column("event_id", Text, primary_key=True),
    Column("case_id", Text, nullable=False, index=True),
    Column("name", Text),
    Column("phone", Text),
    Column("email", Text),
)

readings = Table(
    "readings",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("feed", Text, nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("value", Double),
    Column("unit", Text),
    Column("lon", Double),
    Column("lat", Double),
    Column("cell_code", Text),
    Column("attributes", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("event_hash", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    # Grows with time, so it stays cheap; and it is the index for every range of time.
    UniqueConstraint("observed_at", "event_hash"),
    # On PostgreSQL in partitions by month, where `id` is no key: see `ingest.rows.reading_months`.
    Index(
        "ix_readings_received_at",
        "received_at",
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    ).ddl_if(dialect="postgresql"),
)

latest_readings = Table(
    "latest_readings",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("observed_at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("value", Double),
    Column("unit", Text),
    Column("lon", Double),
    Column("lat", Double),
    Column("cell_code", Text),
    Column("attributes", Text, nullable=False),
    Column("origin", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Hours of UTC. A reading without a value is not counted here.
reading_hours = Table(
    "reading_hours",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("hour_at", BigInteger, primary_key=True, autoincrement=False),
    Column("asset_id", Text, primary_key=True),
    Column("counted", BigInteger, nullable=False),
    Column("total", Double, nullable=False),
    Column("lowest", Double, nullable=False),
    Column("highest", Double, nullable=False),
    Column("last_value", Double, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

workers = Table(
    "workers",
    metadata,
    Column("worker_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("lon", Double),
    Column("lat", Double),
    Column("cell_code", Text),
    Column("on_duty", Boolean, nullable=False),
    Column("origin", Text, nullable=False),
)

# Whether devices are within reach, as they or their broker said last; a later reading says that they are back.
device_states = Table(
    "device_states",
    metadata,
    Column("asset_id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("online", Boolean, nullable=False),
    Column("origin", Text, nullable=False),
)

# One row an alarm: which may matter, without a fold.
alarms = Table(
    "alarms",
    metadata,
    Column("alarm_id", Text, primary_key=True),
    Column("severity", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    Column("note", Text),
    Column("origin", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
    Column("raised_at", BigInteger),
    Column("acked_at", BigInteger),
    Column("acked_by", Text),
    Column("cleared_at", BigInteger),
    Column("cleared_by", Text),
)

# Append-only: what `brain.alarms` folds an alarm from; `details` has all that was said with an action.
alarm_actions = Table(
    "alarm_actions",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("origin", Text, nullable=False),
    Column("alarm_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor", Text),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("details", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_alarm_actions_alarm_id_id", "alarm_id", "id"),
    Index("ix_alarm_actions_at", "at"),
    Index("ix_alarm_actions_received_at", "received_at"),  # what an incident's replay knew of
)

# Append-only: each message of an issuer of warnings as it was taken; what counts is folded from them.
alerts = Table(
    "alerts",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("identifier", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Column("ends_at", BigInteger, nullable=False),  # when all of its hazards are over by its own words
    Column("received_at", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_alerts_sent_at", "sent_at"),
    Index("ix_alerts_ends_at", "ends_at"),
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("stream_id", Text, nullable=False),  # the last entry that is recorded, as Redis writes it
    # Set while a stream that jumped back is read again: up to here, what SQL already has is no duplicate.
    Column("rewound_from", Text),
    Column("recorded_at", BigInteger, nullable=False),
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

# What each sender's feeds brought, by the minute in which it came; lags are from observed to recorded.
feed_minutes = Table(
    "feed_minutes",
    metadata,
    Column("minute_at", BigInteger, primary_key=True, autoincrement=False),
    Column("sender", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("recorded", BigInteger, nullable=False),
    Column("lag_counted", BigInteger, nullable=False),
    Column("lag_total_ms", BigInteger, nullable=False),
    Column("lag_highest_ms", BigInteger, nullable=False),
)

# The same since the beginning; what came newest, the newest moment that it tells of, and readings of a fast clock.
feed_totals = Table(
    "feed_totals",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("feed", Text, primary_key=True),
    Column("recorded", BigInteger, nullable=False),
    Column("late_duplicate", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("observed_at", BigInteger, nullable=False),
    Column("fast_clock", BigInteger, nullable=False),
)

# The recorder's sign of life: when it last looked, and how far it was behind then.
heartbeats = Table(
    "heartbeats",
    metadata,
    Column("part", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("lag_ms", BigInteger, nullable=False),
)

# Append-only: who is to be on duty; of a person, a shift and an area the row with the latest `at` counts.
shift_plans = Table(
    "shift_plans",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("area", Text, nullable=False),  # "" is the county's desk
    Column("date", Text, nullable=False),  # the county's day on which the shift begins, as 2026-11-22
    Column("shift", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("title", Text),
    Column("role", Text),
    Column("phone", Text),  # sealed
    Column("withdrawn", Boolean, nullable=False),
    Column("actor", Text),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_shift_plans_date_area", "date", "area"),
)

# Append-only: every signature under a hand-over as it was taken; of each kind and shift the first counts.
hand_overs = Table(
    "hand_overs",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("sender", Text, nullable=False),
    Column("kind", Text, nullable=False),  # handed_over or taken_over
    Column("area", Text, nullable=False),
    Column("date", Text, nullable=False),
    Column("shift", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("digest", Text, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_hand_overs_area_date_shift", "area", "date", "shift"),
)

# Append-only: everybody's check-in on a round (a patrol of a cell, a visit to a person).
task_checks = Table(
    "task_checks",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("plan", Text, nullable=False),
    Column("cell_code", Text, nullable=False),  # of the task, which whoever checks in is in or close to
    Column("person", Text),  # the code of one of care_persons
    Column("worker", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("lon", Double),  # null: not known
    Column("lat", Double),
    Column("note", Text),
    Column("origin", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_task_checks_at", "at"),
    Index("ix_task_checks_cell_code_at", "cell_code", "at"),
)

# Whom care is for. Only `python -m dashboard care` writes it; name, phone and address are sealed.
care_persons = Table(
    "care_persons",
    metadata,
    Column("person", Text, primary_key=True),  # a code that says nothing of who it is
    Column("care_group", Text, nullable=False),
    Column("cell_code", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("phone", Text),
    Column("address", Text),
    Column("next_visit", Text),  # the county's day, as 2026-11-22
    Column("origin", Text, nullable=False),
)

# Append-only: what was sent to walls; of a wall the row with the latest `at` counts.
wall_orders = Table(
    "wall_orders",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("wall", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
    Index("ix_wall_orders_wall_at", "wall", "at"),
)

# Append-only: that an exercise began, and that somebody ended it; of each the first counts.
exercises = Table(
    "exercises",
    metadata,
    Column("id", ROW_ID, primary_key=True),
    Column("source", Text, nullable=False),
    Column("event_id", Text, nullable=False),
    Column("exercise", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    UniqueConstraint("source", "event_id"),
)

IN_USE = text("revoked_at IS NULL")

# Walls that show without a log-in. Only `dashboard.people.walls` writes it; the token itself is at the wall alone.
walls = Table(
    "walls",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the token, in hex
    Column("name", Text, nullable=False),
    Column("area", Text, nullable=False),  # "" is the whole county
    Column("made_at", BigInteger, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("revoked_at", BigInteger),
    Column("revoked_by", Text),
    Index("ix_walls_name_in_use", "name", unique=True, sqlite_where=IN_USE, postgresql_where=IN_USE),
)

# People who log in to the screens. Only `dashboard.people` writes these two: see docs/decisions/0011-people.md.
accounts = Table(
    "accounts",
    metadata,
    Column("name", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("area", Text, nullable=False),  # "" is the whole county
    Column("unit", Text),
    Column("password", Text, nullable=False),  # argon2id, with its salt and costs
    Column("must_change", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("disabled_at", BigInteger),
    Column("failures", Integer, nullable=False),  # wrong passwords since the last right one
    Column("locked_until", BigInteger),
)

# Who is logged in. The token itself is only in the person's browser.
sessions = Table(
    "sessions",
    metadata,
    Column("digest", Text, primary_key=True),  # SHA-256 of the token, in hex
    Column("account", Text, nullable=False, index=True),
    Column("created_at", BigInteger, nullable=False),
    Column("used_at", BigInteger, nullable=False),
)

# Who did or saw what. Only `dashboard.people.audit` writes it; triggers refuse every change: see docs/privacy.md.
audit = Table(
    "audit",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),  # 1, 2, 3, … without a gap
    Column("at", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("deed", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", Text, nullable=False),  # the hash of the row before; of the first row, random
    Column("hash", Text, nullable=False),
    Index("ix_audit_actor_at", "actor", "at"),
    Index("ix_audit_subject_at", "subject", "at"),
)
