"""Holding on to a job for longer than was thought when it was leased."""

from __future__ import annotations

from sqlalchemy import update

from dicom_node.ledger.database import Database, now
from dicom_node.ledger.jobs import Job, holds
from dicom_node.ledger.tables import jobs


def renew(database: Database, job: Job, seconds: float) -> bool:
    """Hold a job for so many seconds from now; False when somebody else has it by now."""
    with database.writing() as connection:
        if not holds(connection, job):
            return False
        connection.execute(
            update(jobs).where(jobs.c.id == job.id).values(lease_until=now() + seconds)
        )
    return True
