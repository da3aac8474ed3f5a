"""Shifts: who is planned, and the signatures under hand-overs."""

import sqlalchemy as sa
from alembic import op

revision = "r0011"
down_revision = "r0009"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "shift_plans",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("date", sa.Text(), nullable=False),
        sa.Column("shift", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("title", sa.Text()),
        sa.Column("role", sa.Text()),
        sa.Column("phone", sa.Text()),
        sa.Column("withdrawn", sa.Boolean(), nullable=False),
        sa.Column("actor", sa.Text()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_shift_plans"),
        sa.UniqueConstraint("source", "event_id", name="uq_shift_plans_source_event_id"),
    )
    op.create_index("ix_shift_plans_date_area", "shift_plans", ["date", "area"])
    op.create_table(
        "hand_overs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("date", sa.Text(), nullable=False),
        sa.Column("shift", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_hand_overs"),
        sa.UniqueConstraint("source", "event_id", name="uq_hand_overs_source_event_id"),
    )
    op.create_index("ix_hand_overs_area_date_shift", "hand_overs", ["area", "date", "shift"])
