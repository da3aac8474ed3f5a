"""Nothing yet."""

revision = "r0010"
down_revision = "r0009"


def upgrade() -> None:
    """Apply."""
