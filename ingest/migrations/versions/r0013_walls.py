"""Walls: what was sent to them, and those that show without a log-in."""

import sqlalchemy as sa
from alembic import op

revision = "r0013"
down_revision = "r0012"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "wall_orders",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("wall", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_wall_orders"),
        sa.UniqueConstraint("source", "event_id", name="uq_wall_orders_source_event_id"),
    )
    op.create_index("ix_wall_orders_wall_at", "wall_orders", ["wall", "at"])
    op.create_table(
        "walls",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.Column("made_by", sa.Text(), nullable=False),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("revoked_by", sa.Text()),
        sa.PrimaryKeyConstraint("digest", name="pk_walls"),
    )
    in_use = sa.text("revoked_at IS NULL")
    op.create_index(
        "ix_walls_name_in_use", "walls", ["name"], unique=True, sqlite_where=in_use, postgresql_where=in_use
    )
