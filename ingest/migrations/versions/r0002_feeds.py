"""What came from each sender and feed: by the minute, and in all."""

import sqlalchemy as sa
from alembic import op

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "feed_minutes",
        sa.Column("minute_at", sa.BigInteger(), nullable=False, autoincrement=False),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("lag_counted", sa.BigInteger(), nullable=False),
        sa.Column("lag_total_ms", sa.BigInteger(), nullable=False),
        sa.Column("lag_highest_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("minute_at", "sender", "feed", name="pk_feed_minutes"),
    )
    op.create_table(
        "feed_totals",
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("recorded", sa.BigInteger(), nullable=False),
        sa.Column("late_duplicate", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("observed_at", sa.BigInteger(), nullable=False),
        sa.Column("fast_clock", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sender", "feed", name="pk_feed_totals"),
    )
