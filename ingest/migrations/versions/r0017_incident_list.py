"""Indexes: the cases that were in incident mode, and what was heard of alarms in a time."""

import sqlalchemy as sa
from alembic import op

revision = "r0017"
down_revision = "r0016"

_BEGINS = sa.text("action = 'begin_incident'")


def upgrade() -> None:
    """Apply."""
    op.create_index(
        "ix_case_actions_incidents", "case_actions", ["case_id", "at"], sqlite_where=_BEGINS, postgresql_where=_BEGINS
    )
    op.create_index("ix_alarm_actions_received_at", "alarm_actions", ["received_at"])
