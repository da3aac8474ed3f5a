"""Rounds: check-ins of patrols and visits, and the persons whom care is for."""

import sqlalchemy as sa
from alembic import op

revision = "r0012"
down_revision = "r0011"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "task_checks",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("cell_code", sa.Text(), nullable=False),
        sa.Column("person", sa.Text()),
        sa.Column("worker", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("lon", sa.Double()),
        sa.Column("lat", sa.Double()),
        sa.Column("note", sa.Text()),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_task_checks"),
        sa.UniqueConstraint("source", "event_id", name="uq_task_checks_source_event_id"),
    )
    op.create_index("ix_task_checks_at", "task_checks", ["at"])
    op.create_index("ix_task_checks_cell_code_at", "task_checks", ["cell_code", "at"])
    op.create_table(
        "care_persons",
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("care_group", sa.Text(), nullable=False),
        sa.Column("cell_code", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text()),
        sa.Column("address", sa.Text()),
        sa.Column("next_visit", sa.Text()),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person", name="pk_care_persons"),
    )
    op.create_index("ix_care_persons_cell_code", "care_persons", ["cell_code"])
