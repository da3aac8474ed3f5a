"""Readings in monthly partitions on PostgreSQL; SQLite stays as it is."""

from alembic import op

from ingest.rows.reading_months import ensure_months, list_months

revision = "r0005"
down_revision = "r0004"

COLUMNS = (
    "id, feed, asset_id, observed_at, received_at, value, unit, lon, lat, cell_code, attributes, source, event_id, "
    "event_hash, origin"
)


def upgrade() -> None:
    """Apply: on PostgreSQL every reading is copied once, some 100,000 a second."""
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    op.execute("ALTER TABLE readings RENAME TO old_readings")
    op.execute("ALTER TABLE old_readings DROP CONSTRAINT pk_readings")
    op.execute("CREATE TABLE readings (LIKE old_readings INCLUDING DEFAULTS) PARTITION BY RANGE (observed_at)")
    op.execute("ALTER SEQUENCE readings_id_seq OWNED BY readings.id")
    days = connection.exec_driver_sql("SELECT DISTINCT observed_at / 86400000 FROM old_readings").scalars()
    ensure_months(connection, [day * 86_400_000 for day in days])
    for month in list_months(connection):
        # The old unique key finds each month; the new indexes are made over what is there already: faster.
        op.execute(
            f"""INSERT INTO {month.table} ({COLUMNS}) SELECT {COLUMNS} FROM old_readings
            WHERE observed_at >= {month.start_ms} AND observed_at < {month.end_ms} ORDER BY id"""
        )
    op.execute("DROP TABLE old_readings")
    # `id` has no index: it only ranks readings of one moment.
    op.create_unique_constraint("uq_readings_observed_at_event_hash", "readings", ["observed_at", "event_hash"])
    # What is received grows with the table, so a few kilobytes tell whether a month holds anything received lately.
    op.create_index(
        "ix_readings_received_at",
        "readings",
        ["received_at"],
        postgresql_using="brin",
        postgresql_with={"autosummarize": "on"},
    )
