"""Cases by their place: what was dealt with there before."""

from alembic import op

revision = "r0009"
down_revision = "r0008"


def upgrade() -> None:
    """Apply."""
    op.create_index("ix_cases_lon_lat", "cases", ["lon", "lat"])
