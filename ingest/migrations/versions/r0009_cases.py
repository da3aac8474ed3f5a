"""Nothing yet."""

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    """Apply."""
