"""Indices by which a ledger of a million jobs is asked as quickly as one of a hundred."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Bring the schema from the revision before to this one.

    Programs of the version before go on beside it: no table changes.
    """
    op.drop_index("ix_jobs_state_due_at", "jobs")
    op.create_index("ix_jobs_state_priority_due_at", "jobs", ["state", "priority", "due_at"])
    op.create_index("ix_jobs_state_id", "jobs", ["state", "id"])
    for table, column in (("announced", "at"), ("performed_steps", "at"), ("quarantine", "path")):
        op.create_index(f"ix_{table}_{column}", table, [column])
