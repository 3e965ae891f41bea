"""The tables of the ledger. Times are seconds since 1970 on the ledger's own clock (UTC)."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

UID = String(64)  # PS3.5 Table 6.2-1, UI

#: One row for each study and revision.
jobs = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_instance_uid", UID, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("state_since", Float, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("rule", String(200), nullable=False, default=""),
    Column("received_at", Float, nullable=False),  # first object
    Column("arrived_at", Float, nullable=False),  # latest object
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False, default=0),  # leases taken in this state
    Column("lost", Integer, nullable=False, default=0),  # of these, how many ran out unended
    Column("lease_owner", String(100)),
    Column("lease_until", Float),
    Column("prior", Text),  # report.Prior as JSON, once the search has ended
    Column("report", Text),  # report.Report as JSON, once read
    Column("priority", Integer, nullable=False, server_default="1"),  # study.Priority
    Column("expected", Integer),  # images in the archive, once asked; 0: it did not count
    Column("prior_until", Float),  # a revision that waits for a late prior, so long
    Column("retractions", Integer, nullable=False, server_default="0"),  # results withdrawn
    UniqueConstraint("study_instance_uid", "revision"),
    Index(None, "state", "priority", "due_at"),  # whose turn it is
    Index(None, "state", "id"),  # the latest of a state
)

#: One row for each object received, also of those that open no job.
instances = Table(
    "instances",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    Column("sop_instance_uid", UID, primary_key=True),
    Column("sop_class_uid", UID, nullable=False),
    Column("job_id", ForeignKey("jobs.id"), index=True),
    Column("path", Text, nullable=False),  # below the spool; empty once deleted
    Column("sha256", String(64), nullable=False),
    Column("received_at", Float, nullable=False),
    Column("calling", String(16), nullable=False, server_default=""),  # AE title that sent it
)

#: Open and closed associations; one whose lease has run out belongs to an edge that died.
associations = Table(
    "associations",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("edge", String(100), nullable=False),
    Column("lease_until", Float, nullable=False),
    Column("closed_at", Float),
)

association_studies = Table(
    "association_studies",
    metadata,
    Column("association_id", ForeignKey("associations.id"), primary_key=True),
    Column("study_instance_uid", UID, primary_key=True, index=True),
)

#: Modality Performed Procedure Steps (PS3.4 Annex F) that modalities told of, by study.
performed_steps = Table(
    "performed_steps",
    metadata,
    Column("sop_instance_uid", UID, primary_key=True),  # of the step
    Column("study_instance_uid", UID, primary_key=True, index=True),
    Column("status", String(16), nullable=False),  # IN PROGRESS, COMPLETED or DISCONTINUED
    Column("at", Float, nullable=False, index=True),
)

#: Objects that a step or an Instance Availability Notification (PS3.4 Annex R) says a study has.
announced = Table(
    "announced",
    metadata,
    Column("study_instance_uid", UID, primary_key=True),
    Column("sop_instance_uid", UID, primary_key=True),
    Column("at", Float, nullable=False, index=True),
)

#: Earlier studies that this node has asked an archive for, by C-MOVE or C-GET.
retrievals = Table(
    "retrievals",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False),
    Column("study_instance_uid", UID, nullable=False, index=True),
    Column("archive_ae_title", String(16), nullable=False),
    Column("expires_at", Float, nullable=False),
)

#: One row for each object and destination.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("destination", String(32), nullable=False),
    Column("output", String(32), nullable=False),
    Column("sop_instance_uid", UID, nullable=False, index=True),
    Column("series_instance_uid", UID, nullable=False),
    Column("sop_class_uid", UID, nullable=False, server_default=""),
    Column("path", Text, nullable=False),  # below the spool
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("reason", Text, nullable=False, default=""),
    # How often results of the job had been withdrawn when this one was made.
    Column("retractions", Integer, nullable=False, server_default="0"),
    # The row of the rejection note that withdraws it, or of the report that takes its place.
    Column("withdrawn_by", Integer),
    UniqueConstraint("job_id", "destination", "output", "retractions"),
)

#: What destinations were asked to commit themselves to (PS3.4 Annex J): one row for each object
#: and transaction.
commitments = Table(
    "commitments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("transaction_uid", UID, nullable=False),
    Column("delivery_id", ForeignKey("deliveries.id"), nullable=False, index=True),
    Column("ae_title", String(16), nullable=False),  # who was asked, and alone may report
    Column("asked_at", Float, nullable=False),
    Column("expected_until", Float, nullable=False, index=True),  # so long a report is waited for
    Column("reported_at", Float),
    Column("failure", Integer),  # Failure Reason (0008,1197); empty once reported: committed
    Column("settled", Integer, nullable=False, server_default="0"),  # 1: its failure was acted on
    UniqueConstraint("transaction_uid", "delivery_id"),
)

#: What happened, in order; rows are only ever added (triggers of migration 0002 refuse the rest).
events = Table(
    "events",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("job_id", ForeignKey("jobs.id"), nullable=False, index=True),
    Column("at", Float, nullable=False),
    Column("what", Text, nullable=False),
)

#: What was received but cannot be used.
quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Float, nullable=False),
    Column("path", Text, nullable=False, index=True),  # below the spool
    Column("reason", Text, nullable=False),
    Column("deleted_at", Float),  # when retention deleted the file; the row stays
)

#: What radiologists made of results: assessments (IHE AIRA) that were received.
assessments = Table(
    "assessments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("sop_instance_uid", UID, nullable=False),  # of the assessment
    Column("result_sop_instance_uid", UID, nullable=False),  # what it is about
    Column("tracking_uid", UID, nullable=False, server_default=""),  # empty: the whole result
    Column("verdict", String(16), nullable=False),  # accepted, modified or rejected
    Column("job_id", ForeignKey("jobs.id"), index=True),  # empty: no result of this ledger
    Column("at", Float, nullable=False),
    UniqueConstraint(
        "sop_instance_uid", "result_sop_instance_uid", "tracking_uid", name="uq_assessments_of"
    ),
)
