"""Public alerts."""

revision = "r0003"
down_revision = "r0002"


def upgrade() -> None:
    """Apply."""
