"""When a file in quarantine was deleted; its row stays."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Bring the schema from the revision before to this one."""
    op.add_column("quarantine", sa.Column("deleted_at", sa.Float(), nullable=True))
