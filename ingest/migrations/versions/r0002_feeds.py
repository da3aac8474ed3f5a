"""What came from each sender and feed, by the minute."""

revision = "r0002"
down_revision = "r0001"


def upgrade() -> None:
    """Apply."""
