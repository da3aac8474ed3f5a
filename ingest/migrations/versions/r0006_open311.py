"""What Open311 needs: a reporter's e-mail address, and the actions in the order in which they were received."""

import sqlalchemy as sa
from alembic import op

revision = "r0006"
down_revision = "r0005"


def upgrade() -> None:
    """Apply."""
    op.add_column("reporters", sa.Column("email", sa.Text()))
    op.create_index("ix_case_actions_received_at", "case_actions", ["received_at"])
