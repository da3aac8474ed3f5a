"""Readings in partitions, and what retention needs."""

revision = "r0005"
down_revision = "r0004"


def upgrade() -> None:
    """Apply."""
