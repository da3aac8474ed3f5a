"""Until when open cases are to be ended, which the steward reckons."""

import sqlalchemy as sa
from alembic import op

revision = "r0015"
down_revision = "r0014"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "case_deadlines",
        sa.Column("case_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("case_id", name="pk_case_deadlines"),
    )
