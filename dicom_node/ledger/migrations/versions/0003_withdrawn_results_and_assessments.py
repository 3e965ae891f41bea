"""How often results were withdrawn, what withdrew each object, and what radiologists made of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

#: SOP Classes of the objects that there were then.
_MADE_BEFORE = {
    "sr": "1.2.840.10008.5.1.4.1.1.88.34",
    "seg": "1.2.840.10008.5.1.4.1.1.66.4",
}


def upgrade() -> None:
    """Bring the schema from the revision before to this one.

    Programs of the version before go on beside it: every new column has a default.
    """
    none = sa.text("'0'")
    op.add_column(
        "jobs", sa.Column("retractions", sa.Integer(), nullable=False, server_default=none)
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("retractions", sa.Integer(), nullable=False, server_default=none)
        )
        batch_op.add_column(sa.Column("withdrawn_by", sa.Integer(), nullable=True))
        batch_op.add_column(
            sa.Column(
                "sop_class_uid", sa.String(length=64), nullable=False, server_default=sa.text("''")
            )
        )
        batch_op.drop_constraint(
            batch_op.f("uq_deliveries_job_id_destination_output"), type_="unique"
        )
        batch_op.create_unique_constraint(
            batch_op.f("uq_deliveries_job_id_destination_output_retractions"),
            ["job_id", "destination", "output", "retractions"],
        )
    for output, sop_class in _MADE_BEFORE.items():
        op.execute(
            sa.text(
                "UPDATE deliveries SET sop_class_uid = :sop_class WHERE output = :output"
            ).bindparams(sop_class=sop_class, output=output)
        )
    op.create_table(
        "assessments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column("result_sop_instance_uid", sa.String(length=64), nullable=False),
        sa.Column(
            "tracking_uid", sa.String(length=64), nullable=False, server_default=sa.text("''")
        ),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name=op.f("fk_assessments_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assessments")),
        sa.UniqueConstraint(
            "sop_instance_uid",
            "result_sop_instance_uid",
            "tracking_uid",
            name=op.f("uq_assessments_of"),
        ),
    )
    with op.batch_alter_table("assessments", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_assessments_job_id"), ["job_id"], unique=False)
