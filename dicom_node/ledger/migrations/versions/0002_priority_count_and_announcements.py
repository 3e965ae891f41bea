"""Priority, expected count and late priors of a job; who sent; what was announced; the history
cannot be changed.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Bring the schema from the revision before to this one.

    Programs of the version before go on beside it: every new column has a default.
    """
    op.add_column(
        "jobs", sa.Column("priority", sa.Integer(), nullable=False, server_default=sa.text("1"))
    )
    op.add_column("jobs", sa.Column("expected", sa.Integer(), nullable=True))
    op.add_column("jobs", sa.Column("prior_until", sa.Float(), nullable=True))
    op.add_column(
        "instances",
        sa.Column("calling", sa.String(length=16), nullable=False, server_default=sa.text("''")),
    )
    op.create_table(
        "performed_steps",
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            "sop_instance_uid", "study_instance_uid", name=op.f("pk_performed_steps")
        ),
    )
    with op.batch_alter_table("performed_steps", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_performed_steps_study_instance_uid"),
            ["study_instance_uid"],
            unique=False,
        )

    op.create_table(
        "announced",
        sa.Column("study_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint(
            "study_instance_uid", "sop_instance_uid", name=op.f("pk_announced")
        ),
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION events_are_only_added() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'events are only ever added'; END $$"
        )
        op.execute(
            "CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events "
            "FOR EACH ROW EXECUTE FUNCTION events_are_only_added()"
        )
        return
    for what in ("update", "delete"):
        op.execute(
            f"CREATE TRIGGER events_no_{what} BEFORE {what.upper()} ON events "
            "BEGIN SELECT RAISE(ABORT, 'events are only ever added'); END"
        )
