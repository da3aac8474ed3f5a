"""Every action of an alarm; what was known of alarms until now becomes actions, too."""

import sqlalchemy as sa
from alembic import op

revision = "r0014"
down_revision = "r0013"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
KNOWN = """INSERT INTO alarm_actions (source, event_id, origin, alarm_id, action, actor, at, received_at, details)
    SELECT 'urn:county-brain:r0014', '{action} ' || alarm_id, origin, alarm_id, '{action}', {actor}, {at}, {at},
    {details} FROM alarms WHERE {at} IS NOT NULL ORDER BY {at}, alarm_id"""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "alarm_actions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("alarm_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm_actions"),
        sa.UniqueConstraint("source", "event_id", name="uq_alarm_actions_source_event_id"),
    )
    op.create_index("ix_alarm_actions_alarm_id_id", "alarm_actions", ["alarm_id", "id"])
    op.create_index("ix_alarm_actions_at", "alarm_actions", ["at"])
    connection = op.get_bind()
    make_json = "json_object" if connection.dialect.name == "sqlite" else "json_build_object"
    raised = f"CAST({make_json}('severity', severity, 'subject', subject) AS TEXT)"
    for action, actor, at, details in (
        ("raise", "NULL", "raised_at", raised),
        ("ack", "acked_by", "acked_at", "'{}'"),
        ("clear", "cleared_by", "cleared_at", "'{}'"),
    ):
        connection.exec_driver_sql(KNOWN.format(action=action, actor=actor, at=at, details=details))
